//! `_datetime`: dates, times, durations and time zones.
//!
//! All objects here are unchangeable: but for hashes, which are computed when they are asked for, and `fold`, which is set
//! on new objects alone.

mod calendar;
mod clock;
mod date;
mod datetime;
mod delta;
mod format;
mod iso;
mod time;
mod zone;

use crate::support;
use calendar::{Hms, MAX_YEAR, MIDNIGHT, MIN_YEAR, Ymd};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::runtime;

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "Fast implementation of the datetime module.";
    let m = support::module(t, "_datetime", doc, &[]);
    support::add_ints(t, &m, &[("MINYEAR", MIN_YEAR), ("MAXYEAR", MAX_YEAR)]);
    for ty in [
        &date::DATE,
        &datetime::DATETIME,
        &time::TIME,
        &delta::TIMEDELTA,
        &zone::TZINFO,
        &zone::TIMEZONE,
    ] {
        support::add_type(t, &m, ty);
    }
    date::ISO_CALENDAR.ready(t);
    zone::ready(t)?;
    set_limits(t)?;
    let utc = zone::utc(t)?;
    support::add(t, &m, "UTC", utc);
    Ok(m)
}

/// Sets `min`, `max` and `resolution`.
fn set_limits(t: &Thread) -> Res<()> {
    let first = Ymd {
        year: 1,
        month: 1,
        day: 1,
    };
    let last = Ymd {
        year: 9999,
        month: 12,
        day: 31,
    };
    let end = Hms {
        hour: 23,
        minute: 59,
        second: 59,
        micro: 999_999,
    };
    let most = 1_000_000_000 * calendar::DAY;
    let set = |ty: &Type, name: &str, o: Obj| {
        ty.set_name(t, weft_objects::names::get(t, name), o.value());
    };
    set(
        &delta::TIMEDELTA,
        "min",
        delta::Delta::plain(t, calendar::DAY - most)?,
    );
    set(&delta::TIMEDELTA, "max", delta::Delta::plain(t, most - 1)?);
    set(&date::DATE, "min", date::make(t, &date::DATE, first));
    set(&date::DATE, "max", date::make(t, &date::DATE, last));
    set(
        &date::DATE,
        "resolution",
        delta::Delta::plain(t, calendar::DAY)?,
    );
    let moment = |day, time| datetime::make(t, &datetime::DATETIME, day, time, 0, Value::NONE);
    set(&datetime::DATETIME, "min", moment(first, MIDNIGHT));
    set(&datetime::DATETIME, "max", moment(last, end));
    set(
        &time::TIME,
        "min",
        time::make(t, &time::TIME, MIDNIGHT, 0, Value::NONE),
    );
    set(
        &time::TIME,
        "max",
        time::make(t, &time::TIME, end, 0, Value::NONE),
    );
    for ty in [&delta::TIMEDELTA, &datetime::DATETIME, &time::TIME] {
        set(ty, "resolution", delta::Delta::plain(t, 1)?);
    }
    Ok(())
}

/// The name of the type of `v` as reprs begin with it.
fn shown_name(t: &Thread, v: Value) -> String {
    let ty = type_of(v);
    match ty.is_heap() {
        true => ty.name(),
        false => ty.full_name(t),
    }
}

fn repr_text(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::this(r.value()).to_string_lossy())
}

/// An int argument, or the default if it is absent.
fn int_or(t: &mut Thread, v: Value, default: i64) -> Res<i64> {
    if v.is_null() {
        return Ok(default);
    }
    support::c_int(t, v).map(i64::from)
}

