//! The heap of one thread: 64 KiB pages of one size class each, free lists, frees by other threads, and the walk over all objects.
//!
//! A page serves either containers (which the collectors walk) or leaves. A free block has a null type. Objects larger than
//! [`MAX_BLOCK`] get a page of their own; long arrays and buffers are not objects and come from the general allocator.

use crate::header::{Header, IMMORTAL, SHARED, TypeFlags, TypeHead};
use crate::thread::Thread;
use parking_lot::Mutex;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, UnsafeCell};
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, Ordering::*};
use weft_threads::parker::RawLock;

const PAGE: usize = 64 * 1024;
/// Largest object that shares a page with others, in bytes.
pub const MAX_BLOCK: usize = 2048;
const CLASSES: usize = MAX_BLOCK / 16 + 1;
/// Blocks carved from a page at a time.
const CARVE: usize = 32;

/// A block that is not in use: the link lies where an object has its count and owner, and the type word is null.
#[repr(C)]
struct Free {
    next: *mut Free,
    ty: *mut TypeHead,
}

#[repr(C, align(64))]
pub(crate) struct Page {
    /// The heap that allocates from this page; null while the page waits to be adopted.
    heap: AtomicPtr<Heap>,
    block: u32,
    pub(crate) leaf: bool,
    /// Offset of the first byte that was never part of a block handed out. Atomic: read by the walk of a stopped world.
    bump: AtomicU32,
    end: u32,
    size: usize,
    /// Blocks freed by other threads.
    remote: AtomicPtr<Free>,
    /// Scratch of the collectors: one word a block, while they run.
    pub(crate) scratch: UnsafeCell<Vec<u32>>,
}

const FIRST: usize = size_of::<Page>().next_multiple_of(64);

/// Pages of threads that have ended.
static ORPHANS: Mutex<Vec<PagePtr>> = Mutex::new(Vec::new());

#[derive(Clone, Copy)]
pub(crate) struct PagePtr(pub *mut Page);
// SAFETY: a page is owned by whoever holds it in its list; the list itself is behind a lock.
unsafe impl Send for PagePtr {}

/// A thread's heap. Only its thread allocates from it; others may push to its pages' remote lists.
pub(crate) struct Heap {
    free: [Cell<*mut Free>; CLASSES * 2],
    /// The page being carved for each class.
    current: [Cell<*mut Page>; CLASSES * 2],
    pub(crate) pages: UnsafeCell<Vec<PagePtr>>,
    /// Container bytes handed out since the last collection, net of what came back through free lists.
    pub(crate) grown: Cell<usize>,
    pub(crate) limit: Cell<usize>,
}

impl Heap {
    pub(crate) fn new() -> Heap {
        Heap {
            free: [const { Cell::new(null_mut()) }; CLASSES * 2],
            current: [const { Cell::new(null_mut()) }; CLASSES * 2],
            pages: UnsafeCell::new(Vec::new()),
            grown: Cell::new(0),
            limit: Cell::new(crate::collect::FIRST_LIMIT),
        }
    }

    /// A block for `size` bytes: the head of the class's free list. Never collects (it only asks for a collection).
    #[inline(always)]
    pub(crate) fn block(&self, t: &Thread, size: usize, leaf: bool) -> *mut Header {
        if size <= MAX_BLOCK {
            let class = size.div_ceil(16) + if leaf { CLASSES } else { 0 };
            let p = self.free[class].get();
            if !p.is_null() {
                // SAFETY: a block on this thread's free list is free and belongs to one of its pages.
                self.free[class].set(unsafe { (*p).next });
                return p as *mut Header;
            }
        }
        self.block_slow(t, size, leaf)
    }

    #[cold]
    #[inline(never)]
    fn block_slow(&self, t: &Thread, size: usize, leaf: bool) -> *mut Header {
        if size > MAX_BLOCK {
            let page = self.new_page(size.next_multiple_of(16), leaf, FIRST + size.next_multiple_of(16));
            self.grow(t, size, leaf);
            // SAFETY: a fresh page with one block.
            unsafe {
                (*page).bump.store((*page).end, Release);
                return (page as *mut u8).add(FIRST) as *mut Header;
            }
        }
        let class = size.div_ceil(16) + if leaf { CLASSES } else { 0 };
        if !self.carve(t, class) {
            self.refill(size.div_ceil(16) * 16, class, leaf);
            if self.free[class].get().is_null() {
                self.carve(t, class);
            }
        }
        let p = self.free[class].get();
        // SAFETY: the free list was just filled.
        self.free[class].set(unsafe { (*p).next });
        p as *mut Header
    }

