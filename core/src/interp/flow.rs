//! Leaving frames that are not plain calls, and generators: suspending, resuming, delegating.

use super::frames::{own_operand, pop, reg, set_reg, take_operand, take_reg, too_deep};
use super::globals::unbound_local;
use super::handlers::generators;
use super::run::{drop_reg, run, run_raising};
use crate::compile::bytecode::{Instr, Op, XB};
use std::sync::atomic::Ordering::*;
use weft_objects::async_generator;
use weft_objects::frame::{Frame, FrameObject};
use weft_objects::function::Function;
use weft_objects::generator::{
    self, CREATED, FINISHED, Generator, Outcome, RUNNING, Resume, SUSPENDED,
};
use weft_objects::monitor::{INSTRUMENTED, plain_word, watches_exceptions};
use weft_objects::prelude::*;

/// Where a frame's result goes.
pub enum Left {
    /// Into this register of the caller, which goes on.
    Caller(Value, usize),
    /// Into this register of this frame, which goes on.
    Resumer(Value, usize, *mut Frame),
    /// The caller goes on where its saved pc says.
    Jumped,
    /// The caller has to see to the pending exception.
    Raised,
    /// Out of the interpreter loop.
    Out(Value),
}

/// The instruction that the frame is at: the one before the saved pc.
fn current_instr(f: *mut Frame) -> Instr {
    // SAFETY: a suspended or calling frame's pc is behind an instruction.
    Instr(unsafe { (*(*f).pc.sub(1)).load(Relaxed) })
}

/// Whether the instruction that the frame is at is a Send that reports something.
#[inline]
fn is_reporting_send(f: *mut Frame, i: Instr) -> bool {
    // SAFETY: a calling frame, whose code lives while it runs.
    i.op() == INSTRUMENTED
        && unsafe { plain_word((*f).code(), (*f).instr()) as u8 == Op::Send as u8 }
}

/// Leaves a frame by `return v` (owned), unless it is a plain call without frills.
#[inline(never)]
pub fn leave(t: &mut Thread, f: *mut Frame, v: Value) -> Res<Left> {
    // SAFETY: the innermost frame.
    let (flags, dst) = unsafe { ((*f).flags, (*f).dst as usize) };
    if flags & Frame::GENERATOR != 0 {
        return Ok(finish_generator(t, f, v));
    }
    let mut v = v;
    if flags & Frame::CONSTRUCTOR != 0 {
        if !v.is_none() {
            let v = Obj::own(v);
            let msg = format!(
                "__init__() should return None, not '{}'",
                type_of(v.value()).name()
            );
            return Err(t.type_error(msg));
        }
        // SAFETY: the innermost frame.
        v = unsafe { std::mem::replace(&mut (*f).instance, Value::NULL) };
    } else if flags & Frame::NEW != 0 {
        v = initialized(t, f, v)?;
    }
    pop(t, f);
    Ok(if flags & Frame::ENTRY != 0 {
        Left::Out(v)
    } else {
        Left::Caller(v, dst)
    })
}

/// What `__new__` has given, for a class whose own `__init__` does nothing: an instance of a class below it may have one that does.
fn initialized(t: &mut Thread, f: *mut Frame, v: Value) -> Res {
    // SAFETY: the innermost frame; the tuple is the frame's.
    let call = Obj::own(unsafe { std::mem::replace(&mut (*f).instance, Value::NULL) });
    let Some([cls, names, args @ ..]) = Tuple::exact(call.value()).map(|c| c.values()) else {
        return Ok(v);
    };
    let ty = type_of(v);
    if ty.value().same(*cls) || !ty.is_subtype(Type::of_unchecked(*cls)) {
        return Ok(v);
    }
    let v = Obj::own(v);
    if let Some(init) = ty.slots.init.get() {
        let names = if names.is_none() { Value::NULL } else { *names };
        init(t, v.value(), Args::new(args, names))?;
    }
    Ok(v.into_value())
}

