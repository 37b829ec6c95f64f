//! `_thread`: locks, threads and their handles. Thread-local objects are in `thread_local.rs`.

use crate::support::{self, add, int_obj};
use crate::thread_local;
use crate::wait::{Event, WaitLock};
use parking_lot::Mutex;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use weft_objects::audit;
use weft_objects::cell::fresh;
use weft_objects::interpreter::{self, DAEMON_THREADS, PerInterpreter, THREADS};
use weft_objects::prelude::*;
use weft_objects::runtime::{self, SharedObj};
use weft_objects::{float, int};

/// Longest wait, in nanoseconds.
const TIMEOUT_MAX: i64 = i64::MAX;

static STACK_SIZE: AtomicUsize = AtomicUsize::new(0);
static RUNNING: PerInterpreter<AtomicUsize> =
    PerInterpreter::new(AtomicUsize::new(0), || AtomicUsize::new(0));
static MAIN_IDENT: AtomicU64 = AtomicU64::new(0);

/// The number by which programs know the calling thread.
#[inline]
pub fn ident() -> u64 {
    // SAFETY: always callable.
    unsafe { libc::pthread_self() as u64 }
}

/// The main thread's number.
pub fn main_ident() -> u64 {
    MAIN_IDENT.load(Relaxed)
}

/// Whether the calling thread is the main one.
pub fn is_main_thread() -> bool {
    ident() == main_ident()
}

// --- lock ---

/// `_thread.lock`
#[repr(C)]
pub struct Lock {
    header: Header,
    lock: WaitLock,
}

fn lock_of<'a>(v: Value) -> &'a Lock {
    // SAFETY: methods of LOCK get its instances alone.
    unsafe { &*(v.ptr() as *const Lock) }
}

fn lock_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("lock", "()");
    SIG.bind(t, args)?;
    Ok(make_lock(t).into())
}

/// A new lock, free.
pub fn make_lock(t: &Thread) -> Obj {
    // SAFETY: the layout of LOCK, for which zero is a free lock.
    unsafe { fresh::<Lock>(t, &LOCK).0 }
}

/// What `blocking` and `timeout` say: no wait (`None`), or a wait until a deadline if there is one.
fn wait_args(t: &mut Thread, blocking: Value, timeout: Value) -> Res<Option<Option<i64>>> {
    let blocking = support::truth_or(t, blocking, true)?;
    let ns = match timeout {
        v if v.is_null() => -1_000_000_000,
        v if v == Value::int(-1) => -1_000_000_000,
        v => support::nanos(t, v)?,
    };
    let unset = ns == -1_000_000_000;
    if !blocking {
        if !unset {
            return Err(t.value_error("can't specify a timeout for a non-blocking call"));
        }
        return Ok(None);
    }
    if unset {
        return Ok(Some(None));
    }
    if ns < 0 {
        return Err(t.value_error("timeout value must be a non-negative number"));
    }
    if ns == 0 {
        return Ok(None);
    }
    Ok(Some(Some(crate::time::monotonic_ns().saturating_add(ns))))
}

fn lock_acquire(t: &mut Thread, a: &[Value]) -> Res {
    if !a[1].is_null() || !a[2].is_null() {
        return lock_acquire_args(t, a);
    }
    lock_enter(t, a)
}

#[inline(never)]
fn lock_acquire_args(t: &mut Thread, a: &[Value]) -> Res {
    let l = lock_of(a[0]);
    let how = wait_args(t, a[1], a[2])?;
    if l.lock.try_lock(t, l.header.is_local(t)) {
        return Ok(Value::TRUE);
    }
    match how {
        None => Ok(Value::FALSE),
        Some(deadline) => Ok(Value::bool(l.lock.lock_slow(t, deadline)?)),
    }
}

fn lock_enter(t: &mut Thread, a: &[Value]) -> Res {
    let l = lock_of(a[0]);
    if !l.lock.try_lock(t, l.header.is_local(t)) {
        l.lock.lock_slow(t, None)?;
    }
    Ok(Value::TRUE)
}

fn lock_release(t: &mut Thread, a: &[Value]) -> Res {
    let l = lock_of(a[0]);
    if l.lock.unlock(l.header.is_local(t)) {
        Ok(Value::NONE)
    } else {
        Err(t.runtime_error("release unlocked lock"))
    }
}

