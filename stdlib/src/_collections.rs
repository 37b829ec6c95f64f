//! `_collections`: `defaultdict` and small helpers here; `deque` and `OrderedDict` in files of their own.

mod deque;
mod ordered_dict;

use crate::support;
use std::mem::offset_of;
use weft_objects::cell::{counted, own};
use weft_objects::dict::DICT;
use weft_objects::prelude::*;

// --- defaultdict ---

/// `collections.defaultdict`
#[repr(C)]
struct DefaultDict {
    dict: Dict,
    /// NULL: none.
    factory: Slot,
}

fn default_of<'a>(v: Value) -> &'a DefaultDict {
    // SAFETY: slots and methods of DEFAULTDICT get its instances alone.
    unsafe { &*(v.ptr() as *const DefaultDict) }
}

unsafe fn traverse_default(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a defaultdict, whose layout begins with a dict's.
    unsafe {
        if let Some(base) = DICT.head.traverse {
            base(h, f);
        }
        f((*(h as *const DefaultDict)).factory.get());
    }
}

unsafe fn clear_default(h: *mut Header, t: &Thread) {
    // SAFETY: a dying defaultdict.
    unsafe {
        t.drop_value((*(h as *const DefaultDict)).factory.take());
        if let Some(base) = DICT.head.clear {
            base(h, t);
        }
    }
}

/// The factory, if there is one.
fn factory_of(t: &Thread, v: Value) -> Option<Obj> {
    own(t, &default_of(v).factory).filter(|f| !f.value().is_none())
}

/// Calls a slot or method that `dict` has.
fn dict_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    match DICT.slots.init.get() {
        Some(f) => f(t, v, args),
        None => Ok(()),
    }
}

fn default_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let (factory, rest) = match args.pos() {
        [] => (Value::NULL, args),
        [f, ..] => {
            if !f.is_none() && !proto::is_callable(*f) {
                return Err(t.type_error("first argument must be callable or None".into()));
            }
            (
                if f.is_none() { Value::NULL } else { *f },
                Args::new(&args.all()[1..], args.names()),
            )
        }
    };
    let d = default_of(v);
    d.factory.set(t, &d.dict.header, counted(t, factory));
    dict_init(t, v, rest)
}

fn default_missing(t: &mut Thread, a: &[Value]) -> Res {
    missing(t, a[0], a[1])
}

fn missing(t: &mut Thread, v: Value, key: Value) -> Res {
    let d = default_of(v);
    let Some(factory) = factory_of(t, v) else {
        return Err(t.key_error(key));
    };
    let made = proto::call(t, factory.value(), &[])?;
    if type_of(v).slots.set_item.get().map(|f| f as usize)
        == DICT.slots.set_item.get().map(|f| f as usize)
    {
        // If another thread has been quicker, its value is the one that all get.
        return d.dict.set_default(t, key, made.value());
    }
    proto::set_item(t, v, key, made.value())?;
    Ok(made.into())
}

fn default_get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    if let Some(found) = default_of(v).dict.get(t, key)? {
        return Ok(found);
    }
    if type_of(v).is(&DEFAULTDICT) {
        return missing(t, v, key);
    }
    let name = weft_objects::id!(t, "__missing__");
    match proto::lookup_special_raw(t, v, name)? {
        Some(f) => f.call(t, &[key]).map(Obj::into_value),
        None => Err(t.key_error(key)),
    }
}

fn default_repr(t: &mut Thread, v: Value) -> Res {
    let name = type_of(v).name();
    let factory = factory_of(t, v).unwrap_or_else(support::none);
    // A factory that is a bound method of this very dict would go on for ever.
    let shown = match t.repr_enter(factory.value()) {
        _ if factory.value().is_none() => Str::new(t, "None"),
        Some(_guard) => proto::repr(t, factory.value())?,
        None => Str::new(t, "..."),
    };
    let items = match DICT.slots.repr.get() {
        Some(f) => Obj::own(f(t, v)?),
        None => Str::empty(t),
    };
    let bytes = |o: &Obj| Str::of(o.value()).map_or_else(Vec::new, |s| s.as_bytes().to_vec());
    let (shown, items) = (bytes(&shown), bytes(&items));
    Ok(Str::from_parts(t, &[name.as_bytes(), b"(", &shown, b", ", &items, b")"]).into())
}

fn default_copy(t: &mut Thread, a: &[Value]) -> Res {
    let factory = factory_of(t, a[0]).unwrap_or_else(support::none);
    let cls = Obj::new(t, type_of(a[0]).value());
    proto::call(t, cls.value(), &[factory.value(), a[0]]).map(Obj::into_value)
}

