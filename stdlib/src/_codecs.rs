//! `_codecs`: the built-in codecs one by one, and the registries. Escapes, character maps and UTF-7 are in files of their own.

use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::str::codecs;
use weft_objects::text::codec::{Encoding, Endian};

mod charmap;
mod escape;
mod utf7;

const UTF16: Encoding = Encoding::Utf16(Endian::Native);
const UTF16_LE: Encoding = Encoding::Utf16(Endian::Little);
const UTF16_BE: Encoding = Encoding::Utf16(Endian::Big);
const UTF32: Encoding = Encoding::Utf32(Endian::Native);
const UTF32_LE: Encoding = Encoding::Utf32(Endian::Little);
const UTF32_BE: Encoding = Encoding::Utf32(Endian::Big);

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("register", "(search_function, /)", |t, a| {
        codecs::register(t, a[0])?;
        Ok(Value::NONE)
    }),
    NativeDef::new("unregister", "(search_function, /)", |t, a| {
        codecs::unregister(t, a[0]);
        Ok(Value::NONE)
    }),
    NativeDef::new("lookup", "(encoding, /)", |t, a| {
        let name = text(t, a[0], "lookup() argument")?;
        codecs::lookup(t, name).map(Obj::into_value)
    }),
    NativeDef::new(
        "encode",
        "(obj, encoding='utf-8', errors='strict')",
        |t, a| generic(t, a, true),
    ),
    NativeDef::new(
        "decode",
        "(obj, encoding='utf-8', errors='strict')",
        |t, a| generic(t, a, false),
    ),
    NativeDef::new("register_error", "(errors, handler, /)", |t, a| {
        let name = text(t, a[0], "register_error() argument 1")?;
        codecs::register_error(t, name, a[1])?;
        Ok(Value::NONE)
    }),
    NativeDef::new("_unregister_error", "(errors, /)", |t, a| {
        let name = text(t, a[0], "_unregister_error() argument")?;
        Ok(Value::bool(codecs::unregister_error(t, name)?))
    }),
    NativeDef::new("lookup_error", "(name, /)", |t, a| {
        let name = text(t, a[0], "lookup_error() argument")?;
        codecs::lookup_error(t, name).map(Obj::into_value)
    }),
    NativeDef::new("utf_8_encode", "(str, errors=None, /)", |t, a| {
        encode(t, a, "utf_8_encode", Encoding::Utf8)
    }),
    NativeDef::new(
        "utf_8_decode",
        "(data, errors=None, final=False, /)",
        |t, a| decode(t, a, a[2], "utf_8_decode", Encoding::Utf8),
    ),
    NativeDef::new("latin_1_encode", "(str, errors=None, /)", |t, a| {
        encode(t, a, "latin_1_encode", Encoding::Latin1)
    }),
    NativeDef::new("latin_1_decode", "(data, errors=None, /)", |t, a| {
        decode(t, a, Value::TRUE, "latin_1_decode", Encoding::Latin1)
    }),
    NativeDef::new("ascii_encode", "(str, errors=None, /)", |t, a| {
        encode(t, a, "ascii_encode", Encoding::Ascii)
    }),
    NativeDef::new("ascii_decode", "(data, errors=None, /)", |t, a| {
        decode(t, a, Value::TRUE, "ascii_decode", Encoding::Ascii)
    }),
    NativeDef::new(
        "utf_16_encode",
        "(str, errors=None, byteorder=0, /)",
        |t, a| {
            let codec = by_order(t, a[2], [UTF16_LE, UTF16, UTF16_BE])?;
            encode(t, a, "utf_16_encode", codec)
        },
    ),
    NativeDef::new("utf_16_le_encode", "(str, errors=None, /)", |t, a| {
        encode(t, a, "utf_16_le_encode", UTF16_LE)
    }),
    NativeDef::new("utf_16_be_encode", "(str, errors=None, /)", |t, a| {
        encode(t, a, "utf_16_be_encode", UTF16_BE)
    }),
    NativeDef::new(
        "utf_16_decode",
        "(data, errors=None, final=False, /)",
        |t, a| decode(t, a, a[2], "utf_16_decode", UTF16),
    ),
    NativeDef::new(
        "utf_16_le_decode",
        "(data, errors=None, final=False, /)",
        |t, a| decode(t, a, a[2], "utf_16_le_decode", UTF16_LE),
    ),
    NativeDef::new(
        "utf_16_be_decode",
        "(data, errors=None, final=False, /)",
        |t, a| decode(t, a, a[2], "utf_16_be_decode", UTF16_BE),
    ),
    NativeDef::new(
        "utf_16_ex_decode",
        "(data, errors=None, byteorder=0, final=False, /)",
        |t, a| {
            let codec = by_order(t, a[2], [UTF16_LE, UTF16, UTF16_BE])?;
            decode_with_order(t, a, "utf_16_ex_decode", codec)
        },
    ),
    NativeDef::new(
        "utf_32_encode",
        "(str, errors=None, byteorder=0, /)",
        |t, a| {
            let codec = by_order(t, a[2], [UTF32_LE, UTF32, UTF32_BE])?;
            encode(t, a, "utf_32_encode", codec)
        },
    ),
    NativeDef::new("utf_32_le_encode", "(str, errors=None, /)", |t, a| {
        encode(t, a, "utf_32_le_encode", UTF32_LE)
    }),
    NativeDef::new("utf_32_be_encode", "(str, errors=None, /)", |t, a| {
        encode(t, a, "utf_32_be_encode", UTF32_BE)
    }),
    NativeDef::new(
        "utf_32_decode",
        "(data, errors=None, final=False, /)",
        |t, a| decode(t, a, a[2], "utf_32_decode", UTF32),
    ),
    NativeDef::new(
        "utf_32_le_decode",
        "(data, errors=None, final=False, /)",
        |t, a| decode(t, a, a[2], "utf_32_le_decode", UTF32_LE),
    ),
    NativeDef::new(
        "utf_32_be_decode",
        "(data, errors=None, final=False, /)",
        |t, a| decode(t, a, a[2], "utf_32_be_decode", UTF32_BE),
    ),
    NativeDef::new(
        "utf_32_ex_decode",
        "(data, errors=None, byteorder=0, final=False, /)",
        |t, a| {
            let codec = by_order(t, a[2], [UTF32_LE, UTF32, UTF32_BE])?;
            decode_with_order(t, a, "utf_32_ex_decode", codec)
        },
    ),
    NativeDef::new("utf_7_encode", "(str, errors=None, /)", utf7::encode),
    NativeDef::new(
        "utf_7_decode",
        "(data, errors=None, final=False, /)",
        utf7::decode,
    ),
    NativeDef::new(
        "unicode_escape_encode",
        "(str, errors=None, /)",
        escape::unicode_encode,
    ),
    NativeDef::new(
        "unicode_escape_decode",
        "(data, errors=None, final=True, /)",
        escape::unicode_decode,
    ),
    NativeDef::new(
        "raw_unicode_escape_encode",
        "(str, errors=None, /)",
        escape::raw_encode,
    ),
    NativeDef::new(
        "raw_unicode_escape_decode",
        "(data, errors=None, final=True, /)",
        escape::raw_decode,
    ),
    NativeDef::new(
        "escape_encode",
        "(data, errors=None, /)",
        escape::bytes_encode,
    ),
    NativeDef::new(
        "escape_decode",
        "(data, errors=None, /)",
        escape::bytes_decode,
    ),
    NativeDef::new(
        "charmap_encode",
        "(str, errors=None, mapping=None, /)",
        charmap::encode,
    ),
    NativeDef::new(
        "charmap_decode",
        "(data, errors=None, mapping=None, /)",
        charmap::decode,
    ),
    NativeDef::new("charmap_build", "(map, /)", charmap::build),
    NativeDef::new("readbuffer_encode", "(data, errors=None, /)", |t, a| {
        let bytes = bytes_or_text(t, a[0])?;
        let n = Bytes::this(bytes.value()).len();
        Ok(result(t, bytes, n))
    }),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = Module::new(t, "_codecs");
    if let Some(module) = Module::of(m.value()) {
        module.add_functions(t, FUNCTIONS);
    }
    Ok(m)
}

