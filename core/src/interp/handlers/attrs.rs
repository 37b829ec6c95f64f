//! Attributes and methods by inline cache.

use super::{State, handlers};
use crate::compile::bytecode::{XA, XB};
use crate::interp::attr::{self, cache};
use crate::interp::frames::Enter;
use std::sync::atomic::Ordering::*;
use weft_objects::frame::Frame;
use weft_objects::instance::{INLINE, Instance};
use weft_objects::prelude::*;

/// The value of a GetAttr has been found: `found` is a word in a slot, or NULL.
#[inline(always)]
fn found(s: State, x: Value, found: Value) -> Option<*mut Frame> {
    if found.is_null() {
        return None;
    }
    let v = s.copy(found)?;
    let x = s.take(XB, s.i.b(), x);
    let old = s.reg(s.i.a());
    s.put(s.i.a(), v);
    Some(s.finish2(x, old))
}

/// Lays a method and its self down, which are both owned; the registers are dead.
#[inline(always)]
fn pair(s: State, m: Value, x: Value) -> *mut Frame {
    s.put(s.i.a(), m);
    s.put(s.i.a() + 1, x);
    s.next()
}

handlers! {
    get_attr(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if x.is_ptr() && w & 0xff == cache::SLOT {
            // SAFETY: a register's object is alive.
            let h = unsafe { x.header() };
            let o = Instance::of_unchecked(x);
            if h.flags.load(Relaxed) & INLINE != 0
                && o.shape.load(Acquire) == (w >> 16) as u32 & 0xff_ffff
                && let Some(f) = found(s, x, o.slot(((w >> 8) & 0xff) as usize).get())
            {
                return f;
            }
        }
        s.tail(get_attr_other)
    }
    get_attr_other(s) {
        let x = s.reg(s.i.b());
        if x.is_ptr()
            && let Some(f) = found(s, x, attr::cached(s.t(), x, s.cache(s.i.c())))
        {
            return f;
        }
        s.tail(get_attr_slow)
    }
    get_attr_slow(s) {
        s.save();
        match attr::get(s.t(), s.f, s.i) {
            Ok(Enter::Done) => s.f,
            Ok(Enter::Frame) => s.f.wrapping_add(1),
            Err(_) => super::raise(s.t(), s.f),
        }
    }
    set_attr(s) {
        let x = s.reg(s.i.a());
        if x.is_ptr() {
            let w = s.cache(s.i.c());
            let o = Instance::of_unchecked(x);
            if w & 0xff == cache::SLOT
                && o.header.flags.load(Relaxed) & INLINE != 0
                && o.header.is_local(s.t())
                && o.shape.load(Relaxed) as u64 == (w >> 16) & 0xff_ffff
            {
                let v = s.reg(s.i.b());
                if let Some(v) = s.own_heap(XB, s.i.b(), v) {
                    let slot = o.slot(((w >> 8) & 0xff) as usize);
                    let old = slot.take_local();
                    slot.raw().store(v.0, Relaxed);
                    return s.finish2(s.take(XA, s.i.a(), x), old);
                }
            }
        }
        s.tail(set_attr_add)
    }
    set_attr_add(s) {
        let x = s.reg(s.i.a());
        if x.is_ptr() {
            let w = s.cache(s.i.c());
            let o = Instance::of_unchecked(x);
            let index = (w >> 8) & 0xff;
            if w & 0xff == cache::ADD_SLOT
                && o.header.flags.load(Relaxed) & INLINE != 0
                && o.header.is_local(s.t())
                && o.shape.load(Relaxed) as u64 == (w >> 16) & 0xff_ffff
                && index < o.cap.load(Relaxed) as u64
            {
                let v = s.reg(s.i.b());
                if let Some(v) = s.own_heap(XB, s.i.b(), v) {
                    o.slot(index as usize).raw().store(v.0, Relaxed);
                    o.shape.store((w >> 40) as u32, Relaxed);
                    return s.finish(s.take(XA, s.i.a(), x));
                }
            }
        }
        s.slow(attr::set)
    }
    del_attr(s) { s.slow(attr::delete) }
    load_method(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if w & 0xff == cache::METHOD && x.is_ptr() {
            // SAFETY: a register's object is alive.
            let h = unsafe { x.header() };
            if h.flags.load(Relaxed) & weft_gc::Flags::DICT == 0
                && let Some(m) = s.copy_some(attr::cached_method(type_of(x), w))
            {
                if s.consumes(XB) {
                    s.put(s.i.b(), Value::NULL);
                    return pair(s, m, x);
                }
                if x.is_uncounted() {
                    return pair(s, m, x);
                }
                if let Some(x) = s.copy(x) {
                    return pair(s, m, x);
                }
                s.uncopy(m);
                return s.slow(attr::load_method);
            }
        }
        s.tail(load_method_other)
    }
    load_method_other(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if w & 0xff == cache::METHOD && !x.is_ptr() && !x.is_null() {
            let m = attr::cached_method(type_of(x), w);
            if !m.is_null()
                && let Some(m) = s.copy(m)
            {
                return pair(s, m, x);
            }
        }
        if w & 0xff == cache::MODULE && x.is_ptr() {
            let m = attr::cached_module(s.t(), x, w);
            if !m.is_null()
                && let Some(m) = s.copy(m)
            {
                let x = s.take(XB, s.i.b(), x);
                s.put(s.i.a(), m);
                s.put(s.i.a() + 1, Value::NULL);
                return s.finish(x);
            }
        }
        s.slow(attr::load_method)
    }
    super_attr(s) { s.slow(|t, f, i| attr::super_attr(t, f, i, false)) }
    super_method(s) { s.slow(|t, f, i| attr::super_attr(t, f, i, true)) }
    load_special(s) { s.slow(attr::load_special) }
}
