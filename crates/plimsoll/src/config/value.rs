//! Parses the text of a variable into a type, once, at the start.
//!
//! A type of a setting implements [`FromSetting`]: the parser, the expected form for docs and error
//! messages, and the canonical text for a report.
//! A parsed value needs no further checks where it is used.
//!
//! # Rules for all types
//!
//! * The text is never empty (that is "unset") and never trimmed: an error message shows a stray
//!   blank. Lists allow blanks around their items.
//! * Words are accepted in any case, units only as documented.
//! * Numbers have no sign, no exponent and no separators.
//! * Parsing never panics, and all arithmetic is checked.
//!
//! # Related files
//!
//! [`super::source`] finds the text, [`super::reader`] records errors.

mod duration;
mod listen;
mod log_levels;
mod secret;
mod size;
mod trusted_proxies;
mod words;

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize},
    ops::RangeInclusive,
    path::PathBuf,
};

pub(super) use self::{
    listen::{Host, port},
    words::{LABEL, label},
};

pub use self::{
    duration::{DurationOrOff, duration_text},
    listen::ListenAddr,
    log_levels::{Level, LogLevels},
    secret::Secret,
    size::ByteSize,
    trusted_proxies::TrustedProxies,
    words::{ForwardedHeader, InfraEndpoints, LogFormat, one_of},
};

/// The type of a setting.
///
/// ```
/// use plimsoll::config::{FromSetting, ParseError, one_of};
///
/// #[derive(Debug, Clone, Copy, PartialEq)]
/// enum Colour { Red, Green }
///
/// impl FromSetting for Colour {
///     const EXPECTED: &'static str = "red or green";
///     const EXAMPLE: &'static str = "red";
///
///     fn parse(text: &str) -> Result<Self, ParseError> {
///         one_of(text, &[("red", Self::Red), ("green", Self::Green)])
///     }
/// }
///
/// assert_eq!(Colour::parse("GREEN"), Ok(Colour::Green));
/// ```
pub trait FromSetting: Sized + 'static {
    /// The accepted form, as it follows "expected": lower case, no full stop.
    const EXPECTED: &'static str;

    /// A text that is accepted, or nothing if an example does not help. A setting's own example
    /// or default wins over it.
    const EXAMPLE: &'static str;

    /// Whether the value must never be shown. If so, `NAME_FILE` is accepted in addition to `NAME`.
    const SECRET: bool = false;

    /// Parses the text, which is not empty.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if the text does not have the form of [`EXPECTED`](Self::EXPECTED).
    fn parse(text: &str) -> Result<Self, ParseError>;

    /// Formats the value for a report, in a form that [`parse`](Self::parse) accepts.
    ///
    /// `text` is the parsed text. It is the result unless the type has a canonical form.
    /// Never called for secrets.
    fn show(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// The text of a setting does not have the expected form.
///
/// # Security
///
/// For a secret, a reason is shown only if it is a `&'static str`: a reason made at run time may
/// quote the value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParseError {
    reason: Option<Cow<'static, str>>,
    /// The text has a secret in the wrong place, and is not shown.
    hides: bool,
}

impl ParseError {
    /// Creates an error without a reason.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            reason: None,
            hides: false,
        }
    }

    /// Creates an error with a reason: lower case, no full stop.
    #[must_use]
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: Some(reason.into()),
            hides: false,
        }
    }

    /// Creates an error for a text with a secret in the wrong place, which is not shown (contract
    /// CFG-5).
    #[cfg(feature = "otlp")]
    pub(super) fn misplaced_secret(reason: &'static str) -> Self {
        Self {
            reason: Some(reason.into()),
            hides: true,
        }
    }

    /// Whether the text must not be shown, though its setting is no secret.
    pub(super) fn hides(&self) -> bool {
        self.hides
    }

    /// Returns the reason, unless showing it could leak a secret.
    pub(crate) fn into_reason(self, secret: bool) -> Option<Cow<'static, str>> {
        self.reason
            .filter(|reason| !secret || matches!(reason, Cow::Borrowed(_)))
    }
}

/// Returns a parser of `T` that rejects values outside the range.
///
/// For [`Setting::read_with`](super::Setting::read_with), whose first argument describes the range.
pub fn within<T: FromSetting + PartialOrd>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, ParseError> {
    move |text| {
        let value = T::parse(text)?;
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(ParseError::new())
        }
    }
}

impl FromSetting for String {
    const EXPECTED: &'static str = "text";
    const EXAMPLE: &'static str = "";

    fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(text.to_owned())
    }
}

impl FromSetting for PathBuf {
    const EXPECTED: &'static str = "a path";
    const EXAMPLE: &'static str = "/etc/service";

    fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self::from(text))
    }
}

impl FromSetting for bool {
    const EXPECTED: &'static str = "true, false, 1, 0, yes, no, on or off";
    const EXAMPLE: &'static str = "true";

