//! Arithmetic and comparison of words; everything else is in [`super::super::ops`].

use super::quick::size;
use super::{State, handlers};
use crate::compile::bytecode::{XB, XC};
use crate::interp::ops;
use crate::interp::run::drop_reg;
use weft_objects::dict::keys::{quick_contains, quick_eq};
use weft_objects::frame::Frame;
use weft_objects::prelude::*;

/// A binary operator on two small ints; else `$float` goes on.
macro_rules! binary {
    ($s:ident, $y:expr, $int:expr, $float:ident) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.b()), $y);
        if x.both_ints(y)
            && let Some(v) = $int(x, y)
        {
            return $s.result(v);
        }
        $s.tail($float)
    }};
}
/// The same on two floats; else `$mixed` goes on.
macro_rules! floats {
    ($s:ident, $y:expr, $float:expr, $mixed:ident) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.b()), $y);
        if x.both_floats(y)
            && let Some(v) = $float(x.as_float(), y.as_float())
        {
            return $s.result(v);
        }
        $s.tail($mixed)
    }};
}
/// The same on a float and a small int; everything else is for the object layer.
macro_rules! mixed {
    ($s:ident, $y:expr, $konst:expr, $op:expr, $float:expr) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.b()), $y);
        if (x.0 ^ y.0) & 1 != 0
            && let (Some(u), Some(w)) = (ops::number(x), ops::number(y))
            && let Some(v) = $float(u, w)
        {
            return $s.result(v);
        }
        $s.slow(|t, f, i| ops::binary(t, f, i, $op, $konst))
    }};
}
macro_rules! int_only {
    ($s:ident, $y:expr, $konst:expr, $op:expr, $int:expr) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.b()), $y);
        if x.both_ints(y)
            && let Some(v) = $int(x, y)
        {
            return $s.result(v);
        }
        $s.slow(|t, f, i| ops::binary(t, f, i, $op, $konst))
    }};
}
macro_rules! compare {
    ($s:ident, $cmp:tt, $float:ident) => {{
        let (x, y) = ($s.reg($s.i.b()), $s.reg($s.i.c()));
        if x.both_ints(y) {
            return $s.result(Value::bool((x.0 as i64) $cmp (y.0 as i64)));
        }
        $s.tail($float)
    }};
}
macro_rules! compare_floats {
    ($s:ident, $op:expr, $cmp:tt) => {{
        let (x, y) = ($s.reg($s.i.b()), $s.reg($s.i.c()));
        if x.both_floats(y) {
            return $s.result(Value::bool(x.as_float() $cmp y.as_float()));
        }
        $s.slow(|t, f, i| ops::compare(t, f, i, $op))
    }};
}

/// The operands of a comparison, if both are strings.
#[inline(always)]
fn strings<'a>(s: State) -> Option<(&'a Str, &'a Str)> {
    Some((Str::exact(s.reg(s.i.b()))?, Str::exact(s.reg(s.i.c()))?))
}

/// The comparison has given `v`.
#[inline(always)]
fn compared(s: State, v: bool) -> *mut Frame {
    let x = s.take(XB, s.i.b(), s.reg(s.i.b()));
    let y = s.take(XC, s.i.c(), s.reg(s.i.c()));
    let old = s.reg(s.i.a());
    s.put(s.i.a(), Value::bool(v));
    if !old.is_counted() {
        return s.finish2(x, y);
    }
    if x.is_counted() && y.is_counted() {
        // Seldom: three words at once.
        s.save();
        for word in [old, x, y] {
            drop_reg(s.t(), word);
        }
        return s.settled();
    }
    s.finish2(old, if x.is_counted() { x } else { y })
}

/// Equality of strings, as far as it needs no look at their bytes; else `$bytes` goes on.
macro_rules! equal_strings {
    ($s:ident, $equal:expr, $op:expr, $bytes:ident) => {{
        if let Some((a, b)) = strings($s) {
            return match a.quick_eq(b) {
                Some(equal) => compared($s, equal == $equal),
                None => $s.tail($bytes),
            };
        }
        $s.slow(|t, f, i| ops::compare(t, f, i, $op))
    }};
}
macro_rules! equal_bytes {
    ($s:ident, $equal:expr, $op:expr) => {{
        if let Some((a, b)) = strings($s) {
            return compared($s, (a.as_bytes() == b.as_bytes()) == $equal);
        }
        $s.slow(|t, f, i| ops::compare(t, f, i, $op))
    }};
}

fn fadd(u: f64, w: f64) -> Option<Value> {
    Value::try_float(u + w)
}
fn fsub(u: f64, w: f64) -> Option<Value> {
    Value::try_float(u - w)
}
fn fmul(u: f64, w: f64) -> Option<Value> {
    Value::try_float(u * w)
}
fn and(x: Value, y: Value) -> Option<Value> {
    Some(Value(x.0 & y.0))
}
fn or(x: Value, y: Value) -> Option<Value> {
    Some(Value(x.0 | y.0))
}
fn xor(x: Value, y: Value) -> Option<Value> {
    Some(Value((x.0 ^ y.0) | 1))
}

