//! LOG: records.

use super::*;

/// An access record of the request `found`.
const ACCESS: &str = r#"{"asctime":"2026-01-02 03:04:05,678","levelname":"INFO","name":"http","process":7,"threadName":"main","message":"http_request","request_id":"nonce-of-found","service":"verified-service","version":"9.8.7-verify","buildTime":"2001-02-03T04:05:06Z","status":200,"method":"GET","path":"/","rawPath":"/a","query":"","ip":"127.0.0.1","latencyMs":0.5,"userAgent":"plimsoll"}"#;

/// Returns the log of a service, of which a text is replaced.
fn log(from: &str, to: &str) -> Evidence {
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
    started(exchanges, &lines)
}

#[track_caller]
fn judge_log(id: &str, from: &str, to: &str) -> Option<bool> {
    judge(id, &log(from, to))
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
fn each_request_is_judged() {
    for (id, from, to) in [
        ("LOG-3:one", "\"name\":\"http\"", "\"name\":\"web\""),
        ("LOG-3:fields", "\"latencyMs\":0.5", "\"latencyMs\":null"),
        ("LOG-4:level", "levelname", "level"),
        ("RID-3:access", "\"request_id\":", "\"id\":"),
    ] {
        let Err(Fault::Violated(found)) = evaluate(id, &log(from, to)) else {
            panic!("{id} is violated");
        };
        assert_eq!(found.instances().count(), 2, "{id}");
    }
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

/// Returns the record of a request, with some fields of its own.
fn record_of(name: &str, fields: &str) -> String {
    let id = format!("nonce-of-{name}");
    format!(r#"{{"message":"http_request","request_id":"{id}",{fields}}}"#)
}

#[test]
fn long_and_invalid_texts_are_cut_and_replaced() {
    let check = |id: &str, name: &'static str, fields: &str| {
        let line = record_of(name, fields);
        judge(
            id,
            &started([exchange(name, response(404, &[], ""))], &[&line]),
        )
    };
    let texts = |text: &str| {
        let fields = ["rawPath", "query", "userAgent"].map(|name| format!("\"{name}\":\"{text}\""));
        check("LOG-8:cut", "long", &fields.join(","))
    };
    assert_eq!(texts(&format!("{}…", "a".repeat(1024))), Some(true));
    assert_eq!(texts(&format!("{}…", "a".repeat(1023))), Some(true));
    assert_eq!(texts(&format!("{}…", "a".repeat(1025))), Some(false));
    assert_eq!(texts(&"a".repeat(1024)), Some(false));
    assert_eq!(texts("…"), Some(false));
    let method = |text: &str| check("LOG-8:method", "method", &format!("\"method\":\"{text}\""));
    assert_eq!(method(&format!("{}…", "A".repeat(32))), Some(true));
    assert_eq!(method(&"A".repeat(43)), Some(false));
    let agent = |text: &str| {
        check(
            "LOG-8:invalid",
            "invalid",
            &format!("\"userAgent\":\"{text}\""),
        )
    };
    assert_eq!(agent("x\u{fffd}y"), Some(true));
    assert_eq!(agent("x?y"), Some(false));
    let without_record = |status| {
        let exchange = exchange("invalid", response(status, &[], ""));
        judge("LOG-8:invalid", &started([exchange], &[READY]))
    };
    assert_eq!(without_record(400), None);
    assert_eq!(without_record(200), Some(false));
}

#[test]
fn disconnect_is_logged_as_aborted() {
    let aborted = |fields: &str| {
        let line = record_of("aborted", fields);
        let evidence = started([exchange("aborted", Outcome::Late)], &[&line]);
        judge("LOG-9:aborted", &with_routes(evidence))
    };
    assert_eq!(aborted("\"status\":499,\"aborted\":true"), Some(true));
    assert_eq!(aborted("\"status\":499"), Some(false));
    assert_eq!(aborted("\"status\":200,\"aborted\":true"), Some(false));
    assert_eq!(judge("LOG-9:aborted", &started([], &[])), None);
}

#[test]
fn pretty_lines_are_coloured_and_escaped() {
    let pretty = |id: &str, lines: &[&str]| {
        judge(
            id,
            &started([exchange("pretty", response(404, &[], ""))], lines),
        )
    };
    let line = "\u{1b}[32mINFO\u{1b}[0m nonce-of-pretty";
    let json = r#"{"request_id":"nonce-of-pretty"}"#;
    assert_eq!(pretty("LOG-10:pretty", &[line]), Some(true));
    assert_eq!(pretty("LOG-10:pretty", &[json]), Some(false));
    assert_eq!(
        pretty("LOG-10:pretty", &["INFO nonce-of-pretty"]),
        Some(false)
    );
    assert_eq!(pretty("LOG-10:pretty", &[]), Some(false));
    assert_eq!(pretty("LOG-10:invisible", &[line]), Some(true));
    let reversed = format!("{line}\u{202e}");
    assert_eq!(pretty("LOG-10:invisible", &[&reversed]), Some(false));
    assert_eq!(pretty("LOG-10:invisible", &[]), None);
}

#[test]
fn requests_go_on_while_the_log_is_not_read() {
    let scrape = |name, dropped: u32| {
        let text = format!("log_records_dropped_total {dropped}\n");
        exchange(
            name,
            response(200, &[("content-type", "text/plain")], &text),
        )
    };
    let unread = |id: &str, last: Outcome, dropped: u32, written: usize| {
        let mut exchanges = vec![scrape("before", 1), scrape("after", 1 + dropped)];
        for _ in 1..400 {
            exchanges.push(exchange("unread", response(404, &[], "")));
        }
        exchanges.push(exchange("unread", last));
        exchanges.push(exchange("marker", response(404, &[], "")));
        let line = r#"{"message":"http_request","rawPath":"/.plimsoll/stopped/a"}"#;
        let marker = r#"{"request_id":"nonce-of-marker"}"#;
        let mut lines = vec![line; written];
        lines.push(marker);
        judge(id, &started(exchanges, &lines))
    };
    let ok = || response(404, &[], "");
    assert_eq!(unread("LOG-11:waits", ok(), 0, 0), Some(true));
    assert_eq!(unread("LOG-11:waits", Outcome::Late, 0, 0), Some(false));
    assert_eq!(unread("LOG-11:waits", Outcome::Lost, 0, 0), None);
    assert_eq!(unread("LOG-11:dropped", ok(), 0, 400), Some(true));
    assert_eq!(unread("LOG-11:dropped", ok(), 10, 390), Some(true));
    assert_eq!(unread("LOG-11:dropped", ok(), 10, 389), Some(false));
}

#[test]
fn rejected_requests_are_logged_and_counted() {
    let line = r#"{"message":"http_request","protocolError":"head","method":"-","rawPath":"-","path":"__unmatched__","ip":"127.0.0.1"}"#;
    let record = |lines: &[&str]| {
        judge(
            "LOG-13:record",
            &started([exchange("rejected", Outcome::Lost)], lines),
        )
    };
    assert_eq!(record(&[line; 3]), Some(true));
    assert_eq!(record(&[line; 2]), Some(false));
    let other = line.replace("\"-\"", "\"GET\"");
    assert_eq!(record(&[other.as_str(); 3]), Some(false));
    let count = |after: u32| {
        let scrape = |name, count: u32| {
            let text = format!("http_requests_total{{method=\"_OTHER\"}} {count}\n");
            exchange(
                name,
                response(200, &[("content-type", "text/plain")], &text),
            )
        };
        let rejected = exchange("rejected", response(400, &[], ""));
        let exchanges = [scrape("before", 1), rejected, scrape("after", after)];
        judge("LOG-13:count", &started(exchanges, &[]))
    };
    assert_eq!(count(4), Some(true));
    assert_eq!(count(3), Some(false));
}

#[test]
fn records_of_debug_are_those_of_a_failed_request() {
    let record = |name: &str, level: &str, message: &str| {
        format!(
            r#"{{"asctime":"a","levelname":"{level}","name":"b","process":7,"threadName":"c","message":"{message}","request_id":"nonce-of-{name}"}}"#
        )
    };
    let mark = |record: String| record.replace('}', r#","debugOnError":true,"number":7}"#);
    let access = |name: &str| record(name, "ERROR", "http_request");
    let debug = |name: &str| mark(record(name, "DEBUG", "debug_event"));
    let judge = |id: &str, status: u16, lines: &[String]| {
        let exchanges = [("failed", status), ("succeeded", 200)];
        let exchanges = exchanges.map(|(name, it)| exchange(name, response(it, &[], "")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        judge(id, &with_routes(started(exchanges, &lines)))
    };
    let failed = [debug("failed"), access("failed"), access("succeeded")];
    for id in ["LOG-16:kept", "LOG-16:marked", "LOG-16:freed"] {
        assert_eq!(judge(id, 500, &failed), Some(true), "{id}");
    }
    let kept = |lines: &[String]| judge("LOG-16:kept", 500, lines);
    assert_eq!(kept(&[access("failed"), debug("failed")]), Some(false));
    assert_eq!(kept(&[debug("other"), access("failed")]), Some(false));
    let late = [debug("failed"), access("failed"), debug("failed")];
    assert_eq!(kept(&late), Some(false));
    assert_eq!(judge("LOG-16:kept", 200, &failed), None);
    let marked = |from: &str, to: &str| {
        let debug = debug("failed").replace(from, to);
        judge("LOG-16:marked", 500, &[debug, access("failed")])
    };
    assert_eq!(marked("\"debugOnError\":true,", ""), Some(false));
    assert_eq!(marked("true", "\"true\""), Some(false));
    assert_eq!(
        marked("\"debugOnError\"", "\"a\":1,\"debugOnError\""),
        Some(false)
    );
    let wasteful = [debug("succeeded"), access("succeeded")];
    assert_eq!(judge("LOG-16:freed", 500, &wasteful), Some(false));
}
