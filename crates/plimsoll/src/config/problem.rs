//! Errors of the configuration, for the operator.
//!
//! ```text
//! 3 settings are wrong:
//!   PORT="70000": expected a port from 1 to 65535, for example "8080"
//!   READ_TIMEOUT="soon" (line 7 of .env.int): expected a duration greater than 0 …
//!   DATABASE_URL is required: expected text, for example "postgres://db/app"
//! ```
//!
//! One start reports all errors, so that a deployment is not fixed one restart at a time.
//!
//! # Security
//!
//! A [`ConfigError`] about a secret never contains its text ([`RejectedValue::Hidden`]), so no
//! output can leak it. Values of other variables are cut and escaped: they come from outside, and a
//! terminal interprets control characters.

use std::{borrow::Cow, error::Error, fmt};

use super::{notes::Typo, text::escaped};
use crate::mask::mask_setting;

/// Characters of a value that are shown: enough to recognise it, without a whole pasted
/// certificate.
const SHOWN_CHARS: usize = 64;

/// All errors of the configuration.
///
/// `Display` formats a report of several lines. The process should exit with status 78
/// ([`ConfigErrors::EXIT_STATUS`]) before it binds a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    problems: Vec<ConfigError>,
    typos: Vec<Typo>,
}

/// One error of the configuration.
///
/// `Display` formats one self-contained line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    variable: Cow<'static, str>,
    held: RejectedValue,
    place: Option<String>,
    expected: Cow<'static, str>,
    example: Option<Cow<'static, str>>,
    reason: Option<Cow<'static, str>>,
}

/// The value of a variable in an error, in the form that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RejectedValue {
    /// The variable is required and not set.
    Missing,
    /// A secret, or a value that does not matter for the error.
    Hidden,
    /// The value, cut and escaped.
    Text(String),
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// `EX_CONFIG` of sysexits(3): a configuration error.
    pub const EXIT_STATUS: u8 = 78;

    pub(super) const fn new(problems: Vec<ConfigError>, typos: Vec<Typo>) -> Self {
        Self { problems, typos }
    }

    /// Appends the errors of another list.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.problems.extend(more.problems);
        self.typos.extend(more.typos);
        self
    }

    /// Returns the errors: those of the profile first, then in the order of the settings.
    #[must_use]
    pub fn problems(&self) -> &[ConfigError] {
        &self.problems
    }

    /// Returns pairs of a variable and its error line, for the log record `config_invalid`.
    pub fn records(&self) -> impl Iterator<Item = (&str, String)> {
        self.problems
            .iter()
            .map(|problem| (problem.variable(), problem.to_string()))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("1 setting is wrong:")?,
            count => write!(f, "{count} settings are wrong:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        // A required setting that is missing is often set under a misspelt name.
        for typo in &self.typos {
            write!(f, "\n  note: {typo}")?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

// === impl ConfigError ===

impl ConfigError {
    pub(super) fn new(
        variable: impl Into<Cow<'static, str>>,
        held: RejectedValue,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            variable: variable.into(),
            held,
            place: None,
            expected: expected.into(),
            example: None,
            reason: None,
        }
    }

    /// Sets the place of the value, if that is not the process environment.
    pub(super) fn found_in(mut self, place: Option<String>) -> Self {
        self.place = place;
        self
    }

    pub(super) fn with_example(mut self, example: Option<&'static str>) -> Self {
        self.example = example.map(Cow::Borrowed);
        self
    }

    /// Changes the expectation to "no value".
    pub(super) fn without_a_value(mut self) -> Self {
        self.expected = Cow::Borrowed("no value");
        self.example = None;
        self
    }

    pub(super) fn because(mut self, reason: Option<Cow<'static, str>>) -> Self {
        self.reason = reason;
        self
    }

    /// Returns the variable to change: the name that was set, which may be an alias.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// Returns its value, cut and with control characters escaped. `None` for a secret or a missing
    /// variable.
    #[must_use]
    pub fn held(&self) -> Option<&str> {
        match &self.held {
            RejectedValue::Missing | RejectedValue::Hidden => None,
            RejectedValue::Text(text) => Some(text),
        }
    }

    /// Returns the accepted form.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// Returns a value that is accepted.
    #[must_use]
    pub fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variable,
            held,
            place,
            expected,
            example,
            reason,
        } = self;
        f.write_str(variable)?;
        match held {
            RejectedValue::Missing => f.write_str(" is required")?,
            RejectedValue::Hidden => {}
            RejectedValue::Text(text) => write!(f, "=\"{text}\"")?,
        }
        if let Some(place) = place {
            write!(f, " ({place})")?;
        }
        write!(f, ": expected {expected}")?;
        if let Some(example) = example {
            write!(f, ", for example \"{example}\"")?;
        }
        if let Some(reason) = reason {
            write!(f, "; {reason}")?;
        }
        Ok(())
    }
}

