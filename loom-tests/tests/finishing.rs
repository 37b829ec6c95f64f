//! A collection that a program asks for, while another thread runs finalizers: it takes over those that have not begun, and waits for
//! those that have.
//!
//! Drives `gc/src/finishing.rs` and [`weft_threads::World`] as `gc/src/shared.rs` does.
#![cfg(loom)]

#[path = "../../gc/src/finishing.rs"]
#[allow(dead_code)]
mod finishing;

use finishing::Finishing;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::sync::atomic::Ordering::*;
use weft_threads::sync::{Arc, Mutex, thread};
use weft_threads::{Payload, Peer, World};

struct Nothing;
impl Payload for Nothing {
    fn flush(&self) {}
}

#[derive(Clone, Copy)]
struct Steps {
    /// Whether a finalizer is said to run before the next safepoint.
    at_once: bool,
    end: fn(&Finishing),
    wait: bool,
    steal: bool,
}

const REAL: Steps = Steps {
    at_once: true,
    end: Finishing::end,
    wait: true,
    steal: true,
};

struct Shared {
    world: World<Nothing>,
    finishing: Finishing,
    /// Finalizers of the other thread that have not begun. (A lock for loom's sake: its thread uses it, or who has stopped the world.)
    pending: Mutex<u32>,
    /// What they do.
    effect: Watched<u32>,
    steps: Steps,
}

fn poll(s: &Shared, me: &Peer<Nothing>) {
    if me.breaker().load(Acquire) != 0 {
        s.world.safepoint(me);
    }
}

/// Runs what is pending; inside each is a safepoint.
fn run(s: &Shared, me: &Peer<Nothing>) {
    loop {
        let mut pending = s.pending.lock();
        if *pending == 0 {
            return;
        }
        *pending -= 1;
        drop(pending);
        if s.steps.at_once {
            s.finishing.begin();
        }
        poll(s, me);
        if !s.steps.at_once {
            s.finishing.begin();
        }
        s.effect.set(s.effect.get() + 1);
        (s.steps.end)(&s.finishing);
        poll(s, me);
    }
}

fn collected(count: u32, steps: Steps) {
    let s = Arc::new(Shared {
        world: World::new(),
        finishing: Finishing::new(),
        pending: Mutex::new(count),
        effect: Watched::new(0),
        steps,
    });
    let me = s.world.join(|_| Nothing).expect("a free tag");
    let other = s.world.join(|_| Nothing).expect("a free tag");
    s.world.attach(&me);
    s.world.attach(&other);
    let thread = {
        let s = s.clone();
        thread::spawn(move || {
            run(&s, &other);
            s.world.detach(&other);
        })
    };
    let (mut mine, mut goal) = (0, None);
    s.world.stop(&me, |_| {
        if steps.steal {
            mine = std::mem::take(&mut *s.pending.lock());
        }
        goal = s.finishing.goal();
    });
    s.world.detach(&me);
    if let Some(goal) = goal
        && steps.wait
    {
        while !s.finishing.reached(goal) {
            thread::yield_now();
        }
    }
    s.world.attach(&me);
    // Nobody else runs any now.
    assert_eq!(
        s.effect.get() + mine,
        count,
        "one that is neither done nor here"
    );
    s.world.detach(&me);
    thread.join().unwrap();
}

#[test]
fn finalizers_are_done_or_taken_over() {
    holds(5, || collected(1, REAL));
    holds(3, || collected(2, REAL));
}

#[test]
fn broken_not_taken_over() {
    fails(2, || {
        collected(
            2,
            Steps {
                steal: false,
                ..REAL
            },
        )
    });
}

#[test]
fn broken_not_waited_for() {
    fails(3, || {
        collected(
            1,
            Steps {
                wait: false,
                ..REAL
            },
        )
    });
}

#[test]
fn broken_a_safepoint_before_it_is_said_to_run() {
    fails(3, || {
        collected(
            1,
            Steps {
                at_once: false,
                ..REAL
            },
        )
    });
}

#[test]
fn broken_done_relaxed() {
    fails(3, || {
        collected(
            1,
            Steps {
                end: Finishing::end_relaxed,
                ..REAL
            },
        )
    });
}
