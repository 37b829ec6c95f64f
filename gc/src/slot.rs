//! A slot: the only kind of field that may hold a reference inside a heap object. Its setter has the publication barrier in it.

use crate::count::{dec, to_heap};
use crate::header::Header;
use crate::publish::share;
use crate::thread::Thread;
use crate::value::Value;
use std::sync::atomic::{AtomicU64, Ordering::*};

/// One counted reference (or immediate, or NULL) in a heap object.
#[repr(transparent)]
pub struct Slot(AtomicU64);

impl Slot {
    pub const fn empty() -> Slot {
        Slot(AtomicU64::new(0))
    }

    /// A slot of an object that is just being made (local, so no barrier): takes over the reference.
    #[inline(always)]
    pub fn new(v: Value) -> Slot {
        Slot(AtomicU64::new(to_heap(v).0))
    }

    /// The word as it lies here. Acquire: what the object's publisher wrote is visible to who follows the pointer.
    #[inline(always)]
    pub fn get(&self) -> Value {
        Value(self.0.load(Acquire))
    }

    /// Stores a register word, whose reference is taken over, and drops what was here. `owner` is the object that
    /// this slot belongs to.
    #[inline(always)]
    pub fn set(&self, t: &Thread, owner: &Header, v: Value) {
        let old = self.replace(t, owner, v);
        dec(t, old);
    }

    /// Stores a register word and gives back the reference that was here.
    #[inline(always)]
    pub fn replace(&self, t: &Thread, owner: &Header, v: Value) -> Value {
        let v = to_heap(v);
        if owner.is_local(t) {
            // Nobody else can reach the slot (I2): plain load and store.
            let old = Value(self.0.load(Relaxed));
            self.0.store(v.0, Relaxed);
            old
        } else {
            share(t, v); // keeps I3
            // Release: a reader that sees the word sees the published object. Acquire: whoever drops the old one sees it whole.
            Value(self.0.swap(v.0, AcqRel))
        }
    }

    /// Stores into an empty slot under the owner's lock or before the owner is reachable.
    #[inline(always)]
    pub fn init(&self, t: &Thread, owner: &Header, v: Value) {
        let v = to_heap(v);
        if !owner.is_local(t) {
            share(t, v);
        }
        self.0.store(v.0, Release);
    }

    /// Takes the reference out, leaving NULL.
    #[inline(always)]
    pub fn take(&self) -> Value {
        Value(self.0.swap(0, AcqRel))
    }

    /// Takes the reference out of a local or dying object.
    #[inline(always)]
    pub fn take_local(&self) -> Value {
        let v = Value(self.0.load(Relaxed));
        self.0.store(0, Relaxed);
        v
    }

    /// Stores `new` if `old` is here; the reference in `new` is taken over on success only. For once-initialised fields.
    pub fn set_if(&self, t: &Thread, owner: &Header, old: Value, new: Value) -> Result<(), Value> {
        let new = to_heap(new);
        if !owner.is_local(t) {
            share(t, new);
        }
        match self.0.compare_exchange(old.0, new.0, AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(_) => Err(new),
        }
    }

    /// The raw word, for arrays of slots that are moved as a whole.
    #[inline(always)]
    pub fn raw(&self) -> &AtomicU64 {
        &self.0
    }
}
