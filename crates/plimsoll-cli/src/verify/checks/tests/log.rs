//! LOG: records.

use super::*;

/// An access record of the request `found`.
const ACCESS: &str = r#"{"asctime":"2026-01-02 03:04:05,678","levelname":"INFO","name":"http","process":7,"threadName":"main","message":"http_request","request_id":"nonce-of-found","service":"verified-service","version":"9.8.7-verify","buildTime":"2001-02-03T04:05:06Z","status":200,"method":"GET","path":"/","rawPath":"/a","query":"","ip":"127.0.0.1","latencyMs":0.5,"userAgent":"plimsoll"}"#;

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
