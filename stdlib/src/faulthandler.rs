//! `faulthandler`: where all threads are, on request, after some time, or when the process gets a signal or dies of one.
//!
//! Threads write where they are themselves, in handlers of signals ([`stack`]): the calling one, or the one at fault, and each other one
//! when it is asked ([`others`]).

mod later;
mod others;
mod stack;

use crate::support;
use others::Turn;
use parking_lot::Mutex;
use stack::{Header, Out, put_stack};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};
use weft_objects::prelude::*;
use weft_objects::{int, runtime};

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

/// Whether those who die show all threads, and their native code.
static ALL: AtomicBool = AtomicBool::new(true);
static NATIVE: AtomicBool = AtomicBool::new(false);

/// What `errno` was, for who has been interrupted.
struct Errno(i32);

impl Errno {
    fn keep() -> Errno {
        Errno(support::errno())
    }

    fn restore(&self) {
        // SAFETY: the calling thread's own place.
        unsafe { *libc::__errno_location() = self.0 };
    }
}

impl Drop for Errno {
    fn drop(&mut self) {
        self.restore();
    }
}

/// What handlers of instructions have in hand as the place in the code (their second argument), if that is what was interrupted.
fn pc_in_hand(context: *mut libc::c_void) -> usize {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if !context.is_null() {
        // SAFETY: the third argument of a handler with SA_SIGINFO.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        return context.uc_mcontext.gregs[libc::REG_RSI as usize] as usize;
    }
    let _ = context;
    0
}

/// Writes where all threads are, from within a handler: the calling one first or last.
fn put_all(out: Out, pc: usize, first: bool) {
    if first {
        put_stack(out, Header::Current, pc);
    }
    let mut gap = first;
    // Without a turn: this thread alone.
    if let Some(turn) = Turn::take() {
        gap = others::put_others(&turn, out, gap);
    }
    if !first {
        if gap {
            out.put(b"\n");
        }
        put_stack(out, Header::Current, pc);
    }
}

extern "C" fn on_fault(
    signum: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
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
        let out = Out(fd);
        out.put(b"Fatal Python error: ");
        out.put(what.as_bytes());
        out.put(b"\n\n");
        let pc = pc_in_hand(context);
        // What has gone wrong while it was written would go wrong again.
        if !others::is_writing() {
            if ALL.load(Relaxed) {
                put_all(out, pc, true);
            } else {
                put_stack(out, Header::Only, pc);
            }
            if NATIVE.load(Relaxed) {
                out.put(b"\n");
                put_native_stack(out);
            }
        }
    }
    // SAFETY: may be called in handlers.
    unsafe { libc::raise(signum) };
}

/// A stack for what runs when something has gone wrong in a thread: its own may be used up.
pub struct HandlerStack(libc::stack_t);

impl HandlerStack {
    const SIZE: usize = 64 << 10;

