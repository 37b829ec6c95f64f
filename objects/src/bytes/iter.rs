//! The iterators of bytes and bytearrays.

use super::Bytes;
use crate::bytearray::ByteArray;
use crate::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering::*};

/// Iterator over the bytes of a bytes or bytearray object.
#[repr(C)]
pub struct BytesIter {
    pub header: Header,
    /// NULL when exhausted.
    seq: Slot,
    /// Index of the next one. Threads that share an iterator may both get the same one.
    at: AtomicUsize,
}

fn new(t: &Thread, v: Value, ty: &'static Type) -> Res {
    // SAFETY: the layout is the type's; the zeroed rest is valid.
    unsafe {
        let p = t.alloc(&ty.head, size_of::<BytesIter>()) as *mut BytesIter;
        (*p).seq.init(t, &(*p).header, Obj::new(t, v).into_value());
        Ok(Value::from_ptr(p as *const Header))
    }
}

/// `iter(bytes)`
pub fn iter_bytes(t: &mut Thread, v: Value) -> Res {
    new(t, v, &BYTES_ITERATOR)
}

/// `iter(bytearray)`
pub fn iter_bytearray(t: &mut Thread, v: Value) -> Res {
    new(t, v, &BYTEARRAY_ITERATOR)
}

impl BytesIter {
    fn this<'a>(v: Value) -> &'a BytesIter {
        // SAFETY: called with objects of the two iterator types only.
        unsafe { &*(v.ptr() as *const BytesIter) }
    }

    fn len(&self, t: &Thread) -> Option<usize> {
        let v = self.seq.get();
        if v.is_null() {
            return None;
        }
        Some(match Bytes::of(v) {
            Some(b) => b.len(),
            None => ByteArray::this(v).len(t),
        })
    }
}

fn next(t: &mut Thread, v: Value) -> Res {
    let it = BytesIter::this(v);
    let seq = it.seq.get();
    if seq.is_null() {
        return Ok(Value::NULL);
    }
    let at = it.at.load(Relaxed);
    let byte = match Bytes::of(seq) {
        Some(b) => b.as_slice().get(at).copied(),
        None => ByteArray::this(seq).get(t, at),
    };
    match byte {
        Some(b) => {
            it.at.store(at + 1, Relaxed);
            Ok(Value::int(i64::from(b)))
        }
        None => {
            it.seq.set(t, &it.header, Value::NULL);
            Ok(Value::NULL)
        }
    }
}

fn length_hint(t: &mut Thread, a: &[Value]) -> Res {
    let it = BytesIter::this(a[0]);
    let left = it
        .len(t)
        .map_or(0, |n| n.saturating_sub(it.at.load(Relaxed)));
    Ok(Value::int(left as i64))
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let iter = crate::runtime::builtin(t, "iter")?;
    let it = BytesIter::this(a[0]);
    let seq = it.seq.get();
    let parts = if seq.is_null() {
        let empty = Tuple::from_vec(t, Vec::new());
        vec![iter, Tuple::from_vec(t, vec![empty])]
    } else {
        let seq = Obj::new(t, seq);
        let at = Obj::from_raw(Value::int(it.at.load(Relaxed) as i64));
        vec![iter, Tuple::from_vec(t, vec![seq]), at]
    };
    Ok(Tuple::from_vec(t, parts).into())
}

fn set_state(t: &mut Thread, a: &[Value]) -> Res {
    let at = crate::str::index::size(t, a[1])?.max(0) as usize;
    let it = BytesIter::this(a[0]);
    if let Some(n) = it.len(t) {
        it.at.store(at.min(n), Relaxed);
    }
    Ok(Value::NONE)
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const BytesIter)).seq.get() });
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    t.drop_value(unsafe { (*(h as *const BytesIter)).seq.take() });
}

const SPEC: Spec = Spec {
    iter: Some(|t, v| Ok(Obj::new(t, v).into())),
    iter_next: Some(next),
    methods: &[
        NativeDef::new("__length_hint__", "($self, /)", length_hint),
        NativeDef::new("__reduce__", "($self, /)", reduce),
        NativeDef::new("__setstate__", "($self, object, /)", set_state),
    ],
    ..Spec::EMPTY
};

/// `bytes_iterator`
pub static BYTES_ITERATOR: Type = Type::builtin("bytes_iterator", size_of::<BytesIter>(), &SPEC)
    .gc(traverse, clear)
    .final_()
    .no_new();
/// `bytearray_iterator`
pub static BYTEARRAY_ITERATOR: Type =
    Type::builtin("bytearray_iterator", size_of::<BytesIter>(), &SPEC)
        .gc(traverse, clear)
        .final_()
        .no_new();
