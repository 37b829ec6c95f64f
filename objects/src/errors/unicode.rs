//! The exceptions of the codecs.

use super::*;

// Fields of the three subclasses of UnicodeError (UnicodeTranslateError has no encoding).
const ENCODING: usize = 0;
const OBJECT: usize = 1;
const START: usize = 2;
const END: usize = 3;
const REASON: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Encode,
    Decode,
    Translate,
}

/// Parses and stores the arguments.
fn init(t: &mut Thread, v: Value, args: Args<'_>, kind: Kind) -> Res<()> {
    base_init(t, v, args)?;
    let given = args.pos();
    let first = usize::from(kind == Kind::Translate);
    let expected = 5 - first;
    if given.len() != expected {
        let n = given.len();
        return Err(t.type_error(format!(
            "function takes exactly {expected} arguments ({n} given)"
        )));
    }
    let f = fields::<5>(v);
    let mut values = Vec::with_capacity(5);
    for (i, field) in (first..=REASON).enumerate() {
        let v = given[i];
        values.push(match field {
            START | END => {
                let n = proto::index_i64(t, v)?;
                Obj::own(crate::int::from_i64(t, n))
            }
            OBJECT if kind == Kind::Decode => Obj::new(t, v),
            _ if Str::of(v).is_none() => {
                let got = type_of(v).name();
                return Err(t.type_error(format!("argument {} must be str, not {got}", i + 1)));
            }
            _ => Obj::new(t, v),
        });
    }
    if kind == Kind::Decode && crate::bytes::Bytes::of(given[1]).is_none() {
        let b = crate::buffer::get(t, given[1])?;
        values[1] = crate::bytes::Bytes::new(t, b.as_bytes());
    }
    for (i, o) in values.iter().enumerate() {
        f.set(t, first + i, o.value());
    }
    Ok(())
}

fn start_end(v: Value) -> (i64, i64) {
    let f = fields::<5>(v);
    let n = |i| crate::int::as_i64(f.get(i)).unwrap_or(0);
    (n(START), n(END))
}

fn escaped(c: u32) -> String {
    match c {
        0..=0xff => format!("\\x{c:02x}"),
        0x100..=0xffff => format!("\\u{c:04x}"),
        _ => format!("\\U{c:08x}"),
    }
}

fn describe(t: &mut Thread, v: Value, kind: Kind) -> Res {
    let f = fields::<5>(v);
    if f.own(t, OBJECT).is_none() {
        return Ok(Str::new(t, "").into());
    }
    let none = || Obj::from_raw(Value::NONE);
    let mut out = Vec::new();
    if kind != Kind::Translate {
        let encoding = f.own(t, ENCODING).unwrap_or_else(none);
        out.push(b'\'');
        append(&mut out, &proto::str(t, encoding.value())?);
        out.extend_from_slice(b"' codec ");
    }
    let reason = f.own(t, REASON).unwrap_or_else(none);
    let reason = proto::str(t, reason.value())?;
    // What has been called may have changed it.
    let object = f.own(t, OBJECT).unwrap_or_else(none);
    let (start, end) = start_end(v);
    let single = |len: usize| {
        let at = usize::try_from(start).ok().filter(|s| *s < len);
        at.filter(|_| end == start + 1)
    };
    let one = match (kind, Str::of(object.value())) {
        (Kind::Decode, _) => match crate::bytes::Bytes::of(object.value()) {
            Some(b) => single(b.len()).map(|i| format!("byte 0x{:02x}", b.as_slice()[i])),
            None => return Err(t.type_error("object attribute must be bytes".into())),
        },
        (_, Some(s)) => single(s.len()).map(|i| format!("character '{}'", escaped(s.char_at(i)))),
        (_, None) => return Err(t.type_error("object attribute must be str".into())),
    };
    let (verb, many) = match kind {
        Kind::Encode => ("can't encode ", "characters"),
        Kind::Decode => ("can't decode ", "bytes"),
        Kind::Translate => ("can't translate ", "characters"),
    };
    out.extend_from_slice(verb.as_bytes());
    let what = match one {
        Some(one) => format!("{one} in position {start}"),
        None => format!("{many} in position {start}-{}", end - 1),
    };
    out.extend_from_slice(what.as_bytes());
    out.extend_from_slice(b": ");
    append(&mut out, &reason);
    Ok(Str::from_wtf8(t, &out).into())
}

