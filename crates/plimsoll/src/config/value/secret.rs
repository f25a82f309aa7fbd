//! Prevents that a secret is printed by accident.
//!
//! Logs, panics, reports and debuggers print values through `Debug` or `Display`.
//! A [`Secret`] prints `***` in both. Only [`Secret::expose`] returns its text, and a reviewer can
//! search for that name.
//!
//! # Omitted traits
//!
//! * No comparison: `==` stops at the first byte that differs, so its time reveals how many bytes
//!   of a guess are right. Compare with a constant-time function.
//! * No serialization, and no conversion into a `String` other than a visible copy.
//!
//! # Limits
//!
//! The text is not wiped from memory when the secret is dropped: the environment of the process
//! has the same text for its whole life.

use std::fmt;

use super::{FromSetting, ParseError};
use crate::mask::MASK;

/// A text that is never printed.
///
/// ```
/// use plimsoll::config::{FromSetting, Secret};
///
/// let token = Secret::parse("hunter2").expect("any text is a secret");
/// assert_eq!(format!("{token} {token:?}"), "*** ***");
/// assert_eq!(token.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    ///
    /// # Security
    ///
    /// The returned text is not protected. Pass it only to the code that needs it, and keep no copy.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl FromSetting for Secret {
    const EXPECTED: &'static str = "a secret text";
    const EXAMPLE: &'static str = "";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self::new(text))
    }

    fn show(&self, _text: &str) -> String {
        MASK.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_never_shows_the_text() {
        let secret = Secret::new("canary");
        for shown in [
            format!("{secret}"),
            format!("{secret:?}"),
            format!("{secret:#?}"),
            format!("{:?}", Some(&secret)),
            secret.show("canary"),
        ] {
            assert!(!shown.contains("canary"), "{shown}");
            assert!(shown.contains("***"), "{shown}");
        }
        assert_eq!(secret.expose(), "canary");
    }
}
