//! The access record: what it says of a request, and what it keeps to itself.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use super::{EdgeState, request_guard::RequestGuard};
use crate::{
    build_info::BuildInfo,
    config::Level,
    metrics::{Cause as _, ProtocolError},
    request::{Peer, RequestId},
    telemetry::{
        Log, PreparedFields, Priority, Record, RecordHead, Redaction, escape_cut, json_string, key,
    },
};

/// The most bytes of a path, a query or an agent that are logged (contract LOG-8).
pub(super) const MAX_TEXT: usize = 1024;
pub(crate) const MAX_METHOD: usize = 32;

/// What access records have in common, made ready once.
#[derive(Debug)]
pub(crate) struct AccessLog {
    /// `service`, `version` and `buildTime`.
    build: PreparedFields,
    redaction: Redaction,
    /// The least level that is wanted of `http`.
    threshold: Level,
    /// Of statuses up to 399, up to 499, and above.
    heads: [RecordHead; 3],
}

impl AccessLog {
    pub(super) fn new(build: &BuildInfo, log: &Log, redacted: &[String]) -> Self {
        // The quotes come with the field.
        let escaped = |out: &mut Vec<u8>, text: &str| {
            let mut quoted = Vec::new();
            json_string(&mut quoted, text, 1024);
            out.extend_from_slice(&quoted[1..quoted.len() - 1]);
        };
        Self {
            build: PreparedFields::new(|record| {
                record.escaped(key!("service"), |out| escaped(out, build.service()));
                record.escaped(key!("version"), |out| escaped(out, build.version()));
                record.escaped(key!("buildTime"), |out| escaped(out, build.build_time()));
            }),
            redaction: Redaction::new(redacted),
            threshold: log.levels().threshold("http"),
            heads: [Level::Info, Level::Warning, Level::Error]
                .map(|level| RecordHead::new(level, "http", "http_request")),
        }
    }
}

impl EdgeState {
    /// Writes the one record of a request that has ended.
    pub(super) fn write_access(
        &self,
        account: &RequestGuard,
        status: u16,
        took: Duration,
        aborted: bool,
    ) {
        let level = level(status);
        let access = &self.access;
        if level < access.threshold {
            return;
        }
        let pattern = self.registry.http.pattern(account.route);
        let id = account.request_id.as_str();
        self.log
            .write_with(Priority::Low, access.head(status), id, |record| {
                access.fields(record, account, pattern, status, took, aborted);
            });
    }
}

impl AccessLog {
    /// The leading fields that the status decides on (LOG-4).
    fn head(&self, status: u16) -> &RecordHead {
        let [info, warning, error] = &self.heads;
        match level(status) {
            Level::Error => error,
            Level::Warning => warning,
            _ => info,
        }
    }

    /// Writes what an access record has behind the leading fields.
    pub(crate) fn fields(
        &self,
        record: &mut Record<'_>,
        account: &RequestGuard,
        pattern: &str,
        status: u16,
        took: Duration,
        aborted: bool,
    ) {
        self.begin(record, status);
        let method = account.method.as_str().as_bytes();
        record.escaped(key!("method"), |out| match method.len() {
            // No character of a method needs escaping (RFC 9110, 9.1).
            0..=MAX_METHOD => out.extend_from_slice(method),
            _ => escape_cut(out, method, MAX_METHOD),
        });
        record.str(key!("path"), pattern);
        let path = match account.uri.path() {
            // The target of CONNECT is an authority.
            "" => account.uri.authority().map_or("", |it| it.as_str()),
            path => path,
        };
        record.escaped(key!("rawPath"), |out| {
            escape_cut(out, path.as_bytes(), MAX_TEXT);
        });
        let query = account.uri.query();
        let query = query.map_or(Cow::Borrowed(""), |query| self.redaction.apply(query));
        record.escaped(key!("query"), |out| {
            escape_cut(out, query.as_bytes(), MAX_TEXT)
        });
        write_ip(record, account.client_ip);
        record.millis(key!("latencyMs"), took);
        let agent = account
            .user_agent
            .as_ref()
            .map_or(&b""[..], |agent| agent.as_bytes());
        record.escaped(key!("userAgent"), |out| escape_cut(out, agent, MAX_TEXT));
        if aborted {
            record.bool(key!("aborted"), true);
        }
        if account.id_replaced {
            record.bool(key!("requestIdReplaced"), true);
        }
        if let Some(fault) = account.fault {
            record.str(key!("protocolError"), fault.as_str());
        }
        if let Some(limit) = account.size_limit {
            record.str(key!("limit"), limit.as_str());
        }
        if let Some(status) = account.grpc_status {
            record.number(key!("grpcStatus"), status);
        }
        record.trace(account.trace.recorded());
    }

    /// Writes the fields that begin every access record.
    fn begin(&self, record: &mut Record<'_>, status: u16) {
        record.prepared(&self.build);
        record.number(key!("status"), status);
    }
}

impl EdgeState {
    /// Writes the record of a request that the parser has refused (LOG-13).
    pub(super) fn write_refusal(
        &self,
        fault: ProtocolError,
        status: u16,
        id: &RequestId,
        peer: Peer,
        took: Duration,
    ) {
        let level = level(status);
        if level < self.access.threshold {
            return;
        }
        self.log.write_with(
            Priority::Low,
            self.access.head(status),
            id.as_str(),
            |record| {
                self.access.begin(record, status);
                record.str(key!("method"), "-");
                record.str(key!("path"), self.registry.http.pattern(0));
                record.str(key!("rawPath"), "-");
                record.str(key!("query"), "");
                // No header was understood that could say more than the socket.
                write_ip(record, peer.ip());
                record.millis(key!("latencyMs"), took);
                record.str(key!("userAgent"), "");
                record.str(key!("protocolError"), fault.as_str());
            },
        );
    }
}

/// The level that a status has (LOG-4).
const fn level(status: u16) -> Level {
    match status {
        500.. => Level::Error,
        400.. => Level::Warning,
        _ => Level::Info,
    }
}

/// Each number of an IPv4 address with a dot behind it, and how many bytes that takes.
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

fn write_ip(record: &mut Record<'_>, ip: Option<IpAddr>) {
    match ip {
        // The formatter of addresses takes twenty times as long.
        Some(IpAddr::V4(ip)) => record.escaped(key!("ip"), |out| {
            let mut text = [0; 16];
            let mut length = 0;
            for octet in ip.octets() {
                let (digits, count) = OCTETS[usize::from(octet)];
                // Four of them, with a dot each, have 16 bytes at most.
                if let Some(place) = text.get_mut(length..length + 4) {
                    place.copy_from_slice(&digits);
                }
                length += count;
            }
            // Without the last dot.
            out.extend_from_slice(&text[..length - 1]);
        }),
        Some(ip) => record.display(key!("ip"), &ip),
        None => record.str(key!("ip"), "-"),
    }
}
