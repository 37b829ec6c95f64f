//! Stopping the world: one thread runs, all others are held where they are.

use crate::peer::{DETACHED, HELD, Payload, Peer, breaker_bits::STOP};
use crate::sync::{
    Arc,
    atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use crate::world::{Registry, World};

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
    /// it has its turn. Inside `f`, stopping again just runs the inner function.
    pub fn stop<R>(&self, me: &Peer<P>, f: impl FnOnce(&Stopped<'_, P>) -> R) -> R {
        debug_assert!(me.is_attached());
        let address = std::ptr::from_ref(me).addr();
        let mut registry = self.registry();
        let nested = registry.stopper == Some(address);
        if !nested {
            while registry.stopper.is_some() {
                registry = self.park(me, registry);
            }
            registry.stopper = Some(address);
            while !hold_others(&registry, me) {
                registry = self.wait_reached(registry);
            }
        }
        let peers = registry.peers.clone();
        drop(registry);
        let _resume = (!nested).then(|| Resume(self));
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

/// Lets the world go on when it goes out of scope.
struct Resume<'a, P: Payload>(&'a World<P>);

impl<P: Payload> Drop for Resume<'_, P> {
    // Release: what was done to the registers is seen by their thread when it goes on.
    fn drop(&mut self) {
        let mut registry = self.0.registry();
        registry.stopper = None;
        for peer in &registry.peers {
            peer.breaker().fetch_and(!(STOP | HELD), Release);
        }
        self.0.notify_resumed();
    }
}
