//! `cmath`. For finite arguments by the formulas of Kahan ("Branch cuts for complex elementary functions", 1987), scaled where they would
//! overflow; for infinities and NaNs as the C library says (C99, annex G).

use crate::math::{close, tolerances};
use std::f64::consts::{E, LN_2, LN_10, PI, TAU};
use weft_objects::complex::{Complex, arith, from_parts, to_complex};
use weft_objects::float::from_f64;
use weft_objects::module::Module;
use weft_objects::prelude::*;

/// C's `double complex`, which is passed like a struct of its parts.
#[repr(C)]
#[derive(Clone, Copy)]
struct C(f64, f64);

unsafe extern "C" {
    safe fn asinh(x: f64) -> f64;
    safe fn cacos(z: C) -> C;
    safe fn cacosh(z: C) -> C;
    safe fn casinh(z: C) -> C;
    safe fn catanh(z: C) -> C;
    safe fn ccosh(z: C) -> C;
    safe fn cexp(z: C) -> C;
    safe fn clog(z: C) -> C;
    safe fn csinh(z: C) -> C;
    safe fn csqrt(z: C) -> C;
    safe fn ctanh(z: C) -> C;
}

/// Why there is no result.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Failure {
    Domain,
    Range,
}
use Failure::{Domain, Range};

type Outcome = Result<Complex, Failure>;

/// A quarter of the largest float: above it, sums and squares are scaled.
const LARGE: f64 = f64::MAX / 4.0;
/// Logarithm of [`LARGE`].
const LN_LARGE: f64 = 708.396_418_532_264_1;

fn is_finite(z: Complex) -> bool {
    z.0.is_finite() && z.1.is_finite()
}

/// What the C library says of an infinite or NaN argument.
fn special(f: extern "C" fn(C) -> C, z: Complex) -> Outcome {
    let r = f(C(z.0, z.1));
    Ok((r.0, r.1))
}

/// Infinite parts of a result from a finite argument are an overflow.
fn checked(z: Complex) -> Outcome {
    if z.0.is_infinite() || z.1.is_infinite() {
        Err(Range)
    } else {
        Ok(z)
    }
}

fn sqrt(z: Complex) -> Outcome {
    if !is_finite(z) {
        return special(csqrt, z);
    }
    let (ax, ay) = (z.0.abs(), z.1.abs());
    if ax == 0.0 && ay == 0.0 {
        return Ok((0.0, z.1));
    }
    let s = if ax < f64::MIN_POSITIVE && ay < f64::MIN_POSITIVE && (ax > 0.0 || ay > 0.0) {
        // Subnormal parts have few bits: scale them up.
        let (ax, ay) = (ax * 2f64.powi(53), ay * 2f64.powi(53));
        (ax + ax.hypot(ay)).sqrt() * 2f64.powi(-27)
    } else {
        let ax = ax / 8.0;
        2.0 * (ax + ax.hypot(ay / 8.0)).sqrt()
    };
    let d = ay / (2.0 * s);
    Ok(if z.0 >= 0.0 {
        (s, d.copysign(z.1))
    } else {
        (d, s.copysign(z.1))
    })
}

fn acos(z: Complex) -> Outcome {
    if !is_finite(z) {
        return special(cacos, z);
    }
    if z.0.abs() > LARGE || z.1.abs() > LARGE {
        let re = z.1.abs().atan2(z.0);
        let size = (z.0 / 2.0).hypot(z.1 / 2.0).ln() + LN_2 * 2.0;
        return Ok((re, size.copysign(-z.1)));
    }
    let a = sqrt((1.0 - z.0, -z.1))?;
    let b = sqrt((1.0 + z.0, z.1))?;
    Ok((2.0 * a.0.atan2(b.0), asinh(b.0 * a.1 - b.1 * a.0)))
}

fn acosh(z: Complex) -> Outcome {
    if !is_finite(z) {
        return special(cacosh, z);
    }
    if z.0.abs() > LARGE || z.1.abs() > LARGE {
        return Ok((
            (z.0 / 2.0).hypot(z.1 / 2.0).ln() + LN_2 * 2.0,
            z.1.atan2(z.0),
        ));
    }
    let a = sqrt((z.0 - 1.0, z.1))?;
    let b = sqrt((z.0 + 1.0, z.1))?;
    Ok((asinh(a.0 * b.0 + a.1 * b.1), 2.0 * a.1.atan2(b.0)))
}

