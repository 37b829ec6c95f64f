//! Exceptions on their way: raising, finding a handler, leaving frames.

use super::frames::{own_operand, pop, reg, set_reg, take_operand, take_reg};
use super::globals::unbound_local;
use super::monitor::fire;
use super::run::{drop_reg, finalize};
use crate::compile::bytecode::{Instr, Op, RESTORE, XA, XB, XC};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use weft_objects::code::{Code, CodeBody};
use weft_objects::errors::Exception;
use weft_objects::frame::Frame;
use weft_objects::generator::{FINISHED, Generator};
use weft_objects::monitor::{event, watches_exceptions};
use weft_objects::prelude::*;
use weft_objects::traceback::Traceback;

/// How an exception came up in the innermost frame.
pub enum How {
    /// Raised there: the frame goes into the traceback.
    Raise,
    /// Raised again: it is in the traceback already.
    Reraise,
}

/// Finds the handler of the pending exception, leaving frames without one. Gives the frame to go on in, or `None` when the frame that
/// the loop was entered with has been left.
#[cold]
#[inline(never)]
pub fn unwind(t: &mut Thread, f: *mut Frame, how: How) -> Option<*mut Frame> {
    let mut f = f;
    let mut note = matches!(how, How::Raise);
    loop {
        // SAFETY: `f` is the innermost frame.
        let base = unsafe { (*f).base };
        // SAFETY: `f` is the innermost frame.
        unsafe {
            let at = (*f).instr();
            let code = (*f).code();
            let body = code.body();
            let handler = body
                .handlers
                .iter()
                .find(|h| (h.start as usize) <= at && at < h.end as usize);
            if note && !handler.is_some_and(|h| ends_loop(t, body, h.target)) {
                let o = weft_objects::frame::object_of(t, f);
                let offset = Code::offset(at) as i32;
                weft_objects::traceback::push(t, o, offset);
            }
            if watches_exceptions() {
                fire::exception(t, f, if note { event::RAISE } else { event::RERAISE });
            }
            note = true;
            if let Some(h) = handler {
                let depth = h.depth as usize;
                let mut p = base.add(depth);
                let end = base.add(code.nregs as usize);
                while p < end {
                    let v = *p;
                    // What is no pointer may stay: the register is dead.
                    if v.is_ptr() {
                        *p = Value::NULL;
                        drop_reg(t, v);
                    }
                    p = p.add(1);
                }
                finalize(t);
                ENTERED.set((f as usize, h.target as usize, place(t, f, at)));
                let exc = t.exc.replace(Value::NULL);
                set_reg(t, f, depth, exc);
                (*f).pc = body.instrs.as_ptr().add(h.target as usize);
                if watches_exceptions() && !fire::handled(t, f, reg(f, depth)) {
                    continue;
                }
                return Some(f);
            }
            if watches_exceptions() {
                fire::exception(t, f, event::PY_UNWIND);
            }
            let end = place(t, f, at);
            if end != at {
                (*f).pc = body.instrs.as_ptr().add(end + 1);
            }
            let flags = (*f).flags;
            if flags & Frame::GENERATOR != 0 {
                if flags & Frame::CHAINED != 0 {
                    weft_objects::frame::reveal_one(f);
                }
                let g = (*f).generator;
                let handled = t.vm().swap_handled((*f).handled);
                drop_reg(t, handled);
                pop(t, f);
                if let Some(g) = Generator::of(g) {
                    g.end(FINISHED);
                }
                if flags & Frame::STEP != 0 {
                    super::flow::step_ended(t, f.wrapping_sub(1), g, false);
                }
            } else {
                pop(t, f);
            }
            if flags & Frame::ENTRY != 0 {
                return None;
            }
        }
        f = f.wrapping_sub(1);
        // SAFETY: the innermost frame now.
        if unsafe { (*f).flags } & Frame::DELEGATING != 0 {
            super::flow::stop_delegating(t, f, base);
        }
    }
}

