//! The method cache of a class on raw words: what each name means in its MRO, and the words by which inline caches refer to it.
//!
//! A cache has a version that no other ever had. Whoever changes the class takes its cache away before the change, so that nobody is
//! given the old value once somebody else may have seen the new one; then again after it, for what has been made meanwhile; and only
//! then gives the old value up. Between the two nothing is entered into any cache ([`Changes`]). So a value in the cache that the class
//! has now is what the class says, and one from a cache that was taken away meanwhile lives until the reader's next safepoint (I5, I7).
//! Whoever enters a value holds the class's lock and makes sure that the cache is still the class's: what was looked up before that
//! may be out of date. An entry's name is written after its value, and neither changes again.
//!
//! Written against [`weft_threads::sync`], because `loom-tests/tests/caches.rs` drives this very file.

use std::alloc::Layout;
use weft_threads::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};

/// Names and what they mean; the entries lie behind it.
pub struct MethodCache {
    /// Unlike that of any other cache that ever was.
    pub version: u32,
    len: AtomicU32,
    /// What calling the class needs, for the interpreter: see `core`. Zero: not known yet.
    pub ctor: AtomicU64,
    /// Entries that there are: a power of two. Some always stay free.
    room: usize,
}

struct CacheEntry {
    name: AtomicU64,
    /// The word in the class's dict, not counted; zero: the name is in no class of the MRO.
    value: AtomicU64,
}

/// How many changes of classes are under way.
pub struct Changes(AtomicU32);

impl Changes {
    #[cfg(not(loom))]
    pub const fn none() -> Changes {
        Changes(AtomicU32::new(0))
    }

    #[cfg(loom)]
    pub fn none() -> Changes {
        Changes(AtomicU32::new(0))
    }

    /// Makes a change: `forget` takes all caches that it concerns away, `write` makes it.
    // The count goes up before the first `forget`, down after the second. Who enters something into a cache that was made between the
    // two has seen (by the exchange that made it) that one was taken away, and so the count that is up; or the count that is down again,
    // and so that this cache has been taken away, too.
    pub fn make<R>(&self, forget: impl Fn(), write: impl FnOnce() -> R) -> R {
        self.0.fetch_add(1, AcqRel);
        forget();
        let r = write();
        forget();
        self.0.fetch_sub(1, AcqRel);
        r
    }

    fn any(&self) -> bool {
        self.0.load(Acquire) != 0
    }
}

/// What has become of a name that was to be entered.
pub enum Entered {
    /// It is there.
    At(usize),
    /// There is no room for it.
    Full,
    /// The cache is not the class's any more, or will soon not be.
    Gone,
}

impl MethodCache {
    /// The cache that the class has now.
    ///
    /// # Safety
    /// The caller uses it until its next safepoint at most (I7).
    #[inline(always)]
    pub unsafe fn of<'a>(place: &AtomicPtr<MethodCache>) -> Option<&'a MethodCache> {
        // SAFETY: a cache is freed after a handshake that comes after it was taken away.
        unsafe { place.load(Acquire).as_ref() }
    }

    /// The value that a cache word (`index << 8 | version << 32`) stands for; zero: the class has changed, or has not the name.
    ///
    /// # Safety
    /// A word with the version of a cache has an index that a lookup in that one has given.
    #[inline(always)]
    pub unsafe fn by_word(place: &AtomicPtr<MethodCache>, word: u64) -> u64 {
        // SAFETY: the cache for this function's time alone; the index by the caller's promise, as no other cache has that version.
        unsafe {
            match MethodCache::of(place) {
                Some(mc) if mc.version as u64 == word >> 32 => {
                    let first = (&raw const *mc).wrapping_add(1).cast::<CacheEntry>();
                    let index = ((word >> 8) & 0xff_ffff) as usize;
                    (*first.add(index)).value.load(Acquire)
                }
                _ => 0,
            }
        }
    }

    /// The value at an index that a lookup has given.
    #[inline(always)]
    pub fn word(&self, index: usize) -> u64 {
        // An index that is out of range, which no cache word has, finds nothing.
        self.entries()
            .get(index)
            .map_or(0, |e| e.value.load(Acquire))
    }

    #[inline(always)]
    fn entries(&self) -> &[CacheEntry] {
        let first = (&raw const *self).wrapping_add(1).cast::<CacheEntry>();
        // SAFETY: so many lie behind it.
        unsafe { std::slice::from_raw_parts(first, self.room) }
    }

    /// The number of the entry of a name, given by its address; `Err`: of the free one where it belongs.
    pub fn find(&self, key: u64) -> Result<usize, usize> {
        let (entries, mask) = (self.entries(), self.room - 1);
        let mut i = ((key >> 4) ^ (key >> 11)) as usize & mask;
        loop {
            // Acquire: who sees the name sees the value.
            match entries[i].name.load(Acquire) {
                k if k == key => return Ok(i),
                0 => return Err(i),
                _ => i = (i + 1) & mask,
            }
        }
    }

