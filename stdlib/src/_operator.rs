//! `_operator`: the operators as functions, and `attrgetter`, `itemgetter`, `methodcaller`.

use crate::support;
use weft_objects::bytes::Bytes;
use weft_objects::cell::{fresh, own};
use weft_objects::prelude::*;
use weft_objects::{gc_slots, id};

macro_rules! binary {
    ($($name:literal => $op:ident;)*) => {
        &[$(NativeDef::new($name, "(a, b, /)", |t, a| proto::binary(t, BinOp::$op, a[0], a[1]))),*]
    };
}
macro_rules! in_place {
    ($($name:literal => $op:ident;)*) => {
        &[$(NativeDef::new($name, "(a, b, /)", |t, a| proto::in_place(t, BinOp::$op, a[0], a[1]))),*]
    };
}
macro_rules! compare {
    ($($name:literal => $op:ident;)*) => {
        &[$(NativeDef::new($name, "(a, b, /)", |t, a| proto::compare(t, a[0], a[1], CmpOp::$op))),*]
    };
}

static BINARY: &[NativeDef] = binary! {
    "add" => Add; "sub" => Sub; "mul" => Mul; "truediv" => TrueDiv; "floordiv" => FloorDiv; "mod" => Mod; "pow" => Pow;
    "lshift" => LShift; "rshift" => RShift; "and_" => And; "or_" => Or; "xor" => Xor; "matmul" => MatMul;
};
static IN_PLACE: &[NativeDef] = in_place! {
    "iadd" => Add; "isub" => Sub; "imul" => Mul; "itruediv" => TrueDiv; "ifloordiv" => FloorDiv; "imod" => Mod;
    "ipow" => Pow; "ilshift" => LShift; "irshift" => RShift; "iand" => And; "ior" => Or; "ixor" => Xor;
    "imatmul" => MatMul;
};
static COMPARE: &[NativeDef] =
    compare! { "lt" => Lt; "le" => Le; "eq" => Eq; "ne" => Ne; "gt" => Gt; "ge" => Ge; };

fn not_concatenable(t: &Thread, v: Value) -> Raised {
    let got = type_of(v).name();
    t.type_error(format!("'{got}' object can't be concatenated"))
}

fn concat(t: &mut Thread, a: &[Value]) -> Res {
    if !proto::is_sequence(t, a[0]) {
        return Err(not_concatenable(t, a[0]));
    }
    match type_of(a[0]).slots.concat.get() {
        Some(f) => f(t, a[0], a[1]),
        None if proto::is_sequence(t, a[1]) => proto::binary(t, BinOp::Add, a[0], a[1]),
        None => Err(not_concatenable(t, a[0])),
    }
}

fn iconcat(t: &mut Thread, a: &[Value]) -> Res {
    if !proto::is_sequence(t, a[0]) {
        return Err(not_concatenable(t, a[0]));
    }
    proto::in_place(t, BinOp::Add, a[0], a[1])
}

fn not_a_sequence(t: &Thread, v: Value) -> Raised {
    let got = type_of(v).name();
    t.type_error(format!("argument of type '{got}' is not iterable"))
}

/// Calls `f` with the index of each item that equals `x`, until it says stop.
fn each_equal(t: &mut Thread, items: Value, x: Value, f: &mut dyn FnMut(i64) -> bool) -> Res<()> {
    let it = match proto::iter(t, items) {
        Ok(it) => it,
        Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            return Err(not_a_sequence(t, items));
        }
        Err(r) => return Err(r),
    };
    let mut i = 0;
    while let Some(item) = proto::next(t, it.value())? {
        if proto::eq(t, item.value(), x)? && !f(i) {
            break;
        }
        i += 1;
    }
    Ok(())
}

fn count_of(t: &mut Thread, a: &[Value]) -> Res {
    let mut n = 0;
    each_equal(t, a[0], a[1], &mut |_| {
        n += 1;
        true
    })?;
    Ok(Value::int(n))
}

fn index_of(t: &mut Thread, a: &[Value]) -> Res {
    let mut at = None;
    each_equal(t, a[0], a[1], &mut |i| {
        at = Some(i);
        false
    })?;
    match at {
        Some(i) => Ok(Value::int(i)),
        None => Err(t.value_error("sequence.index(x): x not in sequence")),
    }
}

