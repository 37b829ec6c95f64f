//! Weak references: a table from referent to the weak reference objects that point to it.
//!
//! The table's shard lock for the referent's address orders upgrade against destruction: whoever destroys clears the entry under
//! it, whoever upgrades counts under it and fails if the object has been settled dead. Model: `loom-tests/tests/weakref.rs`.

use crate::header::{Flags, Header, IMMORTAL, TypeFlags};
use crate::obj::Obj;
use crate::thread::Thread;
use dashmap::DashMap;
use std::hash::{BuildHasherDefault, Hasher};
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

static TABLE: LazyLock<DashMap<u64, Vec<Ref>, BuildHasherDefault<AddressHasher>>> =
    LazyLock::new(|| DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS));
/// More than threads are likely to meet in, however many cores there are.
const SHARDS: usize = 128;

/// Spreads an address over all bits.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, n: u64) {
        let h = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = h ^ (h >> 32);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Makes `w` refer to `target`.
pub fn register(t: &Thread, target: &Header, w: &WeakHead) {
    let key = target as *const Header as u64;
    // A shared referent's weak references must be shared, as its destroyer may be any thread.
    if !target.is_local(t) && w.header.is_local(t) {
        crate::publish::publish(t, &w.header);
    }
    w.target.store(key, Release);
    TABLE.entry(key).or_default().push(Ref(w));
    target.set_flag(Flags::WEAKREFS);
}

/// Takes `w` out of the table: before it is freed.
pub fn unregister(w: &WeakHead) {
    // Acquire: pairs with the release in `clear`, which is the last that it does with `w`.
    let key = w.target.load(Acquire);
    if key == 0 {
        return;
    }
    if let dashmap::Entry::Occupied(mut e) = TABLE.entry(key) {
        e.get_mut().retain(|r| !std::ptr::eq(r.0, w));
        if e.get().is_empty() {
            e.remove();
        }
    }
}

/// An owned reference to the referent, if it is alive.
pub fn upgrade(t: &Thread, w: &WeakHead) -> Option<Obj> {
    let key = w.target.load(Acquire);
    if key == 0 {
        return None;
    }
    let entry = TABLE.get(&key)?;
    if w.target.load(Acquire) != key {
        return None;
    }
    // SAFETY: while the entry is there and its shard is locked, the referent's memory is there.
    let h = unsafe { &*(key as *const Header) };
    let alive = counted_up(t, h);
    drop(entry);
    alive.then(|| Obj::from_raw(h.value()))
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
    h.owner.load(Relaxed) == IMMORTAL || weft_threads::count::try_increment(&h.count)
}

/// Whether the referent is gone (or dying), without counting.
pub fn is_dead(w: &WeakHead) -> bool {
    w.target.load(Acquire) == 0
}

/// The referent has died: empties every weak reference to it, and gives those that have a callback.
pub fn clear(t: &Thread, h: &Header) -> Vec<Obj> {
    let key = h as *const Header as u64;
    h.clear_flag(Flags::WEAKREFS);
    let mut callbacks = Vec::new();
    if let dashmap::Entry::Occupied(e) = TABLE.entry(key) {
        for r in e.get() {
            // SAFETY: entries are taken out before their weak reference is freed, under this shard's lock.
            let w = unsafe { &*r.0 };
            if w.has_callback.load(Relaxed) != 0 && counted_up(t, &w.header) {
                callbacks.push(Obj::from_raw(w.header.value()));
            }
            // Last: who sees 0 here frees the weak reference without taking the lock. See `unregister`.
            w.target.store(0, Release);
        }
        e.remove();
    }
    // CPython calls them newest first.
    callbacks.reverse();
    callbacks
}

/// Calls `f` for each weak reference to `h`.
pub fn for_each_ref(h: &Header, f: &mut dyn FnMut(&Header)) {
    if let Some(refs) = TABLE.get(&(h as *const Header as u64)) {
        for r in refs.iter() {
            // SAFETY: as in `clear`.
            f(unsafe { &(*r.0).header });
        }
    }
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
