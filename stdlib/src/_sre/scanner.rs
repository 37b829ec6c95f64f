//! Going through a subject match by match: `Pattern.scanner()` and `Pattern.finditer()`.

use super::found::Match;
use super::pattern::{Pattern, started};
use super::subject::{How, Run};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::*};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{cell, memoryview};

#[repr(C)]
struct Scanner {
    header: Header,
    pattern: Slot,
    string: Slot,
    /// A view of a mutable subject, which keeps it as it is; or NULL.
    view: Slot,
    pos: AtomicIsize,
    endpos: AtomicIsize,
    /// Offset of where the next match is looked for.
    at: AtomicIsize,
    must_advance: AtomicBool,
    done: AtomicBool,
    /// Somebody is looking for the next match.
    busy: AtomicBool,
}

/// A scanner of one of the two types for `pattern, string, pos, endpos`.
pub fn new(t: &mut Thread, ty: &'static Type, a: &[Value; 4]) -> Res {
    let (_, subject, pos, endpos) = started(t, a)?;
    let (pos, endpos) = subject.clamp(pos, endpos);
    // SAFETY: the layout of both types.
    let (o, s) = unsafe { cell::fresh::<Scanner>(t, ty) };
    s.pattern.init(t, &s.header, Obj::new(t, a[0]).into());
    s.string.init(t, &s.header, Obj::new(t, a[1]).into());
    s.pos.store(pos as isize, Relaxed);
    s.endpos.store(endpos as isize, Relaxed);
    s.at.store(subject.offset(pos) as isize, Relaxed);
    if subject.is_bytes() && Bytes::of(a[1]).is_none() {
        let view = memoryview::from_object(t, a[1])?;
        s.view.init(t, &s.header, view.into());
    }
    Ok(o.into())
}

weft_objects::gc_slots!(Scanner, traverse, clear, pattern, string, view);

/// The next match, if there is one.
fn next(t: &mut Thread, v: Value, how: How) -> Res<Option<Obj>> {
    // SAFETY: called with instances of the two types alone.
    let s = unsafe { &*(v.ptr() as *const Scanner) };
    if s.busy.swap(true, Acquire) {
        return Err(t.value_error("regular expression scanner already executing"));
    }
    let found = advance(t, s, how);
    s.busy.store(false, Release);
    found
}

fn advance(t: &mut Thread, s: &Scanner, how: How) -> Res<Option<Obj>> {
    if s.done.load(Relaxed) {
        return Ok(None);
    }
    let (pattern, string) = (Obj::new(t, s.pattern.get()), Obj::new(t, s.string.get()));
    let p = Pattern::this(pattern.value());
    let subject = p.subject(t, string.value())?;
    let window = subject.clamp(s.pos.load(Relaxed), s.endpos.load(Relaxed));
    let (at, end) = (s.at.load(Relaxed) as usize, subject.offset(window.1));
    let mut run = Run::resume(p.program(), &subject, at, end, s.must_advance.load(Relaxed));
    if !run.next(t, how)? {
        s.done.store(true, Relaxed);
        return Ok(None);
    }
    s.at.store(run.start as isize, Relaxed);
    s.must_advance.store(run.must_advance, Relaxed);
    Ok(Some(Match::new(t, pattern.value(), &run, window)))
}

fn next_or_none(t: &mut Thread, v: Value, how: How) -> Res {
    Ok(next(t, v, how)?.map_or(Value::NONE, Obj::into_value))
}

/// `_sre.SRE_Scanner`
pub static SCANNER: Type = Type::builtin(
    "SRE_Scanner",
    size_of::<Scanner>(),
    &Spec {
        methods: &[
            NativeDef::new("match", "($self, /)", |t, a| {
                next_or_none(t, a[0], How::Match)
            }),
            NativeDef::new("search", "($self, /)", |t, a| {
                next_or_none(t, a[0], How::Search)
            }),
        ],
        members: &[MemberDef {
            name: "pattern",
            offset: std::mem::offset_of!(Scanner, pattern),
            readonly: true,
            none_if_empty: true,
        }],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("_sre")
.final_()
.no_new();

/// The iterator that `finditer` gives.
pub static FINDITER: Type = Type::builtin(
    "callable_iterator",
    size_of::<Scanner>(),
    &Spec {
        iter: Some(|t, v| Ok(Obj::new(t, v).into())),
        iter_next: Some(|t, v| Ok(next(t, v, How::Search)?.map_or(Value::NULL, Obj::into_value))),
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.final_()
.no_new();
