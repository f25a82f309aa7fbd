//! The variables that a manifest gives to a service, each with its line.

use std::{collections::BTreeMap, path::Path};

use super::{env_file, input};
use crate::place::{Broken, Place, Sited};

/// The settings of the chassis that services of other origin rarely have.
///
/// Two of them identify a service.
const TYPICAL: [&str; 11] = [
    "ADMIN_ADDR",
    "DRAIN_DELAY",
    "FORWARDED_HEADER",
    "HTTP2_CLEARTEXT",
    "INFRA_ENDPOINTS",
    "MAX_BODY_BYTES",
    "MAX_CONNECTION_AGE",
    "MAX_IN_FLIGHT",
    "PROXY_PROTOCOL",
    "REDACT_QUERY",
    "TRUSTED_PROXIES",
];

/// The settings that other servers often have too, such as those in Go after `net/http`. They count as one.
const GENERIC: [&str; 6] = [
    "IDLE_TIMEOUT",
    "MAX_CONNECTIONS",
    "READ_TIMEOUT",
    "REQUEST_TIMEOUT",
    "SHUTDOWN_TIMEOUT",
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
        let has = |name: &&&str| self.get(name).is_some();
        let known = TYPICAL.iter().filter(has).count();
        known + GENERIC.iter().filter(has).take(1).count() >= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_settings_identify_a_service() {
        #[track_caller]
        fn check(names: &[&str], is_service: bool) {
            let mut environment = Environment::default();
            for name in names {
                environment.set(name, None, Place::new("a.yml", 1));
            }
            assert_eq!(environment.is_typical(), is_service, "{names:?}");
        }
        check(&["DRAIN_DELAY"], false);
        check(&["MAX_CONNECTIONS", "DRAIN_DELAY"], true);
        check(&["TRUSTED_PROXIES", "DRAIN_DELAY"], true);
        check(&GENERIC, false);
    }
}