fn lock_locked(_t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::bool(lock_of(a[0]).lock.is_locked()))
}

fn lock_reinit(_t: &mut Thread, a: &[Value]) -> Res {
    lock_of(a[0]).lock.reset();
    Ok(Value::NONE)
}

fn lock_repr(t: &mut Thread, v: Value) -> Res {
    let how = if lock_of(v).lock.is_locked() {
        "locked"
    } else {
        "unlocked"
    };
    let s = format!(
        "<{how} {} object at {:#x}>",
        type_of(v).full_name(t),
        proto::address(v)
    );
    Ok(Str::from_string(t, s).into())
}

/// `_thread.lock`
pub static LOCK: Type = Type::builtin(
    "lock",
    size_of::<Lock>(),
    &Spec {
        new: Some(lock_new),
        repr: Some(lock_repr),
        methods: &[
            NativeDef::new(
                "acquire",
                "($self, /, blocking=True, timeout=-1)",
                lock_acquire,
            ),
            NativeDef::new(
                "acquire_lock",
                "($self, /, blocking=True, timeout=-1)",
                lock_acquire,
            ),
            NativeDef::new("release", "($self, /)", lock_release),
            NativeDef::new("release_lock", "($self, /)", lock_release),
            NativeDef::new("locked", "($self, /)", lock_locked),
            NativeDef::new("locked_lock", "($self, /)", lock_locked),
            NativeDef::new("__enter__", "($self, /)", lock_enter),
            NativeDef::new(
                "__exit__",
                "($self, exc_type=None, exc_value=None, exc_tb=None, /)",
                lock_release,
            ),
            NativeDef::new("_at_fork_reinit", "($self, /)", lock_reinit),
        ],
        ..Spec::EMPTY
    },
)
.module("_thread")
.final_()
.doc("A lock object is a synchronization primitive.");

// --- RLock ---

/// `_thread.RLock`
#[repr(C)]
pub struct RLock {
    header: Header,
    lock: WaitLock,
    /// How often its holder has it; changed by the holder alone.
    count: AtomicU32,
    /// The holder's ident.
    owner: AtomicU64,
}

fn rlock_of<'a>(v: Value) -> &'a RLock {
    // SAFETY: methods of RLOCK get its instances alone.
    unsafe { &*(v.ptr() as *const RLock) }
}

fn rlock_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    if !args.is_empty() && Type::of_unchecked(cls).is(&RLOCK) {
        let text = "Passing arguments to RLock is deprecated: it has none";
        crate::_warnings::warn_text(t, &errors::DEPRECATION_WARNING, text, 1)?;
    }
    // SAFETY: `cls` is RLOCK or a subclass; zero is a free lock.
    Ok(unsafe { fresh::<RLock>(t, Type::of_unchecked(cls)).0 }.into())
}

impl RLock {
    #[inline(always)]
    fn mine(&self) -> bool {
        self.owner.load(Relaxed) == ident()
    }

    #[inline(always)]
    fn taken(&self) {
        self.owner.store(ident(), Relaxed);
        self.count.store(1, Relaxed);
    }

    /// Takes it if that needs no wait.
    #[inline(always)]
    fn try_acquire(&self, t: &Thread) -> bool {
        if self.mine() {
            self.count.store(self.count.load(Relaxed) + 1, Relaxed);
            return true;
        }
        let got = self.lock.try_lock(t, self.header.is_local(t));
        if got {
            self.taken();
        }
        got
    }

    fn wait(&self, t: &mut Thread, deadline: Option<i64>) -> Res<bool> {
        let got = self.lock.lock_slow(t, deadline)?;
        if got {
            self.taken();
        }
        Ok(got)
    }
}

fn rlock_acquire(t: &mut Thread, a: &[Value]) -> Res {
    let l = rlock_of(a[0]);
    if a[1].is_null() && a[2].is_null() {
        return rlock_enter(t, a);
    }
    let how = wait_args(t, a[1], a[2])?;
    if l.try_acquire(t) {
        return Ok(Value::TRUE);
    }
    match how {
        None => Ok(Value::FALSE),
        Some(deadline) => Ok(Value::bool(l.wait(t, deadline)?)),
    }
}

fn rlock_enter(t: &mut Thread, a: &[Value]) -> Res {
    let l = rlock_of(a[0]);
    if !l.try_acquire(t) {
        l.wait(t, None)?;
    }
    Ok(Value::TRUE)
}

