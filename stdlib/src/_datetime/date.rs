//! `date`, and what `isocalendar` gives.

use super::calendar::{self, IsoError, MAX_ORDINAL, MIDNIGHT, Ymd};
use super::datetime::DateTime;
use super::delta::Delta;
use super::format::{self, Moment};
use super::{clock, int_or, iso, pickled, repr_text, shown_name, ymd};
use crate::support;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::tuple::TUPLE;
use weft_objects::types::alloc_instance;

/// A day. It begins what a datetime is.
#[repr(C)]
pub struct Date {
    pub header: Header,
    /// 0: not computed yet.
    pub hash: AtomicI64,
    pub day: Ymd,
}

impl Date {
    /// A date, which may be a datetime.
    pub fn of<'a>(v: Value) -> Option<&'a Date> {
        cast(v, &DATE)
    }

    pub fn this<'a>(v: Value) -> &'a Date {
        // SAFETY: slots and methods of DATE get instances of it and of its subclasses alone.
        unsafe { &*(v.ptr() as *const Date) }
    }

    /// A date that is no datetime.
    fn plain<'a>(v: Value) -> Option<&'a Date> {
        Date::of(v).filter(|_| DateTime::of(v).is_none())
    }
}

/// A new instance of `cls`, which is DATE or a subclass.
pub fn make(t: &Thread, cls: &Type, day: Ymd) -> Obj {
    let p = alloc_instance(t, cls) as *mut Date;
    // SAFETY: a new instance with this layout.
    unsafe {
        (&raw mut (*p).day).write(day);
        Obj::from_raw(Value::from_ptr(p as *const Header))
    }
}

/// An instance as `cls(year, month, day)` makes it.
fn construct(t: &mut Thread, cls: &Type, day: Ymd) -> Res<Obj> {
    if cls.is(&DATE) {
        return Ok(make(t, cls, day));
    }
    let args = [day.year.into(), day.month.into(), day.day.into()].map(Value::int);
    let cls = Obj::new(t, cls.value());
    proto::call(t, cls.value(), &args)
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    if let [one] = args.all()
        && !args.has_keywords()
        && let Some(state) = pickled::<4>(t, *one, "date", |b| (1..=12).contains(&b[2]))?
    {
        return Ok(make(t, Type::of_unchecked(cls), Ymd::from_bytes(state)).into());
    }
    static SIG: SigCell = SigCell::new("date", "(year, month, day)");
    let a = SIG.bind(t, args)?;
    let (y, m, d) = (
        int_or(t, a[0], 0)?,
        int_or(t, a[1], 0)?,
        int_or(t, a[2], 0)?,
    );
    let day = ymd(t, y, m, d)?;
    Ok(make(t, Type::of_unchecked(cls), day).into())
}

// --- other ways to make one ---

fn from_ordinal(t: &mut Thread, a: &[Value]) -> Res {
    let n = int_or(t, a[1], 0)?;
    if n < 1 {
        return Err(t.value_error("ordinal must be >= 1"));
    }
    if n > MAX_ORDINAL {
        let (year, ..) = calendar::civil(n);
        return Err(t.value_error(format!("year must be in 1..9999, not {year}")));
    }
    let cls = Type::of_unchecked(a[0]);
    construct(t, cls, calendar::from_ordinal(n)).map(Obj::into_value)
}

fn from_timestamp(t: &mut Thread, a: &[Value]) -> Res {
    let secs = clock::floor(t, a[1])?;
    let m = crate::time::moment(t, secs, true)?;
    let (day, _) = clock::fields(t, m)?;
    construct(t, Type::of_unchecked(a[0]), day).map(Obj::into_value)
}

fn today(t: &mut Thread, a: &[Value]) -> Res {
    let now = clock::now(t)?;
    proto::call_method(t, a[0], "fromtimestamp", &[now.value()]).map(Obj::into_value)
}

