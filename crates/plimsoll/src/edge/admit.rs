//! The admission of a request: every check and every decision before its handler runs.

use std::sync::{Arc, atomic::Ordering};

use axum::{body::Body, extract::MatchedPath};
use bytes::Bytes;
use http::{Request, Version};
use tokio::time::Instant;

use super::{
    client_ip::{CheckedPeer, ResolvedClient},
    control_path::control_label,
    head_fields::HeadFields,
    probes::EndpointSet,
    problem::Problem,
    request_guard::RequestGuard,
    request_id,
    response::ResponseFuture,
    route::Routes,
    state::EdgeConnection,
    strict::asks_for_websocket,
};
use crate::request::{BeganAt, RequestSource, Scheme};

/// The paths that a listener of the chassis's own server answers.
#[derive(Clone, Copy)]
pub(super) struct ServerPaths<'a> {
    /// The probes and metrics of the listener.
    pub(super) endpoints: &'a EndpointSet,
    /// The application's routes, which answer all other paths.
    pub(super) routes: &'a Routes,
    /// Whether the routes are operator controls, which need no slot.
    pub(super) has_controls: bool,
}

/// Admits or rejects a request. From the guard on, the request is counted and logged.
///
/// `paths` are present if the request came over a connection of the chassis's own server. Only
/// then does the edge check the head and answer probes; behind an [`EdgeLayer`](super::EdgeLayer) the other server
/// does.
pub(super) fn admit<S, B>(
    shared: &Arc<EdgeConnection>,
    mut request: Request<B>,
    peer: CheckedPeer,
    scheme: Scheme,
    paths: Option<ServerPaths<'_>>,
    call: impl FnOnce(Request<Body>) -> S,
) -> ResponseFuture<S>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let started = Instant::now();
    let state = &shared.state;
    let assigned = request_id::assign(request.headers_mut());
    let ResolvedClient {
        client_ip,
        source: forwarded,
    } = state.client_ip.resolve(peer, request.headers());
    let source = RequestSource { scheme, forwarded };

    let fields = HeadFields::of(request.headers());
    let mut guard = RequestGuard::begin(
        Arc::clone(shared),
        started,
        assigned,
        client_ip,
        &request,
        &fields,
    );
    guard.trace = state.spans.begin(&request, source);

    if let Some(ServerPaths {
        endpoints,
        routes,
        has_controls,
    }) = paths
    {
        if let Err(problem) = guard.check_head(&request, &fields) {
            return ResponseFuture::answered(guard, Err(problem));
        }
        if let Some(probe) = state.probes.find(request.uri().path(), endpoints) {
            guard.mark_probe(probe.route);
            let answer = state.probes.answer(probe, &request);
            return ResponseFuture::answered(guard, answer);
        }
        if guard.is_on_reserve() {
            return shed(guard, Some(routes));
        }
        if has_controls && let Some(label) = control_label(request.uri().path()) {
            guard.mark_control(label);
        }
    }
    if state.lifecycle.is_ending() && asks_for_websocket(&request) {
        // The drain would close the WebSocket at once.
        return ResponseFuture::answered(guard, Err(Problem::overloaded()));
    }
    // A layer runs after the match of the router around it; the chassis's server runs before.
    if paths.is_none()
        && let Some(matched) = request.extensions().get::<MatchedPath>()
    {
        guard.route = state.registry.http.route(matched.as_str());
    }
    let queued = match (guard.version, paths) {
        _ if guard.is_control() => None,
        (Version::HTTP_2, Some(paths)) => Some(paths.routes.clone()),
        _ => match state.admission.acquire() {
            Some(slot) => {
                guard.mark_in_flight(slot);
                None
            }
            None => return shed(guard, paths.map(|paths| paths.routes)),
        },
    };

    let began = BeganAt::new(started);
    guard.list(began);
    guard.debug_records = state.log.begin_debug_records();
    let limits = state.body_limits(request.body());
    let context = guard.context(began, source, limits.clone());
    let request = state.limit_body(request, limits);
    let timeout = state.request_timeout;
    ResponseFuture::handling(guard, context, timeout, queued, || call(request))
}

/// Takes a slot for a request over HTTP/2, at the first poll of its stream.
///
/// One read may bring a hundred requests, and their worker polls one after the other. Until then they
/// do no work, so they hold no slot that another request needs.
pub(super) fn admit_queued(guard: &mut RequestGuard, routes: &Routes) -> Result<(), Problem> {
    match guard.state().admission.acquire() {
        Some(slot) => {
            guard.mark_in_flight(slot);
            Ok(())
        }
        None => Err(count_shed(guard, Some(routes))),
    }
}

/// Rejects a request with 503 because the service is overloaded.
fn shed<F>(mut guard: Box<RequestGuard>, routes: Option<&Routes>) -> ResponseFuture<F> {
    let problem = count_shed(&mut guard, routes);
    ResponseFuture::answered(guard, Err(problem))
}

/// Counts a request as shed and returns its answer.
fn count_shed(guard: &mut RequestGuard, routes: Option<&Routes>) -> Problem {
    if let Some(routes) = routes {
        guard.route = routes.find(&guard.method, &guard.uri);
    }
    guard.state().registry.shed.fetch_add(1, Ordering::Relaxed);
    Problem::overloaded()
}
