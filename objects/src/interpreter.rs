//! Interpreters: what `sys.modules`, builtins, codecs and the like are to the threads that run in one of them.
//!
//! There is the main one, and those that the program makes. A thread is in one at a time; threads that it starts begin in the same.
//! Built-in types, natives and all that cannot change are common to all.

use crate::prelude::*;
use crate::runtime::Global;
use parking_lot::{Mutex, RwLock};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering::*};

/// An interpreter. They are never freed: one that has ended is used again for the next that is made.
pub struct Interpreter {
    /// -1: not in use.
    id: AtomicI64,
    /// Threads that were started in it and have not ended.
    pub threads: AtomicUsize,
    /// What programs may do in it: [`FORK`] and the others.
    allowed: AtomicU32,
    /// What it has of its own, by the address of the [`PerInterpreter`] that it belongs to.
    parts: RwLock<Vec<(usize, &'static dyn Part)>>,
}

/// What an interpreter may allow.
pub const FORK: u32 = 1;
pub const EXEC: u32 = 2;
pub const THREADS: u32 = 4;
pub const DAEMON_THREADS: u32 = 8;

/// What can be made as it was when it was new, for the next interpreter.
pub trait Part: Send + Sync {
    fn reset(&self, t: &Thread);
}

impl Part for Global {
    fn reset(&self, t: &Thread) {
        self.forget(t);
    }
}

impl<T: Default + Send> Part for Mutex<T> {
    fn reset(&self, _t: &Thread) {
        let old = std::mem::take(&mut *self.lock());
        // When the lock is free again.
        drop(old);
    }
}

impl Part for AtomicUsize {
    fn reset(&self, _t: &Thread) {
        self.store(0, Relaxed);
    }
}

static MAIN: Interpreter = Interpreter::new(0);
/// All but the main one, in use or not.
static OTHERS: Mutex<Vec<&'static Interpreter>> = Mutex::new(Vec::new());
static NEXT_ID: AtomicI64 = AtomicI64::new(1);

impl Interpreter {
    const fn new(id: i64) -> Interpreter {
        Interpreter {
            id: AtomicI64::new(id),
            threads: AtomicUsize::new(0),
            allowed: AtomicU32::new(u32::MAX),
            parts: RwLock::new(Vec::new()),
        }
    }

    /// The one that the program starts in.
    pub fn main() -> &'static Interpreter {
        &MAIN
    }

    /// Its number: the main one's is 0, no two have the same.
    pub fn id(&self) -> i64 {
        self.id.load(Acquire)
    }

    #[inline]
    pub fn is_main(&self) -> bool {
        std::ptr::eq(self, &MAIN)
    }

    /// Whether it allows that.
    pub fn allows(&self, what: u32) -> bool {
        self.allowed.load(Relaxed) & what != 0
    }

    /// One more, with nothing in it yet, that allows this.
    pub fn make(allowed: u32) -> &'static Interpreter {
        let new = Interpreter::make_any();
        new.allowed.store(allowed, Relaxed);
        new
    }

    fn make_any() -> &'static Interpreter {
        let id = NEXT_ID.fetch_add(1, Relaxed);
        let mut all = OTHERS.lock();
        if let Some(free) = all.iter().find(|i| i.id() < 0) {
            free.id.store(id, Release);
            return free;
        }
        let new: &'static Interpreter = Box::leak(Box::new(Interpreter::new(id)));
        all.push(new);
        new
    }

    /// The one with this number, if there is one.
    pub fn find(id: i64) -> Option<&'static Interpreter> {
        if id == 0 {
            return Some(&MAIN);
        }
        OTHERS.lock().iter().find(|i| i.id() == id).copied()
    }

    /// The numbers of all that there are, the main one's first.
    pub fn all() -> Vec<i64> {
        let others = OTHERS.lock();
        let mut ids: Vec<i64> = others.iter().map(|i| i.id()).filter(|id| *id > 0).collect();
        ids.push(0);
        ids.sort_unstable();
        ids
    }

    /// Ends it, when nothing runs in it any more: what it had goes. If threads are still in it (daemons) it is only forgotten.
    pub fn end(&'static self, t: &Thread) {
        if self.threads.load(Acquire) != 0 {
            OTHERS.lock().retain(|i| !std::ptr::eq(*i, self));
            return;
        }
        let parts = self.parts.read().clone();
        for (_, p) in parts {
            p.reset(t);
        }
        self.id.store(-1, Release);
    }

    fn own<T: Part>(&self, of: &'static PerInterpreter<T>) -> &'static T {
        let key = &raw const *of as usize;
        let find = |parts: &[(usize, &'static dyn Part)]| {
            parts.iter().find(|(k, _)| *k == key).map(|(_, p)| *p)
        };
        let found = find(&self.parts.read());
        let part = found.unwrap_or_else(|| {
            let mut parts = self.parts.write();
            find(&parts).unwrap_or_else(|| {
                let new: &'static T = Box::leak(Box::new((of.make)()));
                parts.push((key, new));
                new
            })
        });
        // SAFETY: what is filed under the address of a static was made as that static's type, here, and is never freed.
        unsafe { &*(part as *const dyn Part as *const T) }
    }
}

/// Something of which each interpreter has one. For statics.
pub struct PerInterpreter<T: 'static> {
    main: T,
    make: fn() -> T,
}

impl<T: Part> PerInterpreter<T> {
    /// The main interpreter's, and how others' are made.
    pub const fn new(main: T, make: fn() -> T) -> Self {
        PerInterpreter { main, make }
    }
    /// That of the interpreter in which the thread is.
    #[inline]
    pub fn of(&'static self, t: &Thread) -> &'static T {
        let i = t.vm().interpreter.get();
        if i.is_main() { &self.main } else { i.own(self) }
    }
    /// The main interpreter's.
    pub fn main(&self) -> &T {
        &self.main
    }
}

/// The one in which the thread is.
#[inline]
pub fn current(t: &Thread) -> &'static Interpreter {
    t.vm().interpreter.get()
}

/// Calls `f` in an interpreter, as if the thread had just begun: what it was doing in its own one cannot be seen there.
pub fn within<R>(t: &mut Thread, to: &'static Interpreter, f: impl FnOnce(&mut Thread) -> R) -> R {
    let raised = t.take_exc();
    let outside = t.vm().enter_interpreter(to);
    let r = f(t);
    let inside = t.vm().leave_interpreter(outside);
    inside.forget(t);
    if let Some(exc) = raised {
        let _ = t.set_exc(exc);
    }
    if current(t).is_main() {
        // What came in meanwhile is the main interpreter's.
        t.peer().raise(weft_gc::breaker_bits::SIGNAL);
    }
    r
}
