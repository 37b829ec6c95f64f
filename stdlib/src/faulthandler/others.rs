//! Where the other threads are: each is sent a signal, and writes its own stack in the handler.
//!
//! So nobody has to reach a safepoint, and threads that work in native code, wait for locks or sleep in the system are shown as well; nor
//! does it matter what state the runtime is in. The threads write one after the other, and each is waited for as long only as a thread
//! takes that gets the processor now and then. All that is done here may be done in handlers of signals.

use super::stack::{Header, Out, put_header, put_stack};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::*};
use weft_threads::futex::{monotonic, sleep_on, wake};
use weft_threads::roster::{self, Seen};

/// Threads beyond this are left out.
const MOST: usize = 100;
/// How long a thread may take to answer, and how long to write, in nanoseconds.
const ANSWER: i64 = 500_000_000;
const WRITE: i64 = 3_000_000_000;
/// Once so much time has been lost on threads that do not answer, others have this much.
const LOST: i64 = 3_000_000_000;
const ANSWER_LATE: i64 = 20_000_000;

/// The process and the thread that writes where all are. 0: nobody.
static WRITER: AtomicU64 = AtomicU64::new(0);

/// The thread that is asked, and where it is to write to; whether after an empty line.
static ASKED: AtomicI32 = AtomicI32::new(0);
static FILE: AtomicI32 = AtomicI32::new(-1);
static GAP: AtomicBool = AtomicBool::new(false);
/// How far it is, and above that how many have been asked: who wakes up late finds that somebody else is asked.
static STATE: AtomicU32 = AtomicU32::new(0);
const WAITING: u32 = 1;
const WRITING: u32 = 2;
const DONE: u32 = 3;
const STEP: u32 = 4;

/// The right to ask, for one thread at a time.
pub struct Turn(u64);

fn me() -> u64 {
    // SAFETY: may be called at any time.
    u64::from(std::process::id()) << 32 | roster::tid() as u64
}

/// Whether the calling thread is writing where it, or all, are.
pub fn is_writing() -> bool {
    WRITER.load(Relaxed) == me()
        || STATE.load(Relaxed) % STEP == WRITING && ASKED.load(Relaxed) == roster::tid()
}

impl Turn {
    /// Waits until nobody else writes, but not for long. `None`: the calling thread is writing itself, or others do not come to an end.
    pub fn take() -> Option<Turn> {
        let me = me();
        let deadline = monotonic() + ANSWER + WRITE;
        loop {
            let now = WRITER.load(Relaxed);
            // What the parent of this process was about is not for us.
            let free = now == 0 || now >> 32 != me >> 32;
            if free && WRITER.compare_exchange(now, me, Acquire, Relaxed).is_ok() {
                return Some(Turn(me));
            }
            if now == me || monotonic() > deadline {
                return None;
            }
            nap();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = WRITER.compare_exchange(self.0, 0, Release, Relaxed);
    }
}

fn nap() {
    sleep_on(&AtomicU32::new(0), 0, Some(monotonic() + 1_000_000));
}

/// Has all other threads write where they are, the newest first, with an empty line between each and what is before it. `gap`: so there is
/// something before. Gives whether there is something now.
pub fn put_others(turn: &Turn, out: Out, mut gap: bool) -> bool {
    let (mine, mut order, mut lost) = (roster::tid(), u64::MAX, 0);
    for n in 0.. {
        let Some(seen) = roster::before(order) else {
            break;
        };
        order = seen.order;
        if seen.tid == mine {
            continue;
        }
        if n == MOST {
            out.put(b"...\n");
            break;
        }
        GAP.store(gap, Relaxed);
        let begin = monotonic();
        let time = if lost > LOST { ANSWER_LATE } else { ANSWER };
        match ask(turn, out, seen, time) {
            Answer::Gone => continue,
            Answer::Written => {}
            Answer::None(why) => {
                lost += monotonic() - begin;
                if gap {
                    out.put(b"\n");
                }
                put_header(out, Header::Other, seen.ident, name(seen, &mut [0; 16]));
                out.put(why);
            }
        }
        gap = true;
    }
    gap
}

enum Answer {
    /// The thread has ended.
    Gone,
    Written,
    /// It says nothing, for this reason.
    None(&'static [u8]),
}

fn ask(turn: &Turn, out: Out, seen: Seen, time: i64) -> Answer {
    if blocks_signals(turn, seen) {
        return Answer::None(b"  <its signals are blocked>\n");
    }
    let Some(signal) = signal() else {
        return Answer::None(b"  <there is no signal left to ask it>\n");
    };
    let count = STATE.load(Relaxed) / STEP + 1;
    let state = |n| count.wrapping_mul(STEP) | n;
    FILE.store(out.0, Relaxed);
    ASKED.store(seen.tid, Relaxed);
    // Release: who finds it sees what has been asked.
    STATE.store(state(WAITING), Release);
    if !send(seen, signal) {
        STATE.store(state(DONE), Relaxed);
        return Answer::Gone;
    }
    if wait_while(state(WAITING), time) {
        let late = STATE.compare_exchange(state(WAITING), state(DONE), Relaxed, Relaxed);
        if late.is_ok() {
            return Answer::None(b"  <it does not answer>\n");
        }
    }
    if wait_while(state(WRITING), WRITE) {
        STATE.store(state(DONE), Relaxed);
    }
    Answer::Written
}

/// Waits until the state is another one, but not for longer. Whether it is still the same.
fn wait_while(state: u32, time: i64) -> bool {
    let deadline = monotonic() + time;
    while STATE.load(Acquire) == state {
        if monotonic() > deadline {
            return true;
        }
        sleep_on(&STATE, state, Some(deadline));
    }
    false
}

/// In the thread that is asked, and in one that has been too late.
extern "C" fn on_ask(
    _signum: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let errno = super::Errno::keep();
    let state = STATE.load(Acquire);
    if ASKED.load(Relaxed) != roster::tid() || state % STEP != WAITING {
        return;
    }
    let writing = state - WAITING + WRITING;
    if STATE
        .compare_exchange(state, writing, Acquire, Relaxed)
        .is_err()
    {
        return;
    }
    let out = Out(FILE.load(Relaxed));
    if GAP.load(Relaxed) {
        out.put(b"\n");
    }
    put_stack(out, Header::Other, super::pc_in_hand(context));
    let _ = STATE.compare_exchange(writing, state - WAITING + DONE, Release, Relaxed);
    wake(&STATE, 1);
    drop(errno);
}

#[cfg(target_os = "linux")]
mod system {
    use super::*;
    use std::cell::UnsafeCell;

