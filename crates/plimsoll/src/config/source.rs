//! The sources of settings: the process environment, then a profile.
//!
//! ```text
//! process environment ──▶ profile (--env-file PATH, else ENV_FILE) ──▶ default of the program
//!                                                                      ──▶ default of the setting
//! ```
//!
//! * The process environment wins over the profile, name by name.
//! * An empty value counts as unset, so the next source is used. Compose files and shells often set
//!   variables to an empty text without a purpose.
//! * A profile cannot name another one: `ENV_FILE` in it is noted and has no effect.
//!
//! # Environment as a value
//!
//! The environment of a process is shared by all its threads, and tests run in threads. So only
//! [`Environment::from_process`] reads it, once. All other code, tests included, gets an
//! [`Environment`].
//!
//! # Invariants
//!
//! * No other file of the chassis reads the environment.
//! * Reading a file never blocks the start: see `file.rs`.
//! * `Debug` shows no values, because some of them are secrets.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use super::{
    definition::SettingOrigin,
    env_file,
    file::{FileError, read_file},
    problem::{ConfigError, RejectedValue},
};

/// The variable with the path of the profile.
pub(super) const ENV_FILE: &str = "ENV_FILE";

/// The flag with the path of the profile. It wins over [`ENV_FILE`].
const ENV_FILE_FLAG: &str = "--env-file";

/// Bad lines of a profile that are reported one by one. A file in another format has thousands.
const MAX_BAD_LINES: usize = 20;

/// The variables that settings are read from.
///
/// ```
/// use plimsoll::config::Environment;
///
/// let environment = Environment::from_pairs([("PORT", "9090"), ("DEBUG", "true")])
///     .with_terminal(true);
/// # let _ = environment;
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, SourceText>,
    env_file: Option<(PathBuf, String)>,
    /// Defaults of the program.
    defaults: BTreeMap<&'static str, &'static str>,
    stdout_is_terminal: bool,
}

/// An environment with its loaded profile.
pub(super) struct Sources<'e> {
    environment: &'e Environment,
    profile: Option<Profile>,
}

/// Errors and notes about a profile.
#[derive(Default)]
pub(super) struct SourceFindings {
    pub(super) problems: Vec<ConfigError>,
    pub(super) notes: Vec<String>,
}

/// The text of one variable.
pub(super) struct FoundValue<'s> {
    pub(super) text: &'s str,
    /// Whether the value is UTF-8. If not, the text contains replacement characters.
    pub(super) is_utf8: bool,
    pub(super) origin: SettingOrigin,
}

/// The text of a variable. A value that is not UTF-8 is an error only if a setting reads it.
#[derive(Clone)]
struct SourceText {
    shown: String,
    is_utf8: bool,
}

struct Profile {
    path: String,
    /// Value and line number.
    entries: BTreeMap<String, (String, usize)>,
}

/// The reason why a file has no text.
enum Unreadable {
    File(FileError),
    NotUtf8 { line: usize },
}

// === impl Environment ===

impl Environment {
    /// Reads the environment of the process, and whether stdout is a terminal.
    #[must_use]
    pub fn from_process() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the environment"
        )]
        let variables = std::env::vars_os();
        Self::from_pairs(variables).with_terminal(io::stdout().is_terminal())
    }

    /// Creates an environment with these variables only; stdout is no terminal.
    ///
    /// Of two pairs with the same name the last one wins. A name that is not UTF-8 is no setting. It
    /// is kept with replacement characters, so that a misspelt name is reported.
    #[must_use]
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let text = |value: &OsStr| SourceText {
            shown: value.to_string_lossy().into_owned(),
            is_utf8: value.to_str().is_some(),
        };
        Self {
            variables: pairs
                .into_iter()
                .map(|(name, value)| (text(&name.into()).shown, text(&value.into())))
                .collect(),
            ..Self::default()
        }
    }

    /// Sets the path of the profile, as `--env-file` does; wins over `ENV_FILE`.
    ///
    /// The file is read when the configuration is loaded. Its errors are reported together with all
    /// others.
    #[must_use]
    pub fn with_env_file(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let shown = path.display().to_string();
        self.env_file = Some((path, shown));
        self
    }

    /// Sets whether stdout is a terminal, on which the default of `LOG_FORMAT` depends.
    #[must_use]
    pub const fn with_terminal(mut self, stdout_is_terminal: bool) -> Self {
        self.stdout_is_terminal = stdout_is_terminal;
        self
    }

    /// Adds defaults of the program, which win over those of the settings.
    pub(crate) fn with_defaults(mut self, defaults: &[(&'static str, &'static str)]) -> Self {
        self.defaults.extend(defaults.iter().copied());
        self
    }

    /// Returns the default of the program for a setting.
    pub(super) fn default_of(&self, name: &str) -> Option<&'static str> {
        self.defaults
            .get(name)
            .copied()
            .filter(|text| !text.is_empty())
    }

    /// Returns the names of settings with a default of the program.
    pub(super) fn defaulted(&self) -> impl Iterator<Item = &'static str> {
        self.defaults.keys().copied()
    }

    pub(super) const fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Returns the text of a variable of the process, without the profile.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|text| text.shown.as_str())
    }

    fn get(&self, name: &str) -> Option<&SourceText> {
        self.variables
            .get(name)
            .filter(|text| !text.shown.is_empty())
    }
}

