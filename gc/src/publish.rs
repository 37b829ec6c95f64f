//! Publication: the move local → shared of an object and all that it reaches (I1, I3). Model: `loom-tests/tests/publication.rs`.

use crate::header::{Flags, Header, SHARED};
use crate::thread::Thread;
use crate::value::Value;
use std::sync::atomic::Ordering::*;

/// Publishes what `v` refers to, if that is a local object. Call before storing it where other threads can reach it.
#[inline(always)]
pub fn share(t: &Thread, v: Value) {
    if cfg!(feature = "gil") {
        return;
    }
    if v.is_ptr() {
        // SAFETY: the caller holds the reference.
        let h = unsafe { v.header() };
        if h.is_local(t) {
            publish(t, h);
        }
    }
}

/// Marks the local object and every local object that it reaches as shared. Walks a worklist, so that depth costs no stack. Weak
/// references are edges both ways: who can reach the one must find the other shared.
///
/// Relaxed stores are enough: the caller's store of the reference is a release, and nobody can reach any of these before it.
#[cold]
#[inline(never)]
pub fn publish(t: &Thread, root: &Header) {
    let mut work: Vec<*const Header> = Vec::new();
    let tag = t.tag();
    let mut published = 0u64;
    let mut mark = |work: &mut Vec<*const Header>, h: &Header| {
        if h.owner.load(Relaxed) == tag {
            h.owner.store(SHARED, Relaxed);
            published += 1;
            if h.ty().traverse.is_some() || h.has_flag(Flags::WEAKREFS) || h.ty().header.is_local(t) {
                work.push(h);
            }
        }
    };
    mark(&mut work, root);
    while let Some(h) = work.pop() {
        // SAFETY: reached from the root by counted references, all local to this thread until now.
        let h = unsafe { &*h };
        mark(&mut work, &h.ty().header);
        if let Some(traverse) = h.ty().traverse {
            // SAFETY: `h` is an object of that type.
            unsafe {
                traverse(h, &mut |v: Value| {
                    if v.is_ptr() {
                        mark(&mut work, v.header());
                    }
                })
            };
        }
        if h.has_flag(Flags::WEAKREFS) {
            crate::weak::for_each_ref(h, &mut |w| mark(&mut work, w));
        }
        if let Some(target) = crate::weak::target_of(h) {
            mark(&mut work, target);
        }
    }
    t.stats.published.set(t.stats.published.get() + published);
}
