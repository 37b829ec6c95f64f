//! Arithmetic of ints of any size.
//!
//! The functions `int_*` take two ints (of any size, bools and subclasses included); the slot functions check that first. Results
//! that cannot be held raise MemoryError or OverflowError before memory is asked for.

use super::{Int, from_bigint, from_i64, from_i128, from_u64, with_bigint};
use crate::float;
use crate::prelude::*;
use crate::str::text_error;
use crate::text::bigint;
use crate::text::int::IntRef;
use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

/// The operands of an operation, or NotImplemented.
macro_rules! ints {
    ($a:expr, $b:expr) => {
        match (Int::of($a), Int::of($b)) {
            (Some(x), Some(y)) => (x, y),
            _ => return Ok(Value::NOT_IMPLEMENTED),
        }
    };
}

/// The operands of an operation, if they fit 128 bits.
#[inline(always)]
fn wide(a: Value, b: Value) -> Option<(i128, i128)> {
    Some((Int::wide(a)?, Int::wide(b)?))
}

/// Runs `f` on both as big ints.
fn both<R>(a: IntRef<'_>, b: IntRef<'_>, f: impl FnOnce(&BigInt, &BigInt) -> R) -> R {
    match (a, b) {
        (IntRef::Big(x), IntRef::Big(y)) => f(x, y),
        (IntRef::Big(x), IntRef::Small(y)) => f(x, &y.into()),
        (IntRef::Small(x), IntRef::Big(y)) => f(&x.into(), y),
        (IntRef::Small(x), IntRef::Small(y)) => f(&x.into(), &y.into()),
    }
}

fn bits(n: IntRef<'_>) -> u64 {
    match n {
        IntRef::Small(n) => bigint::bit_length_i64(n).into(),
        IntRef::Big(n) => n.bits(),
    }
}

/// `a + b`.
#[inline]
pub fn int_add(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b) {
        return Ok(from_i64(t, a.as_int() + b.as_int()));
    }
    add_any(t, a, b)
}

#[inline(never)]
fn add_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b)
        && let Some(n) = x.checked_add(y)
    {
        return Ok(from_i128(t, n));
    }
    Ok(match ints!(a, b) {
        (IntRef::Small(x), IntRef::Small(y)) => from_i128(t, i128::from(x) + i128::from(y)),
        (IntRef::Small(x), IntRef::Big(y)) | (IntRef::Big(y), IntRef::Small(x)) => {
            from_bigint(t, y + x)
        }
        (IntRef::Big(x), IntRef::Big(y)) => from_bigint(t, x + y),
    })
}

/// `a - b`.
#[inline]
pub fn int_sub(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b) {
        return Ok(from_i64(t, a.as_int() - b.as_int()));
    }
    sub_any(t, a, b)
}

#[inline(never)]
fn sub_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b)
        && let Some(n) = x.checked_sub(y)
    {
        return Ok(from_i128(t, n));
    }
    Ok(match ints!(a, b) {
        (IntRef::Small(x), IntRef::Small(y)) => from_i128(t, i128::from(x) - i128::from(y)),
        (IntRef::Small(x), IntRef::Big(y)) => from_bigint(t, x - y),
        (IntRef::Big(x), IntRef::Small(y)) => from_bigint(t, x - y),
        (IntRef::Big(x), IntRef::Big(y)) => from_bigint(t, x - y),
    })
}

/// `a * b`.
#[inline]
pub fn int_mul(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b)
        && let Some(n) = a.as_int().checked_mul(b.as_int())
    {
        return Ok(from_i64(t, n));
    }
    mul_any(t, a, b)
}

#[inline(never)]
fn mul_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b)
        && let Some(n) = x.checked_mul(y)
    {
        return Ok(from_i128(t, n));
    }
    let (x, y) = ints!(a, b);
    Ok(match (x, y) {
        (IntRef::Small(x), IntRef::Small(y)) => from_i128(t, i128::from(x) * i128::from(y)),
        (IntRef::Small(x), IntRef::Big(y)) | (IntRef::Big(y), IntRef::Small(x)) => {
            from_bigint(t, y * x)
        }
        (IntRef::Big(p), IntRef::Big(q)) => {
            if bits(x).saturating_add(bits(y)) > bigint::MAX_BITS {
                return Err(t.memory_error());
            }
            crate::memory::room(t, (bits(x).saturating_add(bits(y)) / 2) as usize)?;
            from_bigint(t, p * q)
        }
    })
}

#[cold]
fn zero_division(t: &mut Thread) -> Raised {
    t.zero_division("division by zero")
}

