//! Times and sizes as the platforms write them.

use std::time::Duration;

/// The unit of a number without a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plain {
    /// Settings, Compose, systemd, nginx.
    Seconds,
    /// HAProxy.
    Milliseconds,
}

/// The factor between the units of a size that have no `i`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Factor {
    /// Kubernetes: `64M` is less than `64Mi`, and `64m` is a fraction.
    Decimal,
    /// All others: `64M`, `64m` and `64MiB` are the same.
    Binary,
}

/// Parses a time, such as `8s`, `1m30s` or `1min 30s`. `None` for other texts.
pub(crate) fn duration(text: &str, plain: Plain) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds = match (unit, plain) {
            ("", Plain::Seconds) | ("s" | "sec" | "second" | "seconds", _) => 1.0,
            ("", Plain::Milliseconds) | ("ms" | "msec", _) => 1e-3,
            ("us" | "usec", _) => 1e-6,
            ("m" | "min" | "minute" | "minutes", _) => 60.0,
            ("h" | "hr" | "hour" | "hours", _) => 3600.0,
            ("d" | "day" | "days", _) => 86_400.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number * seconds).ok()?;
        sum = sum.checked_add(part)?;
        rest = after.trim_start();
    }
    Some(sum)
}

/// Parses a size, such as `256M` or `64KiB`. Returns bytes, or `None` for other texts.
pub(crate) fn size(text: &str, factor: Factor) -> Option<u64> {
    let (number, unit) = number(text.trim())?;
    let is_binary = unit.contains('i') || matches!(factor, Factor::Binary);
    let base: f64 = if is_binary { 1024.0 } else { 1000.0 };
    let unit = unit.trim().trim_end_matches(['b', 'B']);
    let power = match (unit.trim_end_matches('i'), factor) {
        ("", _) => 0,
        ("K" | "k", _) => 1,
        ("M", _) | ("m", Factor::Binary) => 2,
        ("G", _) | ("g", Factor::Binary) => 3,
        ("T", _) | ("t", Factor::Binary) => 4,
        _ => return None,
    };
    let bytes = number * base.powi(power);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number without a sign, compared with the largest size"
    )]
    (bytes < 1e18).then_some(bytes as u64)
}

/// Parses the limit of a body in a proxy: 0 is no limit.
#[expect(
    clippy::option_option,
    reason = "the inner one is a size without limit"
)]
pub(crate) fn limit(text: &str) -> Option<Option<u64>> {
    size(text, Factor::Binary).map(|bytes| Some(bytes).filter(|bytes| *bytes > 0))
}

/// Splits a text after its number.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

/// Formats a time, such as `8 s` or `1.5 s`.
pub(crate) fn show(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Formats a size, such as `176 MiB`.
pub(crate) fn show_size(bytes: u64) -> String {
    if bytes >= 10 << 20 || (bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20)) {
        format!("{} MiB", bytes >> 20)
    } else if bytes.is_multiple_of(1 << 10) {
        format!("{} KiB", bytes >> 10)
    } else {
        format!("{bytes} B")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_all_platforms_are_parsed() {
        #[track_caller]
        fn check(text: &str, plain: Plain, milliseconds: u64) {
            let expected = Some(Duration::from_millis(milliseconds));
            assert_eq!(duration(text, plain), expected, "{text}");
        }
        check("15", Plain::Seconds, 15_000);
        check("1.5s", Plain::Seconds, 1_500);
        check("1m30s", Plain::Seconds, 90_000);
        check("1min 30s", Plain::Seconds, 90_000);
        check("500ms", Plain::Seconds, 500);
        check("500", Plain::Milliseconds, 500);
        check("2h", Plain::Milliseconds, 7_200_000);
        for text in ["", "s", "-1s", "1 fortnight", "infinity", "1..2", "9e99"] {
            assert_eq!(duration(text, Plain::Seconds), None, "{text}");
        }
    }

    #[test]
    fn sizes_of_all_platforms_are_parsed() {
        assert_eq!(size("64Mi", Factor::Decimal), Some(64 << 20));
        assert_eq!(size("64M", Factor::Decimal), Some(64_000_000));
        assert_eq!(size("64m", Factor::Decimal), None);
        assert_eq!(size("256M", Factor::Binary), Some(256 << 20));
        assert_eq!(size("1.5g", Factor::Binary), Some(1_610_612_736));
        assert_eq!(size("64KiB", Factor::Binary), Some(65_536));
        assert_eq!(size("2mb", Factor::Binary), Some(2 << 20));
        assert_eq!(size("512", Factor::Binary), Some(512));
        assert_eq!(size("max", Factor::Binary), None);
        assert_eq!(show_size(176 << 20), "176 MiB");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), number in "[0-9.]{0,400}[a-zA-Z]{0,4}") {
            for text in [&text, &number] {
                let _ = duration(text, Plain::Seconds);
                let _ = size(text, Factor::Binary);
            }
        }
    }
}
