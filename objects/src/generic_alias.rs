//! `types.GenericAlias` (PEP 585): `list[int]`; and the substitution of type parameters, which unions share.

use crate::cell::{fresh, own};
use crate::gc_slots;
use crate::instance::generic_get_attr;
use crate::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// A class with type arguments.
#[repr(C)]
pub struct GenericAlias {
    pub header: Header,
    pub origin: Slot,
    /// A tuple.
    pub args: Slot,
    /// A tuple, made when it is first asked for.
    parameters: Slot,
    /// `*tuple[int, ...]`
    starred: AtomicBool,
}

impl GenericAlias {
    /// `origin[args]`; `args` is a tuple, or the only argument.
    pub fn new(t: &Thread, origin: Value, args: Value) -> Obj {
        let args = if Tuple::of(args).is_some() {
            Obj::new(t, args)
        } else {
            Tuple::from_slice(t, &[args])
        };
        make(t, &GENERIC_ALIAS, Obj::new(t, origin), args, false)
    }

    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a GenericAlias> {
        crate::cast(v, &GENERIC_ALIAS)
    }
}

/// `origin[args]`; `args` is a tuple, or the only argument.
pub fn new(t: &Thread, origin: Value, args: Value) -> Res<Obj> {
    Ok(GenericAlias::new(t, origin, args))
}

fn make(t: &Thread, ty: &Type, origin: Obj, args: Obj, starred: bool) -> Obj {
    // SAFETY: `ty` is the alias type or a subclass.
    let (o, a) = unsafe { fresh::<GenericAlias>(t, ty) };
    a.origin.init(t, &a.header, origin.into());
    a.args.init(t, &a.header, args.into());
    a.starred.store(starred, Relaxed);
    o
}

/// `__class_getitem__` of generic built-in classes.
pub fn class_getitem(t: &mut Thread, a: &[Value]) -> Res {
    Ok(GenericAlias::new(t, a[0], a[1]).into())
}

fn this<'a>(v: Value) -> &'a GenericAlias {
    // SAFETY: slot functions of the alias type get its instances alone.
    unsafe { &*(v.ptr() as *const GenericAlias) }
}

fn origin(t: &Thread, v: Value) -> Obj {
    Obj::new(t, this(v).origin.get())
}

fn args_of(t: &Thread, v: Value) -> Obj {
    Obj::new(t, this(v).args.get())
}

fn alias_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("GenericAlias", "(origin, args, /)");
    let a = SIG.bind(t, args)?;
    let (origin, args) = (Obj::new(t, a[0]), a[1]);
    let args = if Tuple::of(args).is_some() {
        Obj::new(t, args)
    } else {
        Tuple::from_slice(t, &[args])
    };
    Ok(make(t, Type::of_unchecked(cls), origin, args, false).into())
}

/// The type as it stands in reprs of generic types: `int`, `os.PathLike`, `...`, `None`.
pub fn push_type_repr(t: &mut Thread, out: &mut Vec<u8>, v: Value) -> Res<()> {
    if v == Value::ELLIPSIS {
        out.extend_from_slice(b"...");
        return Ok(());
    }
    if type_of(v).is(&crate::singletons::NONE_TYPE)
        || Type::of(v).is_some_and(|ty| ty.is(&crate::singletons::NONE_TYPE))
    {
        out.extend_from_slice(b"None");
        return Ok(());
    }
    let generic = proto::get_attr_opt(t, v, crate::id!(t, "__origin__"))?.is_some()
        && proto::get_attr_opt(t, v, crate::id!(t, "__args__"))?.is_some();
    if !generic
        && let Some(name) = proto::get_attr_opt(t, v, crate::id!(t, "__qualname__"))?
        && let Some(module) = proto::get_attr_opt(t, v, crate::id!(t, "__module__"))?
        && !module.value().is_none()
    {
        if !Str::of(module.value()).is_some_and(|m| m.is("builtins")) {
            let module = proto::str(t, module.value())?;
            errors::append(out, &module);
            out.push(b'.');
        }
        let name = proto::str(t, name.value())?;
        errors::append(out, &name);
        return Ok(());
    }
    let r = proto::repr(t, v)?;
    errors::append(out, &r);
    Ok(())
}

