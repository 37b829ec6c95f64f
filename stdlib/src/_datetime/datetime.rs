//! `datetime`

use super::calendar::{self, DAY, Hms, MAX_ORDINAL, SECOND, Ymd};
use super::date::{DATE, Date, time_tuple};
use super::delta::Delta;
use super::format::{self, Moment};
use super::time::{Time, mixed, repr_end, zone_from};
use super::{
    clock, fold, hms, int_or, iso, pickled, pickled_zone, repr_text, shown_name, ymd, zone,
};
use crate::support;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use weft_objects::bytes::Bytes;
use weft_objects::cell::{counted, or_none};
use weft_objects::gc_slots;
use weft_objects::prelude::*;
use weft_objects::text::wtf8;
use weft_objects::types::alloc_instance;

/// A moment. The numbers never change.
#[repr(C)]
pub struct DateTime {
    date: Date,
    time: Hms,
    fold: AtomicU8,
    /// NULL: none.
    zone: Slot,
}

gc_slots!(DateTime, traverse, clear, zone);

/// Year, month, day, hour, minute, second, microsecond.
type Parts = [i64; 7];

impl DateTime {
    pub fn of<'a>(v: Value) -> Option<&'a DateTime> {
        cast(v, &DATETIME)
    }

    fn this<'a>(v: Value) -> &'a DateTime {
        // SAFETY: slots and methods of DATETIME get its instances alone.
        unsafe { &*(v.ptr() as *const DateTime) }
    }

    pub fn day(&self) -> Ymd {
        self.date.day
    }

    pub fn time(&self) -> Hms {
        self.time
    }

    pub fn zone(&self) -> Value {
        self.zone.get()
    }

    fn fold(&self) -> u8 {
        self.fold.load(Relaxed)
    }

    fn parts(&self) -> Parts {
        let (d, h) = (self.day(), self.time);
        [
            d.year.into(),
            d.month.into(),
            d.day.into(),
            h.hour.into(),
            h.minute.into(),
            h.second.into(),
            h.micro.into(),
        ]
    }

    /// Microseconds since the start of day 0, of the fields as they are.
    fn total(&self) -> i128 {
        i128::from(self.day().ordinal()) * DAY + self.time.micros()
    }

    /// The moment so many microseconds later, of the same zone and the class of `v`, which is this object.
    pub fn plus(&self, t: &mut Thread, v: Value, micros: i128) -> Res<Obj> {
        let total = self.total() + micros;
        let (day, rest) = calendar::split_days(total);
        if !(1..=i128::from(MAX_ORDINAL)).contains(&day) {
            return Err(t.overflow_error("date value out of range"));
        }
        let day = calendar::from_ordinal(day as i64);
        let zone = Obj::own(or_none(t, self.zone()));
        build(t, type_of(v), day, Hms::from_micros(rest), 0, &zone)
    }
}

/// A new instance of `cls`, which is DATETIME or a subclass. `zone` may be None.
pub fn make(t: &Thread, cls: &Type, day: Ymd, time: Hms, fold: u8, zone: Value) -> Obj {
    let p = alloc_instance(t, cls) as *mut DateTime;
    // SAFETY: a new instance with this layout.
    unsafe {
        (&raw mut (*p).date.day).write(day);
        (&raw mut (*p).time).write(time);
        (*p).fold.store(fold, Relaxed);
        if !zone.is_none() && !zone.is_null() {
            (*p).zone.init(t, &(*p).date.header, counted(t, zone));
        }
        Obj::from_raw(Value::from_ptr(p as *const Header))
    }
}

/// An instance as `cls` makes it of these fields, which are in range.
fn build(t: &mut Thread, cls: &Type, day: Ymd, time: Hms, fold: u8, zone: &Obj) -> Res<Obj> {
    if cls.is(&DATETIME) {
        return Ok(make(t, cls, day, time, fold, zone.value()));
    }
    let parts = [
        day.year.into(),
        day.month.into(),
        day.day.into(),
        time.hour.into(),
        time.minute.into(),
        time.second.into(),
        time.micro.into(),
    ];
    construct(t, cls, parts, zone, fold)
}

