//! The interpreter loop: one `match` over opcodes, fast paths in line, everything else in cold functions of the sibling files.
//!
//! Two rules about registers keep it simple. A dead temporary never holds a pointer, so nothing above a frame's live registers
//! needs clearing or scanning. A local's old value is dropped when it is overwritten.

use super::frames::Enter;
use super::{attr, calls, flow, globals, iteration, misc, ops, unwind};
use crate::compile::bytecode::{DISCARD, Instr, Op, XA, XB, XC};
use std::sync::atomic::{AtomicU64, Ordering::*};
use weft_objects::cell::Cell;
use weft_objects::code::Code;
use weft_objects::frame::Frame;
use weft_objects::function::{FUNCTION, Function};
use weft_objects::generator::Generator;
use weft_objects::instance::{INLINE, Instance};
use weft_objects::native::{BUILTIN_FUNCTION, BuiltinFunction, METHOD_DESCRIPTOR, MethodDescr};
use weft_objects::prelude::*;

/// Drops a register word.
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
            dead(t, v);
        }
    } else {
        drop_shared(t, v);
    }
}

#[cold]
#[inline(never)]
fn dead(t: &mut Thread, v: Value) {
    weft_gc::local_zero(t, v.ptr());
    if t.has_pending() {
        weft_objects::runtime::run_pending(t);
    }
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

/// Kinds of inline cache words, in their lowest byte.
pub mod cache {
    /// Attribute in an inline slot: `kind:8 | slot:8 | shape:24 | next shape:24` (the last for stores that add).
    pub const SLOT: u64 = 1;
    pub const ADD_SLOT: u64 = 2;
    /// Class attribute found through the instance's class: `kind:8 | index:24 | version:32`.
    pub const METHOD: u64 = 3;
    /// The same for a class itself.
    pub const TYPE: u64 = 4;
    /// Name in a module: `kind:8 | index:24 | keys id:32`.
    pub const MODULE: u64 = 5;
    /// Class attribute that is not a descriptor, found through the instance's class.
    pub const CLASS_VALUE: u64 = 6;
}

/// Runs the innermost frame, which is flagged `ENTRY`, until it is left.
///
/// # Errors
/// The exception that left the frame.
pub fn run(t: &mut Thread) -> Res {
    run_from(t, false)
}

/// As [`run`], beginning with the pending exception in the frame.
///
/// # Errors
/// As `run`.
pub fn run_raising(t: &mut Thread) -> Res {
    run_from(t, true)
}

// The macros are used inside and outside of unsafe blocks.
#[allow(unused_unsafe)]
fn run_from(t: &mut Thread, raising: bool) -> Res {
    let vm: *const weft_objects::runtime::Vm = t.vm();
    // SAFETY for the whole function: the frame records, registers and code objects of running frames stay valid while they run;
    // the compiler's verifier guarantees that operands lie within the frame, the code and its tables.
    let mut f: *mut Frame = unsafe { (*vm).frame_top() }.wrapping_sub(1);
    let mut r: *mut Value;
    let mut pc: *const AtomicU64;
    let mut k: *const Value;
    let mut cc: *const AtomicU64;

    macro_rules! load_frame {
        () => {
            // SAFETY: see the top of the function.
            unsafe {
                r = (*f).base;
                pc = (*f).pc;
                let body = (*(*f).code).body();
                k = body.consts.as_ptr();
                cc = body.caches.as_ptr();
            }
        };
    }
    if raising {
        match unwind::unwind(t, f, unwind::How::Raise) {
            Some(g) => f = g,
            None => return Err(Raised::new_unchecked()),
        }
    }
    load_frame!();
    macro_rules! reg {
        ($n:expr) => {
            // SAFETY: see the top of the function.
            unsafe { *r.add($n) }
        };
    }
    macro_rules! set {
        ($n:expr, $v:expr) => {{
            let v: Value = $v;
            // SAFETY: see the top of the function.
            unsafe {
                let p = r.add($n);
                let old = *p;
                *p = v;
                drop_reg(t, old);
            }
        }};
    }
    // The result of a call, which may not be wanted.
    macro_rules! set_result {
        ($n:expr, $v:expr) => {{
            let n = $n;
            if n == DISCARD as usize {
                drop_reg(t, $v);
            } else {
                set!(n, $v);
            }
        }};
    }
    // A consumed operand that is a pointer is taken out of its register.
    macro_rules! take_if {
        ($i:expr, $flag:expr, $n:expr) => {{
            let v = reg!($n);
            if $i.x() & $flag != 0 && v.is_ptr() {
                // SAFETY: see the top of the function.
                unsafe { *r.add($n) = Value::NULL };
                v
            } else {
                Value::NULL
            }
        }};
    }
    macro_rules! save {
        () => {
            // SAFETY: see the top of the function.
            unsafe { (*f).pc = pc }
        };
    }
    macro_rules! jump {
        ($off:expr) => {
            // SAFETY: jumps stay within the code.
            pc = unsafe { pc.offset($off) }
        };
    }

    loop {
        let raised: unwind::How = 'run: loop {
            macro_rules! check {
                ($e:expr) => {
                    match $e {
                        Ok(v) => v,
                        Err(_) => break 'run unwind::How::Raise,
                    }
                };
            }
            // SAFETY: see the top of the function.
            let i = Instr(unsafe { (*pc).load(Relaxed) });
            // SAFETY: the last instruction of any code leaves it.
            pc = unsafe { pc.add(1) };
            macro_rules! binary {
                ($y:expr, $konst:expr, $op:expr, |$p:ident, $q:ident| $int:expr, |$u:ident, $w:ident| $float:expr) => {{
                    let x = reg!(i.b());
                    let y: Value = $y;
                    if x.both_ints(y) {
                        let ($p, $q) = (x, y);
                        if let Some(v) = $int {
                            set!(i.a(), v);
                            continue;
                        }
                    } else if let (Some($u), Some($w)) = (ops::number(x), ops::number(y))
                        && let Some(v) = $float
                    {
                        set!(i.a(), v);
                        continue;
                    }
                    save!();
                    check!(ops::binary(t, f, i, $op, $konst));
                }};
            }
            macro_rules! int_only {
                ($y:expr, $konst:expr, $op:expr, |$p:ident, $q:ident| $int:expr) => {
                    binary!($y, $konst, $op, |$p, $q| $int, |_u, _w| None::<Value>)
                };
            }
            macro_rules! compare {
                ($op:expr, $cmp:tt) => {{
                    let (x, y) = (reg!(i.b()), reg!(i.c()));
                    if x.both_ints(y) {
                        set!(i.a(), Value::bool((x.0 as i64) $cmp (y.0 as i64)));
                        continue;
                    }
                    if x.both_floats(y) {
                        set!(i.a(), Value::bool(x.as_float() $cmp y.as_float()));
                        continue;
                    }
                    save!();
                    check!(ops::compare(t, f, i, $op));
                }};
            }
            macro_rules! compare_jump {
                ($y:expr, $konst:expr, $op:expr, $cmp:tt) => {{
                    let x = reg!(i.a());
                    let y: Value = $y;
                    let hit = if x.both_ints(y) {
                        (x.0 as i64) $cmp (y.0 as i64)
                    } else if x.both_floats(y) {
                        x.as_float() $cmp y.as_float()
                    } else {
                        save!();
                        check!(ops::compare_jump(t, f, i, $op, $konst))
                    };
                    if hit == (i.arg() != 0) {
                        jump!(i.off16());
                    }
                }};
            }
            // SAFETY: code objects hold opcodes that the compiler wrote.
            let op: Op = unsafe { std::mem::transmute::<u8, Op>(i.op()) };
            match op {
                Op::Nop | Op::Ext => {}
                Op::Move => {
                    let v = reg!(i.b());
                    if v.is_null() {
                        save!();
                        check!(globals::unbound_local(t, f, i.b()));
                    }
                    if i.x() & XB != 0 {
                        // SAFETY: see the top of the function.
                        unsafe { *r.add(i.b()) = Value::NULL };
                        set!(i.a(), v);
                    } else {
                        let v = copy_reg(t, v);
                        set!(i.a(), v);
                    }
                }
                Op::LoadK => {
                    // SAFETY: see the top of the function.
                    set!(i.a(), unsafe { *k.add(i.b()) });
                }
                Op::LoadGlobal => {
                    // SAFETY: see the top of the function.
                    unsafe {
                        let w = (*cc.add(i.c())).load(Relaxed);
                        let (id, index) = ((w >> 32) as u32, w as u32);
                        let g = &*(*f).globals;
                        if index != u32::MAX {
                            if let Some(v) = g.value_at(t, id, index) {
                                set!(i.a(), v.to_reg(t));
                                continue;
                            }
                        } else if g.has_keys_id(id) {
                            let w = (*cc.add(i.c() + 1)).load(Relaxed);
                            if let Some(v) =
                                (*(*f).builtins).value_at(t, (w >> 32) as u32, w as u32)
                            {
                                set!(i.a(), v.to_reg(t));
                                continue;
                            }
                        }
                    }
                    save!();
                    check!(globals::load(t, f, i));
                }
                Op::StoreGlobal => {
                    save!();
                    check!(globals::store(t, f, i));
                }
                Op::DeleteGlobal => {
                    save!();
                    check!(globals::delete(t, f, i));
                }
                Op::LoadName => {
                    save!();
                    check!(globals::load_name(t, f, i));
                }
                Op::StoreName => {
                    save!();
                    check!(globals::store_name(t, f, i));
                }
                Op::DeleteName => {
                    save!();
                    check!(globals::delete_name(t, f, i));
                }
                Op::LoadLocals => {
                    save!();
                    check!(globals::load_locals(t, f, i));
                }
                Op::LoadFromDictOrGlobals => {
                    save!();
                    check!(globals::load_from_dict_or_globals(t, f, i));
                }
                Op::LoadFromDictOrDeref => {
                    save!();
                    check!(globals::load_from_dict_or_deref(t, f, i));
                }
                Op::DeleteFast => {
                    if reg!(i.a()).is_null() {
                        save!();
                        check!(globals::unbound_local(t, f, i.a()));
                    }
                    save!();
                    set!(i.a(), Value::NULL);
                }
                Op::Clear => set!(i.a(), Value::NULL),
                Op::MakeCell => {
                    let v = reg!(i.a());
                    // SAFETY: see the top of the function.
                    unsafe { *r.add(i.a()) = Cell::new(t, v).into_value() };
                }
                Op::CopyFree => {
                    check!(globals::copy_free(t, f, i));
                }
                Op::LoadDeref => {
                    let v = Cell::of_unchecked(reg!(i.b())).get();
                    if v.is_null() {
                        save!();
                        check!(globals::unbound_deref(t, f, i.b()));
                    }
                    set!(i.a(), to_reg(t, v));
                }
                Op::StoreDeref => {
                    let v = reg!(i.a());
                    if v.is_null() {
                        save!();
                        check!(globals::unbound_local(t, f, i.a()));
                    }
                    let v = if i.x() & XA != 0 {
                        // SAFETY: see the top of the function.
                        unsafe { *r.add(i.a()) = Value::NULL };
                        v
                    } else {
                        copy_reg(t, v)
                    };
                    let cell = Cell::of_unchecked(reg!(i.b()));
                    let old = cell.value.replace(t, &cell.header, v);
                    drop_reg(t, old);
                }
                Op::DeleteDeref => {
                    let cell = Cell::of_unchecked(reg!(i.b()));
                    let old = cell.value.take();
                    if old.is_null() {
                        save!();
                        check!(globals::unbound_deref(t, f, i.b()));
                    }
                    drop_reg(t, old);
                }
                Op::LoadCell => {
                    let v = copy_reg(t, reg!(i.b()));
                    set!(i.a(), v);
                }

                Op::Add => binary!(
                    reg!(i.c()),
                    false,
                    BinOp::Add,
                    |x, y| ops::add(x, y),
                    |u, w| Value::try_float(u + w)
                ),
                Op::Sub => binary!(
                    reg!(i.c()),
                    false,
                    BinOp::Sub,
                    |x, y| ops::sub(x, y),
                    |u, w| Value::try_float(u - w)
                ),
                Op::Mul => binary!(
                    reg!(i.c()),
                    false,
                    BinOp::Mul,
                    |x, y| ops::mul(x, y),
                    |u, w| Value::try_float(u * w)
                ),
                Op::TrueDiv => {
                    binary!(
                        reg!(i.c()),
                        false,
                        BinOp::TrueDiv,
                        |x, y| ops::true_div(x, y),
                        |u, w| ops::float_div(u, w)
                    )
                }
                Op::FloorDiv => {
                    int_only!(reg!(i.c()), false, BinOp::FloorDiv, |x, y| ops::floor_div(
                        x, y
                    ))
                }
                Op::Mod => int_only!(reg!(i.c()), false, BinOp::Mod, |x, y| ops::modulo(x, y)),
                Op::Pow => {
                    save!();
                    check!(ops::binary(t, f, i, BinOp::Pow, false));
                }
                Op::LShift => {
                    int_only!(reg!(i.c()), false, BinOp::LShift, |x, y| ops::lshift(x, y))
                }
                Op::RShift => {
                    int_only!(reg!(i.c()), false, BinOp::RShift, |x, y| ops::rshift(x, y))
                }
                Op::And => int_only!(reg!(i.c()), false, BinOp::And, |x, y| Some(Value(
                    x.0 & y.0
                ))),
                Op::Or => int_only!(reg!(i.c()), false, BinOp::Or, |x, y| Some(Value(x.0 | y.0))),
                Op::Xor => int_only!(reg!(i.c()), false, BinOp::Xor, |x, y| Some(Value(
                    (x.0 ^ y.0) | 1
                ))),
                Op::MatMul => {
                    save!();
                    check!(ops::binary(t, f, i, BinOp::MatMul, false));
                }
                // SAFETY (constants): see the top of the function.
                Op::AddK => binary!(
                    unsafe { *k.add(i.c()) },
                    true,
                    BinOp::Add,
                    |x, y| ops::add(x, y),
                    |u, w| { Value::try_float(u + w) }
                ),
                Op::SubK => binary!(
                    unsafe { *k.add(i.c()) },
                    true,
                    BinOp::Sub,
                    |x, y| ops::sub(x, y),
                    |u, w| { Value::try_float(u - w) }
                ),
                Op::MulK => binary!(
                    unsafe { *k.add(i.c()) },
                    true,
                    BinOp::Mul,
                    |x, y| ops::mul(x, y),
                    |u, w| { Value::try_float(u * w) }
                ),
                Op::TrueDivK => {
                    binary!(
                        unsafe { *k.add(i.c()) },
                        true,
                        BinOp::TrueDiv,
                        |x, y| ops::true_div(x, y),
                        |u, w| { ops::float_div(u, w) }
                    )
                }
                Op::FloorDivK => {
                    int_only!(unsafe { *k.add(i.c()) }, true, BinOp::FloorDiv, |x, y| {
                        ops::floor_div(x, y)
                    })
                }
                Op::ModK => int_only!(unsafe { *k.add(i.c()) }, true, BinOp::Mod, |x, y| {
                    ops::modulo(x, y)
                }),
                Op::PowK => {
                    let (x, y) = (reg!(i.b()), unsafe { *k.add(i.c()) });
                    if y == Value::int(2)
                        && x.is_float()
                        && let Some(v) = Value::try_float(x.as_float() * x.as_float())
                    {
                        set!(i.a(), v);
                        continue;
                    }
                    save!();
                    check!(ops::binary(t, f, i, BinOp::Pow, true));
                }
                Op::LShiftK => int_only!(unsafe { *k.add(i.c()) }, true, BinOp::LShift, |x, y| {
                    ops::lshift(x, y)
                }),
                Op::RShiftK => int_only!(unsafe { *k.add(i.c()) }, true, BinOp::RShift, |x, y| {
                    ops::rshift(x, y)
                }),
                Op::AndK => int_only!(unsafe { *k.add(i.c()) }, true, BinOp::And, |x, y| Some(
                    Value(x.0 & y.0)
                )),
                Op::OrK => int_only!(unsafe { *k.add(i.c()) }, true, BinOp::Or, |x, y| Some(
                    Value(x.0 | y.0)
                )),
                Op::XorK => int_only!(unsafe { *k.add(i.c()) }, true, BinOp::Xor, |x, y| Some(
                    Value((x.0 ^ y.0) | 1)
                )),
                Op::Neg => {
                    let x = reg!(i.b());
                    if x.is_int()
                        && let Some(v) = Value::try_int(-x.as_int())
                    {
                        set!(i.a(), v);
                        continue;
                    }
                    if x.is_float()
                        && let Some(v) = Value::try_float(-x.as_float())
                    {
                        set!(i.a(), v);
                        continue;
                    }
                    save!();
                    check!(ops::unary(t, f, i, proto::neg));
                }
                Op::Pos => {
                    save!();
                    check!(ops::unary(t, f, i, proto::pos));
                }
                Op::Invert => {
                    let x = reg!(i.b());
                    if x.is_int() {
                        set!(i.a(), Value::int(!x.as_int()));
                        continue;
                    }
                    save!();
                    check!(ops::unary(t, f, i, proto::invert));
                }
                Op::Not => {
                    let x = reg!(i.b());
                    if x.is_bool() {
                        set!(i.a(), Value(x.0 ^ 0x10));
                        continue;
                    }
                    save!();
                    check!(ops::unary(t, f, i, ops::not));
                }
                Op::Lt => compare!(CmpOp::Lt, <),
                Op::Le => compare!(CmpOp::Le, <=),
                Op::Eq => compare!(CmpOp::Eq, ==),
                Op::Ne => compare!(CmpOp::Ne, !=),
                Op::Gt => compare!(CmpOp::Gt, >),
                Op::Ge => compare!(CmpOp::Ge, >=),
                Op::Is => {
                    let (x, y) = (reg!(i.b()), reg!(i.c()));
                    if x.is_null() || y.is_null() {
                        save!();
                        check!(globals::unbound_local(
                            t,
                            f,
                            if x.is_null() { i.b() } else { i.c() }
                        ));
                    }
                    let v = Value::bool(x.same(y) != (i.arg() != 0));
                    let (x, y) = (take_if!(i, XB, i.b()), take_if!(i, XC, i.c()));
                    set!(i.a(), v);
                    drop_reg(t, x);
                    drop_reg(t, y);
                }
                Op::Contains => {
                    save!();
                    check!(ops::contains(t, f, i));
                }

                Op::Jump => jump!(i.off32()),
                Op::JumpBack => {
                    jump!(i.off32());
                    if t.interrupted() {
                        save!();
                        check!(weft_objects::runtime::safepoint(t));
                    }
                }
                Op::JumpTrue => {
                    let v = reg!(i.a());
                    let truth = if v.is_bool() {
                        v == Value::TRUE
                    } else if v.is_int() {
                        v.as_int() != 0
                    } else {
                        save!();
                        check!(ops::truth(t, f, i))
                    };
                    if truth {
                        jump!(i.off32());
                    }
                }
                Op::JumpFalse => {
                    let v = reg!(i.a());
                    let truth = if v.is_bool() {
                        v == Value::TRUE
                    } else if v.is_int() {
                        v.as_int() != 0
                    } else {
                        save!();
                        check!(ops::truth(t, f, i))
                    };
                    if !truth {
                        jump!(i.off32());
                    }
                }
                Op::JumpNone | Op::JumpNotNone => {
                    let v = reg!(i.a());
                    if v.is_null() {
                        save!();
                        check!(globals::unbound_local(t, f, i.a()));
                    }
                    let hit = v.is_none() == (op == Op::JumpNone);
                    let v = take_if!(i, XA, i.a());
                    if hit {
                        jump!(i.off32());
                    }
                    drop_reg(t, v);
                }
                Op::JumpLt => compare_jump!(reg!(i.b()), false, CmpOp::Lt, <),
                Op::JumpLe => compare_jump!(reg!(i.b()), false, CmpOp::Le, <=),
                Op::JumpEq => compare_jump!(reg!(i.b()), false, CmpOp::Eq, ==),
                Op::JumpNe => compare_jump!(reg!(i.b()), false, CmpOp::Ne, !=),
                Op::JumpGt => compare_jump!(reg!(i.b()), false, CmpOp::Gt, >),
                Op::JumpGe => compare_jump!(reg!(i.b()), false, CmpOp::Ge, >=),
                Op::JumpLtK => compare_jump!(unsafe { *k.add(i.b()) }, true, CmpOp::Lt, <),
                Op::JumpLeK => compare_jump!(unsafe { *k.add(i.b()) }, true, CmpOp::Le, <=),
                Op::JumpEqK => compare_jump!(unsafe { *k.add(i.b()) }, true, CmpOp::Eq, ==),
                Op::JumpNeK => compare_jump!(unsafe { *k.add(i.b()) }, true, CmpOp::Ne, !=),
                Op::JumpGtK => compare_jump!(unsafe { *k.add(i.b()) }, true, CmpOp::Gt, >),
                Op::JumpGeK => compare_jump!(unsafe { *k.add(i.b()) }, true, CmpOp::Ge, >=),

                Op::GetAttr => {
                    let x = reg!(i.b());
                    if x.is_ptr() {
                        // SAFETY: see the top of the function.
                        let (w, h) = unsafe { ((*cc.add(i.c())).load(Relaxed), x.header()) };
                        let found = if w & 0xff == cache::SLOT {
                            let o = Instance::of_unchecked(x);
                            if h.flags.load(Relaxed) & INLINE != 0
                                && o.shape.load(Acquire) == (w >> 16) as u32 & 0xff_ffff
                            {
                                o.slot(((w >> 8) & 0xff) as usize).get()
                            } else {
                                Value::NULL
                            }
                        } else {
                            attr::cached(t, x, w)
                        };
                        if !found.is_null() {
                            let v = to_reg(t, found);
                            let x = take_if!(i, XB, i.b());
                            set!(i.a(), v);
                            drop_reg(t, x);
                            continue;
                        }
                    }
                    save!();
                    match check!(attr::get(t, f, i)) {
                        Enter::Done => {}
                        Enter::Frame => {
                            f = f.wrapping_add(1);
                            load_frame!();
                        }
                    }
                }
                Op::SetAttr => {
                    let (x, v) = (reg!(i.a()), reg!(i.b()));
                    if x.is_ptr() && !v.is_null() {
                        // SAFETY: see the top of the function.
                        let (w, h) = unsafe { ((*cc.add(i.c())).load(Relaxed), x.header()) };
                        let o = Instance::of_unchecked(x);
                        if h.flags.load(Relaxed) & INLINE != 0
                            && h.is_local(t)
                            && o.shape.load(Relaxed) as u64 == (w >> 16) & 0xff_ffff
                            && w & 0xff != 0
                        {
                            let slot = o.slot(((w >> 8) & 0xff) as usize);
                            if w & 0xff == cache::SLOT {
                                let v = if i.x() & XB != 0 {
                                    // SAFETY: see the top of the function.
                                    unsafe { *r.add(i.b()) = Value::NULL };
                                    v
                                } else {
                                    copy_reg(t, v)
                                };
                                let v = to_heap(v);
                                let old = slot.take_local();
                                slot.raw().store(v.0, Relaxed);
                                let x = take_if!(i, XA, i.a());
                                drop_reg(t, old);
                                drop_reg(t, x);
                                continue;
                            }
                            let index = ((w >> 8) & 0xff) as u16;
                            if w & 0xff == cache::ADD_SLOT && index < o.cap.load(Relaxed) {
                                let v = if i.x() & XB != 0 {
                                    // SAFETY: see the top of the function.
                                    unsafe { *r.add(i.b()) = Value::NULL };
                                    v
                                } else {
                                    copy_reg(t, v)
                                };
                                slot.raw().store(to_heap(v).0, Relaxed);
                                o.shape.store((w >> 40) as u32, Relaxed);
                                let x = take_if!(i, XA, i.a());
                                drop_reg(t, x);
                                continue;
                            }
                        }
                    }
                    save!();
                    check!(attr::set(t, f, i));
                }
                Op::DelAttr => {
                    save!();
                    check!(attr::delete(t, f, i));
                }
                Op::LoadMethod => {
                    let x = reg!(i.b());
                    if !x.is_null() {
                        // SAFETY: see the top of the function.
                        let w = unsafe { (*cc.add(i.c())).load(Relaxed) };
                        if w & 0xff == cache::METHOD
                            // SAFETY: as above.
                            && !(x.is_ptr() && unsafe { x.header() }.has_flag(weft_gc::Flags::DICT))
                        {
                            let m = attr::cached_method(type_of(x), w);
                            if !m.is_null() {
                                let m = to_reg(t, m);
                                if i.x() & XB != 0 {
                                    // SAFETY: see the top of the function.
                                    unsafe { *r.add(i.b()) = Value::NULL };
                                    // SAFETY: as above; both are dead temporaries.
                                    unsafe {
                                        *r.add(i.a()) = m;
                                        *r.add(i.a() + 1) = x;
                                    }
                                } else {
                                    let x = copy_reg(t, x);
                                    // SAFETY: as above.
                                    unsafe {
                                        *r.add(i.a()) = m;
                                        *r.add(i.a() + 1) = x;
                                    }
                                }
                                continue;
                            }
                        } else if w & 0xff == cache::MODULE && x.is_ptr() {
                            let m = attr::cached_module(t, x, w);
                            if !m.is_null() {
                                let m = to_reg(t, m);
                                let x = take_if!(i, XB, i.b());
                                // SAFETY: as above.
                                unsafe {
                                    *r.add(i.a()) = m;
                                    *r.add(i.a() + 1) = Value::NULL;
                                }
                                drop_reg(t, x);
                                continue;
                            }
                        }
                    }
                    save!();
                    check!(attr::load_method(t, f, i));
                }
                Op::SuperAttr => {
                    save!();
                    check!(attr::super_attr(t, f, i, false));
                }
                Op::SuperMethod => {
                    save!();
                    check!(attr::super_attr(t, f, i, true));
                }
                Op::LoadSpecial => {
                    save!();
                    check!(attr::load_special(t, f, i));
                }
                Op::GetItem => {
                    let (x, y) = (reg!(i.b()), reg!(i.c()));
                    if x.is_ptr() {
                        let found = ops::get_item_fast(t, x, y);
                        if !found.is_null() {
                            let v = to_reg(t, found);
                            let (x, y) = (take_if!(i, XB, i.b()), take_if!(i, XC, i.c()));
                            set!(i.a(), v);
                            drop_reg(t, x);
                            drop_reg(t, y);
                            continue;
                        }
                    }
                    save!();
                    check!(ops::get_item(t, f, i, false));
                }
                Op::GetItemK => {
                    // SAFETY: see the top of the function.
                    let (x, y) = (reg!(i.b()), unsafe { *k.add(i.c()) });
                    if x.is_ptr() {
                        let found = ops::get_item_fast(t, x, y);
                        if !found.is_null() {
                            let v = to_reg(t, found);
                            let x = take_if!(i, XB, i.b());
                            set!(i.a(), v);
                            drop_reg(t, x);
                            continue;
                        }
                    }
                    save!();
                    check!(ops::get_item(t, f, i, true));
                }
                Op::SetItem => {
                    let (x, y, v) = (reg!(i.a()), reg!(i.b()), reg!(i.c()));
                    if y.is_int()
                        && !v.is_null()
                        && let Some(l) = List::exact(x)
                        && l.header.is_local(t)
                        && let Some(slot) = l.local_slot(t, y.as_int())
                    {
                        let v = if i.x() & XC != 0 {
                            // SAFETY: see the top of the function.
                            unsafe { *r.add(i.c()) = Value::NULL };
                            v
                        } else {
                            copy_reg(t, v)
                        };
                        let v = to_heap(v);
                        let old = slot.take_local();
                        slot.raw().store(v.0, Relaxed);
                        let x = take_if!(i, XA, i.a());
                        drop_reg(t, old);
                        drop_reg(t, x);
                        continue;
                    }
                    save!();
                    check!(ops::set_item(t, f, i));
                }
                Op::DelItem => {
                    save!();
                    check!(ops::del_item(t, f, i));
                }
                Op::BuildSlice => {
                    save!();
                    check!(misc::build_slice(t, f, i));
                }

                Op::Call => {
                    // SAFETY: see the top of the function; the registers of a call lie in a row.
                    unsafe {
                        let p = r.add(i.b());
                        let callee = *p;
                        let argc = i.c();
                        let no_self = i.arg() != 0 || (*p.add(1)).is_null();
                        if callee.is_ptr() {
                            let ty = callee.header().ty.load(Relaxed) as *const Type;
                            if ty == &raw const FUNCTION {
                                let func = &*(callee.ptr() as *const Function);
                                let code = func.code();
                                let n = argc + usize::from(!no_self);
                                if code.call_flags == Code::SIMPLE | Code::POSITIONAL
                                    && n as u32 == code.argcount
                                {
                                    let base = if no_self {
                                        // The function's word goes next to the arguments.
                                        *p = Value::NULL;
                                        *p.add(1) = callee;
                                        p.add(2)
                                    } else {
                                        p.add(1)
                                    };
                                    (*f).pc = pc;
                                    let nf = f.wrapping_add(1);
                                    let end = base.add(code.nregs as usize);
                                    if nf < (*vm).soft_limit()
                                        && end <= t.regs.limit()
                                        && !t.interrupted()
                                    {
                                        let body = code.body();
                                        (*nf).base = base;
                                        pc = body.instrs.as_ptr();
                                        (*nf).pc = pc;
                                        (*nf).code = code;
                                        (*nf).func = callee;
                                        (*nf).globals = func.globals();
                                        (*nf).builtins = func.builtins();
                                        (*nf).namespace = Value::NULL;
                                        (*nf).generator = Value::NULL;
                                        (*nf).object = Value::NULL;
                                        (*nf).flags = Frame::BELOW;
                                        (*nf).dst = i.a() as u32;
                                        let mut q = base.add(n);
                                        let locals_end = base.add(code.nlocals as usize);
                                        while q < locals_end {
                                            *q = Value::NULL;
                                            q = q.add(1);
                                        }
                                        t.regs.set_top(end);
                                        (*vm).set_frame_top(nf.wrapping_add(1));
                                        f = nf;
                                        r = base;
                                        k = body.consts.as_ptr();
                                        cc = body.caches.as_ptr();
                                        continue;
                                    }
                                    // Back to how the slow path expects the registers.
                                    if no_self {
                                        *p = callee;
                                        *p.add(1) = Value::NULL;
                                    }
                                }
                            } else if ty == &raw const METHOD_DESCRIPTOR && !no_self {
                                let m = &*(callee.ptr() as *const MethodDescr);
                                if m.native.simple && argc + 1 == m.native.max as usize {
                                    let self_ = *p.add(1);
                                    if weft_objects::native::accepts(m, self_) {
                                        (*f).pc = pc;
                                        let args = std::slice::from_raw_parts(p.add(1), argc + 1);
                                        let v = check!((m.native.f)(t, args));
                                        calls::clear_call(t, p, argc);
                                        set_result!(i.a(), v);
                                        if t.interrupted() {
                                            check!(weft_objects::runtime::safepoint(t));
                                        }
                                        continue;
                                    }
                                }
                            } else if ty == &raw const BUILTIN_FUNCTION && no_self {
                                let b = &*(callee.ptr() as *const BuiltinFunction);
                                if b.native.simple
                                    && !b.native.method
                                    && argc == b.native.max as usize
                                {
                                    (*f).pc = pc;
                                    let args = std::slice::from_raw_parts(p.add(2), argc);
                                    let v = check!((b.native.f)(t, args));
                                    *p.add(1) = Value::NULL;
                                    calls::clear_call(t, p, argc);
                                    set_result!(i.a(), v);
                                    if t.interrupted() {
                                        check!(weft_objects::runtime::safepoint(t));
                                    }
                                    continue;
                                }
                            }
                        }
                    }
                    save!();
                    match check!(calls::call(t, f, i)) {
                        Enter::Done => {}
                        Enter::Frame => {
                            f = f.wrapping_add(1);
                            load_frame!();
                        }
                    }
                }
                Op::CallKw => {
                    // SAFETY: an Ext word follows.
                    let ext = Instr(unsafe { (*pc).load(Relaxed) });
                    pc = pc.wrapping_add(1);
                    save!();
                    match check!(calls::call_kw(t, f, i, ext)) {
                        Enter::Done => {}
                        Enter::Frame => {
                            f = f.wrapping_add(1);
                            load_frame!();
                        }
                    }
                }
                Op::CallEx => {
                    save!();
                    match check!(calls::call_ex(t, f, i)) {
                        Enter::Done => {}
                        Enter::Frame => {
                            f = f.wrapping_add(1);
                            load_frame!();
                        }
                    }
                }
                Op::Return | Op::ReturnK => {
                    let v = if op == Op::Return {
                        let v = reg!(i.a());
                        if v.is_null() {
                            save!();
                            check!(globals::unbound_local(t, f, i.a()));
                        }
                        // SAFETY: see the top of the function.
                        unsafe {
                            if (*f).object.is_null() {
                                *r.add(i.a()) = Value::NULL;
                                v
                            } else {
                                copy_reg(t, v)
                            }
                        }
                    } else {
                        // SAFETY: see the top of the function.
                        unsafe { *k.add(i.b()) }
                    };
                    // SAFETY: see the top of the function.
                    unsafe {
                        if (*f).flags == Frame::BELOW && (*f).object.is_null() {
                            let mut p = r.wrapping_sub(1);
                            let end = r.add((*(*f).code).nregs as usize);
                            while p < end {
                                let old = *p;
                                if old.is_ptr() {
                                    *p = Value::NULL;
                                    drop_reg(t, old);
                                }
                                p = p.add(1);
                            }
                            let dst = (*f).dst as usize;
                            (*vm).set_frame_top(f);
                            f = f.wrapping_sub(1);
                            load_frame!();
                            t.regs.set_top(r.add((*(*f).code).nregs as usize));
                            set_result!(dst, v);
                            continue;
                        }
                        (*f).pc = pc;
                    }
                    match check!(flow::leave(t, f, v)) {
                        flow::Left::Caller(v, dst) => {
                            f = f.wrapping_sub(1);
                            load_frame!();
                            set_result!(dst, v);
                        }
                        flow::Left::Jumped => {
                            f = f.wrapping_sub(1);
                            load_frame!();
                        }
                        flow::Left::Out(v) => return Ok(v),
                    }
                }

                Op::ReturnGenerator => {
                    save!();
                    match flow::return_generator(t, f) {
                        flow::Left::Caller(v, dst) => {
                            f = f.wrapping_sub(1);
                            load_frame!();
                            set_result!(dst, v);
                        }
                        flow::Left::Jumped => {
                            f = f.wrapping_sub(1);
                            load_frame!();
                        }
                        flow::Left::Out(v) => return Ok(v),
                    }
                }
                Op::Yield => {
                    let v = reg!(i.b());
                    if v.is_null() {
                        save!();
                        check!(globals::unbound_local(t, f, i.b()));
                    }
                    let v = if i.x() & XB != 0 {
                        // SAFETY: see the top of the function.
                        unsafe { *r.add(i.b()) = Value::NULL };
                        v
                    } else {
                        copy_reg(t, v)
                    };
                    save!();
                    match flow::suspend(t, f, v) {
                        flow::Left::Caller(v, dst) => {
                            f = f.wrapping_sub(1);
                            load_frame!();
                            set_result!(dst, v);
                        }
                        flow::Left::Jumped => {
                            f = f.wrapping_sub(1);
                            load_frame!();
                        }
                        flow::Left::Out(v) => return Ok(v),
                    }
                }
                Op::Send => {
                    save!();
                    match check!(flow::send(t, f, i)) {
                        flow::Sent::Yielded => {}
                        flow::Sent::Finished => jump!(i.off16()),
                        flow::Sent::Frame => {
                            f = f.wrapping_add(1);
                            load_frame!();
                        }
                    }
                }
                Op::GetYieldFromIter => {
                    save!();
                    check!(flow::get_yield_from_iter(t, f, i));
                }
                Op::GetAwaitable => {
                    save!();
                    check!(flow::get_awaitable(t, f, i));
                }
                Op::GetAIter => {
                    save!();
                    check!(flow::get_aiter(t, f, i));
                }
                Op::GetANext => {
                    save!();
                    check!(flow::get_anext(t, f, i));
                }
                Op::EndAsyncFor => {
                    save!();
                    if !check!(flow::end_async_for(t, f, i)) {
                        break 'run unwind::How::Reraise;
                    }
                }
                Op::AsyncGenWrap => {
                    save!();
                    check!(ops::unary(t, f, i, weft_objects::async_generator::wrap));
                }

                Op::GetIter => {
                    save!();
                    check!(iteration::get_iter(t, f, i));
                }
                Op::ForIter => {
                    let it = reg!(i.a());
                    // SAFETY: see the top of the function: three registers in a row.
                    unsafe {
                        let p = r.add(i.a());
                        if it == Value::RANGE_MARK {
                            let (at, stop) = (*p.add(1), *p.add(2));
                            if (at.0 as i64) < stop.0 as i64 {
                                *p.add(1) = Value(at.0.wrapping_add(2));
                                set!(i.b(), at);
                            } else {
                                *p = Value::NULL;
                                jump!(i.off16());
                            }
                            continue;
                        }
                        let ty = it.header().ty.load(Relaxed) as *const Type;
                        if ty == &raw const weft_objects::list::LIST && (*p.add(1)).is_int() {
                            let l = &*(it.ptr() as *const List);
                            let at = (*p.add(1)).as_int();
                            if let Some(v) = l.get(t, at as usize) {
                                let v = v.to_reg(t);
                                *p.add(1) = Value::int(at + 1);
                                set!(i.b(), v);
                                continue;
                            }
                            *p = Value::NULL;
                            jump!(i.off16());
                            drop_reg(t, it);
                            continue;
                        }
                        if ty == &raw const weft_objects::tuple::TUPLE && (*p.add(1)).is_int() {
                            let x = &*(it.ptr() as *const Tuple);
                            let at = (*p.add(1)).as_int() as usize;
                            if at < x.len() {
                                let v = to_reg(t, x.get(at));
                                *p.add(1) = Value::int(at as i64 + 1);
                                set!(i.b(), v);
                                continue;
                            }
                            *p = Value::NULL;
                            jump!(i.off16());
                            drop_reg(t, it);
                            continue;
                        }
                        if ty == &raw const weft_objects::generator::GENERATOR {
                            let g = &*(it.ptr() as *const Generator);
                            save!();
                            if check!(flow::enter_generator(
                                t,
                                f,
                                g,
                                it,
                                i.b() as u32,
                                Value::NONE
                            )) {
                                f = f.wrapping_add(1);
                                load_frame!();
                                continue;
                            }
                            // Read again: a handshake may have counted the register.
                            let it = *p;
                            *p = Value::NULL;
                            jump!(i.off16());
                            drop_reg(t, it);
                            continue;
                        }
                    }
                    save!();
                    if !check!(iteration::next(t, f, i)) {
                        jump!(i.off16());
                    }
                }
                Op::UnpackSeq => {
                    save!();
                    check!(iteration::unpack(t, f, i));
                }
                Op::UnpackEx => {
                    save!();
                    check!(iteration::unpack_ex(t, f, i));
                }

                Op::BuildTuple => {
                    // SAFETY: see the top of the function: c registers in a row, which are consumed.
                    let o = Tuple::from_regs(t, unsafe {
                        std::slice::from_raw_parts_mut(r.add(i.b()), i.c())
                    });
                    set!(i.a(), o.into_value());
                }
                Op::BuildList => {
                    // SAFETY: as above.
                    let o = List::from_regs(t, unsafe {
                        std::slice::from_raw_parts_mut(r.add(i.b()), i.c())
                    });
                    set!(i.a(), o.into_value());
                }
                Op::BuildSet => {
                    save!();
                    check!(misc::build_set(t, f, i));
                }
                Op::BuildMap => {
                    save!();
                    check!(misc::build_map(t, f, i));
                }
                Op::BuildString => {
                    save!();
                    check!(misc::build_string(t, f, i));
                }
                Op::ListAppend => {
                    let v = reg!(i.b());
                    if v.is_null() {
                        save!();
                        check!(globals::unbound_local(t, f, i.b()));
                    }
                    let v = if i.x() & XB != 0 {
                        // SAFETY: see the top of the function.
                        unsafe { *r.add(i.b()) = Value::NULL };
                        v
                    } else {
                        copy_reg(t, v)
                    };
                    // SAFETY: the compiler appends to lists that it has built only.
                    unsafe { (*(reg!(i.a()).ptr() as *const List)).push(t, v) };
                }
                Op::ListExtend
                | Op::SetAdd
                | Op::SetUpdate
                | Op::MapAdd
                | Op::DictUpdate
                | Op::DictMerge
                | Op::ListToTuple
                | Op::Format
                | Op::BuildInterpolation
                | Op::BuildTemplate
                | Op::ImportName
                | Op::ImportFrom
                | Op::ImportStar
                | Op::LoadBuildClass
                | Op::SetupAnnotations
                | Op::CallIntrinsic
                | Op::MatchMapping
                | Op::MatchSequence
                | Op::MatchKeys
                | Op::GetLen
                | Op::ExcGroupMatch
                | Op::PrepReraiseStar
                | Op::WithExcept => {
                    save!();
                    check!(misc::other(t, f, i, op));
                }
                Op::MakeFunction => {
                    save!();
                    check!(misc::make_function(t, f, i));
                }
                Op::MatchClass => {
                    // SAFETY: an Ext word follows.
                    let ext = Instr(unsafe { (*pc).load(Relaxed) });
                    pc = pc.wrapping_add(1);
                    save!();
                    check!(misc::match_class(t, f, i, ext.a()));
                }
                Op::Raise => {
                    save!();
                    unwind::raise(t, f, i);
                    break 'run unwind::How::Raise;
                }
                Op::Reraise => {
                    save!();
                    unwind::reraise(t, f, i);
                    break 'run unwind::How::Reraise;
                }
                Op::PushExc => {
                    let exc = reg!(i.b());
                    inc(t, exc);
                    // SAFETY: see the top of the function.
                    let old = unsafe { (*vm).swap_handled(exc.bare()) };
                    set!(i.a(), if old.is_null() { Value::NONE } else { old });
                }
                Op::PopExc => {
                    let v = reg!(i.a());
                    // SAFETY: see the top of the function.
                    let old = unsafe {
                        *r.add(i.a()) = Value::NULL;
                        (*vm).swap_handled(if v.is_none() { Value::NULL } else { to_heap(v) })
                    };
                    drop_reg(t, old);
                }
                Op::ExcMatch => {
                    save!();
                    check!(unwind::matches(t, f, i));
                }
            }
        };
        // SAFETY: see the top of the function.
        unsafe {
            (*f).pc = pc;
        }
        match unwind::unwind(t, f, raised) {
            Some(g) => {
                f = g;
                load_frame!();
            }
            None => return Err(Raised::new_unchecked()),
        }
    }
}
