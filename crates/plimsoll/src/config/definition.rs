//! What is known about a setting: how it is documented, and what it came out as.
//!
//! A [`Definition`] is recorded whenever a setting is asked for. Help, table and sample are made
//! from the definitions and the report from the readings, so none of them can say something that
//! the code does not do.
//!
//! # Invariants
//!
//! * A definition does not depend on the machine it is made on: where a default does, the docs
//!   have a fixed text for it.
//! * Neither a definition nor a reading holds the text of a secret.

use std::{borrow::Cow, fmt};

use super::{
    problem::{ConfigError, RejectedValue, escaped},
    value::ParseError,
};

/// How a setting is called and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Definition {
    /// The variable.
    pub name: &'static str,
    /// Other variables that are understood; the first that is set holds, after the name itself.
    pub aliases: Vec<&'static str>,
    /// What holds when it is unset.
    pub fallback: DefaultValue,
    /// What is accepted, to be read after "expected".
    pub expected: &'static str,
    /// A value that is accepted.
    pub example: Option<&'static str>,
    /// What it is for, in full sentences.
    pub meaning: &'static str,
    /// Whether the value is never shown, and `NAME_FILE` is understood.
    pub secret: bool,
    /// Who asked for it.
    pub owner: Owner,
}

/// What holds when a setting is unset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefaultValue {
    /// Nothing: the service does not start.
    Required,
    /// The setting stays unset.
    Unset,
    /// This value.
    Fixed(&'static str),
    /// A value that depends on the machine or the build, in words.
    Varies(&'static str),
}

/// Who asks for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// The chassis.
    Chassis,
    /// The service.
    Service,
}

/// A name that is accepted and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// The variable.
    pub name: &'static str,
    /// Why it changes nothing.
    pub reason: &'static str,
}

/// Where the value of a setting came from.
///
/// `Display` gives a few words for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingOrigin {
    /// The setting's own default.
    Default,
    /// A default of the program ([`App::default_setting`](crate::App::default_setting)).
    Code,
    /// The process environment.
    Environment,
    /// A flag of the command line.
    Argument(&'static str),
    /// A profile.
    EnvFile {
        /// The profile.
        path: String,
        /// Line number, from 1.
        line: usize,
    },
    /// The file that `NAME_FILE` names.
    SecretFile {
        /// The file.
        path: String,
    },
    /// Another name of the setting.
    Alias {
        /// That name.
        name: &'static str,
        /// Where that name was set.
        origin: Box<Self>,
    },
}

/// What a setting came out as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedSetting {
    pub(super) definition: Definition,
    pub(super) value: DisplayValue,
    pub(super) origin: SettingOrigin,
}

/// A value as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DisplayValue {
    Unset,
    Masked,
    Text(String),
}

// === impl Definition ===

impl Definition {
    /// Its own name, then its aliases.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let mut names = vec![self.name];
        names.extend(&self.aliases);
        names.into_iter()
    }

    /// Every variable that it may look at.
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

    /// A problem with what one of its variables holds.
    pub(super) fn problem(
        &self,
        variable: impl Into<Cow<'static, str>>,
        held: RejectedValue,
        mismatch: ParseError,
    ) -> ConfigError {
        ConfigError::new(variable, held, self.expected)
            .with_example(self.example)
            .because(mismatch.into_reason(self.secret))
    }
}

/// The variable that names the file of a secret.
pub(super) fn secret_file_name(name: &str) -> String {
    format!("{name}_FILE")
}

// === impl Fallback ===

/// Writes what the docs show as the default.
impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Unset => "unset",
            Self::Fixed(text) | Self::Varies(text) => text,
        })
    }
}

// === impl Origin ===

impl SettingOrigin {
    /// The place of a value in words, if its variable alone does not lead there.
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

// === impl Shown ===

impl DisplayValue {
    /// What an error message may show of it.
    pub(super) fn held(&self) -> RejectedValue {
        match self {
            Self::Unset => RejectedValue::Missing,
            Self::Masked => RejectedValue::Hidden,
            Self::Text(text) => RejectedValue::of(text, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_told_in_a_few_words() {
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
