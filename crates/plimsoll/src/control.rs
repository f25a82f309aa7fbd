//! The changes of operators: each expires, is logged, and is listed (contract ADM-9, ADM-10).
//!
//! A change has a subject, such as readiness or the policy of a check. A newer change of the same
//! subject replaces it. The end of a change never affects a later one, because it is found by its id.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    config::Level,
    metrics::{AdminAction, Cause as _, Registry},
    sync::{Mutex, lock},
    telemetry::Log,
};

/// The number of past changes that are listed.
const LISTED: usize = 64;

/// What a change is about: the action, and its object, such as the name of a check.
pub(crate) type Subject = (AdminAction, String);

/// Applies the value of a change, or with `None` ends it.
pub(crate) type Apply = Box<dyn Fn(Option<&str>) + Send>;

/// A change that an operator asks for.
#[derive(Debug)]
pub(crate) struct ChangeRequest {
    pub(crate) subject: Subject,
    pub(crate) value: String,
    /// The value before the change.
    pub(crate) was: String,
    /// The time until the change ends; `None` if it is final, such as a drain.
    pub(crate) ttl: Option<Duration>,
    pub(crate) reason: String,
    /// The client, such as `uid 1000`.
    pub(crate) by: String,
}

/// A change, in force or past.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) id: u64,
    pub(crate) request: Arc<ChangeRequest>,
    pub(crate) at: SystemTime,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) end: Option<PastEnd>,
}

/// How, when and by which client a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastEnd {
    pub(crate) kind: ChangeEnd,
    pub(crate) at: SystemTime,
    /// `None` if its time has passed.
    pub(crate) by: Option<String>,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeEnd {
    Expired,
    Deleted,
    Replaced,
}

impl ChangeEnd {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
        }
    }
}

/// The changes of one process. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    /// Held while a change is applied, so that changes of one subject are applied in order.
    changes: Arc<Mutex<Changes>>,
    registry: Arc<Registry>,
    log: Log,
}

#[derive(Debug, Default)]
struct Changes {
    last_id: u64,
    active: BTreeMap<Subject, ActiveChange>,
    /// Newest last.
    past: VecDeque<Change>,
}

struct ActiveChange {
    change: Change,
    apply: Apply,
    /// Dropped with the change, which ends its timer.
    _timer: oneshot::Sender<()>,
}

impl fmt::Debug for ActiveChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.change.fmt(f)
    }
}

impl Ledger {
    pub(crate) fn new(registry: Arc<Registry>, log: Log) -> Self {
        Self {
            changes: Arc::default(),
            registry,
            log,
        }
    }

    /// Applies a change, in place of an earlier one of its subject.
    ///
    /// Returns the change and its timer, which ends the change when its time has passed. If the change
    /// ends before, the timer completes then, so there are never more timers than changes in force.
    pub(crate) fn begin(
        &self,
        request: ChangeRequest,
        apply: Apply,
    ) -> (Change, impl Future<Output = ()> + Send + use<>) {
        let (timer, ended) = oneshot::channel();
        let mut changes = lock(&self.changes);
        let change = self.record(&mut changes, request);
        let subject = change.request.subject.clone();
        apply(Some(&change.request.value));
        let active = ActiveChange {
            change: change.clone(),
            apply,
            _timer: timer,
        };
        if let Some(replaced) = changes.active.insert(subject.clone(), active) {
            let by = Some(change.request.by.clone());
            self.end(&mut changes, replaced.change, ChangeEnd::Replaced, by);
        }
        self.count_active(&changes, subject.0);
        drop(changes);
        let (ledger, id, ttl) = (self.clone(), change.id, change.request.ttl);
        let timer = async move {
            if let Some(ttl) = ttl
                && timeout(ttl, ended).await.is_err()
            {
                ledger.expire(&subject, id);
            }
        };
        (change, timer)
    }

    /// Records a change that is final.
    pub(crate) fn record_final(&self, request: ChangeRequest) -> Change {
        let mut changes = lock(&self.changes);
        let change = self.record(&mut changes, request);
        changes.push(change.clone());
        change
    }

