//! The two cycle collectors, both by trial deletion and marking over containers.
//!
//! The *local* one runs in its own thread over its own local objects, with no pause for others: I2 and I3 make the local
//! heap closed. The *shared* one stops the world and takes the threads' uncounted registers as further roots. Instances do not
//! count their type, so marking also follows the type of every object that is alive.

use crate::destroy::Pending;
use crate::header::{Flags, Header, IMMORTAL, TypeFlags};
use crate::heap::{
    Page, PagePtr, block_count, block_index, for_each_block, is_free, orphan_pages, page_of,
};
use crate::obj::Obj;
use crate::thread::{Thread, multithreaded, world};
use crate::value::Value;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use weft_threads::count::{COUNT_MASK, LISTED};

/// Container bytes that a thread makes before its first collection.
pub(crate) const FIRST_LIMIT: usize = 6 << 20;

/// Scratch word of a block: reached by marking (or no candidate at all).
const ALIVE: u32 = u32::MAX;
/// Shared objects that are worth stopping the world for.
const SHARED_FIRST: usize = 100_000;

static ENABLED: AtomicBool = AtomicBool::new(true);
static SHARED_LIMIT: AtomicUsize = AtomicUsize::new(SHARED_FIRST);

/// A thread's collector state.
#[derive(Default)]
pub struct GcState {
    running: Cell<bool>,
}

/// What a collection has found.
#[derive(Default, Clone, Copy, Debug)]
pub struct CollectStats {
    /// Unreachable objects, those with finalizers among them.
    pub found: usize,
    /// Objects whose finalizers were queued: collect again after they have run.
    pub finalizers: usize,
}

impl GcState {
    /// Whether automatic collection is on, for all threads.
    pub fn enabled() -> bool {
        ENABLED.load(Relaxed)
    }
    pub fn set_enabled(on: bool) {
        ENABLED.store(on, Relaxed);
    }
}

/// At a safepoint, when the GC bit is raised: collects this thread's local garbage if enough has been made since the last
/// time, and the shared garbage if there is much.
pub fn collect_if_due(t: &mut Thread) {
    t.peer().take(crate::breaker_bits::GC);
    if !GcState::enabled() || t.gc.running.get() || t.heap.grown.get() <= t.heap.limit.get() {
        return;
    }
    let (alive, shared) = run(t, false).1;
    t.heap.grown.set(0);
    // The work is proportional to what is alive, so a run is due when half as much again has been made.
    t.heap.limit.set((alive / 2).max(FIRST_LIMIT));
    if cfg!(not(feature = "gil")) && shared > SHARED_LIMIT.load(Relaxed) {
        let (stats, (_, all)) = run(t, true);
        SHARED_LIMIT.store(
            (all.saturating_sub(stats.found) * 2).max(SHARED_FIRST),
            Relaxed,
        );
    }
}

/// Collects everything: the local garbage of this thread, and the shared garbage.
pub fn collect(t: &mut Thread) -> CollectStats {
    if t.gc.running.get() {
        return CollectStats::default();
    }
    if cfg!(not(feature = "gil")) && world().len() > 1 {
        t.gather();
    }
    t.settle(true);
    let mut stats = CollectStats::default();
    // The shared collection of a thread that is the only one takes its local objects along.
    if cfg!(feature = "gil") || world().len() > 1 {
        stats = run(t, false).0;
    }
    t.heap.grown.set(0);
    if cfg!(not(feature = "gil")) {
        let shared = run(t, true).0;
        stats.found += shared.found;
        stats.finalizers += shared.finalizers;
        t.settle(true);
    }
    stats
}

/// Collects this thread's local garbage only: at its end.
pub fn collect_local(t: &mut Thread) -> CollectStats {
    if t.gc.running.get() {
        CollectStats::default()
    } else {
        run(t, false).0
    }
}