fn put_number(t: &mut Thread, v: Value, new: Value, i: usize) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("can't delete numeric/char attribute".into()));
    }
    if crate::int::Int::of(new).is_none() {
        return Err(t.type_error("an integer is required".into()));
    }
    let n = proto::index_i64(t, new)?;
    let n = Obj::own(crate::int::from_i64(t, n));
    fields::<5>(v).set(t, i, n.value());
    Ok(())
}

const NUMBERS: &[GetSetDef] = &[
    GetSetDef::rw(
        "start",
        |t, v| Ok(crate::int::from_i64(t, start_end(v).0)),
        |t, v, new| put_number(t, v, new, START),
    ),
    GetSetDef::rw(
        "end",
        |t, v| Ok(crate::int::from_i64(t, start_end(v).1)),
        |t, v, new| put_number(t, v, new, END),
    ),
];

const MEMBERS: &[MemberDef] = &[
    member("encoding", ENCODING),
    member("object", OBJECT),
    member("reason", REASON),
];

exceptions! {
    UNICODE_ERROR = "UnicodeError", VALUE_ERROR, 0, "Unicode related error.";
}

macro_rules! codec_error {
    ($name:ident, $text:literal, $kind:expr, $doc:literal) => {
        #[doc = concat!("`", $text, "`")]
        pub static $name: Type = Type::builtin(
            $text,
            size_of::<Fields<5>>(),
            &Spec {
                init: Some(|t, v, args| init(t, v, args, $kind)),
                str: Some(|t, v| describe(t, v, $kind)),
                members: MEMBERS,
                getset: NUMBERS,
                ..Spec::EMPTY
            },
        )
        .base(&UNICODE_ERROR)
        .gc(traverse::<5>, clear::<5>)
        .flags(type_flags::EXCEPTION)
        .doc($doc);
    };
}

codec_error!(
    UNICODE_ENCODE_ERROR,
    "UnicodeEncodeError",
    Kind::Encode,
    "Unicode encoding error."
);
codec_error!(
    UNICODE_DECODE_ERROR,
    "UnicodeDecodeError",
    Kind::Decode,
    "Unicode decoding error."
);
codec_error!(
    UNICODE_TRANSLATE_ERROR,
    "UnicodeTranslateError",
    Kind::Translate,
    "Unicode translation error."
);

fn codec_exception(
    t: &Thread,
    ty: &Type,
    encoding: &str,
    object: Obj,
    start: usize,
    end: usize,
    reason: &str,
) -> Obj {
    let args = vec![
        Str::new(t, encoding),
        object,
        Obj::from_raw(Value::int(start as i64)),
        Obj::from_raw(Value::int(end as i64)),
        Str::new(t, reason),
    ];
    let e = new_exception(t, ty, args);
    let f = fields::<5>(e.value());
    let args = args_of(t, e.value());
    if let Some(a) = Tuple::of(args.value()) {
        for i in 0..a.len() {
            f.set(t, i, a.get(i));
        }
    }
    e
}

/// A UnicodeDecodeError about `object`, a bytes object.
pub fn unicode_decode_error(
    t: &Thread,
    encoding: &str,
    object: Obj,
    start: usize,
    end: usize,
    reason: &str,
) -> Obj {
    codec_exception(
        t,
        &UNICODE_DECODE_ERROR,
        encoding,
        object,
        start,
        end,
        reason,
    )
}

/// A UnicodeEncodeError about `object`, a str.
pub fn unicode_encode_error(
    t: &Thread,
    encoding: &str,
    object: Obj,
    start: usize,
    end: usize,
    reason: &str,
) -> Obj {
    codec_exception(
        t,
        &UNICODE_ENCODE_ERROR,
        encoding,
        object,
        start,
        end,
        reason,
    )
}