fn default_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let args = match factory_of(t, a[0]) {
        Some(f) => Tuple::from_vec(t, vec![f]),
        None => Tuple::empty(t),
    };
    let items = proto::call_method(t, a[0], "items", &[])?;
    let items = proto::iter(t, items.value())?;
    let cls = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::from_vec(t, vec![cls, args, support::none(), support::none(), items]).into())
}

fn default_or(t: &mut Thread, a: Value, b: Value) -> Res {
    if Dict::of(a).is_none() || Dict::of(b).is_none() {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let own_one = if type_of(a).is_subtype(&DEFAULTDICT) {
        a
    } else {
        b
    };
    let factory = factory_of(t, own_one).unwrap_or_else(support::none);
    let cls = Obj::new(t, type_of(own_one).value());
    let new = proto::call(t, cls.value(), &[factory.value(), a])?;
    if let Some(d) = Dict::of(new.value()) {
        d.update(t, b)?;
    }
    Ok(new.into())
}

/// `collections.defaultdict`
pub static DEFAULTDICT: Type = Type::builtin(
    "defaultdict",
    size_of::<DefaultDict>(),
    &Spec {
        init: Some(default_init),
        repr: Some(default_repr),
        get_item: Some(default_get_item),
        binary: &[(BinOp::Or, default_or)],
        methods: &[
            NativeDef::new("__missing__", "($self, key, /)", default_missing),
            NativeDef::new("copy", "($self, /)", default_copy)
                .doc("D.copy() -> a shallow copy of D."),
            NativeDef::new("__copy__", "($self, /)", default_copy),
            NativeDef::new("__reduce__", "($self, /)", default_reduce),
            NativeDef::class(
                "__class_getitem__",
                "($type, object, /)",
                weft_objects::generic_alias::class_getitem,
            ),
        ],
        members: &[MemberDef {
            name: "default_factory",
            offset: offset_of!(DefaultDict, factory),
            readonly: false,
            none_if_empty: true,
        }],
        ..Spec::EMPTY
    },
)
.base(&DICT)
.module("collections")
.gc(traverse_default, clear_default)
.doc("defaultdict(default_factory=None, /, [...]) --> dict with default factory");

// --- _count_elements ---

fn count_elements(t: &mut Thread, a: &[Value]) -> Res {
    let it = proto::iter(t, a[1])?;
    let ty = type_of(a[0]);
    let get = weft_objects::id!(t, "get");
    let own_get = ty.lookup(t, get).map(|v| v.value().bare());
    let dict_get = DICT.lookup(t, get).map(|v| v.value().bare());
    let set = weft_objects::id!(t, "__setitem__");
    let own_set = ty.lookup(t, set).map(|v| v.value().bare());
    let plain_set = own_set == DICT.lookup(t, set).map(|v| v.value().bare());
    if let Some(d) = Dict::of(a[0])
        && own_get == dict_get
        && plain_set
    {
        while let Some(key) = proto::next(t, it.value())? {
            if d.count_key(t, key.value())? {
                continue;
            }
            let n = match d.get(t, key.value())? {
                None => Value::int(1),
                Some(n) => {
                    let n = Obj::own(n);
                    proto::binary(t, BinOp::Add, n.value(), Value::int(1))?
                }
            };
            d.set_own(t, key.value(), n)?;
        }
        return Ok(Value::NONE);
    }
    let getter = proto::get_attr(t, a[0], get)?;
    while let Some(key) = proto::next(t, it.value())? {
        let n = proto::call(t, getter.value(), &[key.value(), Value::int(0)])?;
        let n = Obj::own(proto::binary(t, BinOp::Add, n.value(), Value::int(1))?);
        proto::set_item(t, a[0], key.value(), n.value())?;
    }
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] =
    &[
        NativeDef::new("_count_elements", "(mapping, iterable, /)", count_elements)
            .doc("Count elements in the iterable, updating the mapping"),
    ];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "_collections",
        "High performance data structures.",
        FUNCTIONS,
    );
    for ty in [
        &deque::DEQUE,
        &deque::DEQUE_ITERATOR,
        &deque::DEQUE_REVERSE_ITERATOR,
        &DEFAULTDICT,
        &ordered_dict::ORDERED_DICT,
        &weft_objects::tuple_getter::TUPLE_GETTER,
    ] {
        support::add_type(t, &m, ty);
    }
    Ok(m)
}
