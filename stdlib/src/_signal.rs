//! `_signal`. The handler that the system calls only notes the signal and raises the main thread's breaker; Python's handlers run in the
//! main thread, at its next safepoint or when the call that it is blocked in has been interrupted.

use crate::support::{self, add, add_ints, float_obj, int_obj, none};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering::*};
use weft_gc::{ThreadPayload, breaker_bits};
use weft_objects::prelude::*;
use weft_objects::{frame, int, interpreter, runtime};
use weft_threads::Peer;

#[cfg(target_os = "linux")]
const NSIG: usize = 65;
#[cfg(not(target_os = "linux"))]
const NSIG: usize = 32;

static PENDING: [AtomicBool; NSIG] = [const { AtomicBool::new(false) }; NSIG];
static ANY: AtomicBool = AtomicBool::new(false);
static WAKEUP_FD: AtomicI32 = AtomicI32::new(-1);
static WARN_ON_FULL: AtomicBool = AtomicBool::new(true);
/// Error number of a failed write to the wakeup descriptor, to be reported.
static WAKEUP_ERROR: AtomicI32 = AtomicI32::new(0);
static MAIN: AtomicPtr<Peer<ThreadPayload>> = AtomicPtr::new(std::ptr::null_mut());

/// Owned words, by signal; NULL: not known. Set by the main thread alone. What is stored after the first thread has been started is
/// published; before that everything becomes shared when it is.
static HANDLERS: [AtomicU64; NSIG] = [const { AtomicU64::new(0) }; NSIG];

const SIG_DFL: i64 = 0;
const SIG_IGN: i64 = 1;

extern "C" fn on_signal(signum: libc::c_int) {
    let saved = support::errno();
    note(signum);
    set_errno(saved);
}

fn set_errno(e: i32) {
    // SAFETY: the calling thread's own word.
    unsafe {
        #[cfg(target_os = "linux")]
        {
            *libc::__errno_location() = e;
        }
        #[cfg(target_os = "macos")]
        {
            *libc::__error() = e;
        }
    }
}

/// Notes a signal. May be called in a signal handler.
fn note(signum: libc::c_int) {
    let Some(p) = PENDING.get(signum as usize) else {
        return;
    };
    p.store(true, Relaxed);
    ANY.store(true, Release);
    let main = MAIN.load(Acquire);
    if !main.is_null() {
        // SAFETY: kept for ever.
        unsafe { (*main).raise(breaker_bits::SIGNAL) };
    }
    let fd = WAKEUP_FD.load(Relaxed);
    if fd != -1 {
        let byte = signum as u8;
        // SAFETY: one byte of ours.
        if unsafe { libc::write(fd, (&raw const byte).cast(), 1) } < 0 {
            let e = support::errno();
            if e != libc::EAGAIN || WARN_ON_FULL.load(Relaxed) {
                WAKEUP_ERROR.store(e, Relaxed);
            }
        }
    }
}

/// As if the signal had come, unless it is ignored or left to the system. False: there is no such signal.
pub fn simulate(signum: i32) -> bool {
    if signum < 1 || signum as usize >= NSIG {
        return false;
    }
    let h = Value(HANDLERS[signum as usize].load(Acquire));
    if !h.is_null() && !h.is_int() && !h.is_none() {
        note(signum);
    }
    true
}

/// In the child of a fork: what came for the parent is the parent's, and the calling thread is the main one now.
pub fn after_fork_child() {
    for p in &PENDING {
        p.store(false, Relaxed);
    }
    ANY.store(false, Relaxed);
    if let Some(t) = Thread::try_current() {
        let peer = std::sync::Arc::into_raw(t.peer().clone());
        MAIN.store(peer as *mut _, Release);
    }
}

/// Whether this is the main thread, in the main interpreter: there handlers run, and are set.
fn in_main(t: &Thread) -> bool {
    crate::_thread::is_main_thread() && interpreter::current(t).is_main()
}