/// An instance as `cls(year, …, tzinfo)` makes it; then its fold is set.
fn construct(t: &mut Thread, cls: &Type, p: Parts, zone: &Obj, fold: u8) -> Res<Obj> {
    if cls.is(&DATETIME) {
        let day = ymd(t, p[0], p[1], p[2])?;
        let time = hms(t, [p[3], p[4], p[5], p[6]])?;
        zone::check_argument(t, zone.value())?;
        return Ok(make(t, cls, day, time, fold, zone.value()));
    }
    let mut args: Vec<Value> = p.map(Value::int).into();
    args.push(zone.value());
    let cls = Obj::new(t, cls.value());
    let made = proto::call(t, cls.value(), &args)?;
    if let Some(dt) = DateTime::of(made.value()).filter(|d| d.fold() != fold) {
        dt.fold.store(fold, Relaxed);
    }
    Ok(made)
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let cls = Type::of_unchecked(cls);
    if let [one, rest @ ..] = args.all()
        && rest.len() < 2
        && !args.has_keywords()
        && let Some(mut b) =
            pickled::<10>(t, *one, "datetime", |b| (1..=12).contains(&(b[2] & 0x7f)))?
    {
        let zone = pickled_zone(t, rest.first().copied().unwrap_or(Value::NONE))?;
        let fold = b[2] >> 7;
        b[2] &= 0x7f;
        let day = Ymd::from_bytes([b[0], b[1], b[2], b[3]]);
        let time = Hms::from_bytes([b[4], b[5], b[6], b[7], b[8], b[9]]);
        return Ok(make(t, cls, day, time, fold, zone).into());
    }
    static SIG: SigCell = SigCell::new(
        "datetime",
        "(year, month, day, hour=0, minute=0, second=0, microsecond=0, tzinfo=None, *, fold=0)",
    );
    let a = SIG.bind(t, args)?;
    let mut p = [0; 7];
    for (p, v) in p.iter_mut().zip(a.iter()) {
        *p = int_or(t, *v, 0)?;
    }
    let fold_no = int_or(t, a[8], 0)?;
    zone::check_argument(t, a[7])?;
    let day = ymd(t, p[0], p[1], p[2])?;
    let time = hms(t, [p[3], p[4], p[5], p[6]])?;
    let fold = fold(t, fold_no)?;
    Ok(make(t, cls, day, time, fold, a[7]).into())
}

// --- other ways to make one ---

/// From a timestamp, in the zone.
fn from_stamp(t: &mut Thread, cls: Value, stamp: Value, zone: Value) -> Res {
    zone::check_argument(t, zone)?;
    let (secs, micro) = clock::split(t, stamp)?;
    let naive = zone.is_null() || zone.is_none();
    let made = at_moment(t, cls, secs, micro, naive, zone)?;
    if naive {
        return Ok(made.into());
    }
    proto::call_method(t, zone, "fromutc", &[made.value()]).map(Obj::into_value)
}

fn at_moment(
    t: &mut Thread,
    cls: Value,
    secs: i64,
    micro: u32,
    local: bool,
    zone: Value,
) -> Res<Obj> {
    let (day, mut time, fold) = clock::at(t, secs, local)?;
    time.micro = micro;
    let zone = if zone.is_null() { Value::NONE } else { zone };
    let zone = Obj::new(t, zone);
    build(t, Type::of_unchecked(cls), day, time, fold, &zone)
}