/// `a // b`.
#[inline]
pub fn int_floordiv(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b)
        && let Some(n) = bigint::floor_div_i64(a.as_int(), b.as_int())
    {
        return Ok(from_i64(t, n));
    }
    floordiv_any(t, a, b)
}

#[inline(never)]
fn floordiv_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b)
        && y != 0
        && y != -1
    {
        return Ok(from_i128(t, Integer::div_floor(&x, &y)));
    }
    let (x, y) = ints!(a, b);
    match both(x, y, bigint::floor_div) {
        Some(n) => Ok(from_bigint(t, n)),
        None => Err(zero_division(t)),
    }
}

/// `a % b`.
#[inline]
pub fn int_mod(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b)
        && let Some(n) = bigint::modulo_i64(a.as_int(), b.as_int())
    {
        return Ok(from_i64(t, n));
    }
    mod_any(t, a, b)
}

#[inline(never)]
fn mod_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b)
        && y != 0
        && y != -1
    {
        return Ok(from_i128(t, x.mod_floor(&y)));
    }
    let (x, y) = ints!(a, b);
    match both(x, y, bigint::modulo) {
        Some(n) => Ok(from_bigint(t, n)),
        None => Err(zero_division(t)),
    }
}

/// `divmod(a, b)`.
pub fn int_divmod(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = ints!(a, b);
    if let Some((x, y)) = wide(a, b)
        && y != 0
        && y != -1
    {
        let (q, r) = if let (Ok(x), Ok(y)) = (i64::try_from(x), i64::try_from(y)) {
            let (q, r) = x.div_mod_floor(&y);
            (from_i64(t, q), from_i64(t, r))
        } else {
            let (q, r) = x.div_mod_floor(&y);
            (from_i128(t, q), from_i128(t, r))
        };
        return Ok(Tuple::pair(t, Obj::own(q), Obj::own(r)).into());
    }
    let (q, r) = if a.both_ints(b) && b.as_int() != 0 {
        let (q, r) = a.as_int().div_mod_floor(&b.as_int());
        (from_i64(t, q), from_i64(t, r))
    } else {
        match both(x, y, bigint::div_mod) {
            Some((q, r)) => (from_bigint(t, q), from_bigint(t, r)),
            None => return Err(zero_division(t)),
        }
    };
    Ok(Tuple::from_vec(t, vec![Obj::own(q), Obj::own(r)]).into())
}

/// `a / b`, correctly rounded.
#[inline]
pub fn int_truediv(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = ints!(a, b);
    let quotient = match (x, y) {
        (IntRef::Small(x), IntRef::Small(y)) => bigint::true_div_i64(x, y),
        _ => both(x, y, bigint::true_div),
    };
    match quotient {
        Ok(q) => Ok(float::from_f64(t, q)),
        Err(e) => Err(text_error(t, e)),
    }
}

/// `a ** b`: a float for a negative exponent.
pub fn int_pow(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = ints!(a, b);
    if y.is_negative() {
        let base = big_to_f64(t, x)?;
        let exponent = big_to_f64(t, y)?;
        return float::float_pow(t, base, exponent);
    }
    if let (IntRef::Small(x), IntRef::Small(y)) = (x, y)
        && let Some(n) = bigint::pow_i64(x, y as u64)
    {
        return Ok(from_i64(t, n));
    }
    match both(x, y, bigint::pow) {
        Ok(n) => Ok(from_bigint(t, n)),
        Err(e) => Err(text_error(t, e)),
    }
}

/// `float(n)`.
///
/// # Errors
/// OverflowError.
pub(super) fn big_to_f64(t: &mut Thread, n: IntRef<'_>) -> Res<f64> {
    match n {
        IntRef::Small(n) => Ok(n as f64),
        IntRef::Big(n) => bigint::to_f64(n).map_err(|e| text_error(t, e)),
    }
}

/// `pow(a, b, m)` of ints.
///
/// # Errors
/// ValueError: `m` is zero, or `b` negative and `a` without inverse.
pub fn int_pow_mod(t: &mut Thread, a: Value, b: Value, m: Value) -> Res {
    let (x, y) = ints!(a, b);
    let Some(z) = Int::of(m) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if let (IntRef::Small(x), IntRef::Small(y @ 0..), IntRef::Small(m)) = (x, y, z)
        && m != 0
    {
        return Ok(from_i64(t, pow_mod_small(x, y as u64, m)));
    }
    let result = both(x, y, |x, y| with_bigint(m, |m| bigint::pow_mod(x, y, m)));
    match result {
        Some(Ok(n)) => Ok(from_bigint(t, n)),
        Some(Err(e)) => Err(text_error(t, e)),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn pow_mod_small(base: i64, mut exponent: u64, modulus: i64) -> i64 {
    let m = u128::from(modulus.unsigned_abs());
    let mut square = i128::from(base).rem_euclid(m as i128) as u128;
    let mut result = 1 % m;
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = result * square % m;
        }
        square = square * square % m;
        exponent >>= 1;
    }
    if modulus < 0 && result != 0 {
        (result as i128 - m as i128) as i64
    } else {
        result as i64
    }
}