fn call(t: &mut Thread, a: &[Value]) -> Res {
    let args = Tuple::of(a[1]).map_or_else(Vec::new, |x| x.to_vec(t));
    call_with(t, a[0], &args, a[2])
}

/// `f(*args, **kwargs)`
fn call_with(t: &mut Thread, f: Value, args: &[Obj], kwargs: Value) -> Res {
    let mut values: Vec<Value> = args.iter().map(|o| o.value()).collect();
    let Some(named) = Dict::of(kwargs)
        .filter(|d| !d.is_empty())
        .map(|d| d.items(t))
    else {
        return proto::call_value(t, f, Args::positional(&values));
    };
    let names = named.iter().map(|(n, _)| n.clone()).collect();
    let names = Tuple::from_vec(t, names);
    values.extend(named.iter().map(|(_, v)| v.value()));
    proto::call_value(t, f, Args::new(&values, names.value()))
}

fn length_hint(t: &mut Thread, a: &[Value]) -> Res {
    let default = if a[1].is_null() { Value::int(0) } else { a[1] };
    if !weft_objects::int::is_int(default) {
        let got = type_of(default).name();
        return Err(t.type_error(format!(
            "'{got}' object cannot be interpreted as an integer"
        )));
    }
    let default = proto::index_i64(t, default)?;
    let n = proto::length_hint(t, a[0], usize::MAX)?;
    Ok(if n == usize::MAX {
        weft_objects::int::from_i64(t, default)
    } else {
        weft_objects::int::from_usize(t, n)
    })
}

/// Compares in a time that does not depend on where the strings differ.
fn compare_digest(t: &mut Thread, a: &[Value]) -> Res {
    let equal = |x: &[u8], y: &[u8]| {
        let mut diff = u8::from(x.len() != y.len());
        for (i, b) in y.iter().enumerate() {
            diff |= b ^ std::hint::black_box(x.get(i).copied().unwrap_or(!*b));
        }
        diff == 0
    };
    if let (Some(x), Some(y)) = (Str::of(a[0]), Str::of(a[1])) {
        if !x.is_ascii() || !y.is_ascii() {
            return Err(t.type_error(
                "comparing strings with non-ASCII characters is not supported".into(),
            ));
        }
        return Ok(Value::bool(equal(x.as_bytes(), y.as_bytes())));
    }
    let is_buffer = |v: Value| Bytes::of(v).is_some() || weft_objects::buffer::is_exporter(v);
    if !is_buffer(a[0]) || !is_buffer(a[1]) {
        let (x, y) = (type_of(a[0]).name(), type_of(a[1]).name());
        return Err(t.type_error(format!(
            "unsupported operand types(s) or combination of types: '{x}' and '{y}'"
        )));
    }
    let x = weft_objects::buffer::get(t, a[0])?;
    let y = weft_objects::buffer::get(t, a[1])?;
    Ok(Value::bool(equal(x.as_bytes(), y.as_bytes())))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("truth", "(a, /)", |t, a| {
        proto::truth(t, a[0]).map(Value::bool)
    }),
    NativeDef::new("not_", "(a, /)", |t, a| {
        proto::truth(t, a[0]).map(|b| Value::bool(!b))
    }),
    NativeDef::new("is_", "(a, b, /)", |_, a| Ok(Value::bool(a[0].same(a[1])))),
    NativeDef::new("is_not", "(a, b, /)", |_, a| {
        Ok(Value::bool(!a[0].same(a[1])))
    }),
    NativeDef::new("is_none", "(a, /)", |_, a| Ok(Value::bool(a[0].is_none()))),
    NativeDef::new("is_not_none", "(a, /)", |_, a| {
        Ok(Value::bool(!a[0].is_none()))
    }),
    NativeDef::new("index", "(a, /)", |t, a| {
        proto::index(t, a[0]).map(Obj::into_value)
    }),
    NativeDef::new("neg", "(a, /)", |t, a| proto::neg(t, a[0])),
    NativeDef::new("pos", "(a, /)", |t, a| proto::pos(t, a[0])),
    NativeDef::new("abs", "(a, /)", |t, a| proto::abs(t, a[0])),
    NativeDef::new("inv", "(a, /)", |t, a| proto::invert(t, a[0])),
    NativeDef::new("invert", "(a, /)", |t, a| proto::invert(t, a[0])),
    NativeDef::new("concat", "(a, b, /)", concat),
    NativeDef::new("iconcat", "(a, b, /)", iconcat),
    NativeDef::new("contains", "(a, b, /)", |t, a| {
        proto::contains(t, a[0], a[1]).map(Value::bool)
    }),
    NativeDef::new("getitem", "(a, b, /)", |t, a| {
        proto::get_item_value(t, a[0], a[1])
    }),
    NativeDef::new("setitem", "(a, b, c, /)", |t, a| {
        proto::set_item(t, a[0], a[1], a[2])?;
        Ok(Value::NONE)
    }),
    NativeDef::new("delitem", "(a, b, /)", |t, a| {
        proto::del_item(t, a[0], a[1])?;
        Ok(Value::NONE)
    }),
    NativeDef::new("countOf", "(a, b, /)", count_of),
    NativeDef::new("indexOf", "(a, b, /)", index_of),
    NativeDef::new("length_hint", "(obj, default=0, /)", length_hint),
    NativeDef::new("call", "(obj, /, *args, **kwargs)", call),
    NativeDef::new("_compare_digest", "(a, b, /)", compare_digest),
];

