//! `timedelta`

use super::calendar::{DAY, SECOND, split_days};
use super::shown_name;
use num_bigint::BigInt;
use num_traits::{ToPrimitive, Zero};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::text::{self, bigint};
use weft_objects::types::alloc_instance;

/// A duration. The numbers never change.
#[repr(C)]
pub struct Delta {
    header: Header,
    /// 0: not computed yet.
    hash: AtomicI64,
    days: i32,
    seconds: i32,
    micros: i32,
}

const MOST_DAYS: i64 = 999_999_999;

impl Delta {
    pub fn of<'a>(v: Value) -> Option<&'a Delta> {
        cast(v, &TIMEDELTA)
    }

    fn this<'a>(v: Value) -> &'a Delta {
        // SAFETY: slots and methods of TIMEDELTA get its instances alone.
        unsafe { &*(v.ptr() as *const Delta) }
    }

    pub fn days(&self) -> i64 {
        self.days.into()
    }

    /// All of it in microseconds.
    pub fn total(&self) -> i128 {
        i128::from(self.days) * DAY + i128::from(self.seconds) * SECOND + i128::from(self.micros)
    }

    /// Days, seconds and microseconds, in range.
    fn new(t: &Thread, cls: &Type, days: i32, seconds: i32, micros: i32) -> Obj {
        let p = alloc_instance(t, cls) as *mut Delta;
        // SAFETY: a new instance of TIMEDELTA or a subclass.
        unsafe {
            (&raw mut (*p).days).write(days);
            (&raw mut (*p).seconds).write(seconds);
            (&raw mut (*p).micros).write(micros);
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    /// So many microseconds; OverflowError if they are too many.
    pub fn make(t: &Thread, cls: &Type, total: i128) -> Res<Obj> {
        let (days, rest) = split_days(total);
        let Ok(d) = i32::try_from(days) else {
            return Err(t.overflow_error("Python int too large to convert to C int"));
        };
        if i64::from(d).abs() > MOST_DAYS {
            return Err(t.overflow_error(format!("days={d}; must have magnitude <= {MOST_DAYS}")));
        }
        let (seconds, micros) = (rest / SECOND as i64, rest % SECOND as i64);
        Ok(Delta::new(t, cls, d, seconds as i32, micros as i32))
    }

    /// A plain one of so many microseconds.
    pub fn plain(t: &Thread, total: i128) -> Res<Obj> {
        Delta::make(t, &TIMEDELTA, total)
    }

    /// A plain one of any size, which may be too large.
    fn big(t: &Thread, total: &BigInt) -> Res<Obj> {
        match total.to_i128() {
            Some(n) => Delta::plain(t, n),
            None => Err(t.overflow_error("Python int too large to convert to C int")),
        }
    }
}

// --- making ---

/// The sum of what a constructor is given.
#[derive(Default)]
struct Sum {
    whole: BigInt,
    /// Parts of microseconds.
    rest: f64,
}

impl Sum {
    fn add(&mut self, t: &mut Thread, name: &str, v: Value, unit: i64) -> Res<()> {
        if v.is_null() {
            return Ok(());
        }
        if let Some(n) = int::to_bigint(v) {
            self.whole += n * unit;
            return Ok(());
        }
        let Some(x) = weft_objects::float::as_f64(v) else {
            let got = type_of(v).name();
            return Err(t.type_error(format!(
                "unsupported type for timedelta {name} component: {got}"
            )));
        };
        self.whole += whole(t, x.trunc())? * unit;
        let part = x.fract() * unit as f64;
        if part != 0.0 {
            self.whole += whole(t, part.trunc())?;
            self.rest += part.fract();
        }
        Ok(())
    }

    /// Rounded to the nearest; halves to the even one.
    fn finish(mut self) -> BigInt {
        if self.rest != 0.0 {
            let mut n = self.rest.round();
            if (n - self.rest).abs() == 0.5 {
                let odd = if (&self.whole % 2i32).is_zero() {
                    0.0
                } else {
                    1.0
                };
                n = 2.0 * ((self.rest + odd) * 0.5).round() - odd;
            }
            self.whole += n as i64;
        }
        self.whole
    }
}

fn whole(t: &Thread, x: f64) -> Res<BigInt> {
    text::float::to_bigint(x).map_err(|e| weft_objects::str::text_error(t, e))
}

const UNITS: [(&str, i64); 7] = [
    ("days", 86_400_000_000),
    ("seconds", 1_000_000),
    ("microseconds", 1),
    ("milliseconds", 1_000),
    ("minutes", 60_000_000),
    ("hours", 3_600_000_000),
    ("weeks", 604_800_000_000),
];

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "__new__",
        "(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0)",
    );
    let a = SIG.bind(t, args)?;
    let mut sum = Sum::default();
    // The smallest units first, as their parts are added up.
    for i in [2, 3, 1, 4, 5, 0, 6] {
        let (name, unit) = UNITS[i];
        sum.add(t, name, a[i], unit)?;
    }
    let cls = Type::of_unchecked(cls);
    match sum.finish().to_i128() {
        Some(total) => Delta::make(t, cls, total).map(Obj::into_value),
        None => Err(t.overflow_error("Python int too large to convert to C int")),
    }
}

