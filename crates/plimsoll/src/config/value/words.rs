//! Settings that are one word of a list, and short texts.
//!
//! All of them use [`one_of`], so that every such setting ignores case in the same way. The enums
//! are those of the chassis; a service defines its own in the same way.

use std::fmt;

use super::{FromSetting, ParseError};

/// The longest text that [`label`] accepts: it is a label of every metric and a field of every
/// access record.
const MAX_LABEL_BYTES: usize = 128;

/// The form that [`label`] accepts, for help and errors.
pub(in crate::config) const LABEL: &str = "text of 1 to 128 bytes without control characters";

/// Parses a name that becomes a label of metrics and a field of records.
pub(in crate::config) fn label(text: &str) -> Result<String, ParseError> {
    if text.is_empty() || text.len() > MAX_LABEL_BYTES || text.contains(char::is_control) {
        return Err(ParseError::new());
    }
    Ok(text.to_owned())
}

/// Returns the value of a word, in any case.
///
/// # Errors
///
/// [`ParseError`] if the text is none of the words.
pub fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, ParseError> {
    words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text))
        .map(|(_, value)| *value)
        .ok_or_else(ParseError::new)
}

/// The format of log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// One JSON object per line, for log shippers.
    Json,
    /// Coloured, aligned lines, for a terminal.
    Pretty,
}

/// The header in which trusted proxies name the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which nearly every proxy sends.
    XForwardedFor,
    /// `Forwarded`, the header of RFC 7239.
    Forwarded,
}

/// The listeners that answer probes and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfraEndpoints {
    /// The main listener only.
    Main,
    /// The admin listener only.
    Admin,
    /// Both listeners.
    Both,
}

// === impl LogFormat ===

impl LogFormat {
    /// Its word in `LOG_FORMAT`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pretty => "pretty",
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromSetting for LogFormat {
    const EXPECTED: &'static str = "json or pretty";
    const EXAMPLE: &'static str = "json";

    fn parse(text: &str) -> Result<Self, ParseError> {
        one_of(
            text,
            &[Self::Json, Self::Pretty].map(|it| (it.as_str(), it)),
        )
    }

    fn show(&self, _text: &str) -> String {
        self.to_string()
    }
}

// === impl ForwardedHeader ===

impl ForwardedHeader {
    /// Its word in `FORWARDED_HEADER`: the name of the header in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

impl fmt::Display for ForwardedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromSetting for ForwardedHeader {
    const EXPECTED: &'static str = "x-forwarded-for or forwarded";
    const EXAMPLE: &'static str = "x-forwarded-for";

    fn parse(text: &str) -> Result<Self, ParseError> {
        one_of(
            text,
            &[Self::XForwardedFor, Self::Forwarded].map(|it| (it.as_str(), it)),
        )
    }

    fn show(&self, _text: &str) -> String {
        self.to_string()
    }
}

// === impl InfraEndpoints ===

impl InfraEndpoints {
    /// Its word in `INFRA_ENDPOINTS`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Admin => "admin",
            Self::Both => "both",
        }
    }
}

impl fmt::Display for InfraEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromSetting for InfraEndpoints {
    const EXPECTED: &'static str = "main, admin or both";
    const EXAMPLE: &'static str = "admin";

    fn parse(text: &str) -> Result<Self, ParseError> {
        one_of(
            text,
            &[Self::Main, Self::Admin, Self::Both].map(|it| (it.as_str(), it)),
        )
    }

    fn show(&self, _text: &str) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_accepted_in_any_case() {
        assert_eq!(LogFormat::parse("Pretty"), Ok(LogFormat::Pretty));
        assert_eq!(LogFormat::Json.show("JSON"), "json");
        assert!(LogFormat::parse("text").is_err());
        assert_eq!(
            ForwardedHeader::parse("X-Forwarded-For"),
            Ok(ForwardedHeader::XForwardedFor)
        );
        assert_eq!(
            ForwardedHeader::parse("forwarded"),
            Ok(ForwardedHeader::Forwarded)
        );
        assert!(ForwardedHeader::parse("x_forwarded_for").is_err());
        assert_eq!(ForwardedHeader::Forwarded.show("FORWARDED"), "forwarded");
        assert_eq!(InfraEndpoints::parse("Both"), Ok(InfraEndpoints::Both));
        assert!(InfraEndpoints::parse("none").is_err());
    }
}
