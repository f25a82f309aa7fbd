//! The settings of the service in an environment, from the output of `--check-config`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rust-axum-app");

/// The prefix of the line with the longest time from SIGTERM to the exit (LIFE-10).
const HARD_LIMIT: &str = "# hard limit: ";

/// The memory of a connection with a partial head, in bytes, as measured in docs/reliability.md.
const PARTIAL_HEAD_MEMORY: i64 = 88 * 1024;

/// Environment variables by name.
pub(crate) type Environment = BTreeMap<String, String>;

/// The values of all settings.
#[derive(Debug)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    hard_limit: f64,
}

impl Settings {
    /// Returns the settings of a profile with environment variables.
    ///
    /// The platform provides `SECRET_KEY_FILE`. Here any file replaces it.
    #[track_caller]
    pub(crate) fn of(profile: &Path, environment: &Environment) -> Self {
        let mut environment = environment.clone();
        if let Some(file) = environment.get_mut("SECRET_KEY_FILE") {
            *file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").to_owned();
        }
        let output = Command::new(PROGRAM)
            .arg("--check-config")
            .arg("--env-file")
            .arg(profile)
            .env_clear()
            .envs(&environment)
            .output()
            .expect("the service can be started");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", profile.display());
        let stdout = String::from_utf8(output.stdout).expect("settings are text");
        let line = |line: &str| {
            let (setting, _origin) = line.split_once(" # ")?;
            let (name, value) = setting.split_once('=')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let limit = stdout
            .lines()
            .find_map(|line| line.strip_prefix(HARD_LIMIT));
        Self {
            values: stdout.lines().filter_map(line).collect(),
            hard_limit: seconds(limit.expect("the hard limit is printed")),
        }
    }

    /// Returns a setting as printed.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        let value = self.values.get(name);
        value.unwrap_or_else(|| panic!("there is no setting {name}"))
    }

    /// Returns a setting that is a whole number.
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> i64 {
        let text = self.text(name);
        text.parse()
            .unwrap_or_else(|error| panic!("{name}={text}: {error}"))
    }

    /// Returns a duration setting, in seconds.
    #[track_caller]
    pub(crate) fn seconds(&self, name: &str) -> f64 {
        seconds(self.text(name))
    }

    /// Returns the longest time from SIGTERM to the exit, in seconds.
    pub(crate) const fn hard_limit(&self) -> f64 {
        self.hard_limit
    }

    /// Returns the most memory that connections take, in bytes: all have a partial head.
    #[track_caller]
    pub(crate) fn connections_memory(&self) -> i64 {
        self.number("MAX_CONNECTIONS") * PARTIAL_HEAD_MEMORY
    }

    /// Returns the most memory that request bodies take, in bytes: one for each request slot.
    #[track_caller]
    pub(crate) fn bodies_memory(&self) -> i64 {
        let text = self.text("MAX_BODY_BYTES");
        let body = match text.strip_suffix("KiB") {
            Some(kibibytes) => kibibytes.parse::<i64>().map(|it| it << 10),
            None => text
                .trim_end_matches("MiB")
                .parse::<i64>()
                .map(|it| it << 20),
        };
        let body = body.unwrap_or_else(|error| panic!("MAX_BODY_BYTES={text}: {error}"));
        self.number("MAX_IN_FLIGHT") * body
    }

    /// Returns the port of the admin listener.
    #[track_caller]
    pub(crate) fn admin_port(&self) -> i64 {
        let address = self.text("ADMIN_ADDR");
        let port = address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("ADMIN_ADDR={address} has no port"))
    }
}

/// Parses a time of the service, compose, nginx, HAProxy or systemd. Returns seconds.
#[track_caller]
pub(crate) fn seconds(text: &str) -> f64 {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        _ => panic!("{text:?} is not a time"),
    };
    let number: f64 = number
        .parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"));
    number * factor
}

/// Parses a memory size of compose, Kubernetes or systemd. Returns bytes.
#[track_caller]
pub(crate) fn bytes(text: &str) -> i64 {
    let number = text.trim_end_matches(['M', 'i']);
    let mebibytes: i64 = number
        .parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"));
    mebibytes << 20
}

#[test]
fn memory_sizes_are_parsed() {
    assert_eq!([bytes("256M"), bytes("64Mi")], [256 << 20, 64 << 20]);
}

#[test]
#[expect(clippy::float_cmp, reason = "these have exact values")]
fn times_are_parsed() {
    assert_eq!(seconds("15"), 15.0);
    assert_eq!(seconds("2m"), 120.0);
    assert_eq!(seconds("1.5s"), 1.5);
    assert_eq!(seconds("500ms"), 0.5);
}
