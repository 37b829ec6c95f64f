//! What a thread of the runtime has beyond memory: frames, handled exceptions, recursion guards; and the few things that all threads
//! share: builtins, `sys.modules`, the hash key, hooks of the layers above.

use crate::frame::Frame;
use crate::interpreter::{Interpreter, PerInterpreter};
use crate::prelude::*;
use crate::types::LookupCache;
use parking_lot::Mutex;
use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use weft_gc::{Pending, breaker_bits};

/// State of a thread above memory.
#[repr(align(128))]
pub struct Vm {
    /// The interpreter that the thread is in.
    pub interpreter: Cell<&'static Interpreter>,
    frames: *mut Frame,
    /// Where the frames begin that belong to what the thread does in its interpreter.
    floor: Cell<*mut Frame>,
    frame_limit: *mut Frame,
    /// Where `sys.setrecursionlimit` says that it is too deep.
    soft_limit: Cell<*mut Frame>,
    /// Set by the interpreter when a generator's entry frame has yielded rather than returned.
    pub yielded: Cell<bool>,
    /// What the frame that the interpreter loop was entered with has returned: an owned word, NULL if an exception left it.
    pub result: Cell<Value>,
    /// One past the innermost frame's record.
    frame_top: Cell<*mut Frame>,
    pub lookups: Box<LookupCache>,
    pub sites: Box<crate::site_cache::SiteCache>,
    /// Lowest stack address that native recursion may reach.
    stack_limit: usize,
    /// The exception being handled in the innermost scope: an owned word, NULL for none. What was being handled when a generator was
    /// entered is in the generator's frame.
    handled: Cell<Value>,
    reprs: RefCell<Vec<u64>>,
    /// The current `contextvars` context: an owned word, or NULL.
    pub context: Cell<Value>,
    /// The event loop that the thread runs, and the task that it is running: owned words, or NULL.
    pub running_loop: Cell<Value>,
    pub running_task: Cell<Value>,
    /// `threading.local` dicts by key, and whatever else natives keep for a thread: owned values.
    pub locals: RefCell<std::collections::HashMap<u64, Obj>>,
    /// `sys.settrace`, `sys.setprofile`: owned words, or NULL.
    pub trace: Cell<Value>,
    pub profile: Cell<Value>,
    /// Exception that another thread has asked to raise here.
    pub async_exc: Mutex<Option<SharedObj>>,
    pub ident: u64,
    /// Hooks of asynchronous generators: owned words, or NULL.
    pub asyncgen_firstiter: Cell<Value>,
    pub asyncgen_finalizer: Cell<Value>,
    pub coroutine_origin_depth: Cell<i64>,
    /// How many calls of [`run_pending`] are under way.
    finalizers: Cell<u32>,
    /// The epoch of what generators know of chains of delegations ([`crate::generator::Chain`]).
    pub chains: Cell<u32>,
    /// Whether there may be records of frames that have not been written ([`Frame::CHAINED`]).
    hiding: Cell<bool>,
    /// How many callbacks of tracing tools are under way: nothing is reported meanwhile.
    pub tracing: Cell<u32>,
    /// By depth of the frame: the line that it was in when it was last looked at, while lines are reported. 0: none.
    pub lines: RefCell<Vec<u32>>,
    /// A frame of which something is being reported, and the line and the offset that it is said to be at.
    pub said: Cell<(*mut Frame, u32, i64)>,
    /// The frame of which something is being reported.
    pub reporting: Cell<*mut Frame>,
    /// The event that is being reported, or -1.
    pub event: Cell<i8>,
    /// Memory in which texts are put together, see [`Vm::take_text`].
    text: Cell<Vec<u8>>,
}

/// Most bytes of memory that are kept for putting texts together.
const TEXT_KEPT: usize = 4096;

/// Bytes of stack kept free for what runs between two checks.
const STACK_RESERVE: usize = 384 * 1024;

static RECURSION_LIMIT: AtomicUsize = AtomicUsize::new(1000);

/// `sys.getrecursionlimit()`.
pub fn recursion_limit() -> usize {
    RECURSION_LIMIT.load(Relaxed)
}
/// Sets it for the calling thread and for threads started from now on.
pub fn set_recursion_limit(t: &Thread, n: usize) {
    RECURSION_LIMIT.store(n, Relaxed);
    t.vm().refresh_limit();
}

impl Vm {
    /// An empty vector to put a text together in; goes back with [`Vm::give_text`], or is dropped.
    #[inline]
    pub fn take_text(&self) -> Vec<u8> {
        self.text.take()
    }

    /// Keeps the memory for the next text.
    #[inline]
    pub fn give_text(&self, mut v: Vec<u8>) {
        if v.capacity() <= TEXT_KEPT {
            v.clear();
            self.text.set(v);
        }
    }

