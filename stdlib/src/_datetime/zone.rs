//! `tzinfo` and `timezone`

use super::calendar::{DAY, SECOND};
use super::datetime::DateTime;
use super::delta::Delta;
use super::repr_text;
use std::sync::OnceLock;
use weft_objects::cell::fresh;
use weft_objects::gc_slots;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

/// A time zone with one offset.
#[repr(C)]
pub struct Zone {
    header: Header,
    /// A timedelta.
    offset: Slot,
    /// Str or NULL.
    name: Slot,
}

gc_slots!(Zone, traverse, clear, offset, name);

static UTC: OnceLock<SharedObj> = OnceLock::new();

impl Zone {
    fn this<'a>(v: Value) -> &'a Zone {
        // SAFETY: slots and methods of TIMEZONE get its instances alone.
        unsafe { &*(v.ptr() as *const Zone) }
    }

    pub fn of<'a>(v: Value) -> Option<&'a Zone> {
        cast_exact(v, &TIMEZONE)
    }

    pub fn offset(&self, t: &Thread) -> Obj {
        Obj::new(t, self.offset.get())
    }

    fn total(&self) -> i128 {
        Delta::of(self.offset.get()).map_or(0, Delta::total)
    }

    fn new(t: &Thread, offset: Obj, name: Option<Obj>) -> Obj {
        // SAFETY: the layout of TIMEZONE.
        let (o, z) = unsafe { fresh::<Zone>(t, &TIMEZONE) };
        z.offset.init(t, &z.header, offset.into_value());
        if let Some(name) = name {
            z.name.init(t, &z.header, name.into_value());
        }
        o
    }
}

/// `timezone.utc`
pub fn utc(t: &Thread) -> Res<Obj> {
    if let Some(utc) = UTC.get() {
        return Ok(utc.get(t));
    }
    let zero = Delta::plain(t, 0)?;
    let made = Zone::new(t, zero, None);
    Ok(UTC.get_or_init(|| SharedObj::new(t, made)).get(t))
}

/// The zone with an offset of so many microseconds; ValueError unless that is less than a day.
pub fn fixed(t: &mut Thread, micros: i128, name: Option<Obj>) -> Res<Obj> {
    if micros == 0 && name.is_none() {
        return utc(t);
    }
    let offset = Delta::plain(t, micros)?;
    checked(t, offset, name)
}

fn checked(t: &mut Thread, offset: Obj, name: Option<Obj>) -> Res<Obj> {
    let total = Delta::of(offset.value()).map_or(0, Delta::total);
    if total.abs() >= DAY {
        let shown = repr_text(t, offset.value())?;
        return Err(t.value_error(format!(
            "offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24), not {shown}"
        )));
    }
    Ok(Zone::new(t, offset, name))
}

/// Sets what `timezone` has as attributes.
pub fn ready(t: &Thread) -> Res<()> {
    let utc = utc(t)?;
    TIMEZONE.set_name(t, weft_objects::id!(t, "utc"), utc.value());
    for (name, minutes) in [("min", -1439), ("max", 1439)] {
        let offset = Delta::plain(t, minutes * 60 * SECOND)?;
        let zone = Zone::new(t, offset, None);
        TIMEZONE.set_name(t, weft_objects::names::get(t, name), zone.value());
    }
    Ok(())
}

// --- asking a zone ---

/// What a zone's `utcoffset` or `dst` says: a timedelta of less than a day, or nothing.
pub fn ask(t: &mut Thread, zone: Value, method: &'static str, of: Value) -> Res<Option<Obj>> {
    if zone.is_null() || zone.is_none() {
        return Ok(None);
    }
    if let Some(z) = Zone::of(zone) {
        return Ok((method == "utcoffset").then(|| z.offset(t)));
    }
    let zone = Obj::new(t, zone);
    let r = proto::call_method(t, zone.value(), method, &[of])?;
    if r.value().is_none() {
        return Ok(None);
    }
    let Some(d) = Delta::of(r.value()) else {
        let got = type_of(r.value()).name();
        return Err(t.type_error(format!(
            "tzinfo.{method}() must return None or a timedelta, not '{got}'"
        )));
    };
    if d.total().abs() >= DAY {
        let shown = repr_text(t, r.value())?;
        return Err(t.value_error(format!(
            "offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24), not {shown}"
        )));
    }
    Ok(Some(r))
}

/// As [`ask`] for `utcoffset`, in microseconds.
pub fn offset_of(t: &mut Thread, zone: Value, of: Value) -> Res<Option<i128>> {
    let d = ask(t, zone, "utcoffset", of)?;
    Ok(d.and_then(|d| Delta::of(d.value()).map(Delta::total)))
}

