//! `typing.Union`: `int | str`.

use crate::cell::{fresh, own};
use crate::gc_slots;
use crate::generic_alias::{GenericAlias, make_parameters, push_type_repr, substitute};
use crate::prelude::*;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// A union of types.
#[repr(C)]
pub struct Union {
    pub header: Header,
    /// A tuple of the members, each once.
    pub args: Slot,
    /// A tuple of those that could not be hashed when the union was made; empty if all could.
    unhashable: Slot,
    parameters: Slot,
}

impl Union {
    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a Union> {
        crate::cast(v, &UNION)
    }
}

/// Further types whose instances may stand in a union (type aliases), told by the module that has them.
static TYPE_ALIAS: AtomicPtr<Type> = AtomicPtr::new(std::ptr::null_mut());

/// Says which type is `typing.TypeAliasType`.
pub fn set_type_alias_type(ty: &'static Type) {
    TYPE_ALIAS.store(ty as *const Type as *mut Type, Release);
}

fn is_unionable(v: Value) -> bool {
    let alias = TYPE_ALIAS.load(Acquire);
    v.is_none()
        || Type::of(v).is_some()
        || GenericAlias::of(v).is_some()
        || Union::of(v).is_some()
        || (!alias.is_null() && std::ptr::eq(type_of(v), alias))
}

/// `|` with a union on one side: strs stand for forward references, and anything else is taken as it is.
fn union_or(t: &mut Thread, a: Value, b: Value) -> Res {
    let members = vec![Obj::new(t, a), Obj::new(t, b)];
    from_values(t, members).map(Obj::into_value)
}

/// The `|` of types.
pub fn type_or(t: &mut Thread, a: Value, b: Value) -> Res {
    if !is_unionable(a) || !is_unionable(b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let members = vec![Obj::new(t, a), Obj::new(t, b)];
    union_of(t, members).map(Obj::into_value)
}

/// The union of the members: flat, without repetitions; a single member is itself.
pub fn union_of(t: &mut Thread, members: Vec<Obj>) -> Res<Obj> {
    let mut found: Vec<Member> = Vec::with_capacity(members.len());
    for m in members {
        if let Some(u) = Union::of(m.value()) {
            for x in Tuple::of(u.args.get()).map_or_else(Vec::new, |a| a.to_vec(t)) {
                add(t, &mut found, x)?;
            }
        } else if m.value().is_none() {
            let ty = Obj::new(t, crate::singletons::NONE_TYPE.value());
            add(t, &mut found, ty)?;
        } else {
            add(t, &mut found, m)?;
        }
    }
    if found.len() == 1
        && let Some((only, _)) = found.pop()
    {
        return Ok(only);
    }
    if found.is_empty() {
        return Err(t.type_error("Cannot take a Union of no types.".into()));
    }
    // SAFETY: the layout of unions.
    let (o, u) = unsafe { fresh::<Union>(t, &UNION) };
    let unhashable: Vec<Obj> = found
        .iter()
        .filter(|(_, hash)| hash.is_none())
        .map(|(m, _)| m.clone())
        .collect();
    if !unhashable.is_empty() {
        let tuple = Tuple::from_vec(t, unhashable);
        u.unhashable.init(t, &u.header, tuple.into());
    }
    let found = found.into_iter().map(|(m, _)| m).collect();
    u.args.init(t, &u.header, Tuple::from_vec(t, found).into());
    Ok(o)
}

/// A member and its hash, if it has one.
type Member = (Obj, Option<i64>);

fn hash_opt(t: &mut Thread, v: Value) -> Res<Option<i64>> {
    match proto::hash(t, v) {
        Ok(h) => Ok(Some(h)),
        Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            Ok(None)
        }
        Err(r) => Err(r),
    }
}

/// As sets do it: equal only if the hashes are. Those without a hash are compared with each other.
fn has_member(t: &mut Thread, found: &[Member], x: Value, hash: Option<i64>) -> Res<bool> {
    for (f, h) in found {
        if *h == hash && proto::eq(t, f.value(), x)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn add(t: &mut Thread, found: &mut Vec<Member>, x: Obj) -> Res<()> {
    let hash = hash_opt(t, x.value())?;
    if !has_member(t, found, x.value(), hash)? {
        found.push((x, hash));
    }
    Ok(())
}

/// The union of a tuple's members, of which str stand for forward references: `Union[...]`, and `|` of type variables.
pub fn from_values(t: &mut Thread, members: Vec<Obj>) -> Res<Obj> {
    let mut checked = Vec::with_capacity(members.len());
    for m in members {
        checked.push(if m.value().is_none() {
            Obj::new(t, crate::singletons::NONE_TYPE.value())
        } else if Str::of(m.value()).is_some() {
            forward_ref(t, m)?
        } else {
            m
        });
    }
    union_of(t, checked)
}

fn forward_ref(t: &mut Thread, name: Obj) -> Res<Obj> {
    let typing = crate::runtime::import(t, "typing")?;
    let f = proto::get_attr(t, typing.value(), crate::id!(t, "_make_forward_ref"));
    match f {
        Ok(f) => proto::call(t, f.value(), &[name.value()]),
        Err(r) if !t.exc_matches(&errors::ATTRIBUTE_ERROR) => Err(r),
        Err(_) => {
            t.clear_exc();
            let f = proto::get_attr(t, typing.value(), crate::id!(t, "ForwardRef"))?;
            proto::call(t, f.value(), &[name.value()])
        }
    }
}

fn this<'a>(v: Value) -> &'a Union {
    // SAFETY: slot functions of UNION get its instances alone.
    unsafe { &*(v.ptr() as *const Union) }
}

fn args_of(t: &Thread, v: Value) -> Obj {
    Obj::new(t, this(v).args.get())
}

fn members(t: &Thread, v: Value) -> Vec<Obj> {
    Tuple::of(this(v).args.get()).map_or_else(Vec::new, |a| a.to_vec(t))
}

fn class_getitem(t: &mut Thread, a: &[Value]) -> Res {
    let items = match Tuple::of(a[1]) {
        Some(x) => x.to_vec(t),
        None => vec![Obj::new(t, a[1])],
    };
    from_values(t, items).map(Obj::into_value)
}

fn union_repr(t: &mut Thread, v: Value) -> Res {
    let mut out = Vec::new();
    for (i, m) in members(t, v).into_iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b" | ");
        }
        push_type_repr(t, &mut out, m.value())?;
    }
    Ok(Str::from_wtf8(t, &out).into())
}