    /// `stack` bytes of machine stack are left from here on down.
    fn new(stack: usize, memory: FrameMemory, interpreter: &'static Interpreter) -> Box<Vm> {
        let here = &raw const stack as usize;
        let (p, frames) = (memory.first, memory.n);
        std::mem::forget(memory);
        Box::new(Vm {
            interpreter: Cell::new(interpreter),
            frames: p,
            floor: Cell::new(p),
            // SAFETY: within the allocation.
            frame_limit: unsafe { p.add(frames) },
            // SAFETY: as above.
            soft_limit: Cell::new(unsafe { p.add(recursion_limit().min(frames - 8)) }),
            yielded: Cell::new(false),
            result: Cell::new(Value::NULL),
            frame_top: Cell::new(p),
            lookups: LookupCache::new(),
            sites: crate::site_cache::SiteCache::new(),
            stack_limit: here.saturating_sub(stack) + STACK_RESERVE,
            handled: Cell::new(Value::NULL),
            reprs: RefCell::new(Vec::new()),
            context: Cell::new(Value::NULL),
            running_loop: Cell::new(Value::NULL),
            running_task: Cell::new(Value::NULL),
            locals: RefCell::default(),
            trace: Cell::new(Value::NULL),
            profile: Cell::new(Value::NULL),
            async_exc: Mutex::new(None),
            // SAFETY: asks for the calling thread's handle.
            ident: unsafe { libc::pthread_self() } as u64,
            text: Cell::default(),
            asyncgen_firstiter: Cell::new(Value::NULL),
            asyncgen_finalizer: Cell::new(Value::NULL),
            coroutine_origin_depth: Cell::new(0),
            finalizers: Cell::new(0),
            chains: Cell::new(1),
            hiding: Cell::new(false),
            tracing: Cell::new(0),
            lines: RefCell::default(),
            said: Cell::new((std::ptr::null_mut(), 0, 0)),
            reporting: Cell::new(std::ptr::null_mut()),
            event: Cell::new(-1),
        })
    }

    /// Where the outermost frame's record is, for whoever is about to look through all of them.
    pub fn frames_base(&self) -> *mut Frame {
        self.reveal();
        self.frames
    }
    /// Where the outermost frame's record is, for handlers of signals, which know of records that are missing.
    pub fn records(&self) -> *mut Frame {
        self.frames
    }
    /// Where the record of the outermost frame is that code in this interpreter may see.
    pub fn floor(&self) -> *mut Frame {
        self.reveal();
        self.floor.get()
    }
    /// The record below `f`, which must not be [`Frame::CHAINED`].
    #[inline(always)]
    pub fn below(&self, f: *mut Frame) -> Option<*mut Frame> {
        if f > self.frames {
            Some(f.wrapping_sub(1))
        } else {
            None
        }
    }
    /// There are records now that have not been written.
    #[inline(always)]
    pub fn hide(&self) {
        self.hiding.set(true);
    }
    /// Writes the records that are missing.
    #[inline]
    pub fn reveal(&self) {
        if self.hiding.replace(false) {
            self.reveal_all();
        }
    }
    #[cold]
    #[inline(never)]
    fn reveal_all(&self) {
        let mut f = self.frame_top.get();
        while f > self.frames {
            f = f.wrapping_sub(1);
            // SAFETY: from the top down, each record is written when it is looked at.
            unsafe {
                if (*f).flags & Frame::CHAINED != 0 {
                    crate::frame::reveal_one(f);
                }
            }
        }
    }
    /// Calls `held` with the code of each running frame: its function may have been given another one since. (Frames that are hidden are
    /// generators', which hold theirs.)
    fn running_code(&self, held: &mut dyn FnMut(Value)) {
        let mut f = self.frame_top.get();
        while f > self.frames {
            f = f.wrapping_sub(1);
            // SAFETY: from the top down, all records that have been written.
            unsafe {
                held((*f).code().header.value());
                if (*f).flags & Frame::CHAINED != 0 {
                    f = f.wrapping_sub((*f).instance.as_int() as usize);
                }
            }
        }
    }
    /// One past the innermost record.
    #[inline(always)]
    pub fn frame_top(&self) -> *mut Frame {
        self.frame_top.get()
    }
    #[inline(always)]
    pub fn set_frame_top(&self, p: *mut Frame) {
        self.frame_top.set(p);
    }
    /// Records from here on are too deep.
    #[inline(always)]
    pub fn soft_limit(&self) -> *mut Frame {
        self.soft_limit.get()
    }
    /// Takes over a new recursion limit.
    pub fn refresh_limit(&self) {
        let n = (self.frame_limit as usize - self.frames as usize) / size_of::<Frame>();
        // SAFETY: within the allocation.
        self.soft_limit
            .set(unsafe { self.frames.add(recursion_limit().min(n - 8)) });
    }
    /// The innermost record.
    #[inline]
    pub fn top_frame(&self) -> Option<*mut Frame> {
        let p = self.frame_top.get();
        if p > self.floor.get() {
            Some(p.wrapping_sub(1))
        } else {
            None
        }
    }
    /// Number of running frames.
    #[inline(always)]
    pub fn frame_depth(&self) -> usize {
        (self.frame_top.get() as usize - self.frames as usize) / size_of::<Frame>()
    }

