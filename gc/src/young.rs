//! Which pages hold young containers, and blocks that wait on their page for the next ones.
//!
//! Most garbage is young, so most local collections look only at pages from which blocks have been handed out lately, and there only at
//! what has not outlived two collections (what is in use during one is often garbage by the next). All else is taken to be alive. What
//! that refers to has counts from without, so no references from old to young are listed (trial deletion: see `collect.rs`). Types,
//! modules and code, whose counts leave out references, wait for a collection of everything.
//!
//! Some blocks come back into use without being young: those whose objects were old and have died of their counts. They too wait for a
//! collection of everything. What a collection frees, however, waits on its page until the class's free list is used up, and then comes
//! into use all at once: so it is known which pages are young, and how much has been made.

use crate::block::{Free, OWN};
use crate::header::Header;
use crate::heap::{CLASSES, Heap, Page, PagePtr, block_index, hide, page_of};
use crate::spread::Spread;
use crate::thread::Thread;
use std::cell::{Cell, UnsafeCell};
use std::ptr::null_mut;
use weft_threads::count::is_fought;

/// Container bytes that a thread makes before its first collection.
const FIRST: usize = 1 << 20;
/// The least and the most that it makes between two collections of young ones.
const LEAST: usize = 256 << 10;
const MOST: usize = 8 << 20;

/// Bits of 64 blocks whose objects have been there during one collection, or two.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    once: u64,
    twice: u64,
}

impl Seen {
    /// The blocks whose objects are old.
    #[inline]
    pub(crate) fn old(&self) -> u64 {
        self.twice
    }

    /// A collection looks at blocks with objects, and at free ones.
    #[inline]
    pub(crate) fn see(&mut self, objects: u64, free: u64) {
        self.twice = (self.twice | self.once & objects) & !free;
        self.once = (self.once | objects) & !free;
    }
}

/// Of one page. Its thread's alone, or with the world stopped.
pub(crate) struct Age {
    young: Cell<bool>,
    /// For each block, bits of how many collections an object there has outlived.
    seen: UnsafeCell<Vec<Seen>>,
    /// Bytes of what was alive here when a collector last looked.
    alive: Cell<usize>,
    /// Blocks that a collection has freed, and how many.
    shelf: Cell<*mut Free>,
    shelved: Cell<u32>,
    /// The next page of its class with such blocks.
    next: Cell<*mut Page>,
}

impl Age {
    pub(crate) const fn new() -> Age {
        Age {
            young: Cell::new(false),
            seen: UnsafeCell::new(Vec::new()),
            alive: Cell::new(0),
            shelf: Cell::new(null_mut()),
            shelved: Cell::new(0),
            next: Cell::new(null_mut()),
        }
    }

    /// The bits of so many blocks.
    ///
    /// # Safety
    /// Nobody else uses them meanwhile.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn seen(&self, blocks: usize) -> &mut [Seen] {
        // SAFETY: the caller's promise.
        let seen = unsafe { &mut *self.seen.get() };
        seen.resize(blocks.div_ceil(64), Seen::default());
        seen
    }

    /// Whether something on the page has outlived just one collection.
    ///
    /// # Safety
    /// As above.
    unsafe fn has_seen_once(&self) -> bool {
        // SAFETY: the caller's promise.
        let seen = unsafe { &*self.seen.get() };
        seen.iter().any(|s| s.once != s.twice)
    }

    /// A block is, or gets, young again.
    ///
    /// # Safety
    /// As above.
    #[inline]
    pub(crate) unsafe fn unsee(&self, block: usize) {
        // SAFETY: the caller's promise.
        let seen = unsafe { &mut *self.seen.get() };
        if let Some(seen) = seen.get_mut(block / 64) {
            seen.see(0, 1 << (block % 64));
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.get()
    }

    /// So many bytes are alive now. Gives how many were.
    pub(crate) fn count(&self, alive: usize) -> usize {
        self.alive.replace(alive)
    }

    /// A collection frees these blocks, of so many bytes each.
    ///
    /// # Safety
    /// As for `unsee`.
    unsafe fn lose(&self, page: *const Page, blocks: &[*mut Header], bytes: usize) {
        let alive = self.alive.get();
        self.alive.set(alive.saturating_sub(blocks.len() * bytes));
        for &p in blocks {
            // SAFETY: the caller's promise.
            unsafe { self.unsee(block_index(page, p)) };
        }
    }

    /// Its shelved blocks are nowhere any more, but say that they are free.
    pub(crate) fn unshelve(&self) {
        self.shelf.set(null_mut());
        self.shelved.set(0);
    }

    pub(crate) fn grow_old(&self) {
        self.young.set(false);
    }
}

/// What a thread's heap knows of its young pages.
pub(crate) struct Young {
    pages: UnsafeCell<Vec<PagePtr>>,
    /// Container bytes that may be made before the next collection.
    pub(crate) limit: Cell<usize>,
    /// The same between two collections of young ones.
    step: Cell<usize>,
    /// By class: pages with shelved blocks, and the page whose shelf was used last.
    shelves: [Cell<*mut Page>; CLASSES * 2],
    last: [Cell<*mut Page>; CLASSES * 2],
}

impl Young {
    pub(crate) fn new() -> Young {
        Young {
            pages: UnsafeCell::new(Vec::new()),
            limit: Cell::new(FIRST),
            step: Cell::new(FIRST),
            shelves: [const { Cell::new(null_mut()) }; CLASSES * 2],
            last: [const { Cell::new(null_mut()) }; CLASSES * 2],
        }
    }

