//! The table of a dict on raw words: entries in the order of insertion, and a sparse index into them. No Python, no counting.
//!
//! Any number of threads read while one, who holds the dict's lock, writes. What makes that safe:
//!
//! - an entry is written before the index leads to it, and is never given to another key: deleting empties its value, then its key;
//! - a place of the index is written once, from empty to the number of an entry; dead entries keep theirs;
//! - a table that is full is copied to a new one, which is published as a whole; the old one stays as it was until a handshake (I7).
//!
//! So a reader sees for each key either nothing, or a value that the key had while the reader was looking. Written against
//! [`weft_threads::sync`], because `loom-tests/tests/dict.rs` drives this very file.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;
use weft_threads::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::*};

/// One key and its value. A key word of zero: not yet written, or dead. A value word of zero: no such key.
#[repr(C)]
pub struct Entry {
    hash: AtomicU64,
    key: AtomicU64,
    value: AtomicU64,
}

/// Head of a table; the entries and then the index follow it in the same allocation.
#[repr(C)]
pub struct Table {
    /// Entries that there is room for.
    room: u32,
    /// Entries written so far, dead ones among them.
    used: AtomicU32,
    /// For the writer: all entries from here on are dead or not written.
    tail: AtomicU32,
    /// Names the set of keys, see [`Table::keys_id`].
    keys_id: AtomicU32,
    /// The index has `1 << log2` places.
    log2: u8,
}

/// A table whose set of keys has no name.
pub const NO_ID: u32 = u32::MAX;
const MIN_LOG2: u8 = 3;
const ENTRIES: usize = size_of::<Table>().next_multiple_of(align_of::<Entry>());

/// What is known of an entry by comparing its words with the key that is looked for.
pub enum Match {
    Yes,
    No,
    /// Only the objects themselves can tell.
    Ask,
}

/// Outcome of looking for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The number of its entry.
    At(u32),
    /// Not there: the empty place of the index at which the search ended.
    Absent(usize),
    /// The test wants to know more of this entry. Searching again goes on behind it.
    Ask(u32),
}

/// Where a search is in the index.
pub struct Probe {
    place: usize,
    perturb: u64,
    mask: usize,
    fresh: bool,
}

impl Entry {
    #[inline(always)]
    pub fn hash(&self) -> i64 {
        // Relaxed: written before the index or `used` led here.
        self.hash.load(Relaxed) as i64
    }
    #[inline(always)]
    pub fn key(&self) -> u64 {
        self.key.load(Acquire)
    }
    #[inline(always)]
    pub fn value(&self) -> u64 {
        self.value.load(Acquire)
    }
    /// Writer: another value for the key; gives the one that was here. Not zero.
    // No exchange: writers exclude each other. Release: a reader sees the object that was published before.
    #[inline(always)]
    pub fn set_value(&self, value: u64) -> u64 {
        let old = self.value.load(Relaxed);
        self.value.store(value, Release);
        old
    }
}

impl Table {
    fn room_of(log2: u8) -> u32 {
        (((1u64 << log2) * 2) / 3).min(u32::MAX as u64 - 1) as u32
    }

    fn layout(log2: u8) -> Layout {
        let width = match log2 {
            0..=8 => size_of::<AtomicU8>(),
            9..=16 => size_of::<AtomicU16>(),
            _ => size_of::<AtomicU32>(),
        };
        let size = ENTRIES + Self::room_of(log2) as usize * size_of::<Entry>() + (width << log2);
        Layout::from_size_align(size, align_of::<Entry>().max(align_of::<Table>()))
            .expect("a table fits the address space")
    }

    /// An empty table with room for `entries` of them at least.
    pub fn new(entries: usize) -> NonNull<Table> {
        Self::try_new(entries).unwrap_or_else(|| handle_alloc_error(Self::layout(MIN_LOG2)))
    }

    /// The same; `None` if there is no memory, or a dict cannot have so many.
    pub fn try_new(entries: usize) -> Option<NonNull<Table>> {
        let mut log2 = MIN_LOG2;
        while (Self::room_of(log2) as usize) < entries {
            log2 += 1;
            if log2 > 32 {
                return None;
            }
        }
        let layout = Self::layout(log2);
        // SAFETY: the layout is not empty.
        let p = unsafe { std::alloc::alloc_zeroed(layout) } as *mut Table;
        let table = NonNull::new(p)?;
        // SAFETY: fresh memory of that layout; zero words are empty entries and places.
        unsafe {
            p.write(Table {
                room: Self::room_of(log2),
                used: AtomicU32::new(0),
                tail: AtomicU32::new(0),
                keys_id: AtomicU32::new(NO_ID),
                log2,
            });
            #[cfg(loom)]
            Self::make_atomics(p);
        }
        Some(table)
    }

