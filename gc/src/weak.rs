//! Weak references: a table from referent to the weak reference objects that point to it.
//!
//! The table (`weak_table.rs`) orders upgrading against destruction: it fails if the object has been settled dead. Model:
//! `loom-tests/tests/weakref.rs`.

use crate::header::{Flags, Header, SHARED, TypeFlags};
use crate::obj::Obj;
use crate::tally::{self, What};
use crate::thread::Thread;
use crate::weak_table::{Weak, WeakTable};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// `TypeFlags` bit of types whose objects start with a [`WeakHead`].
pub const WEAK_TYPE: u32 = 1 << 8;

/// Start of a weak reference object.
#[repr(C)]
pub struct WeakHead {
    pub header: Header,
    /// Address of the referent, not counted; 0 once it has died.
    pub target: AtomicU64,
    /// 1 if the object has a callback.
    pub has_callback: AtomicU32,
}

struct Ref(*const WeakHead);
// SAFETY: an entry is taken out, under the shard's lock, before its weak reference is freed.
unsafe impl Send for Ref {}
// SAFETY: as above.
unsafe impl Sync for Ref {}

impl Weak for Ref {
    fn target(&self) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { &(*self.0).target }
    }
}

static TABLE: LazyLock<WeakTable<Ref>> = LazyLock::new(|| WeakTable::new(SHARDS));
/// More than threads are likely to meet in, however many cores there are.
const SHARDS: usize = 128;

/// Makes `w` refer to `target`.
pub fn register(t: &Thread, target: &Header, w: &WeakHead) {
    let key = target as *const Header as u64;
    // A shared referent's weak references must be shared, as its destroyer may be any thread.
    if !target.is_local(t) && w.header.is_local(t) {
        crate::publish::publish(t, &w.header);
    }
    TABLE.enter(key, Ref(w));
    target.set_flag(Flags::WEAKREFS);
}

/// Takes `w` out of the table: before it is freed.
pub fn unregister(w: &WeakHead) {
    TABLE.leave(&w.target, |r| std::ptr::eq(r.0, w));
}

/// An owned reference to the referent, if it is alive.
pub fn upgrade(t: &Thread, w: &WeakHead) -> Option<Obj> {
    let key = TABLE.upgrade(&w.target, |key| {
        // SAFETY: the referent's memory is there while the table says so.
        counted_up(t, unsafe { &*(key as *const Header) })
    })?;
    // SAFETY: counted.
    Some(Obj::from_raw(unsafe { &*(key as *const Header) }.value()))
}

/// The referent is shared, listed, and counted by nobody: dead, unless some register has it.
pub struct Unsettled;

/// As [`upgrade`], but does not bring back to life what is about to die: see [`settle_soon`].
///
/// # Errors
/// If the referent is to be settled first.
pub fn upgrade_settled(t: &Thread, w: &WeakHead) -> Result<Option<Obj>, Unsettled> {
    let mut waits = false;
    let key = TABLE.upgrade(&w.target, |key| {
        // SAFETY: the referent's memory is there while the table says so.
        let h = unsafe { &*(key as *const Header) };
        waits = h.owner.load(Relaxed) == SHARED
            && weft_threads::count::is_waiting(&h.count)
            && !h.is_collected();
        !waits && counted_up(t, h)
    });
    if waits {
        return Err(Unsettled);
    }
    // SAFETY: counted.
    Ok(key.map(|key| Obj::from_raw(unsafe { &*(key as *const Header) }.value())))
}

/// Settles what waits for handshakes, as far as that goes without waiting for threads that are busy. Finalizers may be left pending.
#[cold]
pub fn settle_soon(t: &mut Thread) {
    t.safepoint();
    t.settle(false);
}

/// An owned reference to an object whose memory is known to be there, if it is alive. It is this thread's own, or shared.
pub fn own_if_alive(t: &Thread, h: &Header) -> Option<Obj> {
    counted_up(t, h).then(|| Obj::from_raw(h.value()))
}

fn counted_up(t: &Thread, h: &Header) -> bool {
    if h.has_flag(Flags::DYING) {
        return false;
    }
    if h.is_local(t) {
        // A count of zero says nothing of objects that only the collector frees: their counts leave references out.
        if h.count.load(Relaxed) == 0 && h.ty().gc_flags.load(Relaxed) & TypeFlags::COLLECTED == 0 {
            return false;
        }
        crate::count::inc(t, h.value());
        return true;
    }
    if h.is_immortal() {
        return true;
    }
    tally::note(t, h, What::Change);
    weft_threads::count::try_increment(&h.count)
}

/// Whether the referent is gone (or dying), without counting.
pub fn is_dead(w: &WeakHead) -> bool {
    w.target.load(Acquire) == 0
}

/// The referent has died: empties every weak reference to it, and gives those that have a callback.
pub fn clear(t: &Thread, h: &Header) -> Vec<Obj> {
    h.clear_flag(Flags::WEAKREFS);
    let mut callbacks = Vec::new();
    TABLE.clear(h as *const Header as u64, |r| {
        // SAFETY: entries are taken out before their weak reference is freed, under this shard's lock.
        let w = unsafe { &*r.0 };
        if w.has_callback.load(Relaxed) != 0 && counted_up(t, &w.header) {
            callbacks.push(Obj::from_raw(w.header.value()));
        }
    });
    // CPython calls them newest first.
    callbacks.reverse();
    callbacks
}

/// Calls `f` for each weak reference to `h`.
pub fn for_each_ref(h: &Header, f: &mut dyn FnMut(&Header)) {
    // SAFETY: as in `clear`.
    TABLE.look(h as *const Header as u64, |r| f(unsafe { &(*r.0).header }));
}

/// Calls `f` with an owned handle for each weak reference to `h` that is itself alive, oldest first.
pub fn refs_of(t: &Thread, h: &Header) -> Vec<Obj> {
    let mut found = Vec::new();
    for_each_ref(h, &mut |w| {
        if counted_up(t, w) {
            found.push(Obj::from_raw(w.value()));
        }
    });
    found
}

/// The oldest weak reference to `h` that is itself alive and that `accept` is true of.
pub fn find_ref(t: &Thread, h: &Header, accept: impl Fn(&Header) -> bool) -> Option<Obj> {
    TABLE.find(h as *const Header as u64, |r| {
        // SAFETY: as in `clear`.
        let w = unsafe { &(*r.0).header };
        (accept(w) && counted_up(t, w)).then(|| Obj::from_raw(w.value()))
    })
}

/// The referent of `h`, if `h` is a weak reference to a live object.
pub(crate) fn target_of<'a>(h: &Header) -> Option<&'a Header> {
    if h.ty().gc_flags.load(Relaxed) & WEAK_TYPE == 0 {
        return None;
    }
    // SAFETY: the type says that the object starts with a WeakHead.
    let key = unsafe {
        (*(h as *const Header as *const WeakHead))
            .target
            .load(Acquire)
    };
    // SAFETY: publication runs in the thread that owns `h`, hence its local referent, which cannot die meanwhile.
    (key != 0).then(|| unsafe { &*(key as *const Header) })
}