fn rlock_release(t: &mut Thread, a: &[Value]) -> Res {
    let l = rlock_of(a[0]);
    let n = l.count.load(Relaxed);
    if !l.mine() || n == 0 {
        return Err(t.runtime_error("cannot release un-acquired lock"));
    }
    l.count.store(n - 1, Relaxed);
    if n == 1 {
        l.owner.store(0, Relaxed);
        l.lock.unlock(l.header.is_local(t));
    }
    Ok(Value::NONE)
}

fn rlock_is_owned(_t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::bool(rlock_of(a[0]).mine()))
}

fn rlock_locked(_t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::bool(rlock_of(a[0]).lock.is_locked()))
}

fn rlock_recursion_count(_t: &mut Thread, a: &[Value]) -> Res {
    let l = rlock_of(a[0]);
    Ok(Value::int(if l.mine() {
        l.count.load(Relaxed) as i64
    } else {
        0
    }))
}

/// Gives the lock up altogether, for `Condition.wait`: a tuple for `_acquire_restore`.
fn rlock_release_save(t: &mut Thread, a: &[Value]) -> Res {
    let l = rlock_of(a[0]);
    let n = l.count.load(Relaxed);
    if !l.mine() || n == 0 {
        return Err(t.runtime_error("cannot release un-acquired lock"));
    }
    let owner = l.owner.swap(0, Relaxed);
    l.count.store(0, Relaxed);
    l.lock.unlock(l.header.is_local(t));
    let (n, owner) = (int_obj(t, n as i64), Obj::own(int::from_u64(t, owner)));
    Ok(Tuple::pair(t, n, owner).into())
}

fn rlock_acquire_restore(t: &mut Thread, a: &[Value]) -> Res {
    let l = rlock_of(a[0]);
    let count = Tuple::of(a[1])
        .filter(|s| s.len() == 2)
        .and_then(|s| int::as_i64(s.get(0)));
    let Some(count) = count else {
        return Err(
            t.type_error("_acquire_restore() argument 1 must be a tuple of two ints".into())
        );
    };
    if !l.lock.try_lock(t, l.header.is_local(t)) {
        // The caller counts on having the lock, whatever signal handlers raise.
        let mut raised = None;
        while let Err(e) = l.lock.lock_slow(t, None) {
            raised = Some((e, t.take_exc()));
        }
        l.taken();
        l.count.store(count as u32, Relaxed);
        if let Some((e, Some(exc))) = raised {
            t.set_exc(exc);
            return Err(e);
        }
        return Ok(Value::NONE);
    }
    l.taken();
    l.count.store(count as u32, Relaxed);
    Ok(Value::NONE)
}

fn rlock_reinit(_t: &mut Thread, a: &[Value]) -> Res {
    let l = rlock_of(a[0]);
    l.lock.reset();
    l.owner.store(0, Relaxed);
    l.count.store(0, Relaxed);
    Ok(Value::NONE)
}

fn rlock_repr(t: &mut Thread, v: Value) -> Res {
    let l = rlock_of(v);
    let how = if l.lock.is_locked() {
        "locked"
    } else {
        "unlocked"
    };
    let (owner, count, at) = (
        l.owner.load(Relaxed),
        l.count.load(Relaxed),
        proto::address(v),
    );
    let s = format!(
        "<{how} {} object owner={owner} count={count} at {at:#x}>",
        type_of(v).full_name(t)
    );
    Ok(Str::from_string(t, s).into())
}

/// `_thread.RLock`
pub static RLOCK: Type = Type::builtin(
    "RLock",
    size_of::<RLock>(),
    &Spec {
        new: Some(rlock_new),
        repr: Some(rlock_repr),
        methods: &[
            NativeDef::new(
                "acquire",
                "($self, /, blocking=True, timeout=-1)",
                rlock_acquire,
            ),
            NativeDef::new("release", "($self, /)", rlock_release),
            NativeDef::new("locked", "($self, /)", rlock_locked),
            NativeDef::new("__enter__", "($self, /)", rlock_enter),
            NativeDef::new(
                "__exit__",
                "($self, exc_type=None, exc_value=None, exc_tb=None, /)",
                rlock_release,
            ),
            NativeDef::new("_is_owned", "($self, /)", rlock_is_owned),
            NativeDef::new("_recursion_count", "($self, /)", rlock_recursion_count),
            NativeDef::new("_release_save", "($self, /)", rlock_release_save),
            NativeDef::new(
                "_acquire_restore",
                "($self, state, /)",
                rlock_acquire_restore,
            ),
            NativeDef::new("_at_fork_reinit", "($self, /)", rlock_reinit),
        ],
        ..Spec::EMPTY
    },
)
.module("_thread");

