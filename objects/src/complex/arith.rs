//! Complex arithmetic on pairs of floats, with C's rules (annex G) for infinities and zeros.

/// Real and imaginary part.
pub type Complex = (f64, f64);

/// `a * b`. An infinite factor gives an infinite product, also where the parts come out as NaN.
pub fn mul(a: Complex, b: Complex) -> Complex {
    let (mut p, mut q) = (a, b);
    let re = p.0 * q.0 - p.1 * q.1;
    let im = p.0 * q.1 + p.1 * q.0;
    if !(re.is_nan() && im.is_nan()) {
        return (re, im);
    }
    let mut infinite = false;
    if is_infinite(p) {
        (p, q) = (box_infinity(p), zero_nans(q));
        infinite = true;
    }
    if is_infinite(q) {
        (p, q) = (zero_nans(p), box_infinity(q));
        infinite = true;
    }
    let overflow = [a.0 * b.0, a.1 * b.1, a.0 * b.1, a.1 * b.0]
        .iter()
        .any(|x| x.is_infinite());
    if !infinite && overflow {
        (p, q) = (zero_nans(p), zero_nans(q));
        infinite = true;
    }
    if !infinite {
        return (re, im);
    }
    (
        f64::INFINITY * (p.0 * q.0 - p.1 * q.1),
        f64::INFINITY * (p.0 * q.1 + p.1 * q.0),
    )
}

fn is_infinite(z: Complex) -> bool {
    z.0.is_infinite() || z.1.is_infinite()
}

fn is_finite(z: Complex) -> bool {
    z.0.is_finite() && z.1.is_finite()
}

/// Infinite parts become 1, others 0, signs kept.
fn box_infinity(z: Complex) -> Complex {
    let unit = |x: f64| {
        if x.is_infinite() {
            1f64.copysign(x)
        } else {
            0f64.copysign(x)
        }
    };
    (unit(z.0), unit(z.1))
}

fn zero_nans(z: Complex) -> Complex {
    let fix = |x: f64| if x.is_nan() { 0f64.copysign(x) } else { x };
    (fix(z.0), fix(z.1))
}

/// `a / b` by Smith's method; `None` for a zero divisor.
pub fn div(a: Complex, b: Complex) -> Option<Complex> {
    let z = if b.0.abs() >= b.1.abs() {
        if b.0 == 0.0 {
            return None;
        }
        let ratio = b.1 / b.0;
        let scale = b.0 + b.1 * ratio;
        ((a.0 + a.1 * ratio) / scale, (a.1 - a.0 * ratio) / scale)
    } else if b.1.abs() >= b.0.abs() {
        let ratio = b.0 / b.1;
        let scale = b.0 * ratio + b.1;
        ((a.0 * ratio + a.1) / scale, (a.1 * ratio - a.0) / scale)
    } else {
        (f64::NAN, f64::NAN)
    };
    if !(z.0.is_nan() && z.1.is_nan()) {
        return Some(z);
    }
    if is_infinite(a) && is_finite(b) {
        let u = box_infinity(a);
        return Some((
            f64::INFINITY * (u.0 * b.0 + u.1 * b.1),
            f64::INFINITY * (u.1 * b.0 - u.0 * b.1),
        ));
    }
    if is_infinite(b) && is_finite(a) {
        let u = box_infinity(b);
        return Some((0.0 * (a.0 * u.0 + a.1 * u.1), 0.0 * (a.1 * u.0 - a.0 * u.1)));
    }
    Some(z)
}

/// `x / b` of a real number; `None` for a zero divisor.
pub fn div_real(x: f64, b: Complex) -> Option<Complex> {
    let z = if b.0.abs() >= b.1.abs() {
        if b.0 == 0.0 {
            return None;
        }
        let ratio = b.1 / b.0;
        let scale = b.0 + b.1 * ratio;
        (x / scale, (-x * ratio) / scale)
    } else if b.1.abs() >= b.0.abs() {
        let ratio = b.0 / b.1;
        let scale = b.0 * ratio + b.1;
        ((x * ratio) / scale, -x / scale)
    } else {
        (f64::NAN, f64::NAN)
    };
    if z.0.is_nan() && z.1.is_nan() && x.is_finite() && is_infinite(b) {
        let u = box_infinity(b);
        return Some((0.0 * (x * u.0), 0.0 * (-x * u.1)));
    }
    Some(z)
}

/// `a ** b`; `None` for zero to a negative or complex power, and where the result has no direction (which CPython reports the same
/// way). An infinite part of the result means overflow.
pub fn pow(a: Complex, b: Complex) -> Option<Complex> {
    if b.1 == 0.0 && b.0 == b.0.floor() && b.0.abs() <= 100.0 {
        return pow_int(a, b.0 as i32);
    }
    if b == (0.0, 0.0) {
        return Some((1.0, 0.0));
    }
    if a == (0.0, 0.0) {
        return (b.1 == 0.0 && b.0 >= 0.0).then_some((0.0, 0.0));
    }
    let (size, angle) = (a.0.hypot(a.1), a.1.atan2(a.0));
    let mut length = size.powf(b.0);
    let mut phase = angle * b.0;
    if b.1 != 0.0 {
        length *= (-angle * b.1).exp();
        phase += b.1 * size.ln();
    }
    if phase.is_infinite() {
        return None;
    }
    Some((length * phase.cos(), length * phase.sin()))
}

/// A whole power, by squaring.
fn pow_int(a: Complex, n: i32) -> Option<Complex> {
    let mut result = (1.0, 0.0);
    let mut square = a;
    let mut rest = n.unsigned_abs();
    while rest != 0 {
        if rest & 1 != 0 {
            result = mul(result, square);
        }
        rest >>= 1;
        if rest != 0 {
            square = mul(square, square);
        }
    }
    if n >= 0 {
        Some(result)
    } else {
        div((1.0, 0.0), result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    #[test]
    fn infinities_survive() {
        assert_eq!(mul((INF, NAN), (1.0, 1.0)), (INF, INF));
        assert_eq!(mul((5.0, 3.0), (2.0, -7.0)), (31.0, -29.0));
        assert_eq!(div((1.0, 2.0), (INF, 1.0)), Some((0.0, 0.0)));
        assert_eq!(div((INF, 1.0), (1.0, 2.0)), Some((INF, -INF)));
        assert_eq!(div((1.0, 0.0), (0.0, 0.0)), None);
        assert_eq!(div_real(3.0, (1.0, 2.0)), Some((0.6, -1.2)));
    }

    #[test]
    fn powers() {
        assert_eq!(
            pow((1.0, 2.0), (-3.0, 0.0)),
            Some((-0.08800000000000001, 0.016))
        );
        assert_eq!(pow((0.0, 1.0), (2.0, 0.0)), Some((-1.0, 0.0)));
        assert_eq!(pow((0.0, 0.0), (-1.0, 0.0)), None);
        assert_eq!(pow((0.0, 0.0), (0.0, 1.0)), None);
        assert_eq!(
            pow((1.0, 2.0), (100.0, 0.0)),
            Some((-6.443164690985892e+34, -6.113241307762508e+34))
        );
    }
}
