//! Generators, exceptions, and the rarer opcodes, which all go to the sibling files.

use super::calls::left;
use super::{handlers, reraise};
use crate::compile::bytecode::{Instr, Op, XB, XC};
use crate::interp::flow;
use crate::interp::{misc, ops, unwind};
use std::sync::atomic::Ordering::*;
use weft_objects::async_generator;
use weft_objects::frame::Frame;
use weft_objects::generator::{ASYNC_GENERATOR, COROUTINE, CREATED, Generator};
use weft_objects::prelude::*;

handlers! {
    return_generator(s) {
        s.save();
        let l = flow::return_generator(s.t(), s.f);
        left(s.t(), s.f, l)
    }
    get_yield_from_iter(s) { s.slow(flow::get_yield_from_iter) }
    get_awaitable(s) {
        let v = s.reg(s.i.b());
        // A coroutine that nobody has begun is what is awaited, and nobody awaits it yet.
        if v.is_ptr() && s.consumes(XB) && type_of(v).is(&COROUTINE) {
            // SAFETY: of that type, and held by the register.
            let g = unsafe { &*(v.ptr() as *const Generator) };
            if g.state.load(Relaxed) == CREATED {
                s.put(s.i.b(), Value::NULL);
                return s.result(v);
            }
        }
        s.slow(flow::get_awaitable)
    }
    get_aiter(s) { s.slow(flow::get_aiter) }
    get_anext(s) {
        let it = s.reg(s.i.b());
        if it.is_ptr() && type_of(it).is(&ASYNC_GENERATOR) && !s.consumes(XB) {
            s.save();
            return match async_generator::anext(s.t(), it) {
                Ok(v) => s.result(v),
                Err(_) => super::raise(s.t(), s.f),
            };
        }
        s.slow(flow::get_anext)
    }
    end_async_for(s) {
        s.save();
        match flow::end_async_for(s.t(), s.f, s.i) {
            Ok(true) => s.settled(),
            Ok(false) => reraise(s.t(), s.f),
            Err(_) => super::raise(s.t(), s.f),
        }
    }
    async_gen_wrap(s) {
        let v = s.reg(s.i.b());
        // SAFETY: the innermost frame.
        let step = unsafe { (*s.f).flags } & Frame::STEP != 0;
        // Who has entered it so knows by the Yield that follows what is the generator's own.
        if step
            && !v.is_null()
            && let Some(v) = s.own(XB, s.i.b(), v)
        {
            return s.result(v);
        }
        s.slow(|t, f, i| ops::unary(t, f, i, async_generator::wrap))
    }

    other(s) {
        s.slow(|t, f, i| {
            // SAFETY: code objects hold opcodes that the compiler wrote.
            let op = unsafe { std::mem::transmute::<u8, Op>(i.op()) };
            misc::other(t, f, i, op)
        })
    }
    match_class(s) {
        // SAFETY: an Ext word follows.
        let ext = Instr(unsafe { (*s.pc).load(Relaxed) });
        let s = s.jump(1);
        s.save();
        s.done(misc::match_class(s.t(), s.f, s.i, ext.a()))
    }
    raise(s) {
        s.save();
        match unwind::raise(s.t(), s.f, s.i) {
            unwind::How::Raise => super::raise(s.t(), s.f),
            unwind::How::Reraise => reraise(s.t(), s.f),
        }
    }
    reraise_(s) {
        s.save();
        unwind::reraise(s.t(), s.f, s.i);
        reraise(s.t(), s.f)
    }
    push_exc(s) { s.slow(unwind::push_exc) }
    pop_exc(s) { s.slow(unwind::pop_exc) }
    exc_match(s) {
        let (exc, class) = (s.reg(s.i.b()), s.reg(s.i.c()));
        if exc.is_ptr() && class.is_ptr() && errors::is_exception_class(class) {
            let hit = type_of(exc).is_subtype(Type::of_unchecked(class));
            let class = s.take(XC, s.i.c(), class);
            let old = s.reg(s.i.a());
            s.put(s.i.a(), Value::bool(hit));
            return s.finish2(class, old);
        }
        s.slow(unwind::matches)
    }
}
