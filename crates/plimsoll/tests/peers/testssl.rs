//! The findings of `testssl.sh` at the TLS port.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use harness::Process;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

use crate::setup::{Figures, full, plain, scratch_folder};
use crate::support::{fixture, require_or_skip, skip};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Findings due to the self-signed certificate: no trusted issuer, no revocation.
const SELF_SIGNED: [&str; 3] = ["cert_chain_of_trust", "cert_trust", "cert_revocation"];

/// Its name in Debian, and upstream.
fn program() -> Option<&'static str> {
    let is_here = |name: &&str| {
        let mut command = Command::new(name);
        let command = command.arg("--version").stdin(Stdio::null());
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    };
    ["testssl", "testssl.sh"].into_iter().find(is_here)
}

/// TLS-1
#[test]
fn testssl_finds_only_the_signature_at_medium_severity() {
    if plain() {
        return;
    }
    let Some(program) = program() else {
        skip("testssl.sh is not installed");
        return;
    };
    // It reads and writes bytes with these programs.
    if !require_or_skip("openssl") || !require_or_skip("hexdump") {
        return;
    }
    let folder = scratch_folder("testssl");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key, found) = (file("cert.pem"), file("key.pem"), file("found.json"));
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + 90 * DAY).into();
    let pair = KeyPair::generate().unwrap();
    std::fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    let service = Process::spawn(
        fixture(),
        &[
            ("TLS_CERT_FILE", certificate.as_str()),
            ("TLS_KEY_FILE", key.as_str()),
        ],
    );
    service.wait_until_ready();

    let mut command = Command::new(program);
    command.args(["--quiet", "--color", "0", "--warnings", "off"]);
    command.args(["--ip", "127.0.0.1", "--nodns", "min", "--jsonfile", &found]);
    if !full() {
        // Only the protocols: a full scan takes minutes.
        command.arg("--protocols");
    }
    let status = command
        .arg(format!("localhost:{}", service.addr().port()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let findings: Vec<Value> = serde_json::from_slice(&std::fs::read(&found).unwrap()).unwrap();
    let mut figures = Figures::of("testssl.sh");
    figures.info("findings", findings.len());
    figures.info("exit status", status);
    // An incomplete scan has no bad findings either.
    for (id, text) in [
        ("TLS1", "not offered"),
        ("TLS1_2", "offered"),
        ("TLS1_3", "offered"),
    ] {
        let finding = findings.iter().find(|finding| finding["id"] == id);
        let seen = finding.map_or("missing", |finding| finding["finding"].as_str().unwrap());
        figures.exact(id, true, seen.starts_with(text));
    }
    let severe = findings.iter().filter(|finding| {
        let severity = finding["severity"].as_str().unwrap();
        ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains(&severity)
    });
    let (excused, bad): (Vec<_>, Vec<_>) =
        severe.partition(|finding| SELF_SIGNED.contains(&finding["id"].as_str().unwrap()));
    // Checks that it could not perform, such as ciphers unknown to its `openssl`.
    let warnings: Vec<_> = (findings.iter())
        .filter(|finding| finding["severity"] == "WARN")
        .collect();
    figures.info("warnings", list(&warnings));
    figures.info("excused", list(&excused));
    figures.exact("of MEDIUM severity or above", String::new(), list(&bad));
    figures.exact("the service is alive", true, service.is_alive());
    figures.judge();
    std::fs::remove_dir_all(folder).unwrap();
}

fn list(findings: &[&Value]) -> String {
    let each = findings.iter().map(|finding| {
        format!(
            "{} ({}: {})",
            finding["id"], finding["severity"], finding["finding"]
        )
    });
    each.collect::<Vec<_>>().join(", ")
}
