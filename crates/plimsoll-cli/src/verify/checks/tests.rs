//! Each check judges recorded evidence of a service that keeps the promise, and of one that does not.

use std::{collections::BTreeSet, time::Duration};

use plimsoll_contract::Contract;

use super::*;
use crate::{
    target::{Ended, Line, Start, Stream},
    verify::{
        evidence::{Evidence, Shutdown},
        subject::request,
    },
    wire::{Exchange, Outcome, Response},
};

/// Judges evidence by a check: `Some(true)` if it holds, `None` if it is not proven.
#[track_caller]
fn judge(id: &str, evidence: &Evidence) -> Option<bool> {
    let mut checks = all().flat_map(|probe| probe.checks);
    let (_, evaluate) = checks.find(|(other, _)| *other == id).expect(id);
    match evaluate(evidence) {
        Ok(()) => Some(true),
        Err(Fault::Violated(_)) => Some(false),
        Err(Fault::NotProven(_)) => None,
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Outcome::Answered(Response {
        status,
        headers: headers.collect(),
        body: body.as_bytes().to_vec(),
    })
}

fn exchange(name: &'static str, outcome: Outcome) -> Exchange {
    Exchange::recorded(name, &request("GET", "/a", &[]), outcome)
}

fn started(exchanges: impl Into<Vec<Exchange>>, lines: &[&str]) -> Evidence {
    let lines = lines.iter().map(|line| Line {
        stream: Stream::Out,
        bytes: line.as_bytes().to_vec(),
    });
    Evidence {
        start: Some(Start::Ready(Duration::ZERO)),
        exchanges: exchanges.into(),
        lines: Some(lines.collect()),
        ..Evidence::default()
    }
}

/// Judges the response to one request.
#[track_caller]
fn judge_response(id: &str, name: &'static str, outcome: Outcome) -> Option<bool> {
    judge(id, &started([exchange(name, outcome)], &[]))
}

#[test]
fn banner_is_one_line_with_the_name() {
    let banner = |kind: &str, body: &str| {
        let outcome = response(200, &[("content-type", kind)], body);
        judge_response("HTTP-1:banner", "root", outcome)
    };
    let good = "verified-service is running (Go)\n";
    assert_eq!(banner("text/plain", good), Some(true));
    assert_eq!(banner("text/html", good), Some(false));
    assert_eq!(banner("text/plain", "other is running\n"), Some(false));
    assert_eq!(banner("text/plain", good.trim_end()), Some(false));
    assert_eq!(banner("text/plain", &format!("{good}\n")), Some(false));
    let lost = judge_response("HTTP-1:banner", "root", Outcome::Lost);
    assert_eq!(lost, Some(false));
}

#[test]
fn info_has_three_texts() {
    let info = |id: &str, body: &str| {
        let outcome = response(200, &[("content-type", "application/json")], body);
        judge_response(id, "info", outcome)
    };
    let good = r#"{"service":"verified-service","version":"9.8.7-verify","buildTime":"2001-02-03T04:05:06Z"}"#;
    for id in ["HTTP-2:info", "HTTP-2:form", "CFG-1:build"] {
        assert_eq!(info(id, good), Some(true), "{id}");
    }
    let other_order = r#"{"version":"9.8.7-verify","service":"verified-service","buildTime":"2001-02-03T04:05:06Z"}"#;
    assert_eq!(info("HTTP-2:info", other_order), Some(true));
    assert_eq!(info("HTTP-2:form", other_order), Some(false));
    let more = good.replace('}', ",\"a\":\"b\"}");
    assert_eq!(info("HTTP-2:info", &more), Some(false));
    let other = good.replace("9.8.7", "1.0.0");
    assert_eq!(info("CFG-1:build", &other), Some(false));
}

#[test]
fn probes_answer_ok() {
    let ok = || response(200, &[], "ok\n");
    let other = || response(204, &[], "");
    for (id, name) in [("HTTP-3:live", "live"), ("HTTP-4:ready", "ready")] {
        assert_eq!(judge_response(id, name, ok()), Some(true));
        assert_eq!(judge_response(id, name, other()), Some(false));
    }
    for (id, name) in [("HTTP-3:body", "live"), ("HTTP-4:body", "ready")] {
        assert_eq!(judge_response(id, name, ok()), Some(true));
        assert_eq!(judge_response(id, name, other()), Some(false));
    }
}

#[test]
fn ids_are_kept_or_generated() {
    let id = |check: &str, name: &'static str, id: &str| {
        judge_response(check, name, response(200, &[("x-request-id", id)], ""))
    };
    assert_eq!(id("RID-1:echo", "with id", "nonce-of-with id"), Some(true));
    assert_eq!(id("RID-1:echo", "with id", "other"), Some(false));
    let generated = |value: &str| id("RID-1:generated", "without id", value);
    assert_eq!(generated(&"0a".repeat(16)), Some(true));
    assert_eq!(generated(&"0A".repeat(16)), Some(false));
    assert_eq!(generated(&"0a".repeat(15)), Some(false));
}

