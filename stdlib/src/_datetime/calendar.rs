//! The Gregorian calendar, extended to all years: numbers only.

pub const MIN_YEAR: i64 = 1;
pub const MAX_YEAR: i64 = 9999;
/// The number of 9999-12-31.
pub const MAX_ORDINAL: i64 = 3_652_059;

/// A day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct Ymd {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// A time of day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct Hms {
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub micro: u32,
}

pub const MIDNIGHT: Hms = Hms {
    hour: 0,
    minute: 0,
    second: 0,
    micro: 0,
};

pub const SECOND: i128 = 1_000_000;
pub const DAY: i128 = 86_400 * SECOND;

/// Whole days of so many microseconds, and the rest.
#[inline]
pub fn split_days(total: i128) -> (i128, i64) {
    // Division of long numbers is slow.
    const SHORT: i64 = DAY as i64;
    match i64::try_from(total) {
        Ok(n) => (n.div_euclid(SHORT).into(), n.rem_euclid(SHORT)),
        Err(_) => (total.div_euclid(DAY), total.rem_euclid(DAY) as i64),
    }
}

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of a month, from the first of January.
pub fn days_before_month(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    BEFORE[(month - 1).rem_euclid(12) as usize] + i64::from(month > 2 && is_leap(year))
}

/// The number of a day; 1 is 0001-01-01.
pub fn to_ordinal(year: i64, month: i64, day: i64) -> i64 {
    let y = year - 1;
    let before = y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    before + days_before_month(year, month) + day
}

/// The day with a number between 1 and [`MAX_ORDINAL`].
pub fn from_ordinal(ordinal: i64) -> Ymd {
    let (year, month, day) = civil(ordinal);
    Ymd {
        year: year as u16,
        month,
        day,
    }
}

/// Year, month and day of any number.
pub fn civil(ordinal: i64) -> (i64, u8, u8) {
    // Years from March to February, so that the day of a leap year is the last one of its cycle.
    let n = ordinal + 305;
    let cycle = n.div_euclid(146_097);
    let day = n.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (
        year + cycle * 400 + i64::from(month <= 2),
        month as u8,
        (day - (153 * shifted + 2) / 5 + 1) as u8,
    )
}

/// The number of the Monday with which the ISO year begins.
pub fn iso_year_start(year: i64) -> i64 {
    let first = to_ordinal(year, 1, 1);
    let weekday = (first + 6).rem_euclid(7);
    let monday = first - weekday;
    if weekday > 3 { monday + 7 } else { monday }
}

/// What of an ISO date is out of range.
pub enum IsoError {
    Year,
    Week,
    Day,
}

/// The number of the day of an ISO week.
pub fn from_iso(year: i64, week: i64, day: i64) -> Result<i64, IsoError> {
    if !(MIN_YEAR..=MAX_YEAR).contains(&year) {
        return Err(IsoError::Year);
    }
    let weeks = (iso_year_start(year + 1) - iso_year_start(year)) / 7;
    if !(1..=weeks).contains(&week) {
        return Err(IsoError::Week);
    }
    if !(1..=7).contains(&day) {
        return Err(IsoError::Day);
    }
    Ok(iso_year_start(year) + (week - 1) * 7 + day - 1)
}

impl Ymd {
    pub fn ordinal(self) -> i64 {
        to_ordinal(self.year.into(), self.month.into(), self.day.into())
    }
    /// Monday is 0.
    pub fn weekday(self) -> i64 {
        (self.ordinal() + 6) % 7
    }
    /// ISO year, week and day of the week.
    pub fn iso(self) -> [i64; 3] {
        let (mut year, today) = (i64::from(self.year), self.ordinal());
        let mut start = iso_year_start(year);
        if today < start {
            year -= 1;
            start = iso_year_start(year);
        } else if today >= iso_year_start(year + 1) {
            year += 1;
            start = iso_year_start(year);
        }
        [year, (today - start) / 7 + 1, (today - start) % 7 + 1]
    }
    /// As pickles have it.
    pub fn bytes(self) -> [u8; 4] {
        let [high, low] = self.year.to_be_bytes();
        [high, low, self.month, self.day]
    }
    pub fn from_bytes(b: [u8; 4]) -> Ymd {
        Ymd {
            year: u16::from_be_bytes([b[0], b[1]]),
            month: b[2],
            day: b[3],
        }
    }
}

impl Hms {
    /// Microseconds since midnight.
    pub fn micros(self) -> i128 {
        i128::from(self.seconds()) * SECOND + i128::from(self.micro)
    }
    /// Seconds since midnight.
    pub fn seconds(self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
    /// The time so many microseconds after midnight, less than a day.
    pub fn from_micros(n: i64) -> Hms {
        const SECOND: i64 = super::calendar::SECOND as i64;
        let (s, micro) = ((n / SECOND) as u32, (n % SECOND) as u32);
        Hms {
            hour: (s / 3600) as u8,
            minute: (s / 60 % 60) as u8,
            second: (s % 60) as u8,
            micro,
        }
    }
    /// As pickles have it.
    pub fn bytes(self) -> [u8; 6] {
        let [_, a, b, c] = self.micro.to_be_bytes();
        [self.hour, self.minute, self.second, a, b, c]
    }
    pub fn from_bytes(b: [u8; 6]) -> Hms {
        Hms {
            hour: b[0],
            minute: b[1],
            second: b[2],
            micro: u32::from_be_bytes([0, b[3], b[4], b[5]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_numbers() {
        assert_eq!(to_ordinal(1, 1, 1), 1);
        assert_eq!(to_ordinal(9999, 12, 31), MAX_ORDINAL);
        let mut expected = Ymd {
            year: 1,
            month: 1,
            day: 1,
        };
        for n in 1..=MAX_ORDINAL {
            let d = from_ordinal(n);
            assert!(d == expected && d.ordinal() == n, "{n}");
            let (y, m) = (i64::from(d.year), i64::from(d.month));
            expected.day += 1;
            if i64::from(expected.day) > days_in_month(y, m) {
                expected.day = 1;
                expected.month += 1;
            }
            if expected.month > 12 {
                expected.month = 1;
                expected.year += 1;
            }
        }
    }

    #[test]
    fn iso_weeks() {
        for n in (1..=MAX_ORDINAL).step_by(97) {
            let [year, week, day] = from_ordinal(n).iso();
            if (MIN_YEAR..=MAX_YEAR).contains(&year) {
                assert_eq!(from_iso(year, week, day).ok(), Some(n));
            }
        }
        assert!(matches!(from_iso(2019, 53, 1), Err(IsoError::Week)));
        assert!(from_iso(2020, 53, 5).is_ok());
    }

    #[test]
    fn times() {
        let h = Hms {
            hour: 23,
            minute: 59,
            second: 58,
            micro: 123_456,
        };
        assert!(Hms::from_micros(h.micros() as i64) == h);
        assert!(Hms::from_bytes(h.bytes()) == h);
        assert_eq!(split_days(-1), (-1, DAY as i64 - 1));
        assert_eq!(split_days(DAY * (1 << 40) + 5), (1 << 40, 5));
    }
}
