//! TypeVar, ParamSpec and TypeVarTuple.

use super::*;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering::*};
use weft_objects::cell::{counted, or_none};

/// A type parameter of any of the three kinds.
#[repr(C)]
pub struct TypeParam {
    header: Header,
    dict: Slot,
    /// A str.
    name: Slot,
    /// The bound, constraints (a tuple) and default, or what computes them on demand; each NULL if there is none.
    bound: Slot,
    evaluate_bound: Slot,
    constraints: Slot,
    evaluate_constraints: Slot,
    default: Slot,
    evaluate_default: Slot,
    flags: AtomicU32,
}

const COVARIANT: u32 = 1;
const CONTRAVARIANT: u32 = 2;
const INFER_VARIANCE: u32 = 4;

gc_slots!(
    TypeParam,
    traverse,
    clear,
    dict,
    name,
    bound,
    evaluate_bound,
    constraints,
    evaluate_constraints,
    default,
    evaluate_default
);

fn this<'a>(v: Value) -> &'a TypeParam {
    // SAFETY: slot functions of the three types get their instances alone.
    unsafe { &*(v.ptr() as *const TypeParam) }
}

fn make(t: &Thread, ty: &'static Type, name: Value, flags: u32) -> Obj {
    // SAFETY: the three types have this layout.
    let (o, p) = unsafe { fresh::<TypeParam>(t, ty) };
    p.name.init(t, &p.header, counted(t, name));
    p.flags.store(flags, Relaxed);
    let module = caller_module(t);
    let d = Dict::new(t);
    Dict::of_obj(&d).set_str(t, id!(t, "__module__"), module.value());
    p.dict.init(t, &p.header, d.into());
    o
}

/// `[T]`, `[T: bound]`, `[T: (constraints)]`: the evaluators may be NULL.
pub fn make_type_var(
    t: &Thread,
    name: Value,
    evaluate_bound: Value,
    evaluate_constraints: Value,
) -> Obj {
    let o = make(t, &TYPE_VAR, name, INFER_VARIANCE);
    let p = this(o.value());
    p.evaluate_bound
        .init(t, &p.header, counted(t, evaluate_bound));
    p.evaluate_constraints
        .init(t, &p.header, counted(t, evaluate_constraints));
    o
}

/// `[**P]`
pub fn make_param_spec(t: &Thread, name: Value) -> Obj {
    make(t, &PARAM_SPEC, name, INFER_VARIANCE)
}

/// `[*Ts]`
pub fn make_type_var_tuple(t: &Thread, name: Value) -> Obj {
    make(t, &TYPE_VAR_TUPLE, name, 0)
}

/// Gives a type parameter what evaluates its default.
pub fn set_default(t: &Thread, param: Value, evaluate: Value) -> Res<()> {
    let ty = type_of(param);
    if !(ty.is(&TYPE_VAR) || ty.is(&PARAM_SPEC) || ty.is(&TYPE_VAR_TUPLE)) {
        let got = ty.name();
        return Err(t.type_error(format!("Expected a type param, got {got}")));
    }
    let p = this(param);
    p.evaluate_default.set(t, &p.header, counted(t, evaluate));
    Ok(())
}

