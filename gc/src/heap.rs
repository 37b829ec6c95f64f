//! The heap of one thread: 64 KiB pages of one size class each, free lists, frees by other threads, and the walk over all objects.
//!
//! A page serves either containers (which the collectors walk) or leaves. Objects larger than [`MAX_BLOCK`] get a page of their
//! own; long arrays and buffers are not objects and come from the general allocator.
//!
//! A free block has a link in place of its type. The rest of its header stays as it was: a collector that walks its own thread's
//! pages, while another thread frees a shared object there, sees either a shared object or a free block.

use crate::block::{Free, OWN, REMOTE, RemoteList};
use crate::header::{Header, IMMORTAL, SHARED, TypeFlags, TypeHead};
use crate::spread::{Spread, free_blocks};
use crate::thread::Thread;
use crate::young::{Age, Young};
use parking_lot::Mutex;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, UnsafeCell};
use std::ops::RangeInclusive;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, Ordering::*};
use weft_threads::parker::RawLock;

pub(crate) const PAGE: usize = 64 * 1024;
/// Largest object that shares a page with others, in bytes.
pub const MAX_BLOCK: usize = 2048;
pub(crate) const CLASSES: usize = MAX_BLOCK / 16 + 1;
/// Class of a page that holds one large object.
pub(crate) const BIG: u16 = u16::MAX;
/// Blocks carved from a page at a time: enough for neighbours to be handed out one long after the other (`spread.rs`).
const CARVE: RangeInclusive<usize> = 8..=32;
/// What the system gives memory by, in bytes.
const SYSTEM_PAGE: usize = 4096;

/// Whether a block holds no object.
#[inline(always)]
pub(crate) fn is_free(h: &Header) -> bool {
    // SAFETY: a free block's link lies where an object's type does, and both are atomic words.
    unsafe { &*(h as *const Header as *const Free) }.is_free()
}

#[repr(C, align(64))]
pub(crate) struct Page {
    /// The heap that allocates from this page, and [`COUNTED`] if what dies here is counted; null while the page waits to be adopted.
    heap: AtomicPtr<Heap>,
    block: u32,
    /// 2^32 divided by that, and rounded up: see [`block_index`].
    inverse: u32,
    /// Index of its free list, or [`BIG`].
    pub(crate) class: u16,
    pub(crate) leaf: bool,
    /// Offset of the first byte that was never part of a block handed out. Atomic: read by the walk of a stopped world.
    bump: AtomicU32,
    end: u32,
    size: usize,
    /// Blocks freed by other threads.
    pub(crate) remote: RemoteList,
    /// Scratch of the collectors: a short word for each block, while they run, and how many candidates there are.
    pub(crate) scratch: UnsafeCell<Vec<AtomicU16>>,
    pub(crate) candidates: Cell<u32>,
    /// For `release.rs`: blocks on the free list.
    pub(crate) unused: Cell<u32>,
    /// For `young.rs`.
    pub(crate) age: Age,
}

impl Page {
    #[inline]
    pub(crate) fn block_size(&self) -> usize {
        self.block as usize
    }

    /// The heap that it belongs to, if any.
    pub(crate) fn heap(&self) -> *const Heap {
        plain(self.heap.load(Acquire))
    }
}

/// So that no heap takes a page for its own where it need not look further: see `tally.rs`.
const COUNTED: usize = 1;

fn plain(heap: *mut Heap) -> *const Heap {
    heap.map_addr(|p| p & !COUNTED)
}

const FIRST: usize = size_of::<Page>().next_multiple_of(64);

/// Pages of threads that have ended.
pub(crate) static ORPHANS: Mutex<Vec<PagePtr>> = Mutex::new(Vec::new());

/// Pages whose one large object is dead: their heaps give them back.
static BIG_FREED: Mutex<BigFreed> = Mutex::new(BigFreed {
    pages: Vec::new(),
    bytes: 0,
});

struct BigFreed {
    pages: Vec<PagePtr>,
    bytes: usize,
}

