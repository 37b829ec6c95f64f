//! What the collectors look at, and marking: going on from what is alive to all that it reaches.
//!
//! A container's mark is its *scratch word*, which its page has while a collector runs. Marking goes by a stack, takes a few objects
//! off it in advance, and prefetches them: nearly each is a cache miss. With the world stopped, and much to do, all cores mark, each with
//! a stack of its own, half of which it gives away when it has grown long; who sets a mark goes on from there.
//!
//! A stack that has grown very long (of lists of many objects, or that refer to the same one many times) is emptied: what lies on it is
//! noted as [`REACHED`] in the scratch words, and found there once all stacks are empty. So marking takes next to no memory.

use crate::header::{Flags, Header, IMMORTAL, TypeFlags};
use crate::heap::{Page, PagePtr, block_at, block_count, block_index, is_free, page_of};
use crate::value::Value;
use crate::young::Seen;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::*};
use weft_threads::count::{COUNT_MASK, LISTED};

/// Scratch word of a block: reached by marking (or no candidate at all).
pub(crate) const ALIVE: u16 = u16::MAX;
/// The same, but not yet gone on from, and on no stack. Counts are less.
const REACHED: u16 = u16::MAX - 1;
/// Stands for all counts from here on. Scratch words are short, as there is one for each of many objects.
pub(crate) const MANY: u16 = u16::MAX - 2;
/// Objects on a stack that is too long.
const TOO_LONG: usize = 1 << 13;
/// Objects taken off the stack in advance.
const AHEAD: usize = 16;
/// A stack that is longer than this is shared with other cores.
const LONG: usize = 4096;
/// Pages that are worth starting threads for.
const MANY_PAGES: usize = 256;

pub(crate) enum Kind {
    /// What is on young pages: see `young.rs`.
    Young,
    Local,
    /// By tag, whether objects of that owner are left alone.
    Shared(Vec<bool>),
}

/// Which objects a collection looks at. Nobody changes them meanwhile.
pub(crate) struct View {
    pub kind: Kind,
    /// The collecting thread's tag.
    pub tag: u16,
    /// Pages of containers.
    pub pages: Vec<PagePtr>,
    /// Something is [`REACHED`].
    pub reached: AtomicBool,
}

/// What a look at all containers has found.
#[derive(Default)]
pub(crate) struct Survey {
    pub bytes: usize,
    /// The same when a collector looked last at these pages.
    pub before: usize,
    /// Objects that are not the collecting thread's.
    pub shared: usize,
    /// What is alive whatever the counts say: what those that are no candidates do not count.
    pub roots: Vec<*const Header>,
}

// SAFETY: addresses of objects that nobody changes.
unsafe impl Send for Survey {}

/// Objects to go on from.
struct Stack(Vec<*const Header>);
// SAFETY: as above.
unsafe impl Send for Stack {}

impl View {
    /// Whether this collection may look into the object. The local one must not look at what is shared: such an object may be
    /// freed, and its page's scratch words be used, by another thread.
    #[inline]
    fn in_view(&self, h: &Header) -> bool {
        let owner = h.owner.load(Relaxed);
        match &self.kind {
            Kind::Young | Kind::Local => owner == self.tag,
            Kind::Shared(_) => owner != IMMORTAL,
        }
    }

    /// Whether this collection, which is not one of young ones, decides about the object, which is in view.
    fn is_candidate(&self, h: &Header) -> bool {
        if h.has_flag(Flags::FROZEN | Flags::DYING) {
            return false;
        }
        let tags = match &self.kind {
            Kind::Young | Kind::Local => return true,
            Kind::Shared(tags) => tags,
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

    /// Whether types, modules and code are candidates, too.
    pub(crate) fn takes_types(&self) -> bool {
        !matches!(self.kind, Kind::Young)
    }

    /// Whether the object's type may be read. Immortal objects are never freed, so theirs may.
    pub(crate) fn is_readable(&self, h: &Header) -> bool {
        self.in_view(h) || h.is_immortal()
    }

    /// The scratch word of a container in view.
    #[inline]
    pub(crate) fn scratch<'h>(&self, h: &'h Header) -> Option<&'h AtomicU16> {
        if !self.in_view(h) {
            return None;
        }
        let page = page_of(h);
        // SAFETY: a heap object's page; only this collector touches its scratch words. Pages of leaves have none.
        let word = unsafe { (&*(*page).scratch.get()).get(block_index(page, h)) };
        debug_assert!(word.is_none() || h.is_container());
        word
    }

