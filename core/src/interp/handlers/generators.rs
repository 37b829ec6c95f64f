//! Resuming and suspending generators of this thread; everything else about them is in [`super::super::flow`].

use super::calls::{clear_from, left};
use super::iteration::exhausted;
use super::{State, handlers};
use crate::compile::bytecode::{Instr, Op, XB};
use crate::interp::flow::{self, Entered, Left, Sent};
use crate::interp::frames;
use crate::interp::globals;
use crate::interp::run::{drop_reg, finalize};
use std::sync::atomic::Ordering::*;
use weft_objects::async_generator;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::generator::{
    COROUTINE, CREATED, FINISHED, GENERATOR, Generator, RUNNING, SUSPENDED,
};
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

/// Pushes the frame of a [`plain`] generator, whose registers are counted words. If it waits in a delegation for another such
/// generator, its own frame is a record only, and the other one is entered; and so on. `None`: there is no room, or something is
/// asked of this thread.
///
/// # Safety
/// As for [`plain`].
#[inline(always)]
pub unsafe fn enter(
    t: &Thread,
    mut it: Value,
    mut g: &Generator,
    flags: u32,
    dst: u32,
) -> Option<*mut Frame> {
    let vm = t.vm();
    let base = t.regs.top();
    let mut nf = vm.frame_top();
    let mut flags = flags | Frame::GENERATOR;
    let mut dst = dst;
    if !has_room(t, nf, g) || t.interrupted() {
        return None;
    }
    if !g.delegator().is_null() {
        g.enter_alone(t);
        if g.state.load(Relaxed) != SUSPENDED {
            return None;
        }
    }
    let mut known = g.leaf(t);
    let mut chained = 0;
    // SAFETY: room was checked; a local generator that is suspended may be run by this thread alone, and its pc is behind a Yield.
    unsafe {
        loop {
            g.state.store(RUNNING, Relaxed);
            let func = g.func.get();
            let x = &*(func.ptr() as *const Function);
            let code = g.code();
            let from = g.registers().as_mut_ptr();
            frames::write(nf, from, code, func, x.globals(), x.builtins(), flags, dst);
            (*nf).pc = g.pc.get();
            (*nf).generator = it.bare();
            (*nf).handled = vm.swap_handled(Value::NULL);
            if chained > 0 {
                (*nf).flags |= Frame::CHAINED;
                (*nf).instance = Value::int(chained as i64);
                vm.hide();
                chained = 0;
            }
            let i = Instr((*g.pc.get().sub(1)).load(Relaxed));
            let next = nf.wrapping_add(1);
            if i.arg() == 1
                && let Some((leaf, hidden)) = known.take()
                && has_room(t, next.wrapping_add(hidden), leaf)
            {
                (*nf).flags |= Frame::DELEGATING;
                (it, g, nf) = (leaf.header.value(), leaf, next.wrapping_add(hidden));
                (flags, dst) = (Frame::GENERATOR, 0);
                chained = hidden;
                continue;
            }
            if i.arg() == 1
                && let receiver = *from.add(i.c())
                && let Some(inner) = plain_generator(t, receiver)
                && has_room(t, next, inner)
            {
                inner.enter_chain(t, g);
                (*nf).flags |= Frame::DELEGATING;
                (flags, dst) = (Frame::GENERATOR, i.a() as u32);
                (it, g, nf) = (receiver, inner, next);
                continue;
            }
            move_in(t, g, nf, base);
            return Some(nf);
        }
    }
}

/// The registers of `g`, whose frame is `nf`, come to lie at `base`, and the frame is the innermost one.
///
/// # Safety
/// The generator is this thread's to run; there is room for both.
#[inline(always)]
unsafe fn move_in(t: &Thread, g: &Generator, nf: *mut Frame, base: *mut Value) {
    // SAFETY: the caller's promise.
    unsafe {
        (*nf).base = base;
        let from = g.registers().as_mut_ptr();
        for k in 0..g.registers().len() {
            // Volatile, as in calls: few words, and no call.
            base.add(k).write_volatile(*from.add(k));
        }
        g.registers().set_len(0);
        t.regs.set_top(base.add(g.code().nregs as usize));
        t.vm().set_frame_top(nf.wrapping_add(1));
    }
}