/// A generator returns `v`.
fn finish_generator(t: &mut Thread, f: *mut Frame, v: Value) -> Left {
    // SAFETY: the innermost frame.
    let (flags, g, before, base) = unsafe {
        if (*f).flags & Frame::CHAINED != 0 {
            weft_objects::frame::reveal_one(f);
        }
        ((*f).flags, (*f).generator, (*f).handled, (*f).base)
    };
    let handled = t.vm().swap_handled(before);
    drop_reg(t, handled);
    pop(t, f);
    if let Some(g) = Generator::of(g) {
        g.end(FINISHED);
    }
    if flags & Frame::ENTRY != 0 {
        t.vm().yielded.set(false);
        return Left::Out(v);
    }
    let caller = f.wrapping_sub(1);
    // SAFETY: the innermost frame now.
    if unsafe { (*caller).flags } & Frame::DELEGATING != 0 {
        stop_delegating(t, caller, base);
    }
    let i = current_instr(caller);
    if flags & Frame::STEP != 0 {
        drop_reg(t, v);
        step_ended(t, caller, g, true);
        return Left::Raised;
    }
    if i.op() == Op::Send as u8 || is_reporting_send(caller, i) {
        let receiver = take_reg(caller, i.b());
        drop_reg(t, receiver);
        set_reg(t, caller, i.a(), v);
    } else {
        drop_reg(t, v);
        let it = take_reg(caller, i.a());
        drop_reg(t, it);
    }
    // SAFETY: the jump of that instruction stays within the code.
    unsafe { (*caller).pc = (*caller).pc.offset(i.off16()) };
    Left::Jumped
}

/// The asynchronous generator `g`, which the Send that frame `f` is at has entered, has returned, or ended by the pending exception.
pub fn step_ended(t: &mut Thread, f: *mut Frame, g: Value, returned: bool) {
    let receiver = reg(f, current_instr(f).b());
    if let Some(g) = Generator::of(g) {
        let _: Raised = async_generator::asend_ended(t, receiver, g, returned);
    }
}

/// The asynchronous generator `g`, which the Send that frame `f` is at has entered, has yielded `v` (owned) itself: that is what the
/// Send gives. Takes the receiver out of its register; the caller drops it.
#[inline(always)]
pub unsafe fn step_yielded(f: *mut Frame, g: &Generator, v: Value) -> Value {
    let i = current_instr(f);
    let receiver = take_reg(f, i.b());
    async_generator::asend_yielded(receiver, g);
    // SAFETY: the frame of a Send, whose jump stays within the code. The register is empty: its word has been sent.
    unsafe {
        *(*f).base.add(i.a()) = v;
        (*f).pc = (*f).pc.offset(i.off16());
    }
    receiver
}

/// Makes the generator object of the innermost frame, and leaves the frame with it.
#[inline(never)]
pub fn return_generator(t: &mut Thread, f: *mut Frame) -> Left {
    // SAFETY: the innermost frame; its registers are moved into the generator.
    unsafe {
        let code = (*f).code();
        let n = code.nregs as usize;
        let base = (*f).base;
        let g = Generator::create(t, (*f).func, code, (*f).pc, n, |k| {
            to_heap(std::mem::replace(&mut *base.add(k), Value::NULL))
        });
        let (flags, dst) = ((*f).flags, (*f).dst as usize);
        if code.flags & 128 != 0 && t.vm().coroutine_origin_depth.get() > 0 {
            note_origin(t, f, &g);
        }
        pop(t, f);
        if flags & Frame::ENTRY != 0 {
            Left::Out(g.into_value())
        } else {
            Left::Caller(g.into_value(), dst)
        }
    }
}

#[cold]
fn note_origin(t: &mut Thread, f: *mut Frame, g: &Obj) {
    let depth = t.vm().coroutine_origin_depth.get();
    let mut entries = Vec::new();
    let mut at = weft_objects::frame::caller(t, f);
    while let Some(c) = at
        && (entries.len() as i64) < depth
    {
        // SAFETY: a running frame of this thread.
        let (code, line) = unsafe { ((*c).code(), (*c).line()) };
        let file = code.body().filename.value();
        let entry = [file, Value::int(line as i64), code.body().name.value()];
        entries.push(Tuple::from_slice(t, &entry));
        at = weft_objects::frame::caller(t, c);
    }
    let origin = Tuple::from_vec(t, entries);
    if let Some(g) = Generator::of(g.value()) {
        g.origin.set(t, &g.header, origin.into_value());
    }
}

