//! Asks for the settings of [`Config`], one after the other.
//!
//! The order here is the order of the docs: what the service is, where it listens, what it logs,
//! how long it waits, how it ends, whom it trusts, how much it takes.
//!
//! # Names of the Django service
//!
//! The Django service of the same family is run by Gunicorn, whose variables are in people's
//! profiles. Those with a counterpart are aliases; the others are accepted, so that such a profile
//! works unchanged, and named once as having no effect.

use std::{path::PathBuf, thread, time::Duration};

#[cfg(feature = "otlp")]
use super::traces;
use super::{Config, DEVELOPMENT_KEY, logging::Logging, rules};
use crate::{
    BuildInfo,
    config::{
        reader::{Invalid, Reader},
        source::ENV_FILE,
        value::{
            ByteSize, DurationOrOff, ForwardedHeader, Host, InfraEndpoints, ListenAddr, ParseError,
            Secret, TrustedProxies, port, within,
        },
    },
};

/// All interfaces: in a container the outside decides who can connect.
const DEFAULT_HOST: &str = "0.0.0.0";
/// Above 1024, so that no privilege is needed; the port of the Django service.
const DEFAULT_PORT: &str = "8080";
/// A head is a few packets. Who needs longer is on a very bad line, or attacking.
const DEFAULT_READ_TIMEOUT: &str = "5s";
/// Longer than the 60 s for which common load balancers keep idle connections, so that they
/// close first and never send a request into a connection that is being closed.
const DEFAULT_IDLE_TIMEOUT: &str = "120s";
/// A client that takes nothing for so long has gone, or means harm.
const DEFAULT_WRITE_TIMEOUT: &str = "30s";
/// The default of Gunicorn, so a profile without it means the same here.
const DEFAULT_REQUEST_TIMEOUT: &str = "30s";
/// With the drain delay and 3 s for the flush, well within the 30 s of Kubernetes.
const DEFAULT_SHUTDOWN_TIMEOUT: &str = "5s";
/// Nobody routes to the process, so nobody has to be told before it closes.
const DRAIN_DELAY_ALONE: &str = "0s";
/// The time in which the endpoints of a Kubernetes service usually follow a pod's end.
const DRAIN_DELAY_IN_KUBERNETES: &str = "5s";
/// More threads than any machine has CPUs: a slip of the keyboard.
const MAX_WORKERS: usize = 1024;
/// More than handlers that wait for one database can use; a queue behind them would only age.
const DEFAULT_MAX_IN_FLIGHT: &str = "1024";
/// More idle connections than a balancer keeps, and memory for each of them.
const DEFAULT_MAX_CONNECTIONS: u64 = 10_000;
/// Descriptors of the process itself: standard streams, signals, listeners, the admin listener.
const PROCESS_DESCRIPTORS: u64 = 16;
/// Descriptors of each worker: two for its poll, two for signals, its share of the listener.
const WORKER_DESCRIPTORS: u64 = 5;
/// Descriptors that are left for files, clients of the service's own, and the reserve, if there are
/// twice as many.
const SPARE_DESCRIPTORS: u64 = 256;
/// Enough for any JSON; uploads have a limit of their own, in code.
const DEFAULT_MAX_BODY_BYTES: &str = "2MiB";
/// These texts are labels of every metric and fields of every access record.
const MAX_LABEL_BYTES: usize = 128;

pub(super) const LABEL: &str = "text of 1 to 128 bytes without control characters";

