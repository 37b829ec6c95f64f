//! The lock in every object: one byte, in which waiting threads are parked.
//!
//! A mutex of the usual shape (Drepper, "Futexes are tricky", with parking_lot's two bits): one bit
//! says locked, the other that somebody is parked. A released lock goes to whoever comes first. The
//! algorithm here is what loom checks; parking itself is parking_lot_core's, or under loom a queue
//! with the same contract.
//!
//! The other six bits say who had it last. A thread that finds somebody else there, and has just found that before, does not take the lock
//! at once: it lets the other get through many operations first ([`Pace`]), so that the cache lines of what the lock guards move now and
//! then, and not with each operation.

use crate::backoff::Pace;
use crate::sync::{
    atomic::{
        AtomicU8,
        Ordering::{Acquire, Relaxed, Release},
    },
    const_fn,
};
#[cfg(not(loom))]
use table::{Bucket, Spin};

#[cfg(loom)]
use queue::{Bucket, Spin};

const LOCKED: u8 = 1;
const PARKED: u8 = 2;
/// Who had it last: 1 to 63; 0: nobody, or one who does not say.
const LAST: u8 = 0xfc;

/// A lock of one byte, without a guard and without an owner.
#[derive(Debug, Default)]
pub struct RawLock {
    state: AtomicU8,
    /// Where waiting threads park: takes no space, save under loom.
    bucket: Bucket,
}

impl RawLock {
    const_fn! {
        /// An unlocked lock.
        #[inline(always)]
        pub fn new() -> Self {
            Self {
                state: AtomicU8::new(0),
                bucket: Bucket::new(),
            }
        }
    }

    /// Takes the lock if it is free.
    // Acquire, here and below: pairs with the release of unlocking.
    #[inline]
    pub fn try_lock(&self) -> bool {
        let now = self.state.load(Relaxed);
        now & LOCKED == 0
            && self
                .state
                .compare_exchange(now, now | LOCKED, Acquire, Relaxed)
                .is_ok()
    }

    /// Waits for the lock. An attached thread may wait so: nobody holds an object's lock across a
    /// safepoint (I6), so the wait is short.
    #[inline]
    pub fn lock(&self) {
        if !self.try_lock() {
            self.lock_slow(0);
        }
    }

    /// What the thread of this tag is called in the locks that it takes; another thread may be called the same.
    pub fn name(tag: u16) -> u8 {
        ((tag % 63) as u8 + 1) << 2
    }

    /// As [`RawLock::lock`], for the thread of this name, at its pace ([`Pace::taking`] has been called). `waited` is called if somebody
    /// has it.
    #[inline(always)]
    pub fn lock_by(&self, me: u8, pace: &Pace, waited: impl FnOnce()) {
        // Read first: a failed exchange would take the cache line away from whoever works with it.
        let now = self.state.load(Relaxed);
        if (now != me && now != 0)
            || self
                .state
                .compare_exchange_weak(now, me | LOCKED, Acquire, Relaxed)
                .is_err()
        {
            self.lock_after(me, pace, waited);
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_after(&self, me: u8, pace: &Pace, waited: impl FnOnce()) {
        let now = self.state.load(Relaxed);
        if now & LOCKED != 0 {
            waited();
        }
        if !matches!(now & LAST, last if last == me || last == 0) {
            pace.taking_over(std::ptr::from_ref(self).addr());
        }
        self.lock_slow(me);
    }

    /// Whether somebody has the lock.
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.state.load(Relaxed) & LOCKED != 0
    }

    /// Gives the lock up.
    ///
    /// # Safety
    ///
    /// The calling thread has the lock.
    #[inline]
    pub unsafe fn unlock(&self) {
        let now = self.state.load(Relaxed);
        if now & PARKED != 0
            || self
                .state
                .compare_exchange(now, now & !LOCKED, Release, Relaxed)
                .is_err()
        {
            self.unlock_slow();
        }
    }

    /// The state, for models that break the protocol on purpose.
    #[cfg(loom)]
    pub fn state(&self) -> &AtomicU8 {
        &self.state
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self, me: u8) {
        let mut spin = Spin::new();
        loop {
            let now = self.state.load(Relaxed);
            if now & LOCKED == 0 {
                let next = me | now & PARKED | LOCKED;
                if self
                    .state
                    .compare_exchange_weak(now, next, Acquire, Relaxed)
                    .is_ok()
                {
                    return;
                }
                continue;
            }
            if now & PARKED == 0 {
                if spin.spin() {
                    continue;
                }
                if self
                    .state
                    .compare_exchange_weak(now, now | PARKED, Relaxed, Relaxed)
                    .is_err()
                {
                    continue;
                }
            }
            // Checked again with the bucket locked: unlocking a lock on which somebody is parked
            // changes it under that lock, so it cannot come between the check and the sleep.
            self.bucket.park(self, || {
                self.state.load(Relaxed) & (LOCKED | PARKED) == LOCKED | PARKED
            });
            spin = Spin::new();
        }
    }

    /// Wakes one of those that are parked.
    #[cold]
    #[inline(never)]
    fn unlock_slow(&self) {
        self.bucket.unpark_one(self, |more| {
            self.state.store(if more { PARKED } else { 0 }, Release);
        });
    }
}

/// Parking in parking_lot_core's table, by address.
#[cfg(not(loom))]
mod table {
    use super::RawLock;
    pub(super) use crate::backoff::Backoff as Spin;
    use parking_lot_core::{DEFAULT_PARK_TOKEN, DEFAULT_UNPARK_TOKEN, park, unpark_one};