/// `f(i * z) / i`.
fn turned(f: fn(Complex) -> Outcome, z: Complex) -> Outcome {
    let r = f((-z.1, z.0))?;
    Ok((r.1, -r.0))
}

fn asin(z: Complex) -> Outcome {
    turned(asinh_of, z)
}

fn asinh_of(z: Complex) -> Outcome {
    if !is_finite(z) {
        return special(casinh, z);
    }
    if z.0.abs() > LARGE || z.1.abs() > LARGE {
        let size = (z.0 / 2.0).hypot(z.1 / 2.0).ln() + LN_2 * 2.0;
        return Ok((size.copysign(z.0), z.1.atan2(z.0.abs())));
    }
    let a = sqrt((1.0 + z.1, -z.0))?;
    let b = sqrt((1.0 - z.1, z.0))?;
    Ok((
        asinh(a.0 * b.1 - b.0 * a.1),
        z.1.atan2(a.0 * b.0 - a.1 * b.1),
    ))
}

fn atan(z: Complex) -> Outcome {
    turned(atanh, z)
}

fn atanh(z: Complex) -> Outcome {
    if !is_finite(z) {
        return special(catanh, z);
    }
    // For a nonnegative real part alone; the function is odd.
    if z.0 < 0.0 || (z.0 == 0.0 && z.0.is_sign_negative()) {
        let r = atanh((-z.0, -z.1))?;
        return Ok((-r.0, -r.1));
    }
    let ay = z.1.abs();
    let large = LARGE.sqrt();
    if z.0 > large || ay > large {
        // About 1 / z, with care for its size.
        let h = (z.0 / 2.0).hypot(z.1 / 2.0);
        let im = (PI / 2.0).copysign(z.1);
        return Ok((z.0 / 4.0 / h / h, im));
    }
    if z.0 == 1.0 && ay < f64::MIN_POSITIVE.sqrt() {
        if ay == 0.0 {
            return Err(Domain);
        }
        return Ok((
            -(ay.sqrt() / ay.hypot(2.0).sqrt()).ln(),
            2f64.atan2(-ay).copysign(z.1) / 2.0,
        ));
    }
    let square = (1.0 - z.0) * (1.0 - z.0) + ay * ay;
    let re = (4.0 * z.0 / square).ln_1p() / 4.0;
    let im = -(-2.0 * z.1).atan2((1.0 - z.0) * (1.0 + z.0) - ay * ay) / 2.0;
    Ok((re, im))
}

/// Hyperbolic functions of an infinite real or imaginary part: an infinite angle has no direction.
fn angle_is_lost(z: Complex, allowed: bool) -> bool {
    z.1.is_infinite() && !allowed
}

fn exp(z: Complex) -> Outcome {
    if !is_finite(z) {
        if angle_is_lost(z, z.0.is_nan() || z.0 == f64::NEG_INFINITY) {
            return Err(Domain);
        }
        return special(cexp, z);
    }
    let (sin, cos) = z.1.sin_cos();
    checked(if z.0 > LN_LARGE {
        let size = (z.0 - 1.0).exp();
        (size * cos * E, size * sin * E)
    } else {
        let size = z.0.exp();
        (size * cos, size * sin)
    })
}

fn cosh(z: Complex) -> Outcome {
    if !is_finite(z) {
        if angle_is_lost(z, z.0.is_nan()) {
            return Err(Domain);
        }
        return special(ccosh, z);
    }
    let (sin, cos) = z.1.sin_cos();
    checked(if z.0.abs() > LN_LARGE {
        let less = z.0 - 1f64.copysign(z.0);
        (cos * less.cosh() * E, sin * less.sinh() * E)
    } else {
        (cos * z.0.cosh(), sin * z.0.sinh())
    })
}

