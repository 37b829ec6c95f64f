//! Where many threads wait for one event, and wake without getting into each other's way.
//!
//! A condition variable has each of them take its lock again. When there are more of them than cores, each that has it goes on
//! computing, and the next one must wait for a core before it can pass it on: the last is awake some time slices later.

use std::time::Duration;

/// A number to sleep on until it changes.
///
/// Who waits takes the number while it looks whether there is something to wait for, under a lock. Who makes that true does so under
/// the same lock, and opens the gate after it: so the number changes after it was taken. Models: those of the world
/// (`handshake`, `attach_detach`, `once`).
#[derive(Debug, Default)]
pub struct Gate(imp::Number);

impl Gate {
    crate::sync::const_fn! {
        /// A gate at which nobody waits.
        pub fn new() -> Self {
            Self(imp::Number::new())
        }
    }

    /// The number as it is.
    pub fn number(&self) -> u32 {
        self.0.get()
    }

    /// Sleeps until the number is another one, or for so long. May return early.
    pub fn wait(&self, number: u32, most: Option<Duration>) {
        self.0.sleep(number, most);
    }

    /// Lets all go that wait.
    pub fn open(&self) {
        self.0.change();
    }
}

#[cfg(not(loom))]
mod imp {
    use crate::futex;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub struct Number(AtomicU32);

    // Relaxed: what is waited for is looked at again, and is ordered by itself.
    impl Number {
        pub const fn new() -> Self {
            Self(AtomicU32::new(0))
        }

        pub fn get(&self) -> u32 {
            self.0.load(Relaxed)
        }

        pub fn sleep(&self, number: u32, most: Option<Duration>) {
            let deadline = most.map(|most| futex::monotonic() + most.as_nanos() as i64);
            futex::sleep_on(&self.0, number, deadline);
        }

        pub fn change(&self) {
            self.0.fetch_add(1, Relaxed);
            futex::wake(&self.0, i32::MAX);
        }
    }
}

/// The same with what loom knows. There is no time.
#[cfg(loom)]
mod imp {
    use crate::sync::{Condvar, Mutex};
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub struct Number(Mutex<u32>, Condvar);

    impl Number {
        pub fn new() -> Self {
            Self(Mutex::new(0), Condvar::new())
        }

        pub fn get(&self) -> u32 {
            *self.0.lock()
        }

        pub fn sleep(&self, number: u32, _most: Option<Duration>) {
            let mut now = self.0.lock();
            while *now == number {
                now = self.1.wait(now);
            }
        }

        pub fn change(&self) {
            *self.0.lock() += 1;
            self.1.notify_all();
        }
    }
}
