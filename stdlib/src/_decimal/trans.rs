//! Exponential function, logarithms and powers.
//!
//! They are computed in binary fixed point with more and more digits, until there is no doubt about how the result is rounded.

use super::arith;
use super::coef::{Coef, MOST_DIGITS, ONE};
use super::num::status::*;
use super::num::{Ctx, Num, Round, nans};
use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Signed, ToPrimitive, Zero};
use parking_lot::Mutex;
use std::cmp::Ordering;

/// Digits beyond the precision that are tried first.
const EXTRA: u64 = 4;

/// Bits that hold so many digits.
fn bits_for(digits: u64) -> u64 {
    digits * 3402 / 1024 + 2
}

fn ten_to(n: u64) -> BigInt {
    BigInt::from(BigUint::from(10u32).pow(n as u32))
}

/// `num / den` with so many bits behind the point.
fn ratio(num: &BigInt, den: &BigInt, bits: u64) -> BigInt {
    (num << bits) / den
}

/// `coef * 10^exp` with so many bits behind the point.
fn fixed(coef: &BigInt, exp: i64, bits: u64) -> BigInt {
    let power = ten_to(exp.unsigned_abs());
    match exp >= 0 {
        true => (coef * power) << bits,
        false => ratio(coef, &power, bits),
    }
}

/// `atanh(1 / n)`
fn atanh_inverse(n: u32, bits: u64) -> BigInt {
    let square = n * n;
    let mut power = (BigInt::one() << bits) / n;
    let (mut total, mut k) = (BigInt::zero(), 1u32);
    while !power.is_zero() {
        total += &power / k;
        power /= square;
        k += 2;
    }
    total
}

/// The natural logarithm of 10, with so many bits behind the point (a formula of Machin's kind).
fn ln_ten(bits: u64) -> BigInt {
    static KNOWN: Mutex<Option<(u64, BigInt)>> = Mutex::new(None);
    if let Some((n, v)) = &*KNOWN.lock()
        && *n >= bits
    {
        return v >> (n - bits);
    }
    let wide = bits + bits / 4 + 64;
    let part = |times: u32, n: u32| atanh_inverse(n, wide) * times;
    let v = part(46, 31) + part(34, 49) + part(20, 161);
    let out = &v >> (wide - bits);
    *KNOWN.lock() = Some((wide, v));
    out
}

/// `e^x` for a number of a few units, with an error of a few units of the last place.
fn exp_fixed(x: &BigInt, bits: u64) -> BigInt {
    let halvings = (bits as f64).sqrt() as u64 / 2 + 4;
    let wide = bits + 2 * halvings + 16;
    // Halved and with more bits at once.
    let y = x << (wide - bits - halvings);
    let one = BigInt::one() << wide;
    let (mut term, mut total, mut k) = (one.clone(), one, 1u32);
    loop {
        term = (&term * &y) >> wide;
        term /= k;
        if term.is_zero() || term.magnitude().is_one() {
            break;
        }
        total += &term;
        k += 1;
    }
    for _ in 0..halvings {
        total = (&total * &total) >> wide;
    }
    total >> (wide - bits)
}

/// The natural logarithm of a number between 0.1 and 10, with an error of a few units of the last place (Halley's iteration).
fn ln_fixed(m: &BigInt, bits: u64) -> BigInt {
    let wide = bits + 16;
    let m = m << 16u32;
    // Of a number close to 1 the difference is what counts.
    let away = &m - (BigInt::one() << wide);
    let start = scaled_f64(&away, wide).ln_1p();
    let mut y = (BigInt::from((start * (1u64 << 52) as f64) as i64) << wide) >> 52u32;
    let mut good = 40;
    loop {
        let e = exp_fixed(&y, wide);
        let step = ((&m - &e) << (wide + 1)) / (&m + &e);
        y += step;
        good *= 3;
        if good >= wide {
            return y >> 16u32;
        }
    }
}

