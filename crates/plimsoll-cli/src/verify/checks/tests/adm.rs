//! ADM, HTTP-11 and CLI-4: the second listener and its controls.

use super::*;
use crate::{project::Project, waivers::Day};

fn status(name: &'static str, status: u16) -> Exchange {
    exchange(name, response(status, &[], ""))
}

fn body(name: &'static str, text: &str) -> Exchange {
    exchange(name, response(200, &[], text))
}

/// Returns evidence of a service with a second listener and controls.
fn operated(exchanges: impl IntoIterator<Item = Exchange>, lines: &[&str]) -> Evidence {
    let listener = [status("listener", 200), status("index", 200)];
    let exchanges: Vec<Exchange> = listener.into_iter().chain(exchanges).collect();
    Evidence {
        admin_port: Some(82),
        ..started(exchanges, lines)
    }
}

#[track_caller]
fn judge_all(id: &str, exchanges: impl IntoIterator<Item = Exchange>) -> Option<bool> {
    judge(id, &operated(exchanges, &[]))
}

#[test]
fn service_without_the_listener_breaks_no_promise() {
    let ids = ids().into_iter();
    for id in ids.filter(|id| id.starts_with("ADM-") || id.starts_with("HTTP-11")) {
        let refused = exchange("listener", Outcome::Refused);
        assert_eq!(judge(id, &started([refused], &[])), None, "{id}");
        let needs_listener = ["ADM-1:", "ADM-3:", "ADM-4:", "ADM-5:", "HTTP-11:"];
        if !needs_listener.iter().any(|clause| id.starts_with(clause)) {
            let without = [status("listener", 200), status("index", 404)];
            assert_eq!(judge(id, &started(without, &[])), None, "{id}");
        }
    }
}

#[test]
fn each_status_of_the_listener_is_judged() {
    for (id, name, good, bad) in [
        ("ADM-1:endpoints", "endpoint", 200, 404),
        ("ADM-1:others", "other", 404, 200),
        ("ADM-3:main", "main", 404, 200),
        ("ADM-3:admin", "admin", 200, 404),
        ("ADM-4:silent", "admin", 200, 503),
        ("ADM-6:denied", "denied", 401, 200),
        ("ADM-7:host", "host", 421, 200),
        ("ADM-7:origin", "origin", 403, 200),
        ("ADM-7:options", "options", 405, 204),
        ("ADM-9:media", "media", 415, 200),
        ("ADM-9:ttl", "ttl", 400, 200),
        ("ADM-13:force", "force", 400, 200),
        ("ADM-15:accepted", "drain", 202, 200),
        ("ADM-15:conflict", "conflict", 409, 200),
        ("ADM-16:views", "view", 200, 404),
    ] {
        let answers = |last| judge_all(id, [status(name, good), status(name, last)]);
        assert_eq!(answers(good), Some(true), "{id}");
        let first = judge_all(id, [status(name, bad), status(name, good)]);
        assert_eq!(first, Some(false), "{id}");
    }
    let index = |code| [status("listener", 200), status("index", code)];
    let judge = |code| judge("ADM-6:authorised", &started(index(code), &[]));
    assert_eq!(judge(200), Some(true));
    assert_eq!(judge(401), Some(false));
}

#[test]
fn info_of_the_listener_has_its_fields_first() {
    let info = |cache, body: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("cache-control", cache),
        ];
        judge_all(
            "HTTP-11:info",
            [exchange("info", response(200, &headers, body))],
        )
    };
    let good = format!(
        r#"{{"service":"{}","version":"{}","buildTime":"{}"}}"#,
        scenario::SERVICE_NAME,
        scenario::VERSION,
        scenario::BUILD_TIME
    );
    assert_eq!(info("no-store", &good), Some(true));
    assert_eq!(
        info("no-store", &good.replace('}', ",\"revision\":\"a\"}")),
        Some(true)
    );
    assert_eq!(
        info("no-store", &good.replace('}', ",\"other\":\"a\"}")),
        Some(false)
    );
    assert_eq!(
        info("no-store", &good.replace(scenario::VERSION, "1")),
        Some(false)
    );
    assert_eq!(info("max-age=1", &good), Some(false));
    let record = r#"{"message":"http_request","text":"nonce-of-info"}"#;
    let judge = |lines| judge("HTTP-11:unlogged", &operated([status("info", 200)], lines));
    assert_eq!(judge(&[]), Some(true));
    assert_eq!(judge(&[record]), Some(false));
}

