//! The two shapes of a time in a signature: `20260101T000000Z` and `20260101`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp as JiffTimestamp;
use jiff::tz::TimeZone;

const DAY_SECONDS: i64 = 86_400;

/// A time to the second, as signatures carry it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Timestamp {
    unix_seconds: i64,
}

/// `YYYYMMDDTHHMMSSZ`.
pub(super) type BasicText = [u8; 16];

impl Timestamp {
    pub(super) fn from_system_time(time: SystemTime) -> Self {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs();
        Self {
            unix_seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        }
    }

    /// Reads ISO 8601 basic format, exactly `YYYYMMDDTHHMMSSZ`.
    pub(super) fn parse_basic(text: &str) -> Option<Self> {
        let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
        if bytes.get(8) != Some(&b'T') || bytes.get(15) != Some(&b'Z') {
            return None;
        }
        let (year, month, day) = (
            number(bytes, 0..4)?,
            number(bytes, 4..6)?,
            number(bytes, 6..8)?,
        );
        let (hour, minute, second) = (
            number(bytes, 9..11)?,
            number(bytes, 11..13)?,
            number(bytes, 13..15)?,
        );
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = (hour * 60 + minute) * 60 + second;
        Some(Self {
            unix_seconds: days_from_civil(year, month, day) * DAY_SECONDS + seconds,
        })
    }

    /// Reads the shapes a `Date` header comes in: basic format, or an HTTP date (RFC 9110).
    pub(super) fn parse_date_header(text: &str) -> Option<Self> {
        Self::parse_basic(text).or_else(|| {
            let time = jiff::fmt::rfc2822::parse(text).ok()?;
            Some(Self {
                unix_seconds: time.timestamp().as_second(),
            })
        })
    }

    pub(super) fn minus(self, seconds: i64) -> Self {
        Self {
            unix_seconds: self.unix_seconds.saturating_sub(seconds),
        }
    }

    pub(super) fn plus(self, seconds: i64) -> Self {
        Self {
            unix_seconds: self.unix_seconds.saturating_add(seconds),
        }
    }

    /// Writes `YYYYMMDDTHHMMSSZ`; a year past 9999 is written as 9999.
    pub(super) fn to_basic(self) -> BasicText {
        let max = JiffTimestamp::MAX;
        let timestamp = JiffTimestamp::from_second(self.unix_seconds.max(0)).unwrap_or(max);
        let civil = timestamp.to_zoned(TimeZone::UTC).datetime();
        let mut text = *b"00000000T000000Z";
        write_number(&mut text, 0..4, i64::from(civil.year()));
        write_number(&mut text, 4..6, i64::from(civil.month()));
        write_number(&mut text, 6..8, i64::from(civil.day()));
        write_number(&mut text, 9..11, i64::from(civil.hour()));
        write_number(&mut text, 11..13, i64::from(civil.minute()));
        write_number(&mut text, 13..15, i64::from(civil.second()));
        text
    }
}

/// The text of a basic timestamp; always ASCII.
pub(super) fn as_str(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// The `YYYYMMDD` of a basic timestamp.
pub(super) fn date_of(text: &BasicText) -> &str {
    as_str(text.get(..8).unwrap_or_default())
}

fn number(bytes: &[u8; 16], range: std::ops::Range<usize>) -> Option<i64> {
    let mut value = 0_i64;
    for byte in bytes.get(range)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

fn write_number(text: &mut BasicText, range: std::ops::Range<usize>, mut value: i64) {
    for digit in text.get_mut(range).unwrap_or_default().iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_example_is_read() {
        let time = Timestamp::parse_basic("20150830T123600Z").unwrap();
        assert_eq!(time.unix_seconds, 1_440_938_160);
        let same = Timestamp::parse_date_header("Sun, 30 Aug 2015 12:36:00 GMT").unwrap();
        assert_eq!(time, same);
        assert_eq!(date_of(&time.to_basic()), "20150830");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "20150830",
            "2015-08-30T12:36:00Z",
            "20150830T123600",
            "20151330T123600Z",
            "20150230T123600Z",
            "20150830T243600Z",
            "20150830T12360xZ",
            "20150830T123600Z ",
            "２0150830T1236Z",
        ] {
            assert_eq!(Timestamp::parse_basic(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_second_of_four_digit_years_survives_a_round_trip(
            unix_seconds in 0_i64..253_402_300_799,
        ) {
            let time = Timestamp { unix_seconds };
            let text = time.to_basic();
            prop_assert_eq!(Timestamp::parse_basic(as_str(&text)), Some(time));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = Timestamp::parse_date_header(&text);
        }
    }
}