handlers! {
    add(s) { binary!(s, s.reg(s.i.c()), ops::add, add_float) }
    add_float(s) { floats!(s, s.reg(s.i.c()), fadd, add_mixed) }
    add_mixed(s) { mixed!(s, s.reg(s.i.c()), false, BinOp::Add, fadd) }
    sub(s) { binary!(s, s.reg(s.i.c()), ops::sub, sub_float) }
    sub_float(s) { floats!(s, s.reg(s.i.c()), fsub, sub_mixed) }
    sub_mixed(s) { mixed!(s, s.reg(s.i.c()), false, BinOp::Sub, fsub) }
    mul(s) { binary!(s, s.reg(s.i.c()), ops::mul, mul_float) }
    mul_float(s) { floats!(s, s.reg(s.i.c()), fmul, mul_mixed) }
    mul_mixed(s) { mixed!(s, s.reg(s.i.c()), false, BinOp::Mul, fmul) }
    true_div(s) { binary!(s, s.reg(s.i.c()), ops::true_div, true_div_float) }
    true_div_float(s) { floats!(s, s.reg(s.i.c()), ops::float_div, true_div_mixed) }
    true_div_mixed(s) { mixed!(s, s.reg(s.i.c()), false, BinOp::TrueDiv, ops::float_div) }
    floor_div(s) { int_only!(s, s.reg(s.i.c()), false, BinOp::FloorDiv, ops::floor_div) }
    modulo(s) { int_only!(s, s.reg(s.i.c()), false, BinOp::Mod, ops::modulo) }
    lshift(s) { int_only!(s, s.reg(s.i.c()), false, BinOp::LShift, ops::lshift) }
    rshift(s) { int_only!(s, s.reg(s.i.c()), false, BinOp::RShift, ops::rshift) }
    bit_and(s) { int_only!(s, s.reg(s.i.c()), false, BinOp::And, and) }
    bit_or(s) { int_only!(s, s.reg(s.i.c()), false, BinOp::Or, or) }
    bit_xor(s) { int_only!(s, s.reg(s.i.c()), false, BinOp::Xor, xor) }
    pow(s) { s.slow(|t, f, i| ops::binary(t, f, i, BinOp::Pow, false)) }
    mat_mul(s) { s.slow(|t, f, i| ops::binary(t, f, i, BinOp::MatMul, false)) }

    add_k(s) { binary!(s, s.konst(s.i.c()), ops::add, add_k_float) }
    add_k_float(s) { floats!(s, s.konst(s.i.c()), fadd, add_k_mixed) }
    add_k_mixed(s) { mixed!(s, s.konst(s.i.c()), true, BinOp::Add, fadd) }
    sub_k(s) { binary!(s, s.konst(s.i.c()), ops::sub, sub_k_float) }
    sub_k_float(s) { floats!(s, s.konst(s.i.c()), fsub, sub_k_mixed) }
    sub_k_mixed(s) { mixed!(s, s.konst(s.i.c()), true, BinOp::Sub, fsub) }
    mul_k(s) { binary!(s, s.konst(s.i.c()), ops::mul, mul_k_float) }
    mul_k_float(s) { floats!(s, s.konst(s.i.c()), fmul, mul_k_mixed) }
    mul_k_mixed(s) { mixed!(s, s.konst(s.i.c()), true, BinOp::Mul, fmul) }
    true_div_k(s) { binary!(s, s.konst(s.i.c()), ops::true_div, true_div_k_float) }
    true_div_k_float(s) { floats!(s, s.konst(s.i.c()), ops::float_div, true_div_k_mixed) }
    true_div_k_mixed(s) { mixed!(s, s.konst(s.i.c()), true, BinOp::TrueDiv, ops::float_div) }
    floor_div_k(s) { int_only!(s, s.konst(s.i.c()), true, BinOp::FloorDiv, ops::floor_div) }
    modulo_k(s) { int_only!(s, s.konst(s.i.c()), true, BinOp::Mod, ops::modulo) }
    lshift_k(s) { int_only!(s, s.konst(s.i.c()), true, BinOp::LShift, ops::lshift) }
    rshift_k(s) { int_only!(s, s.konst(s.i.c()), true, BinOp::RShift, ops::rshift) }
    bit_and_k(s) { int_only!(s, s.konst(s.i.c()), true, BinOp::And, and) }
    bit_or_k(s) { int_only!(s, s.konst(s.i.c()), true, BinOp::Or, or) }
    bit_xor_k(s) { int_only!(s, s.konst(s.i.c()), true, BinOp::Xor, xor) }
    pow_k(s) {
        let (x, y) = (s.reg(s.i.b()), s.konst(s.i.c()));
        if y == Value::int(2)
            && x.is_float()
            && let Some(v) = fmul(x.as_float(), x.as_float())
        {
            return s.result(v);
        }
        s.slow(|t, f, i| ops::binary(t, f, i, BinOp::Pow, true))
    }

    neg(s) {
        let x = s.reg(s.i.b());
        if x.is_int()
            && let Some(v) = Value::try_int(-x.as_int())
        {
            return s.result(v);
        }
        if x.is_float()
            && let Some(v) = Value::try_float(-x.as_float())
        {
            return s.result(v);
        }
        s.slow(|t, f, i| ops::unary(t, f, i, proto::neg))
    }
    pos(s) { s.slow(|t, f, i| ops::unary(t, f, i, proto::pos)) }
    invert(s) {
        let x = s.reg(s.i.b());
        if x.is_int() {
            return s.result(Value::int(!x.as_int()));
        }
        s.slow(|t, f, i| ops::unary(t, f, i, proto::invert))
    }
    not(s) {
        let x = s.reg(s.i.b());
        if x.is_bool() {
            return s.result(Value(x.0 ^ 0x10));
        }
        s.tail(not_object)
    }
    not_object(s) {
        let x = s.reg(s.i.b());
        let truth = if x.is_none() {
            false
        } else if !x.is_ptr() {
            return s.slow(|t, f, i| ops::unary(t, f, i, ops::not));
        } else if type_of(x).is_always_true() {
            true
        } else if let Some(n) = size(x) {
            n != 0
        } else {
            return s.slow(|t, f, i| ops::unary(t, f, i, ops::not));
        };
        let x = s.take(XB, s.i.b(), x);
        let old = s.reg(s.i.a());
        s.put(s.i.a(), Value::bool(!truth));
        s.finish2(old, x)
    }

    lt(s) { compare!(s, <, lt_float) }
    lt_float(s) { compare_floats!(s, CmpOp::Lt, <) }
    le(s) { compare!(s, <=, le_float) }
    le_float(s) { compare_floats!(s, CmpOp::Le, <=) }
    eq(s) { compare!(s, ==, eq_float) }
    eq_float(s) {
        let (x, y) = (s.reg(s.i.b()), s.reg(s.i.c()));
        if x.both_floats(y) {
            return s.result(Value::bool(x.as_float() == y.as_float()));
        }
        s.tail(eq_str)
    }
    eq_str(s) { equal_strings!(s, true, CmpOp::Eq, eq_bytes) }
    eq_bytes(s) { equal_bytes!(s, true, CmpOp::Eq) }
    ne(s) { compare!(s, !=, ne_float) }
    ne_float(s) {
        let (x, y) = (s.reg(s.i.b()), s.reg(s.i.c()));
        if x.both_floats(y) {
            return s.result(Value::bool(x.as_float() != y.as_float()));
        }
        s.tail(ne_str)
    }
    ne_str(s) { equal_strings!(s, false, CmpOp::Ne, ne_bytes) }
    ne_bytes(s) { equal_bytes!(s, false, CmpOp::Ne) }
    gt(s) { compare!(s, >, gt_float) }
    gt_float(s) { compare_floats!(s, CmpOp::Gt, >) }
    ge(s) { compare!(s, >=, ge_float) }
    ge_float(s) { compare_floats!(s, CmpOp::Ge, >=) }
    is(s) {
        let (x, y) = (s.reg(s.i.b()), s.reg(s.i.c()));
        if x.is_null() || y.is_null() {
            return s.slow(|t, f, i| ops::check_bound(t, f, &[i.b(), i.c()]));
        }
        if s.consumes(XB) && s.consumes(XC) && x.is_counted() && y.is_counted() {
            return s.slow(ops::is);
        }
        let v = Value::bool(x.same(y) != (s.i.arg() != 0));
        let (x, y) = (s.take(XB, s.i.b(), x), s.take(XC, s.i.c(), y));
        let old = s.reg(s.i.a());
        s.put(s.i.a(), v);
        s.finish2(old, if x.is_counted() { x } else { y })
    }
    contains(s) {
        let (x, y) = (s.reg(s.i.b()), s.reg(s.i.c()));
        if x.is_null() || !y.is_ptr() {
            return s.slow(ops::contains);
        }
        match quick_contains(y, x) {
            Some(found) => compared(s, found != (s.i.arg() != 0)),
            None => s.tail(contains_among),
        }
    }
    contains_among(s) {
        let (x, y) = (s.reg(s.i.b()), s.reg(s.i.c()));
        match among(s.t(), y, x) {
            Some(found) => compared(s, found != (s.i.arg() != 0)),
            None => s.slow(ops::contains),
        }
    }
}

/// Whether `x` is among the items of `y`, a pointer, if that is a tuple, or a list that nobody else can change, and it takes no Python.
#[inline(always)]
fn among(t: &Thread, y: Value, x: Value) -> Option<bool> {
    let items = match List::exact(y) {
        Some(l) => l.local_items(t)?,
        None => Tuple::exact(y)?.values(),
    };
    for item in items {
        if item.same(x) {
            return Some(true);
        }
        if !item.both_ints(x) && quick_eq(*item, x)? {
            return Some(true);
        }
    }
    Some(false)
}
