//! All threads that may touch the heap: joining, attaching, safepoints, handshakes.
//!
//! The rules on which everything rests:
//!
//! - A thread changes its own state (attach, detach) by compare-and-swap of its breaker word.
//! - [`HELD`] is set and cleared under the registry lock only, and attaching fails while it is set.
//!   So whoever has the registry lock and has set it may look at the thread's registers (I8).
//! - The epoch is raised under the registry lock. A thread that has not answered it is running and
//!   has `HANDSHAKE` set: threads that are away are answered for at once, and a thread answers
//!   before it goes away.
//! - Nobody waits for another thread with the registry lock in hand.

use crate::gate::Gate;
use crate::peer::{DETACHED, HELD, Payload, Peer, REQUESTS, breaker_bits::*};
use crate::retire::Orphans;
use crate::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    const_fn,
};
use crate::tags::Tags;
use std::time::{Duration, Instant};

/// The set of threads, and what they have agreed on.
#[derive(Debug)]
pub struct World<P> {
    /// Number of handshakes requested so far.
    epoch: AtomicU64,
    /// Every thread has answered this epoch; a lower bound, see [`World::passed`].
    minimum: AtomicU64,
    /// [`MOVED`] and [`WAITERS`].
    moved: AtomicU32,
    registry: Mutex<Registry<P>>,
    /// How many threads ran when the last handshake was asked for: a hint, and so no part of any protocol.
    crowd: std::sync::atomic::AtomicU32,
    /// A thread that a stopper may be waiting for has come to rest.
    reached: Condvar,
    /// The world goes on.
    resumed: Gate,
    /// How many threads wait for that: a hint.
    held_up: std::sync::atomic::AtomicU32,
    /// `minimum` has been raised.
    answered: Gate,
    pub(crate) orphans: Orphans,
}

/// Somebody has answered, or left, since `minimum` was computed.
const MOVED: u32 = 1;
/// Somebody wants to be told when `minimum` is raised.
const WAITERS: u32 = 2;

/// What the registry lock protects.
#[derive(Debug)]
pub(crate) struct Registry<P> {
    pub(crate) peers: Vec<Arc<Peer<P>>>,
    tags: Tags,
    /// The address of the peer that is stopping the world.
    pub(crate) stopper: Option<usize>,
    /// Nobody stops it before that.
    pub(crate) rest: Option<Instant>,
    /// Threads sleep until `minimum` is raised.
    sleepers: bool,
    /// Which gates are to be opened once the lock is free.
    open: Gates,
}

#[derive(Debug, Default, Clone, Copy)]
struct Gates {
    resumed: bool,
    answered: bool,
}

/// The registry, locked. Who waits for what happens under the lock is woken when it is free.
pub(crate) struct Held<'a, P> {
    world: &'a World<P>,
    registry: Option<MutexGuard<'a, Registry<P>>>,
}

impl<P> std::ops::Deref for Held<'_, P> {
    type Target = Registry<P>;
    fn deref(&self) -> &Registry<P> {
        self.registry
            .as_ref()
            .expect("taken out only by those who consume it")
    }
}

impl<P> std::ops::DerefMut for Held<'_, P> {
    fn deref_mut(&mut self) -> &mut Registry<P> {
        self.registry
            .as_mut()
            .expect("taken out only by those who consume it")
    }
}

impl<P> Drop for Held<'_, P> {
    fn drop(&mut self) {
        if let Some(mut registry) = self.registry.take() {
            let open = std::mem::take(&mut registry.open);
            drop(registry);
            if open.resumed {
                self.world.resumed.open();
            }
            if open.answered {
                self.world.answered.open();
            }
        }
    }
}

impl<P: Payload> Default for World<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Payload> World<P> {
    const_fn! {
        /// A world without threads.
        pub fn new() -> Self {
            Self {
                epoch: AtomicU64::new(0),
                minimum: AtomicU64::new(0),
                moved: AtomicU32::new(0),
                crowd: std::sync::atomic::AtomicU32::new(0),
                registry: Mutex::new(Registry {
                    peers: Vec::new(),
                    tags: Tags::new(),
                    stopper: None,
                    rest: None,
                    sleepers: false,
                    open: Gates {
                        resumed: false,
                        answered: false,
                    },
                }),
                reached: Condvar::new(),
                resumed: Gate::new(),
                held_up: std::sync::atomic::AtomicU32::new(0),
                answered: Gate::new(),
                orphans: Orphans::new(),
            }
        }
    }

