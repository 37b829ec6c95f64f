//! Jumps and compare-and-jump.

use super::quick::size;
use super::{State, handlers};
use crate::compile::bytecode::{XA, XB};
use crate::interp::{globals, ops};
use weft_objects::frame::Frame;
use weft_objects::prelude::*;

macro_rules! jump_truth {
    ($s:ident, $want:expr) => {{
        let v = $s.reg($s.i.a());
        let truth = if v.is_bool() {
            v == Value::TRUE
        } else if v.is_int() {
            v.as_int() != 0
        } else if v.is_none() {
            false
        } else if v.is_ptr() && type_of(v).is_always_true() {
            let old = $s.take(XA, $s.i.a(), v);
            let s = if $want { $s.jump($s.i.off32()) } else { $s };
            return s.finish(old);
        } else {
            return $s.tail(if $want {
                jump_true_sized
            } else {
                jump_false_sized
            });
        };
        $s.branch(truth == $want, $s.i.off32())
    }};
}
/// The same for what is true if it has items.
macro_rules! jump_sized {
    ($s:ident, $want:expr, $slow:ident) => {{
        let v = $s.reg($s.i.a());
        if v.is_ptr()
            && let Some(n) = size(v)
        {
            let old = $s.take(XA, $s.i.a(), v);
            return $s.branch_dropping((n != 0) == $want, $s.i.off32(), old);
        }
        $s.tail($slow)
    }};
}
macro_rules! jump_none {
    ($s:ident, $want:expr) => {{
        let v = $s.reg($s.i.a());
        if v.is_null() {
            return $s.slow(|t, f, i| globals::unbound_local(t, f, i.a()));
        }
        if v.is_none() {
            return $s.branch($want, $s.i.off32());
        }
        let old = $s.take(XA, $s.i.a(), v);
        if !$want {
            return $s.jump($s.i.off32()).finish(old);
        }
        $s.finish(old)
    }};
}
macro_rules! compare_jump {
    ($s:ident, $y:expr, $cmp:tt, $float:ident) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.a()), $y);
        if x.both_ints(y) {
            let hit = (x.0 as i64) $cmp (y.0 as i64);
            return $s.branch(hit == ($s.i.arg() != 0), $s.i.off16());
        }
        $s.tail($float)
    }};
}
/// The same on floats; else `$other` goes on.
macro_rules! equal_jump_floats {
    ($s:ident, $y:expr, $cmp:tt, $other:ident) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.a()), $y);
        if x.both_floats(y) {
            let hit = x.as_float() $cmp y.as_float();
            return $s.branch(hit == ($s.i.arg() != 0), $s.i.off16());
        }
        $s.tail($other)
    }};
}
macro_rules! compare_jump_floats {
    ($s:ident, $y:expr, $konst:expr, $op:expr, $cmp:tt) => {{
        let (x, y): (Value, Value) = ($s.reg($s.i.a()), $y);
        if x.both_floats(y) {
            let hit = x.as_float() $cmp y.as_float();
            return $s.branch(hit == ($s.i.arg() != 0), $s.i.off16());
        }
        $s.slow_jump(|t, f, i| {
            Ok(ops::compare_jump(t, f, i, $op, $konst)? == (i.arg() != 0))
        })
    }};
}

/// The operands of a comparison that jumps, if both are strings; the second one is a constant if `konst`.
#[inline(always)]
fn strings<'a>(s: State, konst: bool) -> Option<(&'a Str, &'a Str)> {
    let y = if konst {
        s.konst(s.i.b())
    } else {
        s.reg(s.i.b())
    };
    Some((Str::exact(s.reg(s.i.a()))?, Str::exact(y)?))
}

/// Jumps, or not, after the comparison of two strings has given `hit`.
#[inline(always)]
fn compared(s: State, konst: bool, hit: bool) -> *mut Frame {
    let x = s.take(XA, s.i.a(), s.reg(s.i.a()));
    let y = match konst {
        true => Value::NONE,
        false => s.take(XB, s.i.b(), s.reg(s.i.b())),
    };
    let jumps = hit == (s.i.arg() != 0);
    if x.is_counted() && y.is_counted() {
        let s = if jumps { s.jump(s.i.off16()) } else { s };
        return s.finish2(x, y);
    }
    s.branch_dropping(jumps, s.i.off16(), if x.is_counted() { x } else { y })
}

/// Equality of strings, as far as it needs no look at their bytes; else `$bytes` goes on.
macro_rules! jump_strings {
    ($s:ident, $konst:expr, $equal:expr, $op:expr, $bytes:ident) => {{
        if let Some((a, b)) = strings($s, $konst) {
            return match a.quick_eq(b) {
                Some(equal) => compared($s, $konst, equal == $equal),
                None => $s.tail($bytes),
            };
        }
        $s.slow_jump(|t, f, i| Ok(ops::compare_jump(t, f, i, $op, $konst)? == (i.arg() != 0)))
    }};
}
macro_rules! jump_bytes {
    ($s:ident, $konst:expr, $equal:expr, $op:expr) => {{
        if let Some((a, b)) = strings($s, $konst) {
            let equal = a.as_bytes() == b.as_bytes();
            return compared($s, $konst, equal == $equal);
        }
        $s.slow_jump(|t, f, i| Ok(ops::compare_jump(t, f, i, $op, $konst)? == (i.arg() != 0)))
    }};
}

