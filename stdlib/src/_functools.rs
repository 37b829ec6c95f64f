//! `_functools`: `partial` and `cmp_to_key` here, the cache in `_functools/lru_cache.rs`.

mod lru_cache;

use crate::support::{self, Count, add};
use std::mem::offset_of;
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::method::Method;
use weft_objects::prelude::*;

// --- Placeholder ---

fn placeholder_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    if !args.is_empty() {
        return Err(t.type_error("PlaceholderType takes no arguments".into()));
    }
    Ok(placeholder())
}

/// `functools._PlaceholderType`
pub static PLACEHOLDER_TYPE: Type = Type::builtin(
    "_PlaceholderType",
    16,
    &Spec {
        new: Some(placeholder_new),
        repr: Some(|t, _| Ok(Str::intern(t, "Placeholder").into())),
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, _| {
            Ok(Str::intern(t, "Placeholder").into())
        })],
        ..Spec::EMPTY
    },
)
.module("functools")
.final_()
.doc("The type of the Placeholder singleton.\n\nUsed as a placeholder for partial arguments.");

static PLACEHOLDER: Header = Header::immortal(&raw const PLACEHOLDER_TYPE.head);

/// The one instance.
fn placeholder() -> Value {
    Value::uncounted(&PLACEHOLDER)
}

fn is_placeholder(v: Value) -> bool {
    v.same(placeholder())
}

// --- partial ---

/// `functools.partial`
#[repr(C)]
struct Partial {
    header: Header,
    func: Slot,
    /// A tuple.
    args: Slot,
    /// A dict.
    keywords: Slot,
    dict: Slot,
    /// How many of the args are placeholders.
    holes: Count,
}

gc_slots!(
    Partial,
    traverse_partial,
    clear_partial,
    func,
    args,
    keywords,
    dict
);

fn partial_of<'a>(v: Value) -> &'a Partial {
    // SAFETY: slots and methods of PARTIAL get its instances alone.
    unsafe { &*(v.ptr() as *const Partial) }
}

/// Puts given arguments into the holes of bound ones; what is left over comes at the end.
fn fill_holes(t: &Thread, bound: &[Value], given: &[Value]) -> Vec<Obj> {
    let mut given = given.iter();
    let mut all = Vec::with_capacity(bound.len() + given.len());
    for b in bound {
        let v = if is_placeholder(*b) {
            given.next().unwrap_or(b)
        } else {
            b
        };
        all.push(Obj::new(t, *v));
    }
    all.extend(given.map(|v| Obj::new(t, *v)));
    all
}

fn partial_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let [func, given @ ..] = args.pos() else {
        return Err(t.type_error("type 'partial' takes at least one argument".into()));
    };
    if !proto::is_callable(*func) {
        return Err(t.type_error("the first argument must be callable".into()));
    }
    if given.last().is_some_and(|v| is_placeholder(*v)) {
        return Err(t.type_error("trailing Placeholders are not allowed".into()));
    }
    for (_, v) in args.keywords() {
        if is_placeholder(v) {
            return Err(t.type_error("Placeholder cannot be passed as a keyword argument".into()));
        }
    }
    let keywords = Dict::new(t);
    let mut func = Obj::new(t, *func);
    let mut items: Vec<Obj> = given.iter().map(|v| Obj::new(t, *v)).collect();
    let inner = type_of(func.value());
    if inner.is(&PARTIAL) || (inner.is_subtype(&PARTIAL) && Type::of_unchecked(cls).is(inner)) {
        // A partial of a partial is one partial, unless the inner one has attributes of its own.
        let p = partial_of(func.value());
        let plain =
            p.dict.get().is_null() || Dict::exact(p.dict.get()).is_some_and(|d| d.is_empty());
        if plain {
            if let Some(bound) = Tuple::of(p.args.get()) {
                items = fill_holes(t, bound.values(), given);
            }
            if let (Some(k), Some(inner)) =
                (Dict::exact(keywords.value()), Dict::of(p.keywords.get()))
            {
                k.merge_from(t, inner)?;
            }
            func = Obj::new(t, p.func.get());
        }
    }
    for (name, v) in args.keywords() {
        if let Some(k) = Dict::exact(keywords.value()) {
            k.set(t, name, v)?;
        }
    }
    // SAFETY: `cls` is PARTIAL or a subclass.
    let (o, p) = unsafe { fresh::<Partial>(t, Type::of_unchecked(cls)) };
    p.holes
        .set(items.iter().filter(|v| is_placeholder(v.value())).count() as u64);
    p.func.init(t, &p.header, func.into());
    p.args.init(t, &p.header, Tuple::from_vec(t, items).into());
    p.keywords.init(t, &p.header, keywords.into());
    Ok(o.into())
}

