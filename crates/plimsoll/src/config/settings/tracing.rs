//! The settings of traces, under the names of OpenTelemetry.
//!
//! Two rules are stricter than the specification. An invalid value ends the start, as for any other
//! setting. Without an endpoint no span is sent, so there is no default endpoint.
//! Times are whole milliseconds, as these variables have them in all implementations.

mod value;

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, Uri};

use self::value::{
    CollectorUrl, EXPORTERS, Headers, Pairs, SamplerKind, exporters, millis, ratio, sampler_kind,
};
use crate::config::{
    reader::{Invalid, Reader},
    value::{LABEL, label, within},
};

/// The defaults of OpenTelemetry. The times are in milliseconds.
const DEFAULT_TIMEOUT: &str = "10000";
const DEFAULT_DELAY: &str = "5000";
const DEFAULT_QUEUE: &str = "2048";
const DEFAULT_BATCH: &str = "512";
/// Spans in memory, each of a few kilobytes at most.
const MAX_QUEUE: usize = 1_000_000;

const MILLIS: &str = "whole milliseconds from 1 to 86400000";

/// Destination, sampling and batching of spans.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    /// `http` or `https`, with an authority and a path.
    pub(crate) endpoint: Uri,
    /// Headers for the collector, all marked as sensitive.
    pub(crate) headers: HeaderMap,
    /// The authorities that verify the collector over TLS. `None` is those of the system.
    pub(crate) authorities: Option<PathBuf>,
    /// Time for one batch, retries included.
    pub(crate) timeout: Duration,
    pub(crate) service_name: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) sampler: Sampler,
    /// The longest time that a span waits for others.
    pub(crate) delay: Duration,
    /// The most spans that wait to be sent.
    pub(crate) queue: usize,
    /// The most spans in one batch, at most `queue`.
    pub(crate) batch: usize,
}

/// Selects the requests that are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// Whether the decision of a trusted caller applies to its requests.
    pub(crate) parent_based: bool,
    /// The part of all other requests that is recorded, from 0 to 1.
    pub(crate) ratio: f64,
}

/// The collector, and how spans are sent to it.
struct CollectorSettings {
    /// The host is missing if no endpoint is set.
    endpoint: Uri,
    headers: HeaderMap,
    authorities: Option<PathBuf>,
    timeout: Duration,
}

/// The attributes of the process in all its spans.
struct ResourceSettings {
    service_name: Option<String>,
    attributes: Vec<(String, String)>,
}

/// Sampling, and whether traces are on at all.
struct Sampling {
    is_on: bool,
    sampler: Sampler,
}

struct Batching {
    delay: Duration,
    queue: usize,
    batch: usize,
}

/// Reads all settings of traces. `None` without an endpoint, or if traces are switched off.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Option<Traces>, Invalid> {
    let collector = collector(from);
    let resource = resource(from);
    let sampling = sampling(from);
    let batching = batching(from);

    let CollectorSettings {
        endpoint,
        headers,
        authorities,
        timeout,
    } = collector?;
    let ResourceSettings {
        service_name,
        attributes,
    } = resource?;
    let Sampling { is_on, sampler } = sampling?;
    let Batching {
        delay,
        queue,
        batch,
    } = batching?;
    let has_endpoint = endpoint.host().is_some();
    Ok((is_on && has_endpoint).then_some(Traces {
        endpoint,
        headers,
        authorities,
        timeout,
        service_name,
        attributes,
        sampler,
        delay,
        queue,
        batch,
    }))
}

