//! Subscription, displays and list appends.

use super::calls::{enter_method, entered};
use super::{State, handlers};
use crate::compile::bytecode::{XA, XB, XC};
use crate::interp::run::drop_reg;
use crate::interp::{misc, ops};
use std::sync::atomic::Ordering::*;
use weft_objects::dict::DICT;
use weft_objects::frame::Frame;
use weft_objects::list::LIST;
use weft_objects::prelude::*;
use weft_objects::slotdefs::{calls_get_item, python_get_item};
use weft_objects::tuple::TUPLE;

/// Item `y`, a small int, of a list or tuple: the word in it, or NULL.
#[inline(always)]
fn at(t: &Thread, ty: *const Type, x: Value, y: Value) -> Value {
    let n = y.as_int();
    if ty == &raw const LIST {
        // SAFETY: of that type.
        let l = unsafe { &*(x.ptr() as *const List) };
        let n = if n < 0 { n + l.len() as i64 } else { n };
        if n >= 0 {
            return l.get(t, n as usize).map_or(Value::NULL, |v| v.value());
        }
    } else if ty == &raw const TUPLE {
        // SAFETY: of that type.
        let x = unsafe { &*(x.ptr() as *const Tuple) };
        let n = if n < 0 { n + x.len() as i64 } else { n };
        if n >= 0 && (n as usize) < x.len() {
            return x.get(n as usize);
        }
    }
    Value::NULL
}

/// The type of `x`, a pointer.
#[inline(always)]
pub fn type_ptr(x: Value) -> *const Type {
    // SAFETY: a register's object is alive.
    unsafe { x.header() }.ty.load(Relaxed) as *const Type
}

/// `x[y]` of a dict; `y` is consumed by `flag`.
#[inline(always)]
fn dict_item(s: State, x: Value, y: Value, flag: u8) -> Option<*mut Frame> {
    // SAFETY: the caller has looked at the type.
    let d = unsafe { &*(x.ptr() as *const Dict) };
    let found = if y.is_int() {
        d.get_int(s.t(), y)
    } else {
        d.get_str(s.t(), Str::exact(y)?)
    }?;
    let v = s.copy_slot(found.value())?;
    let mut gone = [Value::NONE; 2];
    if s.consumes(XB) {
        s.put(s.i.b(), Value::NULL);
        gone[0] = x;
    }
    if flag != 0 && s.consumes(flag) {
        s.put(s.i.c(), Value::NULL);
        gone[1] = y;
    }
    let old = s.reg(s.i.a());
    s.put(s.i.a(), v);
    if gone[0].is_counted() || gone[1].is_counted() {
        s.save();
        drop_reg(s.t(), gone[0]);
        drop_reg(s.t(), gone[1]);
        drop_reg(s.t(), old);
        return Some(s.settled());
    }
    Some(s.finish(old))
}

/// Whether operand `n` is consumed by `flag`; 0: it is a constant.
#[inline(always)]
fn taken(s: State, flag: u8, n: usize) -> Option<usize> {
    (flag != 0 && s.consumes(flag)).then_some(n)
}

/// `x[y]` by the slot of `x`'s type; `y` is consumed by `flag`.
#[inline(always)]
fn slot_item(s: State, x: Value, y: Value, flag: u8) -> Option<*mut Frame> {
    let t = s.t();
    if !x.is_ptr() || y.is_null() {
        return None;
    }
    let get = type_of(x).slots.get_item.get()?;
    s.save();
    let Ok(v) = get(t, x, y) else {
        return Some(super::raise(t, s.f));
    };
    let x = taken(s, XB, s.i.b()).map_or(Value::NULL, |n| s.take_again(n));
    let y = taken(s, flag, s.i.c()).map_or(Value::NULL, |n| s.take_again(n));
    // Read now: the result may go where an operand was.
    let old = s.reg(s.i.a());
    s.put(s.i.a(), v);
    drop_reg(t, x);
    drop_reg(t, y);
    drop_reg(t, old);
    Some(if t.interrupted() {
        s.settled()
    } else {
        s.next()
    })
}

/// `x[y]` by a `__getitem__` written in Python, which runs in a frame of this loop.
#[inline(always)]
fn python_item(s: State, x: Value, y: Value, flag: u8) -> Option<*mut Frame> {
    if !x.is_ptr() || y.is_null() {
        return None;
    }
    let m = python_get_item(s.t(), type_of(x))?;
    let operands = [(x, taken(s, XB, s.i.b())), (y, taken(s, flag, s.i.c()))];
    enter_method(s, m.value(), operands)
}

