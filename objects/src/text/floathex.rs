//! `float.hex` and `float.fromhex`.

use super::float::{compose, decompose, scan_float};
use super::{Text, TextError, TextResult, strip};

/// `float.hex`: `0x1.8000000000000p+1`.
pub fn float_hex(x: f64) -> String {
    if !x.is_finite() {
        return super::float::float_repr(x);
    }
    let sign = if x.is_sign_negative() { "-" } else { "" };
    if x == 0.0 {
        return format!("{sign}0x0.0p+0");
    }
    let (mantissa, exponent) = decompose(x);
    let fraction = mantissa & ((1 << 52) - 1);
    let exponent = exponent + 52;
    format!("{sign}0x{}.{fraction:013x}p{exponent:+}", mantissa >> 52)
}

/// `float.fromhex`.
///
/// # Errors
/// `ValueError` for malformed text, `OverflowError` for values out of range.
pub fn float_fromhex(text: Text<'_>) -> TextResult<f64> {
    let invalid = || TextError::value("invalid hexadecimal floating-point string");
    let s = strip::strip_bytes(text.bytes, None, true, true);
    if let Some((x, used)) = scan_float(s)
        && !x.is_finite()
        && s.len() - used == 0
        && s.iter().any(|b| matches!(b, b'n' | b'N'))
    {
        return Ok(x);
    }
    let negative = s.first() == Some(&b'-');
    let mut body = &s[usize::from(matches!(s.first(), Some(b'+' | b'-')))..];
    if let [b'0', b'x' | b'X', rest @ ..] = body {
        body = rest;
    }
    let number = scan_hex(body).ok_or_else(invalid)?;
    let x = compose(number.mantissa, number.sticky, number.exponent);
    if x.is_infinite() {
        return Err(TextError::overflow(
            "hexadecimal value too large to represent as a float",
        ));
    }
    if number.length != body.len() {
        return Err(invalid());
    }
    Ok(if negative { -x } else { x })
}

struct HexNumber {
    mantissa: u64,
    sticky: bool,
    exponent: i64,
    length: usize,
}

/// Reads `hhh.hhhp±ddd` at the start. The mantissa keeps the leading 60 bits; the rest is sticky.
fn scan_hex(s: &[u8]) -> Option<HexNumber> {
    let (mut mantissa, mut sticky, mut exponent) = (0u64, false, 0i64);
    let (mut digits, mut point) = (0usize, false);
    let mut at = 0;
    while let Some(&b) = s.get(at) {
        if b == b'.' && !point {
            point = true;
        } else if let Some(d) = (b as char).to_digit(16) {
            digits += 1;
            exponent -= if point { 4 } else { 0 };
            if mantissa >> 56 == 0 {
                mantissa = mantissa << 4 | u64::from(d);
            } else {
                sticky |= d != 0;
                exponent += 4;
            }
        } else {
            break;
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    if matches!(s.get(at), Some(b'p' | b'P')) {
        let (power, used) = scan_exponent(&s[at + 1..])?;
        exponent = exponent.saturating_add(power);
        at += 1 + used;
    }
    // Far outside any float either way, and safe to add to.
    let exponent = exponent.clamp(-(1 << 40), 1 << 40);
    Some(HexNumber {
        mantissa,
        sticky,
        exponent,
        length: at,
    })
}

fn scan_exponent(s: &[u8]) -> Option<(i64, usize)> {
    let sign = usize::from(matches!(s.first(), Some(b'+' | b'-')));
    let digits = s[sign..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let power = s[sign..sign + digits].iter().fold(0i64, |n, b| {
        n.saturating_mul(10).saturating_add(i64::from(b - b'0'))
    });
    let power = if s[0] == b'-' { -power } else { power };
    Some((power, sign + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(s: &str) -> TextResult<f64> {
        float_fromhex(Text::from(s))
    }

    #[test]
    fn there_and_back() {
        for x in [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            5e-324,
            1e-310,
            f64::MAX,
            f64::MIN_POSITIVE,
        ] {
            assert_eq!(from(&float_hex(x)).unwrap().to_bits(), x.to_bits());
        }
        assert_eq!(float_hex(3.0), "0x1.8000000000000p+1");
        assert_eq!(float_hex(5e-324), "0x0.0000000000001p-1022");
        assert_eq!(float_hex(f64::NEG_INFINITY), "-inf");
    }

    #[test]
    fn reading() {
        assert_eq!(from("1e5").unwrap(), 485.0);
        assert_eq!(from("  0x.8p0\n").unwrap(), 0.5);
        assert_eq!(from("0x1.8p-1075").unwrap(), 5e-324);
        assert_eq!(from("0x1p-1075").unwrap(), 0.0);
        assert_eq!(from("0x1.00000000000008p0").unwrap(), 1.0);
        assert_eq!(
            from("0x1.000000000000080001p0").unwrap(),
            1.0000000000000002
        );
        assert_eq!(from("0x0p99999999999999999999").unwrap(), 0.0);
        assert_eq!(from("0x1p-99999999999999999999").unwrap(), 0.0);
        assert_eq!(from("-Infinity").unwrap(), f64::NEG_INFINITY);
        assert!(from("-nan").unwrap().is_nan());
        for bad in [
            "", "0x", "0x1p", ".", "0x.", "0x1_0", "1 2", "1.2.3", "+-1", "infinit",
        ] {
            assert_eq!(
                from(bad).unwrap_err().kind,
                crate::text::ErrorKind::Value,
                "{bad}"
            );
        }
        for big in [
            "0x1p1024",
            "-0x1.fffffffffffff8p1023",
            "0x1p99999999999999999999",
        ] {
            assert_eq!(
                from(big).unwrap_err().kind,
                crate::text::ErrorKind::Overflow
            );
        }
    }
}