/// Runs Python's handlers of the signals that have come. Only in the main thread.
fn run_handlers(t: &mut Thread) -> Res<()> {
    if !ANY.load(Relaxed) || !in_main(t) {
        return Ok(());
    }
    ANY.store(false, SeqCst);
    let failed = WAKEUP_ERROR.swap(0, Relaxed);
    if failed != 0 {
        let _: Raised = t.os_error(failed, None);
        let what = "Exception ignored when trying to send to the signal wakeup fd";
        runtime::unraisable(t, what, None);
    }
    for signum in 1..NSIG {
        if !PENDING[signum].swap(false, AcqRel) {
            continue;
        }
        let h = Value(HANDLERS[signum].load(Acquire));
        if h.is_null() || h.is_int() || h.is_none() || runtime::is_finalizing() {
            // Between the signal and now the handler has been taken away, or nobody can be called any more.
            let msg = format!("Signal {signum} ignored due to race condition");
            let _: Raised = t.raise(&errors::OS_ERROR, msg);
            runtime::unraisable(t, "Exception ignored", None);
            continue;
        }
        let h = Obj::new(t, h);
        let frame = match frame::current(t) {
            Some(f) => frame::object_of(t, f),
            None => none(),
        };
        if let Err(e) = proto::call(t, h.value(), &[Value::int(signum as i64), frame.value()]) {
            // The others' turn comes at the next safepoint.
            ANY.store(true, Release);
            t.peer().raise(breaker_bits::SIGNAL);
            return Err(e);
        }
    }
    Ok(())
}

fn signal_number(t: &mut Thread, v: Value) -> Res<i32> {
    let n = support::c_int(t, v)?;
    if n < 1 || n as usize >= NSIG {
        return Err(t.value_error("signal number out of range"));
    }
    Ok(n)
}

fn install(signum: i32, action: libc::sighandler_t) -> Result<(), i32> {
    // SAFETY: zero is a valid start; handler and mask are set.
    unsafe {
        let mut sa: libc::sigaction = std::mem::zeroed();
        sa.sa_sigaction = action;
        libc::sigemptyset(&mut sa.sa_mask);
        sa.sa_flags = libc::SA_ONSTACK;
        if libc::sigaction(signum, &sa, std::ptr::null_mut()) != 0 {
            return Err(support::errno());
        }
    }
    Ok(())
}

fn handler_address() -> libc::sighandler_t {
    on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t
}

/// Stores a handler and gives the one before.
fn put_handler(t: &Thread, signum: i32, handler: Obj) -> Obj {
    if weft_gc::multithreaded() {
        weft_gc::share(t, handler.value());
    }
    let old = Value(HANDLERS[signum as usize].swap(handler.into_value().0, AcqRel));
    if old.is_null() {
        none()
    } else {
        Obj::from_raw(old)
    }
}

fn signal(t: &mut Thread, a: &[Value]) -> Res {
    if !in_main(t) {
        return Err(t.value_error("signal only works in main thread of the main interpreter"));
    }
    let signum = signal_number(t, a[0])?;
    let plain = int::as_i64(a[1]);
    let (action, handler) = match plain {
        Some(SIG_DFL) => (libc::SIG_DFL, int_obj(t, SIG_DFL)),
        Some(SIG_IGN) => (libc::SIG_IGN, int_obj(t, SIG_IGN)),
        _ if proto::is_callable(a[1]) => (handler_address(), Obj::new(t, a[1])),
        _ => {
            let msg = "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object";
            return Err(t.type_error(msg.into()));
        }
    };
    run_handlers(t)?;
    if let Err(e) = install(signum, action) {
        return Err(t.os_error(e, None));
    }
    Ok(put_handler(t, signum, handler).into())
}

fn getsignal(t: &mut Thread, a: &[Value]) -> Res {
    let signum = signal_number(t, a[0])?;
    let h = Value(HANDLERS[signum as usize].load(Acquire));
    Ok(if h.is_null() {
        Value::NONE
    } else {
        to_reg(t, h)
    })
}

