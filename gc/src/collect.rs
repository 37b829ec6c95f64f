//! The two cycle collectors, both by trial deletion and marking over containers.
//!
//! The *local* one runs in its own thread over its own local objects, with no pause for others: I2 and I3 make the local
//! heap closed. The *shared* one stops the world and takes the threads' uncounted registers as further roots. Instances do not
//! count their type, so marking also follows the type of every object that is alive.

use crate::destroy::Pending;
use crate::header::{Flags, Header, TypeFlags};
use crate::heap::{PagePtr, for_each_block, is_free, orphan_pages, page_of};
use crate::mark::{ALIVE, Kind, MANY, View, each_word, short};
use crate::obj::Obj;
use crate::thread::{State, Thread, multithreaded, world};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use weft_threads::count::COUNT_MASK;

/// Container bytes that a thread makes before its first collection.
pub(crate) const FIRST_LIMIT: usize = 6 << 20;

/// Bytes that a thread makes at most beyond as many as are alive.
const MOST_EXTRA: usize = 64 << 20;

/// Shared objects that are worth stopping the world for.
const SHARED_FIRST: usize = 100_000;

/// What a container is taken to weigh, where a program counts in objects.
const WEIGHT: usize = 64;
const ABOUT: usize = FIRST_LIMIT / WEIGHT;

static ENABLED: AtomicBool = AtomicBool::new(true);
/// Containers that are to be made at least between two collections, 0 if the program has not said so.
static PACE: AtomicUsize = AtomicUsize::new(0);
/// So many, however much is alive.
static PACE_EXACT: AtomicBool = AtomicBool::new(false);
static SAVE_ALL: AtomicBool = AtomicBool::new(false);
static SHARED_LIMIT: AtomicUsize = AtomicUsize::new(SHARED_FIRST);

/// A thread's collector state.
#[derive(Default)]
pub struct GcState {
    pub(crate) running: Cell<bool>,
    /// Garbage that this collection is not to free.
    saving: Cell<bool>,
    saved: RefCell<Vec<Obj>>,
    /// Threads that were running finalizers when the last collection began, and how far they are when these are done.
    pub(crate) running_elsewhere: RefCell<Vec<(Arc<State>, u32)>>,
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
    /// After how many new containers a thread is to collect, whatever is alive if `exact`.
    pub fn set_pace(n: Option<usize>, exact: bool) {
        PACE.store(n.unwrap_or(0), Relaxed);
        PACE_EXACT.store(n.is_some() && exact, Relaxed);
    }
    /// Garbage is to be kept from now on: see [`take_saved`].
    pub fn set_save_all(on: bool) {
        SAVE_ALL.store(on, Relaxed);
    }
}

/// Lets what [`GcState::set_pace`] has said begin in this thread; in others it does with their next collection.
pub fn apply_pace(t: &Thread) {
    t.heap.limit.set(least());
}

/// Garbage that [`collect`] has kept instead of freeing it.
pub fn take_saved(t: &Thread) -> Vec<Obj> {
    t.gc.saved.take()
}

/// Bytes of containers that a thread makes at least before it collects.
fn least() -> usize {
    match PACE.load(Relaxed) {
        0 => FIRST_LIMIT,
        // By itself, if that is about what was asked for.
        2000..=ABOUT if !PACE_EXACT.load(Relaxed) => FIRST_LIMIT,
        n => n.saturating_mul(WEIGHT),
    }
}

/// At a safepoint, when the GC bit is raised: collects this thread's local garbage if enough has been made since the last
/// time, and the shared garbage if there is much.
pub fn collect_if_due(t: &mut Thread) {
    t.peer().take(crate::breaker_bits::GC);
    if !GcState::enabled() || t.gc.running.get() || t.heap.grown.get() <= t.heap.limit.get() {
        return;
    }
    let (stats, (alive, shared)) = run(t, false);
    t.heap.release_if_many(alive);
    t.heap.grown.set(0);
    // The work is proportional to what is alive, so a run is due when half as much again has been made; as much, if there is little
    // garbage (objects are taken to have 64 bytes); more yet, if there is next to none, as while a program builds what it is going to use.
    let garbage = stats.found * 64;
    let limit = match alive {
        _ if PACE_EXACT.load(Relaxed) => 0,
        _ if garbage * 16 >= alive => alive / 2,
        _ if garbage * 64 >= alive => alive,
        _ => alive + alive.min(MOST_EXTRA),
    };
    t.heap.limit.set(limit.max(least()));
    if cfg!(not(feature = "gil")) && shared > SHARED_LIMIT.load(Relaxed) {
        let (stats, (_, all)) = run(t, true);
        let left = all.saturating_sub(stats.found);
        let times = if stats.found * 16 >= left { 2 } else { 3 };
        SHARED_LIMIT.store((left * times).max(SHARED_FIRST), Relaxed);
    }
}