fn scaled_f64(x: &BigInt, bits: u64) -> f64 {
    let shift = bits.saturating_sub(60);
    let top = (x >> shift).to_i64().unwrap_or(0);
    top as f64 / ((bits - shift) as f64).exp2()
}

/// A positive number as `m * 10^k` with m between 0.3 and 3.2: m's exponent, and k.
fn centred(a: &Num) -> (i64, i64) {
    let digits = a.coef.digits() as i64;
    let (top, _) = a.coef.shr((digits - 2).max(0).unsigned_abs());
    let top = match top {
        Coef::Small(n) if digits == 1 => n * 10,
        Coef::Small(n) => n,
        Coef::Big(_) => 10,
    };
    let k = a.adjusted() + i64::from(top >= 32);
    (a.exp - k, k)
}

fn signed(coef: &Coef, neg: bool) -> BigInt {
    let sign = if neg { Sign::Minus } else { Sign::Plus };
    BigInt::from_biguint(sign, coef.to_biguint())
}

/// How many zeros follow the point in `|x - 1|`, for x close to 1.
fn closeness(a: &Num) -> u64 {
    if !matches!(a.adjusted(), 0 | -1) {
        return 0;
    }
    let mut c = Ctx::max();
    let d = arith::sub(a, &Num::from_i64(1), &mut c);
    match d.is_finite() && !d.coef.is_zero() && d.adjusted() < 0 {
        true => d.adjusted().unsigned_abs(),
        false => 0,
    }
}

/// Tries with more and more digits, until the last ones of an approximation, which is right to two units, say how it is to be rounded:
/// they are far from a half, and from zero. After `most` further digits it is taken to be exactly that.
fn settle(prec: u64, most: u64, approximate: impl Fn(u64) -> (BigInt, i64)) -> Num {
    let two = Coef::Small(2);
    let mut extra = EXTRA;
    loop {
        let (n, exp) = approximate(prec + extra);
        let neg = n.is_negative();
        let coef = Coef::from_biguint(n.magnitude());
        let digits = coef.digits() as u64;
        if digits > prec + 2 {
            let unit = digits - prec;
            let low = coef.low_digits(unit);
            let high = coef.sub(&low);
            let power = |d: u64, n: u64| Coef::from(d).shl(n).unwrap_or(ONE);
            let edges = [Coef::Small(0), power(5, unit - 1), power(1, unit)];
            let close = |e: &&Coef| match low.compare(e).is_lt() {
                true => e.sub(&low).compare(&two).is_le(),
                false => low.sub(e).compare(&two).is_le(),
            };
            match edges.iter().find(close) {
                None => return Num::new(neg, coef, exp),
                Some(edge) if extra >= most => return Num::new(neg, high.add(edge), exp),
                Some(_) => {}
            }
        }
        extra *= 2;
    }
}

/// A result, always inexact, as the context wants it: rounded half-even.
fn finish(n: Num, c: &mut Ctx) -> Num {
    let mut even = c.clone();
    even.round = Round::HalfEven;
    even.status |= INEXACT | ROUNDED;
    let r = n.finish(&mut even);
    c.status = even.status;
    r
}

/// More digits than anybody waits for.
fn too_long(c: &Ctx) -> bool {
    c.prec.unsigned_abs() > MOST_DIGITS / 16
}

/// `e^a`
pub fn exp(a: &Num, c: &mut Ctx) -> Num {
    if a.is_special() {
        if let Some(n) = nans(&[a], c) {
            return n;
        }
        return match a.neg {
            true => Num::zero(false, 0),
            false => a.clone(),
        };
    }
    if a.coef.is_zero() {
        return Num::from_i64(1).finish(c);
    }
    if too_long(c) {
        return c.invalid(NO_MEMORY);
    }
    let n = exp_digits(a, c.prec.unsigned_abs());
    finish(n, c)
}

