//! The lock that Python programs hold, on whose word threads sleep.
//!
//! Sleeping on a word is the system's: a queue with the same contract stands in.
#![cfg(loom)]

use std::convert::Infallible;
use weft_loom_tests::{Queue, Watched, fails, holds};
use weft_threads::sync::atomic::{AtomicU32, Ordering::*};
use weft_threads::sync::{Arc, thread};
use weft_threads::{Pace, WaitLock};

struct Guarded {
    lock: WaitLock,
    queue: Queue,
    value: Watched<u32>,
}

#[derive(Clone, Copy)]
struct Steps {
    unlock: fn(&Guarded),
    wait: fn(&Guarded),
}

const REAL: Steps = Steps {
    unlock: |g| assert!(g.lock.unlock(|_| g.queue.wake_one())),
    wait: |g| {
        let sleep = |word: &AtomicU32, value| {
            g.queue.sleep_on(word, value);
            Ok::<(), Infallible>(())
        };
        g.lock.wait(sleep).unwrap();
    },
};

/// The states of the word, which models that break the protocol must know.
const HELD: u32 = 1;
const AWAITED: u32 = 2;

impl Guarded {
    fn add(&self, tag: u16, steps: Steps) {
        if !self.lock.try_lock(tag, &Pace::new(), true) {
            (steps.wait)(self);
        }
        self.value.set(self.value.get() + 1);
        (steps.unlock)(self);
    }
}

fn counter(threads: usize, each: usize, steps: Steps) {
    let guarded = Arc::new(Guarded {
        lock: WaitLock::new(),
        queue: Queue::default(),
        value: Watched::new(0),
    });
    let others: Vec<_> = (1..threads)
        .map(|tag| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || (0..each).for_each(|_| guarded.add(tag as u16 + 1, steps)))
        })
        .collect();
    (0..each).for_each(|_| guarded.add(1, steps));
    others.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(!guarded.lock.is_locked());
    assert_eq!(guarded.value.get() as usize, threads * each);
}

#[test]
fn two_threads_twice() {
    holds(4, || counter(2, 2, REAL));
}

#[test]
fn three_threads() {
    holds(2, || counter(3, 1, REAL));
}

/// Who falls asleep between the two steps sleeps for ever.
#[test]
fn broken_looking_for_sleepers_first() {
    fails(3, || {
        let unlock = |g: &Guarded| {
            let word = g.lock.word();
            let sleepers = word.load(Acquire) == AWAITED;
            word.store(0, Release);
            if sleepers {
                g.queue.wake_one();
            }
        };
        counter(2, 1, Steps { unlock, ..REAL })
    });
}

#[test]
fn broken_given_up_relaxed() {
    fails(3, || {
        let unlock = |g: &Guarded| {
            if g.lock.word().swap(0, Relaxed) & 3 == AWAITED {
                g.queue.wake_one();
            }
        };
        counter(2, 1, Steps { unlock, ..REAL })
    });
}

/// Taking it as one that nobody awaits: another one may still sleep.
#[test]
fn broken_taken_as_not_awaited() {
    fails(3, || {
        let wait = |g: &Guarded| {
            let word = g.lock.word();
            loop {
                if word.load(Relaxed) & 3 == 0
                    && word.compare_exchange(0, HELD, Acquire, Relaxed).is_ok()
                {
                    return;
                }
                let _ = word.compare_exchange(HELD | 4, AWAITED, Relaxed, Relaxed);
                let _ = word.compare_exchange(HELD | 8, AWAITED, Relaxed, Relaxed);
                let _ = word.compare_exchange(HELD | 12, AWAITED, Relaxed, Relaxed);
                let _ = word.compare_exchange(HELD, AWAITED, Relaxed, Relaxed);
                g.queue.sleep_on(word, AWAITED);
            }
        };
        counter(3, 1, Steps { wait, ..REAL })
    });
}
