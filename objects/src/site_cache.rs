//! One thread's memory of what inline caches have learnt: for instructions that see several classes, whose own cache word holds one.
//!
//! Two words a set, by name and by what the word holds good for (the id of a shape, the version of a class). A word means the same here
//! as in an instruction's cache, so whoever takes it from here checks it in the same way.

use std::cell::Cell;

const SETS: usize = 2048;
/// After so many words taken from here the instruction's own cache gets one: what it holds may be out of date.
const REFRESH: u32 = 256;

/// A tag and its word.
type Entry = Cell<(u64, u64)>;

pub struct SiteCache {
    sets: [[Entry; 2]; SETS],
    taken: Cell<u32>,
}

impl SiteCache {
    pub fn new() -> Box<SiteCache> {
        // SAFETY: cells of numbers, for which zero is a value. Its memory is not touched before it is needed.
        unsafe { Box::new_zeroed().assume_init() }
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

    /// Counts a word taken from here. True: it should go to the instruction's cache.
    #[inline(always)]
    pub fn refresh(&self) -> bool {
        let n = self.taken.get().wrapping_add(1);
        self.taken.set(n);
        n.is_multiple_of(REFRESH)
    }
}
