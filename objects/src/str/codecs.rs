//! Encoding and decoding: the built-in codecs with any error handler, and the registries of codecs and error handlers.

use crate::bytes::Bytes;
use crate::interpreter::{Part, PerInterpreter};
use crate::memory;
use crate::prelude::*;
use crate::text::codec::{self, Encoding, Errors, Fault, Position};
use crate::text::{Text, codec_wide, wtf8};
use dashmap::DashMap;
use parking_lot::Mutex;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering::*};

pub mod handlers;

/// What `codecs.register` was given, what the search functions have found, and error handlers. The words own counted references, to
/// published objects once there are threads.
struct Registry {
    search: Mutex<Vec<Value>>,
    found: LazyLock<DashMap<Vec<u8>, Value>>,
    handlers: LazyLock<DashMap<Vec<u8>, Value>>,
    /// Whether the standard handlers have been entered.
    standard: AtomicBool,
}

static REGISTRY: PerInterpreter<Registry> = PerInterpreter::new(Registry::new(), Registry::new);

impl Registry {
    const fn new() -> Registry {
        Registry {
            search: Mutex::new(Vec::new()),
            found: LazyLock::new(DashMap::new),
            handlers: LazyLock::new(DashMap::new),
            standard: AtomicBool::new(false),
        }
    }
}

impl Part for Registry {
    fn reset(&self, t: &Thread) {
        let mut gone = std::mem::take(&mut *self.search.lock());
        for table in [&self.found, &self.handlers] {
            table.retain(|_, v| {
                gone.push(*v);
                false
            });
        }
        self.standard.store(false, Release);
        gone.into_iter().for_each(|v| t.drop_value(v));
    }
}

/// A reference for a global: of a published object, as all threads will find it.
fn global(t: &Thread, v: Value) -> Value {
    let o = Obj::new(t, v);
    weft_gc::share(t, o.value());
    o.into_value()
}

/// `str.encode`: the built-in codecs directly, others through the registry.
pub fn encode_text(
    t: &mut Thread,
    s: Value,
    encoding: Option<&Str>,
    errors: Option<&Str>,
) -> Res<Obj> {
    check_handler(t, errors)?;
    let codec = match encoding {
        None => Some(Encoding::Utf8),
        Some(name) => name.as_str().and_then(Encoding::parse),
    };
    match (codec, encoding) {
        (Some(codec), _) => {
            let out = encode(t, codec, s, errors)?;
            Ok(Bytes::from_vec(t, out))
        }
        (None, Some(name)) => encode_by_registry(t, s, name, errors),
        (None, None) => Ok(Bytes::new(t, b"")),
    }
}

/// `bytes.decode` of a bytes-like object.
pub fn decode_text(
    t: &mut Thread,
    v: Value,
    encoding: Option<&Str>,
    errors: Option<&Str>,
) -> Res<Obj> {
    check_handler(t, errors)?;
    let codec = match encoding {
        None => Some(Encoding::Utf8),
        Some(name) => name.as_str().and_then(Encoding::parse),
    };
    let bytes = match Bytes::of(v) {
        Some(_) => Obj::new(t, v),
        None => {
            let b = crate::buffer::get_still(t, v)?;
            Bytes::from_vec(t, b.to_vec())
        }
    };
    match (codec, encoding) {
        (Some(codec), _) => {
            let input = Bytes::this(bytes.value()).as_slice();
            if codec == Encoding::Utf8
                && let Ok(s) = std::str::from_utf8(input)
            {
                return Ok(Str::new(t, s));
            }
            let decoded = decode(t, codec, bytes.value(), errors, true)?;
            Ok(Str::from_vec(t, decoded.text))
        }
        (None, Some(name)) => decode_by_registry(t, bytes.value(), name, errors),
        (None, None) => Ok(Str::empty(t)),
    }
}

/// In development mode a name that no error handler has is an error even where none is needed.
pub fn check_handler(t: &mut Thread, errors: Option<&Str>) -> Res<()> {
    match errors {
        Some(name) if crate::runtime::dev_mode() => lookup_error(t, name).map(drop),
        _ => Ok(()),
    }
}

