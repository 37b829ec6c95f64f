//! `_queue`: a queue without a bound.
//!
//! Its items are guarded by the object's lock, for moments. Who waits stands in line: an item that is put goes to the thread
//! that has waited longest, so nobody who comes later takes it from under its nose.

use crate::support::{self, Guarded, nanos};
use crate::wait::{Wake, sleep_on, wake};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, OnceLock};
use weft_gc::{lock, share};
use weft_objects::cell::{counted, fresh};
use weft_objects::prelude::*;
use weft_objects::runtime::{self, SharedObj};

/// `_queue.Empty`
static EMPTY: OnceLock<SharedObj> = OnceLock::new();

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "C implementation of the Python queue module.\nThis module is an implementation detail, please do not use it directly.";
    let m = support::module(t, "_queue", doc, &[]);
    let class = match EMPTY.get() {
        Some(class) => class.get(t),
        None => {
            let bases = [&errors::EXCEPTION];
            let class = crate::_signal::new_exception_class(t, "Empty", "_queue", &bases)?;
            EMPTY.get_or_init(|| SharedObj::new(t, class)).get(t)
        }
    };
    support::add(t, &m, "Empty", class);
    support::add_type(t, &m, &SIMPLE_QUEUE);
    Ok(m)
}

#[cold]
fn empty(t: &Thread) -> Raised {
    match EMPTY.get() {
        Some(class) => {
            let class = class.get(t);
            t.raise_args(Type::of_unchecked(class.value()), Vec::new())
        }
        None => t.runtime_error("the queue is empty"),
    }
}

/// One that waits for an item.
#[derive(Default)]
struct Waiter {
    /// 1: an item has been handed over.
    word: AtomicU32,
    /// The item, a reference that whoever takes it owns.
    item: AtomicU64,
    /// Of a process that has forked, only the child's own threads wait.
    process: u32,
}

#[derive(Default)]
struct State {
    /// Each word is a reference.
    items: VecDeque<u64>,
    /// In the order in which they came. If there are any, there are no items.
    waiters: VecDeque<Arc<Waiter>>,
}

#[repr(C)]
struct SimpleQueue {
    header: Header,
    state: Guarded<State>,
}

fn this<'a>(v: Value) -> &'a SimpleQueue {
    // SAFETY: slots and methods of SIMPLE_QUEUE get its instances alone.
    unsafe { &*(v.ptr() as *const SimpleQueue) }
}

impl SimpleQueue {
    #[inline]
    fn with<R>(&self, t: &Thread, f: impl FnOnce(&mut State) -> R) -> R {
        let guard = lock(t, &self.header);
        f(self.state.get(&guard))
    }

    fn put(&self, t: &Thread, v: Value) {
        let word = counted(t, v);
        if !self.header.is_local(t) {
            share(t, word);
        }
        let mut refused = false;
        self.place(t, word, |s| {
            refused = s.items.len() == s.items.capacity() && s.items.try_reserve(1).is_err();
            if !refused {
                s.items.push_back(word.0);
            }
        });
        if refused {
            // MemoryError comes at the next poll, if not before.
            weft_gc::reserve::starve(t);
            drop(Obj::from_raw(word));
        }
    }

    /// Hands an item to the first in line; `keep` keeps it if there is nobody.
    #[inline]
    fn place(&self, t: &Thread, word: Value, keep: impl FnOnce(&mut State)) {
        let waiter = self.with(t, |s| {
            let next = s.next_waiter();
            if next.is_none() {
                keep(s);
            }
            next
        });
        if let Some(w) = waiter {
            w.item.store(word.0, Relaxed);
            w.word.store(1, Release);
            wake(&w.word, 1);
        }
    }

    #[inline]
    fn take(&self, t: &Thread) -> Option<Obj> {
        let word = self.with(t, |s| s.items.pop_front())?;
        Some(Obj::from_raw(Value(word)))
    }

    /// Takes the first item, or stands in line.
    fn take_or_wait(&self, t: &Thread) -> Result<Obj, Arc<Waiter>> {
        self.with(t, |s| match s.items.pop_front() {
            Some(word) => Ok(Obj::from_raw(Value(word))),
            None => {
                let w = Arc::new(Waiter {
                    process: std::process::id(),
                    ..Waiter::default()
                });
                s.waiters.push_back(w.clone());
                Err(w)
            }
        })
    }

    /// Leaves the line. False: it is too late, an item has been handed over.
    fn leave(&self, t: &Thread, w: &Arc<Waiter>) -> bool {
        self.with(t, |s| {
            let at = s.waiters.iter().position(|x| Arc::ptr_eq(x, w));
            at.is_some_and(|i| s.waiters.remove(i).is_some())
        })
    }

    /// Waits for the next item. `None`: it has taken too long.
    fn wait(&self, t: &mut Thread, deadline: Option<i64>) -> Res<Option<Obj>> {
        let w = match self.take_or_wait(t) {
            Ok(item) => return Ok(Some(item)),
            Err(w) => w,
        };
        let end = loop {
            if w.word.load(Acquire) == 1 {
                break Ok(());
            }
            match t.blocking(|| sleep_on(&w.word, 0, deadline)) {
                Wake::Woken => {}
                Wake::TimedOut => break Ok(()),
                Wake::Interrupted => match runtime::check_signals(t) {
                    Ok(()) => {}
                    Err(e) => break Err(e),
                },
            }
        };
        if w.word.load(Acquire) == 0 && self.leave(t, &w) {
            return end.map(|()| None);
        }
        // Between leaving the line and this lie a few instructions of the one who puts.
        while w.word.load(Acquire) == 0 {
            std::hint::spin_loop();
        }
        let item = Obj::from_raw(Value(w.item.load(Relaxed)));
        match end {
            Ok(()) => Ok(Some(item)),
            Err(e) => {
                self.put_back(t, item);
                Err(e)
            }
        }
    }

