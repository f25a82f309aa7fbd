//! Reads settings one by one, and records definitions, values and errors.
//!
//! ```text
//! setting(name, meaning) ─ alias, default, example ─▶ read ─▶ Result<T, Invalid>
//!                                                      │
//!        definitions · effective values · problems · notes, all in the Reader
//! ```
//!
//! The [`Reader`] records each error, and the caller gets an [`Invalid`] as proof. So all settings
//! can be read before the first `?`, and all errors are reported together.
//!
//! # Precedence
//!
//! 1. The name of the setting, in the process environment or else in the profile.
//! 2. Its aliases in their order, likewise. The name in the profile wins over an alias in the
//!    process environment: one rule for names is easier to predict than two that interact. A note
//!    reports an alias that is overridden.
//! 3. The default of the program, then the default of the setting.
//!
//! For a secret, `NAME_FILE` may be set instead of `NAME`. Both together are an error, because it
//! would not be visible which one wins.
//!
//! # Invariants
//!
//! * A name has one meaning: settings, aliases and the `_FILE` names of secrets never coincide.
//! * A value that is overridden by a name with precedence need not be valid.

mod setting;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use super::{
    definition::{
        Definition, DisplayValue, Ignored, Owner, ResolvedSetting, SettingOrigin, secret_file_name,
    },
    env_file,
    notes::{self, Notes},
    problem::{ConfigError, RejectedValue},
    source::{Environment, Sources, read_secret},
    text::escaped,
    value::ParseError,
};

pub use self::setting::Setting;

/// How the variables of OpenTelemetry begin.
const OPEN_TELEMETRY: &str = "OTEL_";

/// The note about a variable of OpenTelemetry that is no setting.
const NO_EFFECT: &str = if cfg!(feature = "otlp") {
    "it has no effect here"
} else {
    "it has no effect without the feature `otlp`"
};

/// Reads settings from an [`Environment`].
///
/// Passed to [`Settings::read`](super::Settings::read), and not constructed otherwise.
pub struct Reader<'e> {
    sources: Sources<'e>,
    owner: Owner,
    resolved: Vec<ResolvedSetting>,
    ignored: Vec<Ignored>,
    /// All variables with a meaning, and the code that reads them.
    claimed: BTreeMap<Cow<'static, str>, Owner>,
    problems: Vec<ConfigError>,
    notes: Vec<String>,
}

/// Proof that the [`Reader`] has recorded an error. It contains no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid(());

/// The records of a [`Reader`] after all settings have been read.
pub(super) struct ReadOutcome {
    pub(super) resolved: Vec<ResolvedSetting>,
    pub(super) ignored: Vec<Ignored>,
    pub(super) problems: Vec<ConfigError>,
    pub(super) notes: Notes,
}

/// The text of a setting, and the variable that it comes from.
struct RawValue {
    variable: &'static str,
    text: String,
    origin: SettingOrigin,
}

impl<'e> Reader<'e> {
    pub(super) fn new(environment: &'e Environment) -> Self {
        let (sources, findings) = Sources::open(environment);
        Self {
            sources,
            owner: Owner::Chassis,
            resolved: Vec::new(),
            ignored: Vec::new(),
            claimed: BTreeMap::new(),
            problems: findings.problems,
            notes: findings.notes,
        }
    }

