//! `int` and `bool`.
//!
//! Ints of 63 bits lie in the word, bools are constants; the rest, and all instances of subclasses, are [`BigIntObj`]s. Those of up to
//! 128 bits hold the number itself, and a `BigInt` of it only once somebody has asked for one.

mod methods;
pub mod ops;

pub use ops::*;

use crate::bytes::{BYTES, Bytes};
use crate::float;
use crate::prelude::*;
use crate::str::text_error;
use crate::text::hash::{hash_bigint, hash_i64};
use crate::text::int::{IntRef, int_str, parse_int, parse_int_bytes};
use crate::text::{self, TextResult};
use crate::types::{alloc_instance, type_flags};
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// An int that does not fit in the word, or an instance of a subclass of `int`.
#[repr(C)]
pub struct BigIntObj {
    pub header: Header,
    /// The number, if `is_wide`.
    wide: i128,
    /// The number, if it does not fit above, or has been asked for.
    big: OnceLock<BigInt>,
    /// Whether the number fits 128 bits.
    is_wide: bool,
}

impl BigIntObj {
    /// Writes the fields of a new object.
    ///
    /// # Safety
    /// `p` is an object of this layout that is just being made.
    #[inline(always)]
    unsafe fn write(p: *mut BigIntObj, n: Result<i128, BigInt>) {
        // SAFETY: nobody else knows the object yet.
        unsafe {
            (&raw mut (*p).is_wide).write(n.is_ok());
            let (wide, big) = match n {
                Ok(n) => (n, OnceLock::new()),
                Err(n) => (0, OnceLock::from(n)),
            };
            (&raw mut (*p).wide).write(wide);
            (&raw mut (*p).big).write(big);
        }
    }

    #[inline(always)]
    fn wide(&self) -> Option<i128> {
        self.is_wide.then_some(self.wide)
    }

    #[inline(always)]
    fn big(&self) -> &BigInt {
        match self.big.get() {
            Some(n) => n,
            None => self.make_big(),
        }
    }

    #[cold]
    fn make_big(&self) -> &BigInt {
        self.big.get_or_init(|| self.wide.into())
    }
}

/// Reading ints: see [`Int::of`].
pub struct Int;

impl Int {
    /// The int behind a value of type int, bool or a subclass: `Small` whenever it fits 64 bits.
    #[inline]
    pub fn of<'a>(v: Value) -> Option<IntRef<'a>> {
        if v.is_int() {
            return Some(IntRef::Small(v.as_int()));
        }
        if v.is_bool() {
            return Some(IntRef::Small((v == Value::TRUE).into()));
        }
        let n = cast::<BigIntObj>(v, &INT)?;
        if let Some(w) = n.wide()
            && let Ok(i) = i64::try_from(w)
        {
            return Some(IntRef::Small(i));
        }
        Some(IntRef::Big(n.big()))
    }

    /// The int behind such a value, if it fits 128 bits.
    #[inline(always)]
    pub fn wide(v: Value) -> Option<i128> {
        if v.is_int() {
            return Some(v.as_int().into());
        }
        match cast_exact::<BigIntObj>(v, &INT) {
            Some(n) => n.wide(),
            None => Self::wide_rare(v),
        }
    }

    #[cold]
    fn wide_rare(v: Value) -> Option<i128> {
        if v.is_bool() {
            return Some((v == Value::TRUE).into());
        }
        cast::<BigIntObj>(v, &INT)?.wide()
    }
}

/// `sys.get_int_max_str_digits()`; 0 for no limit.
static MAX_STR_DIGITS: AtomicUsize = AtomicUsize::new(4300);

/// The limit of conversions between ints and decimal text; 0 for none.
pub fn max_str_digits() -> usize {
    MAX_STR_DIGITS.load(Relaxed)
}

/// Sets the limit.
pub fn set_max_str_digits(n: usize) {
    MAX_STR_DIGITS.store(n, Relaxed);
}

/// An int object.
#[inline(always)]
pub fn from_i64(t: &Thread, i: i64) -> Value {
    match Value::try_int(i) {
        Some(v) => v,
        None => alloc_wide(t, i.into()),
    }
}

/// An int object.
#[inline]
pub fn from_u64(t: &Thread, n: u64) -> Value {
    match i64::try_from(n) {
        Ok(i) => from_i64(t, i),
        Err(_) => alloc_wide(t, n.into()),
    }
}

/// An int object.
#[inline]
pub fn from_usize(t: &Thread, n: usize) -> Value {
    from_u64(t, n as u64)
}

