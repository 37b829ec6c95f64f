//! The iterators of strings.

use crate::prelude::*;
use crate::text::wtf8;
use std::sync::atomic::{AtomicUsize, Ordering::*};

/// Iterator over the code points of a string.
#[repr(C)]
pub struct StrIter {
    pub header: Header,
    /// NULL when exhausted.
    text: Slot,
    /// Byte offset of the next code point. Threads that share an iterator may both get the same one.
    at: AtomicUsize,
}

/// `iter(s)`
pub fn iter_str(t: &mut Thread, v: Value) -> Res {
    let ty = if Str::this(v).is_ascii() {
        &STR_ASCII_ITERATOR
    } else {
        &STR_ITERATOR
    };
    // SAFETY: the layout is the type's; the zeroed rest is valid.
    unsafe {
        let p = t.alloc(&ty.head, size_of::<StrIter>()) as *mut StrIter;
        (*p).text.init(t, &(*p).header, Obj::new(t, v).into_value());
        Ok(Value::from_ptr(p as *const Header))
    }
}

impl StrIter {
    fn this<'a>(v: Value) -> &'a StrIter {
        // SAFETY: called with objects of the two iterator types only.
        unsafe { &*(v.ptr() as *const StrIter) }
    }

    /// The string, if it is not exhausted.
    fn text<'a>(&self) -> Option<&'a Str> {
        let v = self.text.get();
        (!v.is_null()).then(|| Str::this(v))
    }

    /// The next code point.
    #[inline(always)]
    pub fn next(&self, t: &Thread) -> Option<u32> {
        let s = self.text()?;
        let bytes = s.as_bytes();
        let at = self.at.load(Relaxed);
        if at >= bytes.len() {
            self.text.set(t, &self.header, Value::NULL);
            return None;
        }
        let (cp, width) = wtf8::decode_at(bytes, at);
        self.at.store(at + width, Relaxed);
        Some(cp)
    }
}

fn next(t: &mut Thread, v: Value) -> Res {
    Ok(match StrIter::this(v).next(t) {
        Some(cp) => Str::char_value(t, cp),
        None => Value::NULL,
    })
}

fn length_hint(t: &mut Thread, a: &[Value]) -> Res {
    let it = StrIter::this(a[0]);
    let left = it.text().map_or(0, |s| {
        s.len() - s.index_of(it.at.load(Relaxed).min(s.as_bytes().len()))
    });
    Ok(crate::int::from_usize(t, left))
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let iter = crate::runtime::builtin(t, "iter")?;
    let it = StrIter::this(a[0]);
    let parts = match it.text() {
        Some(s) => {
            let text = Obj::new(t, s.value());
            let at =
                crate::int::from_usize(t, s.index_of(it.at.load(Relaxed).min(s.as_bytes().len())));
            vec![iter, Tuple::from_vec(t, vec![text]), Obj::own(at)]
        }
        None => {
            let empty = Str::empty(t);
            vec![iter, Tuple::from_vec(t, vec![empty])]
        }
    };
    Ok(Tuple::from_vec(t, parts).into())
}

fn set_state(t: &mut Thread, a: &[Value]) -> Res {
    let at = super::index::size(t, a[1])?;
    let it = StrIter::this(a[0]);
    if let Some(s) = it.text() {
        it.at
            .store(s.offset((at.max(0) as usize).min(s.len())), Relaxed);
    }
    Ok(Value::NONE)
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const StrIter)).text.get() });
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    t.drop_value(unsafe { (*(h as *const StrIter)).text.take() });
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

/// `str_iterator`
pub static STR_ITERATOR: Type = Type::builtin("str_iterator", size_of::<StrIter>(), &SPEC)
    .gc(traverse, clear)
    .final_()
    .no_new();
/// `str_ascii_iterator`
pub static STR_ASCII_ITERATOR: Type =
    Type::builtin("str_ascii_iterator", size_of::<StrIter>(), &SPEC)
        .gc(traverse, clear)
        .final_()
        .no_new();
