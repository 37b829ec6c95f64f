//! `faulthandler`: where the current thread is, on request or when the process dies of a signal.
//!
//! The handlers write what they can without allocating: the records of the frames and the texts of their code lie still while the
//! thread that owns them is in the handler.

use crate::support;
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};
use std::sync::{Arc, Condvar, Mutex as StdMutex};
use std::time::Duration;
use weft_objects::prelude::*;
use weft_objects::{frame, int, runtime};

/// Where handlers write to, or -1: not enabled.
static FD: AtomicI32 = AtomicI32::new(-1);

/// Signals that are faults, with what is said about them.
const FAULTS: [(i32, &str); 5] = [
    (libc::SIGBUS, "Bus error"),
    (libc::SIGILL, "Illegal instruction"),
    (libc::SIGFPE, "Floating-point exception"),
    (libc::SIGABRT, "Aborted"),
    (libc::SIGSEGV, "Segmentation fault"),
];

/// What was done about them before.
static PREVIOUS: Mutex<Vec<(i32, libc::sigaction)>> = Mutex::new(Vec::new());

/// Frames beyond this are left out.
const DEEPEST: usize = 100;
/// Characters of a text beyond this are left out.
const LONGEST: usize = 500;

fn put(fd: i32, bytes: &[u8]) {
    // SAFETY: the bytes are there for the length of the call.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
}

/// Writes a number without allocating.
fn put_number(fd: i32, mut n: u64, base: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while n > 0 || digits.len() - at < width.max(1) {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(n % base) as usize];
        n /= base;
    }
    put(fd, &digits[at..]);
}

fn put_text(fd: i32, v: Value) {
    match Str::of(v) {
        Some(s) => {
            let bytes = s.as_bytes();
            put(fd, &bytes[..bytes.len().min(LONGEST)]);
            if bytes.len() > LONGEST {
                put(fd, b"...");
            }
        }
        None => put(fd, b"???"),
    }
}

/// How a thread is called above its stack.
#[derive(Clone, Copy, PartialEq)]
enum Header {
    /// It is the only one that is shown.
    Only,
    Current,
    Other,
}

/// Writes where the thread is, which is the calling one or stands still, innermost frame first.
fn put_stack(fd: i32, t: &Thread, header: Header) {
    match header {
        Header::Only => put(fd, b"Stack (most recent call first):\n"),
        Header::Current => put(fd, b"Current thread 0x"),
        Header::Other => put(fd, b"Thread 0x"),
    }
    if header != Header::Only {
        put_number(fd, t.vm().ident, 16, 16);
        put(fd, b" (most recent call first):\n");
    }
    let base = t.vm().frames_base();
    let mut at = frame::current(t);
    if at.is_none() {
        put(fd, b"  <no Python frame>\n");
    }
    let mut depth = 0;
    while let Some(f) = at {
        if depth == DEEPEST {
            put(fd, b"  ...\n");
            break;
        }
        // SAFETY: a record of a frame that runs on this thread.
        let f_ref = unsafe { &*f };
        let body = f_ref.code().body();
        put(fd, b"  File \"");
        put_text(fd, body.filename.value());
        put(fd, b"\", line ");
        put_number(fd, u64::from(f_ref.line()), 10, 1);
        put(fd, b" in ");
        put_text(fd, body.name.value());
        put(fd, b"\n");
        depth += 1;
        at = (f > base).then(|| f.wrapping_sub(1));
    }
}

extern "C" fn on_fault(signum: libc::c_int) {
    let fd = FD.load(Relaxed);
    let what = FAULTS
        .iter()
        .find(|(n, _)| *n == signum)
        .map_or("Unknown", |(_, what)| what);
    // The system's own action comes next, whatever happens here.
    // SAFETY: zero is a valid start; handlers may set actions.
    unsafe {
        let mut sa: libc::sigaction = std::mem::zeroed();
        sa.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signum, &sa, std::ptr::null_mut());
    }
    if fd >= 0 {
        put(fd, b"Fatal Python error: ");
        put(fd, what.as_bytes());
        put(fd, b"\n\n");
        if let Some(t) = Thread::try_current() {
            put_stack(fd, t, Header::Current);
        }
    }
    // SAFETY: may be called in handlers.
    unsafe { libc::raise(signum) };
}

