//! Escapes: `unicode_escape`, `raw_unicode_escape`, and those of bytes literals.

use super::*;
use weft_objects::text::{repr, wtf8};

pub(super) fn unicode_encode(t: &mut Thread, a: &[Value]) -> Res {
    let s = str_argument(t, a[0], "unicode_escape_encode")?;
    errors_argument(t, a[1], "unicode_escape_encode")?;
    weft_objects::memory::room_for_repr(t, s.as_bytes())?;
    let mut out = Vec::with_capacity(s.as_bytes().len());
    for cp in wtf8::code_points(s.as_bytes()) {
        match cp {
            0x5C => out.extend_from_slice(b"\\\\"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            13 => out.extend_from_slice(b"\\r"),
            0x20..0x7F => out.push(cp as u8),
            _ => repr::push_escape(&mut out, cp),
        }
    }
    let out = Bytes::from_vec(t, out);
    Ok(result(t, out, s.len()))
}

pub(super) fn raw_encode(t: &mut Thread, a: &[Value]) -> Res {
    let s = str_argument(t, a[0], "raw_unicode_escape_encode")?;
    errors_argument(t, a[1], "raw_unicode_escape_encode")?;
    weft_objects::memory::room_for_repr(t, s.as_bytes())?;
    let mut out = Vec::with_capacity(s.as_bytes().len());
    for cp in wtf8::code_points(s.as_bytes()) {
        match cp {
            0..0x100 => out.push(cp as u8),
            _ => repr::push_escape(&mut out, cp),
        }
    }
    let out = Bytes::from_vec(t, out);
    Ok(result(t, out, s.len()))
}

/// What an escape stands for, and how many bytes it takes after the letter.
enum Escape {
    Char(u32),
    /// Nothing: a backslash before a line end.
    Empty,
    /// A backslash that means itself; the character that follows it.
    Literal(u8),
    /// `\400` and up.
    BigOctal(u32),
    Fault(&'static str),
    /// More input is needed.
    Incomplete(&'static str),
}

/// The digits of `\xNN` and the like: the value, and how many bytes were right.
fn hex(input: &[u8], want: usize) -> (u32, usize) {
    let digits = input
        .iter()
        .take(want)
        .map_while(|b| (*b as char).to_digit(16));
    digits.fold((0, 0), |(n, used), d| (n << 4 | d, used + 1))
}

fn hex_escape(rest: &[u8], want: usize, message: &'static str) -> (Escape, usize) {
    let (n, used) = hex(rest, want);
    let escape = match () {
        _ if used < want && used == rest.len() => Escape::Incomplete(message),
        _ if used < want => Escape::Fault(message),
        _ if n > 0x10_FFFF => Escape::Fault("illegal Unicode character"),
        _ => Escape::Char(n),
    };
    (escape, used)
}

/// The escape whose letter is `letter`, followed by `rest`.
fn escape(letter: u8, rest: &[u8]) -> (Escape, usize) {
    match letter {
        b'\n' => (Escape::Empty, 0),
        b'\\' | b'\'' | b'"' => (Escape::Char(letter.into()), 0),
        b'a' => (Escape::Char(7), 0),
        b'b' => (Escape::Char(8), 0),
        b't' => (Escape::Char(9), 0),
        b'n' => (Escape::Char(10), 0),
        b'v' => (Escape::Char(11), 0),
        b'f' => (Escape::Char(12), 0),
        b'r' => (Escape::Char(13), 0),
        b'0'..=b'7' => {
            let more = rest
                .iter()
                .take(2)
                .take_while(|b| matches!(b, b'0'..=b'7'))
                .count();
            let n = rest[..more].iter().fold(u32::from(letter - b'0'), |n, b| {
                n << 3 | u32::from(b - b'0')
            });
            (
                if n > 0xFF {
                    Escape::BigOctal(n)
                } else {
                    Escape::Char(n)
                },
                more,
            )
        }
        b'x' => hex_escape(rest, 2, "truncated \\xXX escape"),
        b'u' => hex_escape(rest, 4, "truncated \\uXXXX escape"),
        b'U' => hex_escape(rest, 8, "truncated \\UXXXXXXXX escape"),
        b'N' => named(rest),
        _ => (Escape::Literal(letter), 0),
    }
}

/// `\N{...}`
fn named(rest: &[u8]) -> (Escape, usize) {
    const MALFORMED: &str = "malformed \\N character escape";
    match rest.first() {
        None => return (Escape::Incomplete(MALFORMED), 0),
        Some(b'{') => {}
        Some(_) => return (Escape::Fault(MALFORMED), 0),
    }
    let Some(end) = rest.iter().position(|b| *b == b'}') else {
        return (Escape::Incomplete(MALFORMED), rest.len());
    };
    let name = &rest[1..end];
    if name.is_empty() {
        return (Escape::Fault(MALFORMED), end + 1);
    }
    let found = std::str::from_utf8(name)
        .ok()
        .and_then(codecs::handlers::character_named);
    match found {
        Some(c) => (Escape::Char(c.into()), end + 1),
        None => (Escape::Fault("unknown Unicode character name"), end + 1),
    }
}

pub(super) fn unicode_decode(t: &mut Thread, a: &[Value]) -> Res {
    let bytes = bytes_or_text(t, a[0])?;
    let errors = errors_argument(t, a[1], "unicode_escape_decode")?;
    let last = a[2].is_null() || proto::truth(t, a[2])?;
    let mut faults = Faults::new("unicodeescape", errors, bytes);
    let mut out = Vec::with_capacity(faults.bytes().len());
    let mut at = 0;
    let mut invalid: Option<String> = None;
    while at < faults.bytes().len() {
        let input = &faults.bytes()[at..];
        let plain = input
            .iter()
            .position(|b| *b == b'\\')
            .unwrap_or(input.len());
        input[..plain]
            .iter()
            .for_each(|b| wtf8::push(&mut out, u32::from(*b)));
        at += plain;
        let Some(&letter) = input.get(plain + 1) else {
            if plain == input.len() || !last {
                break;
            }
            at = faults.fault(t, &mut out, at, at + 1, "\\ at end of string")?;
            continue;
        };
        let (escape, used) = escape(letter, &input[plain + 2..]);
        let end = at + 2 + used;
        match escape {
            Escape::Char(cp) => wtf8::push(&mut out, cp),
            Escape::Empty => {}
            Escape::Literal(b) => {
                invalid.get_or_insert_with(|| {
                    format!("\"\\{}\" is an invalid escape sequence", b as char)
                });
                out.push(b'\\');
                wtf8::push(&mut out, u32::from(b));
            }
            Escape::BigOctal(n) => {
                invalid.get_or_insert_with(|| {
                    format!("\"\\{n:o}\" is an invalid octal escape sequence")
                });
                wtf8::push(&mut out, n);
            }
            Escape::Incomplete(_) if !last => break,
            Escape::Incomplete(reason) | Escape::Fault(reason) => {
                at = faults.fault(t, &mut out, at, end, reason)?;
                continue;
            }
        }
        at = end;
    }
    warn(t, invalid)?;
    let s = Str::from_vec(t, out);
    Ok(result(t, s, at))
}

pub(super) fn raw_decode(t: &mut Thread, a: &[Value]) -> Res {
    let bytes = bytes_or_text(t, a[0])?;
    let errors = errors_argument(t, a[1], "raw_unicode_escape_decode")?;
    let last = a[2].is_null() || proto::truth(t, a[2])?;
    let mut faults = Faults::new("rawunicodeescape", errors, bytes);
    let mut out = Vec::with_capacity(faults.bytes().len());
    let mut at = 0;
    while at < faults.bytes().len() {
        let input = &faults.bytes()[at..];
        let want = match input {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            [b'\\'] if !last => break,
            [b'\\', other, ..] => {
                // Backslashes come in pairs: the second does not begin an escape.
                out.push(b'\\');
                wtf8::push(&mut out, u32::from(*other));
                at += 2;
                continue;
            }
            _ => {
                wtf8::push(&mut out, u32::from(input[0]));
                at += 1;
                continue;
            }
        };
        let message = if want == 4 {
            "truncated \\uXXXX escape"
        } else {
            "truncated \\UXXXXXXXX escape"
        };
        let (escape, used) = hex_escape(&input[2..], want, message);
        let end = at + 2 + used;
        at = match escape {
            Escape::Char(cp) => {
                wtf8::push(&mut out, cp);
                end
            }
            Escape::Incomplete(_) if !last => break,
            Escape::Fault("illegal Unicode character") => {
                faults.fault(t, &mut out, at, end, "\\Uxxxxxxxx out of range")?
            }
            Escape::Incomplete(reason) | Escape::Fault(reason) => {
                faults.fault(t, &mut out, at, end, reason)?
            }
            _ => end,
        };
    }
    let s = Str::from_vec(t, out);
    Ok(result(t, s, at))
}

pub(super) fn bytes_encode(t: &mut Thread, a: &[Value]) -> Res {
    let Some(b) = Bytes::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "escape_encode() argument 1 must be bytes, not {got}"
        )));
    };
    errors_argument(t, a[1], "escape_encode")?;
    let mut out = Vec::with_capacity(b.len());
    for &b in b.as_slice() {
        match b {
            b'\\' | b'\'' => out.extend_from_slice(&[b'\\', b]),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x20..0x7F => out.push(b),
            _ => repr::push_escape(&mut out, u32::from(b)),
        }
    }
    let n = b.len();
    let out = Bytes::from_vec(t, out);
    Ok(result(t, out, n))
}