/// A str argument without null characters.
fn text<'a>(t: &mut Thread, v: Value, what: &str) -> Res<&'a Str> {
    match Str::of(v) {
        Some(s) if s.as_bytes().contains(&0) => Err(t.value_error("embedded null character")),
        Some(s) => Ok(s),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("{what} must be str, not {got}")))
        }
    }
}

/// An argument `errors`, which may be None.
fn errors_argument<'a>(t: &mut Thread, v: Value, f: &str) -> Res<Option<&'a Str>> {
    if v.is_null() || v.is_none() {
        return Ok(None);
    }
    match Str::of(v) {
        Some(s) => Ok(Some(s)),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("{f}() argument 2 must be str or None, not {got}")))
        }
    }
}

/// The bytes of a bytes-like argument, as a bytes object.
fn bytes_argument(t: &mut Thread, v: Value) -> Res<Obj> {
    if Bytes::of(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    let b = buffer::get(t, v)?;
    Ok(Bytes::new(t, b.as_bytes()))
}

/// The same, also of a str, whose UTF-8 it is.
fn bytes_or_text(t: &mut Thread, v: Value) -> Res<Obj> {
    if Str::of(v).is_some() {
        let out = codecs::encode(t, Encoding::Utf8, v, None)?;
        return Ok(Bytes::from_vec(t, out));
    }
    bytes_argument(t, v)
}

/// `(o, n)`
fn result(t: &Thread, o: Obj, n: usize) -> Value {
    let n = Obj::own(weft_objects::int::from_usize(t, n));
    Tuple::from_vec(t, vec![o, n]).into()
}

fn by_order(t: &mut Thread, v: Value, codecs: [Encoding; 3]) -> Res<Encoding> {
    let order = weft_objects::str::index::c_int(t, v, 0)?;
    Ok(codecs[(order.signum() + 1) as usize])
}

fn str_argument<'a>(t: &mut Thread, v: Value, f: &str) -> Res<&'a Str> {
    match Str::of(v) {
        Some(s) => Ok(s),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("{f}() argument 1 must be str, not {got}")))
        }
    }
}