fn from_iso_format(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[1]) else {
        return Err(t.type_error("fromisoformat: argument must be str".into()));
    };
    let parsed = match s.is_ascii() {
        true => iso::date(s.as_bytes()),
        false => Err(iso::Bad::Format),
    };
    let Ok([y, m, d]) = parsed else {
        let shown = repr_text(t, a[1])?;
        return Err(t.value_error(format!("Invalid isoformat string: {shown}")));
    };
    let day = ymd(t, y, m, d)?;
    construct(t, Type::of_unchecked(a[0]), day).map(Obj::into_value)
}

fn from_iso_calendar(t: &mut Thread, a: &[Value]) -> Res {
    let mut parts = [0; 3];
    for (p, v) in parts.iter_mut().zip(&a[1..]) {
        *p = match support::c_int(t, *v) {
            Ok(n) => n.into(),
            Err(e) if !t.exc_matches(&errors::OVERFLOW_ERROR) => return Err(e),
            Err(_) => {
                t.clear_exc();
                return Err(t.value_error("ISO calendar component out of range"));
            }
        };
    }
    let [year, week, day] = parts;
    let n = match calendar::from_iso(year, week, day) {
        Ok(n) => n,
        Err(IsoError::Year) => {
            return Err(t.value_error(format!("year must be in 1..9999, not {year}")));
        }
        Err(IsoError::Week) => return Err(t.value_error(format!("Invalid week: {week}"))),
        Err(IsoError::Day) => {
            return Err(t.value_error(format!("Invalid weekday: {day} (range is [1, 7])")));
        }
    };
    if !(1..=MAX_ORDINAL).contains(&n) {
        let year = if n < 1 { 0 } else { 10_000 };
        return Err(t.value_error(format!("year must be in 1..9999, not {year}")));
    }
    construct(t, Type::of_unchecked(a[0]), calendar::from_ordinal(n)).map(Obj::into_value)
}

// --- text ---

fn repr(t: &mut Thread, v: Value) -> Res {
    let d = Date::this(v).day;
    let name = shown_name(t, v);
    let s = format!("{name}({}, {}, {})", d.year, d.month, d.day);
    Ok(Str::from_string(t, s).into())
}

fn iso_format(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Str::from_string(t, format::date_text(Date::this(a[0]).day)).into())
}

fn str(t: &mut Thread, v: Value) -> Res {
    proto::call_method(t, v, "isoformat", &[]).map(Obj::into_value)
}

fn strftime(t: &mut Thread, a: &[Value]) -> Res {
    let d = Date::this(a[0]).day;
    let tuple = proto::call_method(t, a[0], "timetuple", &[])?;
    let m = Moment {
        asked: a[0],
        zone: Value::NONE,
        micro: 0,
        tuple: &tuple,
        year: d.year.into(),
        day: Some(d),
    };
    format::strftime(t, &m, a[1])
}

// --- looking at one ---

/// `time.struct_time`
pub fn time_tuple(t: &Thread, d: Ymd, h: calendar::Hms, dst: i64) -> Obj {
    let (y, m) = (i64::from(d.year), i64::from(d.month));
    let fields = [
        y,
        m,
        d.day.into(),
        h.hour.into(),
        h.minute.into(),
        h.second.into(),
        d.weekday(),
        calendar::days_before_month(y, m) + i64::from(d.day),
        dst,
    ];
    crate::time::struct_time_of(t, fields)
}

fn iso_calendar(t: &mut Thread, a: &[Value]) -> Res {
    let items = Date::this(a[0])
        .day
        .iso()
        .map(|n| Obj::from_raw(Value::int(n)));
    Ok(Tuple::new_instance(t, &ISO_CALENDAR, items.into()).into())
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let d = Date::this(a[0]).day;
    let (year, month, day) = (
        int_or(t, a[1], d.year.into())?,
        int_or(t, a[2], d.month.into())?,
        int_or(t, a[3], d.day.into())?,
    );
    let cls = type_of(a[0]);
    if cls.is(&DATE) {
        let day = ymd(t, year, month, day)?;
        return Ok(make(t, cls, day).into());
    }
    let args = [year, month, day].map(Value::int);
    let cls = Obj::new(t, cls.value());
    proto::call(t, cls.value(), &args).map(Obj::into_value)
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let class = Obj::new(t, type_of(a[0]).value());
    let state = Bytes::new(t, &Date::this(a[0]).day.bytes());
    let state = Tuple::from_vec(t, vec![state]);
    Ok(Tuple::pair(t, class, state).into())
}