/// What a zone's `tzname` says: a str or None.
pub fn name_of(t: &mut Thread, zone: Value, of: Value) -> Res<Obj> {
    if zone.is_null() || zone.is_none() {
        return Ok(crate::support::none());
    }
    let zone = Obj::new(t, zone);
    let r = proto::call_method(t, zone.value(), "tzname", &[of])?;
    if r.value().is_none() || Str::of(r.value()).is_some() {
        return Ok(r);
    }
    let got = type_of(r.value()).name();
    Err(t.type_error(format!(
        "tzinfo.tzname() must return None or a string, not '{got}'"
    )))
}

/// TypeError unless it is None or a tzinfo.
pub fn check_argument(t: &Thread, v: Value) -> Res<()> {
    if v.is_null() || v.is_none() || is_tzinfo(v) {
        return Ok(());
    }
    let got = type_of(v).full_name(t);
    Err(t.type_error(format!(
        "tzinfo argument must be None or of a tzinfo subclass, not type '{got}'"
    )))
}

pub fn is_tzinfo(v: Value) -> bool {
    v.is_ptr() && type_of(v).is_subtype(&TZINFO)
}

// --- tzinfo ---

fn abstract_method(t: &Thread, name: &str) -> Raised {
    let msg = format!("a tzinfo subclass must implement {name}()");
    t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg)
}

/// A datetime with the offset of standard time, whose fields are UTC, as local time.
fn from_utc(t: &mut Thread, a: &[Value]) -> Res {
    let (zone, v) = (a[0], a[1]);
    let Some(dt) = DateTime::of(v) else {
        return Err(t.type_error("fromutc: argument must be a datetime".into()));
    };
    if !dt.zone().same(zone) {
        return Err(t.value_error("fromutc: dt.tzinfo is not self"));
    }
    let Some(offset) = offset_of(t, dt.zone(), v)? else {
        return Err(t.value_error("fromutc: non-None utcoffset() result required"));
    };
    let micros = |d: Option<Obj>| d.and_then(|d| Delta::of(d.value()).map(Delta::total));
    let Some(dst) = micros(ask(t, dt.zone(), "dst", v)?) else {
        return Err(t.value_error("fromutc: non-None dst() result required"));
    };
    let standard = dt.plus(t, v, offset - dst)?;
    let Some(dt) = DateTime::of(standard.value()) else {
        return Ok(standard.into());
    };
    let inconsistent = "fromutc: tz.dst() gave inconsistent results; cannot convert";
    match micros(ask(t, dt.zone(), "dst", standard.value())?) {
        Some(0) => Ok(standard.into()),
        Some(dst) => dt.plus(t, standard.value(), dst).map(Obj::into_value),
        None => Err(t.value_error(inconsistent)),
    }
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let name = weft_objects::id!(t, "__getinitargs__");
    let args = match proto::get_attr_opt(t, a[0], name)? {
        Some(f) => proto::call(t, f.value(), &[])?,
        None => Tuple::empty(t),
    };
    let state = proto::call_method(t, a[0], "__getstate__", &[])?;
    let class = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::from_vec(t, vec![class, args, state]).into())
}

/// `datetime.tzinfo`
pub static TZINFO: Type = Type::builtin(
    "tzinfo",
    16,
    &Spec {
        methods: &[
            NativeDef::new("tzname", "($self, object, /)", |t, _| {
                Err(abstract_method(t, "tzname"))
            })
            .doc("datetime -> string name of time zone."),
            NativeDef::new("utcoffset", "($self, object, /)", |t, _| {
                Err(abstract_method(t, "utcoffset"))
            })
            .doc("datetime -> timedelta showing offset from UTC, negative values indicating West of UTC"),
            NativeDef::new("dst", "($self, object, /)", |t, _| {
                Err(abstract_method(t, "dst"))
            })
            .doc("datetime -> DST offset as timedelta positive east of UTC."),
            NativeDef::new("fromutc", "($self, object, /)", from_utc)
                .doc("datetime in UTC -> datetime in local time."),
            NativeDef::new("__reduce__", "($self, /)", reduce).doc("-> (cls, state)"),
        ],
        ..Spec::EMPTY
    },
)
.module("datetime")
.doc("Abstract base class for time zone info objects.");

// --- timezone ---