fn default_int_handler(t: &mut Thread, _a: &[Value]) -> Res {
    Err(t.raise_args(&errors::KEYBOARD_INTERRUPT, Vec::new()))
}

fn alarm(t: &mut Thread, a: &[Value]) -> Res {
    let n = support::c_int(t, a[0])?;
    // SAFETY: always callable.
    Ok(int::from_i64(t, unsafe { libc::alarm(n as u32) } as i64))
}

fn pause(t: &mut Thread, _a: &[Value]) -> Res {
    t.blocking(|| {
        // SAFETY: always callable.
        unsafe { libc::pause() }
    });
    runtime::check_signals(t)?;
    Ok(Value::NONE)
}

fn raise_signal(t: &mut Thread, a: &[Value]) -> Res {
    let signum = support::c_int(t, a[0])?;
    // SAFETY: always callable.
    if unsafe { libc::raise(signum) } != 0 {
        return Err(t.os_error(support::errno(), None));
    }
    runtime::check_signals(t)?;
    Ok(Value::NONE)
}

#[cfg(target_os = "linux")]
fn pidfd_send_signal(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    let signum = support::c_int(t, a[1])?;
    if !a[2].is_null() && !a[2].is_none() {
        return Err(t.type_error("siginfo must be None".into()));
    }
    let flags = support::c_int_or(t, a[3], 0)?;
    let null = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: without details of the signal there is nothing to read.
    if unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signum, null, flags) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(Value::NONE)
}

fn pthread_kill(t: &mut Thread, a: &[Value]) -> Res {
    let thread = proto::index(t, a[0])?;
    let signum = support::c_int(t, a[1])?;
    let Some(thread) = int::to_bigint(thread.value()).and_then(|b| u64::try_from(b).ok()) else {
        return Err(t.os_error(libc::ESRCH, None));
    };
    // SAFETY: as in C, the caller answers for the thread's id.
    let e = unsafe { libc::pthread_kill(thread as libc::pthread_t, signum) };
    if e != 0 {
        return Err(t.os_error(e, None));
    }
    runtime::check_signals(t)?;
    Ok(Value::NONE)
}

fn siginterrupt(t: &mut Thread, a: &[Value]) -> Res {
    let signum = signal_number(t, a[0])?;
    let flag = proto::truth(t, a[1])?;
    // SAFETY: the structure is ours.
    unsafe {
        let mut sa: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signum, std::ptr::null(), &mut sa);
        if flag {
            sa.sa_flags &= !libc::SA_RESTART;
        } else {
            sa.sa_flags |= libc::SA_RESTART;
        }
        if libc::sigaction(signum, &sa, std::ptr::null_mut()) != 0 {
            return Err(t.os_error(support::errno(), None));
        }
    }
    Ok(Value::NONE)
}

fn set_wakeup_fd(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::c_int(t, a[0])?;
    let warn = support::truth_or(t, a[1], true)?;
    if !in_main(t) {
        return Err(
            t.value_error("set_wakeup_fd only works in main thread of the main interpreter")
        );
    }
    if fd != -1 {
        // SAFETY: the structure is ours.
        let flags = unsafe {
            let mut st: libc::stat = std::mem::zeroed();
            if libc::fstat(fd, &mut st) != 0 {
                return Err(t.os_error(support::errno(), None));
            }
            libc::fcntl(fd, libc::F_GETFL)
        };
        if flags & libc::O_NONBLOCK == 0 {
            return Err(t.value_error(format!("the fd {fd} must be in non-blocking mode")));
        }
    }
    WARN_ON_FULL.store(warn, Relaxed);
    Ok(int::from_i64(t, WAKEUP_FD.swap(fd, AcqRel) as i64))
}

// --- sets of signals ---

