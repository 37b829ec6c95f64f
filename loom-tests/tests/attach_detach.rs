//! Attaching, detaching, holding, and stopping the world (I8).
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::Ordering::{Acquire, Relaxed, Release},
};
use loom::thread;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::peer::DETACHED;
use weft_threads::{Payload, Peer, World};

/// Written by its thread while attached, and by whoever holds the thread.
struct Registers(Watched<u32>);

impl Registers {
    fn touch(&self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Payload for Registers {
    fn flush(&self) {
        self.touch();
    }
}

type Me = Arc<Peer<Registers>>;
type All = Arc<World<Registers>>;

fn join(world: &All) -> Me {
    world
        .join(|_| Registers(Watched::new(0)))
        .expect("a free tag")
}

fn stop(world: &All, me: &Me) {
    world.stop(me, |stopped| {
        stopped.peers().for_each(|peer| peer.payload().touch())
    });
}

fn poll(world: &All, me: &Me) {
    if me.breaker().load(Relaxed) != 0 {
        world.safepoint(me);
    }
}

fn attach(world: &All, me: &Me) {
    world.attach(me);
}

fn detach(world: &All, me: &Me) {
    world.detach(me);
}

/// Attaches whoever holds it.
fn attach_unasked(_: &All, me: &Me) {
    me.breaker().fetch_and(!DETACHED, Acquire);
}

/// Goes away without a word to whoever waits for that.
fn detach_silently(_: &All, me: &Me) {
    me.breaker().fetch_or(DETACHED, Release);
}

/// Goes away without publishing its registers.
fn detach_relaxed(world: &All, me: &Me) {
    if me.breaker().fetch_or(DETACHED, Relaxed) != 0 {
        me.breaker().fetch_and(!DETACHED, Relaxed);
        world.detach(me);
    }
}

type Step = fn(&All, &Me);

/// One runs, goes away and comes back, the other does `act` meanwhile.
fn come_and_go(attach: Step, detach: Step, act: Step) {
    let world = Arc::new(World::new());
    let (me, other) = (join(&world), join(&world));
    world.attach(&me);
    let theirs = (Arc::clone(&world), Arc::clone(&other));
    let thread = thread::spawn(move || {
        let (world, other) = theirs;
        attach(&world, &other);
        other.payload().touch();
        detach(&world, &other);
        attach(&world, &other);
        other.payload().touch();
        poll(&world, &other);
        other.payload().touch();
        detach(&world, &other);
    });
    act(&world, &me);
    world.detach(&me);
    thread.join().unwrap();
    assert!(!other.is_held() && !other.is_attached());
    world.leave(&other);
    assert_eq!(world.len(), 1);
}

fn handshake(world: &All, me: &Me) {
    world.handshake(me);
}

fn stop_twice(world: &All, me: &Me) {
    world.stop(me, |_| {
        let epoch = world.handshake(me);
        assert!(world.passed(epoch), "everybody is held");
        stop(world, me);
        stop(world, me);
    });
}

#[test]
fn a_stop_within_a_stop() {
    holds(9, || come_and_go(attach, detach, stop_twice));
}

#[test]
fn nobody_runs_while_stopped() {
    holds(9, || come_and_go(attach, detach, stop));
}

#[test]
fn nobody_runs_while_looked_through() {
    holds(9, || come_and_go(attach, detach, handshake));
}

#[test]
fn broken_attaching_while_held() {
    fails(3, || come_and_go(attach_unasked, detach, stop));
}

#[test]
fn broken_attaching_while_looked_through() {
    fails(3, || come_and_go(attach_unasked, detach, handshake));
}

#[test]
fn broken_detaching_without_a_word() {
    fails(3, || come_and_go(attach, detach_silently, stop));
}

#[test]
fn broken_detaching_relaxed() {
    fails(3, || come_and_go(attach, detach_relaxed, handshake));
}

#[test]
fn two_stoppers_take_turns() {
    holds(9, || {
        let world = Arc::new(World::new());
        let (me, other) = (join(&world), join(&world));
        world.attach(&me);
        let theirs = (Arc::clone(&world), Arc::clone(&other));
        let thread = thread::spawn(move || {
            let (world, other) = theirs;
            world.attach(&other);
            stop(&world, &other);
            other.payload().touch();
            world.detach(&other);
        });
        stop(&world, &me);
        me.payload().touch();
        world.detach(&me);
        thread.join().unwrap();
    });
}

#[test]
fn a_handshake_and_a_stop_do_not_wait_for_each_other() {
    holds(3, || {
        let world = Arc::new(World::new());
        let (me, other, away) = (join(&world), join(&world), join(&world));
        world.attach(&me);
        let theirs = (Arc::clone(&world), Arc::clone(&other));
        let thread = thread::spawn(move || {
            let (world, other) = theirs;
            world.attach(&other);
            handshake(&world, &other);
            world.detach(&other);
        });
        stop(&world, &me);
        world.detach(&me);
        thread.join().unwrap();
        assert!(world.passed(1));
        assert!(!away.is_held());
    });
}

/// A thread that joins while the world is being stopped does not run before it goes on.
fn join_while_stopped(attach: Step) {
    let world = Arc::new(World::new());
    let shared = Arc::new(Watched::new(0));
    let me = join(&world);
    world.attach(&me);
    let theirs = (Arc::clone(&world), Arc::clone(&shared));
    let thread = thread::spawn(move || {
        let (world, shared) = theirs;
        let other = join(&world);
        attach(&world, &other);
        shared.set(1);
        world.detach(&other);
        world.leave(&other);
    });
    world.stop(&me, |_| shared.set(1));
    world.detach(&me);
    thread.join().unwrap();
    assert_eq!(world.len(), 1);
}

#[test]
fn who_joins_late_waits() {
    holds(9, || join_while_stopped(attach));
}

#[test]
fn broken_joining_and_running_at_once() {
    fails(3, || join_while_stopped(attach_unasked));
}
