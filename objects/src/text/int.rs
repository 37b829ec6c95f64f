//! Ints to and from text.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::Zero;

use super::float::ascii_digits;
use super::repr::{bytes_repr, str_repr_limited};
use super::{Int, Text, TextError, TextResult, strip};

/// A borrowed int of either size.
#[derive(Clone, Copy, Debug)]
pub enum IntRef<'a> {
    Small(i64),
    Big(&'a BigInt),
}

impl IntRef<'_> {
    pub fn is_negative(self) -> bool {
        match self {
            IntRef::Small(n) => n < 0,
            IntRef::Big(n) => n.sign() == Sign::Minus,
        }
    }
}

impl Int {
    pub fn as_ref(&self) -> IntRef<'_> {
        match self {
            Int::Small(n) => IntRef::Small(*n),
            Int::Big(n) => IntRef::Big(n),
        }
    }
}

/// `int(str, base)`; `max_digits` is `sys.get_int_max_str_digits()`, 0 for no limit.
///
/// # Errors
/// `ValueError`: bad base, bad literal, or more digits than the limit.
pub fn parse_int(text: Text<'_>, base: u32, max_digits: usize) -> TextResult<Int> {
    check_base(base)?;
    if base == 10
        && let Some(n) = parse_short_decimal(text.bytes)
    {
        return Ok(Int::Small(n));
    }
    let stripped = strip::strip_str(text.bytes, None, true, true);
    let parsed = if stripped.is_ascii() {
        parse_literal(stripped, base, max_digits)
    } else {
        ascii_digits(stripped).map_or(Ok(None), |ascii| parse_literal(&ascii, base, max_digits))
    };
    parsed?.ok_or_else(|| invalid_literal(base, &str_repr_limited(text, 200)))
}

/// `int(bytes, base)`.
///
/// # Errors
/// As [`parse_int`].
pub fn parse_int_bytes(bytes: &[u8], base: u32, max_digits: usize) -> TextResult<Int> {
    check_base(base)?;
    if base == 10
        && let Some(n) = parse_short_decimal(bytes)
    {
        return Ok(Int::Small(n));
    }
    let stripped = strip::strip_bytes(bytes, None, true, true);
    parse_literal(stripped, base, max_digits)?.ok_or_else(|| {
        let mut repr = bytes_repr(bytes);
        repr.truncate(200);
        invalid_literal(base, &repr)
    })
}

fn check_base(base: u32) -> TextResult<()> {
    if base == 0 || (2..=36).contains(&base) {
        return Ok(());
    }
    Err(TextError::value("int() base must be >= 2 and <= 36, or 0"))
}

#[cold]
fn invalid_literal(base: u32, repr: &str) -> TextError {
    TextError::value(format!(
        "invalid literal for int() with base {base}: {repr}"
    ))
}

/// Up to 18 plain digits with an optional minus.
#[inline]
fn parse_short_decimal(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut n = 0i64;
    for &b in digits {
        let d = b.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        n = n * 10 + i64::from(d);
    }
    Some(if negative { -n } else { n })
}

/// An int literal without spaces around it; `Ok(None)` when it is malformed.
fn parse_literal(s: &[u8], base: u32, max_digits: usize) -> TextResult<Option<Int>> {
    let negative = s.first() == Some(&b'-');
    let mut body = &s[usize::from(matches!(s.first(), Some(b'+' | b'-')))..];
    let prefix = match body {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'b' | b'B', ..] => 2,
        _ => 0,
    };
    let mut radix = base;
    let mut zeros_only = false;
    if base == 0 {
        radix = if prefix == 0 { 10 } else { prefix };
        zeros_only = prefix == 0 && body.first() == Some(&b'0');
    }
    if prefix != 0 && prefix == radix {
        body = &body[2..];
        body = body.strip_prefix(b"_").unwrap_or(body);
    }
    let Some(digits) = digit_values(body, radix) else {
        return Ok(None);
    };
    if zeros_only && digits.iter().any(|&d| d != 0) {
        return Ok(None);
    }
    if max_digits != 0 && digits.len() > max_digits && !radix.is_power_of_two() {
        return Err(TextError::value(format!(
            "Exceeds the limit ({max_digits} digits) for integer string conversion: value has {} \
             digits; use sys.set_int_max_str_digits() to increase the limit",
            digits.len()
        )));
    }
    Ok(Some(from_digits(&digits, radix, negative)))
}