/// What the name of an error handler means to the built-in codecs; `None` is one to look up.
fn builtin(errors: Option<&Str>) -> Option<Errors> {
    match errors {
        None => Some(Errors::Strict),
        Some(name) => Errors::parse(name.as_str()?),
    }
}

/// The name of a character for `\N{...}`.
fn name_of(cp: u32) -> Option<String> {
    handlers::character_name(cp)
}

/// Encodes a str with a built-in codec.
pub fn encode(t: &mut Thread, codec: Encoding, s: Value, errors: Option<&Str>) -> Res<Vec<u8>> {
    let text = Str::this(s).text();
    memory::room(t, encoded_size(codec, text, errors))?;
    if text.is_ascii() && matches!(codec, Encoding::Utf8 | Encoding::Ascii | Encoding::Latin1) {
        return Ok(text.bytes.to_vec());
    }
    if let Some(handler) = builtin(errors) {
        return codec::encode(codec, text, handler, Some(&name_of))
            .map_err(|f| encode_fault(t, &f, s));
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    codec_wide::push_mark(codec, &mut out);
    let mut at = Position::default();
    let mut handler = None;
    while let Err(fault) = codec::encode_step(codec, text, &mut at, &mut out) {
        let exc = encode_exception(t, &fault, s);
        let (new, next) = call_encode_handler(t, &mut handler, errors, exc.value(), text.chars)?;
        let more = text.bytes.len() + new.len();
        memory::spare(t, &mut out, more)?;
        if !push_replacement(codec, &new, &mut out) {
            return Err(t.raise_value(exc));
        }
        at = Position {
            byte: Str::this(s).offset(next),
            char: next,
        };
    }
    Ok(out)
}

/// About how many bytes there will be, and as many again where the vector grows step by step.
fn encoded_size(codec: Encoding, text: Text<'_>, errors: Option<&Str>) -> usize {
    let plain = match codec {
        Encoding::Utf16(_) => text.chars.saturating_mul(2).saturating_add(4),
        Encoding::Utf32(_) => text.chars.saturating_mul(4).saturating_add(4),
        _ => text.bytes.len(),
    };
    if text.is_ascii() {
        return plain;
    }
    let times = match builtin(errors) {
        Some(Errors::XmlCharRefReplace | Errors::BackslashReplace) => 6,
        Some(Errors::NameReplace) => 40,
        _ => 1,
    };
    plain.saturating_mul(times)
}

/// What an error handler puts in place of characters that cannot be encoded.
pub enum Replacement {
    Bytes(Obj),
    Text(Obj),
}

impl Replacement {
    /// How many bytes it has here.
    fn len(&self) -> usize {
        match self {
            Replacement::Bytes(b) => Bytes::this(b.value()).len(),
            Replacement::Text(s) => Str::this(s.value()).as_bytes().len(),
        }
    }
}

/// Appends the replacement; false if it cannot be encoded itself.
fn push_replacement(codec: Encoding, new: &Replacement, out: &mut Vec<u8>) -> bool {
    let s = match new {
        Replacement::Bytes(b) => {
            let b = Bytes::this(b.value()).as_slice();
            let unit = match codec {
                Encoding::Utf16(_) => 2,
                Encoding::Utf32(_) => 4,
                _ => 1,
            };
            out.extend_from_slice(b);
            return b.len().is_multiple_of(unit);
        }
        Replacement::Text(s) => Str::this(s.value()),
    };
    let narrow = matches!(codec, Encoding::Ascii | Encoding::Latin1);
    let mut at = Position::default();
    (narrow || s.is_ascii()) && codec::encode_step(codec, s.text(), &mut at, out).is_ok()
}

fn encode_exception(t: &Thread, fault: &Fault, s: Value) -> Obj {
    let object = Obj::new(t, s);
    errors::unicode_encode_error(
        t,
        fault.encoding.name(),
        object,
        fault.start,
        fault.end,
        fault.reason,
    )
}

#[cold]
fn encode_fault(t: &Thread, fault: &Fault, s: Value) -> Raised {
    let exc = encode_exception(t, fault, s);
    t.raise_value(exc)
}

/// What a built-in codec has decoded.
pub struct Decoded {
    pub text: Vec<u8>,
    /// Bytes used up: all of them, unless more input may complete the last character.
    pub consumed: usize,
    /// The byte order in force at the end.
    pub encoding: Encoding,
}

/// Decodes a bytes object with a built-in codec. Without `last`, an incomplete character at the end is left.
pub fn decode(
    t: &mut Thread,
    codec: Encoding,
    bytes: Value,
    errors: Option<&Str>,
    last: bool,
) -> Res<Decoded> {
    let input = Bytes::this(bytes).as_slice();
    let times = match (codec, builtin(errors)) {
        (Encoding::Utf8 | Encoding::Ascii, Some(Errors::Strict)) => 1,
        (_, Some(Errors::Strict)) => 2,
        _ => 4,
    };
    memory::room_for(t, input.len(), times)?;
    if let Some(handler) = builtin(errors) {
        let d = codec::decode(codec, input, handler, last);
        return match d.fault {
            None => Ok(Decoded {
                text: d.text,
                consumed: d.consumed,
                encoding: d.encoding,
            }),
            Some(fault) => Err(decode_fault(t, &fault, bytes, handler)),
        };
    }
    let (codec, mut at) = codec_wide::settle(codec, input, last);
    let mut out = Vec::with_capacity(input.len());
    let mut input = Obj::new(t, bytes);
    let mut handler = None;
    loop {
        let bytes = Bytes::this(input.value());
        let Err(fault) = codec::decode_step(codec, bytes.as_slice(), &mut at, &mut out, last)
        else {
            break;
        };
        let exc = decode_exception(t, &fault, input.value());
        let (new, next, replaced) = call_decode_handler(t, &mut handler, errors, exc.value())?;
        memory::append(t, &mut out, Str::this(new.value()).as_bytes())?;
        (input, at) = (replaced, next);
    }
    Ok(Decoded {
        text: out,
        consumed: at,
        encoding: codec,
    })
}

fn decode_exception(t: &Thread, fault: &Fault, bytes: Value) -> Obj {
    let object = Obj::new(t, bytes);
    errors::unicode_decode_error(
        t,
        fault.encoding.name(),
        object,
        fault.start,
        fault.end,
        fault.reason,
    )
}

#[cold]
fn decode_fault(t: &Thread, fault: &Fault, bytes: Value, handler: Errors) -> Raised {
    if let Errors::XmlCharRefReplace | Errors::NameReplace = handler {
        return t
            .type_error("don't know how to handle UnicodeDecodeError in error callback".into());
    }
    let exc = decode_exception(t, fault, bytes);
    t.raise_value(exc)
}

/// Finds the handler by its name, once.
fn resolve<'a>(t: &mut Thread, handler: &'a mut Option<Obj>, errors: Option<&Str>) -> Res<&'a Obj> {
    if handler.is_none() {
        let found = match errors {
            Some(name) => lookup_error(t, name)?,
            None => lookup_error(t, crate::id!(t, "strict"))?,
        };
        return Ok(handler.insert(found));
    }
    match handler {
        Some(h) => Ok(h),
        None => Err(t.system_error("no error handler")),
    }
}

