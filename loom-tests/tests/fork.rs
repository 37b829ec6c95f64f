//! Fork with other threads about, and the new tag that the first thread takes.
//!
//! Drives the world of `threads` itself. A model has one address space, so the child goes on where the parent was; the other thread does
//! nothing more with the world, as it is not there in a child.
#![cfg(loom)]

use weft_loom_tests::{Watched, fails, holds};
use weft_threads::peer::{DETACHED, HELD};
use weft_threads::sync::atomic::{AtomicU16, Ordering::*};
use weft_threads::sync::{Arc, thread};
use weft_threads::{Payload, Peer, World};

/// The registers, which are looked at by their thread, by who forks, and by who asks for a handshake.
struct Registers(Watched<u64>);

impl Payload for Registers {
    fn flush(&self) {
        self.0.set(self.0.get() + 1);
    }
}

type Shared = Arc<World<Registers>>;

fn joined(world: &Shared) -> Arc<Peer<Registers>> {
    let make = |_| Registers(Watched::new(0));
    let peer = world.join(make).expect("a free tag");
    world.attach(&peer);
    peer
}

/// What a child can do that thinks itself alone: nobody answers but those that are there.
fn live_on(world: &Shared, me: &Peer<Registers>) {
    assert_eq!(world.len(), 1);
    let epoch = world.handshake(me);
    assert!(world.passed(epoch), "waits for a thread that is gone");
    world.stop(me, |stopped| assert_eq!(stopped.peers().count(), 1));
}

/// The other thread works and goes away; then it is forked, and all goes on in the child.
fn child(fork: fn(&Shared, &Peer<Registers>, &Peer<Registers>)) {
    let world = Arc::new(World::new());
    let (me, gone) = (joined(&world), joined(&world));
    let (theirs, peer) = (world.clone(), gone.clone());
    let other = thread::spawn(move || {
        peer.payload().0.set(7);
        // Answers the handshake, if it comes before.
        theirs.detach(&peer);
    });
    world.handshake(&me);
    fork(&world, &me, &gone);
    live_on(&world, &me);
    // Objects of the thread that is gone are still there: its tag is nobody else's.
    let new = joined(&world);
    assert!(new.tag() != gone.tag() && new.tag() != me.tag());
    other.join().unwrap();
}

#[test]
fn the_child_is_alone() {
    holds(5, || {
        child(|world, me, gone| {
            let is_child = world.fork(
                me,
                || {
                    assert!(gone.breaker().load(Acquire) & HELD != 0);
                    gone.payload().0.get();
                    true
                },
                |child| *child,
            );
            assert!(is_child);
        })
    });
}

/// A fork that does not wait for the others finds their registers in use.
#[test]
fn broken_forked_without_stopping() {
    fails(3, || {
        child(|world, me, gone| {
            gone.payload().0.get();
            world.after_fork_child(me);
        })
    });
}

/// In the parent, and if the fork fails, everybody goes on.
#[test]
fn the_parent_goes_on() {
    holds(3, || {
        let world = Arc::new(World::new());
        let (me, other) = (joined(&world), joined(&world));
        let theirs = world.clone();
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                other.payload().0.set(7);
                if other.breaker().load(Acquire) != 0 {
                    theirs.safepoint(&other);
                }
            }
            theirs.detach(&other);
            theirs.attach(&other);
            theirs.detach(&other);
            theirs.leave(&other);
        });
        world.fork(&me, || (), |()| false);
        let epoch = world.handshake(&me);
        thread.join().unwrap();
        assert!(world.passed(epoch));
        live_on(&world, &me);
    });
}

/// The first thread starts another one: with its new tag all that it has made is shared, without being touched. `retag` is how it gets one.
fn first_thread(retag: fn(&Shared, &Peer<Registers>)) {
    let world = Arc::new(World::new());
    let me = joined(&world);
    let owner = Arc::new(AtomicU16::new(me.tag()));
    retag(&world, &me);
    let mine = me.tag();
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (world, owner) = (world.clone(), owner.clone());
            thread::spawn(move || {
                let peer = joined(&world);
                let tag = peer.tag();
                assert!(
                    tag != owner.load(Relaxed),
                    "another's object is taken for my own"
                );
                assert_ne!(tag, mine);
                world.detach(&peer);
                assert!(peer.breaker().load(Relaxed) & DETACHED != 0);
                world.leave(&peer);
            })
        })
        .collect();
    assert!(me.tag() != owner.load(Relaxed), "the object is not shared");
    others.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn all_that_the_first_thread_has_is_shared() {
    holds(3, || {
        first_thread(|world, me| {
            world.retag(me).expect("a tag");
        })
    });
}

#[test]
fn broken_no_new_tag() {
    fails(3, || first_thread(|_, _| ()));
}

/// The old tag is given out again.
#[test]
fn broken_old_tag_used_again() {
    fails(3, || {
        first_thread(|world, me| {
            let old = me.tag();
            world.retag(me).expect("a tag");
            world.free_tag(old);
        })
    });
}
