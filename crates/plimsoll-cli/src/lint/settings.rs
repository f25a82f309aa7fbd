//! The settings of a service in its environment, each with its origin.
//!
//! With the service's binary they are those of its `--check-config`.
//! Otherwise they are the variables in the files, and the defaults of the chassis.

mod binary;
mod form;

use std::{collections::BTreeMap, fmt, time::Duration};

use plimsoll_contract::Surface;

pub(crate) use self::binary::{Program, ProgramError};
use self::form::Form;
use super::{
    environment::Environment,
    quantity::{self, Factor, Plain},
};
use crate::place::{Place, Sited};

/// The time for hooks, spans and the log after the drain.
pub(crate) const FLUSH: Duration = Duration::from_secs(3);

/// The environment of a container in Kubernetes has this variable.
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The default of the chassis.
    Default,
    /// The default, since the value that this line refers to is not in the files.
    Unread(Place),
    /// The code of the service.
    Code,
    /// A line of a file.
    Place(Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Unread(place) => write!(f, "default; the value of {place} was not read"),
            Self::Code => f.write_str("set in the service's code"),
            Self::Place(place) => place.fmt(f),
        }
    }
}

/// The value of a setting.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

impl Setting {
    /// Whether a file or the code of the service sets it.
    pub(crate) fn is_set(&self) -> bool {
        matches!(self.origin, Origin::Place(_) | Origin::Code)
    }

    /// Returns the line that sets it, if a file does.
    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.origin {
            Origin::Place(place) => Some(place),
            Origin::Default | Origin::Unread(_) | Origin::Code => None,
        }
    }
}

/// Formats a summand, such as `SHUTDOWN_TIMEOUT 5s (default)`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, text, origin } = self;
        let text = if text.is_empty() { "unset" } else { text };
        write!(f, "{name} {text} ({origin})")
    }
}

/// Whether a container or unit is a service on the chassis, by one of its names or by its variables.
pub(crate) fn is_service(
    program: Option<&Program>,
    names: &[String],
    environment: &Environment,
) -> bool {
    let is_program = program.is_some_and(|it| names.iter().any(|name| name == it.name()));
    is_program || environment.is_typical()
}

/// The settings of a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, Setting>,
    /// The declared time of hooks with their own limit, known from the binary.
    pub(crate) extra_hooks: Duration,
    /// The values that the service rejects.
    pub(crate) rejected: Vec<Sited<String>>,
    /// The sources of variables that are not in the files.
    pub(crate) unread: Vec<Sited<String>>,
}

impl Settings {
    /// Returns the settings in an environment, without the service's binary.
    pub(crate) fn of(environment: &Environment) -> Self {
        let mut settings = Self {
            unread: environment.unread().to_vec(),
            ..Self::default()
        };
        for known in &Surface::get().settings {
            let names = [&known.name].into_iter().chain(&known.aliases);
            let mut set = names.filter_map(|name| Some((name, environment.get(name)?)));
            let mut setting = Setting {
                name: &known.name,
                text: default(known, environment),
                origin: Origin::Default,
            };
            let set = set.find(|(_, it)| it.value.as_deref() != Some(""));
            if let Some((name, Sited { value, place })) = set {
                setting.origin = match value {
                    Some(_) => Origin::Place(place.clone()),
                    None => Origin::Unread(place.clone()),
                };
                if let Some(text) = value {
                    let fault = fault(known, name, text);
                    let fault = fault.map(|it| Sited::new(it, place.clone()));
                    settings.rejected.extend(fault);
                    setting.text.clone_from(text);
                }
            }
            settings.values.insert(setting.name, setting);
        }
        settings
    }

    /// Returns the defaults of the chassis, for a service that is not in the files.
    pub(crate) fn assumed(place: Place) -> Self {
        let mut environment = Environment::default();
        environment.add_unread("the service behind this proxy".to_owned(), place);
        Self::of(&environment)
    }

