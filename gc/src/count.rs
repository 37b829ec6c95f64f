//! Counting: a plain number for local objects, the count word's protocol for shared ones, nothing for immortal ones.
//!
//! The shared protocol (LISTED and DIRTY flags) lives in [`weft_threads::count`] and is modelled in `loom-tests/tests/handshake.rs`.

use crate::fought;
use crate::header::{Flags, Header, IMMORTAL};
use crate::thread::Thread;
use crate::value::Value;
use std::sync::atomic::Ordering::*;
use weft_threads::count as shared;

/// Counts one more reference to the object, if `v` is one.
#[inline(always)]
pub fn inc(t: &Thread, v: Value) {
    if v.is_ptr() {
        // SAFETY: `v` is held by a register or handle of the caller, or was read since the last safepoint (I5).
        inc_ptr(t, unsafe { v.header() });
    }
}

#[inline(always)]
pub(crate) fn inc_ptr(t: &Thread, h: &Header) {
    if h.owner.load(Relaxed) == t.tag() {
        let n = h.count.load(Relaxed) + 1;
        h.count.store(n, Relaxed);
        if n >= shared::FULL {
            saturate(t, h);
        }
    } else {
        inc_shared(t, h);
    }
}

/// A count that does not fit any more: the object is immortal from now on, and what it refers to shared (I3).
#[cold]
#[inline(never)]
fn saturate(t: &Thread, h: &Header) {
    crate::publish::publish_reached(t, h);
    h.make_immortal();
}

#[cold]
#[inline(never)]
fn inc_shared(t: &Thread, h: &Header) {
    if h.owner.load(Relaxed) == IMMORTAL {
        return;
    }
    if shared::is_fought(&h.count) {
        return fought::note(t, h, 1);
    }
    shared::increment(&h.count);
    fought::changed(t, h);
}

/// Gives up one counted reference; destroys the object if it was the last one to a local object.
#[inline(always)]
pub fn dec(t: &Thread, v: Value) {
    if v.is_counted() {
        // SAFETY: the caller owns one count of the object, so it is alive.
        let h = unsafe { v.header() };
        if h.owner.load(Relaxed) == t.tag() {
            let n = h.count.load(Relaxed) - 1;
            h.count.store(n, Relaxed);
            if n == 0 {
                crate::destroy::local_zero(t, v.ptr());
            }
        } else {
            dec_shared(t, h);
        }
    }
}

#[cold]
#[inline(never)]
fn dec_shared(t: &Thread, h: &Header) {
    if h.owner.load(Relaxed) == IMMORTAL {
        return;
    }
    if shared::is_fought(&h.count) {
        return fought::note(t, h, -1);
    }
    // Zero is not yet death: registers of other threads may hold uncounted references (I5).
    let zero = shared::decrement(&h.count);
    fought::changed(t, h);
    if zero {
        if h.is_collected() {
            // Never settled: the collector alone frees these, and LISTED keeps them off every list.
            return;
        }
        if h.has_flag(Flags::DYING) {
            return;
        }
        crate::shared::list(t, h);
    }
}

/// A register word for the reference `v` that lies in a slot: counted if the object is local, uncounted if it is shared or
/// immortal (I4), whose counts are thus never touched by reading.
#[inline(always)]
pub fn to_reg(t: &Thread, v: Value) -> Value {
    if !v.is_ptr() {
        return v;
    }
    // SAFETY: just read from a slot: alive at least until this thread's next safepoint (I5), or local and held by the slot.
    let h = unsafe { v.header() };
    if h.owner.load(Relaxed) == t.tag() {
        let n = h.count.load(Relaxed) + 1;
        h.count.store(n, Relaxed);
        if n >= shared::FULL {
            saturate(t, h);
        }
        Value(v.0 & !8)
    } else {
        Value::uncounted(v.ptr())
    }
}

/// As [`to_reg`], without calling anything: `None` if the count has no room left, and then nothing is counted.
#[inline(always)]
pub fn to_reg_fast(t: &Thread, v: Value) -> Option<Value> {
    if !v.is_ptr() {
        return Some(v);
    }
    // SAFETY: as in `to_reg`.
    let h = unsafe { v.header() };
    if h.owner.load(Relaxed) == t.tag() {
        let n = h.count.load(Relaxed) + 1;
        if n >= shared::FULL {
            return None;
        }
        h.count.store(n, Relaxed);
        Some(Value(v.0 & !8))
    } else {
        Some(Value::uncounted(v.ptr()))
    }
}

/// As [`to_reg_fast`], for a word that has been read from a place that holds no uncounted ones, nor NULL now.
#[inline(always)]
pub fn slot_to_reg_fast(t: &Thread, v: Value) -> Option<Value> {
    debug_assert!(!v.is_null() && !v.is_uncounted());
    if v.0 & 7 != 0 {
        return Some(v);
    }
    // SAFETY: as in `to_reg`; the bit that makes a pointer an uncounted one is not set.
    let h = unsafe { &*(v.0 as *const Header) };
    if h.owner.load(Relaxed) == t.tag() {
        let n = h.count.load(Relaxed) + 1;
        if n >= shared::FULL {
            return None;
        }
        h.count.store(n, Relaxed);
        Some(v)
    } else {
        Some(Value(v.0 | 8))
    }
}

/// A counted word for the register word `v`, whose reference is given up by the caller: what may go into a slot.
#[inline(always)]
pub fn to_heap(v: Value) -> Value {
    if v.is_uncounted() {
        count_uncounted(v)
    } else {
        v
    }
}

#[cold]
#[inline(never)]
fn count_uncounted(v: Value) -> Value {
    // SAFETY: an uncounted register word is valid until the next safepoint (I5).
    let h = unsafe { v.header() };
    inc_shared(Thread::current(), h);
    v.bare()
}

/// A word for a new reference to what `v` refers to, to be stored in an object whose type says [`TypeFlags::UNCOUNTED`]. It does
/// not count what the collectors alone free, once that is shared, nor what is immortal: so making functions, generators
/// and bound methods of shared code on all cores writes to nothing that they share.
///
/// [`TypeFlags::UNCOUNTED`]: crate::TypeFlags::UNCOUNTED
#[inline]
pub fn keep(t: &Thread, v: Value) -> Value {
    if !v.is_ptr() {
        return v;
    }
    // SAFETY: the caller holds `v`.
    let h = unsafe { v.header() };
    if !h.is_local(t) && (h.is_immortal() || h.is_collected()) {
        return Value::uncounted(v.ptr());
    }
    inc_ptr(t, h);
    v.bare()
}

/// As [`keep`], for the dict that is a running frame's globals or builtins: if it is shared, the collectors alone free it from now on.
#[inline]
pub fn keep_globals(t: &Thread, v: Value) -> Value {
    // SAFETY: the caller holds `v`.
    let h = unsafe { v.header() };
    if !h.is_local(t) && !h.has_flag(Flags::COLLECTED) {
        mark_collected(h);
    }
    keep(t, v)
}

/// What is on a list must stay there until it is settled. But a frame's globals are counted by somebody for as long as it runs, so
/// what is on no list now does not get there before the flag is seen.
#[cold]
fn mark_collected(h: &Header) {
    if !h.is_immortal() && !shared::is_listed(&h.count) {
        h.set_flag(Flags::COLLECTED);
    }
}
