//! LOG-3 to LOG-6, RID-3 and IP-1: the access records of requests.

use serde_json::Value;

use super::SECRET;
use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        names::{ACCESS, LEADING},
        record::Record,
        scenario::{BUILD_TIME, SERVICE_NAME, VERSION},
    },
    wire::Exchange,
};

pub(super) fn one(evidence: &Evidence) -> Judgement {
    each(["found", "missing"], |name| {
        let exchange = evidence.exchange(name)?;
        let records = evidence.access_records(exchange)?;
        if records.is_empty() {
            return Err(evidence.no_access_record(exchange));
        }
        let [record] = &records[..] else {
            let lines: Vec<&str> = records.iter().map(Record::line).collect();
            let received = format!("{} access records\n{}", records.len(), lines.join("\n"));
            let received = received.trim_end().to_owned();
            return Err(Finding::exchange(exchange, received, "one access record").into());
        };
        require(record.text("name") == Some("http"), || {
            Finding::record(exchange, record, "the logger http")
        })
    })
}

pub(super) fn fields(evidence: &Evidence) -> Judgement {
    each(["found", "missing"], |name| {
        let (exchange, record) = evidence.access_record(name)?;
        let path = path_of(exchange);
        let of_service = [
            ("service", SERVICE_NAME),
            ("version", VERSION),
            ("buildTime", BUILD_TIME),
        ];
        let of_request = [
            ("method", "GET"),
            ("rawPath", path.as_str()),
            ("userAgent", "plimsoll"),
        ];
        let is_exact = |pairs: &[(&str, &str)]| {
            let mut pairs = pairs.iter();
            pairs.all(|(field, value)| record.text(field) == Some(value))
        };
        // The variables of a service at a URL are unknown.
        let is_exact = is_exact(&of_request) && (evidence.start.is_none() || is_exact(&of_service));
        let has_texts = ["service", "version", "buildTime", "path", "query", "ip"]
            .iter()
            .all(|field| record.text(field).is_some());
        let status = record.get("status").and_then(Value::as_u64);
        let latency = record.get("latencyMs").and_then(Value::as_f64);
        let holds = is_exact
            && has_texts
            && status == exchange.status().map(u64::from)
            && latency.is_some_and(|latency| latency >= 0.0);
        require(holds, || {
            let expected = format!(
                "service {SERVICE_NAME:?}, version {VERSION:?}, buildTime {BUILD_TIME:?}, status {} \
                 as a number, method \"GET\", rawPath {path:?}, userAgent \"plimsoll\", latencyMs as \
                 a number, and the texts path, query and ip",
                exchange.status().unwrap_or_default()
            );
            Finding::record(exchange, &record, expected)
        })
    })
}

pub(super) fn unmatched(evidence: &Evidence) -> Judgement {
    let (exchange, record) = evidence.access_record("missing")?;
    require(record.text("path") == Some("__unmatched__"), || {
        Finding::record(exchange, &record, "path \"__unmatched__\"")
    })
}

pub(super) fn order(evidence: &Evidence) -> Judgement {
    evidence.names.require_none()?;
    let (exchange, record) = evidence.access_record("found")?;
    let names = record.names().skip(LEADING.len()).take(ACCESS.len());
    require(names.eq(ACCESS), || {
        let expected = format!("after request_id: {}", ACCESS.join(", "));
        Finding::record(exchange, &record, expected)
    })
}

pub(super) fn secrets(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("missing")?;
    for record in evidence.records_of(exchange)? {
        require(!record.line().contains(SECRET), || {
            Finding::record(
                exchange,
                &record,
                "query with *** in place of secret values",
            )
        })?;
    }
    let (exchange, record) = evidence.access_record("missing")?;
    let query = record.text("query").unwrap_or_default();
    require(query.contains("plain=shown"), || {
        Finding::record(exchange, &record, "query with the value of plain")
    })
}

pub(super) fn level(evidence: &Evidence) -> Judgement {
    each(["found", "missing"], |name| {
        let (exchange, record) = evidence.access_record(name)?;
        let level = match exchange.status() {
            Some(..400) => "INFO",
            Some(400..500) => "WARNING",
            _ => "ERROR",
        };
        require(record.text("levelname") == Some(level), || {
            Finding::record(exchange, &record, format!("levelname {level:?}"))
        })
    })
}

pub(super) fn probes(evidence: &Evidence) -> Judgement {
    each(evidence.exchanges("probe"), |exchange| {
        match evidence.access_records(exchange)?.first() {
            Some(record) => Err(Finding::record(exchange, record, "no access record").into()),
            None => Ok(()),
        }
    })
}

pub(super) fn single(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("missing")?;
    if exchange.status() != Some(404) {
        let reason = "an unknown path does not get status 404";
        return Err(Fault::not_proven(reason));
    }
    let mut records = evidence.records_of(exchange)?;
    records.retain(|record| record.text("message") != Some("http_request"));
    if evidence.start.is_none() {
        // LOG_LEVEL can permit further ones.
        records.retain(|record| record.text("levelname") != Some("DEBUG"));
    }
    match records.first() {
        None => Ok(()),
        Some(record) => Err(Finding::record(exchange, record, "no other record").into()),
    }
}

pub(super) fn id(evidence: &Evidence) -> Judgement {
    each(["found", "missing"], |name| {
        let (exchange, record) = evidence.access_record(name)?;
        let nonce = &exchange.nonce;
        require(record.text("request_id") == Some(nonce), || {
            Finding::record(exchange, &record, format!("request_id {nonce:?}"))
        })
    })
}

pub(super) fn peer(evidence: &Evidence) -> Judgement {
    if evidence.start.is_none() {
        let reason =
            "the address of this client as a service at a URL sees it is unknown; pass a command";
        return Err(Fault::not_proven(reason));
    }
    let (exchange, record) = evidence.access_record("forwarded")?;
    require(record.text("ip") == Some("127.0.0.1"), || {
        Finding::record(
            exchange,
            &record,
            "ip \"127.0.0.1\", the address of the socket",
        )
    })
}

/// Returns the path of a request, without its query.
pub(in crate::verify::checks) fn path_of(exchange: &Exchange) -> String {
    let request = String::from_utf8_lossy(&exchange.request);
    let target = request.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default().to_owned()
}