    // ---- joining and leaving ----

    /// Registers a new thread, detached, whose payload `make` builds from its tag.
    ///
    /// The tag is the smallest free one of 1..=65534; `None` if there is none. The thread has
    /// answered all handshakes so far: it has no registers yet. Never waits for a stopped world
    /// (an attached thread may register another): the new thread's `attach` does.
    pub fn join(&self, make: impl FnOnce(u16) -> P) -> Option<Arc<Peer<P>>> {
        let tag = self.registry().tags.take()?;
        let claim = Claim { world: self, tag };
        let payload = make(tag);
        std::mem::forget(claim);
        let mut registry = self.registry();
        let held = registry.stopper.is_some();
        // Relaxed: written under this lock only.
        let epoch = self.epoch.load(Relaxed);
        let peer = Arc::new(Peer::new(tag, epoch, held, payload));
        registry.peers.push(Arc::clone(&peer));
        Some(peer)
    }

    /// Forgets a detached thread and frees its tag. Waits while somebody holds it.
    ///
    /// No object may be left that has the tag as its owner: see [`World::leave_keeping_tag`].
    pub fn leave(&self, peer: &Arc<Peer<P>>) {
        let tag = peer.tag();
        self.leave_keeping_tag(peer);
        self.free_tag(tag);
    }

    /// As [`World::leave`], but the tag stays taken until [`World::free_tag`]: objects that the
    /// thread owned outlive it.
    pub fn leave_keeping_tag(&self, peer: &Arc<Peer<P>>) {
        debug_assert!(!peer.is_attached());
        let mut registry = self.registry();
        while peer.is_held() {
            self.wait_resumed(registry);
            registry = self.registry();
        }
        registry.peers.retain(|other| !Arc::ptr_eq(other, peer));
        self.set_moved();
    }

    /// Makes a tag available to new threads.
    pub fn free_tag(&self, tag: u16) {
        self.registry().tags.free(tag);
    }

    /// Gives `peer` a new tag, so that all it owned belongs to nobody. The old tag is never given
    /// to anyone again. `None` if tags have run out. To be called by the thread itself.
    pub fn retag(&self, peer: &Peer<P>) -> Option<u16> {
        let tag = self.registry().tags.take()?;
        peer.set_tag(tag);
        Some(tag)
    }

    /// The threads that are registered at this moment.
    pub fn peers(&self) -> Vec<Arc<Peer<P>>> {
        self.registry().peers.clone()
    }

    /// How many threads are registered.
    pub fn len(&self) -> usize {
        self.registry().peers.len()
    }

    /// Whether no thread is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // ---- attaching and detaching ----

    /// The calling thread begins to run. Waits while it is held or the world is stopping.
    // Acquire on success: pairs with the release by which a holder lets go, so that what it did to
    // the registers is seen.
    #[inline]
    pub fn attach(&self, peer: &Peer<P>) {
        let now = peer.breaker().load(Relaxed);
        debug_assert!(now & DETACHED != 0, "attached twice");
        if now & (HELD | STOP) != 0
            || peer
                .breaker()
                .compare_exchange(now, now & !DETACHED, Acquire, Relaxed)
                .is_err()
        {
            self.attach_slow(peer);
        }
    }

    #[cold]
    #[inline(never)]
    fn attach_slow(&self, peer: &Peer<P>) {
        loop {
            let now = peer.breaker().load(Relaxed);
            if now & (HELD | STOP) != 0 {
                // Both are cleared under the lock, before the gate is opened.
                let registry = self.registry();
                if peer.breaker().load(Relaxed) & (HELD | STOP) != 0 {
                    self.wait_resumed(registry);
                }
            } else if peer
                .breaker()
                .compare_exchange(now, now & !DETACHED, Acquire, Relaxed)
                .is_ok()
            {
                return;
            }
        }
    }