    /// An item that was handed to somebody who does not want it any more.
    #[cold]
    fn put_back(&self, t: &Thread, item: Obj) {
        let word = item.into_value();
        self.place(t, word, |s| s.items.push_front(word.0));
    }
}

impl State {
    /// Takes the first in line out of it.
    fn next_waiter(&mut self) -> Option<Arc<Waiter>> {
        if self.waiters.is_empty() {
            return None;
        }
        let me = std::process::id();
        while let Some(w) = self.waiters.pop_front() {
            if w.process == me {
                return Some(w);
            }
        }
        None
    }
}

fn get(t: &mut Thread, q: Value, block: bool, timeout: Value) -> Res {
    let q = this(q);
    if !block || timeout.is_null() || timeout.is_none() {
        // The usual case.
        if let Some(item) = q.take(t) {
            return Ok(item.into());
        }
        if !block {
            return Err(empty(t));
        }
    }
    let deadline = match timeout {
        v if v.is_null() || v.is_none() => None,
        v => {
            let n = nanos(t, v)?;
            if n < 0 {
                return Err(t.value_error("'timeout' must be a non-negative number"));
            }
            Some(crate::time::monotonic_ns().saturating_add(n))
        }
    };
    match q.wait(t, deadline)? {
        Some(item) => Ok(item.into()),
        None => Err(empty(t)),
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a queue that nobody changes meanwhile.
    if let Some(s) = unsafe { (*(h as *const SimpleQueue)).state.peek() } {
        s.items.iter().for_each(|word| f(Value(*word)));
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying queue.
    if let Some(s) = unsafe { (*(h as *const SimpleQueue)).state.take() } {
        s.items.iter().for_each(|word| t.drop_value(Value(*word)));
    }
}

/// `_queue.SimpleQueue`
static SIMPLE_QUEUE: Type = Type::builtin(
    "SimpleQueue",
    size_of::<SimpleQueue>(),
    &Spec {
        new: Some(|t, cls, args| {
            static SIG: SigCell = SigCell::new("SimpleQueue", "()");
            let ty = Type::of_unchecked(cls);
            if ty.is(&SIMPLE_QUEUE) {
                SIG.bind(t, args)?;
            }
            // SAFETY: `cls` is SIMPLE_QUEUE or a subclass.
            let (o, _) = unsafe { fresh::<SimpleQueue>(t, ty) };
            Ok(o.into())
        }),
        methods: &[
            NativeDef::new("empty", "($self, /)", |t, a| {
                let t = &*t;
                Ok(Value::bool(this(a[0]).with(t, |s| s.items.is_empty())))
            })
            .doc("Return True if the queue is empty, False otherwise (not reliable!)."),
            NativeDef::new("qsize", "($self, /)", |t, a| {
                let t = &*t;
                Ok(Value::int(this(a[0]).with(t, |s| s.items.len()) as i64))
            })
            .doc("Return the approximate size of the queue (not reliable!)."),
            NativeDef::new("get", "($self, /, block=True, timeout=None)", |t, a| {
                let block = support::truth_or(t, a[1], true)?;
                get(t, a[0], block, a[2])
            })
            .doc("Remove and return an item from the queue.\n\nIf optional args 'block' is true and 'timeout' is None (the\ndefault), block if necessary until an item is available.  If\n'timeout' is a non-negative number, it blocks at most 'timeout'\nseconds and raises the Empty exception if no item was available\nwithin that time.\nOtherwise ('block' is false), return an item if one is immediately\navailable, else raise the Empty exception ('timeout' is ignored\nin that case)."),
            NativeDef::new("get_nowait", "($self, /)", |t, a| {
                get(t, a[0], false, Value::NULL)
            })
            .doc("Remove and return an item from the queue without blocking.\n\nOnly get an item if one is immediately available. Otherwise\nraise the Empty exception."),
            NativeDef::new("put", "($self, /, item, block=True, timeout=None)", |t, a| {
                this(a[0]).put(t, a[1]);
                Ok(Value::NONE)
            })
            .doc("Put the item on the queue.\n\nThe optional 'block' and 'timeout' arguments are ignored, as this\nmethod never blocks.  They are provided for compatibility with the\nQueue class."),
            NativeDef::new("put_nowait", "($self, /, item)", |t, a| {
                this(a[0]).put(t, a[1]);
                Ok(Value::NONE)
            })
            .doc("Put an item into the queue without blocking.\n\nThis is exactly equivalent to `put(item)` and is only provided\nfor compatibility with the Queue class."),
            NativeDef::class("__class_getitem__", "($type, object, /)", |t, a| {
                weft_objects::generic_alias::new(t, a[0], a[1]).map(Obj::into_value)
            })
            .doc("See PEP 585"),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("_queue")
.doc("Simple, unbounded, reentrant FIFO queue.");