/// Pushes the frame of a generator or coroutine that is local and has not been begun. `None`: it is none, there is no room, or something
/// is asked of this thread.
#[inline(always)]
fn begin(t: &Thread, it: Value, dst: u32) -> Option<*mut Frame> {
    if !it.is_ptr() {
        return None;
    }
    let ty = type_of(it);
    if !ty.is(&GENERATOR) && !ty.is(&COROUTINE) {
        return None;
    }
    // SAFETY: of that type, and held by a register.
    unsafe { begin_any(t, it, 0, dst) }
}

/// As [`begin`], for a generator of any kind.
///
/// # Safety
/// `it` must be one that is alive.
#[inline(always)]
unsafe fn begin_any(t: &Thread, it: Value, flags: u32, dst: u32) -> Option<*mut Frame> {
    let vm = t.vm();
    let (base, nf) = (t.regs.top(), vm.frame_top());
    // SAFETY: the caller's promise. A local generator that is not running may be run by this thread alone.
    unsafe {
        let g = &*(it.ptr() as *const Generator);
        let ok = g.header.is_local(t)
            && g.state.load(Relaxed) == CREATED
            && g.is_plain()
            && !g.func.get().is_null();
        if !ok || !has_room(t, nf, g) || t.interrupted() {
            return None;
        }
        g.state.store(RUNNING, Relaxed);
        let (func, code) = (g.func.get(), g.code());
        let x = &*(func.ptr() as *const Function);
        let flags = flags | Frame::GENERATOR;
        frames::write(nf, base, code, func, x.globals(), x.builtins(), flags, dst);
        (*nf).pc = g.pc.get();
        (*nf).generator = it.bare();
        (*nf).handled = vm.swap_handled(Value::NULL);
        move_in(t, g, nf, base);
    }
    Some(nf)
}

/// A generator's frame returns `v` to the delegation or the loop that has entered it. `None`: it takes more than that.
#[inline(always)]
pub fn leave(s: State, v: Value) -> Option<*mut Frame> {
    let (t, f) = (s.t(), s.f);
    let vm = t.vm();
    let caller = f.wrapping_sub(1);
    // SAFETY: the innermost frame, a generator's that this thread runs; one that was not entered from native code has a caller, which is
    // at the instruction that has entered it.
    unsafe {
        if (*f).flags != Frame::GENERATOR
            || (*caller).flags & Frame::DELEGATING != 0
            || !vm.handles_nothing()
        {
            return None;
        }
        let i = Instr((*(*caller).pc.sub(1)).load(Relaxed));
        let loops = i.op() == Op::ForIter as u8 && !v.is_counted();
        if !loops && i.op() != Op::Send as u8 || !clear_from(s, s.r) {
            return None;
        }
        (*((*f).generator.ptr() as *const Generator)).end(FINISHED);
        vm.swap_handled((*f).handled);
        vm.set_frame_top(f);
        let r = (*caller).base;
        t.regs.set_top(r.add((*(*caller).code).nregs as usize));
        let pc = (*caller).pc.offset(i.off16());
        let s = State {
            pc,
            r,
            f: caller,
            ..s
        };
        let at = if loops { i.a() } else { i.b() };
        let it = s.reg(at);
        s.put(at, Value::NULL);
        if loops {
            return Some(s.finish(it));
        }
        let old = s.reg(i.a());
        s.put(i.a(), v);
        Some(if old.is_counted() {
            s.finish2(old, it)
        } else {
            s.finish(it)
        })
    }
}

/// Whether there is room for the frame of `g` at `nf`.
#[inline(always)]
fn has_room(t: &Thread, nf: *mut Frame, g: &Generator) -> bool {
    let end = t.regs.top().wrapping_add(g.code().nregs as usize);
    nf < t.vm().soft_limit() && end <= t.regs.limit()
}

/// The generator or coroutine in a register that is [`plain`].
#[inline(always)]
fn plain_generator<'a>(t: &Thread, v: Value) -> Option<&'a Generator> {
    if !v.is_ptr() {
        return None;
    }
    let ty = type_of(v);
    if !ty.is(&GENERATOR) && !ty.is(&COROUTINE) {
        return None;
    }
    // SAFETY: of that type, and held by the register.
    unsafe { plain(t, v) }
}

