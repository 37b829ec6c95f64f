//! `complex`.

pub mod arith;

pub use arith::Complex;

use crate::float;
use crate::prelude::*;
use crate::str::text_error;
use crate::text::float::{complex_repr, parse_complex};
use crate::text::format::format_complex;
use crate::text::hash::{combine_complex, hash_f64};
use crate::types::alloc_instance;
use std::cmp::Ordering;

/// A complex number.
#[repr(C)]
pub struct ComplexObj {
    pub header: Header,
    pub re: f64,
    pub im: f64,
}

/// A complex object.
pub fn from_parts(t: &Thread, re: f64, im: f64) -> Value {
    // SAFETY: a new object of this type, whose fields are written before anything else happens.
    unsafe {
        let p = t.alloc(&COMPLEX.head, size_of::<ComplexObj>()) as *mut ComplexObj;
        (*p).re = re;
        (*p).im = im;
        Value::from_ptr(p as *const Header)
    }
}

/// An instance of `cls`, which is `complex` or a subclass.
fn new_instance(t: &Thread, cls: &Type, z: Complex) -> Value {
    if cls.is(&COMPLEX) {
        return from_parts(t, z.0, z.1);
    }
    let p = alloc_instance(t, cls) as *mut ComplexObj;
    // SAFETY: instances of subclasses of complex start with its layout.
    unsafe {
        (*p).re = z.0;
        (*p).im = z.1;
    }
    Value::from_ptr(p as *const Header)
}

/// The number, if `v` is a complex object or an instance of a subclass.
pub fn of(v: Value) -> Option<Complex> {
    cast::<ComplexObj>(v, &COMPLEX).map(|z| (z.re, z.im))
}

fn is_exact(v: Value) -> bool {
    cast_exact::<ComplexObj>(v, &COMPLEX).is_some()
}

/// The same number as an instance of `complex` itself.
fn exact(t: &Thread, v: Value) -> Value {
    if is_exact(v) {
        to_reg(t, v.bare())
    } else {
        from_parts(t, this(v).0, this(v).1)
    }
}

/// The number behind `self`.
fn this(v: Value) -> Complex {
    of(v).unwrap_or_default()
}

/// An argument of a function of complex numbers: a complex, or by `__complex__`, `__float__` or `__index__`.
///
/// # Errors
/// TypeError for what is no number, OverflowError.
pub fn to_complex(t: &mut Thread, v: Value) -> Res<Complex> {
    if let Some(z) = of(v) {
        return Ok(z);
    }
    match by_special(t, v)? {
        Some(z) => Ok(z),
        None => Ok((proto::as_f64(t, v)?, 0.0)),
    }
}

/// What `__complex__` gives, if the class has one.
fn by_special(t: &mut Thread, v: Value) -> Res<Option<Complex>> {
    if !v.is_ptr() || float::is_exact_float(v) || crate::int::is_exact_int(v) {
        return Ok(None);
    }
    let name = crate::id!(t, "__complex__");
    let Some(f) = proto::lookup_special(t, v, name)? else {
        return Ok(None);
    };
    let r = proto::call(t, f.value(), &[])?;
    match of(r.value()) {
        Some(z) => {
            if !is_exact(r.value()) {
                crate::errors::warn::strict_subclass(t, "__complex__", "complex", r.value())?;
            }
            Ok(Some(z))
        }
        None => {
            let got = type_of(r.value()).name();
            Err(t.type_error(format!("__complex__ returned non-complex (type {got})")))
        }
    }
}

static NEW: SigCell = SigCell::new("complex", "(real=0, imag=0)");

fn complex_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let bound = NEW.bind(t, args)?;
    let (real, imag) = (bound[0], bound[1]);
    let cls = Type::of_unchecked(cls);
    if imag.is_null() && !real.is_null() && args.pos().len() == 1 {
        if is_exact(real) && cls.is(&COMPLEX) {
            return Ok(to_reg(t, real.bare()));
        }
        let z = from_one(t, real)?;
        return Ok(new_instance(t, cls, z));
    }
    let (mut re, mut im, mut carry) = (0.0, 0.0, None);
    if !real.is_null() {
        match real_part(t, real)? {
            Some(Operand::Real(x)) => re = x,
            Some(Operand::Complex(z)) => {
                let got = type_of(real).name();
                let msg = format!("complex() argument 'real' must be a real number, not {got}");
                crate::errors::warn::deprecated(t, &msg)?;
                (re, im, carry) = (z.0, z.1, Some(z.1));
            }
            None => return Err(not_real(t, "real", real)),
        }
    }
    // The parts combine as `real + imag * 1j`, both of which may be complex.
    if !imag.is_null() {
        im = match of(imag) {
            Some(z) => {
                let got = type_of(imag).name();
                let msg = format!("complex() argument 'imag' must be a real number, not {got}");
                crate::errors::warn::deprecated(t, &msg)?;
                re -= z.1;
                z.0
            }
            None if is_real(imag) => proto::as_f64(t, imag)?,
            None => return Err(not_real(t, "imag", imag)),
        };
        im += carry.unwrap_or(-0.0);
    }
    Ok(new_instance(t, cls, (re, im)))
}

