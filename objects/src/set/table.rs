//! The table of a set on raw words: open addressing, each place a hash and a key. No Python, no counting.
//!
//! Any number of threads read while one, who holds the set's lock, writes: a place's hash is written before its key is
//! published, a place goes from empty to one key to dead and is never given to another key, and a full table is copied to a new one,
//! while the old one stays as it was until a handshake (I7). The places are tried in CPython's order, and tables grow as its do,
//! so that small ints come out in the order that programs are used to.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;
use weft_threads::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// A key word of zero: never used.
#[repr(C)]
pub struct Place {
    hash: AtomicU64,
    key: AtomicU64,
}

/// The key word of a place whose key has been taken out.
pub const DEAD: u64 = 0x3c;
/// Places next to each other that are tried before jumping.
const NEAR: usize = 9;
const MIN: usize = 8;
/// Places of a table for one key.
const SINGLE: usize = 2;
const PLACES: usize = size_of::<Table>().next_multiple_of(align_of::<Place>());

/// Head of a table; the places follow it in the same allocation.
#[repr(C)]
pub struct Table {
    mask: usize,
    /// Places that are not empty.
    fill: AtomicU32,
    /// For the writer: where `pop` looks first.
    finger: AtomicU32,
}

pub use crate::dict_table::Match;

/// Outcome of looking for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its place.
    At(usize),
    /// Not there: the empty place at which the search ended.
    Absent(usize),
    /// The test wants to know more of this place. Searching again goes on behind it.
    Ask(usize),
}

/// Where a search is.
pub struct Probe {
    start: usize,
    near: usize,
    perturb: u64,
}

impl Place {
    #[inline(always)]
    pub fn hash(&self) -> i64 {
        self.hash.load(Relaxed) as i64
    }
    /// The key word: 0 for none, [`DEAD`] for one that has been taken out.
    #[inline(always)]
    pub fn key(&self) -> u64 {
        self.key.load(Acquire)
    }
    #[inline(always)]
    pub fn is_live(&self) -> bool {
        !matches!(self.key.load(Relaxed), 0 | DEAD)
    }
}

impl Table {
    fn layout(places: usize) -> Layout {
        let size = PLACES + places * size_of::<Place>();
        Layout::from_size_align(size, align_of::<Place>().max(align_of::<Table>()))
            .expect("a table fits the address space")
    }

    /// An empty table with more than `least` places.
    pub fn new(least: usize) -> NonNull<Table> {
        Self::try_new(least).unwrap_or_else(|| handle_alloc_error(Self::layout(MIN)))
    }

    /// The same; `None` if there is no memory, or a set cannot have so many.
    pub fn try_new(least: usize) -> Option<NonNull<Table>> {
        let mut places = MIN;
        while places <= least {
            places = places.checked_mul(2)?;
        }
        Self::with_places(places)
    }

    /// A table of this key alone, which has to grow before there is another: many sets never have more than one.
    pub fn single(hash: i64, key: u64) -> NonNull<Table> {
        let Some(new) = Self::with_places(SINGLE) else {
            handle_alloc_error(Self::layout(SINGLE))
        };
        // SAFETY: just made.
        let table = unsafe { new.as_ref() };
        table.insert(table.probe(hash).start(), hash, key);
        new
    }

    /// Whether the table has room for one key only, and has (or had) that.
    #[inline(always)]
    pub fn is_single(&self) -> bool {
        self.mask == SINGLE - 1
    }

    fn with_places(places: usize) -> Option<NonNull<Table>> {
        if places > 1 << 32 {
            return None;
        }
        let layout = Self::layout(places);
        // SAFETY: the layout is not empty.
        let p = unsafe { std::alloc::alloc_zeroed(layout) } as *mut Table;
        let table = NonNull::new(p)?;
        // SAFETY: fresh memory of that layout; zero words are empty places.
        unsafe {
            p.write(Table {
                mask: places - 1,
                fill: AtomicU32::new(0),
                finger: AtomicU32::new(0),
            })
        };
        #[cfg(loom)]
        for i in 0..places {
            // SAFETY: as above; loom's atomics are more than words.
            unsafe {
                let first = (p as *mut u8).add(PLACES) as *mut Place;
                first.add(i).write(Place {
                    hash: AtomicU64::new(0),
                    key: AtomicU64::new(0),
                });
            }
        }
        Some(table)
    }

    /// Bytes of the allocation, for [`Table::free`].
    pub fn bytes(&self) -> usize {
        Self::layout(self.mask + 1).size()
    }

