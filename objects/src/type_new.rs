//! `type`: calling classes, attributes of classes, and making new ones.

mod attrs;
mod build;
mod layout;
mod mro;
mod object;

pub use build::build_class;
pub use layout::{note_finalizer, set_class};
pub use mro::metaclass_of;
pub(crate) use object::{default_getstate, new_wrapper, new_wrapper_of, object_dir, reduce_2};

use crate::cell::Cell;
use crate::instance::{object_init, object_new};
use crate::prelude::*;
use crate::slots::NewFn;
use crate::types::{OBJECT, TYPE, type_flags as tf};
use layout::Layout;
use std::sync::atomic::Ordering::*;

pub(crate) static TYPE_SPEC: Spec = Spec {
    call: Some(type_call),
    new: Some(new),
    init: Some(init),
    repr: Some(repr),
    get_attr: Some(get_attr),
    set_attr: Some(set_attr),
    binary: &[(BinOp::Or, crate::union::type_or)],
    getset: attrs::GETSET,
    methods: attrs::METHODS,
    ..Spec::EMPTY
};

/// `tp_name`: the dotted name of a built-in type, the bare one of a class.
pub(crate) fn c_name(t: &Thread, ty: &Type) -> String {
    if ty.is_heap() {
        ty.name()
    } else {
        ty.full_name(t)
    }
}

// --- calls ---

/// `cls(...)`.
/// Calls a built-in type that is no metatype of another layout, with positional arguments.
#[inline]
pub fn call_builtin_type(t: &mut Thread, ty: &Type, args: &[Value]) -> Res {
    let _guard = t.enter_recursive(" while calling a Python object")?;
    if let Some(make) = ty.slots.new.get()
        && !ty.has(tf::NO_NEW)
        && !ty.is(&TYPE)
        && !ty.is(&crate::list::LIST)
        && (ty.has(tf::NEW_CHECKS) || !needs_init(ty))
    {
        let o = make(t, ty.value(), Args::positional(args))?;
        if type_of(o).is(ty) {
            return Ok(o);
        }
        return finish(t, ty, Obj::own(o), Args::positional(args));
    }
    if let Some(e) = crate::errors::new_plain(t, ty, args) {
        return Ok(e.into());
    }
    type_call(t, ty.value(), Args::positional(args))
}

/// Whether what the class's `__new__` has made is to be initialised; `__init__` of `object` has nothing to say about the arguments of
/// another `__new__`.
#[inline(always)]
fn needs_init(made: &Type) -> bool {
    let Some(init) = made.slots.init.get() else {
        return false;
    };
    init as usize != object_init as *const () as usize
        || made.slots.new.get().map(|f| f as usize) == Some(object_new as *const () as usize)
}

/// Initialises what `__new__` of `ty` has made.
fn finish(t: &mut Thread, ty: &Type, o: Obj, args: Args<'_>) -> Res {
    let made = type_of(o.value());
    if made.is_subtype(ty)
        && needs_init(made)
        && let Some(init) = made.slots.init.get()
    {
        init(t, o.value(), args)?;
    }
    Ok(o.into())
}

fn type_call(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    if ty.is(&TYPE) {
        let given = args.pos();
        if given.len() == 1 && !args.has_keywords() {
            return Ok(to_reg(t, type_of(given[0]).value()));
        }
        if given.len() != 3 {
            return Err(t.type_error("type() takes 1 or 3 arguments".into()));
        }
    }
    if ty.is(&crate::list::LIST)
        && args.names().is_null()
        && let [items] = *args.all()
        && let Some(l) = List::exact(items)
    {
        return Ok(l.copy(t).into());
    }
    let make = match ty.slots.new.get() {
        Some(f) if !ty.has(tf::NO_NEW) => f,
        _ => {
            let msg = format!("cannot create '{}' instances", c_name(t, ty));
            return Err(t.type_error(msg));
        }
    };
    let o = Obj::own(make(t, cls, args)?);
    finish(t, ty, o, args)
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let name = Type::of_unchecked(v).full_name(t);
    Ok(Str::from_string(t, format!("<class '{name}'>")).into())
}