    /// Goes over to another interpreter, and gives back what the thread had in the one that it was in.
    pub fn enter_interpreter(&self, to: &'static Interpreter) -> Outside {
        self.swap_outside(Outside {
            interpreter: to,
            floor: self.frame_top.get(),
            words: [Value::NULL; WORDS],
            locals: Default::default(),
            reprs: Vec::new(),
            origin_depth: 0,
        })
    }
    /// Goes back; gives what the thread has left behind.
    pub fn leave_interpreter(&self, outside: Outside) -> Outside {
        self.swap_outside(outside)
    }
    fn swap_outside(&self, new: Outside) -> Outside {
        let words = [
            &self.handled,
            &self.context,
            &self.running_loop,
            &self.running_task,
            &self.trace,
            &self.profile,
            &self.asyncgen_firstiter,
            &self.asyncgen_finalizer,
        ];
        let mut i = 0;
        let words = words.map(|w| {
            i += 1;
            w.replace(new.words[i - 1])
        });
        Outside {
            interpreter: self.interpreter.replace(new.interpreter),
            floor: self.floor.replace(new.floor),
            words,
            locals: self.locals.replace(new.locals),
            reprs: self.reprs.replace(new.reprs),
            origin_depth: self.coroutine_origin_depth.replace(new.origin_depth),
        }
    }

    /// Makes `v` (owned, or NULL) what the innermost scope handles; gives back what it was.
    #[inline(always)]
    pub fn swap_handled(&self, v: Value) -> Value {
        self.handled.replace(v)
    }
    /// Whether the innermost scope handles no exception.
    #[inline(always)]
    pub fn handles_nothing(&self) -> bool {
        self.handled.get().is_null()
    }
}

const WORDS: usize = 8;

/// What a thread has for itself in an interpreter, while it is in another one.
pub struct Outside {
    interpreter: &'static Interpreter,
    floor: *mut Frame,
    /// Owned words, or NULL.
    words: [Value; WORDS],
    locals: std::collections::HashMap<u64, Obj>,
    reprs: Vec<u64>,
    origin_depth: i64,
}

impl Outside {
    /// Drops it.
    pub fn forget(self, t: &Thread) {
        self.words.iter().for_each(|w| dec(t, *w));
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let n = (self.frame_limit as usize - self.frames as usize) / size_of::<Frame>();
        drop(FrameMemory {
            first: self.frames,
            n,
        });
    }
}

/// Where the frames of a thread will lie.
struct FrameMemory {
    first: *mut Frame,
    n: usize,
}

// SAFETY: memory that nobody uses yet.
unsafe impl Send for FrameMemory {}

impl FrameMemory {
    fn layout(n: usize) -> Layout {
        Layout::array::<Frame>(n).expect("a sane number of frames")
    }

    /// `None`: there is no such memory.
    fn new(n: usize) -> Option<FrameMemory> {
        // SAFETY: not empty; frames are written before they are read. The pages are committed as they are used.
        let first = unsafe { std::alloc::alloc(Self::layout(n)) } as *mut Frame;
        (!first.is_null()).then_some(FrameMemory { first, n })
    }
}

impl Drop for FrameMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { std::alloc::dealloc(self.first as *mut u8, Self::layout(self.n)) };
    }
}

/// Proof that there was stack left when a native recursion went deeper.
pub struct Recursion(());

/// Access to the thread's state.
pub trait VmExt {
    fn vm(&self) -> &Vm;
    /// RecursionError if the machine stack is nearly used up; `what` ends the message.
    fn enter_recursive(&mut self, what: &str) -> Res<Recursion>;
    /// Notes that `v` is being repr'ed; `None` if it is already.
    fn repr_enter(&self, v: Value) -> Option<ReprGuard>;
}

impl VmExt for Thread {
    #[inline(always)]
    fn vm(&self) -> &Vm {
        // SAFETY: set before the thread runs anything, freed after it.
        unsafe { &*(self.ext() as *const Vm) }
    }

    #[inline(always)]
    fn enter_recursive(&mut self, what: &str) -> Res<Recursion> {
        let here = 0u8;
        if (&raw const here as usize) < self.vm().stack_limit {
            return Err(too_deep(self, what));
        }
        Ok(Recursion(()))
    }

    fn repr_enter(&self, v: Value) -> Option<ReprGuard> {
        let id = v.bare().0;
        let mut reprs = self.vm().reprs.borrow_mut();
        if reprs.contains(&id) {
            return None;
        }
        reprs.push(id);
        Some(ReprGuard(id))
    }
}

#[cold]
#[inline(never)]
fn too_deep(t: &mut Thread, what: &str) -> Raised {
    t.raise(
        &errors::RECURSION_ERROR,
        format!("maximum recursion depth exceeded{what}"),
    )
}

/// Ends the note of [`VmExt::repr_enter`].
pub struct ReprGuard(u64);

impl Drop for ReprGuard {
    fn drop(&mut self) {
        if let Some(t) = Thread::try_current() {
            let mut reprs = t.vm().reprs.borrow_mut();
            if let Some(i) = reprs.iter().rposition(|x| *x == self.0) {
                reprs.swap_remove(i);
            }
        }
    }
}

