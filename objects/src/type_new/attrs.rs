//! Attributes and methods of classes.

use super::{mro, object};
use crate::cell::or_none;
use crate::prelude::*;
use crate::types::{TYPE, type_flags as tf};
use std::ffi::c_long;
use std::sync::atomic::Ordering::*;

fn this<'a>(v: Value) -> &'a Type {
    Type::of_unchecked(v)
}

/// TypeError unless the attribute of the class may be set to the value (NULL: deleted).
pub(super) fn check_assignable(t: &mut Thread, ty: &Type, value: Value, name: &str) -> Res<()> {
    let of = super::c_name(t, ty);
    if ty.has(tf::IMMUTABLE) {
        return Err(t.type_error(format!(
            "cannot set '{name}' attribute of immutable type '{of}'"
        )));
    }
    if value.is_null() {
        return Err(t.type_error(format!(
            "cannot delete '{name}' attribute of immutable type '{of}'"
        )));
    }
    if crate::audit::wanted() {
        let name = Str::intern(t, name).value();
        crate::audit::tell(t, "object.__setattr__", &[ty.value(), name, value])?;
    }
    Ok(())
}

/// What the class itself has under the name.
fn own(t: &Thread, ty: &Type, name: &Str) -> Option<Obj> {
    ty.dict(t)
        .and_then(|d| d.get_str(t, name))
        .map(|v| v.to_obj(t))
}

/// As [`own`], bound to the class if it is a descriptor.
fn own_bound(t: &mut Thread, ty: &Type, name: &Str) -> Res<Option<Value>> {
    let Some(v) = own(t, ty, name) else {
        return Ok(None);
    };
    match type_of(v.value()).slots.descr_get.get() {
        Some(get) => get(t, v.value(), Value::NULL, ty.value()).map(Some),
        None => Ok(Some(v.into())),
    }
}

fn missing(t: &Thread, name: &str) -> Raised {
    t.raise(&errors::ATTRIBUTE_ERROR, name)
}

fn get_name(t: &mut Thread, v: Value) -> Res {
    let name = this(v).name.get();
    Ok(if name.is_null() {
        Str::intern(t, &this(v).name()).into()
    } else {
        to_reg(t, name)
    })
}

fn set_name(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    check_assignable(t, ty, new, "__name__")?;
    let Some(s) = Str::of(new) else {
        let msg = format!(
            "can only assign string to {}.__name__, not '{}'",
            ty.name(),
            type_of(new).name()
        );
        return Err(t.type_error(msg));
    };
    if s.as_bytes().contains(&0) {
        return Err(t.value_error("type name must not contain null characters"));
    }
    super::check_text(t, new)?;
    ty.name.set(t, ty.header(), Obj::new(t, new).into());
    Ok(())
}

fn get_qualname(t: &mut Thread, v: Value) -> Res {
    Ok(to_reg(t, this(v).qualname(t).value()))
}

fn set_qualname(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    check_assignable(t, ty, new, "__qualname__")?;
    if Str::of(new).is_none() {
        let msg = format!(
            "can only assign string to {}.__qualname__, not '{}'",
            ty.name(),
            type_of(new).name()
        );
        return Err(t.type_error(msg));
    }
    ty.qualname.set(t, ty.header(), Obj::new(t, new).into());
    Ok(())
}

fn get_module(t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    if !ty.is_heap() {
        return Ok(Str::intern(t, ty.static_module()).into());
    }
    match own(t, ty, crate::id!(t, "__module__")) {
        Some(m) => Ok(m.into()),
        None => Err(missing(t, "__module__")),
    }
}

fn set_module(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    check_assignable(t, ty, new, "__module__")?;
    ty.set_name(t, crate::id!(t, "__firstlineno__"), Value::NULL);
    ty.set_name(t, crate::id!(t, "__module__"), new);
    Ok(())
}

fn get_dict(t: &mut Thread, v: Value) -> Res {
    let d = Obj::new(t, this(v).dict.get());
    Ok(crate::mappingproxy::MappingProxy::new(t, d).into())
}

fn get_doc(t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    if ty.is(&TYPE) {
        return Ok(Str::new(t, ty.static_doc()).into());
    }
    Ok(own_bound(t, ty, crate::id!(t, "__doc__"))?.unwrap_or(Value::NONE))
}

fn set_doc(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    check_assignable(t, ty, new, "__doc__")?;
    ty.set_name(t, crate::id!(t, "__doc__"), new);
    Ok(())
}

fn get_abstract(t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    if !ty.is(&TYPE)
        && let Some(names) = own(t, ty, crate::id!(t, "__abstractmethods__"))
    {
        return Ok(names.into());
    }
    Err(missing(t, "__abstractmethods__"))
}

fn set_abstract(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    let on = !new.is_null() && proto::truth(t, new)?;
    let before = ty.has(tf::ABSTRACT);
    ty.put_flag(tf::ABSTRACT, on);
    if !ty.set_name(t, crate::id!(t, "__abstractmethods__"), new) {
        ty.put_flag(tf::ABSTRACT, before);
        return Err(missing(t, "__abstractmethods__"));
    }
    Ok(())
}

