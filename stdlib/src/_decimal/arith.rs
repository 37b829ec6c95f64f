//! The arithmetic of the General Decimal Arithmetic specification: sums, products, quotients, roots, quantizing.

use super::coef::{Coef, ONE, TooLong, ZERO};
use super::num::status::*;
use super::num::{Ctx, Kind, Num, Round, nans};
use std::cmp::Ordering;

/// `a + b`
#[inline]
pub fn add(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    add_signed(a, b, b.neg, c)
}

/// `a - b`
#[inline]
pub fn sub(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if b.is_nan() {
        return add_signed(a, b, b.neg, c);
    }
    add_signed(a, b, !b.neg, c)
}

/// `a` and a number like `b`, but with the sign `b_neg`.
#[inline]
fn add_signed(a: &Num, b: &Num, b_neg: bool, c: &mut Ctx) -> Num {
    if a.is_special() || b.is_special() {
        if let Some(n) = nans(&[a, b], c) {
            return n;
        }
        return match (a.is_infinite(), b.is_infinite()) {
            (true, true) if a.neg != b_neg => c.invalid(INVALID_OPERATION),
            (true, _) => Num::infinity(a.neg),
            _ => Num::infinity(b_neg),
        };
    }
    if a.exp == b.exp {
        return sum(a.neg, &a.coef, b_neg, &b.coef, a.exp, c);
    }
    // With the larger exponent first.
    let (x, x_neg, y, y_neg) = if a.exp > b.exp {
        (a, a.neg, b, b_neg)
    } else {
        (b, b_neg, a, a.neg)
    };
    let apart = (x.exp - y.exp).unsigned_abs();
    if let Coef::Small(_) = x.coef
        && apart < 38
        && let Ok(shifted @ Coef::Small(_)) = x.coef.shl(apart)
    {
        return sum(x_neg, &shifted, y_neg, &y.coef, y.exp, c);
    }
    add_apart(x, x_neg, y, y_neg, c)
}

/// The sum of numbers of one exponent.
#[inline]
fn sum(a_neg: bool, a: &Coef, b_neg: bool, b: &Coef, exp: i64, c: &mut Ctx) -> Num {
    if a_neg == b_neg {
        return Num::new(a_neg, a.add(b), exp).finish(c);
    }
    let r = match a.compare(b) {
        Ordering::Greater => Num::new(a_neg, a.sub(b), exp),
        Ordering::Less => Num::new(b_neg, b.sub(a), exp),
        Ordering::Equal => Num::zero(c.round == Round::Floor, exp),
    };
    r.finish(c)
}

/// The sum of finite numbers, `x` with the larger exponent; the digits between them may be too many to write down.
#[cold]
fn add_apart(x: &Num, x_neg: bool, y: &Num, y_neg: bool, c: &mut Ctx) -> Num {
    if x.coef.is_zero() {
        if y.coef.is_zero() {
            return sum(x_neg, &ZERO, y_neg, &ZERO, y.exp, c);
        }
        return y.with_sign(y_neg).finish(c);
    }
    if y.coef.is_zero() {
        let exp = y.exp.max(x.exp - c.prec - 1).min(x.exp);
        return match x.coef.shl((x.exp - exp).unsigned_abs()) {
            Ok(coef) => Num::new(x_neg, coef, exp).finish(c),
            Err(TooLong) => c.invalid(NO_MEMORY),
        };
    }
    // Below this a number only says that there is something.
    let floor = x.exp + (x.coef.digits() as i64 - c.prec - 2).min(-1);
    let (y_coef, exp) = match y.adjusted() < floor {
        true => (&ONE, floor),
        false => (&y.coef, y.exp),
    };
    match x.coef.shl((x.exp - exp).unsigned_abs()) {
        Ok(shifted) => sum(x_neg, &shifted, y_neg, y_coef, exp, c),
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

/// `a * b`
#[inline]
pub fn mul(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if a.is_special() || b.is_special() {
        return mul_special(a, b, c);
    }
    Num::new(a.neg != b.neg, a.coef.mul(&b.coef), a.exp + b.exp).finish(c)
}

#[cold]
fn mul_special(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b], c) {
        return n;
    }
    if a.is_zero() || b.is_zero() {
        return c.invalid(INVALID_OPERATION);
    }
    Num::infinity(a.neg != b.neg)
}

