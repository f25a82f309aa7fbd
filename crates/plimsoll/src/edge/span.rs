//! The span of a request, by OpenTelemetry's stable conventions for HTTP servers.
//!
//! If the request is recorded, the data that exists only at its beginning is copied there. The rest
//! is the data of the access record, so the span is built at the end.

use std::{sync::Arc, time::Duration};

use http::Request;

use super::{origin::RequestOrigin, request_guard::RequestGuard};
use crate::{
    metrics::Registry,
    otlp::{AttributeValue, Span, SpanKind, Tracer, method_name, protocol_version, push_method},
    request::{ForwardedSource, RequestSource},
    trace::{Recording, RequestTrace, SpanContext},
};

/// Records the spans of requests.
#[derive(Debug)]
pub(super) struct RequestSpans {
    tracer: Tracer,
    registry: Arc<Registry>,
}

impl RequestSpans {
    pub(super) fn new(tracer: Tracer, registry: Arc<Registry>) -> Self {
        Self { tracer, registry }
    }

    /// Decides whether the request is recorded.
    pub(super) fn begin<B>(&self, request: &Request<B>, source: RequestSource) -> RequestTrace {
        let is_trusted = source.forwarded != ForwardedSource::Nowhere;
        self.tracer.begin(request.headers(), is_trusted, || {
            let origin = RequestOrigin::of(source, request.uri(), request.headers());
            let (scheme, host) = origin.map_or((source.scheme, None), |origin| {
                (origin.scheme(), origin.host().cloned())
            });
            Recording {
                start: std::time::SystemTime::now(),
                parent: None,
                link: None,
                scheme: scheme.as_str(),
                host,
            }
        })
    }

    /// Queues the span of a request that has ended, if it was recorded.
    pub(super) fn end(&self, guard: &RequestGuard, status: u16, took: Duration, aborted: bool) {
        let (Some(context), Some(recording)) = (guard.trace.recorded(), guard.trace.recording())
        else {
            return;
        };
        let http = &self.registry.http;
        http.exemplify(guard.route, &guard.method, status, took, context);
        self.tracer
            .submit(|| self.span(guard, context, recording, status, took, aborted));
    }

    fn span(
        &self,
        guard: &RequestGuard,
        context: SpanContext,
        recording: &Recording,
        status: u16,
        took: Duration,
        aborted: bool,
    ) -> Span {
        let name = method_name(&guard.method);
        // Route 0 stands for requests that no route matched.
        let route = (guard.route != 0).then(|| self.registry.http.pattern(guard.route));
        Span {
            context,
            parent: recording.parent,
            is_parent_remote: recording.parent.is_some(),
            state: guard.trace.state().cloned(),
            link: recording.link.clone(),
            name: match route {
                Some(route) => format!("{name} {route}").into(),
                None => name.into(),
            },
            kind: SpanKind::Server,
            start: recording.start,
            took,
            attributes: self.attributes(guard, recording, route, status, aborted),
            has_failed: status >= 500,
        }
    }

    fn attributes(
        &self,
        guard: &RequestGuard,
        recording: &Recording,
        route: Option<&str>,
        status: u16,
        aborted: bool,
    ) -> Vec<(&'static str, AttributeValue)> {
        let mut all = Vec::with_capacity(16);
        push_method(&mut all, &guard.method);
        all.push(("url.scheme", AttributeValue::fixed(recording.scheme)));
        all.push(("url.path", AttributeValue::text(guard.uri.path())));
        if let Some(query) = guard.uri.query() {
            let query = self.tracer.redact(query);
            all.push(("url.query", AttributeValue::text(&query)));
        }
        if let Some(route) = route {
            all.push(("http.route", AttributeValue::text(route)));
        }
        all.push((
            "http.response.status_code",
            AttributeValue::Int(status.into()),
        ));
        if let Some(host) = &recording.host {
            all.push(("server.address", AttributeValue::text(host.host())));
            let default = if recording.scheme == "https" { 443 } else { 80 };
            let port = host.port_u16().unwrap_or(default);
            all.push(("server.port", AttributeValue::Int(port.into())));
        }
        if let Some(ip) = guard.client_ip {
            all.push(("client.address", AttributeValue::text(&ip.to_string())));
        }
        if let Some(agent) = &guard.user_agent {
            all.push((
                "user_agent.original",
                AttributeValue::bytes(agent.as_bytes()),
            ));
        }
        let version = protocol_version(guard.version);
        all.push(("network.protocol.version", version));
        if status >= 500 {
            all.push(("error.type", AttributeValue::text(&status.to_string())));
        } else if aborted {
            // The service has not failed, but the response is incomplete.
            all.push(("error.type", AttributeValue::fixed("aborted")));
        }
        all
    }
}