    /// The pages to look at.
    pub(crate) fn pages(&self) -> Vec<PagePtr> {
        // SAFETY: only this thread touches the list, or who has stopped the world.
        unsafe { (*self.pages.get()).clone() }
    }

    /// A collection of young ones has seen so many bytes, and so many of these were garbage; so many are alive in all. Says when the next
    /// one is due.
    pub(crate) fn adapt(&self, seen: usize, garbage: usize, alive: usize) {
        let step = self.step.get();
        // Where nearly everything stays alive, as while a program builds what it is going to use, garbage can take its time.
        self.step.set(if garbage * 16 < seen {
            (step * 2).min((alive / 4).clamp(LEAST, MOST))
        } else if garbage * 4 >= seen {
            (step / 2).max(LEAST)
        } else {
            step
        });
    }

    /// The step that [`Young::adapt`] has come to.
    pub(crate) fn step(&self) -> usize {
        self.step.get()
    }

    /// Takes the pages off the list that have been told to grow old.
    pub(crate) fn prune(&self) {
        // SAFETY: as in `pages`; a page is taken off the list before it is given back.
        unsafe { (*self.pages.get()).retain(|p| (*p.0).age.young.get()) };
    }

    /// All pages are another's now.
    pub(crate) fn forget(&self) {
        // SAFETY: as in `pages`.
        unsafe { *self.pages.get() = Vec::new() };
        self.forget_shelves();
        self.last.iter().for_each(|p| p.set(null_mut()));
    }

    pub(crate) fn forget_shelves(&self) {
        self.shelves.iter().for_each(|p| p.set(null_mut()));
    }
}

impl Heap {
    /// Blocks of the page come into use.
    #[inline]
    pub(crate) fn rejuvenate(&self, page: *mut Page) {
        // SAFETY: a page of this heap.
        unsafe {
            if !(*page).leaf && !(*page).age.young.replace(true) {
                (*self.young.pages.get()).push(PagePtr(page));
            }
        }
    }

    /// A collection has seen what is on the young pages. Those with objects that are not old, or whose blocks are still handed out, stay
    /// young.
    pub(crate) fn grow_old(&self) {
        // SAFETY: this thread's own pages, or with the world stopped.
        unsafe {
            for p in &*self.young.pages.get() {
                let class = (*p.0).class as usize;
                let in_use = |pages: &[Cell<*mut Page>]| {
                    pages.get(class).is_some_and(|page| page.get() == p.0)
                };
                if !(*p.0).age.has_seen_once()
                    && !in_use(&self.current)
                    && !in_use(&self.young.last)
                {
                    (*p.0).age.grow_old();
                }
            }
        }
        self.young.prune();
    }

    /// The object, which this collection has found, but which lives on for its finalizer, is to be looked at by the next one.
    ///
    /// # Safety
    /// On a page of this thread, or with the world stopped.
    pub(crate) unsafe fn look_again(p: *const Header) {
        let page = page_of(p);
        // SAFETY: the caller's promise.
        unsafe {
            (*page).age.unsee(block_index(page, p));
            if let Some(heap) = (*page).heap().as_ref() {
                heap.rejuvenate(page);
            }
        }
    }

    /// As [`Heap::free`], of what a collector has found on one page. How many bytes that is.
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn shelve(&self, found: &[*mut Header]) -> usize {
        let page = page_of(found[0]);
        // SAFETY: the caller's promise; blocks of this heap's pages are this thread's to hand out. What a page knows of its blocks is this
        // thread's to change, or the world is stopped.
        unsafe {
            debug_assert!(
                !found.iter().any(|&p| is_fought(&(*p).count)),
                "peace is still to be made"
            );
            let (size, age) = ((*page).block_size(), &(*page).age);
            age.lose(page, found, size);
            if self.owns(page) {
                let mut shelf = age.shelf.get();
                for &p in found {
                    hide(p, size);
                    (*p.cast::<Free>()).set_next(shelf, OWN);
                    shelf = p.cast();
                }
                self.put_on_shelf(page, shelf, age.shelved.get() + found.len() as u32);
            } else {
                found.iter().for_each(|&p| self.free(p));
            }
            crate::tally::collected(found.len());
            found.len() * size
        }
    }

    /// The page's shelf are so many blocks from now on, which begin with this one.
    pub(crate) unsafe fn put_on_shelf(&self, page: *mut Page, head: *mut Free, n: u32) {
        // SAFETY: a page of this heap, in which blocks share pages; the blocks are on no other list.
        unsafe {
            let age = &(*page).age;
            age.shelved.set(n);
            if age.shelf.replace(head).is_null() {
                let shelves = &self.young.shelves[(*page).class as usize];
                age.next.set(shelves.replace(page));
            }
        }
    }

    /// The class's free list is used up: takes what is shelved on one page.
    pub(crate) fn take_shelved(&self, t: &Thread, class: usize) -> bool {
        let page = self.young.shelves[class].get();
        if page.is_null() {
            return false;
        }
        // SAFETY: a page of this heap, whose shelved blocks are on no other list.
        unsafe {
            let age = &(*page).age;
            self.young.shelves[class].set(age.next.get());
            let (mut block, n) = (age.shelf.get(), age.shelved.get() as usize);
            age.unshelve();
            let mut spread = Spread::new(&*page);
            for i in 0..n {
                let next = (*block).next(OWN);
                spread.push(block, i, false);
                block = next;
            }
            debug_assert!(block.is_null(), "the shelf has been counted wrong");
            self.free[class].set(spread.before(self.free[class].get()));
            self.young.last[class].set(page);
            self.rejuvenate(page);
            self.grow(t, n * (*page).block_size(), (*page).leaf);
        }
        true
    }
}
