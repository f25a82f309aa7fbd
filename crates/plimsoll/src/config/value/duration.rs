//! Durations: a decimal number and a unit.
//!
//! | unit   | meaning      | example |
//! |--------|--------------|---------|
//! | `ms`   | millisecond  | `250ms` |
//! | `s`    | second       | `5s`    |
//! | `m`    | 60 seconds   | `2m`    |
//! | `h`    | 3600 seconds | `1h`    |
//! | none   | second       | `0.5`   |
//!
//! A plain number is in seconds, as in the settings of the Django service.
//! A fraction of an hour must be a whole number of seconds.
//!
//! # Invariants
//!
//! * A duration that cannot be represented to the nanosecond is rejected. So a text that is not
//!   zero never becomes zero, which could mean "off".
//! * Nothing is longer than [`MAX`]. Adding a longer duration to a point in time could overflow,
//!   and such a timeout is a typing error.
//! * The text that [`duration_text`] returns parses to the same duration.

use std::time::Duration;

use super::{FromSetting, ParseError};

/// The most decimals whose trailing zeros are ignored: as many digits as a `u128` holds.
const MAX_DECIMALS: usize = 38;

/// Longest duration a setting can have: 365 days.
const MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A duration, or 0 for no limit.
///
/// ```
/// use plimsoll::config::{DurationOrOff, FromSetting};
///
/// assert_eq!(DurationOrOff::parse("0"), Ok(DurationOrOff::OFF));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationOrOff(Option<Duration>);

impl DurationOrOff {
    /// No limit, or no delay.
    pub const OFF: Self = Self(None);

    /// Returns the duration, or `None` if it is off.
    #[must_use]
    pub const fn get(self) -> Option<Duration> {
        self.0
    }
}

impl FromSetting for DurationOrOff {
    const EXPECTED: &'static str = "a duration of at most 365 days, or 0 for off";
    const EXAMPLE: &'static str = "30s";

    fn parse(text: &str) -> Result<Self, ParseError> {
        let duration = parse(text).ok_or_else(ParseError::new)?;
        Ok(Self((!duration.is_zero()).then_some(duration)))
    }

    fn show(&self, _text: &str) -> String {
        duration_text(self.0.unwrap_or_default())
    }
}

impl FromSetting for Duration {
    const EXPECTED: &'static str = "a duration greater than 0 and at most 365 days";
    const EXAMPLE: &'static str = "5s";

    fn parse(text: &str) -> Result<Self, ParseError> {
        parse(text)
            .filter(|duration| !duration.is_zero())
            .ok_or_else(ParseError::new)
    }

    fn show(&self, _text: &str) -> String {
        duration_text(*self)
    }
}

/// Formats a duration as a setting: `7s`, `250ms`, `0.5ms`.
///
/// Minutes and hours are formatted in seconds, so that values in a report are easy to compare.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    const NANOS_PER_MILLI: u32 = 1_000_000;

    if duration.subsec_nanos() == 0 {
        return format!("{}s", duration.as_secs());
    }
    let millis = duration.as_millis();
    match duration.subsec_nanos() % NANOS_PER_MILLI {
        0 => format!("{millis}ms"),
        nanos => {
            let decimals = format!("{nanos:06}");
            format!("{millis}.{}ms", decimals.trim_end_matches('0'))
        }
    }
}

/// Parses one number and one unit. humantime alone accepts sums, blanks and more units.
fn parse(text: &str) -> Option<Duration> {
    let is_unit = |c: char| c != '.' && !c.is_ascii_digit();
    let (number, unit) = text.split_at(text.find(is_unit).unwrap_or(text.len()));
    let unit = match unit {
        "" => "s",
        "ms" | "s" | "m" | "h" => unit,
        _ => return None,
    };
    // humantime overflows on many decimals, so zeros at their end are removed, but for the first.
    let number = match number.split_once('.') {
        Some((_, decimals)) if (2..=MAX_DECIMALS).contains(&decimals.len()) => {
            let kept = decimals.trim_end_matches('0').len().max(1);
            &number[..number.len() - decimals.len() + kept]
        }
        _ => number,
    };
    let duration = humantime::parse_duration(&format!("{number}{unit}")).ok()?;
    Some(duration).filter(|duration| *duration <= MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documented_forms_are_accepted_exactly() {
        #[track_caller]
        fn check(text: &str, expect: Duration) {
            assert_eq!(Duration::parse(text), Ok(expect), "{text:?}");
        }
        let millis = Duration::from_millis;
        check("5s", millis(5_000));
        check("120s", millis(120_000));
        check("5", millis(5_000));
        check("0.5", millis(500));
        check("250ms", millis(250));
        check("2m", millis(120_000));
        check("1h", millis(3_600_000));
        check("1.5h", millis(5_400_000));
        check("0.000001ms", Duration::from_nanos(1));
        check("365.000h", millis(365 * 3_600_000));
        check("1.50000000000s", millis(1_500));
        check("1.00000000000000000000", millis(1_000));
        check("0.3000000000m", millis(18_000));
        check("8760h", MAX);
    }

    #[test]
    fn everything_else_is_rejected() {
        #[track_caller]
        fn check(text: &str) {
            assert!(DurationOrOff::parse(text).is_err(), "{text:?}");
        }
        for text in [
            "", " ", "s", "ms", ".", "5.", ".5", "1.2.3", "-1s", "+1s", "1e3", "1 s", " 1s", "1s ",
            "1S", "1MS", "1d", "1us", "1s2s", "soon", "٣s", "∞",
        ] {
            check(text);
        }
        // Below a nanosecond, above a year, beyond any integer.
        for text in ["0.0000000001", "0.0000001ms", "8760.1h", "31536001"] {
            check(text);
        }
        check(&"9".repeat(60));
        check(&format!("0.{}", "0".repeat(60)));
    }

    #[test]
    fn zero_means_off_only_where_it_is_allowed() {
        for text in ["0", "0s", "0.0", "0ms", "0h"] {
            assert!(Duration::parse(text).is_err(), "{text:?}");
            assert_eq!(DurationOrOff::parse(text), Ok(DurationOrOff::OFF));
        }
        assert_eq!(DurationOrOff::OFF.show("0"), "0s");
    }

    #[test]
    fn canonical_text_is_in_seconds_or_milliseconds() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            assert_eq!(Duration::parse(text).unwrap().show(text), expect);
        }
        check("7", "7s");
        check("250ms", "250ms");
        check("1.5s", "1500ms");
        check("2m", "120s");
        check("0.5ms", "0.5ms");
        check("0.000000001", "0.000001ms");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), number in "[0-9.]{0,60}(ms|s|m|h)?") {
            let _ = parse(&text);
            let _ = parse(&number);
        }

        #[test]
        fn canonical_text_is_read_back(nanos in 1..=u64::try_from(MAX.as_nanos()).unwrap()) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(Duration::parse(&duration_text(duration)), Ok(duration));
        }

        #[test]
        fn canonical_text_of_whole_milliseconds_is_read_back(millis in 1..=10_000_000_u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(Duration::parse(&duration_text(duration)), Ok(duration));
        }
    }
}
