//! The names in `[verify.names]`: fields of the log that have another name in the service.
//!
//! A record is read with the names of the contract, so checks need no other name.
//! The order of fields is not judged then: it would be that of other names.

use std::collections::BTreeMap;

use super::judgement::Fault;
use crate::{
    place::Broken,
    project::{self, Texts},
};

/// The fields that each record begins with, in order.
pub(super) const LEADING: [&str; 7] = [
    "asctime",
    "levelname",
    "name",
    "process",
    "threadName",
    "message",
    "request_id",
];

/// The fields of an access record after the leading ones, in order.
pub(super) const ACCESS: [&str; 11] = [
    "service",
    "version",
    "buildTime",
    "status",
    "method",
    "path",
    "rawPath",
    "query",
    "ip",
    "latencyMs",
    "userAgent",
];

/// The fields of some records that checks read.
const OTHERS: [&str; 10] = [
    "aborted",
    "debugOnError",
    "protocolError",
    "reason",
    "requestIdReplaced",
    "requestsCutOff",
    "requestsFinished",
    "signal",
    "spanId",
    "traceId",
];

/// The prefix of fields of the log.
const LOG: &str = "log.";

/// The fields with another name: that of the service, and that of the contract.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(BTreeMap<String, &'static str>);

impl Names {
    /// Reads the section.
    ///
    /// # Errors
    ///
    /// The first line with an unknown field, or with a name that is empty or used twice.
    pub(crate) fn read(texts: &Texts) -> Result<Self, Broken> {
        let mut names = BTreeMap::new();
        for (key, other) in texts {
            let fault = |what: String| Err(Broken::new(other.place.clone(), what));
            let known = |field: &&str| key.strip_prefix(LOG) == Some(*field);
            let fields = LEADING.into_iter().chain(ACCESS).chain(OTHERS);
            let Some(field) = fields.clone().find(known) else {
                let fields = fields.map(|field| format!("{LOG}{field}"));
                let fields = fields.collect::<Vec<_>>();
                let fields = fields.iter().map(String::as_str);
                return Err(project::unknown(other.place.clone(), "name", key, fields));
            };
            if other.value.is_empty() {
                return fault(format!("{key} is empty: expected the name of a field"));
            }
            if let Some(first) = names.insert(other.value.clone(), field) {
                let name = &other.value;
                return fault(format!("{key} = {name:?}: {LOG}{first} has this name, too"));
            }
        }
        Ok(Self(names))
    }

    /// Returns the name of a field in the contract, or `None` if the field is another one there.
    pub(crate) fn of_contract<'a>(&self, field: &'a str) -> Option<&'a str> {
        if let Some(name) = self.0.get(field).copied() {
            return Some(name);
        }
        let is_elsewhere = self.0.values().any(|name| *name == field);
        (!is_elsewhere).then_some(field)
    }

    /// Requires that all fields have the names of the contract.
    ///
    /// # Errors
    ///
    /// Not proven if a field has another one.
    pub(super) fn require_none(&self) -> Result<(), Fault> {
        match self.0.is_empty() {
            true => Ok(()),
            false => {
                let reason =
                    "fields have other names in [verify.names], so their order is not judged";
                Err(Fault::not_proven(reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{project::Project, waivers::Day};

    fn read(names: &str) -> Result<Names, Broken> {
        let text = format!("[verify.names]\n{names}\n");
        Project::parse(&text, "a.toml", Day::today()).map(|it| it.verify.names)
    }

    #[test]
    fn fields_get_the_names_of_the_contract() {
        let names = read("\"log.path\" = \"route\"\n\"log.rawPath\" = \"path\"").unwrap();
        assert_eq!(names.of_contract("route"), Some("path"));
        assert_eq!(names.of_contract("path"), Some("rawPath"));
        assert_eq!(names.of_contract("rawPath"), None);
        assert_eq!(names.of_contract("other"), Some("other"));
        assert!(names.require_none().is_err());
        let names = read("\"log.traceId\" = \"trace\"").unwrap();
        assert_eq!(names.of_contract("trace"), Some("traceId"));
        assert!(Names::default().require_none().is_ok());
    }

    #[test]
    fn wrong_names_are_errors_with_their_line() {
        #[track_caller]
        fn check(names: &str, what: &str) {
            let broken = read(names).unwrap_err();
            assert_eq!(broken.place.to_string(), "a.toml:3");
            assert!(broken.what.contains(what), "{}", broken.what);
        }
        check(
            "\n\"log.raw_path\" = \"a\"",
            "unknown name \"log.raw_path\": the nearest name is \"log.rawPath\"",
        );
        check("\n\"log.path\" = \"\"", "log.path is empty");
        let twice = "\"log.method\" = \"a\"\n\"log.path\" = \"a\"";
        check(twice, "log.path = \"a\": log.method has this name, too");
    }
}
