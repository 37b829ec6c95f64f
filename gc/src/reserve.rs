//! Memory for the time when the system gives none.
//!
//! Most of the runtime asks for small pieces of memory without expecting to be refused. When the system refuses, such a piece comes from
//! a reserve instead, and the thread that has asked is told: at its next poll it raises MemoryError. What that unwinds gives memory back,
//! and what lies in the reserve goes as everything does. Only when the reserve itself is used up does the process abort.
//!
//! Requests of more than [`MOST`] bytes are refused: whoever makes them from sizes that a program gives has to expect it.

use crate::thread::Thread;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

/// The reserve lies in slots, each with pieces that were taken one behind the other. It is empty again when they have all gone.
const SLOT: usize = 64 * 1024;
const SLOTS: usize = 256;
/// The largest piece.
pub const MOST: usize = 16 * SLOT;
/// Slots that may be taken after MemoryError has been raised before it is raised again: exceptions are objects too.
const GRACE: usize = 16;

#[repr(C, align(65536))]
struct Memory(UnsafeCell<[u8; SLOT * SLOTS]>);
// SAFETY: a piece of it belongs to who has asked for it.
unsafe impl Sync for Memory {}

/// Costs address space alone until it is needed.
static MEMORY: Memory = Memory(UnsafeCell::new([0; SLOT * SLOTS]));
/// Of each slot: how many pieces there are, and below that how many bytes have been taken.
static TAKEN: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
const PIECE: u64 = 1 << 32;
/// Slots that are not empty.
static USED: AtomicUsize = AtomicUsize::new(0);
/// So many may be before a thread is told.
static ALLOWED: AtomicUsize = AtomicUsize::new(0);

/// An allocator with the reserve behind it.
pub struct WithReserve<A>(pub A);

// SAFETY: what the allocator gives is its own; what the reserve gives is aligned, as large as asked for, and nobody else's.
unsafe impl<A: GlobalAlloc> GlobalAlloc for WithReserve<A> {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let p = unsafe { self.0.alloc(layout) };
        if p.is_null() { take(layout, false) } else { p }
    }

    #[inline(always)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let p = unsafe { self.0.alloc_zeroed(layout) };
        if p.is_null() { take(layout, true) } else { p }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        match slot_of(p) {
            // SAFETY: the caller's promise; it is not of the reserve.
            None => unsafe { self.0.dealloc(p, layout) },
            Some(slot) => give(slot, layout.size()),
        }
    }

    #[inline(always)]
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if slot_of(p).is_none() {
            // SAFETY: the caller's promise; it is not of the reserve.
            let new = unsafe { self.0.realloc(p, layout, size) };
            if !new.is_null() {
                return new;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.move_to(p, layout, size) }
    }
}

impl<A: GlobalAlloc> WithReserve<A> {
    /// # Safety
    /// As for `realloc`.
    #[cold]
    unsafe fn move_to(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: `p` has that layout, and the new size is one that this alignment may have.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(p, layout.size().min(size));
                self.dealloc(p, layout);
            }
            new
        }
    }
}

#[inline(always)]
fn slot_of(p: *mut u8) -> Option<usize> {
    let at = (p as usize).wrapping_sub(MEMORY.0.get() as usize);
    (at < SLOT * SLOTS).then_some(at / SLOT)
}

/// A piece of the reserve; null if there is none, or if the request is too large.
#[cold]
#[inline(never)]
fn take(layout: Layout, zeroed: bool) -> *mut u8 {
    let n = layout.size();
    if n > MOST || layout.align() > SLOT {
        return null_mut();
    }
    let place = if n <= SLOT {
        (0..SLOTS).find_map(|slot| take_in(slot, layout))
    } else {
        take_slots(n.div_ceil(SLOT))
    };
    let Some(at) = place else { return null_mut() };
    // SAFETY: within the reserve; taken just now, so nobody else's.
    let p = unsafe {
        let p = (MEMORY.0.get() as *mut u8).add(at);
        if zeroed {
            p.write_bytes(0, n);
        }
        p
    };
    if USED.load(Relaxed) > ALLOWED.load(Relaxed)
        && let Some(t) = Thread::try_current()
    {
        starve(t);
    }
    p
}

