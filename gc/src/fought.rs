//! Objects over whose counts threads fight: found by looking at some of the changes, and kept in ledgers until peace is made.
//!
//! The count word's part and the ledgers are [`weft_threads::ledger`], where the protocol and its model are named.

use crate::header::{Flags, Header};
use crate::stats;
use crate::tally::{self, What};
use crate::thread::{Thread, world};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering::*};
use weft_threads::count;
use weft_threads::futex::monotonic;
use weft_threads::ledger::Suspects;

/// One of so many changes of shared counts is looked at.
pub(crate) const LOOKS: u32 = 32;
/// No more objects than this at a time: they die only when peace is made.
const MOST: usize = 1024;
/// Peace is made at least so often while the thread has anything to settle, in nanoseconds.
const TRUCE: i64 = 1_000_000_000;

static SUSPECTS: Suspects = Suspects::new();
static FOUGHT: Mutex<Vec<Ptr>> = Mutex::new(Vec::new());
/// The length of that.
static HOW_MANY: AtomicUsize = AtomicUsize::new(0);
/// When peace was made last, by the monotonic clock in nanoseconds.
static PEACE: AtomicI64 = AtomicI64::new(0);

struct Ptr(*const Header);
// SAFETY: the header of a shared object, alive until peace is made, by atomics alone.
unsafe impl Send for Ptr {}

/// Applies what a ledger says of the word at this address.
fn apply(word: usize, by: i32) {
    let word = std::ptr::with_exposed_provenance::<AtomicU32>(word);
    // SAFETY: what has an entry is alive: its count, without the ledgers, is far above zero until peace is made, and then there is no
    // entry any more.
    count::settle_ledger(unsafe { &*word }, by);
}

/// Changes the count of an object that is fought over: in the calling thread's ledger.
#[cold]
pub(crate) fn note(t: &Thread, h: &Header, by: i32) {
    let word = (&raw const h.count).expose_provenance();
    t.ledger.note(word, by, apply);
}

/// The calling thread has changed the count of a shared object.
#[inline]
pub(crate) fn changed(t: &Thread, h: &Header) {
    let left = t.unlooked.get() - 1;
    t.unlooked.set(left);
    if left == 0 {
        look(t, h);
    }
}

#[cold]
#[inline(never)]
fn look(t: &Thread, h: &Header) {
    if stats::counting() {
        // It comes here each time, and looks no more often than otherwise.
        t.unlooked.set(1);
        tally::note(t, h, What::Change);
        let n = t.stats.changes.get() + 1;
        t.stats.changes.set(n);
        if !n.is_multiple_of(LOOKS) {
            return;
        }
    } else {
        t.unlooked.set(LOOKS);
    }
    if t.gc.running.get() {
        // It may be garbage, and freed by this collection, before peace is made.
        return;
    }
    let word = (&raw const h.count).addr();
    if SUSPECTS.look(word, t.tag()) && HOW_MANY.load(Relaxed) < MOST && count::fight(&h.count) {
        // Nobody makes peace before this thread's next safepoint.
        FOUGHT.lock().push(Ptr(h));
        HOW_MANY.fetch_add(1, Relaxed);
        stats::fought(h);
    }
}

/// How many references there are to a shared object, as far as this thread knows.
pub fn references(t: &Thread, h: &Header) -> i64 {
    let word = (&raw const h.count).addr();
    i64::from(count::references(&h.count)) + i64::from(t.ledger.noted(word))
}

/// Settles the ledger of a thread: its own, or with the world stopped.
pub(crate) fn settle_ledger(t: &Thread) {
    t.ledger.settle(apply);
}

/// Makes peace over all, with the world stopped, whose threads these are. What nobody has any more goes onto the list of `t`.
pub(crate) fn make_peace<'a>(t: &Thread, threads: impl Iterator<Item = &'a Thread>) {
    if HOW_MANY.load(Relaxed) == 0 {
        return;
    }
    threads.for_each(settle_ledger);
    HOW_MANY.store(0, Relaxed);
    for Ptr(h) in std::mem::take(&mut *FOUGHT.lock()) {
        // SAFETY: alive, as its count has been raised.
        let h = unsafe { &*h };
        if !h.is_immortal() && count::make_peace(&h.count) {
            // As when a count falls to zero otherwise.
            if !h.is_collected() && !h.has_flag(Flags::DYING) {
                crate::shared::list(t, h);
            }
        }
    }
}

/// At a safepoint of a thread that has had something to settle: makes peace if the last one was long ago.
#[inline]
pub(crate) fn truce(t: &Thread) {
    if HOW_MANY.load(Relaxed) != 0 {
        truce_slow(t);
    }
}

#[cold]
fn truce_slow(t: &Thread) {
    let (now, last) = (monotonic(), PEACE.load(Relaxed));
    if now >= last + TRUCE && PEACE.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
        let peer = t.peer().clone();
        world().stop(&peer, |stopped| {
            make_peace(t, stopped.peers().map(|p| p.payload().thread()));
        });
    }
}
