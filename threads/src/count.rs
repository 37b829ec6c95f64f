//! The count word of a shared object, and how it dies (I5).
//!
//! The word holds a count of 30 bits and two flags. An object whose count has fallen to zero may
//! still lie in registers that do not count. So it is *listed*, once, by the thread that brought it
//! to zero; a handshake makes every thread count the registers in which it holds a listed
//! object; then it is *settled*. A count that rose and fell meanwhile leaves *dirty* behind: the
//! object was in reach of threads that had answered already, so it takes another round.
//!
//! All changes are read-modify-writes of the one word, so each sees the latest value, whatever the
//! ordering. The orderings only carry the object's contents to whoever destroys it: decrements
//! release, settling acquires; uses through uncounted registers come before the answer to the
//! handshake, which releases as well.

use crate::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// The object is on some thread's list of zero-count candidates.
pub const LISTED: u32 = 1 << 31;
/// It has been incremented since it was listed or last settled. May linger on an unlisted object.
pub const DIRTY: u32 = 1 << 30;
/// The count proper.
pub const COUNT_MASK: u32 = (1 << 30) - 1;
/// A count that reaches this becomes immortal.
pub const FULL: u32 = 1 << 27;
/// An immortal count: it is never brought to zero again.
pub const SATURATED: u32 = 1 << 29;
/// Where an immortal count is put, far from both ends, so that increments and decrements that are
/// under way change nothing.
const MIDDLE: u32 = SATURATED | 1 << 28;
/// What settling leaves in the word of an object that is to be destroyed. No other object has it:
/// a saturated object is never listed.
pub const DEAD: u32 = LISTED | DIRTY | MIDDLE;

/// Threads fight over the count: it has been raised by [`RAISED`], and they keep ledgers of it (see [`crate::ledger`]). Tells only as
/// long as the count is not saturated.
const FOUGHT: u32 = 1 << 28;
/// Far from both ends of the counts that have FOUGHT and not SATURATED.
const RAISED: u32 = FOUGHT | FULL;
/// Counts from here on are let alone.
const HIGH: u32 = 1 << 20;

/// What becomes of a listed object after a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nobody has it any more: the caller destroys it. Its word is [`DEAD`].
    Dead,
    /// It is in use: it is not listed any more.
    Alive,
    /// It was in use meanwhile: it stays on the list for another handshake, to be requested from
    /// now on.
    Again,
}

/// Whether a register that holds the object uncounted must be counted by a flush.
// Relaxed: the flush comes after an acquire of the epoch that was raised after the listing.
#[inline]
pub fn is_listed(c: &AtomicU32) -> bool {
    c.load(Relaxed) & LISTED != 0
}

/// Whether the count is so high that it does not count any more.
#[inline]
pub fn is_saturated(c: &AtomicU32) -> bool {
    c.load(Relaxed) & SATURATED != 0
}

/// Counts one more reference, before it is stored anywhere.
///
/// The caller has the object in a register (counted or not) or in a slot that it has locked.
// Relaxed: see above. Between the two steps of the slow path the count is above zero, so settling
// finds the object alive; DIRTY is there before the reference can be dropped by anyone.
#[inline]
pub fn increment(c: &AtomicU32) {
    let old = c.fetch_add(1, Relaxed);
    if old & (LISTED | SATURATED | FULL) != 0 {
        increment_slow(c, old);
    }
}

#[cold]
#[inline(never)]
fn increment_slow(c: &AtomicU32, old: u32) {
    if old & SATURATED != 0 || old & (FOUGHT | FULL) == FULL {
        c.store(MIDDLE, Relaxed);
    } else if old & LISTED != 0 {
        c.fetch_or(DIRTY, Relaxed);
    }
}

/// Counts one reference less, after it has been removed from where it was.
///
/// True: the caller has just set [`LISTED`] and must put the object on its own thread's list.
/// To be called by an attached thread: between the two steps the object is kept by nothing but
/// the fact that this thread has not answered a handshake meanwhile.
// Release: what this thread did with the object comes before its destruction. Acquire: who brings
// the count to zero requests the handshake, so every earlier removal must come before its epoch.
#[inline]
#[must_use = "a listed object must be put on a list"]
pub fn decrement(c: &AtomicU32) -> bool {
    let old = c.fetch_sub(1, AcqRel);
    // From 2 up to saturation: still above zero.
    if (old & COUNT_MASK).wrapping_sub(2) < SATURATED - 2 {
        return false;
    }
    decrement_slow(c, old)
}

// LISTED is set by exchange from a word whose count is zero. A fetch-or could hit a count that has
// risen again without leaving DIRTY, and when that falls it would look as if nobody had had it. If
// the exchange fails, somebody has counted the object meanwhile: look again.
#[cold]
#[inline(never)]
fn decrement_slow(c: &AtomicU32, old: u32) -> bool {
    if old & SATURATED != 0 {
        c.store(MIDDLE, Relaxed);
        return false;
    }
    debug_assert!(old & COUNT_MASK != 0, "decrement of a count of zero");
    let mut now = old - 1;
    while now & (LISTED | COUNT_MASK) == 0 {
        match c.compare_exchange(now, now | LISTED, AcqRel, Acquire) {
            Ok(_) => return true,
            Err(seen) => now = seen,
        }
    }
    false
}