/// A type as an argument: forward references made of strings, None made NoneType.
fn checked_type(t: &mut Thread, v: Value, msg: &str) -> Res<Obj> {
    if v.is_none() {
        return Ok(Obj::new(t, weft_objects::singletons::NONE_TYPE.value()));
    }
    if Type::of(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    let msg = Str::new(t, msg);
    call_typing(t, "_type_check", &[v, msg.value()])
}

fn check_name(t: &Thread, what: &str, name: Value) -> Res<()> {
    if Str::of(name).is_some() {
        return Ok(());
    }
    let got = type_of(name).name();
    Err(t.type_error(format!("{what}() argument 'name' must be str, not {got}")))
}

/// The variance flags of the last three arguments.
fn variance(t: &mut Thread, a: &[Value]) -> Res<u32> {
    let mut flags = 0;
    for (v, flag) in a.iter().zip([COVARIANT, CONTRAVARIANT, INFER_VARIANCE]) {
        if !v.is_null() && proto::truth(t, *v)? {
            flags |= flag;
        }
    }
    if flags & (COVARIANT | CONTRAVARIANT) == COVARIANT | CONTRAVARIANT {
        return Err(t.value_error("Bivariant types are not supported."));
    }
    if flags & INFER_VARIANCE != 0 && flags != INFER_VARIANCE {
        return Err(t.value_error("Variance cannot be specified with infer_variance."));
    }
    Ok(flags)
}

fn set_const_default(t: &Thread, p: &TypeParam, v: Value) {
    let v = if v.is_null() { no_default() } else { v };
    p.default.init(t, &p.header, counted(t, v));
}

fn type_var_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "typevar",
        "(name, *constraints, bound=None, default=NoDefault, covariant=False, contravariant=False, infer_variance=False)",
    );
    let a = SIG.bind(t, args)?;
    check_name(t, "typevar", a[0])?;
    let flags = variance(t, &a[4..7])?;
    let bound = match support::given_some(t, a[2]) {
        Some(b) => Some(checked_type(t, b.value(), "Bound must be a type.")?),
        None => None,
    };
    let constraints = Tuple::of(a[1]).map_or(0, |c| c.len());
    if constraints == 1 {
        return Err(t.type_error("A single constraint is not allowed".into()));
    }
    if constraints > 0 && bound.is_some() {
        return Err(t.type_error("Constraints cannot be combined with bound=...".into()));
    }
    let o = make(t, &TYPE_VAR, a[0], flags);
    let p = this(o.value());
    p.bound
        .init(t, &p.header, bound.map_or(Value::NULL, Obj::into_value));
    if constraints > 0 {
        p.constraints.init(t, &p.header, counted(t, a[1]));
    }
    set_const_default(t, p, a[3]);
    Ok(o.into())
}

fn param_spec_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "paramspec",
        "(name, *, bound=None, default=NoDefault, covariant=False, contravariant=False, infer_variance=False)",
    );
    let a = SIG.bind(t, args)?;
    check_name(t, "paramspec", a[0])?;
    let flags = variance(t, &a[3..6])?;
    let bound = match support::given_some(t, a[1]) {
        Some(b) if Tuple::of(b.value()).is_some() => Some(b),
        Some(b) => Some(checked_type(t, b.value(), "Bound must be a type.")?),
        None => None,
    };
    let o = make(t, &PARAM_SPEC, a[0], flags);
    let p = this(o.value());
    p.bound
        .init(t, &p.header, bound.map_or(Value::NULL, Obj::into_value));
    set_const_default(t, p, a[2]);
    Ok(o.into())
}

fn tuple_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("typevartuple", "(name, *, default=NoDefault)");
    let a = SIG.bind(t, args)?;
    check_name(t, "typevartuple", a[0])?;
    let o = make(t, &TYPE_VAR_TUPLE, a[0], 0);
    set_const_default(t, this(o.value()), a[1]);
    Ok(o.into())
}

fn param_repr(t: &mut Thread, v: Value) -> Res {
    let p = this(v);
    let flags = p.flags.load(Relaxed);
    let mark = if flags & INFER_VARIANCE != 0 {
        ""
    } else if flags & COVARIANT != 0 {
        "+"
    } else if flags & CONTRAVARIANT != 0 {
        "-"
    } else {
        "~"
    };
    let mut out = mark.as_bytes().to_vec();
    if let Some(name) = own(t, &p.name) {
        errors::append(&mut out, &name);
    }
    Ok(Str::from_wtf8(t, &out).into())
}

fn get_name(t: &mut Thread, v: Value) -> Res {
    Ok(or_none(t, this(v).name.get()))
}

/// The value in a slot, computed by the evaluator in another if need be.
fn lazy(t: &mut Thread, p: &TypeParam, value: &Slot, evaluator: &Slot) -> Res<Option<Obj>> {
    if let Some(v) = own(t, value) {
        return Ok(Some(v));
    }
    let Some(f) = own(t, evaluator) else {
        return Ok(None);
    };
    let v = evaluate(t, &f)?;
    value.set(t, &p.header, v.clone().into());
    Ok(Some(v))
}

/// The evaluator itself, or one that gives the known value; None if there is neither.
fn evaluator(t: &Thread, value: &Slot, evaluator: &Slot) -> Obj {
    own(t, evaluator)
        .or_else(|| own(t, value).map(|v| const_evaluator(t, v)))
        .unwrap_or_else(support::none)
}

