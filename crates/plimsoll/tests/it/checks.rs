//! Health checks, against a fixture whose checks read their results from files.

mod errors;
mod fakes;
mod readiness;
mod runs;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::{Process, eventually};
use serde_json::Value;

/// The time in which a check that runs every second changes its state at the latest: three runs, with
/// a reserve for a busy machine.
const CHANGE: Duration = Duration::from_secs(10);

/// The files from which the fixture's checks read their results.
pub(crate) struct CheckFiles {
    folder: PathBuf,
}

impl CheckFiles {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("checks-{}-{number}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// Sets the result of a check. The file is replaced at once, so that no run reads a part.
    pub(crate) fn set(&self, check: &str, content: &str) {
        let new = self.folder.join(format!("{check}.new"));
        fs::write(&new, content).unwrap();
        fs::rename(&new, self.folder.join(check)).unwrap();
    }

    /// Makes a check succeed.
    fn clear(&self, check: &str) {
        self.set(check, "");
    }

    pub(crate) fn env<'a>(&'a self, checks: &'a str) -> [(&'a str, &'a str); 2] {
        [
            ("CHECKS", checks),
            ("CHECK_DIR", self.folder.to_str().unwrap()),
        ]
    }
}

impl Drop for CheckFiles {
    fn drop(&mut self) {
        // Remaining files are in the folder of the build.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits until a check has changed to a state for the first time. Returns the record.
#[track_caller]
fn wait_for_change(service: &Process, check: &str, state: &str) -> Value {
    service.wait_for_record(|record| {
        record["message"] == "check_changed" && record["check"] == check && record["state"] == state
    })
}

/// Waits until `/ready` has a status.
#[track_caller]
fn wait_for_ready(service: &Process, status: u16) {
    eventually("the readiness changes", || {
        (service.get("/ready").status == status).then_some(())
    });
}

/// Returns the number of finished runs of a check.
fn runs(service: &Process, check: &str) -> f64 {
    service
        .metrics()
        .sum("check_results_total", &[("check", check)])
}

/// Waits until a check has finished `count` more runs.
#[track_caller]
fn wait_for_runs(service: &Process, check: &str, count: u32) {
    let before = runs(service, check);
    eventually("the check runs", || {
        (runs(service, check) >= before + f64::from(count)).then_some(())
    });
}

/// Waits until a check is up again.
#[track_caller]
fn wait_until_up(service: &Process, check: &str, policy: &str) {
    let labels = [("check", check), ("policy", policy)];
    eventually("the check is up", || {
        (service.metrics().value("check_up", &labels) == Some(1.0)).then_some(())
    });
}