/// Asks an error handler about a UnicodeEncodeError: what to put, and the index of the character to go on with.
pub fn call_encode_handler(
    t: &mut Thread,
    handler: &mut Option<Obj>,
    errors: Option<&Str>,
    exc: Value,
    chars: usize,
) -> Res<(Replacement, usize)> {
    const WRONG: &str = "encoding error handler must return (str/bytes, int) tuple";
    let handler = resolve(t, handler, errors)?.clone();
    let result = proto::call(t, handler.value(), &[exc])?;
    let (new, position) = pair(t, &result, WRONG)?;
    let new = if Str::of(new.value()).is_some() {
        Replacement::Text(new)
    } else if Bytes::of(new.value()).is_some() {
        Replacement::Bytes(new)
    } else {
        return Err(t.type_error(WRONG.into()));
    };
    Ok((new, resume_at(t, position.value(), chars)?))
}

/// Asks an error handler about a UnicodeDecodeError: what to put, the byte to go on with, and the input, which the handler may
/// have exchanged.
pub fn call_decode_handler(
    t: &mut Thread,
    handler: &mut Option<Obj>,
    errors: Option<&Str>,
    exc: Value,
) -> Res<(Obj, usize, Obj)> {
    const WRONG: &str = "decoding error handler must return (str, int) tuple";
    let handler = resolve(t, handler, errors)?.clone();
    let result = proto::call(t, handler.value(), &[exc])?;
    let (new, position) = pair(t, &result, WRONG)?;
    if Str::of(new.value()).is_none() {
        return Err(t.type_error(WRONG.into()));
    }
    let input = proto::get_attr(t, exc, crate::id!(t, "object"))?;
    let Some(bytes) = Bytes::of(input.value()) else {
        return Err(t.type_error("exception attribute object must be bytes".into()));
    };
    let at = resume_at(t, position.value(), bytes.len())?;
    Ok((new, at, input))
}