fn init(t: &mut Thread, _v: Value, args: Args<'_>) -> Res<()> {
    let n = args.pos().len();
    if n == 1 && args.has_keywords() {
        return Err(t.type_error("type.__init__() takes no keyword arguments".into()));
    }
    if n != 1 && n != 3 {
        return Err(t.type_error("type.__init__() takes 1 or 3 arguments".into()));
    }
    Ok(())
}

// --- attributes ---

/// `type.__getattribute__`.
fn get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let key = attribute_name(t, name)?;
    match get_attr_opt(t, v, key)? {
        Some(v) => Ok(v),
        None => Err(t.attribute_error(v, key)),
    }
}

/// Whether attributes of the metaclass's instances are found as [`get_attr_opt`] does.
#[inline]
pub fn looks_up_plainly(meta: &Type) -> bool {
    meta.slots.get_attr.get().map(|f| f as usize) == Some(get_attr as *const () as usize)
}

/// `type.__getattribute__`, giving `None` where it would raise AttributeError itself.
pub fn get_attr_opt(t: &mut Thread, v: Value, key: &Str) -> Res<Option<Value>> {
    let ty = Type::of_unchecked(v);
    let meta = type_of(v);
    let from_meta = meta.lookup(t, key).map(|d| d.value());
    if let Some(d) = from_meta {
        let slots = &type_of(d).slots;
        if slots.descr_set.is_set()
            && let Some(get) = slots.descr_get.get()
        {
            let d = Obj::new(t, d);
            return get(t, d.value(), v, meta.value()).map(Some);
        }
    }
    if let Some(found) = ty.lookup(t, key) {
        let kind = type_of(found.value());
        return match kind.slots.descr_get.get() {
            // Functions are given as they are.
            Some(get) if !kind.has(tf::METHOD_DESCRIPTOR) => {
                let d = found.to_obj(t);
                get(t, d.value(), Value::NULL, v).map(Some)
            }
            _ => Ok(Some(found.to_reg(t))),
        };
    }
    let Some(d) = from_meta else { return Ok(None) };
    match type_of(d).slots.descr_get.get() {
        Some(get) => {
            let d = Obj::new(t, d);
            get(t, d.value(), v, meta.value()).map(Some)
        }
        None => Ok(Some(to_reg(t, d))),
    }
}

fn attribute_name<'a>(t: &Thread, name: Value) -> Res<&'a Str> {
    match Str::of(name) {
        Some(s) => Ok(s),
        None => Err(t.type_error(format!(
            "attribute name must be string, not '{}'",
            type_of(name).name()
        ))),
    }
}

/// `type.__setattr__` and `__delattr__`.
fn set_attr(t: &mut Thread, v: Value, name: Value, value: Value) -> Res<()> {
    let ty = Type::of_unchecked(v);
    if ty.has(tf::IMMUTABLE) {
        let shown = Str::of(name).map_or_else(|| type_of(name).name(), |s| s.to_string_lossy());
        let msg = format!(
            "cannot set '{shown}' attribute of immutable type '{}'",
            c_name(t, ty)
        );
        return Err(t.type_error(msg));
    }
    attribute_name(t, name)?;
    let name = Str::intern_obj(t, Obj::new(t, name));
    let key = attribute_name(t, name.value())?;
    let descr = type_of(v).lookup(t, key).map(|d| d.to_obj(t));
    if let Some(d) = descr
        && let Some(set) = type_of(d.value()).slots.descr_set.get()
    {
        return set(t, d.value(), v, value);
    }
    if ty.set_name(t, key, value) {
        if hides_slots(ty, key, value) {
            crate::site_cache::forget_slots(t);
        }
        return Ok(());
    }
    Err(t.attribute_error(v, key))
}