/// Starts to watch for faults, writing to `fd`.
pub fn enable_on(fd: i32) -> Result<(), i32> {
    FD.store(fd, Relaxed);
    let mut previous = PREVIOUS.lock();
    if !previous.is_empty() {
        return Ok(());
    }
    for (signum, _) in FAULTS {
        // SAFETY: zero is a valid start; both structures are ours.
        unsafe {
            let mut sa: libc::sigaction = std::mem::zeroed();
            let mut old: libc::sigaction = std::mem::zeroed();
            sa.sa_sigaction = on_fault as extern "C" fn(libc::c_int) as libc::sighandler_t;
            libc::sigemptyset(&mut sa.sa_mask);
            sa.sa_flags = libc::SA_NODEFER | libc::SA_ONSTACK;
            if libc::sigaction(signum, &sa, &mut old) != 0 {
                return Err(support::errno());
            }
            previous.push((signum, old));
        }
    }
    Ok(())
}

/// The descriptor of the file argument: an int, an object with `fileno()`, by default `sys.stderr`.
fn output(t: &mut Thread, v: Value) -> Res<i32> {
    let file = if v.is_null() || v.is_none() {
        match runtime::sys_attr(t, "stderr") {
            Some(f) if !f.value().is_none() => f,
            Some(_) => return Err(t.runtime_error("sys.stderr is None")),
            None => return Err(t.runtime_error("unable to get sys.stderr")),
        }
    } else {
        Obj::new(t, v)
    };
    if int::is_int(file.value()) {
        return match support::c_int(t, file.value())? {
            fd if fd < 0 => Err(t.value_error("file is not a valid file descripter")),
            fd => Ok(fd),
        };
    }
    let fd = proto::call_method(t, file.value(), "fileno", &[])?;
    let fd = match int::as_i64(fd.value()).map(i32::try_from) {
        Some(Ok(fd)) if fd >= 0 => fd,
        _ => return Err(t.runtime_error("file.fileno() is not a valid file descriptor")),
    };
    // What it holds back comes before what is written past it.
    if proto::call_method(t, file.value(), "flush", &[]).is_err() {
        t.clear_exc();
    }
    Ok(fd)
}