fn take_in(slot: usize, layout: Layout) -> Option<usize> {
    let mut now = TAKEN[slot].load(Relaxed);
    loop {
        let start = (now as u32 as usize).next_multiple_of(layout.align());
        let end = start + layout.size().max(1);
        if end > SLOT {
            return None;
        }
        let next = (now & !(PIECE - 1)) + PIECE + end as u64;
        match TAKEN[slot].compare_exchange_weak(now, next, Acquire, Relaxed) {
            Ok(_) => {
                USED.fetch_add(usize::from(now == 0), Relaxed);
                return Some(slot * SLOT + start);
            }
            Err(seen) => now = seen,
        }
    }
}

/// Whole slots, one behind the other.
fn take_slots(n: usize) -> Option<usize> {
    let mut have = 0;
    let full = PIECE + SLOT as u64;
    for (slot, taken) in TAKEN.iter().enumerate() {
        if taken.compare_exchange(0, full, Acquire, Relaxed).is_ok() {
            have += 1;
            if have == n {
                USED.fetch_add(n, Relaxed);
                return Some((slot + 1 - n) * SLOT);
            }
            continue;
        }
        (slot - have..slot).for_each(|slot| TAKEN[slot].store(0, Release));
        have = 0;
    }
    (SLOTS - have..SLOTS).for_each(|slot| TAKEN[slot].store(0, Release));
    None
}

#[cold]
#[inline(never)]
fn give(slot: usize, size: usize) {
    for taken in &TAKEN[slot..slot + size.div_ceil(SLOT).max(1)] {
        let mut now = taken.load(Relaxed);
        loop {
            let left = now - PIECE;
            let next = if left < PIECE { 0 } else { left };
            // Release: what was done with the piece comes before it is anybody else's.
            match taken.compare_exchange_weak(now, next, AcqRel, Relaxed) {
                Ok(_) if next == 0 => break empty(),
                Ok(_) => break,
                Err(seen) => now = seen,
            }
        }
    }
}

fn empty() {
    let used = USED.fetch_sub(1, Relaxed) - 1;
    if used == 0 {
        ALLOWED.store(0, Relaxed);
    } else {
        ALLOWED.fetch_min(used + GRACE, Relaxed);
    }
}

/// Memory was refused: the thread is to raise MemoryError at its next poll.
#[cold]
pub fn starve(t: &Thread) {
    t.peer().raise(crate::breaker_bits::MEMORY);
}

/// Whether a thread that has been told is to raise MemoryError now.
#[cold]
pub fn starved(t: &Thread) -> bool {
    ALLOWED.store(USED.load(Relaxed) + GRACE, Relaxed);
    t.peer().take(crate::breaker_bits::MEMORY) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An allocator that has nothing.
    struct Nothing;
    // SAFETY: gives no memory.
    unsafe impl GlobalAlloc for Nothing {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            null_mut()
        }
        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
            unreachable!("nothing to give back")
        }
        unsafe fn realloc(&self, _: *mut u8, _: Layout, _: usize) -> *mut u8 {
            null_mut()
        }
    }

    #[test]
    fn pieces_come_and_go() {
        let a = WithReserve(Nothing);
        let layout = |n, align| Layout::from_size_align(n, align).unwrap();
        // SAFETY: each piece is given back with its layout, once.
        unsafe {
            for round in 0..3 {
                let mut all = Vec::new();
                for (n, align) in [(1, 1), (24, 8), (SLOT, SLOT), (MOST, 16), (100, 64)] {
                    let l = layout(n, align);
                    let p = a.alloc_zeroed(l);
                    assert!(
                        !p.is_null() && (p as usize).is_multiple_of(align),
                        "{round}"
                    );
                    assert!((0..n).all(|i| *p.add(i) == 0));
                    p.write_bytes(0xff, n);
                    all.push((p, l));
                }
                let l = layout(10, 1);
                let p = a.realloc(a.alloc(l), l, 100_000);
                all.push((p, layout(100_000, 1)));
                assert!(a.alloc(layout(MOST + 1, 1)).is_null());
                let mut more = Vec::new();
                while let p = a.alloc(layout(SLOT, 1))
                    && !p.is_null()
                {
                    more.push((p, layout(SLOT, 1)));
                }
                assert_eq!(more.len(), SLOTS - 1 - 1 - 16 - 2);
                for (p, l) in all.into_iter().chain(more) {
                    a.dealloc(p, l);
                }
                assert_eq!(USED.load(Relaxed), 0);
                assert!(TAKEN.iter().all(|t| t.load(Relaxed) == 0));
            }
        }
    }
}
