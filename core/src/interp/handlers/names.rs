//! Moves, constants, names and cells.

use super::handlers;
use crate::compile::bytecode::{XA, XB};
use crate::interp::{calls, globals, misc};
use weft_objects::cell::Cell;
use weft_objects::function::Function;
use weft_objects::prelude::*;

handlers! {
    nop(s) { s.next() }
    move_(s) {
        let v = s.reg(s.i.b());
        if !v.is_null()
            && let Some(v) = s.own(XB, s.i.b(), v)
        {
            return s.result(v);
        }
        s.slow(globals::move_slow)
    }
    move_temp(s) {
        let v = s.reg(s.i.b());
        if v.is_counted() {
            if let Some(v) = s.copy(v) {
                return s.fresh(v);
            }
        } else if !v.is_null() {
            return s.fresh(v);
        }
        s.slow(globals::move_slow)
    }
    load_k(s) { s.result(s.konst(s.i.b())) }
    load_global(s) {
        let w = s.cache(s.i.c());
        let (id, index) = ((w >> 32) as u32, w as u32);
        if index == u32::MAX {
            return s.tail(load_builtin);
        }
        // SAFETY: the frame's function or namespace keeps its globals.
        let g = unsafe { &*(*s.f).globals };
        if let Some(v) = g.value_at(s.t(), id, index)
            && let Some(v) = s.copy_slot(v.value())
        {
            return s.result(v);
        }
        s.slow(globals::load)
    }
    load_builtin(s) {
        // SAFETY: the frame's function or namespace keeps its globals and builtins.
        let (g, b) = unsafe { (&*(*s.f).globals, &*(*s.f).builtins) };
        if g.has_keys_id((s.cache(s.i.c()) >> 32) as u32) {
            let w = s.cache(s.i.c() + 1);
            if let Some(v) = b.value_at(s.t(), (w >> 32) as u32, w as u32)
                && let Some(v) = s.copy_slot(v.value())
            {
                return s.result(v);
            }
        }
        s.slow(globals::load)
    }
    store_global(s) { s.slow(globals::store) }
    delete_global(s) { s.slow(globals::delete) }
    load_name(s) { s.slow(globals::load_name) }
    store_name(s) { s.slow(globals::store_name) }
    delete_name(s) { s.slow(globals::delete_name) }
    load_locals(s) { s.slow(globals::load_locals) }
    load_from_dict_or_globals(s) { s.slow(globals::load_from_dict_or_globals) }
    load_from_dict_or_deref(s) { s.slow(globals::load_from_dict_or_deref) }
    delete_fast(s) {
        if s.reg(s.i.a()).is_null() {
            return s.slow(|t, f, i| globals::unbound_local(t, f, i.a()));
        }
        s.result(Value::NULL)
    }
    clear(s) { s.result(Value::NULL) }
    make_cell(s) { s.slow(globals::make_cell) }
    copy_free(s) {
        // SAFETY: a running frame's function is alive.
        let func = Function::of(unsafe { (*s.f).func });
        if let Some(cells) = func.and_then(|x| Tuple::exact(x.closure.get()))
            && cells.len() >= s.i.b()
        {
            for n in 0..s.i.b() {
                // The registers are unbound yet.
                match s.copy(cells.get(n)) {
                    Some(v) => s.put(s.i.a() + n, v),
                    None => return s.slow(globals::copy_free),
                }
            }
            return s.next();
        }
        s.slow(globals::copy_free)
    }
    load_deref(s) {
        let v = Cell::of_unchecked(s.reg(s.i.b())).get();
        if !v.is_null()
            && let Some(v) = s.copy(v)
        {
            return s.result(v);
        }
        s.slow(globals::load_deref)
    }
    store_deref(s) {
        let v = s.reg(s.i.a());
        let cell = Cell::of_unchecked(s.reg(s.i.b()));
        if cell.header.is_local(s.t())
            && let Some(v) = s.own_heap(XA, s.i.a(), v)
        {
            let old = cell.value.take_local();
            cell.value.raw().store(v.0, std::sync::atomic::Ordering::Relaxed);
            return s.finish(old);
        }
        s.slow(globals::store_deref)
    }
    delete_deref(s) { s.slow(globals::delete_deref) }
    load_cell(s) {
        match s.copy(s.reg(s.i.b())) {
            Some(v) => s.result(v),
            None => s.slow(globals::move_slow),
        }
    }
    make_function(s) { s.slow(misc::make_function) }
    make_gen_expr(s) { s.slow(calls::make_gen_expr) }
}
