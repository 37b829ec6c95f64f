//! Numbers from Python's objects and back.

use super::coef::{Coef, MOST_DIGITS, ONE, TooLong};
use super::context::Context;
use super::num::status::FLOAT_OPERATION;
use super::num::{Ctx, Kind, Num};
use super::{arith, decimal, text};
use num_bigint::{BigInt, BigUint, Sign};
use weft_objects::prelude::*;
use weft_objects::text::unidata::decimal_value;
use weft_objects::text::{hash::MODULUS, wtf8};
use weft_objects::{float, int};

/// The number of a `Decimal`, or one that was made of something else.
pub enum Arg<'a> {
    Here(&'a Num),
    Made(Num),
}

impl std::ops::Deref for Arg<'_> {
    type Target = Num;
    #[inline(always)]
    fn deref(&self) -> &Num {
        match self {
            Arg::Here(n) => n,
            Arg::Made(n) => n,
        }
    }
}

/// The number of a `Decimal` or an int.
#[inline]
pub fn number<'a>(v: Value) -> Option<Arg<'a>> {
    match decimal::of(v) {
        Some(n) => Some(Arg::Here(n)),
        None => from_int(v).map(Arg::Made),
    }
}

/// The same; TypeError for anything else.
#[inline]
pub fn required<'a>(t: &mut Thread, v: Value) -> Res<Arg<'a>> {
    match number(v) {
        Some(n) => Ok(n),
        None => Err(not_convertible(t, v)),
    }
}

#[cold]
pub fn not_convertible(t: &Thread, v: Value) -> Raised {
    let name = type_of(v).name();
    t.type_error(format!(
        "conversion from {name} to Decimal is not supported"
    ))
}

/// The number that an int is.
#[inline]
pub fn from_int(v: Value) -> Option<Num> {
    if v.is_int() {
        return Some(Num::from_i64(v.as_int()));
    }
    if !int::is_int(v) {
        return None;
    }
    if let Some(n) = Int::wide(v) {
        return Some(Num::new(n < 0, Coef::from_u128(n.unsigned_abs()), 0));
    }
    int::with_bigint(v, from_bigint)
}

pub fn from_bigint(n: &BigInt) -> Num {
    Num::new(
        n.sign() == Sign::Minus,
        Coef::from_biguint(n.magnitude()),
        0,
    )
}

/// The number that a float is, exactly.
pub fn from_f64(x: f64) -> Num {
    if x.is_nan() {
        return Num::nan().with_sign(x.is_sign_negative());
    }
    if x.is_infinite() {
        return Num::infinity(x < 0.0);
    }
    let (mut mantissa, mut exp) = weft_objects::text::float::decompose(x.abs());
    let neg = x.is_sign_negative();
    if mantissa == 0 {
        return Num::zero(neg, 0);
    }
    let zeros = mantissa.trailing_zeros();
    mantissa >>= zeros;
    exp += zeros as i32;
    let m = BigUint::from(mantissa);
    match exp >= 0 {
        true => Num::new(neg, Coef::from_biguint(&(m << exp)), 0),
        // 2^-n is 5^n * 10^-n.
        false => {
            let n = exp.unsigned_abs();
            let coef = m * BigUint::from(5u32).pow(n);
            Num::new(neg, Coef::from_biguint(&coef), -i64::from(n))
        }
    }
}

/// The text of a number, as ASCII: digits of other scripts stand for theirs. `loose`: whitespace around it and underscores are left out.
pub fn ascii(s: &Str, loose: bool) -> Vec<u8> {
    let text = s.as_bytes();
    let mut out = Vec::with_capacity(text.len());
    for c in wtf8::code_points(text) {
        match c {
            0x5f if loose => {}
            0x21..=0x7e => out.push(c as u8),
            _ => match decimal_value(c) {
                Some(d) => out.push(b'0' + d),
                None if loose && is_space(c) => out.push(b' '),
                None => out.push(0),
            },
        }
    }
    if loose {
        return out.trim_ascii().to_vec();
    }
    out
}

fn is_space(c: u32) -> bool {
    matches!(c, 0x1c..=0x1f) || char::from_u32(c).is_some_and(char::is_whitespace)
}

