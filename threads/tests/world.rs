//! The world under std: real threads, many times over. The proofs are loom's: see loom-tests/.
#![cfg(not(loom))]

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};
use weft_threads::{Payload, Peer, Retired, World, breaker_bits};

#[derive(Debug, Default)]
struct Registers {
    tag: u16,
    flushes: AtomicU32,
    running: AtomicBool,
}

impl Payload for Registers {
    fn flush(&self) {
        self.flushes.fetch_add(1, Relaxed);
    }
}

fn registers(tag: u16) -> Registers {
    Registers {
        tag,
        ..Registers::default()
    }
}

/// Seconds after which something has not happened.
const LIMIT: u64 = if cfg!(miri) { 2000 } else { 20 };
/// How often the world is stopped.
const STOPS: usize = if cfg!(miri) { 5 } else { 300 };

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(LIMIT), "{what}");
        std::thread::yield_now();
    }
}

/// Ends the test for all threads if one of them fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn poll(world: &World<Registers>, me: &Peer<Registers>) -> u32 {
    match me.breaker().load(Relaxed) {
        0 => 0,
        _ => world.safepoint(me),
    }
}

static STATIC: World<Registers> = World::new();

#[test]
fn tags_are_the_smallest_free_and_retagging_keeps_the_old_one() {
    let a = STATIC.join(registers).unwrap();
    let b = STATIC.join(registers).unwrap();
    assert_eq!((a.tag(), a.payload().tag, b.tag()), (1, 1, 2));
    assert_eq!(STATIC.retag(&a), Some(3));
    STATIC.leave(&b);
    STATIC.leave(&a);
    let c = STATIC.join(registers).unwrap();
    assert_eq!(c.tag(), 2);
    assert_eq!(STATIC.join(registers).unwrap().tag(), 3);
    STATIC.leave_keeping_tag(&c);
    assert_eq!(STATIC.join(registers).unwrap().tag(), 4);
    STATIC.free_tag(2);
    assert_eq!(STATIC.join(registers).unwrap().tag(), 2);
    assert_eq!(STATIC.len(), 3);
}

#[test]
fn a_payload_that_cannot_be_made_gives_its_tag_back() {
    let world = World::<Registers>::new();
    let join = std::panic::AssertUnwindSafe(|| world.join(|_| panic!("no payload")));
    assert!(std::panic::catch_unwind(join).is_err());
    assert_eq!(world.join(registers).unwrap().tag(), 1);
}

#[test]
fn requests_stay_until_taken() {
    let world = World::new();
    let me = world.join(registers).unwrap();
    world.attach(&me);
    assert_eq!(me.breaker().load(Relaxed), 0);
    me.raise(breaker_bits::GC | breaker_bits::STOP);
    me.raise(breaker_bits::SIGNAL);
    let both = breaker_bits::GC | breaker_bits::SIGNAL;
    assert_eq!(world.safepoint(&me), both);
    assert_eq!(
        me.take(breaker_bits::GC | breaker_bits::GIL),
        breaker_bits::GC
    );
    assert_eq!(world.safepoint(&me), breaker_bits::SIGNAL);
    world.detach(&me);
    assert!(!me.is_attached());
    world.attach(&me);
    assert_eq!(me.breaker().load(Relaxed), breaker_bits::SIGNAL);
}

#[test]
fn handshake_answers_for_those_away_and_waits_for_those_that_run() {
    let world = World::new();
    let me = world.join(registers).unwrap();
    let away = world.join(registers).unwrap();
    let busy = world.join(registers).unwrap();
    world.attach(&me);
    world.attach(&busy);
    let epoch = world.handshake(&me);
    assert_eq!(epoch, world.epoch());
    assert_eq!(away.payload().flushes.load(Relaxed), 1);
    assert_eq!(me.payload().flushes.load(Relaxed), 1);
    assert!(!world.passed(epoch));
    assert_eq!(busy.breaker().load(Relaxed), breaker_bits::HANDSHAKE);
    world.detach(&busy);
    assert_eq!(busy.payload().flushes.load(Relaxed), 1);
    assert!(world.passed(epoch));
    let late = world.join(registers).unwrap();
    assert!(world.passed(epoch) && !world.passed(epoch + 1));
    assert_eq!(late.acked(), epoch);
    world.attach(&busy);
    let epoch = world.handshake(&me);
    assert!(!world.passed(epoch));
    world.detach(&busy);
    world.leave(&busy);
    assert!(world.passed(epoch));
}