// --- handles ---

const NOT_STARTED: u32 = 0;
const STARTING: u32 = 1;
const STARTED: u32 = 2;

/// What a handle and its thread have in common.
#[derive(Default)]
struct State {
    phase: AtomicU32,
    ident: AtomicU64,
    done: Event,
    os: Mutex<Option<JoinHandle<()>>>,
}

/// All handles' states, for the child of a fork; and those that the interpreter's end waits for.
static ALL: Mutex<Vec<Weak<State>>> = Mutex::new(Vec::new());
static AWAITED: PerInterpreter<Mutex<Vec<Arc<State>>>> =
    PerInterpreter::new(Mutex::new(Vec::new()), Default::default);

/// `_thread._ThreadHandle`
#[repr(C)]
struct Handle {
    header: Header,
    state: Option<Arc<State>>,
}

fn new_handle(t: &Thread) -> (Obj, Arc<State>) {
    let state = Arc::new(State::default());
    {
        let mut all = ALL.lock();
        if all.len() == all.capacity() {
            all.retain(|w| w.strong_count() > 0);
        }
        all.push(Arc::downgrade(&state));
    }
    // SAFETY: a new object of this layout; nobody else knows it.
    let o = unsafe {
        let p = t.alloc(&HANDLE.head, size_of::<Handle>()) as *mut Handle;
        (*p).state = Some(state.clone());
        Obj::from_raw(Value::from_ptr(p as *const Header))
    };
    (o, state)
}

fn state_of(v: Value) -> Arc<State> {
    // SAFETY: methods of HANDLE get its instances alone; the state is set when one is made.
    let h = unsafe { &*(v.ptr() as *const Handle) };
    h.state.clone().unwrap_or_default()
}

unsafe fn handle_clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying handle.
    unsafe { (*(h as *mut Handle)).state = None };
}

fn handle_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("_ThreadHandle", "()");
    SIG.bind(t, args)?;
    Ok(new_handle(t).0.into())
}

fn handle_join(t: &mut Thread, a: &[Value]) -> Res {
    let deadline = match a[1] {
        v if v.is_null() || v.is_none() => None,
        v => {
            let ns = support::nanos(t, v)?;
            (ns >= 0).then(|| crate::time::monotonic_ns().saturating_add(ns))
        }
    };
    let s = state_of(a[0]);
    join(t, &s, deadline)?;
    Ok(Value::NONE)
}

fn join(t: &mut Thread, s: &State, deadline: Option<i64>) -> Res<()> {
    if s.phase.load(Acquire) != STARTED {
        return Err(t.runtime_error("thread not started"));
    }
    if s.ident.load(Relaxed) == ident() && !s.done.is_set() {
        return Err(t.runtime_error("Cannot join current thread"));
    }
    if !s.done.is_set() {
        // Only daemons are left then, and nothing ends those.
        crate::posix::refuse_at_end(t, "cannot join thread")?;
    }
    if !s.done.wait(t, deadline)? {
        return Ok(());
    }
    // The thread is at its very end: wait until it has left.
    t.blocking(|| {
        let mut os = s.os.lock();
        if let Some(os) = os.take() {
            let _ = os.join();
        }
    });
    Ok(())
}

fn handle_set_done(t: &mut Thread, a: &[Value]) -> Res {
    let s = state_of(a[0]);
    if s.phase.load(Acquire) != STARTED {
        return Err(t.runtime_error("thread not started"));
    }
    s.done.set();
    AWAITED.of(t).lock().retain(|other| !Arc::ptr_eq(other, &s));
    Ok(Value::NONE)
}

fn handle_repr(t: &mut Thread, v: Value) -> Res {
    let s = format!(
        "<_thread.{} object: ident={}>",
        type_of(v).name(),
        state_of(v).ident.load(Relaxed)
    );
    Ok(Str::from_string(t, s).into())
}