// --- annotations (PEP 649) ---

fn get_annotate(t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    if !ty.is_heap() {
        return Err(t.attribute_error(v, crate::id!(t, "__annotate__")));
    }
    let func = crate::id!(t, "__annotate_func__");
    // One that the class defines itself goes before the compiler's.
    if let Some(f) = own_bound(t, ty, crate::id!(t, "__annotate__"))? {
        return Ok(f);
    }
    if let Some(f) = own_bound(t, ty, func)? {
        return Ok(f);
    }
    ty.set_name(t, func, Value::NONE);
    Ok(Value::NONE)
}

fn set_annotate(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    if new.is_null() {
        return Err(t.type_error("cannot delete __annotate__ attribute".into()));
    }
    check_assignable(t, ty, new, "__annotate__")?;
    if !new.is_none() && !proto::is_callable(new) {
        return Err(t.type_error("__annotate__ must be callable or None".into()));
    }
    ty.set_name(t, crate::id!(t, "__annotate_func__"), new);
    if !new.is_none() {
        ty.set_name(t, crate::id!(t, "__annotations_cache__"), Value::NULL);
    }
    Ok(())
}

fn get_annotations(t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    let name = crate::id!(t, "__annotations__");
    if !ty.is_heap() {
        return Err(t.attribute_error(v, name));
    }
    let cache = crate::id!(t, "__annotations_cache__");
    if let Some(found) = own_bound(t, ty, name)? {
        return Ok(found);
    }
    if let Some(found) = own_bound(t, ty, cache)? {
        return Ok(found);
    }
    let annotate = proto::get_attr(t, v, crate::id!(t, "__annotate__"))?;
    let made = if proto::is_callable(annotate.value()) {
        let made = proto::call(t, annotate.value(), &[Value::int(1)])?;
        if Dict::of(made.value()).is_none() {
            let msg = format!(
                "__annotate__ returned non-dict of type '{}'",
                type_of(made.value()).name()
            );
            return Err(t.type_error(msg));
        }
        made
    } else {
        Dict::new(t)
    };
    ty.set_name(t, cache, made.value());
    Ok(made.into())
}

fn set_annotations(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    if ty.has(tf::IMMUTABLE) {
        return check_assignable(t, ty, new, "__annotations__");
    }
    let (name, cache) = (
        crate::id!(t, "__annotations__"),
        crate::id!(t, "__annotations_cache__"),
    );
    let explicit = own(t, ty, name).is_some();
    if !ty.set_name(t, if explicit { name } else { cache }, new) {
        return Err(missing(t, "__annotations__"));
    }
    if explicit && new.is_null() {
        ty.set_name(t, cache, Value::NULL);
    }
    ty.set_name(t, crate::id!(t, "__annotate_func__"), Value::NULL);
    ty.set_name(t, crate::id!(t, "__annotate__"), Value::NULL);
    Ok(())
}

fn get_type_params(t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    let found = if ty.is(&TYPE) {
        None
    } else {
        own(t, ty, crate::id!(t, "__type_params__"))
    };
    Ok(found.unwrap_or_else(|| Tuple::empty(t)).into())
}

fn set_type_params(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = this(v);
    check_assignable(t, ty, new, "__type_params__")?;
    ty.set_name(t, crate::id!(t, "__type_params__"), new);
    Ok(())
}

// --- layout ---

/// `__flags__`: CPython's numbers for what we have.
fn get_flags(t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    let subclass =
        |base: &'static Type, bit: u32| if ty.is_subtype(base) { 1i64 << bit } else { 0 };
    let mut n = 1i64 << 12;
    for (flag, bit) in [
        (tf::SEQUENCE, 5),
        (tf::MAPPING, 6),
        (tf::NO_NEW, 7),
        (tf::IMMUTABLE, 8),
        (tf::HEAP, 9),
        (tf::BASE, 10),
        (tf::METHOD_DESCRIPTOR, 17),
        (tf::ABSTRACT, 20),
        (tf::MATCH_SELF, 22),
        (tf::EXCEPTION, 30),
        (tf::TYPE_SUBCLASS, 31),
    ] {
        if ty.has(flag) {
            n |= 1 << bit;
        }
    }
    // In CPython these are made when their module is.
    if !ty.is_heap() && !matches!(ty.static_module(), "builtins" | "types") {
        n |= 1 << 9;
    }
    // Instances with attributes beside the layout of a built-in type below.
    if ty.is_heap() && ty.dict_offset.load(Relaxed) != 0 {
        n |= 1 << 4;
    }
    if ty.has(tf::INLINE) {
        n |= 1 << 2;
    }
    if ty.head.gc_flags.load(Relaxed) & weft_gc::TypeFlags::CONTAINER != 0 {
        n |= 1 << 14;
    }
    n |= subclass(&crate::int::INT, 24)
        | subclass(&crate::list::LIST, 25)
        | subclass(&crate::tuple::TUPLE, 26);
    n |= subclass(&crate::bytes::BYTES, 27)
        | subclass(&crate::str::STR, 28)
        | subclass(&crate::dict::DICT, 29);
    Ok(crate::int::from_i64(t, n))
}

