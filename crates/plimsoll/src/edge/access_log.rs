//! The access record: one line for each request that ends, and for each rejected head (contract
//! LOG-13), without the values of secrets.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::request_guard::RequestGuard;
use crate::{
    config::{Config, Level},
    metrics::{Cause as _, ProtocolError, Registry},
    request::{Peer, RequestId},
    telemetry::{
        Log, MAX_METHOD, PreparedFields, Priority, Record, RecordHead, Redaction, escape_cut,
        json_text, key, push_start,
    },
};

/// The longest path, query or user agent that is logged, in bytes (contract LOG-8).
const MAX_TEXT: usize = 1024;

/// Writes access records. The parts that all records share are prepared once.
#[derive(Debug)]
pub(crate) struct AccessLog {
    log: Log,
    registry: Arc<Registry>,
    /// The fields `service`, `version` and `buildTime`.
    build: PreparedFields,
    redaction: Redaction,
    /// The leading fields for statuses up to 399, from 400 to 499, and from 500 on.
    heads: [RecordHead; 3],
}

impl AccessLog {
    pub(super) fn new(config: &Config, log: Log, registry: Arc<Registry>) -> Self {
        let build = &config.build;
        Self {
            build: PreparedFields::new(|record| {
                record.escaped(key!("service"), |out| {
                    json_text(out, build.service(), MAX_TEXT);
                });
                record.escaped(key!("version"), |out| {
                    json_text(out, build.version(), MAX_TEXT);
                });
                record.escaped(key!("buildTime"), |out| {
                    json_text(out, build.build_time(), MAX_TEXT);
                });
            }),
            redaction: Redaction::new(&config.redact_query),
            heads: [Level::Info, Level::Warning, Level::Error]
                .map(|level| RecordHead::new(level, "http", "http_request")),
            log,
            registry,
        }
    }

    /// Writes the one record of a request that has ended at `at`.
    pub(super) fn write(
        &self,
        guard: &RequestGuard,
        status: u16,
        at: Instant,
        took: Duration,
        aborted: bool,
    ) {
        let id = &guard.request_id;
        if !self.log.levels().enables_access(level(status), id) {
            return;
        }
        let pattern = self.registry.http.pattern(guard.route);
        self.log
            .write_with(Priority::Low, self.head(status), at, id, |record| {
                self.fields(record, guard, pattern, status, took, aborted);
            });
    }

    /// Writes the record of a head that the parser has rejected (LOG-13).
    pub(super) fn write_fault(
        &self,
        fault: ProtocolError,
        status: u16,
        id: &RequestId,
        peer: Peer,
        took: Duration,
    ) {
        if !self.log.levels().enables_access(level(status), id) {
            return;
        }
        let pattern = self.registry.http.pattern(0);
        let at = Instant::now();
        self.log
            .write_with(Priority::Low, self.head(status), at, id, |record| {
                self.begin(record, status);
                record.str(key!("method"), "-");
                record.str(key!("path"), pattern);
                record.str(key!("rawPath"), "-");
                record.str(key!("query"), "");
                // No header was parsed, so the address is that of the socket.
                write_ip(record, peer.ip());
                record.millis(key!("latencyMs"), took);
                record.str(key!("userAgent"), "");
                record.str(key!("protocolError"), fault.as_str());
            });
    }

    /// The leading fields, by the level of the status (LOG-4).
    fn head(&self, status: u16) -> &RecordHead {
        let [info, warning, error] = &self.heads;
        match level(status) {
            Level::Error => error,
            Level::Warning => warning,
            _ => info,
        }
    }

    /// Writes the fields of an access record that follow the leading fields.
    pub(crate) fn fields(
        &self,
        record: &mut Record<'_>,
        guard: &RequestGuard,
        pattern: &str,
        status: u16,
        took: Duration,
        aborted: bool,
    ) {
        self.begin(record, status);
        let method = guard.method.as_str().as_bytes();
        record.escaped(key!("method"), |out| match method.len() {
            // No character of a method needs escaping (RFC 9110, 9.1).
            0..=MAX_METHOD => out.extend_from_slice(method),
            _ => escape_cut(out, method, MAX_METHOD),
        });
        record.str(key!("path"), pattern);
        let path = match guard.uri.path() {
            // The target of CONNECT is an authority.
            "" => guard.uri.authority().map_or("", |it| it.as_str()),
            path => path,
        };
        record.escaped(key!("rawPath"), |out| {
            escape_cut(out, path.as_bytes(), MAX_TEXT);
        });
        let query = guard.uri.query();
        let query = query.map_or(Cow::Borrowed(""), |query| self.redaction.apply(query));
        record.escaped(key!("query"), |out| {
            escape_cut(out, query.as_bytes(), MAX_TEXT)
        });
        write_ip(record, guard.client_ip);
        record.millis(key!("latencyMs"), took);
        let agent = guard
            .user_agent
            .as_ref()
            .map_or(&b""[..], |agent| agent.as_bytes());
        record.escaped(key!("userAgent"), |out| escape_cut(out, agent, MAX_TEXT));
        if aborted {
            record.bool(key!("aborted"), true);
        }
        if guard.id_replaced {
            record.bool(key!("requestIdReplaced"), true);
        }
        if let Some(fault) = guard.fault {
            record.str(key!("protocolError"), fault.as_str());
        }
        if let Some(limit) = guard.size_limit {
            record.str(key!("limit"), limit.as_str());
        }
        if let Some(status) = guard.grpc_status {
            record.number(key!("grpcStatus"), status);
        }
        record.trace(guard.trace.recorded());
    }

    /// Writes the first fields after the leading ones.
    fn begin(&self, record: &mut Record<'_>, status: u16) {
        record.prepared(&self.build);
        record.number(key!("status"), status);
    }
}

/// The level of a record, by its status (LOG-4).
const fn level(status: u16) -> Level {
    match status {
        500.. => Level::Error,
        400.. => Level::Warning,
        _ => Level::Info,
    }
}

/// The decimal text of each octet with a dot after it, and the length of that text.
const OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0_u16;
    while octet < 256 {
        let [_, low] = octet.to_be_bytes();
        let (hundreds, tens, ones) = (b'0' + low / 100, b'0' + low / 10 % 10, b'0' + low % 10);
        octets[octet as usize] = match octet {
            100.. => ([hundreds, tens, ones, b'.'], 4),
            10.. => ([tens, ones, b'.', 0], 3),
            _ => ([ones, b'.', 0, 0], 2),
        };
        octet += 1;
    }
    octets
};

/// Writes the client address, or `-` if there is none.
fn write_ip(record: &mut Record<'_>, ip: Option<IpAddr>) {
    match ip {
        // The formatter of `Ipv4Addr` takes twenty times as long. Without such formatters, a record
        // takes 2,800 instructions instead of 6,900 (docs/performance.md).
        Some(IpAddr::V4(ip)) => record.escaped(key!("ip"), |out| {
            let mut text = [0; 16];
            let mut length = 0;
            for octet in ip.octets() {
                let (digits, count) = OCTETS[usize::from(octet)];
                // Four octets with their dots have at most 16 bytes, so the slice exists.
                if let Some(target) = text.get_mut(length..length + 4) {
                    target.copy_from_slice(&digits);
                }
                length += count;
            }
            // Cut off the last dot.
            push_start(out, &text, length - 1);
        }),
        Some(ip) => record.display(key!("ip"), &ip),
        None => record.str(key!("ip"), "-"),
    }
}
