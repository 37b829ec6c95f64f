//! Sums without rounding on the way: fsum (Shewchuk's partial sums), sumprod and the norms (products and sums with their rounding
//! errors, after Ogita, Rump and Oishi); and prod.

use std::ops::ControlFlow;
use weft_objects::float::{from_f64, is_exact_float};
use weft_objects::int::{from_i128, is_exact_int};
use weft_objects::prelude::*;

pub const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("fsum", "(seq, /)", fsum)
        .doc("Return an accurate floating-point sum of values in the iterable seq.\n\nAssumes IEEE-754 floating-point arithmetic."),
    NativeDef::new("sumprod", "(p, q, /)", sumprod)
        .doc("Return the sum of products of values from two iterables p and q."),
    NativeDef::new("prod", "(iterable, /, *, start=1)", prod)
        .doc("Calculate the product of all the elements in the input iterable."),
    NativeDef::new("dist", "(p, q, /)", dist).doc("Return the Euclidean distance between two points p and q."),
    NativeDef::new("hypot", "(*coordinates)", hypot)
        .doc("Multidimensional Euclidean distance from the origin to a point."),
];

/// `a + b` rounded, and what rounding has lost.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let from_b = sum - a;
    (sum, (a - (sum - from_b)) + (b - from_b))
}

/// The same for `|a| >= |b|`.
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, (a - sum) + b)
}

/// `a * b` rounded, and what rounding has lost.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// A sum kept as floats that do not overlap, the smallest first.
struct Partials(Vec<f64>);

impl Partials {
    /// Adds a number. False: the sum has become infinite.
    fn add(&mut self, mut x: f64) -> bool {
        let mut kept = 0;
        for i in 0..self.0.len() {
            let y = self.0[i];
            let (sum, lost) = if x.abs() < y.abs() {
                fast_two_sum(y, x)
            } else {
                fast_two_sum(x, y)
            };
            if lost != 0.0 {
                self.0[kept] = lost;
                kept += 1;
            }
            x = sum;
        }
        self.0.truncate(kept);
        if x != 0.0 {
            if !x.is_finite() {
                return false;
            }
            self.0.push(x);
        }
        true
    }

    /// The sum, rounded once.
    fn total(&self) -> f64 {
        let mut rest = self.0.iter().rev().copied();
        let Some(mut high) = rest.next() else {
            return 0.0;
        };
        let mut low = 0.0;
        for x in rest.by_ref() {
            (high, low) = fast_two_sum(high, x);
            if low != 0.0 {
                break;
            }
        }
        // A tie was rounded to even; what follows may say that it was none.
        if let Some(next) = rest.next()
            && ((low < 0.0 && next < 0.0) || (low > 0.0 && next > 0.0))
        {
            let twice = low * 2.0;
            let sum = high + twice;
            if twice == sum - high {
                high = sum;
            }
        }
        high
    }
}

