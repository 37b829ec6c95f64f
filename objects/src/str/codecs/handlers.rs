//! The standard error handlers as Python sees them: functions of a UnicodeError.

use super::*;
use crate::native::BuiltinFunction;
use crate::text::repr::push_escape;

/// What a handler is asked about.
struct Asked {
    object: Obj,
    encoding: Option<Obj>,
    start: usize,
    end: usize,
}

/// The exceptions that a handler may know.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Encode,
    Decode,
    Translate,
}

fn kind_of(exc: Value) -> Option<Kind> {
    let ty = type_of(exc);
    if ty.is_subtype(&errors::UNICODE_ENCODE_ERROR) {
        Some(Kind::Encode)
    } else if ty.is_subtype(&errors::UNICODE_DECODE_ERROR) {
        Some(Kind::Decode)
    } else if ty.is_subtype(&errors::UNICODE_TRANSLATE_ERROR) {
        Some(Kind::Translate)
    } else {
        None
    }
}

impl Asked {
    fn new(t: &mut Thread, exc: Value, kind: Kind) -> Res<Asked> {
        let object = proto::get_attr(t, exc, crate::id!(t, "object"))?;
        let len = match (kind, Bytes::of(object.value()), Str::of(object.value())) {
            (Kind::Decode, Some(b), _) => b.len(),
            (Kind::Encode | Kind::Translate, _, Some(s)) => s.len(),
            (Kind::Decode, ..) => return Err(t.type_error("object attribute must be bytes".into())),
            _ => return Err(t.type_error("object attribute must be str".into())),
        };
        let start = proto::get_attr(t, exc, crate::id!(t, "start"))?;
        let end = proto::get_attr(t, exc, crate::id!(t, "end"))?;
        let clamp = |o: &Obj| {
            crate::int::as_i64(o.value())
                .unwrap_or(0)
                .clamp(0, len as i64) as usize
        };
        let start = clamp(&start).min(len.saturating_sub(1));
        let end = clamp(&end).max(1.min(len));
        let encoding = match kind {
            Kind::Translate => None,
            _ => Some(proto::get_attr(t, exc, crate::id!(t, "encoding"))?),
        };
        Ok(Asked {
            object,
            encoding,
            start,
            end: end.max(start),
        })
    }

    fn chars(&self) -> Text<'_> {
        part(Str::this(self.object.value()), self.start, self.end)
    }

    fn bytes(&self) -> &[u8] {
        let b = Bytes::this(self.object.value()).as_slice();
        &b[self.start.min(b.len())..self.end.min(b.len())]
    }

    /// The codec, for the handlers that look at it.
    fn codec(&self) -> Option<Encoding> {
        let name = Str::of(self.encoding.as_ref()?.value())?.as_str()?;
        Encoding::parse(name)
    }
}

#[cold]
fn wrong_exception(t: &Thread, exc: Value) -> Raised {
    let got = type_of(exc).name();
    t.type_error(format!("don't know how to handle {got} in error callback"))
}

/// `(new, at)`
fn answer(t: &Thread, new: Obj, at: usize) -> Res {
    Ok(Tuple::from_vec(t, vec![new, Obj::from_raw(Value::int(at as i64))]).into())
}

fn answer_text(t: &Thread, new: Vec<u8>, at: usize) -> Res {
    let new = Str::from_vec(t, new);
    answer(t, new, at)
}

fn raise(t: &Thread, exc: Value) -> Res {
    let exc = Obj::new(t, exc);
    Err(t.raise_value(exc))
}

fn strict(t: &mut Thread, a: &[Value]) -> Res {
    if !errors::is_exception(a[0]) {
        return Err(t.type_error("codec must pass exception instance".into()));
    }
    raise(t, a[0])
}

fn ignore(t: &mut Thread, a: &[Value]) -> Res {
    let Some(kind) = kind_of(a[0]) else {
        return Err(wrong_exception(t, a[0]));
    };
    let asked = Asked::new(t, a[0], kind)?;
    answer_text(t, Vec::new(), asked.end)
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let Some(kind) = kind_of(a[0]) else {
        return Err(wrong_exception(t, a[0]));
    };
    let asked = Asked::new(t, a[0], kind)?;
    let mut out = Vec::new();
    match kind {
        Kind::Encode => wtf8::push_n(&mut out, 0x3F, asked.end - asked.start),
        Kind::Decode => wtf8::push(&mut out, 0xFFFD),
        Kind::Translate => wtf8::push_n(&mut out, 0xFFFD, asked.end - asked.start),
    }
    answer_text(t, out, asked.end)
}

fn xml_char_ref_replace(t: &mut Thread, a: &[Value]) -> Res {
    by_character(t, a, |cp, out| {
        out.extend_from_slice(format!("&#{cp};").as_bytes())
    })
}

fn name_replace(t: &mut Thread, a: &[Value]) -> Res {
    by_character(t, a, |cp, out| match character_name(cp) {
        Some(name) => out.extend_from_slice(format!("\\N{{{name}}}").as_bytes()),
        None => push_escape(out, cp),
    })
}