    /// A signal that the program does nothing about, which has our handler from now on, also afterwards: one that comes late would end
    /// the process otherwise.
    pub fn signal() -> Option<i32> {
        let ours = on_ask as extern "C" fn(_, _, _) as libc::sighandler_t;
        for n in (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev() {
            // SAFETY: zero is a valid start; both structures are ours. Faults are not held up within the handler.
            unsafe {
                let mut now: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(n, std::ptr::null(), &mut now) != 0 {
                    continue;
                }
                if now.sa_sigaction == ours {
                    return Some(n);
                }
                if now.sa_sigaction != libc::SIG_DFL {
                    continue;
                }
                let mut sa: libc::sigaction = std::mem::zeroed();
                sa.sa_sigaction = ours;
                sa.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
                libc::sigfillset(&mut sa.sa_mask);
                for (fault, _) in super::super::FAULTS {
                    libc::sigdelset(&mut sa.sa_mask, fault);
                }
                if libc::sigaction(n, &sa, std::ptr::null_mut()) == 0 {
                    return Some(n);
                }
            }
        }
        None
    }

    /// Sends it. False: there is no such thread.
    pub fn send(seen: Seen, signal: i32) -> bool {
        // SAFETY: a signal that has a handler.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), seen.tid, signal) == 0 }
    }

    /// Reads a file that the system has of a thread, as much of it as there is room for.
    fn read<'a>(seen: Seen, name: &[u8], buffer: &'a mut [u8]) -> &'a [u8] {
        let mut path = [0; 64];
        let mut n = 0;
        let mut digits = [0; 10];
        let mut at = digits.len();
        let mut tid = seen.tid;
        while tid > 0 {
            at -= 1;
            digits[at] = b'0' + (tid % 10) as u8;
            tid /= 10;
        }
        for part in [b"/proc/self/task/", &digits[at..], name] {
            path[n..n + part.len()].copy_from_slice(part);
            n += part.len();
        }
        // SAFETY: the path ends with a zero, as there is more room than it takes; the buffer is ours.
        unsafe {
            let fd = libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
            if fd < 0 {
                return &[];
            }
            let n = libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len());
            libc::close(fd);
            &buffer[..usize::try_from(n).unwrap_or(0)]
        }
    }

    /// What the system calls the thread.
    pub fn name(seen: Seen, buffer: &mut [u8; 16]) -> &[u8] {
        read(seen, b"/comm", buffer).trim_ascii_end()
    }

    /// For what is read: the stack that a handler has may be a small one.
    struct Buffer(UnsafeCell<[u8; 4096]>);
    // SAFETY: whoever has the turn uses it alone.
    unsafe impl Sync for Buffer {}
    static BUFFER: Buffer = Buffer(UnsafeCell::new([0; 4096]));

    /// Whether the thread lets through no signal of the kind that it would be asked with. It would get it later, maybe in another program.
    pub fn blocks_signals(_: &Turn, seen: Seen) -> bool {
        // SAFETY: who has the turn is the only one here.
        let buffer = unsafe { &mut *BUFFER.0.get() };
        let status = read(seen, b"/status", buffer);
        let name = b"\nSigBlk:\t";
        let Some(at) = status.windows(name.len()).position(|w| w == name) else {
            return false;
        };
        let digits = status[at + name.len()..].iter();
        let blocked = digits
            .map_while(|d| char::from(*d).to_digit(16))
            .fold(0u64, |n, d| n << 4 | u64::from(d));
        signal().is_some_and(|n| blocked >> (n - 1) & 1 != 0)
    }
}

/// Elsewhere no thread is asked.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::*;

    pub fn signal() -> Option<i32> {
        let _ = on_ask;
        None
    }

    pub fn send(_: Seen, _: i32) -> bool {
        false
    }

    pub fn name(_: Seen, _: &mut [u8; 16]) -> &[u8] {
        &[]
    }

    pub fn blocks_signals(_: &Turn, _: Seen) -> bool {
        false
    }
}

use system::{blocks_signals, name, send, signal};
