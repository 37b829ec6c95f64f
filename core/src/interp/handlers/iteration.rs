//! `for` loops and unpacking.

use super::{State, generators, handlers};
use crate::compile::bytecode::{Instr, Op, XB};
use crate::interp::iteration;
use std::sync::atomic::Ordering::*;
use weft_objects::bytes::{BYTES, Bytes};
use weft_objects::dict_views::{self, DICT_ITEMITERATOR, DICT_KEYITERATOR, DICT_VALUEITERATOR};
use weft_objects::frame::Frame;
use weft_objects::generator::GENERATOR;
use weft_objects::iter::{ENUMERATE, ZIP};
use weft_objects::list::LIST;
use weft_objects::prelude::*;
use weft_objects::str::STR;
use weft_objects::tuple::TUPLE;

/// The iteration in the registers from `a` on is over.
#[inline(always)]
pub fn exhausted(s: State, it: Value) -> *mut Frame {
    s.put(s.i.a(), Value::NULL);
    s.jump(s.i.off16()).finish(it)
}

/// As [`exhausted`], after the iterator may have run Python.
#[inline(always)]
fn ended(s: State) -> *mut Frame {
    // Read again: a handshake may have counted the register.
    exhausted(s, s.reg(s.i.a()))
}

handlers! {
    get_iter(s) { s.slow(iteration::get_iter) }
    for_iter(s) {
        let a = s.i.a();
        let it = s.reg(a);
        if it == Value::RANGE_MARK {
            let (at, stop) = (s.reg(a + 1), s.reg(a + 2));
            if (at.0 as i64) < stop.0 as i64 {
                s.put(a + 1, Value(at.0.wrapping_add(2)));
                return s.set(s.i.b(), at);
            }
            s.put(a, Value::NULL);
            return s.jump(s.i.off16()).next();
        }
        // SAFETY: the iterator is alive, and of the type that is looked at first.
        unsafe {
            let ty = it.header().ty.load(Relaxed) as *const Type;
            if ty == &raw const LIST {
                let at = s.reg(a + 1);
                if at.is_int() {
                    let l = &*(it.ptr() as *const List);
                    return match l.get(s.t(), at.as_int() as usize) {
                        Some(v) => match s.copy(v.value()) {
                            Some(v) => {
                                s.put(a + 1, Value(at.0 + 2));
                                s.set(s.i.b(), v)
                            }
                            None => s.slow_jump(iteration::for_iter),
                        },
                        None => exhausted(s, it),
                    };
                }
            } else if ty == &raw const TUPLE {
                let at = s.reg(a + 1);
                if at.is_int() {
                    let x = &*(it.ptr() as *const Tuple);
                    let n = at.as_int() as usize;
                    if n >= x.len() {
                        return exhausted(s, it);
                    }
                    return match s.copy(x.get(n)) {
                        Some(v) => {
                            s.put(a + 1, Value(at.0 + 2));
                            s.set(s.i.b(), v)
                        }
                        None => s.slow_jump(iteration::for_iter),
                    };
                }
            } else if ty == &raw const GENERATOR {
                return s.tail(generators::for_iter_generator);
            }
        }
        s.tail(for_iter_other)
    }
    for_iter_other(s) {
        let it = s.reg(s.i.a());
        if !it.is_ptr() {
            return s.tail(for_iter_slot);
        }
        // SAFETY: the iterator is alive.
        let ty = unsafe { it.header() }.ty.load(Relaxed) as *const Type;
        if ty == &raw const STR {
            return s.tail(for_iter_str);
        }
        if ty == &raw const BYTES {
            return s.tail(for_iter_bytes);
        }
        if s.reg(s.i.a() + 1).is_int() {
            return s.tail(for_iter_list);
        }
        if ty == &raw const DICT_KEYITERATOR {
            return s.tail(for_iter_keys);
        }
        if ty == &raw const DICT_ITEMITERATOR || ty == &raw const ZIP || ty == &raw const ENUMERATE
        {
            // SAFETY: an instruction follows.
            let next = Instr(unsafe { (*s.pc).load(Relaxed) });
            let unpacked = next.op() == Op::UnpackSeq as u8
                && next.c() == 2
                && next.b() == s.i.b()
                && next.x() & XB != 0;
            if unpacked {
                return s.tail(for_iter_pair);
            }
        }
        if ty == &raw const DICT_VALUEITERATOR {
            return s.tail(for_iter_values);
        }
        s.tail(for_iter_slot)
    }
    // Of a class that derives from `list`.
    for_iter_list(s) {
        let (it, at) = (s.reg(s.i.a()), s.reg(s.i.a() + 1));
        // SAFETY: of what has a position no other type is left.
        let l = unsafe { &*(it.ptr() as *const List) };
        match l.get(s.t(), at.as_int() as usize) {
            Some(v) => match s.copy(v.value()) {
                Some(v) => {
                    s.put(s.i.a() + 1, Value(at.0 + 2));
                    s.set(s.i.b(), v)
                }
                None => s.slow_jump(iteration::for_iter),
            },
            None => exhausted(s, it),
        }
    }
    for_iter_str(s) {
        let (it, at) = (s.reg(s.i.a()), s.reg(s.i.a() + 1));
        let x = Str::this(it);
        if !at.is_int() || !x.is_ascii() {
            return s.slow_jump(iteration::for_iter);
        }
        let Some(b) = x.as_bytes().get(at.as_int() as usize) else {
            return exhausted(s, it);
        };
        match Str::ascii_value(*b) {
            Some(v) => {
                s.put(s.i.a() + 1, Value(at.0 + 2));
                s.set(s.i.b(), v)
            }
            None => s.slow_jump(iteration::for_iter),
        }
    }
    for_iter_bytes(s) {
        let (it, at) = (s.reg(s.i.a()), s.reg(s.i.a() + 1));
        if !at.is_int() {
            return s.slow_jump(iteration::for_iter);
        }
        match Bytes::this(it).as_slice().get(at.as_int() as usize) {
            Some(b) => {
                s.put(s.i.a() + 1, Value(at.0 + 2));
                s.set(s.i.b(), Value::int(i64::from(*b)))
            }
            None => exhausted(s, it),
        }
    }
    for_iter_keys(s) {
        match dict_views::next_quick(s.t(), s.reg(s.i.a()), true) {
            Some(v) => s.set(s.i.b(), v),
            None => s.tail(for_iter_slot),
        }
    }
    for_iter_values(s) {
        match dict_views::next_quick(s.t(), s.reg(s.i.a()), false) {
            Some(v) => s.set(s.i.b(), v),
            None => s.tail(for_iter_slot),
        }
    }
    for_iter_pair(s) {
        // The pair would be unpacked at once: it is not made.
        let it = s.reg(s.i.a());
        let t = s.t();
        if t.interrupted() {
            return s.slow_jump(iteration::for_iter);
        }
        // SAFETY: as in `for_iter_other`, which has looked at it.
        let unpack = Instr(unsafe { (*s.pc).load(Relaxed) });
        s.save();
        match weft_objects::iter::next_pair(t, it) {
            Ok(Some((x, _))) if x.is_null() => ended(s),
            Ok(Some((x, y))) => {
                let (a, b) = (unpack.a(), unpack.a() + 1);
                let (old_x, old_y) = (s.reg(a), s.reg(b));
                s.put(a, x);
                s.put(b, y);
                s.jump(1).finish2(old_x, old_y)
            }
            Ok(None) => s.tail(for_iter_slot),
            Err(e) => match proto::ended(t, e) {
                Ok(_) => ended(s),
                Err(_) => super::raise(t, s.f),
            },
        }
    }
    for_iter_slot(s) {
        let it = s.reg(s.i.a());
        let t = s.t();
        if t.interrupted() {
            return s.slow_jump(iteration::for_iter);
        }
        let Some(f) = type_of(it).slots.iter_next.get() else {
            return s.slow_jump(iteration::for_iter);
        };
        s.save();
        match f(t, it) {
            Ok(v) if !v.is_null() => s.set(s.i.b(), v),
            Ok(_) => ended(s),
            Err(e) => match proto::ended(t, e) {
                Ok(_) => ended(s),
                Err(_) => super::raise(t, s.f),
            },
        }
    }
    unpack_seq(s) {
        let v = s.reg(s.i.b());
        let n = s.i.c();
        if v.is_ptr() {
            // SAFETY: the object is alive.
            let ty = unsafe { v.header() }.ty.load(Relaxed) as *const Type;
            if ty == &raw const TUPLE {
                // SAFETY: of that type.
                let x = unsafe { &*(v.ptr() as *const Tuple) };
                if x.len() != n {
                    return s.slow(iteration::unpack);
                }
                if let [a, b] = *x.values() {
                    if let Some(next) = unpack_two(s, v, a, b) {
                        return next;
                    }
                } else if unpack_items(s, v, x.values()) {
                    return s.finish(if s.consumes(XB) { v } else { Value::NULL });
                }
            } else if ty == &raw const LIST {
                // SAFETY: of that type.
                let l = unsafe { &*(v.ptr() as *const List) };
                if l.header.is_local(s.t())
                    && l.len() == n
                    && let Some(first) = l.local_slot(s.t(), 0)
                {
                    // SAFETY: the items of a local list lie in a row, and nothing below changes it.
                    let items = unsafe {
                        std::slice::from_raw_parts(first as *const _ as *const Value, n)
                    };
                    if unpack_items(s, v, items) {
                        return s.finish(if s.consumes(XB) { v } else { Value::NULL });
                    }
                }
            }
        }
        s.slow(iteration::unpack)
    }
    unpack_ex(s) { s.slow(iteration::unpack_ex) }
}