    /// Whether the object is a candidate that nothing has reached yet.
    #[inline]
    pub(crate) fn is_unmarked(&self, h: &Header) -> bool {
        self.scratch(h).is_some_and(|s| s.load(Relaxed) != ALIVE)
    }

    /// Takes the mark off for good.
    pub(crate) fn forget(&self) {
        for p in &self.pages {
            // SAFETY: as in `scratch`.
            unsafe { *(*p.0).scratch.get() = Vec::new() };
        }
    }

    /// Gives every container a scratch word: its count, or [`MANY`], if it is a candidate.
    pub(crate) fn survey(&self, pool: Option<&rayon::ThreadPool>) -> Survey {
        let all = |pages: &[PagePtr]| {
            let mut found = Survey::default();
            pages.iter().for_each(|p| self.survey_page(p.0, &mut found));
            found
        };
        match pool {
            None => all(&self.pages),
            Some(pool) => {
                let parts: Vec<Survey> =
                    pool.install(|| self.pages.par_chunks(32).map(all).collect());
                parts.into_iter().fold(Survey::default(), |mut a, b| {
                    a.bytes += b.bytes;
                    a.before += b.before;
                    a.shared += b.shared;
                    a.roots.extend(b.roots);
                    a
                })
            }
        }
    }

    fn survey_page(&self, page: *mut Page, found: &mut Survey) {
        match self.kind {
            Kind::Young => self.survey_young(page, found),
            Kind::Local | Kind::Shared(_) => self.survey_all(page, found),
        }
    }

    /// What is old is alive, and what holds its types and so on is no candidate here.
    fn survey_young(&self, page: *mut Page, found: &mut Survey) {
        let mut candidates = 0;
        let tag = self.tag;
        survey_blocks(page, found, Seen::old, |h, word, _| {
            if h.owner.load(Relaxed) == tag
                && !h.has_flag(Flags::FROZEN | Flags::DYING)
                && h.ty().gc_flags.load(Relaxed) & TypeFlags::COLLECTED == 0
            {
                word.store(short(h.count.load(Relaxed) & COUNT_MASK), Relaxed);
                candidates += 1;
            }
        });
        // SAFETY: as in `scratch`.
        unsafe { (*page).candidates.set(candidates) };
    }

    fn survey_all(&self, page: *mut Page, found: &mut Survey) {
        let mut last_type = std::ptr::null();
        let mut candidates = 0;
        let look = |h: &Header, word: &AtomicU16, found: &mut Survey| {
            if h.owner.load(Relaxed) != self.tag {
                found.shared += 1;
            }
            let visible = self.in_view(h);
            if visible && self.is_candidate(h) {
                word.store(short(h.count.load(Relaxed) & COUNT_MASK), Relaxed);
                candidates += 1;
            } else if visible || h.is_immortal() {
                // No candidate: its type, and what else it does not count, is in use all the same.
                let ty = h.ty();
                if !std::ptr::eq(ty, last_type) {
                    last_type = ty;
                    found.roots.push(&ty.header);
                }
                if ty.gc_flags.load(Relaxed) & TypeFlags::UNCOUNTED != 0 {
                    each_word(h, |v| {
                        if v.is_uncounted() {
                            // SAFETY: such a word refers to what only collectors free.
                            found.roots.push(unsafe { v.header() });
                        }
                    });
                }
            }
        };
        survey_blocks(page, found, |_| 0, look);
        // SAFETY: as in `scratch`.
        unsafe { (*page).candidates.set(candidates) };
    }

    /// Calls `f` for each candidate that nothing has reached yet, with its scratch word.
    pub(crate) fn for_each_unmarked(&self, mut f: impl FnMut(*mut Header, &AtomicU16)) {
        for p in &self.pages {
            // SAFETY: as in `scratch`.
            unsafe {
                if (*p.0).candidates.get() == 0 {
                    continue;
                }
                let size = (*p.0).block_size();
                for (k, words) in (&*(*p.0).scratch.get()).chunks(8).enumerate() {
                    // Most have been reached, or are none: without a branch for each.
                    if words.iter().fold(ALIVE, |a, w| a & w.load(Relaxed)) == ALIVE {
                        continue;
                    }
                    for (i, word) in words.iter().enumerate() {
                        if word.load(Relaxed) != ALIVE {
                            f(block_at(p.0, (k * 8 + i) * size), word);
                        }
                    }
                }
            }
        }
    }

