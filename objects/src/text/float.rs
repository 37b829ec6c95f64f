//! Floats to and from text and ints, every conversion correctly rounded.
//!
//! Shortest digits come from `zmij`; digits of a given precision and the reading of decimals from
//! the standard library, which is exact in both (ties to even) at any length.

use num_bigint::{BigInt, BigUint};
use num_traits::{One, Zero};

use super::repr::{bytes_repr, str_repr};
use super::unidata::{decimal_value, is_ascii_space};
use super::{ErrorKind, Text, TextError, TextResult, strip};

/// No finite float has more significant or fractional digits than this.
const MAX_DIGITS: usize = 1100;

/// How [`format_double`] lays a float out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// `#`: keep the point and trailing zeros.
    pub alternate: bool,
    /// Add `.0` to what would look like an int.
    pub add_dot_0: bool,
}

/// `repr(float)`: the shortest digits that read back the same.
pub fn float_repr(x: f64) -> String {
    if !x.is_finite() {
        return non_finite(x, false).to_owned();
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(x);
    if is_python_form(text.as_bytes()) {
        return text.to_owned();
    }
    format_shortest(
        x,
        Layout {
            add_dot_0: true,
            alternate: false,
        },
    )
}

/// Whether `text` already is what `repr` shows: positional, with a point, and in the right range.
fn is_python_form(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match memchr::memchr2(b'e', b'.', digits) {
        Some(at) => {
            digits[at] == b'.'
                && at <= 16
                && !digits.starts_with(b"0.0000")
                && memchr::memchr(b'e', digits).is_none()
        }
        None => false,
    }
}

fn non_finite(x: f64, upper: bool) -> &'static str {
    match (x.is_nan(), x < 0.0, upper) {
        (true, _, false) => "nan",
        (true, _, true) => "NAN",
        (_, false, false) => "inf",
        (_, false, true) => "INF",
        (_, true, false) => "-inf",
        (_, true, true) => "-INF",
    }
}

/// Significant digits and the position of the point relative to their start.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

/// Takes digits and exponent out of `d.ddde-x`, `ddd.ddd` or `ddd`.
fn read_digits(text: &str) -> Digits {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = Vec::with_capacity(mantissa.len());
    digits.extend_from_slice(whole.as_bytes());
    digits.extend_from_slice(fraction.as_bytes());
    let zeros = digits.iter().take_while(|&&d| d == b'0').count();
    if zeros == digits.len() {
        return Digits {
            digits: vec![b'0'],
            point: 1,
        };
    }
    digits.drain(..zeros);
    Digits {
        digits,
        point: whole.len() as i32 - zeros as i32 + exponent,
    }
}

fn strip_zeros(digits: &mut Vec<u8>) {
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
}

/// The shortest digits of a finite, positive or zero `x`.
fn shortest(x: f64) -> Digits {
    let mut buffer = zmij::Buffer::new();
    let mut d = read_digits(buffer.format_finite(x));
    strip_zeros(&mut d.digits);
    d
}

/// Exactly `n >= 1` significant digits of a finite, positive or zero `x`.
fn significant(x: f64, n: usize) -> Digits {
    let capped = n.min(MAX_DIGITS);
    let text = format!("{:.*e}", capped - 1, x);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    digits.resize(n.max(digits.len()), b'0');
    Digits {
        digits,
        point: exponent.parse::<i32>().unwrap_or(0) + 1,
    }
}

/// Formats with code `e E f F g G` and a precision, or `r` (shortest; precision ignored).
///
/// # Errors
/// `MemoryError` when the precision asks for more than there is.
pub fn format_double(x: f64, code: u8, precision: usize, layout: Layout) -> TextResult<String> {
    let upper = code.is_ascii_uppercase();
    if !x.is_finite() {
        return Ok(non_finite(x, upper).to_owned());
    }
    if precision > MAX_DIGITS {
        let mut probe: Vec<u8> = Vec::new();
        probe
            .try_reserve(precision.saturating_mul(2))
            .map_err(|_| TextError::memory())?;
    }
    let mut out = String::new();
    if x.is_sign_negative() {
        out.push('-');
    }
    let magnitude = x.abs();
    match code.to_ascii_lowercase() {
        b'f' => push_fixed(&mut out, magnitude, precision, layout),
        b'e' => {
            let d = significant(magnitude, precision + 1);
            push_exponential(&mut out, &d, layout.alternate, upper);
        }
        b'g' => push_general(&mut out, magnitude, precision.max(1), layout, upper),
        _ => return Ok(format_shortest(x, layout)),
    }
    Ok(out)
}