    /// One for the calling thread, if that has none.
    fn new() -> Option<HandlerStack> {
        // SAFETY: structures of ours; the memory is mapped for this, and stays as long as the system may use it.
        unsafe {
            let mut stack: libc::stack_t = std::mem::zeroed();
            if libc::sigaltstack(std::ptr::null(), &mut stack) != 0
                || stack.ss_flags & libc::SS_DISABLE == 0
            {
                return None;
            }
            stack.ss_sp = libc::mmap(
                std::ptr::null_mut(),
                Self::SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if stack.ss_sp == libc::MAP_FAILED {
                return None;
            }
            stack.ss_size = Self::SIZE;
            stack.ss_flags = 0;
            libc::sigaltstack(&stack, std::ptr::null_mut());
            Some(HandlerStack(stack))
        }
    }

    /// The same for a thread that begins, if faults are watched for.
    pub fn wanted() -> Option<HandlerStack> {
        if FD.load(Relaxed) < 0 {
            return None;
        }
        Self::new()
    }
}

impl Drop for HandlerStack {
    fn drop(&mut self) {
        self.0.ss_flags = libc::SS_DISABLE;
        // SAFETY: the calling thread's stack, on which nothing runs now.
        unsafe {
            libc::sigaltstack(&self.0, std::ptr::null_mut());
            libc::munmap(self.0.ss_sp, Self::SIZE);
        }
    }
}

/// Starts to watch for faults, writing to `fd` where all threads are or the one at fault, and its native code if `native`.
pub fn enable_on(fd: i32, all: bool, native: bool) -> Result<(), i32> {
    if native {
        // The first time it loads what it needs, which is not for handlers.
        native_calls(&mut [std::ptr::null_mut(); 1]);
    }
    ALL.store(all, Relaxed);
    NATIVE.store(native, Relaxed);
    // For as long as the thread lives.
    std::mem::forget(HandlerStack::new());
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
            sa.sa_sigaction = on_fault as extern "C" fn(_, _, _) as libc::sighandler_t;
            libc::sigemptyset(&mut sa.sa_mask);
            sa.sa_flags = libc::SA_NODEFER | libc::SA_ONSTACK | libc::SA_SIGINFO;
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
    let all = support::truth_or(t, a[1], true)?;
    let native = support::truth_or(t, a[2], true)?;
    match enable_on(fd, all, native) {
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
    let out = Out(output(t, a[0])?);
    let all = support::truth_or(t, a[1], true)?;
    if all {
        // Away, as others may take their time.
        t.blocking(|| put_all(out, 0, false));
    } else {
        put_stack(out, Header::Only, 0);
    }
    Ok(Value::NONE)
}

/// Calls of native code beyond this are left out.
const DEEPEST_NATIVE: usize = 32;

unsafe extern "C" {
    /// Puts the addresses of the calls that are under way into the buffer. Gives how many they are.
    fn backtrace(buffer: *mut *mut libc::c_void, size: libc::c_int) -> libc::c_int;
}

/// The calls of native code that are under way on this thread, as many as there is room for.
fn native_calls(calls: &mut [*mut libc::c_void]) -> usize {
    // SAFETY: the buffer has as much room.
    let n = unsafe { backtrace(calls.as_mut_ptr(), calls.len() as libc::c_int) };
    n.max(0) as usize
}

/// `dump_c_stack(file)`
fn dump_c_stack(t: &mut Thread, a: &[Value]) -> Res {
    put_native_stack(Out(output(t, a[0])?));
    Ok(Value::NONE)
}

/// Writes the calls of native code that are under way on this thread.
fn put_native_stack(out: Out) {
    out.put(b"Current thread's C stack trace (most recent call first):\n");
    let mut calls = [std::ptr::null_mut(); DEEPEST_NATIVE];
    let n = native_calls(&mut calls);
    for at in &calls[..n] {
        put_native(out, *at);
    }
    if n == DEEPEST_NATIVE {
        out.put(b"  <truncated rest of calls>\n");
    }
}

/// Writes which file an address of native code is in, and how far behind which symbol.
fn put_native(out: Out, at: *mut libc::c_void) {
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
            out.put(b"  Binary file \"");
            out.put(file);
            out.put(b"\", at ");
            out.put(name);
            out.put(b"+0x");
            out.put_number((at as u64).wrapping_sub(base as u64), 16, 1);
        }
        None => out.put(b"  <unknown file>"),
    }
    out.put(b" [0x");
    out.put_number(at as u64, 16, 1);
    out.put(b"]\n");
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
        sa.sa_sigaction = on_signal as extern "C" fn(_, _, _) as libc::sighandler_t;
        libc::sigemptyset(&mut sa.sa_mask);
        sa.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_SIGINFO;
        if chain {
            // The signal is raised again within the handler.
            sa.sa_flags |= libc::SA_NODEFER;
        }
        sa
    }
}

extern "C" fn on_signal(
    signum: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let n = signum as usize;
    let w = &WATCHED[n];
    let fd = w.fd.load(Acquire);
    if fd < 0 {
        return;
    }
    let errno = Errno::keep();
    let (out, pc) = (Out(fd), pc_in_hand(context));
    match w.all.load(Relaxed) {
        true => put_all(out, pc, false),
        false => put_stack(out, Header::Only, pc),
    }
    if w.chain.load(Relaxed) {
        // SAFETY: handlers may set actions and raise signals.
        unsafe {
            libc::sigaction(signum, before(n), std::ptr::null_mut());
            errno.restore();
            libc::raise(signum);
            libc::sigaction(signum, &watch_action(true), std::ptr::null_mut());
        }
    }
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

/// Uses up the machine's stack.
#[cold]
#[inline(never)]
fn sink(n: u64) -> u64 {
    let room = std::hint::black_box([n; 256]);
    match std::hint::black_box(n) {
        u64::MAX => 0,
        _ => sink(n + 1) + room[(n % 256) as usize],
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("_read_null", "()", |_, _| fault(libc::SIGSEGV)),
    NativeDef::new("_stack_overflow", "()", |t, _| {
        Ok(int::from_u64(t, sink(0)))
    }),
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
    .doc("Enable the fault handler."),
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
        later::dump_later,
    )
    .doc("Dump the traceback of all threads in timeout seconds, or each timeout seconds if repeat is True."),
    NativeDef::new("cancel_dump_traceback_later", "()", later::cancel_dump_later)
        .doc("Cancel the previous call to dump_traceback_later()."),
    NativeDef::new(
        "register",
        "(signum, file=sys.stderr, all_threads=True, chain=False)",
        register,
    )
    .doc("Register a handler for the signal signum: dump the traceback of the current thread, or of all threads if all_threads is True, into file."),
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
