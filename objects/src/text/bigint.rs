//! Arithmetic of big ints that needs Python's rules: guards against results that cannot be held,
//! exact conversions to float, bytes, roots.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::float::compose;
use super::{Int, TextError, TextResult};

/// Results longer than this raise `MemoryError`: 4 GiB of digits.
pub const MAX_BITS: u64 = 1 << 35;

/// `n << count`.
///
/// # Errors
/// `MemoryError` when the result cannot be held.
pub fn shl(n: &BigInt, count: u64) -> TextResult<BigInt> {
    if n.is_zero() {
        return Ok(BigInt::zero());
    }
    if n.bits().saturating_add(count) > MAX_BITS {
        return Err(TextError::memory());
    }
    Ok(n << count)
}

/// `n >> count`, rounding down.
pub fn shr(n: &BigInt, count: u64) -> BigInt {
    if count >= n.bits() {
        return if n.is_negative() {
            -BigInt::one()
        } else {
            BigInt::zero()
        };
    }
    n >> count
}

/// `a << count` of a small int when it stays small.
#[inline]
pub fn shl_i64(a: i64, count: u64) -> Option<i64> {
    if count >= 63 {
        return (a == 0).then_some(0);
    }
    let shifted = a << count;
    (shifted >> count == a).then_some(shifted)
}

/// `a >> count` of a small int.
#[inline]
pub fn shr_i64(a: i64, count: u64) -> i64 {
    a >> count.min(63)
}

/// `divmod(a, b)`, rounding down; `None` for a zero divisor.
pub fn div_mod(a: &BigInt, b: &BigInt) -> Option<(BigInt, BigInt)> {
    if let Some((quotient, rest)) = div_long(a.magnitude(), b.magnitude()) {
        return Some(floored(a, b, quotient, rest));
    }
    (!b.is_zero()).then(|| a.div_mod_floor(b))
}

/// Divisors of at least so many bits: below that schoolbook division is what `num-bigint` does.
const LONG_DIVISOR: u64 = 64 * 64;
/// Quotients of at most so many bits: then the division that finds them is a schoolbook one.
const SHORT_QUOTIENT: u64 = 60 * 64;

/// Quotient and rest of a long number by one that is almost as long. The quotient's few digits depend on the upper digits of both, save that
/// what these give may be one too many. (Division by halves, which `num-bigint` takes to, is for quotients that are long themselves.)
fn div_long(a: &BigUint, b: &BigUint) -> Option<(BigUint, BigUint)> {
    let (total, n) = (a.bits(), b.bits());
    if n < LONG_DIVISOR || total < n || total - n >= SHORT_QUOTIENT {
        return None;
    }
    // The divisor keeps 64 bits more than the quotient has: what is cut off changes the quotient by less than 1.
    let cut = (n - (total - n + 1) - 64) / 64 * 64;
    let mut quotient = (a >> cut) / (b >> cut);
    let mut product = &quotient * b;
    if product > *a {
        quotient -= 1u32;
        product -= b;
    }
    Some((quotient, a - product))
}

/// The quotient rounded down, and the rest with the sign of `b`, from those of the magnitudes.
fn floored(a: &BigInt, b: &BigInt, quotient: BigUint, rest: BigUint) -> (BigInt, BigInt) {
    let same = a.is_negative() == b.is_negative();
    let (quotient, rest) = if same || rest.is_zero() {
        (quotient, rest)
    } else {
        (quotient + 1u32, b.magnitude() - rest)
    };
    let sign = if same { Sign::Plus } else { Sign::Minus };
    (
        BigInt::from_biguint(sign, quotient),
        BigInt::from_biguint(b.sign(), rest),
    )
}

/// `a // b`; `None` for a zero divisor.
pub fn floor_div(a: &BigInt, b: &BigInt) -> Option<BigInt> {
    if let Some((quotient, rest)) = div_long(a.magnitude(), b.magnitude()) {
        return Some(floored(a, b, quotient, rest).0);
    }
    (!b.is_zero()).then(|| a.div_floor(b))
}