    fn grow(&self, t: &Thread, bytes: usize, leaf: bool) {
        if !leaf {
            self.grown.set(self.grown.get() + bytes);
            if self.grown.get() > self.limit.get() {
                t.peer().raise(crate::breaker_bits::GC);
            }
        }
    }

    /// Takes the next few blocks of the class's current page into the free list.
    fn carve(&self, t: &Thread, class: usize) -> bool {
        let page = self.current[class].get();
        if page.is_null() {
            return false;
        }
        // SAFETY: a page of this heap; only this thread moves `bump`.
        unsafe {
            let block = (*page).block as usize;
            let bump = (*page).bump.load(Relaxed) as usize;
            let n = (((*page).end as usize - bump) / block).min(CARVE);
            if n == 0 {
                return false;
            }
            let mut head = self.free[class].get();
            for i in (0..n).rev() {
                let p = (page as *mut u8).add(bump + i * block) as *mut Free;
                (*p).ty = null_mut();
                (*p).next = head;
                head = p;
            }
            self.free[class].set(head);
            (*page).bump.store((bump + n * block) as u32, Release);
            self.grow(t, n * block, (*page).leaf);
        }
        true
    }

    /// The current page is used up: takes back what others freed, or adopts a page, or makes a new one.
    fn refill(&self, block: usize, class: usize, leaf: bool) {
        // SAFETY: only this thread touches its page list (or who has stopped the world).
        let pages = unsafe { &*self.pages.get() };
        let mut got = false;
        for p in pages {
            // SAFETY: pages in the list are alive.
            let page = unsafe { &*p.0 };
            if page.block as usize == block && page.leaf == leaf && !page.remote.load(Relaxed).is_null() {
                self.take_remote(page, class);
                got = true;
            }
        }
        if got {
            return;
        }
        let mut orphans = ORPHANS.lock();
        // SAFETY: orphaned pages belong to whoever holds the list.
        let found = orphans.iter().position(|p| unsafe { (*p.0).block as usize == block && (*p.0).leaf == leaf });
        if let Some(i) = found {
            let page = orphans.swap_remove(i);
            drop(orphans);
            self.adopt(page, class);
            if !self.free[class].get().is_null() {
                return;
            }
            // Full of live objects: look no further this time.
        } else {
            drop(orphans);
        }
        let page = self.new_page(block, leaf, PAGE);
        self.current[class].set(page);
    }

    fn adopt(&self, page: PagePtr, class: usize) {
        // SAFETY: taken from the orphans' list, so ours alone now.
        unsafe {
            (*page.0).heap.store(self as *const Heap as *mut Heap, Release);
            (*self.pages.get()).push(page);
            self.take_remote(&*page.0, class);
            let mut head = self.free[class].get();
            for_each_block(page.0, |p| {
                let p = p as *mut Free;
                if (*p).ty.is_null() && !on_list(head, p) {
                    (*p).next = head;
                    head = p;
                }
            });
            self.free[class].set(head);
        }
    }

    fn take_remote(&self, page: &Page, class: usize) {
        // Acquire: the blocks' words were written by the threads that freed them.
        let mut p = page.remote.swap(null_mut(), AcqRel);
        while !p.is_null() {
            // SAFETY: blocks on the remote list are free, and the list is now ours.
            unsafe {
                let next = (*p).next;
                (*p).next = self.free[class].get();
                self.free[class].set(p);
                p = next;
            }
        }
    }

