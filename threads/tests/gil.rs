//! The GIL under std.
#![cfg(not(loom))]

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};
use weft_threads::{Gil, Payload, World, breaker_bits};

struct Nothing;

impl Payload for Nothing {
    fn flush(&self) {}
}

#[test]
fn computing_threads_take_turns_and_none_starves() {
    let (world, gil) = (World::new(), Gil::new());
    assert_eq!(gil.interval(), 5000);
    gil.set_interval(500);
    let (inside, turns) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 4]);
    let done = AtomicBool::new(false);
    let compute = |index: usize| {
        let me = world.join(|_| Nothing).unwrap();
        gil.acquire(&me);
        world.attach(&me);
        while !done.load(Relaxed) {
            assert_eq!(inside.fetch_add(1, SeqCst), 0);
            assert_eq!(inside.fetch_sub(1, SeqCst), 1);
            if me.breaker().load(Relaxed) != 0
                && world.safepoint(&me) & breaker_bits::GIL != 0
                && me.take(breaker_bits::GIL) != 0
            {
                world.detach(&me);
                gil.hand_over(&me);
                world.attach(&me);
                turns[index].fetch_add(1, Relaxed);
            }
        }
        assert!(gil.is_held_by(&me));
        world.detach(&me);
        gil.release();
        world.leave(&me);
    };
    std::thread::scope(|scope| {
        for index in 0..4 {
            scope.spawn(move || compute(index));
        }
        let start = Instant::now();
        while turns.iter().any(|turns| turns.load(Relaxed) < 5) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "somebody starves"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn a_blocking_thread_is_not_held_up_when_nobody_computes() {
    let (world, gil) = (World::new(), Gil::new());
    gil.set_interval(10_000_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let me = world.join(|_| Nothing).unwrap();
                for _ in 0..1000 {
                    gil.acquire(&me);
                    world.attach(&me);
                    world.detach(&me);
                    gil.release();
                }
                world.leave(&me);
            });
        }
    });
    assert!(world.is_empty());
}