handlers! {
    jump(s) { s.jump(s.i.off32()).next() }
    jump_back(s) {
        let s = s.jump(s.i.off32());
        if s.t().interrupted() {
            return s.slow(|t, _, _| weft_objects::runtime::safepoint(t));
        }
        s.go_on()
    }
    jump_true(s) { jump_truth!(s, true) }
    jump_false(s) { jump_truth!(s, false) }
    jump_true_sized(s) { jump_sized!(s, true, jump_true_slow) }
    jump_false_sized(s) { jump_sized!(s, false, jump_false_slow) }
    jump_true_slow(s) {
        s.save();
        match ops::truth(s.t(), s.f, s.i) {
            Ok(true) => s.jump(s.i.off32()).settled_behind(),
            Ok(false) => s.settled(),
            Err(_) => super::raise(s.t(), s.f),
        }
    }
    jump_false_slow(s) {
        s.save();
        match ops::truth(s.t(), s.f, s.i) {
            Ok(false) => s.jump(s.i.off32()).settled_behind(),
            Ok(true) => s.settled(),
            Err(_) => super::raise(s.t(), s.f),
        }
    }
    jump_none(s) { jump_none!(s, true) }
    jump_not_none(s) { jump_none!(s, false) }
    jump_lt(s) { compare_jump!(s, s.reg(s.i.b()), <, jump_lt_float) }
    jump_lt_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Lt, <) }
    jump_le(s) { compare_jump!(s, s.reg(s.i.b()), <=, jump_le_float) }
    jump_le_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Le, <=) }
    jump_eq(s) { compare_jump!(s, s.reg(s.i.b()), ==, jump_eq_float) }
    jump_eq_float(s) { equal_jump_floats!(s, s.reg(s.i.b()), ==, jump_eq_str) }
    jump_eq_str(s) { jump_strings!(s, false, true, CmpOp::Eq, jump_eq_bytes) }
    jump_eq_bytes(s) { jump_bytes!(s, false, true, CmpOp::Eq) }
    jump_ne(s) { compare_jump!(s, s.reg(s.i.b()), !=, jump_ne_float) }
    jump_ne_float(s) { equal_jump_floats!(s, s.reg(s.i.b()), !=, jump_ne_str) }
    jump_ne_str(s) { jump_strings!(s, false, false, CmpOp::Ne, jump_ne_bytes) }
    jump_ne_bytes(s) { jump_bytes!(s, false, false, CmpOp::Ne) }
    jump_gt(s) { compare_jump!(s, s.reg(s.i.b()), >, jump_gt_float) }
    jump_gt_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Gt, >) }
    jump_ge(s) { compare_jump!(s, s.reg(s.i.b()), >=, jump_ge_float) }
    jump_ge_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Ge, >=) }
    jump_lt_k(s) { compare_jump!(s, s.konst(s.i.b()), <, jump_lt_k_float) }
    jump_lt_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Lt, <) }
    jump_le_k(s) { compare_jump!(s, s.konst(s.i.b()), <=, jump_le_k_float) }
    jump_le_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Le, <=) }
    jump_eq_k(s) { compare_jump!(s, s.konst(s.i.b()), ==, jump_eq_k_float) }
    jump_eq_k_float(s) { equal_jump_floats!(s, s.konst(s.i.b()), ==, jump_eq_k_str) }
    jump_eq_k_str(s) { jump_strings!(s, true, true, CmpOp::Eq, jump_eq_k_bytes) }
    jump_eq_k_bytes(s) { jump_bytes!(s, true, true, CmpOp::Eq) }
    jump_ne_k(s) { compare_jump!(s, s.konst(s.i.b()), !=, jump_ne_k_float) }
    jump_ne_k_float(s) { equal_jump_floats!(s, s.konst(s.i.b()), !=, jump_ne_k_str) }
    jump_ne_k_str(s) { jump_strings!(s, true, false, CmpOp::Ne, jump_ne_k_bytes) }
    jump_ne_k_bytes(s) { jump_bytes!(s, true, false, CmpOp::Ne) }
    jump_gt_k(s) { compare_jump!(s, s.konst(s.i.b()), >, jump_gt_k_float) }
    jump_gt_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Gt, >) }
    jump_ge_k(s) { compare_jump!(s, s.konst(s.i.b()), >=, jump_ge_k_float) }
    jump_ge_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Ge, >=) }
}
