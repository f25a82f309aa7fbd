//! `--check-config`: everything that a start with these settings would reject, warn about or note.
//!
//! Nothing is bound and no set-up runs, so an address in use and a clash of routes stay unknown.

use std::{fmt::Write as _, time::Duration};

use super::tls;
use crate::{
    config::{BodyMemory, Loaded, duration_text},
    error::chain,
    otlp::Tracer,
};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct CheckFindings {
    /// The settings in force, and what follows from them.
    pub(super) report: String,
    /// What a start would reject, a line each.
    pub(super) problems: String,
    /// What a start would warn about or note, a line each.
    pub(super) notes: String,
}

/// Looks at settings that are valid by themselves. Reads the files that they name.
///
/// `hard_limit` is the longest time from the signal to the exit.
pub(super) fn check<S>(loaded: &Loaded<S>, hard_limit: Duration) -> CheckFindings {
    let Loaded { config, notes, .. } = loaded;
    let mut findings = CheckFindings {
        report: loaded.report.check_report(),
        ..CheckFindings::default()
    };
    // Writing to a string does not fail.
    if let Err(error) = tls::check(config) {
        let _ = writeln!(findings.problems, "{}", chain(&error));
    }
    if let Err(error) = Tracer::check(config) {
        let _ = writeln!(findings.problems, "traces cannot be exported: {error}");
    }
    let memory = BodyMemory::of(config);
    let _ = writeln!(findings.report, "# {memory}");
    // The last line, where scripts of deployments find it (contract LIFE-10).
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
