//! Numbers as text, short enough for a column.

use std::time::Duration;

use plimsoll_scrape::Quantile;

/// A value that is missing.
pub(super) const MISSING: &str = "–";

/// Returns a value as text, or the sign for a missing one.
pub(super) fn or_missing<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| MISSING.to_owned(), text)
}

/// Returns a whole number, with separators: `12,345`.
pub(super) fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && value.is_finite() {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

/// Returns a rate, with decimals below 10, so that a small one is not shown as zero.
pub(super) fn rate(value: f64) -> String {
    if value > 0.0 && value < 0.995 {
        format!("{value:.2}")
    } else if value > 0.0 && value < 9.95 {
        format!("{value:.1}")
    } else {
        count(value)
    }
}

/// Returns a part of 100. A small one is not shown as zero.
pub(super) fn percent(value: f64) -> String {
    if value > 0.0 && value < 0.005 {
        "<0.01".to_owned()
    } else if value < 9.995 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    }
}

/// Returns a time that has passed, in whole seconds, so that it does not flicker.
pub(super) fn age(age: Duration) -> String {
    time(Duration::from_secs(age.as_secs()).as_secs_f64())
}

/// Returns a time in seconds with its unit: `1.2 ms`, `18 ms`, `4 s`, `3 min`.
pub(super) fn time(seconds: f64) -> String {
    let two_digits = |value: f64, unit: &str| {
        // 9.96 has one digit before the point, and would become 10.0.
        if value < 9.95 && value > 0.0 {
            format!("{value:.1} {unit}")
        } else {
            format!("{value:.0} {unit}")
        }
    };
    let text = if seconds == 0.0 {
        "0 s".to_owned()
    } else if seconds < 0.000_999_5 {
        two_digits(seconds * 1e6, "µs")
    } else if seconds < 0.999_5 {
        two_digits(seconds * 1e3, "ms")
    } else if seconds < 119.5 {
        two_digits(seconds, "s")
    } else if seconds < 7170.0 {
        two_digits(seconds / 60.0, "min")
    } else {
        two_digits(seconds / 3600.0, "h")
    };
    text.replace(".0 ", " ")
}

/// Returns a quantile in seconds: a time, or the bound that it exceeds.
pub(super) fn quantile(value: Quantile) -> String {
    match value {
        Quantile::At(seconds) => time(seconds),
        Quantile::Above(seconds) => format!("> {}", time(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 7.0, 1204.0, 1_234_567.0].map(count),
            ["0", "7", "1,204", "1,234,567"]
        );
        assert_eq!(
            [0.0, 0.3, 1.26, 9.96, 902.4].map(rate),
            ["0", "0.30", "1.3", "10", "902"]
        );
        assert_eq!(
            [0.0, 0.001, 0.02, 12.34].map(percent),
            ["0.00", "<0.01", "0.02", "12.3"]
        );
        let times = [
            0.0, 0.000_35, 0.0012, 0.0179, 0.9996, 4.0, 4.23, 75.0, 150.0, 7300.0,
        ];
        let texts = [
            "0 s", "350 µs", "1.2 ms", "18 ms", "1 s", "4 s", "4.2 s", "75 s", "2.5 min", "2 h",
        ];
        assert_eq!(times.map(time), texts);
        assert_eq!(quantile(Quantile::Above(10.0)), "> 10 s");
        assert_eq!(or_missing(None, count), "–");
    }
}
