//! Which finalizers a thread is running, for who collects meanwhile and wants them done: see `gather` in `shared.rs`.
//!
//! Written against [`weft_threads::sync`], because `loom-tests/tests/finishing.rs` drives this very file.

use weft_threads::sync::atomic::{AtomicU32, Ordering::*};

/// A thread's finalizers. Only that thread begins and ends them, and it takes one off its list and begins it without a safepoint between:
/// with the world stopped each is either still on the list, or running, or done.
#[derive(Debug)]
pub struct Finishing {
    running: AtomicU32,
    done: AtomicU32,
}

impl Finishing {
    pub fn new() -> Finishing {
        Finishing {
            running: AtomicU32::new(0),
            done: AtomicU32::new(0),
        }
    }

    /// One begins, inside those that run.
    pub fn begin(&self) {
        self.running.store(self.running.load(Relaxed) + 1, Relaxed);
    }

    /// The innermost one has ended.
    // Release: who sees it sees what it has done.
    pub fn end(&self) {
        self.running.store(self.running.load(Relaxed) - 1, Relaxed);
        self.done
            .store(self.done.load(Relaxed).wrapping_add(1), Release);
    }

    /// With the world stopped: what there will have been done when those are that run now; `None` if none does.
    pub fn goal(&self) -> Option<u32> {
        let running = self.running.load(Relaxed);
        (running > 0).then(|| self.done.load(Relaxed).wrapping_add(running))
    }

    /// Whether so many are done. (Some of them may be those that have begun since inside the others.)
    pub fn reached(&self, goal: u32) -> bool {
        self.done.load(Acquire).wrapping_sub(goal) as i32 >= 0
    }
}

#[cfg(loom)]
impl Finishing {
    /// As `end`, for a model that breaks the protocol on purpose.
    pub fn end_relaxed(&self) {
        self.running.store(self.running.load(Relaxed) - 1, Relaxed);
        self.done
            .store(self.done.load(Relaxed).wrapping_add(1), Relaxed);
    }
}