#[test]
fn command_prints_the_response_of_the_listener() {
    let judge = |id, run| {
        let evidence = Evidence {
            runs: vec![run],
            ..operated([body("info", "{\"a\":1}\n")], &[])
        };
        judge(id, &evidence)
    };
    assert_eq!(
        judge("CLI-4:admin", ran("admin", 0, "{\"a\":1}", "")),
        Some(true)
    );
    assert_eq!(
        judge("CLI-4:admin", ran("admin", 0, "", "{\"a\":1}")),
        Some(false)
    );
    assert_eq!(
        judge("CLI-4:admin", ran("admin", 1, "{\"a\":1}", "")),
        Some(false)
    );
    assert_eq!(judge("CLI-4:status", ran("missing", 1, "", "")), Some(true));
    assert_eq!(
        judge("CLI-4:status", ran("missing", 0, "", "")),
        Some(false)
    );
    assert_eq!(
        judge("CLI-2:admin", ran("healthcheck", 0, "", "")),
        Some(true)
    );
    assert_eq!(
        judge("CLI-2:admin", ran("healthcheck", 1, "", "")),
        Some(false)
    );
}

#[test]
fn controls_are_neither_stored_nor_on_the_main_listener() {
    let control = |cache| exchange("index", response(200, &[("cache-control", cache)], ""));
    let judge_cache = |cache| {
        let exchanges = [status("listener", 200), control(cache)];
        judge("ADM-7:cache", &started(exchanges, &[]))
    };
    assert_eq!(judge_cache("no-store"), Some(true));
    assert_eq!(judge_cache("private"), Some(false));
    let main = |status, kind| exchange("main", response(status, &[("content-type", kind)], ""));
    let judge_main = |exchange| judge_all("ADM-6:main", [exchange]);
    assert_eq!(
        judge_main(main(404, "application/problem+json")),
        Some(true)
    );
    assert_eq!(judge_main(main(200, "text/html")), Some(true));
    assert_eq!(judge_main(main(200, "application/json")), Some(false));
}

#[test]
fn wrong_settings_of_the_listener_are_rejected() {
    let judge = |id, runs: Vec<CommandRun>| {
        let evidence = Evidence {
            runs,
            ..operated([], &[])
        };
        judge(id, &evidence)
    };
    let address = |code| {
        let run = |name| ran(name, 78, "", "ADMIN_ADDR is wrong");
        let alone = ran("alone", code, "", "INFRA_ENDPOINTS is wrong");
        judge("ADM-5:address", vec![run("main"), run("name"), alone])
    };
    assert_eq!(address(78), Some(true));
    assert_eq!(address(0), Some(false));
    let used = |text| judge("ADM-5:used", vec![ran("used", 1, "", text)]);
    assert_eq!(used("cannot listen on 127.0.0.1:82"), Some(true));
    assert_eq!(used("cannot listen"), Some(false));
    let token = |text| {
        let runs = ["short", "space", "homeless"].map(|name| ran(name, 78, "", text));
        judge("ADM-8:token", runs.to_vec())
    };
    assert_eq!(token("ADMIN_TOKEN is wrong"), Some(true));
    assert_eq!(token("it is wrong"), Some(false));
}