    /// Gives the memory back; the words in it are not looked at.
    ///
    /// # Safety
    /// `p` is a table of `n` bytes that nobody looks at any more.
    pub unsafe fn free(p: *mut u8, n: usize) {
        // SAFETY: made by `with_places` with this layout.
        unsafe {
            let layout = Self::layout((*(p as *const Table)).mask + 1);
            debug_assert_eq!(layout.size(), n);
            std::alloc::dealloc(p, layout);
        }
    }

    /// Number of places.
    #[inline(always)]
    pub fn places(&self) -> usize {
        self.mask + 1
    }

    #[inline(always)]
    pub fn place(&self, i: usize) -> &Place {
        debug_assert!(i <= self.mask);
        // SAFETY: the places follow the head; zeroed memory is a valid one.
        unsafe { &*((self as *const Table as *const u8).add(PLACES) as *const Place).add(i) }
    }

    #[inline(always)]
    pub fn probe(&self, hash: i64) -> Probe {
        Probe {
            start: hash as usize & self.mask,
            near: 0,
            perturb: hash as u64,
        }
    }

    /// Goes along the places where a key with the probe's hash can be: the next one that `test` does not say No to. Dead places
    /// are left out.
    #[inline(always)]
    pub fn find(&self, p: &mut Probe, mut test: impl FnMut(&Place, u64) -> Match) -> Found {
        // Ends: two places of five are empty, or one of two.
        loop {
            let at = p.start + p.near;
            let place = self.place(at);
            let key = place.key();
            if key == 0 {
                return Found::Absent(at);
            }
            p.step(self.mask);
            if key != DEAD {
                match test(place, key) {
                    Match::Yes => return Found::At(at),
                    Match::No => {}
                    Match::Ask => return Found::Ask(at),
                }
            }
        }
    }

    /// Writer: puts a new key into an empty place. True: the table is now too full and must grow.
    #[inline(always)]
    pub fn insert(&self, at: usize, hash: i64, key: u64) -> bool {
        let place = self.place(at);
        place.hash.store(hash as u64, Relaxed);
        // Release: who sees the key sees the hash.
        place.key.store(key, Release);
        let fill = self.fill.load(Relaxed) + 1;
        self.fill.store(fill, Relaxed);
        fill as usize * 5 >= self.mask * 3
    }

    /// Writer: takes a key out and gives its word.
    #[inline]
    pub fn kill(&self, at: usize) -> u64 {
        let key = self.place(at).key.load(Relaxed);
        self.place(at).key.store(DEAD, Release);
        key
    }

    /// Writer: the next key for `pop`. There is one.
    pub fn any(&self) -> usize {
        let mut i = self.finger.load(Relaxed) as usize & self.mask;
        while !self.place(i).is_live() {
            i = (i + 1) & self.mask;
        }
        self.finger.store((i + 1) as u32, Relaxed);
        i
    }

    /// Writer: copies the live keys to `new`, which is empty, large enough, and known to nobody else. The old table is left as it is.
    pub fn copy_to(&self, new: &Table) {
        for i in 0..=self.mask {
            let place = self.place(i);
            if place.is_live() {
                new.insert_clean(place.hash(), place.key.load(Relaxed));
            }
        }
    }

    /// A table of the same keys in the same places, if none has been taken out; else one of `used` keys. `None`: there is
    /// no memory.
    pub fn duplicate(&self, used: usize) -> Option<NonNull<Table>> {
        // SAFETY: fresh tables.
        unsafe {
            if self.fill.load(Relaxed) as usize == used {
                let new = Self::with_places(self.mask + 1)?;
                for i in 0..=self.mask {
                    let (from, to) = (self.place(i), new.as_ref().place(i));
                    to.hash.store(from.hash.load(Relaxed), Relaxed);
                    to.key.store(from.key.load(Relaxed), Relaxed);
                }
                new.as_ref().fill.store(used as u32, Relaxed);
                return Some(new);
            }
            let new = Self::try_new(used * 2)?;
            self.copy_to(new.as_ref());
            Some(new)
        }
    }

    /// Writer: puts a key that is not there into a table that nobody else knows.
    pub fn insert_clean(&self, hash: i64, key: u64) {
        let mut p = self.probe(hash);
        let mut at = p.start;
        while self.place(at).key.load(Relaxed) != 0 {
            p.step(self.mask);
            at = p.start + p.near;
        }
        self.insert(at, hash, key);
    }
}

impl Probe {
    /// The first place of the search.
    #[inline(always)]
    pub fn start(&self) -> usize {
        self.start
    }

    #[inline(always)]
    fn step(&mut self, mask: usize) {
        if self.near < NEAR && self.start + NEAR <= mask {
            self.near += 1;
        } else {
            self.near = 0;
            self.perturb >>= 5;
            self.start = self
                .start
                .wrapping_mul(5)
                .wrapping_add(1)
                .wrapping_add(self.perturb as usize)
                & mask;
        }
    }
}
