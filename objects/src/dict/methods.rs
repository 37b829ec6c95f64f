//! The type `dict`: its slots and methods.

use super::keys::hash_key;
use super::{clear, traverse};
use crate::dict_views as views;
use crate::int::from_usize;
use crate::list::repr;
use crate::prelude::*;
use crate::set::Set;
use crate::types::{alloc_instance, type_flags};

/// `dict`
pub static DICT: Type = Type::builtin(
    "dict",
    size_of::<Dict>(),
    &Spec {
        new: Some(|t, cls, _| Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))),
        init: Some(init),
        repr: Some(dict_repr),
        compare: Some(compare),
        iter: Some(|t, v| Ok(views::new_iter(t, v, views::Part::Keys, false).into())),
        len: Some(|_, v| Ok(this(v).len())),
        get_item: Some(get_item),
        set_item: Some(set_item),
        contains: Some(|t, v, key| this(v).contains(t, key)),
        binary: &[(BinOp::Or, or)],
        in_place: &[(BinOp::Or, |t, v, other| {
            update(t, this(v), other)?;
            Ok(to_reg(t, v.bare()))
        })],
        methods: METHODS,
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.flags(type_flags::MAPPING | type_flags::MATCH_SELF)
.doc(
    "dict() -> new empty dictionary\ndict(mapping) -> new dictionary initialized from a mapping object's\n    (key, value) \
     pairs\ndict(iterable) -> new dictionary initialized as if via:\n    d = {}\n    for k, v in iterable:\n        d[k] = \
     v\ndict(**kwargs) -> new dictionary initialized with the name=value pairs\n    in the keyword argument list.  For example:  \
     dict(one=1, two=2)",
);

const METHODS: &[NativeDef] = &[
    NativeDef::new("get", "($self, key, default=None, /)", get)
        .doc("Return the value for key if key is in the dictionary, else default."),
    NativeDef::new("setdefault", "($self, key, default=None, /)", |t, a| {
        this(a[0]).set_default(t, a[1], or_none(a[2]))
    })
    .doc(
        "Insert key with a value of default if key is not in the dictionary.\n\nReturn the value for key if key is in the \
         dictionary, else default.",
    ),
    NativeDef::new("pop", "($self, key, default=<unrepresentable>, /)", pop).doc(
        "D.pop(k[,d]) -> v, remove specified key and return the corresponding value.\n\nIf the key is not found, return the \
         default if given; otherwise,\nraise a KeyError.",
    ),
    NativeDef::new("popitem", "($self, /)", popitem).doc(
        "Remove and return a (key, value) pair as a 2-tuple.\n\nPairs are returned in LIFO (last-in, first-out) order.\nRaises \
         KeyError if the dict is empty.",
    ),
    NativeDef::new("keys", "($self, /)", |t, a| Ok(views::new_view(t, a[0], views::Part::Keys).into()))
        .doc("Return a set-like object providing a view on the dict's keys."),
    NativeDef::new("items", "($self, /)", |t, a| Ok(views::new_view(t, a[0], views::Part::Items).into()))
        .doc("Return a set-like object providing a view on the dict's items."),
    NativeDef::new("values", "($self, /)", |t, a| Ok(views::new_view(t, a[0], views::Part::Values).into()))
        .doc("Return an object providing a view on the dict's values."),
    NativeDef::raw("update", "($self, /, *args, **kwargs)", update_method).doc(
        "D.update([E, ]**F) -> None.  Update D from mapping/iterable E and F.\nIf E is present and has a .keys() method, then does: \
         \x20for k in E.keys(): D[k] = E[k]\nIf E is present and lacks a .keys() method, then does:  for k, v in E: D[k] = v\nIn \
         either case, this is followed by: for k in F:  D[k] = F[k]",
    ),
    NativeDef::class("fromkeys", "($type, iterable, value=None, /)", fromkeys)
        .doc("Create a new dictionary with keys from iterable and values set to value."),
    NativeDef::new("clear", "($self, /)", |t, a| {
        this(a[0]).clear(t);
        Ok(Value::NONE)
    })
    .doc("Remove all items from the dict."),
    NativeDef::new("copy", "($self, /)", |t, a| Ok(this(a[0]).copy(t).into())).doc("Return a shallow copy of the dict."),
    NativeDef::new("__reversed__", "($self, /)", |t, a| {
        Ok(views::new_iter(t, a[0], views::Part::Keys, true).into())
    })
    .doc("Return a reverse iterator over the dict keys."),
    NativeDef::new("__sizeof__", "($self, /)", |t, a| Ok(from_usize(t, this(a[0]).size(t))))
        .doc("Return the size of the dict in memory."),
    NativeDef::class("__class_getitem__", "($type, object, /)", crate::generic_alias::class_getitem)
        .doc("See PEP 585"),
];

