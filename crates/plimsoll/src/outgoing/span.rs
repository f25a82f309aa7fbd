//! The CLIENT span of a call, after the stable OpenTelemetry conventions for HTTP clients.
//!
//! The span is built only if the call is recorded. Its name is the method alone, because the paths of
//! another service are not a closed set.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Request, Uri, header};

use super::client::{CallEnd, ClientPeer};
use crate::{
    TraceContext,
    otlp::{AttributeValue, Span, SpanKind, method_name, protocol_version, push_method},
    trace::{SpanContext, SpanId},
};

/// The span of an open call.
#[derive(Debug)]
pub(super) struct CallSpan {
    context: SpanContext,
    parent: Option<SpanId>,
    state: Option<HeaderValue>,
    start: SystemTime,
    name: &'static str,
    attributes: Vec<(&'static str, AttributeValue)>,
}

impl CallSpan {
    /// Writes the span's context into the request, and starts the span if it is recorded.
    pub(super) fn begin<B>(peer: &ClientPeer, request: &mut Request<B>) -> Option<Self> {
        let current = TraceContext::current();
        let parent = current.context();
        let context = peer.tracer.call(parent)?;
        let call = current.at(context);
        call.inject(request.headers_mut());
        context.is_sampled().then(|| Self {
            context,
            parent: parent.map(|parent| parent.span_id),
            state: call.tracestate(),
            start: SystemTime::now(),
            name: method_name(request.method()),
            attributes: attributes(peer, request),
        })
    }

    pub(super) fn end(mut self, peer: &ClientPeer, ended: CallEnd, took: Duration) {
        let has_failed = match ended {
            CallEnd::Response(status, version) => {
                let code = status.as_u16();
                self.attributes.push((
                    "http.response.status_code",
                    AttributeValue::Int(code.into()),
                ));
                self.attributes
                    .push(("network.protocol.version", protocol_version(version)));
                let has_failed = status.is_client_error() || status.is_server_error();
                if has_failed {
                    self.attributes
                        .push(("error.type", AttributeValue::text(status.as_str())));
                }
                has_failed
            }
            CallEnd::Failed(error) => {
                self.attributes
                    .push(("error.type", AttributeValue::fixed(error)));
                true
            }
            // Not a failed span: the caller may have cancelled on purpose.
            CallEnd::Cancelled => {
                self.attributes
                    .push(("error.type", AttributeValue::fixed("cancelled")));
                false
            }
        };
        peer.tracer.submit(|| Span {
            context: self.context,
            parent: self.parent,
            is_parent_remote: false,
            state: self.state,
            link: None,
            name: self.name.into(),
            kind: SpanKind::Client,
            start: self.start,
            took,
            attributes: self.attributes,
            has_failed,
        });
    }
}

fn attributes<B>(peer: &ClientPeer, request: &Request<B>) -> Vec<(&'static str, AttributeValue)> {
    let mut all = Vec::with_capacity(8);
    push_method(&mut all, request.method());
    let uri = request.uri();
    // tonic adds the authority in its channel, after this layer.
    let host = || request.headers().get(header::HOST)?.to_str().ok();
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let (address, port) = address(authority.or_else(host).unwrap_or(&peer.name));
    all.push(("server.address", AttributeValue::text(address)));
    let default = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    if let Some(port) = port.or(default) {
        all.push(("server.port", AttributeValue::Int(port.into())));
    }
    let query = uri.query().map(|query| peer.tracer.redact(query));
    all.push((
        "url.full",
        AttributeValue::text(&full_url(uri, query.as_deref())),
    ));
    all
}

/// Returns host and port of an authority, without its user.
fn address(authority: &str) -> (&str, Option<u16>) {
    let host = authority.rsplit('@').next().unwrap_or(authority);
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

/// Returns the URL without user and password, and with this query.
fn full_url(uri: &Uri, query: Option<&str>) -> String {
    let mut full = String::new();
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
        full.push_str(scheme);
        full.push_str("://");
        match authority.as_str().rsplit_once('@') {
            Some((_, host)) => {
                full.push_str("REDACTED:REDACTED@");
                full.push_str(host);
            }
            None => full.push_str(authority.as_str()),
        }
    }
    full.push_str(uri.path());
    if let Some(query) = query {
        full.push('?');
        full.push_str(query);
    }
    full
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Redaction;

    /// OUT-3
    #[test]
    fn url_hides_user_password_and_secrets() {
        #[track_caller]
        fn check(uri: &str, expected: &str) {
            let uri: Uri = uri.parse().unwrap();
            let redaction = Redaction::new(&[]);
            let query = uri.query().map(|query| redaction.apply(query));
            assert_eq!(full_url(&uri, query.as_deref()), expected);
        }
        check("http://a:1/x", "http://a:1/x");
        check(
            "https://me:pass@a/x?token=1&b=2",
            "https://REDACTED:REDACTED@a/x?token=***&b=2",
        );
        check("/only?a=1", "/only?a=1");
    }

    #[test]
    fn address_is_without_user_and_port() {
        assert_eq!(address("a"), ("a", None));
        assert_eq!(address("me:pass@a:80"), ("a", Some(80)));
        assert_eq!(address("[::1]:80"), ("[::1]", Some(80)));
        assert_eq!(address("[::1]"), ("[::1]", None));
    }
}