fn push_item(t: &mut Thread, out: &mut Vec<u8>, v: Value) -> Res<()> {
    let Some(list) = List::exact(v) else {
        return push_type_repr(t, out, v);
    };
    out.push(b'[');
    // As many as there were at first: showing one may have changed the list.
    for i in 0..list.len() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        let Some(x) = list.get(t, i).map(|x| x.to_obj(t)) else {
            return Err(t.index_error("list index out of range"));
        };
        push_type_repr(t, out, x.value())?;
    }
    out.push(b']');
    Ok(())
}

fn alias_repr(t: &mut Thread, v: Value) -> Res {
    let (origin, args) = (origin(t, v), args_of(t, v));
    let mut out = Vec::new();
    if this(v).starred.load(Relaxed) {
        out.push(b'*');
    }
    push_item(t, &mut out, origin.value())?;
    out.push(b'[');
    let items = Tuple::of(args.value()).map_or_else(Vec::new, |a| a.to_vec(t));
    if items.is_empty() {
        out.extend_from_slice(b"()");
    }
    for (i, x) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        push_item(t, &mut out, x.value())?;
    }
    out.push(b']');
    Ok(Str::from_wtf8(t, &out).into())
}

fn alias_hash(t: &mut Thread, v: Value) -> Res<i64> {
    let (origin, args) = (origin(t, v), args_of(t, v));
    let h = proto::hash(t, origin.value())? ^ proto::hash(t, args.value())?;
    Ok(if h == -1 { -2 } else { h })
}

fn alias_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (GenericAlias::of(a), GenericAlias::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let mut equal = x.starred.load(Relaxed) == y.starred.load(Relaxed);
    if equal {
        let (p, q) = (origin(t, a), origin(t, b));
        equal = proto::eq(t, p.value(), q.value())?;
    }
    if equal {
        let (p, q) = (args_of(t, a), args_of(t, b));
        equal = proto::eq(t, p.value(), q.value())?;
    }
    Ok(Value::bool(equal == (op == CmpOp::Eq)))
}

fn alias_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let origin = origin(t, v);
    let made = proto::call_kw(t, origin.value(), args)?;
    if let Err(r) = proto::set_attr(t, made.value(), crate::id!(t, "__orig_class__"), v) {
        if !t.exc_matches(&errors::ATTRIBUTE_ERROR) && !t.exc_matches(&errors::TYPE_ERROR) {
            return Err(r);
        }
        t.clear_exc();
    }
    Ok(made.into())
}

/// Attributes of the alias itself; all others are the origin's.
const OWN: &[&str] = &[
    "__class__",
    "__origin__",
    "__args__",
    "__unpacked__",
    "__parameters__",
    "__typing_unpacked_tuple_args__",
    "__mro_entries__",
    "__reduce_ex__",
    "__reduce__",
];
/// Attributes that are not to be found in the origin either.
const BLOCKED: &[&str] = &["__bases__", "__copy__", "__deepcopy__"];

fn alias_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let Some(key) = Str::of(name) else {
        return generic_get_attr(t, v, name);
    };
    if key.as_bytes().starts_with(b"__") && OWN.iter().chain(BLOCKED).any(|n| key.is(n)) {
        return generic_get_attr(t, v, name);
    }
    let origin = origin(t, v);
    proto::get_attr_value(t, origin.value(), name)
}

fn parameters(t: &mut Thread, v: Value) -> Res<Obj> {
    let a = this(v);
    if let Some(p) = own(t, &a.parameters) {
        return Ok(p);
    }
    let args = args_of(t, v);
    let made = make_parameters(t, args.value())?;
    a.parameters.set(t, &a.header, made.clone().into());
    Ok(made)
}

/// The type parameters in a tuple or list of type arguments, each once, in the order of their first appearance: a tuple.
pub fn make_parameters(t: &mut Thread, args: Value) -> Res<Obj> {
    let mut found = Vec::new();
    collect_parameters(t, args, &mut found)?;
    Ok(Tuple::from_vec(t, found))
}

