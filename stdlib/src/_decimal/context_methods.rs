//! The methods of contexts that are operations on numbers.

use super::context::Context;
use super::convert::{self, Arg, required};
use super::decimal::{self, make};
use super::num::{Ctx, Num};
use super::{arith, other, trans};
use weft_objects::float;
use weft_objects::prelude::*;

fn one(t: &mut Thread, a: &[Value], f: fn(&Num, &mut Ctx) -> Num) -> Res {
    let x = required(t, a[1])?;
    let env = Context::this(a[0]);
    let mut c = env.rules();
    let r = f(&x, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn two(t: &mut Thread, a: &[Value], f: fn(&Num, &Num, &mut Ctx) -> Num) -> Res {
    let (x, y): (Arg, Arg) = (required(t, a[1])?, required(t, a[2])?);
    let env = Context::this(a[0]);
    let mut c = env.rules();
    let r = f(&x, &y, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn fma(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y): (Arg, Arg) = (required(t, a[1])?, required(t, a[2])?);
    let z = required(t, a[3])?;
    let env = Context::this(a[0]);
    let mut c = env.rules();
    let r = arith::fma(&x, &y, &z, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn power(t: &mut Thread, a: &[Value]) -> Res {
    if a[3].is_null() || a[3].is_none() {
        return two(t, a, trans::pow);
    }
    let (x, y): (Arg, Arg) = (required(t, a[1])?, required(t, a[2])?);
    let m = required(t, a[3])?;
    let env = Context::this(a[0]);
    let mut c = env.rules();
    let r = trans::pow_mod(&x, &y, &m, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn divmod(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y): (Arg, Arg) = (required(t, a[1])?, required(t, a[2])?);
    decimal::divmod_in(t, &x, &y, Context::this(a[0]))
}

/// A question about a number and the context's rules.
fn ask(t: &mut Thread, a: &[Value], f: fn(&Num, &Ctx) -> bool) -> Res {
    let x = required(t, a[1])?;
    Ok(Value::bool(f(&x, &Context::this(a[0]).rules())))
}

fn text(t: &mut Thread, a: &[Value], eng: bool) -> Res {
    let x = required(t, a[1])?;
    let capitals = Context::this(a[0]).capitals();
    Ok(decimal::shown(t, &x, eng, capitals))
}

fn canonical(t: &mut Thread, a: &[Value]) -> Res {
    match decimal::of(a[1]) {
        Some(_) => Ok(Obj::new(t, a[1]).into()),
        None => Err(t.type_error("argument must be a Decimal".into())),
    }
}

fn is_canonical(t: &mut Thread, a: &[Value]) -> Res {
    match decimal::of(a[1]) {
        Some(_) => Ok(Value::TRUE),
        None => Err(t.type_error("argument must be a Decimal".into())),
    }
}

fn copy_decimal(t: &mut Thread, a: &[Value]) -> Res {
    if decimal::of(a[1]).is_some() {
        return Ok(Obj::new(t, a[1]).into());
    }
    let x = required(t, a[1])?;
    Ok(make(t, (*x).clone()))
}

fn create(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_null() {
        return Ok(make(t, Num::zero(false, 0)));
    }
    let n = convert::rounded(t, a[1], Context::this(a[0]))?;
    Ok(make(t, n))
}

fn create_from_float(t: &mut Thread, a: &[Value]) -> Res {
    let n = match (convert::from_int(a[1]), float::as_f64(a[1])) {
        (Some(n), _) => n,
        (None, Some(x)) => convert::from_f64(x),
        (None, None) => return Err(t.type_error("argument must be int or float".into())),
    };
    let env = Context::this(a[0]);
    let mut c = env.rules();
    let n = n.finish(&mut c);
    env.signal(t, c.status)?;
    Ok(make(t, n))
}

fn number_class(t: &mut Thread, a: &[Value]) -> Res {
    let x = required(t, a[1])?;
    let rules = Context::this(a[0]).rules();
    Ok(Str::intern(t, other::number_class(&x, &rules)).into())
}

const X: &str = "($self, x, /)";
const XY: &str = "($self, x, y, /)";

pub static METHODS: &[NativeDef] = &[
    NativeDef::new("abs", X, |t, a| one(t, a, decimal::abs)),
    NativeDef::new("exp", X, |t, a| one(t, a, trans::exp)),
    NativeDef::new("ln", X, |t, a| one(t, a, trans::ln)),
    NativeDef::new("log10", X, |t, a| one(t, a, trans::log10)),
    NativeDef::new("logb", X, |t, a| one(t, a, other::logb)),
    NativeDef::new("logical_invert", X, |t, a| one(t, a, other::logical_invert)),
    NativeDef::new("minus", X, |t, a| one(t, a, decimal::minus)),
    NativeDef::new("next_minus", X, |t, a| {
        one(t, a, |x, c| other::next(x, false, c))
    }),
    NativeDef::new("next_plus", X, |t, a| {
        one(t, a, |x, c| other::next(x, true, c))
    }),
    NativeDef::new("normalize", X, |t, a| one(t, a, arith::normalize)),
    NativeDef::new("plus", X, |t, a| one(t, a, decimal::plus)),
    NativeDef::new("_apply", "($self, object, /)", |t, a| {
        one(t, a, |x, c| x.clone().finish(c))
    }),
    NativeDef::new("sqrt", X, |t, a| one(t, a, arith::sqrt)),
    NativeDef::new("to_integral", X, |t, a| {
        one(t, a, |x, c| arith::to_integral(x, false, c))
    }),
    NativeDef::new("to_integral_exact", X, |t, a| {
        one(t, a, |x, c| arith::to_integral(x, true, c))
    }),
    NativeDef::new("to_integral_value", X, |t, a| {
        one(t, a, |x, c| arith::to_integral(x, false, c))
    }),
    NativeDef::new("copy_abs", X, |t, a| one(t, a, |x, _| x.abs())),
    NativeDef::new("copy_negate", X, |t, a| {
        one(t, a, |x, _| x.with_sign(!x.neg))
    }),
    NativeDef::new("copy_decimal", X, copy_decimal),
    NativeDef::new("canonical", X, canonical),
    NativeDef::new("is_canonical", X, is_canonical),
    NativeDef::new("is_finite", X, |t, a| ask(t, a, |x, _| x.is_finite())),
    NativeDef::new("is_infinite", X, |t, a| ask(t, a, |x, _| x.is_infinite())),
    NativeDef::new("is_nan", X, |t, a| ask(t, a, |x, _| x.is_nan())),
    NativeDef::new("is_normal", X, |t, a| {
        ask(t, a, |x, c| {
            x.is_finite() && !x.coef.is_zero() && x.adjusted() >= c.emin
        })
    }),
    NativeDef::new("is_subnormal", X, |t, a| {
        ask(t, a, |x, c| {
            x.is_finite() && !x.coef.is_zero() && x.adjusted() < c.emin
        })
    }),
    NativeDef::new("is_qnan", X, |t, a| {
        ask(t, a, |x, _| x.is_nan() && !x.is_snan())
    }),
    NativeDef::new("is_signed", X, |t, a| ask(t, a, |x, _| x.neg)),
    NativeDef::new("is_snan", X, |t, a| ask(t, a, |x, _| x.is_snan())),
    NativeDef::new("is_zero", X, |t, a| ask(t, a, |x, _| x.is_zero())),
    NativeDef::new("number_class", X, number_class),
    NativeDef::new("to_eng_string", X, |t, a| text(t, a, true)),
    NativeDef::new("to_sci_string", X, |t, a| text(t, a, false)),
    NativeDef::new("add", XY, |t, a| two(t, a, arith::add)),
    NativeDef::new("subtract", XY, |t, a| two(t, a, arith::sub)),
    NativeDef::new("multiply", XY, |t, a| two(t, a, arith::mul)),
    NativeDef::new("divide", XY, |t, a| two(t, a, arith::div)),
    NativeDef::new("divide_int", XY, |t, a| two(t, a, arith::floor_div)),
    NativeDef::new("divmod", XY, divmod),
    NativeDef::new("remainder", XY, |t, a| two(t, a, arith::rem)),
    NativeDef::new("remainder_near", XY, |t, a| two(t, a, arith::rem_near)),
    NativeDef::new("quantize", XY, |t, a| two(t, a, arith::quantize)),
    NativeDef::new("compare", XY, |t, a| {
        two(t, a, |x, y, c| other::compare(x, y, false, c))
    }),
    NativeDef::new("compare_signal", XY, |t, a| {
        two(t, a, |x, y, c| other::compare(x, y, true, c))
    }),
    NativeDef::new("compare_total", XY, |t, a| {
        two(t, a, |x, y, _| other::compare_total(x, y, false))
    }),
    NativeDef::new("compare_total_mag", XY, |t, a| {
        two(t, a, |x, y, _| other::compare_total(x, y, true))
    }),
    NativeDef::new("copy_sign", XY, |t, a| {
        two(t, a, |x, y, _| x.with_sign(y.neg))
    }),
    NativeDef::new("logical_and", XY, |t, a| {
        two(t, a, |x, y, c| other::logical(x, y, |p, q| p & q, c))
    }),
    NativeDef::new("logical_or", XY, |t, a| {
        two(t, a, |x, y, c| other::logical(x, y, |p, q| p | q, c))
    }),
    NativeDef::new("logical_xor", XY, |t, a| {
        two(t, a, |x, y, c| other::logical(x, y, |p, q| p ^ q, c))
    }),
    NativeDef::new("max", XY, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, true, false, c))
    }),
    NativeDef::new("max_mag", XY, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, true, true, c))
    }),
    NativeDef::new("min", XY, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, false, false, c))
    }),
    NativeDef::new("min_mag", XY, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, false, true, c))
    }),
    NativeDef::new("next_toward", XY, |t, a| two(t, a, other::next_toward)),
    NativeDef::new("rotate", XY, |t, a| two(t, a, other::rotate)),
    NativeDef::new("same_quantum", XY, |t, a| {
        let (x, y): (Arg, Arg) = (required(t, a[1])?, required(t, a[2])?);
        Ok(Value::bool(other::same_quantum(&x, &y)))
    }),
    NativeDef::new("scaleb", XY, |t, a| two(t, a, other::scaleb)),
    NativeDef::new("shift", XY, |t, a| two(t, a, other::shift)),
    NativeDef::new("fma", "($self, x, y, z, /)", fma),
    NativeDef::new("power", "($self, /, a, b, modulo=None)", power),
    NativeDef::new("create_decimal", "($self, num='0', /)", create),
    NativeDef::new(
        "create_decimal_from_float",
        "($self, f, /)",
        create_from_float,
    ),
    NativeDef::new("Etiny", "($self, /)", |_, a| {
        Ok(Value::int(Context::this(a[0]).rules().etiny()))
    }),
    NativeDef::new("Etop", "($self, /)", |_, a| {
        Ok(Value::int(Context::this(a[0]).rules().etop()))
    }),
    NativeDef::new("radix", "($self, /)", |t, _| Ok(make(t, Num::from_i64(10)))),
    NativeDef::new("copy", "($self, /)", |t, a| {
        Ok(Context::this(a[0]).copy(t).into())
    }),
    NativeDef::new("__copy__", "($self, /)", |t, a| {
        Ok(Context::this(a[0]).copy(t).into())
    }),
    NativeDef::new("__reduce__", "($self, /)", super::context::reduce),
    NativeDef::new("clear_flags", "($self, /)", |_, a| {
        Context::this(a[0]).clear(false);
        Ok(Value::NONE)
    }),
    NativeDef::new("clear_traps", "($self, /)", |_, a| {
        Context::this(a[0]).clear(true);
        Ok(Value::NONE)
    }),
];