fn enable(t: &mut Thread, a: &[Value]) -> Res {
    let fd = output(t, a[0])?;
    match enable_on(fd) {
        Ok(()) => Ok(Value::NONE),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn disable(_t: &mut Thread, _a: &[Value]) -> Res {
    let was_on = FD.swap(-1, Relaxed) >= 0;
    for (signum, old) in PREVIOUS.lock().drain(..) {
        // SAFETY: what was set before.
        unsafe { libc::sigaction(signum, &old, std::ptr::null_mut()) };
    }
    Ok(Value::bool(was_on))
}

fn is_enabled(_t: &mut Thread, _a: &[Value]) -> Res {
    Ok(Value::bool(FD.load(Relaxed) >= 0))
}

fn dump_traceback(t: &mut Thread, a: &[Value]) -> Res {
    let fd = output(t, a[0])?;
    let all = support::truth_or(t, a[1], true)?;
    if all {
        put_threads(fd, t, true);
    } else {
        put_stack(fd, t, Header::Only);
    }
    Ok(Value::NONE)
}

/// Calls of native code beyond this are left out.
const DEEPEST_NATIVE: usize = 32;

unsafe extern "C" {
    /// Puts the addresses of the calls that are under way into the buffer. Gives how many they are.
    fn backtrace(buffer: *mut *mut libc::c_void, size: libc::c_int) -> libc::c_int;
}

/// `dump_c_stack(file)`: the calls of native code that are under way on this thread.
fn dump_c_stack(t: &mut Thread, a: &[Value]) -> Res {
    let fd = output(t, a[0])?;
    put(
        fd,
        b"Current thread's C stack trace (most recent call first):\n",
    );
    let mut calls = [std::ptr::null_mut(); DEEPEST_NATIVE];
    // SAFETY: the buffer has as much room.
    let n = unsafe { backtrace(calls.as_mut_ptr(), DEEPEST_NATIVE as libc::c_int) };
    for at in &calls[..n.max(0) as usize] {
        put_native(fd, *at);
    }
    if n as usize == DEEPEST_NATIVE {
        put(fd, b"  <truncated rest of calls>\n");
    }
    Ok(Value::NONE)
}

/// Writes which file an address of native code is in, and how far behind which symbol.
fn put_native(fd: i32, at: *mut libc::c_void) {
    // SAFETY: a structure of pointers, which the call fills in if it can; texts in it end with zero and stay.
    let (info, found) = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let found = libc::dladdr(at, &mut info) != 0;
        (info, found)
    };
    let text = |p: *const libc::c_char| {
        // SAFETY: as above.
        (!p.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(p) }.to_bytes())
    };
    let (base, name) = match text(info.dli_sname) {
        Some(name) => (info.dli_saddr, name),
        None => (info.dli_fbase, &b""[..]),
    };
    match text(info.dli_fname).filter(|_| found) {
        Some(file) => {
            put(fd, b"  Binary file \"");
            put(fd, file);
            put(fd, b"\", at ");
            put(fd, name);
            put(fd, b"+0x");
            put_number(fd, (at as u64).wrapping_sub(base as u64), 16, 1);
        }
        None => put(fd, b"  <unknown file>"),
    }
    put(fd, b" [0x");
    put_number(fd, at as u64, 16, 1);
    put(fd, b"]\n");
}

/// Writes where all threads are, while they stand still; the calling one last, if it is wanted.
fn put_threads(fd: i32, t: &mut Thread, current: bool) {
    let me: &Thread = t;
    weft_gc::world().stop(me.peer(), |stopped| {
        let mut first = true;
        for peer in stopped.peers() {
            let other = peer.payload().thread();
            if std::ptr::eq(me, other) || other.ext().is_null() || other.vm().frame_depth() == 0 {
                continue;
            }
            if !std::mem::replace(&mut first, false) {
                put(fd, b"\n");
            }
            put_stack(fd, other, Header::Other);
        }
        if current {
            if !first {
                put(fd, b"\n");
            }
            put_stack(fd, me, Header::Current);
        }
    });
}

// --- later ---

/// A dump that is to come, and how to call it off.
#[derive(Default)]
struct Later {
    cancelled: StdMutex<bool>,
    bell: Condvar,
}

static LATER: Mutex<Option<Arc<Later>>> = Mutex::new(None);

fn cancel_later() {
    if let Some(later) = LATER.lock().take() {
        *later.cancelled.lock().unwrap_or_else(|e| e.into_inner()) = true;
        later.bell.notify_all();
    }
}

impl Later {
    /// Waits. False: it has been called off.
    fn wait(&self, time: Duration) -> bool {
        let cancelled = self.cancelled.lock().unwrap_or_else(|e| e.into_inner());
        match self.bell.wait_timeout_while(cancelled, time, |off| !*off) {
            Ok((cancelled, _)) => !*cancelled,
            Err(_) => false,
        }
    }
}

