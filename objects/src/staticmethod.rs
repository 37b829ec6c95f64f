//! `staticmethod` and `classmethod`.

use crate::cell::{counted, fresh, own};
use crate::gc_slots;
use crate::method::Method;
use crate::prelude::*;
use std::mem::offset_of;

/// A static method or a class method.
#[repr(C)]
pub struct Wrapped {
    pub header: Header,
    pub callable: Slot,
    pub dict: Slot,
}

impl Wrapped {
    pub fn of_static<'a>(v: Value) -> Option<&'a Wrapped> {
        crate::cast(v, &STATIC_METHOD)
    }
    pub fn of_class<'a>(v: Value) -> Option<&'a Wrapped> {
        crate::cast(v, &CLASS_METHOD)
    }
}

/// A static method around `f`, without the attributes that it would take from it.
pub fn new_static(t: &Thread, f: Obj) -> Obj {
    new_wrapped(t, &STATIC_METHOD, f)
}

/// A class method around `f`, without the attributes that it would take from it.
pub fn new_class(t: &Thread, f: Obj) -> Obj {
    new_wrapped(t, &CLASS_METHOD, f)
}

fn new_wrapped(t: &Thread, ty: &'static Type, f: Obj) -> Obj {
    // SAFETY: both types have this layout.
    let (o, w) = unsafe { fresh::<Wrapped>(t, ty) };
    w.callable.init(t, &w.header, f.into());
    o
}

fn this<'a>(v: Value) -> &'a Wrapped {
    // SAFETY: slot functions of the two types get their instances alone.
    unsafe { &*(v.ptr() as *const Wrapped) }
}

fn callable(t: &Thread, v: Value) -> Obj {
    own(t, &this(v).callable).unwrap_or_else(|| Obj::from_raw(Value::NONE))
}

fn wrapped_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is one of the two types, or a subclass.
    Ok(unsafe { fresh::<Wrapped>(t, Type::of_unchecked(cls)) }
        .0
        .into())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>, sig: &SigCell) -> Res<()> {
    let a = sig.bind(t, args)?;
    let w = this(v);
    w.callable.set(t, &w.header, counted(t, a[0]));
    for name in ["__module__", "__name__", "__qualname__", "__doc__"] {
        let name = crate::names::get(t, name);
        if let Some(value) = proto::get_attr_opt(t, a[0], name)? {
            let d = crate::descr::get_dict(t, v).map(Obj::own)?;
            Dict::of_obj(&d).set_str(t, name, value.value());
        }
    }
    Ok(())
}

fn static_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("staticmethod", "(function, /)");
    init(t, v, args, &SIG)
}

fn class_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("classmethod", "(function, /)");
    init(t, v, args, &SIG)
}

fn static_get(t: &mut Thread, d: Value, _obj: Value, _ty: Value) -> Res {
    let f = this(d).callable.get();
    if f.is_null() {
        return Err(t.runtime_error("uninitialized staticmethod object"));
    }
    Ok(to_reg(t, f))
}

fn class_get(t: &mut Thread, d: Value, obj: Value, ty: Value) -> Res {
    let f = this(d).callable.get();
    if f.is_null() {
        return Err(t.runtime_error("uninitialized classmethod object"));
    }
    let class = if ty.is_null() {
        type_of(obj).value()
    } else {
        ty
    };
    Ok(Method::new(t, f, class).into())
}

fn static_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let f = callable(t, v);
    proto::call_kw(t, f.value(), args).map(Obj::into_value)
}

fn repr(t: &mut Thread, v: Value, what: &str) -> Res {
    let f = callable(t, v);
    let r = proto::repr(t, f.value())?;
    let mut out = format!("<{what}(").into_bytes();
    errors::append(&mut out, &r);
    out.extend_from_slice(b")>");
    Ok(Str::from_wtf8(t, &out).into())
}

fn is_abstract(t: &mut Thread, v: Value) -> Res {
    let f = callable(t, v);
    crate::property::is_abstract_method(t, f.value()).map(Value::bool)
}

/// An attribute that is taken from the function when it is first asked for.
fn lazy(t: &mut Thread, v: Value, name: &Str) -> Res {
    let d = Obj::own(crate::descr::get_dict(t, v)?);
    if let Some(found) = Dict::of_obj(&d).get_str(t, name) {
        return Ok(found.to_reg(t));
    }
    let f = callable(t, v);
    let value = proto::get_attr(t, f.value(), name)?;
    Dict::of_obj(&d).set_str(t, name, value.value());
    Ok(value.into())
}

fn put_lazy(t: &mut Thread, v: Value, name: &Str, new: Value) -> Res<()> {
    let d = Obj::own(crate::descr::get_dict(t, v)?);
    if new.is_null() {
        if Dict::of_obj(&d).remove_str(t, name).is_none() {
            return Err(t.attribute_error(v, name));
        }
    } else {
        Dict::of_obj(&d).set_str(t, name, new);
    }
    Ok(())
}

const METHODS: &[NativeDef] = &[NativeDef::class(
    "__class_getitem__",
    "($type, item, /)",
    crate::generic_alias::class_getitem,
)];

const GETSET: &[GetSetDef] = &[
    GetSetDef::rw("__dict__", crate::descr::get_dict, crate::descr::set_dict),
    GetSetDef::ro("__func__", |t, v| Ok(callable(t, v).into())),
    GetSetDef::ro("__wrapped__", |t, v| Ok(callable(t, v).into())),
    GetSetDef::ro("__isabstractmethod__", is_abstract),
    GetSetDef::rw(
        "__annotations__",
        |t, v| lazy(t, v, crate::id!(t, "__annotations__")),
        |t, v, new| put_lazy(t, v, crate::id!(t, "__annotations__"), new),
    ),
    GetSetDef::rw(
        "__annotate__",
        |t, v| lazy(t, v, crate::id!(t, "__annotate__")),
        |t, v, new| put_lazy(t, v, crate::id!(t, "__annotate__"), new),
    ),
];

gc_slots!(Wrapped, traverse, clear, callable, dict);

/// `staticmethod`
pub static STATIC_METHOD: Type = Type::builtin(
    "staticmethod",
    size_of::<Wrapped>(),
    &Spec {
        new: Some(wrapped_new),
        init: Some(static_init),
        descr_get: Some(static_get),
        call: Some(static_call),
        repr: Some(|t, v| repr(t, v, "staticmethod")),
        methods: METHODS,
        getset: GETSET,
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.dict_at(offset_of!(Wrapped, dict))
.signature("(function, /)");

/// `classmethod`
pub static CLASS_METHOD: Type = Type::builtin(
    "classmethod",
    size_of::<Wrapped>(),
    &Spec {
        new: Some(wrapped_new),
        init: Some(class_init),
        descr_get: Some(class_get),
        repr: Some(|t, v| repr(t, v, "classmethod")),
        methods: METHODS,
        getset: GETSET,
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.dict_at(offset_of!(Wrapped, dict))
.signature("(function, /)");
