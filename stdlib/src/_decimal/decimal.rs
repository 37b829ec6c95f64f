//! `Decimal`

use super::context::{self, Context};
use super::convert::{self, Arg, number, required};
use super::num::status::INVALID_OPERATION;
use super::num::{Ctx, Kind, Num, Round};
use super::{arith, format, other, text, trans};
use weft_objects::prelude::*;
use weft_objects::runtime::Global;
use weft_objects::types::alloc_instance;
use weft_objects::{float, int};

/// `decimal.Decimal`. The number never changes.
#[repr(C)]
pub struct Decimal {
    header: Header,
    num: Num,
}

/// The number, if it is a `Decimal`.
#[inline(always)]
pub fn of<'a>(v: Value) -> Option<&'a Num> {
    cast::<Decimal>(v, &DECIMAL).map(|d| &d.num)
}

#[inline(always)]
fn this<'a>(v: Value) -> &'a Num {
    // SAFETY: slots and methods of DECIMAL get its instances alone.
    unsafe { &(*(v.ptr() as *const Decimal)).num }
}

/// A new object.
#[inline]
pub fn make(t: &Thread, n: Num) -> Value {
    // SAFETY: a new object of this type, whose only field is written at once.
    unsafe {
        let p = t.alloc_uninit(&DECIMAL.head, size_of::<Decimal>(), true) as *mut Decimal;
        (&raw mut (*p).num).write(n);
        Value::from_ptr(p as *const Header)
    }
}

/// A new object of a class.
fn make_as(t: &Thread, cls: Value, n: Num) -> Value {
    let cls = Type::of_unchecked(cls);
    if cls.is(&DECIMAL) {
        return make(t, n);
    }
    let p = alloc_instance(t, cls) as *mut Decimal;
    // SAFETY: a new instance of a subclass.
    unsafe { (&raw mut (*p).num).write(n) };
    Value::from_ptr(p as *const Header)
}

unsafe fn clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object, whose number is replaced by one without memory of its own.
    unsafe {
        let d = &mut *(h as *mut Decimal);
        d.num.coef = super::coef::ZERO;
    }
}

/// The object itself, if it is a plain one; else a plain one like it.
fn plain(t: &Thread, v: Value) -> Res {
    match cast_exact::<Decimal>(v, &DECIMAL) {
        Some(_) => Ok(Obj::new(t, v).into()),
        None => Ok(make(t, this(v).clone())),
    }
}

// --- making ---

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("Decimal", "(value='0', context=None)");
    let a = SIG.bind(t, args)?;
    let env = context::given(t, a[1])?;
    if a[0].is_null() {
        return Ok(make_as(t, cls, Num::zero(false, 0)));
    }
    if Type::of_unchecked(cls).is(&DECIMAL) && cast_exact::<Decimal>(a[0], &DECIMAL).is_some() {
        return Ok(Obj::new(t, a[0]).into());
    }
    let n = convert::exact(t, a[0], Context::this(env.value()))?;
    Ok(make_as(t, cls, n))
}

/// An instance of `cls`, which is called unless it is `Decimal` itself.
fn wrap(t: &mut Thread, cls: Value, n: Num) -> Res {
    let made = make(t, n);
    if Type::of_unchecked(cls).is(&DECIMAL) {
        return Ok(made);
    }
    let made = Obj::own(made);
    proto::call(t, cls, &[made.value()]).map(Obj::into_value)
}

fn from_float(t: &mut Thread, a: &[Value]) -> Res {
    let n = match convert::from_int(a[1]) {
        Some(n) => n,
        None => match float::as_f64(a[1]) {
            Some(x) => convert::from_f64(x),
            None => return Err(t.type_error("argument must be int or float".into())),
        },
    };
    wrap(t, a[0], n)
}