// --- arithmetic ---

fn add(t: &mut Thread, a: Value, b: Value) -> Res {
    match (Delta::of(a), Delta::of(b)) {
        (Some(x), Some(y)) => Delta::plain(t, x.total() + y.total()).map(Obj::into_value),
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn sub(t: &mut Thread, a: Value, b: Value) -> Res {
    match (Delta::of(a), Delta::of(b)) {
        (Some(x), Some(y)) => Delta::plain(t, x.total() - y.total()).map(Obj::into_value),
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

/// `a / b`, rounded to the nearest; halves to the even one.
fn divide_nearest(t: &Thread, a: BigInt, b: BigInt) -> Res<BigInt> {
    let Some((q, r)) = bigint::div_mod(&a, &b) else {
        return Err(t.zero_division("division by zero"));
    };
    let (twice, size) = (r * 2i32, b);
    // The remainder has the sign of the divisor.
    let order = twice.magnitude().cmp(size.magnitude());
    let up = order.is_gt() || order.is_eq() && !(&q % 2i32).is_zero();
    Ok(if up { q + 1i32 } else { q })
}

/// `x.as_integer_ratio()` of a float.
fn ratio(t: &mut Thread, v: Value, x: f64) -> Res<(BigInt, BigInt)> {
    if weft_objects::float::is_exact_float(v) {
        return text::float::as_integer_ratio(x).map_err(|e| weft_objects::str::text_error(t, e));
    }
    let r = proto::call_method(t, v, "as_integer_ratio", &[])?;
    let Some(pair) = Tuple::of(r.value()) else {
        let got = type_of(r.value()).name();
        return Err(t.type_error(format!(
            "unexpected return type from as_integer_ratio(): expected tuple, not '{got}'"
        )));
    };
    let [num, den] = pair.values() else {
        return Err(t.value_error("as_integer_ratio() must return a 2-tuple"));
    };
    match (int::to_bigint(*num), int::to_bigint(*den)) {
        (Some(num), Some(den)) => Ok((num, den)),
        _ => Err(t.type_error("non-integer arguments in division".into())),
    }
}

/// Times the float `v`, or with `divide` divided by it.
fn scale(t: &mut Thread, d: &Delta, v: Value, x: f64, divide: bool) -> Res {
    let (num, den) = ratio(t, v, x)?;
    let (num, den) = if divide { (den, num) } else { (num, den) };
    let total = divide_nearest(t, BigInt::from(d.total()) * num, den)?;
    Delta::big(t, &total).map(Obj::into_value)
}

fn mul(t: &mut Thread, a: Value, b: Value) -> Res {
    let (d, x) = match (Delta::of(a), Delta::of(b)) {
        (Some(d), None) => (d, b),
        (None, Some(d)) => (d, a),
        _ => return Ok(Value::NOT_IMPLEMENTED),
    };
    if let Some(n) = x.to_int()
        && let Some(total) = d.total().checked_mul(n.into())
    {
        return Delta::plain(t, total).map(Obj::into_value);
    }
    if let Some(n) = int::to_bigint(x) {
        return Delta::big(t, &(n * d.total())).map(Obj::into_value);
    }
    match weft_objects::float::as_f64(x) {
        Some(f) => scale(t, d, x, f, false),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn true_div(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(x) = Delta::of(a) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if let Some(y) = Delta::of(b) {
        let (x, y) = (BigInt::from(x.total()), BigInt::from(y.total()));
        return match bigint::true_div(&x, &y) {
            Ok(q) => Ok(weft_objects::float::from_f64(t, q)),
            Err(e) => Err(weft_objects::str::text_error(t, e)),
        };
    }
    if let Some(n) = int::to_bigint(b) {
        let total = divide_nearest(t, x.total().into(), n)?;
        return Delta::big(t, &total).map(Obj::into_value);
    }
    match weft_objects::float::as_f64(b) {
        Some(y) => scale(t, x, b, y, true),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

/// Quotient and remainder of two durations.
fn parts(t: &Thread, a: Value, b: Value) -> Res<Option<(i128, i128)>> {
    let (Some(x), Some(y)) = (Delta::of(a), Delta::of(b)) else {
        return Ok(None);
    };
    let (x, y) = (x.total(), y.total());
    if y == 0 {
        return Err(t.zero_division("division by zero"));
    }
    let r = x % y;
    let r = if r != 0 && (r < 0) != (y < 0) {
        r + y
    } else {
        r
    };
    Ok(Some(((x - r) / y, r)))
}

fn floor_div(t: &mut Thread, a: Value, b: Value) -> Res {
    if let Some((q, _)) = parts(t, a, b)? {
        return Ok(int::from_i128(t, q));
    }
    let (Some(x), Some(n)) = (Delta::of(a), int::to_bigint(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    match bigint::floor_div(&x.total().into(), &n) {
        Some(q) => Delta::big(t, &q).map(Obj::into_value),
        None => Err(t.zero_division("division by zero")),
    }
}

fn modulo(t: &mut Thread, a: Value, b: Value) -> Res {
    match parts(t, a, b)? {
        Some((_, r)) => Delta::plain(t, r).map(Obj::into_value),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn div_mod(t: &mut Thread, a: Value, b: Value) -> Res {
    match parts(t, a, b)? {
        Some((q, r)) => {
            let q = Obj::own(int::from_i128(t, q));
            let r = Delta::plain(t, r)?;
            Ok(Tuple::pair(t, q, r).into())
        }
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn neg(t: &mut Thread, v: Value) -> Res {
    Delta::plain(t, -Delta::this(v).total()).map(Obj::into_value)
}

fn pos(t: &mut Thread, v: Value) -> Res {
    Delta::plain(t, Delta::this(v).total()).map(Obj::into_value)
}

fn abs(t: &mut Thread, v: Value) -> Res {
    Delta::plain(t, Delta::this(v).total().abs()).map(Obj::into_value)
}

fn compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Delta::of(a), Delta::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    Ok(Value::bool(op.of(x.total().cmp(&y.total()))))
}

fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let d = Delta::this(v);
    match d.hash.load(Relaxed) {
        0 => {
            let state = state(t, d);
            let h = proto::hash(t, state.value())?;
            d.hash.store(h, Relaxed);
            Ok(h)
        }
        h => Ok(h),
    }
}

fn state(t: &Thread, d: &Delta) -> Obj {
    let parts = [d.days, d.seconds, d.micros].map(|n| Value::int(n.into()));
    Tuple::from_slice(t, &parts)
}

// --- text ---

fn repr(t: &mut Thread, v: Value) -> Res {
    let d = Delta::this(v);
    let mut parts = Vec::new();
    for (name, n) in [
        ("days", d.days),
        ("seconds", d.seconds),
        ("microseconds", d.micros),
    ] {
        if n != 0 {
            parts.push(format!("{name}={n}"));
        }
    }
    if parts.is_empty() {
        parts.push("0".into());
    }
    let s = format!("{}({})", shown_name(t, v), parts.join(", "));
    Ok(Str::from_string(t, s).into())
}

fn str(t: &mut Thread, v: Value) -> Res {
    let d = Delta::this(v);
    let (h, m, s) = (d.seconds / 3600, d.seconds / 60 % 60, d.seconds % 60);
    let mut out = match d.days {
        0 => String::new(),
        1 | -1 => format!("{} day, ", d.days),
        n => format!("{n} days, "),
    };
    out.push_str(&format!("{h}:{m:02}:{s:02}"));
    if d.micros != 0 {
        out.push_str(&format!(".{:06}", d.micros));
    }
    Ok(Str::from_string(t, out).into())
}

fn total_seconds(t: &mut Thread, a: &[Value]) -> Res {
    let total = BigInt::from(Delta::this(a[0]).total());
    match bigint::true_div(&total, &BigInt::from(SECOND)) {
        Ok(x) => Ok(weft_objects::float::from_f64(t, x)),
        Err(e) => Err(weft_objects::str::text_error(t, e)),
    }
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let class = Obj::new(t, type_of(a[0]).value());
    let state = state(t, Delta::this(a[0]));
    Ok(Tuple::pair(t, class, state).into())
}

/// `datetime.timedelta`
pub static TIMEDELTA: Type = Type::builtin(
    "timedelta",
    size_of::<Delta>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        str: Some(str),
        hash: Some(hash),
        compare: Some(compare),
        truth: Some(|_, v| Ok(Delta::this(v).total() != 0)),
        neg: Some(neg),
        pos: Some(pos),
        abs: Some(abs),
        binary: &[
            (BinOp::Add, add),
            (BinOp::Sub, sub),
            (BinOp::Mul, mul),
            (BinOp::TrueDiv, true_div),
            (BinOp::FloorDiv, floor_div),
            (BinOp::Mod, modulo),
            (BinOp::DivMod, div_mod),
        ],
        methods: &[
            NativeDef::new("total_seconds", "($self, /)", total_seconds)
                .doc("Total seconds in the duration."),
            NativeDef::new("__reduce__", "($self, /)", reduce)
                .doc("__reduce__() -> (cls, state)"),
        ],
        getset: &[
            GetSetDef::ro("days", |_, v| Ok(Value::int(Delta::this(v).days.into()))),
            GetSetDef::ro("seconds", |_, v| {
                Ok(Value::int(Delta::this(v).seconds.into()))
            }),
            GetSetDef::ro("microseconds", |_, v| {
                Ok(Value::int(Delta::this(v).micros.into()))
            }),
        ],
        ..Spec::EMPTY
    },
)
.module("datetime")
.doc("Difference between two datetime values.\n\ntimedelta(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0)\n\nAll arguments are optional and default to 0.\nArguments may be integers or floats, and may be positive or negative.");
