//! Data descriptors of built-in types and `__slots__`: `getset_descriptor` and `member_descriptor`.

use crate::cell::{counted, fresh, or_none};
use crate::gc_slots;
use crate::prelude::*;

/// A computed attribute, as it lies in its type's dict.
#[repr(C)]
pub struct GetSetDescr {
    pub header: Header,
    /// The type it belongs to.
    pub owner: Slot,
    def: *const GetSetDef,
}

/// An attribute that is a slot of the object.
#[repr(C)]
pub struct MemberDescr {
    pub header: Header,
    pub owner: Slot,
    /// A str.
    pub name: Slot,
    pub offset: u32,
    pub readonly: bool,
    /// Empty reads as None.
    pub none_if_empty: bool,
}

/// A descriptor for `def` in `owner`'s dict.
pub fn new_getset(t: &Thread, def: &'static GetSetDef, owner: &Type) -> Obj {
    let ty = &GETSET_DESCRIPTOR;
    // SAFETY: the layout of these descriptors; `def` is set below.
    let (o, _) = unsafe { fresh::<GetSetDescr>(t, ty) };
    let p = o.value().ptr() as *mut GetSetDescr;
    // SAFETY: nobody else knows the object yet.
    unsafe {
        (*p).def = def;
        (*p).owner.init(t, &(*p).header, counted(t, owner.value()));
    }
    o
}

/// A descriptor for the slot at `offset` in instances of `owner`.
pub fn new_member(
    t: &Thread,
    name: &str,
    offset: usize,
    readonly: bool,
    none_if_empty: bool,
    owner: &Type,
) -> Obj {
    let name = Str::intern(t, name);
    new_member_obj(t, name, offset, readonly, none_if_empty, owner)
}

/// As [`new_member`], with the name as a str object.
pub fn new_member_obj(
    t: &Thread,
    name: Obj,
    offset: usize,
    readonly: bool,
    none_if_empty: bool,
    owner: &Type,
) -> Obj {
    // SAFETY: the layout of these descriptors.
    let (o, _) = unsafe { fresh::<MemberDescr>(t, &MEMBER_DESCRIPTOR) };
    let p = o.value().ptr() as *mut MemberDescr;
    // SAFETY: nobody else knows the object yet.
    unsafe {
        (*p).offset = offset as u32;
        (*p).readonly = readonly;
        (*p).none_if_empty = none_if_empty;
        (*p).name.init(t, &(*p).header, name.into());
        (*p).owner.init(t, &(*p).header, counted(t, owner.value()));
    }
    o
}

impl GetSetDescr {
    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a GetSetDescr> {
        crate::cast_exact(v, &GETSET_DESCRIPTOR)
    }
    pub fn def(&self) -> &'static GetSetDef {
        // SAFETY: set when the object was made, to a static definition.
        unsafe { &*self.def }
    }
}

impl MemberDescr {
    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a MemberDescr> {
        crate::cast_exact(v, &MEMBER_DESCRIPTOR)
    }

    /// The slot of `obj`, which must be an instance of the owner.
    #[inline(always)]
    fn slot<'a>(&self, obj: Value) -> &'a Slot {
        // SAFETY: instances of the owner have a slot at this offset.
        unsafe { &*((obj.ptr() as *const u8).add(self.offset as usize) as *const Slot) }
    }

    fn name(&self) -> String {
        Str::of(self.name.get()).map_or_else(String::new, |s| s.to_string_lossy())
    }
}

#[inline]
fn owner_of<'a>(slot: &Slot) -> &'a Type {
    Type::of_unchecked(slot.get())
}

#[cold]
fn wrong_object(t: &Thread, name: &str, owner: &Type, obj: Value) -> Raised {
    let (o, got) = (owner.name(), type_of(obj).name());
    t.type_error(format!(
        "descriptor '{name}' for '{o}' objects doesn't apply to a '{got}' object"
    ))
}

fn applies(owner: &Type, obj: Value) -> bool {
    type_of(obj).is_subtype(owner)
}

fn getset<'a>(v: Value) -> &'a GetSetDescr {
    // SAFETY: slot functions of GETSET_DESCRIPTOR get its instances alone.
    unsafe { &*(v.ptr() as *const GetSetDescr) }
}

fn member<'a>(v: Value) -> &'a MemberDescr {
    // SAFETY: slot functions of MEMBER_DESCRIPTOR get its instances alone.
    unsafe { &*(v.ptr() as *const MemberDescr) }
}

fn getset_get(t: &mut Thread, d: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() {
        return Ok(to_reg(t, d.bare()));
    }
    let g = getset(d);
    let (def, owner) = (g.def(), owner_of(&g.owner));
    if !applies(owner, obj) {
        return Err(wrong_object(t, def.name, owner, obj));
    }
    // What is computed may ask for the same of another object, which may be this one: a property that is its own getter.
    let _guard = t.enter_recursive("")?;
    (def.get)(t, obj)
}

fn getset_set(t: &mut Thread, d: Value, obj: Value, new: Value) -> Res<()> {
    let g = getset(d);
    let (def, owner) = (g.def(), owner_of(&g.owner));
    if !applies(owner, obj) {
        return Err(wrong_object(t, def.name, owner, obj));
    }
    let _guard = t.enter_recursive("")?;
    match def.set {
        Some(set) => set(t, obj, new),
        None => {
            let msg = format!(
                "attribute '{}' of '{}' objects is not writable",
                def.name,
                owner.name()
            );
            Err(t.raise(&errors::ATTRIBUTE_ERROR, msg))
        }
    }
}