/// Room for arguments on the stack.
const FEW: usize = 12;

fn partial_call(t: &mut Thread, v: Value, given: Args<'_>) -> Res {
    let p = partial_of(v);
    let (Some(bound), Some(keywords)) = (Tuple::exact(p.args.get()), Dict::exact(p.keywords.get()))
    else {
        return Err(t.type_error("partial object is not initialised".into()));
    };
    let (bound, all) = (bound.values(), given.all());
    let n = bound.len() + all.len();
    if p.holes.get() == 0 && keywords.is_empty() && n <= FEW {
        let mut buffer = [Value::NULL; FEW];
        buffer[..bound.len()].copy_from_slice(bound);
        buffer[bound.len()..n].copy_from_slice(all);
        return proto::call_value(t, p.func.get(), Args::new(&buffer[..n], given.names()));
    }
    partial_call_slow(t, p, given)
}

#[inline(never)]
fn partial_call_slow(t: &mut Thread, p: &Partial, given: Args<'_>) -> Res {
    let holes = p.holes.get() as usize;
    if given.pos().len() < holes {
        let n = given.pos().len();
        return Err(t.type_error(format!(
            "missing positional arguments in 'partial' call; expected at least {holes}, got {n}"
        )));
    }
    let [func, args, keywords] = [&p.func, &p.args, &p.keywords].map(|s| Obj::new(t, s.get()));
    let bound = Tuple::of(args.value()).map_or(&[][..], |a| a.values());
    let items = fill_holes(t, bound, given.pos());
    let mut all: Vec<Value> = items.iter().map(Obj::value).collect();
    let bound_kw = Dict::of(keywords.value()).map_or_else(Vec::new, |d| d.items(t));
    if bound_kw.is_empty() {
        all.extend(given.keywords().map(|(_, v)| v));
        return proto::call_value(t, func.value(), Args::new(&all, given.names()));
    }
    let mut names: Vec<Value> = Vec::new();
    for (k, v) in &bound_kw {
        names.push(k.value());
        all.push(v.value());
    }
    let first = all.len() - names.len();
    for (name, v) in given.keywords() {
        let mut at = None;
        for (i, known) in names.iter().enumerate() {
            if proto::eq(t, *known, name)? {
                at = Some(i);
                break;
            }
        }
        match at {
            Some(i) => all[first + i] = v,
            None => {
                names.push(name);
                all.push(v);
            }
        }
    }
    let names = Tuple::from_slice(t, &names);
    proto::call_value(t, func.value(), Args::new(&all, names.value()))
}

fn partial_get(t: &mut Thread, v: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() || obj.is_none() {
        return Ok(Obj::new(t, v).into());
    }
    Ok(Method::new(t, v, obj).into())
}

fn partial_repr(t: &mut Thread, v: Value) -> Res {
    let name = type_of(v).full_name(t);
    let Some(_guard) = t.repr_enter(v) else {
        return Ok(Str::new(t, "...").into());
    };
    let p = partial_of(v);
    let [func, args, keywords] = [&p.func, &p.args, &p.keywords].map(|s| Obj::new(t, s.get()));
    let mut out = name.into_bytes();
    out.push(b'(');
    push_repr(t, &mut out, func.value())?;
    for item in Tuple::of(args.value()).map_or_else(Vec::new, |a| a.to_vec(t)) {
        out.extend_from_slice(b", ");
        push_repr(t, &mut out, item.value())?;
    }
    for (k, x) in Dict::of(keywords.value()).map_or_else(Vec::new, |d| d.items(t)) {
        out.extend_from_slice(b", ");
        let k = proto::str(t, k.value())?;
        out.extend_from_slice(Str::of(k.value()).map_or(&[], |s| s.as_bytes()));
        out.push(b'=');
        push_repr(t, &mut out, x.value())?;
    }
    out.push(b')');
    Ok(Str::from_vec(t, out).into())
}