/// Whether the pending exception is but the end of an `async for`, whose handler drops it, so that nobody will see its traceback. (That
/// would take a frame object, which a generator's frame then keeps.)
fn ends_loop(t: &Thread, body: &CodeBody, target: u32) -> bool {
    let exc = t.exc.get();
    let instr = Instr(body.instrs[target as usize].load(Relaxed));
    instr.op() == Op::EndAsyncFor as u8
        && type_of(exc).is(&errors::STOP_ASYNC_ITERATION)
        // SAFETY: pending, hence alive.
        && unsafe { exc.header() }.is_local(t)
        // SAFETY: as above.
        && unsafe { exc.header() }.count.load(Relaxed) == 1
}

thread_local! {
    /// The handler that was entered last: its frame, its first instruction, and the one that led there.
    static ENTERED: Cell<(usize, usize, usize)> = const { Cell::new((0, 0, 0)) };
}

/// Where an exception comes from that instruction `at` has let out: for a [`RESTORE`] one what led to the handler of which it is the
/// end, if that has run no handler since; else where the traceback says. For others that instruction.
fn place(t: &Thread, f: *mut Frame, at: usize) -> usize {
    // What tidies up consists of a few instructions.
    const TIDYING: usize = 8;
    // SAFETY: the innermost frame.
    let code = unsafe { (*f).code() };
    let word = Instr(weft_objects::monitor::plain_word(code, at));
    if word.op() != Op::Reraise as u8 || word.x() & RESTORE == 0 {
        return at;
    }
    let (frame, target, from) = ENTERED.get();
    if frame == f as usize && (target..target + TIDYING).contains(&at) {
        return from;
    }
    let traceback = Exception::of(t.exc.get()).map(|e| e.traceback.get());
    let Some(tb) = traceback.and_then(Traceback::of) else {
        return at;
    };
    let lasti = i64::from(tb.lasti.load(std::sync::atomic::Ordering::Relaxed));
    let mut all = 0..code.body().instrs.len();
    all.find(|i| Code::offset(*i) == lasti).unwrap_or(at)
}

/// The `raise` statement. Always leaves an exception pending.
pub fn raise(t: &mut Thread, f: *mut Frame, i: Instr) -> How {
    let result: Raised = match i.arg() {
        0 => match weft_objects::runtime::handled_exception(t).map(|e| e.to_obj(t)) {
            Some(e) => {
                let old = t.exc.replace(e.into_value());
                dec(t, old);
                return How::Reraise;
            }
            None => t.runtime_error("No active exception to reraise"),
        },
        n => {
            let exc = reg(f, i.b());
            let cause = if n == 2 { Some(reg(f, i.c())) } else { None };
            if exc.is_null() {
                let _ = unbound_local::<()>(t, f, i.b());
                return How::Raise;
            }
            if n == 2 && reg(f, i.c()).is_null() {
                let _ = unbound_local::<()>(t, f, i.c());
                return How::Raise;
            }
            if n == 1 && errors::is_exception(exc) {
                let e = Obj::own(own_operand(t, f, i, XB, i.b()));
                let _: Raised = t.raise_value(e);
                return How::Raise;
            }
            errors::raise_class_or_instance(t, exc, cause)
        }
    };
    let _: Raised = result;
    for (flag, n) in [(XB, i.b()), (XC, i.c())] {
        let v = take_operand(f, i, flag, n);
        drop_reg(t, v);
    }
    How::Raise
}

/// Raises the exception in r[a] again.
pub fn reraise(t: &mut Thread, f: *mut Frame, i: Instr) {
    let e = Obj::own(own_operand(t, f, i, XA, i.a()));
    let old = t.exc.replace(e.into_value());
    dec(t, old);
}

/// Entry of a handler.
pub fn push_exc(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let exc = reg(f, i.b());
    inc(t, exc);
    let old = t.vm().swap_handled(exc.bare());
    set_reg(t, f, i.a(), if old.is_null() { Value::NONE } else { old });
    Ok(())
}

/// Exit of a handler.
pub fn pop_exc(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = take_reg(f, i.a());
    let v = if v.is_none() { Value::NULL } else { to_heap(v) };
    let old = t.vm().swap_handled(v);
    drop_reg(t, old);
    Ok(())
}

pub fn matches(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let class = reg(f, i.c());
    if class.is_null() {
        return unbound_local(t, f, i.c());
    }
    let hit = errors::exc_matches_value(t, reg(f, i.b()), class)?;
    let class = take_operand(f, i, XC, i.c());
    set_reg(t, f, i.a(), Value::bool(hit));
    drop_reg(t, class);
    Ok(())
}