/// Collects everything: the local garbage of this thread, and the shared garbage.
pub fn collect(t: &mut Thread) -> CollectStats {
    if t.gc.running.get() {
        return CollectStats::default();
    }
    if cfg!(not(feature = "gil")) && world().len() > 1 {
        t.gather();
    } else {
        t.settle(true);
    }
    let mut stats = CollectStats::default();
    t.gc.saving.set(SAVE_ALL.load(Relaxed));
    // The shared collection of a thread that is the only one takes its local objects along.
    if cfg!(feature = "gil") || world().len() > 1 {
        stats = run(t, false).0;
    }
    t.heap.grown.set(0);
    if cfg!(not(feature = "gil")) {
        let shared = run(t, true).0;
        stats.found += shared.found;
        stats.finalizers += shared.finalizers;
    }
    t.gc.saving.set(false);
    t.heap.release();
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
    let span = crate::stats::begin().map(|span| (span, crate::stats::cpu()));
    t.gc.running.set(true);
    let peer = t.peer().clone();
    let t = &*t;
    t.heap.drop_big_freed();
    let result = if shared || cfg!(feature = "gil") {
        // In the `gil` build this is the local collection: one heap in several parts, all of them this thread's while it holds
        // the lock. The world is stopped so that no thread can leave meanwhile.
        world().stop(&peer, |stopped| {
            let threads: Vec<&Thread> = stopped.peers().map(|p| p.payload().thread()).collect();
            crate::fought::make_peace(t, threads.iter().copied());
            crate::verify::verify(&threads);
            let mut pages = orphan_pages();
            for other in &threads {
                // SAFETY: the world is stopped.
                pages.extend(unsafe { (*other.heap.pages.get()).iter().copied() });
            }
            let kind = match shared {
                true => Kind::Shared(tags_of(&threads)),
                false => Kind::Local,
            };
            let result = Collection::new(t, pages, kind).collect(&threads);
            // What died with the garbage, as in `gather`.
            if cfg!(not(feature = "gil")) {
                t.settle(true);
            }
            result
        })
    } else {
        if !multithreaded() {
            crate::verify::verify(&[t]);
        }
        // SAFETY: this thread's own pages; it makes no object while it collects.
        let pages = unsafe { (*t.heap.pages.get()).clone() };
        Collection::new(t, pages, Kind::Local).collect(&[t])
    };
    t.heap.drop_big_freed();
    t.stats.collections.set(t.stats.collections.get() + 1);
    t.stats
        .collected
        .set(t.stats.collected.get() + result.0.found as u64);
    t.gc.running.set(false);
    if let Some((span, since)) = span {
        span.collected(shared, since);
    }
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

struct Collection<'a> {
    t: &'a Thread,
    view: View,
    /// Pages of objects that are no containers.
    leaves: Vec<PagePtr>,
    /// Threads to mark with.
    pool: Option<rayon::ThreadPool>,
}

impl<'a> Collection<'a> {
    fn new(t: &'a Thread, all: Vec<PagePtr>, kind: Kind) -> Self {
        // SAFETY: pages are this thread's, or the world is stopped.
        let (leaves, pages) = all.into_iter().partition(|p| unsafe { (*p.0).leaf });
        let tag = t.tag();
        let view = View {
            kind,
            tag,
            pages,
            reached: AtomicBool::new(false),
        };
        Collection {
            t,
            pool: crate::mark::pool(&view),
            view,
            leaves,
        }
    }

