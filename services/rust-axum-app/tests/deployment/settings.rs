//! The settings that the service has with an environment, as its `--check-config` tells them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rust-axum-app");

/// The line that has the longest time from SIGTERM to the exit (LIFE-10).
const HARD_LIMIT: &str = "# hard limit: ";

/// Measured for a connection with a partial head (docs/reliability.md), in bytes.
const HALF_A_HEAD: i64 = 88 * 1024;

/// Variables, by their names.
pub(crate) type Environment = BTreeMap<String, String>;

/// What is in force.
#[derive(Debug)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    hard_limit: f64,
}

impl Settings {
    /// Those of a profile with variables over it.
    ///
    /// A key in a file is one that the platform brings; here it is some file.
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

    /// A setting as it is printed.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        let value = self.values.get(name);
        value.unwrap_or_else(|| panic!("there is no setting {name}"))
    }

    /// A setting that is a whole number.
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> i64 {
        let text = self.text(name);
        text.parse()
            .unwrap_or_else(|error| panic!("{name}={text}: {error}"))
    }

    /// A setting that is a duration, in seconds.
    #[track_caller]
    pub(crate) fn seconds(&self, name: &str) -> f64 {
        seconds(self.text(name))
    }

    /// The longest time from SIGTERM to the exit, in seconds.
    pub(crate) const fn end_budget(&self) -> f64 {
        self.hard_limit
    }

    /// The most memory that connections take, in bytes: each while a head is half there.
    #[track_caller]
    pub(crate) fn connections_memory(&self) -> i64 {
        self.number("MAX_CONNECTIONS") * HALF_A_HEAD
    }

    /// The most memory that request bodies take, in bytes: one in each slot.
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

    /// The port of the admin listener.
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

/// A time as the service, compose, nginx, HAProxy and systemd write it, in seconds.
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
        _ => panic!("{text:?} is no time"),
    };
    let number: f64 = number
        .parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"));
    number * factor
}

/// A size of memory as compose, Kubernetes and systemd write it, in bytes.
#[track_caller]
pub(crate) fn bytes(text: &str) -> i64 {
    let number = text.trim_end_matches(['M', 'i']);
    let mebibytes: i64 = number
        .parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"));
    mebibytes << 20
}

#[test]
fn sizes_are_read_as_they_are_written() {
    assert_eq!([bytes("256M"), bytes("64Mi")], [256 << 20, 64 << 20]);
}

#[test]
#[expect(clippy::float_cmp, reason = "these have exact values")]
fn times_are_read_as_they_are_written() {
    assert_eq!(seconds("15"), 15.0);
    assert_eq!(seconds("2m"), 120.0);
    assert_eq!(seconds("1.5s"), 1.5);
    assert_eq!(seconds("500ms"), 0.5);
}
