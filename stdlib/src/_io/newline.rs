//! Newline translation, and `IncrementalNewlineDecoder`.

use crate::support::{self, Count};
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::prelude::*;

pub const SEEN_CR: u32 = 1;
pub const SEEN_LF: u32 = 2;
pub const SEEN_CRLF: u32 = 4;

/// Which kinds of line ends the text has.
pub fn kinds_of(text: &[u8]) -> u32 {
    let mut seen = 0;
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b'\n' => seen |= SEEN_LF,
            b'\r' if text.get(i + 1) == Some(&b'\n') => {
                seen |= SEEN_CRLF;
                i += 1;
            }
            b'\r' => seen |= SEEN_CR,
            _ => {}
        }
        i += 1;
    }
    seen
}

/// Turns `\r\n` and `\r` into `\n`.
pub fn translate(text: Vec<u8>) -> Vec<u8> {
    if !text.contains(&b'\r') {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        if text[i] == b'\r' {
            out.push(b'\n');
            i += if text.get(i + 1) == Some(&b'\n') {
                2
            } else {
                1
            };
        } else {
            out.push(text[i]);
            i += 1;
        }
    }
    out
}

/// Writes `\n` as another line end.
pub fn with_ends(text: &[u8], end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    for (i, line) in text.split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            out.extend_from_slice(end);
        }
        out.extend_from_slice(line);
    }
    out
}

/// The `newlines` attribute for the kinds that have been seen.
pub fn newlines(t: &Thread, seen: u32) -> Value {
    let kinds = [(SEEN_CR, "\r"), (SEEN_LF, "\n"), (SEEN_CRLF, "\r\n")];
    let mut found: Vec<Obj> = kinds
        .iter()
        .filter(|(k, _)| seen & k != 0)
        .map(|(_, s)| Str::new(t, s))
        .collect();
    match found.len() {
        0 => Value::NONE,
        1 => found.pop().map_or(Value::NONE, Obj::into_value),
        _ => Tuple::from_vec(t, found).into(),
    }
}

/// `io.IncrementalNewlineDecoder`
#[repr(C)]
struct Decoder {
    header: Header,
    /// An incremental decoder, or None.
    decoder: Slot,
    errors: Slot,
    translate: Count,
    pending_cr: Count,
    seen: Count,
}

gc_slots!(Decoder, traverse, clear, decoder, errors);

fn this<'a>(v: Value) -> &'a Decoder {
    // SAFETY: slots and methods of the type get its instances alone.
    unsafe { &*(v.ptr() as *const Decoder) }
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is the type or a subclass.
    Ok(unsafe { fresh::<Decoder>(t, Type::of_unchecked(cls)) }
        .0
        .into())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "IncrementalNewlineDecoder",
        "(decoder, translate, errors='strict')",
    );
    let a = SIG.bind(t, args)?;
    let translate = proto::truth(t, a[1])?;
    let d = this(v);
    d.decoder.set(t, &d.header, Obj::new(t, a[0]).into());
    let errors = support::given(t, a[2]).unwrap_or_else(|| Str::intern(t, "strict"));
    d.errors.set(t, &d.header, errors.into());
    d.translate.set(translate as u64);
    d.pending_cr.set(0);
    d.seen.set(0);
    Ok(())
}

fn decoder(t: &mut Thread, d: &Decoder) -> Res<Option<Obj>> {
    match own(t, &d.decoder) {
        Some(o) if o.value().is_none() => Ok(None),
        Some(o) => Ok(Some(o)),
        None => Err(t.value_error("IncrementalNewlineDecoder.__init__() not called")),
    }
}

fn decode(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let last = support::truth_or(t, a[2], false)?;
    let out = match decoder(t, d)? {
        Some(inner) => proto::call_method(t, inner.value(), "decode", &[a[1], Value::bool(last)])?,
        None => Obj::new(t, a[1]),
    };
    let Some(s) = Str::of(out.value()) else {
        let got = type_of(out.value()).name();
        return Err(t.type_error(format!(
            "decoder should return a string result, not '{got}'"
        )));
    };
    let mut text = s.as_bytes().to_vec();
    if d.pending_cr.get() != 0 && (!text.is_empty() || last) {
        text.insert(0, b'\r');
        d.pending_cr.set(0);
    }
    // A `\r` at the end may be half of a `\r\n`.
    if !last && text.last() == Some(&b'\r') {
        text.pop();
        d.pending_cr.set(1);
    }
    d.seen.set(d.seen.get() | kinds_of(&text) as u64);
    if d.translate.get() != 0 {
        text = translate(text);
    }
    Ok(Str::from_vec(t, text).into())
}

fn getstate(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let (buffer, mut flag) = match decoder(t, d)? {
        None => (weft_objects::bytes::Bytes::new(t, b""), 0),
        Some(inner) => {
            let state = proto::call_method(t, inner.value(), "getstate", &[])?;
            let Some(pair) = Tuple::of(state.value()).filter(|p| p.len() == 2) else {
                return Err(t.type_error("illegal decoder state".into()));
            };
            let (buffer, flag) = (Obj::new(t, pair.get(0)), Obj::new(t, pair.get(1)));
            (buffer, proto::index_i64(t, flag.value())?)
        }
    };
    flag = flag << 1 | d.pending_cr.get() as i64;
    let flag = support::int_obj(t, flag);
    Ok(Tuple::pair(t, buffer, flag).into())
}

fn setstate(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let Some(pair) = Tuple::of(a[1]).filter(|p| p.len() == 2) else {
        return Err(t.type_error("state argument must be a tuple".into()));
    };
    let (buffer, flag) = (Obj::new(t, pair.get(0)), Obj::new(t, pair.get(1)));
    let flag = proto::index_i64(t, flag.value())?;
    d.pending_cr.set((flag & 1) as u64);
    if let Some(inner) = decoder(t, d)? {
        let flag = support::int_obj(t, flag >> 1);
        let state = Tuple::pair(t, buffer, flag);
        return proto::call_method(t, inner.value(), "setstate", &[state.value()])
            .map(Obj::into_value);
    }
    Ok(Value::NONE)
}

fn reset(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let inner = decoder(t, d)?;
    d.seen.set(0);
    d.pending_cr.set(0);
    match inner {
        Some(inner) => proto::call_method(t, inner.value(), "reset", &[]).map(Obj::into_value),
        None => Ok(Value::NONE),
    }
}

fn get_newlines(t: &mut Thread, v: Value) -> Res {
    let d = this(v);
    decoder(t, d)?;
    Ok(newlines(t, d.seen.get() as u32))
}

/// `_io.IncrementalNewlineDecoder`
pub static INCREMENTAL_NEWLINE_DECODER: Type = Type::builtin(
    "IncrementalNewlineDecoder",
    size_of::<Decoder>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        methods: &[
            NativeDef::new("decode", "($self, /, input, final=False)", decode),
            NativeDef::new("getstate", "($self, /)", getstate),
            NativeDef::new("setstate", "($self, state, /)", setstate),
            NativeDef::new("reset", "($self, /)", reset),
        ],
        getset: &[GetSetDef::ro("newlines", get_newlines)],
        ..Spec::EMPTY
    },
)
.module("_io")
.gc(traverse, clear)
.doc("Codec used when reading a file in universal newlines mode.");
