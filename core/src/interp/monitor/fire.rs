//! Reporting events to the tools that want them.

use super::legacy;
use super::{Kind, disable, kind, target};
use crate::compile::bytecode::{Instr, Op};
use crate::interp::calls;
use crate::interp::flow::{self, Sent};
use crate::interp::frames::{
    Enter, constant, reg, reg_ptr, set_reg, set_result, take_operand, take_reg,
};
use crate::interp::handlers::{raise, reraise};
use crate::interp::run::drop_reg;
use crate::interp::{iteration, ops};
use std::sync::atomic::{AtomicU8, Ordering::*};
use weft_objects::code::Code;
use weft_objects::errors::Exception;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::generator::{self, Generator, Outcome, Resume};
use weft_objects::method::{METHOD, Method};
use weft_objects::monitor::{self, Site, event};
use weft_objects::prelude::*;
use weft_objects::traceback::Traceback;

/// Where something happens, and who wants to know.
#[derive(Clone, Copy)]
struct Place<'a> {
    f: *mut Frame,
    code: &'a Code,
    at: usize,
}

/// An instruction's number as Python sees it.
pub fn offset(at: usize) -> Value {
    Value::int(Code::offset(at))
}

/// Reports what the instruction is to report. Gives the instruction to do instead, or the frame to go on with if that is done, or if
/// a callback has raised an exception or jumped.
#[cold]
#[inline(never)]
pub fn report(t: &mut Thread, f: *mut Frame, found: Instr) -> Result<Instr, *mut Frame> {
    // What was written before the opcode that has led here is to be seen.
    std::sync::atomic::fence(Acquire);
    // SAFETY: the innermost frame; so below. Its code lives while it runs.
    let (code, at) = unsafe { (&*(*f).code, (*f).instr()) };
    let Some(site) = code.sites().map(|x| &x.sites[at]) else {
        return Ok(found);
    };
    let i = Instr(site.plain(found.0));
    if site.flags & (Site::START | Site::RESUME) != 0 {
        set_line(t, f, 0);
    }
    if t.vm().tracing.get() != 0 {
        return Ok(i);
    }
    let place = Place { f, code, at };
    match before(t, place, site) {
        Ok(true) => {}
        Ok(false) => return Err(f),
        Err(_) => return Err(raise(t, f)),
    }
    let done = match kind(i.op()) {
        Kind::Return => returns(t, place, site, i),
        Kind::Yield => yields(t, place, site, i),
        Kind::Call if site.main.load(Relaxed) != 0 => return Err(call(t, place, site, i)),
        Kind::Jump => jump(t, place, site, i),
        Kind::Branch if branches(site) => branch(t, place, site, i),
        Kind::ForIter if branches(site) || site.stop.load(Relaxed) != 0 => {
            for_iter(t, place, site, i)
        }
        Kind::Send if site.stop.load(Relaxed) != 0 => send(t, place, site, i),
        Kind::EndAsyncFor if branches(site) => return Err(end_async_for(t, place, site, i)),
        _ => Ok(false),
    };
    match done {
        Ok(false) => Ok(i),
        Ok(true) => {
            if t.interrupted() && t.has_pending() {
                weft_objects::runtime::run_pending(t);
            }
            Err(f)
        }
        Err(_) => Err(raise(t, f)),
    }
}

fn branches(site: &Site) -> bool {
    site.main.load(Relaxed) | site.right.load(Relaxed) != 0
}

/// Notes the line that the frame is in.
fn set_line(t: &Thread, f: *mut Frame, line: u32) -> u32 {
    let vm = t.vm();
    let depth = (f as usize - vm.frames_base() as usize) / size_of::<Frame>();
    let mut lines = vm.lines.borrow_mut();
    if lines.len() <= depth {
        lines.resize(depth + 1, 0);
    }
    std::mem::replace(&mut lines[depth], line)
}

/// Forgets the line that the frame was in: the next one is new, whichever it is.
pub fn forget_line(t: &Thread, f: *mut Frame) {
    set_line(t, f, 0);
}