    /// loom's atomics are more than words.
    #[cfg(loom)]
    unsafe fn make_atomics(p: *mut Table) {
        // SAFETY: within the allocation, which nobody else knows yet.
        unsafe {
            assert!((*p).log2 <= 8, "models use small tables");
            let entries = (p as *mut u8).add(ENTRIES) as *mut Entry;
            let (room, places) = ((*p).room as usize, 1usize << (*p).log2);
            for i in 0..room {
                let zero = || AtomicU64::new(0);
                entries.add(i).write(Entry {
                    hash: zero(),
                    key: zero(),
                    value: zero(),
                });
            }
            for i in 0..places {
                (entries.add(room) as *mut AtomicU8)
                    .add(i)
                    .write(AtomicU8::new(0));
            }
        }
    }

    /// Bytes of the allocation, for [`Table::free`].
    pub fn bytes(&self) -> usize {
        Self::layout(self.log2).size()
    }

    /// Gives the memory back; the words in it are not looked at.
    ///
    /// # Safety
    /// `p` is a table of `n` bytes that nobody looks at any more.
    pub unsafe fn free(p: *mut u8, n: usize) {
        // SAFETY: made by `new` with this layout.
        unsafe {
            let layout = Self::layout((*(p as *const Table)).log2);
            debug_assert_eq!(layout.size(), n);
            std::alloc::dealloc(p, layout);
        }
    }

