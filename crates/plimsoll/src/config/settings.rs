//! The settings of every service: [`Config`].
//!
//! | file           | settings                                                                |
//! |----------------|-------------------------------------------------------------------------|
//! | `process.rs`   | `SERVICE_NAME`, `VERSION`, `BUILD_TIME`, `DEBUG`, `SECRET_KEY`, `WORKERS`, `ENV_FILE` |
//! | `listen.rs`    | `HOST`, `PORT`, `ADMIN_ADDR`, `ADMIN_TOKEN`, `INFRA_ENDPOINTS`          |
//! | `tls.rs`       | `TLS_*`, `HTTP2_CLEARTEXT`                                              |
//! | `logging.rs`   | `LOG_LEVEL`, `DEBUG_ON_ERROR`, `LOG_FORMAT`, `REDACT_QUERY`             |
//! | `timeouts.rs`  | `*_TIMEOUT`, `DRAIN_DELAY`, `MAX_CONNECTION_AGE`                        |
//! | `proxies.rs`   | `TRUSTED_PROXIES`, `FORWARDED_HEADER`, `PROXY_PROTOCOL`                 |
//! | `limits.rs`    | `MAX_CONNECTIONS`, `MAX_IN_FLIGHT`, `MAX_BODY_BYTES`                    |
//! | `tracing.rs`   | `OTEL_*`, `SSL_CERT_FILE`                                               |
//!
//! Each file has the defaults of its group with their reasons, the reads, and the rules between
//! settings of the group.
//!
//! # Names of the Django service
//!
//! The Django service of the same family runs under Gunicorn, and its profiles set Gunicorn's
//! variables. Those with a counterpart here are aliases. The others are accepted without effect and
//! reported once, so such a profile works unchanged.
//!
//! # Invariants
//!
//! * A `Config` is valid as a whole: no other code checks its values again.
//! * A group reads all its settings before its first `?`, and [`Config::read`] reads all groups
//!   before its first `?`. So one start reports all errors.
//! * The order of the reads is the order in help, docs and sample.
//! * Every setting has an effect.

mod limits;
mod listen;
mod logging;
mod process;
mod proxies;
mod timeouts;
mod tls;
#[cfg(feature = "otlp")]
mod tracing;

use std::time::Duration;

pub use self::tls::TlsFiles;
#[cfg(feature = "otlp")]
pub(crate) use self::tracing::{Sampler, Traces};
use super::{
    reader::{Invalid, Reader},
    value::{
        ByteSize, ForwardedHeader, InfraEndpoints, ListenAddr, LogFormat, LogLevels, Secret,
        TrustedProxies,
    },
};
use crate::BuildInfo;

/// The settings of the chassis, checked.
///
/// Returned by [`load`](super::load).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// `SERVICE_NAME`, `VERSION`, `BUILD_TIME`: name and build of the service in `/info`, logs and
    /// metrics. Default: the values compiled into the binary. At most 128 bytes each.
    pub build: BuildInfo,

    /// `HOST` and `PORT`: address of the main listener. Default: `0.0.0.0` and `8080`.
    /// With `unix:/path` in `HOST`, the listener is a unix socket and `PORT` has no effect.
    pub listen: ListenAddr,

    /// `ADMIN_ADDR`: address of the admin listener. Default: none. The listener serves HTTP/1
    /// without TLS and must not be public.
    pub admin_addr: Option<ListenAddr>,

    /// `ADMIN_TOKEN`: token for the operator controls on the [admin listener](Self::admin_addr).
    /// Default: none, and no controls over TCP. At least 32 visible characters of ASCII.
    pub admin_token: Option<Secret>,

    /// `INFRA_ENDPOINTS`: listeners that answer probes and metrics. Default: `main`, or `both` with
    /// an [admin listener](Self::admin_addr).
    pub infra_endpoints: InfraEndpoints,

    /// `TLS_CERT_FILE`, `TLS_KEY_FILE` and `TLS_CLIENT_CA_FILE`: files of the TLS listener.
    /// Default: none, and no TLS.
    pub tls: Option<TlsFiles>,

    /// `HTTP2_CLEARTEXT`: whether the main listener accepts HTTP/2 with prior knowledge without
    /// TLS. Default: `false`. Over TLS, HTTP/2 is always available.
    pub http2_cleartext: bool,

    /// `LOG_LEVEL`: the lowest level that is logged, for all targets and per target.
    /// Default: `INFO`.
    pub log_level: LogLevels,

    /// `DEBUG_ON_ERROR`: whether records down to DEBUG that [`log_level`](Self::log_level) leaves out
    /// are kept while a request runs, and written if it fails or is slow. Default: `false`.
    pub debug_on_error: bool,

    /// `LOG_FORMAT`: JSON for log shippers, or coloured lines for a terminal. Default: `json`;
    /// `pretty` if [`debug`](Self::debug) is on and stdout is a terminal.
    pub log_format: LogFormat,

    /// `REDACT_QUERY`: names of query parameters whose values are not logged, in addition to the
    /// built-in names. Default: none.
    pub redact_query: Vec<String>,

    /// `DEBUG`: details in the responses of failed requests. Default: `false`. Not for production.
    pub debug: bool,

    /// `READ_TIMEOUT`: time for the whole head of a request, and between two reads of its body.
    /// Default: 5 s. Always greater than 0.
    pub read_timeout: Duration,

    /// `IDLE_TIMEOUT` (or `GUNICORN_KEEPALIVE`): how long a kept-alive connection may wait for its
    /// next request. Default: 120 s. Always greater than 0.
    pub idle_timeout: Duration,

    /// `WRITE_TIMEOUT`: how long a client may read nothing of its response before the connection is
    /// closed. Default: 30 s. Always greater than 0.
    pub write_timeout: Duration,

    /// `REQUEST_TIMEOUT` (or `GUNICORN_TIMEOUT`): time for a handler, until the head of its
    /// response. Default: 30 s. `None` if it is set to 0: handlers have no time limit.
    pub request_timeout: Option<Duration>,

    /// `SHUTDOWN_TIMEOUT` (or `GUNICORN_GRACEFUL_TIMEOUT`): time for requests in flight to finish
    /// after the listener is closed. Default: 5 s. Always greater than 0.
    pub shutdown_timeout: Duration,

    /// `DRAIN_DELAY`: how long the service still accepts connections after readiness turned 503.
    /// Default: 0 s, or 5 s in Kubernetes. 0 means no delay.
    pub drain_delay: Duration,

    /// `MAX_CONNECTION_AGE`: the age from which a connection is closed after its next response, varied
    /// by up to 10 % for each connection. Default: `None`, and connections have no age limit.
    pub max_connection_age: Option<Duration>,

    /// `WORKERS` (or `GUNICORN_WORKERS`): threads that handle requests, 1 to 1024. Default: the
    /// CPUs that the process may use, with affinity and CPU quota taken into account.
    pub workers: usize,

    /// `TRUSTED_PROXIES`: peers whose forwarded headers are trusted. Default: none.
    pub trusted_proxies: TrustedProxies,

    /// `PROXY_PROTOCOL`: whether trusted peers must begin with a PROXY header, version 1 or 2.
    /// Connections of other peers are served without one. Default: `off`. `on` requires
    /// `TRUSTED_PROXIES`.
    pub proxy_protocol: bool,

    /// `FORWARDED_HEADER`: the one header in which trusted peers name the client.
    /// Default: `x-forwarded-for`.
    pub forwarded_header: ForwardedHeader,

    /// `MAX_CONNECTIONS`: limit of open connections. Default: derived from the limit of open files,
    /// at most 10,000. Always greater than 0.
    pub max_connections: usize,

    /// `MAX_IN_FLIGHT`: limit of concurrent requests, probes excluded. A request above it is
    /// answered with 503 immediately. Default: 1024. 0 means no limit.
    pub max_in_flight: usize,

    /// `MAX_BODY_BYTES`: the longest request body that an extractor reads, in bytes. A
    /// `DefaultBodyLimit` or [`RouteLimitsLayer`](crate::RouteLimitsLayer) of a route wins.
    /// Default: 2 MiB.
    pub max_body_bytes: ByteSize,

    /// `SECRET_KEY`; see [`Config::secret_key`].
    secret_key: Option<Secret>,

    /// The `OTEL_*` variables: destination and sampling of spans. Default: none, and no traces.
    #[cfg(feature = "otlp")]
    traces: Option<Traces>,
}