static HANDLE: Type = Type::builtin(
    "_ThreadHandle",
    size_of::<Handle>(),
    &Spec {
        new: Some(handle_new),
        repr: Some(handle_repr),
        methods: &[
            NativeDef::new("join", "($self, timeout=None, /)", handle_join),
            NativeDef::new("_set_done", "($self, /)", handle_set_done),
            NativeDef::new("is_done", "($self, /)", |_, a| {
                Ok(Value::bool(state_of(a[0]).done.is_set()))
            }),
        ],
        getset: &[GetSetDef::ro("ident", |t, v| {
            Ok(int::from_u64(t, state_of(v).ident.load(Relaxed)))
        })],
        ..Spec::EMPTY
    },
)
.module("_thread")
.clear_only(handle_clear)
.final_();

// --- starting threads ---

/// Starts a thread that calls `func(*args, **kwargs)`.
fn start(t: &mut Thread, func: Value, args: Value, kwargs: Value, s: &Arc<State>) -> Res<()> {
    crate::posix::refuse_at_end(t, "can't create new thread")?;
    if !interpreter::current(t).allows(THREADS) {
        return Err(t.runtime_error("thread is not supported for isolated subinterpreters"));
    }
    let func = Obj::new(t, func);
    let func = SharedObj::new(t, func);
    let args = if args.is_null() {
        Tuple::empty(t)
    } else {
        Obj::new(t, args)
    };
    let args = SharedObj::new(t, args);
    let kwargs = support::given(t, kwargs).map(|k| SharedObj::new(t, k));
    let state = s.clone();
    // Zero: the runtime's own choice.
    let size = STACK_SIZE.load(Relaxed);
    let body = move |t: &mut Thread| {
        let _stack = crate::faulthandler::HandlerStack::wanted();
        state.ident.store(ident(), Relaxed);
        RUNNING.of(t).fetch_add(1, Relaxed);
        run(t, func, args, kwargs);
        runtime::run_pending(t);
        RUNNING.of(t).fetch_sub(1, Relaxed);
        AWAITED
            .of(t)
            .lock()
            .retain(|other| !Arc::ptr_eq(other, &state));
        state.done.set();
    };
    match runtime::start_thread(t, Box::new(body), size) {
        Ok(os) => {
            s.ident.store(os.as_pthread_t(), Relaxed);
            *s.os.lock() = Some(os);
            s.phase.store(STARTED, Release);
            Ok(())
        }
        Err(_) => {
            s.phase.store(NOT_STARTED, Release);
            Err(t.runtime_error("can't start new thread"))
        }
    }
}

fn run(t: &mut Thread, func: SharedObj, args: SharedObj, kwargs: Option<SharedObj>) {
    let (f, a) = (func.get(t), args.get(t));
    let k = kwargs.as_ref().map(|k| k.get(t));
    drop((args, kwargs));
    if call_with(t, f.value(), a.value(), k.as_ref().map(Obj::value)).is_ok() {
        return;
    }
    if t.exc_matches(&errors::SYSTEM_EXIT) {
        t.clear_exc();
        return;
    }
    let exc = t.take_exc();
    let r = proto::repr(t, f.value());
    t.clear_exc();
    if let Some(exc) = exc {
        t.set_exc(exc);
    }
    let r = r
        .ok()
        .and_then(|r| Str::of(r.value()).map(|s| s.to_string_lossy()));
    let what = format!(
        "Exception ignored in thread started by {}",
        r.unwrap_or_default()
    );
    runtime::unraisable(t, &what, None);
}

/// `f(*args, **kwargs)`, of a tuple and a dict.
pub fn call_with(t: &mut Thread, f: Value, args: Value, kwargs: Option<Value>) -> Res<Obj> {
    let positional = Tuple::of(args).map_or_else(Vec::new, |a| a.to_vec(t));
    let named = kwargs
        .and_then(Dict::of)
        .map_or_else(Vec::new, |d| d.items(t));
    let mut all: Vec<Value> = positional.iter().map(Obj::value).collect();
    all.extend(named.iter().map(|(_, v)| v.value()));
    let names: Vec<Value> = named.iter().map(|(k, _)| k.value()).collect();
    let names = Tuple::from_slice(t, &names);
    let names_word = if named.is_empty() {
        Value::NULL
    } else {
        names.value()
    };
    proto::call_kw(t, f, Args::new(&all, names_word))
}

