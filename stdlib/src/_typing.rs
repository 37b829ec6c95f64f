//! `_typing`: type parameters, type aliases and `Generic`. What needs the rest of `typing` calls functions there.

mod alias;
mod params;

pub use alias::{TYPE_ALIAS, make_type_alias};
pub use params::{
    PARAM_SPEC, TYPE_VAR, TYPE_VAR_TUPLE, make_param_spec, make_type_var, make_type_var_tuple,
    set_default,
};

use crate::support;
use weft_objects::cell::{fresh, own};
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};
use weft_objects::{gc_slots, id, union};

/// Calls a helper of module `typing`.
fn call_typing(t: &mut Thread, name: &str, args: &[Value]) -> Res<Obj> {
    let typing = runtime::import(t, "typing")?;
    proto::call_method(t, typing.value(), name, args)
}

/// `typing.Unpack[v]`
fn unpack(t: &mut Thread, v: Value) -> Res<Obj> {
    let typing = runtime::import(t, "typing")?;
    let f = proto::get_attr(t, typing.value(), id!(t, "Unpack"))?;
    proto::get_item(t, f.value(), v)
}

/// An iterator that gives `typing.Unpack[v]`: for `*v` in a subscript.
fn iter_unpacked(t: &mut Thread, v: Value) -> Res {
    let one = unpack(t, v)?;
    let one = Tuple::from_vec(t, vec![one]);
    proto::iter(t, one.value()).map(Obj::into_value)
}

/// `a | b` where one is a type parameter or alias.
fn union_with(t: &mut Thread, a: Value, b: Value) -> Res {
    let both = vec![Obj::new(t, a), Obj::new(t, b)];
    union::from_values(t, both).map(Obj::into_value)
}

/// Name of the module whose code is running, or None.
fn caller_module(t: &Thread) -> Obj {
    let globals = runtime::current_globals(t);
    let name = globals
        .as_ref()
        .and_then(|g| Dict::of(g.value()))
        .and_then(|d| d.get_str(t, id!(t, "__name__")));
    name.map_or_else(support::none, |n| n.to_obj(t))
}

fn no_subclass(t: &Thread, v: Value) -> Res {
    let name = type_of(v).name();
    Err(t.type_error(format!("Cannot subclass an instance of {name}")))
}

/// The type parameters as arguments of `Generic[...]` and of aliases: TypeVarTuples unpacked.
fn unpack_tuples(t: &mut Thread, params: &Obj) -> Res<Obj> {
    let mut all = Vec::new();
    for p in proto::to_vec(t, params.value())? {
        all.push(if type_of(p.value()).is(&TYPE_VAR_TUPLE) {
            unpack(t, p.value())?
        } else {
            p
        });
    }
    Ok(Tuple::from_vec(t, all))
}

// --- NoDefault ---

#[repr(C)]
struct NoDefault {
    header: Header,
}

static NO_DEFAULT: Global = Global::new();

/// `typing.NoDefault`
pub fn no_default() -> Value {
    NO_DEFAULT.get().unwrap_or(Value::NONE)
}

fn no_default_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    if !args.is_empty() {
        return Err(t.type_error("NoDefaultType takes no arguments".into()));
    }
    Ok(Obj::new(t, no_default()).into())
}

static NO_DEFAULT_TYPE: Type = Type::builtin(
    "NoDefaultType",
    size_of::<NoDefault>(),
    &Spec {
        new: Some(no_default_new),
        repr: Some(|t, _| Ok(Str::new(t, "typing.NoDefault").into())),
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, _| {
            Ok(Str::intern(t, "NoDefault").into())
        })],
        ..Spec::EMPTY
    },
)
.final_()
.doc("The type of the NoDefault singleton.");

// --- evaluators of what is known already ---

/// Gives a bound or a default that was written down as a value, in the format asked for.
#[repr(C)]
struct ConstEvaluator {
    header: Header,
    value: Slot,
}

fn const_evaluator(t: &Thread, v: Obj) -> Obj {
    // SAFETY: the layout of these evaluators.
    let (o, c) = unsafe { fresh::<ConstEvaluator>(t, &CONST_EVALUATOR) };
    c.value.init(t, &c.header, v.into());
    o
}

fn evaluator_value(t: &Thread, v: Value) -> Obj {
    // SAFETY: slot functions of CONST_EVALUATOR get its instances alone.
    own(t, unsafe { &(*(v.ptr() as *const ConstEvaluator)).value }).unwrap_or_else(support::none)
}

/// `annotationlib.Format.STRING`
const FORMAT_STRING: i64 = 4;

fn evaluator_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("constevaluator.__call__", "(format, /)");
    let a = SIG.bind(t, args)?;
    let format = proto::index_i64(t, a[0])?;
    let value = evaluator_value(t, v);
    if format != FORMAT_STRING {
        return Ok(value.into());
    }
    let mut out = Vec::new();
    let Some(items) = Tuple::of(value.value()) else {
        weft_objects::generic_alias::push_type_repr(t, &mut out, value.value())?;
        return Ok(Str::from_wtf8(t, &out).into());
    };
    out.push(b'(');
    for i in 0..items.len() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        weft_objects::generic_alias::push_type_repr(t, &mut out, items.get(i))?;
    }
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

fn evaluator_repr(t: &mut Thread, v: Value) -> Res {
    let value = evaluator_value(t, v);
    let r = proto::repr(t, value.value())?;
    let mut out = b"<constevaluator ".to_vec();
    errors::append(&mut out, &r);
    out.push(b'>');
    Ok(Str::from_wtf8(t, &out).into())
}