/// Seconds and microseconds of the clock.
fn now_stamp(t: &mut Thread) -> Res<(i64, u32)> {
    match crate::time::read_clock(libc::CLOCK_REALTIME) {
        Ok(ns) => Ok((
            ns.div_euclid(1_000_000_000),
            (ns.rem_euclid(1_000_000_000) / 1000) as u32,
        )),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn now(t: &mut Thread, a: &[Value]) -> Res {
    zone::check_argument(t, a[1])?;
    let (secs, micro) = now_stamp(t)?;
    let naive = a[1].is_null() || a[1].is_none();
    let made = at_moment(t, a[0], secs, micro, naive, a[1])?;
    if naive {
        return Ok(made.into());
    }
    proto::call_method(t, a[1], "fromutc", &[made.value()]).map(Obj::into_value)
}

fn deprecated(t: &mut Thread, name: &str, instead: &str) -> Res<()> {
    errors::warn::deprecated(
        t,
        &format!(
            "datetime.datetime.{name} is deprecated and scheduled for removal in a future version. Use timezone-aware objects to represent datetimes in UTC: {instead}."
        ),
    )
}

fn utc_now(t: &mut Thread, a: &[Value]) -> Res {
    deprecated(t, "utcnow()", "datetime.datetime.now(datetime.UTC)")?;
    let (secs, micro) = now_stamp(t)?;
    at_moment(t, a[0], secs, micro, false, Value::NONE).map(Obj::into_value)
}

fn utc_from_timestamp(t: &mut Thread, a: &[Value]) -> Res {
    let instead = "datetime.datetime.fromtimestamp(timestamp, datetime.UTC)";
    deprecated(t, "utcfromtimestamp()", instead)?;
    let (secs, micro) = clock::split(t, a[1])?;
    at_moment(t, a[0], secs, micro, false, Value::NONE).map(Obj::into_value)
}

fn combine(t: &mut Thread, a: &[Value]) -> Res {
    for (v, ty, i) in [(a[1], &DATE, 1), (a[2], &super::time::TIME, 2)] {
        if !v.is_ptr() || !type_of(v).is_subtype(ty) {
            let (want, got) = (ty.full_name(t), type_of(v).full_name(t));
            return Err(t.type_error(format!("combine() argument {i} must be {want}, not {got}")));
        }
    }
    let (Some(d), Some(h)) = (Date::of(a[1]), Time::of(a[2])) else {
        return Ok(Value::NONE);
    };
    let zone = match a[3] {
        z if z.is_null() => Obj::own(or_none(t, h.zone())),
        z => Obj::new(t, z),
    };
    zone::check_argument(t, zone.value())?;
    let cls = Type::of_unchecked(a[0]);
    build(t, cls, d.day, h.time(), h.fold(), &zone).map(Obj::into_value)
}

/// The characters as bytes; what separates date and time may be anything.
fn iso_bytes(s: &Str) -> Option<Cow<'_, [u8]>> {
    if s.is_ascii() {
        return (s.len() >= 7).then(|| Cow::Borrowed(s.as_bytes()));
    }
    let codes: Vec<u32> = wtf8::code_points(s.as_bytes()).collect();
    let mut bytes: Vec<u8> = codes
        .iter()
        .map(|c| u8::try_from(*c).ok().filter(u8::is_ascii).unwrap_or(0xff))
        .collect();
    if bytes.len() < 7 {
        return None;
    }
    let end = iso::date_end(&bytes).ok()?;
    let odd = bytes.iter().position(|b| *b == 0xff);
    if odd.is_some_and(|i| i != end) || bytes.iter().filter(|b| **b == 0xff).count() > 1 {
        return None;
    }
    if let Some(sep) = bytes.get_mut(end) {
        *sep = b'T';
    }
    Some(Cow::Owned(bytes))
}

fn read_iso(s: &Str) -> Result<([i64; 3], iso::Time), iso::Bad> {
    let bytes = iso_bytes(s).ok_or(iso::Bad::Format)?;
    let end = iso::date_end(&bytes)?;
    let date = iso::date(bytes.get(..end).ok_or(iso::Bad::Format)?)?;
    let time = match bytes.get(end + 1..) {
        None => iso::Time {
            parts: [0; 4],
            offset: None,
            next_day: false,
        },
        Some(rest) => iso::time(rest)?,
    };
    Ok((date, time))
}

fn from_iso_format(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[1]) else {
        return Err(t.type_error("fromisoformat: argument must be str".into()));
    };
    let ([mut y, mut m, mut d], time) = match read_iso(s) {
        Ok(found) => found,
        Err(iso::Bad::Range(msg)) => return Err(t.value_error(msg)),
        Err(iso::Bad::Format) => {
            let shown = repr_text(t, a[1])?;
            return Err(t.value_error(format!("Invalid isoformat string: {shown}")));
        }
    };
    let zone = zone_from(t, time.offset)?;
    // 24:00 is the start of the next day, if the day was one.
    if time.next_day && (1..=12).contains(&m) && d <= calendar::days_in_month(y, m) {
        d += 1;
        if d > calendar::days_in_month(y, m) {
            (d, m) = (1, m + 1);
        }
        if m > 12 {
            (m, y) = (1, y + 1);
        }
    }
    let p = time.parts;
    let parts = [y, m, d, p[0], p[1], p[2], p[3]];
    construct(t, Type::of_unchecked(a[0]), parts, &zone, 0).map(Obj::into_value)
}

