//! Codecs given by a mapping of characters.

use super::*;
use weft_objects::str::codecs::Replacement;
use weft_objects::text::wtf8;

/// What stands for "undefined" in a decoding table.
const UNDEFINED: u32 = 0xFFFE;
const REASON: &str = "character maps to <undefined>";

pub(super) fn build(t: &mut Thread, a: &[Value]) -> Res {
    let s = str_argument(t, a[0], "charmap_build")?;
    let map = Dict::new(t);
    // In a table for all bytes, U+FFFE marks those that stand for nothing.
    let whole = s.len() == 256;
    for (i, cp) in wtf8::code_points(s.as_bytes()).enumerate() {
        if cp != UNDEFINED || !whole {
            Dict::of_obj(&map).set(t, Value::int(i64::from(cp)), Value::int(i as i64))?;
        }
    }
    Ok(map.into())
}

pub(super) fn decode(t: &mut Thread, a: &[Value]) -> Res {
    let bytes = bytes_argument(t, a[0])?;
    let errors = errors_argument(t, a[1], "charmap_decode")?;
    let mapping = a[2];
    if mapping.is_null() || mapping.is_none() {
        return super::decode(t, a, Value::TRUE, "charmap_decode", Encoding::Latin1);
    }
    let table: Option<Vec<u32>> =
        Str::exact(mapping).map(|s| wtf8::code_points(s.as_bytes()).collect());
    let n = Bytes::this(bytes.value()).len();
    let mut faults = Faults::new("charmap", errors, bytes);
    let mut out = Vec::with_capacity(n);
    let mut at = 0;
    while let Some(&b) = faults.bytes().get(at) {
        let found = match &table {
            Some(table) => table
                .get(usize::from(b))
                .copied()
                .filter(|cp| *cp != UNDEFINED)
                .map(|cp| {
                    wtf8::push(&mut out, cp);
                }),
            None => decoded(t, mapping, b, &mut out)?,
        };
        at = match found {
            Some(()) => at + 1,
            None => faults.fault(t, &mut out, at, at + 1, REASON)?,
        };
    }
    let s = Str::from_vec(t, out);
    Ok(result(t, s, n))
}

/// The mapping's item for `key`; `None` if it has none.
fn lookup(t: &mut Thread, mapping: Value, key: u32) -> Res<Option<Obj>> {
    match proto::get_item(t, mapping, Value::int(i64::from(key))) {
        Ok(v) if v.value().is_none() => Ok(None),
        Ok(v) => Ok(Some(v)),
        Err(_) if t.exc_matches(&errors::LOOKUP_ERROR) => {
            t.clear_exc();
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Appends what the mapping says of byte `b`; `None`: it is undefined.
fn decoded(t: &mut Thread, mapping: Value, b: u8, out: &mut Vec<u8>) -> Res<Option<()>> {
    let Some(found) = lookup(t, mapping, u32::from(b))? else {
        return Ok(None);
    };
    if let Some(s) = Str::of(found.value()) {
        if s.len() == 1 && s.char_at(0) == UNDEFINED {
            return Ok(None);
        }
        out.extend_from_slice(s.as_bytes());
        return Ok(Some(()));
    }
    if Int::of(found.value()).is_none() {
        return Err(t.type_error("character mapping must return integer, None or str".into()));
    }
    match weft_objects::int::as_i64(found.value()) {
        Some(0xFFFE) => Ok(None),
        Some(n @ 0..=0x10_FFFF) => {
            wtf8::push(out, n as u32);
            Ok(Some(()))
        }
        _ => Err(t.type_error("character mapping must be in range(0x110000)".into())),
    }
}

pub(super) fn encode(t: &mut Thread, a: &[Value]) -> Res {
    let s = str_argument(t, a[0], "charmap_encode")?;
    let errors = errors_argument(t, a[1], "charmap_encode")?;
    let mapping = a[2];
    if mapping.is_null() || mapping.is_none() {
        return super::encode(t, a, "charmap_encode", Encoding::Latin1);
    }
    let bytes = s.as_bytes();
    let mut out = Vec::with_capacity(s.len());
    let mut handler = None;
    let (mut at, mut index) = (0, 0);
    while at < bytes.len() {
        let (cp, width) = wtf8::decode_at(bytes, at);
        if encoded(t, mapping, cp, &mut out)? {
            at += width;
            index += 1;
            continue;
        }
        // All characters from here on that cannot be encoded are one fault.
        let mut end = index + 1;
        let mut probe = at + width;
        let mut unused = Vec::new();
        while probe < bytes.len() {
            let (cp, width) = wtf8::decode_at(bytes, probe);
            if encoded(t, mapping, cp, &mut unused)? {
                break;
            }
            probe += width;
            end += 1;
        }
        let exc = errors::unicode_encode_error(t, "charmap", Obj::new(t, a[0]), index, end, REASON);
        let (new, next) =
            codecs::call_encode_handler(t, &mut handler, errors, exc.value(), s.len())?;
        match new {
            Replacement::Bytes(b) => out.extend_from_slice(Bytes::this(b.value()).as_slice()),
            Replacement::Text(text) => {
                for cp in wtf8::code_points(Str::this(text.value()).as_bytes()) {
                    if !encoded(t, mapping, cp, &mut out)? {
                        return Err(t.raise_value(exc));
                    }
                }
            }
        }
        index = next;
        at = s.offset(next);
    }
    let out = Bytes::from_vec(t, out);
    Ok(result(t, out, s.len()))
}

/// Appends what the mapping says of a character; false: it is undefined.
fn encoded(t: &mut Thread, mapping: Value, cp: u32, out: &mut Vec<u8>) -> Res<bool> {
    let Some(found) = lookup(t, mapping, cp)? else {
        return Ok(false);
    };
    if let Some(b) = Bytes::of(found.value()) {
        out.extend_from_slice(b.as_slice());
        return Ok(true);
    }
    if Int::of(found.value()).is_none() {
        let got = type_of(found.value()).name();
        return Err(t.type_error(format!(
            "character mapping must return integer, bytes or None, not {got}"
        )));
    }
    match weft_objects::int::as_i64(found.value()).and_then(|n| u8::try_from(n).ok()) {
        Some(b) => {
            out.push(b);
            Ok(true)
        }
        None => Err(t.type_error("character mapping must be in range(256)".into())),
    }
}