/// Suspends the innermost frame, a generator's, with the value `v` (owned).
#[inline(never)]
pub fn suspend(t: &mut Thread, f: *mut Frame, v: Value) -> Left {
    // SAFETY: the innermost frame; this thread has the generator's running flag.
    unsafe {
        let g = &*((*f).generator.ptr() as *const Generator);
        let n = current_instr(f).kept();
        let saved = g.registers();
        debug_assert!(saved.is_empty() && saved.capacity() >= n);
        let (from, to) = ((*f).base, saved.as_mut_ptr());
        if g.header.is_local(t) {
            for k in 0..n {
                let mut w = *from.add(k);
                if w.0 & 7 == 0 {
                    *from.add(k) = Value::NULL;
                    // I4: on the heap every reference counts.
                    w = to_heap(w);
                }
                *to.add(k) = w;
            }
        } else {
            save_shared(t, from, to, n);
        }
        saved.set_len(n);
        g.pc.set((*f).pc);
        let vm = t.vm();
        let base = (*f).base;
        let o = generators::outermost(t, f);
        let handled = vm.swap_handled((*o).handled);
        if !handled.is_null() {
            g.handled.set(t, &g.header, handled);
        }
        if (*f).flags & Frame::OBJECT != 0 {
            save_object(t, f, g);
        }
        vm.set_frame_top(o);
        g.end(SUSPENDED);
        if (*o).flags & Frame::ENTRY != 0 {
            t.regs.set_top(base);
            vm.yielded.set(true);
            return Left::Out(v);
        }
        // What runs next is the frame that resumed it.
        let caller = o.wrapping_sub(1);
        let nregs = (*(*caller).code).nregs as usize;
        t.regs.set_top((*caller).base.add(nregs));
        Left::Resumer(v, (*o).dst as usize, caller)
    }
}

/// The generator that frame `f` delegated to has ended: `f` gets its registers, from `base` on, and goes on behind its Send.
pub fn stop_delegating(t: &Thread, f: *mut Frame, base: *mut Value) {
    // SAFETY: `f` is the innermost frame, a record only; room was checked when it was made. Behind the Yield of a delegation comes the
    // jump back to its Send.
    unsafe {
        let g = &*((*f).generator.ptr() as *const Generator);
        let n = (*(*f).code).nregs as usize;
        let saved = g.registers();
        std::ptr::copy_nonoverlapping(saved.as_ptr(), base, saved.len());
        saved.set_len(0);
        (*f).base = base;
        (*f).flags &= !Frame::DELEGATING;
        let back = Instr((*(*f).pc).load(Relaxed));
        (*f).pc = (*f).pc.add(1).offset(back.off32()).add(1);
        t.regs.set_top(base.add(n));
    }
}

/// Saves the registers of a shared generator.
#[cold]
unsafe fn save_shared(t: &Thread, from: *mut Value, to: *mut Value, n: usize) {
    for k in 0..n {
        // SAFETY: the caller's registers and room.
        unsafe {
            let mut w = *from.add(k);
            if w.is_ptr() {
                *from.add(k) = Value::NULL;
                // I3: a shared generator holds shared objects only.
                w = to_heap(w);
                weft_gc::share(t, w);
            }
            *to.add(k) = w;
        }
    }
}

/// The frame object of a generator's frame goes with the generator.
#[cold]
pub unsafe fn save_object(t: &Thread, f: *mut Frame, g: &Generator) {
    // SAFETY: the innermost frame.
    unsafe {
        let o = Obj::from_raw(std::mem::replace(&mut (*f).object, Value::NULL));
        if let Some(fo) = FrameObject::of(o.value()) {
            fo.lasti.store((*f).instr() as u64, Relaxed);
            fo.record.store(0, Release);
        }
        g.frame.set(t, &g.header, o.into_value());
    }
}

