//! The interpreter loop.

use super::handlers::{HANDLERS, raise};
use std::sync::atomic::Ordering::*;
use weft_objects::frame::Frame;
use weft_objects::prelude::*;

/// Drops a register word. What has to be finalized for it waits for the end of the instruction ([`finalize`]): so whoever drops
/// something may hold words that nobody else counts, as nothing runs here that could see them freed.
#[inline(always)]
pub fn drop_reg(t: &mut Thread, v: Value) {
    if v.is_counted() {
        drop_counted(t, v);
    }
}

#[inline(always)]
fn drop_counted(t: &mut Thread, v: Value) {
    // SAFETY: the register owned one count.
    let h = unsafe { v.header() };
    if h.owner.load(Relaxed) == t.tag() {
        let n = h.count.load(Relaxed) - 1;
        h.count.store(n, Relaxed);
        if n == 0 {
            weft_gc::local_zero(t, v.ptr());
        }
    } else {
        drop_shared(t, v);
    }
}

/// Whether what waits to be finalized may be now. Not if there is a signal: what its handler raises inside a finalizer nobody could
/// catch, so the next poll, which is not far, serves the signal first and then these.
#[inline]
fn may_finalize(t: &Thread) -> bool {
    // SAFETY: the breaker lies in the peer, which this thread holds.
    let asked = unsafe { (*t.breaker()).load(Relaxed) };
    t.has_pending() && asked & weft_gc::breaker_bits::SIGNAL == 0
}

/// At the end of an instruction, with all words in their places and the pc saved: runs what is ready to be finalized.
#[inline(always)]
pub fn finalize(t: &mut Thread) {
    if t.interrupted() {
        finalize_now(t);
    }
}

#[cold]
#[inline(never)]
fn finalize_now(t: &mut Thread) {
    if may_finalize(t) {
        weft_objects::runtime::run_pending(t);
    }
}

/// At the end of an instruction: a local object has no reference left. Destroys it, and runs what that has made ready.
#[inline(never)]
pub fn dead(t: &mut Thread, v: Value) {
    weft_gc::local_zero(t, v.ptr());
    finalize(t);
}

#[cold]
#[inline(never)]
fn drop_shared(t: &mut Thread, v: Value) {
    dec(t, v);
}

/// A second register word for the same reference.
#[inline(always)]
pub fn copy_reg(t: &Thread, v: Value) -> Value {
    if v.is_counted() { to_reg(t, v) } else { v }
}

/// Runs the innermost frame, which is flagged `ENTRY`, until it is left.
///
/// # Errors
/// The exception that left the frame.
pub fn run(t: &mut Thread) -> Res {
    let f = t.vm().frame_top().wrapping_sub(1);
    run_frames(t, f)
}

/// As [`run`], beginning with the pending exception in the frame.
///
/// # Errors
/// As `run`.
pub fn run_raising(t: &mut Thread) -> Res {
    let f = t.vm().frame_top().wrapping_sub(1);
    let f = raise(t, f);
    run_frames(t, f)
}

/// How far handlers may grow the machine stack before a jump back or a return goes by way of the loop.
const SLACK: usize = 4096;

/// The machine's stack pointer, or 0 where it is not known.
#[inline(always)]
fn stack_pointer() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let sp: usize;
        // SAFETY: reads one register.
        unsafe {
            std::arch::asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags));
        }
        sp
    }
    #[cfg(not(target_arch = "x86_64"))]
    0
}

/// Whether the machine stack is about where the loop's is.
#[inline(always)]
pub fn stack_is_flat(t: &Thread) -> bool {
    stack_pointer() > t.loop_stack.get()
}

/// Goes on with frame `f` from its pc, and so forth with the frames that the handlers give, until there is none.
fn run_frames(t: &mut Thread, mut f: *mut Frame) -> Res {
    let floor = stack_pointer().saturating_sub(SLACK);
    let outer = t.loop_stack.replace(floor);
    while !f.is_null() {
        // SAFETY: frame records, registers and code objects of running frames stay valid while they run; the compiler's verifier
        // guarantees that operands lie within the frame, the code and its tables.
        unsafe {
            let pc = (*f).pc;
            let i = (*pc).load(Relaxed);
            let handler = HANDLERS[(i & 0xff) as usize];
            f = handler(i, pc.add(1), (*f).base, f, t);
        }
    }
    t.loop_stack.set(outer);
    match t.vm().result.replace(Value::NULL) {
        v if v.is_null() => Err(Raised::new_unchecked()),
        v => Ok(v),
    }
}