fn sinh(z: Complex) -> Outcome {
    if !is_finite(z) {
        if angle_is_lost(z, z.0.is_nan()) {
            return Err(Domain);
        }
        return special(csinh, z);
    }
    let (sin, cos) = z.1.sin_cos();
    checked(if z.0.abs() > LN_LARGE {
        let less = z.0 - 1f64.copysign(z.0);
        (cos * less.sinh() * E, sin * less.cosh() * E)
    } else {
        (cos * z.0.sinh(), sin * z.0.cosh())
    })
}

fn tanh(z: Complex) -> Outcome {
    if !is_finite(z) {
        if angle_is_lost(z, !z.0.is_finite()) {
            return Err(Domain);
        }
        return special(ctanh, z);
    }
    if z.0.abs() > LN_LARGE {
        // The imaginary part is about 4 sin(y) cos(y) exp(-2 |x|).
        let im = 4.0 * z.1.sin() * z.1.cos() * (-2.0 * z.0.abs()).exp();
        return Ok((1f64.copysign(z.0), im));
    }
    let (tx, ty) = (z.0.tanh(), z.1.tan());
    let cx = 1.0 / z.0.cosh();
    let txty = tx * ty;
    let scale = 1.0 + txty * txty;
    Ok((tx * (1.0 + ty * ty) / scale, ((ty / scale) * cx) * cx))
}

fn cos(z: Complex) -> Outcome {
    cosh((-z.1, z.0))
}

fn sin(z: Complex) -> Outcome {
    turned(sinh, z)
}

fn tan(z: Complex) -> Outcome {
    turned(tanh, z)
}

fn log(z: Complex) -> Outcome {
    if !is_finite(z) {
        return special(clog, z);
    }
    let (ax, ay) = (z.0.abs(), z.1.abs());
    let re = if ax > LARGE || ay > LARGE {
        (ax / 2.0).hypot(ay / 2.0).ln() + LN_2
    } else if ax < f64::MIN_POSITIVE && ay < f64::MIN_POSITIVE {
        if ax == 0.0 && ay == 0.0 {
            return Err(Domain);
        }
        let up = 2f64.powi(53);
        (ax * up).hypot(ay * up).ln() - 53.0 * LN_2
    } else {
        let size = ax.hypot(ay);
        if (0.71..=1.73).contains(&size) {
            // The logarithm of what is near one loses its digits: take that of the difference.
            let (more, less) = (ax.max(ay), ax.min(ay));
            ((more - 1.0) * (more + 1.0) + less * less).ln_1p() / 2.0
        } else {
            size.ln()
        }
    };
    Ok((re, z.1.atan2(z.0)))
}

fn log10(z: Complex) -> Outcome {
    let r = log(z)?;
    Ok((r.0 / LN_10, r.1 / LN_10))
}

fn raise(t: &Thread, failure: Failure) -> Raised {
    match failure {
        Domain => t.value_error("math domain error"),
        Range => t.overflow_error("math range error"),
    }
}

fn give(t: &mut Thread, r: Outcome) -> Res {
    match r {
        Ok((re, im)) => Ok(from_parts(t, re, im)),
        Err(failure) => Err(raise(t, failure)),
    }
}

macro_rules! functions {
    ($($name:literal, $f:path, $doc:literal;)*) => {
        &[$(NativeDef::new($name, "(z, /)", |t, a| {
            let z = to_complex(t, a[0])?;
            give(t, $f(z))
        })
        .doc($doc)),*]
    };
}

const FUNCTIONS: &[NativeDef] = functions! {
    "acos", acos, "Return the arc cosine of z.";
    "acosh", acosh, "Return the inverse hyperbolic cosine of z.";
    "asin", asin, "Return the arc sine of z.";
    "asinh", asinh_of, "Return the inverse hyperbolic sine of z.";
    "atan", atan, "Return the arc tangent of z.";
    "atanh", atanh, "Return the inverse hyperbolic tangent of z.";
    "cos", cos, "Return the cosine of z.";
    "cosh", cosh, "Return the hyperbolic cosine of z.";
    "exp", exp, "Return the exponential value e**z.";
    "log10", log10, "Return the base-10 logarithm of z.";
    "sin", sin, "Return the sine of z.";
    "sinh", sinh, "Return the hyperbolic sine of z.";
    "sqrt", sqrt, "Return the square root of z.";
    "tan", tan, "Return the tangent of z.";
    "tanh", tanh, "Return the hyperbolic tangent of z.";
};

