//! Methods and attributes of floats.

use super::*;
use crate::int::from_bigint;
use crate::text::float::{as_integer_ratio, is_integer, round_digits};
use crate::text::floathex::{float_fromhex, float_hex};
use crate::text::format::format_float;

pub const METHODS: &[NativeDef] = &[
    NativeDef::new("conjugate", "($self, /)", |t, a| Ok(exact(t, a[0])))
        .doc("Return self, the complex conjugate of any float."),
    NativeDef::new("__trunc__", "($self, /)", |t, a| float_to_int(t, this(a[0])))
        .doc("Return the Integral closest to x between 0 and x."),
    NativeDef::new("__floor__", "($self, /)", |t, a| float_to_int(t, this(a[0]).floor()))
        .doc("Return the floor as an Integral."),
    NativeDef::new("__ceil__", "($self, /)", |t, a| float_to_int(t, this(a[0]).ceil()))
        .doc("Return the ceiling as an Integral."),
    NativeDef::new("__round__", "($self, ndigits=None, /)", round).doc(
        "Return the Integral closest to x, rounding half toward even.\n\nWhen an argument is passed, work like built-in \
         round(x, ndigits).",
    ),
    NativeDef::new("as_integer_ratio", "($self, /)", integer_ratio)
        .doc("Return a pair of integers, whose ratio is exactly equal to the original float.\n\nThe ratio is in lowest terms and its denominator is positive.  Infinities\nraise OverflowError, NaNs ValueError.\n\n>>> (2.5).as_integer_ratio()\n(5, 2)\n>>> (-.75).as_integer_ratio()\n(-3, 4)"),
    NativeDef::class("fromhex", "($type, string, /)", fromhex)
        .doc("Create a floating-point number from a hexadecimal string.\n\n>>> float.fromhex('0x1.8p3')\n12.0\n>>> float.fromhex('-0x1p-2')\n-0.25"),
    NativeDef::class("from_number", "($type, number, /)", from_number).doc("Convert real number to a floating-point number."),
    NativeDef::new("hex", "($self, /)", |t, a| Ok(Str::from_string(t, float_hex(this(a[0]))).into()))
        .doc("Return a hexadecimal representation of a floating-point number.\n\n>>> (12.0).hex()\n'0x1.8000000000000p+3'\n>>> (-0.1).hex()\n'-0x1.999999999999ap-4'"),
    NativeDef::new("is_integer", "($self, /)", |_, a| Ok(Value::bool(is_integer(this(a[0])))))
        .doc("Return True if the float is an integer."),
    NativeDef::new("__getnewargs__", "($self, /)", |t, a| {
        let x = Obj::own(exact(t, a[0]));
        Ok(Tuple::from_vec(t, vec![x]).into())
    }),
    NativeDef::class("__getformat__", "($type, typestr, /)", getformat).doc("You probably don't want to use this function."),
    NativeDef::new("__format__", "($self, format_spec, /)", format).doc("Formats the float according to format_spec."),
    NativeDef::new("__sizeof__", "($self, /)", |_, _| Ok(Value::int(size_of::<FloatObj>() as i64)))
        .doc("Size of object in memory, in bytes."),
];

pub const GETSET: &[GetSetDef] = &[
    GetSetDef::ro("real", |t, v| Ok(exact(t, v))),
    GetSetDef::ro("imag", |t, _| Ok(from_f64(t, 0.0))),
];

fn round(t: &mut Thread, a: &[Value]) -> Res {
    let x = this(a[0]);
    if a[1].is_null() || a[1].is_none() {
        return float_to_int(t, x.round_ties_even());
    }
    let digits = proto::index_clamped(t, a[1])?;
    match round_digits(x, digits as i64) {
        Ok(x) => Ok(from_f64(t, x)),
        Err(e) => Err(text_error(t, e)),
    }
}

fn integer_ratio(t: &mut Thread, a: &[Value]) -> Res {
    match as_integer_ratio(this(a[0])) {
        Ok((n, d)) => {
            let (n, d) = (Obj::own(from_bigint(t, n)), Obj::own(from_bigint(t, d)));
            Ok(Tuple::pair(t, n, d).into())
        }
        Err(e) => Err(text_error(t, e)),
    }
}

/// The number as what class methods give: an instance of `cls`.
fn of_class(t: &mut Thread, cls: Value, x: Obj) -> Res {
    if cls.same(FLOAT.value()) {
        return Ok(x.into());
    }
    proto::call(t, cls, &[x.value()]).map(Obj::into_value)
}

fn fromhex(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("fromhex() argument must be str, not {got}")));
    };
    match float_fromhex(s.text()) {
        Ok(x) => {
            let x = Obj::own(from_f64(t, x));
            of_class(t, a[0], x)
        }
        Err(e) => Err(text_error(t, e)),
    }
}

fn from_number(t: &mut Thread, a: &[Value]) -> Res {
    if is_exact_float(a[1]) {
        let x = Obj::new(t, a[1]);
        return of_class(t, a[0], x);
    }
    let x = proto::as_f64(t, a[1])?;
    let x = Obj::own(from_f64(t, x));
    of_class(t, a[0], x)
}

fn getformat(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("__getformat__() argument must be str, not {got}")));
    };
    if !(s.is("double") || s.is("float")) {
        return Err(t.value_error("__getformat__() argument 1 must be 'double' or 'float'"));
    }
    let order = if cfg!(target_endian = "little") {
        "IEEE, little-endian"
    } else {
        "IEEE, big-endian"
    };
    Ok(Str::new(t, order).into())
}

fn format(t: &mut Thread, a: &[Value]) -> Res {
    let Some(spec) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("__format__() argument must be str, not {got}")));
    };
    if spec.is_empty() {
        return if is_exact_float(a[0]) {
            float_str(t, a[0])
        } else {
            proto::str(t, a[0]).map(Obj::into_value)
        };
    }
    let (mut out, name) = (Vec::new(), type_of(a[0]).name());
    let done = with_locale(spec.as_bytes(), |locale| {
        format_float(&mut out, this(a[0]), spec.as_bytes(), &name, locale)
    });
    match done {
        Ok(()) => Ok(Str::from_vec(t, out).into()),
        Err(e) => Err(text_error(t, e)),
    }
}
