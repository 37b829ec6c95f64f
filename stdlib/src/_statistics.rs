//! `_statistics`: quantiles of the normal distribution, by Wichura's algorithm AS 241 (Applied Statistics 37, 1988).

use weft_objects::float::from_f64;
use weft_objects::prelude::*;

/// The coefficients of a rational function, those of the highest powers first.
struct Rational([f64; 8], [f64; 8]);

impl Rational {
    fn at(&self, x: f64, factor: f64) -> f64 {
        let horner = |c: &[f64; 8]| c[1..].iter().fold(c[0], |sum, c| sum * x + c);
        horner(&self.0) * factor / horner(&self.1)
    }
}

/// For probabilities near one half.
const CENTRAL: Rational = Rational(
    [
        2509.0809287301227,
        33430.57558358813,
        67265.7709270087,
        45921.95393154987,
        13731.69376550946,
        1971.5909503065513,
        133.14166789178438,
        3.3871328727963665,
    ],
    [
        5226.495278852854,
        28729.085735721943,
        39307.89580009271,
        21213.794301586597,
        5394.196021424751,
        687.1870074920579,
        42.31333070160091,
        1.0,
    ],
);

/// For those further out.
const MIDDLE: Rational = Rational(
    [
        0.0007745450142783414,
        0.022723844989269184,
        0.2417807251774506,
        1.2704582524523684,
        3.6478483247632045,
        5.769497221460691,
        4.630337846156546,
        1.4234371107496835,
    ],
    [
        1.0507500716444169e-09,
        0.0005475938084995345,
        0.015198666563616457,
        0.14810397642748008,
        0.6897673349851,
        1.6763848301838038,
        2.053191626637759,
        1.0,
    ],
);

/// For the ends.
const TAIL: Rational = Rational(
    [
        2.0103343992922881e-07,
        2.7115555687434876e-05,
        0.0012426609473880784,
        0.026532189526576124,
        0.29656057182850487,
        1.7848265399172913,
        5.463784911164114,
        6.657904643501103,
    ],
    [
        2.0442631033899397e-15,
        1.421511758316446e-07,
        1.8463183175100548e-05,
        0.0007868691311456133,
        0.014875361290850615,
        0.1369298809227358,
        0.599832206555888,
        1.0,
    ],
);

/// The quantile of the standard normal distribution; `None` outside `0 < p < 1`.
fn quantile(p: f64) -> Option<f64> {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return Some(CENTRAL.at(0.180625 - q * q, q));
    }
    let tail = if q <= 0.0 { p } else { 1.0 - p };
    if tail.is_nan() || tail <= 0.0 || tail >= 1.0 {
        return None;
    }
    let r = (-tail.ln()).sqrt();
    let x = if r <= 5.0 {
        MIDDLE.at(r - 1.6, 1.0)
    } else {
        TAIL.at(r - 5.0, 1.0)
    };
    Some(if q < 0.0 { -x } else { x })
}

fn normal_dist_inv_cdf(t: &mut Thread, a: &[Value]) -> Res {
    let (p, mu, sigma) = (
        proto::as_f64(t, a[0])?,
        proto::as_f64(t, a[1])?,
        proto::as_f64(t, a[2])?,
    );
    match quantile(p) {
        _ if p.is_nan() => Ok(from_f64(t, p)),
        Some(x) if p > 0.0 && p < 1.0 => Ok(from_f64(t, mu + x * sigma)),
        _ => Err(t.value_error("inv_cdf undefined for these parameters")),
    }
}

/// The module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    const FUNCTIONS: &[NativeDef] = &[NativeDef::new(
        "_normal_dist_inv_cdf",
        "(p, mu, sigma, /)",
        normal_dist_inv_cdf,
    )];
    Ok(crate::support::module(
        t,
        "_statistics",
        "Accelerators for the statistics module.",
        FUNCTIONS,
    ))
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles() {
        assert_eq!(quantile(0.5), Some(0.0));
        assert_eq!(quantile(0.9), Some(1.2815515655446008));
        assert_eq!(quantile(0.001), Some(-3.090232306167813));
        assert_eq!(quantile(1e-20), Some(-9.262340089798405));
        assert_eq!(
            (quantile(0.0), quantile(1.5), quantile(f64::NAN)),
            (None, None, None)
        );
    }
}
