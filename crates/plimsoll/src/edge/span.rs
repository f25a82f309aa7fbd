//! The span of a request, after the stable conventions of OpenTelemetry for HTTP servers.
//!
//! What it needs from the beginning is taken there, and only if the request is recorded; all else
//! is what the access record is made of too, and is put together at the end.

use std::time::Duration;

use http::Request;

use super::{EdgeState, request_guard::RequestGuard};
use crate::{request::RequestSource, trace::RequestTrace};

#[cfg(feature = "otlp")]
impl EdgeState {
    /// Decides whether the request is recorded.
    pub(super) fn begin_trace<B>(&self, request: &Request<B>, way: RequestSource) -> RequestTrace {
        use super::RequestOrigin;
        use crate::request::ForwardedSource;
        use crate::trace::Recording;

        let is_trusted = way.forwarded != ForwardedSource::Nowhere;
        self.tracer.begin(request.headers(), is_trusted, || {
            let origin = RequestOrigin::of(way, request.uri(), request.headers());
            let (scheme, host) = origin.map_or((way.scheme, None), |origin| {
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

    /// Hands over the span of a request that has ended, if it was recorded.
    pub(super) fn end_trace(
        &self,
        account: &RequestGuard,
        status: u16,
        took: Duration,
        aborted: bool,
    ) {
        let (Some(context), Some(recording)) =
            (account.trace.recorded(), account.trace.recording())
        else {
            return;
        };
        let http = &self.registry.http;
        http.exemplify(account.route, &account.method, status, took, context);
        self.tracer
            .submit(|| on::span(self, account, context, recording, status, took, aborted));
    }
}

#[cfg(not(feature = "otlp"))]
impl EdgeState {
    #[expect(clippy::unused_self, reason = "there are no traces in this build")]
    pub(super) fn begin_trace<B>(&self, _: &Request<B>, _: RequestSource) -> RequestTrace {
        RequestTrace::default()
    }

    #[expect(clippy::unused_self, reason = "there are no traces in this build")]
    pub(super) const fn end_trace(&self, _: &RequestGuard, _: u16, _: Duration, _: bool) {}
}

#[cfg(feature = "otlp")]
mod on {
    use std::{borrow::Cow, time::Duration};

    use http::Version;

    use super::{EdgeState, RequestGuard};
    use crate::{
        edge::access_log::MAX_METHOD,
        metrics::method_label,
        otlp::{AttributeValue, Span, SpanKind},
        trace::{Recording, SpanContext},
    };

    /// What every unknown method counts as (MET-4), and what its span is called.
    const OTHER: &str = "_OTHER";
    const OTHER_NAME: &str = "HTTP";

    pub(super) fn span(
        shared: &EdgeState,
        account: &RequestGuard,
        context: SpanContext,
        recording: &Recording,
        status: u16,
        took: Duration,
        aborted: bool,
    ) -> Span {
        let method = method_label(&account.method);
        let name = if method == OTHER { OTHER_NAME } else { method };
        // Route 0 is what no route matched.
        let route = (account.route != 0).then(|| shared.registry.http.pattern(account.route));
        Span {
            context,
            parent: recording.parent,
            is_parent_remote: recording.parent.is_some(),
            state: account.trace.state().cloned(),
            link: recording.link.clone(),
            name: match route {
                Some(route) => format!("{name} {route}").into(),
                None => name.into(),
            },
            kind: SpanKind::Server,
            start: recording.start,
            took,
            attributes: attributes(account, recording, method, route, status, aborted),
            has_failed: status >= 500,
        }
    }

    fn attributes(
        account: &RequestGuard,
        recording: &Recording,
        method: &'static str,
        route: Option<&str>,
        status: u16,
        aborted: bool,
    ) -> Vec<(&'static str, AttributeValue)> {
        let fixed = |text: &'static str| AttributeValue::Text(Cow::Borrowed(text));
        let mut all = Vec::with_capacity(16);
        all.push(("http.request.method", fixed(method)));
        if method == OTHER {
            let sent = account.method.as_str();
            // A method is ASCII.
            let cut = sent.get(..MAX_METHOD).unwrap_or(sent);
            all.push(("http.request.method_original", AttributeValue::text(cut)));
        }
        all.push(("url.scheme", fixed(recording.scheme)));
        all.push(("url.path", AttributeValue::text(account.uri.path())));
        if let Some(query) = account.uri.query() {
            all.push((
                "url.query",
                AttributeValue::text(&account.shared.tracer.redact(query)),
            ));
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
        if let Some(ip) = account.client_ip {
            all.push(("client.address", AttributeValue::text(&ip.to_string())));
        }
        if let Some(agent) = &account.user_agent {
            all.push((
                "user_agent.original",
                AttributeValue::bytes(agent.as_bytes()),
            ));
        }
        let version = match account.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        all.push(("network.protocol.version", fixed(version)));
        if status >= 500 {
            all.push(("error.type", AttributeValue::text(&status.to_string())));
        } else if aborted {
            // No failure of the service's, and yet no whole answer.
            all.push(("error.type", fixed("aborted")));
        }
        all
    }
}