/// The exception being handled, as `sys.exception()` gives it: a generator without one sees its caller's.
pub fn handled_exception(t: &Thread) -> Option<Borrowed<'_>> {
    let is = |v: Value| !v.is_null() && !v.is_none();
    let vm = t.vm();
    let mut v = vm.handled.get();
    let mut f = vm.frame_top();
    while !is(v) && f > vm.floor() {
        f = f.wrapping_sub(1);
        // SAFETY: a running frame of the thread.
        unsafe {
            if (*f).flags & Frame::GENERATOR != 0 {
                v = (*f).handled;
            }
        }
    }
    if is(v) {
        Some(Borrowed::new(t, v))
    } else {
        None
    }
}

// --- starting and ending threads ---

/// An owned reference to a shared object, which may go to another thread.
pub struct SharedObj(Value);
// SAFETY: as soon as there is a second thread the object is shared (I2 holds for it no more), and counts of shared objects are
// atomic.
unsafe impl Send for SharedObj {}
// SAFETY: as above.
unsafe impl Sync for SharedObj {}

impl SharedObj {
    /// Publishes the object, if there are other threads to publish it to.
    pub fn new(t: &Thread, o: Obj) -> SharedObj {
        weft_gc::share(t, o.value());
        SharedObj(o.into_value())
    }
    /// A reference of one's own.
    pub fn get(&self, t: &Thread) -> Obj {
        Obj::new(t, self.0)
    }
    pub fn into_obj(self) -> Obj {
        let v = self.0;
        std::mem::forget(self);
        Obj::from_raw(v)
    }
}

impl Drop for SharedObj {
    fn drop(&mut self) {
        if let Some(t) = Thread::try_current() {
            dec(t, self.0);
        }
    }
}

const MAIN_REGISTERS: usize = 8 << 20;
const MAIN_FRAMES: usize = 1 << 20;
const THREAD_REGISTERS: usize = 1 << 20;
const THREAD_FRAMES: usize = 1 << 17;

/// The main thread's state, entered, with `stack` bytes of machine stack.
pub fn main_thread(stack: usize) -> Box<Thread> {
    weft_gc::before_publishing(crate::generator::Generator::forget_chains);
    weft_gc::published_with(crate::frame::leads_to);
    weft_gc::held_above(|t, f| t.vm().running_code(f));
    let mut t = weft_gc::spawn_state(None, MAIN_REGISTERS).expect("the first thread");
    let memory = FrameMemory::new(MAIN_FRAMES).expect("memory for the first thread");
    t.set_ext(Box::into_raw(Vm::new(stack, memory, Interpreter::main())) as *mut ());
    t.enter();
    t
}

/// Starts an OS thread with a state of its own that runs `f`. The closure may hold only what is `Send`.
///
/// # Errors
/// If the system (or the table of tags) has no room for another thread.
pub fn start_thread(
    t: &mut Thread,
    f: Box<dyn FnOnce(&mut Thread) + Send>,
    stack_size: usize,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    /// A state that the thread is to enter; taken back if there is no thread.
    struct Start(Option<Box<Thread>>);
    // SAFETY: the state is not entered yet: it holds no object.
    unsafe impl Send for Start {}
    impl Drop for Start {
        fn drop(&mut self) {
            if let Some(state) = self.0.take() {
                weft_gc::discard_state(state);
            }
        }
    }
    let stack = if stack_size == 0 {
        DEFAULT_STACK.load(Relaxed)
    } else {
        stack_size.max(1 << 20)
    };
    let (Some(memory), Some(state)) = (
        FrameMemory::new(THREAD_FRAMES),
        weft_gc::spawn_state(Some(t), THREAD_REGISTERS),
    ) else {
        return Err(std::io::Error::other("too many threads, or no memory"));
    };
    let start = Start(Some(state));
    let interpreter = t.vm().interpreter.get();
    // It has not ended, as this thread is in it.
    interpreter.join();
    let started = std::thread::Builder::new()
        .stack_size(stack)
        .spawn(move || {
            let mut start = start;
            let Some(mut state) = start.0.take() else {
                return;
            };
            state.set_ext(Box::into_raw(Vm::new(stack, memory, interpreter)) as *mut ());
            state.enter();
            f(&mut state);
            leave(state);
            interpreter.left();
        });
    if started.is_err() {
        interpreter.left();
    }
    started
}

static DEFAULT_STACK: AtomicUsize = AtomicUsize::new(16 << 20);

/// Ends the calling thread's state.
pub fn leave(mut t: Box<Thread>) {
    run_pending(&mut t);
    // What dies here may run Python, which may make such things again.
    for _ in 0..NESTED_FINALIZERS {
        drop_own(&t);
        run_pending(&mut t);
        if t.vm().locals.borrow().is_empty() {
            break;
        }
    }
    weft_gc::collect_local(&mut t);
    t.settle(true);
    run_pending(&mut t);
    drop_own(&t);
    let vm = t.ext() as *mut Vm;
    t.leave();
    // SAFETY: made by `Box::into_raw`; nobody uses it any more.
    drop(unsafe { Box::from_raw(vm) });
}

