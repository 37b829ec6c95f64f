//! `float`. Those with usual exponents lie in the word; the rest, and instances of subclasses, are [`FloatObj`]s.

mod arith;
mod methods;

pub use arith::*;

use crate::prelude::*;
use crate::str::text_error;
use crate::text::float::{float_repr, parse_float, parse_float_bytes};
use crate::text::format::Locale;
use crate::text::{bigint, hash::hash_f64, int::IntRef};
use crate::types::{alloc_instance, type_flags};

/// A float that does not fit in the word, or an instance of a subclass of `float`.
#[repr(C)]
pub struct FloatObj {
    pub header: Header,
    pub value: f64,
}

/// A float object.
#[inline(always)]
pub fn from_f64(t: &Thread, x: f64) -> Value {
    match Value::try_float(x) {
        Some(v) => v,
        None => alloc_float(t, x),
    }
}

#[inline(never)]
fn alloc_float(t: &Thread, x: f64) -> Value {
    // SAFETY: a new object of this type, whose only field is written before anything else happens.
    unsafe {
        let p = t.alloc(&FLOAT.head, size_of::<FloatObj>()) as *mut FloatObj;
        (&raw mut (*p).value).write(x);
        Value::from_ptr(p as *const Header)
    }
}

/// An instance of `cls`, which is `float` or a subclass.
fn new_instance(t: &Thread, cls: &Type, x: f64) -> Value {
    if cls.is(&FLOAT) {
        return from_f64(t, x);
    }
    let p = alloc_instance(t, cls) as *mut FloatObj;
    // SAFETY: instances of subclasses of float start with its layout.
    unsafe { (&raw mut (*p).value).write(x) };
    Value::from_ptr(p as *const Header)
}

/// The number, if `v` is a float or an instance of a subclass.
#[inline]
pub fn as_f64(v: Value) -> Option<f64> {
    if v.is_float() {
        return Some(v.as_float());
    }
    cast::<FloatObj>(v, &FLOAT).map(|f| f.value)
}

/// A float of exactly the class `float`.
#[inline]
pub fn is_exact_float(v: Value) -> bool {
    v.is_float() || cast_exact::<FloatObj>(v, &FLOAT).is_some()
}

/// An operand of float arithmetic: a float, or an int as one. `None`: it is neither.
///
/// # Errors
/// OverflowError for an int that is too large.
#[inline]
pub fn to_f64(t: &mut Thread, v: Value) -> Res<Option<f64>> {
    if v.is_float() {
        return Ok(Some(v.as_float()));
    }
    if v.is_int() {
        return Ok(Some(v.as_int() as f64));
    }
    to_f64_any(t, v)
}

#[inline(never)]
fn to_f64_any(t: &mut Thread, v: Value) -> Res<Option<f64>> {
    if let Some(x) = as_f64(v) {
        return Ok(Some(x));
    }
    match Int::of(v) {
        Some(IntRef::Small(n)) => Ok(Some(n as f64)),
        Some(IntRef::Big(n)) => bigint::to_f64(n).map(Some).map_err(|e| text_error(t, e)),
        None => Ok(None),
    }
}

/// The same number as an instance of `float` itself; `v` must be a float.
fn exact(t: &Thread, v: Value) -> Value {
    match as_f64(v) {
        Some(x) if !is_exact_float(v) => from_f64(t, x),
        _ => to_reg(t, v.bare()),
    }
}

/// `float(x)`: an exact float.
///
/// # Errors
/// TypeError for what is no number, ValueError for text that is none, OverflowError.
pub fn float_from_object(t: &mut Thread, x: Value) -> Res {
    if is_exact_float(x) {
        return Ok(to_reg(t, x.bare()));
    }
    if x.is_int() {
        return Ok(from_f64(t, x.as_int() as f64));
    }
    let slots = &type_of(x).slots;
    let plain_str = Str::exact(x).is_some();
    if !plain_str && (slots.float.is_set() || slots.index.is_set()) {
        let number = proto_float(t, x)?;
        return Ok(from_f64(t, number));
    }
    let parsed = if let Some(s) = Str::of(x) {
        parse_float(s.text())
    } else if crate::buffer::is_exporter(x) {
        let bytes = crate::buffer::get_still(t, x)?.to_vec();
        parse_float_bytes(&bytes)
    } else {
        let got = type_of(x).name();
        return Err(t.type_error(format!(
            "float() argument must be a string or a real number, not '{got}'"
        )));
    };
    match parsed {
        Ok(x) => Ok(from_f64(t, x)),
        Err(e) => Err(text_error(t, e)),
    }
}

