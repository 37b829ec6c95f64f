//! A lock that may be held for as long as its holder likes, and given up by another thread: the three-state one of Drepper, "Futexes
//! Are Tricky" (2011), with the name of who had it last. How a thread sleeps is the caller's affair.

use crate::backoff::Pace;
use crate::sync::{
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    const_fn,
};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody sleeps, or is about to, as long as the word is this.
const AWAITED: u32 = 2;
/// Where these are in the word; above them, of a lock that nobody awaits, the tag of the thread that had it last.
const STATE: u32 = 3;
const LAST: u32 = 2;

/// The lock. Zero: free.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct WaitLock(AtomicU32);

impl WaitLock {
    const_fn! {
        /// A free lock.
        pub fn new() -> Self {
            Self(AtomicU32::new(FREE))
        }
    }

    /// Whether it is held. Who sees it free sees what its holder has done.
    #[inline(always)]
    pub fn is_locked(&self) -> bool {
        self.0.load(Acquire) & STATE != FREE
    }

    /// Takes it if it is free. To be called if nobody else can reach it, and so without atomics.
    #[inline(always)]
    pub fn try_lock_alone(&self) -> bool {
        let free = !self.is_locked();
        if free {
            self.0.store(HELD, Relaxed);
        }
        free
    }

    /// Takes it for the thread of this tag if it is free, at its pace ([`Pace::taking`] has been called): if `yields`, it lets the one who
    /// had it last go first.
    // Acquire: pairs with the release of giving it up, which every change since has kept up by being a read-modify-write.
    #[inline(always)]
    pub fn try_lock(&self, tag: u16, pace: &Pace, yields: bool) -> bool {
        let me = u32::from(tag) << LAST;
        let mut now = self.0.load(Relaxed);
        if now != me {
            if now & STATE != FREE {
                return false;
            }
            if now != FREE && yields {
                pace.taking_over(std::ptr::from_ref(self).addr());
                now = self.0.load(Relaxed) & !STATE;
            }
        }
        self.0
            .compare_exchange(now, me | HELD, Acquire, Relaxed)
            .is_ok()
    }

    /// Gives it up. False: it was free. To be called if nobody else can reach it.
    #[inline(always)]
    pub fn unlock_alone(&self, wake: impl FnOnce(&AtomicU32)) -> bool {
        let now = self.0.load(Relaxed);
        if now & STATE != HELD {
            return self.unlock_slow(wake);
        }
        self.0.store(now & !STATE, Relaxed);
        true
    }

    /// Gives it up. False: it was free. `wake` wakes one of those that sleep on the word, if any do.
    // An exchange: who is about to sleep has said so before, or finds the word changed.
    #[inline(always)]
    pub fn unlock(&self, wake: impl FnOnce(&AtomicU32)) -> bool {
        let now = self.0.load(Relaxed);
        if now & STATE != HELD
            || self
                .0
                .compare_exchange(now, now & !STATE, Release, Relaxed)
                .is_err()
        {
            return self.unlock_slow(wake);
        }
        true
    }

    #[cold]
    fn unlock_slow(&self, wake: impl FnOnce(&AtomicU32)) -> bool {
        let was = self.0.swap(FREE, Release) & STATE;
        if was == AWAITED {
            wake(&self.0);
        }
        was != FREE
    }

    /// Makes it free, whoever holds it: in the child of a fork.
    pub fn reset(&self) {
        self.0.store(FREE, Relaxed);
    }

    /// Waits for it. `sleep` sleeps on the word while it has a value, and may come back early; what it fails with ends the waiting.
    ///
    /// # Errors
    /// What `sleep` fails with: the lock is not the caller's.
    // Whoever has slept takes it as one that is awaited: others may still sleep.
    pub fn wait<E>(
        &self,
        mut sleep: impl FnMut(&AtomicU32, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.0.swap(AWAITED, Acquire) & STATE != FREE {
            sleep(&self.0, AWAITED)?;
        }
        Ok(())
    }

    /// The word, for models that break the protocol on purpose.
    #[cfg(loom)]
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }
}
