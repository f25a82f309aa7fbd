//! Formats settings: help for operators, and the effective values.
//!
//! | output                          | purpose                    | source               |
//! |---------------------------------|----------------------------|----------------------|
//! | [`Definitions::help`]           | `--help`                   | definitions          |
//! | [`ConfigReport::check_report`]  | `--check-config`           | effective values     |
//!
//! # Invariants
//!
//! * Everything is returned as text; nothing is printed.
//! * The same definitions give the same text on every machine.
//! * A line of the report that is not a comment is a valid line of a profile, apart from masked and
//!   unset values.

mod help;
mod report;

pub use self::report::ConfigReport;
use super::{
    definition::{Definition, Ignored, ResolvedSetting, secret_file_name},
    env_file,
    text::escaped,
};

/// All settings of a service: those of the chassis, then its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definitions {
    settings: Vec<Definition>,
    ignored: Vec<Ignored>,
}

impl Definitions {
    pub(super) fn new(resolved: &[ResolvedSetting], ignored: Vec<Ignored>) -> Self {
        Self {
            settings: resolved.iter().map(|it| it.definition.clone()).collect(),
            ignored,
        }
    }

    /// Returns the settings, in the order in which they are read.
    #[must_use]
    #[doc(hidden)]
    pub fn settings(&self) -> &[Definition] {
        &self.settings
    }

    /// Returns the variables that are accepted without effect.
    #[must_use]
    #[doc(hidden)]
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }
}

/// Describes the accepted form, and the file of a secret.
pub(crate) fn accepted(definition: &Definition) -> String {
    let expected = definition.expected;
    if definition.secret {
        let file = secret_file_name(definition.name);
        format!("{expected}, or its file in {file}")
    } else {
        expected.to_owned()
    }
}

/// Formats a value for a profile, in double quotes only if it would be misread without.
pub(crate) fn profile_value(text: &str) -> String {
    let shown = escaped(text);
    let (read_back, _) = env_file::parse(&format!("A={text}"));
    match read_back.as_slice() {
        [only] if only.value == text && shown == text => shown,
        _ => format!("\"{shown}\""),
    }
}

/// Wraps a text into lines of at most `width` characters, the indent included. A longer word is
/// not broken.
pub(crate) fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length <= width {
            lines.push(' ');
            column += 1 + length;
        } else {
            if column > 0 {
                lines.push('\n');
            }
            lines.push_str(indent);
            column = indent.chars().count() + length;
        }
        lines.push_str(word);
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests;
