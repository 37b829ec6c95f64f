//! `property`.

use crate::cell::{counted, fresh, or_none, own};
use crate::gc_slots;
use crate::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// A property.
#[repr(C)]
pub struct Property {
    pub header: Header,
    /// Functions, or NULL.
    pub fget: Slot,
    pub fset: Slot,
    pub fdel: Slot,
    pub doc: Slot,
    /// What `__set_name__` or `__name__ = ...` has given, or NULL.
    pub name: Slot,
    /// The doc is the getter's: a new getter brings its own.
    getter_doc: AtomicBool,
}

impl Property {
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Property> {
        crate::cast(v, &PROPERTY)
    }
}

/// The getter of a plain property, borrowed.
#[inline]
pub fn getter_of(v: Value) -> Option<Value> {
    let p: &Property = crate::cast_exact(v, &PROPERTY)?;
    let f = p.fget.get();
    (!f.is_null()).then_some(f)
}

fn this<'a>(v: Value) -> &'a Property {
    // SAFETY: slot functions of PROPERTY get its instances alone.
    unsafe { &*(v.ptr() as *const Property) }
}

fn property_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is `property` or a subclass.
    Ok(unsafe { fresh::<Property>(t, Type::of_unchecked(cls)) }
        .0
        .into())
}

fn set_function(t: &Thread, p: &Property, slot: &Slot, f: Value) {
    let f = if f.is_none() {
        Value::NULL
    } else {
        counted(t, f)
    };
    slot.set(t, &p.header, f);
}

fn property_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("property", "(fget=None, fset=None, fdel=None, doc=None)");
    let a = SIG.bind(t, args)?;
    let p = this(v);
    set_function(t, p, &p.fget, a[0]);
    set_function(t, p, &p.fset, a[1]);
    set_function(t, p, &p.fdel, a[2]);
    p.name.set(t, &p.header, Value::NULL);
    p.getter_doc.store(false, Release);
    let mut doc = (!a[3].is_null() && !a[3].is_none()).then(|| Obj::new(t, a[3]));
    if doc.is_none()
        && let Some(get) = own(t, &p.fget)
    {
        doc = proto::get_attr_opt(t, get.value(), crate::id!(t, "__doc__"))?
            .filter(|d| !d.value().is_none());
        p.getter_doc.store(doc.is_some(), Release);
    }
    if type_of(v).is(&PROPERTY) {
        p.doc
            .set(t, &p.header, doc.map_or(Value::NULL, Obj::into_value));
        return Ok(());
    }
    // A subclass keeps it among its own attributes, where its class's docstring would hide it otherwise.
    let doc = doc.unwrap_or_else(|| Obj::from_raw(Value::NONE));
    if let Err(r) = proto::set_attr(t, v, crate::id!(t, "__doc__"), doc.value()) {
        // No room for it, in a class with `__slots__`: what is given may be left out, what the getter says may not.
        if p.getter_doc.load(Acquire) || !t.exc_matches(&errors::ATTRIBUTE_ERROR) {
            return Err(r);
        }
        t.clear_exc();
    }
    Ok(())
}

/// The name for messages: what was set, else the getter's.
fn name_of(t: &mut Thread, p: &Property) -> Res<Option<Obj>> {
    if let Some(n) = own(t, &p.name) {
        return Ok(Some(n));
    }
    match own(t, &p.fget) {
        Some(get) => proto::get_attr_opt(t, get.value(), crate::id!(t, "__name__")),
        None => Ok(None),
    }
}

#[cold]
fn missing(t: &mut Thread, p: &Property, obj: Value, what: &str) -> Raised {
    let name = match name_of(t, p) {
        Ok(n) => n,
        Err(r) => return r,
    };
    let owner = type_of(obj).qualname(t).to_string_lossy();
    let msg = match name {
        Some(n) => match proto::repr(t, n.value()) {
            Ok(n) => {
                let n = Str::of(n.value()).map_or_else(String::new, |s| s.to_string_lossy());
                format!("property {n} of '{owner}' object has no {what}")
            }
            Err(r) => return r,
        },
        None => format!("property of '{owner}' object has no {what}"),
    };
    t.raise(&errors::ATTRIBUTE_ERROR, msg)
}

fn property_get(t: &mut Thread, d: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() || obj.is_none() {
        return Ok(to_reg(t, d.bare()));
    }
    match own(t, &this(d).fget) {
        Some(f) => proto::call(t, f.value(), &[obj]).map(Obj::into_value),
        None => Err(missing(t, this(d), obj, "getter")),
    }
}