#[test]
fn stop_excludes_everyone_and_stoppers_take_turns() {
    let (world, stops, done) = (World::new(), AtomicUsize::new(0), AtomicBool::new(false));
    let done = &done;
    let work = |stopper: bool| {
        let _ends = Ends(done);
        let me = world.join(registers).unwrap();
        world.attach(&me);
        for round in 0u32.. {
            me.payload().running.store(true, SeqCst);
            std::hint::spin_loop();
            me.payload().running.store(false, SeqCst);
            poll(&world, &me);
            if round.is_multiple_of(7) {
                world.detach(&me);
                world.attach(&me);
            }
            if round.is_multiple_of(5) {
                world.handshake(&me);
            }
            if stopper && round.is_multiple_of(11) {
                world.stop(&me, |stopped| {
                    let look = || stopped.peers().any(|p| p.payload().running.load(SeqCst));
                    assert!((0..50).all(|_| !look()));
                    world.stop(&me, |inner| {
                        // Threads may have joined, held, but none has left.
                        assert!(inner.peers().count() >= stopped.peers().count());
                    });
                    let epoch = world.handshake(&me);
                    assert!(world.passed(epoch));
                });
                stops.fetch_add(1, Relaxed);
            }
            if done.load(Relaxed) {
                break;
            }
        }
        world.detach(&me);
        world.leave(&me);
    };
    let work = &work;
    std::thread::scope(|scope| {
        let _ends = Ends(done);
        for stopper in [true, true, false, false] {
            scope.spawn(move || work(stopper));
        }
        scope.spawn(|| {
            while !done.load(Relaxed) {
                let me = world.join(registers).unwrap();
                world.attach(&me);
                me.payload().running.store(true, SeqCst);
                me.payload().running.store(false, SeqCst);
                world.detach(&me);
                world.leave(&me);
            }
        });
        wait_for("the world stands still", || {
            stops.load(Relaxed) > STOPS || done.load(Relaxed)
        });
        done.store(true, Relaxed);
    });
    assert!(world.is_empty());
}

#[test]
fn a_panic_while_stopped_lets_the_world_go_on() {
    let world = World::new();
    let (me, other) = (
        world.join(registers).unwrap(),
        world.join(registers).unwrap(),
    );
    world.attach(&me);
    let stop = std::panic::AssertUnwindSafe(|| {
        world.stop(&me, |_| {
            assert!(other.is_held());
            panic!("while stopped")
        })
    });
    assert!(std::panic::catch_unwind(stop).is_err());
    world.attach(&other);
    assert!(!other.is_held());
}

#[test]
fn who_is_stopped_again_and_again_runs_in_between() {
    const TIMES: u32 = 50;
    let world = World::new();
    let done = AtomicBool::new(false);
    let (me, other) = (
        world.join(registers).unwrap(),
        world.join(registers).unwrap(),
    );
    world.attach(&other);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                poll(&world, &other);
            }
            world.detach(&other);
        });
        world.attach(&me);
        let _ends = Ends(&done);
        let mut stood = Duration::ZERO;
        let begin = Instant::now();
        for _ in 0..TIMES {
            world.stop(&me, |_| {
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_micros(100) {}
                stood += begin.elapsed();
            });
        }
        // Somebody was held up each time: between two stops the world goes on for four times as long as it stood still.
        let (whole, least) = (begin.elapsed(), Duration::from_micros(400) * (TIMES - 1));
        assert!(
            whole > stood + least,
            "{whole:?}, of which it stood still for {stood:?}"
        );
        world.detach(&me);
    });
}

static FREED: AtomicU64 = AtomicU64::new(0);

unsafe fn count_freed(pointer: *mut ()) {
    FREED.fetch_add(pointer.addr() as u64, Relaxed);
}

#[test]
fn retired_memory_waits_for_a_handshake_and_outlives_its_thread() {
    let world = World::new();
    let (me, other) = (
        world.join(registers).unwrap(),
        world.join(registers).unwrap(),
    );
    world.attach(&me);
    world.attach(&other);
    let mut retired = Retired::new();
    // SAFETY: the pointers are only numbers.
    unsafe {
        retired.push(std::ptr::without_provenance_mut(1), count_freed);
        retired.push(std::ptr::without_provenance_mut(2), count_freed);
    }
    assert_eq!(retired.reclaim(&world), 0);
    retired.request(&world, &me);
    assert_eq!((retired.fresh(), retired.len()), (0, 2));
    assert_eq!(retired.reclaim(&world), 0);
    let mut others = Retired::new();
    // SAFETY: as above.
    unsafe { others.push(std::ptr::without_provenance_mut(4), count_freed) };
    others.orphan(&world);
    assert!(others.is_empty());
    world.detach(&other);
    world.leave(&other);
    assert_eq!(retired.reclaim(&world), 2);
    assert_eq!((FREED.load(Relaxed), retired.fresh()), (3, 1));
    retired.request(&world, &me);
    assert_eq!(retired.reclaim(&world), 1);
    assert_eq!(FREED.load(Relaxed), 7);
}

#[test]
fn a_forked_child_has_one_thread() {
    let world = World::new();
    let (me, other) = (
        world.join(registers).unwrap(),
        world.join(registers).unwrap(),
    );
    world.attach(&me);
    assert_eq!(world.fork(&me, || 17, |pid| *pid == 0), 17);
    assert_eq!(world.len(), 2);
    world.attach(&other);
    world.detach(&other);
    assert_eq!(world.fork(&me, || 0, |pid| *pid == 0), 0);
    assert_eq!(world.len(), 1);
    let epoch = world.handshake(&me);
    assert!(world.passed(epoch));
    world.stop(&me, |stopped| assert_eq!(stopped.peers().count(), 1));
    assert_eq!(world.join(registers).unwrap().tag(), 3);
    world.after_fork_child(&me);
    assert_eq!(world.len(), 1);
}
