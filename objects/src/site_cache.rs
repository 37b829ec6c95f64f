//! One thread's memory of what inline caches have learnt: for instructions that see several classes, whose own cache word holds one.
//!
//! Two words a set, by name and by what the word holds good for (the id of a shape, the version of a class). A word means the same here
//! as in an instruction's cache, so whoever takes it from here checks it in the same way.

use crate::code::Code;
use crate::prelude::*;
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

// Kinds of words, in their lowest byte, that hold good for a shape. The others are the interpreter's.

/// Attribute in an inline slot: `kind:8 | slot:8 | 0:16 | shape:32`. In a word for a load no other kind has an upper half that is the id
/// of a shape: versions and names of key sets are greater.
pub const SLOT: u64 = 1;
/// Attribute that a store adds: `kind:8 | slot:8 | shape:24 | next shape:24`.
pub const ADD_SLOT: u64 = 2;

const SETS: usize = 2048;
/// After so many words taken from here the instruction's own cache gets one: what it holds may be out of date.
const REFRESH: u32 = 256;

/// Places for what `super()` has found.
const SUPERS: usize = 256;

/// A tag and its word.
type Entry = Cell<(u64, u64)>;

/// Where `super(class, obj).name` is found.
#[derive(Clone, Copy, PartialEq)]
pub struct SuperKey {
    /// The addresses of the class and the name.
    pub class: u64,
    pub name: u64,
    /// The version of the class of `obj`: with it the MRO stays as it is, and what is in it alive.
    pub version: u32,
}

pub struct SiteCache {
    sets: [[Entry; 2]; SETS],
    supers: [Cell<(SuperKey, u32, u64)>; SUPERS],
    taken: Cell<u32>,
}

impl SiteCache {
    pub fn new() -> Box<SiteCache> {
        // SAFETY: cells of numbers, for which zero is a value. Its memory is not touched before it is needed.
        unsafe { Box::new_zeroed().assume_init() }
    }

    #[inline(always)]
    fn super_place(&self, k: &SuperKey) -> &Cell<(SuperKey, u32, u64)> {
        let h = (k.class >> 4) ^ (k.name >> 4) ^ (k.name >> 9) ^ k.version as u64;
        &self.supers[h as usize % SUPERS]
    }

    /// The place in the MRO where the name is found, and the cache word that the class there has for it.
    #[inline(always)]
    pub fn get_super(&self, key: SuperKey) -> Option<(usize, u64)> {
        let (k, at, word) = self.super_place(&key).get();
        if k == key {
            Some((at as usize, word))
        } else {
            None
        }
    }

    /// Notes what [`SiteCache::get_super`] gives.
    pub fn set_super(&self, key: SuperKey, at: usize, word: u64) {
        self.super_place(&key).set((key, at as u32, word));
    }

    /// The id in the upper bits: what differs in those that it shares with the address differs in the word, too.
    #[inline(always)]
    fn tag(key: u64, id: u32) -> u64 {
        key ^ (id as u64) << 40
    }

    #[inline(always)]
    fn set_of(&self, key: u64, id: u32) -> &[Entry; 2] {
        let h = (key >> 4) ^ (key >> 15) ^ (id as u64).wrapping_mul(0x9e5);
        &self.sets[h as usize % SETS]
    }

    /// The word noted for this key and id, or 0. What it says it holds good for is for the caller to check.
    #[inline(always)]
    pub fn get(&self, key: u64, id: u32) -> u64 {
        let (set, tag) = (self.set_of(key, id), Self::tag(key, id));
        let (k, w) = set[0].get();
        if k == tag {
            return w;
        }
        let (k, w) = set[1].get();
        if k == tag { w } else { 0 }
    }

    /// Notes a word, in place of the older one of two.
    #[inline]
    pub fn set(&self, key: u64, id: u32, word: u64) {
        let (set, tag) = (self.set_of(key, id), Self::tag(key, id));
        if set[0].get().0 != tag {
            set[1].set(set[0].get());
        }
        set[0].set((tag, word));
    }

    /// Empties it.
    fn clear(&self) {
        self.sets.as_flattened().iter().for_each(|e| e.set((0, 0)));
    }

    /// Counts a word taken from here. True: it should go to the instruction's cache.
    #[inline(always)]
    pub fn refresh(&self) -> bool {
        let n = self.taken.get().wrapping_add(1);
        self.taken.set(n);
        n.is_multiple_of(REFRESH)
    }
}

/// Takes all that is known of attributes in slots out of all inline caches: a class that has instances says now that a slot is not
/// what counts (a data descriptor of that name, a `__setattr__` of its own). Rare, and so it may be slow.
#[cold]
pub fn forget_slots(t: &mut Thread) {
    let me = t.peer().clone();
    // The threads' caches first: instructions are given words from there.
    weft_gc::world().stop(&me, |stopped| {
        for peer in stopped.peers() {
            let other = peer.payload().thread();
            if !other.ext().is_null() {
                other.vm().sites.clear();
            }
        }
    });
    weft_gc::for_each_object(t, &mut |h| {
        // Code whose parts are not there yet has learnt nothing; making them now would allocate while the heap is walked.
        if let Some(parts) = Code::of(h.value()).and_then(|code| code.body().made()) {
            for word in &parts.caches {
                // Words about globals have no kind: some are lost, and learnt again.
                if matches!(word.load(Relaxed) & 0xff, SLOT | ADD_SLOT) {
                    word.store(0, Relaxed);
                }
            }
        }
    });
}