fn pair(t: &mut Thread, result: &Obj, wrong: &str) -> Res<(Obj, Obj)> {
    match Tuple::of(result.value()) {
        Some(pair) if pair.len() == 2 && Int::of(pair.get(1)).is_some() => {
            Ok((Obj::new(t, pair.get(0)), Obj::new(t, pair.get(1))))
        }
        _ => Err(t.type_error(wrong.into())),
    }
}

fn resume_at(t: &mut Thread, position: Value, len: usize) -> Res<usize> {
    let at = match crate::int::as_i64(position) {
        Some(i) if i < 0 => i + len as i64,
        Some(i) => i,
        None => -1,
    };
    if at < 0 || at > len as i64 {
        let shown = proto::str(t, position)?;
        return Err(t.index_error(format!(
            "position {} from error handler out of bounds",
            Str::this(shown.value())
        )));
    }
    Ok(at as usize)
}

/// `codecs.register`
pub fn register(t: &mut Thread, f: Value) -> Res<()> {
    if !proto::is_callable(f) {
        return Err(t.type_error("argument must be callable".into()));
    }
    let f = global(t, f);
    REGISTRY.of(t).search.lock().push(f);
    Ok(())
}

/// `codecs.unregister`: also forgets all codecs found so far.
pub fn unregister(t: &mut Thread, f: Value) {
    let gone = {
        let mut search = REGISTRY.of(t).search.lock();
        let at = search.iter().position(|s| s.same(f));
        at.map(|at| search.remove(at))
    };
    if let Some(gone) = gone {
        t.drop_value(gone);
        let mut dropped = Vec::new();
        REGISTRY.of(t).found.retain(|_, v| {
            dropped.push(*v);
            false
        });
        dropped.into_iter().for_each(|v| t.drop_value(v));
    }
}

/// Lower case, with `_` for each run of anything but letters, digits and dots.
pub fn normalize(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut gap = false;
    for &b in name {
        if b.is_ascii_alphanumeric() || b == b'.' {
            if gap && !out.is_empty() {
                out.push(b'_');
            }
            gap = false;
            out.push(b.to_ascii_lowercase());
        } else {
            gap = true;
        }
    }
    out
}

