//! `super`.

use crate::cell::{Cell, counted, fresh, or_none, own};
use crate::code::{LOCAL_CELL, LOCAL_FREE};
use crate::gc_slots;
use crate::instance::generic_get_attr;
use crate::prelude::*;

/// A super object.
#[repr(C)]
pub struct Super {
    pub header: Header,
    /// The class whose bases are looked in.
    pub class: Slot,
    /// The object or class that methods are bound to; NULL: unbound.
    pub obj: Slot,
    /// The class whose MRO is followed; NULL: unbound.
    pub obj_class: Slot,
}

/// The class whose MRO `super(class, obj)` follows.
///
/// # Errors
/// TypeError if `obj` is neither an instance nor a subclass of `class`.
fn start_class(t: &mut Thread, class: &Type, obj: Value) -> Res<Obj> {
    if let Some(ty) = Type::of(obj).filter(|ty| ty.is_subtype(class)) {
        return Ok(Obj::new(t, ty.value()));
    }
    let ty = type_of(obj);
    if ty.is_subtype(class) {
        return Ok(Obj::new(t, ty.value()));
    }
    mismatch(t, class, obj)
}

#[cold]
fn mismatch(t: &mut Thread, class: &Type, obj: Value) -> Res<Obj> {
    // A proxy may say that it is of another class.
    if let Some(said) = proto::get_attr_opt(t, obj, crate::id!(t, "__class__"))?
        && Type::of(said.value()).is_some_and(|c| c.is_subtype(class))
    {
        return Ok(said);
    }
    let (what, name) = match Type::of(obj) {
        Some(c) => ("type", c.name()),
        None => ("instance of", type_of(obj).name()),
    };
    let msg = format!(
        "super(type, obj): obj ({what} {name}) is not an instance or subtype of type ({}).",
        class.name()
    );
    Err(t.type_error(msg))
}

/// The attribute `name` of the classes that come after `class` in `start`'s MRO, as it lies in its class.
pub fn find<'t>(t: &'t Thread, start: &Type, class: &Type, name: &Str) -> Option<Borrowed<'t>> {
    find_at(t, start, class, name).map(|(_, found)| found)
}

/// As [`find`], with the place in the MRO.
pub fn find_at<'t>(
    t: &'t Thread,
    start: &Type,
    class: &Type,
    name: &Str,
) -> Option<(usize, Borrowed<'t>)> {
    let mro = start.mro_tuple()?;
    let n = mro.len();
    let at = (0..n).find(|&i| mro.get(i).same(class.value()))?;
    for i in at + 1..n {
        if let Some(found) = Type::of_unchecked(mro.get(i))
            .dict(t)
            .and_then(|d| d.get_str(t, name))
        {
            return Some((i, found));
        }
    }
    None
}

/// `find`, bound to `obj`; `None` if no class has it.
fn find_bound(
    t: &mut Thread,
    start: &Type,
    class: &Type,
    obj: Value,
    name: &Str,
) -> Res<Option<Value>> {
    let Some(found) = find(t, start, class, name).map(|f| f.to_obj(t)) else {
        return Ok(None);
    };
    let Some(get) = type_of(found.value()).slots.descr_get.get() else {
        return Ok(Some(found.into()));
    };
    // Class methods and functions of a class: bound to the class alone.
    let bound_to = if start.value().same(obj) {
        Value::NULL
    } else {
        obj
    };
    get(t, found.value(), bound_to, start.value()).map(Some)
}

/// The function that `super(class, obj).name` would bind to `obj`, as a register word; `None` if it is anything but a plain method.
///
/// # Errors
/// TypeError as for `super(class, obj)`.
pub fn lookup_method(t: &mut Thread, class: Value, obj: Value, name: &Str) -> Res<Option<Value>> {
    let Some(c) = Type::of(class) else {
        return Ok(None);
    };
    let start = start_class(t, c, obj)?;
    if start.value().same(obj) {
        return Ok(None);
    }
    let found = find(t, Type::of_unchecked(start.value()), c, name);
    Ok(found
        .filter(|f| type_of(f.value()).has(crate::types::type_flags::METHOD_DESCRIPTOR))
        .map(|f| f.to_reg(t)))
}

/// `super(class, obj).name`, without making the super object.
///
/// # Errors
/// TypeError as for `super(class, obj)`; AttributeError.
pub fn lookup(t: &mut Thread, class: Value, obj: Value, name: &Str) -> Res<Value> {
    let Some(c) = Type::of(class) else {
        let got = type_of(class).name();
        return Err(t.type_error(format!("super() argument 1 must be a type, not {got}")));
    };
    let start = start_class(t, c, obj)?;
    // `super().__class__` is the class of the super object.
    if !name.is("__class__")
        && let Some(found) = find_bound(t, Type::of_unchecked(start.value()), c, obj, name)?
    {
        return Ok(found);
    }
    let s = new_super(t, &SUPER, class, obj, start);
    generic_get_attr(t, s.value(), name.value())
}

fn new_super(t: &Thread, ty: &Type, class: Value, obj: Value, start: Obj) -> Obj {
    // SAFETY: `ty` is `super` or a subclass.
    let (o, s) = unsafe { fresh::<Super>(t, ty) };
    s.class.init(t, &s.header, counted(t, class));
    s.obj.init(t, &s.header, counted(t, obj));
    s.obj_class.init(t, &s.header, start.into());
    o
}