// --- text ---

fn repr(t: &mut Thread, v: Value) -> Res {
    let dt = DateTime::this(v);
    let end = repr_end(t, dt.zone(), dt.fold(), false)?;
    let s = format!("{}({}{end})", shown_name(t, v), format::repr_fields(dt));
    Ok(Str::from_string(t, s).into())
}

fn iso_format(t: &mut Thread, a: &[Value]) -> Res {
    let dt = DateTime::this(a[0]);
    let sep = match Str::of(a[1]) {
        None if a[1].is_null() => u32::from(b'T'),
        Some(s) if s.len() == 1 => s.char_at(0),
        Some(s) => {
            let n = s.len();
            return Err(t.type_error(format!(
                "isoformat() argument 1 must be a unicode character, not a string of length {n}"
            )));
        }
        None => {
            let got = type_of(a[1]).name();
            return Err(t.type_error(format!(
                "isoformat() argument 1 must be a unicode character, not {got}"
            )));
        }
    };
    let mut out = format::date_text(dt.day()).into_bytes();
    wtf8::push(&mut out, sep);
    out.extend_from_slice(format::time_text(t, dt.time, a[2])?.as_bytes());
    out.extend_from_slice(format::offset_text(t, dt.zone(), a[0], ":")?.as_bytes());
    Ok(Str::from_vec(t, out).into())
}

fn str(t: &mut Thread, v: Value) -> Res {
    let sep = Str::char(t, b' '.into());
    proto::call_method(t, v, "isoformat", &[sep.value()]).map(Obj::into_value)
}

fn strftime(t: &mut Thread, a: &[Value]) -> Res {
    let dt = DateTime::this(a[0]);
    let tuple = proto::call_method(t, a[0], "timetuple", &[])?;
    let m = Moment {
        asked: a[0],
        zone: dt.zone(),
        micro: dt.time.micro,
        tuple: &tuple,
        year: dt.day().year.into(),
        day: Some(dt.day()),
    };
    format::strftime(t, &m, a[1])
}

// --- comparing ---