/// An int object.
#[inline]
pub fn from_i128(t: &Thread, n: i128) -> Value {
    match i64::try_from(n) {
        Ok(i) => from_i64(t, i),
        Err(_) => alloc_wide(t, n),
    }
}

/// An int object.
#[inline]
pub fn from_bigint(t: &Thread, n: BigInt) -> Value {
    match n.to_i128() {
        Some(n) => from_i128(t, n),
        None => alloc_big(t, n),
    }
}

/// An int object from what the text routines give.
#[inline]
pub fn from_text_int(t: &Thread, n: text::Int) -> Value {
    match n {
        text::Int::Small(i) => from_i64(t, i),
        text::Int::Big(n) => from_bigint(t, n),
    }
}

#[inline(never)]
fn alloc_big(t: &Thread, n: BigInt) -> Value {
    // SAFETY: a new object of this type, whose fields are written before anything else happens.
    unsafe {
        let p = t.alloc_uninit(&INT.head, size_of::<BigIntObj>(), true) as *mut BigIntObj;
        BigIntObj::write(p, Err(n));
        Value::from_ptr(p as *const Header)
    }
}

#[inline]
fn alloc_wide(t: &Thread, n: i128) -> Value {
    // SAFETY: as in `alloc_big`.
    unsafe {
        let p = t.alloc_uninit(&INT.head, size_of::<BigIntObj>(), true) as *mut BigIntObj;
        BigIntObj::write(p, Ok(n));
        Value::from_ptr(p as *const Header)
    }
}

/// An instance of the subclass `cls` of int.
fn new_instance(t: &Thread, cls: &Type, n: BigInt) -> Value {
    let p = alloc_instance(t, cls) as *mut BigIntObj;
    // SAFETY: instances of subclasses of int start with its layout.
    unsafe { BigIntObj::write(p, n.to_i128().ok_or(n)) };
    Value::from_ptr(p as *const Header)
}

unsafe fn clear_int(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying int, which nobody else can reach.
    unsafe {
        let n = &mut *(h as *mut BigIntObj);
        if n.big.get().is_some() {
            drop(n.big.take());
        }
    }
}

/// Any int, bool or instance of a subclass.
#[inline]
pub fn is_int(v: Value) -> bool {
    v.is_int() || v.is_bool() || (v.is_ptr() && type_of(v).is_subtype(&INT))
}

/// An int of exactly the class `int`.
#[inline]
pub fn is_exact_int(v: Value) -> bool {
    v.is_int() || cast_exact::<BigIntObj>(v, &INT).is_some()
}

/// The int, if `v` is one (bools and subclasses included) that fits.
#[inline]
pub fn as_i64(v: Value) -> Option<i64> {
    if v.is_int() {
        return Some(v.as_int());
    }
    match Int::of(v) {
        Some(IntRef::Small(n)) => Some(n),
        _ => None,
    }
}

/// The int, if `v` is one.
pub fn to_bigint(v: Value) -> Option<BigInt> {
    Some(match Int::of(v)? {
        IntRef::Small(n) => n.into(),
        IntRef::Big(n) => n.clone(),
    })
}

/// Calls `f` with the int, if `v` is one.
pub fn with_bigint<R>(v: Value, f: impl FnOnce(&BigInt) -> R) -> Option<R> {
    Some(match Int::of(v)? {
        IntRef::Small(n) => f(&n.into()),
        IntRef::Big(n) => f(n),
    })
}

/// The same number as an instance of `int` itself; `v` must be an int.
#[inline]
pub(crate) fn exact(t: &Thread, v: Value) -> Value {
    if is_exact_int(v) {
        return to_reg(t, v.bare());
    }
    match Int::of(v) {
        Some(IntRef::Small(n)) => from_i64(t, n),
        Some(IntRef::Big(n)) => from_bigint(t, n.clone()),
        None => to_reg(t, v.bare()),
    }
}

/// A float of moderate size without what is behind its point.
#[inline]
fn truncated(x: f64) -> Option<Value> {
    const FAR: f64 = (1i64 << 53) as f64;
    (-FAR < x && x < FAR).then(|| Value::int(x as i64))
}

