//! `sys.settrace` and `sys.setprofile`: two tools of the runtime's own, whose function each thread has for itself.

use super::fire::quietly;
use super::{change, local_events, set_local_events};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use weft_objects::code::Code;
use weft_objects::errors::Exception;
use weft_objects::frame::{Frame, FrameObject, object_of};
use weft_objects::monitor::{PROFILE_TOOL, TRACE_TOOL, event};
use weft_objects::native::{BUILTIN_FUNCTION, BuiltinFunction, METHOD_DESCRIPTOR, MethodDescr};
use weft_objects::prelude::*;

const TRACE_EVENTS: u32 = 1 << event::PY_START
    | 1 << event::PY_RESUME
    | 1 << event::PY_RETURN
    | 1 << event::PY_YIELD
    | 1 << event::RAISE
    | 1 << event::LINE
    | 1 << event::JUMP
    | 1 << event::PY_UNWIND
    | 1 << event::PY_THROW
    | 1 << event::STOP_ITERATION;

const PROFILE_EVENTS: u32 = 1 << event::PY_START
    | 1 << event::PY_RESUME
    | 1 << event::PY_RETURN
    | 1 << event::PY_YIELD
    | 1 << event::CALL
    | 1 << event::PY_UNWIND
    | 1 << event::PY_THROW;

/// One of the two functions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Trace,
    Profile,
}

/// In how many threads each function is set.
static SET: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

impl Which {
    fn cell(self, t: &Thread) -> &Cell<Value> {
        match self {
            Which::Trace => &t.vm().trace,
            Which::Profile => &t.vm().profile,
        }
    }
    fn tool(self) -> (usize, u32) {
        match self {
            Which::Trace => (TRACE_TOOL, TRACE_EVENTS),
            Which::Profile => (PROFILE_TOOL, PROFILE_EVENTS),
        }
    }
}

/// Sets the function of this thread; `None` takes it away.
pub fn set(t: &Thread, which: Which, func: Value) {
    let new = shared(t, func);
    let old = which.cell(t).replace(new);
    count(
        t,
        which,
        usize::from(!new.is_null()),
        usize::from(!old.is_null()),
    );
    dec(t, old);
}

/// Sets the function of all threads.
pub fn set_all(t: &Thread, which: Which, func: Value) {
    let (mut come, mut gone) = (0, 0);
    let mut dropped = Vec::new();
    weft_gc::world().stop(t.peer(), |stopped| {
        for peer in stopped.peers() {
            let other = peer.payload().thread();
            if other.ext().is_null() {
                continue;
            }
            let new = shared(t, func);
            let old = which.cell(other).replace(new);
            come += usize::from(!new.is_null());
            gone += usize::from(!old.is_null());
            // Functions of threads are shared as soon as there are two, so this one may drop it.
            if !old.is_null() {
                dropped.push(Obj::from_raw(old));
            }
        }
    });
    count(t, which, come, gone);
}

/// The function as a word that any thread may have: owned, or NULL.
fn shared(t: &Thread, func: Value) -> Value {
    if func.is_none() {
        return Value::NULL;
    }
    let o = Obj::new(t, func);
    weft_gc::share(t, o.value());
    o.into_value()
}

/// So many threads more, and so many fewer, have the function.
fn count(t: &Thread, which: Which, come: usize, gone: usize) {
    let n = &SET[which as usize];
    let before = n.fetch_add(come, AcqRel) + come;
    n.fetch_sub(gone.min(before), AcqRel);
    let (tool, events) = which.tool();
    let wanted = || match n.load(Acquire) {
        0 => 0,
        _ => events,
    };
    if weft_objects::monitor::state().events[tool] != wanted() {
        // Asked once more while all stand still: a thread that has come since has found the events on, and relies on them.
        change(t, |state| state.events[tool] = wanted());
    }
}

/// Reports an event of frame `f` to the function of this thread.
pub fn event(
    t: &mut Thread,
    f: *mut Frame,
    at: usize,
    tool: usize,
    event: usize,
    args: &[Value],
) -> Res<()> {
    let arg = args.first().copied().unwrap_or(Value::NONE);
    if tool == PROFILE_TOOL {
        return profile(t, f, event, args);
    }
    match event {
        event::PY_START | event::PY_RESUME | event::PY_THROW => trace(t, f, "call", Value::NONE),
        event::PY_RETURN | event::PY_YIELD => trace(t, f, "return", arg),
        event::PY_UNWIND => trace(t, f, "return", Value::NONE),
        event::LINE => line(t, f),
        event::JUMP => same_line(t, f, at),
        event::RAISE | event::STOP_ITERATION => {
            let tb = Exception::of(arg).map_or(Value::NULL, |e| e.traceback.get());
            let tb = if tb.is_null() { Value::NONE } else { tb };
            let triple = Tuple::from_slice(t, &[type_of(arg).value(), arg, tb]);
            trace(t, f, "exception", triple.value())
        }
        event::INSTRUCTION => opcode(t, f),
        _ => Ok(()),
    }
}

fn line(t: &mut Thread, f: *mut Frame) -> Res<()> {
    // SAFETY: the innermost frame.
    let wanted = unsafe { (*f).object };
    match FrameObject::of(wanted) {
        Some(fo) if !fo.no_lines.load(Relaxed) => trace(t, f, "line", Value::NONE),
        _ => Ok(()),
    }
}