    fn new_page(&self, block: usize, leaf: bool, size: usize) -> *mut Page {
        let layout = page_layout(size);
        // SAFETY: the layout is not empty.
        let page = unsafe { alloc(layout) } as *mut Page;
        if page.is_null() {
            handle_alloc_error(layout);
        }
        let end = FIRST + (size - FIRST) / block * block;
        // SAFETY: fresh memory of at least `FIRST` bytes.
        unsafe {
            page.write(Page {
                heap: AtomicPtr::new(self as *const Heap as *mut Heap),
                block: block as u32,
                leaf,
                bump: AtomicU32::new(FIRST as u32),
                end: end as u32,
                size,
                remote: AtomicPtr::new(null_mut()),
                scratch: UnsafeCell::new(Vec::new()),
            });
            (*self.pages.get()).push(PagePtr(page));
        }
        page
    }

    /// Gives a dead object's block back: to this heap's free list, or to the page's remote list if the page is another's.
    #[inline]
    pub(crate) fn free(&self, p: *mut Header) {
        let page = page_of(p);
        // SAFETY: `p` is a block of a live page and nobody refers to it any more.
        unsafe {
            let block = p as *mut Free;
            (*block).ty = null_mut();
            if (*page).heap.load(Relaxed) as *const Heap == self as *const Heap {
                if (*page).block as usize > MAX_BLOCK {
                    return self.free_single(page);
                }
                let class = (*page).block as usize / 16 + if (*page).leaf { CLASSES } else { 0 };
                (*block).next = self.free[class].get();
                self.free[class].set(block);
            } else {
                free_remote(&*page, block);
            }
        }
    }

    #[cold]
    fn free_single(&self, page: *mut Page) {
        // SAFETY: the only block of this page of ours is free.
        unsafe {
            let pages = &mut *self.pages.get();
            if let Some(i) = pages.iter().rposition(|p| p.0 == page) {
                pages.swap_remove(i);
            }
            drop_page(page);
        }
    }

    /// Hands all pages to whoever needs them next. The thread has ended and owns no local object any more.
    pub(crate) fn abandon(&self) {
        // SAFETY: the thread itself calls this, at its end.
        let pages = std::mem::take(unsafe { &mut *self.pages.get() });
        for p in &pages {
            // SAFETY: still ours.
            unsafe { (*p.0).heap.store(null_mut(), Release) };
        }
        ORPHANS.lock().extend(pages);
        for i in 0..CLASSES * 2 {
            self.free[i].set(null_mut());
            self.current[i].set(null_mut());
        }
    }
}

fn on_list(mut head: *mut Free, p: *mut Free) -> bool {
    // Only asked while adopting a page, where the list holds at most this page's remote frees.
    let mut steps = 0;
    while !head.is_null() && steps < PAGE / 16 {
        if head == p {
            return true;
        }
        // SAFETY: blocks on the free list are free.
        head = unsafe { (*head).next };
        steps += 1;
    }
    false
}

