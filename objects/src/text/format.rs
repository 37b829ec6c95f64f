//! The format specification mini-language, as of Python 3.14 (grouping of the fraction included).

use super::float::{Layout, float_repr, format_double};
use super::int::{IntRef, int_str, magnitude_digits};
use super::strip::reserve;
use super::unidata::decimal_value;
use super::wtf8;
use super::{Text, TextError, TextResult, bigint};

/// Digit grouping and decimal point of type `n`.
#[derive(Clone, Copy, Debug)]
pub struct Locale<'a> {
    pub decimal_point: &'a [u8],
    pub thousands_sep: &'a [u8],
    /// Group sizes from the right: 0 repeats the last, 127 stops, as in C's `localeconv`.
    pub grouping: &'a [u8],
}

impl Locale<'static> {
    /// The C locale.
    pub const C: Self = Locale {
        decimal_point: b".",
        thousands_sep: b"",
        grouping: b"",
    };
}

/// A parsed specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    pub fill: u32,
    /// One of `<`, `>`, `=`, `^`.
    pub align: u8,
    /// `+`, `-` or space, if given.
    pub sign: Option<u8>,
    /// `z`: a negative zero loses its sign.
    pub no_negative_zero: bool,
    /// `#`
    pub alternate: bool,
    pub width: Option<usize>,
    /// `,` or `_`, if given.
    pub grouping: Option<u8>,
    pub precision: Option<usize>,
    /// `,` or `_` for the digits after the point, if given.
    pub fraction_grouping: Option<u8>,
    /// The type; `None` when left out.
    pub kind: Option<u32>,
}

struct Cursor<'a> {
    bytes: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    fn eat(&mut self, b: u8) -> bool {
        let found = self.bytes.first() == Some(&b);
        if found {
            self.bytes = &self.bytes[1..];
        }
        found
    }

    /// Decimal digits of any script; `None` when there are none.
    fn number(&mut self) -> TextResult<Option<usize>> {
        let mut n = None;
        while let Some((cp, width)) = wtf8::first(self.bytes)
            && let Some(d) = decimal_value(cp)
        {
            let next = n.unwrap_or(0isize).checked_mul(10);
            n = Some(
                next.and_then(|n| n.checked_add(isize::from(i16::from(d))))
                    .ok_or_else(|| TextError::value("Too many decimal digits in format string"))?,
            );
            self.bytes = &self.bytes[width..];
        }
        Ok(n.map(isize::unsigned_abs))
    }

    /// `,` or `_`, not both.
    fn grouping(&mut self) -> TextResult<Option<u8>> {
        let comma = self.eat(b',');
        let underscore = self.eat(b'_');
        if underscore && (comma || self.peek() == b',') {
            return Err(TextError::value("Cannot specify both ',' and '_'."));
        }
        Ok(match (comma, underscore) {
            (true, _) => Some(b','),
            (_, true) => Some(b'_'),
            _ => None,
        })
    }
}

const fn is_align(cp: u32) -> bool {
    matches!(cp, 0x3C | 0x3D | 0x3E | 0x5E)
}