fn by_character(t: &mut Thread, a: &[Value], f: fn(u32, &mut Vec<u8>)) -> Res {
    if kind_of(a[0]) != Some(Kind::Encode) {
        return Err(wrong_exception(t, a[0]));
    }
    let asked = Asked::new(t, a[0], Kind::Encode)?;
    let mut out = Vec::new();
    asked.chars().code_points().for_each(|cp| f(cp, &mut out));
    answer_text(t, out, asked.end)
}

fn backslash_replace(t: &mut Thread, a: &[Value]) -> Res {
    let Some(kind) = kind_of(a[0]) else {
        return Err(wrong_exception(t, a[0]));
    };
    let asked = Asked::new(t, a[0], kind)?;
    let mut out = Vec::new();
    match kind {
        Kind::Decode => asked
            .bytes()
            .iter()
            .for_each(|&b| push_escape(&mut out, u32::from(b))),
        _ => asked
            .chars()
            .code_points()
            .for_each(|cp| push_escape(&mut out, cp)),
    }
    answer_text(t, out, asked.end)
}

fn surrogate_pass(t: &mut Thread, a: &[Value]) -> Res {
    let kind = match kind_of(a[0]) {
        Some(kind @ (Kind::Encode | Kind::Decode)) => kind,
        _ => return Err(wrong_exception(t, a[0])),
    };
    let asked = Asked::new(t, a[0], kind)?;
    let codec = match asked.codec() {
        None | Some(Encoding::Ascii | Encoding::Latin1) => return raise(t, a[0]),
        Some(codec) => codec,
    };
    let mut out = Vec::new();
    if kind == Kind::Encode {
        for cp in asked.chars().code_points() {
            if !wtf8::is_surrogate(cp) {
                return raise(t, a[0]);
            }
            codec_wide::push_unit(codec, cp, &mut out);
        }
        let new = Bytes::from_vec(t, out);
        return answer(t, new, asked.end);
    }
    let input = Bytes::this(asked.object.value()).as_slice();
    let fault = Fault {
        encoding: codec,
        start: asked.start,
        end: asked.end,
        reason: "",
    };
    match codec::handle_decode(Errors::SurrogatePass, input, &fault, &mut out) {
        Some(next) => answer_text(t, out, next),
        None => raise(t, a[0]),
    }
}

fn surrogate_escape(t: &mut Thread, a: &[Value]) -> Res {
    let mut out = Vec::new();
    match kind_of(a[0]) {
        Some(Kind::Encode) => {
            let asked = Asked::new(t, a[0], Kind::Encode)?;
            for cp in asked.chars().code_points() {
                if !(0xDC80..0xDD00).contains(&cp) {
                    return raise(t, a[0]);
                }
                out.push((cp - 0xDC00) as u8);
            }
            let new = Bytes::from_vec(t, out);
            answer(t, new, asked.end)
        }
        Some(Kind::Decode) => {
            let asked = Asked::new(t, a[0], Kind::Decode)?;
            let mut n = 0;
            for &b in asked.bytes().iter().take(4).take_while(|b| **b >= 0x80) {
                wtf8::push(&mut out, 0xDC00 + u32::from(b));
                n += 1;
            }
            if n == 0 {
                return raise(t, a[0]);
            }
            answer_text(t, out, asked.start + n)
        }
        _ => Err(wrong_exception(t, a[0])),
    }
}

/// Name and function of each standard handler.
pub static DEFS: [(&str, NativeDef); 8] = [
    (
        "strict",
        NativeDef::new("strict_errors", "(exception, /)", strict),
    ),
    (
        "ignore",
        NativeDef::new("ignore_errors", "(exception, /)", ignore),
    ),
    (
        "replace",
        NativeDef::new("replace_errors", "(exception, /)", replace),
    ),
    (
        "xmlcharrefreplace",
        NativeDef::new(
            "xmlcharrefreplace_errors",
            "(exception, /)",
            xml_char_ref_replace,
        ),
    ),
    (
        "backslashreplace",
        NativeDef::new(
            "backslashreplace_errors",
            "(exception, /)",
            backslash_replace,
        ),
    ),
    (
        "namereplace",
        NativeDef::new("namereplace_errors", "(exception, /)", name_replace),
    ),
    (
        "surrogatepass",
        NativeDef::new("surrogatepass", "(exception, /)", surrogate_pass),
    ),
    (
        "surrogateescape",
        NativeDef::new("surrogateescape", "(exception, /)", surrogate_escape),
    ),
];

/// Enters the standard handlers, where there is none of that name.
pub(super) fn install(t: &Thread) {
    let registry = REGISTRY.of(t);
    if registry.standard.load(Acquire) {
        return;
    }
    for (name, def) in &DEFS {
        let f = BuiltinFunction::new_function(t, def, Value::NULL);
        let entry = registry.handlers.entry(name.as_bytes().to_vec());
        entry.or_insert_with(|| global(t, f.value()));
    }
    registry.standard.store(true, Release);
}

/// The name of a character in the Unicode database.
pub fn character_name(cp: u32) -> Option<String> {
    unicode_names2::name(char::from_u32(cp)?).map(|n| n.to_string())
}

/// The character of that name, or of one of its aliases.
pub fn character_named(name: &str) -> Option<char> {
    unicode_names2::character(name)
}
