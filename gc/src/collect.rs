//! The two cycle collectors, both by trial deletion and marking over containers.
//!
//! The *local* one runs in its own thread over its own local objects, with no pause for others: I2 and I3 make the local
//! heap closed. The *shared* one stops the world and takes the threads' uncounted registers as further roots. Instances do not
//! count their type, so marking also follows the type of every object that is alive.

use crate::destroy::Pending;
use crate::header::{Flags, Header, IMMORTAL};
use crate::heap::{PagePtr, block_count, block_index, for_each_block, orphan_pages, page_of};
use crate::obj::Obj;
use crate::thread::{Thread, multithreaded, world};
use crate::value::Value;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use weft_threads::count::{COUNT_MASK, LISTED};

/// Container bytes that a thread makes before its first collection.
pub(crate) const FIRST_LIMIT: usize = 6 << 20;

/// Scratch word of a block: reached by marking (or no candidate at all).
const ALIVE: u32 = u32::MAX;
/// Scratch word: found unreachable.
const GARBAGE: u32 = u32::MAX - 1;

static ENABLED: AtomicBool = AtomicBool::new(true);
static SHARED_LIMIT: AtomicUsize = AtomicUsize::new(100_000);

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
    if multithreaded() && shared > SHARED_LIMIT.load(Relaxed) {
        run(t, true);
        SHARED_LIMIT.store(shared * 2, Relaxed);
    }
}

/// Collects everything: the local garbage of this thread, and the shared garbage.
pub fn collect(t: &mut Thread) -> CollectStats {
    if t.gc.running.get() {
        return CollectStats::default();
    }
    t.settle(true);
    let mut stats = run(t, false).0;
    t.heap.grown.set(0);
    if multithreaded() {
        let shared = run(t, true).0;
        stats.found += shared.found;
        stats.finalizers += shared.finalizers;
        t.settle(true);
    }
    stats
}

/// Collects this thread's local garbage only: at its end.
pub fn collect_local(t: &mut Thread) -> CollectStats {
    if t.gc.running.get() { CollectStats::default() } else { run(t, false).0 }
}

fn run(t: &mut Thread, shared: bool) -> (CollectStats, (usize, usize)) {
    t.gc.running.set(true);
    let result = if shared {
        let peer = t.peer().clone();
        let t = &*t;
        world().stop(&peer, |stopped| {
            let heaps: Vec<&Thread> = stopped.peers().map(|p| p.payload().thread()).collect();
            crate::verify::verify(&heaps);
            let mut pages = orphan_pages();
            for other in &heaps {
                // SAFETY: the world is stopped.
                pages.extend(unsafe { (*other.heap.pages.get()).iter().copied() });
            }
            let tags: Vec<u16> = heaps.iter().map(|o| o.tag()).collect();
            let mut c = Collection { t, pages, kind: Kind::Shared(tags), work: Vec::new() };
            c.collect(&heaps)
        })
    } else {
        let t = &*t;
        if !multithreaded() {
            crate::verify::verify(&[t]);
        }
        // SAFETY: this thread's own pages; it makes no object while it collects.
        let mut pages: Vec<PagePtr> = unsafe { (*t.heap.pages.get()).clone() };
        if cfg!(feature = "gil") {
            // One heap in several parts: all are this thread's while it holds the lock.
            pages = orphan_pages();
            for p in world().peers() {
                // SAFETY: the GIL keeps all others away from the heap.
                pages.extend(unsafe { (*p.payload().thread().heap.pages.get()).iter().copied() });
            }
        }
        Collection { t, pages, kind: Kind::Local, work: Vec::new() }.collect(&[])
    };
    t.stats.collections.set(t.stats.collections.get() + 1);
    t.stats.collected.set(t.stats.collected.get() + result.0.found as u64);
    t.gc.running.set(false);
    result
}

enum Kind {
    Local,
    /// With the tags of all threads.
    Shared(Vec<u16>),
}

struct Collection<'a> {
    t: &'a Thread,
    pages: Vec<PagePtr>,
    kind: Kind,
    work: Vec<*const Header>,
}