/// The frame from which control leaves when the generator in frame `f` is suspended: its own, or that of the outermost one that
/// delegates to it. Those that do are suspended, too.
///
/// # Safety
/// `f` must be the innermost frame, a generator's.
#[inline(always)]
pub unsafe fn outermost(t: &Thread, f: *mut Frame) -> *mut Frame {
    let mut o = f;
    // SAFETY: a generator's frame that was not entered from native code has a caller.
    unsafe {
        let leaf = &*((*f).generator.ptr() as *const Generator);
        let alone = Frame::ENTRY | Frame::CHAINED;
        if (*f).flags & alone == Frame::ENTRY
            || (*f).flags & alone == 0 && (*f.wrapping_sub(1)).flags & Frame::DELEGATING == 0
        {
            leaf.forget_chain();
            return f;
        }
        let mut outer = leaf;
        while (*o).flags & Frame::ENTRY == 0 {
            let mut below = o.wrapping_sub(1);
            if (*o).flags & Frame::CHAINED != 0 {
                below = below.wrapping_sub((*o).instance.as_int() as usize);
            }
            if (*below).flags & Frame::DELEGATING == 0 {
                break;
            }
            o = below;
            outer = &*((*o).generator.ptr() as *const Generator);
            if (*o).flags & Frame::OBJECT != 0 {
                flow::save_object(t, o, outer);
            }
            outer.end(SUSPENDED);
        }
        let between = (f as usize - o as usize) / size_of::<Frame>();
        outer.note_chain(t, leaf, between - 1);
    }
    o
}