fn this<'a>(v: Value) -> &'a Super {
    // SAFETY: slot functions of SUPER get its instances alone.
    unsafe { &*(v.ptr() as *const Super) }
}

fn super_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is `super` or a subclass.
    Ok(unsafe { fresh::<Super>(t, Type::of_unchecked(cls)) }
        .0
        .into())
}

fn super_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("super", "(type=None, object_or_type=None, /)");
    if args.has_keywords() {
        return Err(t.type_error("super() takes no keyword arguments".into()));
    }
    let a = SIG.bind(t, args)?;
    let (class, obj) = if a[0].is_null() {
        let (class, obj) = implicit_args(t)?;
        (class, Some(obj))
    } else {
        let obj = (!a[1].is_null() && !a[1].is_none()).then(|| Obj::new(t, a[1]));
        (Obj::new(t, a[0]), obj)
    };
    let Some(c) = Type::of(class.value()) else {
        let got = type_of(class.value()).name();
        return Err(t.type_error(format!("super() argument 1 must be a type, not {got}")));
    };
    let start = match &obj {
        Some(o) => Some(start_class(t, c, o.value())?),
        None => None,
    };
    let s = this(v);
    s.class.set(t, &s.header, class.into());
    s.obj
        .set(t, &s.header, obj.map_or(Value::NULL, Obj::into_value));
    s.obj_class
        .set(t, &s.header, start.map_or(Value::NULL, Obj::into_value));
    Ok(())
}

/// The class and the object for `super()`: the `__class__` cell and the first argument of the function that is running.
fn implicit_args(t: &mut Thread) -> Res<(Obj, Obj)> {
    let fail = |t: &Thread, why: &str| Err(t.runtime_error(format!("super(): {why}")));
    let Some(f) = t.vm().top_frame() else {
        return fail(t, "no current frame");
    };
    // SAFETY: the innermost frame of this thread, whose registers are initialised.
    let (code, base) = unsafe { ((*f).code(), (*f).base) };
    if code.argcount == 0 {
        return fail(t, "no arguments");
    }
    let locals = &code.body().locals;
    // SAFETY: as above; each local has its register.
    let register = |i: usize| unsafe { *base.add(i) };
    let mut first = register(0);
    if let Some(cell) =
        Cell::of(first).filter(|_| locals.first().is_some_and(|(_, kind)| *kind == LOCAL_CELL))
    {
        first = cell.get();
    }
    if first.is_null() {
        return fail(t, "arg[0] deleted");
    }
    let at = locals.iter().position(|(n, kind)| {
        *kind == LOCAL_FREE && Str::of(n.value()).is_some_and(|n| n.is("__class__"))
    });
    let Some(cell) = at.and_then(|i| Cell::of(register(i))) else {
        return fail(t, "__class__ cell not found");
    };
    match own(t, &cell.value) {
        Some(class) => Ok((class, Obj::new(t, first))),
        None => fail(t, "empty __class__ cell"),
    }
}

fn super_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let s = this(v);
    let parts = (own(t, &s.class), own(t, &s.obj), own(t, &s.obj_class));
    if let (Some(class), Some(obj), Some(start)) = parts
        && let Some(key) = Str::of(name)
        && !key.is("__class__")
    {
        let (start, class) = (
            Type::of_unchecked(start.value()),
            Type::of_unchecked(class.value()),
        );
        if let Some(found) = find_bound(t, start, class, obj.value(), key)? {
            return Ok(found);
        }
    }
    generic_get_attr(t, v, name)
}

/// An unbound super object, found in a class, is bound to the instance.
fn super_get(t: &mut Thread, d: Value, obj: Value, _ty: Value) -> Res {
    let s = this(d);
    let class = own(t, &s.class);
    let (Some(class), true) = (
        class,
        !obj.is_null() && !obj.is_none() && s.obj.get().is_null(),
    ) else {
        return Ok(to_reg(t, d.bare()));
    };
    if !type_of(d).is(&SUPER) {
        let maker = Obj::new(t, type_of(d).value());
        return proto::call(t, maker.value(), &[class.value(), obj]).map(Obj::into_value);
    }
    let start = start_class(t, Type::of_unchecked(class.value()), obj)?;
    Ok(new_super(t, &SUPER, class.value(), obj, start).into())
}

fn super_repr(t: &mut Thread, v: Value) -> Res {
    let s = this(v);
    let name = |slot: &Slot| Type::of(slot.get()).map_or_else(|| "NULL".into(), |c| c.name());
    let class = name(&s.class);
    let text = if s.obj_class.get().is_null() {
        format!("<super: <class '{class}'>, NULL>")
    } else {
        format!(
            "<super: <class '{class}'>, <{} object>>",
            name(&s.obj_class)
        )
    };
    Ok(Str::from_string(t, text).into())
}

gc_slots!(Super, traverse, clear, class, obj, obj_class);

/// `super`
pub static SUPER: Type = Type::builtin(
    "super",
    size_of::<Super>(),
    &Spec {
        new: Some(super_new),
        init: Some(super_init),
        get_attr: Some(super_get_attr),
        descr_get: Some(super_get),
        repr: Some(super_repr),
        getset: &[
            GetSetDef::ro("__thisclass__", |t, v| Ok(or_none(t, this(v).class.get()))),
            GetSetDef::ro("__self__", |t, v| Ok(or_none(t, this(v).obj.get()))),
            GetSetDef::ro("__self_class__", |t, v| {
                Ok(or_none(t, this(v).obj_class.get()))
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear);