    /// Marks the candidates whose words say that they have references from without, and all that they reach. Gives those that are left.
    pub(crate) fn mark_counted(&self, pool: Option<&rayon::ThreadPool>) -> Vec<*mut Header> {
        // SAFETY: as in `scratch`.
        let candidates = self
            .pages
            .iter()
            .map(|p| unsafe { (*p.0).candidates.get() });
        // Room for all of them, which costs nothing where it is not used; a list that grew would be there twice meanwhile.
        let mut left = Vec::with_capacity(candidates.map(|n| n as usize).sum());
        let (mut roots, mut any) = (Vec::new(), false);
        self.for_each_unmarked(|h, word| {
            if word.load(Relaxed) == 0 {
                return left.push(h);
            }
            any = true;
            roots.push(h.cast_const());
            if pool.is_none() {
                // One by one: there may be very many.
                self.drain::<false>(&mut roots, &mut |_| ());
            }
        });
        if any {
            self.mark(roots, pool);
            self.retain_unmarked(&mut left);
        }
        left
    }

    /// Takes out what has been marked.
    pub(crate) fn retain_unmarked(&self, objects: &mut Vec<*mut Header>) {
        // SAFETY: candidates, and so not freed before the end of the collection.
        objects.retain(|&p| self.is_unmarked(unsafe { &*p }));
    }

    /// Marks these objects and all that they reach.
    pub(crate) fn mark(&self, roots: Vec<*const Header>, pool: Option<&rayon::ThreadPool>) {
        match pool {
            None => {
                let mut stack = roots;
                self.drain::<false>(&mut stack, &mut |_| ());
                while self.reached.swap(false, Relaxed) {
                    self.go_on(&self.pages, |mut stack| {
                        self.drain::<false>(&mut stack, &mut |_| ());
                    });
                }
            }
            Some(pool) => {
                let roots = Stack(roots);
                pool.scope(move |s| self.drain_in(s, roots));
                while self.reached.swap(false, Relaxed) {
                    pool.install(|| {
                        self.pages.par_chunks(32).for_each(|pages| {
                            self.go_on(pages, |stack| {
                                let stack = Stack(stack);
                                rayon::scope(move |s| self.drain_in(s, stack));
                            });
                        });
                    });
                }
            }
        }
    }

    /// Goes on from all that is reached on these pages. What is reached meanwhile may lie on pages that it has left behind.
    fn go_on(&self, pages: &[PagePtr], mut drain: impl FnMut(Vec<*const Header>)) {
        for p in pages {
            let mut stack = Vec::new();
            // SAFETY: as in `scratch`; a reached block is an object.
            unsafe {
                let size = (*p.0).block_size();
                for (i, word) in (&*(*p.0).scratch.get()).iter().enumerate() {
                    if word.load(Relaxed) == REACHED {
                        stack.push(block_at(p.0, i * size).cast_const());
                    }
                }
            }
            if !stack.is_empty() {
                drain(stack);
            }
        }
    }

    /// Empties a stack that is too long.
    #[cold]
    fn note(&self, stack: &mut Vec<*const Header>) {
        let mut some = false;
        for (i, p) in stack.iter().enumerate() {
            if let Some(next) = stack.get(i + AHEAD) {
                prefetch(*next);
            }
            // SAFETY: reached from what is alive.
            if let Some(s) = self.scratch(unsafe { &**p }) {
                let now = s.load(Relaxed);
                // If another core goes on from it just now, its mark stays.
                some |= now < REACHED && s.compare_exchange(now, REACHED, Relaxed, Relaxed).is_ok();
            }
        }
        if some {
            self.reached.store(true, Relaxed);
        }
        stack.clear();
    }