/// The single argument: text or a number.
fn from_one(t: &mut Thread, v: Value) -> Res<Complex> {
    if let Some(s) = Str::of(v) {
        return parse_complex(s.text()).map_err(|e| text_error(t, e));
    }
    match real_part(t, v)? {
        Some(z) => Ok(z.complex()),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!(
                "complex() argument must be a string or a number, not {got}"
            )))
        }
    }
}

fn is_real(v: Value) -> bool {
    let slots = &type_of(v).slots;
    slots.float.is_set() || slots.index.is_set()
}

fn real_part(t: &mut Thread, v: Value) -> Res<Option<Operand>> {
    if !is_exact(v)
        && let Some(z) = by_special(t, v)?
    {
        return Ok(Some(Operand::Complex(z)));
    }
    if let Some(z) = of(v) {
        return Ok(Some(Operand::Complex(z)));
    }
    if !is_real(v) {
        return Ok(None);
    }
    Ok(Some(Operand::Real(proto::as_f64(t, v)?)))
}

fn not_real(t: &mut Thread, which: &str, v: Value) -> Raised {
    let got = type_of(v).name();
    t.type_error(format!(
        "complex() argument '{which}' must be a real number, not {got}"
    ))
}

/// One operand of a complex operation.
#[derive(Clone, Copy)]
enum Operand {
    Real(f64),
    Complex(Complex),
}

impl Operand {
    fn of(t: &mut Thread, v: Value) -> Res<Option<Operand>> {
        if let Some(z) = of(v) {
            return Ok(Some(Operand::Complex(z)));
        }
        Ok(float::to_f64(t, v)?.map(Operand::Real))
    }

    fn complex(self) -> Complex {
        match self {
            Operand::Real(x) => (x, 0.0),
            Operand::Complex(z) => z,
        }
    }
}

macro_rules! operands {
    ($t:expr, $a:expr, $b:expr) => {
        match (Operand::of($t, $a)?, Operand::of($t, $b)?) {
            (Some(x), Some(y)) => (x, y),
            _ => return Ok(Value::NOT_IMPLEMENTED),
        }
    };
}

fn complex_add(t: &mut Thread, a: Value, b: Value) -> Res {
    let z = match operands!(t, a, b) {
        (Operand::Complex(z), Operand::Real(x)) | (Operand::Real(x), Operand::Complex(z)) => {
            (z.0 + x, z.1)
        }
        (x, y) => (x.complex().0 + y.complex().0, x.complex().1 + y.complex().1),
    };
    Ok(from_parts(t, z.0, z.1))
}

fn complex_sub(t: &mut Thread, a: Value, b: Value) -> Res {
    let z = match operands!(t, a, b) {
        (Operand::Complex(z), Operand::Real(x)) => (z.0 - x, z.1),
        (Operand::Real(x), Operand::Complex(z)) => (x - z.0, -z.1),
        (x, y) => (x.complex().0 - y.complex().0, x.complex().1 - y.complex().1),
    };
    Ok(from_parts(t, z.0, z.1))
}

fn complex_mul(t: &mut Thread, a: Value, b: Value) -> Res {
    let z = match operands!(t, a, b) {
        (Operand::Complex(z), Operand::Real(x)) | (Operand::Real(x), Operand::Complex(z)) => {
            (z.0 * x, z.1 * x)
        }
        (x, y) => arith::mul(x.complex(), y.complex()),
    };
    Ok(from_parts(t, z.0, z.1))
}

fn complex_truediv(t: &mut Thread, a: Value, b: Value) -> Res {
    let quotient = match operands!(t, a, b) {
        (Operand::Complex(z), Operand::Real(x)) => (x != 0.0).then(|| (z.0 / x, z.1 / x)),
        (Operand::Real(x), Operand::Complex(z)) => arith::div_real(x, z),
        (x, y) => arith::div(x.complex(), y.complex()),
    };
    match quotient {
        Some(z) => Ok(from_parts(t, z.0, z.1)),
        None => Err(t.zero_division("division by zero")),
    }
}

/// `a ** b`.
///
/// # Errors
/// ZeroDivisionError for zero to a negative or complex power, OverflowError.
pub fn complex_pow(t: &mut Thread, a: Complex, b: Complex) -> Res {
    match arith::pow(a, b) {
        None => Err(t.zero_division("zero to a negative or complex power")),
        Some((re, im)) if re.is_infinite() || im.is_infinite() => {
            Err(t.overflow_error("complex exponentiation"))
        }
        Some(z) => Ok(from_parts(t, z.0, z.1)),
    }
}

fn complex_pow_op(t: &mut Thread, a: Value, b: Value) -> Res {
    let (x, y) = operands!(t, a, b);
    complex_pow(t, x.complex(), y.complex())
}