fn start_new_thread(t: &mut Thread, a: &[Value]) -> Res {
    if !proto::is_callable(a[0]) {
        return Err(t.type_error("first arg must be callable".into()));
    }
    if Tuple::of(a[1]).is_none() {
        return Err(t.type_error("2nd arg must be a tuple".into()));
    }
    if !a[2].is_null() && Dict::of(a[2]).is_none() {
        return Err(t.type_error("optional 3rd arg must be a dictionary".into()));
    }
    audit::tell(t, "_thread.start_new_thread", &[a[0], a[1], a[2]])?;
    let s = Arc::new(State::default());
    start(t, a[0], a[1], a[2], &s)?;
    // Nobody will join it.
    drop(s.os.lock().take());
    Ok(int::from_u64(t, s.ident.load(Relaxed)))
}

fn start_joinable_thread(t: &mut Thread, a: &[Value]) -> Res {
    if !proto::is_callable(a[0]) {
        return Err(t.type_error("thread function must be callable".into()));
    }
    let (handle, s) = if a[1].is_null() || a[1].is_none() {
        new_handle(t)
    } else if type_of(a[1]).is(&HANDLE) {
        (Obj::new(t, a[1]), state_of(a[1]))
    } else {
        return Err(t.type_error("'handle' must be a _ThreadHandle".into()));
    };
    let daemon = support::truth_or(t, a[2], true)?;
    let told = [a[0], Value::int(daemon.into()), a[1]];
    audit::tell(t, "_thread.start_joinable_thread", &told)?;
    if daemon && !interpreter::current(t).allows(DAEMON_THREADS) {
        let msg = "daemon threads are disabled in this (sub)interpreter";
        return Err(t.runtime_error(msg));
    }
    if s.phase
        .compare_exchange(NOT_STARTED, STARTING, AcqRel, Acquire)
        .is_err()
    {
        return Err(t.runtime_error("thread already started"));
    }
    if !daemon {
        AWAITED.of(t).lock().push(s.clone());
    }
    if let Err(e) = start(t, a[0], Value::NULL, Value::NULL, &s) {
        AWAITED.of(t).lock().retain(|other| !Arc::ptr_eq(other, &s));
        return Err(e);
    }
    Ok(handle.into())
}

/// Waits for all threads that are not daemons.
pub fn shutdown(t: &mut Thread) -> Res<()> {
    let me = ident();
    loop {
        let next = {
            let awaited = AWAITED.of(t).lock();
            awaited
                .iter()
                .find(|s| s.ident.load(Relaxed) != me && s.phase.load(Acquire) == STARTED)
                .cloned()
        };
        let Some(s) = next else { return Ok(()) };
        if join(t, &s, None).is_err() {
            let what = "Exception ignored while joining a thread in _thread._shutdown()";
            runtime::unraisable(t, what, None);
            return Ok(());
        }
        AWAITED.of(t).lock().retain(|other| !Arc::ptr_eq(other, &s));
    }
}

/// In the child of a fork: the other threads are gone, and this one is the main one.
pub fn after_fork_child() {
    let me = ident();
    MAIN_IDENT.store(me, Relaxed);
    crate::_signal::after_fork_child();
    crate::wait::after_fork_child();
    RUNNING.main().store(0, Relaxed);
    // SAFETY: the threads that may have held these locks are gone; what they guard is whole enough to be filtered.
    unsafe {
        if ALL.is_locked() {
            ALL.force_unlock();
        }
        if AWAITED.main().is_locked() {
            AWAITED.main().force_unlock();
        }
    }
    for s in ALL.lock().iter().filter_map(Weak::upgrade) {
        if s.ident.load(Relaxed) != me && s.phase.load(Relaxed) == STARTED {
            s.done.set();
            if let Some(mut os) = s.os.try_lock() {
                std::mem::forget(os.take());
            }
        }
    }
    AWAITED
        .main()
        .lock()
        .retain(|s| s.ident.load(Relaxed) == me);
}

fn make_thread_handle(t: &mut Thread, a: &[Value]) -> Res {
    if !int::is_int(a[0]) {
        return Err(t.type_error("ident must be an integer".into()));
    }
    let id = proto::index(t, a[0])?;
    let Some(id) = int::to_bigint(id.value()).and_then(|b| u64::try_from(b).ok()) else {
        return Err(t.overflow_error("can't convert negative int to unsigned"));
    };
    let (o, s) = new_handle(t);
    s.ident.store(id, Relaxed);
    s.phase.store(STARTED, Release);
    Ok(o.into())
}