/// `a % b`, with the sign of `b`; `None` for a zero divisor.
pub fn modulo(a: &BigInt, b: &BigInt) -> Option<BigInt> {
    if let Some((quotient, rest)) = div_long(a.magnitude(), b.magnitude()) {
        return Some(floored(a, b, quotient, rest).1);
    }
    (!b.is_zero()).then(|| a.mod_floor(b))
}

/// `a // b` of small ints; `None` for a zero divisor or when the quotient is not small.
#[inline]
pub fn floor_div_i64(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(quotient - i64::from(a % b != 0 && (a < 0) != (b < 0)))
}

/// `a % b` of small ints; `None` for a zero divisor.
#[inline]
pub fn modulo_i64(a: i64, b: i64) -> Option<i64> {
    if b == 0 {
        return None;
    }
    let rest = a.wrapping_rem(b);
    Some(if rest != 0 && (rest < 0) != (b < 0) {
        rest + b
    } else {
        rest
    })
}

/// `base ** exponent` for an exponent that is not negative.
///
/// # Errors
/// `MemoryError` when the result cannot be held.
pub fn pow(base: &BigInt, exponent: &BigInt) -> TextResult<BigInt> {
    if exponent.is_zero() || base.is_one() {
        return Ok(BigInt::one());
    }
    if base.is_zero() {
        return Ok(BigInt::zero());
    }
    if base.magnitude().is_one() {
        return Ok(if exponent.is_even() {
            BigInt::one()
        } else {
            base.clone()
        });
    }
    let exponent = exponent.to_u64().ok_or_else(TextError::memory)?;
    if (base.bits() - 1).saturating_mul(exponent) > MAX_BITS {
        return Err(TextError::memory());
    }
    let power = u32::try_from(exponent).map_err(|_| TextError::memory());
    // Factors of two are only shifted.
    let zeros = base.trailing_zeros().unwrap_or(0);
    if zeros > 0 {
        let odd = base >> zeros;
        let odd = if odd.is_one() {
            odd
        } else if odd.magnitude().is_one() {
            if exponent % 2 == 0 {
                BigInt::one()
            } else {
                odd
            }
        } else {
            odd.pow(power?)
        };
        return shl(&odd, zeros.saturating_mul(exponent));
    }
    Ok(base.pow(power?))
}

/// `base ** exponent` of small ints when it stays small.
#[inline]
pub fn pow_i64(base: i64, exponent: u64) -> Option<i64> {
    base.checked_pow(u32::try_from(exponent).ok()?)
}

/// `pow(base, exponent, modulus)`; a negative exponent takes the inverse.
///
/// # Errors
/// `ValueError` for a zero modulus or a base that has no inverse.
pub fn pow_mod(base: &BigInt, exponent: &BigInt, modulus: &BigInt) -> TextResult<BigInt> {
    if modulus.is_zero() {
        return Err(TextError::value("pow() 3rd argument cannot be 0"));
    }
    if modulus.magnitude().is_one() {
        return Ok(BigInt::zero());
    }
    if exponent.is_negative() {
        let inverse = inverse(base, modulus)
            .ok_or_else(|| TextError::value("base is not invertible for the given modulus"))?;
        return Ok(inverse.modpow(&-exponent, modulus));
    }
    Ok(base.modpow(exponent, modulus))
}

fn inverse(n: &BigInt, modulus: &BigInt) -> Option<BigInt> {
    let m = modulus.abs();
    let found = n.mod_floor(&m).extended_gcd(&m);
    found.gcd.is_one().then(|| found.x.mod_floor(modulus))
}

/// `math.gcd` of two.
pub fn gcd(a: &BigInt, b: &BigInt) -> BigInt {
    a.gcd(b)
}

