//! Giving pages back in which nothing is left. After a collection, by the thread whose pages they are, and for those of threads that
//! have ended by who has their list.
//!
//! A page may go when all blocks that were ever handed out are on the owner's free list. A block that another thread is just freeing is
//! on no list yet, and so keeps its page; once it is on the page's remote list, that thread is done with the page.

use crate::block::{Free, OWN};
use crate::heap::{
    BIG, Heap, ORPHANS, PAGE, Page, PagePtr, block_count, drop_page, for_each_block,
};
use crate::heap::{CLASSES, page_of};
use std::ptr::null_mut;

/// Empty pages that a heap keeps of each class, for what comes next.
const KEPT: usize = 2;
/// Bytes of pages below which it is not worth looking.
const ENOUGH: usize = 8 << 20;

impl Heap {
    /// After a collection that has left so many bytes of containers alive: gives empty pages back, if there may be many. A look in
    /// vain makes the next ones rarer.
    pub(crate) fn release_if_many(&self, alive: usize) {
        // SAFETY: only this thread touches its page list.
        let bytes = unsafe { (*self.pages.get()).len() } * PAGE;
        if bytes < ENOUGH || alive > bytes / 2 {
            return;
        }
        let (wait, skipped) = self.release_wait.get();
        if skipped < wait {
            return self.release_wait.set((wait, skipped + 1));
        }
        let released = self.release();
        let wait = if released * PAGE >= bytes / 8 {
            0
        } else {
            (wait * 2 + 1).min(1 << 10)
        };
        self.release_wait.set((wait, 0));
    }

    /// Gives empty pages back to the system. How many.
    #[cold]
    pub(crate) fn release(&self) -> usize {
        // SAFETY: this thread's own pages and lists; see above for blocks that others free.
        unsafe {
            for p in &*self.pages.get() {
                if (*p.0).class != BIG && !(*p.0).remote.is_empty() {
                    self.take_remote(&*p.0, (*p.0).class as usize);
                }
                (*p.0).unused.set(0);
            }
            for class in 0..CLASSES * 2 {
                let mut p = self.free[class].get();
                while !p.is_null() {
                    let unused = &(*page_of(p.cast())).unused;
                    unused.set(unused.get() + 1);
                    p = (*p).next(OWN);
                }
            }
            let mut gone = Vec::new();
            let mut kept = [0; CLASSES * 2];
            (*self.pages.get()).retain(|p| {
                let page = &*p.0;
                let class = page.class as usize;
                if page.class == BIG
                    || page.unused.get() as usize != block_count(page)
                    || self.current[class].get() == p.0
                {
                    return true;
                }
                kept[class] += 1;
                if kept[class] <= KEPT {
                    return true;
                }
                page.unused.set(GONE);
                gone.push(*p);
                false
            });
            if !gone.is_empty() {
                self.unlist();
            }
            let n = gone.len();
            gone.into_iter().for_each(|p| give_back(p.0));
            n + release_orphans()
        }
    }

    /// Takes the blocks of pages that are to go off the free lists, keeping the order of the others.
    unsafe fn unlist(&self) {
        // SAFETY: this thread's lists; the pages are still there.
        unsafe {
            for class in 0..CLASSES * 2 {
                let mut last: *mut Free = null_mut();
                let mut p = self.free[class].get();
                self.free[class].set(null_mut());
                while !p.is_null() {
                    let next = (*p).next(OWN);
                    if (*page_of(p.cast())).unused.get() != GONE {
                        (*p).set_next(null_mut(), OWN);
                        if last.is_null() {
                            self.free[class].set(p);
                        } else {
                            (*last).set_next(p, OWN);
                        }
                        last = p;
                    }
                    p = next;
                }
            }
        }
    }
}

/// Frees a page, and tells the system that it may have the memory at once: the allocator may keep what it gets for long.
unsafe fn give_back(page: *mut Page) {
    // SAFETY: the caller owns the page, which begins and ends where pages of the system do, and nothing in it is needed any more but its
    // head, which lies in the first of those.
    unsafe {
        #[cfg(all(target_os = "linux", not(miri)))]
        libc::madvise(
            page.cast::<libc::c_void>().byte_add(SYSTEM_PAGE),
            PAGE - SYSTEM_PAGE,
            libc::MADV_DONTNEED,
        );
        drop_page(page);
    }
}

/// At least as large as the pages of any system that there is.
#[cfg(all(target_os = "linux", not(miri)))]
const SYSTEM_PAGE: usize = if cfg!(target_arch = "x86_64") {
    4 << 10
} else {
    64 << 10
};

/// Count of a page that is to go.
const GONE: u32 = u32::MAX;

/// The same for pages of threads that have ended.
unsafe fn release_orphans() -> usize {
    let mut gone: Vec<PagePtr> = Vec::new();
    // SAFETY: orphaned pages belong to whoever holds the list.
    unsafe {
        ORPHANS.lock().retain(|p| {
            let empty = (*p.0).class != BIG && is_empty(p.0);
            if empty {
                gone.push(*p);
            }
            !empty
        });
        let n = gone.len();
        gone.into_iter().for_each(|p| give_back(p.0));
        n
    }
}

/// Whether all blocks of an orphaned page are free and nobody has still to do with one.
unsafe fn is_empty(page: *mut Page) -> bool {
    // SAFETY: the caller holds the page.
    unsafe {
        // They count as the ended thread's own from now on: see `Heap::adopt`.
        (*page).remote.take(null_mut());
        let mut unused = 0;
        for_each_block(page, |b| {
            unused += usize::from((*b.cast::<Free>()).is_own());
        });
        unused == block_count(page)
    }
}