fn collect_parameters(t: &mut Thread, args: Value, found: &mut Vec<Obj>) -> Res<()> {
    let _guard = t.enter_recursive(" in type parameters")?;
    for x in proto::to_vec(t, args)? {
        let v = x.value();
        // A class has no parameters of its own to fill in.
        if Type::of(v).is_some() {
            continue;
        }
        if proto::get_attr_opt(t, v, crate::id!(t, "__typing_subst__"))?.is_some() {
            add_new(found, x);
        } else if Tuple::of(v).is_some() || List::of(v).is_some() {
            collect_parameters(t, v, found)?;
        } else if let Some(sub) = proto::get_attr_opt(t, v, crate::id!(t, "__parameters__"))?
            && let Some(sub) = Tuple::of(sub.value())
        {
            for p in sub.to_vec(t) {
                add_new(found, p);
            }
        }
    }
    Ok(())
}

fn add_new(found: &mut Vec<Obj>, o: Obj) {
    if !found.iter().any(|f| f.value().same(o.value())) {
        found.push(o);
    }
}

/// What is in `*tuple[...]`, if `v` is that and its length is known.
fn unpacked_args(t: &mut Thread, v: Value) -> Res<Option<Vec<Obj>>> {
    if Type::of(v).is_some() {
        return Ok(None);
    }
    let Some(args) = proto::get_attr_opt(t, v, crate::id!(t, "__typing_unpacked_tuple_args__"))?
    else {
        return Ok(None);
    };
    let Some(x) = Tuple::of(args.value()) else {
        return Ok(None);
    };
    let n = x.len();
    let open = n > 0 && x.get(n - 1) == Value::ELLIPSIS;
    Ok(if open { None } else { Some(x.to_vec(t)) })
}

/// The arguments between the brackets, `*tuple[...]` taken apart: a tuple.
fn unpack_args(t: &mut Thread, item: Value) -> Res<Obj> {
    let items = match Tuple::of(item) {
        Some(x) => x.to_vec(t),
        None => vec![Obj::new(t, item)],
    };
    let mut flat = Vec::with_capacity(items.len());
    for x in items {
        match unpacked_args(t, x.value())? {
            Some(more) => flat.extend(more),
            None => flat.push(x),
        }
    }
    Ok(Tuple::from_vec(t, flat))
}

/// `self[item]`: `args` with the type parameters `params` replaced by the arguments in `item`: a tuple.
///
/// # Errors
/// TypeError for the wrong number of arguments, or if there are no parameters.
pub fn substitute(
    t: &mut Thread,
    self_: Value,
    args: Value,
    params: Value,
    item: Value,
) -> Res<Obj> {
    let params = Tuple::of(params).map_or_else(Vec::new, |p| p.to_vec(t));
    if params.is_empty() {
        let r = proto::repr(t, self_)?;
        return Err(t.type_error(format!("{} is not a generic class", text(&r))));
    }
    let mut given = unpack_args(t, item)?;
    for p in &params {
        let prepare = proto::get_attr_opt(t, p.value(), crate::id!(t, "__typing_prepare_subst__"))?;
        if let Some(prepare) = prepare.filter(|f| !f.value().is_none()) {
            let items = if Tuple::of(given.value()).is_some() {
                given
            } else {
                Tuple::from_vec(t, vec![given])
            };
            given = proto::call(t, prepare.value(), &[self_, items.value()])?;
        }
    }
    let given = match Tuple::of(given.value()) {
        Some(x) => x.to_vec(t),
        None => vec![given],
    };
    if given.len() != params.len() {
        let r = proto::repr(t, self_)?;
        let (n, want) = (given.len(), params.len());
        let how = if n > want { "many" } else { "few" };
        let msg = format!(
            "Too {how} arguments for {}; actual {n}, expected {want}",
            text(&r)
        );
        return Err(t.type_error(msg));
    }
    fill_in(t, args, &params, &given)
}

fn text(s: &Obj) -> String {
    Str::of(s.value()).map_or_else(String::new, |s| s.to_string_lossy())
}

