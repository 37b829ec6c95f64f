//! Resuming and suspending generators of this thread; everything else about them is in [`super::super::flow`].

use super::calls::left;
use super::iteration::exhausted;
use super::{State, handlers};
use crate::compile::bytecode::{Instr, XB};
use crate::interp::frames;
use crate::interp::{flow, globals};
use std::sync::atomic::Ordering::*;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::generator::{Generator, RUNNING, SUSPENDED};
use weft_objects::prelude::*;

handlers! {
    for_iter_generator(s) {
        let t = s.t();
        let vm = t.vm();
        let it = s.reg(s.i.a());
        // SAFETY: `for_iter` has looked at the type; a local generator that is suspended may be run by this thread alone, and its
        // registers are counted words.
        unsafe {
            let g = &*(it.ptr() as *const Generator);
            let code = g.code();
            let nf = s.f.wrapping_add(1);
            let base = t.regs.top();
            let end = base.wrapping_add(code.nregs as usize);
            if !g.header.is_local(t)
                || g.state.load(Relaxed) != SUSPENDED
                || !g.is_plain()
                || nf >= vm.soft_limit()
                || end > t.regs.limit()
                || t.interrupted()
            {
                return s.tail(for_iter_generator_slow);
            }
            let func = g.func.get();
            if func.is_null() {
                return s.tail(for_iter_generator_slow);
            }
            g.state.store(RUNNING, Relaxed);
            s.save();
            let x = &*(func.ptr() as *const Function);
            let dst = s.i.b() as u32;
            frames::write(nf, base, code, func, x.globals(), x.builtins(), Frame::GENERATOR, dst);
            let pc = g.pc.get();
            (*nf).generator = it.bare();
            (*nf).handled = vm.swap_handled(Value::NULL);
            let saved = g.registers();
            let from = saved.as_ptr();
            let mut n = 0;
            while n < code.nregs as usize {
                // Volatile, as in `enter`: few words, and no call.
                base.add(n).write_volatile(*from.add(n));
                n += 1;
            }
            saved.set_len(0);
            t.regs.set_top(end);
            vm.set_frame_top(nf.wrapping_add(1));
            let s = State { pc, r: base, f: nf, ..s };
            // What is sent is the result of the Yield that suspended it.
            s.set(Instr((*pc.sub(1)).load(Relaxed)).a(), Value::NONE)
        }
    }
    for_iter_generator_slow(s) {
        let it = s.reg(s.i.a());
        // SAFETY: `for_iter` has looked at the type.
        let g = unsafe { &*(it.ptr() as *const Generator) };
        s.save();
        match flow::enter_generator(s.t(), s.f, g, it, s.i.b() as u32, Value::NONE) {
            Ok(true) => s.f.wrapping_add(1),
            // Read again: a handshake may have counted the register.
            Ok(false) => exhausted(s, s.reg(s.i.a())),
            Err(_) => super::raise(s.t(), s.f),
        }
    }
    yield_(s) {
        let t = s.t();
        let vm = t.vm();
        // SAFETY: the innermost frame, a generator's; this thread has its running flag.
        unsafe {
            let f = s.f;
            let g = &*((*f).generator.ptr() as *const Generator);
            let v = s.reg(s.i.b());
            if (*f).flags != Frame::GENERATOR
                || !g.header.is_local(t)
                || !vm.handles_nothing()
                || v.is_null()
            {
                return s.tail(yield_slow);
            }
            let saved = g.registers();
            let to = saved.as_mut_ptr();
            let n = (*(*f).code).nregs as usize;
            for k in 0..n {
                let w = s.reg(k);
                if w.is_uncounted() {
                    return s.tail(yield_slow);
                }
                to.add(k).write_volatile(w);
            }
            let Some(v) = s.own(XB, s.i.b(), v) else {
                return s.tail(yield_slow);
            };
            if s.consumes(XB) {
                to.add(s.i.b()).write(Value::NULL);
            }
            for k in 0..n {
                s.r.add(k).write_volatile(Value::NULL);
            }
            saved.set_len(n);
            g.pc.set(s.pc);
            vm.swap_handled((*f).handled);
            vm.set_frame_top(f);
            // What runs next is the frame that resumed it.
            let caller = f.wrapping_sub(1);
            let r = (*caller).base;
            t.regs.set_top(r.add((*(*caller).code).nregs as usize));
            g.end(SUSPENDED);
            let dst = (*f).dst as usize;
            State { pc: (*caller).pc, r, f: caller, ..s }.set(dst, v)
        }
    }
    yield_slow(s) {
        s.save();
        let v = s.reg(s.i.b());
        if v.is_null() {
            return s.done(globals::unbound_local(s.t(), s.f, s.i.b()));
        }
        let v = if s.consumes(XB) {
            s.put(s.i.b(), Value::NULL);
            v
        } else {
            crate::interp::run::copy_reg(s.t(), v)
        };
        let l = flow::suspend(s.t(), s.f, v);
        left(s.t(), s.f, l)
    }
}