fn get_bound(t: &mut Thread, v: Value) -> Res {
    let p = this(v);
    Ok(lazy(t, p, &p.bound, &p.evaluate_bound)?.map_or(Value::NONE, Obj::into_value))
}

fn get_constraints(t: &mut Thread, v: Value) -> Res {
    let p = this(v);
    match lazy(t, p, &p.constraints, &p.evaluate_constraints)? {
        Some(c) => Ok(c.into()),
        None => Ok(Tuple::from_vec(t, Vec::new()).into()),
    }
}

fn default_of(t: &mut Thread, v: Value) -> Res<Obj> {
    let p = this(v);
    let d = lazy(t, p, &p.default, &p.evaluate_default)?;
    Ok(d.unwrap_or_else(|| Obj::new(t, no_default())))
}

fn has_default(_t: &mut Thread, a: &[Value]) -> Res {
    let p = this(a[0]);
    let d = p.default.get();
    Ok(Value::bool(
        !p.evaluate_default.get().is_null() || !(d.is_null() || d.same(no_default())),
    ))
}

fn flag(v: Value, flag: u32) -> Res {
    Ok(Value::bool(this(v).flags.load(Relaxed) & flag != 0))
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    get_name(t, a[0])
}

fn type_var_subst(t: &mut Thread, a: &[Value]) -> Res {
    call_typing(t, "_typevar_subst", &[a[0], a[1]]).map(Obj::into_value)
}

/// Adds the default where there is no argument for this parameter.
fn type_var_prepare(t: &mut Thread, a: &[Value]) -> Res {
    let params = proto::get_attr(t, a[1], id!(t, "__parameters__"))?;
    let params = proto::to_vec(t, params.value())?;
    let at = params
        .iter()
        .position(|p| p.value().same(a[0]))
        .unwrap_or(0);
    let given = proto::to_vec(t, a[2])?;
    if at < given.len() {
        return Ok(Obj::new(t, a[2]).into());
    }
    if at == given.len() {
        let default = default_of(t, a[0])?;
        if !default.value().same(no_default()) {
            let mut all = given;
            all.push(default);
            return Ok(Tuple::from_vec(t, all).into());
        }
    }
    let alias = proto::str(t, a[1])?;
    let alias = Str::of(alias.value()).map_or_else(String::new, |s| s.to_string_lossy());
    let (n, least) = (given.len(), at + 1);
    Err(t.type_error(format!(
        "Too few arguments for {alias}; actual {n}, expected at least {least}"
    )))
}

fn param_spec_subst(t: &mut Thread, a: &[Value]) -> Res {
    call_typing(t, "_paramspec_subst", &[a[0], a[1]]).map(Obj::into_value)
}

fn param_spec_prepare(t: &mut Thread, a: &[Value]) -> Res {
    call_typing(t, "_paramspec_prepare_subst", a).map(Obj::into_value)
}

fn tuple_subst(t: &mut Thread, _a: &[Value]) -> Res {
    Err(t.type_error("Substitution of bare TypeVarTuple is not supported".into()))
}

fn tuple_prepare(t: &mut Thread, a: &[Value]) -> Res {
    call_typing(t, "_typevartuple_prepare_subst", a).map(Obj::into_value)
}

const NAME: MemberDef = MemberDef {
    name: "__name__",
    offset: offset_of!(TypeParam, name),
    readonly: true,
    none_if_empty: true,
};
const HAS_DEFAULT: NativeDef = NativeDef::new("has_default", "($self, /)", has_default);
const REDUCE: NativeDef = NativeDef::new("__reduce__", "($self, /)", reduce);
const MRO_ENTRIES: NativeDef = NativeDef::new("__mro_entries__", "($self, bases, /)", |t, a| {
    no_subclass(t, a[0])
});
const DEFAULT: GetSetDef =
    GetSetDef::ro("__default__", |t, v| default_of(t, v).map(Obj::into_value));