/// A tuple of `args`, a tuple or list, with parameters replaced.
fn fill_in(t: &mut Thread, args: Value, params: &[Obj], given: &[Obj]) -> Res<Obj> {
    let _guard = t.enter_recursive(" in type parameters")?;
    let mut out = Vec::new();
    for x in proto::to_vec(t, args)? {
        let v = x.value();
        if Type::of(v).is_some() {
            out.push(x);
            continue;
        }
        if Tuple::of(v).is_some() || List::of(v).is_some() {
            let new = fill_in(t, v, params, given)?;
            out.push(if List::of(v).is_some() {
                let items = Tuple::of(new.value()).map_or_else(Vec::new, |n| n.to_vec(t));
                List::from_vec(t, items)
            } else {
                new
            });
            continue;
        }
        let unpack = match proto::get_attr_opt(
            t,
            v,
            crate::id!(t, "__typing_is_unpacked_typevartuple__"),
        )? {
            Some(b) => proto::truth(t, b.value())?,
            None => false,
        };
        let new = match proto::get_attr_opt(t, v, crate::id!(t, "__typing_subst__"))? {
            Some(subst) => {
                // An argument may have become a parameter after they were counted.
                let Some(at) = params.iter().position(|p| p.value().same(v)) else {
                    let r = proto::repr(t, v)?;
                    return Err(t.type_error(format!("{} not found in __parameters__", text(&r))));
                };
                proto::call(t, subst.value(), &[given[at].value()])?
            }
            None => fill_parameters(t, x.clone(), params, given)?,
        };
        if !unpack {
            out.push(new);
        } else if let Some(many) = Tuple::of(new.value()) {
            out.extend(many.to_vec(t));
        } else {
            let (who, got) = (type_of(v).full_name(t), type_of(new.value()).full_name(t));
            let msg =
                format!("expected __typing_subst__ of {who} objects to return a tuple, not {got}");
            return Err(t.type_error(msg));
        }
    }
    Ok(Tuple::from_vec(t, out))
}

/// A generic argument with its own parameters replaced.
fn fill_parameters(t: &mut Thread, x: Obj, params: &[Obj], given: &[Obj]) -> Res<Obj> {
    let Some(sub) = proto::get_attr_opt(t, x.value(), crate::id!(t, "__parameters__"))? else {
        return Ok(x);
    };
    let Some(sub) = Tuple::of(sub.value())
        .filter(|s| !s.is_empty())
        .map(|s| s.to_vec(t))
    else {
        return Ok(x);
    };
    let mut args = Vec::with_capacity(sub.len());
    for p in sub {
        match params.iter().position(|q| q.value().same(p.value())) {
            Some(i) => {
                let arg = given[i].value();
                // A TypeVarTuple stands for as many as there are.
                match Tuple::of(arg).filter(|_| type_of(p.value()).slots.iter.is_set()) {
                    Some(many) => args.extend(many.to_vec(t)),
                    None => args.push(given[i].clone()),
                }
            }
            None => args.push(p),
        }
    }
    let args = Tuple::from_vec(t, args);
    proto::get_item(t, x.value(), args.value())
}

fn alias_get_item(t: &mut Thread, v: Value, item: Value) -> Res {
    let params = parameters(t, v)?;
    let args = args_of(t, v);
    let new = substitute(t, v, args.value(), params.value(), item)?;
    let starred = this(v).starred.load(Relaxed);
    let origin = origin(t, v);
    Ok(make(t, &GENERIC_ALIAS, origin, new, starred).into())
}

/// `*alias` gives the alias with a star.
fn alias_iter(t: &mut Thread, v: Value) -> Res {
    let (origin, args) = (origin(t, v), args_of(t, v));
    let starred = make(t, &GENERIC_ALIAS, origin, args, true);
    ALIAS_ITER.ready(t);
    // SAFETY: the layout of ALIAS_ITER.
    let (o, it) = unsafe { fresh::<AliasIter>(t, &ALIAS_ITER) };
    it.alias.init(t, &it.header, starred.into());
    Ok(o.into())
}

/// What `iter(alias)` gives: the alias with a star, once.
#[repr(C)]
struct AliasIter {
    header: Header,
    alias: Slot,
}

fn iter_of<'a>(v: Value) -> &'a AliasIter {
    // SAFETY: slots and methods of ALIAS_ITER get its instances alone.
    unsafe { &*(v.ptr() as *const AliasIter) }
}

fn iter_next(t: &mut Thread, v: Value) -> Res {
    let it = iter_of(v);
    Ok(it.alias.replace(t, &it.header, Value::NULL))
}

/// `iter` of the alias without the star.
fn iter_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let iter = crate::runtime::builtin(t, "iter")?;
    let plain = match own(t, &iter_of(a[0]).alias) {
        Some(alias) => {
            let (origin, args) = (origin(t, alias.value()), args_of(t, alias.value()));
            make(t, &GENERIC_ALIAS, origin, args, false)
        }
        None => Tuple::empty(t),
    };
    let args = Tuple::from_vec(t, vec![plain]);
    Ok(Tuple::from_vec(t, vec![iter, args]).into())
}

