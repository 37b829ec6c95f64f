//! Calls and returns of plain Python functions, calls of simple natives; the rest is in [`super::super::calls`].

use super::{State, generators, handlers, quick};
use crate::compile::bytecode::{DISCARD, Instr};
use crate::interp::calls;
use crate::interp::flow::{self, Left};
use crate::interp::frames::{self, Enter};
use crate::interp::globals;
use crate::interp::run::{copy_reg, drop_reg, finalize};
use std::sync::atomic::Ordering::*;
use weft_objects::code::Code;
use weft_objects::frame::Frame;
use weft_objects::function::{FUNCTION, Function};
use weft_objects::method::METHOD;
use weft_objects::native::{
    self, BUILTIN_FUNCTION, BuiltinFunction, METHOD_DESCRIPTOR, MethodDescr,
};
use weft_objects::prelude::*;
use weft_objects::type_new;
use weft_objects::types::TYPE;

/// Where a slow call goes on.
#[inline(always)]
pub fn entered(s: State, result: Res<Enter>) -> *mut Frame {
    match result {
        Ok(Enter::Done) => s.settled(),
        Ok(Enter::Frame) => {
            let (t, f) = (s.t(), s.f.wrapping_add(1));
            // What the making of an instance has asked for comes before its `__init__`, as in CPython, and not in the middle of what the
            // program does next.
            if t.interrupted() && weft_objects::runtime::safepoint(t).is_err() {
                return super::raise(t, f);
            }
            f
        }
        Err(_) => super::raise(s.t(), s.f),
    }
}

/// Where a frame that was left by a slow path goes on; `f` is that frame.
#[inline(always)]
pub fn left(t: &mut Thread, f: *mut Frame, left: Left) -> *mut Frame {
    let caller = f.wrapping_sub(1);
    let to = match left {
        Left::Caller(v, dst) => {
            frames::set_result(t, caller, dst, v);
            caller
        }
        Left::Resumer(v, dst, f) => {
            frames::set_result(t, f, dst, v);
            f
        }
        Left::Jumped => caller,
        Left::Raised => return super::raise(t, caller),
        // Native code gets the word: what is to be finalized waits for the next poll.
        Left::Out(v) => {
            t.vm().result.set(v);
            return std::ptr::null_mut();
        }
    };
    finalize(t);
    to
}

/// The native call `v = g(args)` is done: clears its registers and stores the result.
#[inline(always)]
fn native_done(s: State, p: *mut Value, argc: usize, v: Res) -> *mut Frame {
    let t = s.t();
    let Ok(v) = v else {
        return super::raise(t, s.f);
    };
    // SAFETY: the registers of a call lie in a row. Each word is taken out before it is dropped.
    unsafe {
        let mut q = p;
        let end = q.add(argc + 2);
        while q < end {
            let v = *q;
            // What is no pointer may stay: the register is dead.
            if v.0 & 7 == 0 {
                *q = Value::NULL;
                drop_reg(t, v);
            }
            q = q.add(1);
        }
    }
    frames::set_result(t, s.f, s.i.a(), v);
    if t.interrupted() {
        return s.done(weft_objects::runtime::safepoint(t));
    }
    s.next()
}

