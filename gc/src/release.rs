//! Giving pages back in which nothing is left. After a collection, by the thread whose pages they are, and for those of threads that
//! have ended by who has their list.
//!
//! A page may go when all blocks that were ever handed out are on the owner's free list. A block that another thread is just freeing is
//! on no list yet, and so keeps its page; once it is on the page's remote list, that thread is done with the page.

use crate::block::Free;
use crate::heap::CLASSES;
use crate::heap::{
    BIG, Heap, ORPHANS, PAGE, Page, PagePtr, block_count, drop_page, for_each_block,
};
use crate::spread::free_blocks;
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
                let mut unused = 0;
                if (*p.0).class != BIG {
                    if !(*p.0).remote.is_empty() {
                        self.take_remote(&*p.0, (*p.0).class as usize);
                    }
                    // Page by page: a free list leads all over the memory.
                    for_each_block(p.0, |b| unused += u32::from((*b.cast::<Free>()).is_own()));
                }
                (*p.0).unused.set(unused);
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
                gone.push(*p);
                false
            });
            if !gone.is_empty() {
                for p in &gone {
                    (*p.0).age.grow_old();
                }
                self.young.prune();
                self.list_anew();
            }
            let n = gone.len();
            gone.into_iter().for_each(|p| give_back(p.0));
            n + release_orphans()
        }
    }

    /// Shelves all free blocks of the pages that are left.
    unsafe fn list_anew(&self) {
        self.free.iter().for_each(|list| list.set(null_mut()));
        self.young.forget_shelves();
        // SAFETY: this thread's pages and lists; blocks on the lists are those that say so.
        unsafe {
            for p in &*self.pages.get() {
                (*p.0).age.unshelve();
                if (*p.0).class != BIG && (*p.0).unused.get() != 0 {
                    let (blocks, n) = free_blocks(p.0, null_mut());
                    self.put_on_shelf(p.0, blocks, n as u32);
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