/// An access record of the request `found`.
const ACCESS: &str = r#"{"asctime":"2026-01-02 03:04:05,678","levelname":"INFO","name":"http","process":7,"threadName":"main","message":"http_request","request_id":"nonce-of-found","service":"verified-service","version":"9.8.7-verify","buildTime":"2001-02-03T04:05:06Z","status":200,"method":"GET","path":"/","rawPath":"/a","query":"","ip":"127.0.0.1","latencyMs":0.5,"userAgent":"plimsoll"}"#;

/// The record of a start.
const READY: &str = r#"{"asctime":"2026-01-02 03:04:05,678","levelname":"INFO","name":"infra","process":7,"threadName":"main","message":"infra_app_ready","request_id":"-"}"#;

/// Judges the log of a service, of which a text is replaced.
#[track_caller]
fn judge_log(id: &str, from: &str, to: &str) -> Option<bool> {
    let missing = ACCESS
        .replace("nonce-of-found", "nonce-of-missing")
        .replace("\"path\":\"/\"", "\"path\":\"__unmatched__\"")
        .replace("\"query\":\"\"", "\"query\":\"token=***&plain=shown\"")
        .replace("\"status\":200", "\"status\":404")
        .replace("INFO", "WARNING");
    let forwarded = ACCESS.replace("nonce-of-found", "nonce-of-forwarded");
    let log = [READY, ACCESS, &missing, &forwarded]
        .join("\n")
        .replace(from, to);
    let lines: Vec<&str> = log.lines().collect();
    let exchanges = [
        exchange("found", response(200, &[], "")),
        exchange("missing", response(404, &[], "")),
        exchange("forwarded", response(200, &[], "")),
        exchange("probe", response(200, &[], "")),
        exchange("hostile", response(400, &[], "")),
    ];
    judge(id, &started(exchanges, &lines))
}