/// `self` of a method.
#[inline(always)]
fn this<'a>(v: Value) -> &'a Dict {
    debug_assert!(Dict::of(v).is_some());
    // SAFETY: methods and slots of `dict` are called with instances only.
    unsafe { &*(v.ptr() as *const Dict) }
}

fn or_none(v: Value) -> Value {
    if v.is_null() { Value::NONE } else { v }
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    update_from_args(t, v, "dict", args.pos())?;
    for (name, value) in args.keywords() {
        this(v).set(t, name, value)?;
    }
    Ok(())
}

fn update_from_args(t: &mut Thread, v: Value, name: &str, pos: &[Value]) -> Res<()> {
    match pos {
        [] => Ok(()),
        [other] => update(t, this(v), *other),
        more => Err(t.type_error(format!(
            "{name} expected at most 1 argument, got {}",
            more.len()
        ))),
    }
}

fn update_method(t: &mut Thread, args: Args<'_>) -> Res {
    let [d, pos @ ..] = args.pos() else {
        return Err(t.type_error("unbound method dict.update() needs an argument".into()));
    };
    update_from_args(t, *d, "update", pos)?;
    for (name, value) in args.keywords() {
        this(*d).set(t, name, value)?;
    }
    Ok(Value::NONE)
}

/// `d.update(other)`
pub(super) fn update(t: &mut Thread, d: &Dict, other: Value) -> Res<()> {
    let iter = |ty: &Type| ty.slots.iter.get().map(|f| f as usize);
    if let Some(other_dict) = Dict::of(other)
        && iter(type_of(other)) == iter(&DICT)
    {
        return d.merge_from(t, other_dict);
    }
    match proto::get_attr_opt(t, other, crate::id!(t, "keys"))? {
        Some(keys) => {
            let keys = proto::call(t, keys.value(), &[])?;
            let it = proto::iter(t, keys.value())?;
            while let Some(key) = proto::next(t, it.value())? {
                let v = proto::get_item_value(t, other, key.value())?;
                d.set_own(t, key.value(), v)?;
            }
            Ok(())
        }
        None => update_from_pairs(t, d, other),
    }
}

fn update_from_pairs(t: &mut Thread, d: &Dict, pairs: Value) -> Res<()> {
    let it = proto::iter(t, pairs)?;
    let mut i = 0;
    while let Some(pair) = proto::next(t, it.value())? {
        if let Some(x) = Tuple::exact(pair.value())
            && let [key, value] = x.values()
        {
            d.set(t, *key, *value)?;
        } else {
            let parts = pair_parts(t, pair.value(), i)?;
            let [key, value] = parts.as_slice() else {
                let n = parts.len();
                let msg = format!(
                    "dictionary update sequence element #{i} has length {n}; 2 is required"
                );
                return Err(t.value_error(msg));
            };
            d.set(t, key.value(), value.value())?;
        }
        i += 1;
    }
    Ok(())
}

fn pair_parts(t: &mut Thread, pair: Value, i: usize) -> Res<Vec<Obj>> {
    let e = if type_of(pair).slots.iter.is_set() || proto::is_sequence(t, pair) {
        match proto::to_vec(t, pair) {
            Err(e) if t.exc_matches(&errors::TYPE_ERROR) => e,
            done => return done,
        }
    } else {
        t.type_error("object is not iterable".into())
    };
    let Some(exc) = t.take_exc() else {
        return Err(e);
    };
    let note = Str::new(
        t,
        &format!("Cannot convert dictionary update sequence element #{i} to a sequence"),
    );
    proto::call_method(t, exc.value(), "add_note", &[note.value()])?;
    Err(t.set_exc(exc))
}