fn get_dict_offset(_t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    let at = if ty.has(tf::TYPE_SUBCLASS) {
        std::mem::offset_of!(Type, dict) as c_long
    } else {
        ty.dict_offset.load(Relaxed) as c_long
    };
    Ok(Value::int(at))
}

/// Weak references are in a table outside: any number but zero says that they are possible.
fn get_weak_offset(_t: &mut Thread, v: Value) -> Res {
    let ty = this(v);
    Ok(Value::int(if super::layout::has_weakrefs(ty) {
        ty.head.basic_size.load(Relaxed) as i64
    } else {
        0
    }))
}

pub(super) const GETSET: &[GetSetDef] = &[
    GetSetDef::rw("__name__", get_name, set_name),
    GetSetDef::rw("__qualname__", get_qualname, set_qualname),
    GetSetDef::rw("__module__", get_module, set_module),
    GetSetDef::ro("__dict__", get_dict),
    GetSetDef::rw(
        "__bases__",
        |t, v| Ok(or_none(t, this(v).bases.get())),
        mro::set_bases,
    ),
    GetSetDef::ro("__base__", |t, v| Ok(or_none(t, this(v).base.get()))),
    GetSetDef::ro("__mro__", |t, v| Ok(or_none(t, this(v).mro.get()))),
    GetSetDef::rw("__doc__", get_doc, set_doc),
    GetSetDef::rw("__abstractmethods__", get_abstract, set_abstract),
    GetSetDef::rw("__annotations__", get_annotations, set_annotations),
    GetSetDef::rw("__annotate__", get_annotate, set_annotate),
    GetSetDef::rw("__type_params__", get_type_params, set_type_params),
    GetSetDef::ro("__basicsize__", |_, v| {
        let ty = this(v);
        let size = match ty.is_subtype(&crate::int::INT) {
            true => crate::int::basic_size(ty),
            false => ty.head.basic_size.load(Relaxed),
        };
        Ok(Value::int(i64::from(size)))
    }),
    GetSetDef::ro("__itemsize__", |_, v| {
        let ty = this(v);
        Ok(Value::int(match ty.has(tf::VAR_SIZED) {
            true if ty.is_subtype(&crate::int::INT) => 4,
            true if ty.is_subtype(&crate::bytes::BYTES) => 1,
            true => 8,
            false => 0,
        }))
    }),
    GetSetDef::ro("__flags__", get_flags),
    GetSetDef::ro("__dictoffset__", get_dict_offset),
    GetSetDef::ro("__weakrefoffset__", get_weak_offset),
    GetSetDef::ro("__text_signature__", |t, v| {
        Ok(match this(v).static_signature() {
            "" => Value::NONE,
            text => Str::new(t, text).into(),
        })
    }),
];

fn subclasses(t: &mut Thread, a: &[Value]) -> Res {
    let all = this(a[0]).subclasses_snapshot();
    Ok(crate::list::List::from_slice(t, &all).into())
}

fn mro_list(t: &mut Thread, a: &[Value]) -> Res {
    let order = mro::linearize(t, this(a[0]))?;
    Ok(crate::list::List::from_slice(t, Tuple::this(order.value()).values()).into())
}

fn dir(t: &mut Thread, a: &[Value]) -> Res {
    let names = Dict::new(t);
    object::merge_class(t, Dict::of_obj(&names), a[0])?;
    Ok(object::keys(t, &names))
}

pub(super) const METHODS: &[NativeDef] = &[
    NativeDef::new("mro", "($self, /)", mro_list).doc("Return a type's method resolution order."),
    NativeDef::new("__subclasses__", "($self, /)", subclasses)
        .doc("Return a list of immediate subclasses."),
    NativeDef::class("__prepare__", "($cls, /, *bases, **kwds)", |t, _| {
        Ok(Dict::new(t).into())
    })
    .doc("Create the namespace for the class statement"),
    NativeDef::new("__instancecheck__", "($self, instance, /)", |t, a| {
        proto::is_instance_default(t, a[1], a[0]).map(Value::bool)
    })
    .doc("Check if an object is an instance."),
    NativeDef::new("__subclasscheck__", "($self, subclass, /)", |t, a| {
        proto::is_subclass_default(t, a[1], a[0]).map(Value::bool)
    })
    .doc("Check if a class is a subclass."),
    NativeDef::new("__dir__", "($self, /)", dir)
        .doc("Specialized __dir__ implementation for types."),
    NativeDef::new("__sizeof__", "($self, /)", |_, _| {
        Ok(Value::int(size_of::<Type>() as i64))
    })
    .doc("Return memory consumption of the type object."),
];