fn push_repr(t: &mut Thread, out: &mut Vec<u8>, v: Value) -> Res<()> {
    let r = proto::repr(t, v)?;
    out.extend_from_slice(Str::of(r.value()).map_or(&[], |s| s.as_bytes()));
    Ok(())
}

fn partial_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let p = partial_of(a[0]);
    let dict = own(t, &p.dict).unwrap_or_else(support::none);
    let state = [&p.func, &p.args, &p.keywords].map(|s| Obj::new(t, s.get()));
    let [func, args, keywords] = state;
    let first = Tuple::from_vec(t, vec![func.clone()]);
    let state = Tuple::from_vec(t, vec![func, args, keywords, dict]);
    let cls = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::from_vec(t, vec![cls, first, state]).into())
}

fn partial_setstate(t: &mut Thread, a: &[Value]) -> Res {
    let Some(state) = Tuple::of(a[1]) else {
        return Err(t.type_error("argument to __setstate__ must be a tuple".into()));
    };
    if state.len() != 4 {
        return Err(t.type_error(format!("expected 4 items in state, got {}", state.len())));
    }
    let [func, args, keywords, dict] = [0, 1, 2, 3].map(|i| Obj::new(t, state.get(i)));
    let dict_or_none = |v: &Obj| v.value().is_none() || Dict::of(v.value()).is_some();
    if !proto::is_callable(func.value())
        || Tuple::of(args.value()).is_none()
        || !dict_or_none(&keywords)
        || !dict_or_none(&dict)
    {
        return Err(t.type_error("invalid partial state".into()));
    }
    let items = Tuple::of(args.value()).map_or_else(Vec::new, |a| a.to_vec(t));
    if items.last().is_some_and(|v| is_placeholder(v.value())) {
        return Err(t.type_error("trailing Placeholders are not allowed".into()));
    }
    let kw = match Dict::exact(keywords.value()) {
        Some(_) => keywords,
        None => {
            let copy = Dict::new(t);
            if let Some(from) = Dict::of(keywords.value()) {
                Dict::of_obj(&copy).merge_from(t, from)?;
            }
            copy
        }
    };
    let p = partial_of(a[0]);
    p.holes
        .set(items.iter().filter(|v| is_placeholder(v.value())).count() as u64);
    p.func.set(t, &p.header, func.into());
    let args = match Tuple::exact(args.value()) {
        Some(_) => args,
        None => Tuple::from_vec(t, items),
    };
    p.args.set(t, &p.header, args.into());
    p.keywords.set(t, &p.header, kw.into());
    p.dict.set(
        t,
        &p.header,
        if dict.value().is_none() {
            Value::NULL
        } else {
            dict.into()
        },
    );
    Ok(Value::NONE)
}

/// `functools.partial`
pub static PARTIAL: Type = Type::builtin(
    "partial",
    size_of::<Partial>(),
    &Spec {
        new: Some(partial_new),
        call: Some(partial_call),
        repr: Some(partial_repr),
        descr_get: Some(partial_get),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", partial_reduce),
            NativeDef::new("__setstate__", "($self, state, /)", partial_setstate),
            NativeDef::class(
                "__class_getitem__",
                "($type, object, /)",
                weft_objects::generic_alias::class_getitem,
            ),
        ],
        members: &[
            MemberDef {
                name: "func",
                offset: offset_of!(Partial, func),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "args",
                offset: offset_of!(Partial, args),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "keywords",
                offset: offset_of!(Partial, keywords),
                readonly: true,
                none_if_empty: true,
            },
        ],
        getset: &[GetSetDef::rw(
            "__dict__",
            weft_objects::descr::get_dict,
            weft_objects::descr::replace_dict,
        )],
        ..Spec::EMPTY
    },
)
.module("functools")
.gc(traverse_partial, clear_partial)
.dict_at(offset_of!(Partial, dict))
.doc("Create a new function with partial application of the given arguments and keywords.");

