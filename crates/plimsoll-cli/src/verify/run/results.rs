//! The results of a run: a verdict for each check, and what is known about the service.

use std::time::Duration;

use plimsoll_contract::{Check, Clause};

use crate::{
    verify::{judgement::Finding, surface::Surface},
    waivers::Waiver,
};

/// The results of a run.
#[derive(Debug)]
pub(in crate::verify) struct Results {
    /// In the order of the contract.
    pub(in crate::verify) checks: Vec<CheckResult>,
    /// Waivers of these checks that match no violation.
    pub(in crate::verify) unused: Vec<Waiver>,
    pub(in crate::verify) surface: Surface,
    /// The first start of the service, or `None` for a URL.
    pub(in crate::verify) first: Option<FirstStart>,
    pub(in crate::verify) starts: usize,
    pub(in crate::verify) elapsed: Duration,
}

/// The result of a check.
#[derive(Debug)]
pub(in crate::verify) struct CheckResult {
    pub(in crate::verify) clause: &'static Clause,
    pub(in crate::verify) check: &'static Check,
    pub(in crate::verify) verdict: Verdict,
}

/// What is known about a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::verify) enum Verdict {
    Holds,
    Violated(Finding),
    /// The check depends on another one, which is violated.
    Blocked {
        by: String,
    },
    NotProven {
        reason: String,
    },
    /// Violated, and accepted by the configuration.
    Waived {
        finding: Finding,
        waiver: Waiver,
    },
}

/// The first start of the service.
#[derive(Debug, Clone, Copy)]
pub(in crate::verify) struct FirstStart {
    pub(in crate::verify) pid: u32,
    pub(in crate::verify) port: Option<u16>,
    pub(in crate::verify) ready: Duration,
}
