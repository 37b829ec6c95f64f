//! `time`

use super::calendar::Hms;
use super::delta::Delta;
use super::format::{self, Moment};
use super::{fold, hms, int_or, iso, pickled, pickled_zone, repr_text, shown_name, zone};
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::Relaxed};
use weft_objects::bytes::Bytes;
use weft_objects::cell::{counted, or_none};
use weft_objects::gc_slots;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;

/// A time of day. The numbers never change.
#[repr(C)]
pub struct Time {
    header: Header,
    /// 0: not computed yet.
    hash: AtomicI64,
    time: Hms,
    fold: AtomicU8,
    /// NULL: none.
    zone: Slot,
}

gc_slots!(Time, traverse, clear, zone);

impl Time {
    pub fn of<'a>(v: Value) -> Option<&'a Time> {
        cast(v, &TIME)
    }

    fn this<'a>(v: Value) -> &'a Time {
        // SAFETY: slots and methods of TIME get its instances alone.
        unsafe { &*(v.ptr() as *const Time) }
    }

    pub fn time(&self) -> Hms {
        self.time
    }

    pub fn zone(&self) -> Value {
        self.zone.get()
    }

    pub fn fold(&self) -> u8 {
        self.fold.load(Relaxed)
    }
}

/// A new instance of `cls`, which is TIME or a subclass. `zone` may be None.
pub fn make(t: &Thread, cls: &Type, time: Hms, fold: u8, zone: Value) -> Obj {
    let p = alloc_instance(t, cls) as *mut Time;
    // SAFETY: a new instance with this layout.
    unsafe {
        (&raw mut (*p).time).write(time);
        (*p).fold.store(fold, Relaxed);
        if !zone.is_none() && !zone.is_null() {
            (*p).zone.init(t, &(*p).header, counted(t, zone));
        }
        Obj::from_raw(Value::from_ptr(p as *const Header))
    }
}

/// An instance as `cls(hour, minute, second, microsecond, tzinfo, fold=fold)` makes it.
fn construct(t: &mut Thread, cls: &Type, parts: [i64; 4], zone: &Obj, fold_no: i64) -> Res<Obj> {
    if cls.is(&TIME) {
        let time = hms(t, parts)?;
        let fold = fold(t, fold_no)?;
        zone::check_argument(t, zone.value())?;
        return Ok(make(t, cls, time, fold, zone.value()));
    }
    let mut args: Vec<Value> = parts.map(Value::int).into();
    args.extend([zone.value(), Value::int(fold_no)]);
    let cls = Obj::new(t, cls.value());
    let name = Str::intern(t, "fold");
    let names = Tuple::from_vec(t, vec![name]);
    proto::call_kw(t, cls.value(), Args::new(&args, names.value()))
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let cls = Type::of_unchecked(cls);
    if let [one, rest @ ..] = args.all()
        && rest.len() < 2
        && !args.has_keywords()
        && let Some(mut state) = pickled::<6>(t, *one, "time", |b| b[0] & 0x7f < 24)?
    {
        let zone = pickled_zone(t, rest.first().copied().unwrap_or(Value::NONE))?;
        let fold = state[0] >> 7;
        state[0] &= 0x7f;
        return Ok(make(t, cls, Hms::from_bytes(state), fold, zone).into());
    }
    static SIG: SigCell = SigCell::new(
        "time",
        "(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, *, fold=0)",
    );
    let a = SIG.bind(t, args)?;
    let mut parts = [0; 4];
    for (p, v) in parts.iter_mut().zip(a.iter()) {
        *p = int_or(t, *v, 0)?;
    }
    let fold_no = int_or(t, a[5], 0)?;
    zone::check_argument(t, a[4])?;
    let (time, fold) = (hms(t, parts)?, fold(t, fold_no)?);
    Ok(make(t, cls, time, fold, a[4]).into())
}

fn from_iso_format(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[1]) else {
        return Err(t.type_error("fromisoformat: argument must be str".into()));
    };
    let bytes = s.as_bytes();
    let parsed = match s.is_ascii() {
        true => iso::time(bytes.strip_prefix(b"T").unwrap_or(bytes)),
        false => Err(iso::Bad::Format),
    };
    let time = match parsed {
        Ok(time) => time,
        Err(iso::Bad::Range(msg)) => return Err(t.value_error(msg)),
        Err(iso::Bad::Format) => {
            let shown = repr_text(t, a[1])?;
            return Err(t.value_error(format!("Invalid isoformat string: {shown}")));
        }
    };
    let zone = zone_from(t, time.offset)?;
    construct(t, Type::of_unchecked(a[0]), time.parts, &zone, 0).map(Obj::into_value)
}

