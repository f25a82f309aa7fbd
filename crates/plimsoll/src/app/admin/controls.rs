//! The operator controls: the paths below `/admin`, and what they need (contract ADM-6 to ADM-18).

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    answer::{self, Failure, view},
    client::{self, Authorisation},
    config_view, levels, routes_view, runtime_view, views,
};
use crate::{
    check::Checks,
    config::{Config, ConfigReport, Level},
    control::{Apply, Change, ChangeRequest, Ledger, Subject},
    edge::control_label,
    lifecycle::{Heartbeats, Lifecycle, Readiness},
    metrics::{AdminAction, Cause as _, Denial, Registry},
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
}

/// Counts events of the current second.
#[derive(Debug, Default)]
pub(super) struct SecondLimit(Mutex<Option<(Instant, u32)>>);

impl SecondLimit {
    /// Counts an event. Returns its number in its second, and whether it begins one.
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

/// A path of the controls, for the index.
struct ControlPath {
    path: &'static str,
    methods: &'static str,
    meaning: &'static str,
    route: fn() -> MethodRouter<Arc<Controls>>,
}

/// Returns the paths below `/admin`.
fn paths() -> [ControlPath; 11] {
    [
        ControlPath {
            path: "/admin",
            methods: "GET",
            meaning: "this index",
            route: || get(index),
        },
        ControlPath {
            path: "/admin/changes",
            methods: "GET",
            meaning: "changes in force, and the last 64 past ones",
            route: || get(views::changes),
        },
        ControlPath {
            path: "/admin/checks",
            methods: "GET",
            meaning: "health checks, their results and last changes",
            route: || get(views::checks),
        },
        ControlPath {
            path: "/admin/checks/{name}",
            methods: "PUT policy=observe, DELETE",
            meaning: "removes the hold of a check on readiness, for 1h by default",
            route: || axum::routing::put(views::lift_check).delete(views::restore_check),
        },
        ControlPath {
            path: "/admin/config",
            methods: "GET",
            meaning: "settings in force, with their origins",
            route: || get(config_view::show),
        },
        ControlPath {
            path: "/admin/drain",
            methods: "POST",
            meaning: "begins a graceful shutdown, as SIGTERM does",
            route: || post(views::drain),
        },
        ControlPath {
            path: "/admin/loglevel",
            methods: "GET, PUT level=…, DELETE",
            meaning: "levels in the format of LOG_LEVEL, for 10m by default",
            route: || get(levels::show).put(levels::set).delete(levels::reset),
        },
        ControlPath {
            path: "/admin/loglevel/request",
            methods: "GET, PUT id=… level=…, DELETE",
            meaning: "levels of the requests with an id, for 10m by default",
            route: || {
                get(levels::show_requests)
                    .put(levels::set_request)
                    .delete(levels::reset_requests)
            },
        },
        ControlPath {
            path: "/admin/readiness",
            methods: "GET, PUT ready=false, DELETE",
            meaning: "takes the instance out of rotation, for 30m by default",
            route: || {
                get(views::readiness)
                    .put(views::hold_readiness)
                    .delete(views::release_readiness)
            },
        },
        ControlPath {
            path: "/admin/routes",
            methods: "GET",
            meaning: "requests and latencies of each route, the most requested first",
            route: || get(routes_view::show),
        },
        ControlPath {
            path: "/admin/runtime",
            methods: "GET",
            meaning: "workers, threads, memory, control group and open files",
            route: || get(runtime_view::show),
        },
    ]
}

/// Returns the routes of the controls.
pub(super) fn router(controls: Arc<Controls>) -> Router {
    let routes = paths().iter().fold(Router::new(), |router, path| {
        router.route(path.path, (path.route)())
    });
    let guarded = middleware::from_fn_with_state(Arc::clone(&controls), guard);
    routes.with_state(controls).layer(guarded)
}

/// Rejects clients without authorisation. No response is stored.
async fn guard(
    State(controls): State<Arc<Controls>>,
    mut request: Request,
    next: Next,
) -> Response {
    if control_label(request.uri().path()).is_none() {
        // Paths beside the controls are 404, as without them.
        return next.run(request).await;
    }
    let checked = controls
        .authorisation
        .check(request.headers(), request.extensions());
    let mut response = match checked {
        Ok(client) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err(denial) => controls.deny(denial).into_response(),
    };
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

async fn index(State(controls): State<Arc<Controls>>) -> Response {
    let paths = paths();
    let paths = paths
        .iter()
        .map(|path| json!({"path": path.path, "methods": path.methods, "meaning": path.meaning}));
    controls.view(json!({"paths": paths.collect::<Vec<_>>()}))
}

impl Controls {
    /// Counts a denial. At most one a second is logged.
    fn deny(&self, denial: Denial) -> Failure {
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
        let ttl = request.ttl;
        let change = self.ledger.begin(request, apply);
        if let Some(ttl) = ttl {
            let (ledger, id) = (self.ledger.clone(), change.id);
            let subject = change.request.subject.clone();
            tokio::spawn(async move {
                sleep(ttl).await;
                ledger.expire(&subject, id);
            });
        }
        Ok(self.answer(StatusCode::OK, &change))
    }

    /// Ends all changes of an action.
    pub(super) fn end_all(&self, action: AdminAction) -> Result<Response, Failure> {
        self.limit_changes()?;
        self.ledger.delete_all(action);
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Ends the change of a subject that is in force.
    pub(super) fn end_change(&self, subject: &Subject) -> Result<Response, Failure> {
        self.limit_changes()?;
        if !self.ledger.delete(subject) {
            return Err(Failure::new(StatusCode::NOT_FOUND)
                .with_detail("no such change is in force".to_owned()));
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Records a final change. Returns the response.
    pub(super) fn record_final(&self, request: ChangeRequest) -> Result<Response, Failure> {
        self.limit_changes()?;
        let change = self.ledger.record_final(request);
        Ok(self.answer(StatusCode::ACCEPTED, &change))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::CONTROL_PATHS;

    #[test]
    fn every_control_has_a_label() {
        let paths = paths().map(|path| path.path);
        assert_eq!(paths, CONTROL_PATHS);
    }
}