handlers! {
    call(s) {
        // SAFETY: the registers of a call lie in a row; the callee is alive (see `State`).
        unsafe {
            let p = s.r.add(s.i.b());
            let callee = *p;
            if !callee.is_ptr() {
                return s.tail(call_slow);
            }
            let ty = callee.header().ty.load(Relaxed) as *const Type;
            if ty == &raw const FUNCTION {
                return s.tail(call_function);
            }
            if ty == &raw const BUILTIN_FUNCTION {
                return s.tail(call_builtin);
            }
            if ty == &raw const TYPE {
                return s.tail(call_type);
            }
            if !(*ty).is_heap() && ty != &raw const METHOD {
                return s.tail(call_object);
            }
        }
        s.tail(call_slow)
    }
    call_method(s) {
        // SAFETY: as in `call`.
        unsafe {
            let p = s.r.add(s.i.b());
            let callee = *p;
            if callee.is_ptr() && !(*p.add(1)).is_null() {
                let ty = callee.header().ty.load(Relaxed) as *const Type;
                if ty == &raw const FUNCTION {
                    let func = &*(callee.ptr() as *const Function);
                    return enter(s, callee, func, p.add(1), s.i.c() + 1, || ());
                }
                if ty == &raw const METHOD_DESCRIPTOR {
                    return s.tail(call_method_descriptor);
                }
                return s.tail(call_slow);
            }
        }
        s.tail(call)
    }
    call_function(s) {
        // SAFETY: as in `call`, which has looked at the type.
        unsafe {
            let p = s.r.add(s.i.b());
            let callee = *p;
            let func = &*(callee.ptr() as *const Function);
            enter(s, callee, func, p.add(2), s.i.c(), || {
                // The function's word goes next to the arguments.
                *p = Value::NULL;
                *p.add(1) = callee;
            })
        }
    }
    call_method_descriptor(s) {
        // SAFETY: as in `call_method`, which has looked at both registers.
        let native = unsafe { &*(s.reg(s.i.b()).ptr() as *const MethodDescr) }.native;
        s.tail(quick::METHODS[native.quick as usize])
    }
    call_method_descriptor_plain(s) {
        // SAFETY: as in `call_method`, which has looked at both registers.
        unsafe {
            let p = s.r.add(s.i.b());
            let argc = s.i.c();
            let m = &*((*p).ptr() as *const MethodDescr);
            if native::accepts(m, *p.add(1)) {
                s.save();
                let args = std::slice::from_raw_parts(p.add(1), argc + 1);
                let v = m.native.call_positional(s.t(), args);
                return native_done(s, p, argc, v);
            }
        }
        s.tail(call_slow)
    }
    call_builtin(s) {
        // SAFETY: as in `call`.
        let native = unsafe { &*(s.reg(s.i.b()).ptr() as *const BuiltinFunction) }.native;
        s.tail(quick::FUNCTIONS[native.quick as usize])
    }
    call_builtin_plain(s) {
        // SAFETY: as in `call`.
        unsafe {
            let p = s.r.add(s.i.b());
            let argc = s.i.c();
            let b = &*((*p).ptr() as *const BuiltinFunction);
            if (s.i.arg() != 0 || (*p.add(1)).is_null())
                && !b.native.method
            {
                s.save();
                let args = std::slice::from_raw_parts(p.add(2), argc);
                let v = b.native.call_positional(s.t(), args);
                *p.add(1) = Value::NULL;
                return native_done(s, p, argc, v);
            }
            if s.i.arg() != 0 || (*p.add(1)).is_null() {
                return s.tail(call_builtin_counted);
            }
        }
        s.tail(call_slow)
    }
    call_builtin_counted(s) {
        // SAFETY: as in `call`; `call_builtin` has looked at the registers.
        unsafe {
            let p = s.r.add(s.i.b());
            let argc = s.i.c();
            let b = &*((*p).ptr() as *const BuiltinFunction);
            s.save();
            let v = if b.native.method {
                *p.add(1) = weft_gc::to_reg(s.t(), b.self_.get());
                let args = std::slice::from_raw_parts(p.add(1), argc + 1);
                b.native.call_positional(s.t(), args)
            } else {
                *p.add(1) = Value::NULL;
                let args = std::slice::from_raw_parts(p.add(2), argc);
                b.native.call_positional(s.t(), args)
            };
            native_done(s, p, argc, v)
        }
    }
    call_object(s) {
        // SAFETY: as in `call`.
        unsafe {
            let p = s.r.add(s.i.b());
            let argc = s.i.c();
            if let Some(f) = type_of(*p).slots.call.get()
                && (s.i.arg() != 0 || (*p.add(1)).is_null())
            {
                s.save();
                *p.add(1) = Value::NULL;
                let args = Args::positional(std::slice::from_raw_parts(p.add(2), argc));
                let t = s.t();
                let v = match t.enter_recursive(" while calling a Python object") {
                    Ok(_guard) => f(t, *p, args),
                    Err(e) => Err(e),
                };
                return native_done(s, p, argc, v);
            }
        }
        s.tail(call_slow)
    }
    call_type(s) {
        let at = s.i.b();
        let (cls, x) = (s.reg(at), s.reg(at + 2));
        // type(x)
        if cls.ptr() as *const Type == &raw const TYPE
            && s.i.c() == 1
            && !x.is_null()
            && let Some(v) = s.copy(type_of(x).value())
        {
            // The callee is immortal, and beside it is no pointer.
            s.put(at, Value::NULL);
            s.put(at + 2, Value::NULL);
            if s.i.a() == DISCARD as usize {
                return s.finish2(v, x);
            }
            let old = s.reg(s.i.a());
            s.put(s.i.a(), v);
            return s.finish2(x, old);
        }
        // SAFETY: as in `call`.
        unsafe {
            let p = s.r.add(s.i.b());
            let argc = s.i.c();
            let cls = Type::of_unchecked(*p);
            if !cls.is_heap() && (s.i.arg() != 0 || (*p.add(1)).is_null()) {
                s.save();
                *p.add(1) = Value::NULL;
                let args = std::slice::from_raw_parts(p.add(2), argc);
                let v = type_new::call_builtin_type(s.t(), cls, args);
                return native_done(s, p, argc, v);
            }
        }
        s.tail(call_slow)
    }
    call_defaults(s) {
        // SAFETY: the registers of a call lie in a row, and the callee is a function.
        unsafe {
            let p = s.r.add(s.i.b());
            let callee = *p;
            let func = &*(callee.ptr() as *const Function);
            let no_self = s.i.arg() != 0 || (*p.add(1)).is_null();
            let n = s.i.c() + usize::from(!no_self);
            let base = p.add(1 + usize::from(no_self));
            if let Some(values) = left_out(s, func, base, n) {
                for (k, v) in values.iter().enumerate() {
                    *base.add(n + k) = weft_gc::to_reg(s.t(), *v);
                }
                if no_self {
                    *p = Value::NULL;
                    *p.add(1) = callee;
                }
                return push_frame(s, callee, func, func.code(), base, n + values.len());
            }
        }
        s.tail(call_slow)
    }
    #[cold]
    call_slow(s) {
        s.save();
        entered(s, calls::call(s.t(), s.f, s.i))
    }
    call_kw(s) {
        // SAFETY: an Ext word follows.
        let ext = Instr(unsafe { (*s.pc).load(Relaxed) });
        let s = s.jump(1);
        s.save();
        entered(s, calls::call_kw(s.t(), s.f, s.i, ext))
    }
    call_ex(s) {
        s.save();
        entered(s, calls::call_ex(s.t(), s.f, s.i))
    }

    return_(s) {
        let a = s.i.a();
        let v = s.reg(a);
        // SAFETY: the innermost frame.
        let plain = unsafe { (*s.f).flags == Frame::BELOW };
        if v.is_null() || !plain {
            return s.tail(return_entry);
        }
        s.put(a, Value::NULL);
        if !clear_locals(s) {
            s.put(a, v);
            return s.tail(return_dropping);
        }
        leave(s, v)
    }
    return_k(s) {
        // SAFETY: the innermost frame.
        let flags = unsafe { (*s.f).flags };
        let v = s.konst(s.i.b());
        if flags == Frame::BELOW {
            if clear_locals(s) {
                return leave(s, v);
            }
        } else if flags == Frame::BELOW | Frame::CONSTRUCTOR && v.is_none() && clear_locals(s) {
            // SAFETY: as above; the frame owns the instance.
            return leave(s, unsafe { (*s.f).instance });
        } else if flags == Frame::BELOW | Frame::ENTRY {
            return s.tail(return_k_slow);
        }
        s.tail(return_k_dropping)
    }
    #[cold]
    return_dropping(s) {
        let v = s.reg(s.i.a());
        s.put(s.i.a(), Value::NULL);
        drop_locals(s);
        leave_dropped(s, v)
    }
    #[cold]
    return_k_dropping(s) {
        // SAFETY: the innermost frame.
        let flags = unsafe { (*s.f).flags };
        let v = s.konst(s.i.b());
        if flags == Frame::BELOW {
            drop_locals(s);
            return leave_dropped(s, v);
        }
        if flags == Frame::BELOW | Frame::CONSTRUCTOR && v.is_none() {
            drop_locals(s);
            // SAFETY: as above; the frame owns the instance.
            return leave_dropped(s, unsafe { (*s.f).instance });
        }
        s.tail(return_k_slow)
    }
    #[cold]
    return_slow(s) {
        s.save();
        let v = s.reg(s.i.a());
        let t = s.t();
        if v.is_null() {
            let e = globals::unbound_local(t, s.f, s.i.a());
            return s.done(e);
        }
        // SAFETY: the innermost frame. A frame object may want the local.
        let v = unsafe {
            if (*s.f).object.is_null() {
                s.put(s.i.a(), Value::NULL);
                v
            } else {
                copy_reg(t, v)
            }
        };
        leave_slow(s, v)
    }
    #[cold]
    return_k_slow(s) {
        // SAFETY: the innermost frame.
        let flags = unsafe { (*s.f).flags };
        let v = s.konst(s.i.b());
        if flags == Frame::BELOW | Frame::ENTRY && clear_locals(s) {
            return leave_loop(s, v);
        }
        if flags == Frame::GENERATOR
            && let Some(next) = generators::leave(s, v)
        {
            return next;
        }
        s.save();
        leave_slow(s, v)
    }
    return_entry(s) {
        let a = s.i.a();
        let v = s.reg(a);
        // SAFETY: the innermost frame.
        let flags = unsafe { (*s.f).flags };
        if v.is_null() {
            return s.tail(return_slow);
        }
        s.put(a, Value::NULL);
        if flags == Frame::BELOW | Frame::ENTRY {
            if clear_locals(s) {
                return leave_loop(s, v);
            }
        } else if flags == Frame::GENERATOR
            && let Some(next) = generators::leave(s, v)
        {
            return next;
        }
        s.put(a, v);
        s.tail(return_slow)
    }
}