/// The zone of an offset that was read.
pub fn zone_from(t: &mut Thread, offset: iso::Offset) -> Res<Obj> {
    match offset {
        Some(micros) => zone::fixed(t, micros, None),
        None => Ok(crate::support::none()),
    }
}

// --- text ---

/// The zone and the fold at the end of a repr.
pub fn repr_end(t: &mut Thread, zone: Value, fold: u8, zone_first: bool) -> Res<String> {
    let mut out = String::new();
    let fold = if fold == 0 { "" } else { ", fold=1" };
    if !zone_first {
        out.push_str(fold);
    }
    if !zone.is_null() {
        out.push_str(&format!(", tzinfo={}", repr_text(t, zone)?));
    }
    if zone_first {
        out.push_str(fold);
    }
    Ok(out)
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let x = Time::this(v);
    let h = x.time;
    let mut s = format!("{}({}, {}", shown_name(t, v), h.hour, h.minute);
    if h.second != 0 || h.micro != 0 {
        s.push_str(&format!(", {}", h.second));
    }
    if h.micro != 0 {
        s.push_str(&format!(", {}", h.micro));
    }
    s.push_str(&repr_end(t, x.zone(), x.fold(), true)?);
    s.push(')');
    Ok(Str::from_string(t, s).into())
}

fn iso_format(t: &mut Thread, a: &[Value]) -> Res {
    let x = Time::this(a[0]);
    let mut s = format::time_text(t, x.time, a[1])?;
    s.push_str(&format::offset_text(t, x.zone(), Value::NONE, ":")?);
    Ok(Str::from_string(t, s).into())
}

fn strftime(t: &mut Thread, a: &[Value]) -> Res {
    let x = Time::this(a[0]);
    let h = x.time;
    // The day has no meaning.
    let fields = [
        1900,
        1,
        1,
        h.hour.into(),
        h.minute.into(),
        h.second.into(),
        0,
        1,
        -1,
    ];
    let tuple = Tuple::from_slice(t, &fields.map(Value::int));
    let m = Moment {
        asked: Value::NONE,
        zone: x.zone(),
        micro: h.micro,
        tuple: &tuple,
        year: 1900,
        day: None,
    };
    format::strftime(t, &m, a[1])
}

// --- comparing ---

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Time::of(a), Time::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if x.zone().same(y.zone()) {
        return Ok(Value::bool(op.of(x.time.cmp(&y.time))));
    }
    let p = zone::offset_of(t, x.zone(), Value::NONE)?;
    let q = zone::offset_of(t, y.zone(), Value::NONE)?;
    match (p, q) {
        _ if p == q => Ok(Value::bool(op.of(x.time.cmp(&y.time)))),
        (Some(p), Some(q)) => {
            let (x, y) = (x.time.micros() - p, y.time.micros() - q);
            Ok(Value::bool(op.of(x.cmp(&y))))
        }
        _ => mixed(t, op, "times"),
    }
}

/// The result for two of which one has an offset.
pub fn mixed(t: &Thread, op: CmpOp, what: &str) -> Res {
    match op {
        CmpOp::Eq => Ok(Value::FALSE),
        CmpOp::Ne => Ok(Value::TRUE),
        _ => Err(t.type_error(format!(
            "can't compare offset-naive and offset-aware {what}"
        ))),
    }
}

fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let x = Time::this(v);
    let known = x.hash.load(Relaxed);
    if known != 0 {
        return Ok(known);
    }
    let h = match zone::offset_of(t, x.zone(), Value::NONE)? {
        None => super::hash_bytes(&x.time.bytes()),
        Some(offset) => {
            let d = Delta::plain(t, x.time.micros() - offset)?;
            proto::hash(t, d.value())?
        }
    };
    x.hash.store(h, Relaxed);
    Ok(h)
}

// --- zones ---

fn ask(t: &mut Thread, v: Value, method: &'static str) -> Res {
    let d = zone::ask(t, Time::this(v).zone(), method, Value::NONE)?;
    Ok(d.map_or(Value::NONE, Obj::into_value))
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let x = Time::this(a[0]);
    let h = x.time;
    let own = [
        h.hour.into(),
        h.minute.into(),
        h.second.into(),
        h.micro.into(),
    ];
    let mut parts = [0; 4];
    for (i, p) in parts.iter_mut().enumerate() {
        *p = int_or(t, a[i + 1], own[i])?;
    }
    let zone = match a[5] {
        z if z.is_null() => Obj::own(or_none(t, x.zone())),
        z => Obj::new(t, z),
    };
    let fold = int_or(t, a[6], x.fold().into())?;
    super::fold(t, fold)?;
    construct(t, type_of(a[0]), parts, &zone, fold).map(Obj::into_value)
}

