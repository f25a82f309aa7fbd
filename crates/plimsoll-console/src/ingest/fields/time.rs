//! Times of records, in the formats of several logging libraries, as milliseconds since the epoch.
//!
//! A time without a zone is UTC, as LOG-2 specifies for `asctime`.
//! A time that cannot be read is `None`, and the record then has the time of its arrival.

/// 9999-12-31, the last time that is read.
const LAST: i64 = 253_402_300_799_999;

/// Reads a date with a time, or a number as text.
///
/// `2025-12-19 09:19:45,026`, RFC 3339, ISO 8601 with `+0200`, `2025/12/19 09:19:45`.
pub(crate) fn of_text(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    let bytes = text.as_bytes();
    if !matches!(bytes.get(4)?, b'-' | b'/') {
        return text.parse().ok().and_then(of_float);
    }
    let year = digits(bytes, 0, 4)?;
    let month = digits(bytes, 5, 2)?;
    let day = digits(bytes, 8, 2)?;
    let hour = digits(bytes, 11, 2)?;
    let minute = digits(bytes, 14, 2)?;
    let second = digits(bytes, 17, 2)?;
    let is_date = matches!(bytes.get(7)?, b'-' | b'/')
        && matches!(bytes.get(10)?, b'T' | b't' | b' ')
        && *bytes.get(13)? == b':'
        && *bytes.get(16)? == b':'
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_date {
        return None;
    }
    let (milliseconds, rest) = fraction(bytes.get(19..)?)?;
    let offset = offset(rest)?;
    let days = days_before(year, month, day);
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - offset;
    in_range(seconds * 1000 + milliseconds)
}

/// Reads seconds, milliseconds, microseconds or nanoseconds since the epoch, by their magnitude.
pub(crate) fn of_integer(number: i64) -> Option<i64> {
    in_range(match number {
        ..0 => return None,
        0..100_000_000_000 => number * 1000,
        100_000_000_000..100_000_000_000_000 => number,
        100_000_000_000_000..100_000_000_000_000_000 => number / 1000,
        _ => number / 1_000_000,
    })
}

/// Like [`of_integer`], for a number with decimals.
pub(crate) fn of_float(number: f64) -> Option<i64> {
    if !(0.0..9e18).contains(&number) {
        return None;
    }
    let milliseconds = if number < 1e11 {
        number * 1e3
    } else if number < 1e14 {
        number
    } else if number < 1e17 {
        number / 1e3
    } else {
        number / 1e6
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked above"
    )]
    in_range(milliseconds.round() as i64)
}

fn in_range(milliseconds: i64) -> Option<i64> {
    (0..=LAST).contains(&milliseconds).then_some(milliseconds)
}

fn digits(bytes: &[u8], start: usize, length: usize) -> Option<i64> {
    let mut number = 0;
    for byte in bytes.get(start..start + length)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
    }
    Some(number)
}

/// Reads `.026` or `,026`, of any length. Returns milliseconds and what follows.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.' | b',', decimals)) = bytes.split_first() else {
        return Some((0, bytes));
    };
    let length = decimals
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if length == 0 {
        return None;
    }
    let mut milliseconds = 0;
    for index in 0..3 {
        let decimal = if index < length {
            digits(decimals, index, 1)?
        } else {
            0
        };
        milliseconds = milliseconds * 10 + decimal;
    }
    Some((milliseconds, decimals.get(length..)?))
}

/// Reads a zone as seconds east of UTC.
fn offset(bytes: &[u8]) -> Option<i64> {
    let bytes = bytes.trim_ascii();
    let (sign, zone) = match bytes.split_first() {
        None => return Some(0),
        Some((b'Z' | b'z', [])) => return Some(0),
        Some((b'+', zone)) => (1, zone),
        Some((b'-', zone)) => (-1, zone),
        Some(_) => return (bytes == b"UTC" || bytes == b"GMT").then_some(0),
    };
    let hours = digits(zone, 0, 2)?;
    let minutes = match zone.len() {
        2 => 0,
        4 => digits(zone, 2, 2)?,
        5 if zone.get(2) == Some(&b':') => digits(zone, 3, 2)?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that a leap day is the last day of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXPECTED: i64 = 1_766_135_985_026;

    #[test]
    fn formats_of_sibling_services_are_read() {
        for text in [
            "2025-12-19 09:19:45,026",
            "2025-12-19T09:19:45.026Z",
            "2025-12-19T09:19:45.026123456Z",
            "2025-12-19T11:19:45.026+02:00",
            "2025-12-19T04:49:45.026-0430",
            "2025/12/19 09:19:45.026 UTC",
            "1766135985.026",
            "1766135985026",
        ] {
            assert_eq!(of_text(text), Some(EXPECTED), "{text}");
        }
        assert_eq!(of_text("2025-12-19T09:19:45Z"), Some(EXPECTED - 26));
        assert_eq!(of_text("1970-01-01 00:00:00"), Some(0));
        assert_eq!(of_text("2024-02-29 00:00:00"), Some(1_709_164_800_000));
        assert_eq!(of_float(1_766_135_985.026), Some(EXPECTED));
        assert_eq!(of_integer(1_766_135_985), Some(EXPECTED - 26));
        assert_eq!(of_integer(EXPECTED), Some(EXPECTED));
        assert_eq!(of_integer(EXPECTED * 1000 + 7), Some(EXPECTED));
        assert_eq!(of_integer(EXPECTED * 1_000_000 + 7), Some(EXPECTED));
    }

    #[test]
    fn other_texts_are_no_time() {
        for text in [
            "",
            "-",
            "09:19:45",
            "2025-12-19",
            "2025-13-19 09:19:45",
            "2025-02-29 09:19:45",
            "2025-12-19 24:19:45",
            "2025-12-19 09:19:45.",
            "2025-12-19 09:19:45 CET",
            "2025-12-19T09:19:45+2:00",
            "NaN",
            "-5",
            "2025-12-1é 09:19:45",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
        assert_eq!(of_integer(-1), None);
        assert_eq!(of_float(f64::INFINITY), None);
        assert_eq!(of_float(-0.5), None);
    }

    proptest! {
        #[test]
        fn days_are_counted_one_by_one(day in 0i64..60_000) {
            // The reference reader: counts days from 1970-01-01.
            let (mut year, mut month, mut left) = (1970, 1, day);
            while left >= days_in(year, month) {
                left -= days_in(year, month);
                month += 1;
                if month == 13 {
                    (year, month) = (year + 1, 1);
                }
            }
            let text = format!("{year:04}-{month:02}-{:02}T00:00:00Z", left + 1);
            prop_assert_eq!(of_text(&text), Some(day * 86_400_000));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,30}|[0-9:TZ+., -]{0,32}") {
            let _ = of_text(&text);
        }
    }
}