fn dict_repr(t: &mut Thread, v: Value) -> Res {
    let d = this(v);
    if d.is_empty() {
        return Ok(Str::intern(t, "{}").into());
    }
    let Some(_guard) = repr::enter(t, v) else {
        return Ok(Str::intern(t, "{...}").into());
    };
    let mut out = b"{".to_vec();
    let moment = (!d.header.is_local(t)).then(|| d.copy(t));
    let d = moment.as_ref().map_or(d, Dict::of_obj);
    let mut pos = 0;
    while let Some((k, v)) = d.next(t, &mut pos) {
        let (k, v) = (k.to_obj(t), v.to_obj(t));
        if out.len() > 1 {
            out.extend_from_slice(b", ");
        }
        repr::push(t, &mut out, k.value())?;
        out.extend_from_slice(b": ");
        repr::push(t, &mut out, v.value())?;
    }
    out.push(b'}');
    Ok(Str::from_vec(t, out).into())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    match (Dict::of(a), Dict::of(b), op) {
        (Some(x), Some(y), CmpOp::Eq | CmpOp::Ne) => {
            Ok(Value::bool(equal(t, x, y)? == (op == CmpOp::Eq)))
        }
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn equal(t: &mut Thread, x: &Dict, y: &Dict) -> Res<bool> {
    if x.len() != y.len() {
        return Ok(false);
    }
    x.each(t, |t, hash, k, v| {
        let Some(other) = y.get_hashed(t, k, hash)? else {
            return Ok(false);
        };
        let other = Obj::own(other);
        proto::eq(t, other.value(), v)
    })
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    match this(v).get(t, key)? {
        Some(x) => Ok(x),
        None => missing(t, v, key),
    }
}

/// The key is not there: subclasses may have `__missing__`.
#[cold]
#[inline(never)]
pub fn missing(t: &mut Thread, v: Value, key: Value) -> Res {
    if Dict::exact(v).is_none()
        && let Some(f) = proto::lookup_special_raw(t, v, crate::id!(t, "__missing__"))?
    {
        return f.call(t, &[key]).map(Obj::into_value);
    }
    Err(t.key_error(key))
}

fn set_item(t: &mut Thread, v: Value, key: Value, x: Value) -> Res<()> {
    if !x.is_null() {
        return this(v).set(t, key, x);
    }
    match this(v).remove(t, key)? {
        Some(_) => Ok(()),
        None => Err(t.key_error(key)),
    }
}

fn get(t: &mut Thread, a: &[Value]) -> Res {
    match this(a[0]).get(t, a[1])? {
        Some(x) => Ok(x),
        None => Ok(to_reg(t, or_none(a[2]).bare())),
    }
}

fn pop(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let found = if d.is_empty() {
        None
    } else {
        d.remove(t, a[1])?
    };
    match found {
        Some(x) => Ok(x.into()),
        None if a[2].is_null() => Err(t.key_error(a[1])),
        None => Ok(to_reg(t, a[2].bare())),
    }
}

fn popitem(t: &mut Thread, a: &[Value]) -> Res {
    match this(a[0]).remove_last(t) {
        Some((k, v)) => Ok(Tuple::pair(t, k, v).into()),
        None => {
            let msg = Str::new(t, "popitem(): dictionary is empty");
            Err(t.key_error(msg.value()))
        }
    }
}

fn or(t: &mut Thread, a: Value, b: Value) -> Res {
    if Dict::of(b).is_none() {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let Some(x) = Dict::of(a) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let made = x.copy(t);
    update(t, Dict::of_obj(&made), b)?;
    Ok(made.into())
}

fn fromkeys(t: &mut Thread, a: &[Value]) -> Res {
    let (cls, iterable, value) = (a[0], a[1], or_none(a[2]));
    let made = proto::call(t, cls, &[])?;
    if let Some(d) = Dict::exact(made.value()) {
        if let Some(s) = Set::exact(iterable) {
            s.each(t, |t, hash, k| {
                d.set_hashed(t, k, hash, Obj::new(t, value))?;
                Ok(true)
            })?;
            return Ok(made.into());
        }
        let it = proto::iter(t, iterable)?;
        while let Some(k) = proto::next(t, it.value())? {
            let hash = hash_key(t, k.value())?;
            d.set_hashed(t, k.value(), hash, Obj::new(t, value))?;
        }
        return Ok(made.into());
    }
    let it = proto::iter(t, iterable)?;
    while let Some(k) = proto::next(t, it.value())? {
        proto::set_item(t, made.value(), k.value(), value)?;
    }
    Ok(made.into())
}