/// `x * 10**places` of a finite `x >= 0`, correctly rounded (ties to even), if that is a small enough number.
fn scaled(x: f64, places: usize) -> Option<u64> {
    if places >= POWERS.len() || x.is_nan() || x >= 1e18 {
        return None;
    }
    let bits = x.to_bits();
    let (field, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    if field == 0 {
        return (fraction == 0).then_some(0);
    }
    // Exact: 53 bits times at most 10**18.
    let product = u128::from(fraction | 1 << 52) * u128::from(POWERS[places]);
    let shift = 1075 - field;
    if shift <= 0 {
        return u64::try_from(product.checked_shl(shift.unsigned_abs())?)
            .ok()
            .filter(|_| product.leading_zeros() > shift.unsigned_abs());
    }
    if shift >= 127 {
        // Below half a unit.
        return Some(0);
    }
    let (whole, rest) = (product >> shift, product & ((1 << shift) - 1));
    let half = 1u128 << (shift - 1);
    let up = rest > half || (rest == half && whole & 1 == 1);
    u64::try_from(whole + u128::from(up)).ok()
}

const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Appends `x`, finite and not below zero, with so many digits behind the point (at least one), if that is easy.
pub fn push_fixed_quick(out: &mut Vec<u8>, x: f64, places: usize) -> bool {
    let Some(n) = scaled(x, places).filter(|_| places > 0) else {
        return false;
    };
    let (whole, rest) = (n / POWERS[places], n % POWERS[places]);
    super::int::push_i64(out, whole as i64);
    out.push(b'.');
    super::int::with_digits(rest as i64, |digits| {
        let zeros = places - digits.len();
        out.extend_from_slice(&b"000000000000000000"[..zeros]);
        out.extend_from_slice(digits);
    });
    true
}

fn push_fixed(out: &mut String, x: f64, precision: usize, layout: Layout) {
    use std::fmt::Write;
    let mut quick = Vec::new();
    if push_fixed_quick(&mut quick, x, precision) {
        out.push_str(std::str::from_utf8(&quick).unwrap_or_default());
        return;
    }
    let capped = precision.min(MAX_DIGITS);
    let _ = write!(out, "{x:.capped$}");
    if precision > capped {
        out.extend(std::iter::repeat_n('0', precision - capped));
    }
    if precision == 0 && layout.alternate {
        out.push('.');
    }
}

fn push_general(out: &mut String, x: f64, precision: usize, layout: Layout, upper: bool) {
    let mut d = significant(x, precision);
    if !layout.alternate {
        strip_zeros(&mut d.digits);
    }
    let limit = precision as i64 - i64::from(layout.add_dot_0);
    if d.point <= -4 || i64::from(d.point) > limit {
        push_exponential(out, &d, layout.alternate, upper);
    } else {
        push_positional(out, &d, layout);
    }
}

fn format_shortest(x: f64, layout: Layout) -> String {
    if !x.is_finite() {
        return non_finite(x, false).to_owned();
    }
    let mut out = String::with_capacity(24);
    if x.is_sign_negative() {
        out.push('-');
    }
    let d = shortest(x.abs());
    if d.point <= -4 || d.point > 16 {
        push_exponential(&mut out, &d, layout.alternate, false);
    } else {
        push_positional(&mut out, &d, layout);
    }
    out
}

fn push_ascii(out: &mut String, digits: &[u8]) {
    out.extend(digits.iter().map(|&d| d as char));
}

fn push_exponential(out: &mut String, d: &Digits, alternate: bool, upper: bool) {
    use std::fmt::Write;
    push_ascii(out, &d.digits[..1]);
    if d.digits.len() > 1 || alternate {
        out.push('.');
        push_ascii(out, &d.digits[1..]);
    }
    let zero = d.digits.iter().all(|&c| c == b'0');
    let exponent = if zero { 0 } else { d.point - 1 };
    out.push(if upper { 'E' } else { 'e' });
    out.push(if exponent < 0 { '-' } else { '+' });
    let _ = write!(out, "{:02}", exponent.unsigned_abs());
}

fn push_positional(out: &mut String, d: &Digits, layout: Layout) {
    let n = d.digits.len();
    if d.point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', d.point.unsigned_abs() as usize));
        push_ascii(out, &d.digits);
        return;
    }
    let whole = d.point as usize;
    if n > whole {
        push_ascii(out, &d.digits[..whole]);
        out.push('.');
        push_ascii(out, &d.digits[whole..]);
        return;
    }
    push_ascii(out, &d.digits);
    out.extend(std::iter::repeat_n('0', whole - n));
    if layout.add_dot_0 {
        out.push_str(".0");
    } else if layout.alternate {
        out.push('.');
    }
}