/// Leaves a plain frame that native code has entered, whose registers are cleared: the loop ends.
#[inline(always)]
fn leave_loop(s: State, v: Value) -> *mut Frame {
    frames::unwind_top(s.t(), s.f);
    s.t().vm().result.set(v);
    std::ptr::null_mut()
}

/// Enters a function whose `n` arguments lie from `base` on, if they are all it needs; `lay` puts its word below them.
#[inline(always)]
unsafe fn enter(
    s: State,
    callee: Value,
    func: &Function,
    base: *mut Value,
    n: usize,
    lay: impl Fn(),
) -> *mut Frame {
    // SAFETY: the caller's promise; the room is checked.
    unsafe {
        let code = func.code();
        if !fits(s, code, base, n) {
            return s.tail(call_defaults);
        }
        lay();
        push_frame(s, callee, func, code, base, n)
    }
}

/// The values of the parameters that a call with `n` positional arguments leaves out, if that is all that is to be bound, there is room
/// for the frame, and nothing is asked of the thread.
#[inline(always)]
fn left_out(s: State, func: &Function, base: *mut Value, n: usize) -> Option<&[Value]> {
    let code = func.code();
    let argcount = code.call_key() as u32 as usize;
    let defaults = Tuple::exact(func.defaults.get())?.values();
    if n >= argcount || n + defaults.len() < argcount || !fits(s, code, base, argcount) {
        return None;
    }
    Some(&defaults[defaults.len() - (argcount - n)..])
}

