//! `Decimal.__format__`: the format mini-language for decimals.

use super::coef::{Coef, MOST_DIGITS};
use super::context::{self, Context};
use super::num::{Num, Round};
use super::text;
use weft_objects::prelude::*;
use weft_objects::text::wtf8;
use weft_objects::{errors, int};

/// A parsed specification.
struct Spec {
    fill: u32,
    /// One of `<`, `>`, `=`, `^`.
    align: u8,
    sign: u8,
    no_negative_zero: bool,
    alternate: bool,
    zero_padded: bool,
    width: usize,
    separator: Vec<u8>,
    fraction_separator: Option<u8>,
    point: Vec<u8>,
    grouping: Vec<u8>,
    precision: Option<i64>,
    /// One of `eEfFgG%`; `n` is `g`.
    kind: u8,
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn peek(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    /// The next byte, if it is one of these.
    fn take(&mut self, set: &[u8]) -> Option<u8> {
        let b = *self.0.first()?;
        if !set.contains(&b) {
            return None;
        }
        self.0 = &self.0[1..];
        Some(b)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = None;
        while let Some(d) = self.take(b"0123456789") {
            let so_far = n.unwrap_or(0u64);
            n = Some(
                so_far
                    .saturating_mul(10)
                    .saturating_add(u64::from(d - b'0')),
            );
        }
        n
    }
}

/// What a specification says, and whether its type is `n` or `N`; `None` if it is none.
fn parse(s: &[u8], capitals: bool) -> Option<(Spec, bool)> {
    let mut c = Cursor(s);
    let mut spec = Spec {
        fill: 0x20,
        align: b'>',
        sign: b'-',
        no_negative_zero: false,
        alternate: false,
        zero_padded: false,
        width: 0,
        separator: Vec::new(),
        fraction_separator: None,
        point: b".".to_vec(),
        grouping: vec![3],
        precision: None,
        kind: if capitals { b'G' } else { b'g' },
    };
    let mut aligned = false;
    if let Some((fill, width)) = wtf8::first(s) {
        let mut after = Cursor(&s[width..]);
        if let Some(align) = after.take(b"<>=^") {
            (spec.fill, spec.align, aligned) = (fill, align, true);
            c = after;
        } else if let Some(align) = c.take(b"<>=^") {
            (spec.align, aligned) = (align, true);
        }
    }
    if let Some(sign) = c.take(b"-+ ") {
        spec.sign = sign;
    }
    spec.no_negative_zero = c.take(b"z").is_some();
    spec.alternate = c.take(b"#").is_some();
    if c.take(b"0").is_some() {
        if aligned {
            return None;
        }
        spec.zero_padded = true;
    }
    let width = c.number().unwrap_or(0);
    spec.width = usize::try_from(width).ok()?;
    if let Some(b) = c.take(b",_") {
        spec.separator.push(b);
    }
    if c.take(b".").is_some() {
        spec.precision = c.number().map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        spec.fraction_separator = c.take(b",_");
        if spec.precision.is_none() && spec.fraction_separator.is_none() {
            return None;
        }
    }
    let mut local = false;
    let general = match c.take(b"eEfFgG%nN") {
        Some(b'n') => {
            (spec.kind, local) = (b'g', true);
            true
        }
        Some(b'N') => {
            (spec.kind, local) = (b'G', true);
            true
        }
        Some(kind) => {
            spec.kind = kind;
            matches!(kind, b'g' | b'G')
        }
        None => true,
    };
    if c.peek() != 0 || !c.0.is_empty() || local && !spec.separator.is_empty() {
        return None;
    }
    if general && spec.precision == Some(0) {
        spec.precision = Some(1);
    }
    Some((spec, local))
}

/// The conventions of the locale.
fn localize(t: &mut Thread, spec: &mut Spec) -> Res<()> {
    let module = weft_objects::runtime::import(t, "_locale")?;
    let conventions = proto::call_method(t, module.value(), "localeconv", &[])?;
    let text = |t: &mut Thread, name: &str| -> Res<Vec<u8>> {
        let key = Str::intern(t, name);
        let v = proto::get_item(t, conventions.value(), key.value())?;
        Ok(Str::of(v.value()).map_or_else(Vec::new, |s| s.as_bytes().to_vec()))
    };
    spec.point = text(t, "decimal_point")?;
    spec.separator = text(t, "thousands_sep")?;
    let key = Str::intern(t, "grouping");
    let sizes = proto::get_item(t, conventions.value(), key.value())?;
    spec.grouping.clear();
    for n in proto::to_vec(t, sizes.value())? {
        spec.grouping
            .push(int::as_i64(n.value()).unwrap_or(0) as u8);
    }
    if spec.grouping.last() == Some(&0) {
        spec.grouping.pop();
    }
    Ok(())
}

/// What a dict says about the conventions.
fn override_with(t: &mut Thread, spec: &mut Spec, v: Value) -> Res<()> {
    let Some(d) = Dict::of(v) else {
        return Err(t.type_error("optional argument must be a dict".into()));
    };
    let text = |t: &mut Thread, name: &str| -> Res<Option<Vec<u8>>> {
        let found = d
            .get_str(t, weft_objects::names::get(t, name))
            .map(|v| v.to_obj(t));
        match found {
            None => Ok(None),
            Some(v) => match Str::of(v.value()) {
                Some(s) => Ok(Some(s.as_bytes().to_vec())),
                None => Err(t.value_error("invalid override dict")),
            },
        }
    };
    if let Some(point) = text(t, "decimal_point")? {
        spec.point = point;
    }
    if let Some(separator) = text(t, "thousands_sep")? {
        spec.separator = separator;
    }
    if let Some(grouping) = text(t, "grouping")? {
        spec.grouping = grouping;
        if spec.grouping.last() == Some(&0) {
            spec.grouping.pop();
        }
    }
    let bad = spec.point.is_empty()
        || spec.point.len() > 4
        || spec.separator.len() > 4
        || spec.grouping.iter().any(|n| *n >= 128);
    if bad {
        return Err(t.value_error("invalid override dict"));
    }
    Ok(())
}

/// `__format__`
pub fn format(t: &mut Thread, n: &Num, spec: Value, conventions: Value) -> Res {
    let Some(s) = Str::of(spec) else {
        return Err(t.type_error("format arg must be str".into()));
    };
    let env = context::current(t)?;
    let env = Context::this(env.value());
    let Some((mut spec, local)) = parse(s.as_bytes(), env.capitals()) else {
        return Err(t.value_error("invalid format string"));
    };
    let wide = spec.width as u64 > MOST_DIGITS;
    if wide
        || spec
            .precision
            .is_some_and(|p| p.unsigned_abs() > MOST_DIGITS)
    {
        return Err(t.value_error("format specification exceeds internal limits of _decimal"));
    }
    if local {
        if s.as_bytes().ends_with(b"N") {
            let text = "Format specifier 'N' is deprecated and slated for removal in Python 3.18";
            crate::_warnings::warn_text(t, &errors::DEPRECATION_WARNING, text, 1)?;
        }
        localize(t, &mut spec)?;
    }
    if !conventions.is_null() {
        override_with(t, &mut spec, conventions)?;
    }
    match write(n, &spec, env.rules().round) {
        Some(out) => Ok(Str::from_vec(t, out).into()),
        None => Err(t.memory_error()),
    }
}

/// Rounded to so many digits.
fn to_digits(n: &Num, digits: i64, round: Round) -> Option<Num> {
    if n.coef.is_zero() {
        return Some(n.clone());
    }
    let (r, _) = n.rescale(n.adjusted() + 1 - digits, round).ok()?;
    // 9.99 becomes 10.0, which has a digit more.
    if r.coef.digits() as i64 > digits {
        return Some(r.rescale(r.exp + 1, round).ok()?.0);
    }
    Some(r)
}

/// The number, padded; `None` if it is too long.
fn write(n: &Num, spec: &Spec, round: Round) -> Option<Vec<u8>> {
    if n.is_special() {
        let mut body = Vec::new();
        text::write_special(&n.abs(), &mut body);
        if spec.kind == b'%' {
            body.push(b'%');
        }
        return Some(pad(sign(n.neg, spec), body, spec));
    }
    let mut n = n.clone();
    let fixed = matches!(spec.kind, b'f' | b'F' | b'%');
    let scientific = matches!(spec.kind, b'e' | b'E');
    if spec.kind == b'%' {
        n.exp += 2;
    }
    if let Some(p) = spec.precision {
        if scientific {
            n = to_digits(&n, p + 1, round)?;
        } else if fixed {
            n = n.rescale(-p, round).ok()?.0;
        } else if n.coef.digits() as i64 > p {
            n = to_digits(&n, p, round)?;
        }
    }
    if fixed && n.exp > 0 {
        n = n.rescale(0, round).ok()?.0;
    }
    if spec.no_negative_zero && n.coef.is_zero() {
        n.neg = false;
    }
    let digits = n.coef.digits() as i64;
    let left = n.exp + digits;
    let point = if scientific {
        match spec.precision {
            Some(p) if n.coef.is_zero() => 1 - p,
            _ => 1,
        }
    } else if fixed || n.exp <= 0 && left > -6 {
        left
    } else {
        1
    };
    let (whole, fraction) = parts(&n.coef, point);
    let tail = tail(fraction, left - point, spec);
    let mut out = sign(n.neg, spec);
    let taken = wtf8::code_points(&tail).count() + out.len();
    let least = match spec.zero_padded {
        true => spec.width.saturating_sub(taken),
        false => 0,
    };
    let mut body = group(whole, spec, least);
    body.extend_from_slice(&tail);
    if spec.zero_padded {
        out.extend_from_slice(&body);
        return Some(pad(Vec::new(), out, spec));
    }
    Some(pad(out, body, spec))
}

fn sign(neg: bool, spec: &Spec) -> Vec<u8> {
    match (neg, spec.sign) {
        (true, _) => vec![b'-'],
        (false, b'-') => Vec::new(),
        (false, sign) => vec![sign],
    }
}

/// The digits before and behind the point, which lies after so many of them.
fn parts(coef: &Coef, point: i64) -> (Vec<u8>, Vec<u8>) {
    let mut digits = coef.text();
    if point <= 0 {
        let mut fraction = vec![b'0'; point.unsigned_abs() as usize];
        fraction.append(&mut digits);
        return (b"0".to_vec(), fraction);
    }
    let point = point as usize;
    if point >= digits.len() {
        digits.resize(point, b'0');
        return (digits, Vec::new());
    }
    let fraction = digits.split_off(point);
    (digits, fraction)
}

/// What comes after the whole part: the fraction, the exponent, the percent sign.
fn tail(fraction: Vec<u8>, exp: i64, spec: &Spec) -> Vec<u8> {
    let mut out = Vec::new();
    if !fraction.is_empty() || spec.alternate {
        out.extend_from_slice(&spec.point);
    }
    match spec.fraction_separator {
        Some(separator) => {
            out.extend_from_slice(&fraction.chunks(3).collect::<Vec<_>>().join(&separator))
        }
        None => out.extend_from_slice(&fraction),
    }
    if exp != 0 || matches!(spec.kind, b'e' | b'E') {
        out.push(if spec.kind.is_ascii_uppercase() {
            b'E'
        } else {
            b'e'
        });
        out.push(if exp < 0 { b'-' } else { b'+' });
        Coef::from(exp.unsigned_abs()).write(&mut out);
    }
    if spec.kind == b'%' {
        out.push(b'%');
    }
    out
}

/// The digits with separators between groups, and zeros before them up to the width.
fn group(digits: Vec<u8>, spec: &Spec, least: usize) -> Vec<u8> {
    let separator_width = wtf8::code_points(&spec.separator).count();
    let mut least = least as i64;
    let mut rest = &digits[..];
    let mut groups: Vec<Vec<u8>> = Vec::new();
    let mut take = |rest: &mut &[u8], n: usize, least: &mut i64| {
        let have = rest.len().min(n);
        let mut part = vec![b'0'; n - have];
        part.extend_from_slice(&rest[rest.len() - have..]);
        *rest = &rest[..rest.len() - have];
        *least -= n as i64;
        groups.push(part);
    };
    let mut sizes = spec.grouping.iter().map(|n| usize::from(*n));
    let mut last = 0;
    loop {
        let wanted = (rest.len() as i64).max(least).max(1) as usize;
        // The last size goes on; 127 says that there are no further groups.
        let size = sizes.next().unwrap_or(last);
        last = size;
        let size = match spec.separator.is_empty() || size == 0 || size == 127 {
            true => wanted,
            false => size.min(wanted),
        };
        take(&mut rest, size, &mut least);
        if rest.is_empty() && least <= 0 {
            break;
        }
        least -= separator_width as i64;
    }
    groups.reverse();
    groups.join(&spec.separator[..])
}

/// Filled up to the width.
fn pad(sign: Vec<u8>, body: Vec<u8>, spec: &Spec) -> Vec<u8> {
    let have = sign.len() + wtf8::code_points(&body).count();
    let n = spec.width.saturating_sub(have);
    let before = match spec.align {
        b'<' => 0,
        b'^' => n / 2,
        _ => n,
    };
    let mut out = Vec::with_capacity(sign.len() + body.len() + n);
    let fill = |out: &mut Vec<u8>, n: usize| {
        for _ in 0..n {
            wtf8::push(out, spec.fill);
        }
    };
    if spec.align == b'=' {
        out.extend_from_slice(&sign);
        fill(&mut out, before);
    } else {
        fill(&mut out, before);
        out.extend_from_slice(&sign);
    }
    out.extend_from_slice(&body);
    fill(&mut out, n - before);
    out
}