/// `math.gcd` of two small ints' magnitudes.
pub fn gcd_u64(a: u64, b: u64) -> u64 {
    a.gcd(&b)
}

/// `math.isqrt`.
///
/// # Errors
/// `ValueError` for a negative argument.
pub fn isqrt(n: &BigInt) -> TextResult<BigInt> {
    if n.is_negative() {
        return Err(TextError::value("isqrt() argument must be nonnegative"));
    }
    Ok(n.sqrt())
}

/// `int.bit_length`.
pub fn bit_length(n: &BigInt) -> u64 {
    n.bits()
}

/// `int.bit_length` of a small int.
#[inline]
pub fn bit_length_i64(n: i64) -> u32 {
    64 - n.unsigned_abs().leading_zeros()
}

/// `int.bit_count`: ones of the magnitude.
pub fn bit_count(n: &BigInt) -> u64 {
    n.magnitude().count_ones()
}

/// `int.to_bytes`.
///
/// # Errors
/// `OverflowError`: too big, or negative without `signed`.
pub fn to_bytes(n: &BigInt, length: usize, little: bool, signed: bool) -> TextResult<Vec<u8>> {
    let negative = n.is_negative();
    if negative && !signed {
        return Err(TextError::overflow(
            "can't convert negative int to unsigned",
        ));
    }
    let mut bytes = if signed {
        n.to_signed_bytes_le()
    } else {
        n.magnitude().to_bytes_le()
    };
    if n.is_zero() {
        bytes.clear();
    }
    if bytes.len() > length {
        return Err(TextError::overflow("int too big to convert"));
    }
    bytes
        .try_reserve_exact(length - bytes.len())
        .map_err(|_| TextError::memory())?;
    bytes.resize(length, if negative { 0xFF } else { 0 });
    if !little {
        bytes.reverse();
    }
    Ok(bytes)
}

/// `int.from_bytes`.
pub fn from_bytes(bytes: &[u8], little: bool, signed: bool) -> Int {
    if bytes.len() <= 8 {
        return from_few_bytes(bytes, little, signed);
    }
    Int::from_big(match (little, signed) {
        (true, true) => BigInt::from_signed_bytes_le(bytes),
        (false, true) => BigInt::from_signed_bytes_be(bytes),
        (true, false) => BigUint::from_bytes_le(bytes).into(),
        (false, false) => BigUint::from_bytes_be(bytes).into(),
    })
}

fn from_few_bytes(bytes: &[u8], little: bool, signed: bool) -> Int {
    let join = |n: u64, &b: &u8| n << 8 | u64::from(b);
    let n = if little {
        bytes.iter().rev().fold(0, join)
    } else {
        bytes.iter().fold(0, join)
    };
    if signed && !bytes.is_empty() {
        let unused = 64 - 8 * bytes.len() as u32;
        return Int::Small((n << unused) as i64 >> unused);
    }
    match i64::try_from(n) {
        Ok(n) => Int::Small(n),
        Err(_) => Int::Big(n.into()),
    }
}

/// The leading 64 bits of a magnitude, whether more bits follow, and what to scale by.
fn leading_bits(n: &BigUint) -> (u64, bool, u64) {
    let bits = n.bits();
    if bits <= 64 {
        return (n.to_u64().unwrap_or(0), false, 0);
    }
    let shift = bits - 64;
    let top = (n >> shift).to_u64().unwrap_or(0);
    (
        top,
        n.trailing_zeros().is_some_and(|zeros| zeros < shift),
        shift,
    )
}

/// `float(n)`, correctly rounded.
///
/// # Errors
/// `OverflowError: int too large to convert to float`.
pub fn to_f64(n: &BigInt) -> TextResult<f64> {
    let (top, sticky, shift) = leading_bits(n.magnitude());
    let x = compose(top, sticky, i64::try_from(shift).unwrap_or(i64::MAX / 2));
    if x.is_infinite() {
        return Err(TextError::overflow("int too large to convert to float"));
    }
    Ok(if n.is_negative() { -x } else { x })
}