fn from_number(t: &mut Thread, a: &[Value]) -> Res {
    let n = match (number(a[1]), float::as_f64(a[1])) {
        (Some(n), _) => (*n).clone(),
        (None, Some(x)) => convert::from_f64(x),
        (None, None) => {
            let shown = text_of(t, a[1])?;
            return Err(t.type_error(format!("Cannot convert {shown} to Decimal")));
        }
    };
    wrap(t, a[0], n)
}

fn text_of(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::this(r.value()).to_string_lossy())
}

// --- operators ---

/// What `f` makes of both operands; NotImplemented of others than decimals and ints.
#[inline(always)]
fn binary(t: &mut Thread, a: Value, b: Value, f: fn(&Num, &Num, &mut Ctx) -> Num) -> Res {
    let (Some(x), Some(y)) = (number(a), number(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let env = context::current(t)?;
    let env = Context::this(env.value());
    let mut c = env.rules();
    let r = f(&x, &y, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn divmod(t: &mut Thread, a: Value, b: Value) -> Res {
    let (Some(x), Some(y)) = (number(a), number(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let env = context::current(t)?;
    divmod_in(t, &x, &y, Context::this(env.value()))
}

pub fn divmod_in(t: &Thread, x: &Num, y: &Num, env: &Context) -> Res {
    let mut c = env.rules();
    let (q, r) = arith::divmod(x, y, &mut c);
    env.signal(t, c.status)?;
    let (q, r) = (Obj::own(make(t, q)), Obj::own(make(t, r)));
    Ok(Tuple::pair(t, q, r).into())
}

fn pow3(t: &mut Thread, a: Value, b: Value, m: Value) -> Res {
    if m.is_none() || m.is_null() {
        return binary(t, a, b, trans::pow);
    }
    let (Some(x), Some(y), Some(m)) = (number(a), number(b), number(m)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let env = context::current(t)?;
    let env = Context::this(env.value());
    let mut c = env.rules();
    let r = trans::pow_mod(&x, &y, &m, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn unary(t: &mut Thread, a: Value, f: fn(&Num, &mut Ctx) -> Num) -> Res {
    let env = context::current(t)?;
    let env = Context::this(env.value());
    let mut c = env.rules();
    let r = f(this(a), &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

/// `+a`, rounded; a zero is positive but for ROUND_FLOOR.
pub fn plus(a: &Num, c: &mut Ctx) -> Num {
    signed(a, a.neg, c)
}

/// `-a`, rounded.
pub fn minus(a: &Num, c: &mut Ctx) -> Num {
    signed(a, !a.neg, c)
}

fn signed(a: &Num, neg: bool, c: &mut Ctx) -> Num {
    if let Some(n) = super::num::nans(&[a], c) {
        return n;
    }
    // As `0 + a` and `0 - a`: of zeros, a negative one remains in ROUND_FLOOR alone.
    let neg = neg && (!a.is_zero() || c.round == Round::Floor);
    a.with_sign(neg).finish(c)
}

/// The absolute value, rounded.
pub fn abs(a: &Num, c: &mut Ctx) -> Num {
    match a.neg {
        true => minus(a, c),
        false => plus(a, c),
    }
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if let (Some(x), Some(y)) = (of(a), of(b))
        && x.kind == Kind::Finite
        && y.kind == Kind::Finite
    {
        return Ok(Value::bool(op.of(arith::order(x, y))));
    }
    let env = context::current(t)?;
    let env = Context::this(env.value());
    let Some((x, y)) = convert::comparable(t, this(a), b, op, env)? else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if x.is_nan() || y.is_nan() {
        let equality = matches!(op, CmpOp::Eq | CmpOp::Ne);
        if !equality || x.is_snan() || y.is_snan() {
            env.signal(t, INVALID_OPERATION)?;
        }
        return Ok(Value::bool(op == CmpOp::Ne));
    }
    Ok(Value::bool(op.of(arith::order(&x, &y))))
}

// --- text ---

fn written(t: &mut Thread, n: &Num, eng: bool, env: Value) -> Res {
    let env = context::given(t, env)?;
    let capitals = Context::this(env.value()).capitals();
    Ok(shown(t, n, eng, capitals))
}

/// A str of the number.
pub fn shown(t: &Thread, n: &Num, eng: bool, capitals: bool) -> Value {
    let mut out = Vec::with_capacity(48);
    text::write(n, eng, capitals, &mut out);
    match Str::ascii_filled(t, out.len(), |room| room.copy_from_slice(&out)) {
        Some(s) => s.into(),
        None => Str::from_vec(t, out).into(),
    }
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let env = context::current(t)?;
    let capitals = Context::this(env.value()).capitals();
    let mut out = b"Decimal('".to_vec();
    text::write(this(v), false, capitals, &mut out);
    out.extend_from_slice(b"')");
    Ok(Str::from_vec(t, out).into())
}

// --- numbers ---

fn to_int(t: &mut Thread, v: Value, round: Round) -> Res {
    let n = this(v);
    convert::check_finite(t, n, "integer")?;
    let mut c = Ctx::max();
    c.round = round;
    let whole = arith::to_integral(n, false, &mut c);
    convert::to_int(t, &whole)
}

fn round(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_null() || a[1].is_none() {
        return to_int(t, a[0], Round::HalfEven);
    }
    if !int::is_int(a[1]) {
        return Err(t.type_error("optional arg must be an integer".into()));
    }
    let Some(n) = int::as_i64(a[1]) else {
        return Err(t.overflow_error("Python int too large to convert to C ssize_t"));
    };
    let env = context::current(t)?;
    let env = Context::this(env.value());
    let mut c = env.rules();
    let unit = Num::new(false, super::coef::ONE, n.checked_neg().unwrap_or(i64::MAX));
    let r = arith::quantize(this(a[0]), &unit, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn complex(t: &mut Thread, a: &[Value]) -> Res {
    let x = convert::to_f64(t, this(a[0]))?;
    Ok(weft_objects::complex::from_parts(t, x, 0.0))
}

/// `decimal.DecimalTuple`, a named tuple.
pub static DECIMAL_TUPLE: Global = Global::new();

fn as_tuple(t: &mut Thread, a: &[Value]) -> Res {
    let n = this(a[0]);
    let digits = match n.kind {
        Kind::Infinite => vec![b'0'],
        Kind::Quiet | Kind::Signaling if n.coef.is_zero() => Vec::new(),
        _ => n.coef.text(),
    };
    let digits = digits
        .iter()
        .map(|d| Obj::own(Value::int(i64::from(d - b'0'))));
    let digits = digits.collect();
    let digits = Tuple::from_vec(t, digits);
    let exp = match n.kind {
        Kind::Finite => Obj::own(int::from_i64(t, n.exp)),
        Kind::Infinite => Str::intern(t, "F"),
        Kind::Quiet => Str::intern(t, "n"),
        Kind::Signaling => Str::intern(t, "N"),
    };
    let sign = Value::int(n.neg.into());
    match DECIMAL_TUPLE.get() {
        Some(class) => {
            proto::call(t, class, &[sign, digits.value(), exp.value()]).map(Obj::into_value)
        }
        None => Ok(Tuple::from_slice(t, &[sign, digits.value(), exp.value()]).into()),
    }
}

fn as_integer_ratio(t: &mut Thread, a: &[Value]) -> Res {
    let (num, den) = convert::ratio(t, this(a[0]))?;
    Ok(Tuple::pair(t, Obj::own(num), Obj::own(den)).into())
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let text = proto::str(t, a[0])?;
    let args = Tuple::from_array(t, [text]);
    let class = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::pair(t, class, args).into())
}

fn size(_t: &mut Thread, a: &[Value]) -> Res {
    let more = match &this(a[0]).coef {
        super::coef::Coef::Small(_) => 0,
        super::coef::Coef::Big(v) => v.len() * 8,
    };
    Ok(Value::int((size_of::<Decimal>() + more) as i64))
}

// --- methods ---

fn one(t: &mut Thread, a: &[Value], f: fn(&Num, &mut Ctx) -> Num) -> Res {
    let env = context::given(t, a[1])?;
    let env = Context::this(env.value());
    let mut c = env.rules();
    let r = f(this(a[0]), &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn two(t: &mut Thread, a: &[Value], f: fn(&Num, &Num, &mut Ctx) -> Num) -> Res {
    let env = context::given(t, a[2])?;
    let env = Context::this(env.value());
    let other = required(t, a[1])?;
    let mut c = env.rules();
    let r = f(this(a[0]), &other, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn fma(t: &mut Thread, a: &[Value]) -> Res {
    let env = context::given(t, a[3])?;
    let env = Context::this(env.value());
    let (b, d): (Arg, Arg) = (required(t, a[1])?, required(t, a[2])?);
    let mut c = env.rules();
    let r = arith::fma(this(a[0]), &b, &d, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

/// The rules of a context, with another rounding if there is an argument for it.
fn rules_for(t: &mut Thread, env: &Context, rounding: Value) -> Res<Ctx> {
    let mut c = env.rules();
    if !rounding.is_null() && !rounding.is_none() {
        c.round = context::rounding(t, rounding)?;
    }
    Ok(c)
}

fn quantize(t: &mut Thread, a: &[Value]) -> Res {
    let env = context::given(t, a[3])?;
    let env = Context::this(env.value());
    let mut c = rules_for(t, env, a[2])?;
    let unit = required(t, a[1])?;
    let r = arith::quantize(this(a[0]), &unit, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn to_integral(t: &mut Thread, a: &[Value], exact: bool) -> Res {
    let env = context::given(t, a[2])?;
    let env = Context::this(env.value());
    let mut c = rules_for(t, env, a[1])?;
    let r = arith::to_integral(this(a[0]), exact, &mut c);
    env.signal(t, c.status)?;
    Ok(make(t, r))
}

fn says(b: bool) -> Res {
    Ok(Value::bool(b))
}

fn is_normal(t: &mut Thread, a: &[Value], normal: bool) -> Res {
    let env = context::given(t, a[1])?;
    let emin = Context::this(env.value()).rules().emin;
    let n = this(a[0]);
    let finite = n.is_finite() && !n.coef.is_zero();
    says(finite && (n.adjusted() >= emin) == normal)
}

fn number_class(t: &mut Thread, a: &[Value]) -> Res {
    let env = context::given(t, a[1])?;
    let rules = Context::this(env.value()).rules();
    Ok(Str::intern(t, other::number_class(this(a[0]), &rules)).into())
}

fn same_quantum(t: &mut Thread, a: &[Value]) -> Res {
    context::given(t, a[2])?;
    let b = required(t, a[1])?;
    says(other::same_quantum(this(a[0]), &b))
}

const ONE: &str = "($self, /, context=None)";
const TWO: &str = "($self, /, other, context=None)";
const ALONE: &str = "($self, /)";
const INTEGRAL: &str = "($self, /, rounding=None, context=None)";

static METHODS: &[NativeDef] = &[
    NativeDef::new("exp", ONE, |t, a| one(t, a, trans::exp)),
    NativeDef::new("ln", ONE, |t, a| one(t, a, trans::ln)),
    NativeDef::new("log10", ONE, |t, a| one(t, a, trans::log10)),
    NativeDef::new("logb", ONE, |t, a| one(t, a, other::logb)),
    NativeDef::new("logical_invert", ONE, |t, a| {
        one(t, a, other::logical_invert)
    }),
    NativeDef::new("next_minus", ONE, |t, a| {
        one(t, a, |x, c| other::next(x, false, c))
    }),
    NativeDef::new("next_plus", ONE, |t, a| {
        one(t, a, |x, c| other::next(x, true, c))
    }),
    NativeDef::new("normalize", ONE, |t, a| one(t, a, arith::normalize)),
    NativeDef::new("sqrt", ONE, |t, a| one(t, a, arith::sqrt)),
    NativeDef::new("is_normal", ONE, |t, a| is_normal(t, a, true)),
    NativeDef::new("is_subnormal", ONE, |t, a| is_normal(t, a, false)),
    NativeDef::new("number_class", ONE, number_class),
    NativeDef::new("to_eng_string", ONE, |t, a| {
        written(t, this(a[0]), true, a[1])
    }),
    NativeDef::new("compare", TWO, |t, a| {
        two(t, a, |x, y, c| other::compare(x, y, false, c))
    }),
    NativeDef::new("compare_signal", TWO, |t, a| {
        two(t, a, |x, y, c| other::compare(x, y, true, c))
    }),
    NativeDef::new("compare_total", TWO, |t, a| {
        two(t, a, |x, y, _| other::compare_total(x, y, false))
    }),
    NativeDef::new("compare_total_mag", TWO, |t, a| {
        two(t, a, |x, y, _| other::compare_total(x, y, true))
    }),
    NativeDef::new("copy_sign", TWO, |t, a| {
        two(t, a, |x, y, _| x.with_sign(y.neg))
    }),
    NativeDef::new("logical_and", TWO, |t, a| {
        two(t, a, |x, y, c| other::logical(x, y, |p, q| p & q, c))
    }),
    NativeDef::new("logical_or", TWO, |t, a| {
        two(t, a, |x, y, c| other::logical(x, y, |p, q| p | q, c))
    }),
    NativeDef::new("logical_xor", TWO, |t, a| {
        two(t, a, |x, y, c| other::logical(x, y, |p, q| p ^ q, c))
    }),
    NativeDef::new("max", TWO, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, true, false, c))
    }),
    NativeDef::new("max_mag", TWO, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, true, true, c))
    }),
    NativeDef::new("min", TWO, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, false, false, c))
    }),
    NativeDef::new("min_mag", TWO, |t, a| {
        two(t, a, |x, y, c| other::extreme(x, y, false, true, c))
    }),
    NativeDef::new("next_toward", TWO, |t, a| two(t, a, other::next_toward)),
    NativeDef::new("remainder_near", TWO, |t, a| two(t, a, arith::rem_near)),
    NativeDef::new("rotate", TWO, |t, a| two(t, a, other::rotate)),
    NativeDef::new("same_quantum", TWO, same_quantum),
    NativeDef::new("scaleb", TWO, |t, a| two(t, a, other::scaleb)),
    NativeDef::new("shift", TWO, |t, a| two(t, a, other::shift)),
    NativeDef::new("fma", "($self, /, other, third, context=None)", fma),
    NativeDef::new(
        "quantize",
        "($self, /, exp, rounding=None, context=None)",
        quantize,
    ),
    NativeDef::new("to_integral", INTEGRAL, |t, a| to_integral(t, a, false)),
    NativeDef::new("to_integral_exact", INTEGRAL, |t, a| {
        to_integral(t, a, true)
    }),
    NativeDef::new("to_integral_value", INTEGRAL, |t, a| {
        to_integral(t, a, false)
    }),
    NativeDef::new("adjusted", ALONE, |t, a| {
        let n = this(a[0]);
        Ok(int::from_i64(
            t,
            if n.is_special() { 0 } else { n.adjusted() },
        ))
    }),
    NativeDef::new("as_integer_ratio", ALONE, as_integer_ratio),
    NativeDef::new("as_tuple", ALONE, as_tuple),
    NativeDef::new("canonical", ALONE, |t, a| plain(t, a[0])),
    NativeDef::new("conjugate", ALONE, |t, a| plain(t, a[0])),
    NativeDef::new("copy_abs", ALONE, |t, a| Ok(make(t, this(a[0]).abs()))),
    NativeDef::new("copy_negate", ALONE, |t, a| {
        let n = this(a[0]);
        Ok(make(t, n.with_sign(!n.neg)))
    }),
    NativeDef::new("is_canonical", ALONE, |_, _| says(true)),
    NativeDef::new("is_finite", ALONE, |_, a| says(this(a[0]).is_finite())),
    NativeDef::new("is_infinite", ALONE, |_, a| says(this(a[0]).is_infinite())),
    NativeDef::new("is_nan", ALONE, |_, a| says(this(a[0]).is_nan())),
    NativeDef::new("is_qnan", ALONE, |_, a| {
        says(this(a[0]).kind == Kind::Quiet)
    }),
    NativeDef::new("is_signed", ALONE, |_, a| says(this(a[0]).neg)),
    NativeDef::new("is_snan", ALONE, |_, a| says(this(a[0]).is_snan())),
    NativeDef::new("is_zero", ALONE, |_, a| says(this(a[0]).is_zero())),
    NativeDef::new("radix", ALONE, |t, _| Ok(make(t, Num::from_i64(10)))),
    NativeDef::class("from_float", "($type, f, /)", from_float),
    NativeDef::class("from_number", "($type, number, /)", from_number),
    NativeDef::new("__copy__", ALONE, |t, a| Ok(Obj::new(t, a[0]).into())),
    NativeDef::new("__deepcopy__", "($self, object, /)", |t, a| {
        Ok(Obj::new(t, a[0]).into())
    }),
    NativeDef::new("__reduce__", ALONE, reduce),
    NativeDef::new("__complex__", ALONE, complex),
    NativeDef::new("__format__", "($self, fmtarg, override=None, /)", |t, a| {
        format::format(t, this(a[0]), a[1], a[2])
    }),
    NativeDef::new("__round__", "($self, ndigits=None, /)", round),
    NativeDef::new("__trunc__", ALONE, |t, a| to_int(t, a[0], Round::Down)),
    NativeDef::new("__floor__", ALONE, |t, a| to_int(t, a[0], Round::Floor)),
    NativeDef::new("__ceil__", ALONE, |t, a| to_int(t, a[0], Round::Ceiling)),
    NativeDef::new("__sizeof__", ALONE, size),
];

/// `decimal.Decimal`
pub static DECIMAL: Type = Type::builtin(
    "Decimal",
    size_of::<Decimal>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        str: Some(|t, v| written(t, this(v), false, Value::NULL)),
        hash: Some(|t, v| convert::hash(t, v, this(v))),
        compare: Some(compare),
        truth: Some(|_, v| Ok(!this(v).is_zero())),
        neg: Some(|t, v| unary(t, v, minus)),
        pos: Some(|t, v| unary(t, v, plus)),
        abs: Some(|t, v| unary(t, v, abs)),
        int: Some(|t, v| to_int(t, v, Round::Down)),
        float: Some(|t, v| {
            let x = convert::to_f64(t, this(v))?;
            Ok(float::from_f64(t, x))
        }),
        pow3: Some(pow3),
        binary: &[
            (BinOp::Add, |t, a, b| binary(t, a, b, arith::add)),
            (BinOp::Sub, |t, a, b| binary(t, a, b, arith::sub)),
            (BinOp::Mul, |t, a, b| binary(t, a, b, arith::mul)),
            (BinOp::TrueDiv, |t, a, b| binary(t, a, b, arith::div)),
            (BinOp::FloorDiv, |t, a, b| binary(t, a, b, arith::floor_div)),
            (BinOp::Mod, |t, a, b| binary(t, a, b, arith::rem)),
            (BinOp::Pow, |t, a, b| binary(t, a, b, trans::pow)),
            (BinOp::DivMod, divmod),
        ],
        methods: METHODS,
        getset: &[
            GetSetDef::ro("real", |t, v| plain(t, v)),
            GetSetDef::ro("imag", |t, _| Ok(make(t, Num::zero(false, 0)))),
        ],
        ..Spec::EMPTY
    },
)
.module("decimal")
.clear_only(clear)
.signature("(value='0', context=None)")
.doc("Construct a new Decimal object. 'value' can be an integer, string, tuple,\nor another Decimal object. If no value is given, return Decimal('0'). The\ncontext does not affect the conversion and is only passed to determine if\nthe InvalidOperation trap is active.");
