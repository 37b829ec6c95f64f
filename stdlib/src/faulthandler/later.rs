//! `dump_traceback_later`: a thread of the system's own, which is none of the runtime's, waits; nothing that others do holds it up.

use super::others::{self, Turn};
use super::stack::Out;
use parking_lot::Mutex;
use std::sync::{Arc, Condvar, Mutex as StdMutex};
use std::thread::JoinHandle;
use std::time::Duration;
use weft_objects::prelude::*;

/// A dump that is to come, and how to call it off.
#[derive(Default)]
struct Later {
    cancelled: StdMutex<bool>,
    bell: Condvar,
}

/// It, and who waits for it, in which process.
struct Watch {
    later: Arc<Later>,
    thread: JoinHandle<()>,
    process: u32,
}

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

/// Calls it off. It is over when this returns.
fn cancel(t: &mut Thread) {
    let Some(watch) = WATCH.lock().take() else {
        return;
    };
    if watch.process != std::process::id() {
        // It is the parent's, which has not taken it along; what it was about when we were forked it is about for ever.
        std::mem::forget(watch);
        return;
    }
    let off = watch.later.cancelled.lock();
    *off.unwrap_or_else(|e| e.into_inner()) = true;
    watch.later.bell.notify_all();
    // It panics nowhere.
    let _ = t.blocking(|| watch.thread.join());
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

pub fn dump_later(t: &mut Thread, a: &[Value]) -> Res {
    let seconds = proto::as_f64(t, a[0])?;
    let repeat = crate::support::truth_or(t, a[1], false)?;
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(t.value_error("timeout must be greater than 0"));
    }
    let Ok(time) = Duration::try_from_secs_f64(seconds) else {
        return Err(t.raise(&errors::OVERFLOW_ERROR, "timeout value is too large"));
    };
    let out = Out(super::output(t, a[2])?);
    let exit = crate::support::truth_or(t, a[3], false)?;
    let header = header(time);
    cancel(t);
    let later = Arc::new(Later::default());
    let mine = later.clone();
    let watch = move || {
        while mine.wait(time) {
            out.put(header.as_bytes());
            if let Some(turn) = Turn::take() {
                others::put_others(&turn, out, false);
            }
            if exit {
                // SAFETY: ends the process at once, as is asked for.
                unsafe { libc::_exit(1) };
            }
            if !repeat {
                break;
            }
        }
    };
    match without_signals(|| std::thread::Builder::new().spawn(watch)) {
        Ok(thread) => {
            let process = std::process::id();
            *WATCH.lock() = Some(Watch {
                later,
                thread,
                process,
            });
            Ok(Value::NONE)
        }
        Err(_) => Err(t.runtime_error("unable to start watchdog thread")),
    }
}

/// Runs `f` with all signals held up, and so those of the thread that it starts: they are for others.
fn without_signals<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: both sets are ours.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let r = f();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        r
    }
}

/// What stands above the stacks when so much time has passed.
fn header(time: Duration) -> String {
    let micros = time.as_micros();
    let (minutes, micros) = (micros / 60_000_000, micros % 60_000_000);
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let mut header = format!("Timeout ({}:{:02}:{seconds:02}", minutes / 60, minutes % 60);
    if micros > 0 {
        header.push_str(&format!(".{micros:06}"));
    }
    header.push_str(")!\n");
    header
}

pub fn cancel_dump_later(t: &mut Thread, _a: &[Value]) -> Res {
    cancel(t);
    Ok(Value::NONE)
}