/// `escape_decode`: the escapes of bytes literals.
pub(super) fn bytes_decode(t: &mut Thread, a: &[Value]) -> Res {
    let bytes = bytes_or_text(t, a[0])?;
    let errors = errors_argument(t, a[1], "escape_decode")?;
    let input = Bytes::this(bytes.value()).as_slice();
    let mut out = Vec::with_capacity(input.len());
    let mut invalid: Option<String> = None;
    let mut at = 0;
    while at < input.len() {
        if input[at] != b'\\' {
            out.push(input[at]);
            at += 1;
            continue;
        }
        let Some(&letter) = input.get(at + 1) else {
            return Err(t.value_error("Trailing \\ in string"));
        };
        let (escape, used) = match letter {
            b'u' | b'U' | b'N' => (Escape::Literal(letter), 0),
            _ => escape(letter, &input[at + 2..]),
        };
        match escape {
            Escape::Char(c) => out.push(c as u8),
            Escape::BigOctal(n) => {
                invalid.get_or_insert_with(|| {
                    format!("\"\\{n:o}\" is an invalid octal escape sequence")
                });
                out.push(n as u8);
            }
            Escape::Empty => {}
            Escape::Literal(b) => {
                invalid.get_or_insert_with(|| {
                    format!("\"\\{}\" is an invalid escape sequence", b as char)
                });
                out.extend_from_slice(&[b'\\', b]);
            }
            Escape::Fault(_) | Escape::Incomplete(_) => match errors.and_then(Str::as_str) {
                None | Some("strict") => {
                    return Err(t.value_error(format!("invalid \\x escape at position {at}")));
                }
                Some("replace") => out.push(b'?'),
                Some("ignore") => {}
                Some(other) => {
                    let msg = format!("decoding error; unknown error handling code: {other}");
                    return Err(t.value_error(msg));
                }
            },
        }
        at += 2 + used;
    }
    warn(t, invalid)?;
    let n = input.len();
    let out = Bytes::from_vec(t, out);
    Ok(result(t, out, n))
}

/// Warns of the first escape that means nothing.
fn warn(t: &mut Thread, message: Option<String>) -> Res<()> {
    let Some(message) = message else {
        return Ok(());
    };
    let warnings = weft_objects::runtime::import(t, "warnings")?;
    let message = Str::from_string(t, message);
    let category = errors::DEPRECATION_WARNING.value();
    proto::call_method(t, warnings.value(), "warn", &[message.value(), category])?;
    Ok(())
}
