//! Adapters, which make values that SQLite can store of others, and converters, which do the reverse.

use super::error;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_objects::bytearray;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::{cell, float, int};

/// `sqlite3.adapters`: by class and protocol.
static ADAPTERS: OnceLock<SharedObj> = OnceLock::new();
/// `sqlite3.converters`: by the name of a type, in upper case.
static CONVERTERS: OnceLock<SharedObj> = OnceLock::new();
/// There is an adapter for a type that SQLite knows.
static BASE_ADAPTED: AtomicBool = AtomicBool::new(false);

fn dict(t: &Thread, cell: &OnceLock<SharedObj>) -> Obj {
    cell.get_or_init(|| SharedObj::new(t, Dict::new(t))).get(t)
}

pub fn adapters(t: &Thread) -> Obj {
    dict(t, &ADAPTERS)
}

pub fn converters(t: &Thread) -> Obj {
    dict(t, &CONVERTERS)
}

/// `register_adapter(type, adapter)`
pub fn register_adapter(t: &mut Thread, a: &[Value]) -> Res {
    let base: [&'static Type; 4] = [
        &int::INT,
        &float::FLOAT,
        &weft_objects::str::STR,
        &bytearray::BYTEARRAY,
    ];
    if Type::of(a[0]).is_some_and(|ty| base.iter().any(|b| ty.is(b))) {
        BASE_ADAPTED.store(true, Relaxed);
    }
    let protocol = Obj::new(t, PREPARE_PROTOCOL.value());
    let (class, all) = (Obj::new(t, a[0]), adapters(t));
    let key = Tuple::pair(t, class, protocol);
    Dict::of_obj(&all).set(t, key.value(), a[1])?;
    Ok(Value::NONE)
}

/// `register_converter(typename, converter)`
pub fn register_converter(t: &mut Thread, a: &[Value]) -> Res {
    if Str::of(a[0]).is_none() {
        return Err(super::column::not_str(
            t,
            a[0],
            "register_converter() argument 1",
        ));
    }
    let name = proto::call_method(t, a[0], "upper", &[])?;
    let all = converters(t);
    Dict::of_obj(&all).set(t, name.value(), a[1])?;
    Ok(Value::NONE)
}

/// The converter for the name of a type.
pub fn converter(t: &mut Thread, name: &[u8]) -> Res<Option<Obj>> {
    let name = super::column::shown(t, name);
    let name = proto::call_method(t, name.value(), "upper", &[])?;
    let all = converters(t);
    let found = Dict::of_obj(&all).get(t, name.value())?;
    Ok(found.map(Obj::own))
}

/// `adapt(obj, proto=PrepareProtocol, alt=<unrepresentable>)`
pub fn adapt_function(t: &mut Thread, a: &[Value]) -> Res {
    let protocol = match a[1].is_null() {
        true => PREPARE_PROTOCOL.value(),
        false => a[1],
    };
    let alternative = (!a[2].is_null()).then_some(a[2]);
    adapt(t, a[0], protocol, alternative).map(Obj::into_value)
}

/// What the object's adapter makes of it, or what it, or the protocol, makes of it; else the alternative.
fn adapt(t: &mut Thread, v: Value, protocol: Value, alternative: Option<Value>) -> Res<Obj> {
    let class = Obj::new(t, type_of(v).value());
    let second = Obj::new(t, protocol);
    let key = Tuple::pair(t, class, second);
    let all = adapters(t);
    if let Some(adapter) = Dict::of_obj(&all).get(t, key.value())? {
        let adapter = Obj::own(adapter);
        return proto::call(t, adapter.value(), &[v]);
    }
    for (whose, method, about) in [(protocol, "__adapt__", v), (v, "__conform__", protocol)] {
        let name = weft_objects::names::get(t, method);
        let Some(f) = proto::get_attr_opt(t, whose, name)? else {
            continue;
        };
        match proto::call(t, f.value(), &[about]) {
            Ok(r) if r.value().is_none() => {}
            Ok(r) => return Ok(r),
            Err(_) if t.exc_matches(&errors::TYPE_ERROR) => t.clear_exc(),
            Err(e) => return Err(e),
        }
    }
    match alternative {
        Some(v) => Ok(Obj::new(t, v)),
        None => Err(error::programming(t, "can't adapt")),
    }
}

/// A parameter as it is to be stored.
pub fn prepared(t: &mut Thread, v: Obj) -> Res<Obj> {
    let ty = type_of(v.value());
    let known = [&int::INT, &float::FLOAT, &weft_objects::str::STR];
    let plain = known.iter().any(|k| ty.is(k)) || ty.is(&bytearray::BYTEARRAY);
    if plain && !BASE_ADAPTED.load(Relaxed) {
        return Ok(v);
    }
    adapt(t, v.value(), PREPARE_PROTOCOL.value(), Some(v.value()))
}

#[repr(C)]
struct PrepareProtocol {
    header: Header,
}

/// `sqlite3.PrepareProtocol`
pub static PREPARE_PROTOCOL: Type = Type::builtin(
    "PrepareProtocol",
    size_of::<PrepareProtocol>(),
    &Spec {
        new: Some(|t, cls, _| {
            // SAFETY: there is nothing but the header.
            let (o, _) = unsafe { cell::fresh::<PrepareProtocol>(t, Type::of_unchecked(cls)) };
            Ok(o.into())
        }),
        init: Some(|_, _, _| Ok(())),
        ..Spec::EMPTY
    },
)
.module("sqlite3")
.doc("PEP 246 style object adaption protocol type.");