/// Whether the offset depends on the fold: such a moment equals none of another zone.
fn is_problematic(t: &mut Thread, v: Value, offset: Option<i128>) -> Res<bool> {
    let dt = DateTime::this(v);
    if dt.zone().is_null() {
        return Ok(false);
    }
    let other = make(
        t,
        &DATETIME,
        dt.day(),
        dt.time,
        1 - dt.fold().min(1),
        dt.zone(),
    );
    let flipped = zone::offset_of(t, dt.zone(), other.value())?;
    Ok(flipped != offset)
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (DateTime::of(a), DateTime::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let plain = (x.day(), x.time).cmp(&(y.day(), y.time));
    if x.zone().same(y.zone()) {
        return Ok(Value::bool(op.of(plain)));
    }
    let p = zone::offset_of(t, x.zone(), a)?;
    let q = zone::offset_of(t, y.zone(), b)?;
    let equality = matches!(op, CmpOp::Eq | CmpOp::Ne);
    if p.is_some() != q.is_some() {
        return mixed(t, op, "datetimes");
    }
    let order = match (p, q) {
        (Some(p), Some(q)) if p != q => (x.total() - p).cmp(&(y.total() - q)),
        _ => plain,
    };
    if equality && order.is_eq() && (is_problematic(t, a, p)? || is_problematic(t, b, q)?) {
        return Ok(Value::bool(op == CmpOp::Ne));
    }
    Ok(Value::bool(op.of(order)))
}

fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let dt = DateTime::this(v);
    let known = dt.date.hash.load(Relaxed);
    if known != 0 {
        return Ok(known);
    }
    // Both folds have the hash of the first.
    let offset = if dt.zone().is_null() {
        None
    } else if dt.fold() == 0 {
        zone::offset_of(t, dt.zone(), v)?
    } else {
        let first = make(t, &DATETIME, dt.day(), dt.time, 0, dt.zone());
        zone::offset_of(t, dt.zone(), first.value())?
    };
    let h = match offset {
        None => super::hash_bytes(&state_bytes(dt)),
        Some(offset) => {
            let d = Delta::plain(t, dt.total() - offset)?;
            proto::hash(t, d.value())?
        }
    };
    dt.date.hash.store(h, Relaxed);
    Ok(h)
}

// --- arithmetic ---

