//! Sizes in bytes: a whole number, plain or in `KiB`, `MiB`, `GiB`.
//!
//! Only powers of 1024 have a unit. `MB` is ambiguous: 1,000,000 or 1,048,576.
//!
//! # Invariants
//!
//! * A size is at least 1. A limit of 0 would reject everything, where an operator may mean no limit.
//! * The text of `Display` parses to the same size.

use std::fmt;

use super::{FromSetting, ParseError};

/// Units, largest first: a size is formatted in the first that divides it.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A number of bytes, at least 1.
///
/// ```
/// use plimsoll::config::{ByteSize, FromSetting};
///
/// let size = ByteSize::parse("512KiB").expect("a documented form");
/// assert_eq!(size.bytes(), 524_288);
/// assert_eq!(size.to_string(), "512KiB");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// Returns the size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Formats the size in the largest unit that divides it: `2MiB`, `1000`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS
            .iter()
            .find(|(_, bytes)| self.0.is_multiple_of(*bytes))
        {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromSetting for ByteSize {
    const EXPECTED: &'static str =
        "a size greater than 0, in bytes or with the unit KiB, MiB or GiB";
    const EXAMPLE: &'static str = "2MiB";

    fn parse(text: &str) -> Result<Self, ParseError> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)))
            .unwrap_or((text, 1));
        u64::parse(number)?
            .checked_mul(unit)
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(ParseError::new)
    }

    fn show(&self, _text: &str) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_bytes_and_binary_units_are_accepted() {
        #[track_caller]
        fn check(text: &str, expect: u64, shown: &str) {
            let size = ByteSize::parse(text).unwrap();
            assert_eq!(size.bytes(), expect, "{text:?}");
            assert_eq!(size.show(text), shown);
        }
        check("2097152", 2_097_152, "2MiB");
        check("512KiB", 524_288, "512KiB");
        check("2MiB", 2_097_152, "2MiB");
        check("1GiB", 1_073_741_824, "1GiB");
        check("1000", 1000, "1000");
        check("1", 1, "1");
        check("18446744073709551615", u64::MAX, "18446744073709551615");
    }

    #[test]
    fn everything_else_is_rejected() {
        #[track_caller]
        fn check(text: &str) {
            assert!(ByteSize::parse(text).is_err(), "{text:?}");
        }
        for text in [
            "", "0", "0KiB", "KiB", "2MB", "2mib", "2 MiB", "1.5MiB", "-1", "+1", "1B", "1TiB",
        ] {
            check(text);
        }
        check("18446744073709551616");
        check("17179869184GiB");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), number in "[0-9]{0,30}(KiB|MiB|GiB)?") {
            let _ = ByteSize::parse(&text);
            let _ = ByteSize::parse(&number);
        }

        #[test]
        fn canonical_text_is_read_back(bytes in 1..=u64::MAX, shift in 0..40_u32) {
            let size = ByteSize((bytes >> shift << shift).max(1));
            prop_assert_eq!(ByteSize::parse(&size.to_string()), Ok(size));
        }
    }
}
