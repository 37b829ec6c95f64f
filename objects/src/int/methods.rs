//! Methods and attributes of ints.

use super::*;
use crate::text::bigint;
use crate::text::format::{Locale, format_int};

pub const METHODS: &[NativeDef] = &[
    NativeDef::new("conjugate", "($self, /)", |t, a| Ok(exact(t, a[0])))
        .doc("Returns self, the complex conjugate of any int."),
    NativeDef::new("bit_length", "($self, /)", bit_length).doc(
        "Number of bits necessary to represent self in binary.\n\n>>> bin(37)\n'0b100101'\n>>> (37).bit_length()\n6",
    ),
    NativeDef::new("bit_count", "($self, /)", bit_count).doc(
        "Number of ones in the binary representation of the absolute value of self.\n\nAlso known as the population \
         count.\n\n>>> bin(13)\n'0b1101'\n>>> (13).bit_count()\n3",
    ),
    NativeDef::new("to_bytes", "($self, /, length=1, byteorder='big', *, signed=False)", to_bytes)
        .doc("Return an array of bytes representing an integer."),
    NativeDef::class("from_bytes", "($type, /, bytes, byteorder='big', *, signed=False)", from_bytes)
        .doc("Return the integer represented by the given array of bytes."),
    NativeDef::new("as_integer_ratio", "($self, /)", as_integer_ratio)
        .doc("Return a pair of integers, whose ratio is equal to the original int.\n\nThe ratio is in lowest terms and has a positive denominator.\n\n>>> (12).as_integer_ratio()\n(12, 1)\n>>> (-3).as_integer_ratio()\n(-3, 1)"),
    NativeDef::new("is_integer", "($self, /)", |_, _| Ok(Value::TRUE))
        .doc("Returns True. Exists for duck type compatibility with float.is_integer."),
    NativeDef::new("__trunc__", "($self, /)", |t, a| Ok(exact(t, a[0]))).doc("Truncating an Integral returns itself."),
    NativeDef::new("__floor__", "($self, /)", |t, a| Ok(exact(t, a[0]))).doc("Flooring an Integral returns itself."),
    NativeDef::new("__ceil__", "($self, /)", |t, a| Ok(exact(t, a[0]))).doc("Ceiling of an Integral returns itself."),
    NativeDef::new("__round__", "($self, ndigits=None, /)", round).doc(
        "Rounding an Integral returns itself.\n\nRounding with an ndigits argument also returns an integer.",
    ),
    NativeDef::new("__getnewargs__", "($self, /)", |t, a| {
        let n = Obj::own(exact(t, a[0]));
        Ok(Tuple::from_vec(t, vec![n]).into())
    }),
    NativeDef::new("__format__", "($self, format_spec, /)", format)
        .doc("Convert to a string according to format_spec."),
    NativeDef::new("__sizeof__", "($self, /)", sizeof).doc("Returns size in memory, in bytes."),
];

pub const GETSET: &[GetSetDef] = &[
    GetSetDef::ro("real", |t, v| Ok(exact(t, v))),
    GetSetDef::ro("imag", |_, _| Ok(Value::int(0))),
    GetSetDef::ro("numerator", |t, v| Ok(exact(t, v))),
    GetSetDef::ro("denominator", |_, _| Ok(Value::int(1))),
];

/// The number behind `self`.
fn this<'a>(v: Value) -> IntRef<'a> {
    Int::of(v).unwrap_or(IntRef::Small(0))
}

fn bit_length(t: &mut Thread, a: &[Value]) -> Res {
    Ok(match this(a[0]) {
        IntRef::Small(n) => Value::int(bigint::bit_length_i64(n).into()),
        IntRef::Big(n) => from_u64(t, bigint::bit_length(n)),
    })
}

fn bit_count(t: &mut Thread, a: &[Value]) -> Res {
    Ok(match this(a[0]) {
        IntRef::Small(n) => Value::int(n.unsigned_abs().count_ones().into()),
        IntRef::Big(n) => from_u64(t, bigint::bit_count(n)),
    })
}

/// Whether `byteorder` says little-endian.
fn is_little(t: &mut Thread, v: Value, f: &str) -> Res<bool> {
    if v.is_null() {
        return Ok(false);
    }
    let Some(s) = Str::of(v) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!("{f}() argument 'byteorder' must be str, not {got}")));
    };
    match s.as_bytes() {
        b"little" => Ok(true),
        b"big" => Ok(false),
        _ => Err(t.value_error("byteorder must be either 'little' or 'big'")),
    }
}