fn zone_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("timezone", "(offset, name=None)");
    let a = SIG.bind(t, args)?;
    if Delta::of(a[0]).is_none() {
        let got = type_of(a[0]).full_name(t);
        return Err(t.type_error(format!(
            "timezone() argument 1 must be datetime.timedelta, not {got}"
        )));
    }
    let name = crate::support::given(t, a[1]);
    if let Some(n) = name.as_ref().filter(|n| Str::of(n.value()).is_none()) {
        let got = type_of(n.value()).name();
        return Err(t.type_error(format!("timezone() argument 2 must be str, not {got}")));
    }
    let total = Delta::of(a[0]).map_or(0, Delta::total);
    if total == 0 && name.is_none() {
        return Ok(utc(t)?.into());
    }
    let offset = Obj::new(t, a[0]);
    checked(t, offset, name).map(Obj::into_value)
}

/// Refuses what is neither a datetime nor None.
fn check_moment(t: &Thread, v: Value, method: &str) -> Res<()> {
    if v.is_none() || DateTime::of(v).is_some() {
        return Ok(());
    }
    let got = type_of(v).full_name(t);
    Err(t.type_error(format!(
        "{method}(dt) argument must be a datetime instance or None, not {got}"
    )))
}

fn zone_str(t: &mut Thread, v: Value) -> Res {
    let z = Zone::this(v);
    let name = z.name.get();
    if !name.is_null() {
        return Ok(to_reg(t, name));
    }
    let total = z.total();
    if total == 0 {
        return Ok(Str::intern(t, "UTC").into());
    }
    let mut out = format!("UTC{}", if total < 0 { '-' } else { '+' });
    super::format::push_offset(&mut out, total.abs(), ":");
    Ok(Str::from_string(t, out).into())
}

fn zone_repr(t: &mut Thread, v: Value) -> Res {
    let z = Zone::this(v);
    if utc(t)?.value().same(v) {
        return Ok(Str::intern(t, "datetime.timezone.utc").into());
    }
    let offset = repr_text(t, z.offset.get())?;
    let s = match z.name.get() {
        n if n.is_null() => format!("datetime.timezone({offset})"),
        n => {
            let name = repr_text(t, n)?;
            format!("datetime.timezone({offset}, {name})")
        }
    };
    Ok(Str::from_string(t, s).into())
}

fn zone_compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Zone::of(a), Zone::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    match op {
        CmpOp::Eq => Ok(Value::bool(x.total() == y.total())),
        CmpOp::Ne => Ok(Value::bool(x.total() != y.total())),
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn zone_from_utc(t: &mut Thread, a: &[Value]) -> Res {
    let Some(dt) = DateTime::of(a[1]) else {
        return Err(t.type_error("fromutc: argument must be a datetime instance".into()));
    };
    if !dt.zone().same(a[0]) {
        return Err(t.value_error("fromutc: dt.tzinfo is not self"));
    }
    dt.plus(t, a[1], Zone::this(a[0]).total())
        .map(Obj::into_value)
}

fn init_args(t: &mut Thread, a: &[Value]) -> Res {
    let z = Zone::this(a[0]);
    let mut args = vec![z.offset(t)];
    if !z.name.get().is_null() {
        args.push(Obj::new(t, z.name.get()));
    }
    Ok(Tuple::from_vec(t, args).into())
}

/// `datetime.timezone`
pub static TIMEZONE: Type = Type::builtin(
    "timezone",
    size_of::<Zone>(),
    &Spec {
        new: Some(zone_new),
        repr: Some(zone_repr),
        str: Some(zone_str),
        hash: Some(|t, v| {
            let offset = Zone::this(v).offset(t);
            proto::hash(t, offset.value())
        }),
        compare: Some(zone_compare),
        methods: &[
            NativeDef::new("tzname", "($self, object, /)", |t, a| {
                check_moment(t, a[1], "tzname")?;
                zone_str(t, a[0])
            })
            .doc("If name is specified when timezone is created, returns the name.  Otherwise returns offset as 'UTC(+|-)HH:MM'."),
            NativeDef::new("utcoffset", "($self, object, /)", |t, a| {
                check_moment(t, a[1], "utcoffset")?;
                Ok(Zone::this(a[0]).offset(t).into())
            })
            .doc("Return fixed offset."),
            NativeDef::new("dst", "($self, object, /)", |t, a| {
                check_moment(t, a[1], "dst")?;
                Ok(Value::NONE)
            })
            .doc("Return None."),
            NativeDef::new("fromutc", "($self, object, /)", zone_from_utc)
                .doc("datetime in UTC -> datetime in local time."),
            NativeDef::new("__getinitargs__", "($self, /)", init_args).doc("pickle support"),
        ],
        ..Spec::EMPTY
    },
)
.base(&TZINFO)
.gc(traverse, clear)
.module("datetime")
.final_()
.doc("Fixed offset from UTC implementation of tzinfo.");
