//! The operations on single numbers' digits, neighbours and order.

use super::arith::{add, order};
use super::coef::{Coef, ONE, TooLong};
use super::num::status::*;
use super::num::{Ctx, Kind, Num, Round, nans};
use std::cmp::Ordering;

/// -1, 0 or 1; NaN if one is a NaN, which is signalled if it is signaling or `signal` is set.
pub fn compare(a: &Num, b: &Num, signal: bool, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b], c) {
        if signal {
            c.status |= INVALID_OPERATION;
        }
        return n;
    }
    from_order(order(a, b))
}

fn from_order(o: Ordering) -> Num {
    Num::from_i64(o as i64)
}

/// The order in which all representations differ.
pub fn total_order(a: &Num, b: &Num) -> Ordering {
    if a.neg != b.neg {
        return if a.neg {
            Ordering::Less
        } else {
            Ordering::Greater
        };
    }
    let rank = |x: &Num| match x.kind {
        Kind::Finite | Kind::Infinite => 0,
        Kind::Signaling => 1,
        Kind::Quiet => 2,
    };
    let o = rank(a).cmp(&rank(b));
    let o = if o.is_ne() {
        o
    } else if a.is_nan() {
        a.coef.compare(&b.coef)
    } else {
        order(&a.abs(), &b.abs()).then_with(|| match a.is_finite() {
            true => a.exp.cmp(&b.exp),
            false => Ordering::Equal,
        })
    };
    if a.neg { o.reverse() } else { o }
}

pub fn compare_total(a: &Num, b: &Num, magnitude: bool) -> Num {
    from_order(match magnitude {
        true => total_order(&a.abs(), &b.abs()),
        false => total_order(a, b),
    })
}

/// The larger (or smaller) of two numbers, without their signs if `magnitude`. A number wins over a quiet NaN.
pub fn extreme(a: &Num, b: &Num, larger: bool, magnitude: bool, c: &mut Ctx) -> Num {
    if a.is_nan() || b.is_nan() {
        let other = match (a.kind, b.kind) {
            (Kind::Quiet, k) if !matches!(k, Kind::Quiet | Kind::Signaling) => Some(b),
            (k, Kind::Quiet) if !matches!(k, Kind::Quiet | Kind::Signaling) => Some(a),
            _ => None,
        };
        return match other {
            Some(n) => n.clone().finish(c),
            None => nans(&[a, b], c).unwrap_or_else(Num::nan),
        };
    }
    let o = match magnitude {
        true => order(&a.abs(), &b.abs()),
        false => order(a, b),
    };
    let o = o.then_with(|| total_order(a, b));
    let first = if larger { o.is_ge() } else { o.is_lt() };
    if first { a.clone() } else { b.clone() }.finish(c)
}

/// The next representable number above (`up`) or below.
pub fn next(a: &Num, up: bool, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a], c) {
        return n;
    }
    if a.is_infinite() {
        return match a.neg == up {
            true => Num::largest(a.neg, c),
            false => a.clone(),
        };
    }
    let mut quiet = c.quiet();
    quiet.round = if up { Round::Ceiling } else { Round::Floor };
    let fixed = a.clone().finish(&mut quiet);
    if fixed.is_special() || order(&fixed, a).is_ne() {
        c.status |= quiet.status & NO_MEMORY;
        return fixed;
    }
    let step = Num::new(!up, ONE, c.etiny() - 1);
    let r = add(&fixed, &step, &mut quiet);
    c.status |= quiet.status & NO_MEMORY;
    r
}

/// The next representable number from `a` towards `b`.
pub fn next_toward(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b], c) {
        return n;
    }
    let o = order(a, b);
    if o.is_eq() {
        return a.with_sign(b.neg);
    }
    let r = next(a, o.is_lt(), c);
    if r.is_infinite() {
        c.status |= OVERFLOW | ROUNDED | INEXACT;
    } else if r.is_finite() && (r.coef.is_zero() || r.adjusted() < c.emin) {
        c.status |= UNDERFLOW | SUBNORMAL | ROUNDED | INEXACT;
        if r.coef.is_zero() {
            c.status |= CLAMPED;
        }
    }
    r
}

/// The exponent of the first digit, as a number.
pub fn logb(a: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a], c) {
        return n;
    }
    if a.is_infinite() {
        return Num::infinity(false);
    }
    if a.coef.is_zero() {
        c.status |= DIVISION_BY_ZERO;
        return Num::infinity(true);
    }
    Num::from_i64(a.adjusted()).finish(c)
}