/// `repr(complex)`.
pub fn complex_repr(re: f64, im: f64) -> String {
    let part = |x| format_shortest(x, Layout::default());
    if re == 0.0 && re.is_sign_positive() {
        return format!("{}j", part(im));
    }
    let sign = if im.is_sign_negative() && !im.is_nan() {
        ""
    } else {
        "+"
    };
    format!("({}{sign}{}j)", part(re), part(im))
}

/// `float(str)`.
///
/// # Errors
/// `ValueError: could not convert string to float: '...'`.
pub fn parse_float(text: Text<'_>) -> TextResult<f64> {
    parse_text(text).ok_or_else(|| bad_float(&str_repr(text)))
}

/// `float(bytes)`: ASCII only.
///
/// # Errors
/// `ValueError: could not convert string to float: b'...'`.
pub fn parse_float_bytes(bytes: &[u8]) -> TextResult<f64> {
    parse_ascii(strip::strip_bytes(bytes, None, true, true))
        .ok_or_else(|| bad_float(&bytes_repr(bytes)))
}

#[cold]
fn bad_float(repr: &str) -> TextError {
    TextError::value(format!("could not convert string to float: {repr}"))
}

fn parse_text(text: Text<'_>) -> Option<f64> {
    let stripped = strip::strip_str(text.bytes, None, true, true);
    if stripped.is_ascii() {
        return parse_ascii(stripped);
    }
    parse_ascii(&ascii_digits(stripped)?)
}

/// Decimal digits and spaces of any script become ASCII; `None` when anything else is not ASCII.
pub(super) fn ascii_digits(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    for cp in super::wtf8::code_points(bytes) {
        if cp < 0x80 {
            out.push(cp as u8);
        } else if super::unidata::is_space(cp) {
            out.push(b' ');
        } else {
            out.push(b'0' + decimal_value(cp)?);
        }
    }
    Some(out)
}

fn parse_ascii(bytes: &[u8]) -> Option<f64> {
    if memchr::memchr(b'_', bytes).is_some() {
        return parse_plain(&without_underscores(bytes)?);
    }
    parse_plain(bytes)
}

fn parse_plain(bytes: &[u8]) -> Option<f64> {
    let (x, used) = scan_float(bytes)?;
    (used == bytes.len()).then_some(x)
}

/// Drops underscores, each of which must stand between two digits.
fn without_underscores(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let mut out = Vec::with_capacity(bytes.len());
    for (i, &b) in bytes.iter().enumerate() {
        if b != b'_' {
            out.push(b);
        } else if !(digit(i.checked_sub(1)) && digit(Some(i + 1))) {
            return None;
        }
    }
    Some(out)
}