/// Drops what the thread has for itself.
fn drop_own(t: &Thread) {
    let vm = t.vm();
    let locals: Vec<Obj> = vm.locals.borrow_mut().drain().map(|(_, o)| o).collect();
    drop(locals);
    for v in [
        &vm.context,
        &vm.running_loop,
        &vm.running_task,
        &vm.trace,
        &vm.profile,
        &vm.asyncgen_firstiter,
        &vm.asyncgen_finalizer,
        &t.exc,
    ] {
        dec(t, v.replace(Value::NULL));
    }
    dec(t, vm.swap_handled(Value::NULL));
}

// --- finalizers and signals ---

/// How many finalizers may run inside one another. What dies deeper down waits for the outermost but one to be done.
const NESTED_FINALIZERS: u32 = 16;

/// Runs finalizers and weak reference callbacks that are waiting. The exception being raised, if any, is kept aside.
///
/// What dies while one of them runs is run inside it, as CPython does, but not what was waiting with it: a thousand deaths
/// that come together run one after the other.
pub fn run_pending(t: &mut Thread) {
    t.peer().take(breaker_bits::FINALIZERS);
    let depth = t.vm().finalizers.get();
    if depth >= NESTED_FINALIZERS {
        return;
    }
    t.vm().finalizers.set(depth + 1);
    while t.has_pending() {
        t.serve_pending();
        while let Some(p) = t.next_pending() {
            let saved = t.exc.replace(Value::NULL);
            finish(t, p);
            let left = t.exc.replace(saved);
            dec(t, left);
            t.end_pending();
        }
    }
    t.vm().finalizers.set(depth);
}

fn finish(t: &mut Thread, p: Pending) {
    match p {
        Pending::Finalize(o) => {
            let unawaited = crate::generator::is_unawaited(o.value());
            if let Some(f) = type_of(o.value()).slots.finalize.get()
                && let Err(e) = f(t, o.value())
            {
                let what = finalizing(t, o.value(), unawaited, e);
                unraisable(t, &what, None);
            }
            t.drop_finalized(o);
        }
        Pending::Callback(w) => crate::weakref::run_callback(t, &w),
    }
}

/// What was going on when a finalizer failed.
#[cold]
fn finalizing(t: &mut Thread, v: Value, unawaited: bool, _: Raised) -> String {
    let Some(exc) = t.take_exc() else {
        return String::new();
    };
    let (doing, whom) = if crate::generator::Generator::of(v).is_some() {
        let doing = if unawaited {
            "finalizing coroutine"
        } else {
            "closing generator"
        };
        (doing, Some(Obj::new(t, v)))
    } else {
        let del = crate::id!(t, "__del__");
        let del = type_of(v).lookup(t, del).map(|f| f.to_obj(t));
        ("calling deallocator", del)
    };
    let whom = whom.and_then(|o| proto::repr(t, o.value()).ok());
    t.clear_exc();
    let mut what = format!("Exception ignored while {doing}");
    if let Some(whom) = whom.as_ref().and_then(|w| Str::of(w.value())) {
        what.push(' ');
        what.push_str(&whom.to_string_lossy());
    }
    let _: Raised = t.raise_value(exc);
    what
}

type SignalHook = fn(&mut Thread) -> Res<()>;
static SIGNAL_HOOK: OnceLock<SignalHook> = OnceLock::new();

/// What runs Python handlers of signals that have come in.
pub fn set_signal_hook(f: SignalHook) {
    let _ = SIGNAL_HOOK.set(f);
}

/// Runs the handlers of pending signals, in the main thread.
pub fn check_signals(t: &mut Thread) -> Res<()> {
    t.peer().take(breaker_bits::SIGNAL);
    match SIGNAL_HOOK.get() {
        Some(f) => f(t),
        None => Ok(()),
    }
}

/// Serves everything that is asked of the thread. Called at polls, when the breaker is up.
#[cold]
#[inline(never)]
pub fn safepoint(t: &mut Thread) -> Res<()> {
    let bits = t.safepoint();
    if bits & breaker_bits::GC != 0 {
        weft_gc::collect_if_due(t);
    }
    raised_from_outside(t, bits)?;
    // After signals: what their handlers raise inside a finalizer nobody can catch.
    if t.has_pending() {
        run_pending(t);
    } else {
        t.peer().take(breaker_bits::FINALIZERS);
    }
    Ok(())
}

/// What others make the thread raise: refused memory, signals, exceptions that are sent to it.
fn raised_from_outside(t: &mut Thread, bits: u32) -> Res<()> {
    crate::memory::check(t)?;
    if bits & breaker_bits::SIGNAL != 0 {
        check_signals(t)?;
    }
    if bits & breaker_bits::ASYNC_EXC != 0 {
        t.peer().take(breaker_bits::ASYNC_EXC);
        let exc = t.vm().async_exc.lock().take();
        if let Some(exc) = exc {
            let exc = exc.into_obj();
            return Err(errors::raise_class_or_instance(t, exc.value(), None));
        }
    }
    Ok(())
}

/// What is served within loops of native code. In the GIL build that keeps the lock, so that a native operation is one step there.
const IN_LOOPS: u32 = if cfg!(feature = "gil") {
    breaker_bits::MEMORY
} else {
    breaker_bits::MEMORY
        | breaker_bits::STOP
        | breaker_bits::HANDSHAKE
        | breaker_bits::SIGNAL
        | breaker_bits::ASYNC_EXC
};