/// Formats names only.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("env_file", &self.env_file)
            .field("stdout_is_terminal", &self.stdout_is_terminal)
            .finish()
    }
}

// === impl Sources ===

impl<'e> Sources<'e> {
    /// Reads the profile, if there is one. The valid lines of a profile with errors are used, so
    /// that the settings in it are checked too.
    pub(super) fn open(environment: &'e Environment) -> (Self, SourceFindings) {
        let mut findings = SourceFindings::default();
        let profile = match (&environment.env_file, environment.get(ENV_FILE)) {
            (Some((path, _)), _) => Profile::open(ENV_FILE_FLAG, path, &mut findings),
            (None, Some(text)) if text.is_utf8 => {
                Profile::open(ENV_FILE, Path::new(&text.shown), &mut findings)
            }
            // A path that is not UTF-8 is reported when the setting is read.
            (None, Some(_)) => None,
            (None, None) => environment
                .default_of(ENV_FILE)
                .and_then(|path| Profile::open(ENV_FILE, Path::new(path), &mut findings)),
        };
        let sources = Self {
            environment,
            profile,
        };
        (sources, findings)
    }

    /// Returns the text of a variable, unless it is unset or empty.
    pub(super) fn get(&self, name: &str) -> Option<FoundValue<'_>> {
        if let (ENV_FILE, Some((_, path))) = (name, &self.environment.env_file) {
            return Some(FoundValue {
                text: path,
                is_utf8: true,
                origin: SettingOrigin::Argument(ENV_FILE_FLAG),
            });
        }
        if let Some(SourceText { shown, is_utf8 }) = self.environment.get(name) {
            return Some(FoundValue {
                text: shown,
                is_utf8: *is_utf8,
                origin: SettingOrigin::Environment,
            });
        }
        let Profile { path, entries } = self.profile.as_ref()?;
        let (text, line) = entries.get(name).filter(|(text, _)| !text.is_empty())?;
        Some(FoundValue {
            text,
            is_utf8: true,
            origin: SettingOrigin::EnvFile {
                path: path.clone(),
                line: *line,
            },
        })
    }

    /// Returns the names of all variables, set or empty. A name may occur twice.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let profile = self.profile.iter().flat_map(|it| it.entries.keys());
        let process = self.environment.variables.keys();
        process.chain(profile).map(String::as_str)
    }

    pub(super) const fn environment(&self) -> &'e Environment {
        self.environment
    }
}

// === impl Profile ===

impl Profile {
    fn open(named_by: &'static str, path: &Path, findings: &mut SourceFindings) -> Option<Self> {
        let shown = path.display().to_string();
        let problem = |expected: String| {
            ConfigError::new(named_by, RejectedValue::of(&shown, false), expected)
        };
        let text = match read_text(path) {
            Ok(text) => text,
            Err(Unreadable::NotUtf8 { line }) => {
                let expected = format!("UTF-8 in line {line}");
                findings.problems.push(problem(expected));
                return None;
            }
            Err(unreadable) => {
                let problem = problem("a readable file".to_owned())
                    .with_example(Some(".env.int"))
                    .because(Some(unreadable.to_string().into()));
                findings.problems.push(problem);
                return None;
            }
        };

        let (assignments, bad) = env_file::parse(&text);
        let mut entries: BTreeMap<_, _> = assignments
            .into_iter()
            .map(|it| (it.name, (it.value, it.line)))
            .collect();
        if entries.remove(ENV_FILE).is_some() {
            findings
                .notes
                .push(format!("{ENV_FILE}: a profile cannot name another one"));
        }
        for line in bad.iter().take(MAX_BAD_LINES) {
            let expected = format!("{} in line {}", line.expected, line.line);
            findings.problems.push(problem(expected));
        }
        if let Some(more @ 1..) = bad.len().checked_sub(MAX_BAD_LINES) {
            let expected = format!("NAME=value in {more} more lines");
            findings.problems.push(problem(expected));
        }
        Some(Self {
            path: shown,
            entries,
        })
    }
}

// === impl Unreadable ===

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NotUtf8 { line } => write!(f, "line {line} is not UTF-8"),
        }
    }
}

/// Reads the file of a secret, without the line feed that editors add at its end.
///
/// The error describes the problem and contains nothing of the content.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let mut text = read_text(path).map_err(|unreadable| unreadable.to_string())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(text)
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let bytes = read_file(path).map_err(Unreadable::File)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let feeds = error.as_bytes()[..good]
            .iter()
            .filter(|byte| **byte == b'\n');
        Unreadable::NotUtf8 {
            line: feeds.count() + 1,
        }
    })
}

#[cfg(test)]
mod tests;