/// Whether the `n` arguments from `base` on are all that the code needs, and there is room for its frame, and nothing is asked of the
/// thread.
#[inline(always)]
fn fits(s: State, code: &Code, base: *mut Value, n: usize) -> bool {
    let t = s.t();
    code.call_key() == Code::simple_key(n)
        && s.f.wrapping_add(1) < t.vm().soft_limit()
        && base.wrapping_add(code.nregs as usize) <= t.regs.limit()
        && !t.interrupted()
}

/// Pushes the frame of what [`fits`], and goes on there.
#[inline(always)]
unsafe fn push_frame(
    s: State,
    callee: Value,
    func: &Function,
    code: &Code,
    base: *mut Value,
    n: usize,
) -> *mut Frame {
    // SAFETY: the registers of a call lie in a row; the limits have been checked.
    unsafe {
        let t = s.t();
        let nf = s.f.wrapping_add(1);
        s.save();
        let dst = s.i.a() as u32;
        frames::write(
            nf,
            base,
            code,
            callee,
            func.globals(),
            func.builtins(),
            Frame::BELOW,
            dst,
        );
        let mut q = base.add(n);
        let locals_end = base.add(code.nlocals as usize);
        while q < locals_end {
            // Volatile, for a store rather than a call: there are few, and a call would cost each handler its registers.
            q.write_volatile(Value::NULL);
            q = q.add(1);
        }
        t.regs.set_top(base.add(code.nregs as usize));
        t.vm().set_frame_top(nf.wrapping_add(1));
        State {
            pc: code.first,
            r: base,
            f: nf,
            ..s
        }
        .next()
    }
}