    /// The calling thread goes away: from now on its registers may be looked at by others.
    // Release on success: pairs with the acquire by which a requester holds the thread. The one
    // exchange also decides the races: a handshake or a stop that comes later finds the thread
    // away, one that came earlier is seen here.
    #[inline]
    pub fn detach(&self, peer: &Peer<P>) {
        let now = peer.breaker().load(Relaxed);
        debug_assert!(now & DETACHED == 0, "detached twice");
        if now & (STOP | HANDSHAKE | SETTLE) != 0
            || peer
                .breaker()
                .compare_exchange(now, now | DETACHED, Release, Relaxed)
                .is_err()
        {
            self.detach_slow(peer);
        }
    }

    #[cold]
    #[inline(never)]
    fn detach_slow(&self, peer: &Peer<P>) {
        let now = self.settle_into(peer, DETACHED);
        if now & STOP != 0 {
            // The stopper checks and waits under the lock, so it is not past its check.
            let _registry = self.registry();
            self.reached.notify_all();
        }
        if now & SETTLE != 0 {
            self.pass_on(peer);
        }
        self.tell();
    }

    /// Answers what handshake there is and sets a state bit, with no handshake between the two.
    /// Returns the breaker as it was.
    fn settle_into(&self, peer: &Peer<P>, state: u32) -> u32 {
        loop {
            let now = peer.breaker().load(Relaxed);
            if now & HANDSHAKE != 0 {
                self.answer(peer);
            } else if peer
                .breaker()
                .compare_exchange(now, now | state, Release, Relaxed)
                .is_ok()
            {
                return now;
            }
        }
    }

    // ---- safepoints ----

    /// What a thread does when it finds its breaker set: answers a handshake, and waits if the
    /// world is stopping. Returns the other requests, still set (see [`Peer::take`]), and `HANDSHAKE` if it has answered one.
    #[cold]
    #[inline(never)]
    pub fn safepoint(&self, peer: &Peer<P>) -> u32 {
        let mut answered = 0;
        loop {
            let now = peer.breaker().load(Acquire);
            if now & HANDSHAKE != 0 {
                self.answer(peer);
                self.tell();
                answered = HANDSHAKE;
            } else if now & STOP != 0 {
                self.park(peer, self.registry());
            } else {
                return now & REQUESTS | answered;
            }
        }
    }