/// Parses a specification that is not empty. `default_align` is `>` for numbers, `<` for strings;
/// `type_name` is for messages.
///
/// # Errors
/// `ValueError`.
pub fn parse_spec(spec: &[u8], default_align: u8, type_name: &str) -> TextResult<Spec> {
    let mut c = Cursor { bytes: spec };
    let mut out = Spec {
        fill: 0x20,
        align: default_align,
        sign: None,
        no_negative_zero: false,
        alternate: false,
        width: None,
        grouping: None,
        precision: None,
        fraction_grouping: None,
        kind: None,
    };
    let (mut fill_given, mut align_given) = (false, false);
    if let Some((fill, width)) = wtf8::first(spec) {
        let second = spec.get(width).copied().unwrap_or(0);
        if is_align(u32::from(second)) {
            (out.fill, out.align) = (fill, second);
            (fill_given, align_given) = (true, true);
            c.bytes = &spec[width + 1..];
        } else if is_align(fill) {
            (out.align, align_given) = (spec[0], true);
            c.bytes = &spec[1..];
        }
    }
    if let sign @ (b'+' | b'-' | b' ') = c.peek() {
        out.sign = Some(sign);
        c.eat(sign);
    }
    out.no_negative_zero = c.eat(b'z');
    out.alternate = c.eat(b'#');
    if !fill_given && c.eat(b'0') {
        out.fill = 0x30;
        if !align_given && default_align == b'>' {
            out.align = b'=';
        }
    }
    out.width = c.number()?;
    out.grouping = c.grouping()?;
    if c.eat(b'.') {
        out.precision = c.number()?;
        out.fraction_grouping = c.grouping()?;
        if out.precision.is_none() && out.fraction_grouping.is_none() {
            return Err(TextError::value("Format specifier missing precision"));
        }
    }
    if let Some((kind, width)) = wtf8::first(c.bytes) {
        if width < c.bytes.len() {
            return Err(invalid_specifier(spec, type_name));
        }
        out.kind = Some(kind);
    }
    check_grouping(&out)?;
    Ok(out)
}

#[cold]
fn invalid_specifier(spec: &[u8], type_name: &str) -> TextError {
    TextError::value(format!(
        "Invalid format specifier '{}' for object of type '{type_name}'",
        wtf8::to_lossy(spec)
    ))
}

fn check_grouping(spec: &Spec) -> TextResult<()> {
    let kind = spec.kind.unwrap_or(u32::from(b'd'));
    let ascii = u8::try_from(kind).unwrap_or(0);
    if let Some(separator) = spec.grouping {
        match ascii {
            b'd' | b'e' | b'f' | b'g' | b'E' | b'G' | b'%' | b'F' => {}
            b'b' | b'o' | b'x' | b'X' if separator == b'_' => {}
            _ => return Err(cannot_specify(separator, kind)),
        }
    }
    if let Some(separator) = spec.fraction_grouping
        && ascii == b'n'
    {
        return Err(cannot_specify(separator, kind));
    }
    Ok(())
}

#[cold]
fn cannot_specify(separator: u8, kind: u32) -> TextError {
    TextError::value(format!(
        "Cannot specify '{}' with '{}'.",
        separator as char,
        show_code(kind)
    ))
}

/// How messages show a type character.
fn show_code(kind: u32) -> String {
    match char::from_u32(kind) {
        Some(c) if kind > 32 && kind < 128 => c.to_string(),
        _ => format!("\\x{kind:x}"),
    }
}

/// `ValueError: Unknown format code 'd' for object of type 'str'`.
#[cold]
pub fn unknown_code(kind: u32, type_name: &str) -> TextError {
    TextError::value(format!(
        "Unknown format code '{}' for object of type '{type_name}'",
        show_code(kind)
    ))
}

/// `format(str, spec)`, appended to `out`.
///
/// # Errors
/// `ValueError` for a bad specification, `MemoryError`.
pub fn format_str(
    out: &mut Vec<u8>,
    text: Text<'_>,
    spec: &[u8],
    type_name: &str,
) -> TextResult<()> {
    if spec.is_empty() {
        out.extend_from_slice(text.bytes);
        return Ok(());
    }
    let spec = parse_spec_for_str(spec, type_name)?;
    let refuse = |what: &str| {
        Err(TextError::value(format!(
            "{what} in string format specifier"
        )))
    };
    match spec.kind {
        None | Some(0x73) => {}
        Some(kind) => return Err(unknown_code(kind, type_name)),
    }
    match spec.sign {
        Some(b' ') => return refuse("Space not allowed"),
        Some(_) => return refuse("Sign not allowed"),
        None => {}
    }
    if spec.no_negative_zero {
        return refuse("Negative zero coercion (z) not allowed");
    }
    if spec.alternate {
        return refuse("Alternate form (#) not allowed");
    }
    if spec.align == b'=' {
        return refuse("'=' alignment not allowed");
    }
    let shown = match spec.precision {
        Some(precision) if precision < text.chars => text.slice(0, precision),
        _ => text,
    };
    write_padded(out, &spec, shown)
}