/// Reads the longest float at the start of ASCII `bytes` (no spaces, no underscores): its value
/// and length.
pub fn scan_float(bytes: &[u8]) -> Option<(f64, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let body = &bytes[start..];
    for (word, value) in [
        ("infinity", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ] {
        if body.len() >= word.len() && body[..word.len()].eq_ignore_ascii_case(word.as_bytes()) {
            let value = if negative { -value } else { value };
            return Some((value, start + word.len()));
        }
    }
    let digits = |from: usize| {
        body[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits(0);
    let mut end = whole;
    let mut fraction = 0;
    if body.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(body.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(body.get(end + 1), Some(b'+' | b'-')));
        if let n @ 1.. = digits((end + 1 + sign).min(body.len())) {
            end += 1 + sign + n;
        }
    }
    let x: f64 = std::str::from_utf8(&body[..end]).ok()?.parse().ok()?;
    Some((if negative { -x } else { x }, start + end))
}

/// `complex(str)`: `re`, `im`.
///
/// # Errors
/// `ValueError: complex() arg is a malformed string`, or about underscores.
pub fn parse_complex(text: Text<'_>) -> TextResult<(f64, f64)> {
    let malformed = || TextError::value("complex() arg is a malformed string");
    let bad_underscore = || {
        let repr = str_repr(text);
        TextError::value(format!("could not convert string to complex: {repr}"))
    };
    let stripped = strip::strip_str(text.bytes, None, true, true);
    let mut ascii = ascii_digits(stripped).ok_or_else(malformed)?;
    if ascii.contains(&b'_') {
        ascii = without_underscores(&ascii).ok_or_else(bad_underscore)?;
    }
    let mut body = &ascii[..];
    if let Some(inner) = body.strip_prefix(b"(") {
        body = inner.strip_suffix(b")").ok_or_else(malformed)?;
        body = strip::strip_bytes(body, None, true, true);
    }
    scan_complex(body).ok_or_else(malformed)
}

/// `re`, `imj`, `re+imj`, where the digits of `im` may be missing.
fn scan_complex(s: &[u8]) -> Option<(f64, f64)> {
    let is_j = |rest: &[u8]| matches!(rest, [b'j' | b'J']);
    let unit = |s: &[u8]| match s.split_first() {
        Some((b'+', rest)) if is_j(rest) => Some(1.0),
        Some((b'-', rest)) if is_j(rest) => Some(-1.0),
        _ => None,
    };
    if is_j(s) {
        return Some((0.0, 1.0));
    }
    if let Some(im) = unit(s) {
        return Some((0.0, im));
    }
    let (first, used) = scan_float(s)?;
    let rest = &s[used..];
    if rest.is_empty() {
        return Some((first, 0.0));
    }
    if is_j(rest) {
        return Some((0.0, first));
    }
    if !matches!(rest[0], b'+' | b'-') {
        return None;
    }
    if let Some(im) = unit(rest) {
        return Some((first, im));
    }
    let (im, used) = scan_float(rest)?;
    is_j(&rest[used..]).then_some((first, im))
}

/// `x` as `mantissa * 2**exponent` with an integer mantissa; for finite `x`, sign apart.
pub fn decompose(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7FF) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 {
        (fraction, -1074)
    } else {
        (fraction | 1 << 52, exponent - 1075)
    }
}

/// The float nearest to `(mantissa + a bit if sticky) * 2**exponent`, ties to even; infinity when
/// too large.
pub fn compose(mantissa: u64, sticky: bool, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let shift = mantissa.leading_zeros();
    let m = u128::from(mantissa << shift);
    let exponent = exponent - i64::from(shift);
    let leading = exponent + 63;
    if leading > 1023 {
        return f64::INFINITY;
    }
    let keep = 53 - (-1022 - leading).max(0);
    if keep < 0 {
        return 0.0;
    }
    let drop = 64 - keep as u32;
    let (kept, rest, half) = (
        (m >> drop) as u64,
        m & ((1 << drop) - 1),
        1u128 << (drop - 1),
    );
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    let value = (kept + u64::from(up)) as f64;
    let scale = exponent + i64::from(drop);
    if scale >= -1022 {
        value * power_of_two(scale)
    } else {
        value * power_of_two(scale + 200) * power_of_two(-200)
    }
}

/// `2**n` for `-1022 <= n <= 1023`.
fn power_of_two(n: i64) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// `int(x)`: truncation.
///
/// # Errors
/// `OverflowError` for infinities, `ValueError` for NaN.
pub fn to_bigint(x: f64) -> TextResult<BigInt> {
    if !x.is_finite() {
        return Err(not_an_int(
            x,
            "cannot convert float infinity to integer",
            "cannot convert float NaN to integer",
        ));
    }
    let (mantissa, exponent) = decompose(x);
    let magnitude = if exponent >= 0 {
        BigInt::from(mantissa) << exponent
    } else if exponent > -64 {
        BigInt::from(mantissa >> -exponent)
    } else {
        BigInt::zero()
    };
    Ok(if x < 0.0 { -magnitude } else { magnitude })
}

/// `int(x)` when the result fits 64 bits, else `None`.
#[inline]
pub fn to_i64(x: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&x).then_some(x as i64)
}

