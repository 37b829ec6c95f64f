//! Once-initialised values, made by threads that may be stopped meanwhile.
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use loom::thread;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::{Once, Payload, Peer, World};

struct Nothing;

impl Payload for Nothing {
    fn flush(&self) {}
}

struct Shared {
    world: World<Nothing>,
    cell: Once<Watched<u32>>,
    made: AtomicUsize,
}

type Block = fn(&World<Nothing>, &Peer<Nothing>, &mut dyn FnMut());

impl Shared {
    fn get(&self, me: &Peer<Nothing>, fail: bool, stop: bool, block: Block) -> Result<(), ()> {
        let make = || {
            if stop {
                self.world.stop(me, |_| ());
            }
            if fail {
                return Err(());
            }
            self.made.fetch_add(1, Relaxed);
            let value = Watched::new(0);
            value.set(7);
            Ok(value)
        };
        let value = self
            .cell
            .get_or_try_init(make, |wait| block(&self.world, me, wait))?;
        assert_eq!(value.get(), 7);
        Ok(())
    }
}

/// Two threads want the value.
fn two(fail: bool, stop: bool, block: Block) {
    let shared = Arc::new(Shared {
        world: World::new(),
        cell: Once::new(),
        made: AtomicUsize::new(0),
    });
    let join = || {
        let peer = shared.world.join(|_| Nothing).expect("a free tag");
        shared.world.attach(&peer);
        peer
    };
    let (me, other) = (join(), join());
    let theirs = Arc::clone(&shared);
    let thread = thread::spawn(move || {
        assert!(theirs.get(&other, false, stop, block).is_ok());
        theirs.world.detach(&other);
    });
    let _ = shared.get(&me, fail, false, block);
    shared.world.detach(&me);
    thread.join().unwrap();
    assert_eq!(shared.made.load(Relaxed), 1);
}

fn away(world: &World<Nothing>, me: &Peer<Nothing>, wait: &mut dyn FnMut()) {
    world.detach(me);
    wait();
    world.attach(me);
}

#[test]
fn made_once_and_seen_by_both() {
    holds(9, || two(false, false, away));
}

#[test]
fn a_failure_is_followed_by_another_try() {
    holds(9, || two(true, false, away));
}

#[test]
fn who_waits_can_be_stopped() {
    holds(9, || two(false, true, away));
}

#[test]
fn broken_waiting_without_detaching() {
    fails(3, || two(false, true, |_, _, wait| wait()));
}

/// Says that it is ready before it is.
#[test]
fn broken_ready_before_the_value() {
    fails(3, || {
        let cell = Arc::new((AtomicBool::new(false), Watched::new(0)));
        let theirs = Arc::clone(&cell);
        let thread = thread::spawn(move || {
            theirs.0.store(true, Release);
            theirs.1.set(7);
        });
        if cell.0.load(Acquire) {
            assert_eq!(cell.1.get(), 7);
        }
        thread.join().unwrap();
    });
}
