//! `math`: the C library's functions with CPython's errors; exact sums in [`sums`], ints in [`integers`], gamma in [`special`].

mod integers;
mod special;
mod sums;

use num_traits::Signed;
use weft_objects::complex;
use weft_objects::float::{float_to_int, from_f64, is_exact_float};
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::str::text_error;
use weft_objects::text::float::{decompose, float_repr};
use weft_objects::text::{bigint, int::IntRef};

unsafe extern "C" {
    safe fn acosh(x: f64) -> f64;
    safe fn asinh(x: f64) -> f64;
    safe fn atanh(x: f64) -> f64;
    safe fn erf(x: f64) -> f64;
    safe fn erfc(x: f64) -> f64;
    safe fn nextafter(x: f64, y: f64) -> f64;
    safe fn remainder(x: f64, y: f64) -> f64;
    safe fn ldexp(x: f64, exponent: i32) -> f64;
}

#[cold]
fn domain_error(t: &Thread) -> Raised {
    t.value_error("math domain error")
}

#[cold]
fn range_error(t: &Thread) -> Raised {
    t.overflow_error("math range error")
}

/// A domain error that says what was expected of the argument.
#[cold]
fn expected(t: &Thread, what: &str, x: f64) -> Raised {
    if what.is_empty() {
        return domain_error(t);
    }
    t.value_error(format!("expected {what}, got {}", float_repr(x)))
}

/// A function of one float. A NaN out of a number is a domain error; so is infinity out of a finite number, unless the function
/// can overflow.
fn one(t: &mut Thread, v: Value, f: fn(f64) -> f64, overflows: bool, what: &str) -> Res {
    let x = proto::as_f64(t, v)?;
    let r = f(x);
    if r.is_nan() && !x.is_nan() {
        return Err(expected(t, what, x));
    }
    if r.is_infinite() && x.is_finite() {
        return Err(if overflows {
            range_error(t)
        } else {
            expected(t, what, x)
        });
    }
    Ok(from_f64(t, r))
}

/// A function of two floats, without overflow.
fn two(t: &mut Thread, a: &[Value], f: fn(f64, f64) -> f64) -> Res {
    let (x, y) = (proto::as_f64(t, a[0])?, proto::as_f64(t, a[1])?);
    let r = f(x, y);
    if r.is_nan() && !x.is_nan() && !y.is_nan() || r.is_infinite() && x.is_finite() && y.is_finite()
    {
        return Err(domain_error(t));
    }
    Ok(from_f64(t, r))
}

macro_rules! unary {
    ($name:literal, $f:expr, $overflows:literal, $what:literal, $doc:literal) => {
        NativeDef::new($name, "(x, /)", |t, a| one(t, a[0], $f, $overflows, $what)).doc($doc)
    };
}

const FINITE: &str = "a finite input";