/// For loops in native code that may go on for as long as a program likes: serves what others wait for (I8), but neither collects nor runs
/// finalizers, which native code need not expect.
///
/// # Errors
/// MemoryError, if memory has been refused to the thread; what handlers of signals raise; what has been sent to the thread.
#[inline(always)]
pub fn poll_in_loop(t: &mut Thread) -> Res<()> {
    if t.peer().breaker().load(Relaxed) & IN_LOOPS != 0 {
        serve_in_loop(t)
    } else {
        Ok(())
    }
}

#[cold]
#[inline(never)]
fn serve_in_loop(t: &mut Thread) -> Res<()> {
    let bits = t.safepoint();
    raised_from_outside(t, bits)
}

/// Prints an exception that nobody can catch, through `sys.unraisablehook`.
pub fn unraisable(t: &mut Thread, what: &str, obj: Option<Value>) {
    let Some(exc) = t.take_exc() else { return };
    let hook = sys_attr(t, "unraisablehook");
    if let Some(hook) = hook
        && let Ok(args) = unraisable_args(t, &exc, what, obj)
        && proto::call(t, hook.value(), &[args.value()]).is_ok()
    {
        return;
    }
    t.clear_exc();
    let mut text = format!("{what}\n");
    crate::traceback::print_exception(t, exc.value(), &mut text);
    eprint!("{text}");
}

fn unraisable_args(t: &mut Thread, exc: &Obj, what: &str, obj: Option<Value>) -> Res<Obj> {
    let ns = crate::namespace::new(t);
    let tb = proto::get_attr(t, exc.value(), crate::id!(t, "__traceback__"))?;
    let msg = Str::new(t, what);
    let items = [
        ("exc_type", type_of(exc.value()).value()),
        ("exc_value", exc.value()),
        ("exc_traceback", tb.value()),
        ("err_msg", msg.value()),
        ("object", obj.unwrap_or(Value::NONE)),
    ];
    for (name, v) in items {
        let name = crate::names::get(t, name);
        proto::set_attr(t, ns.value(), name, v)?;
    }
    Ok(ns)
}

// --- what all threads share ---

/// A reference that Rust code keeps for ever. Before the first thread is started it may be local to the main thread.
pub struct Global(AtomicU64);

impl Global {
    pub const fn new() -> Global {
        Global(AtomicU64::new(0))
    }
    /// Sets it; the old reference is kept alive (this happens once or twice in a process).
    pub fn set(&self, t: &Thread, o: Obj) {
        weft_gc::share(t, o.value());
        self.0.store(o.into_value().0, Release);
    }
    pub fn get(&self) -> Option<Value> {
        let v = Value(self.0.load(Acquire));
        if v.is_null() { None } else { Some(v) }
    }
    /// Drops the reference. Nobody may be about to use what [`Global::get`] has given.
    pub fn forget(&self, t: &Thread) {
        dec(t, Value(self.0.swap(0, AcqRel)));
    }
}

impl Default for Global {
    fn default() -> Self {
        Self::new()
    }
}

/// The dict of module `builtins`.
pub static BUILTINS: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
/// `sys.modules`.
pub static MODULES: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
/// The dict of module `sys`.
pub static SYS: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);

pub fn builtins_dict<'a>(t: &Thread) -> Option<&'a Dict> {
    Dict::of(BUILTINS.of(t).get()?)
}

/// The builtins that code with these globals uses, a dict: their `__builtins__`, or the standard ones.
pub fn builtins_for(t: &Thread, globals: &Dict) -> Obj {
    let own = globals
        .get_str(t, crate::id!(t, "__builtins__"))
        .map(|v| v.to_obj(t));
    match own {
        Some(v) => match crate::module::Module::of(v.value()) {
            Some(m) => Obj::new(t, m.dict().header.value()),
            None if Dict::of(v.value()).is_some() => v,
            None => crate::foreign_builtins::new(t, v.value()),
        },
        None => {
            // SAFETY: a running frame of this thread, whose builtins are alive.
            let running = t.vm().top_frame().map(|f| unsafe { &*(*f).builtins });
            let d = running.or_else(|| builtins_dict(t));
            let d = d.expect("builtins are made before any code runs");
            Obj::new(t, d.header.value())
        }
    }
}

/// A builtin by name: one of those that the running code has.
pub fn builtin(t: &mut Thread, name: &str) -> Res<Obj> {
    let key = crate::names::get(t, name);
    // SAFETY: a running frame of this thread, whose builtins are alive.
    let running = t.vm().top_frame().map(|f| unsafe { &*(*f).builtins });
    let Some(d) = running.or_else(|| builtins_dict(t)) else {
        return Err(t.system_error("there are no builtins"));
    };
    if let Some(v) = proto::get_name(t, d.header.value(), key)? {
        return Ok(Obj::own(v));
    }
    // Keys of a subclass of str are compared by its methods.
    match d.get(t, key.header.value())? {
        Some(v) => Ok(Obj::own(v)),
        None => Err(t.raise(&errors::ATTRIBUTE_ERROR, name)),
    }
}

