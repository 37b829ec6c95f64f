//! The functions of ints: gcd, lcm, factorial, comb, perm, isqrt.

use num_bigint::{BigInt, BigUint};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};
use weft_objects::int::{from_bigint, from_u64, int_abs, to_bigint};
use weft_objects::prelude::*;
use weft_objects::str::text_error;
use weft_objects::text::{bigint, int::IntRef};

pub const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("gcd", "(*integers)", gcd).doc("Greatest Common Divisor."),
    NativeDef::new("lcm", "(*integers)", lcm).doc("Least Common Multiple."),
    NativeDef::new("factorial", "(n, /)", factorial).doc("Find n!."),
    NativeDef::new("isqrt", "(n, /)", isqrt)
        .doc("Return the integer part of the square root of the input."),
    NativeDef::new("comb", "(n, k, /)", comb)
        .doc("Number of ways to choose k items from n items without repetition and without order."),
    NativeDef::new("perm", "(n, k=None, /)", perm)
        .doc("Number of ways to choose k items from n items without repetition and with order."),
];

/// Combines all arguments, each through `__index__`.
fn fold(t: &mut Thread, all: Value, start: i64, f: fn(&BigInt, &BigInt) -> BigInt) -> Res {
    let n = Tuple::of(all).map_or(0, Tuple::len);
    let mut result = Obj::from_raw(Value::int(start));
    for i in 0..n {
        let item = Tuple::this(all).get(i);
        let item = proto::index(t, item)?;
        let next = match (result.value().to_int(), item.value().to_int()) {
            (Some(a), Some(b)) if start == 0 => {
                from_u64(t, bigint::gcd_u64(a.unsigned_abs(), b.unsigned_abs()))
            }
            _ => {
                let (a, b) = (to_bigint(result.value()), to_bigint(item.value()));
                from_bigint(t, f(&a.unwrap_or_default(), &b.unwrap_or_default()))
            }
        };
        result = Obj::own(next);
    }
    int_abs(t, result.value())
}

fn gcd(t: &mut Thread, a: &[Value]) -> Res {
    fold(t, a[0], 0, |a, b| a.gcd(b))
}

fn lcm(t: &mut Thread, a: &[Value]) -> Res {
    fold(t, a[0], 1, |a, b| a.lcm(b))
}

/// The product of `low..=high`, by halves so that factors of like size meet.
fn product(low: u64, high: u64) -> BigUint {
    if high < low {
        return BigUint::one();
    }
    if high - low < 32 {
        let mut result = BigUint::one();
        let mut word = 1u64;
        for n in low..=high {
            match word.checked_mul(n) {
                Some(w) => word = w,
                None => {
                    result *= word;
                    word = n;
                }
            }
        }
        return result * word;
    }
    let middle = low + (high - low) / 2;
    product(low, middle) * product(middle + 1, high)
}

/// `n * (n - 1) * ...`, `k` factors.
fn falling(n: &BigUint, k: u64) -> BigUint {
    if k == 0 {
        return BigUint::one();
    }
    if let Some(n) = n.to_u64() {
        return product(n - k + 1, n);
    }
    if k == 1 {
        return n.clone();
    }
    falling(n, k / 2) * falling(&(n - k / 2), k - k / 2)
}

/// Whether `k` factors of about `n` give more bits than can be held.
fn too_long(n: &BigUint, k: u64) -> bool {
    k > 1 && k.saturating_mul(n.bits().saturating_sub(2)) > bigint::MAX_BITS
}

fn factorial(t: &mut Thread, a: &[Value]) -> Res {
    let n = proto::index(t, a[0])?;
    let n = match Int::of(n.value()) {
        Some(n) if n.is_negative() => {
            return Err(t.value_error("factorial() not defined for negative values"));
        }
        Some(IntRef::Small(n)) => n as u64,
        _ => {
            let max = i64::MAX;
            return Err(t.overflow_error(format!("factorial() argument should not exceed {max}")));
        }
    };
    if n <= 20 {
        return Ok(from_u64(t, (2..=n).product()));
    }
    if too_long(&n.into(), n) {
        return Err(t.memory_error());
    }
    Ok(from_bigint(t, product(2, n).into()))
}

fn isqrt(t: &mut Thread, a: &[Value]) -> Res {
    let n = proto::index(t, a[0])?;
    if let Some(n) = n.value().to_int().and_then(|n| u64::try_from(n).ok()) {
        return Ok(from_u64(t, n.isqrt()));
    }
    match bigint::isqrt(&to_bigint(n.value()).unwrap_or_default()) {
        Ok(r) => Ok(from_bigint(t, r)),
        Err(e) => Err(text_error(t, e)),
    }
}

/// `n` and `k`, neither of them negative.
fn arguments(t: &mut Thread, n: Value, k: Value) -> Res<(BigUint, BigUint)> {
    let n = proto::index(t, n)?;
    let k = if k.is_null() || k.is_none() {
        n.clone()
    } else {
        proto::index(t, k)?
    };
    let (n, k) = (
        to_bigint(n.value()).unwrap_or_default(),
        to_bigint(k.value()).unwrap_or_default(),
    );
    if n.is_negative() {
        return Err(t.value_error("n must be a non-negative integer"));
    }
    if k.is_negative() {
        return Err(t.value_error("k must be a non-negative integer"));
    }
    Ok((n.magnitude().clone(), k.magnitude().clone()))
}

fn perm(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_null() || a[1].is_none() {
        return factorial(t, a);
    }
    let (n, k) = arguments(t, a[0], a[1])?;
    if k > n {
        return Ok(Value::int(0));
    }
    let Some(k) = k.to_i64() else {
        let max = i64::MAX;
        return Err(t.overflow_error(format!("k must not exceed {max}")));
    };
    if too_long(&n, k as u64) {
        return Err(t.memory_error());
    }
    Ok(from_bigint(t, falling(&n, k as u64).into()))
}

fn comb(t: &mut Thread, a: &[Value]) -> Res {
    let (n, k) = arguments(t, a[0], a[1])?;
    if k > n {
        return Ok(Value::int(0));
    }
    let k = k.clone().min(&n - &k);
    let Some(k) = k.to_i64() else {
        let max = i64::MAX;
        return Err(t.overflow_error(format!("min(n - k, k) must not exceed {max}")));
    };
    if let Some(r) = n.to_u64().and_then(|n| comb_small(n, k as u64)) {
        return Ok(from_u64(t, r));
    }
    if too_long(&n, k as u64) {
        return Err(t.memory_error());
    }
    let r = falling(&n, k as u64) / product(2, k as u64);
    debug_assert!(!r.is_zero());
    Ok(from_bigint(t, r.into()))
}

/// By multiplying and dividing in turn, as long as it fits.
fn comb_small(n: u64, k: u64) -> Option<u64> {
    let mut r = 1u64;
    for i in 1..=k {
        let next = u128::from(r) * u128::from(n - k + i) / u128::from(i);
        r = u64::try_from(next).ok()?;
    }
    Some(r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products() {
        assert_eq!(product(2, 1), BigUint::one());
        assert_eq!(product(2, 25).to_string(), "15511210043330985984000000");
        assert_eq!(comb_small(60, 30), Some(118264581564861424));
        assert_eq!(comb_small(100, 50), None);
        let c = falling(&BigUint::from(100u32), 50) / product(2, 50);
        assert_eq!(c.to_string(), "100891344545564193334812497256");
        let n = BigUint::from(10u32).pow(30);
        assert_eq!(
            falling(&n, 2).to_string(),
            "999999999999999999999999999999000000000000000000000000000000"
        );
    }
}