const EVALUATE_DEFAULT: GetSetDef = GetSetDef::ro("evaluate_default", |t, v| {
    let p = this(v);
    Ok(evaluator(t, &p.default, &p.evaluate_default).into())
});
const IS_COVARIANT: GetSetDef = GetSetDef::ro("__covariant__", |_, v| flag(v, COVARIANT));
const IS_CONTRAVARIANT: GetSetDef =
    GetSetDef::ro("__contravariant__", |_, v| flag(v, CONTRAVARIANT));
const INFERS_VARIANCE: GetSetDef =
    GetSetDef::ro("__infer_variance__", |_, v| flag(v, INFER_VARIANCE));

/// `typing.TypeVar`
pub static TYPE_VAR: Type = Type::builtin(
    "TypeVar",
    size_of::<TypeParam>(),
    &Spec {
        new: Some(type_var_new),
        repr: Some(param_repr),
        binary: &[(BinOp::Or, union_with)],
        methods: &[
            NativeDef::new("__typing_subst__", "($self, arg, /)", type_var_subst),
            NativeDef::new(
                "__typing_prepare_subst__",
                "($self, alias, args, /)",
                type_var_prepare,
            ),
            HAS_DEFAULT,
            REDUCE,
            MRO_ENTRIES,
        ],
        members: &[NAME],
        getset: &[
            IS_COVARIANT,
            IS_CONTRAVARIANT,
            INFERS_VARIANCE,
            GetSetDef::ro("__bound__", get_bound),
            GetSetDef::ro("__constraints__", get_constraints),
            GetSetDef::ro("evaluate_bound", |t, v| {
                let p = this(v);
                Ok(evaluator(t, &p.bound, &p.evaluate_bound).into())
            }),
            GetSetDef::ro("evaluate_constraints", |t, v| {
                let p = this(v);
                Ok(evaluator(t, &p.constraints, &p.evaluate_constraints).into())
            }),
            DEFAULT,
            EVALUATE_DEFAULT,
        ],
        ..Spec::EMPTY
    },
)
.module("typing")
.gc(traverse, clear)
.dict_at(offset_of!(TypeParam, dict))
.final_()
.doc("Type variable.");

/// `typing.ParamSpec`
pub static PARAM_SPEC: Type = Type::builtin(
    "ParamSpec",
    size_of::<TypeParam>(),
    &Spec {
        new: Some(param_spec_new),
        repr: Some(param_repr),
        binary: &[(BinOp::Or, union_with)],
        methods: &[
            NativeDef::new("__typing_subst__", "($self, arg, /)", param_spec_subst),
            NativeDef::new(
                "__typing_prepare_subst__",
                "($self, alias, args, /)",
                param_spec_prepare,
            ),
            HAS_DEFAULT,
            REDUCE,
            MRO_ENTRIES,
        ],
        members: &[NAME],
        getset: &[
            IS_COVARIANT,
            IS_CONTRAVARIANT,
            INFERS_VARIANCE,
            GetSetDef::ro("__bound__", get_bound),
            GetSetDef::ro("args", |t, v| Ok(part(t, &PARAM_SPEC_ARGS, v).into())),
            GetSetDef::ro("kwargs", |t, v| Ok(part(t, &PARAM_SPEC_KWARGS, v).into())),
            DEFAULT,
            EVALUATE_DEFAULT,
        ],
        ..Spec::EMPTY
    },
)
.module("typing")
.gc(traverse, clear)
.dict_at(offset_of!(TypeParam, dict))
.final_()
.doc(
    "Parameter specification variable.

It stands for the parameters of a callable, and has two attributes for those given by position and by name:

    >>> from typing import ParamSpec
    >>> P = ParamSpec('P')
    >>> P.args, P.kwargs
    (P.args, P.kwargs)
",
);

/// `typing.TypeVarTuple`
pub static TYPE_VAR_TUPLE: Type = Type::builtin(
    "TypeVarTuple",
    size_of::<TypeParam>(),
    &Spec {
        new: Some(tuple_new),
        repr: Some(get_name),
        iter: Some(iter_unpacked),
        methods: &[
            NativeDef::new("__typing_subst__", "($self, arg, /)", tuple_subst),
            NativeDef::new(
                "__typing_prepare_subst__",
                "($self, alias, args, /)",
                tuple_prepare,
            ),
            HAS_DEFAULT,
            REDUCE,
            MRO_ENTRIES,
        ],
        members: &[NAME],
        getset: &[DEFAULT, EVALUATE_DEFAULT],
        ..Spec::EMPTY
    },
)
.module("typing")
.gc(traverse, clear)
.dict_at(offset_of!(TypeParam, dict))
.final_()
.doc("Type variable tuple.");

