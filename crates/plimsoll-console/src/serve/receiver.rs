//! The receiver of OTLP/HTTP: `/v1/traces`, `/v1/logs` and `/v1/metrics`.
//!
//! It takes no token, since exporters have none, so it only stores.
//! Two bodies at a time are read and decoded, each within limits, so the memory is bounded (CON-5).
//! Errors have the encoding of the request, as OTLP specifies, because exporters log their message.
//! Requests in no encoding of OTLP get a problem document.
//!
//! The host name is checked by the layer of the listener, as for the page.

mod answer;
mod guard;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{self, Body},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
    routing::post,
};
use tokio::{sync::Semaphore, task, time::timeout};

use self::answer::Failure;
use super::problem::Problem;
use crate::ingest::otlp::{
    Encoding,
    collector::{Collector, Outcome},
    gzip::{self, UnpackError},
    response,
};

/// The most bytes of a body.
const MAX_BODY: usize = 8 << 20;

/// The most bytes of a body after it is unpacked.
const MAX_UNPACKED: usize = 32 << 20;

/// The most bodies at a time.
const MAX_BODIES: usize = 2;

/// The time for a body to arrive. Without it, two stopped exporters would keep the receiver busy.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a body describes.
#[derive(Debug, Clone, Copy)]
enum Signal {
    Traces,
    Logs,
}

impl Signal {
    /// The number of rejected items in the response, in JSON.
    const fn rejected(self) -> &'static str {
        match self {
            Self::Traces => "rejectedSpans",
            Self::Logs => "rejectedLogRecords",
        }
    }

    fn store(self, collector: &Collector, body: &[u8], encoding: Encoding) -> Outcome {
        match self {
            Self::Traces => collector.traces(body, encoding),
            Self::Logs => collector.logs(body, encoding),
        }
    }
}

#[derive(Debug)]
struct Receiver {
    collector: Collector,
    bodies: Arc<Semaphore>,
}

/// Returns the routes. `origin` is the one whose pages may send telemetry.
pub(super) fn router(collector: Collector, origin: Option<String>) -> Router {
    let receiver = Arc::new(Receiver {
        collector,
        bodies: Arc::new(Semaphore::new(MAX_BODIES)),
    });
    let route = |signal| {
        post(
            move |State(receiver): State<Arc<Receiver>>, request: Request| async move {
                receiver.receive(signal, request).await
            },
        )
    };
    Router::new()
        .route("/v1/traces", route(Signal::Traces))
        .route("/v1/logs", route(Signal::Logs))
        .route("/v1/metrics", post(metrics))
        .fallback(answer::unknown_path)
        .with_state(receiver)
        .layer(middleware::from_fn(answer::grpc))
        .layer(middleware::from_fn_with_state(
            Arc::new(guard::Origin::new(origin)),
            guard::check,
        ))
}

/// Metrics are read from `/metrics`, so the exporter is asked to send none.
async fn metrics(headers: HeaderMap) -> Response {
    let detail = "the console scrapes /metrics and takes no metrics by OTLP: \
        set OTEL_METRICS_EXPORTER=none";
    match encoding(&headers) {
        Some(encoding) => Failure::new(StatusCode::NOT_FOUND, detail).response(encoding),
        None => Problem::new(StatusCode::NOT_FOUND, detail).into_response(),
    }
}

impl Receiver {
    async fn receive(self: Arc<Self>, signal: Signal, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let Some(encoding) = encoding(&head.headers) else {
            let detail = "the receiver reads application/x-protobuf and application/json: \
                set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf";
            return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response();
        };
        match self.store(signal, encoding, &head.headers, body).await {
            Ok(outcome) => {
                let body = response::accepted(encoding, &outcome.partial, signal.rejected());
                answer::encoded(StatusCode::OK, encoding, body)
            }
            Err(failure) => failure.response(encoding),
        }
    }

    async fn store(
        self: Arc<Self>,
        signal: Signal,
        encoding: Encoding,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Outcome, Failure> {
        let is_packed = is_packed(headers)?;
        let Ok(permit) = Arc::clone(&self.bodies).try_acquire_owned() else {
            return Err(Failure::busy(MAX_BODIES));
        };
        if declared_length(headers).is_some_and(|length| length > MAX_BODY as u64) {
            return Err(Failure::too_large(MAX_BODY));
        }
        let body = timeout(BODY_TIMEOUT, body::to_bytes(body, MAX_BODY)).await;
        let body = body.map_err(|_| Failure::slow(BODY_TIMEOUT))?;
        let body = body.map_err(|error| Failure::of_body(&error, MAX_BODY))?;
        let collector = self.collector.clone();
        // Not on the worker: 32 MiB take a while. It goes on if the client disconnects, with its permit.
        let decoded = task::spawn_blocking(move || {
            let _permit = permit;
            if is_packed {
                let body = gzip::unpack(&body, MAX_UNPACKED)?;
                Ok(signal.store(&collector, &body, encoding))
            } else {
                Ok(signal.store(&collector, &body, encoding))
            }
        });
        let decoded: Result<Outcome, UnpackError> =
            decoded.await.map_err(|_| Failure::internal())?;
        let outcome = decoded.map_err(|error| Failure::of_unpacking(&error))?;
        match outcome.result {
            Ok(()) => Ok(outcome),
            Err(error) => Err(Failure::new(StatusCode::BAD_REQUEST, error.to_string())),
        }
    }
}

/// Returns the encoding of OTLP that a request has.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = content_type.split(';').next()?.trim();
    if essence.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Encoding::Protobuf)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Some(Encoding::Json)
    } else {
        None
    }
}

/// Whether a body is packed with gzip.
fn is_packed(headers: &HeaderMap) -> Result<bool, Failure> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(false);
    };
    let coding = coding.as_bytes();
    if coding.eq_ignore_ascii_case(b"gzip") {
        Ok(true)
    } else if coding.eq_ignore_ascii_case(b"identity") || coding.is_empty() {
        Ok(false)
    } else {
        let detail = "the receiver unpacks gzip alone: set OTEL_EXPORTER_OTLP_COMPRESSION=gzip";
        Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
