//! Frames and registers as the slow paths see them.

use super::run::drop_reg;
use crate::compile::bytecode::Instr;
use weft_objects::code::Code;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::prelude::*;

/// What a slow path of a call has done.
pub enum Enter {
    /// The result is in its register.
    Done,
    /// A frame has been pushed: go on there.
    Frame,
}

/// Register `n` of the frame.
#[inline(always)]
pub fn reg(f: *mut Frame, n: usize) -> Value {
    // SAFETY: operands lie within the frame (the compiler's verifier).
    unsafe { *(*f).base.add(n) }
}

/// The address of register `n`.
#[inline(always)]
pub fn reg_ptr(f: *mut Frame, n: usize) -> *mut Value {
    // SAFETY: as in `reg`.
    unsafe { (*f).base.add(n) }
}

/// Registers `n .. n + count`.
#[inline(always)]
pub fn regs<'a>(f: *mut Frame, n: usize, count: usize) -> &'a mut [Value] {
    // SAFETY: as in `reg`; nobody else uses them while the slow path runs.
    unsafe { std::slice::from_raw_parts_mut((*f).base.add(n), count) }
}

/// Operands b and c (a register, or a constant).
#[inline(always)]
pub fn operands(f: *mut Frame, i: Instr, konst: bool) -> (Value, Value) {
    let y = if konst {
        constant(f, i.c())
    } else {
        reg(f, i.c())
    };
    (reg(f, i.b()), y)
}

/// Constant `n` of the frame's code.
#[inline(always)]
pub fn constant(f: *mut Frame, n: usize) -> Value {
    // SAFETY: a running frame's code is alive.
    unsafe { (&(*(*f).code).body().consts)[n] }
}

/// Name `n` of the frame's code.
#[inline(always)]
pub fn name<'a>(f: *mut Frame, n: usize) -> &'a Str {
    // SAFETY: names of code objects are interned, hence live for ever.
    unsafe { &*((&(*(*f).code).body().names)[n].ptr() as *const Str) }
}

/// The inline cache `n`.
#[inline(always)]
pub fn cache<'a>(f: *mut Frame, n: usize) -> &'a std::sync::atomic::AtomicU64 {
    // SAFETY: a running frame's code is alive.
    unsafe { &(&(*(*f).code).body().caches)[n] }
}

/// The name that cache `n` is for.
#[inline(always)]
pub fn cache_name<'a>(f: *mut Frame, n: usize) -> &'a Str {
    // SAFETY: as in `name`.
    unsafe { &*((&(*(*f).code).body().cache_names)[n].ptr() as *const Str) }
}

/// Stores an owned register word and drops what was there.
#[inline(always)]
pub fn set_reg(t: &mut Thread, f: *mut Frame, n: usize, v: Value) {
    let p = reg_ptr(f, n);
    // SAFETY: as in `reg`.
    let old = unsafe { std::mem::replace(&mut *p, v) };
    drop_reg(t, old);
}

/// As [`set_reg`] for the result of a call, which may not be wanted.
#[inline(always)]
pub fn set_result(t: &mut Thread, f: *mut Frame, n: usize, v: Value) {
    if n == crate::compile::bytecode::DISCARD as usize {
        drop_reg(t, v);
    } else {
        set_reg(t, f, n, v);
    }
}

/// Takes the word out of register `n`.
#[inline(always)]
pub fn take_reg(f: *mut Frame, n: usize) -> Value {
    // SAFETY: as in `reg`.
    unsafe { std::mem::replace(&mut *reg_ptr(f, n), Value::NULL) }
}

/// Takes a consumed operand out of its register; NULL if it is not consumed.
#[inline(always)]
pub fn take_operand(f: *mut Frame, i: Instr, flag: u8, n: usize) -> Value {
    if i.x() & flag != 0 {
        take_reg(f, n)
    } else {
        Value::NULL
    }
}