    /// Enters what `key` was found to mean, with the class's lock held; `place` is where the class has its cache.
    pub fn enter(
        &self,
        place: &AtomicPtr<MethodCache>,
        changes: &Changes,
        key: u64,
        value: u64,
    ) -> Entered {
        // Still the class's, and no change on its way: so what was found is what the MRO says. The changes first, see there.
        if changes.any() || !std::ptr::eq(place.load(Acquire), self) {
            return Entered::Gone;
        }
        match self.find(key) {
            Ok(i) => Entered::At(i),
            Err(_) if self.is_full() => Entered::Full,
            Err(i) => {
                self.entries()[i].value.store(value, Relaxed);
                self.entries()[i].name.store(key, Release);
                self.len.fetch_add(1, Relaxed);
                Entered::At(i)
            }
        }
    }

    /// The cache that the class has now; if it has none, a new one.
    // An exchange even though the place is empty: that it was emptied by a change is seen, and with it the change. (With a load and a
    // store, what was looked up before the change could go into a cache that comes after it, and stay: loom.)
    ///
    /// # Safety
    /// As for [`MethodCache::of`].
    #[cold]
    pub unsafe fn make<'a>(
        place: &AtomicPtr<MethodCache>,
        room: usize,
        version: u32,
    ) -> &'a MethodCache {
        let new = Self::new(room, version);
        // SAFETY: ours, or as in `of`.
        unsafe {
            match place.compare_exchange(std::ptr::null_mut(), new, AcqRel, Acquire) {
                Ok(_) => &*new,
                Err(theirs) => {
                    Self::free(new as *mut u8, 0);
                    &*theirs
                }
            }
        }
    }

    /// A full cache makes way for an empty one with more room. True: the caller retires the old one. False: it was taken away by
    /// somebody else, who does.
    pub fn replace(&self, place: &AtomicPtr<MethodCache>, room: usize, version: u32) -> bool {
        let new = Self::new(room, version);
        let old = (&raw const *self).cast_mut();
        let done = place.compare_exchange(old, new, AcqRel, Relaxed).is_ok();
        if !done {
            // SAFETY: just made.
            unsafe { Self::free(new as *mut u8, 0) };
        }
        done
    }

    /// Takes a class's cache away, which the caller retires.
    #[inline]
    pub fn take(place: &AtomicPtr<MethodCache>) -> *mut MethodCache {
        place.swap(std::ptr::null_mut(), AcqRel)
    }

    /// No more than that go in.
    fn is_full(&self) -> bool {
        self.len.load(Relaxed) as usize >= self.room - self.room / 8
    }

    fn layout(room: usize) -> Layout {
        Layout::from_size_align(
            size_of::<MethodCache>() + room * size_of::<CacheEntry>(),
            align_of::<MethodCache>().max(align_of::<CacheEntry>()),
        )
        .expect("a few entries")
    }

    /// An empty cache for so many names, a power of two.
    pub fn new(room: usize, version: u32) -> *mut MethodCache {
        let layout = Self::layout(room);
        // SAFETY: not empty; all of it are numbers, for which zero is a value.
        unsafe {
            let p = std::alloc::alloc_zeroed(layout) as *mut MethodCache;
            if p.is_null() {
                std::alloc::handle_alloc_error(layout);
            }
            #[cfg(loom)]
            Self::make_atomics(p, room);
            (*p).version = version;
            (*p).room = room;
            p
        }
    }

    /// loom's atomics are more than words.
    #[cfg(loom)]
    unsafe fn make_atomics(p: *mut MethodCache, room: usize) {
        // SAFETY: within the allocation, which nobody else knows yet.
        unsafe {
            (&raw mut (*p).len).write(AtomicU32::new(0));
            (&raw mut (*p).ctor).write(AtomicU64::new(0));
            for i in 0..room {
                p.add(1).cast::<CacheEntry>().add(i).write(CacheEntry {
                    name: AtomicU64::new(0),
                    value: AtomicU64::new(0),
                });
            }
        }
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        Self::layout(self.room).size()
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// Made by `new`, and nobody looks at it any more.
    pub unsafe fn free(p: *mut u8, _n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let layout = MethodCache::layout((*(p as *const MethodCache)).room);
            std::alloc::dealloc(p, layout);
        }
    }
}

#[cfg(loom)]
impl MethodCache {
    /// An entry's words, for models that break the protocol on purpose.
    pub fn words(&self, index: usize) -> (&AtomicU64, &AtomicU64) {
        let e = &self.entries()[index];
        (&e.name, &e.value)
    }
}
