//! The access record: what it says of a request, and what it keeps to itself.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use super::{Peer, Shared, account::Account};
use crate::{
    build_info::BuildInfo,
    config::Level,
    context::RequestId,
    metrics::{Cause as _, ProtocolError},
    telemetry::{Head, Log, Priority, Record, escape_cut, json_string, key},
};

/// The most bytes of a path, a query or an agent that are logged (contract LOG-8).
pub(super) const MAX_TEXT: usize = 1024;
pub(crate) const MAX_METHOD: usize = 32;

/// Parameters whose values are not logged (LOG-3).
const SECRETS: [&str; 6] = [
    "token",
    "access_token",
    "api_key",
    "password",
    "secret",
    "signature",
];

/// What access records have in common, made ready once.
#[derive(Debug)]
pub(super) struct AccessLog {
    service: Vec<u8>,
    version: Vec<u8>,
    build_time: Vec<u8>,
    /// The least level that is wanted of `http`.
    threshold: Level,
    /// Of statuses up to 399, up to 499, and above.
    heads: [Head; 3],
}

impl AccessLog {
    pub(super) fn new(build: &BuildInfo, log: &Log) -> Self {
        let escaped = |text: &str| {
            let mut out = Vec::new();
            json_string(&mut out, text, 1024);
            // The quotes come with the field.
            out[1..out.len() - 1].to_vec()
        };
        Self {
            service: escaped(build.service()),
            version: escaped(build.version()),
            build_time: escaped(build.build_time()),
            threshold: log.levels().threshold("http"),
            heads: [Level::Info, Level::Warning, Level::Error]
                .map(|level| Head::new(level, "http", "http_request")),
        }
    }
}

impl Shared {
    /// Writes the one record of a request that has ended.
    pub(super) fn write_access(
        &self,
        account: &Account,
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
    fn head(&self, status: u16) -> &Head {
        let [info, warning, error] = &self.heads;
        match level(status) {
            Level::Error => error,
            Level::Warning => warning,
            _ => info,
        }
    }

    /// Writes what an access record has behind the leading fields.
    pub(super) fn fields(
        &self,
        record: &mut Record<'_>,
        account: &Account,
        pattern: &str,
        status: u16,
        took: Duration,
        aborted: bool,
    ) {
        self.begin(record, status);
        let method = account.method.as_str().as_bytes();
        record.escaped(key!("method"), |out| escape_cut(out, method, MAX_METHOD));
        record.str(key!("path"), pattern);
        let path = match account.uri.path() {
            // The target of CONNECT is an authority.
            "" => account.uri.authority().map_or("", |it| it.as_str()),
            path => path,
        };
        record.escaped(key!("rawPath"), |out| {
            escape_cut(out, path.as_bytes(), MAX_TEXT);
        });
        let query = redact(account.uri.query().unwrap_or_default());
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
        record.trace(account.trace.recorded());
    }

    /// Writes the fields that begin every access record.
    fn begin(&self, record: &mut Record<'_>, status: u16) {
        record.escaped(key!("service"), |out| out.extend_from_slice(&self.service));
        record.escaped(key!("version"), |out| out.extend_from_slice(&self.version));
        record.escaped(key!("buildTime"), |out| {
            out.extend_from_slice(&self.build_time)
        });
        record.number(key!("status"), status);
    }
}

impl Shared {
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

fn write_ip(record: &mut Record<'_>, ip: Option<IpAddr>) {
    match ip {
        // The formatter of addresses takes ten times as long.
        Some(IpAddr::V4(ip)) => record.escaped(key!("ip"), |out| {
            for (index, byte) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(byte).as_bytes());
            }
        }),
        Some(ip) => record.display(key!("ip"), &ip),
        None => record.str(key!("ip"), "-"),
    }
}

/// A query with the values of secret parameters taken out.
pub(crate) fn redact(query: &str) -> Cow<'_, str> {
    let is_secret = |pair: &str| {
        pair.split_once('=').is_some_and(|(name, _)| {
            let name = decode(name);
            SECRETS
                .iter()
                .any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
        })
    };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => Cow::Owned(format!("{name}=***")),
            _ => Cow::Borrowed(pair),
        })
        .collect();
    Cow::Owned(pairs.join("&"))
}

/// A parameter's name without its percent encoding, which would hide it.
fn decode(name: &str) -> Cow<'_, [u8]> {
    if !name.contains('%') {
        return Cow::Borrowed(name.as_bytes());
    }
    let bytes = name.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = name.get(index + 1..index + 3);
        match (bytes[index], hex.map(|hex| u8::from_str_radix(hex, 16))) {
            (b'%', Some(Ok(byte))) => {
                out.push(byte);
                index += 3;
            }
            (byte, _) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(redact(query), expected);
    }

    #[test]
    fn values_of_secret_parameters_are_not_logged() {
        check("", "");
        check("a=1&b=2", "a=1&b=2");
        check("token=abc", "token=***");
        check("a=1&Api_Key=x&b=2", "a=1&Api_Key=***&b=2");
        check("%74oken=abc&pass%77ord=x=y", "%74oken=***&pass%77ord=***");
        check("token&tokens=1&mytoken=2", "token&tokens=1&mytoken=2");
        check(
            "password=&access_token==&signature=%",
            "password=***&access_token=***&signature=***",
        );
    }

    proptest! {
        #[test]
        fn no_query_breaks_the_redaction(query in "[%&=a-f0-9tokén]*") {
            let secret = format!("{query}&secret=CANARY&{query}");
            prop_assert!(!redact(&secret).contains("CANARY"));
        }
    }
}