#[test]
fn records_of_requests_are_judged() {
    let twice = format!("{ACCESS}\n{ACCESS}");
    let other = r#"{"message":"Not Found","request_id":"nonce-of-missing"}"#;
    let with_other = format!("{other}\n{READY}");
    let secret = "token=hunter2-and-more";
    for (id, from, to) in [
        ("LOG-1:json", READY, "Starting"),
        ("LOG-1:json", READY, "[]"),
        ("LOG-2:fields", "\"threadName\":\"main\",", ""),
        ("LOG-2:values", "03:04:05,678", "03:04:05.678"),
        ("LOG-2:values", "\"process\":7", "\"process\":\"7\""),
        ("LOG-2:values", "\"INFO\"", "\"info\""),
        ("LOG-2:order", "{\"asctime\"", "{\"first\":1,\"asctime\""),
        ("LOG-3:one", ACCESS, &twice),
        ("LOG-3:one", ACCESS, ""),
        ("LOG-3:one", "\"name\":\"http\"", "\"name\":\"web\""),
        ("LOG-3:fields", "\"status\":200", "\"status\":\"200\""),
        ("LOG-3:fields", "\"rawPath\":\"/a\"", "\"rawPath\":\"/b\""),
        ("LOG-3:fields", "\"latencyMs\":0.5", "\"latencyMs\":\"0.5\""),
        ("LOG-3:unmatched", "__unmatched__", "/a"),
        ("LOG-3:order", "\"query\":\"\",", ""),
        ("LOG-3:secrets", "token=***", secret),
        ("LOG-4:level", "WARNING", "INFO"),
        ("LOG-5:probes", "nonce-of-found", "nonce-of-probe"),
        ("LOG-6:single", READY, &with_other),
        ("LOG-7:ready", "infra_app_ready", "ready"),
        ("LOG-7:ready", "\"name\":\"infra\"", "\"name\":\"root\""),
        ("RID-3:outside", "\"-\"", "\"\""),
        (
            "RID-3:access",
            "\"request_id\":\"nonce-of-found\"",
            "\"request_id\":\"-\",\"id\":\"nonce-of-found\"",
        ),
        ("IP-1:peer", "127.0.0.1", "203.0.113.9"),
    ] {
        assert_eq!(judge_log(id, "", ""), Some(true), "{id}");
        assert_eq!(judge_log(id, from, to), Some(false), "{id} {to}");
    }
    let twice = format!("{READY}\n{READY}");
    assert_eq!(judge_log("LOG-7:once", READY, &twice), Some(false));
}

#[test]
fn hostile_request_without_a_record_proves_nothing() {
    assert_eq!(judge_log("LOG-1:hostile", "", ""), None);
    let sound = r#"{"message":"http_request","rawPath":"nonce-of-hostile \"forged-record"}"#;
    assert_eq!(judge_log("LOG-1:hostile", READY, sound), Some(true));
    let forged = r#"{"message":"forged-record"}"#;
    assert_eq!(judge_log("LOG-1:hostile", READY, forged), Some(false));
    let twice = r#"{"message":"http_request","message":"nonce-of-hostile"}"#;
    assert_eq!(judge_log("LOG-1:hostile", READY, twice), Some(false));
}

#[test]
fn records_at_a_url_prove_nothing() {
    let evidence = Evidence {
        exchanges: vec![exchange("found", response(200, &[], ""))],
        ..Evidence::default()
    };
    for id in ["LOG-1:json", "LOG-2:fields", "LOG-3:one", "LOG-7:ready"] {
        assert_eq!(judge(id, &evidence), None, "{id}");
    }
}

/// Judges the difference of two scrapes. The second has the lines, after one request to the root.
#[track_caller]
fn judge_metrics(id: &str, lines: &str) -> Option<bool> {
    let scrape = |text: &str| response(200, &[("content-type", "text/plain")], text);
    let counted = exchange("counted", response(200, &[], ""));
    let exchanges = [
        exchange("before", scrape("up 1\n")),
        counted,
        exchange("after", scrape(lines)),
    ];
    judge(id, &started(exchanges, &[]))
}

#[test]
fn counters_rise_by_the_number_of_requests() {
    let labels = "service=\"verified-service\",method=\"GET\",path=\"/\",status=\"200\"";
    let counter = |labels: &str, value: u32| {
        judge_metrics(
            "MET-1:counts",
            &format!("http_requests_total{{{labels}}} {value}\n"),
        )
    };
    assert_eq!(counter(labels, 1), Some(true));
    assert_eq!(counter(labels, 0), Some(false));
    assert_eq!(counter(&labels.replace("path", "route"), 1), Some(false));
    assert_eq!(counter(&labels.replace("verified-", ""), 1), Some(false));

    let count = format!("http_request_duration_seconds_count{{{labels}}} 1\n");
    let kind = "# TYPE http_request_duration_seconds histogram\n";
    let histogram = |text: &str| judge_metrics("MET-2:histogram", text);
    assert_eq!(histogram(&format!("{kind}{count}")), Some(true));
    assert_eq!(histogram(&count), Some(false));

    let probe = "http_requests_total{path=\"/health\"} 1\n";
    assert_eq!(judge_metrics("LOG-5:counted", probe), Some(true));
    assert_eq!(judge_metrics("LOG-5:counted", "up 1\n"), Some(false));
}

