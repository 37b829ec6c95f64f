//! The array of a list on raw words. No Python, no counting.
//!
//! Any number of threads read while one, who holds the list's lock, writes. Places behind the length are zero, and zero means
//! gone: so a reader that comes across a list being shortened sees the shorter list, not a word that has been dropped. A full
//! buffer is copied to a new one, which is published as a whole; the old one stays as it was until a handshake (I7). Written against
//! [`weft_threads::sync`], because `loom-tests/tests/list.rs` drives this very file.

use std::alloc::{Layout, handle_alloc_error};
use weft_threads::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};

/// Head of a buffer; the words follow it in the same allocation.
#[repr(C)]
pub struct Buffer {
    capacity: usize,
}

const WORDS: usize = size_of::<Buffer>().next_multiple_of(align_of::<AtomicU64>());

/// Length and buffer: the part of a list that readers look at. Zero words are an empty list.
#[repr(C)]
pub struct RawList {
    len: AtomicUsize,
    buffer: AtomicPtr<Buffer>,
}

impl Buffer {
    #[inline(always)]
    fn layout(capacity: usize) -> Layout {
        let size = capacity
            .checked_mul(size_of::<AtomicU64>())
            .and_then(|n| n.checked_add(WORDS));
        size.and_then(|n| {
            Layout::from_size_align(n, align_of::<AtomicU64>().max(align_of::<Buffer>())).ok()
        })
        .expect("a list's capacity has been checked")
    }

    /// A buffer of zero words; null if there is no memory.
    pub fn try_new(capacity: usize) -> *mut Buffer {
        if capacity > isize::MAX as usize / size_of::<AtomicU64>() - 8 {
            return std::ptr::null_mut();
        }
        // SAFETY: the layout is not empty.
        let p = unsafe { std::alloc::alloc_zeroed(Self::layout(capacity)) } as *mut Buffer;
        if !p.is_null() {
            // SAFETY: fresh memory of that layout.
            unsafe {
                p.write(Buffer { capacity });
                #[cfg(loom)]
                for i in 0..capacity {
                    ((p as *mut u8).add(WORDS) as *mut AtomicU64)
                        .add(i)
                        .write(AtomicU64::new(0));
                }
            }
        }
        p
    }

    /// A buffer of zero words.
    pub fn new(capacity: usize) -> *mut Buffer {
        let p = Self::try_new(capacity);
        if p.is_null() {
            handle_alloc_error(Self::layout(capacity.min(isize::MAX as usize / 16)));
        }
        p
    }

    /// A buffer of `n` words, at least one, which `word` gives in order. Nobody else knows it yet.
    #[inline(always)]
    pub fn filled(n: usize, mut word: impl FnMut(usize) -> u64) -> *mut Buffer {
        #[cfg(not(loom))]
        // SAFETY: the layout is not empty, and all of it is written before anybody looks at it.
        unsafe {
            let p = std::alloc::alloc(Self::layout(n)) as *mut Buffer;
            if p.is_null() {
                handle_alloc_error(Self::layout(n));
            }
            p.write(Buffer { capacity: n });
            let words = (p as *mut u8).add(WORDS) as *mut u64;
            for i in 0..n {
                words.add(i).write(word(i));
            }
            p
        }
        #[cfg(loom)]
        {
            let p = Self::new(n);
            for i in 0..n {
                // SAFETY: just made.
                unsafe { (*p).word(i) }.store(word(i), Relaxed);
            }
            p
        }
    }

    /// Gives the memory back; the words in it are not looked at.
    ///
    /// # Safety
    /// `p` is a buffer that nobody looks at any more.
    pub unsafe fn free(p: *mut u8, _n: usize) {
        // SAFETY: made by `try_new` with this layout.
        unsafe { std::alloc::dealloc(p, Self::layout((*(p as *const Buffer)).capacity)) };
    }

    /// Bytes of the allocation.
    pub fn bytes(&self) -> usize {
        Self::layout(self.capacity).size()
    }

    #[inline(always)]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline(always)]
    pub fn word(&self, i: usize) -> &AtomicU64 {
        debug_assert!(i < self.capacity);
        // SAFETY: the words follow the head.
        unsafe { &*((self as *const Buffer as *const u8).add(WORDS) as *const AtomicU64).add(i) }
    }

    /// The words themselves: for who is alone with the list, or holds its lock and only reads.
    #[cfg(not(loom))]
    #[inline(always)]
    pub fn words(&self) -> *mut u64 {
        // SAFETY: as above.
        unsafe { (self as *const Buffer as *mut u8).add(WORDS) as *mut u64 }
    }
}