#[cold]
fn not_an_int(x: f64, infinite: &str, nan: &str) -> TextError {
    if x.is_nan() {
        TextError::value(nan)
    } else {
        TextError::overflow(infinite)
    }
}

/// `float.as_integer_ratio`: numerator and positive denominator in lowest terms.
///
/// # Errors
/// `OverflowError` for infinities, `ValueError` for NaN.
pub fn as_integer_ratio(x: f64) -> TextResult<(BigInt, BigInt)> {
    if !x.is_finite() {
        return Err(not_an_int(
            x,
            "cannot convert Infinity to integer ratio",
            "cannot convert NaN to integer ratio",
        ));
    }
    let (mut mantissa, mut exponent) = decompose(x);
    if mantissa == 0 {
        return Ok((BigInt::zero(), BigInt::one()));
    }
    let zeros = mantissa.trailing_zeros();
    mantissa >>= zeros;
    exponent += zeros as i32;
    let mut numerator = BigInt::from(mantissa);
    let mut denominator = BigInt::one();
    if exponent >= 0 {
        numerator <<= exponent;
    } else {
        denominator <<= -exponent;
    }
    if x < 0.0 {
        numerator = -numerator;
    }
    Ok((numerator, denominator))
}

/// `round(x, ndigits)`: to the nearest decimal, ties of the exact value to even.
///
/// # Errors
/// `OverflowError` when the rounded value is too large.
pub fn round_digits(x: f64, ndigits: i64) -> TextResult<f64> {
    if !x.is_finite() || ndigits > 323 || x == 0.0 {
        return Ok(x);
    }
    if ndigits < -308 {
        return Ok(0.0 * x);
    }
    let text = if ndigits >= 0 {
        // Both exact, so the quotient is the nearest float to the rounded decimal.
        if let Some(n) = scaled(x.abs(), ndigits as usize)
            && n < 1 << 53
            && (ndigits as usize) < 16
        {
            let rounded = n as f64 / POWERS[ndigits as usize] as f64;
            return Ok(rounded.copysign(x));
        }
        format!("{:.*}", ndigits as usize, x)
    } else {
        round_left_of_point(x, ndigits.unsigned_abs() as usize)
    };
    let rounded: f64 = text.parse().unwrap_or(x);
    if rounded.is_infinite() {
        return Err(TextError::new(
            ErrorKind::Overflow,
            "rounded value too large to represent",
        ));
    }
    Ok(rounded)
}