gc_slots!(ConstEvaluator, traverse_evaluator, clear_evaluator, value);

static CONST_EVALUATOR: Type = Type::builtin(
    "_ConstEvaluator",
    size_of::<ConstEvaluator>(),
    &Spec {
        call: Some(evaluator_call),
        repr: Some(evaluator_repr),
        ..Spec::EMPTY
    },
)
.module("_typing")
.gc(traverse_evaluator, clear_evaluator)
.final_()
.no_new();

/// What an evaluator gives for `Format.VALUE`.
fn evaluate(t: &mut Thread, f: &Obj) -> Res<Obj> {
    proto::call(t, f.value(), &[Value::int(1)])
}

// --- Generic ---

fn generic_class_getitem(t: &mut Thread, a: &[Value]) -> Res {
    call_typing(t, "_generic_class_getitem", &[a[0], a[1]]).map(Obj::into_value)
}

fn generic_init_subclass(t: &mut Thread, a: &[Value]) -> Res {
    let typing = runtime::import(t, "typing")?;
    let f = proto::get_attr(t, typing.value(), id!(t, "_generic_init_subclass"))?;
    let mut all = vec![Obj::new(t, a[0])];
    all.extend(Tuple::of(a[1]).map_or_else(Vec::new, |x| x.to_vec(t)));
    let named = Dict::of(a[2]).map_or_else(Vec::new, |d| d.items(t));
    let names = named.iter().map(|(n, _)| n.clone()).collect();
    let names = Tuple::from_vec(t, names);
    all.extend(named.into_iter().map(|(_, v)| v));
    let values: Vec<Value> = all.iter().map(|o| o.value()).collect();
    proto::call_value(t, f.value(), Args::new(&values, names.value()))
}

/// `typing.Generic`
pub static GENERIC: Type = Type::builtin(
    "Generic",
    16,
    &Spec {
        methods: &[
            NativeDef::class("__class_getitem__", "($type, item, /)", generic_class_getitem),
            NativeDef::class("__init_subclass__", "($type, /, *args, **kwargs)", generic_init_subclass),
        ],
        ..Spec::EMPTY
    },
)
.module("typing")
.doc(
    "Abstract base class for generic types.\n\nA generic class is declared with a list of type parameters after its name, \
     or derives\nfrom Generic[...] with the parameters as arguments.\n",
);

/// `Generic[params]` for a class with a list of type parameters (a tuple).
pub fn subscript_generic(t: &mut Thread, params: Value) -> Res<Obj> {
    let params = Obj::new(t, params);
    let unpacked = unpack_tuples(t, &params)?;
    call_typing(t, "_GenericAlias", &[GENERIC.value(), unpacked.value()])
}

/// What the interpreter calls for the syntax of PEP 695.
static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("_idfunc", "(x, /)", |t, a| Ok(Obj::new(t, a[0]).into())),
    NativeDef::new("_typevar", "(name, /)", |t, a| {
        Ok(make_type_var(t, a[0], Value::NULL, Value::NULL).into())
    }),
    NativeDef::new("_typevar_with_bound", "(name, evaluate, /)", |t, a| {
        Ok(make_type_var(t, a[0], a[1], Value::NULL).into())
    }),
    NativeDef::new(
        "_typevar_with_constraints",
        "(name, evaluate, /)",
        |t, a| Ok(make_type_var(t, a[0], Value::NULL, a[1]).into()),
    ),
    NativeDef::new("_paramspec", "(name, /)", |t, a| {
        Ok(make_param_spec(t, a[0]).into())
    }),
    NativeDef::new("_typevartuple", "(name, /)", |t, a| {
        Ok(make_type_var_tuple(t, a[0]).into())
    }),
    NativeDef::new("_set_typeparam_default", "(param, evaluate, /)", |t, a| {
        set_default(t, a[0], a[1])?;
        Ok(Obj::new(t, a[0]).into())
    }),
    NativeDef::new("_subscript_generic", "(params, /)", |t, a| {
        subscript_generic(t, a[0]).map(Obj::into_value)
    }),
    NativeDef::new("_typealias", "(name, type_params, evaluate, /)", |t, a| {
        Ok(make_type_alias(t, a[0], a[1], a[2]).into())
    }),
];

/// Makes the types here ready: the interpreter may need them before anything imports the module.
pub fn ready(t: &Thread) {
    for ty in [&NO_DEFAULT_TYPE, &CONST_EVALUATOR, &GENERIC] {
        ty.ready(t);
    }
    params::ready(t);
    TYPE_ALIAS.ready(t);
    union::set_type_alias_type(&TYPE_ALIAS);
    if NO_DEFAULT.get().is_none() {
        // SAFETY: the layout of the singleton: a header alone.
        let (o, _) = unsafe { fresh::<NoDefault>(t, &NO_DEFAULT_TYPE) };
        o.header().make_immortal();
        NO_DEFAULT.set(t, o);
    }
}

pub fn init(t: &mut Thread) -> Res<Obj> {
    ready(t);
    let m = support::module(
        t,
        "_typing",
        "Primitives and accelerators for the typing module.\n",
        FUNCTIONS,
    );
    let types = [
        &TYPE_VAR,
        &PARAM_SPEC,
        &TYPE_VAR_TUPLE,
        &params::PARAM_SPEC_ARGS,
        &params::PARAM_SPEC_KWARGS,
    ];
    for ty in types
        .into_iter()
        .chain([&TYPE_ALIAS, &GENERIC, &union::UNION])
    {
        support::add_type(t, &m, ty);
    }
    support::add(t, &m, "NoDefault", Obj::new(t, no_default()));
    Ok(m)
}