/// Where the slot of a `member_descriptor` lies in its owner's instances, in bytes, and whether it may be stored to.
pub fn member_slot(v: Value) -> Option<(u32, bool)> {
    let m: &MemberDescr = crate::cast_exact(v, &MEMBER_DESCRIPTOR)?;
    Some((m.offset, !m.readonly))
}

fn member_get(t: &mut Thread, d: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() {
        return Ok(to_reg(t, d.bare()));
    }
    let m = member(d);
    let owner = owner_of(&m.owner);
    if !applies(owner, obj) {
        return Err(wrong_object(t, &m.name(), owner, obj));
    }
    let v = m.slot(obj).get();
    if !v.is_null() {
        return Ok(to_reg(t, v));
    }
    if m.none_if_empty {
        return Ok(Value::NONE);
    }
    Err(missing(t, m, obj))
}

#[cold]
fn missing(t: &Thread, m: &MemberDescr, obj: Value) -> Raised {
    match Str::of(m.name.get()) {
        Some(name) => t.attribute_error(obj, name),
        None => t.raise(&errors::ATTRIBUTE_ERROR, "no such attribute"),
    }
}

fn member_set(t: &mut Thread, d: Value, obj: Value, new: Value) -> Res<()> {
    let m = member(d);
    let owner = owner_of(&m.owner);
    if !applies(owner, obj) {
        return Err(wrong_object(t, &m.name(), owner, obj));
    }
    if m.readonly {
        return Err(t.raise(&errors::ATTRIBUTE_ERROR, "readonly attribute"));
    }
    let new = counted(t, new);
    // SAFETY: `obj` is an object of the owner, not an immediate.
    let header = unsafe { obj.header() };
    let deleting = new.is_null();
    let old = {
        // An exchange needs no lock; but who stores in turn with others waits for the lock at its pace, and for a cache line at every store.
        let _guard = lock(t, header);
        m.slot(obj).replace(t, header, new)
    };
    let was_empty = old.is_null();
    t.drop_value(old);
    if deleting && was_empty && !m.none_if_empty {
        return Err(missing(t, m, obj));
    }
    Ok(())
}

fn getset_repr(t: &mut Thread, v: Value) -> Res {
    let g = getset(v);
    let s = format!(
        "<attribute '{}' of '{}' objects>",
        g.def().name,
        owner_of(&g.owner).name()
    );
    Ok(Str::from_string(t, s).into())
}

fn member_repr(t: &mut Thread, v: Value) -> Res {
    let m = member(v);
    let s = format!(
        "<member '{}' of '{}' objects>",
        m.name(),
        owner_of(&m.owner).name()
    );
    Ok(Str::from_string(t, s).into())
}

fn qualname(t: &Thread, owner: &Type, name: &str) -> Res {
    let s = format!("{}.{name}", owner.qualname(t).to_string_lossy());
    Ok(Str::from_string(t, s).into())
}

fn member_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let getattr = crate::runtime::builtin(t, "getattr")?;
    let m = member(a[0]);
    let pair = Tuple::from_vec(
        t,
        vec![Obj::new(t, m.owner.get()), Obj::new(t, m.name.get())],
    );
    Ok(Tuple::from_vec(t, vec![getattr, pair]).into())
}

/// The getter of `__dict__` for types that have a slot for it.
pub fn get_dict(t: &mut Thread, v: Value) -> Res {
    match crate::instance::get_dict(t, v) {
        Some(d) => Ok(d.into()),
        None => Err(t.attribute_error(v, crate::id!(t, "__dict__"))),
    }
}

/// The setter of `__dict__`.
pub fn set_dict(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    crate::instance::set_dict(t, v, new)
}

/// The same for built-in types, whose instances always have one.
pub fn replace_dict(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("cannot delete __dict__".into()));
    }
    crate::instance::set_dict(t, v, new)
}

gc_slots!(GetSetDescr, traverse_getset, clear_getset, owner);
gc_slots!(MemberDescr, traverse_member, clear_member, owner, name);

/// `types.GetSetDescriptorType`
pub static GETSET_DESCRIPTOR: Type = Type::builtin(
    "getset_descriptor",
    size_of::<GetSetDescr>(),
    &Spec {
        repr: Some(getset_repr),
        descr_get: Some(getset_get),
        descr_set: Some(getset_set),
        getset: &[
            GetSetDef::ro("__name__", |t, v| {
                Ok(Str::intern(t, getset(v).def().name).into())
            }),
            GetSetDef::ro("__qualname__", |t, v| {
                qualname(t, owner_of(&getset(v).owner), getset(v).def().name)
            }),
            GetSetDef::ro("__objclass__", |t, v| Ok(or_none(t, getset(v).owner.get()))),
            GetSetDef::ro("__doc__", |t, v| {
                let doc = getset(v).def().doc;
                Ok(if doc.is_empty() {
                    Value::NONE
                } else {
                    Str::new(t, doc).into()
                })
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_getset, clear_getset)
.final_()
.no_new();

/// `types.MemberDescriptorType`
pub static MEMBER_DESCRIPTOR: Type = Type::builtin(
    "member_descriptor",
    size_of::<MemberDescr>(),
    &Spec {
        repr: Some(member_repr),
        descr_get: Some(member_get),
        descr_set: Some(member_set),
        methods: &[NativeDef::new("__reduce__", "($self, /)", member_reduce)],
        getset: &[
            GetSetDef::ro("__name__", |t, v| Ok(or_none(t, member(v).name.get()))),
            GetSetDef::ro("__qualname__", |t, v| {
                qualname(t, owner_of(&member(v).owner), &member(v).name())
            }),
            GetSetDef::ro("__objclass__", |t, v| Ok(or_none(t, member(v).owner.get()))),
            GetSetDef::ro("__doc__", |_, _| Ok(Value::NONE)),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_member, clear_member)
.final_()
.no_new();