/// Pushes the frame of a generator whose running flag has been taken (`state` is what it was before), to go on with `v`.
fn push_generator(
    t: &mut Thread,
    g: &Generator,
    gv: Value,
    state: u8,
    flags: u32,
    dst: u32,
    v: Value,
) -> Res<()> {
    let code = g.code();
    let top = t.regs.top();
    let vm = t.vm();
    let f = vm.frame_top();
    let n = code.nregs as usize;
    let end = top.wrapping_add(n);
    if f >= vm.soft_limit() || end > t.regs.limit() {
        g.end(state);
        drop_reg(t, v);
        return Err(too_deep(t));
    }
    let func = g.func.get();
    let (globals, builtins) = match Function::of(func) {
        Some(x) => (x.globals() as *const Dict, x.builtins() as *const Dict),
        None => (std::ptr::null(), std::ptr::null()),
    };
    // SAFETY: room was checked; the running flag is ours.
    unsafe {
        let flags = flags | Frame::GENERATOR;
        super::frames::write(f, top, code, func, globals, builtins, flags, dst);
        let saved = g.registers();
        let from = saved.as_ptr();
        for k in 0..saved.len() {
            *top.add(k) = *from.add(k);
        }
        saved.set_len(0);
        t.regs.set_top(end);
        vm.set_frame_top(f.wrapping_add(1));
        (*f).pc = g.pc.get();
        (*f).generator = gv.bare();
        let handled = if g.handled.get().is_null() {
            Value::NULL
        } else {
            g.handled.take()
        };
        (*f).handled = vm.swap_handled(handled);
        if !g.frame.get().is_null() {
            restore_object(t, f, g);
        }
        if state == SUSPENDED {
            // The value sent is the result of the Yield that suspended it.
            let i = current_instr(f);
            set_reg(t, f, i.a(), v);
        }
    }
    Ok(())
}

#[cold]
unsafe fn restore_object(t: &Thread, f: *mut Frame, g: &Generator) {
    // SAFETY: the innermost frame.
    unsafe {
        let o = g.frame.take();
        (*f).object = o;
        (*f).flags |= Frame::OBJECT;
        if let Some(fo) = FrameObject::of(o) {
            fo.thread_tag.store(t as *const Thread as u64, Relaxed);
            fo.record.store(f as u64, Release);
        }
    }
}

/// Whether a generator could be entered. What it yields next comes out of its frame only if that has been pushed.
#[must_use = "without its frame the generator must not be run on"]
pub enum Entered {
    Frame,
    Finished,
}

/// Enters a generator that `for` takes items from.
#[inline]
pub fn enter_generator(t: &mut Thread, g: &Generator, gv: Value, dst: u32) -> Res<Entered> {
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    match g.begin(t) {
        Ok(state) => {
            push_generator(t, g, gv, state, 0, dst, Value::NONE)?;
            Ok(Entered::Frame)
        }
        Err(RUNNING) => Err(running_error(t, gv)),
        Err(_) => Ok(Entered::Finished),
    }
}

#[cold]
fn running_error(t: &mut Thread, g: Value) -> Raised {
    let what = if type_of(g).is(&generator::COROUTINE) {
        "coroutine"
    } else {
        "generator"
    };
    t.value_error(format!("{what} already executing"))
}

