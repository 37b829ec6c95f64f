//! The per-object lock: one byte in the header, free of charge for local objects.
//!
//! I6: a guard borrows the thread, and every safepoint needs `&mut Thread`, so a lock held across one does not compile.
//! A waiter therefore waits for a bounded time and need not detach.

use crate::header::Header;
use crate::tally::{self, What};
use crate::thread::Thread;
use std::marker::PhantomData;

/// Holds an object's lock (or nothing, if the object is local) until dropped.
pub struct Locked<'t> {
    held: Option<&'t Header>,
    thread: PhantomData<&'t Thread>,
}

/// Locks `h` unless it is local to this thread, in which case nobody else can reach it (I2).
#[inline(always)]
pub fn lock<'t>(t: &'t Thread, h: &'t Header) -> Locked<'t> {
    if h.is_local(t) {
        return Locked {
            held: None,
            thread: PhantomData,
        };
    }
    if t.pace.taking() {
        taking(t, h);
    }
    h.lock.lock_by(t.lock_name.get(), &t.pace, || {
        tally::note(t, h, What::Contended)
    });
    Locked {
        held: Some(h),
        thread: PhantomData,
    }
}

/// Somebody counts the locks that are taken.
#[cold]
#[inline(never)]
fn taking(t: &Thread, h: &Header) {
    t.pace.told();
    tally::note(t, h, What::Lock);
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(h) = self.held {
            // SAFETY: this guard locked it.
            unsafe { h.lock.unlock() };
        }
    }
}