const FUNCTIONS: &[NativeDef] = &[
    unary!("acos", f64::acos, false, "a number in range from -1 up to 1", "Return the arc cosine (measured in radians) of x.\n\nThe result is between 0 and pi."),
    unary!("acosh", |x| acosh(x), false, "argument value not less than 1", "Return the inverse hyperbolic cosine of x."),
    unary!("asin", f64::asin, false, "a number in range from -1 up to 1", "Return the arc sine (measured in radians) of x.\n\nThe result is between -pi/2 and pi/2."),
    unary!("asinh", |x| asinh(x), false, "", "Return the inverse hyperbolic sine of x."),
    unary!("atan", f64::atan, false, "", "Return the arc tangent (measured in radians) of x.\n\nThe result is between -pi/2 and pi/2."),
    unary!("atanh", |x| atanh(x), false, "a number between -1 and 1", "Return the inverse hyperbolic tangent of x."),
    unary!("cbrt", f64::cbrt, false, "", "Return the cube root of x."),
    NativeDef::new("cos", "(x, /)", |t, a| one(t, a[0], f64::cos, false, FINITE)).doc("Return the cosine of x (measured in radians)."),
    unary!("cosh", f64::cosh, true, "", "Return the hyperbolic cosine of x."),
    unary!("erf", |x| erf(x), false, "", "Error function at x."),
    unary!("erfc", |x| erfc(x), false, "", "Complementary error function at x."),
    unary!("exp", f64::exp, true, "", "Return e raised to the power of x."),
    unary!("exp2", f64::exp2, true, "", "Return 2 raised to the power of x."),
    unary!("expm1", f64::exp_m1, true, "", "Return exp(x)-1.\n\nThis function avoids the loss of precision involved in the direct evaluation of exp(x)-1 for small x."),
    unary!("fabs", f64::abs, false, "", "Return the absolute value of the float x."),
    unary!("log1p", f64::ln_1p, false, "argument value > -1", "Return the natural logarithm of 1+x (base e).\n\nThe result is computed in a way which is accurate for x near zero."),
    NativeDef::new("sin", "(x, /)", |t, a| one(t, a[0], f64::sin, false, FINITE)).doc("Return the sine of x (measured in radians)."),
    unary!("sinh", f64::sinh, true, "", "Return the hyperbolic sine of x."),
    unary!("sqrt", f64::sqrt, false, "a nonnegative input", "Return the square root of x."),
    NativeDef::new("tan", "(x, /)", |t, a| one(t, a[0], f64::tan, false, FINITE)).doc("Return the tangent of x (measured in radians)."),
    unary!("tanh", f64::tanh, false, "", "Return the hyperbolic tangent of x."),
    NativeDef::new("gamma", "(x, /)", gamma).doc("Gamma function at x."),
    NativeDef::new("lgamma", "(x, /)", lgamma).doc("Natural logarithm of absolute value of Gamma function at x."),
    NativeDef::new("atan2", "(y, x, /)", |t, a| two(t, a, f64::atan2))
        .doc("Return the arc tangent (measured in radians) of y/x.\n\nUnlike atan(y/x), the signs of both x and y are considered."),
    NativeDef::new("copysign", "(x, y, /)", |t, a| two(t, a, f64::copysign))
        .doc("Return a float with the magnitude (absolute value) of x but the sign of y."),
    NativeDef::new("remainder", "(x, y, /)", |t, a| two(t, a, |x, y| remainder(x, y)))
        .doc("Difference between x and the closest integer multiple of y."),
    NativeDef::new("fmod", "(x, y, /)", |t, a| two(t, a, |x, y| x % y))
        .doc("Return fmod(x, y), according to platform C.\n\nx % y may differ."),
    NativeDef::new("pow", "(x, y, /)", pow).doc("Return x**y (x to the power of y)."),
    NativeDef::new("fma", "(x, y, z, /)", fma)
        .doc("Fused multiply-add operation.\n\nCompute (x * y) + z with a single round."),
    NativeDef::new("degrees", "(x, /)", |t, a| {
        let x = proto::as_f64(t, a[0])?;
        Ok(from_f64(t, x * (180.0 / std::f64::consts::PI)))
    })
    .doc("Convert angle x from radians to degrees."),
    NativeDef::new("radians", "(x, /)", |t, a| {
        let x = proto::as_f64(t, a[0])?;
        Ok(from_f64(t, x * (std::f64::consts::PI / 180.0)))
    })
    .doc("Convert angle x from degrees to radians."),
    NativeDef::new("isfinite", "(x, /)", |t, a| Ok(Value::bool(proto::as_f64(t, a[0])?.is_finite())))
        .doc("Return True if x is neither an infinity nor a NaN, and False otherwise."),
    NativeDef::new("isinf", "(x, /)", |t, a| Ok(Value::bool(proto::as_f64(t, a[0])?.is_infinite())))
        .doc("Return True if x is a positive or negative infinity, and False otherwise."),
    NativeDef::new("isnan", "(x, /)", |t, a| Ok(Value::bool(proto::as_f64(t, a[0])?.is_nan())))
        .doc("Return True if x is a NaN (not a number), and False otherwise."),
    NativeDef::new("isclose", "(a, b, *, rel_tol=1e-09, abs_tol=0.0)", isclose)
        .doc("Determine whether two floating-point numbers are close in value."),
    NativeDef::new("frexp", "(x, /)", frexp).doc("Return the mantissa and exponent of x, as pair (m, e)."),
    NativeDef::new("ldexp", "(x, i, /)", ldexp_of).doc("Return x * (2**i).\n\nThis is essentially the inverse of frexp()."),
    NativeDef::new("modf", "(x, /)", modf).doc("Return the fractional and integer parts of x."),
    NativeDef::new("log", "(x, base=None, /)", log).doc(
        "log(x, [base=math.e])\nReturn the logarithm of x to the given base.\n\nIf the base is not specified, returns the \
         natural logarithm (base e) of x.",
    ),
    NativeDef::new("log2", "(x, /)", |t, a| {
        let x = logarithm(t, a[0], f64::log2)?;
        Ok(from_f64(t, x))
    })
    .doc("Return the base 2 logarithm of x."),
    NativeDef::new("log10", "(x, /)", |t, a| {
        let x = logarithm(t, a[0], f64::log10)?;
        Ok(from_f64(t, x))
    })
    .doc("Return the base 10 logarithm of x."),
    NativeDef::new("floor", "(x, /)", floor)
        .doc("Return the floor of x as an Integral.\n\nThis is the largest integer <= x."),
    NativeDef::new("ceil", "(x, /)", ceil)
        .doc("Return the ceiling of x as an Integral.\n\nThis is the smallest integer >= x."),
    NativeDef::new("trunc", "(x, /)", trunc)
        .doc("Truncates the Real x to the nearest Integral toward 0.\n\nUses the __trunc__ magic method."),
    NativeDef::new("nextafter", "(x, y, /, *, steps=None)", next_after)
        .doc("Return the floating-point value the given number of steps after x towards y."),
    NativeDef::new("ulp", "(x, /)", ulp).doc("Return the value of the least significant bit of the float x."),
];

