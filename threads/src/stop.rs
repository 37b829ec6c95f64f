//! Stopping the world: one thread runs, all others are held where they are.

use crate::peer::{DETACHED, HELD, Payload, Peer, breaker_bits::STOP};
use crate::sync::{
    Arc,
    atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use crate::world::{Registry, World};
use std::time::{Duration, Instant};

// A thread that stops the world again and again would have it for itself: those that it has held up are awake only some time after
// it has let them go, and find themselves held again. So once some were held up the world goes on for a multiple of the time for which
// it stood still, within these bounds, before it is stopped again.
const REST: u32 = 4;
const LEAST_REST: Duration = Duration::from_micros(200);
const MOST_REST: Duration = Duration::from_millis(1);

/// Proof that the world is stopped, and the threads in it.
#[derive(Debug)]
pub struct Stopped<'a, P> {
    world: &'a World<P>,
    peers: Vec<Arc<Peer<P>>>,
}

impl<'a, P: Payload> Stopped<'a, P> {
    /// All threads, the one that has stopped the world among them.
    pub fn peers(&self) -> impl Iterator<Item = &Arc<Peer<P>>> {
        self.peers.iter()
    }

    /// The world that is stopped.
    pub fn world(&self) -> &'a World<P> {
        self.world
    }
}

impl<P: Payload> World<P> {
    /// Stops the world, runs `f`, and lets it go on, also if `f` panics.
    ///
    /// `me` is attached and at a safepoint. While `f` runs every other thread is away and held, or
    /// parked at a safepoint, and cannot leave that state; threads that join meanwhile are held from
    /// the start. If another thread is stopping the world already, this one acts as stopped until
    /// it has its turn; and it is away for up to a millisecond if the world was stopped just before.
    /// Inside `f`, stopping again just runs the inner function.
    pub fn stop<R>(&self, me: &Peer<P>, f: impl FnOnce(&Stopped<'_, P>) -> R) -> R {
        debug_assert!(me.is_attached());
        let address = std::ptr::from_ref(me).addr();
        let mut registry = self.registry();
        let nested = registry.stopper == Some(address);
        let mut began = None;
        if !nested {
            loop {
                if registry.stopper.is_some() {
                    self.park(me, registry);
                    registry = self.registry();
                } else if let Some(rest) = registry.take_rest() {
                    drop(registry);
                    self.detach(me);
                    std::thread::sleep(rest);
                    self.attach(me);
                    registry = self.registry();
                } else {
                    break;
                }
            }
            registry.stopper = Some(address);
            began = Some(Instant::now());
            while !hold_others(&registry, me) {
                registry = self.wait_reached(registry);
            }
        }
        let peers = registry.peers.clone();
        drop(registry);
        let _resume = began.map(|began| Resume(self, began));
        f(&Stopped { world: self, peers })
    }
}

/// Asks all others to stop and holds those that are away. True if all are at rest.
// The request is a read-modify-write of the word by which a thread goes away, so a thread that does
// so afterwards sees it and reports. Acquire on holding: pairs with the release of going away.
fn hold_others<P>(registry: &Registry<P>, me: &Peer<P>) -> bool {
    let mut all = true;
    for peer in &registry.peers {
        if std::ptr::eq(&**peer, me) {
            continue;
        }
        let word = peer.breaker();
        loop {
            let now = word.load(Acquire);
            if now & HELD != 0 {
                break;
            }
            let away = now & DETACHED != 0;
            let next = now | STOP | if away { HELD } else { 0 };
            if word.compare_exchange(now, next, AcqRel, Relaxed).is_ok() {
                all &= away;
                break;
            }
        }
    }
    all
}

impl<P> Registry<P> {
    /// For how long the world must go on yet before it is stopped again.
    // There is no time under loom: no rest.
    fn take_rest(&mut self) -> Option<Duration> {
        let rest = self.rest?.checked_duration_since(Instant::now());
        if rest.is_none() {
            self.rest = None;
        }
        rest.filter(|_| cfg!(not(loom)))
    }
}

/// Lets the world go on when it goes out of scope. With the time at which it was asked to stop.
struct Resume<'a, P: Payload>(&'a World<P>, Instant);

impl<P: Payload> Drop for Resume<'_, P> {
    // Release: what was done to the registers is seen by their thread when it goes on.
    fn drop(&mut self) {
        let Resume(world, began) = *self;
        let mut registry = world.registry();
        registry.stopper = None;
        for peer in &registry.peers {
            peer.breaker().fetch_and(!(STOP | HELD), Release);
        }
        if world.set_resumed(&mut registry) {
            let rest = (began.elapsed() * REST).clamp(LEAST_REST, MOST_REST);
            registry.rest = Some(Instant::now() + rest);
        }
    }
}