fn ymd(t: &Thread, year: i64, month: i64, day: i64) -> Res<Ymd> {
    if !(MIN_YEAR..=MAX_YEAR).contains(&year) {
        return Err(t.value_error(format!(
            "year must be in {MIN_YEAR}..{MAX_YEAR}, not {year}"
        )));
    }
    if !(1..=12).contains(&month) {
        return Err(t.value_error(format!("month must be in 1..12, not {month}")));
    }
    let last = calendar::days_in_month(year, month);
    if !(1..=last).contains(&day) {
        return Err(t.value_error(format!(
            "day {day} must be in range 1..{last} for month {month} in year {year}"
        )));
    }
    Ok(Ymd {
        year: year as u16,
        month: month as u8,
        day: day as u8,
    })
}

fn hms(t: &Thread, parts: [i64; 4]) -> Res<Hms> {
    let limits = [
        ("hour", 23),
        ("minute", 59),
        ("second", 59),
        ("microsecond", 999_999),
    ];
    for ((name, most), n) in limits.into_iter().zip(parts) {
        if !(0..=most).contains(&n) {
            return Err(t.value_error(format!("{name} must be in 0..{most}, not {n}")));
        }
    }
    Ok(Hms {
        hour: parts[0] as u8,
        minute: parts[1] as u8,
        second: parts[2] as u8,
        micro: parts[3] as u32,
    })
}

fn fold(t: &Thread, n: i64) -> Res<u8> {
    match n {
        0 | 1 => Ok(n as u8),
        _ => Err(t.value_error(format!("fold must be either 0 or 1, not {n}"))),
    }
}

/// The bytes of a pickled `what`, if that is what a constructor was given: `N` of them, of which `check` approves.
fn pickled<const N: usize>(
    t: &mut Thread,
    v: Value,
    what: &str,
    check: impl Fn(&[u8; N]) -> bool,
) -> Res<Option<[u8; N]>> {
    if let Some(b) = Bytes::of(v) {
        let state = <[u8; N]>::try_from(b.as_slice()).ok();
        return Ok(state.filter(check));
    }
    let Some(s) = Str::of(v).filter(|s| s.len() == N) else {
        return Ok(None);
    };
    // A str of Python 2, which was decoded as Latin-1.
    let mut state = [0; N];
    let mut narrow = true;
    for (b, c) in state.iter_mut().zip(0..N) {
        let c = s.char_at(c);
        narrow &= c < 0x100;
        *b = c as u8;
    }
    if !check(&state) {
        return Ok(None);
    }
    if !narrow {
        return Err(t.value_error(format!(
            "Failed to encode latin1 string when unpickling a {what} object. pickle.load(data, encoding='latin1') is assumed."
        )));
    }
    Ok(Some(state))
}

/// The zone in a pickle.
fn pickled_zone(t: &Thread, v: Value) -> Res<Value> {
    if v.is_null() || v.is_none() {
        return Ok(Value::NONE);
    }
    match zone::is_tzinfo(v) {
        true => Ok(v),
        false => Err(t.type_error("bad tzinfo state arg".into())),
    }
}

/// `cls(value, format)` by the library's parser of times.
fn strptime(t: &mut Thread, func: &'static str, a: &[Value]) -> Res {
    let module = runtime::import(t, "_strptime")?;
    let f = proto::get_attr(t, module.value(), weft_objects::names::get(t, func))?;
    for (v, i) in [(a[1], 1), (a[2], 2)] {
        if Str::of(v).is_none() {
            let got = type_of(v).name();
            return Err(t.type_error(format!("strptime() argument {i} must be str, not {got}")));
        }
    }
    proto::call(t, f.value(), a).map(Obj::into_value)
}

/// `__format__`: by `strftime`, or as a str if the format is empty.
fn format_method(t: &mut Thread, a: &[Value]) -> Res {
    let Some(spec) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("__format__() argument 1 must be str, not {got}")));
    };
    if spec.is_empty() {
        return proto::str(t, a[0]).map(Obj::into_value);
    }
    proto::call_method(t, a[0], "strftime", &[a[1]]).map(Obj::into_value)
}

/// `hash(bytes)`
fn hash_bytes(bytes: &[u8]) -> i64 {
    weft_objects::text::hash::hash_bytes(*runtime::hash_key(), bytes)
}