    fn parse(text: &str) -> Result<Self, ParseError> {
        one_of(
            text,
            &[
                ("true", true),
                ("false", false),
                ("1", true),
                ("0", false),
                ("yes", true),
                ("no", false),
                ("on", true),
                ("off", false),
            ],
        )
    }

    fn show(&self, _text: &str) -> String {
        self.to_string()
    }
}

impl FromSetting for IpAddr {
    const EXPECTED: &'static str = "an IPv4 or IPv6 address";
    const EXAMPLE: &'static str = "127.0.0.1";

    fn parse(text: &str) -> Result<Self, ParseError> {
        text.parse().map_err(|_| ParseError::new())
    }
}

impl FromSetting for SocketAddr {
    const EXPECTED: &'static str = "an address with a port";
    const EXAMPLE: &'static str = "127.0.0.1:8080";

    fn parse(text: &str) -> Result<Self, ParseError> {
        text.parse().map_err(|_| ParseError::new())
    }
}

/// Implements [`FromSetting`] for whole numbers, which differ only in their range.
macro_rules! whole_number {
    ($($type:ty, $expected:literal;)+) => {$(
        impl FromSetting for $type {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = "10";

            fn parse(text: &str) -> Result<Self, ParseError> {
                // The parser of std accepts a leading plus, which is not documented.
                if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(ParseError::new());
                }
                text.parse().map_err(|_| ParseError::new())
            }

            fn show(&self, _text: &str) -> String {
                self.to_string()
            }
        }
    )+};
}

whole_number! {
    u16, "a whole number from 0 to 65535";
    u32, "a whole number from 0 to 4294967295";
    u64, "a whole number from 0 to 18446744073709551615";
    usize, "a whole number";
    NonZeroU16, "a whole number from 1 to 65535";
    NonZeroU32, "a whole number from 1 to 4294967295";
    NonZeroU64, "a whole number from 1 to 18446744073709551615";
    NonZeroUsize, "a whole number greater than 0";
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[track_caller]
    fn check<T: FromSetting + PartialEq + Debug>(text: &str, expect: impl Into<Option<T>>) {
        assert_eq!(T::parse(text).ok(), expect.into(), "{text:?}");
    }

    #[test]
    fn booleans_are_eight_words_in_any_case() {
        for text in ["true", "1", "yes", "on", "TRUE", "Yes", "oN"] {
            check(text, true);
        }
        for text in ["false", "0", "no", "off", "FALSE", "No", "OFF"] {
            check(text, false);
        }
        for text in ["t", "y", "enabled", " true", "true ", "2", "00"] {
            check::<bool>(text, None);
        }
        assert_eq!(true.show("YES"), "true");
    }

    #[test]
    fn whole_numbers_have_no_sign_and_no_blank() {
        check("0", 0_u16);
        check("65535", 65_535_u16);
        check("007", 7_u32);
        check("18446744073709551615", u64::MAX);
        for text in ["+1", "-1", " 1", "1 ", "1.0", "1e3", "1_000", "٣", "65536"] {
            check::<u16>(text, None);
        }
        check("1", NonZeroU16::MIN);
        check::<NonZeroU32>("0", None);
        check::<u64>("18446744073709551616", None);
        assert_eq!(7_u32.show("007"), "7");
    }

    #[test]
    fn addresses_are_not_host_names() {
        check("::1", IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]));
        check::<IpAddr>("localhost", None);
        check("[::1]:80", SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 80)));
        check::<SocketAddr>("127.0.0.1", None);
    }

    #[test]
    fn range_is_inclusive_at_both_ends() {
        let parse = within(1..=3_u16);
        let accepted: Vec<_> = ["0", "1", "3", "4", "x"]
            .map(|text| parse(text).is_ok())
            .into();
        assert_eq!(accepted, [false, true, true, false, false]);
    }

    #[test]
    fn run_time_reason_is_dropped_for_a_secret() {
        let made = || ParseError::because(format!("{} is short", "canary"));
        assert!(made().into_reason(false).is_some());
        assert_eq!(made().into_reason(true), None);
        assert!(ParseError::because("too short").into_reason(true).is_some());
    }

    #[test]
    fn every_example_is_accepted_by_its_own_type() {
        #[track_caller]
        fn check<T: FromSetting>() {
            assert!(T::parse(T::EXAMPLE).is_ok(), "{}", T::EXAMPLE);
        }
        check::<String>();
        check::<PathBuf>();
        check::<bool>();
        check::<IpAddr>();
        check::<SocketAddr>();
        check::<u16>();
        check::<u32>();
        check::<u64>();
        check::<usize>();
        check::<NonZeroU16>();
        check::<NonZeroU32>();
        check::<NonZeroU64>();
        check::<NonZeroUsize>();
        check::<std::time::Duration>();
        check::<DurationOrOff>();
        check::<ByteSize>();
        check::<LogLevels>();
        check::<LogFormat>();
        check::<ForwardedHeader>();
        check::<TrustedProxies>();
        check::<Host>();
    }
}
