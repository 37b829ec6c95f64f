//! `time`

use crate::support::{self, add, add_ints, float_obj, int_obj, none};
use std::ffi::{CStr, CString};
use weft_objects::audit;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::{float, int, runtime};

crate::struct_sequence!(STRUCT_TIME, STRUCT_TIME_DEF, "struct_time" in "time", items 9, {
    0 "tm_year", 1 "tm_mon", 2 "tm_mday", 3 "tm_hour", 4 "tm_min", 5 "tm_sec", 6 "tm_wday", 7 "tm_yday", 8 "tm_isdst",
    9 "tm_zone", 10 "tm_gmtoff",
});

/// What a clock of the system shows, in nanoseconds.
pub fn read_clock(clock: libc::clockid_t) -> Result<i64, i32> {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is ours.
    if unsafe { libc::clock_gettime(clock, &mut ts) } != 0 {
        return Err(support::errno());
    }
    Ok(ts.tv_sec * 1_000_000_000 + ts.tv_nsec)
}

/// The monotonic clock.
pub fn monotonic_ns() -> i64 {
    read_clock(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

fn timespec(ns: i64) -> libc::timespec {
    libc::timespec {
        tv_sec: ns.div_euclid(1_000_000_000) as _,
        tv_nsec: ns.rem_euclid(1_000_000_000) as _,
    }
}

fn seconds<const CLOCK: i32>(t: &mut Thread, _a: &[Value]) -> Res {
    match read_clock(CLOCK as libc::clockid_t) {
        Ok(ns) => Ok(float::from_f64(t, ns as f64 / 1e9)),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn nanoseconds<const CLOCK: i32>(t: &mut Thread, _a: &[Value]) -> Res {
    match read_clock(CLOCK as libc::clockid_t) {
        Ok(ns) => Ok(int::from_i64(t, ns)),
        Err(e) => Err(t.os_error(e, None)),
    }
}

const REAL: i32 = libc::CLOCK_REALTIME;
const MONOTONIC: i32 = libc::CLOCK_MONOTONIC;
const PROCESS: i32 = libc::CLOCK_PROCESS_CPUTIME_ID;
const THREAD: i32 = libc::CLOCK_THREAD_CPUTIME_ID;

fn clock_gettime(t: &mut Thread, a: &[Value]) -> Res {
    let clock = support::c_int(t, a[0])?;
    match read_clock(clock as libc::clockid_t) {
        Ok(ns) => Ok(float::from_f64(t, ns as f64 / 1e9)),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn clock_gettime_ns(t: &mut Thread, a: &[Value]) -> Res {
    let clock = support::c_int(t, a[0])?;
    match read_clock(clock as libc::clockid_t) {
        Ok(ns) => Ok(int::from_i64(t, ns)),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn resolution(clock: libc::clockid_t) -> Result<f64, i32> {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is ours.
    if unsafe { libc::clock_getres(clock, &mut ts) } != 0 {
        return Err(support::errno());
    }
    Ok(ts.tv_sec as f64 + ts.tv_nsec as f64 * 1e-9)
}

fn clock_getres(t: &mut Thread, a: &[Value]) -> Res {
    let clock = support::c_int(t, a[0])?;
    match resolution(clock as libc::clockid_t) {
        Ok(r) => Ok(float::from_f64(t, r)),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn set_clock(t: &mut Thread, clock: Value, ns: i64) -> Res {
    let clock = support::c_int(t, clock)?;
    let ts = timespec(ns);
    // SAFETY: the structure is ours.
    if unsafe { libc::clock_settime(clock as libc::clockid_t, &ts) } != 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(Value::NONE)
}

fn clock_settime(t: &mut Thread, a: &[Value]) -> Res {
    let ns = support::nanos(t, a[1])?;
    set_clock(t, a[0], ns)
}

fn clock_settime_ns(t: &mut Thread, a: &[Value]) -> Res {
    let ns = proto::index_i64(t, a[1])?;
    set_clock(t, a[0], ns)
}

fn sleep(t: &mut Thread, a: &[Value]) -> Res {
    audit::tell(t, "time.sleep", &[a[0]])?;
    let ns = support::nanos(t, a[0])?;
    if ns < 0 {
        return Err(t.value_error("sleep length must be non-negative"));
    }
    let until = monotonic_ns().saturating_add(ns);
    loop {
        let interrupted = t.blocking(|| sleep_until(until));
        if !interrupted {
            return Ok(Value::NONE);
        }
        runtime::check_signals(t)?;
    }
}

/// Whether a signal came before the time did.
#[cfg(target_os = "linux")]
fn sleep_until(until: i64) -> bool {
    let ts = timespec(until);
    // SAFETY: the structure is ours.
    let r = unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &ts,
            std::ptr::null_mut(),
        )
    };
    r == libc::EINTR
}

#[cfg(not(target_os = "linux"))]
fn sleep_until(until: i64) -> bool {
    let left = until - monotonic_ns();
    if left <= 0 {
        return false;
    }
    let ts = timespec(left);
    // SAFETY: the structure is ours.
    let r = unsafe { libc::nanosleep(&ts, std::ptr::null_mut()) };
    r != 0 && support::errno() == libc::EINTR
}

// --- calendar ---

/// Whole seconds of a time given as an int, a float, or not at all.
fn when(t: &mut Thread, v: Value) -> Res<libc::time_t> {
    if v.is_null() || v.is_none() {
        return Ok((read_clock(libc::CLOCK_REALTIME)
            .unwrap_or(0)
            .div_euclid(1_000_000_000)) as libc::time_t);
    }
    let out_of_range = "timestamp out of range for platform time_t";
    if let Some(f) = float::as_f64(v) {
        if f.is_nan() {
            return Err(t.value_error("Invalid value NaN (not a number)"));
        }
        let f = f.floor();
        if !(-9.2e18..9.2e18).contains(&f) {
            return Err(t.overflow_error(out_of_range));
        }
        return Ok(f as libc::time_t);
    }
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(i) => Ok(i as libc::time_t),
        None => Err(t.overflow_error(out_of_range)),
    }
}

fn empty_tm() -> libc::tm {
    // SAFETY: a plain structure, for which zero is valid.
    unsafe { std::mem::zeroed() }
}

fn struct_time(t: &Thread, tm: &libc::tm) -> Obj {
    let zone = if tm.tm_zone.is_null() {
        none()
    } else {
        // SAFETY: the system's name of the zone, zero-terminated.
        support::fs_decode(t, unsafe { CStr::from_ptr(tm.tm_zone) }.to_bytes())
    };
    let ints = [
        tm.tm_year as i64 + 1900,
        tm.tm_mon as i64 + 1,
        tm.tm_mday as i64,
        tm.tm_hour as i64,
        tm.tm_min as i64,
        tm.tm_sec as i64,
        (tm.tm_wday as i64 + 6) % 7,
        tm.tm_yday as i64 + 1,
        tm.tm_isdst as i64,
    ];
    let mut fields: Vec<Obj> = ints.iter().map(|i| int_obj(t, *i)).collect();
    fields.push(zone);
    fields.push(int_obj(t, tm.tm_gmtoff));
    STRUCT_TIME_DEF.make(t, fields)
}

fn break_down(t: &mut Thread, v: Value, local: bool) -> Res<libc::tm> {
    let secs = when(t, v)?;
    let mut tm = empty_tm();
    // SAFETY: both structures are ours.
    let p = unsafe {
        if local {
            libc::localtime_r(&secs, &mut tm)
        } else {
            libc::gmtime_r(&secs, &mut tm)
        }
    };
    if p.is_null() {
        return Err(match support::errno() {
            libc::EOVERFLOW | 0 => t.overflow_error("timestamp out of range for platform time_t"),
            e => t.os_error(e, None),
        });
    }
    Ok(tm)
}

/// A time of the system's calendar: the local one, or UTC. Year, month, day, hour, minute, second (60 and 61 are leap seconds).
pub type Moment = [i64; 6];

fn at(t: &mut Thread, secs: i64, local: bool) -> Res<libc::tm> {
    let secs = Obj::own(int::from_i64(t, secs));
    break_down(t, secs.value(), local)
}

/// The moment a number of seconds after the epoch.
pub fn moment(t: &mut Thread, secs: i64, local: bool) -> Res<Moment> {
    let tm = at(t, secs, local)?;
    Ok([
        tm.tm_year as i64 + 1900,
        tm.tm_mon as i64 + 1,
        tm.tm_mday as i64,
        tm.tm_hour as i64,
        tm.tm_min as i64,
        tm.tm_sec as i64,
    ])
}

/// The local zone's offset in seconds and its name, a number of seconds after the epoch.
pub fn zone_at(t: &mut Thread, secs: i64) -> Res<(i64, Obj)> {
    let tm = at(t, secs, true)?;
    let made = struct_time(t, &tm);
    let name = Obj::own(crate::structseq::field::<9>(t, made.value())?);
    Ok((tm.tm_gmtoff, name))
}

/// `time.struct_time` of these nine fields.
pub fn struct_time_of(t: &Thread, fields: [i64; 9]) -> Obj {
    STRUCT_TIME_DEF.ready(t);
    let mut all: Vec<Obj> = fields.iter().map(|i| int_obj(t, *i)).collect();
    all.extend([none(), none()]);
    STRUCT_TIME_DEF.make(t, all)
}

fn gmtime(t: &mut Thread, a: &[Value]) -> Res {
    let mut tm = break_down(t, a[0], false)?;
    tm.tm_zone = c"UTC".as_ptr() as _;
    tm.tm_gmtoff = 0;
    Ok(struct_time(t, &tm).into())
}

fn localtime(t: &mut Thread, a: &[Value]) -> Res {
    let tm = break_down(t, a[0], true)?;
    Ok(struct_time(t, &tm).into())
}

/// The fields of a struct_time or a tuple of nine ints.
fn parse_tm(t: &mut Thread, v: Value) -> Res<libc::tm> {
    let Some(items) = Tuple::of(v) else {
        return Err(t.type_error("Tuple or struct_time argument required".into()));
    };
    if items.len() != 9 {
        return Err(t.type_error("illegal time tuple argument".into()));
    }
    let mut n = [0i32; 9];
    for (i, n) in n.iter_mut().enumerate() {
        *n = support::c_int(t, items.get(i))?;
    }
    let Some(year) = n[0].checked_sub(1900) else {
        return Err(t.overflow_error("year out of range"));
    };
    let mut tm = empty_tm();
    tm.tm_year = year;
    tm.tm_mon = n[1].wrapping_sub(1);
    tm.tm_mday = n[2];
    tm.tm_hour = n[3];
    tm.tm_min = n[4];
    tm.tm_sec = n[5];
    // As C divides: -1 is a Sunday too.
    tm.tm_wday = n[6].wrapping_add(1) % 7;
    tm.tm_yday = n[7].wrapping_sub(1);
    tm.tm_isdst = n[8];
    if type_of(v).is(&STRUCT_TIME) {
        let gmtoff = Obj::own(crate::structseq::field::<10>(t, v)?);
        if let Some(off) = int::as_i64(gmtoff.value()) {
            tm.tm_gmtoff = off as _;
        }
    }
    Ok(tm)
}

/// Brings the fields into range where zero stands for one, and refuses what is out of range.
fn check_tm(t: &mut Thread, tm: &mut libc::tm) -> Res<()> {
    if tm.tm_mon == -1 {
        tm.tm_mon = 0;
    } else if !(0..=11).contains(&tm.tm_mon) {
        return Err(t.value_error("month out of range"));
    }
    if tm.tm_mday == 0 {
        tm.tm_mday = 1;
    } else if !(1..=31).contains(&tm.tm_mday) {
        return Err(t.value_error("day of month out of range"));
    }
    if !(0..=23).contains(&tm.tm_hour) {
        return Err(t.value_error("hour out of range"));
    }
    if !(0..=59).contains(&tm.tm_min) {
        return Err(t.value_error("minute out of range"));
    }
    if !(0..=61).contains(&tm.tm_sec) {
        return Err(t.value_error("seconds out of range"));
    }
    if tm.tm_wday < 0 {
        return Err(t.value_error("day of week out of range"));
    }
    if tm.tm_yday == -1 {
        tm.tm_yday = 0;
    } else if !(0..=365).contains(&tm.tm_yday) {
        return Err(t.value_error("day of year out of range"));
    }
    Ok(())
}

fn tm_or_now(t: &mut Thread, v: Value) -> Res<libc::tm> {
    if v.is_null() {
        return break_down(t, Value::NULL, true);
    }
    let mut tm = parse_tm(t, v)?;
    check_tm(t, &mut tm)?;
    Ok(tm)
}

fn mktime(t: &mut Thread, a: &[Value]) -> Res {
    let mut tm = parse_tm(t, a[0])?;
    // -1 is a valid time as well: only then is the day of the week left alone.
    tm.tm_wday = -1;
    // SAFETY: the structure is ours.
    let secs = unsafe { libc::mktime(&mut tm) };
    if secs == -1 && tm.tm_wday == -1 {
        return Err(t.overflow_error("mktime argument out of range"));
    }
    Ok(float::from_f64(t, secs as f64))
}

fn ascii_time(t: &Thread, tm: &libc::tm) -> Obj {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let s = format!(
        "{} {}{:3} {:02}:{:02}:{:02} {}",
        DAYS[tm.tm_wday.rem_euclid(7) as usize],
        MONTHS[tm.tm_mon.rem_euclid(12) as usize],
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
        tm.tm_year as i64 + 1900
    );
    Str::from_string(t, s)
}

fn asctime(t: &mut Thread, a: &[Value]) -> Res {
    let tm = tm_or_now(t, a[0])?;
    Ok(ascii_time(t, &tm).into())
}

fn ctime(t: &mut Thread, a: &[Value]) -> Res {
    let tm = break_down(t, a[0], true)?;
    Ok(ascii_time(t, &tm).into())
}

unsafe extern "C" {
    fn strftime(
        s: *mut libc::c_char,
        max: usize,
        format: *const libc::c_char,
        tm: *const libc::tm,
    ) -> usize;
    fn tzset();
    static tzname: [*const libc::c_char; 2];
}

fn format_time(t: &mut Thread, a: &[Value]) -> Res {
    let Some(format) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("strftime() argument 1 must be str, not {got}")));
    };
    let mut tm = tm_or_now(t, a[1])?;
    tm.tm_isdst = tm.tm_isdst.clamp(-1, 1);
    let zone = zone_name(t, a[1])?;
    if let Some(z) = &zone {
        tm.tm_zone = z.as_ptr() as _;
    }
    let mut out = Vec::new();
    // The system's function stops at a zero byte and cannot do surrogates: it gets the stretches between.
    for (i, part) in format.as_bytes().split(|b| *b == 0).enumerate() {
        if i > 0 {
            out.push(0);
        }
        format_part(t, part, &tm, &mut out)?;
    }
    Ok(Str::from_vec(t, out).into())
}

/// The zone that a struct_time names.
fn zone_name(t: &mut Thread, v: Value) -> Res<Option<CString>> {
    if v.is_null() || !type_of(v).is(&STRUCT_TIME) {
        return Ok(None);
    }
    let zone = Obj::own(crate::structseq::field::<9>(t, v)?);
    Ok(Str::of(zone.value()).and_then(|s| CString::new(s.as_bytes()).ok()))
}

fn format_part(t: &Thread, part: &[u8], tm: &libc::tm, out: &mut Vec<u8>) -> Res<()> {
    if part.is_empty() {
        return Ok(());
    }
    let Ok(c) = CString::new(part) else {
        return Ok(());
    };
    let mut size = 256.max(part.len() * 4);
    loop {
        let mut buffer = vec![0u8; size];
        // SAFETY: the buffer is as long as stated, format and structure are ours.
        let n = unsafe { strftime(buffer.as_mut_ptr().cast(), size, c.as_ptr(), tm) };
        if n > 0 || size > 256 * part.len() + 256 {
            let done = &buffer[..n];
            match std::str::from_utf8(done) {
                Ok(_) => out.extend_from_slice(done),
                // Text with surrogates went through unchanged.
                Err(_) if weft_objects::text::wtf8::validate(done).is_ok() => {
                    out.extend_from_slice(done)
                }
                Err(_) => {
                    let s = support::fs_decode(t, done);
                    out.extend_from_slice(Str::of(s.value()).map_or(&[], |s| s.as_bytes()));
                }
            }
            return Ok(());
        }
        size *= 2;
    }
}

fn strptime(t: &mut Thread, a: &[Value]) -> Res {
    let m = runtime::import(t, "_strptime")?;
    let args: Vec<Value> = a.iter().copied().filter(|v| !v.is_null()).collect();
    proto::call_method(t, m.value(), "_strptime_time", &args).map(Obj::into_value)
}

/// Sets the module's names about the local zone.
fn init_timezone(t: &Thread, m: &Obj) {
    // SAFETY: reads the environment; the names it sets are read at once.
    let names = unsafe {
        tzset();
        [tzname[0], tzname[1]]
    };
    let offset = |secs: libc::time_t| {
        let mut tm = empty_tm();
        // SAFETY: both structures are ours.
        unsafe { libc::localtime_r(&secs, &mut tm) };
        (tm.tm_gmtoff, tm.tm_isdst)
    };
    // Winter and summer of this year tell the two offsets apart.
    let now = read_clock(libc::CLOCK_REALTIME).unwrap_or(0) / 1_000_000_000;
    let year = 365 * 24 * 3600 + 6 * 3600;
    let january = (now / year) * year;
    let (a, b) = (
        offset(january as libc::time_t),
        offset((january + year / 2) as libc::time_t),
    );
    let (standard, summer) = if a.0 <= b.0 { (a.0, b.0) } else { (b.0, a.0) };
    add(t, m, "timezone", int_obj(t, -standard));
    add(t, m, "altzone", int_obj(t, -summer));
    add(t, m, "daylight", int_obj(t, (standard != summer) as i64));
    let names = names.map(|p| {
        if p.is_null() {
            Str::empty(t)
        } else {
            // SAFETY: zero-terminated names of the system.
            support::fs_decode(t, unsafe { CStr::from_ptr(p) }.to_bytes())
        }
    });
    add(t, m, "tzname", Tuple::from_vec(t, names.into()));
}

fn time_tzset(t: &mut Thread, _a: &[Value]) -> Res {
    let m = runtime::import(t, "time")?;
    if Module::of(m.value()).is_some() {
        init_timezone(t, &m);
    }
    Ok(Value::NONE)
}

fn get_clock_info(t: &mut Thread, a: &[Value]) -> Res {
    let name = support::text(t, a[0], "get_clock_info", "1")?;
    let (clock, call, monotonic, adjustable) = match name.as_str() {
        "time" => (
            libc::CLOCK_REALTIME,
            "clock_gettime(CLOCK_REALTIME)",
            false,
            true,
        ),
        "monotonic" | "perf_counter" => (
            libc::CLOCK_MONOTONIC,
            "clock_gettime(CLOCK_MONOTONIC)",
            true,
            false,
        ),
        "process_time" => (
            libc::CLOCK_PROCESS_CPUTIME_ID,
            "clock_gettime(CLOCK_PROCESS_CPUTIME_ID)",
            true,
            false,
        ),
        "thread_time" => (
            libc::CLOCK_THREAD_CPUTIME_ID,
            "clock_gettime(CLOCK_THREAD_CPUTIME_ID)",
            true,
            false,
        ),
        _ => return Err(t.value_error("unknown clock")),
    };
    let call = Str::new(t, call);
    let res = float_obj(t, resolution(clock).unwrap_or(1e-9));
    let attrs = [
        ("implementation", call.value()),
        ("monotonic", Value::bool(monotonic)),
        ("adjustable", Value::bool(adjustable)),
        ("resolution", res.value()),
    ];
    let ns = weft_objects::namespace::new(t);
    for (name, v) in attrs {
        proto::set_attr(t, ns.value(), weft_objects::names::get(t, name), v)?;
    }
    Ok(ns.into())
}

#[cfg(target_os = "linux")]
fn pthread_getcpuclockid(t: &mut Thread, a: &[Value]) -> Res {
    let id = proto::index_i64(t, a[0])?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: as in C, the caller answers for the thread's id.
    let e = unsafe { libc::pthread_getcpuclockid(id as libc::pthread_t, &mut clock) };
    if e != 0 {
        return Err(t.os_error(e, None));
    }
    Ok(int::from_i64(t, clock as i64))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("time", "()", seconds::<REAL>),
    NativeDef::new("time_ns", "()", nanoseconds::<REAL>),
    NativeDef::new("monotonic", "()", seconds::<MONOTONIC>),
    NativeDef::new("monotonic_ns", "()", nanoseconds::<MONOTONIC>),
    NativeDef::new("perf_counter", "()", seconds::<MONOTONIC>),
    NativeDef::new("perf_counter_ns", "()", nanoseconds::<MONOTONIC>),
    NativeDef::new("process_time", "()", seconds::<PROCESS>),
    NativeDef::new("process_time_ns", "()", nanoseconds::<PROCESS>),
    NativeDef::new("thread_time", "()", seconds::<THREAD>),
    NativeDef::new("thread_time_ns", "()", nanoseconds::<THREAD>),
    NativeDef::new("clock_gettime", "(clk_id, /)", clock_gettime),
    NativeDef::new("clock_gettime_ns", "(clk_id, /)", clock_gettime_ns),
    NativeDef::new("clock_getres", "(clk_id, /)", clock_getres),
    NativeDef::new("clock_settime", "(clk_id, time, /)", clock_settime),
    NativeDef::new("clock_settime_ns", "(clk_id, time, /)", clock_settime_ns),
    NativeDef::new("sleep", "(object, /)", sleep),
    NativeDef::new("gmtime", "(seconds=None, /)", gmtime),
    NativeDef::new("localtime", "(seconds=None, /)", localtime),
    NativeDef::new("mktime", "(tuple, /)", mktime),
    NativeDef::new("asctime", "(tuple=None, /)", asctime),
    NativeDef::new("ctime", "(seconds=None, /)", ctime),
    NativeDef::new("strftime", "(format, tuple=None, /)", format_time),
    NativeDef::new("strptime", "(string, format=None, /)", strptime),
    NativeDef::new("tzset", "()", time_tzset),
    NativeDef::new("get_clock_info", "(name, /)", get_clock_info),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "time",
        "This module provides various functions to manipulate time values.",
        FUNCTIONS,
    );
    STRUCT_TIME_DEF.ready(t);
    support::add_type(t, &m, &STRUCT_TIME);
    add_ints(
        t,
        &m,
        &[
            ("_STRUCT_TM_ITEMS", 11),
            ("CLOCK_REALTIME", libc::CLOCK_REALTIME as i64),
            ("CLOCK_MONOTONIC", libc::CLOCK_MONOTONIC as i64),
            (
                "CLOCK_PROCESS_CPUTIME_ID",
                libc::CLOCK_PROCESS_CPUTIME_ID as i64,
            ),
            (
                "CLOCK_THREAD_CPUTIME_ID",
                libc::CLOCK_THREAD_CPUTIME_ID as i64,
            ),
        ],
    );
    #[cfg(target_os = "linux")]
    {
        static MORE: &[NativeDef] = &[NativeDef::new(
            "pthread_getcpuclockid",
            "(thread_id, /)",
            pthread_getcpuclockid,
        )];
        if let Some(module) = Module::of(m.value()) {
            module.add_functions(t, MORE);
        }
        add_ints(
            t,
            &m,
            &[
                ("CLOCK_MONOTONIC_RAW", libc::CLOCK_MONOTONIC_RAW as i64),
                ("CLOCK_BOOTTIME", libc::CLOCK_BOOTTIME as i64),
                ("CLOCK_TAI", libc::CLOCK_TAI as i64),
            ],
        );
    }
    init_timezone(t, &m);
    Ok(m)
}