    #[inline(always)]
    pub fn used(&self) -> u32 {
        self.used.load(Acquire)
    }
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.used.load(Relaxed) == self.room
    }
    #[inline(always)]
    pub fn room(&self) -> u32 {
        self.room
    }

    /// The entry `i`, which is less than the room.
    #[inline(always)]
    pub fn entry(&self, i: u32) -> &Entry {
        debug_assert!(i < self.room);
        // SAFETY: entries follow the head; zeroed memory is a valid entry.
        unsafe {
            &*((self as *const Table as *const u8).add(ENTRIES) as *const Entry).add(i as usize)
        }
    }

    #[inline(always)]
    fn index(&self) -> *const u8 {
        // SAFETY: the index follows the entries.
        unsafe {
            (self as *const Table as *const u8)
                .add(ENTRIES + self.room as usize * size_of::<Entry>())
        }
    }

    /// The number plus one of the entry that a place of the index leads to; 0 for none.
    #[inline(always)]
    fn place(&self, i: usize) -> u32 {
        let p = self.index();
        // SAFETY: `i` is below `1 << log2`, and the width is the one that `layout` made room for.
        unsafe {
            match self.log2 {
                0..=8 => (*(p as *const AtomicU8).add(i)).load(Acquire) as u32,
                9..=16 => (*(p as *const AtomicU16).add(i)).load(Acquire) as u32,
                _ => (*(p as *const AtomicU32).add(i)).load(Acquire),
            }
        }
    }

    /// Leads a place to an entry. Release: who follows it sees the entry's words.
    #[inline(always)]
    pub fn set_place(&self, i: usize, n: u32) {
        let p = self.index();
        // SAFETY: as in `place`.
        unsafe {
            match self.log2 {
                0..=8 => (*(p as *const AtomicU8).add(i)).store(n as u8, Release),
                9..=16 => (*(p as *const AtomicU16).add(i)).store(n as u16, Release),
                _ => (*(p as *const AtomicU32).add(i)).store(n, Release),
            }
        }
    }

    #[inline(always)]
    pub fn probe(&self, hash: i64) -> Probe {
        let mask = (1usize << self.log2) - 1;
        Probe {
            place: hash as usize & mask,
            perturb: hash as u64,
            mask,
            fresh: true,
        }
    }

    /// Goes along the places where a key with the probe's hash can be: the next entry that `test` does not say No to.
    ///
    /// The order of places is CPython's: a linear congruential walk into which the hash's upper bits are mixed.
    #[inline(always)]
    pub fn find(&self, p: &mut Probe, mut test: impl FnMut(&Entry) -> Match) -> Found {
        if !p.fresh {
            p.step();
        }
        p.fresh = false;
        // Ends: a third of the places is empty at least.
        loop {
            let n = self.place(p.place);
            if n == 0 {
                return Found::Absent(p.place);
            }
            match test(self.entry(n - 1)) {
                Match::Yes => return Found::At(n - 1),
                Match::No => p.step(),
                Match::Ask => return Found::Ask(n - 1),
            }
        }
    }

    /// The first empty place for a hash.
    #[inline(always)]
    pub fn empty_place(&self, hash: i64) -> usize {
        let mut p = self.probe(hash);
        while self.place(p.place) != 0 {
            p.step();
        }
        p.place
    }

    /// Writer: appends an entry and leads the empty `place` to it. There is room, the key is new, and both words are not zero.
    #[inline(always)]
    pub fn insert(&self, place: usize, hash: i64, key: u64, value: u64) {
        let n = self.used.load(Relaxed);
        self.write(n, hash, key, value);
        // Before the key can be found: who had seen it missing under the old name will see that the name is gone.
        self.keys_id.store(NO_ID, Relaxed);
        self.used.store(n + 1, Release);
        self.tail.store(n + 1, Relaxed);
        self.set_place(place, n + 1);
    }

    /// The words of a new entry, which nothing leads to yet.
    #[inline(always)]
    pub fn write(&self, n: u32, hash: i64, key: u64, value: u64) {
        let e = self.entry(n);
        e.hash.store(hash as u64, Relaxed);
        e.key.store(key, Relaxed);
        e.value.store(value, Relaxed);
    }

    /// Writer: takes the key out. Gives its key and value words. The entry is never used again.
    #[inline]
    pub fn kill(&self, n: u32) -> (u64, u64) {
        let e = self.entry(n);
        let value = e.value.load(Relaxed);
        let key = e.key.load(Relaxed);
        e.value.store(0, Release);
        e.key.store(0, Release);
        (key, value)
    }

    /// Writer: the last entry that is not dead.
    pub fn last(&self) -> Option<u32> {
        let mut n = self.tail.load(Relaxed);
        while n > 0 && self.entry(n - 1).key.load(Relaxed) == 0 {
            n -= 1;
        }
        self.tail.store(n, Relaxed);
        n.checked_sub(1)
    }

    /// Writer: copies the entries that are not dead to `new`, which is empty, has room for them, and is known to nobody else. The
    /// old table is left as it is.
    pub fn copy_to(&self, new: &Table) {
        let mut n = 0;
        for i in 0..self.used.load(Relaxed) {
            let e = self.entry(i);
            let key = e.key.load(Relaxed);
            if key != 0 {
                let hash = e.hash.load(Relaxed) as i64;
                new.write(n, hash, key, e.value.load(Relaxed));
                n += 1;
                new.set_place(new.empty_place(hash), n);
            }
        }
        new.used.store(n, Release);
        new.tail.store(n, Relaxed);
    }

    /// Writer: a table of the same entries, known to nobody else, by copying it as a whole. `None`: some entry is dead, or a smaller
    /// table would do.
    #[cfg(not(loom))]
    pub fn duplicate(&self, live: usize) -> Option<NonNull<Table>> {
        let roomy = self.log2 > MIN_LOG2 && Self::room_of(self.log2 - 1) as usize >= live;
        if self.used.load(Relaxed) as usize != live || roomy {
            return None;
        }
        let layout = Self::layout(self.log2);
        // SAFETY: the layout is not empty; both allocations have it, and no writer is at work.
        unsafe {
            let new = NonNull::new(std::alloc::alloc(layout) as *mut Table)?;
            let from = self as *const Table as *const u8;
            std::ptr::copy_nonoverlapping(from, new.as_ptr() as *mut u8, layout.size());
            new.as_ref().keys_id.store(NO_ID, Relaxed);
            Some(new)
        }
    }

    /// The name of the set of keys: while it is the same, an entry's number belongs to the same key, and no key has come in. A
    /// table has one only once it has been asked for.
    #[inline(always)]
    pub fn keys_id(&self) -> u32 {
        self.keys_id.load(Acquire)
    }

    /// Writer: gives the set of keys a name that was never used before.
    pub fn set_keys_id(&self, id: u32) {
        self.keys_id.store(id, Release);
    }
}

impl Probe {
    #[inline(always)]
    fn step(&mut self) {
        self.perturb >>= 5;
        self.place = (self
            .place
            .wrapping_mul(5)
            .wrapping_add(self.perturb as usize)
            .wrapping_add(1))
            & self.mask;
    }
}
