//! The primitives that this crate is written against: std's, or loom's under `cfg(loom)`.
//!
//! `Mutex` and `Condvar` are std's rather than parking_lot's: they keep no state outside of
//! themselves (parking_lot's table of waiting threads may be locked by a thread that a `fork`
//! leaves behind). Poisoning is ignored: no invariant is left half-way by code that can panic.

use std::time::Duration;

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use std::sync as imp;

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    hint,
    sync::{Arc, MutexGuard, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread,
};
#[cfg(not(loom))]
pub use std::{
    hint,
    sync::{Arc, MutexGuard, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread,
};

/// Defines a function that is `const`, save under loom, whose primitives cannot be built so.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block) => {
        $(#[$meta])*
        #[cfg(not(loom))]
        $vis const fn $name($($arg: $ty),*) -> $ret $body
        $(#[$meta])*
        #[cfg(loom)]
        $vis fn $name($($arg: $ty),*) -> $ret $body
    };
}
pub(crate) use const_fn;

/// A mutual exclusion lock that ignores poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    const_fn! {
        /// An unlocked mutex around `value`.
        pub fn new(value: T) -> Self {
            Self(imp::Mutex::new(value))
        }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// A lock that many may read under, or one write, and that ignores poisoning.
#[derive(Debug, Default)]
pub struct RwLock<T>(imp::RwLock<T>);

impl<T> RwLock<T> {
    const_fn! {
        /// An unlocked lock around `value`.
        pub fn new(value: T) -> Self {
            Self(imp::RwLock::new(value))
        }
    }

    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        match self.0.read() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        match self.0.write() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// A condition variable for [`Mutex`].
#[derive(Debug, Default)]
pub struct Condvar(imp::Condvar);

impl Condvar {
    const_fn! {
        /// A condition variable nobody waits on.
        pub fn new() -> Self {
            Self(imp::Condvar::new())
        }
    }

    /// Gives the lock up, waits for a notification, takes the lock again. May return early.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        match self.0.wait(guard) {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// As [`Condvar::wait`], for `time` at most; true if the time ran out.
    ///
    /// Under loom there is no time: it waits for a notification.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        #[cfg(loom)]
        {
            let _ = time;
            (self.wait(guard), false)
        }
        #[cfg(not(loom))]
        {
            let (guard, result) = match self.0.wait_timeout(guard, time) {
                Ok(pair) => pair,
                Err(poisoned) => poisoned.into_inner(),
            };
            (guard, result.timed_out())
        }
    }

    /// Wakes one waiter, if there is one.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes every waiter.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// std's `UnsafeCell` with the access functions of loom's, which checks the accesses.
#[cfg(not(loom))]
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// A cell around `value`.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Lends the contents for reading.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Lends the contents for writing.
    #[inline]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    /// Takes the cell apart.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}