fn parse_set(t: &mut Thread, v: Value) -> Res<libc::sigset_t> {
    // SAFETY: zero is a valid start, and emptied at once.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: ours.
    unsafe { libc::sigemptyset(&mut set) };
    for item in proto::to_vec(t, v)? {
        let i = proto::index(t, item.value())?;
        let n = int::as_i64(i.value()).unwrap_or(-1);
        if n < 1 || n >= NSIG as i64 {
            return Err(t.value_error(format!("signal number {n} out of range [1; {}]", NSIG - 1)));
        }
        // SAFETY: as above. Signals that the C library keeps to itself are refused, and that is all right.
        unsafe { libc::sigaddset(&mut set, n as i32) };
    }
    Ok(set)
}

fn build_set(t: &mut Thread, set: &libc::sigset_t) -> Res<Obj> {
    let members = (1..NSIG as i32)
        // SAFETY: ours.
        .filter(|&n| unsafe { libc::sigismember(set, n) } == 1)
        .map(|n| Obj::from_raw(Value::int(n as i64)))
        .collect();
    let list = List::from_vec(t, members);
    proto::call(t, weft_objects::set::SET.value(), &[list.value()])
}

fn pthread_sigmask(t: &mut Thread, a: &[Value]) -> Res {
    let how = support::c_int(t, a[0])?;
    let set = parse_set(t, a[1])?;
    // SAFETY: both sets are ours.
    let old = unsafe {
        let mut old: libc::sigset_t = std::mem::zeroed();
        let e = libc::pthread_sigmask(how, &set, &mut old);
        if e != 0 {
            return Err(t.os_error(e, None));
        }
        old
    };
    runtime::check_signals(t)?;
    Ok(build_set(t, &old)?.into())
}

fn sigpending(t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: the set is ours.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        if libc::sigpending(&mut set) != 0 {
            return Err(t.os_error(support::errno(), None));
        }
        set
    };
    Ok(build_set(t, &set)?.into())
}

fn sigwait(t: &mut Thread, a: &[Value]) -> Res {
    let set = parse_set(t, a[0])?;
    let mut signum = 0;
    // SAFETY: set and number are ours.
    let e = t.blocking(|| unsafe { libc::sigwait(&set, &mut signum) });
    if e != 0 {
        return Err(t.os_error(e, None));
    }
    Ok(int::from_i64(t, signum as i64))
}

fn valid_signals(t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: the set is ours.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        set
    };
    Ok(build_set(t, &set)?.into())
}

crate::struct_sequence!(SIGINFO, SIGINFO_DEF, "struct_siginfo" in "signal", items 7, {
    0 "si_signo", 1 "si_code", 2 "si_errno", 3 "si_pid", 4 "si_uid", 5 "si_status", 6 "si_band",
});

#[cfg(target_os = "linux")]
fn wait_info(t: &mut Thread, set: &libc::sigset_t, deadline: Option<i64>) -> Res {
    // SAFETY: zero is a valid start.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        let (r, e) = t.blocking(|| {
            // SAFETY: all structures are ours.
            let r = unsafe {
                match deadline {
                    None => libc::sigwaitinfo(set, &mut info),
                    Some(d) => {
                        let left = (d - crate::time::monotonic_ns()).max(0);
                        let ts = libc::timespec {
                            tv_sec: left / 1_000_000_000,
                            tv_nsec: left % 1_000_000_000,
                        };
                        libc::sigtimedwait(set, &mut info, &ts)
                    }
                }
            };
            (r, support::errno())
        });
        if r >= 0 {
            break;
        }
        match e {
            libc::EINTR => runtime::check_signals(t)?,
            libc::EAGAIN => return Ok(Value::NONE),
            e => return Err(t.os_error(e, None)),
        }
    }
    // SAFETY: these fields are there for every kind of signal, if not always of use.
    let (pid, uid, status) = unsafe { (info.si_pid(), info.si_uid(), info.si_status()) };
    let ints = [
        info.si_signo,
        info.si_code,
        info.si_errno,
        pid,
        uid as i32,
        status,
        0,
    ];
    let fields = ints.iter().map(|i| int_obj(t, *i as i64)).collect();
    Ok(SIGINFO_DEF.make(t, fields).into())
}

