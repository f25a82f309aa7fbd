//! The values of the variables of OpenTelemetry: URLs, lists of pairs, samplers, times.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::Scheme};

use crate::config::value::{FromSetting, ParseError, one_of, within};

/// The path of traces below an endpoint for all signals.
const TRACES_PATH: &str = "/v1/traces";
/// A day: a longer time is a typing error.
const MAX_MILLIS: u64 = 24 * 60 * 60 * 1000;

const PAIRS: &str = "a list of name=value, separated by commas, values percent-encoded";

/// The URL of a collector: `http` or `https`, with a host and without a user.
pub(super) struct CollectorUrl(pub(super) Uri);

/// Pairs of texts, such as attributes.
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

/// Headers, whose values may be secret.
pub(super) struct Headers(pub(super) HeaderMap);

/// What [`exporters`] accepts.
pub(super) const EXPORTERS: &str =
    "otlp or none, or a list that has console, logging, jaeger or zipkin beside them";

/// The exporters of traces that are named.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exporters {
    pub(super) otlp: bool,
    /// Exporters of the specification that exist only in SDKs.
    pub(super) others: bool,
}

/// The name of a sampler, without `parentbased_`.
#[derive(Debug, Clone, Copy)]
pub(super) enum SamplerKind {
    AlwaysOn,
    AlwaysOff,
    Ratio,
}

impl CollectorUrl {
    /// Returns the URL for traces below an endpoint for all signals.
    pub(super) fn for_traces(&self) -> Uri {
        let base = self.0.path().trim_end_matches('/');
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = format!("{base}{TRACES_PATH}").parse().ok();
        // Does not fail: both halves were parts of a URI before.
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
                .map_err(|_| ParseError::because("a name in it is no valid header name"))?;
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| ParseError::because("a value in it is no valid header value"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(Self(headers))
    }
}

/// Parses a list in the form of the header `Baggage`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, ParseError> {
    let items = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    items
        .map(|item| {
            let (name, value) = item
                .split_once('=')
                .ok_or(ParseError::because("an item in it has no ="))?;
            let (name, value) = (name.trim(), percent_decoded(value.trim()));
            match value {
                Some(value) if !name.is_empty() => Ok((name.to_owned(), value)),
                Some(_) => Err(ParseError::because("an item in it has no name")),
                None => Err(ParseError::because("a % in it begins no escape of UTF-8")),
            }
        })
        .collect()
}

/// Removes percent encoding. `None` if an escape is incomplete or the result is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
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

/// Parses a list of exporters. A name that no specification has is an error.
pub(super) fn exporters(text: &str) -> Result<Exporters, ParseError> {
    let names = [
        ("otlp", (true, false)),
        ("none", (false, false)),
        ("console", (false, true)),
        ("logging", (false, true)),
        ("jaeger", (false, true)),
        ("zipkin", (false, true)),
    ];
    text.split(',')
        .map(|name| one_of(name.trim(), &names))
        .try_fold(Exporters::default(), |all, named| {
            let (otlp, other) = named?;
            Ok(Exporters {
                otlp: all.otlp || otlp,
                others: all.others || other,
            })
        })
}

/// Parses whole milliseconds, from 1 to a day.
pub(super) fn millis(text: &str) -> Result<Duration, ParseError> {
    within(1..=MAX_MILLIS)(text).map(Duration::from_millis)
}

/// Parses a decimal number from 0 to 1, without sign and exponent.
pub(super) fn ratio(text: &str) -> Result<f64, ParseError> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let ratio: f64 = text.parse().map_err(|_| ParseError::new())?;
    (is_plain && (0.0..=1.0).contains(&ratio))
        .then_some(ratio)
        .ok_or_else(ParseError::new)
}

/// Parses the name of a sampler, and whether it follows the decision of the caller.
pub(super) fn sampler_kind(text: &str) -> Result<(SamplerKind, bool), ParseError> {
    const PREFIX: &str = "parentbased_";
    let prefix = text.get(..PREFIX.len());
    let parent_based = prefix.is_some_and(|it| it.eq_ignore_ascii_case(PREFIX));
    let name = if parent_based {
        &text[PREFIX.len()..]
    } else {
        text
    };
    let kinds = [
        ("always_on", SamplerKind::AlwaysOn),
        ("always_off", SamplerKind::AlwaysOff),
        ("traceidratio", SamplerKind::Ratio),
    ];
    Ok((one_of(name, &kinds)?, parent_based))
}