fn stack_size(t: &mut Thread, a: &[Value]) -> Res {
    const LEAST: i64 = 32 * 1024;
    let n = match a[0] {
        v if v.is_null() => 0,
        v => proto::index_i64(t, v)?,
    };
    if n != 0 && n < LEAST {
        return Err(t.value_error(format!("size must be at least {LEAST} bytes")));
    }
    let old = STACK_SIZE.swap(n as usize, Relaxed);
    Ok(int::from_usize(t, old))
}

fn native_id() -> u64 {
    #[cfg(target_os = "linux")]
    // SAFETY: always callable.
    unsafe {
        libc::syscall(libc::SYS_gettid) as u64
    }
    #[cfg(not(target_os = "linux"))]
    ident()
}

fn set_name(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("set_name() argument 'name' must be str, not {got}")));
    };
    let chars = s.text().code_points();
    let name: String = chars.map(|c| char::from_u32(c).unwrap_or('?')).collect();
    // The system's names hold 15 bytes, none of them zero.
    let bytes = name.as_bytes();
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len()).min(15);
    let c = std::ffi::CString::new(&bytes[..end]).unwrap_or_default();
    #[cfg(target_os = "linux")]
    // SAFETY: the name is zero-terminated.
    unsafe {
        libc::pthread_setname_np(libc::pthread_self(), c.as_ptr());
    }
    #[cfg(target_os = "macos")]
    // SAFETY: as above.
    unsafe {
        libc::pthread_setname_np(c.as_ptr());
    }
    Ok(Value::NONE)
}

#[cfg(target_os = "linux")]
fn get_name(t: &mut Thread, _a: &[Value]) -> Res {
    let mut name = [0 as libc::c_char; 16];
    // SAFETY: the longest name fits, with a zero behind it.
    let e = unsafe { libc::pthread_getname_np(libc::pthread_self(), name.as_mut_ptr(), 16) };
    if e != 0 {
        return Err(t.os_error(e, None));
    }
    // SAFETY: the name ends with a zero.
    let name = unsafe { std::ffi::CStr::from_ptr(name.as_ptr()) };
    Ok(support::fs_decode(t, name.to_bytes()).into())
}

fn exit(t: &mut Thread, _a: &[Value]) -> Res {
    Err(t.raise_args(&errors::SYSTEM_EXIT, Vec::new()))
}

fn interrupt_main(t: &mut Thread, a: &[Value]) -> Res {
    let signum = support::c_int_or(t, a[0], libc::SIGINT)?;
    if !crate::_signal::simulate(signum) {
        return Err(t.value_error("signal number out of range"));
    }
    Ok(Value::NONE)
}

crate::struct_sequence!(EXCEPT_HOOK_ARGS, EXCEPT_HOOK_ARGS_DEF, "_ExceptHookArgs" in "_thread", items 4, {
    0 "exc_type", 1 "exc_value", 2 "exc_traceback", 3 "thread",
});

