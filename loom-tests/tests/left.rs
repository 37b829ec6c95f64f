//! What a thread leaves to the others when it goes away: somebody settles it, and if all are away, whoever is back first.
//!
//! Drives [`weft_threads::Left`] and [`weft_threads::World`] as `gc/src/shared.rs` does.
#![cfg(loom)]

use std::time::Duration;
use weft_loom_tests::{fails, holds};
use weft_threads::breaker_bits::{HANDSHAKE, SETTLE};
use weft_threads::peer::DETACHED;
use weft_threads::sync::atomic::{AtomicUsize, Ordering::*};
use weft_threads::sync::{Arc, thread};
use weft_threads::{Left, Payload, Peer, World};

struct Nothing;
impl Payload for Nothing {
    fn flush(&self) {}
}

type Me = Peer<Nothing>;

/// The steps, so that a model can run with a broken one.
#[derive(Clone, Copy)]
struct Steps {
    leave: fn(&Shared, &Me, Vec<u64>),
    /// Whether a thread that waits for answers leaves what waits when it goes away.
    all: bool,
    /// Whoever answers last settles, if it comes by before who has asked.
    crowded: bool,
    detach: fn(&Shared, &Me),
}

const REAL: Steps = Steps {
    leave: |s, me, epochs| s.left.leave(&s.world, me, epochs),
    all: true,
    crowded: false,
    detach: |s, me| s.world.detach(me),
};

struct Shared {
    world: World<Nothing>,
    /// Batches: the epochs that have to pass.
    left: Left<u64>,
    settled: AtomicUsize,
    steps: Steps,
}

struct Thread {
    shared: Arc<Shared>,
    peer: Arc<Me>,
    batches: Vec<u64>,
    /// It waits to be told.
    asked: bool,
}

impl Thread {
    fn new(shared: &Arc<Shared>) -> Thread {
        let peer = shared.world.join(|_| Nothing).expect("a free tag");
        shared.world.attach(&peer);
        Thread {
            shared: shared.clone(),
            peer,
            batches: Vec::new(),
            asked: false,
        }
    }

    fn poll(&mut self) {
        if self.peer.breaker().load(Acquire) == 0 {
            return;
        }
        let s = &self.shared;
        let bits = s.world.safepoint(&self.peer);
        let last = s.steps.crowded && bits & HANDSHAKE != 0 && {
            s.world.passed(s.world.epoch()) && !s.left.is_empty()
        };
        if last || bits & SETTLE != 0 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        let s = &self.shared;
        self.peer.take(SETTLE);
        self.batches.extend(s.left.take());
        let before = self.batches.len();
        self.batches.retain(|&epoch| !s.world.passed(epoch));
        s.settled.fetch_add(before - self.batches.len(), Relaxed);
        if let Some(&epoch) = self.batches.first()
            && s.world.passed_or_tell(&self.peer, epoch)
        {
            self.peer.raise(SETTLE);
        }
        self.asked = !self.batches.is_empty();
        if s.steps.crowded {
            s.left.put(self.batches.drain(..));
        }
    }

    fn go_away(&mut self) {
        let s = &self.shared;
        let raised = self.peer.breaker().load(Relaxed) & SETTLE != 0;
        if raised || s.steps.all && self.asked {
            self.peer.take(SETTLE);
            self.asked = false;
            (s.steps.leave)(s, &self.peer, std::mem::take(&mut self.batches));
        }
        (s.steps.detach)(s, &self.peer);
    }
}

/// A thread asks for a handshake and goes away; the others come by a safepoint and go away, too. When it is back, its batch has been
/// settled, or it is asked to do so.
fn handed_over(others: usize, steps: Steps) {
    let shared = Arc::new(Shared {
        world: World::new(),
        left: Left::new(),
        settled: AtomicUsize::new(0),
        steps,
    });
    let mut me = Thread::new(&shared);
    let threads: Vec<_> = (0..others)
        .map(|_| {
            let mut other = Thread::new(&shared);
            thread::spawn(move || {
                other.poll();
                other.go_away();
                other
            })
        })
        .collect();
    me.batches.push(shared.world.handshake(&me.peer));
    if steps.crowded {
        me.settle();
    } else {
        me.peer.raise(SETTLE);
    }
    me.go_away();
    let _others: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    shared.world.attach(&me.peer);
    for _ in 0..2 {
        if shared.settled.load(Relaxed) == 1 {
            return;
        }
        assert!(
            me.peer.breaker().load(Relaxed) & SETTLE != 0,
            "nobody has been asked"
        );
        me.poll();
    }
    panic!("never settled");
}

#[test]
fn what_is_left_is_settled() {
    holds(4, || handed_over(1, REAL));
    holds(2, || handed_over(2, REAL));
}

#[test]
fn whoever_answers_last_settles() {
    let crowded = Steps {
        crowded: true,
        ..REAL
    };
    holds(3, move || handed_over(1, crowded));
    holds(2, move || handed_over(2, crowded));
}

/// Sleeping for answers, while an earlier handshake is still being answered. (A model knows no time: who is not woken sleeps for ever.)
#[test]
fn who_sleeps_for_answers_is_woken() {
    holds(4, || {
        let world = Arc::new(World::new());
        let me = world.join(|_| Nothing).expect("a free tag");
        world.attach(&me);
        let other = world.join(|_| Nothing).expect("a free tag");
        world.attach(&other);
        let there = world.clone();
        let thread = thread::spawn(move || {
            there.safepoint(&other);
            there.detach(&other);
        });
        world.handshake(&me);
        let epoch = world.handshake(&me);
        assert!(world.wait_passed(epoch, Duration::MAX));
        thread.join().unwrap();
    });
}

#[test]
fn broken_leaving_without_a_word() {
    fails(2, || {
        handed_over(
            1,
            Steps {
                leave: |s, _, epochs| s.left.put(epochs),
                ..REAL
            },
        )
    });
}

/// Whoever runs may be away when it is asked.
#[test]
fn broken_looking_for_one_and_asking_in_two_steps() {
    fails(3, || {
        handed_over(
            1,
            Steps {
                leave: |s, me, epochs| {
                    s.left.put(epochs);
                    let peers = s.world.peers();
                    let other = peers
                        .iter()
                        .find(|p| !std::ptr::eq(&***p, me) && p.is_attached());
                    match other {
                        Some(other) => _ = other.raise(SETTLE),
                        None => peers.iter().for_each(|p| _ = p.raise(SETTLE)),
                    }
                },
                ..REAL
            },
        )
    });
}

#[test]
fn broken_going_away_without_passing_on() {
    fails(3, || {
        handed_over(
            1,
            Steps {
                detach: |s, me| {
                    loop {
                        s.world.safepoint(me);
                        let now = me.breaker().load(Relaxed) & SETTLE;
                        let away =
                            me.breaker()
                                .compare_exchange(now, now | DETACHED, Release, Relaxed);
                        if away.is_ok() {
                            return;
                        }
                    }
                },
                ..REAL
            },
        )
    });
}

/// Who waits for answers is told of them, and not asked before: it must not go away with what waits.
#[test]
fn broken_going_away_with_what_waits() {
    fails(3, || handed_over(2, Steps { all: false, ..REAL }));
}
