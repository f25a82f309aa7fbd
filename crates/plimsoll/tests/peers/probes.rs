//! A flood of probes while every health check hangs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{Process, eventually};

use crate::setup::{Figures, Rest, now, p99, plain, scaled, scratch_folder, serve};
use crate::support::require_or_skip;

/// The connections of the load, which share the rate.
const CLIENTS: u64 = 10;

/// The time between two runs of a check of the fixture, in seconds, and its variation.
const INTERVAL: f64 = 1.0;
const VARIATION: f64 = 0.1;

/// Makes the checks hang. A file is replaced at once, so that no run reads a part.
fn hang(folder: &Path, checks: &str) {
    for check in checks.split(',') {
        let new = folder.join("new");
        fs::write(&new, "hang").unwrap();
        fs::rename(&new, folder.join(check)).unwrap();
    }
}

fn runs(service: &Process) -> f64 {
    service.metrics().sum("check_results_total", &[])
}

/// The status and the duration of each probe, as `h2load` logs them.
fn probe(service: &Process, log: &Path, seconds: u64) -> Vec<(u16, Duration)> {
    let rate: u64 = scaled(1_000, 10_000);
    // `h2load` adds to the file.
    let _ = fs::remove_file(log);
    let output = Command::new("h2load")
        .args(["--h1", "-D", &seconds.to_string()])
        .args(["-c", &CLIENTS.to_string()])
        .args(["--rps", &(rate / CLIENTS).to_string()])
        .arg(format!("--log-file={}", log.display()))
        .arg(format!("http://{}/ready", service.addr()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let parse = |line: &str| {
        let mut columns = line.split('\t').skip(1);
        // A request without a response has a status of -1.
        let status = columns.next()?.parse().unwrap_or(0);
        let micros = columns.next()?.parse().ok()?;
        Some((status, Duration::from_micros(micros)))
    };
    let text = fs::read_to_string(log).unwrap();
    text.lines().filter_map(parse).collect()
}

/// Floods `/ready` while the checks hang. Each probe must have this status.
#[track_caller]
fn flood(test: &'static str, checks: &str, status: u16) {
    if plain() || !require_or_skip("h2load") {
        return;
    }
    let folder = scratch_folder(&format!("probes-{status}"));
    let service = serve(&[
        ("CHECKS", checks),
        ("CHECK_DIR", folder.to_str().unwrap()),
        ("LOG_LEVEL", "WARNING"),
    ]);
    hang(&folder, checks);
    eventually("every check is down", || {
        (service.metrics().sum("check_up", &[]) == 0.0).then_some(())
    });
    let mut figures = Figures::of(test);
    let rest = Rest::before(&service);
    let (began, before) = (now(), runs(&service));
    let probes = probe(&service, &folder.join("log"), scaled(3, 60));
    let (took, runs) = (began.elapsed().as_secs_f64(), runs(&service) - before);
    let failed = probes.iter().filter(|(seen, _)| *seen != status).count();
    figures.exact("failed probes", 0, failed);
    let mut times: Vec<_> = probes.iter().map(|(_, took)| *took).collect();
    let pace = f64::from(u32::try_from(times.len()).unwrap()) / took;
    figures.limit(
        "probes a second",
        scaled(900, 9_500),
        pace.round(),
        pace >= 9_500.0,
    );
    let p99 = p99(&mut times);
    let limit = Duration::from_millis(20);
    figures.limit(
        "p99",
        format!("{limit:?}"),
        format!("{p99:?}"),
        p99 <= limit,
    );
    let worst = times.last().unwrap();
    figures.info("worst", format!("{worst:?}"));
    let count = f64::from(u32::try_from(checks.split(',').count()).unwrap());
    let most = count * (took / (INTERVAL - VARIATION) + 1.0).floor();
    figures.info("runs", format!("{runs} of {count} checks in {took:.1} s"));
    figures.exact(&format!("runs ≤ {most}"), true, runs <= most);
    rest.after(&mut figures, &service);
    fs::remove_dir_all(folder).unwrap();
    figures.judge();
}

/// HLT-3, HLT-5, HLT-7
#[test]
fn ten_thousand_probes_start_no_check() {
    flood("probes, checks hang", "vital,mild,seen", 200);
}

/// HLT-3, HLT-5, HLT-7
#[test]
fn probes_of_a_hanging_gate_are_answered_at_once() {
    flood("probes, gate hangs", "gate,vital,mild,seen", 503);
}
