//! `plimsoll.toml` for `plimsoll verify`.

use std::{fs, path::PathBuf};

use crate::support::{Report, argument, plimsoll, stderr, stdout, verify};

/// A configuration, removed at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("plimsoll-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).expect("the temporary folder is writable");
        Self(path)
    }

    fn verify(&self, options: &[&str], service: &[&str]) -> Report {
        let options: Vec<&str> = ["--config", argument(&self.0)]
            .iter()
            .chain(options)
            .copied()
            .collect();
        verify(&options, service)
    }

    /// Returns what the command writes to standard error.
    fn fault(&self) -> String {
        let output = plimsoll(&["verify", "--config", argument(&self.0), "--", "a"]);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        stderr(&output)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Left behind, the file is only litter in the temporary folder.
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn command_is_that_of_the_configuration() {
    let file = File::new("command", "[verify]\ncommand = [\"a-service\", \"{port}\"]\n");
    let plan = plimsoll(&["verify", "--plan", "--config", argument(&file.0)]);
    assert!(stdout(&plan).contains("a-service {port}"), "{}", stdout(&plan));
}

#[test]
fn route_slow_proves_requests_in_flight() {
    let fixture = harness::example("fixture");
    let options = ["--only", "LIFE-1:in-flight", "--config", "tests/subjects/fixture/plimsoll.toml"];
    let report = verify(&options, &[argument(&fixture)]);
    assert_eq!(report.with("holds"), ["LIFE-1:in-flight"], "{:#}", report.json);
}

#[test]
fn faults_name_file_and_line() {
    for (name, text, fault) in [
        ("route", "[verify.routes]\n\nfast = \"/\"\n", "toml:3: unknown route \"fast\""),
        ("field", "[verify]\nroute = 1\n", "toml:2: unknown field `route`"),
        ("syntax", "\n[verify\n", "toml:2: "),
    ] {
        let found = File::new(name, text).fault();
        assert!(found.contains(fault), "{found}");
    }
    let missing = ["verify", "--config", "/nonexistent/a.toml", "--", "a"];
    let output = plimsoll(&missing);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("/nonexistent/a.toml: cannot be read"));
}
