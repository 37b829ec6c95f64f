//! `types.SimpleNamespace`.

use crate::cell::fresh;
use crate::gc_slots;
use crate::prelude::*;
use std::mem::offset_of;

/// An object with nothing but attributes.
#[repr(C)]
pub struct Namespace {
    pub header: Header,
    pub dict: Slot,
}

/// A new namespace without attributes.
pub fn new(t: &Thread) -> Obj {
    // SAFETY: the layout of namespaces.
    unsafe { fresh::<Namespace>(t, &NAMESPACE) }.0
}

impl Namespace {
    pub fn of<'a>(v: Value) -> Option<&'a Namespace> {
        crate::cast(v, &NAMESPACE)
    }
}

fn dict_of(t: &Thread, v: Value) -> Obj {
    crate::instance::get_dict(t, v).unwrap_or_else(|| Dict::new(t))
}

fn namespace_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is the namespace type or a subclass.
    Ok(unsafe { fresh::<Namespace>(t, Type::of_unchecked(cls)) }
        .0
        .into())
}

fn namespace_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let given = args.pos();
    if given.len() > 1 {
        let (name, n) = (type_of(v).name(), given.len());
        return Err(t.type_error(format!("{name} expected at most 1 argument, got {n}")));
    }
    let d = dict_of(t, v);
    if let Some(&source) = given.first() {
        let more = Dict::new(t);
        if Dict::of(source).is_some() {
            Dict::of_obj(&more).update(t, source)?;
        } else {
            let made = proto::call(t, crate::dict::DICT.value(), &[source])?;
            Dict::of_obj(&more).update(t, made.value())?;
        }
        for (k, x) in Dict::of_obj(&more).items(t) {
            if Str::of(k.value()).is_none() {
                return Err(t.type_error("keywords must be strings".into()));
            }
            proto::set_item(t, d.value(), k.value(), x.value())?;
        }
    }
    for (k, x) in args.keywords() {
        proto::set_item(t, d.value(), k, x)?;
    }
    Ok(())
}

fn namespace_repr(t: &mut Thread, v: Value) -> Res {
    let class = type_of(v);
    let name = if class.is(&NAMESPACE) {
        "namespace".to_string()
    } else {
        class.name()
    };
    let Some(_guard) = t.repr_enter(v) else {
        return Ok(Str::from_string(t, format!("{name}(...)")).into());
    };
    let mut out = name.into_bytes();
    out.push(b'(');
    let d = dict_of(t, v);
    let mut first = true;
    for (k, x) in Dict::of_obj(&d).items(t) {
        let Some(key) = Str::of(k.value()).filter(|k| !k.is_empty()) else {
            continue;
        };
        if !first {
            out.extend_from_slice(b", ");
        }
        first = false;
        out.extend_from_slice(key.as_bytes());
        out.push(b'=');
        let x = proto::repr(t, x.value())?;
        errors::append(&mut out, &x);
    }
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

fn namespace_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if Namespace::of(a).is_none() || Namespace::of(b).is_none() {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (x, y) = (dict_of(t, a), dict_of(t, b));
    proto::compare(t, x.value(), y.value(), op)
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let parts = vec![
        Obj::new(t, type_of(a[0]).value()),
        Tuple::from_vec(t, Vec::new()),
        dict_of(t, a[0]),
    ];
    Ok(Tuple::from_vec(t, parts).into())
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let class = Obj::new(t, type_of(a[0]).value());
    let new = proto::call(t, class.value(), &[])?;
    if !type_of(new.value()).is_subtype(&NAMESPACE) {
        let (class, got) = (
            type_of(a[0]).full_name(t),
            type_of(new.value()).full_name(t),
        );
        return Err(t.type_error(format!(
            "expect types.SimpleNamespace type, but {class}() returned '{got}' object"
        )));
    }
    let (from, to) = (dict_of(t, a[0]), dict_of(t, new.value()));
    Dict::of_obj(&to).update(t, from.value())?;
    Dict::of_obj(&to).update(t, a[1])?;
    Ok(new.into())
}

gc_slots!(Namespace, traverse, clear, dict);

/// `types.SimpleNamespace`
pub static NAMESPACE: Type = Type::builtin(
    "SimpleNamespace",
    size_of::<Namespace>(),
    &Spec {
        new: Some(namespace_new),
        init: Some(namespace_init),
        repr: Some(namespace_repr),
        compare: Some(namespace_compare),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", reduce).doc("Return state information for pickling"),
            NativeDef::new("__replace__", "($self, /, **changes)", replace)
                .doc("Return a copy of the namespace object with new values for the specified attributes."),
        ],
        getset: &[GetSetDef::rw("__dict__", crate::descr::get_dict, crate::descr::set_dict)],
        ..Spec::EMPTY
    },
)
.module("types")
.gc(traverse, clear)
.dict_at(offset_of!(Namespace, dict))
.doc("A simple attribute-based namespace.");