/// A missing type is `s`, which grouping does not go with.
fn parse_spec_for_str(spec: &[u8], type_name: &str) -> TextResult<Spec> {
    let parsed = parse_spec(spec, b'<', type_name)?;
    match (parsed.grouping, parsed.kind) {
        (Some(separator), None) => Err(cannot_specify(separator, u32::from(b's'))),
        _ => Ok(parsed),
    }
}

/// Pads what is not a number.
fn write_padded(out: &mut Vec<u8>, spec: &Spec, text: Text<'_>) -> TextResult<()> {
    let padding = spec.width.unwrap_or(0).saturating_sub(text.chars);
    let left = match spec.align {
        b'>' | b'=' => padding,
        b'^' => padding / 2,
        _ => 0,
    };
    reserve_for(out, text.bytes.len(), padding, spec.fill)?;
    wtf8::push_n(out, spec.fill, left);
    out.extend_from_slice(text.bytes);
    wtf8::push_n(out, spec.fill, padding - left);
    Ok(())
}

fn reserve_for(out: &mut Vec<u8>, bytes: usize, padding: usize, fill: u32) -> TextResult<()> {
    let fills = padding.saturating_mul(wtf8::encoded_len(fill));
    reserve(out, fills.saturating_add(bytes))
}

/// `format(int, spec)`, appended to `out`. `max_digits` is the limit of `int_str`.
///
/// # Errors
/// `ValueError` for a bad specification, `OverflowError` for `c` and floats out of range,
/// `MemoryError`.
pub fn format_int(
    out: &mut Vec<u8>,
    n: IntRef<'_>,
    spec: &[u8],
    type_name: &str,
    locale: &Locale<'_>,
    max_digits: usize,
) -> TextResult<()> {
    if spec.is_empty() {
        match n {
            IntRef::Small(n) => super::int::push_i64(out, n),
            IntRef::Big(_) => out.extend_from_slice(int_str(n, max_digits)?.as_bytes()),
        }
        return Ok(());
    }
    let spec = parse_spec(spec, b'>', type_name)?;
    let kind = spec.kind.unwrap_or(u32::from(b'd'));
    match u8::try_from(kind).unwrap_or(0) {
        code @ (b'd' | b'b' | b'o' | b'x' | b'X' | b'n' | b'c') => {
            format_as_int(out, n, &spec, code, locale, max_digits)
        }
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'%' => {
            let x = match n {
                IntRef::Small(n) => n as f64,
                IntRef::Big(n) => bigint::to_f64(n)?,
            };
            format_as_float(out, x, &spec, locale)
        }
        _ => Err(unknown_code(kind, type_name)),
    }
}

fn format_as_int(
    out: &mut Vec<u8>,
    n: IntRef<'_>,
    spec: &Spec,
    code: u8,
    locale: &Locale<'_>,
    max_digits: usize,
) -> TextResult<()> {
    if spec.precision.is_some() {
        return Err(TextError::value(
            "Precision not allowed in integer format specifier",
        ));
    }
    if spec.no_negative_zero {
        return Err(TextError::value(
            "Negative zero coercion (z) not allowed in integer format specifier",
        ));
    }
    if code == b'c' {
        return format_char(out, n, spec);
    }
    let (base, prefix): (u32, &[u8]) = match code {
        b'b' => (2, b"0b"),
        b'o' => (8, b"0o"),
        b'x' => (16, b"0x"),
        b'X' => (16, b"0X"),
        _ => (10, b""),
    };
    let mut digits = magnitude_digits(n, base, max_digits)?.into_bytes();
    if code == b'X' {
        digits.make_ascii_uppercase();
    }
    let groups = if code == b'n' {
        Groups::of_locale(locale)
    } else {
        Groups::of_spec(spec, base)
    };
    let number = Number {
        negative: n.is_negative(),
        prefix: if spec.alternate { prefix } else { b"" },
        whole: &digits,
        point: b"",
        fraction: b"",
        rest: b"",
    };
    number.write(out, spec, &groups)
}

