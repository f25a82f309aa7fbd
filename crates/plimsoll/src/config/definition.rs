//! Definitions of settings, and their resolved values.
//!
//! The [`Reader`](super::Reader) records a [`Definition`] for each setting that it reads. Help, table
//! and sample are generated from the definitions, the report from the resolved settings. So none of
//! them can differ from the code.
//!
//! # Invariants
//!
//! * A definition is the same on every machine: a default that depends on the machine has a fixed
//!   text for the docs.
//! * Neither a definition nor a resolved setting contains the text of a secret.

use std::{borrow::Cow, fmt};

use super::{
    problem::{ConfigError, RejectedValue},
    text::escaped,
    value::ParseError,
};
use crate::mask::mask_setting;

/// The names, form and meaning of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Definition {
    /// The variable.
    pub name: &'static str,
    /// Other variables that are accepted. The name itself wins, then the first alias that is set.
    pub aliases: Vec<&'static str>,
    /// The value of an unset variable.
    pub fallback: DefaultValue,
    /// The accepted form, as it follows "expected".
    pub expected: &'static str,
    /// A value that is accepted.
    pub example: Option<&'static str>,
    /// The purpose, in full sentences.
    pub meaning: &'static str,
    /// Whether the value is never shown, and `NAME_FILE` is accepted.
    pub secret: bool,
    /// The code that reads it.
    pub owner: Owner,
}

/// The value of a setting that is unset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefaultValue {
    /// None: the service does not start.
    Required,
    /// The setting stays unset.
    Unset,
    /// This value.
    Fixed(&'static str),
    /// A value that depends on the machine or the build, described in words.
    Varies(&'static str),
}

/// The code that reads a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// The chassis.
    Chassis,
    /// The service.
    Service,
}

/// A variable that is accepted without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// The variable.
    pub name: &'static str,
    /// Why it has no effect.
    pub reason: &'static str,
}

/// The origin of the value of a setting.
///
/// `Display` formats a few words for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingOrigin {
    /// The default of the setting.
    Default,
    /// A default of the program ([`App::default_setting`](crate::App::default_setting)).
    Code,
    /// The process environment.
    Environment,
    /// A flag of the command line.
    Argument(&'static str),
    /// A profile.
    EnvFile {
        /// Path of the profile.
        path: String,
        /// Line number, from 1.
        line: usize,
    },
    /// The file in `NAME_FILE`.
    SecretFile {
        /// Path of the file.
        path: String,
    },
    /// Another name of the setting.
    Alias {
        /// The alias.
        name: &'static str,
        /// The origin of the alias.
        origin: Box<Self>,
    },
}

/// A setting with its value and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedSetting {
    pub(super) definition: Definition,
    pub(super) value: DisplayValue,
    pub(super) origin: SettingOrigin,
}

/// A value in the form that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DisplayValue {
    Unset,
    Masked,
    /// A text that contained a secret, without it.
    PartlyMasked(String),
    Text(String),
}

// === impl Definition ===

impl Definition {
    /// Returns the name, then the aliases.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let mut names = vec![self.name];
        names.extend(&self.aliases);
        names.into_iter()
    }

    /// Returns all variables that the setting can be read from.
    pub(super) fn variables(&self) -> Vec<Cow<'static, str>> {
        let names = self.names();
        if self.secret {
            names
                .flat_map(|name| [name.into(), secret_file_name(name).into()])
                .collect()
        } else {
            names.map(Cow::Borrowed).collect()
        }
    }

    /// Creates an error about the value of one of its variables.
    pub(super) fn problem(
        &self,
        variable: impl Into<Cow<'static, str>>,
        held: RejectedValue,
        error: ParseError,
    ) -> ConfigError {
        // The reason may quote the value.
        let reason = error.into_reason(self.secret);
        let reason = reason.map(|reason| mask_setting(&reason).into());
        ConfigError::new(variable, held, self.expected)
            .with_example(self.example)
            .because(reason)
    }
}

/// Returns the variable with the path of a secret's file.
pub(super) fn secret_file_name(name: &str) -> String {
    format!("{name}_FILE")
}

// === impl DefaultValue ===

/// Formats the default for the docs.
impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Unset => "unset",
            Self::Fixed(text) | Self::Varies(text) => text,
        })
    }
}

// === impl SettingOrigin ===

impl SettingOrigin {
    /// Returns the place of a value in words, if the name of the variable is not enough to find it.
    pub(super) fn place(&self) -> Option<String> {
        match self {
            Self::Default => Some("its default".to_owned()),
            Self::Code => Some("its default in code".to_owned()),
            Self::Environment | Self::Argument(_) | Self::SecretFile { .. } => None,
            Self::EnvFile { path, line } => Some(format!("line {line} of {}", escaped(path))),
            Self::Alias { origin, .. } => origin.place(),
        }
    }
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Code => f.write_str("code"),
            Self::Environment => f.write_str("environment"),
            Self::Argument(flag) => f.write_str(flag),
            Self::EnvFile { path, .. } => write!(f, "env file {}", escaped(path)),
            Self::SecretFile { path } => write!(f, "file {}", escaped(path)),
            Self::Alias { name, origin } => write!(f, "alias {name}, {origin}"),
        }
    }
}

// === impl DisplayValue ===

impl DisplayValue {
    /// Returns the value for an error message.
    pub(super) fn held(&self) -> RejectedValue {
        match self {
            Self::Unset => RejectedValue::Missing,
            Self::Masked => RejectedValue::Hidden,
            Self::PartlyMasked(text) | Self::Text(text) => RejectedValue::of(text, false),
        }
    }

    /// Masks what [`mask_setting`] finds, such as the password of a URL.
    pub(super) fn shown(text: &str) -> Self {
        let masked = mask_setting(text);
        if masked == text {
            Self::Text(masked)
        } else {
            Self::PartlyMasked(masked)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_has_a_text_and_a_place() {
        #[track_caller]
        fn check(origin: &SettingOrigin, shown: &str, place: Option<&str>) {
            assert_eq!(origin.to_string(), shown);
            assert_eq!(origin.place().as_deref(), place);
        }
        let profile = || SettingOrigin::EnvFile {
            path: ".env".to_owned(),
            line: 3,
        };
        let alias = |origin| SettingOrigin::Alias {
            name: "OLD",
            origin: Box::new(origin),
        };
        let secret = SettingOrigin::SecretFile {
            path: "/run/key".to_owned(),
        };
        check(&SettingOrigin::Default, "default", Some("its default"));
        check(&SettingOrigin::Code, "code", Some("its default in code"));
        check(&SettingOrigin::Environment, "environment", None);
        check(&SettingOrigin::Argument("--env-file"), "--env-file", None);
        check(&profile(), "env file .env", Some("line 3 of .env"));
        check(&secret, "file /run/key", None);
        check(
            &alias(SettingOrigin::Environment),
            "alias OLD, environment",
            None,
        );
        check(
            &alias(profile()),
            "alias OLD, env file .env",
            Some("line 3 of .env"),
        );
    }
}
