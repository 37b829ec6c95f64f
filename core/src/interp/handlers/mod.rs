//! The opcodes' handlers: fast paths that touch no stack, one function each.
//!
//! A handler gets the state of the loop in five machine registers and ends in one of three ways:
//!
//! - it calls the handler of the next instruction in tail position ([`State::next`]), which optimised builds turn into a jump;
//! - it hands over, in tail position too, to an out-of-line function that does the whole instruction ([`State::slow`]);
//! - it returns the frame to go on with to the loop in [`super::run`], which reads the state from that frame; NULL ends the loop.
//!
//! So a fast path needs no prologue, no spill and no return. What is not leaf code is kept out of it: whatever may call something
//! goes through the second or third way, with the pc saved. Slow paths go back to the loop, and backward jumps and returns from
//! functions do where the machine stack has grown ([`State::go_on`]), so that it stays flat even where a tail call is compiled as a
//! call; builds with debug assertions, in which it always is, go back after each instruction.
//!
//! Two rules about registers keep it simple. A dead temporary never holds a pointer, so nothing above a frame's live registers
//! needs clearing or scanning. A local's old value is dropped when it is overwritten.

mod arith;
mod attrs;
mod calls;
mod flow;
pub mod generators;
mod items;
mod iteration;
mod jumps;
mod names;
mod quick;
mod table;

pub use table::HANDLERS;

use super::unwind;
use crate::compile::bytecode::Instr;
use std::sync::atomic::{AtomicU64, Ordering::*};
use weft_objects::frame::Frame;
use weft_objects::prelude::*;

/// Instruction, next pc, registers, frame, thread; gives the frame to go on with, or NULL to leave the loop.
pub type Handler =
    unsafe fn(u64, *const AtomicU64, *mut Value, *mut Frame, *mut Thread) -> *mut Frame;

/// What a handler works on.
///
/// Its methods are safe to call for handlers, under the contract that holds for all of them: the frame is the innermost one of the
/// running thread, its registers, constants and code are in memory while it runs, and the compiler's verifier has checked that every
/// operand lies within them.
#[derive(Clone, Copy)]
pub struct State {
    pub i: Instr,
    pub pc: *const AtomicU64,
    pub r: *mut Value,
    pub f: *mut Frame,
    pub t: *mut Thread,
}