/// `int(x)`: an exact int.
///
/// # Errors
/// TypeError for what is no number, ValueError for text that is no int.
pub fn int_from_object(t: &mut Thread, x: Value) -> Res {
    if is_exact_int(x) {
        return Ok(to_reg(t, x.bare()));
    }
    if x.is_float()
        && let Some(n) = truncated(x.as_float())
    {
        return Ok(n);
    }
    let slots = &type_of(x).slots;
    if let Some(f) = slots.int.get() {
        let r = Obj::own(f(t, x)?);
        if !is_int(r.value()) {
            let got = type_of(r.value()).name();
            return Err(t.type_error(format!("__int__ returned non-int (type {got})")));
        }
        if !is_exact_int(r.value()) {
            crate::errors::warn::strict_subclass(t, "__int__", "int", r.value())?;
        }
        return Ok(exact(t, r.value()));
    }
    if slots.index.is_set() {
        let i = proto::index(t, x)?;
        return Ok(exact(t, i.value()));
    }
    match parse(t, x, 10)? {
        Some(v) => Ok(v),
        None => {
            let got = type_of(x).name();
            let msg = format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{got}'"
            );
            Err(t.type_error(msg))
        }
    }
}

/// The int that a str or bytes-like object spells; `None`: it is neither.
fn parse(t: &mut Thread, x: Value, base: u32) -> Res<Option<Value>> {
    let max = max_str_digits();
    let parsed: TextResult<text::Int> = if let Some(s) = Str::of(x) {
        parse_int(s.text(), base, max)
    } else if crate::buffer::is_exporter(x) {
        let bytes = crate::buffer::get_still(t, x)?.to_vec();
        parse_int_bytes(&bytes, base, max)
    } else {
        return Ok(None);
    };
    match parsed {
        Ok(n) => Ok(Some(from_text_int(t, n))),
        Err(e) => Err(text_error(t, e)),
    }
}

fn int_from_text(t: &mut Thread, x: Value, base: Value) -> Res {
    let base = proto::index_clamped(t, base)?;
    if base != 0 && !(2..=36).contains(&base) {
        return Err(t.value_error("int() base must be >= 2 and <= 36, or 0"));
    }
    let text = Str::of(x).is_some()
        || Bytes::of(x).is_some()
        || type_of(x).is_subtype(&crate::bytearray::BYTEARRAY);
    let parsed = if text {
        parse(t, x, base as u32)?
    } else {
        None
    };
    parsed.ok_or_else(|| t.type_error("int() can't convert non-string with explicit base".into()))
}

static NEW: SigCell = SigCell::new("int", "(x=0, /, base=10)");

fn int_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let number = match args.pos() {
        [] if !args.has_keywords() => Value::int(0),
        &[x] if !args.has_keywords() => int_from_object(t, x)?,
        _ => int_with_keywords(t, args)?,
    };
    let cls = Type::of_unchecked(cls);
    if cls.is(&INT) {
        return Ok(number);
    }
    let number = Obj::own(number);
    if cls.is(&BOOL) {
        return Err(t.type_error("int.__new__(bool) is not safe, use bool.__new__()".into()));
    }
    Ok(new_instance(
        t,
        cls,
        to_bigint(number.value()).unwrap_or_default(),
    ))
}

#[cold]
fn int_with_keywords(t: &mut Thread, args: Args<'_>) -> Res {
    if let ([x, base], false) = (args.pos(), args.has_keywords()) {
        return int_from_text(t, *x, *base);
    }
    let a = NEW.bind(t, args)?;
    match (a[0].is_null(), a[1].is_null()) {
        (true, true) => Ok(Value::int(0)),
        (true, false) => Err(t.type_error("int() missing string argument".into())),
        (false, true) => int_from_object(t, a[0]),
        (false, false) => int_from_text(t, a[0], a[1]),
    }
}

fn int_repr(t: &mut Thread, v: Value) -> Res {
    if v.is_int() {
        return Ok(Str::from_i64(t, v.as_int()).into());
    }
    if let Some(n) = Int::wide(v) {
        return Ok(Str::from_string(t, n.to_string()).into());
    }
    let Some(n) = Int::of(v) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    match int_str(n, max_str_digits()) {
        Ok(s) => Ok(Str::from_string(t, s).into()),
        Err(e) => Err(text_error(t, e)),
    }
}

fn int_hash(_t: &mut Thread, v: Value) -> Res<i64> {
    Ok(match Int::of(v) {
        Some(IntRef::Small(n)) => hash_i64(n),
        Some(IntRef::Big(n)) => hash_bigint(n),
        None => 0,
    })
}

fn int_exact(t: &mut Thread, v: Value) -> Res {
    Ok(exact(t, v))
}