/// `codecs.lookup`: the codec's tuple.
pub fn lookup(t: &mut Thread, encoding: &Str) -> Res<Obj> {
    let key = normalize(encoding.as_bytes());
    // Copied out first: the table is not locked while objects are counted.
    let known = REGISTRY.of(t).found.get(&key).map(|v| *v);
    if let Some(known) = known {
        return Ok(Obj::new(t, known));
    }
    if REGISTRY.of(t).search.lock().is_empty() {
        crate::runtime::import(t, "encodings")?;
    }
    let search = REGISTRY.of(t).search.lock().clone();
    if search.is_empty() {
        return Err(t.raise(
            &errors::LOOKUP_ERROR,
            "no codec search functions registered: can't find encoding",
        ));
    }
    let search: Vec<Obj> = search.into_iter().map(|f| Obj::new(t, f)).collect();
    let name = Str::from_wtf8(t, &key);
    for f in search {
        let found = proto::call(t, f.value(), &[name.value()])?;
        if found.value().is_none() {
            continue;
        }
        if Tuple::of(found.value()).is_none_or(|info| info.len() != 4) {
            return Err(t.type_error("codec search functions must return 4-tuples".into()));
        }
        let kept = global(t, found.value());
        if let Some(old) = REGISTRY.of(t).found.insert(key, kept) {
            t.drop_value(old);
        }
        return Ok(found);
    }
    Err(t.raise(
        &errors::LOOKUP_ERROR,
        format!("unknown encoding: {encoding}"),
    ))
}

/// `codecs.register_error`
pub fn register_error(t: &mut Thread, name: &Str, f: Value) -> Res<()> {
    if !proto::is_callable(f) {
        return Err(t.type_error("handler must be callable".into()));
    }
    handlers::install(t);
    let f = global(t, f);
    if let Some(old) = REGISTRY.of(t).handlers.insert(name.as_bytes().to_vec(), f) {
        t.drop_value(old);
    }
    Ok(())
}

/// `codecs._unregister_error`: whether there was one.
pub fn unregister_error(t: &mut Thread, name: &Str) -> Res<bool> {
    if name.as_str().is_some_and(|n| Errors::parse(n).is_some()) {
        return Err(t.value_error(format!(
            "cannot un-register built-in error handler '{name}'"
        )));
    }
    match REGISTRY.of(t).handlers.remove(name.as_bytes()) {
        Some((_, old)) => {
            t.drop_value(old);
            Ok(true)
        }
        None => Ok(false),
    }
}

/// `codecs.lookup_error`
pub fn lookup_error(t: &mut Thread, name: &Str) -> Res<Obj> {
    handlers::install(t);
    let found = REGISTRY.of(t).handlers.get(name.as_bytes()).map(|v| *v);
    match found {
        Some(f) => Ok(Obj::new(t, f)),
        None => Err(t.raise(
            &errors::LOOKUP_ERROR,
            format!("unknown error handler name '{name}'"),
        )),
    }
}

/// Calls a codec's encoder (0) or decoder (1) and gives the first item of its result.
fn call_codec(
    t: &mut Thread,
    info: &Obj,
    which: usize,
    v: Value,
    errors: Option<&Str>,
    encoding: &Str,
) -> Res<Obj> {
    let f = match Tuple::of(info.value()) {
        Some(info) => Obj::new(t, info.get(which)),
        None => return Err(t.type_error("codec search functions must return 4-tuples".into())),
    };
    let result = match errors {
        Some(e) => proto::call(t, f.value(), &[v, e.value()]),
        None => proto::call(t, f.value(), &[v]),
    };
    let (action, role) = if which == 0 {
        ("encoding", "encoder")
    } else {
        ("decoding", "decoder")
    };
    let result = match result {
        Ok(result) => result,
        Err(_) => return Err(add_note(t, action, encoding)),
    };
    match Tuple::of(result.value()) {
        Some(pair) if pair.len() == 2 => Ok(Obj::new(t, pair.get(0))),
        _ => Err(t.type_error(format!("{role} must return a tuple (object, integer)"))),
    }
}

/// Adds to the pending exception which codec it came from.
#[cold]
fn add_note(t: &mut Thread, action: &str, encoding: &Str) -> Raised {
    let Some(exc) = t.take_exc() else {
        return t.system_error("codec failed without an exception");
    };
    let note = Str::from_string(t, format!("{action} with '{encoding}' codec failed"));
    if proto::call_method(t, exc.value(), "add_note", &[note.value()]).is_err() {
        t.clear_exc();
    }
    t.set_exc(exc)
}