#[test]
fn scrapes_of_different_registries_prove_nothing() {
    let scrape = |count: u32| {
        let text = format!("http_requests_total {count}\n");
        response(200, &[("content-type", "text/plain")], &text)
    };
    let scrapes = |after: [u32; 2]| {
        let [first, second] = after.map(|count| exchange("after", scrape(count)));
        let counted = exchange("counted", response(200, &[], ""));
        let exchanges = [exchange("before", scrape(8)), counted, first, second];
        judge("MET-1:counts", &started(exchanges, &[]))
    };
    assert_eq!(scrapes([3, 9]), None);
    assert_eq!(scrapes([9, 8]), None);
    assert_eq!(scrapes([8, 8]), Some(false));
}

#[test]
fn families_have_the_series_of_the_contract() {
    let limits = [
        "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
        "7.5", "10", "+Inf",
    ];
    let buckets = |limits: &[&str]| {
        let bucket =
            |limit: &&str| format!("http_request_duration_seconds_bucket{{le=\"{limit}\"}} 1\n");
        let lines: String = limits.iter().map(bucket).collect();
        judge_metrics("MET-2:buckets", &lines)
    };
    assert_eq!(buckets(&limits), Some(true));
    assert_eq!(buckets(&limits[1..]), Some(false));

    let build = |labels: &str, value: u32| {
        judge_metrics("MET-3:build", &format!("build_info{{{labels}}} {value}\n"))
    };
    let labels = "service=\"a\",version=\"b\",build_time=\"c\"";
    assert_eq!(build(labels, 1), Some(true));
    assert_eq!(build(labels, 2), Some(false));
    assert_eq!(build("service=\"a\"", 1), Some(false));
}

#[test]
fn random_requests_add_few_series() {
    for id in ["MET-4:paths", "MET-4:methods"] {
        let series = |count: usize| {
            let line = |number| format!("http_requests_total{{path=\"{number}\"}} 1\n");
            (0..count).map(line).collect::<String>()
        };
        assert_eq!(judge_metrics(id, &series(5)), Some(true));
        assert_eq!(judge_metrics(id, &series(6)), Some(false));
        let client = "other_total{path=\"/nonce-of-counted\"} 1\n";
        assert_eq!(judge_metrics(id, client), Some(false));
    }
}

fn judge_start(id: &str, start: Start) -> Option<bool> {
    let evidence = Evidence {
        start: Some(start),
        ..Evidence::default()
    };
    judge(id, &evidence)
}

fn ended(code: Option<i32>) -> Ended {
    Ended {
        code,
        signal: code.is_none().then_some(15),
        at: Duration::from_secs(2),
    }
}

#[test]
fn wrong_values_end_the_start() {
    let ready = || Start::Ready(Duration::ZERO);
    let listens = |ports: &[u16]| Start::Silent {
        listens_on: ports.to_vec(),
    };
    for id in ["CFG-2:duration", "CFG-2:port", "CFG-2:boolean"] {
        assert_eq!(judge_start(id, Start::Ended(ended(Some(78)))), Some(true));
        assert_eq!(judge_start(id, Start::Ended(ended(Some(0)))), Some(false));
        assert_eq!(judge_start(id, Start::Ended(ended(None))), Some(false));
        assert_eq!(judge_start(id, ready()), Some(false));
        assert_eq!(judge_start(id, listens(&[8080])), Some(false));
        assert_eq!(judge_start(id, listens(&[])), None);
    }
    assert_eq!(judge_start("CFG-2:spellings", ready()), Some(true));
    assert_eq!(judge_start("CFG-2:spellings", listens(&[])), Some(false));
}