// --- itemgetter, attrgetter, methodcaller ---

/// An itemgetter or attrgetter: the items to get, one after the other.
#[repr(C)]
struct Getter {
    header: Header,
    /// A tuple of keys, or of (dotted) names as tuples of str.
    items: Slot,
    /// The arguments as they were given: a tuple.
    given: Slot,
}

gc_slots!(Getter, traverse_getter, clear_getter, items, given);

fn getter<'a>(v: Value) -> &'a Getter {
    // SAFETY: slot functions of the two getters get their instances alone.
    unsafe { &*(v.ptr() as *const Getter) }
}

fn new_getter(t: &Thread, cls: Value, items: Vec<Obj>, given: &[Value]) -> Obj {
    // SAFETY: `cls` is one of the getters or a subclass.
    let (o, g) = unsafe { fresh::<Getter>(t, Type::of_unchecked(cls)) };
    g.items.init(t, &g.header, Tuple::from_vec(t, items).into());
    g.given
        .init(t, &g.header, Tuple::from_slice(t, given).into());
    o
}

fn check_getter_args(t: &Thread, name: &str, args: Args<'_>) -> Res<()> {
    if args.has_keywords() {
        return Err(t.type_error(format!("{name}() takes no keyword arguments")));
    }
    if args.pos().is_empty() {
        return Err(t.type_error(format!("{name} expected at least 1 argument, got 0")));
    }
    Ok(())
}

fn one_argument(t: &Thread, name: &str, args: Args<'_>) -> Res<Value> {
    if args.has_keywords() {
        return Err(t.type_error(format!("{name}() takes no keyword arguments")));
    }
    match *args.pos() {
        [v] => Ok(v),
        _ => {
            let n = args.pos().len();
            Err(t.type_error(format!("{name} expected 1 argument, got {n}")))
        }
    }
}

fn itemgetter_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    check_getter_args(t, "itemgetter", args)?;
    let items = args.pos().iter().map(|v| Obj::new(t, *v)).collect();
    Ok(new_getter(t, cls, items, args.pos()).into())
}

fn attrgetter_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    check_getter_args(t, "attrgetter", args)?;
    let mut items = Vec::with_capacity(args.pos().len());
    for &v in args.pos() {
        let Some(s) = Str::of(v) else {
            return Err(t.type_error("attribute name must be a string".into()));
        };
        let parts = s.as_bytes().split(|b| *b == b'.');
        let parts = parts
            .map(|p| Obj::new(t, Str::intern_bytes(t, p).value()))
            .collect();
        items.push(Tuple::from_vec(t, parts));
    }
    Ok(new_getter(t, cls, items, args.pos()).into())
}

/// Applies `get` to each item: the only result, or a tuple of them.
fn get_each(
    t: &mut Thread,
    v: Value,
    obj: Value,
    get: fn(&mut Thread, Value, Value) -> Res<Obj>,
) -> Res {
    let items = own(t, &getter(v).items).unwrap_or_else(support::none);
    let n = Tuple::of(items.value()).map_or(0, |x| x.len());
    let at = |i: usize| Tuple::of(items.value()).map_or(Value::NONE, |x| x.get(i));
    if n == 1 {
        return get(t, obj, at(0)).map(Obj::into_value);
    }
    let mut found = Vec::with_capacity(n);
    for i in 0..n {
        found.push(get(t, obj, at(i))?);
    }
    Ok(Tuple::from_vec(t, found).into())
}