/// `a * 10^b`
pub fn scaleb(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b], c) {
        return n;
    }
    let most = 2 * (c.emax + c.prec);
    let Some(n) = b
        .to_i64()
        .filter(|n| b.exp == 0 && (-most..=most).contains(n))
    else {
        return c.invalid(INVALID_OPERATION);
    };
    if a.is_infinite() {
        return a.clone();
    }
    // So far out that it makes no difference.
    let exp = a.exp.saturating_add(n);
    let exp = exp.clamp(-(i64::MAX / 4), i64::MAX / 4);
    Num { exp, ..a.clone() }.finish(c)
}

/// By how many digits to shift or rotate.
fn places(b: &Num, c: &Ctx) -> Option<i64> {
    let n = b.to_i64().filter(|_| b.exp == 0)?;
    (-c.prec..=c.prec).contains(&n).then_some(n)
}

/// The digits moved to the left; to the right by a negative number.
pub fn shift(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b], c) {
        return n;
    }
    let Some(n) = places(b, c) else {
        return c.invalid(INVALID_OPERATION);
    };
    if a.is_infinite() {
        return a.clone();
    }
    let coef = match n >= 0 {
        // Only so many digits that something remains of them.
        true => {
            let kept = a.coef.low_digits((c.prec - n).unsigned_abs());
            match kept.shl(n.unsigned_abs()) {
                Ok(coef) => coef,
                Err(TooLong) => return c.invalid(NO_MEMORY),
            }
        }
        false => {
            a.coef
                .low_digits(c.prec.unsigned_abs())
                .shr(n.unsigned_abs())
                .0
        }
    };
    Num::new(a.neg, coef, a.exp)
}

/// The digits moved to the left, and what goes out back in from the right.
pub fn rotate(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b], c) {
        return n;
    }
    let Some(n) = places(b, c) else {
        return c.invalid(INVALID_OPERATION);
    };
    if a.is_infinite() {
        return a.clone();
    }
    let n = if n < 0 { n + c.prec } else { n };
    let whole = a.coef.low_digits(c.prec.unsigned_abs());
    let stay = (c.prec - n).unsigned_abs();
    let high = whole.shr(stay).0;
    match whole.low_digits(stay).shl(n.unsigned_abs()) {
        Ok(low) => Num::new(a.neg, low.add(&high), a.exp),
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

/// The digits of a logical operand that the precision has room for, the lowest first; `None` if it is not one.
fn bits(a: &Num, c: &Ctx) -> Option<Vec<u8>> {
    if a.is_special() || a.neg || a.exp != 0 {
        return None;
    }
    let mut text = a.coef.text();
    text.reverse();
    if !text.iter().all(|d| *d <= b'1') {
        return None;
    }
    text.truncate(usize::try_from(c.prec).unwrap_or(usize::MAX));
    Some(text)
}

fn from_bits(mut bits: Vec<u8>) -> Num {
    bits.reverse();
    bits.iter_mut().for_each(|d| *d &= 1);
    Num::new(false, Coef::from_digits(&bits), 0)
}

pub fn logical(a: &Num, b: &Num, f: fn(u8, u8) -> u8, c: &mut Ctx) -> Num {
    let (Some(x), Some(y)) = (bits(a, c), bits(b, c)) else {
        return c.invalid(INVALID_OPERATION);
    };
    let digit = |v: &[u8], i: usize| v.get(i).map_or(0, |d| d & 1);
    let n = x.len().max(y.len());
    from_bits((0..n).map(|i| f(digit(&x, i), digit(&y, i))).collect())
}

pub fn logical_invert(a: &Num, c: &mut Ctx) -> Num {
    let Some(x) = bits(a, c) else {
        return c.invalid(INVALID_OPERATION);
    };
    if c.prec.unsigned_abs() > super::coef::MOST_DIGITS {
        return c.invalid(NO_MEMORY);
    }
    let digit = |i: usize| x.get(i).map_or(0, |d| d & 1);
    from_bits((0..c.prec as usize).map(|i| 1 - digit(i)).collect())
}

/// What kind of number it is, in words.
pub fn number_class(a: &Num, c: &Ctx) -> &'static str {
    let class = match a.kind {
        Kind::Signaling => return "sNaN",
        Kind::Quiet => return "NaN",
        Kind::Infinite => ["+Infinity", "-Infinity"],
        Kind::Finite if a.coef.is_zero() => ["+Zero", "-Zero"],
        Kind::Finite if a.adjusted() < c.emin => ["+Subnormal", "-Subnormal"],
        Kind::Finite => ["+Normal", "-Normal"],
    };
    class[usize::from(a.neg)]
}

pub fn same_quantum(a: &Num, b: &Num) -> bool {
    if a.is_special() || b.is_special() {
        return a.is_nan() && b.is_nan() || a.is_infinite() && b.is_infinite();
    }
    a.exp == b.exp
}