    /// Returns a setting of the chassis.
    ///
    /// # Panics
    ///
    /// If the chassis has no such setting; the names are constants that the tests use.
    pub(crate) fn get(&self, name: &str) -> &Setting {
        self.values
            .get(name)
            .expect("rules name settings of the chassis")
    }

    /// Returns the text of a setting that is neither unset nor unknown.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        Some(self.get(name).text.as_str()).filter(|text| !text.is_empty())
    }

    /// Returns a time. Zero is off; a value that the service rejects counts as the same.
    pub(crate) fn time(&self, name: &str) -> Duration {
        let text = &self.get(name).text;
        quantity::duration(text, Plain::Seconds).unwrap_or_default()
    }

    /// Returns a whole number; 0 for another text.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).text.parse().unwrap_or_default()
    }

    /// Returns a size in bytes; 0 for another text.
    pub(crate) fn bytes(&self, name: &str) -> u64 {
        quantity::size(&self.get(name).text, Factor::Binary).unwrap_or_default()
    }

    /// Whether a setting has its default because no file sets it, and every file was read.
    pub(crate) fn is_surely_unset(&self, name: &str) -> bool {
        self.get(name).origin == Origin::Default && self.unread.is_empty()
    }

    /// Whether no source that was not read can set another value.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        self.get(name).is_set() || self.is_surely_unset(name)
    }

    /// Whether a listener of the chassis has a port. `None` if the files do not show it.
    pub(crate) fn listens_on(&self, number: u16) -> Option<bool> {
        if [self.port(), self.admin_port()].contains(&Some(number)) {
            return Some(true);
        }
        let is_known = self.is_known("PORT") && self.is_known("ADMIN_ADDR");
        is_known.then_some(false)
    }

    /// Returns the port of the main listener. `None` for a unix socket.
    pub(crate) fn port(&self) -> Option<u16> {
        let is_unix = self.get("HOST").text.starts_with("unix:");
        let port = self.get("PORT").text.parse().ok();
        port.filter(|_| !is_unix)
    }

    /// Returns the port of the admin listener.
    pub(crate) fn admin_port(&self) -> Option<u16> {
        let (_, port) = self.get("ADMIN_ADDR").text.rsplit_once(':')?;
        port.parse().ok()
    }

    /// Whether the main listener serves probes and metrics.
    pub(crate) fn main_has_probes(&self) -> bool {
        let endpoints = self.get("INFRA_ENDPOINTS");
        !endpoints.text.eq_ignore_ascii_case("admin")
    }

    /// Returns the longest time from SIGTERM to the exit.
    pub(crate) fn shutdown_limit(&self) -> Duration {
        self.time("DRAIN_DELAY") + self.time("SHUTDOWN_TIMEOUT") + FLUSH + self.extra_hooks
    }
}

/// Returns what is wrong with the value of a setting, without a secret.
fn fault(known: &plimsoll_contract::Setting, name: &str, text: &str) -> Option<String> {
    let form = Form::of(known)?;
    if form.accepts(text) {
        return None;
    }
    // A URL with a user can have a password.
    let is_secret = known.secret || text.contains('@');
    let value = if is_secret {
        String::new()
    } else {
        format!("={text:?}")
    };
    Some(format!("{name}{value}: expected {}", known.expected))
}