    /// Starts a setting: its variable, in capitals, and its purpose, in full sentences.
    ///
    /// ```
    /// use plimsoll::config::{Invalid, Reader, Secret};
    ///
    /// # fn read(from: &mut Reader<'_>) -> Result<(), Invalid> {
    /// let size = from.setting("POOL_SIZE", "Connections in the pool.").default("10").read::<u32>();
    /// let token = from.setting("API_TOKEN", "Token of the upstream.").read_optional::<Secret>();
    /// // The first `?` comes after the last setting, so that all errors are reported.
    /// let (size, token) = (size?, token?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn setting(&mut self, name: &'static str, meaning: &'static str) -> Setting<'_, 'e> {
        Setting::new(self, name, meaning)
    }

    /// Rejects a setting that has been read, because it conflicts with others.
    ///
    /// ```
    /// use plimsoll::config::{Invalid, ParseError, Reader};
    ///
    /// # fn read(from: &mut Reader<'_>) -> Result<(), Invalid> {
    /// let least = from.setting("POOL_MIN", "Connections kept open.").default("1").read::<u32>();
    /// let most = from.setting("POOL_MAX", "Connections at most.").default("10").read::<u32>();
    /// let (least, most) = (least?, most?);
    /// if least > most {
    ///     return Err(from.reject("POOL_MIN", ParseError::because("it is more than POOL_MAX")));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn reject(&mut self, name: &'static str, error: ParseError) -> Invalid {
        let problem = self.problem_of(name, error);
        self.record(problem)
    }

    /// Rejects a setting that has been read, because this program accepts no value of it.
    pub(super) fn reject_any_value(&mut self, name: &'static str, error: ParseError) -> Invalid {
        let problem = self.problem_of(name, error).without_a_value();
        self.record(problem)
    }

    /// Creates an error about a setting that has been read.
    fn problem_of(&self, name: &'static str, error: ParseError) -> ConfigError {
        match self.resolved.iter().find(|it| it.definition.name == name) {
            Some(ResolvedSetting {
                definition,
                value,
                origin,
            }) => {
                let variable = match origin {
                    SettingOrigin::Alias { name: alias, .. } => *alias,
                    _ => name,
                };
                definition
                    .problem(variable, value.held(), error)
                    .found_in(origin.place())
            }
            None => {
                let reason = error.into_reason(true);
                ConfigError::new(name, RejectedValue::Hidden, "another value").because(reason)
            }
        }
    }

    /// Makes the service the owner of all further settings.
    pub(super) const fn begin_service(&mut self) {
        self.owner = Owner::Service;
    }

    /// Accepts a variable without effect.
    pub(super) fn ignore(&mut self, name: &'static str, reason: &'static str) {
        self.claimed.insert(name.into(), self.owner);
        self.ignored.push(Ignored { name, reason });
        if self.is_set(name) {
            self.notes.push(format!("{name}: {reason}"));
        }
    }

    /// Notes that a part of the value of a setting has no effect.
    #[cfg(feature = "otlp")]
    pub(super) fn note(&mut self, name: &'static str, text: &'static str) {
        self.notes.push(format!("{name}: {text}"));
    }

    /// Whether a variable is set and not empty.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.sources.get(name).is_some()
    }

    pub(super) const fn stdout_is_terminal(&self) -> bool {
        self.sources.environment().stdout_is_terminal()
    }

    /// Returns the records, with errors and notes about names that were not read.
    pub(super) fn finish(self) -> ReadOutcome {
        let Self {
            sources,
            owner: _,
            resolved,
            ignored,
            claimed,
            mut problems,
            mut notes,
        } = self;
        let is_setting = |name| resolved.iter().any(|it| it.definition.name == name);
        let unknown = sources.environment().defaulted();
        problems.extend(unknown.filter(|name| !is_setting(*name)).map(|name| {
            ConfigError::new(name, RejectedValue::Hidden, "the own name of a setting")
                .found_in(SettingOrigin::Code.place())
        }));
        let known: Vec<_> = claimed.into_keys().collect();
        let typos = notes::typos(sources.names(), &known);
        // A platform may expect telemetry from them that this build does not send. Agents of other
        // languages have more variables than the specification.
        let without_effect: BTreeSet<_> = sources
            .names()
            .filter(|name| name.starts_with(OPEN_TELEMETRY) && sources.get(name).is_some())
            .filter(|name| !known.iter().any(|it| it == name))
            .filter(|name| !typos.iter().any(|it| it.unknown == *name))
            .collect();
        notes.extend(
            without_effect
                .into_iter()
                .map(|name| format!("{}: {NO_EFFECT}", escaped(name))),
        );
        let notes = Notes {
            typos,
            aliases: notes,
        };
        ReadOutcome {
            resolved,
            ignored,
            problems,
            notes,
        }
    }

    fn record(&mut self, problem: ConfigError) -> Invalid {
        self.problems.push(problem);
        Invalid(())
    }

    /// Claims the names of a setting. Rejects it if one of them has a meaning already.
    fn claim(&mut self, definition: &Definition) -> Result<(), Invalid> {
        let variables = definition.variables();
        for (index, variable) in variables.iter().enumerate() {
            let taken = match self.claimed.get(variable) {
                Some(Owner::Chassis) => Some("a name that the chassis does not have already"),
                Some(Owner::Service) => Some("a name that this service does not have already"),
                None if variables[..index].contains(variable) => {
                    Some("an alias that is not the name itself")
                }
                None if !env_file::is_name(variable) => {
                    Some("a name of letters, digits and underscores")
                }
                None => None,
            };
            if let Some(expected) = taken {
                let problem = ConfigError::new(variable.clone(), RejectedValue::Hidden, expected);
                return Err(self.record(problem));
            }
        }
        let owner = self.owner;
        self.claimed
            .extend(variables.into_iter().map(|variable| (variable, owner)));
        Ok(())
    }

    /// Finds the text of a setting, and notes the names that it overrides.
    fn find(&mut self, definition: &Definition) -> Result<Option<RawValue>, Invalid> {
        let mut winner: Option<(&'static str, Cow<'static, str>)> = None;
        for name in definition.names() {
            let Some(variable) = self.variable_set(name, definition.secret) else {
                continue;
            };
            match &winner {
                None => winner = Some((name, variable)),
                Some((_, winner)) => self
                    .notes
                    .push(format!("{variable}: {winner} is set and wins")),
            }
        }
        let Some((name, _)) = winner else {
            return Ok(None);
        };
        let mut raw = self.text_of(name, definition)?;
        if name != definition.name {
            raw.origin = SettingOrigin::Alias {
                name,
                origin: Box::new(raw.origin),
            };
        }
        Ok(Some(raw))
    }

    /// Returns the variable that is set for a name: the name itself, or that of a secret's file.
    fn variable_set(&self, name: &'static str, secret: bool) -> Option<Cow<'static, str>> {
        if self.is_set(name) {
            return Some(name.into());
        }
        let file = secret_file_name(name);
        (secret && self.is_set(&file)).then_some(file.into())
    }

    /// Returns the text of the variable that is set for a name, or of its file.
    fn text_of(
        &mut self,
        name: &'static str,
        definition: &Definition,
    ) -> Result<RawValue, Invalid> {
        let file_variable = secret_file_name(name);
        let file = definition
            .secret
            .then(|| self.sources.get(&file_variable))
            .flatten();
        let problem = match (self.sources.get(name), file) {
            (Some(_), Some(_)) => {
                let expected = format!("only one of {name} and {file_variable} to be set");
                ConfigError::new(name, RejectedValue::Hidden, expected)
            }
            (Some(found), None) if found.is_utf8 => {
                return Ok(RawValue {
                    variable: name,
                    text: found.text.to_owned(),
                    origin: found.origin,
                });
            }
            (Some(found), None) => {
                let held = RejectedValue::of(found.text, definition.secret);
                definition.problem(name, held, ParseError::because("it is not UTF-8"))
            }
            (None, Some(file)) => match read_secret(Path::new(file.text)) {
                Ok(text) => {
                    return Ok(RawValue {
                        variable: name,
                        text,
                        origin: SettingOrigin::SecretFile {
                            path: file.text.to_owned(),
                        },
                    });
                }
                // The path is not shown: it may be the secret itself, a common mistake.
                Err(reason) => {
                    let expected = "the path of a file that holds the secret";
                    ConfigError::new(file_variable, RejectedValue::Hidden, expected)
                        .found_in(file.origin.place())
                        .because(Some(reason.into()))
                }
            },
            // Not reached: the caller has found one of the two. If it were, the error is true.
            (None, None) => definition.problem(name, RejectedValue::Missing, ParseError::new()),
        };
        Err(self.record(problem))
    }

    /// Records a setting without a value, and returns its index.
    fn add_unset(&mut self, definition: Definition) -> usize {
        self.resolved.push(ResolvedSetting {
            definition,
            value: DisplayValue::Unset,
            origin: SettingOrigin::Default,
        });
        self.resolved.len() - 1
    }
}

/// Formats the names of the settings that have been read, and no values.
impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.resolved.iter().map(|setting| setting.definition.name);
        f.debug_struct("Reader")
            .field("settings", &names.collect::<Vec<_>>())
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