/// `a * b + d`, rounded once.
pub fn fma(a: &Num, b: &Num, d: &Num, c: &mut Ctx) -> Num {
    if a.is_special() || b.is_special() {
        if a.is_nan() || b.is_nan() {
            return nans(&[a, b, d], c).unwrap_or_else(Num::nan);
        }
        // An infinity times zero counts more than what is added.
        if a.is_zero() || b.is_zero() {
            return c.invalid(INVALID_OPERATION);
        }
        return add(&Num::infinity(a.neg != b.neg), d, c);
    }
    if let Some(n) = nans(&[d], c) {
        return n;
    }
    let product = Num::new(a.neg != b.neg, a.coef.mul(&b.coef), a.exp + b.exp);
    add(&product, d, c)
}

/// `a / b`
pub fn div(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    let neg = a.neg != b.neg;
    if a.is_special() || b.is_special() {
        if let Some(n) = nans(&[a, b], c) {
            return n;
        }
        return match (a.is_infinite(), b.is_infinite()) {
            (true, true) => c.invalid(INVALID_OPERATION),
            (true, false) => Num::infinity(neg),
            _ => {
                c.status |= CLAMPED;
                Num::zero(neg, c.etiny())
            }
        };
    }
    if b.coef.is_zero() {
        if a.coef.is_zero() {
            return c.invalid(DIVISION_UNDEFINED);
        }
        c.status |= DIVISION_BY_ZERO;
        return Num::infinity(neg);
    }
    let ideal = a.exp - b.exp;
    if a.coef.is_zero() {
        return Num::zero(neg, ideal).finish(c);
    }
    // What is exact has no more digits than that: so many a reciprocal has, if it ends at all.
    let enough = (a.coef.digits() + 4 * b.coef.digits()) as i64;
    let found = match quotient(&a.coef, &b.coef, ideal, c.prec) {
        Err(TooLong) if enough < c.prec => match quotient(&a.coef, &b.coef, ideal, enough) {
            Ok((coef, exp, true)) => Ok((coef, exp, true)),
            _ => Err(TooLong),
        },
        found => found,
    };
    match found {
        Ok((coef, exp, _)) => Num::new(neg, coef, exp).finish(c),
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

/// `a / b` of coefficients with more digits than `prec` unless it is exact, and whether it is; what is not exact does not end in 0 or 5.
fn quotient(a: &Coef, b: &Coef, ideal: i64, prec: i64) -> Result<(Coef, i64, bool), TooLong> {
    let shift = (b.digits() as i64 - a.digits() as i64).saturating_add(prec + 1);
    let (mut q, r) = if shift >= 0 {
        a.shl(shift.unsigned_abs())?.div_rem(b)
    } else {
        a.div_rem(&b.shl(shift.unsigned_abs())?)
    };
    let mut exp = ideal - shift;
    let exact = r.is_zero();
    if !exact {
        if q.last_digit() % 5 == 0 {
            q = q.add_one();
        }
    } else if exp < ideal {
        (q, exp) = strip(q, exp, ideal);
    }
    Ok((q, exp, exact))
}

/// Without trailing zeros, as far as the exponent does not go above `most`.
pub fn strip(coef: Coef, exp: i64, most: i64) -> (Coef, i64) {
    if exp >= most {
        return (coef, exp);
    }
    if let Coef::Small(mut n) = coef {
        if n == 0 {
            return (coef, exp);
        }
        let mut exp = exp;
        for step in [16, 8, 4, 2, 1] {
            let unit = super::coef::POW[step];
            while exp + step as i64 <= most {
                let (q, r) = super::coef::div_rem_u128(n, unit);
                if r != 0 {
                    break;
                }
                n = q;
                exp += step as i64;
            }
        }
        return (Coef::Small(n), exp);
    }
    let n = coef.trailing_zeros().min((most - exp).unsigned_abs());
    (coef.shr(n).0, exp + n as i64)
}

/// The integer quotient and the rest of finite numbers, `b` not zero; `None` if the quotient has more digits than the precision.
fn div_int(a: &Num, b: &Num, c: &Ctx) -> Result<Option<(Coef, Num)>, TooLong> {
    let exp = a.exp.min(b.exp);
    let apart = a.adjusted() - b.adjusted();
    if a.coef.is_zero() || apart < 0 {
        // The rest is the number itself, with the smaller exponent.
        let r = match a.coef.is_zero() {
            true => Num::zero(a.neg, exp),
            false => a.rescale(exp, Round::Down)?.0,
        };
        return Ok(Some((ZERO, r)));
    }
    if apart > c.prec {
        return Ok(None);
    }
    let x = a.coef.shl((a.exp - exp).unsigned_abs())?;
    let y = b.coef.shl((b.exp - exp).unsigned_abs())?;
    let (q, r) = x.div_rem(&y);
    if q.digits() as i64 > c.prec {
        return Ok(None);
    }
    Ok(Some((q, Num::new(a.neg, r, exp))))
}

/// What `divmod`, `//` and `%` give: quotient and rest.
pub fn divmod(a: &Num, b: &Num, c: &mut Ctx) -> (Num, Num) {
    let neg = a.neg != b.neg;
    if a.is_special() || b.is_special() {
        if let Some(n) = nans(&[a, b], c) {
            return (n.clone(), n);
        }
        if a.is_infinite() {
            let q = match b.is_infinite() {
                true => c.invalid(INVALID_OPERATION),
                false => Num::infinity(neg),
            };
            return (q, c.invalid(INVALID_OPERATION));
        }
        return (Num::zero(neg, 0), a.clone().finish(c));
    }
    if b.coef.is_zero() {
        if a.coef.is_zero() {
            let n = c.invalid(DIVISION_UNDEFINED);
            return (n.clone(), n);
        }
        c.status |= DIVISION_BY_ZERO | INVALID_OPERATION;
        return (Num::infinity(neg), Num::nan());
    }
    match div_int(a, b, c) {
        Ok(Some((q, r))) => (Num::new(neg, q, 0), r.finish(c)),
        Ok(None) => {
            let n = c.invalid(DIVISION_IMPOSSIBLE);
            (n.clone(), n)
        }
        Err(TooLong) => {
            let n = c.invalid(NO_MEMORY);
            (n.clone(), n)
        }
    }
}

/// `a // b`
pub fn floor_div(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if a.is_special() || b.is_special() || b.coef.is_zero() {
        let neg = a.neg != b.neg;
        if let Some(n) = nans(&[a, b], c) {
            return n;
        }
        if a.is_infinite() {
            return match b.is_infinite() {
                true => c.invalid(INVALID_OPERATION),
                false => Num::infinity(neg),
            };
        }
        if b.is_infinite() {
            return Num::zero(neg, 0);
        }
        if a.coef.is_zero() {
            return c.invalid(DIVISION_UNDEFINED);
        }
        c.status |= DIVISION_BY_ZERO;
        return Num::infinity(neg);
    }
    match div_int(a, b, c) {
        Ok(Some((q, _))) => Num::new(a.neg != b.neg, q, 0).finish(c),
        Ok(None) => c.invalid(DIVISION_IMPOSSIBLE),
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

/// `a % b`, with the sign of `a`.
pub fn rem(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if a.is_special() || b.is_special() || b.coef.is_zero() {
        if let Some(n) = nans(&[a, b], c) {
            return n;
        }
        if b.is_infinite() && a.is_finite() {
            return a.clone().finish(c);
        }
        let why = match b.is_zero() && a.is_zero() {
            true => DIVISION_UNDEFINED,
            false => INVALID_OPERATION,
        };
        return c.invalid(why);
    }
    match div_int(a, b, c) {
        Ok(Some((_, r))) => r.finish(c),
        Ok(None) => c.invalid(DIVISION_IMPOSSIBLE),
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

/// The rest by the nearest multiple of `b`.
pub fn rem_near(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if a.is_special() || b.is_special() || b.coef.is_zero() || a.coef.is_zero() {
        if a.is_zero() && b.is_finite() && !b.coef.is_zero() {
            return Num::zero(a.neg, a.exp.min(b.exp)).finish(c);
        }
        return rem(a, b, c);
    }
    let exp = a.exp.min(b.exp);
    let apart = a.adjusted() - b.adjusted();
    if apart > c.prec {
        return c.invalid(DIVISION_IMPOSSIBLE);
    }
    match rem_near_finite(a, b, exp, apart, c) {
        Ok(Some(r)) => r.finish(c),
        Ok(None) => c.invalid(DIVISION_IMPOSSIBLE),
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

fn rem_near_finite(
    a: &Num,
    b: &Num,
    exp: i64,
    apart: i64,
    c: &Ctx,
) -> Result<Option<Num>, TooLong> {
    if apart <= -2 {
        return Ok(Some(a.rescale(exp, Round::Down)?.0));
    }
    let x = a.coef.shl((a.exp - exp).unsigned_abs())?;
    let y = b.coef.shl((b.exp - exp).unsigned_abs())?;
    let (mut q, mut r) = x.div_rem(&y);
    let mut neg = a.neg;
    let up = match r.add(&r).compare(&y) {
        Ordering::Greater => true,
        Ordering::Equal => q.is_odd(),
        Ordering::Less => false,
    };
    if up {
        q = q.add_one();
        r = y.sub(&r);
        neg = !neg;
    }
    if q.digits() as i64 > c.prec {
        return Ok(None);
    }
    Ok(Some(Num::new(neg, r, exp)))
}

/// `a` with the exponent of `b`.
#[inline]
pub fn quantize(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if a.is_special() || b.is_special() {
        if let Some(n) = nans(&[a, b], c) {
            return n;
        }
        return match a.is_infinite() && b.is_infinite() {
            true => a.clone(),
            false => c.invalid(INVALID_OPERATION),
        };
    }
    let exp = b.exp;
    if exp > c.emax || exp < c.etiny() {
        return c.invalid(INVALID_OPERATION);
    }
    if a.coef.is_zero() {
        return Num::zero(a.neg, exp).finish(c);
    }
    let adjusted = a.adjusted();
    if adjusted > c.emax || adjusted - exp + 1 > c.prec {
        return c.invalid(INVALID_OPERATION);
    }
    let Ok((r, digit)) = a.rescale(exp, c.round) else {
        return c.invalid(NO_MEMORY);
    };
    let adjusted = r.adjusted();
    if adjusted > c.emax || r.coef.digits() as i64 > c.prec {
        return c.invalid(INVALID_OPERATION);
    }
    if exp > a.exp {
        c.status |= if digit > 0 {
            INEXACT | ROUNDED
        } else {
            ROUNDED
        };
    }
    r.finish(c)
}

/// Rounded to an integer. `exact`: what is lost is signalled.
pub fn to_integral(a: &Num, exact: bool, c: &mut Ctx) -> Num {
    if a.is_special() {
        return nans(&[a], c).unwrap_or_else(|| a.clone());
    }
    if a.exp >= 0 {
        return a.clone();
    }
    if a.coef.is_zero() {
        return Num::zero(a.neg, 0);
    }
    match a.rescale(0, c.round) {
        Ok((r, digit)) => {
            if exact {
                c.status |= if digit > 0 {
                    INEXACT | ROUNDED
                } else {
                    ROUNDED
                };
            }
            r
        }
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

/// Without trailing zeros.
pub fn normalize(a: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a], c) {
        return n;
    }
    let r = a.clone().finish(c);
    if r.is_special() {
        return r;
    }
    if r.coef.is_zero() {
        return Num::zero(r.neg, 0).finish(c);
    }
    let top = if c.clamp { c.etop() } else { c.emax };
    let (coef, exp) = strip(r.coef, r.exp, top);
    Num::new(r.neg, coef, exp)
}

/// The square root, rounded half-even.
pub fn sqrt(a: &Num, c: &mut Ctx) -> Num {
    if a.is_special() {
        if let Some(n) = nans(&[a], c) {
            return n;
        }
        return match a.neg {
            true => c.invalid(INVALID_OPERATION),
            false => a.clone(),
        };
    }
    let half = a.exp.div_euclid(2);
    if a.coef.is_zero() {
        return Num::zero(a.neg, half).finish(c);
    }
    if a.neg {
        return c.invalid(INVALID_OPERATION);
    }
    match root(a, half, c.prec + 1) {
        Ok(r) => {
            let mut even = c.clone();
            even.round = Round::HalfEven;
            let r = r.finish(&mut even);
            c.status = even.status;
            r
        }
        Err(TooLong) => c.invalid(NO_MEMORY),
    }
}

/// The root with `prec` digits unless it is exact; what is not exact does not end in 0 or 5.
fn root(a: &Num, ideal: i64, prec: i64) -> Result<Num, TooLong> {
    let odd = a.exp.rem_euclid(2) == 1;
    let coef = if odd { a.coef.shl(1)? } else { a.coef.clone() };
    let shift = prec - (coef.digits() as i64 + 1) / 2;
    let (coef, mut exact) = match shift >= 0 {
        true => (coef.shl(2 * shift.unsigned_abs())?, true),
        false => {
            let (coef, digit) = coef.shr(2 * shift.unsigned_abs());
            (coef, digit == 0)
        }
    };
    let (mut n, whole) = int_sqrt(&coef);
    exact &= whole;
    let mut exp = ideal - shift;
    if exact {
        n = match shift >= 0 {
            true => n.shr(shift.unsigned_abs()).0,
            false => n.shl(shift.unsigned_abs())?,
        };
        exp = ideal;
    } else if n.last_digit() % 5 == 0 {
        n = n.add_one();
    }
    Ok(Num::new(false, n, exp))
}

/// The integer part of the root, and whether that is all of it.
fn int_sqrt(n: &Coef) -> (Coef, bool) {
    if let Coef::Small(n) = n {
        let r = n.isqrt();
        return (Coef::Small(r), r * r == *n);
    }
    let n = n.to_biguint();
    let r = n.sqrt();
    let whole = &r * &r == n;
    (Coef::from_biguint(&r), whole)
}

/// Compares numbers that are not NaN.
pub fn order(a: &Num, b: &Num) -> Ordering {
    let sign = |x: &Num| -> i32 {
        match (x.kind, x.neg) {
            (Kind::Finite, _) if x.coef.is_zero() => 0,
            (Kind::Finite, false) => 1,
            (Kind::Finite, true) => -1,
            (_, false) => 2,
            (_, true) => -2,
        }
    };
    let (x, y) = (sign(a), sign(b));
    if x != y || x == 0 || x.abs() == 2 {
        return x.cmp(&y);
    }
    let o = magnitudes(a, b);
    if a.neg { o.reverse() } else { o }
}

/// Compares finite numbers that are not zero without their signs.
fn magnitudes(a: &Num, b: &Num) -> Ordering {
    if a.exp == b.exp {
        return a.coef.compare(&b.coef);
    }
    let o = a.adjusted().cmp(&b.adjusted());
    if o.is_ne() {
        return o;
    }
    // As many digits as the longer one has.
    let apart = (a.exp - b.exp).unsigned_abs();
    let (x, y) = if a.exp > b.exp { (a, b) } else { (b, a) };
    let o = match x.coef.shl(apart) {
        Ok(x) => x.compare(&y.coef),
        Err(TooLong) => Ordering::Equal,
    };
    if a.exp > b.exp { o } else { o.reverse() }
}
