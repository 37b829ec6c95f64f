//! `faulthandler`: where the current thread is, on request or when the process dies of a signal.
//!
//! The handlers write what they can without allocating: the records of the frames and the texts of their code lie still while the
//! thread that owns them is in the handler.

use crate::support;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI32, Ordering::*};
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

/// Writes where the thread is, innermost frame first.
fn put_stack(fd: i32, t: &Thread, all_threads: bool) {
    if all_threads {
        put(fd, b"Current thread 0x");
        put_number(fd, t.vm().ident, 16, 16);
        put(fd, b" (most recent call first):\n");
    } else {
        put(fd, b"Stack (most recent call first):\n");
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
            put_stack(fd, t, true);
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
    put_stack(fd, t, all);
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
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
    .doc("Dump the traceback of the current thread into file."),
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
