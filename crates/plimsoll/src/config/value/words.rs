//! Settings that are one word out of a few.
//!
//! [`one_of`] is the one place that compares words, so that every such setting ignores case in
//! the same way. The two enums are the chassis's own; a service makes its own likewise.

use std::fmt;

use super::{FromSetting, ParseError};

/// Finds the value of a word, in any case.
///
/// # Errors
///
/// [`ExpositionError`] if the text is none of the words.
pub fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, ParseError> {
    words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text))
        .map(|(_, value)| *value)
        .ok_or_else(ParseError::new)
}

/// How a log record looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// One JSON object a line, for log shippers.
    Json,
    /// Coloured, aligned lines, for a person at a terminal.
    Pretty,
}

/// The header in which trusted proxies say whom they forward for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which nearly every proxy writes.
    XForwardedFor,
    /// `Forwarded`, the header of RFC 7239.
    Forwarded,
}

/// Which listener answers probes and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfraEndpoints {
    /// The main listener alone.
    Main,
    /// The admin listener alone.
    Admin,
    /// Each of the two.
    Both,
}

// === impl LogFormat ===

impl LogFormat {
    /// The word that stands for it in `LOG_FORMAT`.
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
    /// The word that stands for it in `FORWARDED_HEADER`, which is the header's name in lower case.
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
    /// The word that stands for it in `INFRA_ENDPOINTS`.
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
    fn words_are_taken_in_any_case_and_nothing_else_is() {
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
