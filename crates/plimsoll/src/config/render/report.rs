//! The effective settings, each with its origin.
//!
//! ```text
//! READ_TIMEOUT=2s             # env file .env.int
//! REQUEST_TIMEOUT=30s         # alias GUNICORN_TIMEOUT, environment
//! SECRET_KEY=***              # file /run/secrets/secret_key
//! TRUSTED_PROXIES=(unset)     # default
//! ```
//!
//! # Security
//!
//! The text of a secret is never stored here, only that it is set.

use super::profile_value;
use crate::config::{
    definition::{DisplayValue, ResolvedSetting, SettingOrigin},
    value::MASK,
};

/// The longest setting that the origins are aligned to, in characters.
const MAX_ALIGNED: usize = 48;

/// The effective settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigReport {
    settings: Vec<ResolvedSetting>,
}

impl ConfigReport {
    pub(in crate::config) const fn new(settings: Vec<ResolvedSetting>) -> Self {
        Self { settings }
    }

    /// Returns the origin of a setting's value. `None` if there is no such setting.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&SettingOrigin> {
        self.settings
            .iter()
            .find(|setting| setting.definition.name == name)
            .map(|setting| &setting.origin)
    }

    /// Formats a line per setting: name, value, origin.
    ///
    /// Values have a form that is accepted again, durations in seconds or milliseconds. Secrets are
    /// masked.
    #[must_use]
    pub fn check_report(&self) -> String {
        let lines = self.settings.iter().map(|setting| {
            let value = match &setting.value {
                DisplayValue::Unset => "(unset)".to_owned(),
                DisplayValue::Masked => MASK.to_owned(),
                DisplayValue::Text(text) => profile_value(text),
            };
            let line = format!("{}={value}", setting.definition.name);
            (line.chars().count(), line, &setting.origin)
        });
        let lines: Vec<_> = lines.collect();
        let aligned = lines.iter().map(|(length, ..)| *length);
        let width = aligned.filter(|it| *it <= MAX_ALIGNED).max().unwrap_or(0);
        lines
            .into_iter()
            .map(|(_, line, origin)| format!("{line:width$}  # {origin}\n"))
            .collect()
    }
}