// --- cmp_to_key ---

/// A key that compares by a function; without an object, what makes such keys.
#[repr(C)]
struct Key {
    header: Header,
    compare: Slot,
    object: Slot,
}

gc_slots!(Key, traverse_key, clear_key, compare, object);

fn key_of<'a>(v: Value) -> &'a Key {
    // SAFETY: slots of KEY get its instances alone.
    unsafe { &*(v.ptr() as *const Key) }
}

fn new_key(t: &Thread, compare: Value, object: Value) -> Value {
    // SAFETY: the layout of KEY.
    let (o, k) = unsafe { fresh::<Key>(t, &KEY) };
    k.compare.init(t, &k.header, Obj::new(t, compare).into());
    k.object
        .init(t, &k.header, weft_objects::cell::counted(t, object));
    o.into()
}

fn key_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("K", "(obj)");
    let a = SIG.bind(t, args)?;
    Ok(new_key(t, key_of(v).compare.get(), a[0]))
}

fn key_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if !type_of(a).is(&KEY) || !type_of(b).is(&KEY) {
        return Err(t.type_error("other argument must be K instance".into()));
    }
    let (x, y) = (key_of(a).object.get(), key_of(b).object.get());
    if x.is_null() || y.is_null() {
        return Err(t.raise(&errors::ATTRIBUTE_ERROR, "object"));
    }
    let r = proto::call(t, key_of(a).compare.get(), &[x, y])?;
    proto::compare(t, r.value(), Value::int(0), op)
}

static KEY: Type = Type::builtin(
    "KeyWrapper",
    size_of::<Key>(),
    &Spec {
        call: Some(key_call),
        compare: Some(key_compare),
        members: &[MemberDef {
            name: "obj",
            offset: offset_of!(Key, object),
            readonly: false,
            none_if_empty: false,
        }],
        getset: &[GetSetDef::ro("__text_signature__", |t, _| {
            Ok(Str::new(t, "(obj)").into())
        })],
        ..Spec::EMPTY
    },
)
.module("functools")
.gc(traverse_key, clear_key)
.final_()
.no_new();

fn cmp_to_key(t: &mut Thread, a: &[Value]) -> Res {
    Ok(new_key(t, a[0], Value::NULL))
}

// --- reduce ---

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    if !type_of(a[1]).slots.iter.is_set() && !proto::is_sequence(t, a[1]) {
        return Err(t.type_error("reduce() arg 2 must support iteration".into()));
    }
    let it = proto::iter(t, a[1])?;
    let mut total = support::given(t, a[2]);
    while let Some(x) = proto::next(t, it.value())? {
        total = Some(match total {
            None => x,
            Some(so_far) => proto::call(t, a[0], &[so_far.value(), x.value()])?,
        });
    }
    match total {
        Some(v) => Ok(v.into()),
        None => Err(t.type_error("reduce() of empty iterable with no initial value".into())),
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("reduce", "(function, iterable, /, initial=functools._initial_missing)", reduce)
        .doc("Apply a function of two arguments cumulatively to the items of an iterable, from left to right."),
    NativeDef::new("cmp_to_key", "(mycmp)", cmp_to_key).doc("Convert a cmp= function into a key= function."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "_functools",
        "Tools that operate on functions.",
        FUNCTIONS,
    );
    support::add_type(t, &m, &PLACEHOLDER_TYPE);
    support::add_type(t, &m, &PARTIAL);
    support::add_type(t, &m, &lru_cache::LRU_CACHE);
    KEY.ready(t);
    lru_cache::ready(t);
    add(t, &m, "Placeholder", Obj::own(placeholder()));
    Ok(m)
}
