//! The effective settings, each with where it came from.
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
//! The text of a secret never gets here: what is kept of it is that it is set.

use super::profile_value;
use crate::config::{
    definition::{DisplayValue, ResolvedSetting, SettingOrigin},
    value::MASK,
};

/// Longest setting that the others are aligned to, in characters. A longer one sticks out alone.
const MAX_ALIGNED: usize = 48;

/// What the settings came out as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigReport {
    readings: Vec<ResolvedSetting>,
}

impl ConfigReport {
    pub(in crate::config) const fn new(readings: Vec<ResolvedSetting>) -> Self {
        Self { readings }
    }

    /// Where the value of a setting came from; nothing if there is no such setting.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&SettingOrigin> {
        self.readings
            .iter()
            .find(|reading| reading.definition.name == name)
            .map(|reading| &reading.origin)
    }

    /// Writes a line per setting: name, value, origin.
    ///
    /// Values are in the form in which they are accepted, durations in seconds or milliseconds;
    /// secrets are masked.
    #[must_use]
    pub fn check_report(&self) -> String {
        let lines = self.readings.iter().map(|reading| {
            let value = match &reading.value {
                DisplayValue::Unset => "(unset)".to_owned(),
                DisplayValue::Masked => MASK.to_owned(),
                DisplayValue::Text(text) => profile_value(text),
            };
            let setting = format!("{}={value}", reading.definition.name);
            (setting.chars().count(), setting, &reading.origin)
        });
        let lines: Vec<_> = lines.collect();
        let aligned = lines.iter().map(|(length, ..)| *length);
        let width = aligned.filter(|it| *it <= MAX_ALIGNED).max().unwrap_or(0);
        lines
            .into_iter()
            .map(|(_, setting, origin)| format!("{setting:width$}  # {origin}\n"))
            .collect()
    }
}