/// Dead large objects that are worth going through the pages for, in bytes.
const BIG_ENOUGH: usize = 1 << 20;

#[derive(Clone, Copy)]
pub(crate) struct PagePtr(pub *mut Page);
// SAFETY: a page is owned by whoever holds it in its list; the list itself is behind a lock.
unsafe impl Send for PagePtr {}
// SAFETY: as above; what a collection's threads look at stands still.
unsafe impl Sync for PagePtr {}

/// A thread's heap. Only its thread allocates from it; others may push to its pages' remote lists.
pub(crate) struct Heap {
    pub(crate) free: [Cell<*mut Free>; CLASSES * 2],
    /// The page being carved for each class.
    pub(crate) current: [Cell<*mut Page>; CLASSES * 2],
    pub(crate) pages: UnsafeCell<Vec<PagePtr>>,
    /// How many pages there must be before the next look for what others have freed.
    look: [Cell<u32>; CLASSES * 2],
    /// Container bytes handed out since the last collection, net of what died of its count.
    pub(crate) grown: Cell<usize>,
    pub(crate) young: Young,
    /// How many collections are to pass between two looks for empty pages, and how many have.
    pub(crate) release_wait: Cell<(u32, u32)>,
}

impl Heap {
    pub(crate) fn new() -> Heap {
        Heap {
            free: [const { Cell::new(null_mut()) }; CLASSES * 2],
            current: [const { Cell::new(null_mut()) }; CLASSES * 2],
            pages: UnsafeCell::new(Vec::new()),
            look: [const { Cell::new(0) }; CLASSES * 2],
            grown: Cell::new(0),
            young: Young::new(),
            release_wait: Cell::new((0, 0)),
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
                self.free[class].set(unsafe { (*p).next(OWN) });
                return p as *mut Header;
            }
        }
        self.block_slow(t, size, leaf)
    }

    #[cold]
    #[inline(never)]
    fn block_slow(&self, t: &Thread, size: usize, leaf: bool) -> *mut Header {
        if size > MAX_BLOCK {
            if BIG_FREED.lock().bytes >= BIG_ENOUGH {
                self.drop_big_freed();
            }
            let page = self.new_page(
                size.next_multiple_of(16),
                leaf,
                FIRST + size.next_multiple_of(16),
            );
            self.rejuvenate(page);
            self.grow(t, size, leaf);
            // SAFETY: a fresh page with one block.
            unsafe {
                (*page).bump.store((*page).end, Release);
                return (page as *mut u8).add(FIRST) as *mut Header;
            }
        }
        let class = size.div_ceil(16) + if leaf { CLASSES } else { 0 };
        if !self.take_shelved(t, class) && !self.carve(t, class) {
            self.refill(t, size.div_ceil(16) * 16, class, leaf);
            if self.free[class].get().is_null() {
                self.carve(t, class);
            }
        }
        let p = self.free[class].get();
        // SAFETY: the free list was just filled.
        self.free[class].set(unsafe { (*p).next(OWN) });
        p as *mut Header
    }

    pub(crate) fn grow(&self, t: &Thread, bytes: usize, leaf: bool) {
        if !leaf {
            self.grown.set(self.grown.get() + bytes);
            if self.grown.get() > self.young.limit.get() {
                t.peer().raise(crate::breaker_bits::GC);
            }
        }
    }

    /// Takes the next few blocks of the class's current page into the free list: first what lies beside the page's head in one page of
    /// the system, then no more than there is already, as many a class has few objects.
    fn carve(&self, t: &Thread, class: usize) -> bool {
        let page = self.current[class].get();
        if page.is_null() {
            return false;
        }
        // SAFETY: a page of this heap; only this thread moves `bump`.
        unsafe {
            let block = (*page).block as usize;
            let bump = (*page).bump.load(Relaxed) as usize;
            let left = ((*page).end as usize - bump) / block;
            if left == 0 {
                return false;
            }
            let n = bump.max(SYSTEM_PAGE - FIRST) / block;
            let n = n.clamp(*CARVE.start(), *CARVE.end()).min(left);
            let mut spread = Spread::new(&*page);
            for i in (0..n).rev() {
                let p = (page as *mut u8).add(bump + i * block) as *mut Free;
                spread.push(p, i, false);
            }
            self.free[class].set(spread.before(self.free[class].get()));
            (*page).bump.store((bump + n * block) as u32, Release);
            self.rejuvenate(page);
            self.grow(t, n * block, (*page).leaf);
        }
        true
    }

    /// The current page is used up: takes back what others freed, or adopts a page, or makes a new one.
    fn refill(&self, t: &Thread, block: usize, class: usize, leaf: bool) {
        if self.take_all_remote(block, class, leaf) {
            return;
        }
        let mut orphans = ORPHANS.lock();
        // SAFETY: orphaned pages belong to whoever holds the list.
        let found = orphans
            .iter()
            .position(|p| unsafe { (*p.0).block as usize == block && (*p.0).leaf == leaf });
        if let Some(i) = found {
            let page = orphans.swap_remove(i);
            drop(orphans);
            self.adopt(t, page, class);
            if !self.free[class].get().is_null() || self.current[class].get() == page.0 {
                return;
            }
            // Full of live objects: look no further this time.
        } else {
            drop(orphans);
        }
        let page = self.new_page(block, leaf, PAGE);
        self.current[class].set(page);
    }

    /// Takes what other threads have freed on pages of this class. Looks only when an eighth more pages have come since it last
    /// looked in vain, so that a large heap is not gone through for every new page.
    fn take_all_remote(&self, block: usize, class: usize, leaf: bool) -> bool {
        // SAFETY: only this thread touches its page list (or who has stopped the world).
        let pages = unsafe { &*self.pages.get() };
        if pages.len() < self.look[class].get() as usize {
            return false;
        }
        let mut got = false;
        for p in pages {
            // SAFETY: pages in the list are alive.
            let page = unsafe { &*p.0 };
            if page.block as usize == block && page.leaf == leaf && !page.remote.is_empty() {
                self.take_remote(page, class);
                got = true;
            }
        }
        if !got {
            self.look[class].set((pages.len() + pages.len() / 8 + 1) as u32);
        }
        got
    }

    fn adopt(&self, t: &Thread, page: PagePtr, class: usize) {
        // SAFETY: taken from the orphans' list, so ours alone now, save for its remote list.
        unsafe {
            (*page.0).heap.store(self.word(), Release);
            (*self.pages.get()).push(page);
            // What was on the ended thread's free list. Blocks on their way to the remote list are told apart by their links.
            let (head, found) = free_blocks(page.0, self.free[class].get());
            self.rejuvenate(page.0);
            t.gc.adopted((*page.0).age.alive());
            self.grow(t, found * (*page.0).block_size(), (*page.0).leaf);
            self.free[class].set(head);
            self.take_remote(&*page.0, class);
            if (*page.0).bump.load(Relaxed) < (*page.0).end {
                // The class's own page is used up, or this one would not have been asked for.
                self.current[class].set(page.0);
            }
        }
    }

    pub(crate) fn take_remote(&self, page: &Page, class: usize) {
        self.free[class].set(page.remote.take(self.free[class].get()));
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
                heap: AtomicPtr::new(self.word()),
                block: block as u32,
                inverse: (1u64 << 32).div_ceil(block as u64) as u32,
                class: if block > MAX_BLOCK {
                    BIG
                } else {
                    (block / 16 + if leaf { CLASSES } else { 0 }) as u16
                },
                leaf,
                bump: AtomicU32::new(FIRST as u32),
                end: end as u32,
                size,
                remote: RemoteList::new(),
                scratch: UnsafeCell::new(Vec::new()),
                candidates: Cell::new(0),
                unused: Cell::new(0),
                age: Age::new(),
            });
            (*self.pages.get()).push(PagePtr(page));
        }
        page
    }

    /// Whether blocks that die on the page go onto this heap's lists.
    #[inline(always)]
    pub(crate) fn owns(&self, page: *const Page) -> bool {
        // SAFETY: a live page.
        unsafe { ptr::eq((*page).heap(), self) && (*page).class != BIG }
    }

    /// What a page of this heap calls it.
    fn word(&self) -> *mut Heap {
        let counted = if crate::stats::counting() { COUNTED } else { 0 };
        (self as *const Heap as *mut Heap).map_addr(|p| p | counted)
    }

    /// Gives a dead object's block back: to this heap's free list, or to the page's remote list if the page is another's.
    #[inline(always)]
    pub(crate) fn free(&self, p: *mut Header) {
        let page = page_of(p);
        // SAFETY: `p` is a block of a live page and nobody refers to it any more.
        unsafe {
            hide(p, (*page).block as usize);
            let block = p as *mut Free;
            let own = ptr::eq((*page).heap.load(Relaxed), self);
            if own && let Some(list) = self.free.get((*page).class as usize) {
                (*block).set_next(list.get(), OWN);
                list.set(block);
            } else {
                self.free_elsewhere(page, block);
            }
        }
    }

    /// Frees a large object, or a block of another heap's page, or any while somebody counts what dies.
    ///
    /// # Safety
    /// The block is free, and of that page.
    #[cold]
    #[inline(never)]
    unsafe fn free_elsewhere(&self, page: *mut Page, block: *mut Free) {
        // SAFETY: the caller's promise: the page is alive as long as it has a block that no list holds; the head of a block is as its
        // object left it.
        unsafe {
            crate::tally::died(Thread::current(), &*block.cast::<Header>());
            if (*page).class == BIG {
                free_big(page, block);
            } else if self.owns(page) {
                let list = &self.free[(*page).class as usize];
                (*block).set_next(list.get(), OWN);
                list.set(block);
            } else {
                (*page).remote.push(block);
            }
        }
    }

    /// Gives back the pages of large objects that have died, this heap's and those of ended threads. Not while a collector looks
    /// at them: called by this heap's thread when it allocates, collects, or ends.
    #[cold]
    pub(crate) fn drop_big_freed(&self) {
        let mut freed = BIG_FREED.lock();
        if freed.pages.is_empty() {
            return;
        }
        let takers = [self as *const Heap, ptr::null()];
        // SAFETY: a page that waits here is alive until its heap's thread, or for an orphan the holder of this lock, drops it.
        let mut mine: Vec<usize> = freed
            .pages
            .extract_if(.., |p| unsafe { takers.contains(&(*p.0).heap()) })
            .map(|p| p.0 as usize)
            .collect();
        mine.sort_unstable();
        let gone = |p: &mut PagePtr| mine.binary_search(&(p.0 as usize)).is_ok();
        for p in &mine {
            // SAFETY: as below.
            unsafe {
                (*std::ptr::with_exposed_provenance::<Page>(*p))
                    .age
                    .grow_old()
            };
        }
        self.young.prune();
        // SAFETY: our own list.
        let pages = unsafe { (*self.pages.get()).extract_if(.., gone) };
        for p in pages.chain(ORPHANS.lock().extract_if(.., gone)) {
            // SAFETY: the only block of this page is free, and no list has the page any more.
            unsafe {
                freed.bytes -= (*p.0).size;
                drop_page(p.0);
            }
        }
    }

    /// Hands all pages to whoever needs them next. The thread has ended and owns no local object any more.
    pub(crate) fn abandon(&self) {
        self.drop_big_freed();
        // SAFETY: the thread itself calls this, at its end.
        let pages = std::mem::take(unsafe { &mut *self.pages.get() });
        let mut orphans = ORPHANS.lock();
        for p in &pages {
            // SAFETY: still ours. What is shelved there says that it is free, which will do for who adopts the page.
            unsafe {
                (*p.0).age.unshelve();
                (*p.0).age.grow_old();
                (*p.0).heap.store(null_mut(), Release);
            }
        }
        orphans.extend(pages);
        drop(orphans);
        self.young.forget();
        for i in 0..CLASSES * 2 {
            self.free[i].set(null_mut());
            self.current[i].set(null_mut());
        }
    }
}