    /// Ends the change with this id, if it is still in force.
    fn expire(&self, subject: &Subject, id: u64) {
        let mut changes = lock(&self.changes);
        let active = changes.active.get(subject);
        if active.is_some_and(|active| active.change.id == id) {
            self.remove(&mut changes, subject, ChangeEnd::Expired, None);
        }
    }

    /// Ends the change of a subject, for the client `by`. Returns false if there is none.
    pub(crate) fn delete(&self, subject: &Subject, by: &str) -> bool {
        let mut changes = lock(&self.changes);
        self.remove(&mut changes, subject, ChangeEnd::Deleted, Some(by))
    }

    /// Ends all changes of an action, for the client `by`.
    pub(crate) fn delete_all(&self, action: AdminAction, by: &str) {
        let mut changes = lock(&self.changes);
        let subjects = changes.active.keys().filter(|subject| subject.0 == action);
        for subject in subjects.cloned().collect::<Vec<_>>() {
            self.remove(&mut changes, &subject, ChangeEnd::Deleted, Some(by));
        }
    }

    /// Returns the changes of an action that are in force.
    pub(crate) fn active_of(&self, action: AdminAction) -> Vec<Change> {
        let changes = lock(&self.changes);
        let active = changes.active.values().map(|active| &active.change);
        active
            .filter(|change| change.request.subject.0 == action)
            .cloned()
            .collect()
    }

    /// Returns the change of a subject that is in force.
    pub(crate) fn active(&self, subject: &Subject) -> Option<Change> {
        let changes = lock(&self.changes);
        let active = changes.active.get(subject)?;
        Some(active.change.clone())
    }

    /// Returns the changes in force, and the last past ones, newest first.
    pub(crate) fn list(&self) -> (Vec<Change>, Vec<Change>) {
        let changes = lock(&self.changes);
        let active = changes.active.values();
        (
            active.map(|active| active.change.clone()).collect(),
            changes.past.iter().rev().cloned().collect(),
        )
    }

    fn record(&self, changes: &mut Changes, request: ChangeRequest) -> Change {
        changes.last_id += 1;
        let at = SystemTime::now();
        let change = Change {
            id: changes.last_id,
            at,
            expires_at: request.ttl.map(|ttl| at + ttl),
            end: None,
            request: Arc::new(request),
        };
        let ChangeRequest {
            subject,
            value,
            was,
            ttl,
            reason,
            by,
        } = &*change.request;
        self.registry.admin.changes.count(subject.0);
        self.log.always(Level::Info, "admin_change", |record| {
            record.number("id", change.id);
            record.str("action", subject.0.as_str());
            record.str("object", &subject.1);
            record.str("value", value);
            record.str("was", was);
            if let Some(ttl) = ttl {
                record.number("ttlMs", ttl.as_millis());
            }
            record.str("reason", reason);
            record.str("by", by);
        });
        change
    }

    fn remove(
        &self,
        changes: &mut Changes,
        subject: &Subject,
        end: ChangeEnd,
        by: Option<&str>,
    ) -> bool {
        let Some(active) = changes.active.remove(subject) else {
            return false;
        };
        (active.apply)(None);
        self.end(changes, active.change, end, by.map(str::to_owned));
        self.count_active(changes, subject.0);
        true
    }

    fn end(&self, changes: &mut Changes, mut change: Change, kind: ChangeEnd, by: Option<String>) {
        let ChangeRequest { subject, value, .. } = &*change.request;
        self.log
            .always(Level::Info, "admin_change_ended", |record| {
                record.number("id", change.id);
                record.str("action", subject.0.as_str());
                record.str("object", &subject.1);
                record.str("value", value);
                record.str("end", kind.as_str());
                if let Some(by) = &by {
                    record.str("by", by);
                }
            });
        let at = SystemTime::now();
        change.end = Some(PastEnd { kind, at, by });
        changes.push(change);
    }

    fn count_active(&self, changes: &Changes, action: AdminAction) {
        let subjects = changes.active.keys();
        let count = subjects.filter(|subject| subject.0 == action).count();
        self.registry.admin.set_active(action, count);
    }
}

impl Changes {
    fn push(&mut self, past: Change) {
        self.past.push_back(past);
        if self.past.len() > LISTED {
            self.past.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
