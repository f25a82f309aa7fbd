//! The settings and paths of the chassis as data, for programs that do not link it.
//!
//! `cargo run -p xtask -- docs` writes `surface.json` from the code.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The part of a service that operators see.
#[derive(Debug, Deserialize, Serialize)]
pub struct Surface {
    /// The settings, in the order of `docs/settings.md`.
    pub settings: Vec<Setting>,
    /// The reserved paths.
    pub paths: Vec<String>,
}

/// A setting.
#[derive(Debug, Deserialize, Serialize)]
pub struct Setting {
    /// The variable.
    pub name: String,
    /// Other variables that are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The accepted form, as it follows "expected".
    pub expected: String,
    /// The value of an unset variable, if it is the same everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The description of a default that depends on the machine or on other settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub varies: Option<String>,
    /// Whether the value is never shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

impl Surface {
    /// Returns the surface of this version.
    ///
    /// # Panics
    ///
    /// Never: the file is part of this crate, and a test reads it.
    #[must_use]
    pub fn get() -> &'static Self {
        static SURFACE: LazyLock<Surface> = LazyLock::new(|| {
            serde_json::from_str(include_str!("../surface.json")).expect("surface.json is tested")
        });
        &SURFACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surface_has_settings_and_paths() {
        let surface = Surface::get();
        let key = surface
            .settings
            .iter()
            .find(|it| it.name == "SECRET_KEY")
            .unwrap();
        assert!(key.secret);
        assert!(surface.paths.contains(&"/metrics".to_owned()));
    }
}
