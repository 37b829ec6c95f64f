//! A heap of one object, for the models of counting and handshakes.

use crate::Watched;
use weft_threads::count::{self, Settled};
use weft_threads::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU32,
        Ordering::{AcqRel, Acquire},
    },
};
use weft_threads::{Payload, Peer, World};

/// The steps of counting, so that a model can run with a broken one.
#[derive(Clone, Copy)]
pub struct Steps {
    pub increment: fn(&AtomicU32),
    pub decrement: fn(&AtomicU32) -> bool,
    pub settle: fn(&AtomicU32) -> Settled,
    /// Whether a flush counts anything.
    pub flush: bool,
}

/// The steps as they are.
pub const REAL: Steps = Steps {
    increment: count::increment,
    decrement: count::decrement,
    settle: count::settle,
    flush: true,
};

/// One object and the slots that may refer to it.
pub struct Heap {
    pub steps: Steps,
    pub count: AtomicU32,
    /// Read by who has the object, written by who destroys it: loom sees it if both happen at once.
    alive: Watched<bool>,
    pub slots: [AtomicBool; 2],
}

impl Heap {
    pub fn new(steps: Steps, count: u32, slots: [bool; 2]) -> Arc<Self> {
        Arc::new(Self {
            steps,
            count: AtomicU32::new(count),
            alive: Watched::new(true),
            slots: slots.map(AtomicBool::new),
        })
    }

    /// What any use of a reference does: the object must be there.
    pub fn touch(&self) {
        assert!(self.alive.get(), "used after its death");
    }

    /// Counts a reference and stores it.
    pub fn store(&self, slot: usize) {
        (self.steps.increment)(&self.count);
        assert!(!self.slots[slot].swap(true, AcqRel));
    }

    /// Empties a slot; true if the caller has listed the object.
    pub fn clear(&self, slot: usize) -> bool {
        self.slots[slot].swap(false, AcqRel) && (self.steps.decrement)(&self.count)
    }

    /// Settles the object; false if it needs another round.
    pub fn settle(&self) -> bool {
        match (self.steps.settle)(&self.count) {
            Settled::Dead => {
                assert!(self.alive.get(), "destroyed twice");
                self.alive.set(false);
                true
            }
            Settled::Alive => true,
            Settled::Again => false,
        }
    }

    /// Whether the object has been destroyed.
    pub fn is_dead(&self) -> bool {
        !self.alive.get()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Register {
    Empty,
    Uncounted,
    Counted,
}

/// A thread with one register.
pub struct Registers {
    heap: Arc<Heap>,
    /// Loom sees it if the owner and a requester use it at once (I8).
    register: Watched<Register>,
}

impl Payload for Registers {
    fn flush(&self) {
        if self.register.get() == Register::Uncounted
            && self.heap.steps.flush
            && count::is_listed(&self.heap.count)
        {
            (self.heap.steps.increment)(&self.heap.count);
            self.register.set(Register::Counted);
        }
    }
}

/// A thread of a model, attached from the start.
#[derive(Clone)]
pub struct Thread {
    pub world: Arc<World<Registers>>,
    pub heap: Arc<Heap>,
    pub peer: Arc<Peer<Registers>>,
}

impl Thread {
    pub fn new(world: &Arc<World<Registers>>, heap: &Arc<Heap>) -> Self {
        let make = |_| Registers {
            heap: Arc::clone(heap),
            register: Watched::new(Register::Empty),
        };
        let peer = world.join(make).expect("a free tag");
        world.attach(&peer);
        Self {
            world: Arc::clone(world),
            heap: Arc::clone(heap),
            peer,
        }
    }

    /// Has the object in its register, uncounted, from the start.
    pub fn holding(self) -> Self {
        self.peer.payload().register.set(Register::Uncounted);
        self
    }

    /// Reads a slot into the register, uncounted.
    pub fn read(&self, slot: usize) {
        if self.heap.slots[slot].load(Acquire) {
            self.peer.payload().register.set(Register::Uncounted);
        }
    }

    /// Uses what is in the register, if anything is.
    pub fn touch(&self) -> bool {
        let full = self.peer.payload().register.get() != Register::Empty;
        if full {
            self.heap.touch();
        }
        full
    }

    /// Empties the register; true if that listed the object.
    pub fn drop_register(&self) -> bool {
        let counted = self.peer.payload().register.get() == Register::Counted;
        self.peer.payload().register.set(Register::Empty);
        counted && (self.heap.steps.decrement)(&self.heap.count)
    }

    /// What the interpreter does at a loop's back-edge.
    pub fn poll(&self) {
        if self.peer.breaker().load(Acquire) != 0 {
            self.world.safepoint(&self.peer);
        }
    }

    pub fn handshake(&self) -> u64 {
        self.world.handshake(&self.peer)
    }

    pub fn detach(&self) {
        self.world.detach(&self.peer);
    }
}

/// With all other threads away: goes on until nothing is listed.
pub fn drain(me: &Thread) {
    loop {
        let epoch = me.handshake();
        assert!(me.world.passed(epoch));
        if me.heap.settle() {
            return;
        }
    }
}