#[test]
fn errors_are_problems() {
    let problem = |status, kind: &str, body: &str| {
        let outcome = response(status, &[("content-type", kind)], body);
        judge_response("HTTP-7:problem", "unknown", outcome)
    };
    let body = r#"{"title":"Not Found","status":404,"request_id":"a"}"#;
    assert_eq!(problem(404, "application/problem+json", body), Some(true));
    assert_eq!(problem(200, "application/problem+json", body), Some(false));
    assert_eq!(problem(404, "text/html", body), Some(false));
    let body = body.replace("404", "405");
    assert_eq!(problem(404, "application/problem+json", &body), Some(false));
}

#[test]
fn headers_are_those_of_the_contract() {
    let security = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ];
    for (id, name, headers) in [
        ("HTTP-9:security", "page", &security[..]),
        ("HTTP-8:cache", "infra", &[("cache-control", "no-store")]),
        (
            "RID-4:missing",
            "without handler",
            &[("x-request-id", "nonce-of-without handler")],
        ),
    ] {
        assert_eq!(
            judge_response(id, name, response(404, headers, "")),
            Some(true)
        );
        let fewer = &headers[1..];
        assert_eq!(
            judge_response(id, name, response(404, fewer, "")),
            Some(false)
        );
    }
    let server = |headers| judge_response("HTTP-9:server", "page", response(200, headers, ""));
    assert_eq!(server(&[]), Some(true));
    assert_eq!(server(&[("server", "a")]), Some(false));
    let allow = |status, value| {
        judge_response(
            "HTTP-6:method",
            "post",
            response(status, &[("allow", value)], ""),
        )
    };
    assert_eq!(allow(405, "HEAD, GET"), Some(true));
    assert_eq!(allow(405, "POST"), Some(false));
    assert_eq!(allow(200, "GET"), Some(false));
    for (id, name) in [("HTTP-6:head", "head"), ("HTTP-10:aliases", "alias")] {
        assert_eq!(judge_response(id, name, response(200, &[], "")), Some(true));
        assert_eq!(
            judge_response(id, name, response(404, &[], "")),
            Some(false)
        );
    }
}

#[test]
fn ids_at_the_edges_are_kept_or_replaced() {
    let judge_id = |id: &str, name: &'static str, status, value: &str| {
        let request = request("GET", "/", &["X-Request-ID: sent"]);
        let outcome = response(status, &[("x-request-id", value)], "");
        judge(
            id,
            &started([Exchange::recorded(name, &request, outcome)], &[]),
        )
    };
    assert_eq!(judge_id("RID-2:kept", "kept", 200, "sent"), Some(true));
    assert_eq!(judge_id("RID-2:kept", "kept", 200, "other"), Some(false));
    for (id, name) in [
        ("RID-2:length", "long"),
        ("RID-2:charset", "charset"),
        ("RID-2:repeated", "repeated"),
    ] {
        let part = format!("a, nonce-of-{name}");
        assert_eq!(judge_id(id, name, 200, "other"), Some(true));
        assert_eq!(judge_id(id, name, 200, &part), Some(false));
        assert_eq!(judge_id(id, name, 400, &part), Some(true));
    }
    let record = |line: &str| {
        let exchange = exchange("charset", response(200, &[("x-request-id", "new")], ""));
        judge("RID-2:record", &started([exchange], &[line]))
    };
    let line = r#"{"message":"http_request","request_id":"new","requestIdReplaced":true}"#;
    assert_eq!(record(line), Some(true));
    assert_eq!(record(&line.replace("true", "false")), Some(false));
    let unique = |ids: [&str; 2]| {
        let ids = ids.map(|id| exchange("without id", response(200, &[("x-request-id", id)], "")));
        judge("RID-5:unique", &started(ids, &[]))
    };
    assert_eq!(unique(["a", "b"]), Some(true));
    assert_eq!(unique(["a", "a"]), Some(false));
}