    fn drain_in<'s>(&'s self, scope: &rayon::Scope<'s>, mut stack: Stack) {
        self.drain::<true>(&mut stack.0, &mut |stack| {
            let half = Stack(stack.split_off(stack.len() / 2));
            scope.spawn(move |s| self.drain_in(s, half));
        });
    }

    /// Goes on until the stack is empty; `give` takes something off one that is long.
    fn drain<const SEVERAL: bool>(
        &self,
        stack: &mut Vec<*const Header>,
        give: &mut dyn FnMut(&mut Vec<*const Header>),
    ) {
        let mut next = [std::ptr::null::<Header>(); AHEAD];
        let (mut first, mut len) = (0, 0);
        loop {
            while len < AHEAD
                && let Some(p) = stack.pop()
            {
                prefetch(p);
                next[(first + len) % AHEAD] = p;
                len += 1;
            }
            if len == 0 {
                return;
            }
            // SAFETY: reached from what is alive.
            let h = unsafe { &*next[first] };
            (first, len) = ((first + 1) % AHEAD, len - 1);
            if !self.claim::<SEVERAL>(h) {
                continue;
            }
            let ty = &h.ty().header;
            if !ty.is_immortal() && self.is_unmarked(ty) {
                stack.push(ty);
            }
            let mut last = Value::NULL;
            each_word(h, |v| {
                // Lists often hold the same thing many times.
                if v.is_ptr() && v != last {
                    last = v;
                    if stack.len() >= TOO_LONG {
                        self.note(stack);
                    }
                    stack.push(v.ptr());
                }
            });
            if SEVERAL && stack.len() > LONG {
                give(stack);
            }
        }
    }

    /// Marks a container that is (still) a candidate. False: it is none.
    #[inline]
    fn claim<const SEVERAL: bool>(&self, h: &Header) -> bool {
        let Some(s) = self.scratch(h) else {
            return false;
        };
        if s.load(Relaxed) == ALIVE {
            return false;
        }
        if SEVERAL {
            // Relaxed: only who is first matters, and what is reached was there before.
            return s.swap(ALIVE, Relaxed) != ALIVE;
        }
        s.store(ALIVE, Relaxed);
        true
    }
}

/// Goes through the objects of a page but those that `skip` says are taken to be in use: `look` changes the scratch words of candidates.
#[inline(always)]
fn survey_blocks(
    page: *mut Page,
    found: &mut Survey,
    skip: impl Fn(&Seen) -> u64,
    mut look: impl FnMut(&Header, &AtomicU16, &mut Survey),
) {
    let mut bytes = 0;
    // SAFETY: as in `View::scratch`; a block that is not free is an object. Each block has its word.
    unsafe {
        let (size, n) = ((*page).block_size(), block_count(page));
        let words = &mut *(*page).scratch.get();
        all_alive(words, n);
        for (k, seen) in (*page).age.seen(n).iter_mut().enumerate() {
            let skipped = skip(seen);
            bytes += skipped.count_ones() as usize * size;
            let all = !skipped & (u64::MAX >> (64 - (n - k * 64).min(64)));
            let (mut left, mut free) = (all, 0);
            while left != 0 {
                let i = k * 64 + left.trailing_zeros() as usize;
                let h = &*block_at(page, i * size);
                if is_free(h) {
                    free |= left & left.wrapping_neg();
                } else {
                    look(h, words.get_unchecked(i), found);
                }
                left &= left - 1;
            }
            seen.see(all & !free, free);
            bytes += (all & !free).count_ones() as usize * size;
        }
        found.before += (*page).age.count(bytes);
    }
    found.bytes += bytes;
}

/// So many words that say [`ALIVE`].
fn all_alive(words: &mut Vec<AtomicU16>, n: usize) {
    words.clear();
    words.reserve_exact(n);
    // SAFETY: room for so many; all of their bits are set, as in `ALIVE`.
    unsafe {
        std::ptr::write_bytes(words.as_mut_ptr(), 0xff, n);
        words.set_len(n);
    }
}

/// A count as a scratch word.
pub(crate) fn short(count: u32) -> u16 {
    u16::try_from(count).map_or(MANY, |n| n.min(MANY))
}

/// Threads for a collection with the world stopped, if there is enough to do. They end with it, so that a fork finds none.
pub(crate) fn pool(view: &View) -> Option<rayon::ThreadPool> {
    if view.pages.len() < MANY_PAGES || !matches!(view.kind, Kind::Shared(_)) {
        return None;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return None;
    }
    let builder = rayon::ThreadPoolBuilder::new().num_threads(cores);
    builder.thread_name(|_| "weft-gc".into()).build().ok()
}

#[inline(always)]
fn prefetch(p: *const Header) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Calls `f` with each word that `h`, which nobody changes meanwhile, holds.
#[inline]
pub(crate) fn each_word(h: &Header, mut f: impl FnMut(Value)) {
    if let Some(traverse) = h.ty().traverse {
        // SAFETY: a live object of that type.
        unsafe { traverse(h, &mut f) };
    }
}
