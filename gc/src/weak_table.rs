//! Who refers weakly to what: a table from the address of a referent to the weak references that point to it.
//!
//! The lock of the shard that an address belongs to orders upgrading against destruction. Whoever destroys a referent empties its
//! references under it, and frees the memory afterwards; whoever upgrades looks at the referent and counts under it. Written against
//! [`weft_threads::sync`], because `loom-tests/tests/weakref.rs` drives this very file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use weft_threads::sync::RwLock;
use weft_threads::sync::atomic::{AtomicU64, Ordering::*};

/// A weak reference.
pub trait Weak {
    /// The address of the referent; 0 once it has died.
    fn target(&self) -> &AtomicU64;
}

/// Spreads an address over all bits.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, n: u64) {
        let h = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = h ^ (h >> 32);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

type Map<R> = HashMap<u64, Refs<R>, BuildHasherDefault<AddressHasher>>;

/// The weak references to one object, oldest first. Mostly it is one.
enum Refs<R> {
    One(R),
    #[allow(clippy::box_collection)] // A word in the map, and not three.
    Several(Box<Vec<R>>),
}

impl<R> Refs<R> {
    fn as_slice(&self) -> &[R] {
        match self {
            Refs::One(r) => std::slice::from_ref(r),
            Refs::Several(all) => all,
        }
    }

    fn push(&mut self, r: R) {
        match self {
            Refs::Several(all) => all.push(r),
            Refs::One(_) => {
                let few = Box::new(Vec::with_capacity(2));
                if let Refs::One(first) = std::mem::replace(self, Refs::Several(few))
                    && let Refs::Several(all) = self
                {
                    all.extend([first, r]);
                }
            }
        }
    }

    /// Takes out those of which `is` is true. False: none is left.
    fn remove(&mut self, is: impl Fn(&R) -> bool) -> bool {
        match self {
            Refs::One(r) => !is(r),
            Refs::Several(all) => {
                all.retain(|r| !is(r));
                !all.is_empty()
            }
        }
    }
}

/// On cache lines of its own.
#[repr(align(128))]
struct Shard<R>(RwLock<Map<R>>);

/// The table.
pub struct WeakTable<R>(Box<[Shard<R>]>);

impl<R: Weak> WeakTable<R> {
    /// An empty table that so many threads can use at once.
    pub fn new(shards: usize) -> WeakTable<R> {
        let empty = |_| Shard(RwLock::new(Map::default()));
        WeakTable((0..shards).map(empty).collect())
    }

    fn shard(&self, target: u64) -> &RwLock<Map<R>> {
        let mut h = AddressHasher::default();
        h.write_u64(target);
        // Bits that the map itself does not look at first.
        &self.0[(h.finish() >> 40) as usize % self.0.len()].0
    }

    /// `r` refers to `target`, which the caller keeps alive.
    pub fn enter(&self, target: u64, r: R) {
        r.target().store(target, Release);
        let mut map = self.shard(target).write();
        match map.entry(target) {
            Entry::Vacant(place) => {
                place.insert(Refs::One(r));
            }
            Entry::Occupied(mut there) => there.get_mut().push(r),
        }
    }

    /// The weak reference whose word is `target` is about to be freed: `is` picks its entry.
    pub fn leave(&self, target: &AtomicU64, is: impl Fn(&R) -> bool) {
        // Acquire: pairs with the release in `clear`, which is the last that it does with the reference.
        let key = target.load(Acquire);
        if key == 0 {
            return;
        }
        let mut map = self.shard(key).write();
        if let Some(refs) = map.get_mut(&key)
            && !refs.remove(is)
        {
            map.remove(&key);
        }
    }

    /// The address of the referent, counted once more by `count_up`, which says whether it is still alive.
    pub fn upgrade(&self, target: &AtomicU64, count_up: impl FnOnce(u64) -> bool) -> Option<u64> {
        let key = target.load(Acquire);
        if key == 0 {
            return None;
        }
        let _map = self.shard(key).read();
        // Emptied under the lock that we have: while it is not, the referent's memory is there.
        if target.load(Acquire) != key {
            return None;
        }
        count_up(key).then_some(key)
    }

    /// The referent has died: empties every weak reference to it, calling `each` with it before.
    pub fn clear(&self, target: u64, mut each: impl FnMut(&R)) {
        let mut map = self.shard(target).write();
        for r in map.remove(&target).iter().flat_map(Refs::as_slice) {
            each(r);
            // Last: who sees 0 here frees the weak reference without taking the lock. See `leave`.
            r.target().store(0, Release);
        }
    }

    /// The first that `f` gives for a weak reference to `target`, oldest first.
    #[inline]
    pub fn find<T>(&self, target: u64, f: impl FnMut(&R) -> Option<T>) -> Option<T> {
        let map = self.shard(target).read();
        map.get(&target)?.as_slice().iter().find_map(f)
    }

    /// Calls `f` with each weak reference to `target`.
    pub fn look(&self, target: u64, f: impl FnMut(&R)) {
        if let Some(refs) = self.shard(target).read().get(&target) {
            refs.as_slice().iter().for_each(f);
        }
    }
}