#[cfg(weft_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(p: *const u8, size: usize);
    fn __asan_unpoison_memory_region(p: *const u8, size: usize);
}

/// Tells AddressSanitizer that what is behind the head of a free block is nobody's.
#[inline(always)]
pub(crate) fn hide(_p: *mut Header, _size: usize) {
    #[cfg(weft_asan)]
    // SAFETY: within a block that nobody refers to.
    unsafe {
        __asan_poison_memory_region((_p as *const u8).add(16), _size - 16)
    };
}

/// Tells AddressSanitizer that a block is in use.
#[inline(always)]
fn show(_p: *mut Header, _size: usize) {
    #[cfg(weft_asan)]
    // SAFETY: a block that has just been handed out.
    unsafe {
        __asan_unpoison_memory_region(_p as *const u8, _size)
    };
}

/// A large object is dead: its page waits until its heap's thread drops it, which may be going through its pages just now.
#[cold]
fn free_big(page: *mut Page, block: *mut Free) {
    // SAFETY: the block is free and ours.
    unsafe { (*block).set_next(null_mut(), REMOTE) };
    let mut freed = BIG_FREED.lock();
    // SAFETY: the page is alive until it is taken off this list.
    freed.bytes += unsafe { (*page).size };
    freed.pages.push(PagePtr(page));
}