fn reduce(t: &Thread, v: Value, with_fold: bool) -> Obj {
    let x = Time::this(v);
    let mut bytes = x.time.bytes();
    if with_fold {
        bytes[0] |= x.fold() << 7;
    }
    let mut state = vec![Bytes::new(t, &bytes)];
    if !x.zone().is_null() {
        state.push(Obj::new(t, x.zone()));
    }
    let class = Obj::new(t, type_of(v).value());
    let state = Tuple::from_vec(t, state);
    Tuple::pair(t, class, state)
}

fn field(v: Value, get: fn(Hms) -> i64) -> Res {
    Ok(Value::int(get(Time::this(v).time)))
}

const REPLACE: &str = "($self, /, hour=unchanged, minute=unchanged, second=unchanged, microsecond=unchanged, tzinfo=unchanged, *, fold=unchanged)";

/// `datetime.time`
pub static TIME: Type = Type::builtin(
    "time",
    size_of::<Time>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        str: Some(|t, v| proto::call_method(t, v, "isoformat", &[]).map(Obj::into_value)),
        hash: Some(hash),
        compare: Some(compare),
        methods: &[
            NativeDef::class("strptime", "($type, string, format, /)", |t, a| {
                super::strptime(t, "_strptime_datetime_time", a)
            })
            .doc("string, format -> new time parsed from a string (like time.strptime())."),
            NativeDef::class("fromisoformat", "($type, object, /)", from_iso_format)
                .doc("string -> time from a string in ISO 8601 format"),
            NativeDef::new("isoformat", "($self, timespec='auto')", iso_format)
                .doc("Return string in ISO 8601 format, [HH[:MM[:SS[.mmm[uuu]]]]][+HH:MM].\n\nThe optional argument timespec specifies the number of additional terms\nof the time to include. Valid options are 'auto', 'hours', 'minutes',\n'seconds', 'milliseconds' and 'microseconds'.\n"),
            NativeDef::new("strftime", "($self, format)", strftime)
                .doc("format -> strftime() style string."),
            NativeDef::new("__format__", "($self, spec, /)", super::format_method)
                .doc("Formats self with strftime."),
            NativeDef::new("utcoffset", "($self, /)", |t, a| ask(t, a[0], "utcoffset"))
                .doc("Return self.tzinfo.utcoffset(self)."),
            NativeDef::new("dst", "($self, /)", |t, a| ask(t, a[0], "dst"))
                .doc("Return self.tzinfo.dst(self)."),
            NativeDef::new("tzname", "($self, /)", |t, a| {
                zone::name_of(t, Time::this(a[0]).zone(), Value::NONE).map(Obj::into_value)
            })
            .doc("Return self.tzinfo.tzname(self)."),
            NativeDef::new("replace", REPLACE, replace)
                .doc("Return time with new specified fields."),
            NativeDef::new("__replace__", REPLACE, replace).doc("The same as replace()."),
            NativeDef::new("__reduce_ex__", "($self, proto, /)", |t, a| {
                let proto = int_or(t, a[1], 0)?;
                Ok(reduce(t, a[0], proto > 3).into())
            })
            .doc("__reduce_ex__(proto) -> (cls, state)"),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                Ok(reduce(t, a[0], false).into())
            })
            .doc("__reduce__() -> (cls, state)"),
        ],
        getset: &[
            GetSetDef::ro("hour", |_, v| field(v, |h| h.hour.into())),
            GetSetDef::ro("minute", |_, v| field(v, |h| h.minute.into())),
            GetSetDef::ro("second", |_, v| field(v, |h| h.second.into())),
            GetSetDef::ro("microsecond", |_, v| field(v, |h| h.micro.into())),
            GetSetDef::ro("tzinfo", |t, v| Ok(or_none(t, Time::this(v).zone()))),
            GetSetDef::ro("fold", |_, v| Ok(Value::int(Time::this(v).fold().into()))),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("datetime")
.doc("time([hour[, minute[, second[, microsecond[, tzinfo]]]]]) --> a time object\n\nAll arguments are optional. tzinfo may be None, or an instance of\na tzinfo subclass. The remaining arguments may be ints.\n");