const OTHERS: &[NativeDef] = &[
    NativeDef::new("log", "(z, base=<unrepresentable>, /)", log_of).doc(
        "log(z[, base]) -> the logarithm of z to the given base.\n\nIf the base is not specified, returns the natural \
         logarithm (base e) of z.",
    ),
    NativeDef::new("phase", "(z, /)", phase).doc("Return argument, also known as the phase angle, of a complex."),
    NativeDef::new("polar", "(z, /)", polar)
        .doc("Convert a complex from rectangular coordinates to polar coordinates.\n\nr is the distance from 0 and phi the phase angle."),
    NativeDef::new("rect", "(r, phi, /)", rect).doc("Convert from polar coordinates to rectangular coordinates."),
    NativeDef::new("isfinite", "(z, /)", |t, a| Ok(Value::bool(is_finite(to_complex(t, a[0])?))))
        .doc("Return True if both the real and imaginary parts of z are finite, else False."),
    NativeDef::new("isnan", "(z, /)", |t, a| {
        let z = to_complex(t, a[0])?;
        Ok(Value::bool(z.0.is_nan() || z.1.is_nan()))
    })
    .doc("Checks if the real or imaginary part of z not a number (NaN)."),
    NativeDef::new("isinf", "(z, /)", |t, a| {
        let z = to_complex(t, a[0])?;
        Ok(Value::bool(z.0.is_infinite() || z.1.is_infinite()))
    })
    .doc("Checks if the real or imaginary part of z is infinite."),
    NativeDef::new("isclose", "(a, b, *, rel_tol=1e-09, abs_tol=0.0)", isclose)
        .doc("Determine whether two complex numbers are close in value."),
];

fn log_of(t: &mut Thread, a: &[Value]) -> Res {
    let z = to_complex(t, a[0])?;
    if a[1].is_null() {
        return give(t, log(z));
    }
    let base = to_complex(t, a[1])?;
    // The logarithm of zero is an error only without a base, or as one.
    let top = log(z).unwrap_or((f64::NEG_INFINITY, z.1.atan2(z.0)));
    let quotient = log(base).and_then(|bottom| arith::div(top, bottom).ok_or(Domain));
    give(t, quotient)
}

fn phase(t: &mut Thread, a: &[Value]) -> Res {
    let z = to_complex(t, a[0])?;
    Ok(from_f64(t, z.1.atan2(z.0)))
}

fn polar(t: &mut Thread, a: &[Value]) -> Res {
    let z = to_complex(t, a[0])?;
    let size = z.0.hypot(z.1);
    if size.is_infinite() && is_finite(z) {
        return Err(raise(t, Range));
    }
    let (size, angle) = (
        Obj::own(from_f64(t, size)),
        Obj::own(from_f64(t, z.1.atan2(z.0))),
    );
    Ok(Tuple::pair(t, size, angle).into())
}

fn rect(t: &mut Thread, a: &[Value]) -> Res {
    let (r, phi) = (proto::as_f64(t, a[0])?, proto::as_f64(t, a[1])?);
    give(t, from_polar(r, phi))
}

fn from_polar(r: f64, phi: f64) -> Outcome {
    if r == 0.0 && !phi.is_finite() {
        return Ok((0.0, 0.0));
    }
    if phi.is_infinite() && !r.is_nan() {
        return Err(Domain);
    }
    if r.is_infinite() && phi.is_finite() && phi != 0.0 {
        let (sin, cos) = phi.sin_cos();
        return Ok((r.copysign(r.signum() * cos), r.copysign(r.signum() * sin)));
    }
    if phi == 0.0 {
        // `r * phi` gets the sign right and turns an infinite `r` into a zero, not into NaN.
        return Ok((
            r,
            if r.is_nan() {
                0.0
            } else {
                0f64.copysign(r.signum() * 1f64.copysign(phi))
            },
        ));
    }
    if r.is_infinite() {
        return Ok((r.abs(), f64::NAN));
    }
    let (sin, cos) = phi.sin_cos();
    Ok((r * cos, r * sin))
}

