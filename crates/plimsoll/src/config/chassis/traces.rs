//! The settings of traces, under the names that OpenTelemetry gives them.
//!
//! Two things are stricter than there: a mistake ends the start, like one in any other setting, and
//! nothing is sent anywhere unless an endpoint says where.
//! Times are whole milliseconds, as these variables have them in every other language.

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::Scheme};

use super::{Config, read};
use crate::config::{
    reader::{Invalid, Reader},
    value::{FromSetting, ParseError, one_of, within},
};

/// What comes behind an endpoint that is for all signals.
const TRACES_PATH: &str = "/v1/traces";
/// The defaults of OpenTelemetry.
const DEFAULT_TIMEOUT: &str = "10000";
const DEFAULT_DELAY: &str = "5000";
const DEFAULT_QUEUE: &str = "2048";
const DEFAULT_BATCH: &str = "512";
/// A day: more is a slip of the keyboard.
const MAX_MILLIS: u64 = 24 * 60 * 60 * 1000;
/// Spans in memory, each of some kilobytes at most.
const MAX_QUEUE: usize = 1_000_000;

const MILLIS: &str = "whole milliseconds from 1 to 86400000";
const PAIRS: &str = "a list of name=value, separated by commas, values percent-encoded";

/// Where spans go, and which there are.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    /// `http` or `https`, with an authority and a path.
    pub(crate) endpoint: Uri,
    /// All of them marked as sensitive.
    pub(crate) headers: HeaderMap,
    /// The authorities that it is verified with over TLS; nothing is those of the system.
    pub(crate) authorities: Option<PathBuf>,
    /// For one batch, retries included.
    pub(crate) timeout: Duration,
    pub(crate) service_name: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) sampler: Sampler,
    /// The longest that a span waits for others.
    pub(crate) delay: Duration,
    pub(crate) queue: usize,
    /// Not more than the queue.
    pub(crate) batch: usize,
}

/// Which requests are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// Whether a trusted caller's decision holds for its requests.
    pub(crate) parent_based: bool,
    /// Which part of all others, from 0 to 1.
    pub(crate) ratio: f64,
}

#[derive(Debug, Clone, Copy)]
enum PairPart {
    All,
    None,
    Ratio,
}

/// A URL that can be posted to.
struct CollectorUrl(Uri);

/// Texts in pairs, such as attributes.
struct Pairs(Vec<(String, String)>);

/// Headers, whose values may be keys of somebody's.
struct Headers(HeaderMap);

/// Reads all settings of traces. There are none to be made without an endpoint, or if they are
/// switched off.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Option<Traces>, Invalid> {
    let endpoint = from
        .setting(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Collector that spans are sent to, over HTTP; `/v1/traces` is added. Without it there \
             are no traces.",
        )
        .read_optional::<CollectorUrl>();
    let traces_endpoint = from
        .setting(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "The same, to the letter, and before it.",
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
            "The same, and in their place.",
        )
        .read_optional::<Headers>();
    let authorities = from
        .setting(
            "SSL_CERT_FILE",
            "Authorities that a collector is verified with over `https`, in PEM; those of the \
             system if unset.",
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
    let service_name = from
        .setting(
            "OTEL_SERVICE_NAME",
            "Name of the service in traces; `SERVICE_NAME` if unset.",
        )
        .example("rust-axum-app")
        .read_optional_with(read::LABEL, read::label);
    let attributes = from
        .setting(
            "OTEL_RESOURCE_ATTRIBUTES",
            "What traces say of this process.",
        )
        .read_optional::<Pairs>();
    let exporter = from
        .setting("OTEL_TRACES_EXPORTER", "`none` switches traces off.")
        .default("otlp")
        .read_with("otlp or none", |text| {
            one_of(text, &[("otlp", true), ("none", false)])
        });
    let sampler = from
        .setting(
            "OTEL_TRACES_SAMPLER",
            "Requests that are recorded. With `parentbased_`, a trusted caller decides on its own.",
        )
        .default("parentbased_always_on")
        .example("parentbased_traceidratio")
        .read_with(
            "always_on, always_off or traceidratio, or one of these behind parentbased_",
            sampler,
        );
    let ratio = from
        .setting(
            "OTEL_TRACES_SAMPLER_ARG",
            "Part of the requests that `traceidratio` records; all if unset.",
        )
        .example("0.1")
        .read_optional_with("a number from 0 to 1", ratio);
    let disabled = from
        .setting("OTEL_SDK_DISABLED", "`true` switches traces off.")
        .default("false")
        .read::<bool>();
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
            "Spans that are sent at a time, at most; not more than wait.",
        )
        .default(DEFAULT_BATCH)
        .read_with("a whole number from 1 to 1000000", within(1..=MAX_QUEUE));

    let (endpoint, traces_endpoint) = (endpoint?, traces_endpoint?);
    let (headers, traces_headers) = (headers?, traces_headers?);
    let (part, parent_based) = sampler?;
    let ratio = ratio?.unwrap_or(1.0);
    let queue = queue?;
    let on = exporter? && !disabled?;
    let traces = Traces {
        endpoint: match (traces_endpoint, endpoint) {
            (Some(whole), _) => whole.0,
            (None, Some(base)) => base.for_traces(),
            (None, None) => Uri::default(),
        },
        headers: traces_headers
            .or(headers)
            .map(|it| it.0)
            .unwrap_or_default(),
        authorities: authorities?,
        timeout: timeout?,
        service_name: service_name?,
        attributes: attributes?.map(|it| it.0).unwrap_or_default(),
        sampler: Sampler {
            parent_based,
            ratio: match part {
                PairPart::All => 1.0,
                PairPart::None => 0.0,
                PairPart::Ratio => ratio,
            },
        },
        delay: delay?,
        queue,
        batch: batch?.min(queue),
    };
    Ok((on && traces.endpoint.host().is_some()).then_some(traces))
}

