//! `_decimal`: decimal arithmetic as the General Decimal Arithmetic specification has it.
//!
//! Numbers are unchangeable, so nothing here takes a lock. The arithmetic itself (`limbs`, `ntt`, `coef`, `num`, `arith`, `other`,
//! `trans`, `text`) knows nothing of Python.

mod arith;
mod coef;
mod context;
mod context_methods;
mod convert;
mod decimal;
mod format;
mod limbs;
mod ntt;
mod num;
mod other;
mod signals;
mod text;
mod trans;

use crate::support;
use weft_objects::prelude::*;
use weft_objects::{int, runtime};

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("getcontext", "()", context::getcontext)
        .doc("Get the current default context."),
    NativeDef::new("setcontext", "(context, /)", context::setcontext)
        .doc("Set a new default context."),
    NativeDef::new("localcontext", "(ctx=None, **kwargs)", context::localcontext)
        .doc("Return a context manager that will set the default context to a copy of ctx\non entry to the with-statement and restore the previous default context when\nexiting the with-statement. If no context is supplied, a copy of the current\ndefault context is used."),
    NativeDef::new("IEEEContext", "(bits, /)", context::ieee_context)
        .doc("Return a context object initialized to the proper values for one of the\nIEEE interchange formats. The argument must be a multiple of 32 and less\nthan IEEE_CONTEXT_MAX_BITS."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_decimal", "C decimal arithmetic module", FUNCTIONS);
    decimal::DECIMAL.ready(t);
    let templates = context::ready(t);
    for (name, class) in signals::classes(t)? {
        support::add(t, &m, name, class);
    }
    convert::ready(t)?;
    make_tuple_class(t)?;
    support::add_type(t, &m, &decimal::DECIMAL);
    support::add_type(t, &m, &context::CONTEXT);
    for (name, o) in templates {
        support::add(t, &m, name, o);
    }
    if let Some(class) = decimal::DECIMAL_TUPLE.get() {
        support::add(t, &m, "DecimalTuple", Obj::new(t, class));
    }
    for (_, name) in num::Round::ALL {
        support::add(t, &m, name, Str::intern(t, name));
    }
    for (name, n) in [
        ("MAX_PREC", num::MAX_PREC),
        ("MAX_EMAX", num::MAX_EMAX),
        ("MIN_EMIN", num::MIN_EMIN),
        ("MIN_ETINY", num::MIN_ETINY),
        ("IEEE_CONTEXT_MAX_BITS", 512),
    ] {
        support::add(t, &m, name, Obj::own(int::from_i64(t, n)));
    }
    for name in ["HAVE_THREADS", "HAVE_CONTEXTVAR"] {
        support::add(t, &m, name, Obj::own(Value::TRUE));
    }
    support::add(t, &m, "__version__", Str::intern(t, "1.70"));
    support::add(t, &m, "__libmpdec_version__", Str::intern(t, "2.5.1"));
    Ok(m)
}

fn make_tuple_class(t: &mut Thread) -> Res<()> {
    if decimal::DECIMAL_TUPLE.get().is_some() {
        return Ok(());
    }
    let collections = runtime::import(t, "collections")?;
    let name = weft_objects::id!(t, "namedtuple");
    let make = proto::get_attr(t, collections.value(), name)?;
    let args = ["DecimalTuple", "sign digits exponent", "decimal"].map(|s| Str::intern(t, s));
    let names = Str::intern(t, "module");
    let names = Tuple::from_array(t, [names]);
    let values = [args[0].value(), args[1].value(), args[2].value()];
    let class = proto::call_kw(t, make.value(), Args::new(&values, names.value()))?;
    decimal::DECIMAL_TUPLE.set(t, class);
    Ok(())
}