fn isclose(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y) = (to_complex(t, a[0])?, to_complex(t, a[1])?);
    let (rel, abs) = tolerances(t, a[2], a[3])?;
    Ok(Value::bool(close(x, y, rel, abs)))
}

/// The module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let module = Module::new(t, "cmath");
    if let Some(m) = Module::of(module.value()) {
        let doc = "This module provides access to mathematical functions for complex\nnumbers.";
        m.add(t, "__doc__", Str::new(t, doc));
        m.add_functions(t, FUNCTIONS);
        m.add_functions(t, OTHERS);
        for (name, x) in [
            ("pi", PI),
            ("e", E),
            ("tau", TAU),
            ("inf", f64::INFINITY),
            ("nan", f64::NAN),
        ] {
            m.add(t, name, Obj::own(from_f64(t, x)));
        }
        m.add(t, "infj", Obj::own(from_parts(t, 0.0, f64::INFINITY)));
        m.add(t, "nanj", Obj::own(from_parts(t, 0.0, f64::NAN)));
    }
    Ok(module)
}

#[cfg(test)]
// Expected values as CPython prints them.
#[allow(clippy::approx_constant, clippy::type_complexity)]
mod tests {
    use super::*;
    const INF: f64 = f64::INFINITY;

    #[test]
    fn as_cpython() {
        let cases: &[(fn(Complex) -> Outcome, Complex, Outcome)] = &[
            (
                log,
                (1e308, 1e308),
                Ok((709.542782232446, 0.7853981633974483)),
            ),
            (log, (5e-324, 0.0), Ok((-744.4400719213813, 0.0))),
            (log, (1.0, 1e-10), Ok((5.0000000000000005e-21, 1e-10))),
            (log, (0.0, 0.0), Err(Domain)),
            (sqrt, (-4.0, 0.0), Ok((0.0, 2.0))),
            (sqrt, (-1.0, -0.0), Ok((0.0, -1.0))),
            (
                sqrt,
                (1e-320, 1e-321),
                Ok((1.0012356355133176e-160, 4.983904733313116e-162)),
            ),
            (acosh, (0.5, 0.0), Ok((0.0, 1.0471975511965979))),
            (acos, (0.5, 0.0), Ok((1.0471975511965979, -0.0))),
            (acos, (1e308, 0.0), Ok((0.0, -709.889355822726))),
            (
                asin,
                (2.0, 0.0),
                Ok((1.5707963267948966, 1.3169578969248166)),
            ),
            (
                asinh_of,
                (1.0, 1.0),
                Ok((1.0612750619050357, 0.6662394324925153)),
            ),
            (atan, (0.0, 1.0), Err(Domain)),
            (atan, (2.0, 0.0), Ok((1.1071487177940904, 0.0))),
            (
                atanh,
                (2.0, 0.0),
                Ok((0.5493061443340549, 1.5707963267948966)),
            ),
            (
                atanh,
                (1.0, 1e-300),
                Ok((345.73433753938684, 0.7853981633974483)),
            ),
            (
                tan,
                (1.0, 1.0),
                Ok((0.2717525853195118, 1.0839233273386946)),
            ),
            (tanh, (400.0, 1.0), Ok((1.0, 0.0))),
            (cos, (1.0, 2.0), Ok((2.0327230070196656, -3.0518977991518))),
            (sin, (1.0, 2.0), Ok((3.165778513216168, 1.9596010414216063))),
            (exp, (709.9, 0.0), Err(Range)),
            (exp, (INF, INF), Err(Domain)),
            (exp, (-INF, INF), Ok((0.0, 0.0))),
            (cosh, (711.0, 1.0), Err(Range)),
            (sinh, (-711.0, 1.0), Err(Range)),
        ];
        for (i, (f, z, r)) in cases.iter().enumerate() {
            assert_eq!(f(*z), *r, "case {i}: {z:?}");
        }
        assert_eq!(from_polar(INF, 0.0), Ok((INF, 0.0)));
        assert_eq!(from_polar(INF, 1.0), Ok((INF, INF)));
        assert_eq!(from_polar(0.0, INF), Ok((0.0, 0.0)));
        assert_eq!(from_polar(INF, INF), Err(Domain));
    }
}
