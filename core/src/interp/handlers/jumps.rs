//! Jumps and compare-and-jump.

use super::handlers;
use crate::compile::bytecode::XA;
use crate::interp::{globals, ops};
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
                jump_true_slow
            } else {
                jump_false_slow
            });
        };
        $s.branch(truth == $want, $s.i.off32())
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
    jump_eq_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Eq, ==) }
    jump_ne(s) { compare_jump!(s, s.reg(s.i.b()), !=, jump_ne_float) }
    jump_ne_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Ne, !=) }
    jump_gt(s) { compare_jump!(s, s.reg(s.i.b()), >, jump_gt_float) }
    jump_gt_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Gt, >) }
    jump_ge(s) { compare_jump!(s, s.reg(s.i.b()), >=, jump_ge_float) }
    jump_ge_float(s) { compare_jump_floats!(s, s.reg(s.i.b()), false, CmpOp::Ge, >=) }
    jump_lt_k(s) { compare_jump!(s, s.konst(s.i.b()), <, jump_lt_k_float) }
    jump_lt_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Lt, <) }
    jump_le_k(s) { compare_jump!(s, s.konst(s.i.b()), <=, jump_le_k_float) }
    jump_le_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Le, <=) }
    jump_eq_k(s) { compare_jump!(s, s.konst(s.i.b()), ==, jump_eq_k_float) }
    jump_eq_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Eq, ==) }
    jump_ne_k(s) { compare_jump!(s, s.konst(s.i.b()), !=, jump_ne_k_float) }
    jump_ne_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Ne, !=) }
    jump_gt_k(s) { compare_jump!(s, s.konst(s.i.b()), >, jump_gt_k_float) }
    jump_gt_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Gt, >) }
    jump_ge_k(s) { compare_jump!(s, s.konst(s.i.b()), >=, jump_ge_k_float) }
    jump_ge_k_float(s) { compare_jump_floats!(s, s.konst(s.i.b()), true, CmpOp::Ge, >=) }
}