/// The same for two items of a tuple: neither a loop nor a step back. `None`: nothing has been done.
#[inline(always)]
fn unpack_two(s: State, v: Value, x: Value, y: Value) -> Option<*mut Frame> {
    let a = s.i.a();
    let (old_x, old_y) = (s.reg(a), s.reg(a + 1));
    let consumed = s.consumes(XB);
    let own = |n: usize| consumed && s.i.b() == n;
    if (old_x.is_counted() && !own(a)) || (old_y.is_counted() && !own(a + 1)) {
        return None;
    }
    let x = s.copy(x)?;
    let Some(y) = s.copy(y) else {
        s.uncopy(x);
        return None;
    };
    if consumed {
        s.put(s.i.b(), Value::NULL);
    }
    s.put(a, x);
    s.put(a + 1, y);
    Some(s.finish(if consumed { v } else { Value::NULL }))
}

/// Copies the items of `v` to the registers from `a` on. False: one of those holds what must be dropped, or an item cannot be counted
/// here; then the slow path begins again, over what has been copied. A consumed `v` is taken out of its register first, which may
/// be among them.
#[inline(always)]
fn unpack_items(s: State, v: Value, items: &[Value]) -> bool {
    if s.consumes(XB) {
        s.put(s.i.b(), Value::NULL);
    }
    for (k, &item) in items.iter().enumerate() {
        let n = s.i.a() + k;
        let old = s.reg(n);
        if item.0 & 7 != 0 && old.0 & 7 != 0 {
            s.put(n, item);
            continue;
        }
        if !old.is_counted()
            && let Some(item) = s.copy(item)
        {
            s.put(n, item);
            continue;
        }
        if s.consumes(XB) {
            s.uncopy(s.reg(s.i.b()));
            s.put(s.i.b(), v);
        }
        return false;
    }
    true
}