fn hash(_t: &mut Thread, v: Value) -> Res<i64> {
    let d = Date::this(v);
    match d.hash.load(Relaxed) {
        0 => {
            let h = super::hash_bytes(&d.day.bytes());
            d.hash.store(h, Relaxed);
            Ok(h)
        }
        h => Ok(h),
    }
}

fn compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Date::of(a), Date::plain(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    Ok(Value::bool(op.of(x.day.cmp(&y.day))))
}

// --- arithmetic ---

fn shifted(t: &mut Thread, v: Value, days: i64) -> Res {
    let n = Date::this(v).day.ordinal() + days;
    if !(1..=MAX_ORDINAL).contains(&n) {
        return Err(t.overflow_error("date value out of range"));
    }
    construct(t, type_of(v), calendar::from_ordinal(n)).map(Obj::into_value)
}

fn add(t: &mut Thread, a: Value, b: Value) -> Res {
    match (Date::plain(a), Delta::of(b), Delta::of(a), Date::plain(b)) {
        (Some(_), Some(d), _, _) => shifted(t, a, d.days()),
        (_, _, Some(d), Some(_)) => shifted(t, b, d.days()),
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn sub(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(x) = Date::plain(a) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if let Some(y) = Date::plain(b) {
        let days = x.day.ordinal() - y.day.ordinal();
        return Delta::plain(t, i128::from(days) * calendar::DAY).map(Obj::into_value);
    }
    match Delta::of(b) {
        Some(d) => shifted(t, a, -d.days()),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn field(v: Value, get: fn(Ymd) -> i64) -> Res {
    Ok(Value::int(get(Date::this(v).day)))
}

const METHODS: &[NativeDef] = &[
    NativeDef::class("fromtimestamp", "($type, timestamp, /)", from_timestamp)
        .doc("Create a date from a POSIX timestamp.\n\nThe timestamp is a number, e.g. created via time.time(), that is\ninterpreted as local time."),
    NativeDef::class("fromordinal", "($type, ordinal, /)", from_ordinal)
        .doc("int -> date corresponding to a proleptic Gregorian ordinal."),
    NativeDef::class("fromisoformat", "($type, object, /)", from_iso_format)
        .doc("str -> Construct a date from a string in ISO 8601 format."),
    NativeDef::class("fromisocalendar", "($type, year, week, day)", from_iso_calendar)
        .doc("int, int, int -> Construct a date from the ISO year, week number and weekday.\n\nThis is the inverse of the date.isocalendar() function"),
    NativeDef::class("strptime", "($type, string, format, /)", |t, a| {
        super::strptime(t, "_strptime_datetime_date", a)
    })
    .doc("string, format -> new date parsed from a string (like time.strptime())."),
    NativeDef::class("today", "($type, /)", today)
        .doc("Current date or datetime:  same as self.__class__.fromtimestamp(time.time())."),
    NativeDef::new("ctime", "($self, /)", |t, a| {
        Ok(Str::from_string(t, format::ctime(Date::this(a[0]).day, MIDNIGHT)).into())
    })
    .doc("Return ctime() style string."),
    NativeDef::new("strftime", "($self, format)", strftime)
        .doc("format -> strftime() style string."),
    NativeDef::new("__format__", "($self, spec, /)", super::format_method)
        .doc("Formats self with strftime."),
    NativeDef::new("isoformat", "($self, /)", iso_format)
        .doc("Return string in ISO 8601 format, YYYY-MM-DD."),
    NativeDef::new("isoweekday", "($self, /)", |_, a| field(a[0], |d| d.weekday() + 1))
        .doc("Return the day of the week represented by the date.\nMonday == 1 ... Sunday == 7"),
    NativeDef::new("isocalendar", "($self, /)", iso_calendar)
        .doc("Return a named tuple containing ISO year, week number, and weekday."),
    NativeDef::new("timetuple", "($self, /)", |t, a| {
        Ok(time_tuple(t, Date::this(a[0]).day, MIDNIGHT, -1).into())
    })
    .doc("Return time tuple, compatible with time.localtime()."),
    NativeDef::new("toordinal", "($self, /)", |_, a| field(a[0], Ymd::ordinal))
        .doc("Return proleptic Gregorian ordinal.  January 1 of year 1 is day 1."),
    NativeDef::new("weekday", "($self, /)", |_, a| field(a[0], Ymd::weekday))
        .doc("Return the day of the week represented by the date.\nMonday == 0 ... Sunday == 6"),
    NativeDef::new("replace", "($self, /, year=unchanged, month=unchanged, day=unchanged)", replace)
        .doc("Return date with new specified fields."),
    NativeDef::new("__replace__", "($self, /, year=unchanged, month=unchanged, day=unchanged)", replace)
        .doc("The same as replace()."),
    NativeDef::new("__reduce__", "($self, /)", reduce).doc("__reduce__() -> (cls, state)"),
];

/// `datetime.date`
pub static DATE: Type = Type::builtin(
    "date",
    size_of::<Date>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        str: Some(str),
        hash: Some(hash),
        compare: Some(compare),
        binary: &[(BinOp::Add, add), (BinOp::Sub, sub)],
        methods: METHODS,
        getset: &[
            GetSetDef::ro("year", |_, v| field(v, |d| d.year.into())),
            GetSetDef::ro("month", |_, v| field(v, |d| d.month.into())),
            GetSetDef::ro("day", |_, v| field(v, |d| d.day.into())),
        ],
        ..Spec::EMPTY
    },
)
.module("datetime")
.doc("date(year, month, day) --> date object");

// --- ISO dates ---

fn iso_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("IsoCalendarDate", "(year, week, weekday)");
    let a = SIG.bind(t, args)?;
    let items = a.iter().map(|v| Obj::new(t, *v)).collect();
    Ok(Tuple::new_instance(t, Type::of_unchecked(cls), items).into())
}

fn iso_item<const I: usize>(t: &mut Thread, v: Value) -> Res {
    Ok(to_reg(t, Tuple::this(v).get(I)))
}

/// `datetime.IsoCalendarDate`
pub static ISO_CALENDAR: Type = Type::builtin(
    "IsoCalendarDate",
    size_of::<Tuple>(),
    &Spec {
        new: Some(iso_new),
        repr: Some(|t, v| {
            let mut shown = Vec::new();
            for item in Tuple::this(v).to_vec(t) {
                shown.push(repr_text(t, item.value())?);
            }
            let s = format!(
                "{}(year={}, week={}, weekday={})",
                shown_name(t, v),
                shown[0],
                shown[1],
                shown[2]
            );
            Ok(Str::from_string(t, s).into())
        }),
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, a| {
            let items = Tuple::from_slice(t, Tuple::this(a[0]).values());
            let args = Tuple::from_vec(t, vec![items]);
            let class = Obj::new(t, TUPLE.value());
            Ok(Tuple::pair(t, class, args).into())
        })],
        getset: &[
            GetSetDef::ro("year", iso_item::<0>),
            GetSetDef::ro("week", iso_item::<1>),
            GetSetDef::ro("weekday", iso_item::<2>),
        ],
        ..Spec::EMPTY
    },
)
.base(&TUPLE)
.module("datetime")
.final_()
.doc("The result of date.isocalendar() or datetime.isocalendar()\n\nThis object may be accessed either as a tuple of\n  ((year, week, weekday))\nor via the object attributes as named in the above tuple.");
