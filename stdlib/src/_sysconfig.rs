//! `_sysconfig`: how this was built.

use crate::support;
use weft_objects::prelude::*;

fn config_vars(t: &mut Thread, _a: &[Value]) -> Res {
    let d = Dict::new(t);
    let free_threaded = Value::int(i64::from(!cfg!(feature = "gil")));
    let debug = Value::int(i64::from(cfg!(debug_assertions)));
    for (name, v) in [("Py_GIL_DISABLED", free_threaded), ("Py_DEBUG", debug)] {
        Dict::of_obj(&d).set_str(t, weft_objects::names::get(t, name), v);
    }
    Ok(d.into())
}

static FUNCTIONS: &[NativeDef] = &[NativeDef::new("config_vars", "()", config_vars)
    .doc("Returns a dictionary containing build variables intended to be exposed by sysconfig.")];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    Ok(support::module(
        t,
        "_sysconfig",
        "A helper for the sysconfig module.",
        FUNCTIONS,
    ))
}
