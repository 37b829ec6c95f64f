//! Dates and times as text.

use super::calendar::{Hms, SECOND, Ymd};
use super::datetime::DateTime;
use super::zone;
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::text::wtf8;

/// Hours and minutes of an offset that is not negative; seconds and parts of seconds if there are any.
pub fn push_offset(out: &mut String, micros: i128, sep: &str) {
    let (s, part) = (micros / SECOND, micros % SECOND);
    out.push_str(&format!("{:02}{sep}{:02}", s / 3600, s / 60 % 60));
    if s % 60 != 0 || part != 0 {
        out.push_str(&format!("{sep}{:02}", s % 60));
    }
    if part != 0 {
        out.push_str(&format!(".{part:06}"));
    }
}

/// The offset that a zone has, with its sign; nothing if it has none.
pub fn offset_text(t: &mut Thread, zone: Value, of: Value, sep: &str) -> Res<String> {
    let mut out = String::new();
    if let Some(micros) = zone::offset_of(t, zone, of)? {
        out.push(if micros < 0 { '-' } else { '+' });
        push_offset(&mut out, micros.abs(), sep);
    }
    Ok(out)
}

pub fn date_text(d: Ymd) -> String {
    format!("{:04}-{:02}-{:02}", d.year, d.month, d.day)
}

/// A time of day, as precise as `spec` says.
pub fn time_text(t: &mut Thread, h: Hms, spec: Value) -> Res<String> {
    let spec = match Str::of(spec) {
        Some(s) => s.to_string_lossy(),
        None if spec.is_null() => "auto".into(),
        None => {
            let got = type_of(spec).name();
            let msg = format!("isoformat() argument 'timespec' must be str, not {got}");
            return Err(t.type_error(msg));
        }
    };
    let places = match spec.as_str() {
        "hours" => return Ok(format!("{:02}", h.hour)),
        "minutes" => return Ok(format!("{:02}:{:02}", h.hour, h.minute)),
        "auto" if h.micro == 0 => 0,
        "seconds" => 0,
        "milliseconds" => 3,
        "auto" | "microseconds" => 6,
        _ => return Err(t.value_error("Unknown timespec value")),
    };
    let mut out = format!("{:02}:{:02}:{:02}", h.hour, h.minute, h.second);
    match places {
        3 => out.push_str(&format!(".{:03}", h.micro / 1000)),
        6 => out.push_str(&format!(".{:06}", h.micro)),
        _ => {}
    }
    Ok(out)
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

pub fn ctime(d: Ymd, h: Hms) -> String {
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {:04}",
        DAYS[d.weekday() as usize],
        MONTHS[(d.month as usize + 11) % 12],
        d.day,
        h.hour,
        h.minute,
        h.second,
        d.year
    )
}

/// What `strftime` formats.
pub struct Moment<'a> {
    /// The argument of a zone's methods.
    pub asked: Value,
    pub zone: Value,
    pub micro: u32,
    pub tuple: &'a Obj,
    pub year: i64,
    pub day: Option<Ymd>,
}

/// `time.strftime` with the codes that it does not know: for parts of seconds and zones, and early years.
pub fn strftime(t: &mut Thread, m: &Moment<'_>, format: Value) -> Res {
    let Some(text) = Str::of(format) else {
        let got = type_of(format).name();
        return Err(t.type_error(format!("strftime() argument 1 must be str, not {got}")));
    };
    let mut out: Vec<u8> = Vec::with_capacity(text.as_bytes().len());
    let codes: Vec<u32> = wtf8::code_points(text.as_bytes()).collect();
    let ascii = |i: usize| codes.get(i).and_then(|c| u8::try_from(*c).ok());
    let mut i = 0;
    while i < codes.len() {
        let c = codes[i];
        i += 1;
        if c != u32::from(b'%') {
            wtf8::push(&mut out, c);
            continue;
        }
        let made = match (ascii(i), ascii(i + 1)) {
            (Some(b':'), Some(b'z')) => {
                i += 1;
                Some(offset_text(t, m.zone, m.asked, ":")?.into_bytes())
            }
            (Some(b'z'), _) => Some(offset_text(t, m.zone, m.asked, "")?.into_bytes()),
            (Some(b'Z'), _) => Some(name_code(t, m)?),
            (Some(b'f'), _) => Some(format!("{:06}", m.micro).into_bytes()),
            (Some(code @ (b'Y' | b'G' | b'F' | b'C')), _) if m.year < 1000 => {
                Some(early_year(m, code).into_bytes())
            }
            _ => None,
        };
        match made {
            Some(text) => {
                i += 1;
                out.extend_from_slice(&text);
            }
            None => {
                out.push(b'%');
                if let Some(c) = codes.get(i) {
                    wtf8::push(&mut out, *c);
                    i += 1;
                }
            }
        }
    }
    let format = Str::from_vec(t, out);
    let module = runtime::import(t, "time")?;
    let f = proto::get_attr(t, module.value(), weft_objects::id!(t, "strftime"))?;
    proto::call(t, f.value(), &[format.value(), m.tuple.value()]).map(Obj::into_value)
}

/// The name of the zone, such that `time.strftime` leaves it as it is.
fn name_code(t: &mut Thread, m: &Moment<'_>) -> Res<Vec<u8>> {
    let name = zone::name_of(t, m.zone, m.asked)?;
    if name.value().is_none() {
        return Ok(Vec::new());
    }
    let (from, to) = (Str::new(t, "%"), Str::new(t, "%%"));
    let args = [from.value(), to.value()];
    let name = proto::call_method(t, name.value(), "replace", &args)?;
    match Str::of(name.value()) {
        Some(name) => Ok(name.as_bytes().to_vec()),
        None => {
            let msg = "tzinfo.tzname().replace() must return a string";
            Err(t.type_error(msg.into()))
        }
    }
}

/// The system does not pad years before 1000.
fn early_year(m: &Moment<'_>, code: u8) -> String {
    let year = match (code, m.day) {
        (b'G', Some(d)) => d.iso()[0],
        _ => m.year,
    };
    match (code, m.day) {
        (b'C', _) => format!("{:02}", year / 100),
        (b'F', Some(d)) => format!("{year:04}-{:02}-{:02}", d.month, d.day),
        _ => format!("{year:04}"),
    }
}

/// The fields of a datetime's repr.
pub fn repr_fields(dt: &DateTime) -> String {
    let (d, h) = (dt.day(), dt.time());
    let mut s = format!(
        "{}, {}, {}, {}, {}",
        d.year, d.month, d.day, h.hour, h.minute
    );
    if h.second != 0 || h.micro != 0 {
        s.push_str(&format!(", {}", h.second));
    }
    if h.micro != 0 {
        s.push_str(&format!(", {}", h.micro));
    }
    s
}