/// Enters the method `m` for an instruction that is no call: with its operands, which it consumes or not, above all registers in use.
/// `None`: it is no plain function of so many arguments, and nothing has been done.
#[inline(always)]
pub fn enter_method<const N: usize>(
    s: State,
    m: Value,
    operands: [(Value, Option<usize>); N],
) -> Option<*mut Frame> {
    let func = Function::of(m)?;
    let code = func.code();
    let t = s.t();
    let top = t.regs.top();
    if !fits(s, code, top.wrapping_add(1), N) {
        return None;
    }
    // SAFETY: there is room above all registers in use. The class's function stays while its frame holds this word.
    unsafe {
        // First all copies, of which one may fail: nothing has been done then.
        let own = s.copy(m)?;
        let mut words = [Value::NULL; N];
        let mut k = 0;
        while k < N {
            let (v, taken) = operands[k];
            words[k] = match taken {
                None if v.is_counted() => match s.copy(v) {
                    Some(v) => v,
                    None => return give_up(s, own, &operands[..k]),
                },
                _ => v,
            };
            k += 1;
        }
        *top = own;
        k = 0;
        while k < N {
            if let Some(n) = operands[k].1 {
                s.put(n, Value::NULL);
            }
            *top.add(1 + k) = words[k];
            k += 1;
        }
        Some(push_frame(s, own, func, code, top.add(1), N))
    }
}

/// [`enter_method`] has found a count without room: gives up the copies made so far.
#[cold]
#[inline(never)]
fn give_up(s: State, own: Value, copied: &[(Value, Option<usize>)]) -> Option<*mut Frame> {
    s.uncopy(own);
    for (v, taken) in copied {
        if taken.is_none() && v.is_counted() {
            s.uncopy(*v);
        }
    }
    None
}

/// Drops what the frame's locals and the register below it hold. False: an object would die of it (the rest is left).
#[inline(always)]
fn clear_locals(s: State) -> bool {
    clear_from(s, s.r.wrapping_sub(1))
}

/// The same from this register of the frame on, up to its last local.
#[inline(always)]
pub fn clear_from(s: State, first: *mut Value) -> bool {
    // SAFETY: the frame's registers; no temporary is alive at a return (the verifier).
    unsafe {
        let tag = s.t().tag();
        let mut p = first;
        let end = s.r.add((*(*s.f).code).nlocals as usize);
        while p < end {
            let v = *p;
            // What is no pointer may stay: the register is dead.
            if v.is_ptr() {
                if !v.is_uncounted() {
                    let h = v.header();
                    let n = h.count.load(Relaxed);
                    if h.owner.load(Relaxed) != tag || n == 1 {
                        return false;
                    }
                    h.count.store(n - 1, Relaxed);
                }
                *p = Value::NULL;
            }
            p = p.add(1);
        }
        true
    }
}

/// The same, whatever dies of it.
#[inline(always)]
fn drop_locals(s: State) {
    // SAFETY: as in `clear_locals`.
    unsafe {
        let mut p = s.r.sub(1);
        let end = s.r.add((*(*s.f).code).nlocals as usize);
        while p < end {
            let v = *p;
            if v.0 & 7 == 0 {
                *p = Value::NULL;
                drop_reg(s.t(), v);
            }
            p = p.add(1);
        }
    }
}

/// Leaves a plain frame, whose registers are cleared.
#[inline(always)]
fn leave(s: State, v: Value) -> *mut Frame {
    let t = s.t();
    // SAFETY: a plain frame has a caller in this loop.
    unsafe {
        let dst = (*s.f).dst as usize;
        let f = s.f.wrapping_sub(1);
        let r = (*f).base;
        t.vm().set_frame_top(s.f);
        t.regs.set_top(r.add((*(*f).code).nregs as usize));
        let old = if dst == DISCARD as usize {
            v
        } else {
            std::mem::replace(&mut *r.add(dst), v)
        };
        let s = State {
            pc: (*f).pc,
            r,
            f,
            ..s
        };
        if !old.is_counted() {
            return s.go_on();
        }
        s.finish(old)
    }
}

/// As [`leave`]; what has died with the registers is finalized when the caller has its result.
#[inline(always)]
fn leave_dropped(s: State, v: Value) -> *mut Frame {
    if !s.t().interrupted() {
        return leave(s, v);
    }
    let t = s.t();
    // SAFETY: a plain frame has a caller in this loop.
    let dst = unsafe { (*s.f).dst as usize };
    frames::unwind_top(t, s.f);
    left(t, s.f, Left::Caller(v, dst))
}

#[inline(always)]
fn leave_slow(s: State, v: Value) -> *mut Frame {
    let t = s.t();
    match flow::leave(t, s.f, v) {
        Ok(l) => left(t, s.f, l),
        Err(_) => super::raise(t, s.f),
    }
}
