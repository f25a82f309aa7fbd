//! The chassis's own paths: probes and metrics, answered before the router is asked.
//!
//! They take no slot, no deadline and no lock that a handler could hold, so that they answer when
//! handlers wait. A handler that blocks its thread holds them up on that worker's connections.

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, Request, StatusCode, header};

use super::{EdgeState, problem::Problem};
use crate::{
    config::Level,
    lifecycle::LifecycleState,
    metrics::{Gauges, HttpMetrics, RouteId, TextFormat},
    telemetry::count_hooked_panics,
};

/// What a path of the chassis answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeKind {
    Alive,
    Ready,
    Started,
    Metrics,
}

/// All paths: each is matched to the letter, and is its own label in the metrics.
const PATHS: [&str; 7] = [
    "/health",
    "/ready",
    "/metrics",
    "/livez",
    "/readyz",
    "/healthz",
    "/startupz",
];

const QUESTIONS: [ProbeKind; 7] = [
    ProbeKind::Alive,
    ProbeKind::Ready,
    ProbeKind::Metrics,
    ProbeKind::Alive,
    ProbeKind::Ready,
    ProbeKind::Alive,
    ProbeKind::Started,
];

/// A second name of a probe, which an application may have a route for.
///
/// See [`App::release_alias`](crate::App::release_alias).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAlias {
    /// `/livez`, which answers like `/health`.
    Livez,
    /// `/readyz`, which answers like `/ready`.
    Readyz,
    /// `/healthz`, which answers like `/health`.
    Healthz,
    /// `/startupz`, which answers 200 from the end of the start on.
    Startupz,
}

impl ProbeAlias {
    /// Its place in [`PATHS`].
    const fn index(self) -> usize {
        match self {
            Self::Livez => 3,
            Self::Readyz => 4,
            Self::Healthz => 5,
            Self::Startupz => 6,
        }
    }
}

/// Paths of the chassis: those that a listener answers, and that no route may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndpointSet([bool; PATHS.len()]);

impl EndpointSet {
    pub(crate) const ALL: Self = Self([true; PATHS.len()]);
    pub(crate) const NONE: Self = Self([false; PATHS.len()]);

    pub(crate) const fn without(mut self, alias: ProbeAlias) -> Self {
        self.0[alias.index()] = false;
        self
    }

    pub(crate) fn paths(self) -> impl Iterator<Item = &'static str> {
        PATHS
            .into_iter()
            .zip(self.0)
            .filter_map(|(path, is_in)| is_in.then_some(path))
    }
}

/// The routes of the chassis.
#[derive(Debug)]
pub(super) struct Endpoints {
    routes: [RouteId; PATHS.len()],
}

/// One that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchedEndpoint {
    question: ProbeKind,
    pub(super) route: RouteId,
}

impl Endpoints {
    pub(super) fn new(metrics: &HttpMetrics) -> Self {
        Self {
            routes: PATHS.map(|path| metrics.route(path)),
        }
    }

    pub(super) fn find(&self, path: &str, among: &EndpointSet) -> Option<MatchedEndpoint> {
        let index = PATHS.iter().position(|known| *known == path)?;
        among.0[index].then_some(MatchedEndpoint {
            question: QUESTIONS[index],
            route: self.routes[index],
        })
    }
}

impl EdgeState {
    /// Answers a probe or a scrape.
    pub(super) fn answer_probe<B>(
        &self,
        endpoint: MatchedEndpoint,
        request: &Request<B>,
    ) -> Result<Response, Problem> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED).allowing("GET,HEAD"));
        }
        match endpoint.question {
            // Asked over a worker, an answer is proof; elsewhere the pulse tells. Nothing that the
            // service depends on is ever asked.
            ProbeKind::Alive if self.pulse.all_stalled(self.stall_limit) => {
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE))
            }
            ProbeKind::Started if self.lifecycle.state() == LifecycleState::Starting => {
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE))
            }
            ProbeKind::Alive | ProbeKind::Started => Ok(text("text/plain; charset=utf-8", "ok\n")),
            ProbeKind::Ready if self.lifecycle.state() == LifecycleState::Ready => {
                Ok(text("text/plain; charset=utf-8", "ok\n"))
            }
            ProbeKind::Ready => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE)),
            ProbeKind::Metrics => {
                let exposition = TextFormat::negotiate(request.headers());
                Ok(text(
                    exposition.content_type(),
                    self.render_metrics(exposition),
                ))
            }
        }
    }

    pub(super) fn render_metrics(&self, exposition: TextFormat) -> String {
        let gauges = Gauges {
            log: self.log.totals(),
            states: self.lifecycle.states(),
            hooked_panics: count_hooked_panics(),
            silences: self.pulse.ages().collect(),
            slots: self.admission.slots(),
            spans: self.tracer.totals(),
        };
        self.registry.render(exposition, &gauges, &|error| {
            self.log
                .infra(Level::Warning, "metrics_exposition_dropped", |record| {
                    record.str("error", &error.to_string());
                });
        })
    }
}

fn text(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