/// Reports what comes before the instruction itself. False: a callback has jumped.
fn before(t: &mut Thread, place: Place<'_>, site: &Site) -> Res<bool> {
    let Place { f, code, at } = place;
    // SAFETY: the innermost frame; so below.
    let pc = unsafe { (*f).pc };
    let tools = site.entry.load(Relaxed);
    if tools != 0 {
        if site.flags & Site::START != 0 {
            let line = code.start_line();
            say(t, f, line, 0, |t| {
                let zero = Value::int(0);
                fire_with(t, place, &site.entry, event::PY_START, zero, &[])
            })?;
        } else {
            // The frame is still where it was suspended.
            // SAFETY: as above.
            unsafe { (*f).pc = pc.sub(1) };
            let r = fire(t, place, &site.entry, event::PY_RESUME, &[]);
            // SAFETY: as above.
            unsafe {
                if (*f).pc != pc.sub(1) {
                    return r.map(|()| false);
                }
                (*f).pc = pc;
            }
            r?;
        }
    }
    if tools != 0 {
        // What a callback has asked for may have looked at the frame.
        forget_line(t, f);
    }
    if site.flags & Site::DROPPED != 0 && site.instruction.load(Relaxed) != 0 {
        let line = code.line(at - 1);
        if noted_line(t, f) == line {
            let offset = Code::offset(at) - 1;
            say(t, f, line, offset, |t| {
                let second = Value::int(offset);
                fire_with(t, place, &site.instruction, event::INSTRUCTION, second, &[])
            })?;
            // SAFETY: as above.
            if unsafe { (*f).pc } != pc {
                return Ok(false);
            }
        }
    }
    if site.flags & Site::LINE != 0 {
        if site.flags & Site::MARKED != 0 {
            for (_, line) in code.marks().filter(|m| m.0 == at) {
                let offset = Code::offset(at) - 1;
                say(t, f, line, offset, |t| new_line(t, place, site, line))?;
                // SAFETY: as above.
                if unsafe { (*f).pc } != pc {
                    return Ok(false);
                }
            }
        }
        let line = code.position(at).line;
        if line != 0 {
            new_line(t, place, site, line)?;
        } else if site.flags & (Site::START | Site::MARKED) == Site::START {
            let zero = Value::int(0);
            say(t, f, 0, 0, |t| {
                fire_with(t, place, &site.line, event::LINE, zero, &[])
            })?;
        }
    }
    if site.instruction.load(Relaxed) != 0 {
        fire(t, place, &site.instruction, event::INSTRUCTION, &[])?;
    }
    // SAFETY: as above.
    Ok(unsafe { (*f).pc } == pc)
}

/// Reports the line, if the frame has not been in it.
fn new_line(t: &mut Thread, place: Place<'_>, site: &Site, line: u32) -> Res<()> {
    if set_line(t, place.f, line) == line {
        return Ok(());
    }
    let number = Value::int(i64::from(line));
    fire_with(t, place, &site.line, event::LINE, number, &[])
}

/// Runs `f` while the frame is said to be in this line.
fn say<R>(
    t: &mut Thread,
    frame: *mut Frame,
    line: u32,
    offset: i64,
    f: impl FnOnce(&mut Thread) -> R,
) -> R {
    let before = t.vm().said.replace((frame, line, offset));
    let r = f(t);
    t.vm().said.set(before);
    r
}

/// The line that the frame is in, if it has been noted.
pub fn noted_line(t: &Thread, f: *mut Frame) -> u32 {
    let vm = t.vm();
    let depth = (f as usize - vm.frames_base() as usize) / size_of::<Frame>();
    vm.lines.borrow().get(depth).copied().unwrap_or(0)
}

/// Reports an event of this place to the tools that want it.
fn fire(
    t: &mut Thread,
    place: Place<'_>,
    tools: &AtomicU8,
    event: usize,
    args: &[Value],
) -> Res<()> {
    fire_with(t, place, tools, event, offset(place.at), args)
}

/// As [`fire`], with `second` where the other events have their offset.
fn fire_with(
    t: &mut Thread,
    place: Place<'_>,
    tools: &AtomicU8,
    event: usize,
    second: Value,
    args: &[Value],
) -> Res<()> {
    if tools.load(Relaxed) == 0 {
        return Ok(());
    }
    let code = place.code.header.value();
    let mut all = vec![code, second];
    all.extend_from_slice(args);
    let held: Vec<Obj> = args.iter().map(|v| Obj::new(t, *v)).collect();
    let outer = t.vm().event.replace(event as i8);
    let frame = t.vm().reporting.replace(place.f);
    let r = fire_each(t, place, tools, event, &all, args);
    t.vm().event.set(outer);
    t.vm().reporting.set(frame);
    drop(held);
    r
}