/// Whether instances that are there already may have an attribute in a slot that is not what counts any more, now that the class's
/// attribute `key` is `value`.
fn hides_slots(ty: &Type, key: &Str, value: Value) -> bool {
    match key.as_bytes() {
        b"__getattribute__" | b"__setattr__" => ty.has_shapes(),
        // Instances of the class may be attributes of any class.
        b"__set__" | b"__delete__" => true,
        _ => !value.is_null() && type_of(value).has(tf::HAS_DESCR_SET) && ty.has_slots_of(key),
    }
}

// --- making classes ---

/// The `new` slot: `type.__new__(meta, name, bases, ns, **kwargs)`.
fn new(t: &mut Thread, meta: Value, args: Args<'_>) -> Res {
    let &[name, bases, ns] = args.pos() else {
        let msg = format!(
            "type.__new__() takes exactly 3 arguments ({} given)",
            args.pos().len()
        );
        return Err(t.type_error(msg));
    };
    type_new(t, meta, name, bases, ns, args)
}

/// Makes a class. Of `kwargs` only the keyword arguments count: they go to `__init_subclass__`.
///
/// # Errors
/// TypeError and ValueError with CPython's words for everything that cannot be a class, and what the hooks raise
/// (`mro`, `__set_name__`, `__init_subclass__`).
pub fn type_new(
    t: &mut Thread,
    meta: Value,
    name: Value,
    bases: Value,
    ns: Value,
    kwargs: Args<'_>,
) -> Res {
    for (i, v, want, ok) in [
        (1, name, "str", Str::of(name).is_some()),
        (2, bases, "tuple", Tuple::of(bases).is_some()),
        (3, ns, "dict", Dict::of(ns).is_some()),
    ] {
        if !ok {
            let msg = format!(
                "type.__new__() argument {i} must be {want}, not {}",
                type_of(v).name()
            );
            return Err(t.type_error(msg));
        }
    }
    let given = bases;
    let bases = mro::check_bases(t, bases)?;
    let winner = mro::metaclass_of(
        t,
        Type::of_unchecked(meta),
        Tuple::this(bases.value()).values(),
    )?;
    if !winner.value().same(meta)
        && let Some(f) = winner.slots.new.get()
        && !std::ptr::fn_addr_eq(f, new as NewFn)
    {
        let mut all = vec![name, given, ns];
        all.extend(kwargs.keywords().map(|(_, v)| v));
        return f(t, winner.value(), Args::new(&all, kwargs.names()));
    }
    let base = mro::best_base(t, Tuple::this(bases.value()).values())?;
    let Some(source) = Dict::of(ns) else {
        return Ok(Value::NONE);
    };
    let dict = source.copy(t);
    let layout = layout::plan(t, name, base, &bases, &dict)?;
    let made = make(t, winner, base, name, &bases, &dict, &layout)?;
    let ty = Type::of_unchecked(made.value());
    mro::set_mro(t, ty)?;
    connect(t, ty);
    set_names(t, ty)?;
    init_subclass(t, ty, kwargs)?;
    Ok(made.into())
}

/// UnicodeEncodeError for a str that UTF-8 cannot express.
pub(crate) fn check_text(t: &mut Thread, v: Value) -> Res<()> {
    match Str::of(v) {
        Some(s) if s.as_str().is_none() => {
            crate::str::codecs::encode(t, crate::text::codec::Encoding::Utf8, v, None).map(drop)
        }
        _ => Ok(()),
    }
}