/// The hook for `send` and `throw` by native code.
pub fn resume(t: &mut Thread, gv: Value, how: Resume) -> Res<Outcome> {
    let Some(g) = Generator::of(gv) else {
        return Err(t.type_error("not a generator".into()));
    };
    let _guard = match t.enter_recursive("") {
        Ok(guard) => guard,
        Err(e) => {
            if let Resume::Send(v) = how {
                drop_reg(t, v);
            }
            return Err(e);
        }
    };
    if let Resume::Send(v) = &how
        && let Some(r) = resume_plain(t, gv, *v)
    {
        return r;
    }
    let state = match g.begin(t) {
        Ok(s) => s,
        Err(RUNNING) => {
            if let Resume::Send(v) = how {
                drop_reg(t, v);
            }
            return Err(running_error(t, gv));
        }
        Err(_) => return finished(t, gv, how),
    };
    match how {
        Resume::Send(v) => {
            if state == CREATED && !v.is_none() {
                g.end(state);
                drop_reg(t, v);
                let what = if type_of(gv).is(&generator::COROUTINE) {
                    "coroutine"
                } else if type_of(gv).is(&generator::ASYNC_GENERATOR) {
                    "async generator"
                } else {
                    "generator"
                };
                return Err(t.type_error(format!(
                    "can't send non-None value to a just-started {what}"
                )));
            }
            push_generator(t, g, gv, state, Frame::ENTRY, 0, v)?;
            ended(t, false)
        }
        Resume::Throw(exc) => {
            if state == CREATED {
                generator::finish(t, gv);
                return Err(t.set_exc(exc));
            }
            throw(t, g, gv, exc)
        }
    }
}

/// The hook for [`generator::Steps`].
pub fn step(t: &mut Thread, gv: Value, staying: bool) -> Res<(Value, bool)> {
    let _guard = t.enter_recursive("")?;
    if staying {
        let f = t.vm().frame_top().wrapping_sub(1);
        let i = current_instr(f);
        set_reg(t, f, i.a(), Value::NONE);
        // SAFETY: the frame that stays is a generator's, which the caller keeps.
        let g = unsafe { &*((*f).generator.ptr() as *const Generator) };
        let v = run(t)?;
        if t.vm().yielded.get() {
            return Ok((v, g.state.load(Relaxed) == RUNNING));
        }
        drop_reg(t, v);
        return Ok((Value::NULL, false));
    }
    let Some(g) = Generator::of(gv) else {
        return Ok((Value::NULL, false));
    };
    match g.begin(t) {
        Ok(state) => {
            let flags = Frame::ENTRY | Frame::STAYING;
            push_generator(t, g, gv, state, flags, 0, Value::NONE)?;
        }
        Err(RUNNING) => return Err(running_error(t, gv)),
        Err(_) => return Ok((Value::NULL, false)),
    }
    match ended(t, false)? {
        Outcome::Yielded(v) => Ok((v, g.state.load(Relaxed) == RUNNING)),
        Outcome::Returned(v) => {
            drop_reg(t, v);
            Ok((Value::NULL, false))
        }
    }
}

/// Suspends the innermost frame, which a step has left on the stack.
pub fn pause(t: &mut Thread) {
    let f = t.vm().frame_top().wrapping_sub(1);
    // None is what it yields: no reference.
    let _ = suspend(t, f, Value::NONE);
}

/// [`resume`] for the usual case. `None`: it is not that.
#[inline]
fn resume_plain(t: &mut Thread, gv: Value, v: Value) -> Option<Res<Outcome>> {
    // SAFETY: a generator of any kind; the frame has just been pushed, and its pc is behind the Yield that suspended it.
    unsafe {
        let g = generators::plain(t, gv)?;
        let f = generators::enter(t, gv, g, Frame::ENTRY, 0)?;
        let i = current_instr(f);
        set_reg(t, f, i.a(), v);
    }
    Some(ended(t, false))
}

fn finished(t: &mut Thread, gv: Value, how: Resume) -> Res<Outcome> {
    let coroutine = type_of(gv).is(&generator::COROUTINE);
    match how {
        Resume::Send(v) => {
            drop_reg(t, v);
            if coroutine {
                return Err(t.runtime_error("cannot reuse already awaited coroutine"));
            }
            Ok(Outcome::Returned(Value::NONE))
        }
        Resume::Throw(exc) => {
            if coroutine && !is_exit(&exc) {
                return Err(t.runtime_error("cannot reuse already awaited coroutine"));
            }
            Err(t.set_exc(exc))
        }
    }
}

/// Whether it is what a generator is closed with. By its class alone: nothing may raise while the running flag is taken.
fn is_exit(exc: &Obj) -> bool {
    type_of(exc.value()).is_subtype(&errors::GENERATOR_EXIT)
}