fn fsum(t: &mut Thread, a: &[Value]) -> Res {
    let mut partials = Partials(Vec::with_capacity(8));
    let (mut special, mut infinities, mut overflow) = (0.0, 0.0, false);
    proto::for_each(t, a[0], |t, item| {
        let x = proto::as_f64(t, item.value())?;
        if !x.is_finite() {
            special += x;
            infinities += if x.is_infinite() { x } else { 0.0 };
            partials.0.clear();
        } else if !partials.add(x) {
            overflow = true;
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if overflow {
        return Err(t.overflow_error("intermediate overflow in fsum"));
    }
    if special != 0.0 {
        if f64::is_nan(infinities) {
            return Err(t.value_error("-inf + inf in fsum"));
        }
        return Ok(from_f64(t, special));
    }
    Ok(from_f64(t, partials.total()))
}

/// A sum of products of floats, of three times a float's precision.
#[derive(Clone, Copy, Default)]
struct Triple {
    high: f64,
    low: f64,
    tiny: f64,
}

impl Triple {
    fn add_product(self, x: f64, y: f64) -> Triple {
        let (product, lost) = two_product(x, y);
        let (high, carry) = two_sum(self.high, product);
        let (low, tiny_1) = two_sum(self.low, lost);
        let (low, tiny_2) = two_sum(low, carry);
        Triple {
            high,
            low,
            tiny: self.tiny + tiny_1 + tiny_2,
        }
    }

    fn total(self) -> f64 {
        let (high, low) = two_sum(self.low, self.high);
        self.tiny + low + high
    }
}

/// The running total of [`sumprod`]: the sum of what has been added as objects, exact ints and floats apart.
struct Products {
    total: Obj,
    ints: Option<i128>,
    floats: Option<Triple>,
    /// From the first product of other objects on, nothing is summed apart: their `+` may depend on the order.
    others: bool,
    /// Ints have outgrown 64 bits: floats are added to them one by one.
    large: bool,
}

impl Products {
    fn add(&mut self, t: &mut Thread, p: Value, q: Value) -> Res<()> {
        if !self.others && p.both_ints(q) && self.floats.is_none() {
            // Two products of 126 bits at most fit; what does not goes to the total.
            let product = i128::from(p.as_int()) * i128::from(q.as_int());
            match self.ints.unwrap_or(0).checked_add(product) {
                Some(sum) => self.ints = Some(sum),
                None => {
                    self.flush(t)?;
                    self.ints = Some(product);
                    self.large = true;
                }
            }
            return Ok(());
        }
        self.large |= self.ints.is_some_and(|n| i64::try_from(n).is_err());
        if !self.others
            && !self.large
            && let Some((x, y)) = float_pair(t, p, q)?
        {
            if self.ints.is_some() {
                self.flush(t)?;
            }
            let sum = self.floats.unwrap_or_default().add_product(x, y);
            if sum.high.is_finite() {
                self.floats = Some(sum);
                return Ok(());
            }
        }
        self.flush(t)?;
        self.others = true;
        let product = Obj::own(proto::binary(t, BinOp::Mul, p, q)?);
        self.total = Obj::own(proto::binary(
            t,
            BinOp::Add,
            self.total.value(),
            product.value(),
        )?);
        Ok(())
    }

    /// Adds what was summed apart to the total.
    fn flush(&mut self, t: &mut Thread) -> Res<()> {
        let ints = self.ints.take().map(|n| Obj::own(from_i128(t, n)));
        let floats = self.floats.take().map(|f| Obj::own(from_f64(t, f.total())));
        for part in [ints, floats].into_iter().flatten() {
            self.total = Obj::own(proto::binary(
                t,
                BinOp::Add,
                self.total.value(),
                part.value(),
            )?);
        }
        Ok(())
    }
}

/// Two floats, or a float and an int.
fn float_pair(t: &mut Thread, p: Value, q: Value) -> Res<Option<(f64, f64)>> {
    let number = |v: Value| is_exact_float(v) || is_exact_int(v) || v.is_bool();
    if !(is_exact_float(p) || is_exact_float(q)) || !number(p) || !number(q) {
        return Ok(None);
    }
    Ok(Some((proto::as_f64(t, p)?, proto::as_f64(t, q)?)))
}

fn sumprod(t: &mut Thread, a: &[Value]) -> Res {
    let (left, right) = (proto::iter(t, a[0])?, proto::iter(t, a[1])?);
    let mut sum = Products {
        total: Obj::from_raw(Value::int(0)),
        ints: None,
        floats: None,
        others: false,
        large: false,
    };
    loop {
        let (p, q) = (
            proto::next(t, left.value())?,
            proto::next(t, right.value())?,
        );
        match (p, q) {
            (Some(p), Some(q)) => sum.add(t, p.value(), q.value())?,
            (None, None) => break,
            _ => return Err(t.value_error("Inputs are not the same length")),
        }
    }
    sum.flush(t)?;
    Ok(sum.total.into())
}

fn prod(t: &mut Thread, a: &[Value]) -> Res {
    let mut result = if a[1].is_null() {
        Obj::from_raw(Value::int(1))
    } else {
        Obj::new(t, a[1])
    };
    proto::for_each(t, a[0], |t, item| {
        result = Obj::own(proto::binary(t, BinOp::Mul, result.value(), item.value())?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(result.into())
}

/// The square root of the sum of squares. The squares are summed with their rounding errors, and the root is corrected by one step
/// of Newton's.
fn norm(coordinates: &mut [f64]) -> f64 {
    let mut max = 0f64;
    let mut nan = false;
    for x in coordinates.iter_mut() {
        *x = x.abs();
        nan |= x.is_nan();
        max = max.max(*x);
    }
    if max.is_infinite() {
        return max;
    }
    if nan {
        return f64::NAN;
    }
    if max == 0.0 || coordinates.len() == 1 {
        return max;
    }
    if max < f64::MIN_POSITIVE {
        for x in coordinates.iter_mut() {
            *x /= f64::MIN_POSITIVE;
        }
        return f64::MIN_POSITIVE * norm(coordinates);
    }
    // Scale by a power of two, so that nothing overflows and the largest is at least one half.
    let exponent = (max.to_bits() >> 52) as i64 - 1022;
    let (scale_1, scale_2) = (
        power_of_two(-exponent / 2),
        power_of_two(-exponent - -exponent / 2),
    );
    // Starting at one makes every sum's first operand the larger one.
    let mut sum = SquareSum {
        high: 1.0,
        products: 0.0,
        sums: 0.0,
    };
    for x in coordinates.iter() {
        let x = x * scale_1 * scale_2;
        sum.add(x, x);
    }
    let root = sum.total().sqrt();
    sum.add(-root, root);
    let root = root + sum.total() / (2.0 * root);
    root / scale_1 / scale_2
}

fn power_of_two(n: i64) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

struct SquareSum {
    high: f64,
    products: f64,
    sums: f64,
}

impl SquareSum {
    fn add(&mut self, x: f64, y: f64) {
        let (product, lost) = two_product(x, y);
        let (high, carry) = fast_two_sum(self.high, product);
        self.high = high;
        self.products += lost;
        self.sums += carry;
    }
    fn total(&self) -> f64 {
        self.high - 1.0 + (self.products + self.sums)
    }
}

fn hypot(t: &mut Thread, a: &[Value]) -> Res {
    let n = Tuple::of(a[0]).map_or(0, Tuple::len);
    let mut coordinates = Vec::with_capacity(n);
    for i in 0..n {
        let v = Tuple::this(a[0]).get(i);
        coordinates.push(proto::as_f64(t, v)?);
    }
    Ok(from_f64(t, norm(&mut coordinates)))
}

fn dist(t: &mut Thread, a: &[Value]) -> Res {
    let (p, q) = (proto::to_vec(t, a[0])?, proto::to_vec(t, a[1])?);
    if p.len() != q.len() {
        return Err(t.value_error("both points must have the same number of dimensions"));
    }
    let mut differences = Vec::with_capacity(p.len());
    for (x, y) in p.iter().zip(&q) {
        let (x, y) = (proto::as_f64(t, x.value())?, proto::as_f64(t, y.value())?);
        differences.push(x - y);
    }
    Ok(from_f64(t, norm(&mut differences)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(items: &[f64]) -> f64 {
        let mut p = Partials(Vec::new());
        assert!(items.iter().all(|x| p.add(*x)));
        p.total()
    }

    #[test]
    fn sums() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100, 1.0]), 2.0);
        assert_eq!(sum(&[1e16, 1.0, 1e-16]), 1.0000000000000002e+16);
        assert_eq!(sum(&[]), 0.0);
        let mut p = Partials(Vec::new());
        assert!(p.add(1e308) && !p.add(1e308));
    }

    #[test]
    fn norms() {
        for (v, r) in [
            (vec![3.0, 4.0], 5.0),
            (vec![1e200, 1e200], 1.414213562373095e+200),
            (vec![5e-324, 5e-324], 5e-324),
            (vec![1e-310, 2e-310, 3e-310], 3.74165738677395e-310),
            (vec![1e308; 3], 1.7320508075688772e+308),
            (vec![1.0, 2.0, 3.0, 4.0, 5.0], 7.416198487095663),
            (
                vec![
                    -8117.399161206349,
                    -884.0021504505864,
                    -5.7060363832867655e-05,
                ],
                8165.392148841034,
            ),
            (vec![f64::INFINITY, f64::NAN], f64::INFINITY),
            (vec![], 0.0),
        ] {
            assert_eq!(norm(&mut v.clone()), r, "{v:?}");
        }
        assert!(norm(&mut [1.7e308, 1.7e308]).is_infinite());
        assert!(norm(&mut [f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn products() {
        let mut s = Triple::default();
        for (x, y) in [(1e16, 1.0), (1.0, 1.0), (-1e16, 1.0)] {
            s = s.add_product(x, y);
        }
        assert_eq!(s.total(), 1.0);
        let s = (0..10).fold(Triple::default(), |s, _| s.add_product(0.1, 1.0));
        assert_eq!(s.total(), 1.0);
    }
}
