//! Publication: the move local → shared of an object and all that it reaches (I1, I3). Model: `loom-tests/tests/publication.rs`.

use crate::barrier::{self, Node};
use crate::header::{Flags, Header, TypeFlags};
use crate::obj::Obj;
use crate::thread::Thread;
use crate::value::Value;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering::*};

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

/// As [`share`], for an object that is there to stay and that many threads will hold, such as a function of a module: the collectors
/// alone free it, so that who holds it need not count it ([`crate::keep`]). It must be new, so that nobody has counted it down to zero.
pub fn share_for_good(t: &Thread, o: &Obj) {
    if cfg!(feature = "gil") {
        return;
    }
    // SAFETY: the caller holds the object.
    unsafe { o.value().header() }.set_flag(Flags::COLLECTED);
    share(t, o.value());
}

/// Marks the local object and every local object that it reaches as shared.
///
/// Before there is a second thread, the object alone: when that one is started, all that the first one has made becomes shared at
/// once by its new tag (see [`crate::spawn_state`]), so I3 holds from the moment on from which it matters. Until then what is
/// reachable from classes, such as the globals of their methods' modules, stays local, and fast. Weak references are edges both
/// ways: who can reach the one must find the other shared. In the `gil` build every object is local to every thread, and stays so.
#[cold]
#[inline(never)]
pub fn publish(t: &Thread, root: &Header) {
    if crate::thread::multithreaded() {
        publish_reached(t, root);
    } else if cfg!(not(feature = "gil")) {
        t.stats.published.set(t.stats.published.get() + 1);
        root.owner.store(barrier::SHARED, Relaxed);
    }
}

/// As [`publish`], with what the object reaches in any case.
pub(crate) fn publish_reached(t: &Thread, root: &Header) {
    if cfg!(not(feature = "gil")) {
        t.rely_no_more();
        let published = barrier::publish(root, t.tag());
        t.stats.published.set(t.stats.published.get() + published);
    }
}

type PublishedWith = fn(&Header) -> Option<&Header>;
static PUBLISHED_WITH: OnceLock<PublishedWith> = OnceLock::new();

/// `f` gives what objects of types with [`TypeFlags::LEADS_ON`] lead to besides what they refer to: it is published with them, so that who
/// can reach the one finds the other shared. To be said once, before anything runs.
pub fn published_with(f: PublishedWith) {
    let _ = PUBLISHED_WITH.set(f);
}

impl Node for Header {
    fn owner(&self) -> &AtomicU16 {
        &self.owner
    }

    fn has_edges(&self) -> bool {
        let ty = self.ty();
        ty.traverse.is_some()
            || self.has_flag(Flags::WEAKREFS)
            || ty.gc_flags.load(Relaxed) & crate::weak::WEAK_TYPE != 0
            || !matches!(
                ty.header.owner.load(Relaxed),
                barrier::SHARED | crate::IMMORTAL
            )
    }

    fn edges(&self, f: &mut dyn FnMut(&Header)) {
        f(&self.ty().header);
        if let Some(traverse) = self.ty().traverse {
            // SAFETY: an object of that type; what it refers to is kept alive by it.
            unsafe {
                traverse(self, &mut |v: Value| {
                    if v.is_ptr() {
                        f(v.header());
                    }
                })
            };
        }
        if self.has_flag(Flags::WEAKREFS) {
            crate::weak::for_each_ref(self, f);
        }
        if let Some(target) = crate::weak::target_of(self) {
            f(target);
        }
        if self.ty().gc_flags.load(Relaxed) & TypeFlags::LEADS_ON != 0
            && let Some(other) = PUBLISHED_WITH.get().and_then(|with| with(self))
        {
            f(other);
        }
    }
}