/// An attribute of module `sys`.
pub fn sys_attr(t: &Thread, name: &str) -> Option<Obj> {
    let key = crate::names::get(t, name);
    Dict::of(SYS.of(t).get()?)?
        .get_str(t, key)
        .map(|v| v.to_obj(t))
}

type ImportHook = fn(&mut Thread, &str) -> Res<Obj>;
static IMPORT_HOOK: OnceLock<ImportHook> = OnceLock::new();

pub fn set_import_hook(f: ImportHook) {
    let _ = IMPORT_HOOK.set(f);
}

/// Imports a module by its full name and gives that module.
pub fn import(t: &mut Thread, name: &str) -> Res<Obj> {
    match IMPORT_HOOK.get() {
        Some(f) => f(t, name),
        None => Err(t.raise(&errors::IMPORT_ERROR, format!("No module named '{name}'"))),
    }
}

/// The globals of the innermost frame.
pub fn current_globals(t: &Thread) -> Option<Obj> {
    let f = t.vm().top_frame()?;
    // SAFETY: a running frame of this thread.
    Some(Obj::new(t, unsafe { (*(*f).globals).header.value() }))
}

static HASH_KEY: OnceLock<crate::text::hash::HashKey> = OnceLock::new();

/// The key of str and bytes hashes in this process: random, or from `PYTHONHASHSEED`.
#[inline]
pub fn hash_key() -> &'static crate::text::hash::HashKey {
    HASH_KEY.get_or_init(|| match std::env::var("PYTHONHASHSEED").ok().as_deref() {
        None | Some("random" | "") => {
            use std::hash::{BuildHasher, Hasher};
            let random = || {
                std::collections::hash_map::RandomState::new()
                    .build_hasher()
                    .finish()
            };
            crate::text::hash::HashKey {
                k0: random(),
                k1: random(),
            }
        }
        Some(s) => crate::text::hash::HashKey::from_seed(s.parse().unwrap_or(0)),
    })
}

/// The register that a suspended instruction word delegates to, if it is part of `yield from` or `await`.
type DelegateFn = fn(u64) -> Option<usize>;
static DELEGATE: OnceLock<DelegateFn> = OnceLock::new();

pub fn set_delegate_hook(f: DelegateFn) {
    let _ = DELEGATE.set(f);
}

/// Whether a suspended generator was suspended in a delegation.
pub fn is_delegating(g: &crate::generator::Generator) -> bool {
    // SAFETY: a suspended generator's pc is behind the Yield that suspended it.
    let word = unsafe { (*g.pc.get().sub(1)).load(Relaxed) };
    DELEGATE.get().is_some_and(|f| f(word).is_some())
}

/// What a suspended generator is delegating to, or None.
pub fn yield_from(t: &mut Thread, v: Value) -> Res {
    use crate::generator::{Generator, SUSPENDED};
    let Some(g) = Generator::of(v) else {
        return Ok(Value::NONE);
    };
    if crate::generator::state_of(t, g) != SUSPENDED {
        return Ok(Value::NONE);
    }
    let state = match g.look(t) {
        Ok(SUSPENDED) => SUSPENDED,
        Ok(state) => {
            g.end(state);
            return Ok(Value::NONE);
        }
        Err(_) => return Ok(Value::NONE),
    };
    // SAFETY: a suspended generator's pc is behind the Yield that suspended it.
    let word = unsafe { (*g.pc.get().sub(1)).load(Relaxed) };
    let found = DELEGATE.get().and_then(|f| f(word)).and_then(|r| {
        // SAFETY: between `look` and `end`.
        unsafe { g.registers() }.get(r).copied()
    });
    let found = found
        .filter(|v| !v.is_null())
        .map_or(Value::NONE, |v| Obj::new(t, v).into());
    g.end(state);
    Ok(found)
}

/// The frame object of a generator that is not finished.
pub fn generator_frame(t: &mut Thread, v: Value) -> Res {
    use crate::generator::{Generator, RUNNING};
    let Some(g) = Generator::of(v) else {
        return Ok(Value::NONE);
    };
    if let Some(o) = crate::frame::object_of_suspended(t, g) {
        return Ok(o.into());
    }
    if crate::generator::state_of(t, g) == RUNNING {
        let vm = t.vm();
        let mut f = vm.frame_top();
        while f > vm.frames_base() {
            f = f.wrapping_sub(1);
            // SAFETY: a running frame of this thread.
            if unsafe { (*f).generator }.same(v) {
                return Ok(crate::frame::object_of(t, f).into());
            }
        }
    }
    Ok(Value::NONE)
}