/// The module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let module = Module::new(t, "math");
    if let Some(m) = Module::of(module.value()) {
        let doc =
            "This module provides access to the mathematical functions\ndefined by the C standard.";
        m.add(t, "__doc__", Str::new(t, doc));
        for list in [FUNCTIONS, integers::FUNCTIONS, sums::FUNCTIONS] {
            m.add_functions(t, list);
        }
        for (name, x) in [
            ("pi", std::f64::consts::PI),
            ("e", std::f64::consts::E),
            ("tau", std::f64::consts::TAU),
            ("inf", f64::INFINITY),
            ("nan", f64::NAN),
        ] {
            m.add(t, name, Obj::own(from_f64(t, x)));
        }
    }
    Ok(module)
}

fn gamma(t: &mut Thread, a: &[Value]) -> Res {
    let x = proto::as_f64(t, a[0])?;
    match special::gamma(x) {
        None => Err(expected(t, "a noninteger or positive integer", x)),
        Some(r) if r.is_infinite() && x.is_finite() => Err(range_error(t)),
        Some(r) => Ok(from_f64(t, r)),
    }
}

fn lgamma(t: &mut Thread, a: &[Value]) -> Res {
    let x = proto::as_f64(t, a[0])?;
    match special::lgamma(x) {
        None => Err(expected(t, "a noninteger or positive integer", x)),
        Some(r) if r.is_infinite() && x.is_finite() => Err(range_error(t)),
        Some(r) => Ok(from_f64(t, r)),
    }
}

fn pow(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y) = (proto::as_f64(t, a[0])?, proto::as_f64(t, a[1])?);
    let r = x.powf(y);
    if x.is_finite() && y.is_finite() {
        if r.is_nan() || r.is_infinite() && x == 0.0 {
            return Err(domain_error(t));
        }
        if r.is_infinite() {
            return Err(range_error(t));
        }
    }
    Ok(from_f64(t, r))
}

