//! Resuming and suspending generators of this thread; everything else about them is in [`super::super::flow`].

use super::calls::left;
use super::iteration::exhausted;
use super::{State, handlers};
use crate::compile::bytecode::{Instr, XB};
use crate::interp::flow::{self, Sent};
use crate::interp::frames;
use crate::interp::globals;
use std::sync::atomic::Ordering::*;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::generator::{COROUTINE, GENERATOR, Generator, RUNNING, SUSPENDED};
use weft_objects::prelude::*;

/// The generator in `it` if it may be entered without more ado: local, suspended, nothing being handled in it.
///
/// # Safety
/// `it` must be a generator or coroutine that is alive.
#[inline(always)]
pub unsafe fn plain<'a>(t: &Thread, it: Value) -> Option<&'a Generator> {
    // SAFETY: the caller's promise; the kinds share their layout.
    let g = unsafe { &*(it.ptr() as *const Generator) };
    let ok = g.header.is_local(t)
        && g.state.load(Relaxed) == SUSPENDED
        && g.is_plain()
        && !g.func.get().is_null();
    if ok { Some(g) } else { None }
}

/// Pushes the frame of a [`plain`] generator, whose registers are counted words. `None`: there is no room, or something is asked of
/// this thread.
///
/// # Safety
/// As for [`plain`].
#[inline(always)]
pub unsafe fn enter(
    t: &Thread,
    it: Value,
    g: &Generator,
    flags: u32,
    dst: u32,
) -> Option<*mut Frame> {
    let vm = t.vm();
    let nf = vm.frame_top();
    let code = g.code();
    let n = code.nregs as usize;
    let base = t.regs.top();
    let end = base.wrapping_add(n);
    if nf >= vm.soft_limit() || end > t.regs.limit() || t.interrupted() {
        return None;
    }
    // SAFETY: room was checked; a local generator that is suspended may be run by this thread alone.
    unsafe {
        g.state.store(RUNNING, Relaxed);
        let func = g.func.get();
        let x = &*(func.ptr() as *const Function);
        let flags = flags | Frame::GENERATOR;
        frames::write(nf, base, code, func, x.globals(), x.builtins(), flags, dst);
        (*nf).pc = g.pc.get();
        (*nf).generator = it.bare();
        (*nf).handled = vm.swap_handled(Value::NULL);
        let saved = g.registers();
        let from = saved.as_ptr();
        for k in 0..n {
            // Volatile, as in calls: few words, and no call.
            base.add(k).write_volatile(*from.add(k));
        }
        saved.set_len(0);
    }
    t.regs.set_top(end);
    vm.set_frame_top(nf.wrapping_add(1));
    Some(nf)
}

/// Goes on in the frame `nf` of a generator, with `v` as the result of the Yield that suspended it.
#[inline(always)]
unsafe fn resumed(s: State, nf: *mut Frame, v: Value) -> *mut Frame {
    // SAFETY: the frame has just been pushed; its pc is behind that Yield.
    unsafe {
        let pc = (*nf).pc;
        let s = State {
            pc,
            r: (*nf).base,
            f: nf,
            ..s
        };
        s.set(Instr((*pc.sub(1)).load(Relaxed)).a(), v)
    }
}

handlers! {
    for_iter_generator(s) {
        let it = s.reg(s.i.a());
        s.save();
        // SAFETY: `for_iter` has looked at the type.
        unsafe {
            if let Some(g) = plain(s.t(), it)
                && let Some(nf) = enter(s.t(), it, g, 0, s.i.b() as u32)
            {
                return resumed(s, nf, Value::NONE);
            }
        }
        s.tail(for_iter_generator_slow)
    }
    send(s) {
        let it = s.reg(s.i.b());
        if it.is_ptr() {
            let ty = type_of(it);
            if ty.is(&GENERATOR) || ty.is(&COROUTINE) {
                s.save();
                // SAFETY: of that type.
                unsafe {
                    if let Some(g) = plain(s.t(), it)
                        && let Some(nf) = enter(s.t(), it, g, 0, s.i.a() as u32)
                    {
                        let v = s.reg(s.i.a());
                        s.put(s.i.a(), Value::NULL);
                        return resumed(s, nf, v);
                    }
                }
            }
        }
        s.tail(send_slow)
    }
    send_slow(s) {
        s.save();
        match flow::send(s.t(), s.f, s.i) {
            Ok(Sent::Yielded) => s.f,
            Ok(Sent::Finished) => s.jump(s.i.off16()).back(),
            Ok(Sent::Frame) => s.f.wrapping_add(1),
            Err(_) => super::raise(s.t(), s.f),
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
            if (*f).flags & !Frame::ENTRY != Frame::GENERATOR
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
            if (*f).flags & Frame::ENTRY != 0 {
                t.regs.set_top((*f).base);
                g.end(SUSPENDED);
                vm.yielded.set(true);
                vm.result.set(v);
                return std::ptr::null_mut();
            }
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
