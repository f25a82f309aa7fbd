//! Keeps a secret from being shown by accident.
//!
//! Logs, panics, reports and debuggers print whatever has `Debug` or `Display`.
//! A [`Secret`] prints `***` in both, and its text comes out only through [`Secret::expose`],
//! which a reviewer can search for.
//!
//! # What is left out on purpose
//!
//! * No comparison: `==` on a secret stops at the first byte that differs, and its time tells
//!   how far an attacker has got. Compare with a constant-time function.
//! * No serialization, and no way back into a plain `String` but a visible copy.
//!
//! # Limits
//!
//! The text is not wiped from memory when the secret is dropped: the environment of the process
//! holds the same text for as long as it lives.

use std::fmt;

use super::{FromSetting, ParseError};

/// What is printed in the place of a secret.
pub(in crate::config) const MASK: &str = "***";

/// A text that is never shown.
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
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    ///
    /// # Security
    ///
    /// From here on nothing protects it: give it to whoever needs it, and keep no copy.
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
    fn no_formatting_shows_the_text() {
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