/// Values of the digits, underscores dropped; `None` when there are none or one is wrong.
fn digit_values(s: &[u8], radix: u32) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(s.len());
    let mut after_digit = false;
    for &b in s {
        if b == b'_' && after_digit {
            after_digit = false;
            continue;
        }
        out.push((b as char).to_digit(radix)? as u8);
        after_digit = true;
    }
    after_digit.then_some(out)
}

fn from_digits(digits: &[u8], radix: u32, negative: bool) -> Int {
    if digits.len() <= 12 || (digits.len() <= 18 && radix <= 10) {
        let n = digits
            .iter()
            .fold(0i64, |n, &d| n * i64::from(radix) + i64::from(d));
        return Int::Small(if negative { -n } else { n });
    }
    let magnitude = if radix == 10 {
        from_decimal(digits, &mut Vec::new())
    } else {
        BigUint::from_radix_be(digits, radix).unwrap_or_default()
    };
    let sign = if negative { Sign::Minus } else { Sign::Plus };
    Int::from_big(BigInt::from_biguint(sign, magnitude))
}

/// Digits below which `num-bigint` converts on its own.
const CHUNK: usize = 512;

/// Divide and conquer: `high * 10**k + low`, with `powers[i] = 10**(CHUNK << i)`.
fn from_decimal(digits: &[u8], powers: &mut Vec<BigUint>) -> BigUint {
    if digits.len() <= CHUNK {
        return BigUint::from_radix_be(digits, 10).unwrap_or_default();
    }
    let mut level = 0;
    while CHUNK << (level + 1) < digits.len() {
        level += 1;
    }
    while powers.len() <= level {
        let next = match powers.last() {
            Some(last) => last * last,
            None => BigUint::from(10u32).pow(CHUNK as u32),
        };
        powers.push(next);
    }
    let (high, low) = digits.split_at(digits.len() - (CHUNK << level));
    let high = from_decimal(high, powers);
    let low = from_decimal(low, powers);
    high * &powers[level] + low
}

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Calls `f` with the decimal digits of `n`.
#[inline]
pub fn with_digits<R>(n: i64, f: impl FnOnce(&[u8]) -> R) -> R {
    let mut buf = [0u8; 20];
    let mut at = buf.len();
    let mut rest = n.unsigned_abs();
    while rest >= 100 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        at -= 2;
        buf[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if rest >= 10 {
        let pair = rest as usize * 2;
        at -= 2;
        buf[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buf[at] = b'0' + rest as u8;
    }
    if n < 0 {
        at -= 1;
        buf[at] = b'-';
    }
    f(&buf[at..])
}

/// Appends the decimal digits of `n`.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, n: i64) {
    with_digits(n, |digits| out.extend_from_slice(digits));
}

/// `str(n)` of a small int.
pub fn i64_str(n: i64) -> String {
    let mut out = Vec::with_capacity(20);
    push_i64(&mut out, n);
    String::from_utf8(out).unwrap_or_default()
}

/// `str(n)`; `max_digits` 0 for no limit.
///
/// # Errors
/// `ValueError` when there are more digits than the limit.
pub fn big_str(n: &BigInt, max_digits: usize) -> TextResult<String> {
    if max_digits != 0 && n.bits() as f64 > max_digits as f64 * std::f64::consts::LOG2_10 + 1.0 {
        return Err(too_many_digits(max_digits));
    }
    let text = n.to_str_radix(10);
    let digits = text.len() - usize::from(text.starts_with('-'));
    if max_digits != 0 && digits > max_digits {
        return Err(too_many_digits(max_digits));
    }
    Ok(text)
}

/// `str(n)` of either size.
///
/// # Errors
/// As [`big_str`].
pub fn int_str(n: IntRef<'_>, max_digits: usize) -> TextResult<String> {
    match n {
        IntRef::Small(n) => Ok(i64_str(n)),
        IntRef::Big(n) => big_str(n, max_digits),
    }
}

#[cold]
fn too_many_digits(limit: usize) -> TextError {
    TextError::value(format!(
        "Exceeds the limit ({limit} digits) for integer string conversion; use \
         sys.set_int_max_str_digits() to increase the limit"
    ))
}

/// Digits of the magnitude of `n` in base 2, 8, 10 or 16 (lower case), without sign or prefix.
///
/// # Errors
/// As [`big_str`], in base 10.
pub fn magnitude_digits(n: IntRef<'_>, base: u32, max_digits: usize) -> TextResult<String> {
    let digits = match (n, base) {
        (IntRef::Small(n), 2) => format!("{:b}", n.unsigned_abs()),
        (IntRef::Small(n), 8) => format!("{:o}", n.unsigned_abs()),
        (IntRef::Small(n), 16) => format!("{:x}", n.unsigned_abs()),
        (IntRef::Small(n), _) => n.unsigned_abs().to_string(),
        (IntRef::Big(n), 10) => {
            let mut text = big_str(n, max_digits)?;
            if text.starts_with('-') {
                text.remove(0);
            }
            text
        }
        (IntRef::Big(n), _) => n.magnitude().to_str_radix(base),
    };
    Ok(digits)
}

/// `bin`, `oct`, `hex`: `-0x1f`.
///
/// # Errors
/// None for these bases.
pub fn prefixed(n: IntRef<'_>, base: u32) -> TextResult<String> {
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let sign = if n.is_negative() { "-" } else { "" };
    Ok(format!("{sign}{prefix}{}", magnitude_digits(n, base, 0)?))
}

/// Whether the int is zero.
pub fn is_zero(n: IntRef<'_>) -> bool {
    match n {
        IntRef::Small(n) => n == 0,
        IntRef::Big(n) => n.is_zero(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(s: &str, base: u32) -> TextResult<Int> {
        parse_int(Text::from(s), base, 4300)
    }

    #[test]
    fn good() {
        for (s, base, n) in [
            ("0", 10, 0),
            ("-12", 10, -12),
            (" +1_000\n", 10, 1000),
            ("١٢", 10, 12),
            ("0x_f", 0, 15),
            ("0_0", 0, 0),
            ("00", 0, 0),
            ("0b1", 16, 177),
            ("0b1", 2, 1),
            (" -0x1 ", 0, -1),
            ("0o17", 8, 15),
            ("z", 36, 35),
            ("9223372036854775807", 10, i64::MAX),
            ("-9223372036854775808", 10, i64::MIN),
        ] {
            assert_eq!(parse(s, base), Ok(Int::Small(n)), "{s}");
        }
        let Ok(Int::Big(n)) = parse("123456789012345678901234567890", 10) else {
            panic!()
        };
        assert_eq!(n.to_string(), "123456789012345678901234567890");
    }

    #[test]
    fn bad() {
        for (s, base) in [
            ("", 10),
            ("x", 10),
            ("1_", 10),
            ("_1", 10),
            ("1__0", 10),
            ("010", 0),
            ("_0", 0),
            ("0x", 16),
            ("0x__f", 0),
            ("0b12", 0),
            ("- 1", 10),
            ("0_x1", 16),
            ("1\0", 10),
            ("8", 8),
            ("é", 10),
            ("+", 10),
        ] {
            let e = parse(s, base).unwrap_err();
            assert!(
                e.msg
                    .starts_with(&format!("invalid literal for int() with base {base}: ")),
                "{e}"
            );
        }
        assert_eq!(
            parse("1", 1).unwrap_err().msg,
            "int() base must be >= 2 and <= 36, or 0"
        );
        assert_eq!(
            parse_int_bytes(b"1 x", 10, 0).unwrap_err().msg,
            "invalid literal for int() with base 10: b'1 x'"
        );
        let e = parse(&"z".repeat(500), 10).unwrap_err();
        assert_eq!(
            e.msg.len(),
            "invalid literal for int() with base 10: ".len() + 200
        );
        let e = parse(&"5".repeat(4301), 10).unwrap_err();
        assert!(e.msg.contains("value has 4301 digits;"));
        assert!(parse(&"1".repeat(5000), 16).is_ok());
    }

    #[test]
    fn long_decimals() {
        let s: String = (0..5000)
            .map(|i| char::from(b'1' + (i * 7 % 9) as u8))
            .collect();
        let n = parse_int(Text::from(s.as_str()), 10, 0).unwrap();
        assert_eq!(int_str(n.as_ref(), 0).unwrap(), s);
        assert!(
            int_str(n.as_ref(), 4999)
                .unwrap_err()
                .msg
                .starts_with("Exceeds the limit (4999 digits)")
        );
        assert!(int_str(n.as_ref(), 5000).is_ok());
    }

    #[test]
    fn to_text() {
        for n in [0, 7, -7, 10, 99, 100, 12345, i64::MAX, i64::MIN] {
            assert_eq!(i64_str(n), n.to_string());
        }
        assert_eq!(prefixed(IntRef::Small(-31), 16).unwrap(), "-0x1f");
        assert_eq!(
            prefixed(IntRef::Big(&(BigInt::from(1) << 70)), 8).unwrap(),
            format!("0o2{}", "0".repeat(23))
        );
    }
}
