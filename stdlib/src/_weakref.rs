//! `_weakref`: the native half of `weakref`.

use crate::support;
use std::sync::atomic::Ordering::Acquire;
use weft_gc::weak;
use weft_objects::prelude::*;
use weft_objects::weakref::{self, CALLABLE_PROXY, PROXY, REF, WeakRef};

fn refs_to(t: &Thread, v: Value) -> Vec<Obj> {
    if !v.is_ptr() {
        return Vec::new();
    }
    // SAFETY: an argument, alive for the whole call.
    weak::refs_of(t, unsafe { v.header() })
}

fn getweakrefcount(t: &mut Thread, a: &[Value]) -> Res {
    let n = refs_to(t, a[0]).len();
    Ok(Value::int(n as i64))
}

fn getweakrefs(t: &mut Thread, a: &[Value]) -> Res {
    let mut refs = refs_to(t, a[0]);
    // The one that is given out again and again comes first.
    refs.sort_by_key(|r| {
        let plain = type_of(r.value()).is(&REF)
            && WeakRef::of(r.value()).is_some_and(|w| w.head.has_callback.load(Acquire) == 0);
        !plain
    });
    Ok(List::from_vec(t, refs).into())
}

fn proxy(t: &mut Thread, a: &[Value]) -> Res {
    weakref::new_proxy(t, a[0], a[1]).map(Obj::into_value)
}

/// Removes a key whose value is a dead weak reference, and leaves it if a live one has taken its place.
fn remove_dead(t: &mut Thread, a: &[Value]) -> Res {
    let Some(d) = Dict::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "_remove_dead_weakref() argument 1 must be dict, not {got}"
        )));
    };
    let hash = proto::hash(t, a[1])?;
    let Some(found) = d.get_hashed(t, a[1], hash)?.map(Obj::own) else {
        return Ok(Value::NONE);
    };
    match WeakRef::of(found.value()) {
        Some(r) if weak::is_dead(&r.head) => {
            d.remove_hashed(t, a[1], hash)?;
            Ok(Value::NONE)
        }
        Some(_) => Ok(Value::NONE),
        None => Err(t.type_error("not a weakref".into())),
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("getweakrefcount", "(object, /)", getweakrefcount)
        .doc("Return the number of weak references to 'object'."),
    NativeDef::new("getweakrefs", "(object, /)", getweakrefs)
        .doc("Return a list of all weak reference objects pointing to 'object'."),
    NativeDef::new("proxy", "(object, callback=None, /)", proxy)
        .doc("Create a proxy object that weakly references 'object'."),
    NativeDef::new("_remove_dead_weakref", "(dct, key, /)", remove_dead)
        .doc("Atomically remove key from dict if it points to a dead weakref."),
];

pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_weakref", "Weak-reference support module.", FUNCTIONS);
    for (name, ty) in [
        ("ref", &REF),
        ("ReferenceType", &REF),
        ("ProxyType", &PROXY),
        ("CallableProxyType", &CALLABLE_PROXY),
    ] {
        ty.ready(t);
        support::add(t, &m, name, Obj::new(t, ty.value()));
    }
    Ok(m)
}