#[cold]
fn negative_shift(t: &mut Thread) -> Raised {
    t.value_error("negative shift count")
}

/// `a << b`.
///
/// # Errors
/// ValueError for a negative count, OverflowError or MemoryError when the result cannot be held.
#[inline]
pub fn int_lshift(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b)
        && b.as_int() >= 0
        && let Some(n) = bigint::shl_i64(a.as_int(), b.as_int() as u64)
    {
        return Ok(from_i64(t, n));
    }
    lshift_any(t, a, b)
}

#[inline(never)]
fn lshift_any(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = ints!(a, b);
    if y.is_negative() {
        return Err(negative_shift(t));
    }
    if matches!(x, IntRef::Small(0)) {
        return Ok(Value::int(0));
    }
    if let Some((x, count)) = wide(a, b)
        && count < 127
        && (x << count) >> count == x
    {
        return Ok(from_i128(t, x << count));
    }
    let IntRef::Small(count) = y else {
        return Err(t.overflow_error("too many digits in integer"));
    };
    // Twice: the digits are moved to where they belong.
    let size = bits(x).saturating_add(count as u64) / 4;
    crate::memory::room(t, usize::try_from(size).unwrap_or(usize::MAX))?;
    let shifted = match x {
        IntRef::Small(x) => bigint::shl(&x.into(), count as u64),
        IntRef::Big(x) => bigint::shl(x, count as u64),
    };
    match shifted {
        Ok(n) => Ok(from_bigint(t, n)),
        Err(e) => Err(text_error(t, e)),
    }
}

/// `a >> b`.
///
/// # Errors
/// ValueError for a negative count.
#[inline]
pub fn int_rshift(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b) && b.as_int() >= 0 {
        return Ok(from_i64(t, bigint::shr_i64(a.as_int(), b.as_int() as u64)));
    }
    rshift_any(t, a, b)
}

#[inline(never)]
fn rshift_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, count)) = wide(a, b)
        && count >= 0
    {
        return Ok(from_i128(t, x >> count.min(127)));
    }
    let (x, y) = ints!(a, b);
    if y.is_negative() {
        return Err(negative_shift(t));
    }
    let count = match y {
        IntRef::Small(n) => n as u64,
        IntRef::Big(_) => u64::MAX,
    };
    Ok(match x {
        IntRef::Small(x) => from_i64(t, bigint::shr_i64(x, count)),
        IntRef::Big(x) => from_bigint(t, bigint::shr(x, count)),
    })
}

/// `a & b`.
#[inline]
pub fn int_and(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b) {
        return Ok(from_i64(t, a.as_int() & b.as_int()));
    }
    and_any(t, a, b)
}

#[inline(never)]
fn and_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b) {
        return Ok(from_i128(t, x & y));
    }
    let (x, y) = ints!(a, b);
    Ok(match (x, y) {
        (IntRef::Small(x), IntRef::Small(y)) => from_i64(t, x & y),
        // Only the low word of the big one can survive.
        (IntRef::Small(x @ 0..), IntRef::Big(y)) | (IntRef::Big(y), IntRef::Small(x @ 0..)) => {
            from_i64(t, x & low_word(y))
        }
        _ => {
            let n = both(x, y, |x, y| x & y);
            from_bigint(t, n)
        }
    })
}

/// The low 64 bits in two's complement.
fn low_word(n: &BigInt) -> i64 {
    let low = n.iter_u64_digits().next().unwrap_or(0) as i64;
    if n.sign() == Sign::Minus {
        low.wrapping_neg()
    } else {
        low
    }
}

/// `a | b`.
#[inline]
pub fn int_or(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b) {
        return Ok(from_i64(t, a.as_int() | b.as_int()));
    }
    or_any(t, a, b)
}

#[inline(never)]
fn or_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b) {
        return Ok(from_i128(t, x | y));
    }
    let (x, y) = ints!(a, b);
    Ok(match (x, y) {
        (IntRef::Small(x), IntRef::Small(y)) => from_i64(t, x | y),
        _ => {
            let n = both(x, y, |x, y| x | y);
            from_bigint(t, n)
        }
    })
}

/// `a ^ b`.
#[inline]
pub fn int_xor(t: &mut Thread, a: Value, b: Value) -> Res {
    if a.both_ints(b) {
        return Ok(from_i64(t, a.as_int() ^ b.as_int()));
    }
    xor_any(t, a, b)
}