fn format_char(out: &mut Vec<u8>, n: IntRef<'_>, spec: &Spec) -> TextResult<()> {
    let refuse = |what: &str| {
        Err(TextError::value(format!(
            "{what} not allowed with integer format specifier 'c'"
        )))
    };
    if spec.sign.is_some() {
        return refuse("Sign");
    }
    if spec.alternate {
        return refuse("Alternate form (#)");
    }
    let IntRef::Small(n) = n else {
        return Err(TextError::overflow(
            "Python int too large to convert to C long",
        ));
    };
    let Some(cp) = u32::try_from(n).ok().filter(|&cp| cp <= 0x10_FFFF) else {
        return Err(TextError::overflow("%c arg not in range(0x110000)"));
    };
    let mut buf = [0; 4];
    let width = wtf8::encode(cp, &mut buf);
    write_padded(
        out,
        spec,
        Text {
            bytes: &buf[..width],
            chars: 1,
        },
    )
}

/// `format(float, spec)`, appended to `out`.
///
/// # Errors
/// `ValueError` for a bad specification, `MemoryError`.
pub fn format_float(
    out: &mut Vec<u8>,
    x: f64,
    spec: &[u8],
    type_name: &str,
    locale: &Locale<'_>,
) -> TextResult<()> {
    if spec.is_empty() {
        out.extend_from_slice(float_repr(x).as_bytes());
        return Ok(());
    }
    let spec = parse_spec(spec, b'>', type_name)?;
    match spec.kind {
        None => {}
        Some(kind) => match u8::try_from(kind).unwrap_or(0) {
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'n' | b'%' => {}
            _ => return Err(unknown_code(kind, type_name)),
        },
    }
    format_as_float(out, x, &spec, locale)
}

/// Digits of a float by code and precision of `spec`; `add_dot_0` for a missing type.
fn float_digits(x: f64, spec: &Spec, add_dot_0: bool) -> TextResult<String> {
    if spec.precision.is_some_and(|p| p > i32::MAX as usize) {
        return Err(TextError::value("precision too big"));
    }
    let layout = Layout {
        alternate: spec.alternate,
        add_dot_0,
    };
    let (code, default) = match spec.kind.and_then(|kind| u8::try_from(kind).ok()) {
        None => (b'r', 0),
        Some(b'n') => (b'g', 6),
        Some(b'%') => (b'f', 6),
        Some(code) => (code, 6),
    };
    let code = if code == b'r' && spec.precision.is_some() {
        b'g'
    } else {
        code
    };
    let mut text = format_double(x, code, spec.precision.unwrap_or(default), layout)?;
    if spec.no_negative_zero && text.starts_with('-') && is_zero_text(&text[1..]) {
        text.remove(0);
    }
    Ok(text)
}

/// Whether the mantissa shown is zero.
fn is_zero_text(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or("");
    mantissa.bytes().all(|b| b == b'0' || b == b'.')
}

fn format_as_float(out: &mut Vec<u8>, x: f64, spec: &Spec, locale: &Locale<'_>) -> TextResult<()> {
    let percent = spec.kind == Some(u32::from(b'%'));
    let mut text = float_digits(
        if percent { x * 100.0 } else { x },
        spec,
        spec.kind.is_none(),
    )?;
    if percent {
        text.push('%');
    }
    let localized = spec.kind == Some(u32::from(b'n'));
    let point = if localized {
        locale.decimal_point
    } else {
        b"."
    };
    let groups = if localized {
        Groups::of_locale(locale)
    } else {
        Groups::of_spec(spec, 10)
    };
    Number::of_float(text.as_bytes(), point).write(out, spec, &groups)
}

