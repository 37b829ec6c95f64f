//! Arithmetic, comparison and subscription: the in-line parts for words, and the slow paths.

use super::calls::enter_above;
use super::frames::{Enter, operands, set_reg, take_operand};
use super::globals::unbound_local;
use super::run::drop_reg;
use crate::compile::bytecode::{DISCARD, Instr, XA, XB, XC};
use weft_objects::frame::Frame;
use weft_objects::prelude::*;
use weft_objects::slotdefs::{python_get_item, python_set_item};

/// The number in a word as a float.
#[inline(always)]
pub fn number(v: Value) -> Option<f64> {
    if v.is_float() {
        Some(v.as_float())
    } else if v.is_int() {
        Some(v.as_int() as f64)
    } else {
        None
    }
}

#[inline(always)]
pub fn add(x: Value, y: Value) -> Option<Value> {
    (x.0 as i64)
        .checked_add(y.0 as i64 - 1)
        .map(|v| Value(v as u64))
}
#[inline(always)]
pub fn sub(x: Value, y: Value) -> Option<Value> {
    (x.0 as i64)
        .checked_sub(y.0 as i64 - 1)
        .map(|v| Value(v as u64))
}
#[inline(always)]
pub fn mul(x: Value, y: Value) -> Option<Value> {
    x.as_int()
        .checked_mul(y.0 as i64 - 1)
        .map(|v| Value(v as u64 | 1))
}
/// Exact when both ints are exact as floats.
#[inline(always)]
pub fn true_div(x: Value, y: Value) -> Option<Value> {
    let (a, b) = (x.as_int(), y.as_int());
    const EXACT: u64 = 1 << 53;
    if b != 0 && a.unsigned_abs() <= EXACT && b.unsigned_abs() <= EXACT {
        Value::try_float(a as f64 / b as f64)
    } else {
        None
    }
}
#[inline(always)]
pub fn float_div(u: f64, w: f64) -> Option<Value> {
    if w != 0.0 {
        Value::try_float(u / w)
    } else {
        None
    }
}
#[inline(always)]
pub fn floor_div(x: Value, y: Value) -> Option<Value> {
    let (a, b) = (x.as_int(), y.as_int());
    if b == 0 {
        return None;
    }
    let q = a / b;
    let q = if a % b != 0 && (a < 0) != (b < 0) {
        q - 1
    } else {
        q
    };
    Value::try_int(q)
}
#[inline(always)]
pub fn modulo(x: Value, y: Value) -> Option<Value> {
    let (a, b) = (x.as_int(), y.as_int());
    if b == 0 {
        return None;
    }
    let m = a % b;
    Some(Value::int(if m != 0 && (m < 0) != (b < 0) {
        m + b
    } else {
        m
    }))
}
#[inline(always)]
pub fn lshift(x: Value, y: Value) -> Option<Value> {
    let (a, n) = (x.as_int(), y.as_int());
    if !(0..62).contains(&n) {
        return None;
    }
    let v = a << n;
    if v >> n == a { Value::try_int(v) } else { None }
}
#[inline(always)]
pub fn rshift(x: Value, y: Value) -> Option<Value> {
    let n = y.as_int();
    if n < 0 {
        None
    } else {
        Some(Value::int(x.as_int() >> n.min(63)))
    }
}

/// An unbound operand, if there is one, is an error before anything else.
#[cold]
pub fn check_bound(t: &mut Thread, f: *mut Frame, regs: &[usize]) -> Res<()> {
    for &n in regs {
        // SAFETY: operands lie within the frame.
        if unsafe { *(*f).base.add(n) }.is_null() {
            return unbound_local(t, f, n);
        }
    }
    Ok(())
}

#[inline(never)]
pub fn binary(t: &mut Thread, f: *mut Frame, i: Instr, op: BinOp, konst: bool) -> Res<()> {
    let (x, y) = operands(f, i, konst);
    if x.is_null() || y.is_null() {
        let second = if konst { i.b() } else { i.c() };
        return check_bound(t, f, &[i.b(), second]);
    }
    if op == BinOp::Add && append_in_place(t, f, i, x, y, konst) {
        return Ok(());
    }
    let v = if op == BinOp::Add
        && let (Some(a), Some(b)) = (Str::exact(x), Str::exact(y))
        && !a.is_empty()
        && !b.is_empty()
    {
        let n = a.as_bytes().len().saturating_add(b.as_bytes().len());
        weft_objects::memory::room(t, n)?;
        Str::concat(t, a, b).into_value()
    } else if i.arg() == 1 {
        proto::in_place(t, op, x, y)?
    } else {
        proto::binary(t, op, x, y)?
    };
    let x = take_operand(f, i, XB, i.b());
    let y = if konst {
        Value::NULL
    } else {
        take_operand(f, i, XC, i.c())
    };
    set_reg(t, f, i.a(), v);
    drop_reg(t, x);
    drop_reg(t, y);
    Ok(())
}