impl Config {
    /// Where spans go, if they go anywhere.
    pub(crate) fn traces(&self) -> Option<&Traces> {
        self.traces.as_ref()
    }
}

impl CollectorUrl {
    /// The path of traces below an endpoint that is for all signals.
    fn for_traces(&self) -> Uri {
        let base = self.0.path().trim_end_matches('/');
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = format!("{base}{TRACES_PATH}").parse().ok();
        // Both halves were parts of a URI before.
        Uri::from_parts(parts).unwrap_or_default()
    }
}

impl FromSetting for CollectorUrl {
    const EXPECTED: &'static str = "a URL of http or https";
    const EXAMPLE: &'static str = "http://localhost:4318";

    fn parse(text: &str) -> Result<Self, ParseError> {
        let uri: Uri = text.parse().map_err(|_| ParseError::new())?;
        if !matches!(uri.scheme(), Some(it) if [Scheme::HTTP, Scheme::HTTPS].contains(it)) {
            return Err(ParseError::new());
        }
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => Err(
                ParseError::misplaced_secret("a password belongs into OTEL_EXPORTER_OTLP_HEADERS"),
            ),
            Some(authority) if !authority.host().is_empty() => Ok(Self(uri)),
            _ => Err(ParseError::new()),
        }
    }
}

impl FromSetting for Pairs {
    const EXPECTED: &'static str = PAIRS;
    const EXAMPLE: &'static str = "deployment.environment.name=prod,host.name=a1";

    fn parse(text: &str) -> Result<Self, ParseError> {
        pairs(text).map(Self)
    }
}

impl FromSetting for Headers {
    const EXPECTED: &'static str = PAIRS;
    const EXAMPLE: &'static str = "";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, ParseError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs(text)? {
            let name = HeaderName::try_from(name)
                .map_err(|_| ParseError::because("a name in it is none of a header"))?;
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| ParseError::because("a value in it is none of a header"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(Self(headers))
    }
}

/// Reads a list in the form of the header `Baggage`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, ParseError> {
    let items = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    items
        .map(|item| {
            let (name, value) = item
                .split_once('=')
                .ok_or(ParseError::because("an item in it has no ="))?;
            let (name, value) = (name.trim(), unescaped(value.trim()));
            match value {
                Some(value) if !name.is_empty() => Ok((name.to_owned(), value)),
                Some(_) => Err(ParseError::because("an item in it has no name")),
                None => Err(ParseError::because("a % in it begins no escape of UTF-8")),
            }
        })
        .collect()
}

/// A text without its percent encoding, if that is UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let digits = piece.get(..2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

fn millis(text: &str) -> Result<Duration, ParseError> {
    within(1..=MAX_MILLIS)(text).map(Duration::from_millis)
}

fn ratio(text: &str) -> Result<f64, ParseError> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let ratio: f64 = text.parse().map_err(|_| ParseError::new())?;
    (is_plain && (0.0..=1.0).contains(&ratio))
        .then_some(ratio)
        .ok_or_else(ParseError::new)
}

fn sampler(text: &str) -> Result<(PairPart, bool), ParseError> {
    const PREFIX: &str = "parentbased_";
    let prefix = text.get(..PREFIX.len());
    let parent_based = prefix.is_some_and(|it| it.eq_ignore_ascii_case(PREFIX));
    let part = if parent_based {
        &text[PREFIX.len()..]
    } else {
        text
    };
    let words = [
        ("always_on", PairPart::All),
        ("always_off", PairPart::None),
        ("traceidratio", PairPart::Ratio),
    ];
    Ok((one_of(part, &words)?, parent_based))
}

#[cfg(test)]
mod tests;
