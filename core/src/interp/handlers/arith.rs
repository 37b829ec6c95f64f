//! Arithmetic and comparison of words; everything else is in [`super::super::ops`].

use super::handlers;
use crate::compile::bytecode::{XB, XC};
use crate::interp::ops;
use weft_objects::dict::keys::quick_contains;
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
        s.slow(|t, f, i| ops::unary(t, f, i, ops::not))
    }

    lt(s) { compare!(s, <, lt_float) }
    lt_float(s) { compare_floats!(s, CmpOp::Lt, <) }
    le(s) { compare!(s, <=, le_float) }
    le_float(s) { compare_floats!(s, CmpOp::Le, <=) }
    eq(s) { compare!(s, ==, eq_float) }
    eq_float(s) { compare_floats!(s, CmpOp::Eq, ==) }
    ne(s) { compare!(s, !=, ne_float) }
    ne_float(s) { compare_floats!(s, CmpOp::Ne, !=) }
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
        if x.is_null()
            || !y.is_ptr()
            || s.consumes(XB) && s.consumes(XC) && x.is_counted() && y.is_counted()
        {
            return s.slow(ops::contains);
        }
        let Some(found) = quick_contains(y, x) else {
            return s.slow(ops::contains);
        };
        let v = Value::bool(found != (s.i.arg() != 0));
        let (x, y) = (s.take(XB, s.i.b(), x), s.take(XC, s.i.c(), y));
        let old = s.reg(s.i.a());
        s.put(s.i.a(), v);
        s.finish2(old, if x.is_counted() { x } else { y })
    }
}