/// By `__float__` or `__index__`, one of which is there. A subclass of float that overrides `__float__` has its say.
fn proto_float(t: &mut Thread, x: Value) -> Res<f64> {
    let own = type_of(x).slots.float.get();
    let builtin = FLOAT.slots.float.get();
    match (own, builtin) {
        (Some(f), Some(g)) if !std::ptr::fn_addr_eq(f, g) && as_f64(x).is_some() => {
            let r = Obj::own(f(t, x)?);
            returned(t, x, r.value())
        }
        _ => proto::as_f64(t, x),
    }
}

/// What `x.__float__()` returned, as a number.
pub(crate) fn returned(t: &mut Thread, x: Value, r: Value) -> Res<f64> {
    let Some(f) = as_f64(r) else {
        let (cls, got) = (type_of(x).name(), type_of(r).name());
        return Err(t.type_error(format!("{cls}.__float__ returned non-float (type {got})")));
    };
    if !is_exact_float(r) {
        let method = format!("{}.__float__", type_of(x).name());
        crate::errors::warn::strict_subclass(t, &method, "float", r)?;
    }
    Ok(f)
}

static NEW: SigCell = SigCell::new("float", "(x=0, /)");

fn float_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let cls = Type::of_unchecked(cls);
    // A subclass with an `__init__` of its own takes care of keywords itself.
    let own_init = match (cls.slots.init.get(), FLOAT.slots.init.get()) {
        (Some(f), Some(g)) => !std::ptr::fn_addr_eq(f, g),
        (f, _) => f.is_some(),
    };
    let x = match args.pos() {
        &[x] if !args.has_keywords() || own_init => x,
        [] if !args.has_keywords() || own_init => return Ok(new_instance(t, cls, 0.0)),
        _ => NEW.bind(t, args)?[0],
    };
    let number = float_from_object(t, x)?;
    if cls.is(&FLOAT) {
        return Ok(number);
    }
    let number = Obj::own(number);
    Ok(new_instance(t, cls, as_f64(number.value()).unwrap_or(0.0)))
}

fn float_str(t: &mut Thread, v: Value) -> Res {
    Ok(Str::from_string(t, float_repr(this(v))).into())
}

/// The number behind `self`.
fn this(v: Value) -> f64 {
    as_f64(v).unwrap_or(0.0)
}

fn float_hash(_t: &mut Thread, v: Value) -> Res<i64> {
    Ok(hash_f64(this(v)).unwrap_or_else(|| proto::identity_hash(v)))
}

/// Calls `f` with the locale that the type `n` of a format specification asks for; any other takes C's.
pub(crate) fn with_locale<R>(spec: &[u8], f: impl FnOnce(&Locale<'_>) -> R) -> R {
    if spec.last() != Some(&b'n') {
        return f(&Locale::C);
    }
    let copy = |p: *const libc::c_char| {
        if p.is_null() {
            return Vec::new();
        }
        // SAFETY: a string of the C library's, which lasts until the locale changes; it is copied at once.
        unsafe { std::ffi::CStr::from_ptr(p) }.to_bytes().to_vec()
    };
    // SAFETY: `localeconv` gives a static struct.
    let (point, thousands, grouping) = unsafe {
        let l = &*libc::localeconv();
        (
            copy(l.decimal_point),
            copy(l.thousands_sep),
            copy(l.grouping),
        )
    };
    let valid = |b: &[u8]| std::str::from_utf8(b).is_ok();
    if !valid(&point) || !valid(&thousands) {
        return f(&Locale::C);
    }
    f(&Locale {
        decimal_point: &point,
        thousands_sep: &thousands,
        grouping: &grouping,
    })
}

const BINARY: &[(BinOp, crate::slots::BinaryFn)] = &[
    (BinOp::Add, float_add),
    (BinOp::Sub, float_sub),
    (BinOp::Mul, float_mul),
    (BinOp::TrueDiv, float_truediv),
    (BinOp::FloorDiv, float_floordiv),
    (BinOp::Mod, float_mod),
    (BinOp::DivMod, float_divmod),
    (BinOp::Pow, float_pow_op),
];

/// `float`
pub static FLOAT: Type = Type::builtin(
    "float",
    size_of::<FloatObj>(),
    &Spec {
        new: Some(float_new),
        repr: Some(float_str),
        hash: Some(float_hash),
        compare: Some(float_compare),
        truth: Some(|_, v| Ok(this(v) != 0.0)),
        neg: Some(|t, v| Ok(from_f64(t, -this(v)))),
        pos: Some(|t, v| Ok(exact(t, v))),
        abs: Some(|t, v| Ok(from_f64(t, this(v).abs()))),
        int: Some(|t, v| float_to_int(t, this(v))),
        float: Some(|t, v| Ok(exact(t, v))),
        binary: BINARY,
        pow3: Some(float_pow3),
        methods: methods::METHODS,
        getset: methods::GETSET,
        ..Spec::EMPTY
    },
)
.flags(type_flags::MATCH_SELF)
.doc("Convert a string or number to a floating-point number, if possible.")
.signature("(x=0, /)");