/// Declares handlers: `name(s) { body }`, where the body gives the frame.
macro_rules! handlers {
    ($($(#[$meta:meta])* $name:ident($s:ident) $body:block)*) => {$(
        $(#[$meta])*
        #[inline(never)]
        pub unsafe fn $name(
            i: u64,
            pc: *const ::std::sync::atomic::AtomicU64,
            r: *mut Value,
            f: *mut ::weft_objects::frame::Frame,
            t: *mut Thread,
        ) -> *mut ::weft_objects::frame::Frame {
            let $s = $crate::interp::handlers::State { i: crate::compile::bytecode::Instr(i), pc, r, f, t };
            $body
        }
    )*};
}
pub(crate) use handlers;

/// Whether handlers go from one to the next by themselves.
const CHAIN: bool = !cfg!(debug_assertions);

impl State {
    /// The thread. Handlers make no two of these at a time.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub fn t<'a>(self) -> &'a mut Thread {
        // SAFETY: the running thread's state, which outlives the loop.
        unsafe { &mut *self.t }
    }
    /// Register `n`.
    #[inline(always)]
    pub fn reg(self, n: usize) -> Value {
        // SAFETY: the contract of `State`.
        unsafe { *self.r.add(n) }
    }
    /// Overwrites register `n`, whose word is dead or has been taken.
    #[inline(always)]
    pub fn put(self, n: usize, v: Value) {
        // SAFETY: the contract of `State`.
        unsafe { *self.r.add(n) = v }
    }
    /// Constant `n`.
    #[inline(always)]
    pub fn konst(self, n: usize) -> Value {
        // SAFETY: the contract of `State`.
        unsafe { *(*self.f).consts.add(n) }
    }
    /// Inline cache `n`.
    #[inline(always)]
    pub fn cache(self, n: usize) -> u64 {
        // SAFETY: the contract of `State`.
        unsafe { (*(*self.f).caches.add(n)).load(Relaxed) }
    }
    /// Whether the operand with this flag is consumed.
    #[inline(always)]
    pub fn consumes(self, flag: u8) -> bool {
        self.i.x() & flag != 0
    }
    /// An owned word of operand `n`, taken if it is consumed. `None`: only a slow path can copy it.
    #[inline(always)]
    pub fn own(self, flag: u8, n: usize, v: Value) -> Option<Value> {
        if self.consumes(flag) {
            self.put(n, Value::NULL);
            Some(v)
        } else if v.is_counted() {
            self.copy(v)
        } else {
            Some(v)
        }
    }
    /// As [`State::own`], for a word that may go into a slot of a local object (I4). `None` also for what is not counted yet, and for
    /// an unbound register.
    #[inline(always)]
    pub fn own_heap(self, flag: u8, n: usize, v: Value) -> Option<Value> {
        if v.0 & 7 != 0 {
            if self.consumes(flag) {
                self.put(n, Value::NULL);
            }
            return Some(v);
        }
        if v.is_null() || v.is_uncounted() {
            return None;
        }
        if self.consumes(flag) {
            self.put(n, Value::NULL);
            return Some(v);
        }
        self.copy(v).filter(|v| v.is_counted())
    }
    /// A second register word for a reference that a register or a slot holds. `None`: only a slow path can make it.
    #[inline(always)]
    pub fn copy(self, v: Value) -> Option<Value> {
        weft_gc::to_reg_fast(self.t(), v)
    }
    /// As [`State::copy`], for a word that has been read from a place that holds no uncounted ones; `None` for NULL, too.
    #[inline(always)]
    pub fn copy_slot(self, v: Value) -> Option<Value> {
        if v.is_null() {
            return None;
        }
        weft_gc::slot_to_reg_fast(self.t(), v)
    }
    /// As [`State::copy`], for a word that may be NULL: `None` then.
    #[inline(always)]
    pub fn copy_some(self, v: Value) -> Option<Value> {
        if v.is_null() { None } else { self.copy(v) }
    }
    /// Gives up a word that [`State::copy`] has just made: the reference that it was made from is still there.
    #[inline(always)]
    pub fn uncopy(self, v: Value) {
        if v.is_counted() {
            // SAFETY: alive; `copy` counts local objects only.
            let count = unsafe { &v.header().count };
            count.store(count.load(Relaxed) - 1, Relaxed);
        }
    }
    /// Takes a consumed operand out of its register; no pointer if it is not consumed.
    #[inline(always)]
    pub fn take(self, flag: u8, n: usize, v: Value) -> Value {
        if self.consumes(flag) {
            self.put(n, Value::NULL);
            v
        } else {
            Value::NONE
        }
    }
    /// Takes the word out of register `n`, after something may have passed a safepoint since it was looked at: a handshake may have
    /// counted it.
    #[inline(always)]
    pub fn take_again(self, n: usize) -> Value {
        let v = self.reg(n);
        self.put(n, Value::NULL);
        v
    }
    /// Saves the pc: before anything that may look at frames.
    #[inline(always)]
    pub fn save(self) {
        // SAFETY: the contract of `State`.
        unsafe { (*self.f).pc = self.pc }
    }
    /// The state after a jump.
    #[inline(always)]
    pub fn jump(self, offset: isize) -> State {
        State {
            // SAFETY: jumps stay within the code (the verifier).
            pc: unsafe { self.pc.offset(offset) },
            ..self
        }
    }

    /// Goes on with the next instruction.
    #[inline(always)]
    pub fn next(self) -> *mut Frame {
        if !CHAIN {
            return self.back();
        }
        // SAFETY: the last instruction of any code leaves it; the handler's contract is ours.
        unsafe {
            let i = (*self.pc).load(Relaxed);
            let handler = HANDLERS[(i & 0xff) as usize];
            handler(i, self.pc.add(1), self.r, self.f, self.t)
        }
    }
    /// Goes on after a jump if `jumps`, else with the next instruction. A branch of the machine's, which it predicts: a conditional move
    /// would have the next instruction wait for what was compared.
    #[inline(always)]
    pub fn branch(self, jumps: bool, offset: isize) -> *mut Frame {
        if jumps {
            // SAFETY: does nothing; it keeps the two ways apart.
            unsafe { std::arch::asm!("", options(nomem, nostack, preserves_flags)) };
            return self.jump(offset).next();
        }
        self.next()
    }
    /// As [`State::branch`], with an owned word to drop.
    #[inline(always)]
    pub fn branch_dropping(self, jumps: bool, offset: isize, old: Value) -> *mut Frame {
        if jumps {
            // SAFETY: as in `branch`.
            unsafe { std::arch::asm!("", options(nomem, nostack, preserves_flags)) };
            return self.jump(offset).finish(old);
        }
        self.finish(old)
    }
    /// Goes on with the next instruction after a jump back or a return, which nothing bounds the number of: by way of the loop if
    /// the machine stack has grown, as it does where a handler's tail call has been compiled as a call.
    #[inline(always)]
    pub fn go_on(self) -> *mut Frame {
        if super::run::stack_is_flat(self.t()) {
            self.next()
        } else {
            self.back()
        }
    }
    /// Goes on with the next instruction by way of the loop.
    #[inline(always)]
    pub fn back(self) -> *mut Frame {
        self.save();
        self.f
    }
    /// Hands over to another handler for the same instruction.
    #[inline(always)]
    pub fn tail(self, handler: Handler) -> *mut Frame {
        // SAFETY: the handler's contract is ours.
        unsafe { handler(self.i.0, self.pc, self.r, self.f, self.t) }
    }

    /// Drops an owned word and goes on.
    #[inline(always)]
    pub fn finish(self, old: Value) -> *mut Frame {
        if old.0 & 15 != 0 {
            return self.next();
        }
        // SAFETY: the handler's contract is ours.
        unsafe { drop_word(old.0, self.pc, self.r, self.f, self.t) }
    }
    /// Drops two owned words and goes on; the first one is the less likely to be a pointer.
    #[inline(always)]
    pub fn finish2(self, x: Value, y: Value) -> *mut Frame {
        if x.0 & 15 != 0 {
            return self.finish(y);
        }
        // SAFETY: the handler's contract is ours.
        unsafe {
            if y.0 & 15 != 0 || y.is_null() {
                return drop_word(x.0, self.pc, self.r, self.f, self.t);
            }
            drop_two(x.0, self.pc, self.r, self.f, self.t, y.0)
        }
    }
    /// Stores an owned word, drops what the register held, and goes on.
    #[inline(always)]
    pub fn set(self, n: usize, v: Value) -> *mut Frame {
        let old = self.reg(n);
        self.put(n, v);
        self.finish(old)
    }
    /// As [`State::set`], for the result in register `a`.
    #[inline(always)]
    pub fn result(self, v: Value) -> *mut Frame {
        self.set(self.i.a(), v)
    }

    /// Stores an owned word in register `a`, a dead temporary, and goes on.
    #[inline(always)]
    pub fn fresh(self, v: Value) -> *mut Frame {
        self.put(self.i.a(), v);
        self.next()
    }
    /// Drops a register word that is a pointer, and goes on.
    #[inline(always)]
    pub fn drop_ptr(self, v: Value) -> *mut Frame {
        if v.is_uncounted() {
            return self.next();
        }
        // SAFETY: a register's object is alive; the word owned one count. The handler's contract is ours.
        unsafe {
            let h = v.header();
            if h.owner.load(Relaxed) != (*self.t).tag() {
                return drop_shared(v.0, self.pc, self.r, self.f, self.t);
            }
            let n = h.count.load(Relaxed) - 1;
            h.count.store(n, Relaxed);
            if n == 0 {
                return died(v.0, self.pc, self.r, self.f, self.t);
            }
        }
        self.next()
    }

    /// Has an out-of-line function do the instruction.
    #[inline(always)]
    pub fn slow<F>(self, g: F) -> *mut Frame
    where
        F: FnOnce(&mut Thread, *mut Frame, Instr) -> Res<()>,
    {
        const { assert!(size_of::<F>() == 0, "a slow path captures nothing") };
        // SAFETY: the handler's contract is ours.
        unsafe { outline(self.i.0, self.pc, self.r, self.f, self.t, g) }
    }
    /// As [`State::slow`] for an instruction that jumps by `off16` if the function says so.
    #[inline(always)]
    pub fn slow_jump<F>(self, g: F) -> *mut Frame
    where
        F: FnOnce(&mut Thread, *mut Frame, Instr) -> Res<bool>,
    {
        const { assert!(size_of::<F>() == 0, "a slow path captures nothing") };
        // SAFETY: the handler's contract is ours.
        unsafe { outline_jump(self.i.0, self.pc, self.r, self.f, self.t, g) }
    }
    /// The instruction has raised, or not.
    #[inline(always)]
    pub fn done(self, result: Res<()>) -> *mut Frame {
        match result {
            Ok(()) => self.settled(),
            Err(_) => raise(self.t(), self.f),
        }
    }
    /// The instruction has been done by an out-of-line function: what has died in it is finalized before the next one.
    #[inline(always)]
    pub fn settled(self) -> *mut Frame {
        super::run::finalize(self.t());
        self.f
    }
    /// As [`State::settled`], after a jump.
    #[inline(always)]
    pub fn settled_behind(self) -> *mut Frame {
        self.save();
        self.settled()
    }
}

/// An instruction without a fast path (`g` captures nothing, so it is no argument to the machine).
#[cold]
#[inline(never)]
unsafe fn outline<F>(
    i: u64,
    pc: *const AtomicU64,
    r: *mut Value,
    f: *mut Frame,
    t: *mut Thread,
    g: F,
) -> *mut Frame
where
    F: FnOnce(&mut Thread, *mut Frame, Instr) -> Res<()>,
{
    let s = State {
        i: Instr(i),
        pc,
        r,
        f,
        t,
    };
    s.save();
    s.done(g(s.t(), f, s.i))
}

#[cold]
#[inline(never)]
unsafe fn outline_jump<F>(
    i: u64,
    pc: *const AtomicU64,
    r: *mut Value,
    f: *mut Frame,
    t: *mut Thread,
    g: F,
) -> *mut Frame
where
    F: FnOnce(&mut Thread, *mut Frame, Instr) -> Res<bool>,
{
    let s = State {
        i: Instr(i),
        pc,
        r,
        f,
        t,
    };
    s.save();
    match g(s.t(), f, s.i) {
        Ok(true) => s.jump(s.i.off16()).settled_behind(),
        Ok(false) => s.settled(),
        Err(_) => raise(s.t(), f),
    }
}

/// The pending exception was raised in frame `f`: gives the frame that handles it.
#[cold]
#[inline(never)]
pub fn raise(t: &mut Thread, f: *mut Frame) -> *mut Frame {
    unwind::unwind(t, f, unwind::How::Raise).unwrap_or(std::ptr::null_mut())
}

/// As [`raise`], for an exception that has the frame in its traceback already.
#[cold]
#[inline(never)]
pub fn reraise(t: &mut Thread, f: *mut Frame) -> *mut Frame {
    unwind::unwind(t, f, unwind::How::Reraise).unwrap_or(std::ptr::null_mut())
}

/// Drops the pointer, or NULL, in the first word and goes on.
#[inline(never)]
unsafe fn drop_word(
    word: u64,
    pc: *const AtomicU64,
    r: *mut Value,
    f: *mut Frame,
    t: *mut Thread,
) -> *mut Frame {
    // SAFETY: the handlers' contract; the word owned one count.
    unsafe {
        let s = State {
            i: Instr(word),
            pc,
            r,
            f,
            t,
        };
        if word == 0 {
            return s.next();
        }
        let h = Value(word).header();
        if h.owner.load(Relaxed) != (*t).tag() {
            return drop_shared(word, pc, r, f, t);
        }
        let n = h.count.load(Relaxed) - 1;
        h.count.store(n, Relaxed);
        if n == 0 {
            return died(word, pc, r, f, t);
        }
        s.next()
    }
}

/// The object in the first word has no reference left.
#[inline(never)]
unsafe fn died(
    word: u64,
    pc: *const AtomicU64,
    _r: *mut Value,
    f: *mut Frame,
    t: *mut Thread,
) -> *mut Frame {
    // SAFETY: the handlers' contract.
    unsafe {
        (*f).pc = pc;
        super::run::dead(&mut *t, Value(word));
    }
    f
}

/// Drops a counted word of a shared object.
#[inline(never)]
unsafe fn drop_shared(
    word: u64,
    pc: *const AtomicU64,
    _r: *mut Value,
    f: *mut Frame,
    t: *mut Thread,
) -> *mut Frame {
    // SAFETY: the handlers' contract.
    unsafe {
        (*f).pc = pc;
        dec(&*t, Value(word));
    }
    f
}

/// Drops two words.
#[inline(never)]
unsafe fn drop_two(
    x: u64,
    pc: *const AtomicU64,
    _r: *mut Value,
    f: *mut Frame,
    t: *mut Thread,
    y: u64,
) -> *mut Frame {
    // SAFETY: the handlers' contract.
    unsafe {
        (*f).pc = pc;
        super::run::drop_reg(&mut *t, Value(x));
        super::run::drop_reg(&mut *t, Value(y));
        super::run::finalize(&mut *t);
    }
    f
}