/// Warns that a coroutine was never awaited: by the function of `warnings` for this, or without it.
pub fn warn_unawaited(t: &mut Thread, v: Value) {
    let ignore = |t: &mut Thread, e: Raised| {
        let what = finalizing(t, v, true, e);
        unraisable(t, &what, None);
    };
    let function = import(t, "warnings").and_then(|warnings| {
        let name = crate::names::get(t, "_warn_unawaited_coroutine");
        proto::get_attr(t, warnings.value(), name)
    });
    match function.map(|f| proto::call(t, f.value(), &[v])) {
        Ok(Ok(_)) => return,
        Ok(Err(e)) => {
            let warned = t.exc_matches(&errors::RUNTIME_WARNING);
            ignore(t, e);
            if warned {
                return;
            }
        }
        Err(_) => t.clear_exc(),
    }
    let name = crate::generator::qualname(v);
    let msg = format!("coroutine '{name}' was never awaited");
    if let Err(e) = errors::warn::warn(t, &errors::RUNTIME_WARNING, &msg) {
        ignore(t, e);
    }
}

static DEV_MODE: AtomicBool = AtomicBool::new(false);

/// Whether things are checked that cost time: names of error handlers of codecs.
pub fn dev_mode() -> bool {
    DEV_MODE.load(Relaxed)
}
pub fn set_dev_mode() {
    DEV_MODE.store(true, Relaxed);
}

static FINALIZING: AtomicBool = AtomicBool::new(false);

/// Whether the interpreter is shutting down.
pub fn is_finalizing() -> bool {
    FINALIZING.load(Relaxed)
}
pub fn set_finalizing() {
    FINALIZING.store(true, Relaxed);
}

/// All types of this crate: made ready at start-up, in this order.
pub fn ready_types(t: &Thread) {
    use crate::*;
    const ALL: &[&Type] = &[
        &types::OBJECT,
        &types::TYPE,
        &int::INT,
        &int::BOOL,
        &float::FLOAT,
        &complex::COMPLEX,
        &crate::str::STR,
        &bytes::BYTES,
        &bytearray::BYTEARRAY,
        &memoryview::MEMORYVIEW,
        &memoryview::MANAGED,
        &memoryview::methods::MEMORY_ITERATOR,
        &crate::buffer::lender::LENDER,
        &dict::DICT,
        &tuple::TUPLE,
        &list::LIST,
        &set::SET,
        &set::FROZENSET,
        &range::RANGE,
        &slice::SLICE,
        &singletons::NONE_TYPE,
        &singletons::NOT_IMPLEMENTED_TYPE,
        &singletons::ELLIPSIS_TYPE,
        &native::BUILTIN_FUNCTION,
        &native::METHOD_DESCRIPTOR,
        &native::CLASS_METHOD_DESCRIPTOR,
        &slotdefs::WRAPPER_DESCRIPTOR,
        &slotdefs::METHOD_WRAPPER,
        &descr::GETSET_DESCRIPTOR,
        &descr::MEMBER_DESCRIPTOR,
        &code::CODE,
        &frame::FRAME,
        &function::FUNCTION,
        &method::METHOD,
        &cell::CELL,
        &module::MODULE,
        &traceback::TRACEBACK,
        &generator::GENERATOR,
        &generator::COROUTINE,
        &generator::COROUTINE_WRAPPER,
        &generator::ASYNC_GENERATOR,
        &async_generator::ASYNC_GEN_WRAPPED_VALUE,
        &async_generator::ASYNC_GEN_ASEND,
        &async_generator::ASYNC_GEN_ATHROW,
        &async_generator::ANEXT_AWAITABLE,
        &property::PROPERTY,
        &staticmethod::STATIC_METHOD,
        &staticmethod::CLASS_METHOD,
        &super_::SUPER,
        &bytes::iter::BYTES_ITERATOR,
        &bytes::iter::BYTEARRAY_ITERATOR,
        &crate::str::iter::STR_ITERATOR,
        &crate::str::iter::STR_ASCII_ITERATOR,
        &set::SET_ITERATOR,
        &iter::LIST_ITERATOR,
        &iter::TUPLE_ITERATOR,
        &iter::LIST_REVERSE_ITERATOR,
        &iter::SEQUENCE_ITERATOR,
        &iter::REVERSED,
        &iter::CALLABLE_ITERATOR,
        &iter::ENUMERATE,
        &iter::ZIP,
        &iter::MAP,
        &iter::FILTER,
        &range::RANGE_ITERATOR,
        &range::LONGRANGE_ITERATOR,
        &dict_views::DICT_KEYS,
        &dict_views::DICT_ITEMS,
        &dict_views::DICT_VALUES,
        &dict_views::DICT_KEYITERATOR,
        &dict_views::DICT_VALUEITERATOR,
        &dict_views::DICT_ITEMITERATOR,
        &dict_views::DICT_REVERSEKEYITERATOR,
        &dict_views::DICT_REVERSEVALUEITERATOR,
        &dict_views::DICT_REVERSEITEMITERATOR,
        &generic_alias::GENERIC_ALIAS,
        &union::UNION,
        &mappingproxy::MAPPINGPROXY,
        &frame_locals::FRAME_LOCALS_PROXY,
        &namespace::NAMESPACE,
        &weakref::REF,
        &weakref::PROXY,
        &weakref::CALLABLE_PROXY,
        &template::TEMPLATE,
        &template::TEMPLATE_ITER,
        &template::INTERPOLATION,
    ];
    for ty in ALL.iter().chain(errors::ALL) {
        ty.ready(t);
    }
    foreign_builtins::ready(t);
}