gc_slots!(AliasIter, traverse_iter, clear_iter, alias);

static ALIAS_ITER: Type = Type::builtin(
    "generic_alias_iterator",
    size_of::<AliasIter>(),
    &Spec {
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(iter_next),
        methods: &[NativeDef::new("__reduce__", "($self, /)", iter_reduce)],
        ..Spec::EMPTY
    },
)
.gc(traverse_iter, clear_iter)
.final_()
.no_new();

fn mro_entries(t: &mut Thread, a: &[Value]) -> Res {
    let origin = origin(t, a[0]);
    Ok(Tuple::from_vec(t, vec![origin]).into())
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let (origin, args) = (origin(t, a[0]), args_of(t, a[0]));
    if this(a[0]).starred.load(Relaxed) {
        let next = crate::runtime::builtin(t, "next")?;
        let plain = make(t, &GENERIC_ALIAS, origin, args, false);
        let it = proto::iter(t, plain.value())?;
        let inner = Tuple::from_vec(t, vec![it]);
        return Ok(Tuple::from_vec(t, vec![next, inner]).into());
    }
    let pair = Tuple::from_vec(t, vec![origin, args]);
    let class = Obj::new(t, GENERIC_ALIAS.value());
    Ok(Tuple::from_vec(t, vec![class, pair]).into())
}

fn dir(t: &mut Thread, a: &[Value]) -> Res {
    let origin = origin(t, a[0]);
    let dir = crate::runtime::builtin(t, "dir")?;
    let names = proto::call(t, dir.value(), &[origin.value()])?;
    for n in OWN {
        let n = Str::intern(t, n);
        if !proto::contains(t, names.value(), n.value())? {
            proto::call_method(t, names.value(), "append", &[n.value()])?;
        }
    }
    Ok(names.into())
}

fn no_checks(t: &Thread, what: &str) -> Res {
    Err(t.type_error(format!(
        "{what}() argument 2 cannot be a parameterized generic"
    )))
}

fn get_unpacked_args(t: &mut Thread, v: Value) -> Res {
    let a = this(v);
    let is_tuple = a.origin.get().same(crate::tuple::TUPLE.value());
    Ok(if a.starred.load(Relaxed) && is_tuple {
        to_reg(t, a.args.get())
    } else {
        Value::NONE
    })
}

gc_slots!(GenericAlias, traverse, clear, origin, args, parameters);

/// `types.GenericAlias`
pub static GENERIC_ALIAS: Type = Type::builtin(
    "GenericAlias",
    size_of::<GenericAlias>(),
    &Spec {
        new: Some(alias_new),
        repr: Some(alias_repr),
        hash: Some(alias_hash),
        compare: Some(alias_compare),
        call: Some(alias_call),
        get_attr: Some(alias_get_attr),
        get_item: Some(alias_get_item),
        iter: Some(alias_iter),
        binary: &[(BinOp::Or, crate::union::type_or)],
        methods: &[
            NativeDef::new("__mro_entries__", "($self, bases, /)", mro_entries),
            NativeDef::new("__instancecheck__", "($self, instance, /)", |t, _| no_checks(t, "isinstance")),
            NativeDef::new("__subclasscheck__", "($self, cls, /)", |t, _| no_checks(t, "issubclass")),
            NativeDef::new("__reduce__", "($self, /)", reduce),
            NativeDef::new("__dir__", "($self, /)", dir),
        ],
        getset: &[
            GetSetDef::ro("__origin__", |t, v| Ok(to_reg(t, this(v).origin.get()))),
            GetSetDef::ro("__args__", |t, v| Ok(to_reg(t, this(v).args.get()))),
            GetSetDef::ro("__unpacked__", |_, v| Ok(Value::bool(this(v).starred.load(Relaxed)))),
            GetSetDef::ro("__parameters__", |t, v| parameters(t, v).map(Obj::into_value)),
            GetSetDef::ro("__typing_unpacked_tuple_args__", get_unpacked_args),
        ],
        ..Spec::EMPTY
    },
)
.module("types")
.gc(traverse, clear)
.doc("Represent a PEP 585 generic type\n\nFor example, for t = list[int], t.__origin__ is list and t.__args__\nis (int,).");