/// The class object with its dict, not yet in its bases' lists and without an MRO.
fn make(
    t: &mut Thread,
    meta: &Type,
    base: &Type,
    name: Value,
    bases: &Obj,
    dict: &Obj,
    layout: &Layout,
) -> Res<Obj> {
    let d = Dict::of_obj(dict);
    if Str::of(name).is_some_and(|s| s.as_bytes().contains(&0)) {
        return Err(t.value_error("type name must not contain null characters"));
    }
    check_text(t, name)?;
    if let Some(doc) = d.get_str(t, crate::id!(t, "__doc__")).map(|v| v.to_obj(t)) {
        check_text(t, doc.value())?;
    }
    let key = crate::id!(t, "__qualname__");
    let qualname = match d.get_str(t, key).map(|v| v.to_obj(t)) {
        None => Obj::new(t, name),
        Some(q) if Str::of(q.value()).is_some() => {
            d.remove_str(t, key);
            q
        }
        Some(q) => {
            let msg = format!(
                "type __qualname__ must be a str, not {}",
                type_of(q.value()).name()
            );
            return Err(t.type_error(msg));
        }
    };
    let made = Type::alloc_heap(t, meta);
    let ty = Type::of_unchecked(made.value());
    layout::apply(&made, base, layout);
    let h = ty.header();
    ty.name.init(t, h, Obj::new(t, name).into());
    ty.qualname.init(t, h, qualname.into());
    ty.dict.init(t, h, dict.clone().into());
    ty.base.init(t, h, Obj::new(t, base.value()).into());
    ty.bases.init(t, h, bases.clone().into());
    set_module(t, d);
    wrap_hooks(t, d);
    layout::add_descriptors(t, ty, layout);
    set_cells(t, ty, d)?;
    if d.get_str(t, crate::id!(t, "__doc__")).is_none() {
        d.set_str(t, crate::id!(t, "__doc__"), Value::NONE);
    }
    // A class that defines equality alone is not hashable.
    let hash = crate::id!(t, "__hash__");
    if d.get_str(t, crate::id!(t, "__eq__")).is_some() && d.get_str(t, hash).is_none() {
        d.set_str(t, hash, Value::NONE);
    }
    Ok(made)
}

/// `__module__` is the `__name__` of the globals that the class is made in.
fn set_module(t: &mut Thread, d: &Dict) {
    let key = crate::id!(t, "__module__");
    if d.get_str(t, key).is_some() {
        return;
    }
    if let Some(globals) = crate::runtime::current_globals(t)
        && let Some(globals) = Dict::of(globals.value())
        && let Some(name) = globals
            .get_str(t, crate::id!(t, "__name__"))
            .map(|v| v.to_obj(t))
    {
        d.set_str(t, key, name.value());
    }
}

/// Plain functions under these names are static or class methods.
fn wrap_hooks(t: &Thread, d: &Dict) {
    use crate::staticmethod::{new_class, new_static};
    let new: (_, fn(&Thread, Obj) -> Obj) = (crate::id!(t, "__new__"), new_static);
    for (key, wrap) in [
        new,
        (crate::id!(t, "__init_subclass__"), new_class),
        (crate::id!(t, "__class_getitem__"), new_class),
    ] {
        if let Some(f) = d.get_str(t, key).map(|v| v.to_obj(t))
            && crate::function::Function::of(f.value()).is_some()
        {
            let wrapped = wrap(t, f);
            d.set_str(t, key, wrapped.value());
        }
    }
}

/// Fills `__class__` and `__classdict__` cells of the methods.
fn set_cells(t: &mut Thread, ty: &Type, d: &Dict) -> Res<()> {
    for (key, v) in [
        (crate::id!(t, "__classcell__"), ty.value()),
        (crate::id!(t, "__classdictcell__"), ty.dict.get()),
    ] {
        let Some(cell) = d.remove_str(t, key) else {
            continue;
        };
        let Some(c) = Cell::of(cell.value()) else {
            let got = proto::repr(t, type_of(cell.value()).value())?;
            let got = Str::of(got.value()).map_or_else(String::new, Str::to_string_lossy);
            let msg = format!(
                "{} must be a nonlocal cell, not {got}",
                key.to_string_lossy()
            );
            return Err(t.type_error(msg));
        };
        c.set(t, Obj::new(t, v).into());
    }
    Ok(())
}

/// Puts the class into its bases' lists and fills its slots: from here on it follows changes of its bases.
fn connect(t: &Thread, ty: &Type) {
    // Whoever changes a base looks at the classes below it.
    if weft_gc::multithreaded() {
        weft_gc::share(t, ty.value());
    }
    add_to_bases(ty);
    inherit_flags(t, ty);
    crate::slotdefs::fill(t, ty);
    layout::note_finalizer(ty);
    if ty.has(tf::INLINE) {
        ty.inline_slots.store(layout::inline_slots(t, ty), Relaxed);
    }
}

