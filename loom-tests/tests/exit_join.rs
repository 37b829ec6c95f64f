//! A thread's end: against who waits for it, and against the next one, which gets its tag.
//!
//! Drives the event and the world of `threads` themselves. Sleeping on a word is the system's: a queue with the same contract stands in.
#![cfg(loom)]

use weft_loom_tests::{Queue, Watched, fails, holds};
use weft_threads::event::{AWAITED, Event};
use weft_threads::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};
use weft_threads::{Payload, Peer, World};

struct Nothing;

impl Payload for Nothing {
    fn flush(&self) {}
}

struct Ending {
    world: World<Nothing>,
    queue: Queue,
    done: Event,
    /// What the thread has computed.
    result: Watched<u64>,
}

impl Ending {
    fn new() -> Arc<Ending> {
        Arc::new(Ending {
            world: World::new(),
            queue: Queue::default(),
            done: Event::new(),
            result: Watched::new(0),
        })
    }

    fn set(&self) {
        self.done.set(|_| self.queue.wake_all());
    }

    /// As `Event::wait` of the library: away while it sleeps.
    fn wait(&self, peer: &Peer<Nothing>, say: fn(&Event) -> &AtomicU32) {
        while !self.done.is_set() {
            self.world.detach(peer);
            self.queue.sleep_on(say(&self.done), AWAITED);
            self.world.attach(peer);
        }
    }

    fn join(&self) -> Arc<Peer<Nothing>> {
        let peer = self.world.join(|_| Nothing).expect("a free tag");
        self.world.attach(&peer);
        peer
    }

    fn leave(&self, peer: &Arc<Peer<Nothing>>) {
        self.world.detach(peer);
        self.world.leave(peer);
    }
}

/// One thread ends while so many wait for that.
fn joined(waiters: usize, set: fn(&Ending), say: fn(&Event) -> &AtomicU32) {
    let ending = Ending::new();
    let me = ending.join();
    let theirs: Vec<_> = (1..waiters).map(|_| ending.join()).collect();
    let others: Vec<_> = theirs
        .into_iter()
        .map(|peer| {
            let ending = ending.clone();
            thread::spawn(move || {
                ending.wait(&peer, say);
                assert_eq!(ending.result.get(), 42);
                ending.leave(&peer);
            })
        })
        .collect();
    let ends = {
        let (ending, peer) = (ending.clone(), ending.join());
        thread::spawn(move || {
            ending.result.set(42);
            set(&ending);
            ending.leave(&peer);
        })
    };
    ending.wait(&me, say);
    assert_eq!(ending.result.get(), 42);
    ends.join().unwrap();
    others.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(ending.world.len(), 1);
}

#[test]
fn who_waits_sees_the_end() {
    holds(3, || joined(1, Ending::set, Event::await_it));
    holds(1, || joined(2, Ending::set, Event::await_it));
}

#[test]
fn broken_nobody_is_woken() {
    fails(3, || joined(1, |e| e.done.set(|_| ()), Event::await_it));
}

/// It happens in two steps, between which somebody may fall asleep.
#[test]
fn broken_looking_for_sleepers_first() {
    fails(3, || {
        let set = |e: &Ending| {
            let word = e.done.word();
            let sleepers = word.load(Acquire) == AWAITED;
            word.store(1, Release);
            if sleepers {
                e.queue.wake_all();
            }
        };
        joined(1, set, Event::await_it)
    });
}

#[test]
fn broken_set_relaxed() {
    fails(3, || {
        let set = |e: &Ending| {
            if e.done.word().swap(1, Relaxed) == AWAITED {
                e.queue.wake_all();
            }
        };
        joined(1, set, Event::await_it)
    });
}

/// A thread ends and leaves an object behind; the next one takes its tag and finds it. It must not take it for its own.
fn tag_used_again(end: fn(&Ending, &Arc<Peer<Nothing>>, &AtomicU16)) {
    let ending = Ending::new();
    let owner = Arc::new(AtomicU16::new(0));
    // The object is in reach of all: 1.
    let there = Arc::new(AtomicU64::new(0));
    let peer = ending.join();
    let (tag, theirs) = (peer.tag(), ending.clone());
    let (object, reach) = (owner.clone(), there.clone());
    let first = thread::spawn(move || {
        object.store(peer.tag(), Relaxed);
        reach.store(1, Relaxed);
        end(&theirs, &peer, &object);
    });
    let next = ending.join();
    if next.tag() == tag {
        assert_eq!(there.load(Relaxed), 1);
        assert_eq!(
            owner.load(Relaxed),
            0,
            "another's object is taken for my own"
        );
    }
    ending.leave(&next);
    first.join().unwrap();
}

/// As `Thread::leave`: publishes what is left, goes away, leaves, and only with that gives its tag up.
fn end(ending: &Ending, peer: &Arc<Peer<Nothing>>, object: &AtomicU16) {
    object.store(0, Release);
    ending.leave(peer);
}

#[test]
fn a_tag_is_free_when_nothing_has_it() {
    holds(5, || tag_used_again(end));
}

#[test]
fn broken_tag_given_up_before_all_is_published() {
    fails(3, || {
        tag_used_again(|ending, peer, object| {
            ending.leave(peer);
            object.store(0, Release);
        })
    });
}
