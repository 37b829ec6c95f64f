//! A slot: the only kind of field that may hold a reference inside a heap object. Its setter has the publication barrier in it.

use crate::barrier::Word;
use crate::count::{dec, to_heap};
use crate::header::Header;
use crate::publish::share;
use crate::thread::Thread;
use crate::value::Value;
use std::sync::atomic::AtomicU64;

/// One counted reference (or immediate, or NULL) in a heap object.
#[repr(transparent)]
pub struct Slot(Word);

impl Slot {
    pub const fn empty() -> Slot {
        Slot(Word(AtomicU64::new(0)))
    }

    /// A slot of an object that is just being made (local, so no barrier): takes over the reference.
    #[inline(always)]
    pub fn new(v: Value) -> Slot {
        Slot(Word(AtomicU64::new(to_heap(v).0)))
    }

    /// A slot of an object that is just being made, with the word that [`crate::keep`] gave.
    #[inline(always)]
    pub const fn kept(v: Value) -> Slot {
        Slot(Word(AtomicU64::new(v.0)))
    }

    /// The word as it lies here. What the object's publisher wrote is visible to who follows the pointer.
    #[inline(always)]
    pub fn get(&self) -> Value {
        Value(self.0.read())
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
            Value(self.0.replace_local(v.0))
        } else {
            // The barrier keeps I3.
            Value(self.0.exchange(v.0, || share(t, v)))
        }
    }

    /// Stores into an empty slot under the owner's lock or before the owner is reachable.
    #[inline(always)]
    pub fn init(&self, t: &Thread, owner: &Header, v: Value) {
        let v = to_heap(v);
        self.0.init(v.0, || {
            if !owner.is_local(t) {
                share(t, v);
            }
        });
    }

    /// Stores the word that [`crate::keep`] gave into an empty slot of an object that is just being made.
    #[inline(always)]
    pub fn keep(&self, t: &Thread, owner: &Header, v: Value) {
        debug_assert!(owner.is_local(t));
        self.0.replace_local(v.0);
    }

    /// Takes the reference out, leaving NULL.
    #[inline(always)]
    pub fn take(&self) -> Value {
        Value(self.0.exchange(0, || ()))
    }

    /// Takes the reference out of a local or dying object.
    #[inline(always)]
    pub fn take_local(&self) -> Value {
        Value(self.0.replace_local(0))
    }

    /// Stores `new` if `old` is here; the reference in `new` is taken over on success only. For once-initialised fields.
    pub fn set_if(&self, t: &Thread, owner: &Header, old: Value, new: Value) -> Result<(), Value> {
        let new = to_heap(new);
        let share_new = || {
            if !owner.is_local(t) {
                share(t, new);
            }
        };
        if self.0.exchange_if(old.0, new.0, share_new) {
            Ok(())
        } else {
            Err(new)
        }
    }

    /// The raw word, for arrays of slots that are moved as a whole.
    #[inline(always)]
    pub fn raw(&self) -> &AtomicU64 {
        &self.0.0
    }
}