#[cfg(target_os = "linux")]
fn sigwaitinfo(t: &mut Thread, a: &[Value]) -> Res {
    let set = parse_set(t, a[0])?;
    wait_info(t, &set, None)
}

#[cfg(target_os = "linux")]
fn sigtimedwait(t: &mut Thread, a: &[Value]) -> Res {
    let set = parse_set(t, a[0])?;
    let ns = support::nanos(t, a[1])?;
    if ns < 0 {
        return Err(t.value_error("timeout must be non-negative"));
    }
    wait_info(
        t,
        &set,
        Some(crate::time::monotonic_ns().saturating_add(ns)),
    )
}

fn strsignal(t: &mut Thread, a: &[Value]) -> Res {
    let signum = signal_number(t, a[0])?;
    // SAFETY: a text of the system, copied at once.
    let s = unsafe {
        let p = libc::strsignal(signum);
        if p.is_null() {
            return Ok(Value::NONE);
        }
        std::ffi::CStr::from_ptr(p).to_string_lossy().into_owned()
    };
    if s.starts_with("Unknown signal") {
        return Ok(Value::NONE);
    }
    Ok(Str::from_string(t, s).into())
}

// --- timers ---

fn seconds(tv: libc::timeval) -> f64 {
    tv.tv_sec as f64 + tv.tv_usec as f64 * 1e-6
}

fn timer_pair(t: &Thread, v: &libc::itimerval) -> Value {
    let (value, interval) = (
        float_obj(t, seconds(v.it_value)),
        float_obj(t, seconds(v.it_interval)),
    );
    Tuple::pair(t, value, interval).into()
}

fn timeval(t: &mut Thread, v: Value) -> Res<libc::timeval> {
    if v.is_null() {
        return Ok(libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        });
    }
    let us = support::nanos(t, v)?.div_euclid(1000);
    Ok(libc::timeval {
        tv_sec: us.div_euclid(1_000_000) as _,
        tv_usec: us.rem_euclid(1_000_000) as _,
    })
}

#[cold]
fn timer_error(t: &mut Thread) -> Raised {
    let e = support::errno();
    let Ok(m) = runtime::import(t, "_signal") else {
        return t.os_error(e, None);
    };
    let text = errors::strerror(e);
    let args = [int_obj(t, e as i64), Str::from_string(t, text)];
    let made = proto::get_attr(t, m.value(), weft_objects::id!(t, "ItimerError"))
        .and_then(|cls| proto::call(t, cls.value(), &[args[0].value(), args[1].value()]));
    match made {
        Ok(exc) => t.raise_value(exc),
        Err(e) => e,
    }
}

fn setitimer(t: &mut Thread, a: &[Value]) -> Res {
    let which = support::c_int(t, a[0])?;
    let new = libc::itimerval {
        it_value: timeval(t, a[1])?,
        it_interval: timeval(t, a[2])?,
    };
    // SAFETY: both structures are ours.
    let (r, old) = unsafe {
        let mut old: libc::itimerval = std::mem::zeroed();
        (libc::setitimer(which as _, &new, &mut old), old)
    };
    if r != 0 {
        Err(timer_error(t))
    } else {
        Ok(timer_pair(t, &old))
    }
}

