//! Reading ISO 8601.

use super::calendar::{self, IsoError, SECOND};

/// Why a text is refused.
pub enum Bad {
    /// It is no ISO 8601.
    Format,
    /// Something is out of range, for which there is a message.
    Range(String),
}

/// An offset in microseconds, as it is written.
pub type Offset = Option<i128>;

/// A time as it is written: parts (not checked), and its offset.
pub struct Time {
    pub parts: [i64; 4],
    pub offset: Offset,
    /// It was 24:00: midnight of the next day.
    pub next_day: bool,
}

fn digits(s: &[u8]) -> Result<i64, Bad> {
    if s.is_empty() || !s.iter().all(u8::is_ascii_digit) {
        return Err(Bad::Format);
    }
    Ok(s.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
}

fn part(s: &[u8], at: usize, n: usize) -> Result<i64, Bad> {
    digits(s.get(at..at + n).ok_or(Bad::Format)?)
}

/// A date: year, month and day (not checked).
pub fn date(s: &[u8]) -> Result<[i64; 3], Bad> {
    if !matches!(s.len(), 7 | 8 | 10) {
        return Err(Bad::Format);
    }
    let year = part(s, 0, 4)?;
    let dash = usize::from(s[4] == b'-');
    let at = 4 + dash;
    if s.get(at) == Some(&b'W') {
        let week = part(s, at + 1, 2)?;
        let day = match s.get(at + 3) {
            None => 1,
            Some(b'-') if dash == 1 && s.len() == 10 => part(s, at + 4, 1)?,
            Some(_) if dash == 0 && s.len() == 8 => part(s, at + 3, 1)?,
            Some(_) => return Err(Bad::Format),
        };
        return match calendar::from_iso(year, week, day) {
            Ok(n) if (1..=calendar::MAX_ORDINAL).contains(&n) => {
                let d = calendar::from_ordinal(n);
                Ok([d.year.into(), d.month.into(), d.day.into()])
            }
            Ok(_) | Err(IsoError::Year | IsoError::Week | IsoError::Day) => Err(Bad::Format),
        };
    }
    let month = part(s, at, 2)?;
    if s.len() != 8 + 2 * dash || dash == 1 && s[7] != b'-' {
        return Err(Bad::Format);
    }
    Ok([year, month, part(s, at + 2 + dash, 2)?])
}

/// Where the date of a datetime of at least 7 characters ends.
pub fn date_end(s: &[u8]) -> Result<usize, Bad> {
    let n = s.len();
    if n == 7 {
        return Ok(7);
    }
    if s[4] == b'-' {
        if s[5] != b'W' {
            return Ok(10);
        }
        // YYYY-Www, perhaps with -D.
        if n > 8 && s[8] == b'-' {
            if n == 9 {
                return Err(Bad::Format);
            }
            // A digit too many for the day of the week: the dash was the separator.
            return Ok(if n > 10 && s[10].is_ascii_digit() {
                8
            } else {
                10
            });
        }
        return Ok(8);
    }
    if s[4] != b'W' {
        return Ok(8);
    }
    // YYYYWww or YYYYWwwD: what follows decides how many digits are the date's.
    let end = 7 + s[7..].iter().take_while(|b| b.is_ascii_digit()).count();
    Ok(match end {
        0..9 => end,
        _ if end % 2 == 0 => 7,
        _ => 8,
    })
}

/// Hours, minutes, seconds and parts of seconds.
fn clock(s: &[u8]) -> Result<[i64; 4], Bad> {
    let mut parts = [0; 4];
    let mut at = 0;
    let mut colon = false;
    for (i, p) in parts.iter_mut().take(3).enumerate() {
        *p = part(s, at, 2)?;
        at += 2;
        if i == 0 {
            colon = s.get(at) == Some(&b':');
        }
        match s.get(at) {
            None => return Ok(parts),
            Some(_) if i == 2 => break,
            Some(b':') if colon => at += 1,
            Some(_) if colon => return Err(Bad::Format),
            Some(_) => {}
        }
    }
    if !matches!(s[at], b'.' | b',') {
        return Err(Bad::Format);
    }
    let fraction = &s[at + 1..];
    digits(&fraction[..fraction.len().min(6)])?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(Bad::Format);
    }
    let mut scale = 100_000;
    for b in fraction.iter().take(6) {
        parts[3] += i64::from(b - b'0') * scale;
        scale /= 10;
    }
    Ok(parts)
}

fn micros(p: [i64; 4]) -> i128 {
    i128::from(p[0] * 3600 + p[1] * 60 + p[2]) * SECOND + i128::from(p[3])
}

/// A time of day with or without an offset.
pub fn time(s: &[u8]) -> Result<Time, Bad> {
    if s.len() < 2 {
        return Err(Bad::Format);
    }
    let zone = s.iter().position(|b| matches!(b, b'+' | b'-' | b'Z'));
    let mut parts = clock(&s[..zone.unwrap_or(s.len())])?;
    let offset = match zone {
        None => None,
        Some(at) if s[at] == b'Z' => match at + 1 == s.len() {
            true => Some(0),
            false => return Err(Bad::Format),
        },
        Some(at) => {
            let n = micros(clock(&s[at + 1..])?);
            Some(if s[at] == b'-' { -n } else { n })
        }
    };
    let next_day = parts[0] == 24;
    if next_day {
        if parts != [24, 0, 0, 0] {
            let msg = "minute, second, and microsecond must be 0 when hour is 24";
            return Err(Bad::Range(msg.into()));
        }
        parts[0] = 0;
    }
    Ok(Time {
        parts,
        offset,
        next_day,
    })
}
