//! The variables that a manifest gives to a service, each with its line.

use std::{collections::BTreeMap, path::Path};

use super::{env_file, input};
use crate::place::{Broken, Place, Sited};

/// The settings of the chassis that services of other origin rarely have.
///
/// Two of them identify a service.
const TYPICAL: [&str; 17] = [
    "ADMIN_ADDR",
    "DRAIN_DELAY",
    "FORWARDED_HEADER",
    "HTTP2_CLEARTEXT",
    "IDLE_TIMEOUT",
    "INFRA_ENDPOINTS",
    "MAX_BODY_BYTES",
    "MAX_CONNECTIONS",
    "MAX_CONNECTION_AGE",
    "MAX_IN_FLIGHT",
    "PROXY_PROTOCOL",
    "READ_TIMEOUT",
    "REDACT_QUERY",
    "REQUEST_TIMEOUT",
    "SHUTDOWN_TIMEOUT",
    "TRUSTED_PROXIES",
    "WRITE_TIMEOUT",
];

/// The variables of a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// Values by name. `None`: set, but the value is not in the files, such as that of a Secret.
    variables: BTreeMap<String, Sited<Option<String>>>,
    /// Sources that are not in the files, such as `ConfigMap a`, and the lines that name them.
    unread: Vec<Sited<String>>,
}

impl Environment {
    /// Sets a variable, in place of an earlier one.
    pub(crate) fn set(&mut self, name: &str, value: Option<String>, place: Place) {
        self.variables
            .insert(name.to_owned(), Sited::new(value, place));
    }

    /// Adds a source of variables that is not in the files.
    pub(crate) fn add_unread(&mut self, source: String, place: Place) {
        self.unread.push(Sited::new(source, place));
    }

    /// Adds the variables of a file.
    ///
    /// # Errors
    ///
    /// If the file exists and cannot be read or parsed.
    pub(crate) fn read(&mut self, path: &Path, place: &Place) -> Result<(), Broken> {
        if !path.exists() {
            self.add_unread(input::shown(path), place.clone());
            return Ok(());
        }
        for (name, value) in env_file::parse(&input::text(path)?, &input::shown(path))? {
            self.set(&name, Some(value.value), value.place);
        }
        Ok(())
    }

    /// Returns a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&Sited<Option<String>>> {
        self.variables.get(name)
    }

    /// Returns all variables, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Sited<Option<String>>)> {
        self.variables.iter().map(|(name, it)| (name.as_str(), it))
    }

    /// Returns the sources that are not in the files.
    pub(crate) fn unread(&self) -> &[Sited<String>] {
        &self.unread
    }

    /// Whether the variables are those of a service on the chassis.
    pub(crate) fn is_typical(&self) -> bool {
        let known = TYPICAL.iter().filter(|name| self.get(name).is_some());
        known.count() >= 2
    }
}
