//! The settings that every service has: [`Config`].
//!
//! Every field says its variable, its default, its unit, and what it does. The same facts stand
//! in [`read`] in a form that help, docs and error messages are made of.
//!
//! # Invariants
//!
//! * A `Config` is valid as a whole: nothing in it is checked again later.
//! * A setting that has no effect yet is not here. A knob that does nothing is worse than none.

mod logging;
mod read;
mod rules;
#[cfg(feature = "otlp")]
mod traces;

use std::{path::PathBuf, time::Duration};

#[cfg(feature = "otlp")]
pub(crate) use self::traces::{Sampler, Traces};
use super::value::{
    ByteSize, ForwardedHeader, InfraEndpoints, ListenAddr, LogFormat, LogLevels, Secret,
    TrustedProxies,
};
use crate::BuildInfo;

/// A key for development, so that a service that signs cookies can be tried without any set-up.
/// It is public, hence only for `DEBUG=true`; 64 bytes, since cookie libraries ask for that many.
const DEVELOPMENT_KEY: &str = "not-a-secret-but-the-development-key-that-DEBUG=true-falls-to---";

/// The settings of the chassis, checked.
///
/// Made by [`load`](super::load).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// `SERVICE_NAME`, `VERSION`, `BUILD_TIME`: what `/info`, logs and metrics say the service
    /// is. Default: what the binary was built with. At most 128 bytes each.
    pub build: BuildInfo,

    /// `HOST` and `PORT`: where the main listener is. Default: `0.0.0.0` and `8080`.
    /// `unix:/path` in `HOST` is a unix socket, for which `PORT` has no meaning.
    pub listen: ListenAddr,

    /// `ADMIN_ADDR`: where the admin listener is. Default: none. It speaks HTTP/1 and no TLS, and is
    /// not for the public.
    pub admin_addr: Option<ListenAddr>,

    /// `INFRA_ENDPOINTS`: which listener answers probes and metrics. Default: `main`, or `both` if
    /// there is an [admin listener](Self::admin_addr).
    pub infra_endpoints: InfraEndpoints,

    /// `TLS_CERT_FILE`, `TLS_KEY_FILE` and `TLS_CLIENT_CA_FILE`: what TLS is served with. Default:
    /// none, and no TLS.
    pub tls: Option<TlsFiles>,

    /// `HTTP2_CLEARTEXT`: whether HTTP/2 is understood without TLS, from clients that begin with it.
    /// Default: `false`. Over TLS there always is HTTP/2.
    pub http2_cleartext: bool,

    /// `LOG_LEVEL`: the lowest level that is logged, for everything and per target.
    /// Default: `INFO`.
    pub log_level: LogLevels,

    /// `LOG_FORMAT`: JSON for machines or coloured lines for a person. Default: `json`; `pretty`
    /// if [`debug`](Self::debug) is on and stdout is a terminal.
    pub log_format: LogFormat,

    /// `REDACT_QUERY`: names of query parameters whose values are not logged, beside the built-in
    /// ones. Default: none.
    pub redact_query: Vec<String>,

    /// `DEBUG`: details in answers to failed requests. Default: `false`. Not for production.
    pub debug: bool,

    /// `READ_TIMEOUT`: time for the whole head of a request, and between two reads of its body.
    /// Default: 5 s. Always greater than 0.
    pub read_timeout: Duration,

    /// `IDLE_TIMEOUT` (or `GUNICORN_KEEPALIVE`): how long a kept-alive connection may wait for its
    /// next request. Default: 120 s. Always greater than 0.
    pub idle_timeout: Duration,

    /// `WRITE_TIMEOUT`: how long a client may take nothing of its answer, until its connection is
    /// closed. Default: 30 s. Always greater than 0.
    pub write_timeout: Duration,

    /// `REQUEST_TIMEOUT` (or `GUNICORN_TIMEOUT`): time for a handler, until the head of its
    /// answer. Default: 30 s. `None` if it is set to 0: a handler may take for ever.
    pub request_timeout: Option<Duration>,

    /// `SHUTDOWN_TIMEOUT` (or `GUNICORN_GRACEFUL_TIMEOUT`): how long requests in flight may take
    /// to finish once the listener is closed. Default: 5 s. Always greater than 0.
    pub shutdown_timeout: Duration,

    /// `DRAIN_DELAY`: how long the service still accepts after it has told that it is not ready
    /// any more. Default: 0 s, or 5 s in Kubernetes. 0 means that there is no such delay.
    pub drain_delay: Duration,

    /// `WORKERS` (or `GUNICORN_WORKERS`): threads that handle requests, 1 to 1024. Default: the
    /// CPUs that the process may use, a quota counted.
    pub workers: usize,

    /// `TRUSTED_PROXIES`: the peers whose forwarded headers are believed. Default: nobody.
    pub trusted_proxies: TrustedProxies,

    /// `PROXY_PROTOCOL`: whether trusted peers must begin with a PROXY header, version 1 or 2.
    /// Others are served without one. Default: `off`. `on` needs `TRUSTED_PROXIES`.
    pub proxy_protocol: bool,

    /// `FORWARDED_HEADER`: the one header that trusted peers are asked in.
    /// Default: `x-forwarded-for`.
    pub forwarded_header: ForwardedHeader,

    /// `MAX_CONNECTIONS`: how many connections there may be at a time. Default: what the limit of
    /// open files allows, at most 10,000. Always greater than 0.
    pub max_connections: usize,

    /// `MAX_IN_FLIGHT`: how many requests are handled at a time, probes left out; further ones are
    /// answered with 503 at once. Default: 1024. 0 is no limit.
    pub max_in_flight: usize,

    /// `MAX_BODY_BYTES`: the longest request body that an extractor reads, in bytes. A
    /// `DefaultBodyLimit` or [`RouteLimitsLayer`](crate::RouteLimitsLayer) of a route wins. Default: 2 MiB.
    pub max_body_bytes: ByteSize,

    /// `SECRET_KEY`; see [`Config::secret_key`].
    secret_key: Option<Secret>,

    /// The `OTEL_*` variables: where spans are sent, and which. Default: none, and no traces.
    #[cfg(feature = "otlp")]
    traces: Option<Traces>,
}

/// The files that TLS is served with, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificate chain, the service's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The authorities whose certificates clients must show, if they must.
    pub client_ca: Option<PathBuf>,
}

/// `SECRET_KEY` is asked for and not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SECRET_KEY is not set, and only with DEBUG=true is there a key for development")]
#[non_exhaustive]
pub struct MissingSecretKey;

impl Config {
    /// `SECRET_KEY` (or `DJANGO_SECRET_KEY`): the key for the service's signed cookies and tokens.
    ///
    /// Default: none, for a key that is in the source code is worse than an error. The chassis
    /// itself does not use it, so it may stay unset in a service that never asks.
    ///
    /// # Errors
    ///
    /// [`MissingSecretKey`] when it is not set, unless `DEBUG=true`: then a fixed key that
    /// everybody knows is returned.
    pub fn secret_key(&self) -> Result<&Secret, MissingSecretKey> {
        self.secret_key.as_ref().ok_or(MissingSecretKey)
    }
}

#[cfg(test)]
mod tests;
