//! Sizes of memory in arguments.

/// Reads a size such as `160MiB`, from 16 MiB to 16 GiB.
///
/// # Errors
///
/// The text that states the form, for clap.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let end = text.find(|unit: char| !unit.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let factor: Option<u64> = match unit {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let size = number.zip(factor);
    let size = size.and_then(|(number, factor)| number.checked_mul(factor));
    let size = size.filter(|size| (16 << 20..=16 << 30).contains(size));
    let size = size.and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| "it must be a size from 16MiB to 16GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_limits() {
        assert_eq!(parse("16MiB"), Ok(16 << 20));
        assert_eq!(parse("16384KiB"), Ok(16 << 20));
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        for text in [
            "",
            "160",
            "MiB",
            "15MiB",
            "17GiB",
            "160MB",
            "1.5GiB",
            "99999999999999999GiB",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