/// `e^a` to more digits than the precision, or a number so large or small that all contexts agree.
fn exp_digits(a: &Num, prec: u64) -> Num {
    let adjusted = a.adjusted();
    if adjusted >= 19 {
        let exp = i64::MAX / 4;
        return Num::new(false, ONE, if a.neg { -exp } else { exp });
    }
    if adjusted < -(prec as i64) - 2 {
        // 1, and a little more or less.
        let places = prec + 2;
        let one = ONE.shl(places).unwrap_or(ONE);
        let coef = if a.neg { one.sub(&ONE) } else { one.add_one() };
        return Num::new(false, coef, -(places as i64));
    }
    let x = signed(&a.coef, a.neg);
    settle(prec, u64::MAX, |digits| {
        let bits = bits_for(digits) + 8;
        let room = bits_for(adjusted.max(0).unsigned_abs()) + 8;
        let wide = bits + room;
        let x = fixed(&x, a.exp, wide);
        let ln10 = ln_ten(wide);
        let k = (&x + (&ln10 >> 1u32)).div_floor_by(&ln10);
        let rest = (&x - &k * ln10) >> room;
        let e = exp_fixed(&rest, bits);
        let places = digits as i64;
        let n = (e * ten_to(digits)) >> bits;
        (n, k.to_i64().unwrap_or(0) - places)
    })
}

/// `ln a` for a positive number that is not 1, to more digits than the precision. `ten`: of base 10.
fn ln_digits(a: &Num, prec: u64, most: u64, ten: bool) -> Num {
    let (exp, k) = centred(a);
    let x = signed(&a.coef, false);
    let close = closeness(a);
    settle(prec, most, |digits| {
        let places = digits + close;
        let bits = bits_for(places) + 80;
        let m = fixed(&x, exp, bits);
        let mut y = ln_fixed(&m, bits);
        if ten {
            y = (y << bits) / ln_ten(bits) + (BigInt::from(k) << bits);
        } else {
            y += ln_ten(bits) * k;
        }
        ((y * ten_to(places)) >> bits, -(places as i64))
    })
}

trait DivFloor {
    fn div_floor_by(&self, by: &BigInt) -> BigInt;
}

impl DivFloor for BigInt {
    fn div_floor_by(&self, by: &BigInt) -> BigInt {
        num_integer::Integer::div_floor(self, by)
    }
}

/// What logarithms of anything but positive finite numbers are.
fn log_special(a: &Num, c: &mut Ctx) -> Option<Num> {
    if a.is_nan() {
        return nans(&[a], c);
    }
    if a.is_zero() {
        return Some(Num::infinity(true));
    }
    if a.neg {
        return Some(c.invalid(INVALID_OPERATION));
    }
    a.is_infinite().then(|| a.clone())
}

fn is_one(a: &Num) -> bool {
    arith::order(a, &Num::from_i64(1)).is_eq()
}

/// The natural logarithm.
pub fn ln(a: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = log_special(a, c) {
        return n;
    }
    if is_one(a) {
        return Num::zero(false, 0).finish(c);
    }
    if too_long(c) {
        return c.invalid(NO_MEMORY);
    }
    let n = ln_digits(a, c.prec.unsigned_abs(), u64::MAX, false);
    finish(n, c)
}

/// The logarithm of base 10.
pub fn log10(a: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = log_special(a, c) {
        return n;
    }
    let (coef, exp) = arith::strip(a.coef.clone(), a.exp, i64::MAX / 2);
    if coef.is_one() {
        let mut even = c.clone();
        even.round = Round::HalfEven;
        let r = Num::from_i64(exp).finish(&mut even);
        c.status = even.status;
        return r;
    }
    if too_long(c) {
        return c.invalid(NO_MEMORY);
    }
    let n = ln_digits(a, c.prec.unsigned_abs(), u64::MAX, true);
    finish(n, c)
}