    /// Marks what the threads' registers reach. Of what is left, counts the references from within, marks from what has more than
    /// those, and frees the rest. Also gives the bytes of what is alive and the number of shared objects seen.
    fn collect(&self, threads: &[&Thread]) -> (CollectStats, (usize, usize)) {
        let found = self.view.survey(self.pool.as_ref());
        let mut roots = found.roots;
        for t in threads {
            registers(t, &mut roots);
        }
        self.view.mark(roots, self.pool.as_ref());
        self.mark_counted();
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
        self.view.forget();
        if self.t.gc.saving.get() {
            self.save(garbage);
        } else {
            self.dispose(garbage);
        }
        (stats, (found.bytes - dead, found.shared))
    }

    /// Of candidates that nothing has reached yet: marks those that have more references than the others hold, and what they reach.
    fn mark_counted(&self) {
        let rest = self.unmarked();
        let mut large = HashMap::new();
        for &h in &rest {
            // SAFETY: not freed before the end of the collection.
            each_word(unsafe { &*h }, |v| {
                if !v.is_counted() {
                    return;
                }
                // SAFETY: what an object refers to that has not been freed.
                let to = unsafe { v.header() };
                let Some(s) = self.view.scratch(to) else {
                    return;
                };
                match s.load(Relaxed) {
                    ALIVE => {}
                    MANY => s.store(one_less(&mut large, to), Relaxed),
                    n => {
                        debug_assert!(n > 0, "an object has more references than its count");
                        s.store(n.saturating_sub(1), Relaxed);
                    }
                }
            });
        }
        let roots = rest.into_iter().filter(|&h| {
            // SAFETY: as above.
            let s = self.view.scratch(unsafe { &*h });
            s.is_some_and(|s| s.load(Relaxed) > 0)
        });
        let roots = roots.map(|h| h.cast_const()).collect();
        self.view.mark(roots, self.pool.as_ref());
    }

    /// Objects without references do not count their types either. To be asked only if a type may be garbage: there are many.
    fn mark_types_of_leaves(&self) {
        let mut types = Vec::new();
        for p in &self.leaves {
            let mut last = std::ptr::null();
            // SAFETY: pages are this thread's, or the world is stopped; a readable object is not freed meanwhile.
            unsafe {
                for_each_block(p.0, |b| {
                    if !is_free(&*b) && self.view.is_readable(&*b) {
                        let ty = (*b).ty();
                        if !std::ptr::eq(ty, last) {
                            last = ty;
                            types.push(&raw const ty.header);
                        }
                    }
                });
            }
        }
        self.view.mark(types, self.pool.as_ref());
    }

    fn unmarked(&self) -> Vec<*mut Header> {
        let mut garbage = Vec::new();
        self.view.for_each_unmarked(|h| garbage.push(h));
        garbage
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
                    if !self.view.is_unmarked(callback.header()) {
                        t.push_pending(Pending::Callback(callback));
                    }
                }
            }
        }
        let mut kept = Vec::new();
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
                kept.push(&raw const *h);
            }
        }
        self.view.mark(kept, None);
        if stats.finalizers > 0 {
            // SAFETY: as above.
            garbage.retain(|&p| self.view.is_unmarked(unsafe { &*p }));
        }
        stats
    }

    /// Keeps it for who wants to see it.
    fn save(&self, garbage: Vec<*mut Header>) {
        // SAFETY: unreachable, but still there.
        let objects = garbage
            .iter()
            .map(|&p| Obj::new(self.t, unsafe { (*p).value() }));
        self.t.gc.saved.borrow_mut().extend(objects);
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
            // SAFETY: not freed yet.
            let count = unsafe { &(*p).count };
            debug_assert!(
                !weft_threads::count::is_fought(count),
                "peace is still to be made"
            );
            self.t.heap.free(p);
        }
    }
}

/// Of a count that is too large for a scratch word: takes one away, and gives the scratch word.
#[cold]
fn one_less(large: &mut HashMap<*const Header, u32>, h: &Header) -> u16 {
    let left = large
        .entry(h)
        .or_insert_with(|| h.count.load(Relaxed) & COUNT_MASK);
    *left -= 1;
    short(*left)
}

/// What the thread's registers hold, which stand still, whether they count it or not, and what it runs.
fn registers(t: &Thread, roots: &mut Vec<*const Header>) {
    let mut p = t.regs.base();
    while p < t.regs.top() {
        // SAFETY: registers below the top are initialised.
        unsafe {
            if (*p).is_ptr() {
                roots.push((*p).ptr());
            }
            p = p.add(1);
        }
    }
    crate::thread::each_held_above(t, &mut |v| roots.push(v.ptr()));
}
