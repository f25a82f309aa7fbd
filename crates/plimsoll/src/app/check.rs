//! `--check-config`: reports what a start with these settings would reject or warn about.
//!
//! It binds no address and runs no set-up. An address in use and clashing routes are thus not found.

use std::{fmt::Write as _, time::Duration};

use super::tls;
use crate::{
    config::{BodyMemory, Loaded, duration_text},
    error::chain,
    otlp::Tracer,
};

/// The result of `--check-config`.
#[derive(Debug, Default)]
pub(super) struct CheckFindings {
    /// The values of the settings, and the limits that follow from them.
    pub(super) report: String,
    /// The errors that a start would reject, one in each line.
    pub(super) problems: String,
    /// The warnings and notes that a start would log, one in each line.
    pub(super) notes: String,
}

/// Checks settings whose values are valid. Reads the files that they name.
///
/// `hard_limit` is the longest time from the signal to the exit.
pub(super) fn check<S>(loaded: &Loaded<S>, hard_limit: Duration) -> CheckFindings {
    let Loaded { config, notes, .. } = loaded;
    let mut findings = CheckFindings {
        report: loaded.report.check_report(),
        ..CheckFindings::default()
    };
    // Writing to a `String` does not fail.
    if let Err(error) = tls::check(config) {
        let _ = writeln!(findings.problems, "{}", chain(&error));
    }
    if let Err(error) = Tracer::check(config) {
        let _ = writeln!(findings.problems, "traces cannot be exported: {error}");
    }
    let memory = BodyMemory::of(config);
    let _ = writeln!(findings.report, "# {memory}");
    // The last line, because deployment scripts read it there (contract LIFE-10).
    let limit = duration_text(hard_limit);
    let _ = writeln!(findings.report, "# hard limit: {limit}");
    if memory.exceeds_limit() {
        let _ = writeln!(findings.notes, "warning: {memory}");
    }
    if config.debug {
        let _ = writeln!(
            findings.notes,
            "warning: DEBUG=true: answers show internals"
        );
    }
    for typo in &notes.typos {
        let _ = writeln!(findings.notes, "warning: {typo}");
    }
    for alias in &notes.aliases {
        let _ = writeln!(findings.notes, "note: {alias}");
    }
    findings
}
