//! `__new__` of built-in types, and those methods of `object` that look at classes: `__reduce_ex__`, `__getstate__`, `__dir__`.

use super::layout::{attributes, static_base};
use crate::native::{BuiltinFunction, Native};
use crate::prelude::*;
use crate::slots::NewFn;
use crate::types::{OBJECT, type_flags as tf};
use std::sync::OnceLock;

// --- __new__ ---

static NEW_DEF: NativeDef = NativeDef::raw("__new__", "($type, /, *args, **kwargs)", new_native)
    .doc("Create and return a new object.  See help(type) for accurate signature.");

/// The `__new__` of a built-in type, as it lies in its dict.
pub(crate) fn new_wrapper(t: &Thread, ty: &'static Type) -> Obj {
    static NATIVE: OnceLock<&'static Native> = OnceLock::new();
    BuiltinFunction::bind(
        t,
        NATIVE.get_or_init(|| Native::new(&NEW_DEF, true)),
        ty.value(),
        Value::NULL,
    )
}

/// The slot function behind a built-in `__new__`, if it makes instances of `ty`.
pub(crate) fn new_wrapper_of(v: Value, ty: &Type) -> Option<NewFn> {
    let f = BuiltinFunction::of(v)?;
    if !std::ptr::eq(f.native.def, &NEW_DEF) {
        return None;
    }
    let owner = Type::of(f.self_.get()).filter(|owner| ty.is_subtype(owner))?;
    owner.slots.new.get()
}

/// A built-in `__new__`: its arguments begin with the type that it belongs to.
fn new_native(t: &mut Thread, args: Args<'_>) -> Res {
    match args.all() {
        [owner, rest @ ..] => {
            call_new(t, Type::of_unchecked(*owner), Args::new(rest, args.names()))
        }
        [] => Err(t.type_error("__new__(): not enough arguments".into())),
    }
}

/// `ty.__new__(cls, ...)`: the arguments begin with `cls`.
fn call_new(t: &mut Thread, ty: &Type, args: Args<'_>) -> Res {
    let Some(&cls) = args.pos().first() else {
        let msg = format!("{}.__new__(): not enough arguments", super::c_name(t, ty));
        return Err(t.type_error(msg));
    };
    let sub = match Type::of(cls) {
        Some(sub) if sub.is_subtype(ty) => sub,
        wrong => return Err(wrong_class(t, ty, cls, wrong)),
    };
    let below = static_base(sub);
    if sub.has(tf::NO_NEW) {
        let name = super::c_name(t, sub);
        return Err(t.type_error(format!("cannot create '{name}' instances")));
    }
    match ty.slots.new.get() {
        Some(f)
            if !below.has(tf::NO_NEW)
                && below
                    .slots
                    .new
                    .get()
                    .is_some_and(|g| std::ptr::fn_addr_eq(f, g)) =>
        {
            f(t, cls, Args::new(&args.all()[1..], args.names()))
        }
        _ => {
            if below.has(tf::NO_NEW) {
                let name = super::c_name(t, sub);
                return Err(t.type_error(format!("cannot create '{name}' instances")));
            }
            let (a, b, c) = (
                super::c_name(t, ty),
                super::c_name(t, sub),
                super::c_name(t, below),
            );
            Err(t.type_error(format!("{a}.__new__({b}) is not safe, use {c}.__new__()")))
        }
    }
}

#[cold]
fn wrong_class(t: &Thread, ty: &Type, cls: Value, sub: Option<&Type>) -> Raised {
    let name = super::c_name(t, ty);
    t.type_error(match sub {
        None => format!(
            "{name}.__new__(X): X is not a type object ({})",
            type_of(cls).name()
        ),
        Some(sub) => {
            let sub = super::c_name(t, sub);
            format!("{name}.__new__({sub}): {sub} is not a subtype of {name}")
        }
    })
}

// --- pickling ---