fn property_set(t: &mut Thread, d: Value, obj: Value, new: Value) -> Res<()> {
    let p = this(d);
    if new.is_null() {
        return match own(t, &p.fdel) {
            Some(f) => proto::call(t, f.value(), &[obj]).map(drop),
            None => Err(missing(t, p, obj, "deleter")),
        };
    }
    match own(t, &p.fset) {
        Some(f) => proto::call(t, f.value(), &[obj, new]).map(drop),
        None => Err(missing(t, p, obj, "setter")),
    }
}

/// A property like this one with one function replaced.
fn copy(t: &mut Thread, v: Value, which: usize, f: Value) -> Res {
    let p = this(v);
    let mut parts: Vec<Obj> = Vec::with_capacity(4);
    for (i, s) in [&p.fget, &p.fset, &p.fdel].into_iter().enumerate() {
        let old = if i == which && !f.is_none() {
            f
        } else {
            s.get()
        };
        parts.push(Obj::new(t, if old.is_null() { Value::NONE } else { old }));
    }
    // A doc that came from the getter is taken from the new one.
    let doc = p.doc.get();
    let doc = if doc.is_null() || (p.getter_doc.load(Acquire) && !parts[0].value().is_none()) {
        Value::NONE
    } else {
        doc
    };
    parts.push(Obj::new(t, doc));
    let name = own(t, &p.name);
    let class = Obj::new(t, type_of(v).value());
    let args: Vec<Value> = parts.iter().map(|o| o.value()).collect();
    let new = proto::call(t, class.value(), &args)?;
    if let (Some(n), Some(q)) = (name, Property::of(new.value())) {
        q.name.set(t, &q.header, n.into());
    }
    Ok(new.into())
}

fn set_name(t: &mut Thread, args: Args<'_>) -> Res {
    let [v, _owner, name] = *args.pos() else {
        let n = args.pos().len().saturating_sub(1);
        let msg = format!("__set_name__() takes 2 positional arguments but {n} were given");
        return Err(t.type_error(msg));
    };
    let p = this(v);
    p.name.set(t, &p.header, counted(t, name));
    Ok(Value::NONE)
}

fn get_name(t: &mut Thread, v: Value) -> Res {
    match name_of(t, this(v))? {
        Some(n) => Ok(n.into()),
        None => Err(t.attribute_error(v, crate::id!(t, "__name__"))),
    }
}

fn put_name(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let p = this(v);
    p.name.set(t, &p.header, counted(t, new));
    Ok(())
}

fn put_doc(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let p = this(v);
    p.doc.set(t, &p.header, counted(t, new));
    Ok(())
}

fn is_abstract(t: &mut Thread, v: Value) -> Res {
    let p = this(v);
    for s in [&p.fget, &p.fset, &p.fdel] {
        if let Some(f) = own(t, s)
            && is_abstract_method(t, f.value())?
        {
            return Ok(Value::TRUE);
        }
    }
    Ok(Value::FALSE)
}

/// Whether an object says that it is an abstract method.
pub fn is_abstract_method(t: &mut Thread, f: Value) -> Res<bool> {
    match proto::get_attr_opt(t, f, crate::id!(t, "__isabstractmethod__"))? {
        Some(v) => proto::truth(t, v.value()),
        None => Ok(false),
    }
}

gc_slots!(Property, traverse, clear, fget, fset, fdel, doc, name);

/// `property`
pub static PROPERTY: Type = Type::builtin(
    "property",
    size_of::<Property>(),
    &Spec {
        new: Some(property_new),
        init: Some(property_init),
        descr_get: Some(property_get),
        descr_set: Some(property_set),
        methods: &[
            NativeDef::new("getter", "($self, object, /)", |t, a| {
                copy(t, a[0], 0, a[1])
            })
            .doc("Descriptor to obtain a copy of the property with a different getter."),
            NativeDef::new("setter", "($self, object, /)", |t, a| {
                copy(t, a[0], 1, a[1])
            })
            .doc("Descriptor to obtain a copy of the property with a different setter."),
            NativeDef::new("deleter", "($self, object, /)", |t, a| {
                copy(t, a[0], 2, a[1])
            })
            .doc("Descriptor to obtain a copy of the property with a different deleter."),
            NativeDef::raw("__set_name__", "($self, owner, name, /)", set_name),
        ],
        members: &[
            MemberDef {
                name: "fget",
                offset: std::mem::offset_of!(Property, fget),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "fset",
                offset: std::mem::offset_of!(Property, fset),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "fdel",
                offset: std::mem::offset_of!(Property, fdel),
                readonly: true,
                none_if_empty: true,
            },
        ],
        getset: &[
            GetSetDef::rw("__doc__", |t, v| Ok(or_none(t, this(v).doc.get())), put_doc),
            GetSetDef::rw("__name__", get_name, put_name),
            GetSetDef::ro("__isabstractmethod__", is_abstract),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.signature("(fget=None, fset=None, fdel=None, doc=None)");