fn add(t: &mut Thread, a: Value, b: Value) -> Res {
    match (DateTime::of(a), Delta::of(b), Delta::of(a), DateTime::of(b)) {
        (Some(dt), Some(d), _, _) => dt.plus(t, a, d.total()).map(Obj::into_value),
        (_, _, Some(d), Some(dt)) => dt.plus(t, b, d.total()).map(Obj::into_value),
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn sub(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(x) = DateTime::of(a) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if let Some(y) = DateTime::of(b) {
        return match difference(t, a, x, b, y)? {
            Some(micros) => Delta::plain(t, micros).map(Obj::into_value),
            None => {
                Err(t.type_error("can't subtract offset-naive and offset-aware datetimes".into()))
            }
        };
    }
    match Delta::of(b) {
        Some(d) => x.plus(t, a, -d.total()).map(Obj::into_value),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

/// `a - b` in microseconds; nothing if only one of them has an offset.
fn difference(t: &mut Thread, a: Value, x: &DateTime, b: Value, y: &DateTime) -> Res<Option<i128>> {
    let plain = x.total() - y.total();
    if x.zone().same(y.zone()) {
        return Ok(Some(plain));
    }
    let p = zone::offset_of(t, x.zone(), a)?;
    let q = zone::offset_of(t, y.zone(), b)?;
    Ok(match (p, q) {
        (Some(p), Some(q)) => Some(plain - p + q),
        (None, None) => Some(plain),
        _ => None,
    })
}

// --- moments and zones ---

/// Seconds since the epoch, of the fields as they are: UTC.
fn utc_seconds(dt: &DateTime) -> i64 {
    clock::wall_seconds(dt.day(), dt.time) - clock::EPOCH
}

fn timestamp(t: &mut Thread, a: &[Value]) -> Res {
    let dt = DateTime::this(a[0]);
    if !dt.zone().is_null() {
        let micros = match zone::offset_of(t, dt.zone(), a[0])? {
            Some(offset) => dt.total() - offset - i128::from(clock::EPOCH) * SECOND,
            None => {
                let msg = "can't subtract offset-naive and offset-aware datetimes";
                return Err(t.type_error(msg.into()));
            }
        };
        let d = Delta::plain(t, micros)?;
        return proto::call_method(t, d.value(), "total_seconds", &[]).map(Obj::into_value);
    }
    let secs = clock::from_local(t, dt.day(), dt.time, dt.fold())?;
    let stamp = secs as f64 + f64::from(dt.time.micro) / 1e6;
    Ok(weft_objects::float::from_f64(t, stamp))
}

/// The system's zone at the moment of a datetime without an offset.
fn local_zone_of(t: &mut Thread, dt: &DateTime) -> Res<Obj> {
    let fold = dt.fold();
    let mut secs = clock::from_local(t, dt.day(), dt.time, fold)?;
    let other = clock::from_local(t, dt.day(), dt.time, 1 - fold.min(1))?;
    // In a gap the fold means the other side.
    if other != secs && (other > secs) == (fold == 1) {
        secs = other;
    }
    clock::local_zone(t, secs)
}

fn as_timezone(t: &mut Thread, a: &[Value]) -> Res {
    let v = a[0];
    let dt = DateTime::this(v);
    let given = support::given_some(t, a[1]);
    if let Some(z) = given.as_ref().filter(|z| !zone::is_tzinfo(z.value())) {
        let got = type_of(z.value()).full_name(t);
        return Err(t.type_error(format!(
            "tz argument must be an instance of tzinfo, not {got}"
        )));
    }
    let own = dt.zone();
    if let Some(z) = given.as_ref().filter(|z| z.value().same(own)) {
        let _ = z;
        return Ok(Obj::new(t, v).into());
    }
    let offset = match zone::offset_of(t, own, v)? {
        Some(offset) => offset,
        None => {
            let local = local_zone_of(t, dt)?;
            zone::offset_of(t, local.value(), v)?.unwrap_or(0)
        }
    };
    let utc = dt.plus(t, v, -offset)?;
    let Some(u) = DateTime::of(utc.value()) else {
        return Ok(utc.into());
    };
    let zone = match given {
        Some(z) => z,
        None => clock::local_zone(t, utc_seconds(u))?,
    };
    let moved = make(t, &DATETIME, u.day(), u.time, u.fold(), zone.value());
    let moved = match type_of(v).is(&DATETIME) {
        true => moved,
        false => build(t, type_of(v), u.day(), u.time, 0, &zone)?,
    };
    if zone.value().same(zone::utc(t)?.value()) {
        return Ok(moved.into());
    }
    proto::call_method(t, zone.value(), "fromutc", &[moved.value()]).map(Obj::into_value)
}

fn ask(t: &mut Thread, v: Value, method: &'static str) -> Res {
    let d = zone::ask(t, DateTime::this(v).zone(), method, v)?;
    Ok(d.map_or(Value::NONE, Obj::into_value))
}

fn tuple(t: &mut Thread, a: &[Value]) -> Res {
    let dt = DateTime::this(a[0]);
    let dst = match zone::ask(t, dt.zone(), "dst", a[0])? {
        None => -1,
        Some(d) => i64::from(Delta::of(d.value()).is_some_and(|d| d.total() != 0)),
    };
    Ok(time_tuple(t, dt.day(), dt.time, dst).into())
}

fn utc_tuple(t: &mut Thread, a: &[Value]) -> Res {
    let dt = DateTime::this(a[0]);
    let offset = zone::offset_of(t, dt.zone(), a[0])?.unwrap_or(0);
    let total = dt.total() - offset;
    let (day, rest) = calendar::split_days(total);
    if !(1..=i128::from(MAX_ORDINAL)).contains(&day) {
        return Err(t.overflow_error("date value out of range"));
    }
    let day = calendar::from_ordinal(day as i64);
    let time = Hms::from_micros(rest);
    Ok(time_tuple(t, day, time, 0).into())
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let dt = DateTime::this(a[0]);
    let own = dt.parts();
    let mut parts = [0; 7];
    for (i, p) in parts.iter_mut().enumerate() {
        *p = int_or(t, a[i + 1], own[i])?;
    }
    let zone = match a[8] {
        z if z.is_null() => Obj::own(or_none(t, dt.zone())),
        z => Obj::new(t, z),
    };
    let fold_no = int_or(t, a[9], dt.fold().into())?;
    let fold = fold(t, fold_no)?;
    construct(t, type_of(a[0]), parts, &zone, fold).map(Obj::into_value)
}

fn state_bytes(dt: &DateTime) -> [u8; 10] {
    let mut b = [0; 10];
    b[..4].copy_from_slice(&dt.day().bytes());
    b[4..].copy_from_slice(&dt.time.bytes());
    b
}

fn reduce(t: &Thread, v: Value, with_fold: bool) -> Obj {
    let dt = DateTime::this(v);
    let mut bytes = state_bytes(dt);
    if with_fold {
        bytes[2] |= dt.fold() << 7;
    }
    let mut state = vec![Bytes::new(t, &bytes)];
    if !dt.zone().is_null() {
        state.push(Obj::new(t, dt.zone()));
    }
    let class = Obj::new(t, type_of(v).value());
    let state = Tuple::from_vec(t, state);
    Tuple::pair(t, class, state)
}

fn time_of(t: &Thread, v: Value, zone: Value) -> Res {
    let dt = DateTime::this(v);
    Ok(super::time::make(t, &super::time::TIME, dt.time, dt.fold(), zone).into())
}

fn field(v: Value, get: fn(Hms) -> i64) -> Res {
    Ok(Value::int(get(DateTime::this(v).time)))
}

const REPLACE: &str = "($self, /, year=unchanged, month=unchanged, day=unchanged, hour=unchanged, minute=unchanged, second=unchanged, microsecond=unchanged, tzinfo=unchanged, *, fold=unchanged)";

const METHODS: &[NativeDef] = &[
    NativeDef::class("now", "($type, /, tz=None)", now)
        .doc("Returns new datetime object representing current time local to tz.\n\n  tz\n    Timezone object.\n\nIf no tz is specified, uses local timezone."),
    NativeDef::class("utcnow", "($type, /)", utc_now)
        .doc("Return a new datetime representing UTC day and time."),
    NativeDef::class("fromtimestamp", "($type, /, timestamp, tz=None)", |t, a| {
        from_stamp(t, a[0], a[1], a[2])
    })
    .doc("timestamp[, tz] -> tz's local time from POSIX timestamp."),
    NativeDef::class("utcfromtimestamp", "($type, timestamp, /)", utc_from_timestamp)
        .doc("Construct a naive UTC datetime from a POSIX timestamp."),
    NativeDef::class("strptime", "($type, string, format, /)", |t, a| {
        super::strptime(t, "_strptime_datetime_datetime", a)
    })
    .doc("string, format -> new datetime parsed from a string (like time.strptime())."),
    NativeDef::class("combine", "($type, /, date, time, tzinfo=None)", combine)
        .doc("date, time -> datetime with same date and time fields"),
    NativeDef::class("fromisoformat", "($type, object, /)", from_iso_format)
        .doc("string -> datetime from a string in most ISO 8601 formats"),
    NativeDef::new("date", "($self, /)", |t, a| {
        Ok(super::date::make(t, &DATE, DateTime::this(a[0]).day()).into())
    })
    .doc("Return date object with same year, month and day."),
    NativeDef::new("time", "($self, /)", |t, a| time_of(t, a[0], Value::NONE))
        .doc("Return time object with same time but with tzinfo=None."),
    NativeDef::new("timetz", "($self, /)", |t, a| {
        time_of(t, a[0], DateTime::this(a[0]).zone())
    })
    .doc("Return time object with same time and tzinfo."),
    NativeDef::new("ctime", "($self, /)", |t, a| {
        let dt = DateTime::this(a[0]);
        Ok(Str::from_string(t, format::ctime(dt.day(), dt.time)).into())
    })
    .doc("Return ctime() style string."),
    NativeDef::new("strftime", "($self, format)", strftime)
        .doc("format -> strftime() style string."),
    NativeDef::new("timetuple", "($self, /)", tuple)
        .doc("Return time tuple, compatible with time.localtime()."),
    NativeDef::new("timestamp", "($self, /)", timestamp).doc("Return POSIX timestamp as float."),
    NativeDef::new("utctimetuple", "($self, /)", utc_tuple)
        .doc("Return UTC time tuple, compatible with time.localtime()."),
    NativeDef::new("isoformat", "($self, sep='T', timespec='auto')", iso_format)
        .doc("[sep] -> string in ISO 8601 format, YYYY-MM-DDT[HH[:MM[:SS[.mmm[uuu]]]]][+HH:MM].\nsep is used to separate the year from the time, and defaults to 'T'.\nThe optional argument timespec specifies the number of additional terms\nof the time to include. Valid options are 'auto', 'hours', 'minutes',\n'seconds', 'milliseconds' and 'microseconds'.\n"),
    NativeDef::new("utcoffset", "($self, /)", |t, a| ask(t, a[0], "utcoffset"))
        .doc("Return self.tzinfo.utcoffset(self)."),
    NativeDef::new("dst", "($self, /)", |t, a| ask(t, a[0], "dst"))
        .doc("Return self.tzinfo.dst(self)."),
    NativeDef::new("tzname", "($self, /)", |t, a| {
        zone::name_of(t, DateTime::this(a[0]).zone(), a[0]).map(Obj::into_value)
    })
    .doc("Return self.tzinfo.tzname(self)."),
    NativeDef::new("replace", REPLACE, replace).doc("Return datetime with new specified fields."),
    NativeDef::new("__replace__", REPLACE, replace).doc("The same as replace()."),
    NativeDef::new("astimezone", "($self, /, tz=None)", as_timezone)
        .doc("tz -> convert to local time in new timezone tz\n"),
    NativeDef::new("__reduce_ex__", "($self, proto, /)", |t, a| {
        let proto = int_or(t, a[1], 0)?;
        Ok(reduce(t, a[0], proto > 3).into())
    })
    .doc("__reduce_ex__(proto) -> (cls, state)"),
    NativeDef::new("__reduce__", "($self, /)", |t, a| {
        Ok(reduce(t, a[0], false).into())
    })
    .doc("__reduce__() -> (cls, state)"),
];

/// `datetime.datetime`
pub static DATETIME: Type = Type::builtin(
    "datetime",
    size_of::<DateTime>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        str: Some(str),
        hash: Some(hash),
        compare: Some(compare),
        binary: &[(BinOp::Add, add), (BinOp::Sub, sub)],
        methods: METHODS,
        getset: &[
            GetSetDef::ro("hour", |_, v| field(v, |h| h.hour.into())),
            GetSetDef::ro("minute", |_, v| field(v, |h| h.minute.into())),
            GetSetDef::ro("second", |_, v| field(v, |h| h.second.into())),
            GetSetDef::ro("microsecond", |_, v| field(v, |h| h.micro.into())),
            GetSetDef::ro("tzinfo", |t, v| Ok(or_none(t, DateTime::this(v).zone()))),
            GetSetDef::ro("fold", |_, v| {
                Ok(Value::int(DateTime::this(v).fold().into()))
            }),
        ],
        ..Spec::EMPTY
    },
)
.base(&DATE)
.gc(traverse, clear)
.module("datetime")
.doc("datetime(year, month, day[, hour[, minute[, second[, microsecond[,tzinfo]]]]])\n\nThe year, month and day arguments are required. tzinfo may be None, or an\ninstance of a tzinfo subclass. The remaining arguments may be ints.\n");