#[cold]
fn free_remote(page: &Page, block: *mut Free) {
    let mut head = page.remote.load(Relaxed);
    loop {
        // SAFETY: the block is free and ours until the exchange succeeds.
        unsafe { (*block).next = head };
        // Release: hands the block's words to the owner's acquire in `take_remote`.
        match page.remote.compare_exchange_weak(head, block, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

fn page_layout(size: usize) -> Layout {
    Layout::from_size_align(size, PAGE).expect("page sizes are below isize::MAX")
}

unsafe fn drop_page(page: *mut Page) {
    // SAFETY: the caller owns the page and no block of it is in use.
    unsafe {
        let size = (*page).size;
        ptr::drop_in_place(page);
        dealloc(page as *mut u8, page_layout(size));
    }
}

#[inline(always)]
pub(crate) fn page_of(p: *const Header) -> *mut Page {
    (p as usize & !(PAGE - 1)) as *mut Page
}

/// Number of a block within its page.
#[inline(always)]
pub(crate) fn block_index(page: *const Page, p: *const Header) -> usize {
    // SAFETY: `page` is the page of a live block.
    (p as usize - page as usize - FIRST) / unsafe { (*page).block as usize }
}

pub(crate) fn block_count(page: *const Page) -> usize {
    // SAFETY: a live page.
    unsafe { ((*page).bump.load(Acquire) as usize - FIRST) / (*page).block as usize }
}

/// Calls `f` for every block ever handed out, free or not.
pub(crate) unsafe fn for_each_block(page: *mut Page, mut f: impl FnMut(*mut Header)) {
    // SAFETY: the caller owns the page or has stopped the world.
    unsafe {
        let block = (*page).block as usize;
        let bump = (*page).bump.load(Acquire) as usize;
        let mut at = FIRST;
        while at < bump {
            f((page as *mut u8).add(at) as *mut Header);
            at += block;
        }
    }
}

/// Calls `f` for each live object on the thread's own pages; `containers` leaves out the pages of leaves.
pub(crate) fn walk(heap: &Heap, containers: bool, mut f: impl FnMut(*mut Page, &Header)) {
    // SAFETY: called by the heap's own thread, or with the world stopped.
    let pages = unsafe { &*heap.pages.get() };
    for p in pages.iter() {
        walk_page(p.0, containers, &mut f);
    }
}

fn walk_page(page: *mut Page, containers: bool, f: &mut impl FnMut(*mut Page, &Header)) {
    // SAFETY: as for `walk`; a block whose type word is not null is an object.
    unsafe {
        if containers && (*page).leaf {
            return;
        }
        for_each_block(page, |p| {
            if !(*p).ty.load(Acquire).is_null() {
                f(page, &*p);
            }
        });
    }
}

/// As [`walk`], over the pages of threads that have ended. The world must be stopped.
pub(crate) fn walk_orphans(containers: bool, mut f: impl FnMut(*mut Page, &Header)) {
    for p in ORPHANS.lock().iter() {
        walk_page(p.0, containers, &mut f);
    }
}

/// All pages of ended threads, for the collector's scratch words.
pub(crate) fn orphan_pages() -> Vec<PagePtr> {
    ORPHANS.lock().clone()
}

/// Calls `f` for every live container of every thread, with the world stopped.
pub fn for_each_object(t: &mut Thread, f: &mut dyn FnMut(&Header)) {
    let me = t.peer().clone();
    crate::thread::world().stop(&me, |stopped| {
        for peer in stopped.peers() {
            walk(&peer.payload().thread().heap, true, |_, h| f(h));
        }
        walk_orphans(true, |_, h| f(h));
    });
}

impl Thread {
    /// A new local object of `size` bytes (header included), with count 1 and everything after the header zero.
    ///
    /// # Safety
    /// `size` covers the type's layout, for which zero words are a valid state; `ty` is a live type's head.
    #[inline(always)]
    pub unsafe fn alloc(&self, ty: *const TypeHead, size: usize) -> *mut Header {
        // SAFETY: the caller's promise; the block is at least `size` bytes.
        unsafe {
            let leaf = (*ty).gc_flags.load(Relaxed) & TypeFlags::CONTAINER == 0;
            let p = self.heap.block(self, size, leaf);
            ptr::write_bytes((p as *mut u8).add(16), 0, size - 16);
            self.init_header(p, ty);
            p
        }
    }

    /// As [`Thread::alloc`], leaving everything after the header as it was: the caller writes all of it before anything else.
    ///
    /// # Safety
    /// As for `alloc`; every field must be written before the next allocation or safepoint.
    #[inline(always)]
    pub unsafe fn alloc_uninit(&self, ty: *const TypeHead, size: usize, leaf: bool) -> *mut Header {
        // SAFETY: the caller's promise.
        unsafe {
            let p = self.heap.block(self, size, leaf);
            self.init_header(p, ty);
            p
        }
    }

    #[inline(always)]
    unsafe fn init_header(&self, p: *mut Header, ty: *const TypeHead) {
        // SAFETY: `p` is a free block of this thread.
        unsafe {
            p.write(Header {
                count: AtomicU32::new(1),
                owner: AtomicU16::new(self.tag()),
                lock: RawLock::new(),
                flags: AtomicU8::new(0),
                ty: AtomicPtr::new(ty as *mut TypeHead),
            });
        }
    }

    /// Publishes everything local to this thread that is still alive: at its end.
    pub(crate) fn publish_all(&self) {
        let tag = self.tag();
        if tag == IMMORTAL {
            return;
        }
        walk(&self.heap, false, |_, h| {
            if h.owner.load(Relaxed) == tag {
                h.owner.store(SHARED, Release);
            }
        });
    }
}
