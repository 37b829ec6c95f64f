//! One thread's memory of what inline caches have learnt: for instructions that see several classes, whose own cache word holds one.
//!
//! Direct-mapped by name and by what the word holds good for (the id of a shape, the version of a class). A word means the same here
//! as in an instruction's cache, so whoever takes it from here checks it in the same way.

use std::cell::Cell;

const ENTRIES: usize = 2048;
/// After so many words taken from here the instruction's own cache gets one: what it holds may be out of date.
const REFRESH: u32 = 256;

pub struct SiteCache {
    entries: [Cell<(u64, u64)>; ENTRIES],
    taken: Cell<u32>,
}

impl SiteCache {
    pub fn new() -> Box<SiteCache> {
        Box::new(SiteCache {
            entries: [const { Cell::new((0, 0)) }; ENTRIES],
            taken: Cell::new(0),
        })
    }

    #[inline(always)]
    fn entry(&self, key: u64, id: u32) -> &Cell<(u64, u64)> {
        let h = (key >> 4) ^ (key >> 15) ^ (id as u64).wrapping_mul(0x9e5);
        &self.entries[h as usize % ENTRIES]
    }

    /// The word noted for this key and id, or one that holds good for another id, or 0.
    #[inline(always)]
    pub fn get(&self, key: u64, id: u32) -> u64 {
        let (k, w) = self.entry(key, id).get();
        if k == key { w } else { 0 }
    }

    /// Notes a word.
    #[inline(always)]
    pub fn set(&self, key: u64, id: u32, word: u64) {
        self.entry(key, id).set((key, word));
    }

    /// Counts a word taken from here. True: it should go to the instruction's cache.
    #[inline(always)]
    pub fn refresh(&self) -> bool {
        let n = self.taken.get().wrapping_add(1);
        self.taken.set(n);
        n.is_multiple_of(REFRESH)
    }
}