fn run(t: &mut Thread, shared: bool) -> (CollectStats, (usize, usize)) {
    t.gc.running.set(true);
    let peer = t.peer().clone();
    let t = &*t;
    t.heap.drop_big_freed();
    let result = if shared || cfg!(feature = "gil") {
        // In the `gil` build this is the local collection: one heap in several parts, all of them this thread's while it holds
        // the lock. The world is stopped so that no thread can leave meanwhile.
        world().stop(&peer, |stopped| {
            let threads: Vec<&Thread> = stopped.peers().map(|p| p.payload().thread()).collect();
            crate::verify::verify(&threads);
            let mut pages = orphan_pages();
            for other in &threads {
                // SAFETY: the world is stopped.
                pages.extend(unsafe { (*other.heap.pages.get()).iter().copied() });
            }
            if shared {
                Collection::new(t, pages, Kind::Shared(tags_of(&threads))).collect(&threads)
            } else {
                Collection::new(t, pages, Kind::Local).collect(&[])
            }
        })
    } else {
        if !multithreaded() {
            crate::verify::verify(&[t]);
        }
        // SAFETY: this thread's own pages; it makes no object while it collects.
        let pages = unsafe { (*t.heap.pages.get()).clone() };
        Collection::new(t, pages, Kind::Local).collect(&[])
    };
    t.heap.drop_big_freed();
    t.stats.collections.set(t.stats.collections.get() + 1);
    t.stats
        .collected
        .set(t.stats.collected.get() + result.0.found as u64);
    t.gc.running.set(false);
    result
}

/// Whether a tag is that of one of several threads, whose local objects are its own affair.
fn tags_of(threads: &[&Thread]) -> Vec<bool> {
    if threads.len() == 1 {
        return Vec::new();
    }
    let last = threads.iter().map(|t| t.tag()).max().unwrap_or(0);
    let mut tags = vec![false; 1 + usize::from(last)];
    for t in threads {
        tags[usize::from(t.tag())] = true;
    }
    tags
}

enum Kind {
    Local,
    /// By tag, whether objects of that owner are left alone.
    Shared(Vec<bool>),
}

struct Collection<'a> {
    t: &'a Thread,
    /// Pages of containers, and of other objects.
    pages: Vec<PagePtr>,
    leaves: Vec<PagePtr>,
    kind: Kind,
    /// Objects that are alive and have not been gone on from.
    work: RefCell<Vec<*const Header>>,
}

impl<'a> Collection<'a> {
    fn new(t: &'a Thread, all: Vec<PagePtr>, kind: Kind) -> Self {
        // SAFETY: pages are this thread's, or the world is stopped.
        let (leaves, pages) = all.into_iter().partition(|p| unsafe { (*p.0).leaf });
        Collection {
            t,
            pages,
            leaves,
            kind,
            work: RefCell::default(),
        }
    }

    /// Whether this collection may look into the object. The local one must not look at what is shared: such an object may be
    /// freed, and its page's scratch words be used, by another thread.
    fn in_view(&self, h: &Header) -> bool {
        let owner = h.owner.load(Relaxed);
        owner != IMMORTAL
            && match &self.kind {
                Kind::Local => owner == self.t.tag(),
                Kind::Shared(_) => true,
            }
    }

    /// Whether this collection decides about the object, which is in view.
    fn is_candidate(&self, h: &Header) -> bool {
        if h.has_flag(Flags::FROZEN | Flags::DYING) {
            return false;
        }
        let Kind::Shared(tags) = &self.kind else {
            return true;
        };
        if tags
            .get(h.owner.load(Relaxed) as usize)
            .is_some_and(|used| *used)
        {
            return false;
        }
        // What is on a list is settled by who has listed it. Objects that only the collector frees carry the flag, once
        // their count has been zero, but are on no list.
        h.count.load(Relaxed) & LISTED == 0 || h.is_collected()
    }

    /// Whether the object's type may be read. Immortal objects are never freed, so theirs may.
    fn is_readable(&self, h: &Header) -> bool {
        self.in_view(h) || h.is_immortal()
    }

    /// Calls `f` for each container that is readable, with its scratch word.
    fn for_each(&self, mut f: impl FnMut(&Header, &Cell<u32>)) {
        for p in &self.pages {
            // SAFETY: pages are this thread's, or the world is stopped; the scratch words are the collector's.
            unsafe {
                let mut words = (&*(*p.0).scratch.get()).iter();
                for_each_block(p.0, |b| {
                    if let Some(word) = words.next()
                        && !is_free(&*b)
                        && self.is_readable(&*b)
                    {
                        f(&*b, word);
                    }
                });
            }
        }
    }