/// That of the frozenset of the members.
fn union_hash(t: &mut Thread, v: Value) -> Res<i64> {
    if let Some(unhashable) = own(t, &this(v).unhashable) {
        let all = Tuple::of(unhashable.value()).map_or_else(Vec::new, |u| u.to_vec(t));
        for m in &all {
            proto::hash(t, m.value())?;
        }
        let (n, s) = (all.len(), if all.len() == 1 { "" } else { "s" });
        return Err(t.type_error(format!("union contains {n} unhashable element{s}")));
    }
    let args = args_of(t, v);
    let set = proto::call(t, crate::set::FROZENSET.value(), &[args.value()])?;
    proto::hash(t, set.value())
}

/// The members and the hashes of those that had one when the union was made.
fn hashed_members(t: &mut Thread, v: Value) -> Res<Vec<Member>> {
    let unhashable = own(t, &this(v).unhashable);
    let unhashable = unhashable.and_then(|u| Tuple::of(u.value()).map(|u| u.to_vec(t)));
    let unhashable = unhashable.unwrap_or_default();
    let mut all = Vec::new();
    for m in members(t, v) {
        let hash = match unhashable.iter().any(|u| u.value().same(m.value())) {
            true => None,
            false => Some(proto::hash(t, m.value())?),
        };
        all.push((m, hash));
    }
    Ok(all)
}

fn union_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if Union::of(a).is_none() || Union::of(b).is_none() || !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (x, y) = (hashed_members(t, a)?, hashed_members(t, b)?);
    let mut equal = y.len() == x.len();
    for (m, hash) in &x {
        equal = equal && has_member(t, &y, m.value(), *hash)?;
    }
    Ok(Value::bool(equal == (op == CmpOp::Eq)))
}

fn parameters(t: &mut Thread, v: Value) -> Res<Obj> {
    let u = this(v);
    if let Some(p) = own(t, &u.parameters) {
        return Ok(p);
    }
    let args = args_of(t, v);
    let made = make_parameters(t, args.value())?;
    u.parameters.set(t, &u.header, made.clone().into());
    Ok(made)
}

fn union_get_item(t: &mut Thread, v: Value, item: Value) -> Res {
    let params = parameters(t, v)?;
    let args = args_of(t, v);
    let new = substitute(t, v, args.value(), params.value(), item)?;
    let new = Tuple::of(new.value()).map_or_else(Vec::new, |n| n.to_vec(t));
    from_values(t, new).map(Obj::into_value)
}

fn mro_entries(t: &mut Thread, a: &[Value]) -> Res {
    let r = proto::repr(t, a[0])?;
    let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
    Err(t.type_error(format!("Cannot subclass {r}")))
}

fn instance_check(t: &mut Thread, a: &[Value]) -> Res {
    let args = args_of(t, a[0]);
    proto::is_instance(t, a[1], args.value()).map(Value::bool)
}

fn subclass_check(t: &mut Thread, a: &[Value]) -> Res {
    let args = args_of(t, a[0]);
    proto::is_subclass(t, a[1], args.value()).map(Value::bool)
}

gc_slots!(Union, traverse, clear, args, unhashable, parameters);

/// `typing.Union`, also known as `types.UnionType`
pub static UNION: Type = Type::builtin(
    "Union",
    size_of::<Union>(),
    &Spec {
        repr: Some(union_repr),
        hash: Some(union_hash),
        compare: Some(union_compare),
        get_item: Some(union_get_item),
        binary: &[(BinOp::Or, union_or)],
        methods: &[
            NativeDef::class("__class_getitem__", "($type, item, /)", class_getitem),
            NativeDef::new("__mro_entries__", "($self, bases, /)", mro_entries),
            NativeDef::new("__instancecheck__", "($self, instance, /)", instance_check),
            NativeDef::new("__subclasscheck__", "($self, cls, /)", subclass_check),
        ],
        getset: &[
            GetSetDef::ro("__args__", |t, v| Ok(to_reg(t, this(v).args.get()))),
            GetSetDef::ro("__parameters__", |t, v| {
                parameters(t, v).map(Obj::into_value)
            }),
            GetSetDef::ro("__origin__", |t, _| Ok(to_reg(t, UNION.value()))),
            GetSetDef::ro("__name__", |t, _| Ok(Str::intern(t, "Union").into())),
            GetSetDef::ro("__qualname__", |t, _| Ok(Str::intern(t, "Union").into())),
        ],
        ..Spec::EMPTY
    },
)
.module("typing")
.gc(traverse, clear)
.final_()
.no_new()
.doc("Represent a union type\n\nE.g. for int | str");