fn add_to_bases(ty: &Type) {
    if let Some(bases) = Tuple::exact(ty.bases.get()) {
        bases
            .values()
            .iter()
            .for_each(|b| Type::of_unchecked(*b).add_subclass(ty));
    }
    follow_others(ty);
}

/// What a metaclass's `mro` has put into the order of bases without being one.
fn follow_others(ty: &Type) {
    let (Some(bases), Some(mro)) = (Tuple::exact(ty.bases.get()), Tuple::exact(ty.mro.get()))
    else {
        return;
    };
    for other in mro.values().iter().map(|v| Type::of_unchecked(*v)) {
        let derived = bases
            .values()
            .iter()
            .any(|b| Type::of_unchecked(*b).is_subtype(other));
        if !derived && !std::ptr::eq(other, ty) {
            other.add_follower(ty);
        }
    }
}

fn inherit_flags(t: &Thread, ty: &Type) {
    let Some(base) = ty.base_type() else { return };
    let from_base = tf::TYPE_SUBCLASS | tf::EXCEPTION | tf::MATCH_SELF | tf::VAR_SIZED;
    ty.put_flag(base.flags.load(Relaxed) & from_base, true);
    let kinds = tf::SEQUENCE | tf::MAPPING;
    let kind = ty
        .mro_tuple()
        .into_iter()
        .flat_map(|m| m.values())
        .find_map(|c| {
            let kind = Type::of_unchecked(*c).flags.load(Relaxed) & kinds;
            (kind != 0).then_some(kind)
        });
    ty.put_flag(kind.unwrap_or(0), true);
    let _ = t;
}

/// Tells the values in the class's dict where they are.
fn set_names(t: &mut Thread, ty: &Type) -> Res<()> {
    let items = ty.dict(t).map(|d| d.items(t)).unwrap_or_default();
    let name = crate::id!(t, "__set_name__");
    for (key, v) in items {
        let Some(f) = proto::lookup_special_raw(t, v.value(), name)? else {
            continue;
        };
        if let Err(e) = f.call(t, &[ty.value(), key.value()]) {
            let Some(exc) = t.take_exc() else {
                return Err(e);
            };
            let shown = proto::repr(t, key.value())?;
            let shown = Str::of(shown.value()).map_or_else(String::new, Str::to_string_lossy);
            let (of, class) = (type_of(v.value()).name(), ty.name());
            let note = Str::from_string(
                t,
                format!("Error calling __set_name__ on '{of}' instance {shown} in '{class}'"),
            );
            proto::call_method(t, exc.value(), "add_note", &[note.value()])?;
            return Err(t.set_exc(exc));
        }
    }
    Ok(())
}

/// `super(ty, ty).__init_subclass__(**kwargs)`.
fn init_subclass(t: &mut Thread, ty: &Type, kwargs: Args<'_>) -> Res<()> {
    let name = crate::id!(t, "__init_subclass__");
    let mut found = None;
    for c in ty
        .mro_tuple()
        .map_or(&[][..], |m| m.values())
        .iter()
        .skip(1)
    {
        if let Some(f) = Type::of_unchecked(*c)
            .dict(t)
            .and_then(|d| d.get_str(t, name))
        {
            found = Some((Type::of_unchecked(*c), f.to_obj(t)));
            break;
        }
    }
    let Some((owner, f)) = found else {
        return Ok(());
    };
    if owner.is(&OBJECT) && !kwargs.has_keywords() {
        return Ok(());
    }
    let f = match type_of(f.value()).slots.descr_get.get() {
        Some(get) => Obj::own(get(t, f.value(), Value::NULL, ty.value())?),
        None => f,
    };
    let values: Vec<Value> = kwargs.keywords().map(|(_, v)| v).collect();
    let names = if values.is_empty() {
        Value::NULL
    } else {
        kwargs.names()
    };
    proto::call_kw(t, f.value(), Args::new(&values, names)).map(drop)
}
