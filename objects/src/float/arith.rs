//! Arithmetic and comparison of floats with floats and ints.

use super::{as_f64, from_f64, to_f64};
use crate::prelude::*;
use crate::str::text_error;
use crate::text::{bigint, float, int::IntRef};
use std::cmp::Ordering;

/// Both operands as floats, or the result NotImplemented.
macro_rules! operands {
    ($t:expr, $a:expr, $b:expr) => {
        match (to_f64($t, $a)?, to_f64($t, $b)?) {
            (Some(x), Some(y)) => (x, y),
            _ => return Ok(Value::NOT_IMPLEMENTED),
        }
    };
}

macro_rules! simple_ops {
    ($($(#[$doc:meta])* $name:ident, $op:tt;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name(t: &mut Thread, a: Value, b: Value) -> Res {
            let (x, y) = operands!(t, a, b);
            Ok(from_f64(t, x $op y))
        })*
    };
}

simple_ops! {
    /// `a + b`, one a float and the other a float or int; else NotImplemented (as all below).
    float_add, +;
    /// `a - b`.
    float_sub, -;
    /// `a * b`.
    float_mul, *;
}

#[cold]
fn zero_division(t: &Thread) -> Raised {
    t.zero_division("division by zero")
}

/// `a / b`.
#[inline]
pub fn float_truediv(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = operands!(t, a, b);
    if y == 0.0 {
        return Err(zero_division(t));
    }
    Ok(from_f64(t, x / y))
}

/// `x % y` with the sign of `y`, which is not zero.
#[inline]
pub fn modulo(x: f64, y: f64) -> f64 {
    let rest = x % y;
    if rest == 0.0 {
        // A zero, too, takes the sign of the divisor.
        return 0f64.copysign(y);
    }
    if (y < 0.0) != (rest < 0.0) {
        rest + y
    } else {
        rest
    }
}

/// `divmod(x, y)`; `y` is not zero.
pub fn div_mod(x: f64, y: f64) -> (f64, f64) {
    let rest = x % y;
    let mut quotient = (x - rest) / y;
    if rest != 0.0 && (y < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    // Nearly a whole number: what is off is the rounding of the division.
    let whole = if quotient == 0.0 {
        0f64.copysign(x / y)
    } else {
        let down = quotient.floor();
        if quotient - down > 0.5 {
            down + 1.0
        } else {
            down
        }
    };
    (whole, modulo(x, y))
}

/// `a // b`.
pub fn float_floordiv(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = operands!(t, a, b);
    if y == 0.0 {
        return Err(zero_division(t));
    }
    Ok(from_f64(t, div_mod(x, y).0))
}

/// `a % b`.
pub fn float_mod(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = operands!(t, a, b);
    if y == 0.0 {
        return Err(zero_division(t));
    }
    Ok(from_f64(t, modulo(x, y)))
}

/// `divmod(a, b)`.
pub fn float_divmod(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = operands!(t, a, b);
    if y == 0.0 {
        return Err(zero_division(t));
    }
    let (q, r) = div_mod(x, y);
    let (q, r) = (Obj::own(from_f64(t, q)), Obj::own(from_f64(t, r)));
    Ok(Tuple::pair(t, q, r).into())
}

/// `x ** y`: complex when a negative number is raised to a fraction.
///
/// # Errors
/// ZeroDivisionError for zero to a negative power, OverflowError.
pub fn float_pow(t: &mut Thread, x: f64, y: f64) -> Res {
    if x == 0.0 && y < 0.0 && y.is_finite() {
        return Err(t.zero_division("zero to a negative power"));
    }
    if x < 0.0 && x.is_finite() && y.is_finite() && y != y.floor() {
        return crate::complex::complex_pow(t, (x, 0.0), (y, 0.0));
    }
    let power = x.powf(y);
    if power.is_infinite() && x.is_finite() && y.is_finite() {
        return Err(out_of_range(t));
    }
    Ok(from_f64(t, power))
}

/// The OverflowError of a C function: its arguments are the error number and its text.
#[cold]
fn out_of_range(t: &Thread) -> Raised {
    let message = Str::new(t, "Numerical result out of range");
    t.raise_args(
        &errors::OVERFLOW_ERROR,
        vec![Obj::from_raw(Value::int(libc::ERANGE.into())), message],
    )
}

/// `a ** b`.
pub fn float_pow_op(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = operands!(t, a, b);
    float_pow(t, x, y)
}

pub(super) fn float_pow3(t: &mut Thread, a: Value, b: Value, m: Value) -> Res {
    if m.is_none() || m.is_null() {
        return float_pow_op(t, a, b);
    }
    Err(t.type_error("pow() 3rd argument not allowed unless all arguments are integers".into()))
}

/// How `x` compares with a float or int, exactly. `Some(None)`: one is NaN. `None`: `v` is no real number.
pub fn compare_with(x: f64, v: Value) -> Option<Option<Ordering>> {
    if let Some(y) = as_f64(v) {
        return Some(x.partial_cmp(&y));
    }
    let order = match Int::of(v)? {
        IntRef::Small(n) => bigint::compare_float_i64(n, x),
        IntRef::Big(n) => bigint::compare_float(n, x),
    };
    Some(order.map(Ordering::reverse))
}

pub(super) fn float_compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let order = match (as_f64(a), as_f64(b)) {
        (Some(x), _) => compare_with(x, b),
        (None, Some(y)) => compare_with(y, a).map(|o| o.map(Ordering::reverse)),
        (None, None) => None,
    };
    Ok(match order {
        Some(Some(order)) => Value::bool(op.of(order)),
        Some(None) => Value::bool(op == CmpOp::Ne),
        None => Value::NOT_IMPLEMENTED,
    })
}

/// `int(x)`.
///
/// # Errors
/// OverflowError for infinities, ValueError for NaN.
#[inline]
pub fn float_to_int(t: &mut Thread, x: f64) -> Res {
    if let Some(n) = float::to_i64(x) {
        return Ok(crate::int::from_i64(t, n));
    }
    match float::to_bigint(x) {
        Ok(n) => Ok(crate::int::from_bigint(t, n)),
        Err(e) => Err(text_error(t, e)),
    }
}
