//! The compiler's intrinsics (see [`crate::compile::bytecode::Intrinsic`]).

use super::frames::{set_reg, take_reg};
use crate::compile::bytecode::{Instr, Intrinsic};
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::prelude::*;

const ALL: [Intrinsic; 13] = [
    Intrinsic::Print,
    Intrinsic::AssertionError,
    Intrinsic::TypeVar,
    Intrinsic::TypeVarWithBound,
    Intrinsic::TypeVarWithConstraints,
    Intrinsic::ParamSpec,
    Intrinsic::TypeVarTuple,
    Intrinsic::SetTypeparamDefault,
    Intrinsic::SubscriptGeneric,
    Intrinsic::TypeAlias,
    Intrinsic::SetFunctionTypeParams,
    Intrinsic::StopIterationError,
    Intrinsic::Tuple,
];

pub fn call(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let Some(&which) = ALL.iter().find(|x| **x as usize == i.c()) else {
        return Err(t.raise(&errors::SYSTEM_ERROR, "unknown intrinsic"));
    };
    let operands = match which {
        Intrinsic::AssertionError => 0,
        Intrinsic::TypeVarWithBound
        | Intrinsic::TypeVarWithConstraints
        | Intrinsic::SetTypeparamDefault
        | Intrinsic::SetFunctionTypeParams => 2,
        _ => 1,
    };
    let args: Vec<Obj> = (0..operands)
        .map(|k| Obj::own(non_null(take_reg(f, i.b() + k))))
        .collect();
    let v = run(t, which, &args)?;
    set_reg(t, f, i.a(), v);
    Ok(())
}

fn non_null(v: Value) -> Value {
    if v.is_null() { Value::NONE } else { v }
}

fn run(t: &mut Thread, which: Intrinsic, a: &[Obj]) -> Res {
    match which {
        Intrinsic::Print => {
            let Some(hook) = weft_objects::runtime::sys_attr(t, "displayhook") else {
                return Err(t.runtime_error("lost sys.displayhook"));
            };
            proto::call(t, hook.value(), &[a[0].value()]).map(Obj::into_value)
        }
        Intrinsic::AssertionError => Ok(errors::ASSERTION_ERROR.value()),
        Intrinsic::TypeVar => typing(t, "_typevar", &[a[0].value()]),
        Intrinsic::TypeVarWithBound => {
            typing(t, "_typevar_with_bound", &[a[0].value(), a[1].value()])
        }
        Intrinsic::TypeVarWithConstraints => typing(
            t,
            "_typevar_with_constraints",
            &[a[0].value(), a[1].value()],
        ),
        Intrinsic::ParamSpec => typing(t, "_paramspec", &[a[0].value()]),
        Intrinsic::TypeVarTuple => typing(t, "_typevartuple", &[a[0].value()]),
        Intrinsic::SetTypeparamDefault => {
            typing(t, "_set_typeparam_default", &[a[0].value(), a[1].value()])
        }
        Intrinsic::SubscriptGeneric => typing(t, "_subscript_generic", &[a[0].value()]),
        Intrinsic::TypeAlias => {
            let parts = Tuple::of(a[0].value())
                .map(|x| x.to_vec(t))
                .unwrap_or_default();
            let args: Vec<Value> = parts.iter().map(|o| o.value()).collect();
            typing(t, "_typealias", &args)
        }
        Intrinsic::SetFunctionTypeParams => {
            if let Some(x) = Function::of(a[0].value()) {
                x.type_params.set(t, &x.header, a[1].clone().into_value());
            }
            Ok(a[0].clone().into_value())
        }
        Intrinsic::StopIterationError => stop_iteration_error(t, &a[0]),
        Intrinsic::Tuple => {
            let items = proto::to_vec(t, a[0].value())?;
            Ok(Tuple::from_vec(t, items).into_value())
        }
    }
}

/// A helper of module `_typing`, which makes the objects of PEP 695 syntax.
fn typing(t: &mut Thread, name: &str, args: &[Value]) -> Res {
    let m = weft_objects::runtime::import(t, "_typing")?;
    proto::call_method(t, m.value(), name, args).map(Obj::into_value)
}

/// StopIteration (or, in an asynchronous generator, StopAsyncIteration) must not leave a generator as it is.
fn stop_iteration_error(t: &mut Thread, exc: &Obj) -> Res {
    // SAFETY: the innermost frame is the generator's.
    let flags = t
        .vm()
        .top_frame()
        .map_or(0, |f| unsafe { (*f).code().flags });
    let what = match flags & (32 | 128 | 512) {
        512 => "async generator",
        128 => "coroutine",
        _ => "generator",
    };
    let stop = proto::is_instance(t, exc.value(), errors::STOP_ITERATION.value())?;
    let stop_async = flags & 512 != 0
        && proto::is_instance(t, exc.value(), errors::STOP_ASYNC_ITERATION.value())?;
    if !stop && !stop_async {
        return Ok(exc.clone().into_value());
    }
    let name = if stop {
        "StopIteration"
    } else {
        "StopAsyncIteration"
    };
    let made = errors::instance_of(
        t,
        &errors::RUNTIME_ERROR,
        Some(&format!("{what} raised {name}")),
    );
    if let Some(e) = errors::Exception::of(made.value()) {
        e.set_cause(t, Some(exc.clone()));
        e.set_context(t, Some(exc.clone()));
    }
    Ok(made.into_value())
}
