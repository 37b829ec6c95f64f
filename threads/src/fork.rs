//! Surviving `fork`: the child has one thread, and the locks are in its hands.

use crate::peer::{Payload, Peer};
use crate::world::World;

impl<P: Payload> World<P> {
    /// Forks with the world stopped and its locks held, and cleans up in the child.
    ///
    /// `fork` makes the call; `in_child` tells from its result whether this is the child. The locks
    /// are held by the thread that survives, so none is left locked by one that is gone. A failed
    /// fork is a parent's result. `fork` must not use this world.
    pub fn fork<R>(
        &self,
        me: &Peer<P>,
        fork: impl FnOnce() -> R,
        in_child: impl FnOnce(&R) -> bool,
    ) -> R {
        self.stop(me, |_| {
            let mut registry = self.registry();
            let _orphans = self.orphans.hold();
            let result = fork();
            if in_child(&result) {
                registry.peers.retain(|peer| std::ptr::eq(&**peer, me));
                self.forget_held_up();
                self.set_moved();
                self.agreed(&mut registry);
            }
            result
        })
    }

    /// Forgets every thread but `me`, for a child whose fork was not made by [`World::fork`].
    ///
    /// The caller must know that no other thread was inside a call on this world at the moment of
    /// the fork: otherwise its lock stays locked. Tags of the threads that are gone stay taken,
    /// because their objects are still in the heap; what they had retired is never freed.
    pub fn after_fork_child(&self, me: &Peer<P>) {
        let mut registry = self.registry();
        registry.peers.retain(|peer| std::ptr::eq(&**peer, me));
        self.forget_held_up();
        registry.stopper = registry
            .stopper
            .filter(|address| *address == std::ptr::from_ref(me).addr());
        self.set_moved();
        self.agreed(&mut registry);
    }
}
