//! Times in arguments.

use std::time::Duration;

/// Reads a time such as `500ms`, `10s` or `2m`.
///
/// # Errors
///
/// The text that states the form, for clap.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let end = text.find(|unit: char| !unit.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: Option<u64> = number.parse().ok();
    let time = match (number, unit) {
        (Some(number), "ms") => Some(Duration::from_millis(number)),
        (Some(number), "s") => Some(Duration::from_secs(number)),
        (Some(number), "m") => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    // A longer time would overflow the clock.
    let time = time.filter(|time| !time.is_zero() && *time <= Duration::from_hours(24));
    time.ok_or_else(|| "it must be a time up to 24 hours, such as 500ms, 10s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        for text in [
            "",
            "10",
            "s",
            "0s",
            "1.5s",
            "-1s",
            "1441m",
            "99999999999999999999s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