/// `object.__reduce_ex__` for protocol 2 and later.
pub(crate) fn reduce_2(t: &mut Thread, copyreg: Obj, v: Value) -> Res {
    let cls = type_of(v);
    if static_base(cls).has(tf::NO_NEW) {
        let msg = format!("cannot pickle '{}' object", super::c_name(t, cls));
        return Err(t.type_error(msg));
    }
    let new_args = new_arguments(t, v)?;
    let is_list = List::of(v).is_some();
    let is_dict = Dict::of(v).is_some();
    let required = new_args.is_none() && !is_list && !is_dict;
    let cls = Obj::new(t, cls.value());
    let (name, call_args) = match new_args {
        Some((args, Some(kwargs))) if !Dict::of(kwargs.value()).is_none_or(|d| d.is_empty()) => (
            crate::id!(t, "__newobj_ex__"),
            Tuple::from_vec(t, vec![cls, args, kwargs]),
        ),
        other => {
            let mut all = vec![cls];
            if let Some((args, _)) = other {
                all.extend(
                    Tuple::of(args.value())
                        .map(|a| a.to_vec(t))
                        .unwrap_or_default(),
                );
            }
            (crate::id!(t, "__newobj__"), Tuple::from_vec(t, all))
        }
    };
    let make = proto::get_attr(t, copyreg.value(), name)?;
    let state = state_of(t, v, required)?;
    let none = || Obj::from_raw(Value::NONE);
    let items = if is_list { proto::iter(t, v)? } else { none() };
    let pairs = if is_dict {
        let view = proto::call_method(t, v, "items", &[])?;
        proto::iter(t, view.value())?
    } else {
        none()
    };
    Ok(Tuple::from_vec(t, vec![make, call_args, state, items, pairs]).into())
}

/// What `__getnewargs_ex__` or `__getnewargs__` gives.
fn new_arguments(t: &mut Thread, v: Value) -> Res<Option<(Obj, Option<Obj>)>> {
    if let Some(f) = proto::lookup_special_raw(t, v, crate::id!(t, "__getnewargs_ex__"))? {
        let r = f.call(t, &[])?;
        let Some(pair) = Tuple::of(r.value()) else {
            let msg = format!(
                "__getnewargs_ex__ should return a tuple, not '{}'",
                type_of(r.value()).name()
            );
            return Err(t.type_error(msg));
        };
        let &[args, kwargs] = pair.values() else {
            let msg = format!(
                "__getnewargs_ex__ should return a tuple of length 2, not {}",
                pair.len()
            );
            return Err(t.value_error(msg));
        };
        if Tuple::of(args).is_none() {
            let what = "first item of the tuple returned by __getnewargs_ex__ must be a tuple";
            return Err(t.type_error(format!("{what}, not '{}'", type_of(args).name())));
        }
        if Dict::of(kwargs).is_none() {
            let what = "second item of the tuple returned by __getnewargs_ex__ must be a dict";
            return Err(t.type_error(format!("{what}, not '{}'", type_of(kwargs).name())));
        }
        return Ok(Some((Obj::new(t, args), Some(Obj::new(t, kwargs)))));
    }
    let Some(f) = proto::lookup_special_raw(t, v, crate::id!(t, "__getnewargs__"))? else {
        return Ok(None);
    };
    let args = f.call(t, &[])?;
    if Tuple::of(args.value()).is_none() {
        let msg = format!(
            "__getnewargs__ should return a tuple, not '{}'",
            type_of(args.value()).name()
        );
        return Err(t.type_error(msg));
    }
    Ok(Some((args, None)))
}

fn state_of(t: &mut Thread, v: Value, required: bool) -> Res<Obj> {
    let name = crate::id!(t, "__getstate__");
    let own = type_of(v).lookup(t, name).map(|d| d.value());
    if own == OBJECT.lookup(t, name).map(|d| d.value()) {
        return default_getstate(t, v, required).map(Obj::own);
    }
    let f = proto::get_attr(t, v, name)?;
    proto::call(t, f.value(), &[])
}