/// `format(complex, spec)`, appended to `out`.
///
/// # Errors
/// `ValueError` for a bad specification, `MemoryError`.
pub fn format_complex(
    out: &mut Vec<u8>,
    (re, im): (f64, f64),
    spec: &[u8],
    type_name: &str,
    locale: &Locale<'_>,
) -> TextResult<()> {
    if spec.is_empty() {
        out.extend_from_slice(super::float::complex_repr(re, im).as_bytes());
        return Ok(());
    }
    let spec = parse_spec(spec, b'>', type_name)?;
    if let Some(kind) = spec.kind
        && !matches!(
            u8::try_from(kind).unwrap_or(0),
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'n'
        )
    {
        return Err(unknown_code(kind, type_name));
    }
    if spec.fill == u32::from(b'0') {
        return Err(TextError::value(
            "Zero padding is not allowed in complex format specifier",
        ));
    }
    if spec.align == b'=' {
        return Err(TextError::value(
            "'=' alignment flag is not allowed in complex format specifier",
        ));
    }
    let body = complex_body(re, im, &spec, locale)?;
    write_padded(out, &spec, Text::new(&body))
}

fn complex_body(re: f64, im: f64, spec: &Spec, locale: &Locale<'_>) -> TextResult<Vec<u8>> {
    let like_str = spec.kind.is_none();
    let skip_re = like_str && re == 0.0 && re.is_sign_positive();
    let parens = like_str && !skip_re;
    let localized = spec.kind == Some(u32::from(b'n'));
    let point = if localized {
        locale.decimal_point
    } else {
        b"."
    };
    let groups = if localized {
        Groups::of_locale(locale)
    } else {
        Groups::of_spec(spec, 10)
    };
    let mut part = Spec {
        fill: 0x20,
        align: b'<',
        width: None,
        ..*spec
    };
    let mut body = Vec::new();
    if parens {
        body.push(b'(');
    }
    if !skip_re {
        let text = float_digits(re, spec, false)?;
        Number::of_float(text.as_bytes(), point).write(&mut body, &part, &groups)?;
        part.sign = Some(b'+');
    }
    let text = float_digits(im, spec, false)?;
    Number::of_float(text.as_bytes(), point).write(&mut body, &part, &groups)?;
    body.push(b'j');
    if parens {
        body.push(b')');
    }
    Ok(body)
}

/// How digits are grouped.
struct Groups<'a> {
    separator: &'a [u8],
    sizes: &'a [u8],
    fraction_separator: &'static [u8],
}

impl<'a> Groups<'a> {
    fn of_locale(locale: &Locale<'a>) -> Self {
        Groups {
            separator: locale.thousands_sep,
            sizes: locale.grouping,
            fraction_separator: b"",
        }
    }

    fn of_spec(spec: &Spec, base: u32) -> Self {
        const fn separator(grouping: Option<u8>) -> &'static [u8] {
            match grouping {
                Some(b',') => b",",
                Some(_) => b"_",
                None => b"",
            }
        }
        Groups {
            separator: separator(spec.grouping),
            sizes: match (spec.grouping, base) {
                (None, _) => b"",
                (_, 10) => b"\x03",
                _ => b"\x04",
            },
            fraction_separator: separator(spec.fraction_grouping),
        }
    }

    /// Size of the `i`th group from the right; 0 for all the rest.
    fn size(&self, i: usize) -> usize {
        let listed = &self.sizes[..self.sizes.len().min(i + 1)];
        for (at, &size) in listed.iter().enumerate() {
            match size {
                127 => return 0,
                0 => {
                    return at
                        .checked_sub(1)
                        .map_or(0, |last| usize::from(self.sizes[last]));
                }
                _ => {}
            }
        }
        listed.last().map_or(0, |&size| usize::from(size))
    }

    /// Groups `digits`, with zeros in front until the whole is `min_width` characters wide (or one
    /// more, since no group begins with a separator).
    fn group(&self, digits: &[u8], min_width: usize) -> Vec<u8> {
        if self.sizes.is_empty() {
            let zeros = min_width.saturating_sub(digits.len());
            let mut out = vec![b'0'; zeros];
            out.extend_from_slice(digits);
            return out;
        }
        let separator_width = wtf8::count(self.separator);
        let mut reversed = Vec::with_capacity(digits.len() * 4 / 3 + min_width);
        let (mut left, mut wanted) = (digits.len(), min_width);
        for i in 0.. {
            if i > 0 {
                if left == 0 && wanted == 0 {
                    break;
                }
                wanted = wanted.saturating_sub(separator_width);
                reversed.extend(self.separator.iter().rev());
            }
            let size = match self.size(i) {
                0 => usize::MAX,
                size => size,
            };
            let len = size.min(left.max(wanted).max(1));
            let chars = left.min(len);
            reversed.extend(digits[left - chars..left].iter().rev());
            reversed.resize(reversed.len() + len - chars, b'0');
            left -= chars;
            wanted = wanted.saturating_sub(len);
        }
        reversed.reverse();
        reversed
    }
}