/// `codecs.encode`
pub fn encode_object(t: &mut Thread, v: Value, encoding: &Str, errors: Option<&Str>) -> Res<Obj> {
    let info = lookup(t, encoding)?;
    call_codec(t, &info, 0, v, errors, encoding)
}

/// `codecs.decode`
pub fn decode_object(t: &mut Thread, v: Value, encoding: &Str, errors: Option<&Str>) -> Res<Obj> {
    let info = lookup(t, encoding)?;
    call_codec(t, &info, 1, v, errors, encoding)
}

/// The codec, which must be one between str and bytes.
fn text_codec(t: &mut Thread, encoding: &Str, instead: &str) -> Res<Obj> {
    let info = lookup(t, encoding)?;
    if Tuple::exact(info.value()).is_none()
        && let Some(flag) =
            proto::get_attr_opt(t, info.value(), crate::id!(t, "_is_text_encoding"))?
        && !proto::truth(t, flag.value())?
    {
        return Err(t.raise(
            &errors::LOOKUP_ERROR,
            format!(
                "'{encoding}' is not a text encoding; use {instead} to handle arbitrary codecs"
            ),
        ));
    }
    Ok(info)
}

fn encode_by_registry(t: &mut Thread, s: Value, encoding: &Str, errors: Option<&Str>) -> Res<Obj> {
    let info = text_codec(t, encoding, "codecs.encode()")?;
    let v = call_codec(t, &info, 0, s, errors, encoding)?;
    if Bytes::of(v.value()).is_some() {
        return Ok(v);
    }
    if let Some(b) = crate::bytearray::ByteArray::of(v.value()) {
        return Ok(Bytes::from_vec(t, b.to_vec(t)));
    }
    let got = type_of(v.value()).name();
    Err(t.type_error(format!(
        "'{encoding}' encoder returned '{got}' instead of 'bytes'; use codecs.encode() to encode to arbitrary types"
    )))
}

fn decode_by_registry(
    t: &mut Thread,
    bytes: Value,
    encoding: &Str,
    errors: Option<&Str>,
) -> Res<Obj> {
    let info = text_codec(t, encoding, "codecs.decode()")?;
    let v = call_codec(t, &info, 1, bytes, errors, encoding)?;
    if Str::of(v.value()).is_some() {
        return Ok(v);
    }
    let got = type_of(v.value()).name();
    Err(t.type_error(format!(
        "'{encoding}' decoder returned '{got}' instead of 'str'; use codecs.decode() to decode to arbitrary types"
    )))
}

/// Bytes that the file system or the environment gave, as a str: UTF-8 with undecodable bytes escaped.
pub fn decode_os(t: &Thread, bytes: &[u8]) -> Obj {
    match std::str::from_utf8(bytes) {
        Ok(s) => Str::new(t, s),
        Err(_) => {
            let d = codec::decode(Encoding::Utf8, bytes, Errors::SurrogateEscape, true);
            Str::from_vec(t, d.text)
        }
    }
}

/// The reverse of [`decode_os`]: UnicodeEncodeError for surrogates that stand for no byte.
pub fn encode_os(t: &mut Thread, s: &Str) -> Res<Vec<u8>> {
    if !wtf8::has_surrogates(s.as_bytes()) {
        return Ok(s.as_bytes().to_vec());
    }
    codec::encode(Encoding::Utf8, s.text(), Errors::SurrogateEscape, None)
        .map_err(|f| encode_fault(t, &f, s.value()))
}

/// The text of `bytes` when it is known to be decodable; for messages.
pub fn lossy(bytes: &[u8]) -> Vec<u8> {
    codec::decode(Encoding::Utf8, bytes, Errors::Replace, true).text
}

/// The code points of a str from one index to another.
pub(crate) fn part<'a>(s: &'a Str, start: usize, end: usize) -> Text<'a> {
    let end = end.min(s.len());
    s.slice(start.min(end), end)
}
