//! Decimal numbers as text.

use super::coef::{Coef, ZERO};
use super::num::status::{CLAMPED, INEXACT, INVALID_OPERATION, ROUNDED};
use super::num::{Ctx, Kind, Num};

/// The number that the text says, with all its digits; `None` if it is none. Exponents out of all bounds come near them.
pub fn parse(s: &[u8]) -> Option<Num> {
    let (neg, s) = match s.first()? {
        b'-' => (true, &s[1..]),
        b'+' => (false, &s[1..]),
        _ => (false, s),
    };
    if !matches!(s.first()?, b'0'..=b'9' | b'.') {
        return parse_special(neg, s);
    }
    let mut point = None;
    let mut digits = 0;
    let mut end = s.len();
    for (i, b) in s.iter().enumerate() {
        match b {
            b'0'..=b'9' => digits += 1,
            b'.' if point.is_none() => point = Some(i),
            b'e' | b'E' => {
                end = i;
                break;
            }
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    let exp = if end < s.len() {
        exponent(&s[end + 1..])?
    } else {
        0
    };
    let (coef, behind) = match point {
        Some(p) => (read(&s[..p], &s[p + 1..end]), end - p - 1),
        None => (read(&s[..end], b""), 0),
    };
    Some(Num::new(neg, coef, exp - behind as i64))
}

/// The digits of two texts, one after the other.
fn read(a: &[u8], b: &[u8]) -> Coef {
    if a.len() + b.len() <= super::limbs::WIDTH {
        let join = |n, d: &u8| n * 10 + u64::from(d - b'0');
        return Coef::from(b.iter().fold(a.iter().fold(0, join), join));
    }
    let digits: Vec<u8> = a.iter().chain(b).map(|d| d - b'0').collect();
    Coef::from_digits(&digits)
}

fn exponent(s: &[u8]) -> Option<i64> {
    const MOST: i64 = 4_000_000_000_000_000_000;
    let (neg, s) = match s.first()? {
        b'-' => (true, &s[1..]),
        b'+' => (false, &s[1..]),
        _ => (false, s),
    };
    if s.is_empty() || !s.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let join = |n: i64, d: &u8| n.saturating_mul(10).saturating_add(i64::from(d - b'0'));
    let n = s.iter().fold(0, join).min(MOST);
    Some(if neg { -n } else { n })
}

fn parse_special(neg: bool, s: &[u8]) -> Option<Num> {
    if s.eq_ignore_ascii_case(b"inf") || s.eq_ignore_ascii_case(b"infinity") {
        return Some(Num::infinity(neg));
    }
    let (kind, s) = match s[0] {
        b's' | b'S' => (Kind::Signaling, &s[1..]),
        _ => (Kind::Quiet, s),
    };
    if s.len() < 3 || !s[..3].eq_ignore_ascii_case(b"nan") || !s[3..].iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    Some(Num {
        coef: read(&s[3..], b""),
        exp: 0,
        neg,
        kind,
    })
}

/// How many digits the payload of a NaN has.
pub fn payload(n: &Num) -> i64 {
    match n.coef == ZERO {
        true => 0,
        false => n.coef.digits() as i64,
    }
}

/// The number, if it is within the widest bounds; otherwise NaN.
#[inline]
pub fn exact(n: Num, c: &mut Ctx) -> Num {
    let mut widest = Ctx::max();
    let r = n.finish(&mut widest);
    if widest.status & (INEXACT | ROUNDED | CLAMPED) != 0 {
        return c.invalid(INVALID_OPERATION);
    }
    r
}

/// The sign and the name of an infinity or NaN.
pub fn write_special(n: &Num, out: &mut Vec<u8>) {
    if n.neg {
        out.push(b'-');
    }
    match n.kind {
        Kind::Infinite => return out.extend_from_slice(b"Infinity"),
        Kind::Signaling => out.extend_from_slice(b"sNaN"),
        _ => out.extend_from_slice(b"NaN"),
    }
    if !n.coef.is_zero() {
        n.coef.write(out);
    }
}

/// Scientific notation; `eng`: with exponents that are multiples of three.
pub fn write(n: &Num, eng: bool, capitals: bool, out: &mut Vec<u8>) {
    if n.is_special() {
        return write_special(n, out);
    }
    if n.neg {
        out.push(b'-');
    }
    let start = out.len();
    n.coef.write(out);
    if n.exp == 0 {
        return;
    }
    let digits = (out.len() - start) as i64;
    let left = n.exp + digits;
    let point = if n.exp <= 0 && left > -6 {
        left
    } else if !eng {
        1
    } else if n.coef.is_zero() {
        (left + 1).rem_euclid(3) - 1
    } else {
        (left - 1).rem_euclid(3) + 1
    };
    place_point(out, start, point);
    if left != point {
        out.push(if capitals { b'E' } else { b'e' });
        let exp = left - point;
        out.push(if exp < 0 { b'-' } else { b'+' });
        Coef::from(exp.unsigned_abs()).write(out);
    }
}

/// Puts a point after the first so many of the digits that begin at `start`.
fn place_point(out: &mut Vec<u8>, start: usize, point: i64) {
    let digits = out.len() - start;
    if point <= 0 {
        let zeros = point.unsigned_abs() as usize;
        out.splice(start..start, std::iter::repeat_n(b'0', zeros + 2));
        out[start + 1] = b'.';
    } else if point as usize >= digits {
        out.resize(start + point as usize, b'0');
    } else {
        out.insert(start + point as usize, b'.');
    }
}
