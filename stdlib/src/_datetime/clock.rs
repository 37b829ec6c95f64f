//! The system's clock and its local time zone.

use super::calendar::{self, Hms, MAX_YEAR, MIN_YEAR, Ymd};
use crate::time::{Moment, moment, zone_at};
use weft_objects::prelude::*;
use weft_objects::{float, int, runtime};

/// Seconds of the epoch, counted from the start of 0001-01-01 being the start of day 1.
pub const EPOCH: i64 = 719_163 * 86_400;
/// No change of a zone's offset is larger.
const MOST_FOLD: i64 = 24 * 3600;

/// `time.time()`, as the module has it.
pub fn now(t: &mut Thread) -> Res<Obj> {
    let module = runtime::import(t, "time")?;
    let f = proto::get_attr(t, module.value(), weft_objects::id!(t, "time"))?;
    proto::call(t, f.value(), &[])
}

/// Seconds and microseconds of a timestamp, rounded to the nearest, halves to the even one.
pub fn split(t: &mut Thread, v: Value) -> Res<(i64, u32)> {
    if let Some(x) = float::as_f64(v) {
        let mut whole = x.trunc();
        let mut part = (x.fract() * 1e6).round_ties_even();
        if part >= 1e6 {
            part -= 1e6;
            whole += 1.0;
        } else if part < 0.0 {
            part += 1e6;
            whole -= 1.0;
        }
        return Ok((seconds(t, x, whole)?, part as u32));
    }
    Ok((whole(t, v)?, 0))
}

/// The seconds of a timestamp, rounded down.
pub fn floor(t: &mut Thread, v: Value) -> Res<i64> {
    match float::as_f64(v) {
        Some(x) => seconds(t, x, x.floor()),
        None => whole(t, v),
    }
}

fn seconds(t: &Thread, given: f64, x: f64) -> Res<i64> {
    if given.is_nan() {
        return Err(t.value_error("Invalid value NaN (not a number)"));
    }
    const TWO_TO_63: f64 = (1u64 << 63) as f64;
    if !(-TWO_TO_63..TWO_TO_63).contains(&x) {
        return Err(out_of_range(t));
    }
    Ok(x as i64)
}

fn whole(t: &mut Thread, v: Value) -> Res<i64> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(i) => Ok(i),
        None => Err(out_of_range(t)),
    }
}

fn out_of_range(t: &Thread) -> Raised {
    t.overflow_error("timestamp out of range for platform time_t")
}

/// The day and time of a moment, without leap seconds.
pub fn fields(t: &Thread, m: Moment) -> Res<(Ymd, Hms)> {
    let [year, month, day, hour, minute, second] = m;
    if !(MIN_YEAR..=MAX_YEAR).contains(&year) {
        return Err(t.value_error(format!("year {year} is out of range")));
    }
    let day = Ymd {
        year: year as u16,
        month: month as u8,
        day: day as u8,
    };
    let time = Hms {
        hour: hour as u8,
        minute: minute as u8,
        second: second.min(59) as u8,
        micro: 0,
    };
    Ok((day, time))
}

/// Seconds since the start of day 0.
pub fn wall_seconds(day: Ymd, time: Hms) -> i64 {
    day.ordinal() * 86_400 + time.seconds()
}

/// The local time at `u`; both are seconds since the start of day 0.
fn local(t: &mut Thread, u: i64) -> Res<i64> {
    let m = moment(t, u.saturating_sub(EPOCH), true)?;
    let (day, time) = fields(t, m)?;
    Ok(wall_seconds(day, time))
}

/// The day and time at a moment, and whether it is the second of two with the same local time.
pub fn at(t: &mut Thread, secs: i64, is_local: bool) -> Res<(Ymd, Hms, u8)> {
    let m = moment(t, secs, is_local)?;
    let (day, time) = fields(t, m)?;
    if !is_local {
        return Ok((day, time, 0));
    }
    let here = wall_seconds(day, time);
    let u = secs.saturating_add(EPOCH);
    // The first day of all has nothing before it.
    if u < MOST_FOLD + 2 * 86_400 {
        return Ok((day, time, 0));
    }
    let before = local(t, u - MOST_FOLD)?;
    let jump = here - before - MOST_FOLD;
    let fold = jump < 0 && local(t, u + jump)? == here;
    Ok((day, time, u8::from(fold)))
}

/// The moment at which it is this local time; with two of them, `fold` decides.
pub fn from_local(t: &mut Thread, day: Ymd, time: Hms, fold: u8) -> Res<i64> {
    let wall = wall_seconds(day, time);
    let a = local(t, wall)? - wall;
    let u1 = wall - a;
    let t1 = local(t, u1)?;
    let b = if t1 == wall {
        // There may be another solution, earlier or later.
        let u2 = u1 + if fold == 0 { -MOST_FOLD } else { MOST_FOLD };
        let b = local(t, u2)? - u2;
        if a == b {
            return Ok(u1 - EPOCH);
        }
        b
    } else {
        t1 - u1
    };
    let u2 = wall - b;
    if local(t, u2)? == wall {
        return Ok(u2 - EPOCH);
    }
    if t1 == wall {
        return Ok(u1 - EPOCH);
    }
    // A time that was skipped.
    Ok(if fold == 0 { u1.max(u2) } else { u1.min(u2) } - EPOCH)
}

/// The zone that the system has at a moment.
pub fn local_zone(t: &mut Thread, secs: i64) -> Res<Obj> {
    let (offset, name) = zone_at(t, secs)?;
    let name = Some(name).filter(|n| Str::of(n.value()).is_some());
    super::zone::fixed(t, i128::from(offset) * calendar::SECOND, name)
}