/// Reports it to each of the tools, the one with the highest number first.
fn fire_each(
    t: &mut Thread,
    place: Place<'_>,
    tools: &AtomicU8,
    event: usize,
    all: &[Value],
    args: &[Value],
) -> Res<()> {
    let mut left = tools.load(Relaxed);
    while left != 0 {
        let tool = 7 - left.leading_zeros() as usize;
        left &= !(1 << tool);
        if tool >= monitor::PROFILE_TOOL {
            legacy::event(t, place.f, place.at, tool, event, args)?;
        } else if call_tool(t, tool, event, all)? {
            disable(place.code, place.at, tools, tool);
        }
    }
    Ok(())
}

/// Calls a tool's function. True: it wants to hear no more of this here.
fn call_tool(t: &mut Thread, tool: usize, event: usize, args: &[Value]) -> Res<bool> {
    let Some(func) = monitor::callback(t, tool, event) else {
        return Ok(false);
    };
    let r = quietly(t, |t| proto::call(t, func.value(), args))?;
    if !monitor::DISABLE.get().is_some_and(|v| v.same(r.value())) {
        return Ok(false);
    }
    if event >= monitor::LOCAL {
        drop(monitor::set_callback(t, tool, event, None));
        let name = monitor::NAMES[event];
        return Err(t.value_error(format!("Cannot disable {name} events. Callback removed.")));
    }
    Ok(true)
}

/// Runs `f` without any event.
pub fn quietly<R>(t: &mut Thread, f: impl FnOnce(&mut Thread) -> R) -> R {
    let tracing = t.vm().tracing.get();
    t.vm().tracing.set(tracing + 1);
    let r = f(t);
    t.vm().tracing.set(tracing);
    r
}

// --- what instructions do ---