#[test]
fn scrapes_agree_with_each_other() {
    let scrapes = |id: &str, texts: [&str; 2]| {
        let scrape = |text| response(200, &[("content-type", "text/plain")], text);
        judge(
            id,
            &started(texts.map(|text| exchange("scrape", scrape(text))), &[]),
        )
    };
    let (one, two) = ("http_requests_total 1\n", "http_requests_total 2\n");
    assert_eq!(scrapes("MET-5:falls", [one, two]), Some(true));
    assert_eq!(scrapes("MET-5:falls", [two, one]), Some(false));
    let same = "http_requests_total 1\nhttp_request_duration_seconds_count 1\n";
    assert_eq!(scrapes("MET-5:equal", [same, same]), Some(true));
    assert_eq!(scrapes("MET-5:equal", [same, one]), Some(false));
}

#[test]
fn wrong_settings_are_reported_together() {
    let evidence = |code, error: &str, record: &str| Evidence {
        variables: &[("A_NAME", "1"), ("B_NAME", "2")],
        start: Some(Start::Ended(ended(Some(code)))),
        lines: Some(vec![
            Line {
                stream: Stream::Err,
                bytes: error.as_bytes().to_vec(),
            },
            Line {
                stream: Stream::Out,
                bytes: record.as_bytes().to_vec(),
            },
        ]),
        ..Evidence::default()
    };
    let good = evidence(
        78,
        "A_NAME=1 and B_NAME=2",
        r#"{"message":"config_invalid"}"#,
    );
    let bad = evidence(1, "A_NAME=1", "");
    for id in ["CFG-3:status", "CFG-3:together", "CFG-3:record"] {
        assert_eq!(judge(id, &good), Some(true), "{id}");
        assert_eq!(judge(id, &bad), Some(false), "{id}");
    }
}

#[test]
fn late_and_invalid_heads_are_rejected() {
    let half = |done, outcome| {
        let half = timed("half", 0, done, outcome);
        judge("SRV-1:head", &started([half], &[]))
    };
    assert_eq!(half(1000, Outcome::Lost), Some(true));
    assert_eq!(half(1000, response(408, &[], "")), Some(true));
    assert_eq!(half(3000, Outcome::Lost), Some(true));
    assert_eq!(half(3001, Outcome::Lost), Some(false));
    assert_eq!(half(1000, Outcome::Late), Some(false));
    assert_eq!(
        judge_response("SRV-3:host", "host", response(400, &[], "")),
        Some(true)
    );
    assert_eq!(
        judge_response("SRV-3:host", "host", response(200, &[], "")),
        Some(false)
    );
}

#[test]
fn last_record_reports_the_shutdown() {
    let report = |lines: &[&str]| {
        let evidence = Evidence {
            lines: started([], lines).lines,
            ..shutdown(None, Vec::new())
        };
        judge("LIFE-6:report", &evidence)
    };
    let last =
        r#"{"name":"infra","requestsFinished":1,"requestsCutOff":0,"drainMs":1,"hooksMs":0}"#;
    assert_eq!(report(&[READY, last]), Some(true));
    assert_eq!(report(&[last, READY]), Some(false));
    assert_eq!(report(&[]), Some(false));
}

/// Evidence of a shutdown after 1 s, with the requests of clients and polls.
fn shutdown(end: Option<Ended>, exchanges: Vec<Exchange>) -> Evidence {
    Evidence {
        shutdown: Some(Shutdown {
            signal: Duration::from_secs(1),
            end,
        }),
        ..started(exchanges, &[])
    }
}

fn timed(name: &'static str, sent: u64, done: u64, outcome: Outcome) -> Exchange {
    Exchange {
        sent: Duration::from_millis(sent),
        done: Duration::from_millis(done),
        ..exchange(name, outcome)
    }
}

#[test]
fn process_ends_in_time_with_status_0() {
    let exit = |end| judge("LIFE-1:exit", &shutdown(end, Vec::new()));
    assert_eq!(exit(Some(ended(Some(0)))), Some(true));
    assert_eq!(exit(Some(ended(Some(3)))), Some(true));
    assert_eq!(exit(Some(ended(Some(1)))), Some(false));
    assert_eq!(exit(Some(ended(None))), Some(false));
    assert_eq!(exit(None), Some(false));
}

