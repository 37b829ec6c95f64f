//! Values on their way between Python and SQLite.

use super::error;
use crate::support;
use std::ffi::CString;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::text::codec;

/// A str for UTF-8.
///
/// # Errors
/// UnicodeDecodeError.
pub fn decoded(t: &mut Thread, bytes: &[u8]) -> Res<Obj> {
    match std::str::from_utf8(bytes) {
        Ok(s) => Ok(Str::new(t, s)),
        Err(_) => Err(undecodable(t, bytes)),
    }
}

#[cold]
fn undecodable(t: &mut Thread, bytes: &[u8]) -> Raised {
    let bytes = weft_objects::bytes::Bytes::new(t, bytes);
    let decode = weft_objects::str::STR.value();
    let encoding = Str::new(t, "utf-8");
    match proto::call(t, decode, &[bytes.value(), encoding.value()]) {
        Err(e) => e,
        Ok(_) => t.value_error("not UTF-8"),
    }
}

/// A str as UTF-8.
///
/// # Errors
/// UnicodeEncodeError for lone surrogates.
pub fn encoded<'a>(t: &mut Thread, s: &'a Str) -> Res<&'a [u8]> {
    let bytes = s.as_bytes();
    if !s.is_ascii() && weft_objects::text::wtf8::has_surrogates(bytes) {
        return Err(support::surrogates_error(t, s.value(), false));
    }
    Ok(bytes)
}

/// A str as a C string.
///
/// # Errors
/// UnicodeEncodeError; ValueError for null characters.
pub fn c_string(t: &mut Thread, s: &Str) -> Res<CString> {
    let bytes = encoded(t, s)?.to_vec();
    CString::new(bytes).map_err(|_| t.value_error("embedded null character"))
}

/// The C string in a str argument.
///
/// # Errors
/// TypeError for anything else; as [`c_string`].
pub fn c_argument(t: &mut Thread, v: Value, what: &str) -> Res<CString> {
    match Str::of(v) {
        Some(s) => c_string(t, s),
        None => Err(not_str(t, v, what)),
    }
}

/// TypeError: `what` "f() argument 1" is no str.
#[cold]
pub fn not_str(t: &mut Thread, v: Value, what: &str) -> Raised {
    let got = if v.is_none() {
        "None".to_owned()
    } else {
        type_of(v).name()
    };
    t.type_error(format!("{what} must be str, not {got}"))
}

/// An int as SQLite's integers are.
///
/// # Errors
/// OverflowError; what `__index__` raises.
pub fn integer(t: &mut Thread, v: Value) -> Res<i64> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(i) => Ok(i),
        None => Err(t.overflow_error("Python int too large to convert to SQLite INTEGER")),
    }
}

/// An int of C.
///
/// # Errors
/// OverflowError; TypeError.
pub fn c_int(t: &mut Thread, v: Value) -> Res<i32> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()).and_then(|i| i32::try_from(i).ok()) {
        Some(i) => Ok(i),
        None => Err(t.overflow_error("Python int too large to convert to C int")),
    }
}

/// A count that must fit 32 bits and not be negative.
///
/// # Errors
/// ValueError, OverflowError, TypeError.
pub fn count(t: &mut Thread, v: Value) -> Res<u32> {
    let i = proto::index(t, v)?;
    let (small, big) = (int::as_i64(i.value()), int::to_bigint(i.value()));
    let negative = match small {
        Some(i) => i < 0,
        None => big.is_some_and(|b| b.sign() == num_bigint::Sign::Minus),
    };
    if negative {
        return Err(t.value_error("Cannot convert negative int"));
    }
    match small.and_then(|i| u32::try_from(i).ok()) {
        Some(n) => Ok(n),
        None => Err(t.overflow_error("Python int too large to convert to C uint32_t")),
    }
}

/// A text of the database's that must be shown, whatever is in it.
pub fn shown(t: &Thread, bytes: &[u8]) -> Obj {
    let text = codec::decode(codec::Encoding::Utf8, bytes, codec::Errors::Replace, true).text;
    Str::from_vec(t, text)
}

/// OperationalError: the text of a column is not UTF-8.
#[cold]
pub fn bad_text(t: &mut Thread, name: &str, bytes: &[u8]) -> Raised {
    t.clear_exc();
    let text = shown(t, bytes);
    let text = Str::this(text.value()).to_string_lossy();
    let msg = format!("Could not decode to UTF-8 column '{name}' with text '{text}'");
    error::raise(t, error::Class::Operational, msg)
}