/// The number that a tuple or list says: sign, digits, exponent.
fn from_sequence(t: &mut Thread, v: Value) -> Res<Num> {
    let parts = proto::to_vec(t, v)?;
    let [sign, digits, exp] = &parts[..] else {
        return Err(t.value_error("argument must be a sequence of length 3"));
    };
    let neg = match int::as_i64(sign.value()) {
        Some(n @ 0..=1) => n == 1,
        _ => return Err(t.value_error("sign must be an integer with the value 0 or 1")),
    };
    let kind = match Str::of(exp.value()) {
        Some(s) if s.is("F") => Kind::Infinite,
        Some(s) if s.is("n") => Kind::Quiet,
        Some(s) if s.is("N") => Kind::Signaling,
        Some(_) => {
            return Err(
                t.value_error("string argument in the third position must be 'F', 'n' or 'N'")
            );
        }
        None => Kind::Finite,
    };
    let exp = match kind {
        Kind::Finite if !int::is_int(exp.value()) => {
            return Err(t.value_error("exponent must be an integer"));
        }
        Kind::Finite => match int::as_i64(exp.value()) {
            Some(n) => n,
            None => {
                return Err(t.overflow_error("Python int too large to convert to C ssize_t"));
            }
        },
        _ => 0,
    };
    if kind == Kind::Infinite {
        return Ok(Num::infinity(neg));
    }
    if Tuple::of(digits.value()).is_none() && List::of(digits.value()).is_none() {
        return Err(t.value_error("coefficient must be a tuple of digits"));
    }
    let mut coef = Vec::new();
    for d in proto::to_vec(t, digits.value())? {
        match int::as_i64(d.value()) {
            Some(d @ 0..=9) => coef.push(d as u8),
            _ => return Err(t.value_error("coefficient must be a tuple of digits")),
        }
    }
    const FAR: i64 = 4_000_000_000_000_000_000;
    Ok(Num {
        coef: Coef::from_digits(&coef),
        exp: exp.clamp(-FAR, FAR),
        neg,
        kind,
    })
}

/// The number that an object is, exactly.
pub fn exact(t: &mut Thread, v: Value, env: &Context) -> Res<Num> {
    let mut c = env.rules();
    let n = match convert(t, v, &mut c, true)? {
        Some(n) if n.kind == Kind::Finite => text::exact(n, &mut c),
        Some(n) => n,
        None => return Err(not_convertible(t, v)),
    };
    env.signal(t, c.status)?;
    Ok(n)
}

/// The number that an object is, rounded to the context.
pub fn rounded(t: &mut Thread, v: Value, env: &Context) -> Res<Num> {
    let mut c = env.rules();
    let n = match convert(t, v, &mut c, false)? {
        Some(n) if n.is_nan() && text::payload(&n) > c.prec - i64::from(c.clamp) => {
            c.invalid(super::num::status::CONVERSION_SYNTAX)
        }
        Some(n) => n.finish(&mut c),
        None => return Err(not_convertible(t, v)),
    };
    env.signal(t, c.status)?;
    Ok(n)
}

fn convert(t: &mut Thread, v: Value, c: &mut Ctx, loose: bool) -> Res<Option<Num>> {
    if let Some(n) = number(v) {
        return Ok(Some((*n).clone()));
    }
    if let Some(s) = Str::of(v) {
        let plain = s.is_ascii().then(|| text::parse(s.as_bytes())).flatten();
        if let Some(n) = plain {
            return Ok(Some(n));
        }
        let n = text::parse(&ascii(s, loose));
        return Ok(Some(n.unwrap_or_else(|| {
            c.invalid(super::num::status::CONVERSION_SYNTAX)
        })));
    }
    if Tuple::of(v).is_some() || List::of(v).is_some() {
        return from_sequence(t, v).map(Some);
    }
    if let Some(x) = float::as_f64(v) {
        c.status |= FLOAT_OPERATION;
        return Ok(Some(from_f64(x)));
    }
    Ok(None)
}

// --- comparing ---

/// `numbers.Rational`
static RATIONAL: weft_objects::runtime::Global = weft_objects::runtime::Global::new();

/// Learns what rational numbers are, and says that decimals are numbers.
pub fn ready(t: &mut Thread) -> Res<()> {
    if RATIONAL.get().is_some() {
        return Ok(());
    }
    let numbers = weft_objects::runtime::import(t, "numbers")?;
    let name = weft_objects::id!(t, "Number");
    let number = proto::get_attr(t, numbers.value(), name)?;
    proto::call_method(t, number.value(), "register", &[decimal::DECIMAL.value()])?;
    let name = weft_objects::id!(t, "Rational");
    let rational = proto::get_attr(t, numbers.value(), name)?;
    RATIONAL.set(t, rational);
    Ok(())
}