    /// The scratch word of a container in view.
    fn scratch<'h>(&self, h: &'h Header) -> Option<&'h Cell<u32>> {
        if !self.in_view(h) || !h.is_container() {
            return None;
        }
        let page = page_of(h);
        // SAFETY: a heap object's page; only this collector touches its scratch words.
        unsafe { (&*(*page).scratch.get()).get(block_index(page, h)) }
    }

    fn set_scratch(&self, words: impl Fn(*const Page) -> Vec<Cell<u32>>) {
        for p in &self.pages {
            // SAFETY: as in `for_each`.
            unsafe { *(*p.0).scratch.get() = words(p.0) };
        }
    }

    /// Counts the references that candidates have from within, marks from those that have more, and frees the rest.
    /// Also gives the bytes of what is alive and the number of shared objects seen.
    fn collect(&self, threads: &[&Thread]) -> (CollectStats, (usize, usize)) {
        self.set_scratch(|p| vec![Cell::new(ALIVE); block_count(p)]);
        let (bytes, shared) = self.survey();
        self.for_each(|h, s| {
            if s.get() != ALIVE {
                each_word(h, |v| {
                    if v.is_counted()
                        // SAFETY: what a live object refers to.
                        && let Some(s) = self.scratch(unsafe { v.header() })
                        && s.get() != ALIVE
                    {
                        debug_assert!(s.get() > 0, "an object has more references than its count");
                        s.set(s.get().saturating_sub(1));
                    }
                });
            }
        });
        self.mark_roots(threads);
        let mut garbage = self.unmarked();
        if garbage
            .iter()
            // SAFETY: unreachable, but still there.
            .any(|&p| unsafe { (*p).ty().gc_flags.load(Relaxed) } & TypeFlags::COLLECTED != 0)
        {
            self.mark_types_of_leaves();
            garbage = self.unmarked();
        }
        // SAFETY: as above.
        let dead: usize = garbage
            .iter()
            .map(|&p| unsafe { (*page_of(p)).block_size() })
            .sum();
        let stats = self.finalize(&mut garbage);
        // What dies now may take its page with it.
        self.set_scratch(|_| Vec::new());
        self.dispose(garbage);
        (stats, (bytes - dead, shared))
    }

    /// Fills in the counts of candidates.
    fn survey(&self) -> (usize, usize) {
        let (mut bytes, mut shared) = (0, 0);
        for p in &self.pages {
            // SAFETY: as in `for_each`.
            unsafe {
                let block = (*p.0).block_size();
                let mut words = (&*(*p.0).scratch.get()).iter();
                for_each_block(p.0, |b| {
                    let (Some(word), h) = (words.next(), &*b) else {
                        return;
                    };
                    if is_free(h) {
                        return;
                    }
                    bytes += block;
                    if !self.t.owns(h) {
                        shared += 1;
                    }
                    if self.in_view(h) && self.is_candidate(h) {
                        word.set(h.count.load(Relaxed) & COUNT_MASK);
                    }
                });
            }
        }
        (bytes, shared)
    }

    fn mark_roots(&self, threads: &[&Thread]) {
        self.for_each(|h, s| {
            if s.get() == ALIVE {
                // No candidate: its type, and what else it does not count, is in use all the same.
                self.mark(&h.ty().header);
                if h.ty().gc_flags.load(Relaxed) & TypeFlags::UNCOUNTED != 0 {
                    each_word(h, |v| {
                        if v.is_uncounted() {
                            // SAFETY: what a live object refers to.
                            self.mark(unsafe { v.header() });
                        }
                    });
                }
            } else if s.get() > 0 {
                s.set(ALIVE);
                self.work.borrow_mut().push(h);
            }
        });
        for t in threads {
            let mut p = t.regs.base();
            while p < t.regs.top() {
                // SAFETY: the world is stopped; registers below the top are initialised.
                unsafe {
                    if (*p).is_ptr() {
                        self.mark((*p).header());
                    }
                    p = p.add(1);
                }
            }
        }
        self.drain();
    }

    /// Objects without references do not count their types either. To be asked only if a type may be garbage: there are many.
    fn mark_types_of_leaves(&self) {
        for p in &self.leaves {
            // SAFETY: as in `for_each`; a readable object is not freed meanwhile.
            unsafe {
                for_each_block(p.0, |b| {
                    if !is_free(&*b) && self.is_readable(&*b) {
                        self.mark(&(*b).ty().header);
                    }
                });
            }
        }
        self.drain();
    }

    fn unmarked(&self) -> Vec<*mut Header> {
        let mut garbage = Vec::new();
        self.for_each(|h, s| {
            if s.get() != ALIVE {
                garbage.push(h as *const Header as *mut Header);
            }
        });
        garbage
    }

    /// Marks a container that is (still) a candidate, and puts it on the list of those to go on from.
    fn mark(&self, h: &Header) {
        if let Some(s) = self.scratch(h)
            && s.get() != ALIVE
        {
            s.set(ALIVE);
            self.work.borrow_mut().push(h);
        }
    }

    fn drain(&self) {
        loop {
            let Some(h) = self.work.borrow_mut().pop() else {
                return;
            };
            // SAFETY: alive, and nobody changes it meanwhile.
            let h = unsafe { &*h };
            self.mark(&h.ty().header);
            each_reference(h, |to| self.mark(to));
        }
    }

    /// Clears weak references, and queues finalizers and keeps what they may reach.
    fn finalize(&self, garbage: &mut Vec<*mut Header>) -> CollectStats {
        let t = self.t;
        let mut stats = CollectStats {
            found: garbage.len(),
            finalizers: 0,
        };
        for &p in &*garbage {
            // SAFETY: unreachable, but still there; so in the following loops.
            let h = unsafe { &*p };
            if h.has_flag(Flags::WEAKREFS) {
                for callback in crate::weak::clear(t, h) {
                    // The callback of a weak reference that is garbage itself is not called.
                    if self
                        .scratch(callback.header())
                        .is_none_or(|s| s.get() == ALIVE)
                    {
                        t.push_pending(Pending::Callback(callback));
                    }
                }
            }
        }
        for &p in &*garbage {
            // SAFETY: as above.
            let h = unsafe { &*p };
            if !h.has_flag(Flags::FINALIZED)
                // SAFETY: an object of that type.
                && h.ty().has_finalizer.is_some_and(|f| unsafe { f(h) })
            {
                h.set_flag(Flags::FINALIZED);
                stats.finalizers += 1;
                t.push_pending(Pending::Finalize(Obj::new(t, h.value())));
                self.mark(h);
            }
        }
        self.drain();
        if stats.finalizers > 0 {
            garbage.retain(|&p| {
                // SAFETY: as above.
                self.scratch(unsafe { &*p })
                    .is_some_and(|s| s.get() != ALIVE)
            });
        }
        stats
    }

    fn dispose(&self, garbage: Vec<*mut Header>) {
        // Counts among the dying fall to zero without effect: DYING keeps them off every list.
        for &p in &garbage {
            // SAFETY: unreachable, but still there.
            unsafe { (*p).set_flag(Flags::DYING) };
        }
        // Types first: they take themselves out of their bases' lists, and find those in tuples that die as well.
        let is_first = |p: *mut Header| {
            // SAFETY: as above.
            unsafe { (*p).ty().gc_flags.load(Relaxed) & TypeFlags::COLLECTED != 0 }
        };
        for first in [true, false] {
            for &p in garbage.iter().filter(|&&p| is_first(p) == first) {
                // SAFETY: as above; each is cleared once, and what it held is either alive or DYING.
                unsafe {
                    if let Some(clear) = (*p).ty().clear {
                        clear(p, self.t);
                    }
                }
            }
        }
        // An instance may be freed after its type: nothing looks at types any more.
        for p in garbage {
            self.t.heap.free(p);
        }
    }
}

/// Calls `f` for each object that `h`, which nobody changes meanwhile, refers to.
fn each_reference(h: &Header, mut f: impl FnMut(&Header)) {
    each_word(h, |v| {
        if v.is_ptr() {
            // SAFETY: what a live object refers to.
            f(unsafe { v.header() });
        }
    });
}

/// Calls `f` with each word that `h`, which nobody changes meanwhile, holds.
fn each_word(h: &Header, mut f: impl FnMut(Value)) {
    if let Some(traverse) = h.ty().traverse {
        // SAFETY: a live object of that type.
        unsafe { traverse(h, &mut f) };
    }
}