/// Returns the default of a setting; empty if it is unset or depends on the machine.
fn default(setting: &plimsoll_contract::Setting, environment: &Environment) -> String {
    let default = match setting.name.as_str() {
        "DRAIN_DELAY" if environment.get(KUBERNETES).is_some() => "5s",
        "DRAIN_DELAY" => "0s",
        "INFRA_ENDPOINTS" if environment.get("ADMIN_ADDR").is_some() => "both",
        "INFRA_ENDPOINTS" => "main",
        "MAX_CONNECTIONS" => "10000",
        _ => setting.default.as_deref().unwrap_or_default(),
    };
    default.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let mut environment = Environment::default();
        for (index, (name, value)) in variables.iter().enumerate() {
            let place = Place::new("a.yml", index + 1);
            environment.set(name, Some((*value).to_owned()), place);
        }
        environment
    }

    /// The texts in the code describe these defaults; a change there must be repeated here.
    #[test]
    fn computed_defaults_match_their_descriptions() {
        let described = |name: &str| {
            let settings = &Surface::get().settings;
            let known = settings.iter().find(|it| it.name == name);
            known.and_then(|it| it.varies.as_deref())
        };
        assert_eq!(described("DRAIN_DELAY"), Some("0s; 5s in Kubernetes"));
        let infra = described("INFRA_ENDPOINTS");
        assert_eq!(infra, Some("main; both if ADMIN_ADDR is set"));
        let connections = described("MAX_CONNECTIONS");
        assert_eq!(
            connections,
            Some("from the limit of open files, at most 10000")
        );
    }

    #[test]
    fn variable_wins_over_alias_and_default() {
        let settings = Settings::of(&environment(&[
            ("GUNICORN_TIMEOUT", "10"),
            ("REQUEST_TIMEOUT", "20s"),
            ("GUNICORN_GRACEFUL_TIMEOUT", "7"),
            (KUBERNETES, ""),
        ]));
        assert_eq!(
            settings.get("REQUEST_TIMEOUT").to_string(),
            "REQUEST_TIMEOUT 20s (a.yml:2)"
        );
        assert_eq!(settings.get("SHUTDOWN_TIMEOUT").text, "7");
        assert_eq!(
            settings.get("DRAIN_DELAY").to_string(),
            "DRAIN_DELAY 5s (default)"
        );
        assert_eq!(settings.shutdown_limit(), Duration::from_secs(15));
    }

    #[test]
    fn invalid_value_is_rejected() {
        let settings = Settings::of(&environment(&[
            ("SHUTDOWN_TIMEOUT", "soon"),
            ("PORT", "http"),
        ]));
        assert_eq!(settings.rejected.len(), 2);
        assert!(settings.rejected[1].value.contains("soon"));
    }

    #[test]
    fn value_has_the_form_of_its_setting() {
        #[track_caller]
        fn check(name: &str, value: &str, expected: &str) {
            let settings = Settings::of(&environment(&[(name, value)]));
            let found = settings.rejected.first().map_or("", |it| &it.value);
            assert_eq!(found, expected);
        }
        check("WORKERS", "4", "");
        check(
            "WORKERS",
            "abc",
            "WORKERS=\"abc\": expected a whole number from 1 to 1024",
        );
        check(
            "GUNICORN_WORKERS",
            "0",
            "GUNICORN_WORKERS=\"0\": expected a whole number from 1 to 1024",
        );
        check(
            "LOG_FORMAT",
            "text",
            "LOG_FORMAT=\"text\": expected json or pretty",
        );
        check("SECRET_KEY", "anything", "");
        // A value that can be a secret is not shown.
        let headers = "a list of name=value, separated by commas, values percent-encoded";
        check(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "key",
            &format!("OTEL_EXPORTER_OTLP_HEADERS: expected {headers}"),
        );
        check(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://a:b@c",
            "OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL of http or https",
        );
    }

    #[test]
    fn unread_source_leaves_doubt_about_unset_settings() {
        let mut environment = environment(&[]);
        assert!(Settings::of(&environment).is_surely_unset("TRUSTED_PROXIES"));
        environment.add_unread("ConfigMap a".to_owned(), Place::new("a.yml", 1));
        let settings = Settings::of(&environment);
        assert!(!settings.is_surely_unset("TRUSTED_PROXIES"));
        assert_eq!(settings.listens_on(8080), Some(true));
        assert_eq!(settings.listens_on(80), None);
        for name in ["PORT", "ADMIN_ADDR"] {
            environment.set(name, Some("9000".to_owned()), Place::new("a.yml", 1));
        }
        assert_eq!(Settings::of(&environment).listens_on(80), Some(false));
    }
}
