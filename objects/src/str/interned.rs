//! The table of interned strings on raw words: the address of each, by its hash. No Python, no counting.
//!
//! Looking for a word takes no lock: places are filled once and never emptied, and a table that is half full is copied to a larger one,
//! which is published as a whole. Those that were outgrown stay where they are, as somebody may be looking at one; together they are
//! smaller than the one in use. A word that an older table does not have yet is looked for again under the lock before one goes in.
//! Written against [`weft_threads::sync`], because `loom-tests/tests/interned.rs` drives this very file.

use std::ptr::null_mut;
use weft_threads::sync::Mutex;
use weft_threads::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

/// Words that stand for ever; zero is none.
pub struct Interned {
    table: AtomicPtr<Places>,
    /// How many words there are. Held while one goes in.
    count: Mutex<usize>,
}

struct Places {
    /// A power of two of them; zero: free.
    places: Box<[AtomicU64]>,
}

impl Places {
    fn new(n: usize) -> *mut Places {
        let places = (0..n).map(|_| AtomicU64::new(0)).collect();
        Box::into_raw(Box::new(Places { places }))
    }

    /// The word that `is` picks, else the free place to which it belongs.
    fn find(&self, hash: u64, is: impl Fn(u64) -> bool) -> Result<u64, &AtomicU64> {
        let mask = self.places.len() - 1;
        let mut i = spread(hash) as usize & mask;
        loop {
            match self.places[i].load(Acquire) {
                0 => return Err(&self.places[i]),
                word if is(word) => return Ok(word),
                _ => i = (i + 1) & mask,
            }
        }
    }
}

/// The upper bits decide as well.
fn spread(hash: u64) -> u64 {
    hash ^ (hash >> 32)
}

impl Interned {
    #[cfg(not(loom))]
    pub const fn new() -> Interned {
        Interned {
            table: AtomicPtr::new(null_mut()),
            count: Mutex::new(0),
        }
    }

    #[cfg(loom)]
    pub fn new() -> Interned {
        Interned {
            table: AtomicPtr::new(null_mut()),
            count: Mutex::new(0),
        }
    }

    /// The word with this hash that `is` picks.
    #[inline]
    pub fn find(&self, hash: u64, is: impl Fn(u64) -> bool) -> Option<u64> {
        let table = self.table.load(Acquire);
        if table.is_null() {
            return None;
        }
        // SAFETY: tables are never freed.
        unsafe { &*table }.find(hash, is).ok()
    }

    /// The word with this hash that `is` picks; if there is none, `make` gives it. `hash_of` is the hash of any word; `room` is how many
    /// places the first table gets.
    #[cold]
    pub fn enter(
        &self,
        hash: u64,
        is: impl Fn(u64) -> bool,
        make: impl FnOnce() -> u64,
        hash_of: impl Fn(u64) -> u64,
        room: usize,
    ) -> u64 {
        let mut count = self.count.lock();
        let mut table = self.table.load(Relaxed);
        if table.is_null() {
            table = Places::new(room);
            self.table.store(table, Release);
        }
        // SAFETY: tables are never freed.
        let mut places = unsafe { &*table };
        let place = match places.find(hash, &is) {
            Ok(word) => return word,
            Err(place) => place,
        };
        let word = make();
        *count += 1;
        if *count * 2 <= places.places.len() {
            place.store(word, Release);
            return word;
        }
        table = Places::new(places.places.len() * 2);
        // SAFETY: just made.
        let larger = unsafe { &*table };
        let old = places.places.iter().map(|w| w.load(Relaxed));
        for w in old.filter(|w| *w != 0).chain([word]) {
            if let Err(place) = larger.find(hash_of(w), |_| false) {
                place.store(w, Relaxed);
            }
        }
        places = larger;
        debug_assert!(places.find(hash, is).is_ok());
        self.table.store(table, Release);
        word
    }
}