/// Runs the frame just pushed to its next yield or its end.
fn ended(t: &mut Thread, raising: bool) -> Res<Outcome> {
    let v = if raising { run_raising(t)? } else { run(t)? };
    Ok(if t.vm().yielded.get() {
        Outcome::Yielded(v)
    } else {
        Outcome::Returned(v)
    })
}

/// Throws into a suspended generator whose running flag has been taken: into what it delegates to, if it does.
fn throw(t: &mut Thread, g: &Generator, gv: Value, exc: Obj) -> Res<Outcome> {
    // SAFETY: a suspended generator's pc is behind a Yield; its registers are ours while we have the flag.
    let receiver = unsafe {
        let i = Instr((*g.pc.get().sub(1)).load(Relaxed));
        let receiver = if i.arg() & 1 == 1 {
            g.registers().get(i.c()).copied()
        } else {
            None
        };
        receiver.filter(|v| !v.is_null()).map(|v| Obj::new(t, v))
    };
    let Some(receiver) = receiver else {
        return throw_here(t, g, gv, exc);
    };
    if is_exit(&exc) {
        if let Err(_raised) = close_receiver(t, receiver.value()) {
            let Some(other) = t.take_exc() else {
                return throw_here(t, g, gv, exc);
            };
            return throw_here(t, g, gv, other);
        }
        return throw_here(t, g, gv, exc);
    }
    let f = push_delegating(t, g, gv)?;
    let outcome = throw_into(t, receiver.value(), &exc);
    pop_delegating(t, f, g);
    let Some(outcome) = outcome else {
        return throw_here(t, g, gv, exc);
    };
    match outcome {
        Ok(Outcome::Yielded(v)) => {
            g.end(SUSPENDED);
            Ok(Outcome::Yielded(v))
        }
        Ok(Outcome::Returned(v)) => delegate_done(t, g, gv, v),
        Err(_) if t.exc_matches(&errors::STOP_ITERATION) => {
            let e = t.take_exc();
            let v = match e {
                Some(e) => errors::stop_iteration_value(t, e.value()),
                None => Obj::own(Value::NONE),
            };
            delegate_done(t, g, gv, v.into_value())
        }
        Err(e) => match t.take_exc() {
            Some(exc) => throw_here(t, g, gv, exc),
            None => Err(e),
        },
    }
}

/// Throws into what a generator delegates to. `None`: that cannot be thrown into.
fn throw_into(t: &mut Thread, receiver: Value, exc: &Obj) -> Option<Res<Outcome>> {
    if Generator::of(receiver).is_some() {
        return Some(resume(t, receiver, Resume::Throw(exc.clone())));
    }
    match proto::get_attr_opt(t, receiver, weft_objects::id!(t, "throw")) {
        Ok(Some(m)) => Some(
            proto::call(t, m.value(), &[exc.value()]).map(|o| Outcome::Yielded(o.into_value())),
        ),
        Ok(None) => None,
        Err(e) => Some(Err(e)),
    }
}

/// Pushes the record of a generator that waits while what it delegates to is thrown into: its place among the frames, for those
/// that look at them. Its registers stay in the generator, whose running flag has been taken.
fn push_delegating(t: &mut Thread, g: &Generator, gv: Value) -> Res<*mut Frame> {
    let vm = t.vm();
    let f = vm.frame_top();
    let func = g.func.get();
    let Some(x) = Function::of(func).filter(|_| f < vm.soft_limit()) else {
        g.end(SUSPENDED);
        return Err(too_deep(t));
    };
    let flags = Frame::ENTRY | Frame::GENERATOR | Frame::DELEGATING;
    // SAFETY: room was checked; the running flag is ours.
    unsafe {
        let base = g.registers().as_mut_ptr();
        super::frames::write(f, base, g.code(), func, x.globals(), x.builtins(), flags, 0);
        (*f).pc = g.pc.get();
        (*f).generator = gv.bare();
        (*f).handled = Value::NULL;
        vm.set_frame_top(f.wrapping_add(1));
        if !g.frame.get().is_null() {
            restore_object(t, f, g);
        }
    }
    Ok(f)
}

