//! The two cycle collectors, both by trial deletion and marking over containers.
//!
//! The *local* one runs in its own thread over its own local objects, with no pause for others: I2 and I3 make the local heap closed.
//! Mostly it looks at the young ones only (see `young.rs`). The *shared* one stops the world and takes the threads' uncounted registers as
//! further roots. Instances do not count their type, so marking also follows the type of every object that is alive.

use crate::destroy::Pending;
use crate::header::{Flags, Header, TypeFlags};
use crate::heap::{Heap, PagePtr, for_each_block, is_free, orphan_pages, page_of};
use crate::mark::{ALIVE, Kind, MANY, View, each_word, short};
use crate::obj::Obj;
use crate::thread::{State, Thread, multithreaded, world};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::*};
use weft_threads::count::COUNT_MASK;

/// Bytes that have to outlive collections of young ones, at least, before one of everything.
const FIRST_LIMIT: usize = 6 << 20;

/// So many, at most, beyond as many as are alive.
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
    /// About how many bytes of containers on this thread's pages are alive, and with how many all are to be looked at.
    alive: Cell<usize>,
    full_at: Cell<usize>,
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
    /// The thread's pages have so many bytes more of containers that are alive.
    pub(crate) fn adopted(&self, bytes: usize) {
        self.alive.set(self.alive.get() + bytes);
    }
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
    let young = &t.heap.young;
    young.limit.set(pace().unwrap_or(young.step()));
}

/// Garbage that [`collect`] has kept instead of freeing it.
pub fn take_saved(t: &Thread) -> Vec<Obj> {
    t.gc.saved.take()
}

/// Bytes of containers that a thread makes at least before it collects, if the program has a say in that.
fn pace() -> Option<usize> {
    match PACE.load(Relaxed) {
        0 => None,
        // By itself, if that is about what was asked for.
        2000..=ABOUT if !PACE_EXACT.load(Relaxed) => None,
        n => Some(n.saturating_mul(WEIGHT)),
    }
}

/// At a safepoint, when the GC bit is raised: collects this thread's local garbage if enough has been made since the last
/// time, and the shared garbage if there is much.
pub fn collect_if_due(t: &mut Thread) {
    t.peer().take(crate::breaker_bits::GC);
    if !GcState::enabled() || t.gc.running.get() || t.heap.grown.get() <= t.heap.young.limit.get() {
        return;
    }
    if pace().is_none() && t.gc.alive.get() < t.gc.full_at.get().max(FIRST_LIMIT) {
        return collect_young(t);
    }
    let found = run(t, What::Local);
    let stats = found.stats;
    t.heap.release_if_many(found.alive);
    t.heap.grown.set(0);
    // The work is proportional to what is alive, so the next run is due when there is half as much again; as much, if there was little
    // garbage (objects are taken to have 64 bytes); more yet, if there was next to none, as while a program builds what it is going to use.
    let (alive, garbage) = (found.alive, stats.found * WEIGHT);
    let more = match alive {
        _ if PACE_EXACT.load(Relaxed) => 0,
        _ if garbage * 16 >= alive => alive / 2,
        _ if garbage * 64 >= alive => alive,
        _ => alive + alive.min(MOST_EXTRA),
    };
    t.gc.full_at.set(alive + more.max(FIRST_LIMIT));
    let young = &t.heap.young;
    young
        .limit
        .set(pace().map_or(young.step(), |least| more.max(least)));
    if cfg!(not(feature = "gil")) && found.shared > SHARED_LIMIT.load(Relaxed) {
        let found = run(t, What::Shared);
        let left = found.shared.saturating_sub(found.stats.found);
        let times = if found.stats.found * 16 >= left { 2 } else { 3 };
        SHARED_LIMIT.store((left * times).max(SHARED_FIRST), Relaxed);
    }
}

/// The same for what has been made since the last collection.
fn collect_young(t: &mut Thread) {
    let found = run(t, What::Young);
    t.heap.grown.set(0);
    let young = &t.heap.young;
    let alive = (t.gc.alive.get() + found.alive).saturating_sub(found.before);
    t.gc.alive.set(alive);
    young.adapt(found.alive + found.dead, found.dead, alive);
    young.limit.set(young.step());
    t.heap.release_if_many(alive);
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
        stats = run(t, What::Local).stats;
    }
    t.heap.grown.set(0);
    if cfg!(not(feature = "gil")) {
        let shared = run(t, What::Shared).stats;
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
        run(t, What::Local).stats
    }
}

