//! `_testinternalcapi`: how objects are laid out and calls are counted here.

use crate::support;
use weft_objects::bytes::Bytes;
use weft_objects::instance;
use weft_objects::prelude::*;

/// Whether an object keeps its attributes in slots behind its header.
fn has_inline_values(_: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::bool(instance::has_inline_values(a[0])))
}

fn recursion_depth(t: &mut Thread, _: &[Value]) -> Res {
    Ok(Value::int(t.vm().frame_depth() as i64))
}

/// Handlers that the locale's codec, which is UTF-8's, knows.
fn check_handler(t: &Thread, v: Value) -> Res<()> {
    let known = ["strict", "surrogateescape", "surrogatepass"];
    if Str::of(v).is_some_and(|s| s.as_str().is_some_and(|s| known.contains(&s))) {
        return Ok(());
    }
    Err(t.value_error("unsupported error handler"))
}

/// A UnicodeError of `what` as RuntimeError.
fn failed(t: &mut Thread, r: Raised, what: &str) -> Raised {
    if !t.exc_matches(&errors::UNICODE_ERROR) {
        return r;
    }
    let Some(e) = t.take_exc() else { return r };
    let part = |t: &mut Thread, name: &str| -> Res<String> {
        let name = Str::intern(t, name).value();
        let v = proto::get_attr_value(t, e.value(), name)?;
        let v = Obj::own(v);
        let text = proto::str(t, v.value())?;
        Ok(Str::of(text.value()).map_or_else(String::new, |s| s.to_string_lossy()))
    };
    match (part(t, "start"), part(t, "reason")) {
        (Ok(at), Ok(reason)) => t.runtime_error(format!("{what} error: pos={at}, reason={reason}")),
        (Err(r), _) | (_, Err(r)) => r,
    }
}

fn encode_locale(t: &mut Thread, a: &[Value]) -> Res {
    check_handler(t, a[2])?;
    let utf8 = Str::new(t, "utf-8");
    if Str::of(a[0]).is_none() {
        return Err(t.type_error("EncodeLocaleEx() argument 1 must be str".into()));
    }
    match proto::call_method(t, a[0], "encode", &[utf8.value(), a[2]]) {
        Ok(o) => Ok(o.into()),
        Err(r) => Err(failed(t, r, "encode")),
    }
}

fn decode_locale(t: &mut Thread, a: &[Value]) -> Res {
    check_handler(t, a[2])?;
    let utf8 = Str::new(t, "utf-8");
    if Bytes::of(a[0]).is_none() {
        return Err(t.type_error("DecodeLocaleEx() argument 1 must be bytes".into()));
    }
    match proto::call_method(t, a[0], "decode", &[utf8.value(), a[2]]) {
        Ok(o) => Ok(o.into()),
        Err(r) => Err(failed(t, r, "decode")),
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("has_inline_values", "(obj, /)", has_inline_values),
    NativeDef::new("get_recursion_depth", "()", recursion_depth),
    NativeDef::new(
        "EncodeLocaleEx",
        "(text, current_locale=0, errors='strict', /)",
        encode_locale,
    ),
    NativeDef::new(
        "DecodeLocaleEx",
        "(data, current_locale=0, errors='strict', /)",
        decode_locale,
    ),
    // The program's allocator for all that is not an object.
    NativeDef::new("pymem_getallocatorsname", "()", |t, _| {
        Ok(Str::new(t, "mimalloc").into())
    }),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_testinternalcapi", "", FUNCTIONS);
    // A place's cache is filled when it is first executed.
    support::add_ints(t, &m, &[("SPECIALIZATION_THRESHOLD", 1)]);
    Ok(m)
}