impl RawList {
    /// An empty list.
    pub fn new() -> RawList {
        RawList {
            len: AtomicUsize::new(0),
            buffer: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    /// The word at `i` of a list that only this thread can reach, counted from the end if negative.
    #[inline(always)]
    pub fn local_word(&self, i: i64) -> Option<&AtomicU64> {
        let len = self.len.load(Relaxed);
        let i = if i < 0 { i + len as i64 } else { i };
        if i < 0 || i as usize >= len {
            return None;
        }
        // SAFETY: the buffer holds at least `len` words.
        Some(unsafe { (*self.buffer.load(Relaxed)).word(i as usize) })
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reader: the word at `i`; 0 if the list is (or was, a moment ago) not that long.
    #[inline(always)]
    pub fn get(&self, i: usize) -> u64 {
        // Acquire: the buffer that this length belongs to, or a later one.
        if i >= self.len.load(Acquire) {
            return 0;
        }
        let p = self.buffer.load(Acquire);
        // SAFETY: a buffer is freed only after this thread's next safepoint (I7).
        unsafe {
            if p.is_null() || i >= (*p).capacity {
                return 0;
            }
            (*p).word(i).load(Acquire)
        }
    }

    /// The buffer, or null.
    #[inline(always)]
    pub fn buffer(&self) -> *mut Buffer {
        self.buffer.load(Acquire)
    }

    /// Writer: whether another word fits without a new buffer.
    #[inline(always)]
    pub fn has_room(&self) -> bool {
        let p = self.buffer.load(Relaxed);
        // SAFETY: a buffer in use.
        !p.is_null() && self.len.load(Relaxed) < unsafe { (*p).capacity }
    }

    /// Writer: appends a word, for which there is room.
    // The word, then the length: who sees the length sees the word.
    #[inline(always)]
    pub fn push(&self, word: u64) {
        let n = self.len.load(Relaxed);
        // SAFETY: the caller has made room.
        unsafe { (*self.buffer.load(Relaxed)).word(n).store(word, Release) };
        self.len.store(n + 1, Release);
    }

    /// Writer: replaces the word at `i`, which is below the length.
    #[inline(always)]
    pub fn set(&self, i: usize, word: u64) -> u64 {
        debug_assert!(i < self.len.load(Relaxed));
        // SAFETY: below the length.
        unsafe {
            let place = (*self.buffer.load(Relaxed)).word(i);
            let old = place.load(Relaxed);
            place.store(word, Release);
            old
        }
    }

    /// Writer: shortens the list to `n`, giving each word that was behind to `gone`.
    // The length first, then the words: a reader that still has the old length finds zeros.
    #[inline(always)]
    pub fn truncate(&self, n: usize, mut gone: impl FnMut(u64)) {
        let old = self.len.load(Relaxed);
        self.len.store(n, Release);
        for i in n..old {
            // SAFETY: below the old length.
            unsafe {
                let place = (*self.buffer.load(Relaxed)).word(i);
                let word = place.load(Relaxed);
                place.store(0, Release);
                gone(word);
            }
        }
    }

    /// Writer: the new length, once all words below it are there.
    pub fn set_len(&self, n: usize) {
        self.len.store(n, Release);
    }

    /// Writer: writes words from `at` on.
    pub fn write_words(&self, at: usize, words: impl Iterator<Item = u64>) {
        let p = self.buffer.load(Relaxed);
        for (i, word) in words.enumerate() {
            // SAFETY: the caller has made room.
            unsafe { (*p).word(at + i).store(word, Release) };
        }
    }

    /// Writer: moves `n` words from `from` to `to`, which is in front of it or behind it within the buffer. With `alone`, nobody
    /// else can be reading.
    // In the order in which no word is overwritten before it has been moved: a reader finds each word at its old place, its new
    // one, or both.
    pub fn move_words(&self, from: usize, to: usize, n: usize, alone: bool) {
        if n == 0 || from == to {
            return;
        }
        let p = self.buffer.load(Relaxed);
        // SAFETY: the caller says that both ranges lie within the buffer.
        unsafe {
            #[cfg(not(loom))]
            if alone {
                let words = (*p).words();
                std::ptr::copy(words.add(from), words.add(to), n);
                return;
            }
            let _ = alone;
            let move_one = |i: usize| {
                (*p).word(to + i)
                    .store((*p).word(from + i).load(Relaxed), Release)
            };
            if to < from {
                (0..n).for_each(move_one)
            } else {
                (0..n).rev().for_each(move_one)
            }
        }
    }

    /// Writer: publishes a buffer that holds a copy of the words (or others), and the length. Gives the old one, to be retired.
    // A longer length only after its buffer; a shorter one before it.
    pub fn replace(&self, new: *mut Buffer, len: usize) -> *mut Buffer {
        let old = self.buffer.load(Relaxed);
        if len < self.len.load(Relaxed) {
            self.len.store(len, Release);
            self.buffer.store(new, Release);
        } else {
            self.buffer.store(new, Release);
            self.len.store(len, Release);
        }
        old
    }

    /// Writer: copies the first `n` words to `new`, which nobody else knows yet.
    pub fn copy_to(&self, new: &Buffer, n: usize) {
        for i in 0..n {
            // SAFETY: below the length.
            let word = unsafe { (*self.buffer.load(Relaxed)).word(i).load(Relaxed) };
            new.word(i).store(word, Relaxed);
        }
    }

    /// Sole owner: makes the buffer larger where it lies, if it can.
    #[cfg(not(loom))]
    pub fn grow_in_place(&self, capacity: usize) -> bool {
        let p = self.buffer.load(Relaxed);
        if p.is_null() || capacity > isize::MAX as usize / 16 {
            return false;
        }
        // SAFETY: nobody else can look at the buffer.
        unsafe {
            let old = (*p).capacity;
            let new = std::alloc::realloc(
                p as *mut u8,
                Buffer::layout(old),
                Buffer::layout(capacity).size(),
            ) as *mut Buffer;
            if new.is_null() {
                return false;
            }
            (*new).capacity = capacity;
            (*new).words().add(old).write_bytes(0, capacity - old);
            self.buffer.store(new, Relaxed);
        }
        true
    }
}

impl Default for RawList {
    fn default() -> RawList {
        RawList::new()
    }
}
