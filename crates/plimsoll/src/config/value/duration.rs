//! Durations: a decimal number and a unit, exactly.
//!
//! | unit   | is           | example |
//! |--------|--------------|---------|
//! | `ms`   | millisecond  | `250ms` |
//! | `s`    | second       | `5s`    |
//! | `m`    | 60 seconds   | `2m`    |
//! | `h`    | 3600 seconds | `1h`    |
//! | none   | second       | `0.5`   |
//!
//! A plain number is in seconds because the settings of the Django service were, and a profile
//! written for it must keep its meaning.
//!
//! # Invariants
//!
//! * A duration is either represented to the nanosecond or refused, so a text that is not zero
//!   never becomes zero, which could mean "off".
//! * Nothing is longer than [`MAX`]: beyond that, adding a duration to a point in time could
//!   overflow, and such a timeout is a slip of the keyboard anyway.
//! * What [`duration_text`] writes is read back as the same duration.

use std::time::Duration;

use super::{FromSetting, ParseError};

/// Longest duration a setting can have: 365 days.
const MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A duration of which 0 means that the limit is off.
///
/// ```
/// use plimsoll::config::{DurationOrOff, FromSetting};
///
/// assert_eq!(DurationOrOff::parse("0"), Ok(DurationOrOff::OFF));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationOrOff(Option<Duration>);

impl DurationOrOff {
    /// No limit, or no wait.
    pub const OFF: Self = Self(None);

    /// The duration, or nothing when it is off.
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

/// Writes a duration as a setting would be written: `7s`, `250ms`, `0.5ms`.
///
/// Minutes and hours are written in seconds, so that reports compare at a glance.
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

fn parse(text: &str) -> Option<Duration> {
    const MILLI: u128 = 1_000_000;
    const SECOND: u128 = 1_000 * MILLI;

    let unit_at = text
        .find(|c: char| c != '.' && !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_nanos = match unit {
        "ms" => MILLI,
        "" | "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    };

    let (whole, decimals) = match number.split_once('.') {
        None => (number, None),
        Some((whole, decimals)) => (whole, Some(decimals)),
    };
    let mut nanos = digits(whole)?.checked_mul(unit_nanos)?;
    if let Some(decimals) = decimals {
        let scale = 10_u128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
        let scaled = digits(decimals)?.checked_mul(unit_nanos)?;
        if scaled % scale != 0 {
            return None;
        }
        nanos = nanos.checked_add(scaled / scale)?;
    }

    let duration = Duration::from_nanos(u64::try_from(nanos).ok()?);
    (duration <= MAX).then_some(duration)
}

/// At least one digit and nothing else.
fn digits(text: &str) -> Option<u128> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
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
        check("8760h", MAX);
    }

    #[test]
    fn everything_else_is_refused() {
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
        // Finer than a nanosecond, longer than a year, beyond any integer.
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