fn dump_later(t: &mut Thread, a: &[Value]) -> Res {
    let seconds = proto::as_f64(t, a[0])?;
    let repeat = support::truth_or(t, a[1], false)?;
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(t.value_error("timeout must be greater than 0"));
    }
    let Ok(time) = Duration::try_from_secs_f64(seconds) else {
        return Err(t.raise(&errors::OVERFLOW_ERROR, "timeout value is too large"));
    };
    let fd = output(t, a[2])?;
    let exit = support::truth_or(t, a[3], false)?;
    let micros = time.as_micros();
    let (minutes, micros) = (micros / 60_000_000, micros % 60_000_000);
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let mut header = format!("Timeout ({}:{:02}:{seconds:02}", minutes / 60, minutes % 60);
    if micros > 0 {
        header.push_str(&format!(".{micros:06}"));
    }
    header.push_str(")!\n");
    cancel_later();
    let later = Arc::new(Later::default());
    *LATER.lock() = Some(later.clone());
    let watch = move |t: &mut Thread| {
        while t.blocking(|| later.wait(time)) {
            put(fd, header.as_bytes());
            put_threads(fd, t, false);
            if exit {
                // SAFETY: ends the process at once, as is asked for.
                unsafe { libc::_exit(1) };
            }
            if !repeat {
                break;
            }
        }
    };
    match runtime::start_thread(t, Box::new(watch), 1 << 20) {
        Ok(_) => Ok(Value::NONE),
        Err(_) => Err(t.runtime_error("unable to start watchdog thread")),
    }
}

fn cancel_dump_later(_t: &mut Thread, _a: &[Value]) -> Res {
    cancel_later();
    Ok(Value::NONE)
}

// --- on signals of the user's choice ---

const SIGNALS: usize = 65;

/// What a registered signal does: where it writes to (-1: it is not registered), whether all threads are meant, and whether what was
/// done about the signal before is done as well.
struct Watched {
    fd: AtomicI32,
    all: AtomicBool,
    chain: AtomicBool,
}

static WATCHED: [Watched; SIGNALS] = [const {
    Watched {
        fd: AtomicI32::new(-1),
        all: AtomicBool::new(false),
        chain: AtomicBool::new(false),
    }
}; SIGNALS];

/// What was done about a registered signal before. Written before the signal can come here.
struct Before(UnsafeCell<MaybeUninit<[libc::sigaction; SIGNALS]>>);
// SAFETY: each place is written under the lock of `PREVIOUS` while its signal is not registered, and read by its handler alone.
unsafe impl Sync for Before {}
static BEFORE: Before = Before(UnsafeCell::new(MaybeUninit::zeroed()));

/// The place of a signal.
fn before(signum: usize) -> *mut libc::sigaction {
    BEFORE
        .0
        .get()
        .cast::<libc::sigaction>()
        .wrapping_add(signum)
}

fn watch_action(chain: bool) -> libc::sigaction {
    // SAFETY: zero is a valid start; the structure is ours.
    unsafe {
        let mut sa: libc::sigaction = std::mem::zeroed();
        sa.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigemptyset(&mut sa.sa_mask);
        sa.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        if chain {
            // The signal is raised again within the handler.
            sa.sa_flags |= libc::SA_NODEFER;
        }
        sa
    }
}

