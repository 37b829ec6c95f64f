//! What each thread counts for `weft --stats`, by type, while somebody asks.
//!
//! None of it costs anything otherwise. The hot paths have a word each that they need anyway, and that leads to a cold function once in a
//! while; while somebody counts, it does so every time:
//!
//! - An object that dies goes onto the free list if its page is this heap's. While somebody counts, a page's word says so with a bit more
//!   ([`crate::heap`]), so that all go the way of those that are freed on other heaps' pages.
//! - Each 32nd change of a shared count is looked at ([`crate::fought`]): while somebody counts, each.
//! - A thread counts the locks that it takes, for its pace; that tells when the number begins again at zero ([`weft_threads::Pace`]):
//!   while somebody counts, each time.
//!
//! How many objects have been made is not counted: as many as have died, and as are there.

use crate::header::{Header, TypeHead};
use crate::stats;
use crate::thread::Thread;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::*};

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A local object has died with its last reference.
    AtOnce,
    /// A shared one has, after a handshake.
    AfterHandshake,
    /// A shared count has been changed atomically.
    Change,
    /// A lock has been taken.
    Lock,
    /// Another thread had it.
    Contended,
}

const KINDS: usize = 5;

/// How often each of these.
#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers([u64; KINDS]);

impl Numbers {
    pub(crate) fn of(&self, what: What) -> u64 {
        self.0[what as usize]
    }

    pub(crate) fn add(&mut self, other: &Numbers) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }
}

/// By the types' names, as types may be gone when they are asked for.
pub(crate) type ByName = HashMap<String, Numbers>;

/// Types that a thread has in hand at a time.
const PLACES: usize = 256;

/// Of one thread.
#[derive(Default)]
pub(crate) struct Tally {
    places: Vec<Option<Place>>,
    spilled: ByName,
    /// Of [`GONE`], when all types in the places were there.
    gone: u32,
    /// Objects that collections have freed.
    pub(crate) collected: u64,
}

struct Place {
    /// An address alone: the type may be gone.
    ty: *const TypeHead,
    name: String,
    numbers: Numbers,
}

/// How often types may have been freed.
static GONE: AtomicU32 = AtomicU32::new(0);

/// Types are about to be freed: their places may be others' next.
pub(crate) fn types_go() {
    GONE.fetch_add(1, Relaxed);
}

impl Tally {
    fn note(&mut self, ty: &TypeHead, what: What) {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let gone = GONE.load(Relaxed);
        if self.gone != gone {
            self.spill();
            self.gone = gone;
        }
        let at = (&raw const *ty).addr();
        let place = &mut self.places[(at >> 5 ^ at >> 13) % PLACES];
        if !matches!(place, Some(p) if std::ptr::eq(p.ty, ty)) {
            let new = Place {
                ty,
                name: stats::name_of(ty),
                numbers: Numbers::default(),
            };
            if let Some(old) = place.replace(new) {
                self.spilled.entry(old.name).or_default().add(&old.numbers);
            }
        }
        if let Some(p) = place {
            p.numbers.0[what as usize] += 1;
        }
    }

    fn spill(&mut self) {
        for old in self.places.iter_mut().filter_map(Option::take) {
            self.spilled.entry(old.name).or_default().add(&old.numbers);
        }
    }

    /// Adds what has been counted to a table.
    pub(crate) fn add_to(&self, all: &mut ByName) {
        let places = self.places.iter().flatten();
        let spilled = self.spilled.iter();
        for (name, numbers) in spilled.chain(places.map(|p| (&p.name, &p.numbers))) {
            match all.get_mut(name) {
                Some(sum) => sum.add(numbers),
                None => drop(all.insert(name.clone(), *numbers)),
            }
        }
    }
}

/// Counts something that the calling thread has done with an object of this type.
#[inline]
pub(crate) fn note(t: &Thread, h: &Header, what: What) {
    if stats::counting() {
        note_it(t, h, what);
    }
}

#[cold]
#[inline(never)]
fn note_it(t: &Thread, h: &Header, what: What) {
    // SAFETY: the thread's own (or of one that stands still), and nothing that is called here comes back to it.
    unsafe { &mut *t.stats.tally.get() }.note(h.ty(), what);
}

/// Counts objects that a collection frees.
#[inline]
pub(crate) fn collected(n: usize) {
    if stats::counting() {
        // SAFETY: as in `note_it`.
        unsafe { (*Thread::current().stats.tally.get()).collected += n as u64 };
    }
}

/// Counts an object whose memory is about to be freed, with its header as it was.
#[cold]
pub(crate) fn died(t: &Thread, h: &Header) {
    if !stats::counting() {
        return;
    }
    if t.gc.running.get() {
        // Its type may be gone before it.
        // SAFETY: as in `note_it`.
        unsafe { (*t.stats.tally.get()).collected += 1 };
    } else if h.is_local(t) {
        note(t, h, What::AtOnce);
    } else {
        note(t, h, What::AfterHandshake);
    }
}