/// `s = s + x` and `s += x` for strings: the left string is taken out of its register, so that it can grow where it is.
fn append_in_place(
    t: &mut Thread,
    f: *mut Frame,
    i: Instr,
    x: Value,
    y: Value,
    konst: bool,
) -> bool {
    if i.a() != i.b() && i.x() & XB == 0 {
        return false;
    }
    let (Some(_), Some(right)) = (Str::exact(x), Str::exact(y)) else {
        return false;
    };
    if x.same(y) {
        return false;
    }
    // SAFETY: operands lie within the frame.
    let left = unsafe { std::mem::replace(&mut *(*f).base.add(i.b()), Value::NULL) };
    let left = Obj::own(left);
    let v = Str::append_in_place(t, left, right);
    let y = if konst {
        Value::NULL
    } else {
        take_operand(f, i, XC, i.c())
    };
    set_reg(t, f, i.a(), v.into_value());
    drop_reg(t, y);
    true
}

#[inline(never)]
pub fn unary(t: &mut Thread, f: *mut Frame, i: Instr, g: fn(&mut Thread, Value) -> Res) -> Res<()> {
    // SAFETY: operands lie within the frame.
    let x = unsafe { *(*f).base.add(i.b()) };
    if x.is_null() {
        return unbound_local(t, f, i.b());
    }
    let v = g(t, x)?;
    let x = take_operand(f, i, XB, i.b());
    set_reg(t, f, i.a(), v);
    drop_reg(t, x);
    Ok(())
}

pub fn not(t: &mut Thread, v: Value) -> Res {
    Ok(Value::bool(!proto::truth(t, v)?))
}

#[inline(never)]
pub fn compare(t: &mut Thread, f: *mut Frame, i: Instr, op: CmpOp) -> Res<()> {
    let (x, y) = operands(f, i, false);
    if x.is_null() || y.is_null() {
        return check_bound(t, f, &[i.b(), i.c()]);
    }
    let v = match quick_compare(x, y, op) {
        Some(b) => Value::bool(b),
        None => proto::compare(t, x, y, op)?,
    };
    let (x, y) = (take_operand(f, i, XB, i.b()), take_operand(f, i, XC, i.c()));
    set_reg(t, f, i.a(), v);
    drop_reg(t, x);
    drop_reg(t, y);
    Ok(())
}

/// Strings and mixed numbers.
#[inline]
fn quick_compare(x: Value, y: Value, op: CmpOp) -> Option<bool> {
    if let (Some(a), Some(b)) = (Str::exact(x), Str::exact(y)) {
        return Some(match op {
            CmpOp::Eq => x.same(y) || a.eq(b),
            CmpOp::Ne => !(x.same(y) || a.eq(b)),
            _ => op.of(a.as_bytes().cmp(b.as_bytes())),
        });
    }
    const EXACT: i64 = 1 << 53;
    let small = |v: Value| !v.is_int() || v.as_int().abs() <= EXACT;
    match (number(x), number(y)) {
        (Some(u), Some(w)) if small(x) && small(y) => Some(match op {
            CmpOp::Lt => u < w,
            CmpOp::Le => u <= w,
            CmpOp::Eq => u == w,
            CmpOp::Ne => u != w,
            CmpOp::Gt => u > w,
            CmpOp::Ge => u >= w,
        }),
        _ => None,
    }
}

#[inline(never)]
pub fn compare_jump(t: &mut Thread, f: *mut Frame, i: Instr, op: CmpOp, konst: bool) -> Res<bool> {
    // SAFETY: operands lie within the frame and the constants.
    let (x, y) = unsafe {
        let x = *(*f).base.add(i.a());
        let y = if konst {
            (&(*(*f).code).body().consts)[i.b()]
        } else {
            *(*f).base.add(i.b())
        };
        (x, y)
    };
    if x.is_null() || y.is_null() {
        let second = if konst { i.a() } else { i.b() };
        check_bound(t, f, &[i.a(), second])?;
    }
    let hit = match quick_compare(x, y, op) {
        Some(b) => b,
        None => proto::compare_bool(t, x, y, op)?,
    };
    let x = take_operand(f, i, XA, i.a());
    let y = if konst {
        Value::NULL
    } else {
        take_operand(f, i, XB, i.b())
    };
    drop_reg(t, x);
    drop_reg(t, y);
    Ok(hit)
}