/// Moves what is alive in the frame of the local generator `g`, which yields `v`, to it, and gives the yielded word as an owned one.
/// `None`: that takes more, and nothing has been done.
///
/// # Safety
/// The innermost frame is the generator's, and has no frame object.
#[inline(always)]
unsafe fn put_away(s: State, g: &Generator, v: Value) -> Option<Value> {
    // SAFETY: the caller's promise; this thread has the generator's running flag.
    unsafe {
        let saved = g.registers();
        let to = saved.as_mut_ptr();
        let n = s.i.kept();
        for k in 0..n {
            let w = s.reg(k);
            if w.is_uncounted() {
                return None;
            }
            to.add(k).write_volatile(w);
        }
        let v = s.own(XB, s.i.b(), v)?;
        if s.i.b() < n && s.consumes(XB) {
            to.add(s.i.b()).write(Value::NULL);
        }
        for k in 0..n {
            s.r.add(k).write_volatile(Value::NULL);
        }
        saved.set_len(n);
        g.pc.set(s.pc);
        g.end(SUSPENDED);
        Some(v)
    }
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

/// Goes on at the beginning of the frame `nf` of a generator.
#[inline(always)]
fn begun(s: State, nf: *mut Frame) -> *mut Frame {
    // SAFETY: the frame has just been pushed.
    let (pc, r) = unsafe { ((*nf).pc, (*nf).base) };
    State { pc, r, f: nf, ..s }.next()
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
        if let Some(nf) = begin(s.t(), it, s.i.b() as u32) {
            return begun(s, nf);
        }
        s.tail(for_iter_generator_slow)
    }
    send(s) {
        let it = s.reg(s.i.b());
        s.save();
        if let Some(g) = plain_generator(s.t(), it) {
            // SAFETY: held by the register.
            unsafe {
                if let Some(nf) = enter(s.t(), it, g, 0, s.i.a() as u32) {
                    let v = s.reg(s.i.a());
                    s.put(s.i.a(), Value::NULL);
                    return resumed(s, nf, v);
                }
            }
        }
        if s.reg(s.i.a()).is_none()
            && let Some(nf) = begin(s.t(), it, s.i.a() as u32)
        {
            return begun(s, nf);
        }
        s.tail(send_step)
    }
    send_step(s) {
        let it = s.reg(s.i.b());
        let (t, dst) = (s.t(), s.i.a() as u32);
        let given = s.reg(s.i.a());
        if let Some((gv, own)) = async_generator::asend_target(t, it)
            && let Some(v) = if given.is_none() { s.copy(own) } else { Some(given) }
        {
            // SAFETY: the awaitable, which the register holds, keeps its generator.
            unsafe {
                if let Some(g) = plain(t, gv) {
                    if let Some(nf) = enter(t, gv, g, Frame::STEP, dst) {
                        async_generator::asend_entered(it);
                        s.put(s.i.a(), Value::NULL);
                        return resumed(s, nf, v);
                    }
                } else if v.is_none()
                    && let Some(nf) = begin_any(t, gv, Frame::STEP, dst)
                {
                    async_generator::asend_entered(it);
                    s.put(s.i.a(), Value::NULL);
                    return begun(s, nf);
                }
            }
            if given.is_none() {
                s.uncopy(v);
            }
        }
        s.tail(send_slow)
    }
    send_slow(s) {
        s.save();
        match flow::send(s.t(), s.f, s.i) {
            Ok(Sent::Yielded) => s.settled(),
            Ok(Sent::Finished) => s.jump(s.i.off16()).settled_behind(),
            Ok(Sent::Frame) => s.f.wrapping_add(1),
            Err(_) => super::raise(s.t(), s.f),
        }
    }
    for_iter_generator_slow(s) {
        let it = s.reg(s.i.a());
        // SAFETY: `for_iter` has looked at the type.
        let g = unsafe { &*(it.ptr() as *const Generator) };
        s.save();
        match flow::enter_generator(s.t(), g, it, s.i.b() as u32) {
            Ok(Entered::Frame) => s.f.wrapping_add(1),
            // Read again: a handshake may have counted the register.
            Ok(Entered::Finished) => exhausted(s, s.reg(s.i.a())),
            Err(_) => super::raise(s.t(), s.f),
        }
    }
    yield_(s) {
        let t = s.t();
        let vm = t.vm();
        // SAFETY: the innermost frame, a generator's; this thread has its running flag.
        unsafe {
            let f = s.f;
            if (*f).flags & Frame::STAYING != 0 {
                return s.tail(yield_staying);
            }
            let g = &*((*f).generator.ptr() as *const Generator);
            let v = s.reg(s.i.b());
            if (*f).flags & !(Frame::ENTRY | Frame::CHAINED) != Frame::GENERATOR
                || !g.header.is_local(t)
                || !vm.handles_nothing()
                || v.is_null()
            {
                return s.tail(yield_slow);
            }
            let Some(v) = put_away(s, g, v) else {
                return s.tail(yield_slow);
            };
            let base = (*f).base;
            let f = outermost(t, f);
            vm.swap_handled((*f).handled);
            vm.set_frame_top(f);
            if (*f).flags & Frame::ENTRY != 0 {
                t.regs.set_top(base);
                vm.yielded.set(true);
                vm.result.set(v);
                return std::ptr::null_mut();
            }
            // What runs next is the frame that resumed it.
            let caller = f.wrapping_sub(1);
            let r = (*caller).base;
            t.regs.set_top(r.add((*(*caller).code).nregs as usize));
            let dst = (*f).dst as usize;
            State { pc: (*caller).pc, r, f: caller, ..s }.set(dst, v)
        }
    }
    yield_staying(s) {
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
        let vm = s.t().vm();
        vm.yielded.set(true);
        vm.result.set(v);
        std::ptr::null_mut()
    }
    yield_slow(s) {
        // SAFETY: the innermost frame.
        if unsafe { (*s.f).flags } & Frame::STEP != 0 && s.i.arg() & 1 == 0 {
            return s.tail(yield_step);
        }
        s.tail(yield_plain)
    }
    yield_step(s) {
        let t = s.t();
        let vm = t.vm();
        let v = s.reg(s.i.b());
        // SAFETY: the innermost frame, an asynchronous generator's; this thread has its running flag, and the frame below has entered it.
        unsafe {
            let f = s.f;
            let g = &*((*f).generator.ptr() as *const Generator);
            let caller = f.wrapping_sub(1);
            if (*f).flags != Frame::GENERATOR | Frame::STEP
                || !g.header.is_local(t)
                || !vm.handles_nothing()
                || v.is_null()
            {
                return s.tail(yield_plain);
            }
            let Some(v) = put_away(s, g, v) else {
                return s.tail(yield_plain);
            };
            g.forget_chain();
            vm.swap_handled((*f).handled);
            vm.set_frame_top(f);
            let receiver = flow::step_yielded(caller, g, v);
            let r = (*caller).base;
            t.regs.set_top(r.add((*(*caller).code).nregs as usize));
            State { pc: (*caller).pc, r, f: caller, ..s }.finish(receiver)
        }
    }
    yield_plain(s) {
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
        // SAFETY: the innermost frame, a generator's, which is alive while that of an awaitable is.
        let (flags, g) = unsafe { ((*s.f).flags, &*((*s.f).generator.ptr() as *const Generator)) };
        let l = flow::suspend(s.t(), s.f, v);
        if flags & Frame::STEP != 0
            && s.i.arg() & 1 == 0
            && let Left::Resumer(v, _, caller) = l
        {
            // SAFETY: the frame that has entered it.
            let receiver = unsafe { flow::step_yielded(caller, g, v) };
            drop_reg(s.t(), receiver);
            finalize(s.t());
            return caller;
        }
        left(s.t(), s.f, l)
    }
}
