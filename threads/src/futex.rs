//! Words in memory to sleep on: Linux's futexes, or a table of condition variables.

use std::sync::atomic::AtomicU32;

/// Why a sleep ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Somebody woke us, or the word had changed already.
    Woken,
    TimedOut,
    /// A signal came.
    Interrupted,
}

/// Sleeps while the word has this value, until somebody wakes us, the deadline (of the monotonic clock, in nanoseconds) or a signal.
#[cfg(target_os = "linux")]
pub fn sleep_on(word: &AtomicU32, value: u32, deadline: Option<i64>) -> Wake {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut timeout: *const libc::timespec = std::ptr::null();
    if let Some(d) = deadline {
        let d = d.max(0);
        ts.tv_sec = (d / 1_000_000_000) as _;
        ts.tv_nsec = (d % 1_000_000_000) as _;
        timeout = &ts;
    }
    // SAFETY: the word lives while we look at it; FUTEX_WAIT_BITSET takes an absolute time.
    let r = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word as *const AtomicU32,
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            value,
            timeout,
            std::ptr::null::<u32>(),
            u32::MAX,
        )
    };
    if r == 0 {
        return Wake::Woken;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => Wake::TimedOut,
        Some(libc::EINTR) => Wake::Interrupted,
        _ => Wake::Woken,
    }
}

/// Wakes up to `n` that sleep on the word.
#[cfg(target_os = "linux")]
pub fn wake(word: &AtomicU32, n: i32) {
    // SAFETY: the address is only a key here.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word as *const AtomicU32,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            n,
        )
    };
}

/// What the monotonic clock says, in nanoseconds.
pub fn monotonic() -> i64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to `t` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use super::*;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::{Condvar, Mutex, PoisonError};
    use std::time::Duration;

    static PLACES: [(Mutex<()>, Condvar); 64] = [const { (Mutex::new(()), Condvar::new()) }; 64];

    fn place(word: &AtomicU32) -> &'static (Mutex<()>, Condvar) {
        &PLACES[(word as *const AtomicU32 as usize >> 4) % 64]
    }

    /// As on Linux, but signals are noticed by looking for them now and then.
    pub fn sleep_on(word: &AtomicU32, value: u32, deadline: Option<i64>) -> Wake {
        let (lock, cond) = place(word);
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if word.load(SeqCst) != value {
            return Wake::Woken;
        }
        let slice = Duration::from_millis(20);
        let left = match deadline {
            Some(d) => Duration::from_nanos((d - monotonic()).max(0) as u64),
            None => slice,
        };
        if left.is_zero() {
            return Wake::TimedOut;
        }
        let result = cond.wait_timeout(guard, left.min(slice));
        let (_guard, result) = result.unwrap_or_else(PoisonError::into_inner);
        match result.timed_out() {
            true if left <= slice && deadline.is_some() => Wake::TimedOut,
            true => Wake::Interrupted,
            false => Wake::Woken,
        }
    }

    pub fn wake(word: &AtomicU32, _n: i32) {
        let (lock, cond) = place(word);
        drop(lock.lock());
        cond.notify_all();
    }
}
#[cfg(not(target_os = "linux"))]
pub use portable::{sleep_on, wake};