fn complex_pow3(t: &mut Thread, a: Value, b: Value, m: Value) -> Res {
    if m.is_none() || m.is_null() {
        return complex_pow_op(t, a, b);
    }
    Err(t.value_error("complex modulo"))
}

fn complex_abs(t: &mut Thread, v: Value) -> Res {
    let (re, im) = this(v);
    let size = re.hypot(im);
    if size.is_infinite() && re.is_finite() && im.is_finite() {
        return Err(t.overflow_error("absolute value too large"));
    }
    Ok(float::from_f64(t, size))
}

fn complex_compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), CmpOp::Eq | CmpOp::Ne) = (of(a), op) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let equal = match of(b) {
        Some(y) => x == y,
        None => match float::compare_with(x.0, b) {
            Some(order) => x.1 == 0.0 && order == Some(Ordering::Equal),
            None => return Ok(Value::NOT_IMPLEMENTED),
        },
    };
    Ok(Value::bool(equal == (op == CmpOp::Eq)))
}

fn complex_hash(_t: &mut Thread, v: Value) -> Res<i64> {
    let (re, im) = this(v);
    let part = |x| hash_f64(x).unwrap_or_else(|| proto::identity_hash(v));
    Ok(combine_complex(part(re), part(im)))
}

fn complex_repr_of(t: &mut Thread, v: Value) -> Res {
    let (re, im) = this(v);
    Ok(Str::from_string(t, complex_repr(re, im)).into())
}

fn format(t: &mut Thread, a: &[Value]) -> Res {
    let Some(spec) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("__format__() argument must be str, not {got}")));
    };
    if spec.is_empty() {
        return proto::str(t, a[0]).map(Obj::into_value);
    }
    let (mut out, name) = (Vec::new(), type_of(a[0]).name());
    let done = float::with_locale(spec.as_bytes(), |locale| {
        format_complex(&mut out, this(a[0]), spec.as_bytes(), &name, locale)
    });
    match done {
        Ok(()) => Ok(Str::from_vec(t, out).into()),
        Err(e) => Err(text_error(t, e)),
    }
}

fn from_number(t: &mut Thread, a: &[Value]) -> Res {
    let z = to_complex(t, a[1])?;
    let z = Obj::own(if is_exact(a[1]) {
        to_reg(t, a[1].bare())
    } else {
        from_parts(t, z.0, z.1)
    });
    if a[0].same(COMPLEX.value()) {
        return Ok(z.into());
    }
    proto::call(t, a[0], &[z.value()]).map(Obj::into_value)
}

fn newargs(t: &mut Thread, a: &[Value]) -> Res {
    let (re, im) = this(a[0]);
    let (re, im) = (
        Obj::own(float::from_f64(t, re)),
        Obj::own(float::from_f64(t, im)),
    );
    Ok(Tuple::pair(t, re, im).into())
}

/// `complex`
pub static COMPLEX: Type = Type::builtin(
    "complex",
    size_of::<ComplexObj>(),
    &Spec {
        new: Some(complex_new),
        repr: Some(complex_repr_of),
        hash: Some(complex_hash),
        compare: Some(complex_compare),
        truth: Some(|_, v| Ok(this(v) != (0.0, 0.0))),
        neg: Some(|t, v| Ok(from_parts(t, -this(v).0, -this(v).1))),
        pos: Some(|t, v| Ok(exact(t, v))),
        abs: Some(complex_abs),
        binary: &[
            (BinOp::Add, complex_add),
            (BinOp::Sub, complex_sub),
            (BinOp::Mul, complex_mul),
            (BinOp::TrueDiv, complex_truediv),
            (BinOp::Pow, complex_pow_op),
        ],
        pow3: Some(complex_pow3),
        methods: &[
            NativeDef::new("conjugate", "($self, /)", |t, a| {
                Ok(from_parts(t, this(a[0]).0, -this(a[0]).1))
            })
            .doc("Return the complex conjugate of its argument. (3-4j).conjugate() == 3+4j."),
            NativeDef::new("__complex__", "($self, /)", |t, a| Ok(exact(t, a[0])))
                .doc("Convert this value to exact type complex."),
            NativeDef::new("__getnewargs__", "($self, /)", newargs),
            NativeDef::new("__format__", "($self, format_spec, /)", format)
                .doc("Convert to a string according to format_spec."),
            NativeDef::class("from_number", "($type, number, /)", from_number)
                .doc("Convert number to a complex floating-point number."),
        ],
        getset: &[
            GetSetDef::ro("real", |t, v| Ok(float::from_f64(t, this(v).0))),
            GetSetDef::ro("imag", |t, v| Ok(float::from_f64(t, this(v).1))),
        ],
        ..Spec::EMPTY
    },
)
.doc(
    "Create a complex number from a string or numbers.

If a string is given, parse it as a complex number.
If a single number is given, convert it to a complex number.
If the 'real' or 'imag' arguments are given, create a complex number
with the specified real and imaginary components.",
)
.signature("(real=0, imag=0)");