fn fma(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y, z) = (
        proto::as_f64(t, a[0])?,
        proto::as_f64(t, a[1])?,
        proto::as_f64(t, a[2])?,
    );
    let r = x.mul_add(y, z);
    if r.is_nan() && !x.is_nan() && !y.is_nan() && !z.is_nan() {
        return Err(t.value_error("invalid operation in fma"));
    }
    if r.is_infinite() && x.is_finite() && y.is_finite() && z.is_finite() {
        return Err(t.overflow_error("overflow in fma"));
    }
    Ok(from_f64(t, r))
}

fn isclose(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y) = (proto::as_f64(t, a[0])?, proto::as_f64(t, a[1])?);
    let (rel, abs) = tolerances(t, a[2], a[3])?;
    Ok(Value::bool(close((x, 0.0), (y, 0.0), rel, abs)))
}

/// The tolerances of `isclose`, here and in `cmath`.
pub(crate) fn tolerances(t: &mut Thread, rel: Value, abs: Value) -> Res<(f64, f64)> {
    let rel = if rel.is_null() {
        1e-9
    } else {
        proto::as_f64(t, rel)?
    };
    let abs = if abs.is_null() {
        0.0
    } else {
        proto::as_f64(t, abs)?
    };
    if rel < 0.0 || abs < 0.0 {
        return Err(t.value_error("tolerances must be non-negative"));
    }
    Ok((rel, abs))
}

/// Whether two numbers are the same or nearly so.
pub(crate) fn close(a: complex::Complex, b: complex::Complex, rel: f64, abs: f64) -> bool {
    if a == b {
        return true;
    }
    if [a.0, a.1, b.0, b.1].iter().any(|x| x.is_infinite()) {
        return false;
    }
    let difference = (a.0 - b.0).hypot(a.1 - b.1);
    difference <= rel * b.0.hypot(b.1) || difference <= rel * a.0.hypot(a.1) || difference <= abs
}

/// Mantissa in `[0.5, 1)` and exponent.
fn split(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let (mantissa, exponent) = decompose(x);
    let bits = 64 - mantissa.leading_zeros() as i32;
    let m = mantissa as f64 / f64::from_bits(((1023 + bits) as u64) << 52);
    (m.copysign(x), exponent + bits)
}

fn frexp(t: &mut Thread, a: &[Value]) -> Res {
    let x = proto::as_f64(t, a[0])?;
    let (m, e) = split(x);
    let m = Obj::own(from_f64(t, m));
    Ok(Tuple::pair(t, m, Obj::from_raw(Value::int(e.into()))).into())
}

fn ldexp_of(t: &mut Thread, a: &[Value]) -> Res {
    let x = proto::as_f64(t, a[0])?;
    let exponent = match Int::of(a[1]) {
        Some(IntRef::Small(n)) => n,
        Some(n) => {
            if n.is_negative() {
                i64::MIN
            } else {
                i64::MAX
            }
        }
        None => return Err(t.type_error("Expected an int as second argument to ldexp.".into())),
    };
    if x == 0.0 || !x.is_finite() {
        return Ok(from_f64(t, x));
    }
    // Far outside the range of exponents either way.
    let r = ldexp(x, exponent.clamp(-10_000, 10_000) as i32);
    if r.is_infinite() {
        return Err(range_error(t));
    }
    Ok(from_f64(t, r))
}

fn modf(t: &mut Thread, a: &[Value]) -> Res {
    let x = proto::as_f64(t, a[0])?;
    let whole = x.trunc();
    let fraction = if x.is_infinite() { 0.0 } else { x - whole };
    let fraction = if x.is_nan() { x } else { fraction.copysign(x) };
    let (fraction, whole) = (
        Obj::own(from_f64(t, fraction)),
        Obj::own(from_f64(t, whole)),
    );
    Ok(Tuple::pair(t, fraction, whole).into())
}

