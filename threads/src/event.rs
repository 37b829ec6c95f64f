//! Something that happens once, as a word to sleep on. How a thread sleeps is the caller's affair.

use crate::sync::{
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    const_fn,
};

/// It has not happened, and nobody sleeps.
const NOT_YET: u32 = 0;
/// It has happened.
const HAPPENED: u32 = 1;
/// It has not happened, and somebody sleeps, or is about to, as long as the word is this.
pub const AWAITED: u32 = 2;

/// Something that happens once. Zero: not yet.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Event(AtomicU32);

impl Event {
    const_fn! {
        /// It has not happened.
        pub fn new() -> Self {
            Self(AtomicU32::new(NOT_YET))
        }
    }

    /// Whether it has happened. Then all that came before it can be seen.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.load(Acquire) == HAPPENED
    }

    /// It happens. `wake` wakes all that sleep on the word, if any do.
    // An exchange: who is about to sleep has said so before, or finds the word changed.
    #[inline]
    pub fn set(&self, wake: impl FnOnce(&AtomicU32)) {
        if self.0.swap(HAPPENED, Release) == AWAITED {
            wake(&self.0);
        }
    }

    /// The caller is about to sleep on the word while it is [`AWAITED`].
    pub fn await_it(&self) -> &AtomicU32 {
        let _ = self.0.compare_exchange(NOT_YET, AWAITED, Relaxed, Relaxed);
        &self.0
    }

    /// The word, for models that break the protocol on purpose.
    #[cfg(loom)]
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }
}
