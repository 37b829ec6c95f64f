//! The gamma function by Lanczos' approximation (g = 6.0246..., 13 terms, coefficients from Boost's `lanczos13m53`), and by reflection
//! for negative arguments.

use std::f64::consts::PI;

const G: f64 = 6.02468004077673;

/// The rational function's numerator and denominator, the constant terms first.
const TERMS: [(f64, f64); 13] = [
    (23531376880.41076, 0.0),
    (42919803642.6491, 39916800.0),
    (35711959237.35567, 120543840.0),
    (17921034426.03721, 150917976.0),
    (6039542586.352028, 105258076.0),
    (1439720407.3117216, 45995730.0),
    (248874557.86205417, 13339535.0),
    (31426415.585400194, 2637558.0),
    (2876370.6289353725, 357423.0),
    (186056.26539522348, 32670.0),
    (8071.672002365816, 1925.0),
    (210.82427775157936, 66.0),
    (2.5066282746310002, 1.0),
];

/// The sum of Lanczos' series, for a positive `x`; in powers of `1 / x` where those of `x` would grow large.
fn lanczos_sum(x: f64) -> f64 {
    let (mut top, mut bottom) = (0.0, 0.0);
    if x < 5.0 {
        for (a, b) in TERMS.iter().rev() {
            top = top * x + a;
            bottom = bottom * x + b;
        }
    } else {
        for (a, b) in &TERMS {
            top = top / x + a;
            bottom = bottom / x + b;
        }
    }
    top / bottom
}

/// `sin(pi * x)`, accurate near whole numbers.
fn sin_pi(x: f64) -> f64 {
    let y = x.abs() % 2.0;
    let r = match (2.0 * y).round() as i32 {
        0 => (PI * y).sin(),
        1 => (PI * (y - 0.5)).cos(),
        2 => (PI * (1.0 - y)).sin(),
        3 => -(PI * (y - 1.5)).cos(),
        _ => (PI * (y - 2.0)).sin(),
    };
    1f64.copysign(x) * r
}

/// Gamma; `None` at a pole, infinity where it is too large.
pub fn gamma(x: f64) -> Option<f64> {
    if !x.is_finite() {
        return (x != f64::NEG_INFINITY).then_some(x);
    }
    if x == 0.0 || (x < 0.0 && x == x.floor()) {
        return None;
    }
    if x == x.floor() && x <= 23.0 {
        return Some((2..x as u64).map(|n| n as f64).product());
    }
    let size = x.abs();
    if size < 1e-20 {
        return Some(1.0 / x);
    }
    if size > 200.0 {
        return Some(if x < 0.0 {
            0.0 / sin_pi(x)
        } else {
            f64::INFINITY
        });
    }
    let shift = G - 0.5;
    let y = size + shift;
    // What rounding `y` has lost, brought in at first order.
    let lost = if size > shift {
        (y - size) - shift
    } else {
        (y - shift) - size
    };
    let correction = lost * G / y;
    // Half the power twice, where the whole would be too large.
    let power = |r: f64, apply: fn(f64, f64) -> f64| {
        if size < 140.0 {
            apply(r, y.powf(size - 0.5))
        } else {
            let half = y.powf(size / 2.0 - 0.25);
            apply(apply(r, half), half)
        }
    };
    Some(if x < 0.0 {
        let r = -PI / sin_pi(size) / size * y.exp() / lanczos_sum(size);
        power(r - correction * r, |r, p| r / p)
    } else {
        let r = lanczos_sum(size) / y.exp();
        power(r + correction * r, |r, p| r * p)
    })
}

/// Logarithm of the magnitude of gamma; `None` at a pole.
pub fn lgamma(x: f64) -> Option<f64> {
    if !x.is_finite() {
        return Some(x.abs());
    }
    if x == x.floor() && x <= 2.0 {
        return (x > 0.0).then_some(0.0);
    }
    let size = x.abs();
    if size < 1e-20 {
        return Some(-size.ln());
    }
    let mut r = lanczos_sum(size).ln() - G;
    r += (size - 0.5) * ((size + G - 0.5).ln() - 1.0);
    if x < 0.0 {
        const LN_PI: f64 = 1.1447298858494002;
        r = LN_PI - sin_pi(size).abs().ln() - size.ln() - r;
    }
    Some(r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_cpython() {
        for (x, g) in [
            (0.5, 1.7724538509055159),
            (3.7, 4.170651783796603),
            (100.3, 3.711481867182676e+156),
            (150.7, 1.2698784775865817e+262),
            (-3.7, 0.25164399590242265),
            (-20.3, -6.435466204989326e-19),
            (171.0, 7.257415615307998e+306),
            (-170.5, -3.312739521538607e-308),
            (1e-20, 1.0000000000000002e+20),
            (23.0, 1.1240007277776077e+21),
            (24.0, 2.585201673888497e+22),
            (5.0, 24.0),
            (1.0, 1.0),
        ] {
            assert_eq!(gamma(x), Some(g), "{x}");
        }
        assert_eq!(
            (gamma(0.0), gamma(-3.0), gamma(f64::NEG_INFINITY)),
            (None, None, None)
        );
        for (x, g) in [
            (3.7, 1.4280723266653883),
            (1e-30, 69.07755278982137),
            (-3.7, -1.3797399049658248),
            (0.3, 1.0957979948180752),
            (100.0, 359.1342053695754),
        ] {
            assert_eq!(lgamma(x), Some(g), "{x}");
        }
        assert_eq!(
            (lgamma(2.0), lgamma(0.0), lgamma(-1.0)),
            (Some(0.0), None, None)
        );
    }
}
