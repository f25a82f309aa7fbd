//! The settings as the service itself reports them: `BINARY --check-config`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{FLUSH, Origin, Setting, Settings};
use crate::lint::{
    environment::Environment,
    quantity::{self, Plain},
};
use crate::place::Sited;

/// The prefix of the line with the longest time from SIGTERM to the exit.
const HARD_LIMIT: &str = "# hard limit: ";

/// The exit status of a service that rejects its settings.
const CONFIG_ERROR: i32 = 78;

/// The value of a secret that is not in the files.
const PLACEHOLDER: &str = "placeholder-of-plimsoll-lint";

/// The binary of a service.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
}

/// The binary cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// It was not started.
    #[error("{}: cannot be started", path.display())]
    Start {
        /// The binary.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// Its output is not that of the chassis.
    #[error("{} --check-config: {what}", path.display())]
    Output {
        /// The binary.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl Program {
    /// Returns a program. It is not started yet.
    pub(crate) fn new(path: &Path) -> Self {
        // A name without a folder would be searched in PATH, which the service's environment lacks.
        let path = if path.components().count() == 1 {
            Path::new(".").join(path)
        } else {
            path.to_owned()
        };
        Self { path }
    }

    /// Returns the name of the file.
    pub(crate) fn name(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// Returns the settings in an environment.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, or does not print settings.
    pub(crate) fn settings(&self, environment: &Environment) -> Result<Settings, ProgramError> {
        let mut settings = Settings::of(environment);
        let output = Command::new(&self.path)
            .arg("--check-config")
            .env_clear()
            .envs(variables(environment))
            .output()
            .map_err(|source| ProgramError::Start {
                path: self.path.clone(),
                source,
            })?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(CONFIG_ERROR) {
            settings.rejected = rejected(&stderr, environment);
            return Ok(settings);
        }
        let error = |what: String| ProgramError::Output {
            path: self.path.clone(),
            what,
        };
        if !output.status.success() {
            return Err(error(format!("{}: {}", output.status, stderr.trim())));
        }
        settings.rejected.clear();
        settings.read(&stdout).map_err(error)?;
        Ok(settings)
    }
}

impl Settings {
    /// Replaces the values by those of a report of `--check-config`.
    fn read(&mut self, report: &str) -> Result<(), String> {
        for line in report.lines() {
            let setting = line.split_once(" # ").and_then(|(setting, origin)| {
                let (name, value) = setting.split_once('=')?;
                Some((name, value.trim(), origin))
            });
            if let Some((name, value, origin)) = setting
                && let Some(known) = self.values.get_mut(name)
                // The default depends on the descriptors of the machine, which is not that of the service.
                && !(name == "MAX_CONNECTIONS" && origin == "default")
            {
                known.report(value, origin);
            }
        }
        let limit = report
            .lines()
            .find_map(|line| line.strip_prefix(HARD_LIMIT));
        let limit = limit.and_then(|limit| quantity::duration(limit, Plain::Seconds));
        let limit = limit.ok_or_else(|| format!("there is no line {HARD_LIMIT:?}"))?;
        let rest = self.time("DRAIN_DELAY") + self.time("SHUTDOWN_TIMEOUT") + FLUSH;
        self.extra_hooks = limit.saturating_sub(rest);
        Ok(())
    }
}

impl Setting {
    fn report(&mut self, value: &str, origin: &str) {
        // A secret is masked, and its text is not used.
        value
            .strip_prefix("(unset)")
            .map_or(value, |_| "")
            .clone_into(&mut self.text);
        if !matches!(self.origin, Origin::Place(_)) && origin == "code" {
            self.origin = Origin::Code;
        }
    }
}

/// Returns the variables for the check. Paths of the target machine are left out.
fn variables(environment: &Environment) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, variable) in environment.iter() {
        match (&variable.value, name.strip_suffix("_FILE")) {
            (_, Some("TLS_CERT" | "TLS_KEY" | "TLS_CLIENT_CA" | "SSL_CERT" | "ENV")) => {}
            (Some(_), Some(secret)) => variables.push((secret.to_owned(), PLACEHOLDER.to_owned())),
            (Some(value), None) => variables.push((name.to_owned(), value.clone())),
            (None, _) => {}
        }
    }
    variables
}

/// Returns the values that the service rejects and that are in the files.
fn rejected(stderr: &str, environment: &Environment) -> Vec<Sited<String>> {
    let lines = stderr.lines().filter_map(|line| line.strip_prefix("  "));
    let mut rejected = Vec::new();
    for line in lines {
        let name = line.split(['=', ':', ' ']).next().unwrap_or_default();
        if let Some(variable) = environment.get(name)
            && variable.value.is_some()
        {
            rejected.push(Sited::new(line.to_owned(), variable.place.clone()));
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::place::Place;

    fn environment() -> Environment {
        let mut environment = Environment::default();
        let place = Place::new("a.yml", 7);
        environment.set("SHUTDOWN_TIMEOUT", Some("9s".to_owned()), place.clone());
        environment.set(
            "SECRET_KEY_FILE",
            Some("/run/key".to_owned()),
            place.clone(),
        );
        environment.set(
            "TLS_CERT_FILE",
            Some("/run/tls.crt".to_owned()),
            place.clone(),
        );
        environment.set("DATABASE_URL", None, place);
        environment
    }

    #[test]
    fn report_of_the_service_replaces_values() {
        let mut settings = Settings::of(&environment());
        let report = "SHUTDOWN_TIMEOUT=9s  # environment\nIDLE_TIMEOUT=75s  # code\n\
            MAX_CONNECTIONS=900  # default\nTRUSTED_PROXIES=(unset)  # default\n# hard limit: 22s\n";
        settings.read(report).unwrap();
        assert_eq!(
            settings.get("SHUTDOWN_TIMEOUT").origin.to_string(),
            "a.yml:7"
        );
        let idle = settings.get("IDLE_TIMEOUT").to_string();
        assert_eq!(idle, "IDLE_TIMEOUT 75s (set in the service's code)");
        assert_eq!(settings.number("MAX_CONNECTIONS"), 10_000);
        assert_eq!(settings.text("TRUSTED_PROXIES"), None);
        assert_eq!(settings.extra_hooks, Duration::from_secs(10));
    }

    #[test]
    fn report_without_hard_limit_is_an_error() {
        let mut settings = Settings::of(&environment());
        assert!(settings.read("usage: ls\n").is_err());
    }

    #[test]
    fn files_of_the_target_machine_are_not_read() {
        let expected = [("SECRET_KEY", PLACEHOLDER), ("SHUTDOWN_TIMEOUT", "9s")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables(&environment()), expected);
    }

    #[test]
    fn only_values_in_the_files_are_rejected() {
        let stderr = "2 settings are wrong:\n  SHUTDOWN_TIMEOUT=\"9s\": expected …\n  DATABASE_URL is required\n";
        let rejected = rejected(stderr, &environment());
        assert_eq!(rejected.len(), 1);
        assert_eq!(rejected[0].place.line, 7);
    }
}