fn to_bytes(t: &mut Thread, a: &[Value]) -> Res {
    let length = if a[1].is_null() {
        1
    } else {
        proto::index_i64(t, a[1])?
    };
    let little = is_little(t, a[2], "to_bytes")?;
    let signed = !a[3].is_null() && proto::truth(t, a[3])?;
    let Ok(length) = usize::try_from(length) else {
        return Err(t.value_error("length argument must be non-negative"));
    };
    if let IntRef::Small(n) = this(a[0])
        && length <= 8
        && (n >= 0 || signed)
    {
        // All bytes beyond `length` must only repeat the sign.
        let unused = 64 - 8 * length as u32;
        let fits = match (signed, length) {
            (_, 0) => n == 0,
            (true, _) => n << unused >> unused == n,
            (false, _) => (n as u64) << unused >> unused == n as u64,
        };
        if fits {
            return Ok(if little {
                Bytes::new(t, &n.to_le_bytes()[..length]).into()
            } else {
                Bytes::new(t, &n.to_be_bytes()[8 - length..]).into()
            });
        }
    }
    crate::memory::room_for(t, length, 2)?;
    match with_bigint(a[0], |n| bigint::to_bytes(n, length, little, signed)) {
        Some(Ok(bytes)) => Ok(Bytes::from_vec(t, bytes).into()),
        Some(Err(e)) => Err(text_error(t, e)),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn from_bytes(t: &mut Thread, a: &[Value]) -> Res {
    let little = is_little(t, a[2], "from_bytes")?;
    let signed = !a[3].is_null() && proto::truth(t, a[3])?;
    let source = bytes_of(t, a[1])?;
    let n = match Bytes::of(source.value()) {
        Some(b) => bigint::from_bytes(b.as_slice(), little, signed),
        None => text::Int::Small(0),
    };
    let n = from_text_int(t, n);
    if a[0].same(INT.value()) {
        return Ok(n);
    }
    let n = Obj::own(n);
    proto::call(t, a[0], &[n.value()]).map(Obj::into_value)
}

/// `bytes(v)`, but for ints and strings.
fn bytes_of(t: &mut Thread, v: Value) -> Res<Obj> {
    if Bytes::exact(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    if is_int(v) || Str::of(v).is_some() {
        let got = type_of(v).name();
        return Err(t.type_error(format!("cannot convert '{got}' object to bytes")));
    }
    proto::call(t, BYTES.value(), &[v])
}

fn as_integer_ratio(t: &mut Thread, a: &[Value]) -> Res {
    let n = Obj::own(exact(t, a[0]));
    Ok(Tuple::pair(t, n, Obj::from_raw(Value::int(1))).into())
}

fn round(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_null() || a[1].is_none() {
        return Ok(exact(t, a[0]));
    }
    let digits = proto::index(t, a[1])?;
    let places = match this(digits.value()) {
        n if !n.is_negative() => return Ok(exact(t, a[0])),
        IntRef::Small(n) => n.unsigned_abs(),
        IntRef::Big(_) => u64::MAX,
    };
    match with_bigint(a[0], |n| bigint::round_to_power_of_ten(n, places)) {
        Some(Ok(n)) => Ok(from_bigint(t, n)),
        Some(Err(e)) => Err(text_error(t, e)),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn format(t: &mut Thread, a: &[Value]) -> Res {
    let Some(spec) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("__format__() argument must be str, not {got}")));
    };
    if spec.is_empty() {
        return if is_exact_int(a[0]) {
            int_repr(t, a[0])
        } else {
            proto::str(t, a[0]).map(Obj::into_value)
        };
    }
    let (mut out, name) = (Vec::new(), type_of(a[0]).name());
    let done = float::with_locale(spec.as_bytes(), |locale: &Locale<'_>| {
        format_int(
            &mut out,
            this(a[0]),
            spec.as_bytes(),
            &name,
            locale,
            max_str_digits(),
        )
    });
    match done {
        Ok(()) => Ok(Str::from_vec(t, out).into()),
        Err(e) => Err(text_error(t, e)),
    }
}

/// What CPython says: the fixed part, and 4 bytes for each 30 bits.
fn sizeof(t: &mut Thread, a: &[Value]) -> Res {
    let bits = match this(a[0]) {
        IntRef::Small(n) => bigint::bit_length_i64(n).into(),
        IntRef::Big(n) => bigint::bit_length(n),
    };
    let fixed = u64::from(super::basic_size(type_of(a[0])));
    Ok(from_u64(t, fixed + 4 * bits.div_ceil(30).max(1)))
}