/// `a / b`, correctly rounded.
///
/// # Errors
/// `ZeroDivisionError`; `OverflowError` when the quotient is too large.
pub fn true_div(a: &BigInt, b: &BigInt) -> TextResult<f64> {
    if b.is_zero() {
        return Err(TextError::zero_division("division by zero"));
    }
    let negative = a.is_negative() != b.is_negative();
    // Scale so that the quotient has 64 or 65 bits, and let the remainder be the sticky bit.
    let wanted = a.bits() as i64 - b.bits() as i64 - 64;
    let (mut top, mut bottom) = (a.magnitude().clone(), b.magnitude().clone());
    if wanted < -2300 && !a.is_zero() {
        return Ok(if negative { -0.0 } else { 0.0 });
    }
    if wanted < 0 {
        top <<= -wanted;
    } else {
        bottom <<= wanted;
    }
    let (quotient, rest) = top.div_rem(&bottom);
    let (bits, sticky, shift) = leading_bits(&quotient);
    let x = compose(bits, sticky || !rest.is_zero(), wanted + shift as i64);
    if x.is_infinite() {
        return Err(TextError::overflow(
            "integer division result too large for a float",
        ));
    }
    Ok(if negative { -x } else { x })
}

/// `a / b` of small ints, correctly rounded.
///
/// # Errors
/// `ZeroDivisionError`.
#[inline]
pub fn true_div_i64(a: i64, b: i64) -> TextResult<f64> {
    const EXACT: u64 = 1 << 53;
    if b != 0 && a.unsigned_abs() <= EXACT && b.unsigned_abs() <= EXACT {
        return Ok(a as f64 / b as f64);
    }
    true_div(&a.into(), &b.into())
}

/// Compares an int with a float exactly; `None` for NaN.
pub fn compare_float(n: &BigInt, x: f64) -> Option<Ordering> {
    if x.is_nan() {
        return None;
    }
    if x.is_infinite() {
        return Some(if x > 0.0 {
            Ordering::Less
        } else {
            Ordering::Greater
        });
    }
    let whole = x.trunc();
    let other = super::float::to_bigint(whole).ok()?;
    Some(
        n.cmp(&other)
            .then_with(|| whole.partial_cmp(&x).unwrap_or(Ordering::Equal)),
    )
}

/// Compares a small int with a float exactly; `None` for NaN.
#[inline]
pub fn compare_float_i64(n: i64, x: f64) -> Option<Ordering> {
    if x.is_nan() {
        return None;
    }
    if x >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if x < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let whole = x.trunc();
    Some(
        n.cmp(&(whole as i64))
            .then_with(|| whole.partial_cmp(&x).unwrap_or(Ordering::Equal)),
    )
}

/// `round(n, -places)` for a positive `places`: to a multiple of `10**places`, ties to even.
///
/// # Errors
/// `MemoryError` when the unit cannot be held and is not plainly larger than `n`.
pub fn round_to_power_of_ten(n: &BigInt, places: u64) -> TextResult<BigInt> {
    // 10**places has more than 3 * places bits; n rounds to zero well below it.
    if places.saturating_mul(3) > n.bits() + 8 {
        return Ok(BigInt::zero());
    }
    let unit = pow(&BigInt::from(10), &BigInt::from(places))?;
    let (quotient, rest) = n.div_mod_floor(&unit);
    let twice: BigInt = rest * 2;
    let up = match twice.cmp(&unit) {
        Ordering::Greater => true,
        Ordering::Equal => quotient.is_odd(),
        Ordering::Less => false,
    };
    Ok((quotient + BigInt::from(u8::from(up))) * unit)
}