/// An owned register word of an operand: taken if it is consumed, else copied.
#[inline(always)]
pub fn own_operand(t: &Thread, f: *mut Frame, i: Instr, flag: u8, n: usize) -> Value {
    if i.x() & flag != 0 {
        take_reg(f, n)
    } else {
        super::run::copy_reg(t, reg(f, n))
    }
}

/// RecursionError.
#[cold]
pub fn too_deep(t: &mut Thread) -> Raised {
    t.raise(&errors::RECURSION_ERROR, "maximum recursion depth exceeded")
}

/// Writes the record of a frame that is about to run, but for its pc: one that runs at once saves it before anybody looks.
///
/// # Safety
/// `f` must lie within the thread's frames, below the limit.
#[inline(always)]
pub unsafe fn write(
    f: *mut Frame,
    base: *mut Value,
    code: &Code,
    func: Value,
    globals: *const Dict,
    builtins: *const Dict,
    flags: u32,
    dst: u32,
) {
    // SAFETY: the caller's promise. All other fields are plain words.
    unsafe {
        (*f).base = base;
        (*f).consts = code.consts();
        (*f).caches = code.caches();
        (*f).code = code;
        (*f).func = func;
        (*f).globals = globals;
        (*f).builtins = builtins;
        (*f).namespace = Value::NULL;
        (*f).generator = Value::NULL;
        (*f).object = Value::NULL;
        (*f).instance = Value::NULL;
        (*f).flags = flags;
        (*f).dst = dst;
    }
}

/// Pushes a frame for a function whose arguments lie bound in the registers from `base` on, and unbinds its other locals.
///
/// # Errors
/// RecursionError if there is no room.
pub fn push(
    t: &mut Thread,
    func: Value,
    code: &Code,
    base: *mut Value,
    bound: usize,
    flags: u32,
    dst: u32,
) -> Res<()> {
    code.ready();
    let vm = t.vm();
    let f = vm.frame_top();
    let end = base.wrapping_add(code.nregs as usize);
    if f >= vm.soft_limit() || end > t.regs.limit() {
        return Err(too_deep(t));
    }
    let (globals, builtins) = match Function::of(func) {
        Some(x) => (x.globals() as *const Dict, x.builtins() as *const Dict),
        None => (std::ptr::null(), std::ptr::null()),
    };
    // SAFETY: below the limits, so within the frames and registers of this thread.
    unsafe {
        write(f, base, code, func, globals, builtins, flags, dst);
        (*f).pc = code.first;
        for n in bound..code.nlocals as usize {
            *base.add(n) = Value::NULL;
        }
    }
    t.regs.set_top(end);
    vm.set_frame_top(f.wrapping_add(1));
    Ok(())
}

/// Clears the frame's registers (and the one below, if that is its own) and pops it.
pub fn pop(t: &mut Thread, f: *mut Frame) {
    // SAFETY: `f` is this thread's innermost frame.
    unsafe {
        if !(*f).object.is_null() {
            weft_objects::frame::detach_object(t, f);
        }
        let mut p = if (*f).flags & Frame::BELOW != 0 {
            (*f).base.wrapping_sub(1)
        } else {
            (*f).base
        };
        let end = (*f).base.add((*(*f).code).nregs as usize);
        while p < end {
            let old = *p;
            if old.is_ptr() {
                *p = Value::NULL;
                drop_reg(t, old);
            }
            p = p.add(1);
        }
        let ns = std::mem::replace(&mut (*f).namespace, Value::NULL);
        drop_reg(t, ns);
        if (*f).flags & (Frame::CONSTRUCTOR | Frame::NEW) != 0 {
            drop_reg(t, (*f).instance);
        }
    }
    unwind_top(t, f);
}

/// The frame record `f` is given up; the registers in use are its caller's again.
pub fn unwind_top(t: &Thread, f: *mut Frame) {
    let vm = t.vm();
    let base = super::saved_top(t, f);
    vm.set_frame_top(f);
    t.regs.set_top(base);
}