/// `a ** b`
pub fn pow(a: &Num, b: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b], c) {
        return n;
    }
    let integer = b.is_integer();
    let neg = a.neg && integer && b.is_odd_integer();
    if a.is_zero() {
        return match (b.is_zero(), b.neg) {
            (true, _) => c.invalid(INVALID_OPERATION),
            (_, true) => Num::infinity(neg),
            _ => Num::zero(neg, 0),
        };
    }
    if a.neg && !integer {
        return c.invalid(INVALID_OPERATION);
    }
    if b.is_zero() {
        return Num::from_i64(1);
    }
    let size = arith::order(&a.abs(), &Num::from_i64(1));
    if size.is_eq() {
        return pow_of_one(a, b, integer, neg, c);
    }
    if b.is_infinite() || a.is_infinite() {
        let grows = size.is_gt() != b.neg;
        return match grows {
            true => Num::infinity(neg),
            false => Num::zero(neg, 0),
        };
    }
    if (b.neg || !integer) && too_long(c) {
        return c.invalid(NO_MEMORY);
    }
    if let Some(n) = pow_far(a, b, neg, size, c) {
        return n;
    }
    if integer && (b.adjusted() < 18 || power_of_ten(a)) {
        return pow_int(a, b, neg, c);
    }
    let n = pow_real(a, b, neg, c);
    c.status |= INEXACT | ROUNDED;
    let r = n.finish(c);
    // Even what looks exact is not known to be.
    if c.status & SUBNORMAL != 0 {
        c.status |= UNDERFLOW;
    }
    r
}

/// Powers of 1 and -1, which keep their exponent as long as they can.
fn pow_of_one(a: &Num, b: &Num, integer: bool, neg: bool, c: &mut Ctx) -> Num {
    let least = 1 - c.prec;
    let exp = if integer && b.neg {
        0
    } else if integer {
        let times = b.to_i64().unwrap_or(i64::MAX).min(c.prec);
        let exp = a.exp.saturating_mul(times);
        if exp < least {
            c.status |= ROUNDED;
        }
        exp.clamp(least, 0)
    } else {
        c.status |= INEXACT | ROUNDED;
        least
    };
    match ONE.shl(exp.unsigned_abs()) {
        Ok(coef) => Num::new(neg, coef, exp),
        Err(_) => c.invalid(NO_MEMORY),
    }
}

/// The power, if it is beyond all that the context holds.
fn pow_far(a: &Num, b: &Num, neg: bool, size: Ordering, c: &mut Ctx) -> Option<Num> {
    let up = size.is_gt() != b.neg;
    // |log10 a| is at least so large.
    let adjusted = a.adjusted();
    let least = match adjusted {
        n if n >= 1 => n as f64,
        0 | -1 => {
            let lost = closeness(a) as f64;
            10f64.powf(-lost - 1.0) * 0.4
        }
        n => (-n - 1) as f64,
    };
    let times = 10f64.powf(b.adjusted().min(300) as f64);
    let limit = (c.emax.max(-c.emin) + c.prec) as f64 * 1.5 + 10.0;
    if least * times <= limit {
        return None;
    }
    let far = i64::MAX / 4;
    c.status |= INEXACT | ROUNDED;
    Some(Num::new(neg, ONE, if up { far } else { -far }).finish(c))
}

fn power_of_ten(a: &Num) -> bool {
    arith::strip(a.coef.clone(), 0, i64::MAX / 2).0.is_one()
}

/// Powers by squaring, with some more digits than the result has.
fn pow_int(a: &Num, b: &Num, neg: bool, c: &mut Ctx) -> Num {
    let mut work = Ctx::max();
    let count = b.to_i64().unwrap_or(i64::MAX).unsigned_abs();
    let width = (b.coef.digits() as i64 + b.exp.max(0)).max(1);
    work.prec = c.prec.saturating_add(width + 4).min(super::num::MAX_PREC);
    let mut base = a.abs();
    if b.neg {
        work.prec = work.prec.saturating_add(1).min(super::num::MAX_PREC);
        base = arith::div(&Num::from_i64(1), &base, &mut work);
    }
    let mut r = base.clone();
    let bits = 64 - count.leading_zeros();
    for i in (0..bits.saturating_sub(1)).rev() {
        r = arith::mul(&r, &r, &mut work);
        if count >> i & 1 == 1 {
            r = arith::mul(&r, &base, &mut work);
        }
        if r.is_special() || r.coef.is_zero() {
            break;
        }
    }
    c.status |= work.status & (INEXACT | ROUNDED | NO_MEMORY);
    r.neg = neg;
    let far = i64::MAX / 4;
    if r.is_infinite() {
        r = Num::new(neg, ONE, far);
    } else if r.is_finite() && r.coef.is_zero() {
        r = Num::new(neg, ONE, -far);
    }
    r.finish(c)
}