// --- P.args, P.kwargs ---

#[repr(C)]
struct Part {
    header: Header,
    origin: Slot,
}

fn part(t: &Thread, ty: &'static Type, origin: Value) -> Obj {
    // SAFETY: both types have this layout.
    let (o, p) = unsafe { fresh::<Part>(t, ty) };
    p.origin.init(t, &p.header, counted(t, origin));
    o
}

fn origin_of(t: &Thread, v: Value) -> Obj {
    // SAFETY: slot functions of the two types get their instances alone.
    own(t, unsafe { &(*(v.ptr() as *const Part)).origin }).unwrap_or_else(support::none)
}

fn part_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let is_args = cls.same(PARAM_SPEC_ARGS.value());
    static ARGS: SigCell = SigCell::new("paramspecargs", "(origin)");
    static KWARGS: SigCell = SigCell::new("paramspeckwargs", "(origin)");
    let a = if is_args {
        ARGS.bind(t, args)?
    } else {
        KWARGS.bind(t, args)?
    };
    Ok(part(
        t,
        if is_args {
            &PARAM_SPEC_ARGS
        } else {
            &PARAM_SPEC_KWARGS
        },
        a[0],
    )
    .into())
}

fn part_repr(t: &mut Thread, v: Value) -> Res {
    let origin = origin_of(t, v);
    let mut out = Vec::new();
    if type_of(origin.value()).is(&PARAM_SPEC) {
        if let Some(name) = own(t, &this(origin.value()).name) {
            errors::append(&mut out, &name);
        }
    } else {
        let r = proto::repr(t, origin.value())?;
        errors::append(&mut out, &r);
    }
    out.extend_from_slice(if type_of(v).is(&PARAM_SPEC_ARGS) {
        b".args"
    } else {
        b".kwargs"
    });
    Ok(Str::from_wtf8(t, &out).into())
}

fn part_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let parts = [&PARAM_SPEC_ARGS, &PARAM_SPEC_KWARGS];
    let same_kind = parts
        .iter()
        .any(|ty| type_of(a).is(ty) && type_of(b).is(ty));
    if !same_kind || !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (x, y) = (origin_of(t, a), origin_of(t, b));
    proto::compare(t, x.value(), y.value(), op)
}

gc_slots!(Part, traverse_part, clear_part, origin);

const PART_SPEC: Spec = Spec {
    new: Some(part_new),
    repr: Some(part_repr),
    compare: Some(part_compare),
    methods: &[MRO_ENTRIES],
    members: &[MemberDef {
        name: "__origin__",
        offset: offset_of!(Part, origin),
        readonly: true,
        none_if_empty: true,
    }],
    ..Spec::EMPTY
};

/// `typing.ParamSpecArgs`
pub static PARAM_SPEC_ARGS: Type = Type::builtin("ParamSpecArgs", size_of::<Part>(), &PART_SPEC)
    .module("typing")
    .gc(traverse_part, clear_part)
    .final_()
    .doc(
        "The args for a ParamSpec object.

    >>> from typing import ParamSpec
    >>> P = ParamSpec('P')
    >>> P.args.__origin__ is P
    True
",
    );

/// `typing.ParamSpecKwargs`
pub static PARAM_SPEC_KWARGS: Type =
    Type::builtin("ParamSpecKwargs", size_of::<Part>(), &PART_SPEC)
        .module("typing")
        .gc(traverse_part, clear_part)
        .final_()
        .doc(
            "The kwargs for a ParamSpec object.

    >>> from typing import ParamSpec
    >>> P = ParamSpec('P')
    >>> P.kwargs.__origin__ is P
    True
",
        );

pub(super) fn ready(t: &Thread) {
    for ty in [
        &TYPE_VAR,
        &PARAM_SPEC,
        &TYPE_VAR_TUPLE,
        &PARAM_SPEC_ARGS,
        &PARAM_SPEC_KWARGS,
    ] {
        ty.ready(t);
    }
}