fn getitimer(t: &mut Thread, a: &[Value]) -> Res {
    let which = support::c_int(t, a[0])?;
    // SAFETY: the structure is ours.
    let (r, now) = unsafe {
        let mut now: libc::itimerval = std::mem::zeroed();
        (libc::getitimer(which as _, &mut now), now)
    };
    if r != 0 {
        Err(timer_error(t))
    } else {
        Ok(timer_pair(t, &now))
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("signal", "(signalnum, handler, /)", signal),
    NativeDef::new("getsignal", "(signalnum, /)", getsignal),
    NativeDef::new(
        "default_int_handler",
        "(signalnum, frame, /)",
        default_int_handler,
    ),
    NativeDef::new("alarm", "(seconds, /)", alarm),
    NativeDef::new("pause", "()", pause),
    NativeDef::new("raise_signal", "(signalnum, /)", raise_signal),
    #[cfg(target_os = "linux")]
    NativeDef::new(
        "pidfd_send_signal",
        "(pidfd, signalnum, siginfo=None, flags=0, /)",
        pidfd_send_signal,
    )
    .doc("Send a signal to a process referred to by a pid file descriptor."),
    NativeDef::new("pthread_kill", "(thread_id, signalnum, /)", pthread_kill),
    NativeDef::new("pthread_sigmask", "(how, mask, /)", pthread_sigmask),
    NativeDef::new("sigpending", "()", sigpending),
    NativeDef::new("sigwait", "(sigset, /)", sigwait),
    NativeDef::new("siginterrupt", "(signalnum, flag, /)", siginterrupt),
    NativeDef::new(
        "set_wakeup_fd",
        "(fd, /, *, warn_on_full_buffer=True)",
        set_wakeup_fd,
    ),
    NativeDef::new("strsignal", "(signalnum, /)", strsignal),
    NativeDef::new("valid_signals", "()", valid_signals),
    NativeDef::new("setitimer", "(which, seconds, interval=0.0, /)", setitimer),
    NativeDef::new("getitimer", "(which, /)", getitimer),
    #[cfg(target_os = "linux")]
    NativeDef::new("sigwaitinfo", "(sigset, /)", sigwaitinfo),
    #[cfg(target_os = "linux")]
    NativeDef::new("sigtimedwait", "(sigset, timeout, /)", sigtimedwait),
];

/// The names of the signals of all Unix systems.
static NAMES: &[(&str, i64)] = &[
    ("SIGHUP", libc::SIGHUP as i64),
    ("SIGINT", libc::SIGINT as i64),
    ("SIGQUIT", libc::SIGQUIT as i64),
    ("SIGILL", libc::SIGILL as i64),
    ("SIGTRAP", libc::SIGTRAP as i64),
    ("SIGABRT", libc::SIGABRT as i64),
    ("SIGIOT", libc::SIGABRT as i64),
    ("SIGFPE", libc::SIGFPE as i64),
    ("SIGKILL", libc::SIGKILL as i64),
    ("SIGBUS", libc::SIGBUS as i64),
    ("SIGSEGV", libc::SIGSEGV as i64),
    ("SIGSYS", libc::SIGSYS as i64),
    ("SIGPIPE", libc::SIGPIPE as i64),
    ("SIGALRM", libc::SIGALRM as i64),
    ("SIGTERM", libc::SIGTERM as i64),
    ("SIGUSR1", libc::SIGUSR1 as i64),
    ("SIGUSR2", libc::SIGUSR2 as i64),
    ("SIGCHLD", libc::SIGCHLD as i64),
    ("SIGURG", libc::SIGURG as i64),
    ("SIGSTOP", libc::SIGSTOP as i64),
    ("SIGTSTP", libc::SIGTSTP as i64),
    ("SIGCONT", libc::SIGCONT as i64),
    ("SIGTTIN", libc::SIGTTIN as i64),
    ("SIGTTOU", libc::SIGTTOU as i64),
    ("SIGIO", libc::SIGIO as i64),
    ("SIGXCPU", libc::SIGXCPU as i64),
    ("SIGXFSZ", libc::SIGXFSZ as i64),
    ("SIGVTALRM", libc::SIGVTALRM as i64),
    ("SIGPROF", libc::SIGPROF as i64),
    ("SIGWINCH", libc::SIGWINCH as i64),
    #[cfg(target_os = "linux")]
    ("SIGCLD", libc::SIGCHLD as i64),
    #[cfg(target_os = "linux")]
    ("SIGPOLL", libc::SIGPOLL as i64),
    #[cfg(target_os = "linux")]
    ("SIGPWR", libc::SIGPWR as i64),
    #[cfg(target_os = "linux")]
    ("SIGSTKFLT", libc::SIGSTKFLT as i64),
    ("SIG_DFL", SIG_DFL),
    ("SIG_IGN", SIG_IGN),
    ("SIG_BLOCK", libc::SIG_BLOCK as i64),
    ("SIG_UNBLOCK", libc::SIG_UNBLOCK as i64),
    ("SIG_SETMASK", libc::SIG_SETMASK as i64),
    ("ITIMER_REAL", libc::ITIMER_REAL as i64),
    ("ITIMER_VIRTUAL", libc::ITIMER_VIRTUAL as i64),
    ("ITIMER_PROF", libc::ITIMER_PROF as i64),
    ("NSIG", NSIG as i64),
];

/// Notes what the system does at each signal now, and takes SIGINT over if nobody has.
fn take_over(t: &Thread, m: &Obj) {
    let peer = std::sync::Arc::into_raw(t.peer().clone());
    MAIN.store(peer as *mut _, Release);
    runtime::set_signal_hook(run_handlers);
    // Files that would grow too large give an error. (SIGPIPE is ignored by Rust's start-up already.)
    // SAFETY: always callable.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    for signum in 1..NSIG as i32 {
        // SAFETY: the structure is ours.
        let action = unsafe {
            let mut sa: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signum, std::ptr::null(), &mut sa);
            sa.sa_sigaction
        };
        match action {
            libc::SIG_DFL => drop(put_handler(t, signum, int_obj(t, SIG_DFL))),
            libc::SIG_IGN => drop(put_handler(t, signum, int_obj(t, SIG_IGN))),
            _ => {}
        }
    }
    let unclaimed = Value(HANDLERS[libc::SIGINT as usize].load(Relaxed)) == Value::int(SIG_DFL);
    if let Some(module) = weft_objects::module::Module::of(m.value())
        && let Some(f) = module.get(t, "default_int_handler")
        && unclaimed
        && install(libc::SIGINT, handler_address()).is_ok()
    {
        drop(put_handler(t, libc::SIGINT, f));
    }
}

