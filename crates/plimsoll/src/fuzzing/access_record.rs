//! Checks the access record of any request (contract LOG-3, LOG-8).

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Uri, header::USER_AGENT};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::log::{json_line, pretty_line};
use crate::{
    build_info::BuildInfo,
    config::{Environment, Level, LogFormat, LogLevels, load},
    edge::{
        EdgeConnection, EdgeState, head_fields::HeadFields, request_guard::RequestGuard, request_id,
    },
    lifecycle::{Heartbeats, Lifecycle},
    metrics::{Cause as _, ProtocolError, Registry},
    otlp::Tracer,
    shutdown::ShutdownToken,
    telemetry::{Log, Output, Record},
};

const FIELDS: [&str; 11] = [
    "service",
    "version",
    "buildTime",
    "status",
    "method",
    "path",
    "rawPath",
    "query",
    "ip",
    "latencyMs",
    "userAgent",
];

const SECRETS: [&str; 16] = [
    "token",
    "access-token",
    "refresh-token",
    "id-token",
    "api-key",
    "apikey",
    "password",
    "passwd",
    "secret",
    "client-secret",
    "signature",
    "sig",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-credential",
    "x-goog-signature",
];

/// The state of a service that logs no records of its own.
static STATE: LazyLock<Arc<EdgeState>> = LazyLock::new(|| {
    let build = BuildInfo::new("fuzz\"ed", "1.0", "now");
    let loaded = load::<()>(&build, &Environment::from_pairs([("HOST", "127.0.0.1")]));
    let config = loaded.expect("the settings are right").config;
    let levels = LogLevels::all(Level::Critical);
    let log = Log::start(Output::to(std::io::sink()), LogFormat::Json, levels, 1);
    let lifecycle = Arc::new(Lifecycle::new());
    let connections = Arc::clone(&lifecycle.connections);
    let shutdown = ShutdownToken::new(connections, config.shutdown_timeout);
    EdgeState::new(
        &config,
        Registry::new(build, 1, Vec::new()),
        lifecycle,
        log.expect("a thread"),
        Heartbeats::start(&[]),
        shutdown,
        Tracer::default(),
    )
});