/// Decides on a listed object after every thread has answered a handshake that was requested after
/// it was listed, or after it was last found [`Settled::Again`].
// One exchange, so that no increment or decrement comes between the look and the decision.
pub fn settle(c: &AtomicU32) -> Settled {
    let mut now = c.load(Acquire);
    loop {
        debug_assert!(now & LISTED != 0 || now & SATURATED != 0);
        let (next, verdict) = if now & COUNT_MASK != 0 {
            (now & COUNT_MASK, Settled::Alive)
        } else if now & DIRTY != 0 {
            (LISTED, Settled::Again)
        } else {
            (DEAD, Settled::Dead)
        };
        match c.compare_exchange(now, next, AcqRel, Acquire) {
            Ok(_) => return verdict,
            Err(seen) => now = seen,
        }
    }
}

/// Whether changes of the count belong into the ledgers.
// Relaxed: who does not see it yet changes the word, which is as good.
#[inline]
pub fn is_fought(c: &AtomicU32) -> bool {
    c.load(Relaxed) & (FOUGHT | SATURATED) == FOUGHT
}

/// The count, without what it has been raised by and without flags.
pub fn references(c: &AtomicU32) -> u32 {
    let raised = if is_fought(c) { RAISED } else { 0 };
    (c.load(Relaxed) & COUNT_MASK).wrapping_sub(raised)
}

/// Raises the count of an object that the caller has. True: the caller must see to it that peace is made, some time after its next
/// safepoint.
// What is listed may be about to die, and is none to fight over. Otherwise the count is above zero, and stays so.
pub fn fight(c: &AtomicU32) -> bool {
    let now = c.load(Relaxed);
    (1..HIGH).contains(&(now & !DIRTY))
        && c.compare_exchange(now, now + RAISED, Relaxed, Relaxed)
            .is_ok()
}

/// Adds what a ledger says to a count that is, or was, fought over.
// Release and acquire: as in `decrement`.
pub fn settle_ledger(c: &AtomicU32, by: i32) {
    let old = c.fetch_add(by as u32, AcqRel);
    if old & SATURATED != 0 {
        c.store(MIDDLE, Relaxed);
    }
}

/// The count is what it should be again. With the world stopped, after all ledgers have been settled.
///
/// True: as from [`decrement`].
#[must_use = "a listed object must be put on a list"]
pub fn make_peace(c: &AtomicU32) -> bool {
    if !is_fought(c) {
        return false;
    }
    let now = c.fetch_sub(RAISED, AcqRel) - RAISED;
    now & COUNT_MASK == 0 && decrement_slow(c, now + 1)
}

/// Counts one more reference unless the object is dead: for who has it from a weak reference.
///
/// The word itself must be kept readable by the caller (a lock that destruction takes as well, or a
/// handshake before the memory is freed).
// One exchange: a listed object is made dirty in the same step. Acquire: it may be the first this
// thread sees of the object.
#[must_use]
pub fn try_increment(c: &AtomicU32) -> bool {
    let mut now = c.load(Relaxed);
    loop {
        if now == DEAD {
            return false;
        }
        if now & SATURATED != 0 {
            return true;
        }
        let dirty = if now & LISTED != 0 { DIRTY } else { 0 };
        match c.compare_exchange_weak(now, (now + 1) | dirty, Acquire, Relaxed) {
            Ok(_) => return true,
            Err(seen) => now = seen,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_an_object() {
        let c = AtomicU32::new(1);
        increment(&c);
        assert!(!decrement(&c));
        assert!(decrement(&c));
        assert_eq!(c.load(Relaxed), LISTED);
        increment(&c);
        assert_eq!(c.load(Relaxed), LISTED | DIRTY | 1);
        assert!(!decrement(&c), "listed already");
        assert_eq!(settle(&c), Settled::Again);
        assert!(try_increment(&c));
        assert_eq!(settle(&c), Settled::Alive);
        assert_eq!(c.load(Relaxed), 1);
        assert!(decrement(&c));
        assert_eq!(settle(&c), Settled::Dead);
        assert!(!try_increment(&c));
        assert_eq!(c.load(Relaxed), DEAD);
    }

    #[test]
    fn fought_over() {
        let c = AtomicU32::new(2);
        assert!(fight(&c) && !fight(&c));
        assert!(is_fought(&c) && references(&c) == 2);
        // More are given up than the word knows of: the others are in ledgers.
        assert!((0..5).all(|_| !decrement(&c)));
        assert!(try_increment(&c));
        settle_ledger(&c, 3);
        assert_eq!(references(&c), 1);
        settle_ledger(&c, -1);
        assert!(make_peace(&c) && is_listed(&c) && !make_peace(&c));
        assert!(!fight(&c), "listed");
        assert_eq!(settle(&c), Settled::Dead);
        assert!(!is_fought(&c));
        let c = AtomicU32::new(DIRTY | 1);
        assert!(fight(&c) && !make_peace(&c));
        assert_eq!(c.load(Relaxed), DIRTY | 1);
    }

    #[test]
    fn lingering_dirty_still_lists() {
        let c = AtomicU32::new(DIRTY | 1);
        assert!(decrement(&c));
        assert_eq!(settle(&c), Settled::Again);
        assert_eq!(settle(&c), Settled::Dead);
    }

    #[test]
    fn saturation_is_for_good() {
        let c = AtomicU32::new(FULL - 1);
        increment(&c);
        assert!(!is_saturated(&c) && !is_fought(&c) && !fight(&c));
        increment(&c);
        for _ in 0..10 {
            assert!(!decrement(&c));
        }
        assert!(is_saturated(&c));
        increment(&c);
        assert!(try_increment(&c));
        assert_eq!(c.load(Relaxed), MIDDLE);
        let listed = AtomicU32::new(LISTED | DIRTY | SATURATED);
        assert_eq!(settle(&listed), Settled::Alive);
        assert!(!is_listed(&listed));
    }
}