/// A logarithm of a float, or of an int of any size.
fn logarithm(t: &mut Thread, v: Value, f: fn(f64) -> f64) -> Res<f64> {
    if let Some(n) = Int::of(v) {
        let positive = match n {
            IntRef::Small(n) => n > 0,
            IntRef::Big(n) => n.is_positive(),
        };
        if !positive {
            return Err(t.value_error("expected a positive input"));
        }
        return Ok(match n {
            IntRef::Small(n) => f(n as f64),
            IntRef::Big(n) => match bigint::to_f64(n) {
                Ok(x) => f(x),
                // The leading bits, and how many there are below them.
                Err(_) => {
                    let below = n.bits() - 64;
                    let top = bigint::to_f64(&(n >> below)).map_err(|e| text_error(t, e))?;
                    let (m, e) = split(top);
                    f(m) + f(2.0) * (below as f64 + f64::from(e))
                }
            },
        });
    }
    let x = proto::as_f64(t, v)?;
    if x <= 0.0 {
        return Err(expected(t, "a positive input", x));
    }
    Ok(f(x))
}

fn log(t: &mut Thread, a: &[Value]) -> Res {
    let x = logarithm(t, a[0], f64::ln)?;
    if a[1].is_null() {
        return Ok(from_f64(t, x));
    }
    let base = logarithm(t, a[1], f64::ln)?;
    if base == 0.0 {
        return Err(t.zero_division("division by zero"));
    }
    Ok(from_f64(t, x / base))
}

/// By the special method, else by way of a float.
fn rounded(t: &mut Thread, v: Value, name: &Str, f: fn(f64) -> f64) -> Res {
    if v.is_int() {
        return Ok(v);
    }
    if !is_exact_float(v)
        && let Some(method) = proto::lookup_special(t, v, name)?
    {
        return proto::call(t, method.value(), &[]).map(Obj::into_value);
    }
    let x = proto::as_f64(t, v)?;
    float_to_int(t, f(x))
}

fn floor(t: &mut Thread, a: &[Value]) -> Res {
    let name = weft_objects::id!(t, "__floor__");
    rounded(t, a[0], name, f64::floor)
}

fn ceil(t: &mut Thread, a: &[Value]) -> Res {
    let name = weft_objects::id!(t, "__ceil__");
    rounded(t, a[0], name, f64::ceil)
}

fn trunc(t: &mut Thread, a: &[Value]) -> Res {
    if is_exact_float(a[0]) {
        let x = proto::as_f64(t, a[0])?;
        return float_to_int(t, x);
    }
    let name = weft_objects::id!(t, "__trunc__");
    match proto::lookup_special(t, a[0], name)? {
        Some(method) => proto::call(t, method.value(), &[]).map(Obj::into_value),
        None => {
            let got = type_of(a[0]).name();
            Err(t.type_error(format!("type {got} doesn't define __trunc__ method")))
        }
    }
}

/// The floats in order: neighbours differ by one.
fn rank(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    if bits < 0 { i64::MIN - bits } else { bits }
}

fn next_after(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y) = (proto::as_f64(t, a[0])?, proto::as_f64(t, a[1])?);
    if a[2].is_null() || a[2].is_none() {
        return Ok(from_f64(t, nextafter(x, y)));
    }
    let steps = proto::index(t, a[2])?;
    let steps = Int::of(steps.value()).and_then(weft_objects::int::saturating_u64);
    let Some(steps) = steps else {
        return Err(t.value_error("steps must be a non-negative integer"));
    };
    let r = if steps == 0 || x.is_nan() {
        x
    } else if y.is_nan() || x == y {
        y
    } else {
        let (from, to) = (i128::from(rank(x)), i128::from(rank(y)));
        let steps = i128::from(steps);
        let at = if from < to {
            (from + steps).min(to)
        } else {
            (from - steps).max(to)
        } as i64;
        match at {
            _ if i128::from(at) == to => y,
            0 if from < 0 => -0.0,
            at if at < 0 => -f64::from_bits(at.unsigned_abs()),
            at => f64::from_bits(at as u64),
        }
    };
    Ok(from_f64(t, r))
}

fn ulp(t: &mut Thread, a: &[Value]) -> Res {
    let x = proto::as_f64(t, a[0])?.abs();
    let r = if !x.is_finite() {
        x
    } else if x == f64::MAX {
        x - nextafter(x, 0.0)
    } else {
        nextafter(x, f64::INFINITY) - x
    };
    Ok(from_f64(t, r))
}