const BINARY: &[(BinOp, crate::slots::BinaryFn)] = &[
    (BinOp::Add, int_add),
    (BinOp::Sub, int_sub),
    (BinOp::Mul, int_mul),
    (BinOp::TrueDiv, int_truediv),
    (BinOp::FloorDiv, int_floordiv),
    (BinOp::Mod, int_mod),
    (BinOp::DivMod, int_divmod),
    (BinOp::Pow, int_pow),
    (BinOp::LShift, int_lshift),
    (BinOp::RShift, int_rshift),
    (BinOp::And, int_and),
    (BinOp::Or, int_or),
    (BinOp::Xor, int_xor),
];

const INT_DOC: &str = "int([x]) -> integer
int(x, base=10) -> integer

Convert a number or string to an integer, or return 0 if no arguments
are given.  If x is a number, return x.__int__().  For floating-point
numbers, this truncates towards zero.

If x is not a number or if base is given, then x must be a string,
bytes, or bytearray instance representing an integer literal in the
given base.  The literal can be preceded by '+' or '-' and be surrounded
by whitespace.  The base defaults to 10.  Valid bases are 0 and 2-36.
Base 0 means to interpret the base from the string as an integer literal.
>>> int('0b100', base=0)
4";

/// The fixed part of the objects of a class of ints, as `__basicsize__` says it: CPython's for ints themselves.
pub fn basic_size(ty: &Type) -> u32 {
    let own = |ty: &Type| {
        ty.head
            .basic_size
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    own(ty) - own(&INT) + 24
}

/// `int`
pub static INT: Type = Type::builtin(
    "int",
    size_of::<BigIntObj>(),
    &Spec {
        new: Some(int_new),
        repr: Some(int_repr),
        hash: Some(int_hash),
        compare: Some(int_compare),
        truth: Some(int_truth),
        neg: Some(int_neg),
        pos: Some(int_exact),
        abs: Some(int_abs),
        invert: Some(int_invert),
        int: Some(int_exact),
        index: Some(int_exact),
        float: Some(int_float),
        binary: BINARY,
        pow3: Some(int_pow3),
        methods: methods::METHODS,
        getset: methods::GETSET,
        ..Spec::EMPTY
    },
)
.clear_only(clear_int)
.flags(type_flags::MATCH_SELF | type_flags::VAR_SIZED)
.doc(INT_DOC);

static BOOL_NEW: SigCell = SigCell::new("bool", "(object=False, /)");

fn bool_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    let v = match (args.pos(), args.has_keywords()) {
        ([one], false) => *one,
        _ => BOOL_NEW.bind(t, args)?[0],
    };
    Ok(Value::bool(!v.is_null() && proto::truth(t, v)?))
}

fn bool_repr(t: &mut Thread, v: Value) -> Res {
    Ok(Str::intern(t, if v == Value::TRUE { "True" } else { "False" }).into())
}

/// `&`, `|` and `^` of two bools are bools.
macro_rules! bool_op {
    ($name:ident, $op:tt, $int:ident) => {
        fn $name(t: &mut Thread, a: Value, b: Value) -> Res {
            if a.is_bool() && b.is_bool() {
                return Ok(Value::bool((a == Value::TRUE) $op (b == Value::TRUE)));
            }
            $int(t, a, b)
        }
    };
}

#[cold]
fn bool_invert(t: &mut Thread, v: Value) -> Res {
    let msg = "Bitwise inversion '~' on bool is deprecated and will be removed in Python 3.16. This returns the bitwise inversion of the underlying int object and is usually not what you expect from negating a bool. Use the 'not' operator for boolean negation or ~int(x) if you really want the bitwise inversion of the underlying int.";
    crate::errors::warn::deprecated(t, msg)?;
    int_invert(t, v)
}

bool_op!(bool_and, &, int_and);
bool_op!(bool_or, |, int_or);
bool_op!(bool_xor, ^, int_xor);

/// `bool`
pub static BOOL: Type = Type::builtin(
    "bool",
    size_of::<BigIntObj>(),
    &Spec {
        new: Some(bool_new),
        repr: Some(bool_repr),
        invert: Some(bool_invert),
        binary: &[
            (BinOp::And, bool_and),
            (BinOp::Or, bool_or),
            (BinOp::Xor, bool_xor),
        ],
        ..Spec::EMPTY
    },
)
.base(&INT)
.final_()
.flags(type_flags::MATCH_SELF)
.doc(
    "Returns True when the argument is true, False otherwise.
The builtins True and False are the only two instances of the class bool.
The class bool is a subclass of the class int, and cannot be subclassed.",
)
.signature("(object=False, /)");
