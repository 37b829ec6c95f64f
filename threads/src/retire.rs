//! Memory that a lock-free reader may still be looking at: freed after a handshake (I7).
//!
//! A thread unlinks something, pushes it to its own list, and some time later requests one handshake
//! for all that it has pushed. The unlinking comes before the raise of the epoch in the same thread,
//! and every other thread reads that epoch before it answers: after its answer it cannot find
//! the old pointer any more. An epoch that somebody else had raised *after* the push would not do:
//! nothing orders our unlinking before it.

use crate::peer::{Payload, Peer};
use crate::sync::{
    Mutex, MutexGuard,
    atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
    const_fn,
};
use crate::world::World;

/// One thing to free.
#[derive(Debug)]
struct Entry {
    pointer: *mut (),
    free: unsafe fn(*mut ()),
}

// SAFETY: `Retired::push` demands that any thread may free the entry.
unsafe impl Send for Entry {}

/// A thread's list of what it has retired.
#[derive(Debug, Default)]
pub struct Retired {
    /// Not covered by a handshake yet.
    fresh: Vec<Entry>,
    /// With the epoch after which they may be freed.
    sealed: Vec<(u64, Vec<Entry>)>,
}

impl Retired {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            fresh: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// Retires `pointer`, which the calling thread has unlinked before.
    ///
    /// # Safety
    ///
    /// No thread can find the pointer any more save in registers that it drops at its next
    /// safepoint, nobody else frees it, and calling `free(pointer)` from any thread is sound.
    pub unsafe fn push(&mut self, pointer: *mut (), free: unsafe fn(*mut ())) {
        self.fresh.push(Entry { pointer, free });
    }

    /// How many entries wait for a handshake to be requested.
    pub fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// How many entries are waiting in all.
    pub fn len(&self) -> usize {
        self.fresh.len()
            + self
                .sealed
                .iter()
                .map(|(_, list)| list.len())
                .sum::<usize>()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.sealed.is_empty()
    }

    /// All that has been pushed so far rides the handshake of `epoch`.
    ///
    /// # Safety
    ///
    /// The calling thread has requested that handshake itself, after the pushes.
    pub unsafe fn seal(&mut self, epoch: u64) {
        if !self.fresh.is_empty() {
            self.sealed.push((epoch, std::mem::take(&mut self.fresh)));
        }
    }

    /// Requests one handshake for all that has been pushed so far.
    pub fn request<P: Payload>(&mut self, world: &World<P>, me: &Peer<P>) {
        if !self.fresh.is_empty() {
            let epoch = world.handshake(me);
            // SAFETY: requested just now, after every push (`&mut self`).
            unsafe { self.seal(epoch) };
        }
    }

    /// Frees what may be freed, and takes over what threads that are gone have left behind.
    /// Returns the number of entries freed.
    pub fn reclaim<P: Payload>(&mut self, world: &World<P>) -> usize {
        world.orphans.adopt(self);
        let mut freed = 0;
        let mut index = 0;
        while index < self.sealed.len() {
            if !world.passed(self.sealed[index].0) {
                index += 1;
                continue;
            }
            let (_, list) = self.sealed.swap_remove(index);
            freed += list.len();
            for Entry { pointer, free } in list {
                // SAFETY: `push` promised that `free` is sound once every thread has passed a
                // safepoint, and the handshake of that list has passed (I7).
                unsafe { free(pointer) };
            }
        }
        freed
    }

    /// Leaves the list to whoever reclaims next: for a thread that is about to leave.
    pub fn orphan<P: Payload>(&mut self, world: &World<P>) {
        if !self.is_empty() {
            world.orphans.receive(self);
        }
    }
}

/// What threads that are gone have left behind.
#[derive(Debug)]
pub(crate) struct Orphans {
    some: AtomicBool,
    list: Mutex<Retired>,
}

impl Orphans {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                some: AtomicBool::new(false),
                list: Mutex::new(Retired::new()),
            }
        }
    }

    fn receive(&self, from: &mut Retired) {
        let mut list = self.list.lock();
        list.fresh.append(&mut from.fresh);
        list.sealed.append(&mut from.sealed);
        self.some.store(true, Release);
    }

    /// Moves all to `to`. Entries that had no handshake get one from their new owner: the lock
    /// orders their unlinking before it.
    fn adopt(&self, to: &mut Retired) {
        if !self.some.load(Acquire) {
            return;
        }
        let mut list = self.list.lock();
        self.some.store(false, Release);
        to.fresh.append(&mut list.fresh);
        to.sealed.append(&mut list.sealed);
    }

    pub(crate) fn hold(&self) -> MutexGuard<'_, Retired> {
        self.list.lock()
    }
}
