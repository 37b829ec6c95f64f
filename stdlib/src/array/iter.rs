//! Iterators over arrays.

use super::Array;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use weft_objects::prelude::*;
use weft_objects::{cell, runtime};

#[repr(C)]
struct ArrayIter {
    header: Header,
    /// NULL when exhausted.
    array: Slot,
    at: AtomicUsize,
}

weft_objects::gc_slots!(ArrayIter, traverse, clear, array);

fn this<'a>(v: Value) -> &'a ArrayIter {
    // SAFETY: called with objects of this type alone.
    unsafe { &*(v.ptr() as *const ArrayIter) }
}

/// `iter(array)`
pub fn new(t: &mut Thread, v: Value) -> Res {
    // SAFETY: the layout of the type.
    let (o, it) = unsafe { cell::fresh::<ArrayIter>(t, &ARRAY_ITERATOR) };
    it.array.init(t, &it.header, Obj::new(t, v).into());
    Ok(o.into())
}

fn next(t: &mut Thread, v: Value) -> Res {
    let it = this(v);
    let array = it.array.get();
    if array.is_null() {
        return Ok(Value::NULL);
    }
    let i = it.at.load(Relaxed);
    // Runs no Python.
    match Array::this(array).get(t, i)? {
        Some(item) => {
            it.at.store(i + 1, Relaxed);
            Ok(item.into())
        }
        None => {
            it.array.set(t, &it.header, Value::NULL);
            Ok(Value::NULL)
        }
    }
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let it = this(a[0]);
    let iter = runtime::builtin(t, "iter")?;
    let parts = match cell::own(t, &it.array) {
        Some(array) => {
            let at = super::count_obj(t, it.at.load(Relaxed));
            vec![iter, Tuple::from_vec(t, vec![array]), Obj::own(at)]
        }
        None => {
            let empty = Tuple::empty(t);
            vec![iter, Tuple::from_vec(t, vec![empty])]
        }
    };
    Ok(Tuple::from_vec(t, parts).into())
}

fn set_state(t: &mut Thread, a: &[Value]) -> Res {
    let it = this(a[0]);
    if !weft_objects::int::is_int(a[1]) {
        return Err(t.type_error("an integer is required".into()));
    }
    let at = weft_objects::str::index::size(t, a[1])?.max(0) as usize;
    if let Some(array) = cell::own(t, &it.array) {
        let n = Array::this(array.value()).len(t);
        it.at.store(at.min(n), Relaxed);
    }
    Ok(Value::NONE)
}

/// `array.arrayiterator`
pub static ARRAY_ITERATOR: Type = Type::builtin(
    "arrayiterator",
    size_of::<ArrayIter>(),
    &Spec {
        iter: Some(|t, v| Ok(Obj::new(t, v).into())),
        iter_next: Some(next),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", reduce),
            NativeDef::new("__setstate__", "($self, state, /)", set_state),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("array")
.final_()
.no_new();
