//! The holds on readiness: the reasons for which an instance is not ready.

use std::collections::BTreeMap;

/// The part of the service that holds readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// The code of the service, by [`Readiness::set`](crate::Readiness::set).
    Code,
    /// An operator, by the controls of the admin listener.
    Operator,
    /// A health check, by its name.
    Check(&'static str),
    /// A background worker that gates readiness, by its name.
    Worker(&'static str),
}

impl Holder {
    /// The kinds of holders, as labels of `service_not_ready`.
    const KINDS: [&'static str; 4] = ["code", "operator", "checks", "workers"];

    const fn kind(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Operator => "operator",
            Self::Check(_) => "checks",
            Self::Worker(_) => "workers",
        }
    }
}

/// All holds, each with its reason. The instance is ready when there is none.
#[derive(Debug, Default)]
pub(super) struct Holds {
    reasons: BTreeMap<Holder, String>,
    /// Whether a change of readiness has been logged. If not, the start logs the reasons.
    pub(super) is_logged: bool,
}

impl Holds {
    /// Adds a hold, or replaces its reason.
    pub(super) fn add(&mut self, holder: Holder, reason: &str) {
        self.reasons.insert(holder, reason.to_owned());
    }

    pub(super) fn remove(&mut self, holder: Holder) {
        self.reasons.remove(&holder);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Returns all reasons as one text.
    pub(super) fn reasons(&self) -> String {
        let reasons: Vec<_> = self.reasons.values().map(String::as_str).collect();
        reasons.join("; ")
    }

    /// Returns the kind of each holder, with its reason.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let reasons = self.reasons.iter();
        reasons.map(|(holder, reason)| (holder.kind(), reason.as_str()))
    }

    /// Returns each kind of holder, and whether one of them holds readiness.
    pub(super) fn by_kind(&self) -> impl Iterator<Item = (&'static str, bool)> {
        Holder::KINDS.into_iter().map(|kind| {
            let is_held = self.reasons.keys().any(|holder| holder.kind() == kind);
            (kind, is_held)
        })
    }
}