/// Digits after the point, with a separator after every third.
fn group_fraction(digits: &[u8], separator: &[u8]) -> Vec<u8> {
    digits.chunks(3).collect::<Vec<_>>().join(separator)
}

/// The parts of a number on its way out.
struct Number<'a> {
    negative: bool,
    prefix: &'a [u8],
    whole: &'a [u8],
    point: &'a [u8],
    fraction: &'a [u8],
    /// Exponent, percent sign, or the word for what is no number.
    rest: &'a [u8],
}

impl<'a> Number<'a> {
    /// Takes apart what [`format_double`] made.
    fn of_float(text: &'a [u8], point: &'a [u8]) -> Self {
        let digits = |s: &[u8]| s.iter().take_while(|b| b.is_ascii_digit()).count();
        let negative = text.first() == Some(&b'-');
        let body = &text[usize::from(negative)..];
        let (whole, after) = body.split_at(digits(body));
        let (point, fraction, rest): (&[u8], &[u8], &[u8]) = match after.strip_prefix(b".") {
            Some(after) => {
                let (fraction, rest) = after.split_at(digits(after));
                (point, fraction, rest)
            }
            None => (b"", b"", after),
        };
        Number {
            negative,
            prefix: b"",
            whole,
            point,
            fraction,
            rest,
        }
    }