    #[derive(Debug, Default)]
    pub(super) struct Bucket;

    impl Bucket {
        pub(super) const fn new() -> Self {
            Self
        }

        /// Sleeps if `check` holds, until somebody unparks this thread. May return early.
        pub(super) fn park(&self, lock: &RawLock, check: impl FnOnce() -> bool) {
            let key = std::ptr::from_ref(lock).addr();
            // SAFETY: the key is the lock's own address, which nobody else parks on, and the
            // callbacks neither panic nor park.
            unsafe { park(key, check, || (), |_, _| (), DEFAULT_PARK_TOKEN, None) };
        }

        /// Wakes one thread; `change` learns, before that, whether more are parked.
        pub(super) fn unpark_one(&self, lock: &RawLock, change: impl FnOnce(bool)) {
            let key = std::ptr::from_ref(lock).addr();
            let change = |result: parking_lot_core::UnparkResult| {
                change(result.have_more_threads);
                DEFAULT_UNPARK_TOKEN
            };
            // SAFETY: as in `park`.
            unsafe { unpark_one(key, change) };
        }
    }
}

/// Parking for loom: a queue of its own for each lock, with the same contract.
#[cfg(loom)]
mod queue {
    use super::RawLock;
    use crate::sync::{Condvar, Mutex};

    #[derive(Debug, Default)]
    struct Parked {
        waiting: usize,
        woken: usize,
    }

    #[derive(Debug, Default)]
    pub(super) struct Bucket {
        parked: Mutex<Parked>,
        wake: Condvar,
    }

    impl Bucket {
        pub(super) fn new() -> Self {
            Self::default()
        }

        pub(super) fn park(&self, _: &RawLock, check: impl FnOnce() -> bool) {
            let mut parked = self.parked.lock();
            if !check() {
                return;
            }
            parked.waiting += 1;
            while parked.woken == 0 {
                parked = self.wake.wait(parked);
            }
            parked.woken -= 1;
        }

        pub(super) fn unpark_one(&self, _: &RawLock, change: impl FnOnce(bool)) {
            let mut parked = self.parked.lock();
            if parked.waiting > 0 {
                parked.waiting -= 1;
                parked.woken += 1;
            }
            change(parked.waiting > 0);
            self.wake.notify_one();
        }
    }

    pub(super) struct Spin;

    impl Spin {
        pub(super) fn new() -> Self {
            Self
        }

        pub(super) fn spin(&mut self) -> bool {
            false
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::UnsafeCell;

    struct Guarded(RawLock, UnsafeCell<u64>);
    // SAFETY: the cell is only touched with the lock held.
    unsafe impl Sync for Guarded {}

    #[test]
    fn one_byte() {
        assert_eq!(size_of::<RawLock>(), 1);
        let lock = RawLock::new();
        assert!(lock.try_lock());
        assert!(!lock.try_lock());
        assert!(lock.is_locked());
        // SAFETY: locked above.
        unsafe { lock.unlock() };
        assert!(!lock.is_locked());
    }

    #[test]
    fn many_threads_one_counter() {
        const TIMES: u64 = if cfg!(miri) { 20 } else { 20_000 };
        let guarded = Guarded(RawLock::new(), UnsafeCell::new(0));
        let guarded = &guarded;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(move || {
                    for _ in 0..TIMES {
                        guarded.0.lock();
                        // SAFETY: the lock is held.
                        unsafe {
                            *guarded.1.get() += 1;
                            guarded.0.unlock();
                        }
                    }
                });
            }
        });
        // SAFETY: all threads are gone.
        assert_eq!(unsafe { *guarded.1.get() }, 8 * TIMES);
    }
}