/// `threading.excepthook`: prints the exception that has ended a thread.
fn excepthook(t: &mut Thread, a: &[Value]) -> Res {
    let Some(args) =
        Tuple::of(a[0]).filter(|x| x.len() == 4 && type_of(a[0]).is(&EXCEPT_HOOK_ARGS))
    else {
        return Err(t.type_error("_thread.excepthook argument type must be ExceptHookArgs".into()));
    };
    let [ty, exc, tb, thread] = [0, 1, 2, 3].map(|i| Obj::new(t, args.get(i)));
    if ty.value().same(errors::SYSTEM_EXIT.value()) {
        return Ok(Value::NONE);
    }
    let sys = runtime::import(t, "sys")?;
    let file = proto::get_attr_opt(t, sys.value(), weft_objects::id!(t, "stderr"))?;
    let file = match file.filter(|f| !f.value().is_none()) {
        Some(f) => f,
        None if thread.value().is_none() => return Ok(Value::NONE),
        None => match proto::get_attr_opt(t, thread.value(), weft_objects::id!(t, "_stderr"))? {
            Some(f) if !f.value().is_none() => f,
            _ => return Ok(Value::NONE),
        },
    };
    let name = if thread.value().is_none() {
        None
    } else {
        proto::get_attr_opt(t, thread.value(), weft_objects::id!(t, "_name"))?
    };
    let name = match name {
        Some(n) => proto::str(t, n.value())?,
        None => Str::from_string(t, ident().to_string()),
    };
    let name = Str::of(name.value()).map_or_else(String::new, |s| s.to_string_lossy());
    let line = Str::from_string(t, format!("Exception in thread {name}:\n"));
    proto::call_method(t, file.value(), "write", &[line.value()])?;
    let args = [
        ty.value(),
        exc.value(),
        tb.value(),
        Value::NONE,
        file.value(),
    ];
    let printed = runtime::import(t, "traceback")
        .and_then(|m| proto::call_method(t, m.value(), "print_exception", &args));
    if printed.is_err() {
        // Without that module, or in its way: the plain form.
        t.clear_exc();
        let mut text = String::new();
        weft_objects::traceback::print_exception(t, exc.value(), &mut text);
        let text = Str::from_string(t, text);
        proto::call_method(t, file.value(), "write", &[text.value()])?;
    }
    proto::call_method(t, file.value(), "flush", &[])?;
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new(
        "start_new_thread",
        "(function, args, kwargs=None, /)",
        start_new_thread,
    ),
    NativeDef::new(
        "start_new",
        "(function, args, kwargs=None, /)",
        start_new_thread,
    ),
    NativeDef::new(
        "start_joinable_thread",
        "(function, handle=None, daemon=True)",
        start_joinable_thread,
    ),
    NativeDef::new("daemon_threads_allowed", "()", |t, _| {
        Ok(Value::bool(interpreter::current(t).allows(DAEMON_THREADS)))
    }),
    NativeDef::new("allocate_lock", "()", |t, _| Ok(make_lock(t).into())),
    NativeDef::new("allocate", "()", |t, _| Ok(make_lock(t).into())),
    NativeDef::new("exit", "()", exit),
    NativeDef::new("exit_thread", "()", exit),
    NativeDef::new(
        "interrupt_main",
        "(signum=signal.SIGINT, /)",
        interrupt_main,
    ),
    NativeDef::new("get_ident", "()", |t, _| Ok(int::from_u64(t, ident()))),
    NativeDef::new("get_native_id", "()", |t, _| {
        Ok(int::from_u64(t, native_id()))
    }),
    NativeDef::new("_count", "()", |t, _| {
        Ok(int::from_usize(t, RUNNING.of(t).load(Relaxed)))
    }),
    NativeDef::new("stack_size", "(size=0, /)", stack_size),
    NativeDef::new("set_name", "(name)", set_name),
    #[cfg(target_os = "linux")]
    NativeDef::new("_get_name", "()", get_name).doc("Get the name of the current thread."),
    NativeDef::new("_excepthook", "(exc_info, /)", excepthook),
    NativeDef::new("_is_main_interpreter", "()", |t, _| {
        Ok(Value::bool(interpreter::current(t).is_main()))
    }),
    NativeDef::new("_shutdown", "()", |t, _| shutdown(t).map(|()| Value::NONE)),
    NativeDef::new("_make_thread_handle", "(ident, /)", make_thread_handle),
    NativeDef::new("_get_main_thread_ident", "()", |t, _| {
        Ok(int::from_u64(t, main_ident()))
    }),
];

/// Makes the module. The first call is the main thread's.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let _ = MAIN_IDENT.compare_exchange(0, ident(), Relaxed, Relaxed);
    let doc = "This module provides primitive operations to write multi-threaded programs.";
    let m = support::module(t, "_thread", doc, FUNCTIONS);
    support::add_type(t, &m, &LOCK);
    add(t, &m, "LockType", Obj::new(t, LOCK.value()));
    support::add_type(t, &m, &RLOCK);
    support::add_type(t, &m, &HANDLE);
    support::add_type(t, &m, &thread_local::LOCAL);
    EXCEPT_HOOK_ARGS_DEF.ready(t);
    support::add_type(t, &m, &EXCEPT_HOOK_ARGS);
    add(t, &m, "error", Obj::new(t, errors::RUNTIME_ERROR.value()));
    let max = float::from_f64(t, (TIMEOUT_MAX as f64 / 1e9).floor());
    add(t, &m, "TIMEOUT_MAX", Obj::own(max));
    // What the system takes.
    add(t, &m, "_NAME_MAXLEN", support::int_obj(t, 15));
    Ok(m)
}
