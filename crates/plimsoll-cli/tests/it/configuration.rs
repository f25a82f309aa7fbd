//! `plimsoll.toml` for `plimsoll verify`.

use std::{path::PathBuf, process::Command};

use crate::support::{Report, Scratch, argument, plimsoll, stderr, stdout, verify};

/// A configuration in a folder of its own.
struct File {
    path: PathBuf,
    _folder: Scratch,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = Scratch::new();
        Self {
            path: folder.write("plimsoll.toml", text),
            _folder: folder,
        }
    }

    fn verify(&self, options: &[&str], service: &[&str]) -> Report {
        let options: Vec<&str> = ["--config", argument(&self.path)]
            .iter()
            .chain(options)
            .copied()
            .collect();
        verify(&options, service)
    }

    /// Returns what the command writes to standard error.
    fn fault(&self) -> String {
        let output = plimsoll(&["verify", "--config", argument(&self.path), "--", "a"]);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        stderr(&output)
    }
}

#[test]
fn command_is_that_of_the_configuration() {
    let file = File::new("[verify]\ncommand = [\"a-service\", \"{port}\"]\n");
    let plan = plimsoll(&["verify", "--plan", "--config", argument(&file.path)]);
    assert!(
        stdout(&plan).contains("a-service {port}"),
        "{}",
        stdout(&plan)
    );
}

#[test]
fn route_slow_proves_requests_in_flight() {
    let fixture = harness::example("fixture");
    let options = [
        "--only",
        "LIFE-1:in-flight",
        "--config",
        "tests/subjects/fixture/plimsoll.toml",
    ];
    let report = verify(&options, &[argument(&fixture)]);
    assert_eq!(
        report.with("holds"),
        ["LIFE-1:in-flight"],
        "{:#}",
        report.json
    );
}

#[test]
fn waived_violation_does_not_count() {
    let plain = harness::example("plain");
    let waiver = |check: &str, subject: &str| {
        let until = tomorrow();
        format!("[[waiver]]\ncheck = \"{check}\"\n{subject}reason = \"OPS-1\"\nuntil = {until}\n")
    };
    let text = waiver("HTTP-1:banner", "") + &waiver("HTTP-5:text", "subject = \"/other\"\n");
    let file = File::new(&text);
    let only = |ids| file.verify(&["--only", ids], &[argument(&plain)]);

    let report = only("HTTP-1");
    assert_eq!(report.status, Some(0), "{:#}", report.json);
    assert_eq!(report.check("HTTP-1:banner").unwrap()["reason"], "OPS-1");
    assert_eq!(report.json["clauses"]["waived"], 1);

    let report = only("HTTP-5");
    assert_eq!(report.status, Some(1), "{:#}", report.json);
    assert_eq!(report.with("violated"), ["HTTP-5:text"]);
    assert_eq!(report.json["unused_waivers"][0]["line"], 5);
}

/// Returns a day on which waivers are valid, however long the test takes.
fn tomorrow() -> String {
    let output = Command::new("date")
        .args(["-u", "--date=tomorrow", "+%F"])
        .output();
    stdout(&output.expect("date is installed"))
        .trim()
        .to_owned()
}

#[test]
fn renamed_fields_are_found() {
    let service = harness::example("saboteur");
    let reference = harness::reference_service();
    let command = [argument(&service), "names", argument(&reference)];
    let options = ["--level", "full", "--only", "LOG-2,LOG-3,LOG-4"];
    let report = verify(&options, &command);
    assert_eq!(
        report.with("violated"),
        ["LOG-3:fields"],
        "{:#}",
        report.json
    );

    let file = File::new("[verify.names]\n\"log.rawPath\" = \"raw_path\"\n");
    let report = file.verify(&options, &command);
    let violated = report.with("violated");
    assert!(violated.is_empty(), "{violated:?}: {:#}", report.json);
    assert_eq!(report.unknown(), ["LOG-2:order", "LOG-3:order"]);
}

#[test]
fn records_on_standard_error_are_read() {
    let reference = harness::reference_service();
    let script = format!("exec {} >&2", argument(&reference));
    let service = ["sh", "-c", &script];
    let report = verify(&["--only", "LOG"], &service);
    assert_eq!(report.with("violated"), ["LOG-1:json"], "{:#}", report.json);

    let report = verify(&["--only", "LOG", "--logs", "stderr"], &service);
    assert!(report.with("violated").is_empty(), "{:#}", report.json);
    assert_eq!(report.unknown(), ["LOG-1:json"]);
}

#[test]
fn faults_name_file_and_line() {
    for (text, fault) in [
        (
            "[verify.routes]\n\nfast = \"/\"\n",
            "toml:3: unknown route \"fast\"",
        ),
        ("[verify]\nroute = 1\n", "toml:2: unknown field `route`"),
        (
            "[verify.names]\n\"log.raw\" = \"raw\"\n",
            "toml:2: unknown name \"log.raw\"",
        ),
        ("\n[verify\n", "toml:2: "),
    ] {
        let found = File::new(text).fault();
        assert!(found.contains(fault), "{found}");
    }
    let missing = ["verify", "--config", "/nonexistent/a.toml", "--", "a"];
    let output = plimsoll(&missing);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("/nonexistent/a.toml: cannot be read"));
}