#[test]
fn wrong_fields_are_named_in_the_detail() {
    let problem = |detail| exchange("wrong", response(400, &[], detail));
    let judge = |last| {
        let level = r#"{"detail":"level is wrong"}"#;
        judge_all(
            "ADM-9:fields",
            [problem(level), problem(last), problem(level)],
        )
    };
    assert_eq!(judge(r#"{"detail":"levle is unknown"}"#), Some(true));
    assert_eq!(judge(r#"{"detail":"unknown"}"#), Some(false));
    assert_eq!(judge("levle is unknown"), Some(false));
}

#[test]
fn readiness_follows_the_operator() {
    let ready = |held: u16, after, released: u16| {
        let exchanges = [
            timed("hold", 0, 10, response(200, &[], "")),
            timed("held", after, after + 1, response(held, &[], "")),
            timed("release", 2000, 2010, response(204, &[], "")),
            timed("released", 2020, 2030, response(released, &[], "")),
        ];
        judge_all("ADM-13:readiness", exchanges)
    };
    assert_eq!(ready(503, 20, 200), Some(true));
    assert_eq!(ready(200, 20, 200), Some(false));
    assert_eq!(ready(503, 20, 503), Some(false));
    assert_eq!(ready(503, 900, 200), Some(false));
    let expires = |held, last| {
        let polls = [status("short held", held), status("expired", last)];
        let change = [status("short", 200)];
        judge_all("ADM-9:expires", change.into_iter().chain(polls))
    };
    assert_eq!(expires(503, 200), Some(true));
    assert_eq!(expires(503, 503), Some(false));
    assert_eq!(expires(200, 200), None);
}

#[test]
fn changes_are_logged_and_listed() {
    let begun = r#"{"message":"admin_change","id":1,"action":"a","value":"b","was":"c","reason":"reason-of-plimsoll","by":"d"}"#;
    let ended = r#"{"message":"admin_change_ended","id":1,"action":"a","value":"b","end":"c"}"#;
    let judge = |lines: &[&str]| judge("ADM-10:records", &operated([], lines));
    assert_eq!(judge(&[begun, ended]), Some(true));
    assert_eq!(judge(&[begun]), Some(false));
    assert_eq!(judge(&[ended]), Some(false));
    assert_eq!(
        judge(&[begun, &ended.replace("\"end\"", "\"ends\"")]),
        Some(false)
    );
    assert_eq!(judge(&[begun, &ended.replace(":1,", ":2,")]), Some(false));
    assert_eq!(
        judge(&[&begun.replace("\"by\"", "\"of\""), ended]),
        Some(false)
    );
    let listed = |text| judge_all("ADM-10:listed", [body("changes", text)]);
    assert_eq!(listed("reason-of-plimsoll"), Some(true));
    assert_eq!(listed("{}"), Some(false));
}

#[test]
fn level_of_an_operator_applies_to_access_records() {
    let record = |name| format!(r#"{{"message":"http_request","text":"nonce-of-{name}"}}"#);
    let exchanges = || ["quiet", "quiet request", "loud request"].map(|name| status(name, 200));
    let judge = |lines: &[&str]| judge("ADM-11:level", &operated(exchanges(), lines));
    let (quiet, loud) = (record("quiet request"), record("loud request"));
    assert_eq!(judge(&[&loud]), Some(true));
    assert_eq!(judge(&[&loud, &quiet]), Some(false));
    assert_eq!(judge(&[]), Some(false));
    let traced = |lines: &[&str]| {
        let exchanges = ["trace", "traced request"].map(|name| status(name, 200));
        super::judge("ADM-12:request", &operated(exchanges, lines))
    };
    assert_eq!(traced(&[&record("traced request")]), Some(true));
    assert_eq!(traced(&[&record("quiet request")]), Some(false));
}

#[test]
fn controls_are_counted_apart() {
    let counted = |text: &str| {
        let answer = response(200, &[("content-type", "text/plain")], text);
        judge_all("ADM-18:counted", [exchange("metrics", answer)])
    };
    let good = "admin_requests_total{path=\"/admin\"} 1\nhttp_requests_total{path=\"/\"} 1\n";
    assert_eq!(counted(good), Some(true));
    assert_eq!(counted(&good.replace("\"/\"", "\"/admin\"")), Some(false));
    assert_eq!(counted(&good.replace("admin_", "")), Some(false));
    let rate = |last, done| {
        let first = timed("change", 0, 1, response(200, &[], ""));
        judge_all(
            "ADM-18:rate",
            [first, timed("change", 2, done, response(last, &[], ""))],
        )
    };
    assert_eq!(rate(429, 3), Some(true));
    assert_eq!(rate(200, 3), Some(false));
    assert_eq!(rate(200, 1500), None);
}

#[test]
fn views_show_no_secret_and_the_bundle_has_all() {
    let private = |text| judge_all("ADM-16:private", [body("view", "{}"), body("bundle", text)]);
    assert_eq!(private("{}"), Some(true));
    assert_eq!(private(scenario::ADMIN_TOKEN), Some(false));
    assert_eq!(private("query-of-plimsoll"), Some(false));
    let bundle = |text: &str| judge_all("ADM-17:bundle", [body("bundle", text)]);
    let parts = [
        "changes",
        "config",
        "connections",
        "errors",
        "requests",
        "routes",
        "runtime",
        "startup",
    ];
    let parts = parts.map(|part| format!("\"/admin/{part}\":1"));
    let all = format!("{{{},\"/metrics\":1}}", parts.join(","));
    assert_eq!(bundle(&all), Some(true));
    assert_eq!(bundle(&all.replace("/metrics", "")), Some(false));
    assert_eq!(bundle(&all.replace('{', "")), Some(false));
}

#[test]
fn drain_ends_the_process_with_its_reason() {
    let judge_lines = |end: Option<Ended>, lines: &[&str]| {
        let signal = Duration::from_secs(1);
        let evidence = Evidence {
            shutdown: Some(Shutdown { signal, end }),
            ..operated([], lines)
        };
        judge("ADM-15:end", &evidence)
    };
    let judge = |end, line| judge_lines(end, &[line]);
    let record = r#"{"name":"infra","message":"shutdown_complete","reason":"operator"}"#;
    assert_eq!(judge(Some(ended(Some(0))), record), Some(true));
    assert_eq!(judge(Some(ended(Some(7))), record), Some(false));
    assert_eq!(judge(None, record), Some(false));
    let other = record.replace("operator", "SIGTERM");
    assert_eq!(judge(Some(ended(Some(0))), &other), Some(false));
    let end = Some(ended(Some(0)));
    assert_eq!(judge_lines(end, &[record, READY]), Some(false));
    let of_request = r#"{"name":"http","message":"http_request"}"#;
    assert_eq!(judge_lines(end, &[record, of_request]), Some(true));
}

#[test]
fn listener_answers_after_the_main_listener_has_closed() {
    let text = "[verify.routes]\nslow = \"/slow?ms={ms}\"\n";
    let project = Project::parse(text, "a.toml", Day::today()).unwrap();
    let routes = project.verify.routes;
    let evidence = |closed, late, done| Evidence {
        routes: routes.clone(),
        ..operated(
            [
                exchange("closed", closed),
                timed("late", 20, 30, late),
                timed("slow", 0, done, response(200, &[], "")),
            ],
            &[],
        )
    };
    let judge = |evidence| judge("ADM-2:drain", &evidence);
    let ok = || response(200, &[], "");
    assert_eq!(judge(evidence(Outcome::Refused, ok(), 40)), Some(true));
    assert_eq!(
        judge(evidence(Outcome::Refused, Outcome::Refused, 40)),
        Some(false)
    );
    assert_eq!(judge(evidence(Outcome::Refused, ok(), 25)), None);
    assert_eq!(judge(evidence(ok(), ok(), 40)), None);
    assert_eq!(judge(operated([], &[])), None);
}