/// Which garbage to look for.
#[derive(Clone, Copy, PartialEq)]
enum What {
    /// This thread's that is young: see `young.rs`.
    Young,
    /// This thread's.
    Local,
    Shared,
}

/// What a collection has found, and bytes of containers that it has seen.
struct Found {
    stats: CollectStats,
    alive: usize,
    dead: usize,
    /// Of what it has looked at, what was alive when a collector looked last.
    before: usize,
    /// Objects that are not this thread's own.
    shared: usize,
}

fn run(t: &mut Thread, what: What) -> Found {
    let span = crate::stats::begin().map(|span| (span, crate::stats::cpu()));
    t.gc.running.set(true);
    let peer = t.peer().clone();
    let t = &*t;
    t.heap.drop_big_freed();
    let found = if what == What::Shared || cfg!(feature = "gil") {
        // In the `gil` build this is the local collection: one heap in several parts, all of them this thread's while it holds
        // the lock. The world is stopped so that no thread can leave meanwhile.
        world().stop(&peer, |stopped| {
            let threads: Vec<&Thread> = stopped.peers().map(|p| p.payload().thread()).collect();
            crate::fought::make_peace(t, threads.iter().copied());
            let found = collect_in(t, what, &threads);
            // What died with the garbage, as in `gather`.
            if cfg!(not(feature = "gil")) {
                t.settle(true);
            }
            found
        })
    } else {
        collect_in(t, what, &[t])
    };
    t.heap.drop_big_freed();
    t.stats.collections.set(t.stats.collections.get() + 1);
    t.stats
        .collected
        .set(t.stats.collected.get() + found.stats.found as u64);
    t.gc.running.set(false);
    if let Some((span, since)) = span {
        span.collected(what == What::Shared, since);
    }
    found
}