    /// The thread comes to rest until the world goes on, if it is being stopped.
    // Acquire at last: pairs with the release by which the stopper lets go. The lock is not taken again: see [`Gate`].
    pub(crate) fn park<'a>(&'a self, peer: &Peer<P>, mut registry: Held<'a, P>) {
        if registry.stopper.is_none() {
            return;
        }
        self.settle_into(peer, HELD);
        if self.has_waiters() {
            self.agreed(&mut registry);
        }
        self.reached.notify_all();
        loop {
            self.wait_resumed(registry);
            if peer.breaker().load(Acquire) & HELD == 0 {
                return;
            }
            registry = self.registry();
            if !peer.is_held() {
                return;
            }
        }
    }

    /// Waits until the world goes on, or for less long.
    fn wait_resumed(&self, registry: Held<'_, P>) {
        let number = self.resumed.number();
        self.held_up.fetch_add(1, Relaxed);
        drop(registry);
        self.resumed.wait(number, None);
        self.held_up.fetch_sub(1, Relaxed);
    }

    // ---- handshakes ----

    /// The number of handshakes requested so far.
    // Acquire: see `answer`.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Acquire)
    }

    /// Asks every thread to flush its registers, and returns the epoch by which to ask whether all
    /// have: see [`World::passed`]. The caller's own are flushed at once, and those of threads that
    /// are away are flushed by the caller. Waits for nobody.
    pub fn handshake(&self, me: &Peer<P>) -> u64 {
        let mut registry = self.registry();
        // Release: whoever reads the new epoch (in `answer`) sees what the caller listed or
        // unlinked before.
        let epoch = self.epoch.fetch_add(1, AcqRel) + 1;
        let mut running = 1;
        for peer in &registry.peers {
            if !std::ptr::eq(&**peer, me) {
                running += u32::from(self.ask(peer, epoch));
            }
        }
        self.crowd.store(running, Relaxed);
        me.breaker().fetch_and(!HANDSHAKE, AcqRel);
        me.payload().flush();
        self.ack(me, epoch);
        if self.has_waiters() {
            self.agreed(&mut registry);
        }
        epoch
    }

    /// Has a thread answer `epoch`: sets its breaker if it runs, answers for it if not. With the
    /// registry lock held. Whether it runs.
    // Release when asking: pairs with the acquire in `answer`. Acquire when holding: pairs with the
    // release in `settle_into` and `detach`; release when letting go: pairs with `attach`.
    fn ask(&self, peer: &Peer<P>, epoch: u64) -> bool {
        let word = peer.breaker();
        loop {
            let now = word.load(Acquire);
            if now & HELD != 0 {
                // Held by a stopper, who must have the lock that we have to let it go.
                peer.payload().flush();
                self.ack(peer, epoch);
                word.fetch_and(!HANDSHAKE, AcqRel);
                return false;
            }
            let running = now & DETACHED == 0;
            let next = now | if running { HANDSHAKE } else { HELD };
            if word.compare_exchange(now, next, AcqRel, Relaxed).is_err() {
                continue;
            }
            if !running {
                peer.payload().flush();
                self.ack(peer, epoch);
                // Who waits to attach waits for the registry lock: nobody to wake.
                word.fetch_and(!(HELD | HANDSHAKE), Release);
            }
            return running;
        }
    }

    /// The thread's own answer.
    // The bit is cleared before the epoch is read: a request that comes between sets it again. The
    // acquire of the bit, or of the epoch itself, makes every flag that was set before that epoch
    // visible to the flush. Nothing to do if an earlier answer was for this epoch already.
    #[cold]
    fn answer(&self, peer: &Peer<P>) {
        peer.breaker().fetch_and(!HANDSHAKE, AcqRel);
        let epoch = self.epoch.load(Acquire);
        if peer.acked() < epoch {
            peer.payload().flush();
            self.ack(peer, epoch);
        }
    }

    fn ack(&self, peer: &Peer<P>, epoch: u64) {
        peer.set_acked(epoch);
        self.set_moved();
    }

    /// Whether every registered thread has answered `epoch`. Threads that are away have been
    /// answered for when it was raised, so this has only to look.
    // Acquire on the minimum: pairs with the release below, which comes after an acquire of every
    // answer. What any thread did before it answered happened before this returns true.
    #[inline]
    pub fn passed(&self, epoch: u64) -> bool {
        self.minimum.load(Acquire) >= epoch || self.passed_slow(epoch)
    }

    #[cold]
    #[inline(never)]
    fn passed_slow(&self, epoch: u64) -> bool {
        // Read before swapping: polling must not write.
        if self.moved.load(Relaxed) & MOVED == 0
            || self.moved.fetch_and(!MOVED, AcqRel) & MOVED == 0
        {
            return false;
        }
        self.agreed(&mut self.registry()) >= epoch
    }

    /// The epoch that every registered thread has answered. Tells those who wait for that, if it is another one than before.
    // The minimum is written under the lock only, and never lowered: new threads start at the newest epoch. So whoever raises it
    // finds all that wait, and who begins to wait later has seen it.
    pub(crate) fn agreed(&self, registry: &mut Registry<P>) -> u64 {
        let answered = registry.peers.iter().map(|peer| peer.acked()).min();
        let minimum = answered.unwrap_or_else(|| self.epoch.load(Relaxed));
        if minimum > self.minimum.load(Relaxed) {
            self.minimum.store(minimum, Release);
            if !self.has_waiters() {
                return minimum;
            }
            self.moved.fetch_and(!WAITERS, AcqRel);
            for peer in &registry.peers {
                if peer.set_waiting(false) {
                    peer.raise(SETTLE);
                }
            }
            registry.open.answered = std::mem::take(&mut registry.sleepers);
        }
        minimum
    }

    /// As [`World::passed`]. If it has not, the caller's `SETTLE` is raised when more have answered: it need not ask again before.
    // Whoever answers changes the same word by a read-modify-write: after this one, and then sees that somebody waits; or before it,
    // and then the look that follows sees the answer.
    pub fn passed_or_tell(&self, me: &Peer<P>, epoch: u64) -> bool {
        let mut registry = self.registry();
        me.set_waiting(true);
        self.moved.fetch_or(WAITERS, AcqRel);
        let passed = self.agreed(&mut registry) >= epoch;
        if passed {
            me.set_waiting(false);
        }
        passed
    }

    /// Gives the core away until all have answered, for so long at most. Whether they have.
    // As in `passed_or_tell`. Who finds that all have answered an earlier epoch has told those that waited, and so itself: once more.
    #[cold]
    pub fn wait_passed(&self, epoch: u64, most: Duration) -> bool {
        let begin = Instant::now();
        loop {
            let mut registry = self.registry();
            self.moved.fetch_or(WAITERS, AcqRel);
            if self.agreed(&mut registry) >= epoch {
                return true;
            }
            if !self.has_waiters() {
                continue;
            }
            let left = most.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            registry.sleepers = true;
            let number = self.answered.number();
            drop(registry);
            self.answered.wait(number, Some(left));
            if self.minimum.load(Acquire) >= epoch {
                return true;
            }
        }
    }

    /// Calls `f` for what is kept of each thread that runs and has not answered.
    #[cold]
    pub fn each_late(&self, epoch: u64, mut f: impl FnMut(&P)) {
        for peer in &self.registry().peers {
            if peer.is_attached() && peer.acked() < epoch {
                f(peer.payload());
            }
        }
    }

    /// After an answer: whether somebody may wait for it.
    fn has_waiters(&self) -> bool {
        self.moved.load(Acquire) & WAITERS != 0
    }

    /// The same, and has them told.
    fn tell(&self) {
        if self.has_waiters() {
            self.agreed(&mut self.registry());
        }
    }

    /// How many threads ran when the last handshake was asked for.
    pub fn crowd(&self) -> u32 {
        self.crowd.load(Relaxed)
    }

    /// Whether all other threads are away just now, so that none has to be waited for.
    pub fn is_alone(&self, me: &Peer<P>) -> bool {
        let registry = self.registry();
        let mut others = registry.peers.iter().filter(|p| !std::ptr::eq(&***p, me));
        !others.any(|p| p.is_attached())
    }

    /// Has another thread settle, which comes to a safepoint soon. If all are away, the first that is back.
    // One exchange tells whether the thread was away. If it was not, and goes away after that, it sees the request as it does so,
    // and passes it on: see `detach_slow`.
    #[cold]
    pub fn pass_on(&self, me: &Peer<P>) {
        let registry = self.registry();
        let mut others = registry.peers.iter().filter(|p| !std::ptr::eq(&***p, me));
        if others.any(|p| p.is_attached() && p.raise(SETTLE) & DETACHED == 0) {
            return;
        }
        for peer in &registry.peers {
            peer.raise(SETTLE);
        }
    }

    // ---- for the other modules of this crate ----

    pub(crate) fn registry(&self) -> Held<'_, P> {
        Held {
            world: self,
            registry: Some(self.registry.lock()),
        }
    }

    /// Waits for a thread to come to rest.
    pub(crate) fn wait_reached<'a>(&self, mut registry: Held<'a, P>) -> Held<'a, P> {
        registry.registry = registry
            .registry
            .take()
            .map(|guard| self.reached.wait(guard));
        registry
    }

    /// The world goes on as soon as the lock is free. Whether threads wait for that.
    pub(crate) fn set_resumed(&self, registry: &mut Registry<P>) -> bool {
        registry.open.resumed = true;
        self.held_up.load(Relaxed) > 0
    }

    pub(crate) fn forget_held_up(&self) {
        self.held_up.store(0, Relaxed);
    }

    /// Has the minimum computed anew by whoever asks next.
    // Release, and an exchange rather than a store: whoever clears the flag has acquired all that
    // set it, not only the last. (Otherwise it may miss an answer, and nobody looks again: loom.)
    pub(crate) fn set_moved(&self) {
        self.moved.fetch_or(MOVED, AcqRel);
    }
}

/// Frees a tag if the payload could not be made.
struct Claim<'a, P: Payload> {
    world: &'a World<P>,
    tag: u16,
}

impl<P: Payload> Drop for Claim<'_, P> {
    fn drop(&mut self) {
        self.world.free_tag(self.tag);
    }
}