/// A jump back within a line is another line.
fn same_line(t: &mut Thread, f: *mut Frame, at: usize) -> Res<()> {
    // SAFETY: the innermost frame, which is at the jump's target now.
    let (code, to) = unsafe { (&*(*f).code, (*f).instr()) };
    if to > at {
        return Ok(());
    }
    let from = match code.position(at).line {
        0 => super::fire::noted_line(t, f),
        line => line,
    };
    let marked = code.marks().any(|m| m.0 == to);
    if code.line(to) == from && !marked {
        return line(t, f);
    }
    Ok(())
}

fn opcode(t: &mut Thread, f: *mut Frame) -> Res<()> {
    // SAFETY: the innermost frame, whose code lives while it runs.
    let (code, o) = unsafe { (&*(*f).code, (*f).object) };
    match FrameObject::of(o) {
        Some(fo) if fo.trace_opcodes.load(Relaxed) && !t.vm().trace.get().is_null() => {
            trace(t, f, "opcode", Value::NONE)
        }
        _ => {
            opcodes(t, code, false);
            Ok(())
        }
    }
}

/// Has each instruction of the code reported to the trace functions, or not.
pub fn opcodes(t: &Thread, code: &Code, on: bool) {
    let old = local_events(code, TRACE_TOOL);
    let bit = 1 << event::INSTRUCTION;
    let new = if on { old | bit } else { old & !bit };
    set_local_events(t, code, TRACE_TOOL, new);
}

/// Calls the trace function: the thread's for a new frame, then the one that this gave.
fn trace(t: &mut Thread, f: *mut Frame, what: &str, arg: Value) -> Res<()> {
    let tracer = t.vm().trace.get();
    if tracer.is_null() {
        return Ok(());
    }
    let o = object_of(t, f);
    let Some(fo) = FrameObject::of(o.value()) else {
        return Ok(());
    };
    if fo.trace_opcodes.load(Relaxed)
        && let Some(code) = fo.code()
    {
        opcodes(t, code, true);
    }
    let func = if what == "call" {
        tracer
    } else {
        fo.trace.get()
    };
    if func.is_null() {
        return Ok(());
    }
    let func = Obj::new(t, func);
    match call(t, &func, &o, what, arg) {
        Ok(r) => {
            if !r.value().is_none() {
                fo.trace.set(t, &fo.header, r.into_value());
            }
            Ok(())
        }
        Err(e) => {
            keep_exception(t, |t| {
                set(t, Which::Trace, Value::NONE);
                fo.trace.set(t, &fo.header, Value::NULL);
            });
            Err(e)
        }
    }
}

/// Runs `f` with the pending exception kept aside.
fn keep_exception(t: &mut Thread, f: impl FnOnce(&mut Thread)) {
    let exc = t.exc.replace(Value::NULL);
    f(t);
    let none = t.exc.replace(exc);
    dec(t, none);
}

fn call(t: &mut Thread, func: &Obj, frame: &Obj, what: &str, arg: Value) -> Res<Obj> {
    let what = Obj::new(t, weft_objects::names::get(t, what).header.value());
    let arg = Obj::new(t, arg);
    let args = [frame.value(), what.value(), arg.value()];
    quietly(t, |t| proto::call(t, func.value(), &args))
}

fn profile(t: &mut Thread, f: *mut Frame, event: usize, args: &[Value]) -> Res<()> {
    let func = t.vm().profile.get();
    if func.is_null() {
        return Ok(());
    }
    let arg = args.first().copied().unwrap_or(Value::NONE);
    let (what, arg) = match event {
        event::PY_START | event::PY_RESUME | event::PY_THROW => ("call", Obj::new(t, Value::NONE)),
        event::PY_RETURN | event::PY_YIELD => ("return", Obj::new(t, arg)),
        event::PY_UNWIND => ("return", Obj::new(t, Value::NONE)),
        event::CALL | event::C_RETURN | event::C_RAISE => {
            let Some(callee) = builtin(t, args) else {
                return Ok(());
            };
            let what = match event {
                event::CALL => "c_call",
                event::C_RETURN => "c_return",
                _ => "c_exception",
            };
            (what, callee)
        }
        _ => return Ok(()),
    };
    let (func, o) = (Obj::new(t, func), object_of(t, f));
    match call(t, &func, &o, what, arg.value()) {
        Ok(_) => Ok(()),
        Err(e) => {
            keep_exception(t, |t| set(t, Which::Profile, Value::NONE));
            Err(e)
        }
    }
}

/// The native function that is called, with its self if it has one; nothing for what is no native function.
fn builtin(t: &mut Thread, args: &[Value]) -> Option<Obj> {
    let [callee, first, ..] = args else {
        return None;
    };
    if type_of(*callee).is(&BUILTIN_FUNCTION) {
        return Some(Obj::new(t, *callee));
    }
    if !type_of(*callee).is(&METHOD_DESCRIPTOR)
        || weft_objects::monitor::MISSING
            .get()
            .is_some_and(|v| v.same(*first))
    {
        return None;
    }
    // SAFETY: of that type.
    let m = unsafe { &*(callee.ptr() as *const MethodDescr) };
    Some(BuiltinFunction::bind(t, m.native, *first, Value::NULL))
}