    fn write(&self, out: &mut Vec<u8>, spec: &Spec, groups: &Groups<'_>) -> TextResult<()> {
        let sign = match spec.sign {
            _ if self.negative => Some(b'-'),
            Some(sign @ (b'+' | b' ')) => Some(sign),
            _ => None,
        };
        let grouped_fraction;
        let fraction = if groups.fraction_separator.is_empty() {
            self.fraction
        } else {
            grouped_fraction = group_fraction(self.fraction, groups.fraction_separator);
            &grouped_fraction
        };
        let width = spec.width.unwrap_or(0);
        let others = usize::from(sign.is_some())
            + self.prefix.len()
            + wtf8::count(self.point)
            + fraction.len()
            + self.rest.len();
        reserve_for(out, others + self.whole.len(), width, spec.fill)?;
        let zero_filled = spec.fill == u32::from(b'0') && spec.align == b'=';
        let min_width = if zero_filled {
            width.saturating_sub(others)
        } else {
            0
        };
        let grouped;
        let whole = if self.whole.is_empty() || (groups.sizes.is_empty() && min_width == 0) {
            self.whole
        } else {
            grouped = groups.group(self.whole, min_width);
            &grouped
        };
        let padding = width.saturating_sub(others + wtf8::count(whole));
        let (left, middle) = match spec.align {
            b'>' => (padding, 0),
            b'^' => (padding / 2, 0),
            b'=' => (0, padding),
            _ => (0, 0),
        };
        wtf8::push_n(out, spec.fill, left);
        out.extend(sign);
        out.extend_from_slice(self.prefix);
        wtf8::push_n(out, spec.fill, middle);
        for part in [whole, self.point, fraction, self.rest] {
            out.extend_from_slice(part);
        }
        wtf8::push_n(out, spec.fill, padding - left - middle);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;

    fn show(out: Vec<u8>, r: TextResult<()>) -> String {
        match r {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(e) => e.msg,
        }
    }

    fn int(n: i64, spec: &str) -> String {
        let mut out = Vec::new();
        let r = format_int(
            &mut out,
            IntRef::Small(n),
            spec.as_bytes(),
            "int",
            &Locale::C,
            4300,
        );
        show(out, r)
    }

    fn float(x: f64, spec: &str) -> String {
        let mut out = Vec::new();
        let r = format_float(&mut out, x, spec.as_bytes(), "float", &Locale::C);
        show(out, r)
    }

    fn string(s: &str, spec: &str) -> String {
        let mut out = Vec::new();
        let r = format_str(&mut out, Text::from(s), spec.as_bytes(), "str");
        show(out, r)
    }

    fn complex(re: f64, im: f64, spec: &str) -> String {
        let mut out = Vec::new();
        let r = format_complex(&mut out, (re, im), spec.as_bytes(), "complex", &Locale::C);
        show(out, r)
    }

    #[test]
    fn ints() {
        for (n, spec, want) in [
            (1, "y", "Unknown format code 'y' for object of type 'int'"),
            (1, ",_", "Cannot specify both ',' and '_'."),
            (1, ",,", "Cannot specify ',' with ','."),
            (1, "__", "Cannot specify '_' with '_'."),
            (1, "_,", "Cannot specify both ',' and '_'."),
            (1, ",x", "Cannot specify ',' with 'x'."),
            (1, ",c", "Cannot specify ',' with 'c'."),
            (1, ".3", "Precision not allowed in integer format specifier"),
            (1, ".", "Format specifier missing precision"),
            (1, "10.d", "Format specifier missing precision"),
            (
                1,
                "z",
                "Negative zero coercion (z) not allowed in integer format specifier",
            ),
            (
                1,
                "+c",
                "Sign not allowed with integer format specifier 'c'",
            ),
            (
                1,
                "#c",
                "Alternate form (#) not allowed with integer format specifier 'c'",
            ),
            (
                1,
                "ddd",
                "Invalid format specifier 'ddd' for object of type 'int'",
            ),
            (
                1,
                "é",
                "Unknown format code '\\xe9' for object of type 'int'",
            ),
            (1, ",é", "Cannot specify ',' with '\\xe9'."),
            (-1, "c", "%c arg not in range(0x110000)"),
            (1, "٣d", "  1"),
            (1, "08,.2f", "0,001.00"),
            (1234567, "020,", "0,000,000,001,234,567"),
            (1234567, "020_x", "0_0000_0000_0012_d687"),
            (1234567, "021,", "0,000,000,001,234,567"),
            (1234567, "022,.2f", "000,000,001,234,567.00"),
            (1234567, ",", "1,234,567"),
            (-123, ",", "-123"),
            (1, "#b", "0b1"),
            (-5, "#010b", "-0b0000101"),
            (5, "^#9x", "   0x5   "),
            (5, "*=9d", "********5"),
            (-5, "é=4", "-éé5"),
            (65, "5c", "    A"),
            (65, "05c", "0000A"),
            (65, "<05c", "A0000"),
            (65, "^5c", "  A  "),
            (1, "n", "1"),
            (1, "e", "1.000000e+00"),
            (1, "%", "100.000000%"),
            (255, "#X", "0XFF"),
            (255, "_x", "ff"),
            (0xf_ffff_ffff, "#_X", "0XF_FFFF_FFFF"),
            (7, "+", "+7"),
            (7, " ", " 7"),
            (7, "", "7"),
            (
                7,
                "99999999999999999999",
                "Too many decimal digits in format string",
            ),
        ] {
            assert_eq!(int(n, spec), want, "{n} {spec}");
        }
        let mut out = Vec::new();
        let big = BigInt::from(10).pow(20);
        format_int(&mut out, IntRef::Big(&big), b"_", "int", &Locale::C, 0).unwrap();
        assert_eq!(out, b"100_000_000_000_000_000_000");
        let german = Locale {
            decimal_point: b",",
            thousands_sep: b".",
            grouping: b"\x03\x03\0",
        };
        let mut out = Vec::new();
        format_float(&mut out, 12345.5, b"n", "float", &german).unwrap();
        assert_eq!(out, b"12.345,5");
        assert!(
            int(1, "9000000000000000000").is_empty(),
            "MemoryError has no message"
        );
    }

    #[test]
    fn floats() {
        for (x, spec, want) in [
            (
                1.5,
                "d",
                "Unknown format code 'd' for object of type 'float'",
            ),
            (1.5, ".2147483648f", "precision too big"),
            (1.5, ",n", "Cannot specify ',' with 'n'."),
            (12345.678, "018,.2f", "000,000,012,345.68"),
            (12345.678, "017,.2f", "00,000,012,345.68"),
            (1e20, "_", "1e+20"),
            (f64::NAN, "010,", "0000000nan"),
            (-0.0, "z.1f", "0.0"),
            (-0.04, "z.1f", "0.0"),
            (-0.04, "z", "-0.04"),
            (-0.0, "z", "0.0"),
            (1e6, ".3", "1e+06"),
            (123456.0, ".5", "1.2346e+05"),
            (100.0, ".3", "1e+02"),
            (0.0, ".0", "0e+00"),
            (1.5, ".0", "2e+00"),
            (1.0, "", "1.0"),
            (1.0, "5", "  1.0"),
            (1.0, "<5", "1.0  "),
            (-1.0, "+08.2f", "-0001.00"),
            (0.25, "%", "25.000000%"),
            (0.25, ".0%", "25%"),
            (1234.5678, ",.2f", "1,234.57"),
            (1234.56789012, "_._f", "1_234.567_890"),
            (1234.56789012, ".8_f", "1234.567_890_12"),
            (1234.56789012, ".,", "1234.567,890,12"),
            (1234.56789012, "020_.8_f", "0_001_234.567_890_12"),
            (1.0, "._n", "Cannot specify '_' with 'n'."),
            (1.0, ".3_,f", "Cannot specify both ',' and '_'."),
            (f64::INFINITY, "F", "INF"),
        ] {
            assert_eq!(float(x, spec), want, "{x} {spec}");
        }
    }

    #[test]
    fn strings() {
        for (s, spec, want) in [
            ("a", "d", "Unknown format code 'd' for object of type 'str'"),
            ("a", ",", "Cannot specify ',' with 's'."),
            ("s", "_s", "Cannot specify '_' with 's'."),
            (
                "s",
                "_d",
                "Unknown format code 'd' for object of type 'str'",
            ),
            (
                "a",
                "=5",
                "'=' alignment not allowed in string format specifier",
            ),
            ("a", "+", "Sign not allowed in string format specifier"),
            ("a", " ", "Space not allowed in string format specifier"),
            (
                "a",
                "#",
                "Alternate form (#) not allowed in string format specifier",
            ),
            (
                "a",
                "z",
                "Negative zero coercion (z) not allowed in string format specifier",
            ),
            (
                "a",
                "é5x",
                "Invalid format specifier 'é5x' for object of type 'str'",
            ),
            ("é", "^4", " é  "),
            ("éab", ".2", "éa"),
            ("a", "05", "a0000"),
            ("a", "é>3s", "ééa"),
            ("abc", "2", "abc"),
        ] {
            assert_eq!(string(s, spec), want, "{s} {spec}");
        }
    }

    #[test]
    fn complexes() {
        for (re, im, spec, want) in [
            (
                0.0,
                1.0,
                "05",
                "Zero padding is not allowed in complex format specifier",
            ),
            (
                0.0,
                1.0,
                "=5",
                "'=' alignment flag is not allowed in complex format specifier",
            ),
            (
                0.0,
                1.0,
                "%",
                "Unknown format code '%' for object of type 'complex'",
            ),
            (1.0, 2.0, ".3", "(1+2j)"),
            (1.0, 2.0, ">20", "              (1+2j)"),
            (1.0, 2.0, "+.2f", "+1.00+2.00j"),
            (0.0, 0.0, "10", "        0j"),
            (0.0, 1.0, "+", "+1j"),
            (1.0, -2.0, "f", "1.000000-2.000000j"),
            (1.0, f64::NAN, "", "(1+nanj)"),
        ] {
            assert_eq!(complex(re, im, spec), want, "{spec}");
        }
    }
}