macro_rules! get_item {
    ($s:ident, $y:expr, $dict:ident, $slot:ident, $python:ident) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.b()), $y);
        if x.is_ptr() {
            let ty = type_ptr(x);
            if y.is_int() {
                let found = at($s.t(), ty, x, y);
                if !found.is_null()
                    && let Some(v) = $s.copy(found)
                {
                    let x = $s.take(XB, $s.i.b(), x);
                    let old = $s.reg($s.i.a());
                    $s.put($s.i.a(), v);
                    return $s.finish2(x, old);
                }
            }
            if ty == &raw const DICT {
                return $s.tail($dict);
            }
            if calls_get_item(type_of(x)) {
                return $s.tail($python);
            }
        }
        $s.tail($slot)
    }};
}

handlers! {
    get_item(s) { get_item!(s, s.reg(s.i.c()), get_item_dict, get_item_slot, get_item_python) }
    get_item_k(s) { get_item!(s, s.konst(s.i.c()), get_item_k_dict, get_item_k_slot, get_item_k_python) }
    get_item_dict(s) {
        match dict_item(s, s.reg(s.i.b()), s.reg(s.i.c()), XC) {
            Some(f) => f,
            None => s.tail(get_item_slow),
        }
    }
    get_item_k_dict(s) {
        match dict_item(s, s.reg(s.i.b()), s.konst(s.i.c()), 0) {
            Some(f) => f,
            None => s.tail(get_item_k_slow),
        }
    }
    get_item_slot(s) {
        match slot_item(s, s.reg(s.i.b()), s.reg(s.i.c()), XC) {
            Some(f) => f,
            None => s.tail(get_item_slow),
        }
    }
    get_item_k_slot(s) {
        match slot_item(s, s.reg(s.i.b()), s.konst(s.i.c()), 0) {
            Some(f) => f,
            None => s.tail(get_item_k_slow),
        }
    }
    get_item_python(s) {
        match python_item(s, s.reg(s.i.b()), s.reg(s.i.c()), XC) {
            Some(f) => f,
            None => s.tail(get_item_slow),
        }
    }
    get_item_k_python(s) {
        match python_item(s, s.reg(s.i.b()), s.konst(s.i.c()), 0) {
            Some(f) => f,
            None => s.tail(get_item_k_slow),
        }
    }
    get_item_slow(s) {
        s.save();
        entered(s, ops::get_item(s.t(), s.f, s.i, false))
    }
    get_item_k_slow(s) {
        s.save();
        entered(s, ops::get_item(s.t(), s.f, s.i, true))
    }
    set_item(s) {
        let (x, y, v) = (s.reg(s.i.a()), s.reg(s.i.b()), s.reg(s.i.c()));
        if y.is_int()
            && let Some(l) = List::exact(x)
            && l.header.is_local(s.t())
            && let Some(slot) = l.local_slot(s.t(), y.as_int())
            && let Some(v) = s.own_heap(XC, s.i.c(), v)
        {
            let old = slot.take_local();
            slot.raw().store(v.0, Relaxed);
            let x = s.take(XA, s.i.a(), x);
            return s.finish2(old, x);
        }
        s.tail(set_item_slot)
    }
    set_item_slot(s) {
        let (x, y, v) = (s.reg(s.i.a()), s.reg(s.i.b()), s.reg(s.i.c()));
        if x.is_ptr()
            && !y.is_null()
            && !v.is_null()
            && !type_of(x).is_heap()
            && let Some(set) = type_of(x).slots.set_item.get()
        {
            let t = s.t();
            s.save();
            if set(t, x, y, v).is_err() {
                return super::raise(t, s.f);
            }
            for (flag, n) in [(XA, s.i.a()), (XB, s.i.b()), (XC, s.i.c())] {
                if s.consumes(flag) {
                    let v = s.take_again(n);
                    drop_reg(t, v);
                }
            }
            return if t.interrupted() { s.settled() } else { s.next() };
        }
        s.tail(set_item_slow)
    }
    set_item_slow(s) {
        s.save();
        entered(s, ops::set_item(s.t(), s.f, s.i))
    }
    del_item(s) { s.slow(ops::del_item) }
    build_slice(s) { s.slow(misc::build_slice) }
    build_tuple(s) { s.slow(misc::build_tuple) }
    build_list(s) { s.slow(misc::build_list) }
    build_set(s) { s.slow(misc::build_set) }
    build_map(s) { s.slow(misc::build_map) }
    build_string(s) { s.slow(misc::build_string) }
    set_add(s) { s.slow(misc::set_add) }
    map_add(s) { s.slow(misc::map_add) }
    list_append(s) {
        let v = s.reg(s.i.b());
        // SAFETY: the compiler appends to lists that it has built only.
        let l = unsafe { &*(s.reg(s.i.a()).ptr() as *const List) };
        if l.has_local_room(s.t())
            && let Some(v) = s.own_heap(XB, s.i.b(), v)
        {
            l.push_local(v);
            return s.next();
        }
        s.slow(misc::list_append)
    }
}