/// Writes the record of a request with this method, target, user agent and id, and reads it back.
///
/// A value that is invalid in a request is omitted. `number` provides all values that are not text.
///
/// # Panics
///
/// If the record is not that of the request, truncated and with masked secrets.
pub(super) fn check(format: LogFormat, number: u64, [method, target, agent, id]: [&[u8]; 4]) {
    let mut request = Request::new(());
    if let Ok(method) = Method::from_bytes(method) {
        *request.method_mut() = method;
    }
    if let Ok(target) = Uri::try_from(target) {
        *request.uri_mut() = target;
    }
    if let Ok(agent) = HeaderValue::from_bytes(agent) {
        request.headers_mut().insert(USER_AGENT, agent);
    }
    if let Ok(id) = HeaderValue::from_bytes(id) {
        request.headers_mut().insert(request_id::HEADER, id);
    }
    let [flags, low, high, ..] = number.to_le_bytes();
    let status = u16::from_le_bytes([low, high]);
    let took = Duration::from_micros(number >> 24);
    let is_aborted = flags & 1 != 0;
    let client_ip = (flags & 2 != 0).then(|| [10, flags, low, high].into());

    let assigned = request_id::assign(request.headers_mut());
    let is_replaced = assigned.replaced;
    let shared = EdgeConnection::without_connection(Arc::clone(&STATE));
    let started = Instant::now();
    let fields = HeadFields::of(request.headers());
    let mut guard = RequestGuard::begin(shared, started, assigned, client_ip, &request, &fields);
    guard.fault = (flags & 4 != 0).then_some(ProtocolError::Malformed);
    let (level, id) = (Level::Info, guard.request_id.as_str());
    let mut line = Vec::new();
    let mut record = Record::begin(&mut line, format, level, "http", "http_request", id);
    let pattern = "/users/{id}";
    let access = &STATE.access_log;
    access.fields(&mut record, &guard, pattern, status, took, is_aborted);
    record.end();
    if format == LogFormat::Pretty {
        return pretty_line(&line);
    }
    let mut expected: Vec<(&str, Value)> = Vec::new();
    let agent = request.headers().get(USER_AGENT);
    let values: [Value; FIELDS.len()] = [
        "fuzz\"ed".into(),
        "1.0".into(),
        "now".into(),
        status.into(),
        cut(request.method().as_str().as_bytes(), 32).into(),
        "/users/{id}".into(),
        cut(raw_path(request.uri()).as_bytes(), 1024).into(),
        cut(
            redacted(request.uri().query().unwrap_or("")).as_bytes(),
            1024,
        )
        .into(),
        client_ip.map_or("-".into(), |ip| ip.to_string().into()),
        Value::Null,
        cut(agent.map_or(b"", HeaderValue::as_bytes), 1024).into(),
    ];
    expected.extend(FIELDS.into_iter().zip(values));
    if is_aborted {
        expected.push(("aborted", json!(true)));
    }
    if is_replaced {
        expected.push(("requestIdReplaced", json!(true)));
    }
    if let Some(fault) = guard.fault {
        expected.push(("protocolError", fault.as_str().into()));
    }
    let entries = json_line(&line);
    let (leading, own) = entries.split_at(7);
    let leading_text = |index: usize| leading[index].1.as_str();
    assert_eq!(leading_text(2), Some("http"), "the name");
    assert_eq!(leading_text(5), Some("http_request"), "the message");
    assert_eq!(leading_text(6), Some(guard.request_id.as_str()), "the id");
    assert_eq!(own.len(), expected.len(), "{own:?}");
    for ((key, value), (name, expected)) in own.iter().zip(&expected) {
        assert_eq!(key, name, "the order");
        if *name == "latencyMs" {
            let millis = value.as_f64().expect("a number") * 1000.0;
            let micros = took.as_micros() as f64;
            assert!((millis - micros).abs() <= micros * 1e-12, "{value:?}");
        } else {
            assert_eq!(value, expected, "{name}");
        }
    }
}

/// The path, or for `CONNECT` the authority.
fn raw_path(uri: &Uri) -> &str {
    match uri.authority() {
        Some(authority) if uri.path().is_empty() => authority.as_str(),
        _ => uri.path(),
    }
}

/// The text truncated to `max` bytes, invalid characters replaced, with `…` if it was longer.
fn cut(bytes: &[u8], max: usize) -> String {
    let mut kept = String::new();
    for char in String::from_utf8_lossy(bytes).chars() {
        if kept.len() + char.len_utf8() > max {
            return kept + "…";
        }
        kept.push(char);
    }
    kept
}

/// The query with masked secrets.
fn redacted(query: &str) -> String {
    query
        .split('&')
        .map(mask_secret)
        .collect::<Vec<_>>()
        .join("&")
}

/// The text between two `&`, masked from the value of the first secret on.
fn mask_secret(text: &str) -> String {
    let mut kept = String::new();
    for pair in text.split_inclusive(';') {
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => return format!("{kept}{name}=***"),
            _ => kept.push_str(pair),
        }
    }
    kept
}

fn is_secret(name: &str) -> bool {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut plain = String::new();
    let mut rest = name.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        let mut code = u32::from(*byte);
        if let (b'%', Some(high), Some(low)) = (byte, digit(behind.first()), digit(behind.get(1))) {
            code = high * 16 + low;
            rest = &behind[2..];
        }
        plain.extend(char::from_u32(code));
    }
    let plain = plain
        .to_ascii_lowercase()
        .replace('_', "-")
        .replace(']', "[");
    plain.split('[').any(|part| SECRETS.contains(&part))
}