/// Makes the module. The first call must be the main thread's: it is the one that handlers run in.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "_signal",
        "This module provides mechanisms to use signal handlers in Python.",
        FUNCTIONS,
    );
    add_ints(t, &m, NAMES);
    #[cfg(target_os = "linux")]
    add_ints(
        t,
        &m,
        &[
            ("SIGRTMIN", libc::SIGRTMIN() as i64),
            ("SIGRTMAX", libc::SIGRTMAX() as i64),
        ],
    );
    SIGINFO_DEF.ready(t);
    support::add_type(t, &m, &SIGINFO);
    let error = new_exception_class(t, "itimer_error", "signal", &[&errors::OS_ERROR])?;
    add(t, &m, "ItimerError", error);
    if MAIN.load(Acquire).is_null() {
        take_over(t, &m);
    }
    Ok(m)
}

/// A new exception class with these bases.
pub fn new_exception_class(
    t: &mut Thread,
    name: &str,
    module: &str,
    bases: &[&'static Type],
) -> Res<Obj> {
    let (name, module) = (Str::intern(t, name), Str::intern(t, module));
    let bases: Vec<Value> = bases.iter().map(|b| b.value()).collect();
    let bases = Tuple::from_slice(t, &bases);
    let ns = Dict::new(t);
    if let Some(d) = Dict::exact(ns.value()) {
        d.set_str(t, weft_objects::id!(t, "__module__"), module.value());
    }
    proto::call(
        t,
        weft_objects::types::TYPE.value(),
        &[name.value(), bases.value(), ns.value()],
    )
}