#[test]
fn only_requests_across_the_signal_are_in_flight() {
    let ok = || response(200, &[], "");
    let judge = |clients: Vec<Exchange>| judge("LIFE-1:in-flight", &shutdown(None, clients));
    let answered = |count: usize| -> Vec<Exchange> {
        (0..count)
            .map(|_| timed("client", 999, 1001, ok()))
            .collect()
    };
    assert_eq!(judge(answered(5)), Some(true));
    assert_eq!(judge(answered(4)), None);
    let with = |exchange: Exchange| {
        let mut clients = answered(5);
        clients.push(exchange);
        judge(clients)
    };
    assert_eq!(with(timed("client", 999, 1001, Outcome::Lost)), Some(false));
    assert_eq!(
        with(timed("client", 999, 1001, Outcome::Refused)),
        Some(true)
    );
    // A request after the signal is not in flight at the signal.
    assert_eq!(with(timed("client", 1001, 1002, Outcome::Lost)), Some(true));
}

#[test]
fn readiness_ends_within_100_ms() {
    let unready = || response(503, &[], "");
    let judge = |polls: Vec<Exchange>, lag: u64| {
        let evidence = Evidence {
            lag: Duration::from_millis(lag),
            ..shutdown(None, polls)
        };
        judge("LIFE-1:ready", &evidence)
    };
    let ready = |sent| timed("ready", sent, sent, response(200, &[], "ok\n"));
    let ended = || vec![timed("ready", 1100, 1100, unready())];
    let with = |poll: Exchange, lag| judge([vec![poll], ended()].concat(), lag);
    assert_eq!(with(ready(1099), 0), Some(true));
    // A busy machine may have delayed the service.
    assert_eq!(with(ready(1100), 0), None);
    assert_eq!(with(ready(1399), 0), None);
    assert_eq!(with(ready(1400), 0), Some(false));
    assert_eq!(with(ready(1400), 400), None);
    let refused = timed("ready", 1200, 1200, Outcome::Refused);
    assert_eq!(with(refused.clone(), 0), Some(true));
    assert_eq!(judge(vec![refused], 0), Some(false));
}

#[test]
fn listener_is_open_during_the_delay() {
    let judge = |outcome| {
        let accepted = vec![exchange("accepted", outcome)];
        judge("LIFE-1:accepts", &shutdown(None, accepted))
    };
    assert_eq!(judge(response(200, &[], "")), Some(true));
    assert_eq!(judge(Outcome::Refused), Some(false));
}

fn ids() -> Vec<&'static str> {
    all()
        .flat_map(|probe| probe.checks.iter().map(|(id, _)| *id))
        .collect()
}

#[test]
fn checks_of_contract_and_code_agree() {
    let in_code: BTreeSet<String> = ids().into_iter().map(str::to_owned).collect();
    let in_contract: BTreeSet<String> = Contract::get()
        .clauses
        .iter()
        .flat_map(|clause| {
            let checks = clause.checks.iter();
            checks.map(|check| format!("{}:{}", clause.id, check.id))
        })
        .collect();
    assert_eq!(in_code, in_contract);
    assert_eq!(ids().len(), in_code.len(), "a check is judged twice");
}

#[test]
fn checks_follow_those_that_they_depend_on() {
    let ids = ids();
    for (position, id) in ids.iter().enumerate() {
        let (_, check) = Contract::get().check(id).unwrap();
        for after in &check.after {
            let before = ids[..position].contains(&after.as_str());
            assert!(before, "{id} is judged before {after}");
        }
    }
}

#[test]
fn checks_of_a_probe_have_one_class() {
    for probe in all() {
        let classes = probe.checks.iter().map(|(id, _)| {
            let (_, check) = Contract::get().check(id).unwrap();
            format!("{:?}", check.class)
        });
        assert_eq!(classes.collect::<BTreeSet<_>>().len(), 1, "{probe:?}");
    }
}