fn collector(from: &mut Reader<'_>) -> Result<CollectorSettings, Invalid> {
    let endpoint = from
        .setting(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Collector that spans are sent to, over HTTP; `/v1/traces` is appended. No traces if \
             unset.",
        )
        .read_optional::<CollectorUrl>();
    let traces_endpoint = from
        .setting(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "URL for traces, used unchanged. It wins over `OTEL_EXPORTER_OTLP_ENDPOINT`.",
        )
        .example("http://localhost:4318/v1/traces")
        .read_optional::<CollectorUrl>();
    let headers = from
        .setting(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Headers for the collector, such as a key.",
        )
        .read_optional::<Headers>();
    let traces_headers = from
        .setting(
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "Headers for traces. They replace `OTEL_EXPORTER_OTLP_HEADERS`.",
        )
        .read_optional::<Headers>();
    let authorities = from
        .setting(
            "SSL_CERT_FILE",
            "Authorities that verify a collector over `https`, in PEM; those of the system if \
             unset.",
        )
        .example("/etc/ssl/certs/ca-certificates.crt")
        .read_optional::<PathBuf>();
    let timeout = from
        .setting(
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "Time for a batch of spans, retries included, in milliseconds.",
        )
        .default(DEFAULT_TIMEOUT)
        .read_with(MILLIS, millis);
    from.ignore(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "spans are sent as http/protobuf here",
    );
    let (endpoint, traces_endpoint) = (endpoint?, traces_endpoint?);
    let (headers, traces_headers) = (headers?, traces_headers?);
    Ok(CollectorSettings {
        endpoint: match (traces_endpoint, endpoint) {
            (Some(traces), _) => traces.0,
            (None, Some(base)) => base.for_traces(),
            (None, None) => Uri::default(),
        },
        headers: traces_headers
            .or(headers)
            .map(|it| it.0)
            .unwrap_or_default(),
        authorities: authorities?,
        timeout: timeout?,
    })
}

fn resource(from: &mut Reader<'_>) -> Result<ResourceSettings, Invalid> {
    let service_name = from
        .setting(
            "OTEL_SERVICE_NAME",
            "Name of the service in traces; `SERVICE_NAME` if unset.",
        )
        .example("rust-axum-app")
        .read_optional_with(LABEL, label);
    let attributes = from
        .setting(
            "OTEL_RESOURCE_ATTRIBUTES",
            "Attributes of this process in its traces.",
        )
        .read_optional::<Pairs>();
    Ok(ResourceSettings {
        service_name: service_name?,
        attributes: attributes?.map(|it| it.0).unwrap_or_default(),
    })
}

fn sampling(from: &mut Reader<'_>) -> Result<Sampling, Invalid> {
    let exporters = from
        .setting(
            "OTEL_TRACES_EXPORTER",
            "Without `otlp` in it, as with `none`, traces are off.",
        )
        .default("otlp")
        .read_with(EXPORTERS, exporters);
    if exporters.is_ok_and(|it| it.others) {
        from.note(
            "OTEL_TRACES_EXPORTER",
            "exporters other than otlp have no effect here",
        );
    }
    let sampler = from
        .setting(
            "OTEL_TRACES_SAMPLER",
            "Requests that are recorded. With `parentbased_`, the decision of a trusted caller wins.",
        )
        .default("parentbased_always_on")
        .example("parentbased_traceidratio")
        .read_with(
            "always_on, always_off or traceidratio, or one of these behind parentbased_",
            sampler_kind,
        );
    let ratio = from
        .setting(
            "OTEL_TRACES_SAMPLER_ARG",
            "Part of the requests that `traceidratio` records; all if unset.",
        )
        .example("0.1")
        .read_optional_with("a number from 0 to 1", ratio);
    let is_disabled = from
        .setting("OTEL_SDK_DISABLED", "`true` switches traces off.")
        .default("false")
        .read::<bool>();
    let ((kind, parent_based), ratio) = (sampler?, ratio?);
    Ok(Sampling {
        is_on: exporters?.otlp && !is_disabled?,
        sampler: Sampler {
            parent_based,
            ratio: match kind {
                SamplerKind::AlwaysOn => 1.0,
                SamplerKind::AlwaysOff => 0.0,
                SamplerKind::Ratio => ratio.unwrap_or(1.0),
            },
        },
    })
}

fn batching(from: &mut Reader<'_>) -> Result<Batching, Invalid> {
    let delay = from
        .setting(
            "OTEL_BSP_SCHEDULE_DELAY",
            "Longest time until a span is sent, in milliseconds.",
        )
        .default(DEFAULT_DELAY)
        .read_with(MILLIS, millis);
    let queue = from
        .setting(
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "Spans that wait to be sent; further ones are dropped and counted.",
        )
        .default(DEFAULT_QUEUE)
        .read_with("a whole number from 1 to 1000000", within(1..=MAX_QUEUE));
    let batch = from
        .setting(
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "The most spans in one batch, at most `OTEL_BSP_MAX_QUEUE_SIZE`.",
        )
        .default(DEFAULT_BATCH)
        .read_with("a whole number from 1 to 1000000", within(1..=MAX_QUEUE));
    let queue = queue?;
    Ok(Batching {
        delay: delay?,
        queue,
        batch: batch?.min(queue),
    })
}

#[cfg(test)]
mod tests;