/// `e ** (b * ln a)` for whatever is neither special nor far away.
fn pow_real(a: &Num, b: &Num, neg: bool, c: &Ctx) -> Num {
    let prec = c.prec.unsigned_abs();
    let (exp, k) = centred(a);
    let x = signed(&a.coef, false);
    let y = signed(&b.coef, b.neg);
    let close = closeness(a);
    // The digits before the point of the exponent of e.
    let size = (b.adjusted() + 20).max(0).unsigned_abs();
    let tiny = b.adjusted() + 20 < -(prec as i64) - 2;
    if tiny {
        let up = arith::order(a, &Num::from_i64(1)).is_gt() != b.neg;
        let places = prec + 2;
        let one = ONE.shl(places).unwrap_or(ONE);
        let coef = if up { one.add_one() } else { one.sub(&ONE) };
        return Num::new(neg, coef, -(places as i64));
    }
    let most = prec + EXTRA * 4;
    let r = settle(prec, most, |digits| {
        let bits = bits_for(digits) + 16;
        let wide = bits + bits_for(size + close) + 90;
        let ln = ln_fixed(&fixed(&x, exp, wide), wide) + ln_ten(wide) * k;
        let power = ten_to(b.exp.unsigned_abs());
        let z = match b.exp >= 0 {
            true => ln * &y * power,
            false => ln * &y / power,
        };
        let ln10 = ln_ten(wide);
        let n = (&z + (&ln10 >> 1u32)).div_floor_by(&ln10);
        let rest = (z - &n * ln10) >> (wide - bits);
        let e = exp_fixed(&rest, bits);
        let out = (e * ten_to(digits)) >> bits;
        let far = BigInt::from(i64::MAX / 4);
        let n = n.clamp(-&far, far);
        (out, n.to_i64().unwrap_or(0) - digits as i64)
    });
    r.with_sign(neg)
}

/// `a ** b % m` of integers.
pub fn pow_mod(a: &Num, b: &Num, m: &Num, c: &mut Ctx) -> Num {
    if let Some(n) = nans(&[a, b, m], c) {
        return n;
    }
    let whole = [a, b, m].iter().all(|x| x.is_integer());
    if !whole || b.neg && !b.is_zero() || m.is_zero() || a.is_zero() && b.is_zero() {
        return c.invalid(INVALID_OPERATION);
    }
    if m.adjusted() >= c.prec {
        return c.invalid(INVALID_OPERATION);
    }
    let integer = |x: &Num| match x.exp >= 0 {
        true => x
            .coef
            .shl(x.exp.unsigned_abs())
            .ok()
            .map(|n| n.to_biguint()),
        false => Some(x.coef.shr(x.exp.unsigned_abs()).0.to_biguint()),
    };
    let neg = a.neg && b.is_odd_integer();
    let (Some(m), Some(e)) = (integer(m), integer(b)) else {
        return c.invalid(NO_MEMORY);
    };
    // A long row of zeros is better taken as a power itself.
    let base = if a.exp > 0 {
        let ten = BigUint::from(10u32).modpow(&BigUint::from(a.exp.unsigned_abs()), &m);
        a.coef.to_biguint() * ten % &m
    } else {
        match integer(a) {
            Some(n) => n % &m,
            None => return c.invalid(NO_MEMORY),
        }
    };
    let r = Coef::from_biguint(&base.modpow(&e, &m));
    Num::new(neg, r, 0).finish(c)
}