/// `object.__getstate__`: the instance's dict and what is in its `__slots__`. `required`: nothing else says how to make such an
/// object, so all of it must be in there.
pub(crate) fn default_getstate(t: &mut Thread, v: Value, required: bool) -> Res {
    let cls = type_of(v);
    if required && !static_base(cls).is(&OBJECT) && !is_plain(static_base(cls)) {
        let msg = format!("cannot pickle '{}' object", super::c_name(t, cls));
        return Err(t.type_error(msg));
    }
    let state = attributes(t, v).unwrap_or_else(|| Obj::from_raw(Value::NONE));
    let listed = |t: &Thread| cls.lookup(t, crate::id!(t, "__slotnames__")).is_some();
    if !cls.is_heap() || cls.has(tf::INLINE) && !listed(t) {
        return Ok(state.into());
    }
    let names = slot_names(t, cls)?;
    let held = Dict::new(t);
    for name in names {
        let Some(key) = Str::of(name.value()) else {
            continue;
        };
        if let Some(x) = proto::get_attr_opt(t, v, key)? {
            Dict::of_obj(&held).set_str(t, key, x.value());
        }
    }
    if Dict::of_obj(&held).is_empty() {
        return Ok(state.into());
    }
    Ok(Tuple::from_vec(t, vec![state, held]).into())
}

/// A built-in type without data of its own but a dict.
fn is_plain(ty: &Type) -> bool {
    use std::sync::atomic::Ordering::Relaxed;
    let dict = if ty.dict_offset.load(Relaxed) != 0 {
        size_of::<Slot>() as u32
    } else {
        0
    };
    ty.head.basic_size.load(Relaxed) <= OBJECT.head.basic_size.load(Relaxed) + dict
}

/// The names of the class's `__slots__`, as `copyreg` works them out.
fn slot_names(t: &mut Thread, cls: &Type) -> Res<Vec<Obj>> {
    let known = cls
        .dict(t)
        .and_then(|d| d.get_str(t, crate::id!(t, "__slotnames__")))
        .map(|v| v.to_obj(t));
    let names = match known {
        Some(names) => names,
        None => {
            let copyreg = crate::runtime::import(t, "copyreg")?;
            let f = proto::get_attr(t, copyreg.value(), crate::id!(t, "_slotnames"))?;
            proto::call(t, f.value(), &[cls.value()])?
        }
    };
    if names.value().is_none() {
        return Ok(Vec::new());
    }
    match List::of(names.value()) {
        Some(l) => Ok(l.to_vec(t)),
        None => {
            let msg = format!(
                "{}.__slotnames__ should be a list or None, not {}",
                cls.name(),
                type_of(names.value()).name()
            );
            Err(t.type_error(msg))
        }
    }
}

// --- dir ---

/// `object.__dir__`: the names of the instance's attributes and those of its class, in a list.
pub(crate) fn object_dir(t: &mut Thread, v: Value) -> Res {
    let names = Dict::new(t);
    let d = Dict::of_obj(&names);
    if let Some(own) = proto::get_attr_opt(t, v, crate::id!(t, "__dict__"))?
        && let Some(own) = Dict::of(own.value())
    {
        d.merge_from(t, own)?;
    }
    if let Some(cls) = proto::get_attr_opt(t, v, crate::id!(t, "__class__"))? {
        merge_class(t, d, cls.value())?;
    }
    Ok(keys(t, &names))
}

/// The keys in a list.
pub(super) fn keys(t: &Thread, names: &Obj) -> Value {
    let keys = Dict::of_obj(names)
        .items(t)
        .into_iter()
        .map(|(k, _)| k)
        .collect();
    List::from_vec(t, keys).into()
}

/// Puts the attributes of a class and its bases into `names`.
pub(super) fn merge_class(t: &mut Thread, names: &Dict, cls: Value) -> Res<()> {
    if let Some(ty) = Type::of(cls) {
        let order: Vec<Obj> = ty.mro_tuple().map(|m| m.to_vec(t)).unwrap_or_default();
        for c in order.iter().rev() {
            let items = Type::of_unchecked(c.value())
                .dict(t)
                .map(|d| d.items(t))
                .unwrap_or_default();
            for (k, v) in items {
                names.set(t, k.value(), v.value())?;
            }
        }
        return Ok(());
    }
    let _guard = t.enter_recursive(" in __dir__")?;
    if let Some(d) = proto::get_attr_opt(t, cls, crate::id!(t, "__dict__"))? {
        names.update(t, d.value())?;
    }
    if let Some(bases) = proto::get_attr_opt(t, cls, crate::id!(t, "__bases__"))?
        && let Some(bases) = Tuple::of(bases.value())
    {
        for b in bases.to_vec(t) {
            merge_class(t, names, b.value())?;
        }
    }
    Ok(())
}