/// What `a` and an object `v` compare as: numbers that are to be compared instead. `None`: they cannot be.
pub fn comparable<'a>(
    t: &mut Thread,
    a: &'a Num,
    v: Value,
    op: CmpOp,
    env: &Context,
) -> Res<Option<(Arg<'a>, Arg<'a>)>> {
    if let Some(n) = number(v) {
        return Ok(Some((Arg::Here(a), n)));
    }
    let equality = matches!(op, CmpOp::Eq | CmpOp::Ne);
    let real = match weft_objects::complex::of(v) {
        Some((re, im)) if equality && im == 0.0 => Some(re),
        Some(_) => return Ok(None),
        None => float::as_f64(v),
    };
    if let Some(x) = real {
        match equality {
            true => env.note(FLOAT_OPERATION),
            false => env.signal(t, FLOAT_OPERATION)?,
        }
        return Ok(Some((Arg::Here(a), Arg::Made(from_f64(x)))));
    }
    let Some(rational) = RATIONAL.get() else {
        return Ok(None);
    };
    if !proto::is_instance(t, v, rational)? {
        return Ok(None);
    }
    let name = weft_objects::id!(t, "denominator");
    let den = proto::get_attr(t, v, name)?;
    let name = weft_objects::id!(t, "numerator");
    let num = proto::get_attr(t, v, name)?;
    let (Some(den), Some(num)) = (from_int(den.value()), from_int(num.value())) else {
        return Err(t.type_error("numerator and denominator must be integers".into()));
    };
    let left = match a.is_special() {
        true => a.clone(),
        false => arith::mul(a, &den, &mut Ctx::max()),
    };
    Ok(Some((Arg::Made(left), Arg::Made(num))))
}

/// Equal numbers' hashes are equal, whatever their types.
pub fn hash(t: &mut Thread, v: Value, n: &Num) -> Res<i64> {
    match n.kind {
        Kind::Signaling => {
            return Err(t.type_error("Cannot hash a signaling NaN value".into()));
        }
        Kind::Quiet => return Ok(proto::identity_hash(v)),
        Kind::Infinite => return Ok(if n.neg { -314_159 } else { 314_159 }),
        Kind::Finite => {}
    }
    let m = u128::from(MODULUS);
    let power = |mut base: u128, mut n: u64| {
        let mut r = 1u128;
        while n > 0 {
            if n & 1 == 1 {
                r = r * base % m;
            }
            base = base * base % m;
            n >>= 1;
        }
        r
    };
    let ten = match n.exp >= 0 {
        true => 10,
        false => power(10, MODULUS - 2),
    };
    let rest = u128::from(n.coef.modulo(MODULUS)) * power(ten, n.exp.unsigned_abs()) % m;
    let h = if n.neg { -(rest as i64) } else { rest as i64 };
    Ok(if h == -1 { -2 } else { h })
}

// --- to Python's numbers ---

/// An integer that has been rounded already, as an int.
pub fn to_int(t: &Thread, n: &Num) -> Res {
    let coef = match n.exp >= 0 {
        true => n.coef.shl(n.exp.unsigned_abs()),
        false => Ok(n.coef.shr(n.exp.unsigned_abs()).0),
    };
    match coef {
        Ok(Coef::Small(c)) => {
            let c = c as i128;
            Ok(int::from_i128(t, if n.neg { -c } else { c }))
        }
        Ok(c) => {
            let sign = if n.neg { Sign::Minus } else { Sign::Plus };
            Ok(int::from_bigint(
                t,
                BigInt::from_biguint(sign, c.to_biguint()),
            ))
        }
        Err(TooLong) => Err(t.memory_error()),
    }
}

/// What an infinity or NaN says to being made an int, or a `what`.
pub fn check_finite(t: &Thread, n: &Num, what: &str) -> Res<()> {
    match n.kind {
        Kind::Finite => Ok(()),
        Kind::Infinite => Err(t.overflow_error(format!("cannot convert Infinity to {what}"))),
        _ => Err(t.value_error(format!("cannot convert NaN to {what}"))),
    }
}

pub fn to_f64(t: &Thread, n: &Num) -> Res<f64> {
    match n.kind {
        Kind::Signaling => Err(t.value_error("cannot convert signaling NaN to float")),
        Kind::Quiet => Ok(if n.neg { -f64::NAN } else { f64::NAN }),
        Kind::Infinite => Ok(if n.neg {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }),
        Kind::Finite => {
            let mut out = Vec::new();
            text::write(n, false, false, &mut out);
            let s = String::from_utf8_lossy(&out);
            Ok(s.parse().unwrap_or(0.0))
        }
    }
}

/// `as_integer_ratio()`
pub fn ratio(t: &Thread, n: &Num) -> Res<(Value, Value)> {
    check_finite(t, n, "integer ratio")?;
    if n.exp >= 0 || n.coef.is_zero() {
        let whole = if n.coef.is_zero() {
            &Num::zero(false, 0)
        } else {
            n
        };
        return Ok((to_int(t, whole)?, Value::int(1)));
    }
    let places = n.exp.unsigned_abs();
    if places > MOST_DIGITS {
        return Err(t.memory_error());
    }
    let den = BigInt::from(ONE.shl(places).map_err(|_| t.memory_error())?.to_biguint());
    let sign = if n.neg { Sign::Minus } else { Sign::Plus };
    let num = BigInt::from_biguint(sign, n.coef.to_biguint());
    let common = num_integer::Integer::gcd(&num, &den);
    let (num, den) = (num / &common, den / common);
    Ok((int::from_bigint(t, num), int::from_bigint(t, den)))
}
