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
//! The text of a secret is never stored here, only that it is set. Passwords in URLs are masked.

use super::profile_value;
use crate::{
    config::definition::{DisplayValue, ResolvedSetting, SettingOrigin},
    mask::MASK,
};

/// The longest setting that the origins are aligned to, in characters.
const MAX_ALIGNED: usize = 48;

/// The effective settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigReport {
    settings: Vec<ResolvedSetting>,
}

/// A setting with its value, in the form that may be shown.
#[derive(Debug)]
pub(crate) struct ConfigEntry<'report> {
    pub(crate) name: &'static str,
    /// `None` if the setting is unset.
    pub(crate) value: Option<&'report str>,
    /// Whether the value, or a part of it, is masked.
    pub(crate) is_masked: bool,
    pub(crate) origin: &'report SettingOrigin,
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

    /// Returns each setting with its value, as [`ConfigReport::check_report`] shows it.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = ConfigEntry<'_>> {
        self.settings.iter().map(|setting| {
            let (value, is_masked) = match &setting.value {
                DisplayValue::Unset => (None, false),
                DisplayValue::Masked => (Some(MASK), true),
                DisplayValue::PartlyMasked(text) => (Some(text.as_str()), true),
                DisplayValue::Text(text) => (Some(text.as_str()), false),
            };
            ConfigEntry {
                name: setting.definition.name,
                value,
                is_masked,
                origin: &setting.origin,
            }
        })
    }

    /// Formats a line per setting: name, value, origin.
    ///
    /// Values have a form that is accepted again, durations in seconds or milliseconds. Secrets are
    /// masked, and passwords in URLs.
    #[must_use]
    pub fn check_report(&self) -> String {
        let lines = self.settings.iter().map(|setting| {
            let value = match &setting.value {
                DisplayValue::Unset => "(unset)".to_owned(),
                DisplayValue::Masked => MASK.to_owned(),
                DisplayValue::PartlyMasked(text) | DisplayValue::Text(text) => profile_value(text),
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
