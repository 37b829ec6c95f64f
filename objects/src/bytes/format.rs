//! `%`-formatting of bytes and bytearrays.

use super::Bytes;
use crate::bytearray::ByteArray;
use crate::prelude::*;
use crate::str::text_error;
use crate::text::Text;
use crate::text::percent::Resolved;

/// `bytes % args`
pub(crate) fn modulo(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(format) = Bytes::of(a) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let out = interpolated(t, format.as_slice(), b)?;
    Ok(Bytes::from_vec(t, out).into())
}

/// `bytearray % args`
pub(crate) fn modulo_bytearray(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(format) = ByteArray::of(a) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let format = format.to_vec(t);
    let _held = crate::buffer::get_any(t, a, false)?;
    let out = interpolated(t, &format, b)?;
    Ok(ByteArray::new(t, out).into())
}

fn interpolated(t: &mut Thread, format: &[u8], args: Value) -> Res<Vec<u8>> {
    let mapping = type_of(args).slots.get_item.is_set()
        && Tuple::of(args).is_none()
        && Bytes::of(args).is_none()
        && ByteArray::of(args).is_none()
        && Str::of(args).is_none();
    let mut out = Vec::with_capacity(format.len() + 16);
    crate::str_format::interpolate(t, &mut out, Text::of_bytes(format), true, args, mapping)?;
    Ok(out)
}

/// `%c`
pub(crate) fn convert_char(t: &mut Thread, out: &mut Vec<u8>, r: &Resolved, v: Value) -> Res<()> {
    let single = match (Bytes::of(v), ByteArray::of(v)) {
        (Some(b), _) => Some(b.as_slice().to_vec()),
        (_, Some(b)) => Some(b.to_vec(t)),
        _ => None,
    };
    let byte = match single {
        Some(s) => match s[..] {
            [b] => b,
            _ => {
                let (got, n) = (type_of(v).name(), s.len());
                return Err(t.type_error(format!(
                    "%c requires an integer in range(256) or a single byte, not a {got} object of length {n}"
                )));
            }
        },
        None if crate::str::index::has_index(v) => {
            let i = proto::index(t, v)?;
            match crate::int::as_i64(i.value()).and_then(|i| u8::try_from(i).ok()) {
                Some(b) => b,
                None => return Err(t.overflow_error("%c arg not in range(256)")),
            }
        }
        None => {
            let got = type_of(v).full_name(t);
            return Err(t.type_error(format!(
                "%c requires an integer in range(256) or a single byte, not {got}"
            )));
        }
    };
    r.write_byte(out, byte).map_err(|e| text_error(t, e))
}

/// `%b` and `%s`
pub(crate) fn convert_bytes(t: &mut Thread, out: &mut Vec<u8>, r: &Resolved, v: Value) -> Res<()> {
    let done = if let Some(b) = Bytes::of(v) {
        r.write_text(out, Text::of_bytes(b.as_slice()))
    } else if let Some(method) = proto::lookup_special(t, v, crate::id!(t, "__bytes__"))? {
        let b = proto::call(t, method.value(), &[])?;
        let Some(bytes) = Bytes::of(b.value()) else {
            let got = type_of(b.value()).name();
            return Err(t.type_error(format!("__bytes__ returned non-bytes (type {got})")));
        };
        r.write_text(out, Text::of_bytes(bytes.as_slice()))
    } else if crate::buffer::is_exporter(v) {
        let b = crate::buffer::get_still(t, v)?;
        r.write_text(out, Text::of_bytes(&b.to_vec()))
    } else {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "%b requires a bytes-like object, or an object that implements __bytes__, not '{got}'"
        )));
    };
    done.map_err(|e| text_error(t, e))
}
