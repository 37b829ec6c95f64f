//! Blocks that hold no object, and their way back from other threads. On raw words.
//!
//! A free block has a link where an object has its type: the address of the next free block and a mark, which no type's address has.
//! So whoever walks a page tells objects from free blocks, also its owner while other threads free blocks there. Written against
//! [`weft_threads::sync`], because `loom-tests/tests/remote_free.rs` and `local_collection.rs` drive this very file.

use std::ptr::null_mut;
use weft_threads::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};

/// A block that is not in use.
#[repr(C)]
pub struct Free {
    /// Count and owner of the object that was here, untouched.
    header: u64,
    /// The address of the next free block, plus [`OWN`] or [`REMOTE`]. (Types are 16-byte aligned.)
    link: AtomicUsize,
}

/// Link of a block on its thread's free list.
pub const OWN: usize = 1;
/// Link of a block on its page's remote list, or on its way there.
pub const REMOTE: usize = 2;

impl Free {
    #[inline(always)]
    pub fn next(&self, kind: usize) -> *mut Free {
        (self.link.load(Relaxed) - kind) as *mut Free
    }
    // Release: who sees the mark sees that the object's memory is done with.
    #[inline(always)]
    pub fn set_next(&self, next: *mut Free, kind: usize) {
        self.link.store(next as usize + kind, Release);
    }
    /// Whether it is on the free list of the thread that owns the page (or did).
    #[inline(always)]
    pub fn is_own(&self) -> bool {
        self.link.load(Acquire) & OWN != 0
    }
    /// Whether the block holds no object.
    #[inline(always)]
    pub fn is_free(&self) -> bool {
        self.link.load(Acquire) & (OWN | REMOTE) != 0
    }
}

/// The blocks of one page that other threads have freed.
pub struct RemoteList(AtomicPtr<Free>);

impl RemoteList {
    pub fn new() -> RemoteList {
        RemoteList(AtomicPtr::new(null_mut()))
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.load(Relaxed).is_null()
    }

    /// Puts a block there.
    ///
    /// # Safety
    /// The block is the page's, and nobody else knows it any more.
    #[cold]
    pub unsafe fn push(&self, block: *mut Free) {
        let mut head = self.0.load(Relaxed);
        loop {
            // SAFETY: the block is free and ours until the exchange succeeds.
            unsafe { (*block).set_next(head, REMOTE) };
            // Release: hands the block's words to the owner's acquire in `take`.
            match self.0.compare_exchange_weak(head, block, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all that is there and links it in front of `list`, as the owner's free blocks. Gives the new list.
    pub fn take(&self, mut list: *mut Free) -> *mut Free {
        // Acquire: the blocks' words were written by the threads that freed them.
        let mut p = self.0.swap(null_mut(), AcqRel);
        while !p.is_null() {
            // SAFETY: blocks on the remote list are free, and the list is now ours.
            unsafe {
                let next = (*p).next(REMOTE);
                (*p).set_next(list, OWN);
                list = p;
                p = next;
            }
        }
        list
    }
}

#[cfg(loom)]
impl Free {
    /// A block in use, for models.
    pub fn in_use() -> Free {
        Free {
            header: 0,
            link: AtomicUsize::new(0),
        }
    }
    /// An object is made in the block.
    pub fn fill(&self) {
        self.link.store(0, Relaxed);
    }
    /// The word itself, for models that break the protocol on purpose.
    pub fn link(&self) -> &AtomicUsize {
        &self.link
    }
}

#[cfg(loom)]
impl RemoteList {
    /// The word itself, as above.
    pub fn head(&self) -> &AtomicPtr<Free> {
        &self.0
    }
}
