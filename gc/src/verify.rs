//! `WEFT_VERIFY=1`: checks I1–I5 over the whole heap at each collection, and ends the process at the first violation.

use crate::header::{Header, IMMORTAL, TypeFlags};
use crate::heap::{is_free, walk, walk_orphans};
use crate::thread::Thread;
use crate::value::Value;
use std::sync::LazyLock;
use std::sync::atomic::Ordering::*;

static ENABLED: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("WEFT_VERIFY").is_some_and(|v| v == "1"));

/// Whether the switch is on.
pub fn verify_enabled() -> bool {
    *ENABLED
}

/// Checks the heaps of the given threads, which are all there are and stand still.
pub(crate) fn verify(threads: &[&Thread]) {
    if !verify_enabled() {
        return;
    }
    let tags: Vec<u16> = threads.iter().map(|t| t.tag()).collect();
    for t in threads {
        walk(&t.heap, true, |_, h| object(h, Some(t.tag()), &tags));
        let mut p = t.regs.base();
        while p < t.regs.top() {
            // SAFETY: registers below the top are initialised and stand still.
            register(unsafe { *p }, t.tag(), &tags);
            p = p.wrapping_add(1);
        }
    }
    walk_orphans(true, |_, h| object(h, None, &tags));
}

fn object(h: &Header, page_tag: Option<u16>, tags: &[u16]) {
    let owner = h.owner.load(Relaxed);
    let local = tags.contains(&owner);
    if local && Some(owner) != page_tag && cfg!(not(feature = "gil")) {
        fail("I1: an object on another thread's page is local", h);
    }
    if let Some(traverse) = h.ty().traverse {
        // SAFETY: a live object of that type, standing still.
        unsafe { traverse(h, &mut |v| edge(h, local, v, tags)) };
    }
    edge(h, local, h.ty().header.value(), tags);
}

fn edge(from: &Header, from_local: bool, v: Value, tags: &[u16]) {
    if !v.is_ptr() {
        return;
    }
    // SAFETY: a counted reference: its object is there, unless the invariant being checked is broken.
    let to = unsafe { v.header() };
    if is_free(to) {
        fail("I5: a reference to a freed object", from);
    }
    let owner = to.owner.load(Relaxed);
    if v.is_uncounted()
        && (from.ty().gc_flags.load(Relaxed) & TypeFlags::UNCOUNTED == 0
            || !to.is_immortal()
                && (owner == from.owner.load(Relaxed) && from_local || !to.is_collected()))
    {
        fail("I4: a heap slot holds an uncounted reference", from);
    }
    if tags.contains(&owner) && cfg!(not(feature = "gil")) {
        // One thread alone: see `publish`.
        if !from_local && crate::thread::multithreaded() {
            fail("I3: a shared object refers to a local one", from);
        }
        if from_local && owner != from.owner.load(Relaxed) {
            fail("I2: a reference to another thread's local object", from);
        }
    }
}

fn register(v: Value, tag: u16, tags: &[u16]) {
    if !v.is_ptr() {
        return;
    }
    // SAFETY: a register's object is alive, unless the invariant being checked is broken.
    let h = unsafe { v.header() };
    if is_free(h) {
        fail("I5: a register refers to a freed object", h);
    }
    let owner = h.owner.load(Relaxed);
    if owner != tag && tags.contains(&owner) {
        fail("I2: a register refers to another thread's local object", h);
    }
    if v.is_uncounted() && owner == tag && owner != IMMORTAL {
        fail(
            "I4: a register holds an uncounted reference to a local object",
            h,
        );
    }
}

fn fail(what: &str, h: &Header) -> ! {
    eprintln!(
        "WEFT_VERIFY: {what}: object {:p} owner {} count {:#x} flags {:#x} type {:p}",
        h,
        h.owner.load(Relaxed),
        h.count.load(Relaxed),
        h.flags.load(Relaxed),
        h.ty.load(Relaxed)
    );
    std::process::abort();
}
