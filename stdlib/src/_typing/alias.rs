//! TypeAliasType: what a `type` statement makes.

use super::*;
use std::mem::offset_of;
use weft_objects::cell::{counted, or_none};
use weft_objects::generic_alias::GenericAlias;

#[repr(C)]
struct TypeAlias {
    header: Header,
    /// A str.
    name: Slot,
    /// A tuple, or NULL for none.
    type_params: Slot,
    /// The value, or what computes it on demand.
    value: Slot,
    evaluate_value: Slot,
    /// Name of the module, or NULL: that of the evaluator.
    module: Slot,
}

gc_slots!(
    TypeAlias,
    traverse,
    clear,
    name,
    type_params,
    value,
    evaluate_value,
    module
);

fn this<'a>(v: Value) -> &'a TypeAlias {
    // SAFETY: slot functions of TYPE_ALIAS get its instances alone.
    unsafe { &*(v.ptr() as *const TypeAlias) }
}

/// `type name[type_params] = ...`: the parameters are a tuple or None, the value is computed by `evaluate`.
pub fn make_type_alias(t: &Thread, name: Value, type_params: Value, evaluate: Value) -> Obj {
    let type_params = if type_params.is_none() {
        Value::NULL
    } else {
        type_params
    };
    make(t, name, type_params, Value::NULL, evaluate, Value::NULL)
}

fn make(
    t: &Thread,
    name: Value,
    type_params: Value,
    value: Value,
    evaluate: Value,
    module: Value,
) -> Obj {
    // SAFETY: the layout of aliases.
    let (o, a) = unsafe { fresh::<TypeAlias>(t, &TYPE_ALIAS) };
    let parts = [
        (&a.name, name),
        (&a.type_params, type_params),
        (&a.value, value),
        (&a.evaluate_value, evaluate),
        (&a.module, module),
    ];
    for (slot, v) in parts {
        slot.init(t, &a.header, counted(t, v));
    }
    o
}

fn alias_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("typealias", "(name, value, *, type_params=())");
    let a = SIG.bind(t, args)?;
    if Str::of(a[0]).is_none() {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "typealias() argument 'name' must be str, not {got}"
        )));
    }
    let mut params = a[2];
    if !params.is_null() {
        let Some(list) = Tuple::of(params) else {
            return Err(t.type_error("type_params must be a tuple".into()));
        };
        check_params(t, list)?;
        if list.is_empty() {
            params = Value::NULL;
        }
    }
    let module = caller_module(t);
    Ok(make(t, a[0], params, a[1], Value::NULL, module.value()).into())
}

/// No parameter without a default may follow one with a default.
fn check_params(t: &mut Thread, params: &Tuple) -> Res<()> {
    let mut seen_default = false;
    for i in 0..params.len() {
        let p = params.get(i);
        let ty = type_of(p);
        if !(ty.is(&TYPE_VAR) || ty.is(&PARAM_SPEC) || ty.is(&TYPE_VAR_TUPLE)) {
            let r = proto::repr(t, p)?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            return Err(t.type_error(format!("Expected a type param, got {r}")));
        }
        let has = proto::call_method(t, p, "has_default", &[])?;
        if has.value() == Value::TRUE {
            seen_default = true;
        } else if seen_default {
            let r = proto::repr(t, p)?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            let msg = format!("non-default type parameter '{r}' follows default type parameter");
            return Err(t.type_error(msg));
        }
    }
    Ok(())
}

fn get_value(t: &mut Thread, v: Value) -> Res {
    let a = this(v);
    if let Some(known) = own(t, &a.value) {
        return Ok(known.into());
    }
    let Some(f) = own(t, &a.evaluate_value) else {
        return Ok(Value::NONE);
    };
    let made = evaluate(t, &f)?;
    a.value.set(t, &a.header, made.clone().into());
    Ok(made.into())
}

fn get_evaluator(t: &mut Thread, v: Value) -> Res {
    let a = this(v);
    if let Some(f) = own(t, &a.evaluate_value) {
        return Ok(f.into());
    }
    let value = own(t, &a.value).unwrap_or_else(support::none);
    Ok(const_evaluator(t, value).into())
}

fn params_of(t: &Thread, v: Value) -> Obj {
    own(t, &this(v).type_params).unwrap_or_else(|| Tuple::from_vec(t, Vec::new()))
}

fn get_parameters(t: &mut Thread, v: Value) -> Res {
    let params = params_of(t, v);
    unpack_tuples(t, &params).map(Obj::into_value)
}

fn get_module(t: &mut Thread, v: Value) -> Res {
    let a = this(v);
    if let Some(m) = own(t, &a.module) {
        return Ok(m.into());
    }
    match own(t, &a.evaluate_value) {
        Some(f) => Ok(proto::get_attr_opt(t, f.value(), id!(t, "__module__"))?
            .map_or(Value::NONE, Obj::into_value)),
        None => Ok(Value::NONE),
    }
}

fn alias_get_item(t: &mut Thread, v: Value, args: Value) -> Res {
    if this(v).type_params.get().is_null() {
        return Err(t.type_error("Only generic type aliases are subscriptable".into()));
    }
    Ok(GenericAlias::new(t, v, args).into())
}

fn get_name(t: &mut Thread, v: Value) -> Res {
    Ok(or_none(t, this(v).name.get()))
}

/// `typing.TypeAliasType`
pub static TYPE_ALIAS: Type = Type::builtin(
    "TypeAliasType",
    size_of::<TypeAlias>(),
    &Spec {
        new: Some(alias_new),
        repr: Some(get_name),
        iter: Some(iter_unpacked),
        get_item: Some(alias_get_item),
        binary: &[(BinOp::Or, union_with)],
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, a| {
            get_name(t, a[0])
        })],
        members: &[MemberDef {
            name: "__name__",
            offset: offset_of!(TypeAlias, name),
            readonly: true,
            none_if_empty: true,
        }],
        getset: &[
            GetSetDef::ro("__parameters__", get_parameters),
            GetSetDef::ro("__type_params__", |t, v| Ok(params_of(t, v).into())),
            GetSetDef::ro("__value__", get_value),
            GetSetDef::ro("evaluate_value", get_evaluator),
            GetSetDef::ro("__module__", get_module),
        ],
        ..Spec::EMPTY
    },
)
.module("typing")
.gc(traverse, clear)
.final_()
.doc("Type alias.");