fn encode(t: &mut Thread, a: &[Value], f: &str, codec: Encoding) -> Res {
    let s = str_argument(t, a[0], f)?;
    let errors = errors_argument(t, a[1], f)?;
    let out = codecs::encode(t, codec, a[0], errors)?;
    let out = Bytes::from_vec(t, out);
    Ok(result(t, out, s.len()))
}

fn decode(t: &mut Thread, a: &[Value], last: Value, f: &str, codec: Encoding) -> Res {
    let bytes = bytes_argument(t, a[0])?;
    let errors = errors_argument(t, a[1], f)?;
    let last = !last.is_null() && proto::truth(t, last)?;
    let d = codecs::decode(t, codec, bytes.value(), errors, last)?;
    let s = Str::from_vec(t, d.text);
    Ok(result(t, s, d.consumed))
}

/// `utf_16_ex_decode`, `utf_32_ex_decode`: also gives the byte order in force.
fn decode_with_order(t: &mut Thread, a: &[Value], f: &str, codec: Encoding) -> Res {
    let bytes = bytes_argument(t, a[0])?;
    let errors = errors_argument(t, a[1], f)?;
    let last = !a[3].is_null() && proto::truth(t, a[3])?;
    let has_mark = {
        let input = Bytes::this(bytes.value()).as_slice();
        weft_objects::text::codec_wide::settle(codec, input, false).1 > 0
    };
    let d = codecs::decode(t, codec, bytes.value(), errors, last)?;
    // Without a mark the order stays undecided.
    let decided = if has_mark { d.encoding } else { codec };
    let order = match decided {
        Encoding::Utf16(Endian::Little) | Encoding::Utf32(Endian::Little) => -1,
        Encoding::Utf16(Endian::Big) | Encoding::Utf32(Endian::Big) => 1,
        _ => 0,
    };
    let s = Str::from_vec(t, d.text);
    let n = Obj::own(weft_objects::int::from_usize(t, d.consumed));
    Ok(Tuple::from_vec(t, vec![s, n, Obj::from_raw(Value::int(order))]).into())
}

/// `codecs.encode`, `codecs.decode`
fn generic(t: &mut Thread, a: &[Value], encode: bool) -> Res {
    let f = if encode {
        "encode() argument 'encoding'"
    } else {
        "decode() argument 'encoding'"
    };
    let encoding = if a[1].is_null() {
        weft_objects::id!(t, "utf-8")
    } else {
        text(t, a[1], f)?
    };
    let errors = if a[2].is_null() {
        None
    } else {
        Some(text(t, a[2], &f.replace("encoding'", "errors'"))?)
    };
    let result = if encode {
        codecs::encode_object(t, a[0], encoding, errors)
    } else {
        codecs::decode_object(t, a[0], encoding, errors)
    };
    result.map(Obj::into_value)
}

/// Decoding with the help of an error handler, which may exchange the input.
struct Faults<'a> {
    encoding: &'static str,
    errors: Option<&'a Str>,
    handler: Option<Obj>,
    input: Obj,
}

impl<'a> Faults<'a> {
    fn new(encoding: &'static str, errors: Option<&'a Str>, input: Obj) -> Faults<'a> {
        Faults {
            encoding,
            errors,
            handler: None,
            input,
        }
    }

    fn bytes(&self) -> &[u8] {
        Bytes::this(self.input.value()).as_slice()
    }

    /// Asks the handler about the bytes from `start` to `end`: appends what it gives, and tells where to go on.
    #[cold]
    fn fault(
        &mut self,
        t: &mut Thread,
        out: &mut Vec<u8>,
        start: usize,
        end: usize,
        reason: &str,
    ) -> Res<usize> {
        let exc =
            errors::unicode_decode_error(t, self.encoding, self.input.clone(), start, end, reason);
        let (new, next, input) =
            codecs::call_decode_handler(t, &mut self.handler, self.errors, exc.value())?;
        out.extend_from_slice(Str::this(new.value()).as_bytes());
        self.input = input;
        Ok(next)
    }
}
