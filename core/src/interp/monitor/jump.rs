//! Assignment to `f_lineno`: going on in another line.

use super::fire::forget_line;
use crate::compile::verify::{self, Kind, Live};
use crate::compile_api;
use crate::interp::frames::{reg, set_reg, take_reg};
use crate::interp::run::drop_reg;
use weft_objects::code::{Code, LOCAL_FAST, LOCAL_HIDDEN};
use weft_objects::frame::{Frame, FrameObject};
use weft_objects::monitor::event;
use weft_objects::prelude::*;

/// Lets the frame of the frame object `frame` go on at line `line`.
///
/// # Errors
/// ValueError where that cannot be.
pub fn set_lineno(t: &mut Thread, frame: Value, line: Value) -> Res<()> {
    if !weft_objects::int::is_int(line) {
        return Err(t.value_error("lineno must be an integer"));
    }
    let Some(fo) = FrameObject::of(frame) else {
        return Ok(());
    };
    check_event(t)?;
    let Some(f) = fo.running(t) else {
        return Err(t.value_error("f_lineno can only be set in a trace function"));
    };
    // SAFETY: a running frame of this thread, whose code lives while it runs.
    let (code, at) = unsafe { (&*(*f).code, (*f).instr()) };
    let line = weft_objects::int::as_i64(line).unwrap_or(i64::MAX);
    if line < i64::from(code.body().first_line) {
        return Err(t.value_error(format!("line {line} comes before the current code block")));
    }
    let Some(line) = line_from(code, line) else {
        return Err(t.value_error(format!("line {line} comes after the current code block")));
    };
    let states = states(t, code)?;
    let here = states.get(at).cloned().flatten().unwrap_or_default();
    let to = choose(t, code, line, &here, &states)?;
    bind_unbound(t, f, code)?;
    let there = states.get(to).cloned().flatten().unwrap_or_default();
    for (r, kind) in here.iter().rev().filter(|(r, _)| !there.contains_key(r)) {
        leave(t, f, *r, *kind);
    }
    forget_line(t, f);
    // SAFETY: within the code; nothing else sets the pc of a frame that reports something.
    unsafe { (*f).pc = code.first.add(to) };
    Ok(())
}

/// Whether one may jump from the event that is being reported.
fn check_event(t: &mut Thread) -> Res<()> {
    let event = t.vm().event.get();
    let msg = match usize::try_from(event) {
        Err(_) => "f_lineno can only be set in a trace function",
        Ok(
            event::PY_RESUME
            | event::JUMP
            | event::BRANCH_LEFT
            | event::BRANCH_RIGHT
            | event::LINE
            | event::PY_YIELD,
        ) => return Ok(()),
        Ok(event::PY_START) => "can't jump from the 'call' trace event of a new frame",
        Ok(event::CALL | event::C_RETURN) => "can't jump during a call",
        Ok(_) => "can only jump from a 'line' trace event",
    };
    Err(t.value_error(msg))
}

/// The first line from `line` on in which an instruction begins.
fn line_from(code: &Code, line: i64) -> Option<u32> {
    let own = (0..code.body().instrs.len()).map(|i| code.position(i).line);
    let marks = code.marks().map(|m| m.1);
    own.chain(marks)
        .filter(|n| *n != 0 && i64::from(*n) >= line)
        .min()
}

/// Which temporaries are alive before each instruction.
fn states(t: &mut Thread, code: &Code) -> Res<Vec<Option<Live>>> {
    let proto = compile_api::proto_from_code(t, code)?;
    verify::live(&proto).map_err(|msg| t.value_error(msg))
}

/// The instruction of the line to go on with: where the least has to be given up.
fn choose(
    t: &mut Thread,
    code: &Code,
    line: u32,
    here: &Live,
    states: &[Option<Live>],
) -> Res<usize> {
    let entry = super::entry(code);
    let begins = |i: usize| {
        let before = (i > entry).then(|| code.position(i - 1).line);
        code.position(i).line == line && before != Some(line)
    };
    let marked = code.marks().filter(|m| m.1 == line).map(|m| m.0);
    let own = (entry..states.len()).filter(|i| begins(*i));
    let mut best: Option<(usize, isize)> = None;
    let mut refused = "cannot find bytecode for specified line";
    for i in marked.chain(own) {
        match states[i].as_ref() {
            None => refused = "can't jump into an exception handler, or code may be unreachable",
            Some(there) => match misfit(here, there) {
                Some(msg) => refused = msg,
                None => {
                    // What stays as it is, less what only looks alike.
                    let kept = |(r, kind): (&usize, &Kind)| here.get(r) == Some(kind);
                    let kept = there.iter().filter(|x| kept(*x)).count() as isize;
                    let score = 2 * kept - there.len() as isize;
                    if best.is_none_or(|b| b.1 < score) {
                        best = Some((i, score));
                    }
                }
            },
        }
    }
    match best {
        Some((to, _)) => Ok(to),
        None => Err(t.value_error(refused)),
    }
}

/// Why one may not go from one set of temporaries to the other.
fn misfit(here: &Live, there: &Live) -> Option<&'static str> {
    let fits = |(r, kind): (&usize, &Kind)| match (here.get(r), kind) {
        (Some(Kind::Exception(_)), Kind::Exception(_)) => true,
        (Some(Kind::Saved(_)), Kind::Saved(_)) => true,
        (known, kind) => known == Some(kind),
    };
    if there.iter().all(fits) {
        return None;
    }
    Some(match there.values().next_back() {
        Some(Kind::Iterator) => "can't jump into the body of a for loop",
        Some(Kind::Exception(_) | Kind::Saved(_)) => {
            "can't jump into an 'except' block as there's no exception"
        }
        _ => "incompatible stacks",
    })
}

/// Names that are not bound yet are None: the code at the new place may rely on them.
fn bind_unbound(t: &mut Thread, f: *mut Frame, code: &Code) -> Res<()> {
    let locals = code.body().locals.iter().enumerate();
    let unbound: Vec<usize> = locals
        .filter(|(r, (_, kind))| matches!(*kind, LOCAL_FAST | LOCAL_HIDDEN) && reg(f, *r).is_null())
        .map(|(r, _)| r)
        .collect();
    if unbound.is_empty() {
        return Ok(());
    }
    let s = if unbound.len() == 1 { "" } else { "s" };
    let text = format!("assigning None to {} unbound local{s}", unbound.len());
    weft_stdlib::_warnings::warn_text(t, &errors::RUNTIME_WARNING, &text, 0)?;
    for r in unbound {
        set_reg(t, f, r, Value::NONE);
    }
    Ok(())
}

/// Gives up a temporary.
fn leave(t: &mut Thread, f: *mut Frame, r: usize, kind: Kind) {
    let v = take_reg(f, r);
    if let Kind::Saved(_) = kind {
        let v = if v.is_none() { Value::NULL } else { to_heap(v) };
        let old = t.vm().swap_handled(v);
        drop_reg(t, old);
    } else {
        drop_reg(t, v);
    }
}
