//! The chassis's own paths: probes, metrics and `/info`, answered before the router.
//!
//! A probe takes no slot, no deadline and no lock that a handler could hold, so it is answered while
//! handlers wait. A handler that blocks its thread delays the probes on that worker's connections.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};

use super::{admission::Admission, problem::Problem};
use crate::{
    build_info::BuildInfo,
    config::Level,
    lifecycle::{Heartbeats, Lifecycle, LifecycleState},
    metrics::{Gauges, Registry, RouteId, TextFormat},
    otlp::Tracer,
    telemetry::{Log, count_hooked_panics, json_string},
};

/// What a path of the chassis reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeKind {
    Alive,
    Ready,
    Started,
    Metrics,
    /// The build of the service.
    Info,
}

/// A path of the chassis.
struct Probe {
    /// Compared byte for byte. It is also the path label in the metrics.
    path: &'static str,
    kind: ProbeKind,
    /// Present if an application may have a route at this path.
    alias: Option<ProbeAlias>,
}

/// All paths of the chassis.
const PROBES: [Probe; 8] = [
    Probe::reserved("/health", ProbeKind::Alive),
    Probe::reserved("/ready", ProbeKind::Ready),
    Probe::reserved("/metrics", ProbeKind::Metrics),
    Probe::reserved("/info", ProbeKind::Info),
    Probe::alias("/livez", ProbeKind::Alive, ProbeAlias::Livez),
    Probe::alias("/readyz", ProbeKind::Ready, ProbeAlias::Readyz),
    Probe::alias("/healthz", ProbeKind::Alive, ProbeAlias::Healthz),
    Probe::alias("/startupz", ProbeKind::Started, ProbeAlias::Startupz),
];

impl Probe {
    const fn reserved(path: &'static str, kind: ProbeKind) -> Self {
        Self {
            path,
            kind,
            alias: None,
        }
    }

    const fn alias(path: &'static str, kind: ProbeKind, alias: ProbeAlias) -> Self {
        Self {
            path,
            kind,
            alias: Some(alias),
        }
    }
}

/// A second path of a probe, which an application may use for a route of its own.
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
    /// `/startupz`, which answers 200 as soon as the start is complete.
    Startupz,
}

/// A set of paths of the chassis: those that a listener answers and that no route may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndpointSet([bool; PROBES.len()]);

impl EndpointSet {
    pub(crate) const ALL: Self = Self([true; PROBES.len()]);
    pub(crate) const NONE: Self = Self([false; PROBES.len()]);

    /// Removes an alias from the set.
    pub(crate) fn without(mut self, alias: ProbeAlias) -> Self {
        for (probe, is_in) in PROBES.iter().zip(&mut self.0) {
            *is_in &= probe.alias != Some(alias);
        }
        self
    }

    /// Adds `/info` to the set, or removes it.
    pub(crate) fn with_info(mut self, is_in: bool) -> Self {
        for (probe, included) in PROBES.iter().zip(&mut self.0) {
            if probe.kind == ProbeKind::Info {
                *included = is_in;
            }
        }
        self
    }

    /// Removes everything but `/info`.
    pub(crate) fn info_only(mut self) -> Self {
        for (probe, is_in) in PROBES.iter().zip(&mut self.0) {
            *is_in &= probe.kind == ProbeKind::Info;
        }
        self
    }

    pub(crate) fn paths(self) -> impl Iterator<Item = &'static str> {
        PROBES
            .iter()
            .zip(self.0)
            .filter_map(|(probe, is_in)| is_in.then_some(probe.path))
    }
}

/// Answers the paths of the chassis.
#[derive(Debug)]
pub(super) struct Probes {
    routes: [RouteId; PROBES.len()],
    registry: Arc<Registry>,
    lifecycle: Arc<Lifecycle>,
    log: Log,
    heartbeats: Arc<Heartbeats>,
    /// If all workers are stalled for longer, the process counts as dead.
    stall_limit: Duration,
    admission: Arc<Admission>,
    tracer: Tracer,
    /// The content of `/info`.
    info: Bytes,
}

/// The path of the chassis that a request is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchedProbe {
    kind: ProbeKind,
    pub(super) route: RouteId,
}

impl Probes {
    pub(super) fn new(
        registry: Arc<Registry>,
        lifecycle: Arc<Lifecycle>,
        log: Log,
        heartbeats: Arc<Heartbeats>,
        stall_limit: Duration,
        admission: Arc<Admission>,
        tracer: Tracer,
    ) -> Self {
        Self {
            routes: PROBES.map(|probe| registry.http.route(probe.path)),
            info: info(registry.build()),
            registry,
            lifecycle,
            log,
            heartbeats,
            stall_limit,
            admission,
            tracer,
        }
    }

    /// Finds the probe of a path, if it is in `among`.
    pub(super) fn find(&self, path: &str, among: &EndpointSet) -> Option<MatchedProbe> {
        let index = PROBES.iter().position(|probe| probe.path == path)?;
        among.0[index].then_some(MatchedProbe {
            kind: PROBES[index].kind,
            route: self.routes[index],
        })
    }

    /// Answers a probe or a scrape.
    pub(super) fn answer<B>(
        &self,
        probe: MatchedProbe,
        request: &Request<B>,
    ) -> Result<Response, Problem> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED).allowing("GET,HEAD"));
        }
        let is_ok = match probe.kind {
            // A worker that answers is alive; on the admin listener only the heartbeats show it.
            // Dependencies of the service are never checked.
            ProbeKind::Alive => !self.heartbeats.all_stalled(self.stall_limit),
            ProbeKind::Started => self.lifecycle.state() != LifecycleState::Starting,
            ProbeKind::Ready => self.lifecycle.state() == LifecycleState::Ready,
            ProbeKind::Metrics => {
                let format = TextFormat::negotiate(request.headers());
                let metrics = self.render_metrics(format);
                return Ok(text(format.content_type(), metrics));
            }
            ProbeKind::Info => return Ok(text("application/json", self.info.clone())),
        };
        if is_ok {
            Ok(text("text/plain; charset=utf-8", "ok\n"))
        } else {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE))
        }
    }

    /// Renders all metrics, with the gauges that other parts hold.
    pub(super) fn render_metrics(&self, format: TextFormat) -> String {
        let gauges = Gauges {
            log: self.log.totals(),
            states: self.lifecycle.states(),
            held_by: self.lifecycle.held_by(),
            hooked_panics: count_hooked_panics(),
            heartbeat_ages: self.heartbeats.ages().collect(),
            slots: self.admission.slots(),
            spans: self.tracer.totals(),
        };
        self.registry.render(format, &gauges, &|error| {
            self.log
                .infra(Level::Warning, "metrics_exposition_dropped", |record| {
                    record.str("error", &error.to_string());
                });
        })
    }
}

/// Returns `{"service":…,"version":…,"buildTime":…}`, and the values of the build that are present
/// (contract HTTP-11).
fn info(build: &BuildInfo) -> Bytes {
    let mut info = Vec::new();
    for (name, value) in [
        ("{\"service\":", Some(build.service())),
        (",\"version\":", Some(build.version())),
        (",\"buildTime\":", Some(build.build_time())),
        (",\"revision\":", build.revision()),
        (",\"rustcVersion\":", build.rustc_version()),
    ] {
        if let Some(value) = value {
            info.extend_from_slice(name.as_bytes());
            json_string(&mut info, value, usize::MAX);
        }
    }
    info.push(b'}');
    info.into()
}

fn text(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