/// Over what belongs to these threads: the calling one, or all with the world stopped.
fn collect_in(t: &Thread, what: What, threads: &[&Thread]) -> Found {
    let stopped = what == What::Shared || cfg!(feature = "gil");
    if what != What::Young && (stopped || !multithreaded()) {
        crate::verify::verify(threads);
    }
    let mut pages = match what {
        What::Young => Vec::new(),
        _ if stopped => orphan_pages(),
        _ => Vec::new(),
    };
    for other in threads {
        if what == What::Young {
            pages.extend(other.heap.young.pages());
        } else {
            // SAFETY: this thread's own pages, and it makes no object while it collects; or the world is stopped.
            pages.extend(unsafe { (*other.heap.pages.get()).iter().copied() });
        }
    }
    let kind = match what {
        What::Young => Kind::Young,
        What::Local => Kind::Local,
        What::Shared => Kind::Shared(tags_of(threads)),
    };
    let collection = Collection::new(t, pages, kind);
    let found = collection.collect(threads);
    if what != What::Shared || threads.len() == 1 {
        threads.iter().for_each(|t| t.heap.grow_old());
    }
    if what == What::Local || what == What::Shared && threads.len() == 1 {
        t.gc.alive.set(found.alive);
    }
    for p in collection.kept.take() {
        // SAFETY: what is local is on this thread's pages; or the world is stopped.
        unsafe { Heap::look_again(p) };
    }
    found
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
    /// Garbage that lives on for the finalizers that may reach it.
    kept: RefCell<Vec<*mut Header>>,
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
            kept: RefCell::default(),
        }
    }

    /// Marks what the threads' registers reach. Of what is left, counts the references from within, marks from what has more than
    /// those, and frees the rest.
    fn collect(&self, threads: &[&Thread]) -> Found {
        let survey = self.view.survey(self.pool.as_ref());
        let mut roots = survey.roots;
        for t in threads {
            registers(t, &mut roots);
        }
        self.view.mark(roots, self.pool.as_ref());
        self.take_inner_counts();
        let mut garbage = self.view.mark_counted(self.pool.as_ref());
        if self.view.takes_types() && garbage.iter().any(|&p| is_collected(p)) {
            self.mark_types_of_leaves();
            self.view.retain_unmarked(&mut garbage);
        }
        let stats = self.finalize(&mut garbage);
        // What dies now may take its page with it.
        self.view.forget();
        let mut dead = 0;
        if self.t.gc.saving.get() {
            self.save(garbage);
        } else {
            dead = self.dispose(garbage);
        }
        Found {
            stats,
            alive: survey.bytes - dead,
            dead,
            before: survey.before,
            shared: survey.shared,
        }
    }

    /// Takes the references that candidates which nothing has reached yet have from each other out of their scratch words.
    fn take_inner_counts(&self) {
        let mut large = HashMap::new();
        self.view.for_each_unmarked(|h, _| {
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
                    MANY => one_less(&mut large, to, s),
                    n => {
                        debug_assert!(n > 0, "an object has more references than its count");
                        s.store(n.saturating_sub(1), Relaxed);
                    }
                }
            });
        });
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

    /// Clears weak references, and queues finalizers and keeps what they may reach.
    fn finalize(&self, garbage: &mut Vec<*mut Header>) -> CollectStats {
        let t = self.t;
        let mut stats = CollectStats {
            found: garbage.len(),
            finalizers: 0,
        };
        let mut to_finalize = Vec::new();
        for &p in &*garbage {
            // SAFETY: unreachable, but still there; so in the following loop.
            let h = unsafe { &*p };
            if h.has_flag(Flags::WEAKREFS) {
                for callback in crate::weak::clear(t, h) {
                    // The callback of a weak reference that is garbage itself is not called.
                    if !self.view.is_unmarked(callback.header()) {
                        t.push_pending(Pending::Callback(callback));
                    }
                }
            }
            if h.ty().has_finalizer.is_some() && !h.has_flag(Flags::FINALIZED) {
                to_finalize.push(&raw const *h);
            }
        }
        // Now that all weak references are cleared.
        to_finalize.retain(|&p| {
            // SAFETY: as above; an object of that type.
            unsafe { (*p).ty().has_finalizer.is_some_and(|f| f(p)) }
        });
        if to_finalize.is_empty() {
            return stats;
        }
        stats.finalizers = to_finalize.len();
        for &p in &to_finalize {
            // SAFETY: as above.
            let h = unsafe { &*p };
            h.set_flag(Flags::FINALIZED);
            t.push_pending(Pending::Finalize(Obj::new(t, h.value())));
        }
        self.view.mark(to_finalize, None);
        // SAFETY: as above.
        let kept = garbage.extract_if(.., |&mut p| !self.view.is_unmarked(unsafe { &*p }));
        self.kept.borrow_mut().extend(kept);
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

    /// Frees it. How many bytes that is.
    fn dispose(&self, garbage: Vec<*mut Header>) -> usize {
        // Counts among the dying that fall to zero have no effect: DYING keeps them off every list. Local ones never come to that.
        for &p in &garbage {
            // SAFETY: unreachable, but still there, and nobody else changes its flags or count (I2, or the world is stopped).
            let h = unsafe { &*p };
            h.flags.store(h.flags.load(Relaxed) | Flags::DYING, Relaxed);
            if h.is_local(self.t) {
                h.count.store(h.count.load(Relaxed) + 1, Relaxed);
            }
        }
        // Types first: they take themselves out of their bases' lists, and find those in tuples that die as well.
        if self.view.takes_types() {
            if garbage.iter().any(|&p| is_collected(p)) {
                crate::tally::types_go();
            }
            self.clear(garbage.iter().filter(|&&p| is_collected(p)));
            self.clear(garbage.iter().filter(|&&p| !is_collected(p)));
        } else {
            self.clear(garbage.iter());
        }
        // An instance may be freed after its type: nothing looks at types any more.
        garbage
            .chunk_by(|&a, &b| page_of(a) == page_of(b))
            // SAFETY: not freed yet, and nobody refers to it any more.
            .map(|found| unsafe { self.t.heap.shelve(found) })
            .sum()
    }

    fn clear<'g>(&self, garbage: impl Iterator<Item = &'g *mut Header>) {
        for &p in garbage {
            // SAFETY: as in `dispose`; each is cleared once, and what it held is either alive or DYING.
            unsafe {
                if let Some(clear) = (*p).ty().clear {
                    clear(p, self.t);
                }
            }
        }
    }
}

/// Whether it is freed by collectors alone, local or shared: a type, a module, code.
fn is_collected(p: *mut Header) -> bool {
    // SAFETY: called for what has not been freed.
    unsafe { (*p).ty().gc_flags.load(Relaxed) & TypeFlags::COLLECTED != 0 }
}

/// Of a count that is too large for its scratch word: takes one away, and gives the scratch word what is left of it.
#[cold]
fn one_less(large: &mut HashMap<*const Header, u32>, h: &Header, word: &AtomicU16) {
    let left = large
        .entry(h)
        .or_insert_with(|| h.count.load(Relaxed) & COUNT_MASK);
    *left -= 1;
    word.store(short(*left), Relaxed);
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