#[inline(never)]
fn xor_any(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((x, y)) = wide(a, b) {
        return Ok(from_i128(t, x ^ y));
    }
    let (x, y) = ints!(a, b);
    Ok(match (x, y) {
        (IntRef::Small(x), IntRef::Small(y)) => from_i64(t, x ^ y),
        _ => {
            let n = both(x, y, |x, y| x ^ y);
            from_bigint(t, n)
        }
    })
}

/// The order of two ints.
#[inline]
pub fn int_cmp(a: IntRef<'_>, b: IntRef<'_>) -> std::cmp::Ordering {
    match (a, b) {
        (IntRef::Small(x), IntRef::Small(y)) => x.cmp(&y),
        (IntRef::Big(x), IntRef::Big(y)) => x.cmp(y),
        // What does not fit 64 bits lies beyond everything that does.
        (IntRef::Big(x), IntRef::Small(_)) => {
            if x.is_negative() {
                0.cmp(&1)
            } else {
                1.cmp(&0)
            }
        }
        (IntRef::Small(_), IntRef::Big(y)) => {
            if y.is_negative() {
                1.cmp(&0)
            } else {
                0.cmp(&1)
            }
        }
    }
}

/// `a == b`, ... of an int with an int.
pub(super) fn int_compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if a.both_ints(b) {
        return Ok(Value::bool(op.of(a.as_int().cmp(&b.as_int()))));
    }
    if let Some((x, y)) = wide(a, b) {
        return Ok(Value::bool(op.of(x.cmp(&y))));
    }
    let (x, y) = ints!(a, b);
    Ok(Value::bool(op.of(int_cmp(x, y))))
}

/// `-a`.
pub fn int_neg(t: &mut Thread, a: Value) -> Res {
    if let Some(n) = Int::wide(a).and_then(i128::checked_neg) {
        return Ok(from_i128(t, n));
    }
    Ok(match Int::of(a) {
        Some(IntRef::Small(n)) => from_i128(t, -i128::from(n)),
        Some(IntRef::Big(n)) => from_bigint(t, -n),
        None => Value::NOT_IMPLEMENTED,
    })
}

/// `abs(a)`.
pub fn int_abs(t: &mut Thread, a: Value) -> Res {
    if a.is_int() {
        return Ok(from_i64(t, a.as_int().abs()));
    }
    if let Some(n) = Int::wide(a).and_then(i128::checked_abs) {
        return Ok(from_i128(t, n));
    }
    Ok(match Int::of(a) {
        Some(IntRef::Small(n)) => from_u64(t, n.unsigned_abs()),
        Some(IntRef::Big(n)) if n.is_negative() => from_bigint(t, n.abs()),
        Some(IntRef::Big(_)) => super::exact(t, a),
        None => Value::NOT_IMPLEMENTED,
    })
}

/// `~a`.
pub fn int_invert(t: &mut Thread, a: Value) -> Res {
    if let Some(n) = Int::wide(a) {
        return Ok(from_i128(t, !n));
    }
    Ok(match Int::of(a) {
        Some(IntRef::Small(n)) => from_i64(t, !n),
        Some(IntRef::Big(n)) => from_bigint(t, !n),
        None => Value::NOT_IMPLEMENTED,
    })
}

pub(super) fn int_truth(_t: &mut Thread, a: Value) -> Res<bool> {
    if let Some(n) = Int::wide(a) {
        return Ok(n != 0);
    }
    Ok(match Int::of(a) {
        Some(IntRef::Small(n)) => n != 0,
        Some(IntRef::Big(n)) => !n.is_zero(),
        None => true,
    })
}

pub(super) fn int_float(t: &mut Thread, a: Value) -> Res {
    if let Some(n) = Int::wide(a) {
        // Rounds to even, as it should.
        return Ok(float::from_f64(t, n as f64));
    }
    match Int::of(a) {
        Some(n) => {
            let x = big_to_f64(t, n)?;
            Ok(float::from_f64(t, x))
        }
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

/// Three-argument pow; the third may be None.
pub(super) fn int_pow3(t: &mut Thread, a: Value, b: Value, m: Value) -> Res {
    if m.is_none() || m.is_null() {
        return int_pow(t, a, b);
    }
    int_pow_mod(t, a, b, m)
}

/// An unsigned count out of an int, saturating; `None` for a negative one.
pub fn saturating_u64(n: IntRef<'_>) -> Option<u64> {
    match n {
        IntRef::Small(n) => u64::try_from(n).ok(),
        IntRef::Big(n) if n.is_negative() => None,
        IntRef::Big(n) => Some(n.to_u64().unwrap_or(u64::MAX)),
    }
}
