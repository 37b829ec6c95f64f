//! The count word by itself: who lists, who settles, and weak references.
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire, Release},
    },
};
use loom::thread;
use weft_loom_tests::{fails, holds};
use weft_threads::count::{
    COUNT_MASK, DEAD, LISTED, Settled, decrement, increment, settle, try_increment,
};

type Decrement = fn(&AtomicU32) -> bool;

/// Each of three drops the reference it has: one of them lists the object.
fn one_lists(decrement: Decrement) {
    let count = Arc::new(AtomicU32::new(3));
    let drop_one = |count: &Arc<AtomicU32>| {
        let count = Arc::clone(count);
        thread::spawn(move || u32::from(decrement(&count)))
    };
    let threads = [drop_one(&count), drop_one(&count)];
    let mine = u32::from(decrement(&count));
    let listed = threads
        .map(|thread| thread.join().unwrap())
        .iter()
        .sum::<u32>()
        + mine;
    assert_eq!(listed, 1);
    assert_eq!(count.load(Acquire), LISTED);
}

#[test]
fn one_of_many_lists() {
    holds(9, || one_lists(decrement));
}

/// Looks at the count in a step of its own.
fn decrement_then_look(count: &AtomicU32) -> bool {
    count.fetch_sub(1, AcqRel);
    if count.load(Acquire) != 0 {
        return false;
    }
    count.fetch_or(LISTED, AcqRel);
    true
}

#[test]
fn broken_two_list() {
    fails(3, || one_lists(decrement_then_look));
}

/// One drops the last counted reference while another counts its register, and drops it.
fn zero_twice(decrement: Decrement) {
    let count = Arc::new(AtomicU32::new(1));
    let theirs = Arc::clone(&count);
    let thread = thread::spawn(move || {
        increment(&theirs);
        u32::from(decrement(&theirs))
    });
    let listed = u32::from(decrement(&count)) + thread.join().unwrap();
    assert_eq!(listed, 1);
    let word = count.load(Acquire);
    assert_eq!(word & (LISTED | COUNT_MASK), LISTED);
    while settle(&count) != Settled::Dead {}
}

#[test]
fn zero_twice_lists_once() {
    holds(9, || zero_twice(decrement));
}

/// Stores the flag over what has come meanwhile.
fn decrement_and_store(count: &AtomicU32) -> bool {
    let zero = count.fetch_sub(1, AcqRel) == 1;
    if zero {
        count.store(LISTED, Release);
    }
    zero
}

#[test]
fn broken_listing_by_store() {
    fails(3, || zero_twice(decrement_and_store));
}

/// A weak reference is upgraded while the object is settled: the two agree.
fn upgrade(settle: fn(&AtomicU32) -> Settled, rounds: usize) {
    let count = Arc::new(AtomicU32::new(LISTED));
    let theirs = Arc::clone(&count);
    let thread = thread::spawn(move || {
        let upgraded = try_increment(&theirs);
        upgraded && {
            assert_ne!(theirs.load(Acquire), DEAD, "destroyed while in use");
            decrement(&theirs)
        }
    });
    let mut verdict = Settled::Again;
    for _ in 0..rounds {
        if verdict == Settled::Again {
            verdict = settle(&count);
        }
    }
    let listed = thread.join().unwrap();
    assert!(!listed || verdict == Settled::Alive, "on two lists");
    while !matches!(verdict, Settled::Dead) && count.load(Acquire) & LISTED != 0 {
        verdict = settle(&count);
    }
    assert_eq!(count.load(Acquire), DEAD);
}

#[test]
fn upgrading_a_weak_reference() {
    holds(9, || upgrade(settle, 2));
}

/// Looks, then decides.
fn settle_in_two_steps(count: &AtomicU32) -> Settled {
    if count.load(Acquire) == LISTED {
        count.store(DEAD, Release);
        return Settled::Dead;
    }
    settle(count)
}

#[test]
fn broken_settling_in_two_steps() {
    fails(3, || upgrade(settle_in_two_steps, 2));
}
