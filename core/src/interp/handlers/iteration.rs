//! `for` loops and unpacking.

use super::{State, generators, handlers};
use crate::compile::bytecode::XB;
use crate::interp::iteration;
use std::sync::atomic::Ordering::*;
use weft_objects::frame::Frame;
use weft_objects::generator::GENERATOR;
use weft_objects::list::LIST;
use weft_objects::prelude::*;
use weft_objects::tuple::TUPLE;

/// The iteration in the registers from `a` on is over.
#[inline(always)]
pub fn exhausted(s: State, it: Value) -> *mut Frame {
    s.put(s.i.a(), Value::NULL);
    s.jump(s.i.off16()).finish(it)
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
        s.slow_jump(iteration::for_iter)
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
                if x.len() == n && unpack_items(s, v, x.values()) {
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
