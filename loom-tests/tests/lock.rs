//! The lock in every object, with parking.
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::Ordering::{Relaxed, Release},
};
use loom::thread;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::{Pace, RawLock};

struct Guarded {
    lock: RawLock,
    value: Watched<u32>,
}

type Unlock = fn(&RawLock);

impl Guarded {
    /// As the thread of this tag.
    fn add(&self, tag: u16, unlock: Unlock) {
        self.lock.lock_by(RawLock::name(tag), &Pace::new(), || ());
        self.value.set(self.value.get() + 1);
        unlock(&self.lock);
    }
}

fn counter(threads: usize, each: usize, unlock: Unlock) {
    let guarded = Arc::new(Guarded {
        lock: RawLock::new(),
        value: Watched::new(0),
    });
    let others: Vec<_> = (1..threads)
        .map(|tag| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || (0..each).for_each(|_| guarded.add(tag as u16, unlock)))
        })
        .collect();
    (0..each).for_each(|_| guarded.add(0, unlock));
    others.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(!guarded.lock.is_locked());
    assert!(guarded.lock.try_lock());
    assert_eq!(guarded.value.get() as usize, threads * each);
}

fn unlock(lock: &RawLock) {
    // SAFETY: every model unlocks what it has locked.
    unsafe { lock.unlock() };
}

#[test]
fn two_threads_twice() {
    holds(5, || counter(2, 2, unlock));
}

#[test]
fn three_threads() {
    holds(3, || counter(3, 1, unlock));
}

/// Forgets who is parked.
#[test]
fn broken_unlocking_without_waking() {
    fails(3, || counter(2, 1, |lock| lock.state().store(0, Release)));
}

/// Does not publish what was written with the lock held.
#[test]
fn broken_unlocking_relaxed() {
    fails(3, || {
        counter(2, 1, |lock| {
            let now = lock.state().load(Relaxed);
            if now & 2 != 0
                || lock
                    .state()
                    .compare_exchange(now, now & !1, Relaxed, Relaxed)
                    .is_err()
            {
                unlock(lock);
            }
        })
    });
}