impl Collection<'_> {
    /// Whether this collection decides about the object.
    fn is_candidate(&self, h: &Header) -> bool {
        let owner = h.owner.load(Relaxed);
        if owner == IMMORTAL || h.has_flag(Flags::FROZEN | Flags::DYING) {
            return false;
        }
        match &self.kind {
            Kind::Local => self.t.owns(h),
            Kind::Shared(tags) => {
                !tags.contains(&owner) && h.count.load(Relaxed) & LISTED == 0
            }
        }
    }

    fn for_each(&self, mut f: impl FnMut(&Header, &mut u32)) {
        for p in &self.pages {
            // SAFETY: pages are this thread's, or the world is stopped; the scratch words are the collector's.
            unsafe {
                if (*p.0).leaf {
                    continue;
                }
                let scratch = &mut *(*p.0).scratch.get();
                let mut i = 0;
                for_each_block(p.0, |b| {
                    if i < scratch.len() && !(*b).ty.load(Acquire).is_null() {
                        f(&*b, &mut scratch[i]);
                    }
                    i += 1;
                });
            }
        }
    }

    /// The scratch word of a container.
    fn scratch(h: &Header) -> Option<&mut u32> {
        if !h.is_container() || h.owner.load(Relaxed) == IMMORTAL {
            return None;
        }
        let page = page_of(h);
        // SAFETY: a heap object's page; only the collector touches scratch words.
        unsafe { (&mut *(*page).scratch.get()).get_mut(block_index(page, h)) }
    }

    /// Counts the references that candidates have from within, marks from those that have more, and frees the rest.
    /// Also gives the bytes of what is alive and the number of shared objects seen.
    fn collect(&mut self, threads: &[&Thread]) -> (CollectStats, (usize, usize)) {
        let mut bytes = 0;
        let mut shared_seen = 0;
        for p in &self.pages {
            // SAFETY: as in `for_each`.
            unsafe {
                if !(*p.0).leaf {
                    *(*p.0).scratch.get() = vec![ALIVE; block_count(p.0)];
                }
            }
        }
        let tag = self.t.tag();
        self.for_each(|h, s| {
            bytes += 64;
            if h.owner.load(Relaxed) != tag {
                shared_seen += 1;
            }
            if self.is_candidate(h) {
                *s = h.count.load(Relaxed) & COUNT_MASK;
            }
        });
        self.for_each(|h, s| {
            if *s != ALIVE
                && let Some(traverse) = h.ty().traverse
            {
                // SAFETY: a live object of that type; nobody changes it meanwhile.
                unsafe {
                    traverse(h, &mut |v: Value| {
                        if v.is_ptr()
                            && let Some(s) = Self::scratch(v.header())
                            && *s != ALIVE
                        {
                            debug_assert!(*s > 0, "an object has more references than its count");
                            *s = s.saturating_sub(1);
                        }
                    })
                };
            }
        });
        self.mark_roots(threads);
        let mut garbage: Vec<*mut Header> = Vec::new();
        self.for_each(|h, s| {
            if *s != ALIVE {
                *s = GARBAGE;
                garbage.push(h as *const Header as *mut Header);
            }
        });
        let stats = self.dispose(garbage);
        for p in &self.pages {
            // SAFETY: as above.
            unsafe { *(*p.0).scratch.get() = Vec::new() };
        }
        (stats, (bytes, shared_seen))
    }

    fn mark_roots(&mut self, threads: &[&Thread]) {
        let mut work = std::mem::take(&mut self.work);
        self.for_each(|h, s| {
            if *s == ALIVE {
                // No candidate: its type is in use all the same.
                mark(&mut work, &h.ty().header);
            } else if *s > 0 {
                *s = ALIVE;
                work.push(h);
            }
        });
        for t in threads {
            let mut p = t.regs.base();
            while p < t.regs.top() {
                // SAFETY: the world is stopped; registers below the top are initialised.
                unsafe {
                    if (*p).is_ptr() {
                        mark(&mut work, (*p).header());
                    }
                    p = p.add(1);
                }
            }
        }
        drain(&mut work);
        self.work = work;
    }

    /// Clears weak references, queues finalizers and keeps what they may reach, destroys the rest.
    fn dispose(&mut self, mut garbage: Vec<*mut Header>) -> CollectStats {
        let t = self.t;
        let mut stats = CollectStats { found: garbage.len(), finalizers: 0 };
        for &p in &garbage {
            // SAFETY: unreachable, but still there; so in the following loops.
            let h = unsafe { &*p };
            if h.has_flag(Flags::WEAKREFS) {
                for callback in crate::weak::clear(t, h) {
                    if Self::scratch(callback.header()).is_none_or(|s| *s != GARBAGE) {
                        t.push_pending(Pending::Callback(callback));
                    }
                }
            }
        }
        let mut work = std::mem::take(&mut self.work);
        for &p in &garbage {
            // SAFETY: as above.
            let h = unsafe { &*p };
            // SAFETY: an object of that type.
            if !h.has_flag(Flags::FINALIZED) && h.ty().has_finalizer.is_some_and(|f| unsafe { f(h) }) {
                h.set_flag(Flags::FINALIZED);
                stats.finalizers += 1;
                t.push_pending(Pending::Finalize(Obj::new(t, h.value())));
                mark(&mut work, h);
            }
        }
        drain(&mut work);
        self.work = work;
        if stats.finalizers > 0 {
            // SAFETY: as above.
            garbage.retain(|&p| Self::scratch(unsafe { &*p }).is_some_and(|s| *s == GARBAGE));
        }
        // Counts among the dying fall to zero without effect: DYING keeps them off every list.
        for &p in &garbage {
            // SAFETY: as above.
            unsafe { (*p).set_flag(Flags::DYING) };
        }
        for &p in &garbage {
            // SAFETY: as above; each is cleared once, and what it held is either alive or DYING.
            unsafe {
                if let Some(clear) = (*p).ty().clear {
                    clear(p, t);
                }
            }
        }
        // An instance may be freed after its type: nothing looks at types any more.
        for p in garbage {
            t.heap.free(p);
        }
        stats
    }
}

/// Marks a container that is (still) a candidate, and puts it on the list of those to go on from.
fn mark(work: &mut Vec<*const Header>, h: &Header) {
    if let Some(s) = Collection::scratch(h)
        && *s != ALIVE
    {
        *s = ALIVE;
        work.push(h);
    }
}

fn drain(work: &mut Vec<*const Header>) {
    while let Some(h) = work.pop() {
        // SAFETY: alive, and nobody changes it meanwhile.
        let h = unsafe { &*h };
        mark(work, &h.ty().header);
        if let Some(traverse) = h.ty().traverse {
            // SAFETY: an object of that type.
            unsafe {
                traverse(h, &mut |v: Value| {
                    if v.is_ptr() {
                        mark(work, v.header());
                    }
                })
            };
        }
    }
}