#[inline(never)]
pub fn truth(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<bool> {
    // SAFETY: operands lie within the frame.
    let v = unsafe { *(*f).base.add(i.a()) };
    if v.is_null() {
        unbound_local(t, f, i.a())?;
    }
    let b = proto::truth(t, v)?;
    let v = take_operand(f, i, XA, i.a());
    drop_reg(t, v);
    Ok(b)
}

/// `is`, with both operands consumed.
pub fn is(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let (x, y) = operands(f, i, false);
    let v = Value::bool(x.same(y) != (i.arg() != 0));
    let (x, y) = (take_operand(f, i, XB, i.b()), take_operand(f, i, XC, i.c()));
    set_reg(t, f, i.a(), v);
    drop_reg(t, x);
    drop_reg(t, y);
    Ok(())
}

#[inline(never)]
pub fn contains(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let (x, y) = operands(f, i, false);
    if x.is_null() || y.is_null() {
        return check_bound(t, f, &[i.b(), i.c()]);
    }
    let found = proto::contains(t, y, x)?;
    let (x, y) = (take_operand(f, i, XB, i.b()), take_operand(f, i, XC, i.c()));
    set_reg(t, f, i.a(), Value::bool(found != (i.arg() != 0)));
    drop_reg(t, x);
    drop_reg(t, y);
    Ok(())
}

#[inline(never)]
pub fn get_item(t: &mut Thread, f: *mut Frame, i: Instr, konst: bool) -> Res<Enter> {
    let (x, y) = operands(f, i, konst);
    if x.is_null() || y.is_null() {
        let second = if konst { i.b() } else { i.c() };
        return check_bound(t, f, &[i.b(), second]).map(|()| Enter::Done);
    }
    let entered = match python_get_item(t, type_of(x)).map(|m| m.value()) {
        Some(m) => enter_above(t, m, &[x, y], i.a())?,
        None => false,
    };
    if entered {
        let x = take_operand(f, i, XB, i.b());
        drop_reg(t, x);
        if !konst {
            let y = take_operand(f, i, XC, i.c());
            drop_reg(t, y);
        }
        return Ok(Enter::Frame);
    }
    let v = proto::get_item_value(t, x, y)?;
    let x = take_operand(f, i, XB, i.b());
    let y = if konst {
        Value::NULL
    } else {
        take_operand(f, i, XC, i.c())
    };
    set_reg(t, f, i.a(), v);
    drop_reg(t, x);
    drop_reg(t, y);
    Ok(Enter::Done)
}

#[inline(never)]
pub fn set_item(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<Enter> {
    // SAFETY: operands lie within the frame.
    let (x, y, v) = unsafe {
        (
            *(*f).base.add(i.a()),
            *(*f).base.add(i.b()),
            *(*f).base.add(i.c()),
        )
    };
    if x.is_null() || y.is_null() || v.is_null() {
        return check_bound(t, f, &[i.c(), i.a(), i.b()]).map(|()| Enter::Done);
    }
    let mut done = Enter::Done;
    if let Some(d) = Dict::exact(x) {
        d.set(t, y, v)?;
    } else if let Some(m) = python_set_item(t, type_of(x)).map(|m| m.value())
        && enter_above(t, m, &[x, y, v], DISCARD as usize)?
    {
        done = Enter::Frame;
    } else {
        proto::set_item(t, x, y, v)?;
    }
    for (flag, n) in [(XA, i.a()), (XB, i.b()), (XC, i.c())] {
        let v = take_operand(f, i, flag, n);
        drop_reg(t, v);
    }
    Ok(done)
}

#[inline(never)]
pub fn del_item(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    // SAFETY: operands lie within the frame.
    let (x, y) = unsafe { (*(*f).base.add(i.a()), *(*f).base.add(i.b())) };
    if x.is_null() || y.is_null() {
        return check_bound(t, f, &[i.a(), i.b()]);
    }
    proto::del_item(t, x, y)?;
    for (flag, n) in [(XA, i.a()), (XB, i.b())] {
        let v = take_operand(f, i, flag, n);
        drop_reg(t, v);
    }
    Ok(())
}