fn itemgetter_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let obj = one_argument(t, "itemgetter", args)?;
    get_each(t, v, obj, proto::get_item)
}

fn attrgetter_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let obj = one_argument(t, "attrgetter", args)?;
    get_each(t, v, obj, dotted)
}

fn dotted(t: &mut Thread, obj: Value, names: Value) -> Res<Obj> {
    let mut found = Obj::new(t, obj);
    let Some(names) = Tuple::of(names) else {
        return Ok(found);
    };
    for i in 0..names.len() {
        if let Some(name) = Str::of(names.get(i)) {
            found = proto::get_attr(t, found.value(), name)?;
        }
    }
    Ok(found)
}

fn getter_repr(t: &mut Thread, v: Value) -> Res {
    let name = type_of(v).full_name(t);
    let Some(_guard) = t.repr_enter(v) else {
        return Ok(Str::from_string(t, format!("{name}(...)")).into());
    };
    let given = own(t, &getter(v).given).unwrap_or_else(support::none);
    let n = Tuple::of(given.value()).map_or(0, |x| x.len());
    let mut out = name.into_bytes();
    out.push(b'(');
    for i in 0..n {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        let r = proto::repr(
            t,
            Tuple::of(given.value()).map_or(Value::NONE, |x| x.get(i)),
        )?;
        errors::append(&mut out, &r);
    }
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

fn getter_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let class = Obj::new(t, type_of(a[0]).value());
    let given = own(t, &getter(a[0]).given).unwrap_or_else(support::none);
    Ok(Tuple::from_vec(t, vec![class, given]).into())
}

const GETTER_METHODS: &[NativeDef] = &[NativeDef::new("__reduce__", "($self, /)", getter_reduce)
    .doc("Return state information for pickling")];

/// How the objects are called.
const INSTANCE_SIGNATURE: &[GetSetDef] = &[GetSetDef::ro("__text_signature__", |t, _| {
    Ok(Str::new(t, "(obj, /)").into())
})];

/// `operator.itemgetter`
static ITEMGETTER: Type = Type::builtin(
    "itemgetter",
    size_of::<Getter>(),
    &Spec {
        new: Some(itemgetter_new),
        call: Some(itemgetter_call),
        repr: Some(getter_repr),
        methods: GETTER_METHODS,
        getset: INSTANCE_SIGNATURE,
        ..Spec::EMPTY
    },
)
.module("operator")
.gc(traverse_getter, clear_getter)
.doc("Return a callable object that fetches the given item(s) from its operand.")
.signature("(item, /, *items)");

/// `operator.attrgetter`
static ATTRGETTER: Type = Type::builtin(
    "attrgetter",
    size_of::<Getter>(),
    &Spec {
        new: Some(attrgetter_new),
        call: Some(attrgetter_call),
        repr: Some(getter_repr),
        methods: GETTER_METHODS,
        getset: INSTANCE_SIGNATURE,
        ..Spec::EMPTY
    },
)
.module("operator")
.gc(traverse_getter, clear_getter)
.doc("Return a callable object that fetches the given attribute(s) from its operand.")
.signature("(attr, /, *attrs)");

#[repr(C)]
struct MethodCaller {
    header: Header,
    name: Slot,
    args: Slot,
    /// A dict, or NULL.
    kwargs: Slot,
}

gc_slots!(
    MethodCaller,
    traverse_caller,
    clear_caller,
    name,
    args,
    kwargs
);

fn caller<'a>(v: Value) -> &'a MethodCaller {
    // SAFETY: slot functions of METHODCALLER get its instances alone.
    unsafe { &*(v.ptr() as *const MethodCaller) }
}

fn methodcaller_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let [name, rest @ ..] = args.pos() else {
        return Err(
            t.type_error("methodcaller needs at least one argument, the method name".into())
        );
    };
    let Some(text) = Str::of(*name) else {
        return Err(t.type_error("method name must be a string".into()));
    };
    let name = Str::intern_bytes(t, text.as_bytes()).value();
    let kwargs = if args.has_keywords() {
        Some(Dict::new(t))
    } else {
        None
    };
    if let Some(d) = &kwargs {
        for (k, v) in args.keywords() {
            Dict::of_obj(d).set(t, k, v)?;
        }
    }
    // SAFETY: `cls` is the type or a subclass.
    let (o, c) = unsafe { fresh::<MethodCaller>(t, Type::of_unchecked(cls)) };
    c.name.init(t, &c.header, Obj::new(t, name).into());
    c.args.init(t, &c.header, Tuple::from_slice(t, rest).into());
    c.kwargs
        .init(t, &c.header, kwargs.map_or(Value::NULL, Obj::into_value));
    Ok(o.into())
}