/// Takes away what [`push_delegating`] has pushed.
fn pop_delegating(t: &Thread, f: *mut Frame, g: &Generator) {
    // SAFETY: the innermost frame again.
    unsafe {
        if (*f).flags & Frame::OBJECT != 0 {
            save_object(t, f, g);
        }
    }
    t.vm().set_frame_top(f);
}

fn close_receiver(t: &mut Thread, receiver: Value) -> Res<()> {
    if Generator::of(receiver).is_some() {
        let v = generator::close(t, receiver)?;
        drop_reg(t, v);
        return Ok(());
    }
    match proto::get_attr_opt(t, receiver, weft_objects::id!(t, "close")) {
        Ok(Some(m)) => proto::call(t, m.value(), &[]).map(drop),
        Ok(None) => Ok(()),
        Err(_) => {
            let what = "Exception ignored while closing generator";
            weft_objects::runtime::unraisable(t, what, Some(receiver));
            Ok(())
        }
    }
}

fn throw_here(t: &mut Thread, g: &Generator, gv: Value, exc: Obj) -> Res<Outcome> {
    // Its context is what the generator itself is handling, not what its caller is.
    let handling = !g.handled.get().is_null();
    push_generator(t, g, gv, SUSPENDED, Frame::ENTRY, 0, Value::NONE)?;
    let _raised = if handling {
        t.raise_value(exc)
    } else {
        t.set_exc(exc)
    };
    if watches_exceptions() {
        super::monitor::fire::thrown(t);
    }
    ended(t, true)
}

/// What a generator delegated to has returned `v`: goes on behind the delegation.
fn delegate_done(t: &mut Thread, g: &Generator, gv: Value, v: Value) -> Res<Outcome> {
    push_generator(t, g, gv, SUSPENDED, Frame::ENTRY, 0, Value::NONE)?;
    let f = t.vm().frame_top().wrapping_sub(1);
    // SAFETY: behind the Yield of a delegation comes the jump back to its Send.
    unsafe {
        let back = Instr((*(*f).pc).load(Relaxed));
        let send_at = (*f).pc.add(1).offset(back.off32());
        let s = Instr((*send_at).load(Relaxed));
        let receiver = take_reg(f, s.b());
        drop_reg(t, receiver);
        set_reg(t, f, s.a(), v);
        (*f).pc = send_at.add(1).offset(s.off16());
    }
    ended(t, false)
}

/// What a Send has done.
pub enum Sent {
    Yielded,
    Finished,
    Frame,
}

