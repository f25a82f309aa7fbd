//! Findings: a rule that a file breaks, with the sum that shows it.

use crate::place::Place;

/// The effect of a finding on the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It breaks something, such as requests at every restart.
    Error,
    /// It is wrong under conditions that the files do not show.
    Warning,
}

impl Severity {
    /// Returns its name, which is also that of SARIF.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A rule that a file breaks.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    pub(crate) severity: Severity,
    pub(crate) place: Place,
    /// The service or proxy, as waivers name it.
    pub(crate) subject: String,
    /// What is wrong.
    pub(crate) message: String,
    /// The sum, with the origin of each summand.
    pub(crate) sum: Option<String>,
    /// What would be right.
    pub(crate) fix: String,
}