// === impl RejectedValue ===

impl RejectedValue {
    /// Hides a secret; masks, cuts and escapes any other text.
    pub(super) fn of(text: &str, secret: bool) -> Self {
        if secret {
            return Self::Hidden;
        }
        let text = mask_setting(text);
        let mut shown = escaped(&text.chars().take(SHOWN_CHARS).collect::<String>());
        if text.chars().nth(SHOWN_CHARS).is_some() {
            shown.push('…');
        }
        Self::Text(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(held: RejectedValue) -> ConfigError {
        ConfigError::new("PORT", held, "a port from 1 to 65535").with_example(Some("8080"))
    }

    #[test]
    fn line_has_variable_value_expectation_and_example() {
        #[track_caller]
        fn check(problem: &ConfigError, expect: &str) {
            assert_eq!(problem.to_string(), expect);
        }
        check(
            &problem(RejectedValue::of("70000", false)),
            r#"PORT="70000": expected a port from 1 to 65535, for example "8080""#,
        );
        check(
            &problem(RejectedValue::Missing),
            r#"PORT is required: expected a port from 1 to 65535, for example "8080""#,
        );
        check(
            &problem(RejectedValue::of("canary", true)),
            r#"PORT: expected a port from 1 to 65535, for example "8080""#,
        );
        check(
            &problem(RejectedValue::of("x", false))
                .found_in(Some("line 3 of .env".to_owned()))
                .because(Some("so there".into())),
            r#"PORT="x" (line 3 of .env): expected a port from 1 to 65535, for example "8080"; so there"#,
        );
        check(
            &problem(RejectedValue::of("x", false))
                .without_a_value()
                .because(Some("so there".into())),
            r#"PORT="x": expected no value; so there"#,
        );
    }

    #[test]
    fn value_is_cut_at_64_characters_and_escaped() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            assert_eq!(
                RejectedValue::of(text, false),
                RejectedValue::Text(expect.to_owned())
            );
        }
        let sixty_four = "ä".repeat(64);
        check(&sixty_four, &sixty_four);
        check(&format!("{sixty_four}b"), &format!("{sixty_four}…"));
        check("a\nb\u{1b}[31m\"", "a\\nb\\u{1b}[31m\\\"");
        check("\u{202e}gnp", "\\u{202e}gnp");
        check("db://u:canary@h", "db://u:***@h");
        assert_eq!(RejectedValue::of("canary", true), RejectedValue::Hidden);
    }

    #[test]
    fn report_has_a_headline_and_a_line_per_error() {
        let one = ConfigErrors::new(vec![problem(RejectedValue::Missing)], Vec::new());
        assert!(
            one.to_string()
                .starts_with("1 setting is wrong:\n  PORT is")
        );
        let typo = Typo {
            unknown: "READ_TIMEOT".to_owned(),
            nearest: "READ_TIMEOUT".into(),
        };
        let two = ConfigErrors::new(
            vec![
                problem(RejectedValue::Missing),
                problem(RejectedValue::Hidden),
            ],
            vec![typo],
        );
        assert_eq!(two.typos.len(), 1);
        assert_eq!(
            two.to_string().lines().collect::<Vec<_>>(),
            [
                "2 settings are wrong:",
                r#"  PORT is required: expected a port from 1 to 65535, for example "8080""#,
                r#"  PORT: expected a port from 1 to 65535, for example "8080""#,
                "  note: READ_TIMEOT is not known, the nearest name is READ_TIMEOUT",
            ]
        );
    }

    #[test]
    fn records_pair_the_variable_with_its_line() {
        let errors = ConfigErrors::new(vec![problem(RejectedValue::Missing)], Vec::new());
        let records: Vec<_> = errors.records().collect();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].0, "PORT");
        assert!(records[0].1.starts_with("PORT is required"));
        assert_eq!(errors.problems()[0].held(), None);
        assert_eq!(errors.problems()[0].example(), Some("8080"));
        assert_eq!(errors.problems()[0].expected(), "a port from 1 to 65535");
    }
}