/// Sign and magnitude words, least significant first; for marshalling.
pub fn sign_and_words(n: &BigInt) -> (Sign, Vec<u64>) {
    n.to_u64_digits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(s: &str) -> BigInt {
        s.parse().unwrap()
    }

    #[test]
    fn division_and_shifts() {
        for a in [-7i64, -6, 0, 6, 7, i64::MAX, i64::MIN] {
            for b in [-3i64, -1, 1, 2, 3, i64::MIN] {
                let (q, r) = div_mod(&a.into(), &b.into()).unwrap();
                if let Some(small) = floor_div_i64(a, b) {
                    assert_eq!(BigInt::from(small), q);
                }
                assert_eq!(BigInt::from(modulo_i64(a, b).unwrap()), r);
                assert_eq!(q * b + r, BigInt::from(a));
            }
        }
        assert_eq!(floor_div_i64(i64::MIN, -1), None);
        assert_eq!(modulo_i64(1, 0), None);
        assert_eq!(shr(&big("-5"), 1), big("-3"));
        assert_eq!(shr(&big("-5"), u64::MAX), big("-1"));
        assert_eq!(shl_i64(-1, 62), Some(-1 << 62));
        assert_eq!(shl_i64(1, 63), None);
        assert!(shl(&big("1"), u64::MAX).is_err());
        assert!(shl(&big("0"), u64::MAX).is_ok());
    }

    #[test]
    fn long_divisions() {
        let one = BigInt::one();
        let pattern = |bits: u32| (&one << bits) / BigInt::from(3) + (&one << (bits - 1));
        for n in [4095u32, 4096, 4097, 6000, 20_000] {
            for divisor in [&one << n, (&one << n) - 1, pattern(n), (&one << n) + 1] {
                for quotient in [&one << 0u32, &one << 63, pattern(700), (&one << 3839) - 1] {
                    for rest in [BigInt::zero(), one.clone(), &divisor - 1, &divisor >> 1] {
                        let a = &divisor * &quotient + &rest;
                        for (a, b) in [
                            (a.clone(), divisor.clone()),
                            (-a.clone(), divisor.clone()),
                            (a.clone(), -divisor.clone()),
                            (-a.clone(), -divisor.clone()),
                        ] {
                            let both = a.div_mod_floor(&b);
                            assert_eq!(floor_div(&a, &b), Some(both.0.clone()));
                            assert_eq!(modulo(&a, &b), Some(both.1.clone()));
                            assert_eq!(div_mod(&a, &b), Some(both));
                        }
                    }
                }
            }
        }
        // The upper digits give one too many.
        let divisor = (&one << 5000) + 1;
        let a = (&divisor * 7) - 1;
        assert_eq!(div_mod(&a, &divisor), Some((6.into(), &divisor - 1)));
        assert_eq!(
            div_mod(&(&divisor - 1), &divisor),
            Some((0.into(), &divisor - 1))
        );
    }

    #[test]
    fn powers() {
        assert_eq!(pow(&big("-2"), &big("3")).unwrap(), big("-8"));
        assert_eq!(pow(&big("-2"), &big("4")).unwrap(), big("16"));
        assert_eq!(pow(&big("12"), &big("20")).unwrap(), big("12").pow(20));
        assert_eq!(
            pow(&big("-1"), &big("99999999999999999999999")).unwrap(),
            big("-1")
        );
        assert!(pow(&big("2"), &big("99999999999999999999999")).is_err());
        assert!(pow(&big("3"), &big("9999999999999")).is_err());
        assert_eq!(pow(&big("2"), &big("5000")).unwrap(), BigInt::one() << 5000);
        assert_eq!(
            pow_mod(&big("3"), &big("4"), &big("-5")).unwrap(),
            big("-4")
        );
        assert_eq!(pow_mod(&big("3"), &big("-1"), &big("7")).unwrap(), big("5"));
        assert_eq!(
            pow_mod(&big("3"), &big("-2"), &big("-7")).unwrap(),
            big("-3")
        );
        assert!(pow_mod(&big("2"), &big("-1"), &big("4")).is_err());
        assert_eq!(pow_mod(&big("2"), &big("-1"), &big("1")).unwrap(), big("0"));
        assert_eq!(
            isqrt(&big("1000000000000000000000000")).unwrap(),
            big("1000000000000")
        );
    }

    #[test]
    fn bytes() {
        let b = |n: i64, len, little, signed| to_bytes(&n.into(), len, little, signed);
        assert_eq!(b(1, 2, false, false).unwrap(), [0, 1]);
        assert_eq!(b(-1, 2, true, true).unwrap(), [255, 255]);
        assert_eq!(b(0, 0, true, false).unwrap(), []);
        assert_eq!(
            b(128, 1, true, true).unwrap_err().msg,
            "int too big to convert"
        );
        assert_eq!(b(-128, 1, true, true).unwrap(), [128]);
        assert_eq!(b(255, 1, true, false).unwrap(), [255]);
        assert_eq!(
            b(-1, 1, true, false).unwrap_err().msg,
            "can't convert negative int to unsigned"
        );
        for n in [0, 1, -1, 127, -128, i64::MAX, i64::MIN] {
            for len in [8, 9, 20] {
                let bytes = b(n, len, true, true).unwrap();
                assert_eq!(from_bytes(&bytes, true, true), Int::Small(n));
            }
        }
        assert_eq!(
            from_bytes(&[255; 8], true, false),
            Int::Big(u64::MAX.into())
        );
        assert_eq!(from_bytes(&[1, 0], false, false), Int::Small(256));
        assert_eq!(from_bytes(&[], false, true), Int::Small(0));
    }

    #[test]
    fn floats() {
        assert_eq!(
            to_f64(&big("9007199254740993")).unwrap(),
            9007199254740992.0
        );
        assert_eq!(to_f64(&((BigInt::one() << 80) + 1)).unwrap(), 2f64.powi(80));
        let tie = (BigInt::one() << 100) + (BigInt::one() << 47);
        assert_eq!(to_f64(&tie).unwrap(), 2f64.powi(100));
        assert!(to_f64(&(tie + 1)).unwrap() > 2f64.powi(100));
        assert!(to_f64(&(BigInt::one() << 1024)).is_err());
        assert_eq!(true_div(&big("1"), &big("3")).unwrap(), 1.0 / 3.0);
        assert_eq!(true_div_i64(i64::MAX, i64::MIN).unwrap(), -1.0);
        let huge = BigInt::from(10).pow(400);
        assert_eq!(true_div(&huge, &(&huge * 3)).unwrap(), 1.0 / 3.0);
        assert!(true_div(&huge, &big("3")).is_err());
        assert_eq!(true_div(&big("1"), &huge).unwrap(), 0.0);
        assert_eq!(
            true_div(&big("1"), &(BigInt::one() << 1074)).unwrap(),
            5e-324
        );
        assert_eq!(true_div(&big("0"), &big("-5")).unwrap(), 0.0);
        assert_eq!(
            compare_float(&big("9007199254740993"), 9007199254740992.0),
            Some(Ordering::Greater)
        );
        assert_eq!(
            compare_float_i64(9007199254740993, 9007199254740992.0),
            Some(Ordering::Greater)
        );
        assert_eq!(compare_float_i64(0, 0.5), Some(Ordering::Less));
        assert_eq!(compare_float_i64(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(compare_float_i64(i64::MAX, 9.3e18), Some(Ordering::Less));
    }

    #[test]
    fn rounding() {
        for (n, p, want) in [
            ("15", 1, "20"),
            ("25", 1, "20"),
            ("-25", 1, "-20"),
            ("-15", 1, "-20"),
            ("5", 1, "0"),
            ("6", 1, "10"),
            ("49", 2, "0"),
            ("999", 99, "0"),
        ] {
            assert_eq!(round_to_power_of_ten(&big(n), p).unwrap(), big(want), "{n}");
        }
    }
}