extern "C" fn on_signal(signum: libc::c_int) {
    let n = signum as usize;
    let w = &WATCHED[n];
    let fd = w.fd.load(Acquire);
    if fd < 0 {
        return;
    }
    // SAFETY: the calling thread's own place.
    let errno = unsafe { *libc::__errno_location() };
    if let Some(t) = Thread::try_current() {
        let all = w.all.load(Relaxed);
        put_stack(fd, t, if all { Header::Current } else { Header::Only });
    }
    if w.chain.load(Relaxed) {
        // SAFETY: handlers may set actions and raise signals.
        unsafe {
            libc::sigaction(signum, before(n), std::ptr::null_mut());
            *libc::__errno_location() = errno;
            libc::raise(signum);
            libc::sigaction(signum, &watch_action(true), std::ptr::null_mut());
        }
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// A signal that may be registered.
fn signal_number(t: &mut Thread, v: Value) -> Res<usize> {
    let n = support::c_int(t, v)?;
    if FAULTS.iter().any(|(fault, _)| *fault == n) {
        return Err(t.runtime_error(format!(
            "signal {n} cannot be registered, use enable() instead"
        )));
    }
    match usize::try_from(n) {
        Ok(n) if n > 0 && n < SIGNALS => Ok(n),
        _ => Err(t.value_error("signal number out of range")),
    }
}

fn register(t: &mut Thread, a: &[Value]) -> Res {
    let n = signal_number(t, a[0])?;
    let fd = output(t, a[1])?;
    let all = support::truth_or(t, a[2], true)?;
    let chain = support::truth_or(t, a[3], false)?;
    let _lock = PREVIOUS.lock();
    let w = &WATCHED[n];
    w.all.store(all, Relaxed);
    w.chain.store(chain, Relaxed);
    if w.fd.load(Relaxed) < 0 {
        // SAFETY: the place of a signal that is not registered; both structures are ours.
        let failed = unsafe {
            libc::sigaction(n as i32, std::ptr::null(), before(n)) != 0
                || libc::sigaction(n as i32, &watch_action(chain), std::ptr::null_mut()) != 0
        };
        if failed {
            let e = support::errno();
            drop(_lock);
            return Err(t.os_error(e, None));
        }
    }
    w.fd.store(fd, Release);
    Ok(Value::NONE)
}

fn unregister(t: &mut Thread, a: &[Value]) -> Res {
    let n = signal_number(t, a[0])?;
    let _lock = PREVIOUS.lock();
    let was_on = WATCHED[n].fd.swap(-1, AcqRel) >= 0;
    if was_on {
        // SAFETY: what was set before.
        unsafe { libc::sigaction(n as i32, before(n), std::ptr::null_mut()) };
    }
    Ok(Value::bool(was_on))
}

/// Sends a fault to this very thread, as if it had happened: for tests of what is written then.
fn fault(signum: i32) -> Res {
    // SAFETY: may be called at any time; the handlers of faults are ours or the system's.
    unsafe { libc::raise(signum) };
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("_sigsegv", "(release_gil=False, /)", |_, _| {
        fault(libc::SIGSEGV)
    }),
    NativeDef::new("_sigabrt", "()", |_, _| fault(libc::SIGABRT)),
    NativeDef::new("_sigfpe", "()", |_, _| fault(libc::SIGFPE)),
    NativeDef::new(
        "enable",
        "(file=sys.stderr, all_threads=True, c_stack=True)",
        enable,
    )
    .doc("Enable the fault handler. Only the stack of the thread at fault is written."),
    NativeDef::new("disable", "()", disable).doc("Disable the fault handler."),
    NativeDef::new("is_enabled", "()", is_enabled).doc("Check if the handler is enabled."),
    NativeDef::new(
        "dump_traceback",
        "(file=sys.stderr, all_threads=True)",
        dump_traceback,
    )
    .doc("Dump the traceback of the current thread, or of all threads if all_threads is True, into file."),
    NativeDef::new("dump_c_stack", "(file=sys.stderr)", dump_c_stack)
        .doc("Dump the C stack of the current thread."),
    NativeDef::new(
        "dump_traceback_later",
        "(timeout, repeat=False, file=sys.stderr, exit=False)",
        dump_later,
    )
    .doc("Dump the traceback of all threads in timeout seconds, or each timeout seconds if repeat is True."),
    NativeDef::new("cancel_dump_traceback_later", "()", cancel_dump_later)
        .doc("Cancel the previous call to dump_traceback_later()."),
    NativeDef::new(
        "register",
        "(signum, file=sys.stderr, all_threads=True, chain=False)",
        register,
    )
    .doc("Register a handler for the signal signum: dump the traceback of the thread that gets it."),
    NativeDef::new("unregister", "(signum)", unregister)
        .doc("Unregister the handler of the signal signum registered by register()."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    Ok(support::module(
        t,
        "faulthandler",
        "faulthandler module.",
        FUNCTIONS,
    ))
}
