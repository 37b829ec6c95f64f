//! A cell that is initialised once, by whoever comes first; the others wait as they are told to.

use crate::sync::{
    Condvar, Mutex, UnsafeCell,
    atomic::{
        AtomicBool,
        Ordering::{Acquire, Relaxed, Release},
    },
    const_fn,
};

/// A value that is made at most once.
#[derive(Debug)]
pub struct Once<T> {
    ready: AtomicBool,
    /// Whether somebody is making the value.
    busy: Mutex<bool>,
    done: Condvar,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is written by one thread, before `ready` is set, and only shared after that: by
// reference (`T: Sync`) or by dropping the cell in another thread (`T: Send`).
unsafe impl<T: Send + Sync> Sync for Once<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Once<T> {}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Once<T> {
    const_fn! {
        /// An empty cell.
        pub fn new() -> Self {
            Self {
                ready: AtomicBool::new(false),
                busy: Mutex::new(false),
                done: Condvar::new(),
                value: UnsafeCell::new(None),
            }
        }
    }

    /// The value, if it has been made.
    // Acquire: pairs with the release after the value has been written.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.ready.load(Acquire) {
            // SAFETY: `ready` is set after the only write, which this load has acquired.
            self.value.with(|value| unsafe { (*value).as_ref() })
        } else {
            None
        }
    }

    /// The value, which `make` makes if nobody has.
    ///
    /// A thread that finds another at it calls `block` with what it has to wait for: `block` detaches
    /// the thread, calls its argument, and attaches again. If `make` fails or panics the cell stays
    /// empty and one of those that wait tries its own. `make` must not come back to the same cell.
    ///
    /// # Errors
    ///
    /// What `make` returned.
    pub fn get_or_try_init<E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
        mut block: impl FnMut(&mut dyn FnMut()),
    ) -> Result<&T, E> {
        loop {
            if let Some(value) = self.get() {
                return Ok(value);
            }
            if self.claim() {
                break;
            }
            block(&mut || self.wait());
        }
        let claim = Claim(self);
        let value = make()?;
        // SAFETY: `busy` is ours and `ready` not set: nobody reads the cell, nobody else writes it.
        self.value.with_mut(|cell| unsafe { *cell = Some(value) });
        self.ready.store(true, Release);
        drop(claim);
        // SAFETY: as in `get`; this thread has written it.
        let value = self.value.with(|value| unsafe { (*value).as_ref() });
        Ok(value.expect("written above"))
    }

    /// As [`Once::get_or_try_init`], for what cannot fail.
    pub fn get_or_init(&self, make: impl FnOnce() -> T, block: impl FnMut(&mut dyn FnMut())) -> &T {
        match self.get_or_try_init(|| Ok::<T, std::convert::Infallible>(make()), block) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// Whether it is for the caller to make the value.
    // Relaxed: `ready` is set before `busy` is cleared under the lock that we have.
    fn claim(&self) -> bool {
        let mut busy = self.busy.lock();
        if *busy || self.ready.load(Relaxed) {
            return false;
        }
        *busy = true;
        true
    }

    /// Waits until nobody is making the value.
    fn wait(&self) {
        let mut busy = self.busy.lock();
        while *busy {
            busy = self.done.wait(busy);
        }
    }
}

/// Ends the making, also if it has failed.
struct Claim<'a, T>(&'a Once<T>);

impl<T> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        *self.0.busy.lock() = false;
        self.0.done.notify_all();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn made_once_by_one_of_many() {
        let (cell, made) = (Once::new(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let make = || {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                        made.fetch_add(1, Relaxed);
                        String::from("value")
                    };
                    assert_eq!(cell.get_or_init(make, |wait| wait()), "value");
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn failure_leaves_it_empty() {
        let cell = Once::<u32>::new();
        assert_eq!(cell.get_or_try_init(|| Err("no"), |_| ()), Err("no"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cell.get_or_init(|| panic!("while making"), |_| ());
        }));
        assert!(panicked.is_err());
        assert_eq!(cell.get(), None);
        assert_eq!(cell.get_or_init(|| 7, |_| ()), &7);
    }
}