/// `SECRET_KEY` is required by the service and not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SECRET_KEY is not set, and only with DEBUG=true is there a key for development")]
#[non_exhaustive]
pub struct MissingSecretKey;

impl Config {
    /// Reads the settings of the chassis.
    pub(super) fn read(from: &mut Reader<'_>, build: &BuildInfo) -> Result<Self, Invalid> {
        let build = process::build_info(from, build);
        let listen = listen::read(from);
        let tls = tls::read(from);
        let debug = process::debug(from);
        let logging = logging::read(from, debug);
        let secret_key = process::secret_key(from, debug);
        let timeouts = timeouts::read(from);
        let workers = process::workers(from);
        let proxies = proxies::read(from);
        let limits = limits::read(from, workers);
        #[cfg(feature = "otlp")]
        let traces = tracing::read(from);
        process::env_file(from)?;

        let (listen, tls, logging) = (listen?, tls?, logging?);
        let (timeouts, proxies, limits) = (timeouts?, proxies?, limits?);
        Ok(Self {
            build: build?,
            listen: listen.addr,
            admin_addr: listen.admin_addr,
            infra_endpoints: listen.infra_endpoints,
            admin_token: listen.admin_token,
            tls: tls.files,
            http2_cleartext: tls.http2_cleartext,
            log_level: logging.level,
            debug_on_error: logging.debug_on_error,
            log_format: logging.format,
            redact_query: logging.redact_query,
            debug: debug?,
            read_timeout: timeouts.read,
            idle_timeout: timeouts.idle,
            write_timeout: timeouts.write,
            request_timeout: timeouts.request,
            shutdown_timeout: timeouts.shutdown,
            drain_delay: timeouts.drain_delay,
            max_connection_age: timeouts.connection_age,
            workers: workers?,
            trusted_proxies: proxies.trusted,
            proxy_protocol: proxies.proxy_protocol,
            forwarded_header: proxies.forwarded_header,
            max_connections: limits.connections,
            max_in_flight: limits.in_flight,
            max_body_bytes: limits.body_bytes,
            secret_key: secret_key?,
            #[cfg(feature = "otlp")]
            traces: traces?,
        })
    }

    /// `SECRET_KEY` (or `DJANGO_SECRET_KEY`): the key for the service's signed cookies and tokens.
    ///
    /// Default: none, because a key in the source code is worse than an error. The chassis does not
    /// use the key, so a service that does not use it either can leave it unset.
    ///
    /// # Errors
    ///
    /// [`MissingSecretKey`] if it is not set. With `DEBUG=true` a fixed, public key is returned
    /// instead.
    pub fn secret_key(&self) -> Result<&Secret, MissingSecretKey> {
        self.secret_key.as_ref().ok_or(MissingSecretKey)
    }

    /// Destination and sampling of spans, if traces are on.
    #[cfg(feature = "otlp")]
    pub(crate) fn traces(&self) -> Option<&Traces> {
        self.traces.as_ref()
    }
}

#[cfg(test)]
mod tests;
