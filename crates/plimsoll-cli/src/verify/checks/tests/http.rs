//! HTTP: statuses, bodies and headers.

use super::*;

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
    let method = |status| {
        let outcome = response(
            status,
            &[("content-type", "application/problem+json")],
            &body,
        );
        judge_response("HTTP-7:method", "post", outcome)
    };
    assert_eq!(method(405), Some(true));
    assert_eq!(method(404), Some(false));
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
    let body = judge_response("HTTP-6:head", "head", response(200, &[], "a"));
    assert_eq!(body, Some(false));
    for (id, name) in [("HTTP-6:head", "head"), ("HTTP-10:aliases", "alias")] {
        assert_eq!(judge_response(id, name, response(200, &[], "")), Some(true));
        assert_eq!(
            judge_response(id, name, response(404, &[], "")),
            Some(false)
        );
    }
}