#[inline(never)]
pub fn send(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<Sent> {
    // While the value is in its register: nobody else may count it.
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    let receiver = reg(f, i.b());
    let v = take_reg(f, i.a());
    if let Some(g) = Generator::of(receiver)
        && !type_of(receiver).is(&generator::ASYNC_GENERATOR)
    {
        // A generator that another thread has run to its end since, or begun to run, is seen to by `resume`.
        match g.begin(t) {
            Ok(CREATED) if !v.is_none() => g.end(CREATED),
            Ok(state) => {
                push_generator(t, g, receiver, state, 0, i.a() as u32, v)?;
                return Ok(Sent::Frame);
            }
            Err(_) => {}
        }
        return match resume(t, receiver, Resume::Send(v))? {
            Outcome::Yielded(v) => {
                set_reg(t, f, i.a(), v);
                Ok(Sent::Yielded)
            }
            Outcome::Returned(v) => sent_finished(t, f, i, v),
        };
    }
    let v = Obj::own(v);
    if let Some(step) = type_of(receiver).slots.send.get() {
        return match step(t, receiver, v.value())? {
            Outcome::Yielded(v) => {
                set_reg(t, f, i.a(), v);
                Ok(Sent::Yielded)
            }
            Outcome::Returned(v) => sent_finished(t, f, i, v),
        };
    }
    let r = if v.value().is_none() && type_of(receiver).slots.iter_next.is_set() {
        match proto::lookup_special(t, receiver, weft_objects::id!(t, "__next__"))? {
            // One in Python may end with a value.
            Some(next) if type_of(receiver).is_heap() => {
                proto::call(t, next.value(), &[]).map(Obj::into_value)
            }
            _ => {
                let next = type_of(receiver).slots.iter_next.get();
                match next.map(|n| n(t, receiver)) {
                    Some(Ok(v)) if v.is_null() => return sent_finished(t, f, i, Value::NONE),
                    Some(r) => r,
                    None => Ok(Value::NONE),
                }
            }
        }
    } else {
        proto::call_method(t, receiver, "send", &[v.value()]).map(Obj::into_value)
    };
    match r {
        Ok(v) => {
            set_reg(t, f, i.a(), v);
            Ok(Sent::Yielded)
        }
        Err(_) if t.exc_matches(&errors::STOP_ITERATION) => {
            let e = t.take_exc();
            let v = match e {
                Some(e) => errors::stop_iteration_value(t, e.value()).into_value(),
                None => Value::NONE,
            };
            sent_finished(t, f, i, v)
        }
        Err(e) => Err(e),
    }
}

fn sent_finished(t: &mut Thread, f: *mut Frame, i: Instr, v: Value) -> Res<Sent> {
    let receiver = take_reg(f, i.b());
    drop_reg(t, receiver);
    set_reg(t, f, i.a(), v);
    Ok(Sent::Finished)
}

pub fn get_yield_from_iter(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = reg(f, i.b());
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    // SAFETY: a running frame's code is alive.
    let outer = unsafe { (*(*f).code).flags };
    let is_coroutine = type_of(v).is(&generator::COROUTINE)
        || Generator::exact(v).is_some_and(|g| g.code().flags & 256 != 0);
    if type_of(v).is(&generator::COROUTINE) && outer & (128 | 256) == 0 {
        return Err(t.type_error(
            "cannot 'yield from' a coroutine object in a non-coroutine generator".into(),
        ));
    }
    // `GetYieldFromIter/1` makes the argument of a generator expression: what is iterated as it is stays as it is.
    let as_it_is = i.arg() == 1
        && (List::exact(v).is_some()
            || Tuple::exact(v).is_some()
            || weft_objects::range::Range::of(v).is_some());
    if is_coroutine || as_it_is || Generator::exact(v).is_some() {
        let v = own_operand(t, f, i, XB, i.b());
        set_reg(t, f, i.a(), v);
        return Ok(());
    }
    let it = super::iteration::iter(t, v)?;
    let old = take_operand(f, i, XB, i.b());
    set_reg(t, f, i.a(), it.into_value());
    drop_reg(t, old);
    Ok(())
}

fn one(
    t: &mut Thread,
    f: *mut Frame,
    i: Instr,
    g: impl FnOnce(&mut Thread, Value) -> Res,
) -> Res<()> {
    let v = reg(f, i.b());
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    let r = g(t, v)?;
    let old = take_operand(f, i, XB, i.b());
    set_reg(t, f, i.a(), r);
    drop_reg(t, old);
    Ok(())
}

pub fn get_awaitable(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    one(t, f, i, |t, v| {
        async_generator::get_awaitable(t, v, i.arg())
    })
}

pub fn get_aiter(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    one(t, f, i, async_generator::get_aiter)
}

pub fn get_anext(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    one(t, f, i, async_generator::get_anext)
}

/// Whether the exception in r[a] was the end of the iteration; else it is the one being raised again.
pub fn end_async_for(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<bool> {
    let exc = reg(f, i.a());
    if type_of(exc).is_subtype(&errors::STOP_ASYNC_ITERATION) {
        let (e, it) = (take_reg(f, i.a()), take_reg(f, i.b()));
        drop_reg(t, e);
        drop_reg(t, it);
        return Ok(true);
    }
    let e = Obj::own(take_reg(f, i.a()));
    let old = t.exc.replace(e.into_value());
    dec(t, old);
    Ok(false)
}