impl Config {
    /// Reads the settings of the chassis. All are read before the first `?`.
    pub(in crate::config) fn read(
        from: &mut Reader<'_>,
        build: &BuildInfo,
    ) -> Result<Self, Invalid> {
        let service = from
            .setting(
                "SERVICE_NAME",
                "Name of the service in banner, logs and metrics.",
            )
            .default_from("from the binary", build.service())
            .example("rust-axum-app")
            .read_with(LABEL, label);
        let version = from
            .setting(
                "VERSION",
                "Version of the service in `/info`, logs and metrics.",
            )
            .default_from("from the binary", build.version())
            .example("1.0.0")
            .read_with(LABEL, label);
        let build_time = from
            .setting(
                "BUILD_TIME",
                "Build time of the service in `/info`, logs and metrics.",
            )
            .default_from("from the binary", build.build_time())
            .example("2025-12-19T09:18:13Z")
            .read_with(LABEL, label);

        let host = from
            .setting(
                "HOST",
                "Address of the main listener, or `unix:/path` for a unix socket.",
            )
            .default(DEFAULT_HOST)
            .read::<Host>();
        let port = from
            .setting(
                "PORT",
                "Port of the main listener, unless that is a unix socket.",
            )
            .default(DEFAULT_PORT)
            .read_with("a port from 1 to 65535", port);

        let admin_addr = from
            .setting(
                "ADMIN_ADDR",
                "Address of the admin listener: probes and metrics on a thread of their own, not \
                 for the public. Without it there is none.",
            )
            .read_optional::<ListenAddr>();
        let has_admin = matches!(admin_addr, Ok(Some(_)));
        let infra_endpoints = from
            .setting(
                "INFRA_ENDPOINTS",
                "Listener that answers probes and metrics.",
            )
            .default_from(
                "main; both if ADMIN_ADDR is set",
                if has_admin {
                    InfraEndpoints::Both
                } else {
                    InfraEndpoints::Main
                }
                .as_str(),
            )
            .read::<InfraEndpoints>();

        let certificate = from
            .setting(
                "TLS_CERT_FILE",
                "Certificate chain of the main listener, in PEM; reloaded when it changes and on \
                 SIGHUP. Without it there is no TLS.",
            )
            .example("/run/tls/tls.crt")
            .read_optional::<PathBuf>();
        let key = from
            .setting("TLS_KEY_FILE", "Private key of the certificate, in PEM.")
            .example("/run/tls/tls.key")
            .read_optional::<PathBuf>();
        let client_ca = from
            .setting(
                "TLS_CLIENT_CA_FILE",
                "Authorities whose certificates clients must show, in PEM. Nobody must if unset.",
            )
            .example("/run/tls/ca.crt")
            .read_optional::<PathBuf>();

        let http2_cleartext = from
            .setting(
                "HTTP2_CLEARTEXT",
                "HTTP/2 without TLS too, with clients that begin with it. Over TLS there always is \
                 HTTP/2.",
            )
            .default("false")
            .read::<bool>();

        let debug = from
            .setting(
                "DEBUG",
                "Details in answers to failed requests, and a fixed `SECRET_KEY` if none is set. \
                 Not for production.",
            )
            .default("false")
            .read::<bool>();
        let logging = Logging::read(from, debug);
        let secret_key = from
            .setting(
                "SECRET_KEY",
                "Key for the service's signed cookies and tokens.",
            )
            .alias("DJANGO_SECRET_KEY")
            .read_optional::<Secret>();

        let read_timeout = from
            .setting(
                "READ_TIMEOUT",
                "Time for the whole head of a request, and between two reads of its body.",
            )
            .default(DEFAULT_READ_TIMEOUT)
            .read::<Duration>();
        let idle_timeout = from
            .setting(
                "IDLE_TIMEOUT",
                "Time that a kept-alive connection may wait for a request.",
            )
            .alias("GUNICORN_KEEPALIVE")
            // There it closes each connection after one response.
            .alias_zero("1s")
            .default(DEFAULT_IDLE_TIMEOUT)
            .read::<Duration>();
        let write_timeout = from
            .setting(
                "WRITE_TIMEOUT",
                "Time in which a client takes nothing of its answer; then its connection is closed.",
            )
            .default(DEFAULT_WRITE_TIMEOUT)
            .read::<Duration>();
        let request_timeout = from
            .setting(
                "REQUEST_TIMEOUT",
                "Time for a handler until the head of its answer; then the answer is 503.",
            )
            .alias("GUNICORN_TIMEOUT")
            .default(DEFAULT_REQUEST_TIMEOUT)
            .read::<DurationOrOff>();

        let shutdown_timeout = from
            .setting(
                "SHUTDOWN_TIMEOUT",
                "Time for requests in flight to finish once the listener is closed.",
            )
            .alias("GUNICORN_GRACEFUL_TIMEOUT")
            .alias_zero("1ms")
            .default(DEFAULT_SHUTDOWN_TIMEOUT)
            .read::<Duration>();
        let drain_delay = from.is_set("KUBERNETES_SERVICE_HOST");
        let drain_delay = from
            .setting(
                "DRAIN_DELAY",
                "Time in which the service still accepts at its end though `/ready` is 503, for \
                 load balancers to notice.",
            )
            .default_from(
                "0s; 5s in Kubernetes",
                if drain_delay {
                    DRAIN_DELAY_IN_KUBERNETES
                } else {
                    DRAIN_DELAY_ALONE
                },
            )
            .example("5s")
            .read::<DurationOrOff>();

        let workers = from
            .setting("WORKERS", "Threads that handle requests.")
            .alias("GUNICORN_WORKERS")
            .default_from(
                "the CPUs of the process, a quota counted",
                cpus().to_string(),
            )
            .example("4")
            .read_with("a whole number from 1 to 1024", within(1..=MAX_WORKERS));
        from.ignore("GUNICORN_THREADS", "a worker is one thread here");
        from.ignore("GUNICORN_WORKER_CLASS", "there is one kind of worker here");

        let trusted_proxies = from
            .setting(
                "TRUSTED_PROXIES",
                "Peers whose forwarded headers are believed; `unix` stands for those on a unix \
                 socket. Nobody if unset.",
            )
            .read_optional::<TrustedProxies>();
        let forwarded_header = from
            .setting(
                "FORWARDED_HEADER",
                "The one header that trusted peers are asked in.",
            )
            .default(ForwardedHeader::XForwardedFor.as_str())
            .read::<ForwardedHeader>();
        let proxy_protocol = from
            .setting(
                "PROXY_PROTOCOL",
                "Whether trusted peers send a PROXY header, version 1 or 2, before anything else.",
            )
            .default("off")
            .read::<bool>();
        let max_connections = from
            .setting(
                "MAX_CONNECTIONS",
                "Connections at a time. Above it the oldest without a request, else the longest idle \
                 one, makes room for a new one.",
            )
            .default_from(
                "from the limit of open files, at most 10000",
                default_max_connections(workers.unwrap_or_else(|_| cpus())).to_string(),
            )
            .example("5000")
            .read_with("a whole number from 1 to 1000000", within(1..=1_000_000));
        let max_in_flight = from
            .setting(
                "MAX_IN_FLIGHT",
                "Requests at a time; further ones are answered with 503 at once. 0 is off.",
            )
            .default(DEFAULT_MAX_IN_FLIGHT)
            .read::<usize>();
        let max_body_bytes = from
            .setting(
                "MAX_BODY_BYTES",
                "Longest request body that an extractor reads where the code sets no limit; a longer one is answered with 413.",
            )
            .default(DEFAULT_MAX_BODY_BYTES)
            .read::<ByteSize>();

        #[cfg(feature = "otlp")]
        let traces = traces::read(from);

        // Used before anything is read, and asked for here so that it is known and documented.
        let env_file = from
            .setting(
                ENV_FILE,
                "Profile to load; the real environment wins over it.",
            )
            .example(".env.int")
            .read_optional::<PathBuf>();
        let listen = host.and_then(|host| Ok(host.with_port(port?)));
        // All rules are looked at before the first `?`, likewise.
        let tls = rules::tls(from, certificate, key, client_ca);
        let admin = rules::admin(from, &listen, admin_addr, infra_endpoints);
        let trusted_proxies = trusted_proxies.map(Option::unwrap_or_default);
        let proxy_protocol = rules::proxy_protocol(from, proxy_protocol, &trusted_proxies);
        let (admin_addr, infra_endpoints) = admin?;
        env_file?;

        let debug = debug?;
        // The report still says that the key is unset: what it shows is what was configured.
        let development_key = || debug.then(|| Secret::new(DEVELOPMENT_KEY));
        Ok(Self {
            build: BuildInfo::from_strings(service?, version?, build_time?),
            listen: listen?,
            admin_addr,
            infra_endpoints,
            tls: tls?,
            http2_cleartext: http2_cleartext?,
            log_level: logging.level?,
            log_format: logging.format?,
            redact_query: logging.redact_query?.unwrap_or_default(),
            debug,
            read_timeout: read_timeout?,
            idle_timeout: idle_timeout?,
            write_timeout: write_timeout?,
            request_timeout: request_timeout?.get(),
            shutdown_timeout: shutdown_timeout?,
            drain_delay: drain_delay?.get().unwrap_or_default(),
            workers: workers?,
            trusted_proxies: trusted_proxies?,
            proxy_protocol: proxy_protocol?,
            forwarded_header: forwarded_header?,
            max_connections: max_connections?,
            max_in_flight: max_in_flight?,
            max_body_bytes: max_body_bytes?,
            secret_key: secret_key?.or_else(development_key),
            #[cfg(feature = "otlp")]
            traces: traces?,
        })
    }
}

pub(super) fn label(text: &str) -> Result<String, ParseError> {
    if text.is_empty() || text.len() > MAX_LABEL_BYTES || text.contains(char::is_control) {
        return Err(ParseError::new());
    }
    Ok(text.to_owned())
}

/// What the hard limit of open files leaves for connections; the soft limit is raised to it when the
/// service starts.
fn default_max_connections(workers: usize) -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    max_connections_of(limit.unwrap_or(u64::MAX), workers as u64)
}

fn max_connections_of(descriptors: u64, workers: u64) -> u64 {
    let own = PROCESS_DESCRIPTORS + WORKER_DESCRIPTORS * workers;
    let left = descriptors.saturating_sub(own);
    let spare = SPARE_DESCRIPTORS.min(left / 2);
    ((left - spare) / 10 * 9 + (left - spare) % 10 * 9 / 10).clamp(1, DEFAULT_MAX_CONNECTIONS)
}

/// The CPUs that the process may use; on Linux that counts affinity and the quota of the control
/// group.
fn cpus() -> usize {
    thread::available_parallelism().map_or(1, |cpus| cpus.get().min(MAX_WORKERS))
}