/// Decimal text of `x` rounded to a multiple of `10**places`.
fn round_left_of_point(x: f64, places: usize) -> String {
    let unit = BigUint::from(10u32).pow(places as u32);
    let (mantissa, exponent) = decompose(x);
    // Twice the value, with a sticky bit below it, decides between down, tie and up.
    let (twice, sticky) = if exponent >= -1 {
        (BigUint::from(mantissa) << (exponent + 1), false)
    } else {
        let drop = (-exponent - 1).min(63) as u32;
        (
            BigUint::from(mantissa >> drop),
            mantissa & ((1u64 << drop) - 1) != 0,
        )
    };
    let quotient = &twice / (&unit * 2u32);
    let rest = twice - &quotient * &unit * 2u32;
    let odd = quotient.bit(0);
    let up = rest > unit || (rest == unit && (sticky || odd));
    let rounded = (quotient + u32::from(up)) * unit;
    format!("{}{rounded}", if x < 0.0 { "-" } else { "" })
}

/// `float.is_integer`.
#[inline]
pub fn is_integer(x: f64) -> bool {
    x.is_finite() && x.trunc() == x
}

/// Whether `bytes` are only ASCII whitespace.
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| is_ascii_space(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fmt(x: f64, code: u8, precision: usize) -> String {
        format_double(x, code, precision, Layout::default()).unwrap()
    }

    #[test]
    fn reprs() {
        for (x, s) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (9999999999999998.0, "9999999999999998.0"),
            (12345678901234567.0, "1.2345678901234568e+16"),
            (1e22, "1e+22"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-1.5e300, "-1.5e+300"),
            (123456.789, "123456.789"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(float_repr(x), s);
        }
        assert_eq!(complex_repr(1.0, -2.5), "(1-2.5j)");
        assert_eq!(complex_repr(0.0, 1.0), "1j");
        assert_eq!(complex_repr(-0.0, 1.0), "(-0+1j)");
        assert_eq!(complex_repr(1.0, f64::NAN), "(1+nanj)");
    }

    #[test]
    fn codes() {
        assert_eq!(fmt(2.5, b'f', 0), "2");
        assert_eq!(fmt(3.5, b'f', 0), "4");
        assert_eq!(fmt(0.5, b'f', 0), "0");
        assert_eq!(fmt(0.125, b'f', 2), "0.12");
        assert_eq!(fmt(2.675, b'f', 2), "2.67");
        assert_eq!(fmt(1e22, b'f', 1), "10000000000000000000000.0");
        assert_eq!(fmt(25.0, b'e', 0), "2e+01");
        assert_eq!(fmt(35.0, b'e', 0), "4e+01");
        assert_eq!(fmt(-1.5, b'E', 3), "-1.500E+00");
        assert_eq!(fmt(1e100, b'g', 6), "1e+100");
        assert_eq!(fmt(100000.0, b'g', 6), "100000");
        assert_eq!(fmt(1000000.0, b'g', 6), "1e+06");
        assert_eq!(fmt(0.0001, b'g', 6), "0.0001");
        assert_eq!(fmt(0.00001, b'G', 6), "1E-05");
        assert_eq!(fmt(0.0, b'g', 6), "0");
        assert_eq!(fmt(0.0, b'e', 2), "0.00e+00");
        assert_eq!(fmt(f64::INFINITY, b'F', 2), "INF");
        let alt = Layout {
            alternate: true,
            add_dot_0: false,
        };
        assert_eq!(format_double(1.0, b'g', 6, alt).unwrap(), "1.00000");
        assert_eq!(format_double(1.0, b'f', 0, alt).unwrap(), "1.");
        assert_eq!(format_double(1e16, b'r', 0, alt).unwrap(), "1.e+16");
        assert_eq!(fmt(0.1, b'f', 60).len(), 62);
        assert_eq!(fmt(0.1, b'f', 2000).len(), 2002);
        assert_eq!(fmt(5e-324, b'e', 3000).len(), 3002 + 5);
    }

    #[test]
    fn parsing() {
        let ok = |s: &str| parse_float(Text::from(s)).unwrap();
        assert_eq!(ok(" 1_0.0_1\u{2003}"), 10.01);
        assert_eq!(ok("١.٢"), 1.2);
        assert_eq!(ok("-.5e1"), -5.0);
        assert_eq!(ok("5."), 5.0);
        assert_eq!(ok("1e400"), f64::INFINITY);
        assert_eq!(ok("-iNFinity"), f64::NEG_INFINITY);
        assert!(ok("nan").is_nan());
        assert!(ok("-nan").is_sign_negative());
        for bad in [
            "", " ", ".", "1_.0", "1_e5", "_1", "1__0", "e5", "1e", "1 2", "infinit", "1\0", "é",
            "+-1",
        ] {
            assert!(parse_float(Text::from(bad)).is_err(), "{bad:?}");
        }
        let e = parse_float(Text::from("a'b")).unwrap_err();
        assert_eq!(e.msg, "could not convert string to float: \"a'b\"");
        assert_eq!(parse_float_bytes(b" 1\n").unwrap(), 1.0);
        assert_eq!(
            parse_complex(Text::from(" ( 1-2j ) ")).unwrap(),
            (1.0, -2.0)
        );
        assert_eq!(parse_complex(Text::from("-j")).unwrap(), (0.0, -1.0));
        assert_eq!(parse_complex(Text::from("1e5+j")).unwrap(), (1e5, 1.0));
        assert!(parse_complex(Text::from("1+2")).is_err());
        assert!(parse_complex(Text::from("(1")).is_err());
    }

    #[test]
    fn ints_and_rounding() {
        assert_eq!(to_bigint(-1.9).unwrap(), BigInt::from(-1));
        assert_eq!(
            to_bigint(1e30).unwrap().to_string(),
            "1000000000000000019884624838656"
        );
        assert!(to_bigint(f64::NAN).is_err());
        let (n, d) = as_integer_ratio(-0.75).unwrap();
        assert_eq!((n, d), (BigInt::from(-3), BigInt::from(4)));
        assert_eq!(round_digits(2.675, 2).unwrap(), 2.67);
        assert_eq!(round_digits(0.5, 0).unwrap(), 0.0);
        assert_eq!(round_digits(-25.0, -1).unwrap(), -20.0);
        assert_eq!(round_digits(35.5, -1).unwrap(), 40.0);
        assert_eq!(round_digits(5e15, -16).unwrap(), 0.0);
        assert_eq!(round_digits(5.000000000000001e15, -16).unwrap(), 1e16);
        assert_eq!(round_digits(0.3, -1).unwrap(), 0.0);
        assert!(round_digits(f64::MAX, -308).is_err());
        assert_eq!(round_digits(1e-320, 323).unwrap(), 1e-320);
    }

    #[test]
    fn quick_fixed_is_what_the_long_way_gives() {
        let mut seed = 1u64;
        for i in 0..20_000u64 {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let x = match i % 4 {
                0 => (seed >> 40) as f64 / 64.0,
                1 => (seed >> 11) as f64 * 2f64.powi((seed % 90) as i32 - 80),
                2 => (seed % 100_000) as f64 / 1000.0,
                _ => f64::from_bits(seed >> 1),
            };
            for places in 1..19 {
                let mut out = Vec::new();
                if push_fixed_quick(&mut out, x, places) {
                    assert_eq!(String::from_utf8(out).unwrap(), format!("{x:.places$}"));
                }
            }
            for places in 0..19 {
                let long: f64 = format!("{x:.places$}").parse().unwrap();
                if long.is_finite() {
                    assert_eq!(
                        round_digits(x, places as i64).unwrap(),
                        long,
                        "{x} {places}"
                    );
                }
            }
        }
    }

    #[test]
    fn compose_inverts_decompose() {
        for x in [
            1.0,
            0.1,
            5e-324,
            f64::MAX,
            f64::MIN_POSITIVE,
            1e-310,
            123456789.0,
        ] {
            let (m, e) = decompose(x);
            assert_eq!(compose(m, false, i64::from(e)), x);
        }
        assert_eq!(compose(1, false, -1075), 0.0);
        assert_eq!(compose(1, true, -1075), 5e-324);
        assert_eq!(compose(3, false, -1076), 5e-324);
        assert_eq!(compose(u64::MAX, false, 960), f64::INFINITY);
    }
}
