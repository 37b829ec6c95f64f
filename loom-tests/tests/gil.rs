//! The one lock, and its handing over.
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed},
    },
};
use loom::thread;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::{Gil, Payload, Peer, World, breaker_bits};

struct Nothing;

impl Payload for Nothing {
    fn flush(&self) {}
}

struct Shared {
    world: World<Nothing>,
    gil: Gil<Nothing>,
    /// Written by who has the lock.
    data: Watched<usize>,
    /// How many others have run, told by themselves.
    others: AtomicUsize,
}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Arc::new(Self {
            world: World::new(),
            gil: Gil::new(),
            data: Watched::new(0),
            others: AtomicUsize::new(0),
        });
        // There is no time in a model: who waits asks at once.
        shared.gil.set_interval(0);
        shared
    }

    fn join(&self) -> Arc<Peer<Nothing>> {
        self.world.join(|_| Nothing).expect("a free tag")
    }

    fn enter(&self, me: &Arc<Peer<Nothing>>) {
        self.gil.acquire(me);
        self.world.attach(me);
    }

    fn leave(&self, me: &Arc<Peer<Nothing>>) {
        self.world.detach(me);
        self.gil.release();
    }

    fn work(&self) {
        self.data.set(self.data.get() + 1);
    }
}

/// One computes and polls, the others want in.
fn computing(threads: usize, hand_over: fn(&Gil<Nothing>, &Arc<Peer<Nothing>>)) {
    let shared = Shared::new();
    let me = shared.join();
    shared.enter(&me);
    let others: Vec<_> = (0..threads)
        .map(|_| {
            let (shared, peer) = (Arc::clone(&shared), shared.join());
            thread::spawn(move || {
                shared.enter(&peer);
                shared.work();
                shared.others.fetch_add(1, Relaxed);
                shared.leave(&peer);
            })
        })
        .collect();
    for _ in 0..2 {
        shared.work();
        if me.breaker().load(Acquire) & breaker_bits::GIL != 0 && me.take(breaker_bits::GIL) != 0 {
            let before = shared.others.load(Relaxed);
            shared.world.detach(&me);
            hand_over(&shared.gil, &me);
            shared.world.attach(&me);
            assert!(shared.others.load(Relaxed) > before, "nobody else has run");
        }
    }
    shared.leave(&me);
    others.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(shared.others.load(Relaxed), threads);
}

#[test]
fn handed_over_to_who_waits() {
    holds(9, || computing(1, Gil::hand_over));
}

#[test]
fn handed_over_to_one_of_two() {
    holds(3, || computing(2, Gil::hand_over));
}

/// Drops the lock and takes it again: the waiter wakes too late.
#[test]
fn broken_hand_over_without_waiting() {
    fails(3, || {
        computing(1, |gil, me| {
            gil.release();
            gil.acquire(me);
        })
    });
}

/// A thread that has the lock and works without it.
#[test]
fn broken_working_after_release() {
    fails(3, || {
        let shared = Shared::new();
        let (me, other) = (shared.join(), shared.join());
        shared.enter(&me);
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            theirs.enter(&other);
            theirs.work();
            theirs.leave(&other);
        });
        shared.leave(&me);
        shared.work();
        thread.join().unwrap();
    });
}
