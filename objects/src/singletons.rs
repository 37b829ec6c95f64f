//! The types of the constants None, NotImplemented and Ellipsis, which are words rather than objects.

use crate::prelude::*;

fn no_arguments(t: &Thread, what: &str, args: Args<'_>) -> Res<()> {
    if args.is_empty() {
        Ok(())
    } else {
        Err(t.type_error(format!("{what} takes no arguments")))
    }
}

fn none_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    no_arguments(t, "NoneType", args)?;
    Ok(Value::NONE)
}

fn none_compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    Ok(match op {
        CmpOp::Eq if a.same(b) => Value::TRUE,
        CmpOp::Ne if a.same(b) => Value::FALSE,
        _ => Value::NOT_IMPLEMENTED,
    })
}

/// `types.NoneType`
pub static NONE_TYPE: Type = Type::builtin(
    "NoneType",
    16,
    &Spec {
        new: Some(none_new),
        repr: Some(|t, _| Ok(Str::intern(t, "None").into())),
        // What CPython 3.12 and later give on every machine.
        hash: Some(|_, _| Ok(0xfca8_6420)),
        compare: Some(none_compare),
        truth: Some(|_, _| Ok(false)),
        ..Spec::EMPTY
    },
)
.final_()
.doc("The type of the None singleton.");

fn not_implemented_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    no_arguments(t, "NotImplementedType", args)?;
    Ok(Value::NOT_IMPLEMENTED)
}

fn not_implemented_truth(t: &mut Thread, _v: Value) -> Res<bool> {
    Err(t.type_error("NotImplemented should not be used in a boolean context".into()))
}

/// `types.NotImplementedType`
pub static NOT_IMPLEMENTED_TYPE: Type = Type::builtin(
    "NotImplementedType",
    16,
    &Spec {
        new: Some(not_implemented_new),
        repr: Some(|t, _| Ok(Str::intern(t, "NotImplemented").into())),
        truth: Some(not_implemented_truth),
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, _| {
            Ok(Str::intern(t, "NotImplemented").into())
        })],
        ..Spec::EMPTY
    },
)
.final_()
.doc("The type of the NotImplemented singleton.");

fn ellipsis_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    no_arguments(t, "EllipsisType", args)?;
    Ok(Value::ELLIPSIS)
}

/// `types.EllipsisType`
pub static ELLIPSIS_TYPE: Type = Type::builtin(
    "ellipsis",
    16,
    &Spec {
        new: Some(ellipsis_new),
        repr: Some(|t, _| Ok(Str::intern(t, "Ellipsis").into())),
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, _| {
            Ok(Str::intern(t, "Ellipsis").into())
        })],
        ..Spec::EMPTY
    },
)
.final_()
.doc("The type of the Ellipsis singleton.");