fn page_layout(size: usize) -> Layout {
    Layout::from_size_align(size, PAGE).expect("page sizes are below isize::MAX")
}

pub(crate) unsafe fn drop_page(page: *mut Page) {
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
// By a multiplication, as this is asked for each reference that is marked. What rounding adds is less than 2^-16 of a block, as no offset
// is more than 2^16.
#[inline(always)]
pub(crate) fn block_index(page: *const Page, p: *const Header) -> usize {
    let offset = p as usize - page as usize - FIRST;
    // SAFETY: `page` is the page of a live block.
    let inverse = unsafe { (*page).inverse };
    ((offset as u64 * u64::from(inverse)) >> 32) as usize
}

/// The block that begins so many bytes behind the first.
///
/// # Safety
/// Within a live page.
#[inline]
pub(crate) unsafe fn block_at(page: *mut Page, offset: usize) -> *mut Header {
    // SAFETY: the caller's promise.
    unsafe { (page as *mut u8).add(FIRST + offset) as *mut Header }
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
    // SAFETY: the world is stopped, or the heap's own thread calls this (for whom others' objects may turn free as it looks).
    let pages = unsafe { &*heap.pages.get() };
    for p in pages.iter() {
        walk_page(p.0, containers, &mut f);
    }
}

fn walk_page(page: *mut Page, containers: bool, f: &mut impl FnMut(*mut Page, &Header)) {
    // SAFETY: as for `walk`; a block that is not free is an object.
    unsafe {
        if containers && (*page).leaf {
            return;
        }
        for_each_block(page, |p| {
            if !is_free(&*p) {
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

/// Whether `f` is true of a live object of this thread, the only one, or of those that have ended.
pub fn any_object(t: &mut Thread, f: &mut dyn FnMut(&Header) -> bool) -> bool {
    let mut found = false;
    walk(&t.heap, false, |_, h| found = found || f(h));
    walk_orphans(false, |_, h| found = found || f(h));
    found
}

/// How many live objects there are, of all threads.
pub fn live_objects(t: &mut Thread) -> usize {
    let me = t.peer().clone();
    let mut n = 0;
    crate::thread::world().stop(&me, |stopped| {
        for peer in stopped.peers() {
            walk(&peer.payload().thread().heap, false, |_, _| n += 1);
        }
        walk_orphans(false, |_, _| n += 1);
    });
    n
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
            show(p, size);
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
            show(p, size);
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
        let mut published = self.stats.published.get();
        walk(&self.heap, false, |_, h| {
            if h.owner.load(Relaxed) == tag {
                h.owner.store(SHARED, Release);
                published += 1;
            }
        });
        self.stats.published.set(published);
    }
}
