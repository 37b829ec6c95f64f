//! `_testmultiphase`: a native module with a function, a class of exceptions and constants, for tests of import. It is built in, as
//! all native modules are.

use crate::support;
use weft_objects::prelude::*;

static FUNCTIONS: &[NativeDef] = &[NativeDef::new("foo", "(i, j, /)", |t, a| {
    proto::binary(t, BinOp::Add, a[0], a[1])
})];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "Test module main";
    let m = support::module(t, "_testmultiphase", doc, FUNCTIONS);
    let error =
        crate::_signal::new_exception_class(t, "error", "_testmultiphase", &[&errors::EXCEPTION])?;
    support::add(t, &m, "error", error);
    support::add_ints(t, &m, &[("int_const", 1969)]);
    let text = Str::new(t, "something different");
    support::add(t, &m, "str_const", text);
    Ok(m)
}