fn methodcaller_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let obj = one_argument(t, "methodcaller", args)?;
    let c = caller(v);
    let (name, given) = (own(t, &c.name), own(t, &c.args));
    let kwargs = own(t, &c.kwargs);
    let (Some(name), Some(given)) = (name, given) else {
        return Err(t.system_error("methodcaller has lost its name"));
    };
    let Some(name) = Str::of(name.value()) else {
        return Err(t.system_error("methodcaller has lost its name"));
    };
    let f = proto::get_attr(t, obj, name)?;
    let given = Tuple::of(given.value()).map_or_else(Vec::new, |x| x.to_vec(t));
    call_with(
        t,
        f.value(),
        &given,
        kwargs.as_ref().map_or(Value::NULL, Obj::value),
    )
}

fn methodcaller_repr(t: &mut Thread, v: Value) -> Res {
    let full = type_of(v).full_name(t);
    let Some(_guard) = t.repr_enter(v) else {
        return Ok(Str::from_string(t, format!("{full}(...)")).into());
    };
    let c = caller(v);
    let mut out = full.into_bytes();
    out.push(b'(');
    let (name, args, kwargs) = (own(t, &c.name), own(t, &c.args), own(t, &c.kwargs));
    let mut parts: Vec<Obj> = name.into_iter().collect();
    parts.extend(
        args.as_ref()
            .and_then(|a| Tuple::of(a.value()))
            .map_or_else(Vec::new, |a| a.to_vec(t)),
    );
    for (i, p) in parts.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        let r = proto::repr(t, p.value())?;
        errors::append(&mut out, &r);
    }
    for (k, x) in kwargs
        .as_ref()
        .and_then(|d| Dict::of(d.value()))
        .map_or_else(Vec::new, |d| d.items(t))
    {
        out.extend_from_slice(b", ");
        errors::append(&mut out, &k);
        out.push(b'=');
        let r = proto::repr(t, x.value())?;
        errors::append(&mut out, &r);
    }
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

fn methodcaller_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let c = caller(a[0]);
    let class = Obj::new(t, type_of(a[0]).value());
    let mut args: Vec<Obj> = own(t, &c.name).into_iter().collect();
    args.extend(Tuple::of(c.args.get()).map_or_else(Vec::new, |x| x.to_vec(t)));
    let Some(kwargs) = own(t, &c.kwargs) else {
        let args = Tuple::from_vec(t, args);
        return Ok(Tuple::from_vec(t, vec![class, args]).into());
    };
    // partial(class, name, **kwargs), called with the positional arguments.
    let functools = weft_objects::runtime::import(t, "functools")?;
    let partial = proto::get_attr(t, functools.value(), id!(t, "partial"))?;
    let name = args.remove(0);
    let made = call_with(t, partial.value(), &[class, name], kwargs.value()).map(Obj::own)?;
    let args = Tuple::from_vec(t, args);
    Ok(Tuple::from_vec(t, vec![made, args]).into())
}

/// `operator.methodcaller`
static METHODCALLER: Type = Type::builtin(
    "methodcaller",
    size_of::<MethodCaller>(),
    &Spec {
        new: Some(methodcaller_new),
        call: Some(methodcaller_call),
        repr: Some(methodcaller_repr),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", methodcaller_reduce)
                .doc("Return state information for pickling"),
        ],
        getset: INSTANCE_SIGNATURE,
        ..Spec::EMPTY
    },
)
.module("operator")
.gc(traverse_caller, clear_caller)
.doc("Return a callable object that calls the given method on its operand.")
.signature("(name, /, *args, **kwargs)");

pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_operator", "Operator interface.", FUNCTIONS);
    if let Some(module) = weft_objects::module::Module::of(m.value()) {
        for defs in [BINARY, IN_PLACE, COMPARE] {
            module.add_functions(t, defs);
        }
        for ty in [&ITEMGETTER, &ATTRGETTER, &METHODCALLER] {
            module.add_type(t, ty);
        }
    }
    Ok(m)
}