fn returns(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> Res<bool> {
    let v = if i.op() == Op::Return as u8 {
        reg(place.f, i.a())
    } else {
        constant(place.f, i.b())
    };
    if !v.is_null() {
        fire(t, place, &site.main, event::PY_RETURN, &[v])?;
    }
    Ok(false)
}

fn yields(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> Res<bool> {
    let v = reg(place.f, i.b());
    if !v.is_null() {
        // SAFETY: the innermost frame.
        let pc = unsafe { (*place.f).pc };
        fire(t, place, &site.main, event::PY_YIELD, &[v])?;
        // SAFETY: as above. A callback may have jumped.
        return Ok(unsafe { (*place.f).pc } != pc);
    }
    Ok(false)
}

/// Goes to instruction `to`, and reports that.
fn go(t: &mut Thread, place: Place<'_>, tools: &AtomicU8, event: usize, to: usize) -> Res<()> {
    // SAFETY: targets lie within the code (the verifier).
    let pc = unsafe { place.code.first.add(to) };
    // Behind the target, as if that had been begun: this is where callbacks see the frame.
    // SAFETY: the innermost frame; so below.
    unsafe { (*place.f).pc = pc.add(1) };
    let r = fire(t, place, tools, event, &[offset(to)]);
    // SAFETY: as above.
    unsafe {
        if r.is_err() {
            (*place.f).pc = place.code.first.add(place.at + 1);
        } else if (*place.f).pc == pc.add(1) {
            (*place.f).pc = pc;
        }
    }
    r
}

fn jump(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> Res<bool> {
    let Some(to) = target(i, place.at) else {
        return Ok(false);
    };
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    go(t, place, &site.main, event::JUMP, to)?;
    Ok(true)
}

/// A branch goes one way or the other.
fn went(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr, jumps: bool) -> Res<bool> {
    match target(i, place.at) {
        Some(to) if jumps => go(t, place, &site.right, event::BRANCH_RIGHT, to)?,
        _ => go(t, place, &site.main, event::BRANCH_LEFT, place.at + 1)?,
    }
    Ok(true)
}

fn branch(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> Res<bool> {
    let f = place.f;
    let op = crate::compile::bytecode::OPS[i.op() as usize];
    let none = |t: &mut Thread| {
        let v = reg(f, i.a());
        if v.is_null() {
            return crate::interp::globals::unbound_local(t, f, i.a());
        }
        let hit = v.is_none();
        let old = take_operand(f, i, crate::compile::bytecode::XA, i.a());
        drop_reg(t, old);
        Ok(hit)
    };
    let compare =
        |t: &mut Thread, op, konst| Ok(ops::compare_jump(t, f, i, op, konst)? == (i.arg() != 0));
    let jumps = match op {
        Op::JumpTrue => ops::truth(t, f, i)?,
        Op::JumpFalse => !ops::truth(t, f, i)?,
        Op::JumpNone => none(t)?,
        Op::JumpNotNone => !none(t)?,
        Op::JumpLt => compare(t, CmpOp::Lt, false)?,
        Op::JumpLe => compare(t, CmpOp::Le, false)?,
        Op::JumpEq => compare(t, CmpOp::Eq, false)?,
        Op::JumpNe => compare(t, CmpOp::Ne, false)?,
        Op::JumpGt => compare(t, CmpOp::Gt, false)?,
        Op::JumpGe => compare(t, CmpOp::Ge, false)?,
        Op::JumpLtK => compare(t, CmpOp::Lt, true)?,
        Op::JumpLeK => compare(t, CmpOp::Le, true)?,
        Op::JumpEqK => compare(t, CmpOp::Eq, true)?,
        Op::JumpNeK => compare(t, CmpOp::Ne, true)?,
        Op::JumpGtK => compare(t, CmpOp::Gt, true)?,
        Op::JumpGeK => compare(t, CmpOp::Ge, true)?,
        _ => return Ok(false),
    };
    went(t, place, site, i, jumps)
}

/// A generator has ended, with this value.
fn stopped(t: &mut Thread, place: Place<'_>, site: &Site, v: Value) -> Res<()> {
    if site.stop.load(Relaxed) == 0 {
        return Ok(());
    }
    let exc = stop_iteration(t, v)?;
    fire(t, place, &site.stop, event::STOP_ITERATION, &[exc.value()])
}

/// StopIteration with this value.
fn stop_iteration(t: &mut Thread, v: Value) -> Res<Obj> {
    let args: &[Value] = if v.is_none() { &[] } else { &[v] };
    proto::call(t, errors::STOP_ITERATION.value(), args)
}

fn for_iter(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> Res<bool> {
    let f = place.f;
    let it = reg(f, i.a());
    if it == Value::RANGE_MARK {
        let (at, stop) = (reg(f, i.a() + 1), reg(f, i.a() + 2));
        let over = at.as_int() >= stop.as_int();
        if over {
            take_reg(f, i.a());
        } else {
            // SAFETY: the second of the iteration's three registers.
            unsafe { *reg_ptr(f, i.a() + 1) = Value::int(at.as_int() + 1) };
            set_reg(t, f, i.b(), at);
        }
        return went(t, place, site, i, over);
    }
    if Generator::exact(it).is_none() {
        let over = iteration::for_iter(t, f, i)?;
        return went(t, place, site, i, over);
    }
    match generator::resume(t, it, Resume::Send(Value::NONE))? {
        Outcome::Yielded(v) => {
            set_reg(t, f, i.b(), v);
            went(t, place, site, i, false)
        }
        Outcome::Returned(v) => {
            let v = Obj::own(v);
            stopped(t, place, site, v.value())?;
            let it = take_reg(f, i.a());
            drop_reg(t, it);
            went(t, place, site, i, true)
        }
    }
}

fn send(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> Res<bool> {
    let f = place.f;
    let receiver = reg(f, i.b());
    if Generator::of(receiver).is_none() || type_of(receiver).is(&generator::ASYNC_GENERATOR) {
        return match flow::send(t, f, i)? {
            Sent::Finished => {
                // What others than generators end with is an exception, which ends here.
                if monitor::tools(event::RAISE) != 0 {
                    let exc = stop_iteration(t, reg(f, i.a()))?;
                    let tools = AtomicU8::new(monitor::tools(event::RAISE));
                    fire(t, place, &tools, event::RAISE, &[exc.value()])?;
                }
                // SAFETY: the jump stays within the code (the verifier).
                unsafe { (*f).pc = (*f).pc.offset(i.off16()) };
                Ok(true)
            }
            Sent::Yielded => Ok(true),
            // Only generators are entered.
            Sent::Frame => Ok(true),
        };
    }
    let v = take_reg(f, i.a());
    match generator::resume(t, receiver, Resume::Send(v))? {
        Outcome::Yielded(v) => set_reg(t, f, i.a(), v),
        Outcome::Returned(v) => {
            let receiver = take_reg(f, i.b());
            drop_reg(t, receiver);
            set_reg(t, f, i.a(), v);
            stopped(t, place, site, reg(f, i.a()))?;
            // SAFETY: the jump stays within the code (the verifier).
            unsafe { (*f).pc = (*f).pc.offset(i.off16()) };
        }
    }
    Ok(true)
}

fn end_async_for(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> *mut Frame {
    match flow::end_async_for(t, place.f, i) {
        Ok(true) => match go(t, place, &site.right, event::BRANCH_RIGHT, place.at + 1) {
            Ok(()) => place.f,
            Err(_) => raise(t, place.f),
        },
        Ok(false) => reraise(t, place.f),
        Err(_) => raise(t, place.f),
    }
}

// --- calls ---

/// Does a call, and reports it and the end of what is no Python function.
fn call(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> *mut Frame {
    match call_or_enter(t, place, site, i) {
        Ok(Enter::Done) => {
            if t.interrupted() && t.has_pending() {
                weft_objects::runtime::run_pending(t);
            }
            place.f
        }
        Ok(Enter::Frame) => place.f.wrapping_add(1),
        Err(_) => raise(t, place.f),
    }
}

fn call_or_enter(t: &mut Thread, place: Place<'_>, site: &Site, i: Instr) -> Res<Enter> {
    let f = place.f;
    let b = i.b();
    if i.arg() != 0 {
        let v = take_reg(f, b + 1);
        drop_reg(t, v);
    }
    let i = Instr(i.0 & !0xf000);
    let (mut callee, mut first) = (reg(f, b), reg(f, b + 1));
    if callee.is_null() {
        return crate::interp::globals::unbound_local(t, f, b);
    }
    let spread = i.op() == Op::CallEx as u8;
    if first.is_null() {
        if !spread
            && let Some(m) = Method::of(callee)
            && type_of(callee).is(&METHOD)
        {
            (callee, first) = (m.func.get(), m.self_.get());
        } else if spread {
            first = Tuple::exact(reg(f, b + 2))
                .and_then(|x| x.values().first().copied())
                .unwrap_or(Value::NULL);
        } else if i.c() > 0 {
            first = reg(f, b + 2);
        }
    }
    if first.is_null() {
        first = monitor::MISSING.get().unwrap_or(Value::NONE);
    }
    let (callee, first) = (Obj::new(t, callee), Obj::new(t, first));
    let args = [callee.value(), first.value()];
    fire(t, place, &site.main, event::CALL, &args)?;
    if Function::of(callee.value()).is_some() {
        return enter(t, f, i);
    }
    let r = match i.op() {
        op if op == Op::CallEx as u8 => enter(t, f, i).map(|_| ()),
        _ => native(t, f, i),
    };
    let event = if r.is_ok() {
        event::C_RETURN
    } else {
        event::C_RAISE
    };
    if r.is_ok() {
        fire(t, place, &site.main, event, &args)?;
    } else {
        fire_raising(t, place, &site.main, event, &args)?;
    }
    r?;
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    Ok(Enter::Done)
}

/// The call as it is done without events.
fn enter(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<Enter> {
    if i.op() == Op::Call as u8 || i.op() == Op::CallMethod as u8 {
        return calls::call(t, f, i);
    }
    if i.op() == Op::CallEx as u8 {
        return calls::call_ex(t, f, i);
    }
    // SAFETY: an Ext word follows; an error is the call's.
    let ext = unsafe {
        let ext = Instr((*(*f).pc).load(Relaxed));
        (*f).pc = (*f).pc.add(1);
        ext
    };
    calls::call_kw(t, f, i, ext)
}

/// Calls what is no Python function, to the end.
fn native(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let names = if i.op() == Op::CallKw as u8 {
        // SAFETY: an Ext word follows.
        unsafe {
            let ext = Instr((*(*f).pc).load(Relaxed));
            (*f).pc = (*f).pc.add(1);
            constant(f, ext.a())
        }
    } else {
        Value::NULL
    };
    let p = reg_ptr(f, i.b());
    let argc = i.c();
    // SAFETY: the registers of a call lie in a row.
    let (callee, args) = unsafe {
        let (start, n) = if (*p.add(1)).is_null() {
            (2, argc)
        } else {
            (1, argc + 1)
        };
        (*p, std::slice::from_raw_parts(p.add(start), n))
    };
    let v = proto::call_value(t, callee, Args::new(args, names))?;
    calls::clear_call(t, p, argc);
    set_result(t, f, i.a(), v);
    Ok(())
}

// --- exceptions ---

/// Reports an event while an exception is pending, which stays so unless a callback raises another one.
fn fire_raising(
    t: &mut Thread,
    place: Place<'_>,
    tools: &AtomicU8,
    event: usize,
    args: &[Value],
) -> Res<()> {
    let exc = t.exc.replace(Value::NULL);
    match fire(t, place, tools, event, args) {
        Ok(()) => {
            let none = t.exc.replace(exc);
            dec(t, none);
            Ok(())
        }
        Err(e) => {
            dec(t, exc);
            Err(e)
        }
    }
}

/// Reports an event that comes with the pending exception.
#[cold]
#[inline(never)]
pub fn exception(t: &mut Thread, f: *mut Frame, event: usize) {
    if monitor::tools(event) == 0 || t.vm().tracing.get() != 0 {
        return;
    }
    // SAFETY: the innermost frame, whose code lives while it runs.
    let (code, at) = unsafe { (&*(*f).code, (*f).instr()) };
    let tools = AtomicU8::new(monitor::tools(event));
    let exc = Obj::new(t, t.exc.get());
    let place = Place { f, code, at };
    let fire = |t: &mut Thread| {
        // What a callback raises takes the place of the exception.
        let _ = fire_raising(t, place, &tools, event, &[exc.value()]);
    };
    // What has no line passes on an exception that was raised elsewhere in the frame.
    if code.position(at).line == 0
        && let Some((line, offset)) = raised_at(t, f, code, exc.value())
    {
        return say(t, f, line, offset, fire);
    }
    fire(t);
}

/// Where frame `f`, which the exception leaves, is said to be: line and offset.
fn raised_at(t: &Thread, f: *mut Frame, code: &Code, exc: Value) -> Option<(u32, i64)> {
    let line = noted_line(t, f);
    if line != 0 {
        let marks = code.marks().map(|(i, line)| (line, Code::offset(i) - 1));
        let all = (0..code.body().instrs.len()).map(|i| (code.position(i).line, Code::offset(i)));
        return marks.chain(all).find(|x| x.0 == line);
    }
    let tb = Traceback::of(Exception::of(exc)?.traceback.get())?;
    // SAFETY: the innermost frame.
    if !tb.frame.get().same(unsafe { (*f).object }) {
        return None;
    }
    let line = tb.line(t)? as u32;
    Some((line, i64::from(tb.lasti.load(Relaxed))))
}

/// As [`exception`] for an exception that is handled in register `depth`. False: a callback has raised another one.
#[cold]
#[inline(never)]
pub fn handled(t: &mut Thread, f: *mut Frame, exc: Value) -> bool {
    let event = event::EXCEPTION_HANDLED;
    if monitor::tools(event) == 0 || t.vm().tracing.get() != 0 {
        return true;
    }
    // SAFETY: the innermost frame, whose code lives while it runs.
    let (code, at) = unsafe { (&*(*f).code, (*f).instr() + 1) };
    let tools = AtomicU8::new(monitor::tools(event));
    fire(t, Place { f, code, at }, &tools, event, &[exc]).is_ok()
}

/// An exception is about to be thrown into the innermost frame, a generator's.
#[cold]
#[inline(never)]
pub fn thrown(t: &mut Thread) {
    if let Some(f) = t.vm().top_frame() {
        forget_line(t, f);
        exception(t, f, event::PY_THROW);
    }
}
