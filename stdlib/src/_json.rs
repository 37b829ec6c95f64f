//! `_json`: the scanner in `_json/scanner.rs`, the encoder in `_json/encoder.rs`, strings here.

mod encoder;
mod scanner;

use crate::support;
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::text::wtf8;

/// Raises `json.JSONDecodeError`; `at` is an offset in bytes.
#[cold]
fn decode_error(t: &mut Thread, msg: &str, doc: &Str, at: usize) -> Raised {
    let r = runtime::import(t, "json.decoder").and_then(|m| {
        let cls = proto::get_attr(t, m.value(), weft_objects::id!(t, "JSONDecodeError"))?;
        let msg = Str::new(t, msg);
        let at = Value::int(doc.index_of(at) as i64);
        proto::call(t, cls.value(), &[msg.value(), doc.value(), at])
    });
    match r {
        Ok(exc) => t.raise_value(exc),
        Err(e) => e,
    }
}

/// Four hexadecimal digits.
fn hex4(b: &[u8]) -> Option<u32> {
    let digits = b.get(..4)?;
    let mut n = 0;
    for d in digits {
        n = n * 16 + (*d as char).to_digit(16)?;
    }
    Some(n)
}

/// The string that begins behind the quote before `start`: where it ends (behind the closing quote), and its text if that is not
/// simply what lies between.
fn scan_string(
    t: &mut Thread,
    doc: &Str,
    start: usize,
    strict: bool,
) -> Res<(Option<Vec<u8>>, usize)> {
    let b = doc.as_bytes();
    let mut out: Option<Vec<u8>> = None;
    let mut from = start;
    let mut i = start;
    let unterminated =
        |t: &mut Thread| decode_error(t, "Unterminated string starting at", doc, start - 1);
    loop {
        while i < b.len() && b[i] != b'"' && b[i] != b'\\' && b[i] >= 0x20 {
            i += 1;
        }
        match b.get(i) {
            None => return Err(unterminated(t)),
            Some(b'"') => {
                if let Some(o) = &mut out {
                    o.extend_from_slice(&b[from..i]);
                }
                return Ok((out, i + 1));
            }
            Some(b'\\') => {
                let o = out.get_or_insert_with(Vec::new);
                o.extend_from_slice(&b[from..i]);
                i += 1;
                let Some(c) = b.get(i) else {
                    return Err(unterminated(t));
                };
                i += 1;
                match c {
                    b'"' | b'\\' | b'/' => o.push(*c),
                    b'b' => o.push(8),
                    b'f' => o.push(12),
                    b'n' => o.push(b'\n'),
                    b'r' => o.push(b'\r'),
                    b't' => o.push(b'\t'),
                    b'u' => {
                        let Some(mut cp) = hex4(&b[i..]) else {
                            return Err(decode_error(t, "Invalid \\uXXXX escape", doc, i - 1));
                        };
                        i += 4;
                        if (0xd800..0xdc00).contains(&cp)
                            && b[i..].starts_with(b"\\u")
                            && let Some(low @ 0xdc00..0xe000) = hex4(&b[i + 2..])
                        {
                            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
                            i += 6;
                        }
                        wtf8::push(o, cp);
                    }
                    _ => return Err(decode_error(t, "Invalid \\escape", doc, i - 2)),
                }
                from = i;
            }
            Some(_) if strict => {
                return Err(decode_error(t, "Invalid control character at", doc, i));
            }
            Some(_) => i += 1,
        }
    }
}

fn scanstring(t: &mut Thread, a: &[Value]) -> Res {
    let Some(doc) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("first argument must be a string, not {got}")));
    };
    let end = proto::index_i64(t, a[1])?;
    let strict = support::truth_or(t, a[2], true)?;
    if end < 0 || end as usize > doc.len() {
        return Err(t.value_error("end is out of bounds"));
    }
    let start = doc.offset(end as usize);
    let (text, end) = scan_string(t, doc, start.max(1), strict)?;
    let s = match text {
        Some(text) => Str::from_vec(t, text),
        None => Str::from_wtf8(t, &doc.as_bytes()[start..end - 1]),
    };
    let end = support::int_obj(t, doc.index_of(end) as i64);
    Ok(Tuple::pair(t, s, end).into())
}

/// Appends a JSON string literal.
fn push_string(t: &Thread, out: &mut Vec<u8>, text: &[u8], ascii: bool) -> Res<()> {
    weft_objects::memory::room_for_repr(t, text)?;
    weft_objects::memory::spare(t, out, text.len() + 2)?;
    out.push(b'"');
    let mut from = 0;
    let mut i = 0;
    while i < text.len() {
        let c = text[i];
        if c >= 0x20 && c != b'"' && c != b'\\' && (c < 0x7f || !ascii) {
            i += 1;
            continue;
        }
        out.extend_from_slice(&text[from..i]);
        i += 1;
        match c {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            0..0x20 => push_escape(out, c.into()),
            _ => {
                let (cp, n) = wtf8::decode_at(text, i - 1);
                i += n - 1;
                if cp >= 0x10000 {
                    let v = cp - 0x10000;
                    push_escape(out, 0xd800 | v >> 10);
                    push_escape(out, 0xdc00 | v & 0x3ff);
                } else {
                    push_escape(out, cp);
                }
            }
        }
        from = i;
    }
    out.extend_from_slice(&text[from..]);
    out.push(b'"');
    Ok(())
}

fn push_escape(out: &mut Vec<u8>, cp: u32) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(b"0123456789abcdef"[(cp >> shift & 15) as usize]);
    }
}

fn encode<const ASCII: bool>(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("first argument must be a string, not {got}")));
    };
    let mut out = Vec::new();
    push_string(t, &mut out, s.as_bytes(), ASCII)?;
    Ok(Str::from_vec(t, out).into())
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("scanstring", "(string, end, strict=True, /)", scanstring),
    NativeDef::new("encode_basestring", "(string, /)", encode::<false>),
    NativeDef::new("encode_basestring_ascii", "(string, /)", encode::<true>),
];

/// Which of the functions here `v` is: whether it writes ASCII only.
fn native_encoder(v: Value) -> Option<bool> {
    let f = weft_objects::native::BuiltinFunction::of(v)?.native.def;
    FUNCTIONS[1..]
        .iter()
        .find(|def| std::ptr::eq(*def, f))
        .map(|def| std::ptr::eq(def, &FUNCTIONS[2]))
}

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_json", "json speedups", FUNCTIONS);
    for (name, ty) in [
        ("make_scanner", &scanner::SCANNER),
        ("make_encoder", &encoder::ENCODER),
    ] {
        ty.ready(t);
        support::add(t, &m, name, Obj::new(t, ty.value()));
    }
    Ok(m)
}
