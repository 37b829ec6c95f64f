//! Handles: an owned, counted reference for Rust code, and a borrowed one that cannot cross a safepoint.

use crate::count::{dec, inc, to_heap, to_reg};
use crate::header::Header;
use crate::thread::Thread;
use crate::value::Value;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;

/// An owned value: a counted reference to an object, or an immediate. Never NULL, never uncounted (I4), so it may be kept across
/// safepoints. Not `Send`: it may refer to a local object (I2).
#[repr(transparent)]
pub struct Obj(NonZeroU64, PhantomData<*const ()>);

impl Obj {
    /// Takes over the reference of a register word.
    #[inline(always)]
    pub fn own(v: Value) -> Obj {
        Obj::from_raw(to_heap(v))
    }

    /// Takes over a counted word (or immediate), not NULL.
    #[inline(always)]
    pub fn from_raw(v: Value) -> Obj {
        debug_assert!(!v.is_null() && !v.is_uncounted());
        // SAFETY: not NULL, as every caller makes sure.
        Obj(unsafe { NonZeroU64::new_unchecked(v.0) }, PhantomData)
    }

    /// A new reference to what `v` refers to. `v` must not be NULL.
    #[inline(always)]
    pub fn new(t: &Thread, v: Value) -> Obj {
        inc(t, v);
        Obj::from_raw(v.bare())
    }

    /// As [`Obj::new`] where no thread is at hand.
    #[inline]
    pub fn from(v: Value) -> Obj {
        if v.is_ptr() {
            inc(Thread::current(), v);
        }
        Obj::from_raw(v.bare())
    }

    /// The word, borrowed from this handle.
    #[inline(always)]
    pub fn value(&self) -> Value {
        Value(self.0.get())
    }

    /// Gives up the handle without counting: the word now owns the reference.
    #[inline(always)]
    pub fn into_value(self) -> Value {
        ManuallyDrop::new(self).value()
    }

    /// The header; only if it is a pointer.
    #[inline(always)]
    pub fn header(&self) -> &Header {
        // SAFETY: this handle keeps the object alive.
        unsafe { self.value().header() }
    }
}

impl Drop for Obj {
    #[inline(always)]
    fn drop(&mut self) {
        let v = self.value();
        if v.is_counted() {
            dec(Thread::current(), v);
        }
    }
}

impl Clone for Obj {
    #[inline(always)]
    fn clone(&self) -> Obj {
        Obj::from(self.value())
    }
}

impl From<Obj> for Value {
    #[inline(always)]
    fn from(o: Obj) -> Value {
        o.into_value()
    }
}

impl std::fmt::Debug for Obj {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value().fmt(f)
    }
}

/// A value read from an object, not counted: good until the thread's next safepoint, which the borrow of the thread rules out.
#[derive(Clone, Copy)]
pub struct Borrowed<'t>(Value, PhantomData<&'t Thread>);

impl<'t> Borrowed<'t> {
    #[inline(always)]
    pub fn new(_t: &'t Thread, v: Value) -> Borrowed<'t> {
        Borrowed(v, PhantomData)
    }
    #[inline(always)]
    pub fn value(self) -> Value {
        self.0
    }
    /// A register word: counted if local, uncounted if shared.
    #[inline(always)]
    pub fn to_reg(self, t: &Thread) -> Value {
        to_reg(t, self.0)
    }
    /// An owned handle.
    #[inline(always)]
    pub fn to_obj(self, t: &Thread) -> Obj {
        Obj::new(t, self.0)
    }
}
