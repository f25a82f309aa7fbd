//! The parts of the service that the operator controls show and change (contract ADM-6 to ADM-18).

use std::{sync::Arc, time::Duration};

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::Value;
use tokio::{sync::Notify, time::Instant};

use super::{
    answer::{self, Failure, view},
    client::{self, Authorisation, Client},
};
use crate::{
    check::Checks,
    config::{Config, ConfigReport, Level},
    control::{Apply, Change, ChangeRequest, Ledger, Subject},
    edge::EdgeLayer,
    lifecycle::{Heartbeats, Lifecycle, Readiness},
    metrics::{AdminAction, Cause as _, Denial, Registry},
    server::ConnectionLimiter,
    sync::{Mutex, lock},
    telemetry::Log,
};

/// The most changes in one second (contract ADM-18).
const MAX_CHANGES: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);

/// The parts of the service that the controls show and change.
#[derive(Debug)]
pub(super) struct Controls {
    pub(super) authorisation: Authorisation,
    pub(super) config: Arc<Config>,
    pub(super) report: Arc<ConfigReport>,
    pub(super) heartbeats: Arc<Heartbeats>,
    /// The connections of the main listener.
    pub(super) connections: Arc<ConnectionLimiter>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) readiness: Readiness,
    pub(super) checks: Checks,
    pub(super) ledger: Ledger,
    pub(super) registry: Arc<Registry>,
    pub(super) log: Log,
    /// Begins the shutdown.
    pub(super) drain: Arc<Notify>,
    pub(super) changes: SecondLimit,
    pub(super) denials: SecondLimit,
    /// Renders the metrics.
    pub(super) edge: EdgeLayer,
    /// Held while a bundle is made.
    pub(super) bundle: tokio::sync::Mutex<()>,
}

/// Counts events of the current second.
#[derive(Debug, Default)]
pub(super) struct SecondLimit(Mutex<Option<(Instant, u32)>>);

impl SecondLimit {
    /// Counts an event. Returns its number in its second.
    fn count(&self) -> u32 {
        let mut second = lock(&self.0);
        let now = Instant::now();
        match &mut *second {
            Some((began, count)) if now.duration_since(*began) < SECOND => {
                *count += 1;
                *count
            }
            _ => {
                *second = Some((now, 1));
                1
            }
        }
    }
}

impl Controls {
    /// Counts a denial. At most one a second is logged.
    pub(super) fn deny(&self, denial: Denial) -> Failure {
        self.registry.admin.denied.count(denial);
        if self.denials.count() == 1 {
            self.log.always(Level::Warning, "admin_denied", |record| {
                record.str("reason", denial.as_str());
            });
        }
        Failure::new(client::status(denial))
    }

    pub(super) fn view(&self, content: Value) -> Response {
        view(&self.config.build, StatusCode::OK, content)
    }

    /// Applies a change until its time has passed. Returns the response.
    pub(super) fn change(
        self: &Arc<Self>,
        request: ChangeRequest,
        apply: Apply,
    ) -> Result<Response, Failure> {
        self.limit_changes()?;
        let (change, timer) = self.ledger.begin(request, apply);
        tokio::spawn(timer);
        Ok(self.answer(StatusCode::OK, &change))
    }

    /// Ends all changes of an action.
    pub(super) fn end_all(
        &self,
        action: AdminAction,
        client: &Client,
    ) -> Result<Response, Failure> {
        self.limit_changes()?;
        self.ledger.delete_all(action, &client.0);
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Ends the change of a subject that is in force.
    pub(super) fn end_change(
        &self,
        subject: &Subject,
        client: &Client,
    ) -> Result<Response, Failure> {
        self.limit_changes()?;
        if !self.ledger.delete(subject, &client.0) {
            return Err(Failure::new(StatusCode::NOT_FOUND)
                .with_detail("no such change is in force".to_owned()));
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Records a final change. Returns the response. The limit of changes does not delay it.
    pub(super) fn record_final(&self, request: ChangeRequest) -> Response {
        let change = self.ledger.record_final(request);
        self.answer(StatusCode::ACCEPTED, &change)
    }

    /// Rejects a change that would have no effect, because the shutdown has begun.
    pub(super) fn reject_if_ending(&self) -> Result<(), Failure> {
        if self.lifecycle.is_ending() {
            return Err(
                Failure::new(StatusCode::CONFLICT).with_detail("the shutdown has begun".to_owned())
            );
        }
        Ok(())
    }

    fn limit_changes(&self) -> Result<(), Failure> {
        if self.changes.count() > MAX_CHANGES {
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS)
                .with_detail(format!("{MAX_CHANGES} changes a second are the limit")));
        }
        Ok(())
    }

    fn answer(&self, status: StatusCode, change: &Change) -> Response {
        view(&self.config.build, status, answer::change(change))
    }
}
