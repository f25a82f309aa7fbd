//! Forms of changes, their limits, and their ends.

use super::{WithAdmin, control};
use crate::support::{assert_problem, start};

/// ADM-9
#[test]
fn bad_form_is_rejected_and_named() {
    let it = WithAdmin::with(start, &[]);
    for (form, detail) in [
        ("ready=false&redy=x", "`redy` is unknown"),
        ("ready=false&ready=false", "`ready` is repeated"),
        ("ready=%ff", "`ready` is unreadable"),
        ("ttl=1m", "`ready` is missing"),
        ("ready=false&ttl=0", "`ttl` must be"),
        ("ready=false&ttl=25h", "`ttl` must be"),
        ("ready=no", "`ready` must be `false`"),
    ] {
        let answer = it.send("PUT", "/admin/readiness", form);
        assert_problem(&answer, 400);
        let text = answer.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(text.contains(detail), "{form}: {text}");
    }
    let large = format!("ready=false&reason={}", "x".repeat(1024));
    assert_problem(&it.send("PUT", "/admin/readiness", &large), 413);
    let mut json = it.connect();
    json.send(
        "PUT /admin/readiness HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 15\r\n\r\n{\"ready\":false}",
    );
    assert_problem(&json.read(), 415);
    assert_eq!(it.service.get("/ready").status, 200);
    let none = it.get("/admin/changes").json();
    assert_eq!(none["past"].as_array().unwrap().len(), 0);
}

/// ADM-7
#[test]
fn get_request_changes_nothing() {
    let it = WithAdmin::with(start, &[]);
    for path in ["/admin/drain", "/admin/checks/gate"] {
        assert_problem(&it.get(path), 405);
    }
    let mut head = it.connect();
    head.send(control("HEAD", "/admin/readiness", "", "ready=false"));
    assert_eq!(head.read_head().status, 200);
    let mut get = it.connect();
    get.send(control(
        "GET",
        "/admin/readiness?ready=false",
        "",
        "ready=false",
    ));
    assert_eq!(get.read().json()["ready"], true);
    assert_eq!(it.service.get("/ready").status, 200);
}

/// ADM-9
#[test]
fn overlapping_changes_each_end_on_time() {
    let it = WithAdmin::with(start, &[]);
    let put = |form| it.send("PUT", "/admin/readiness", form).json()["id"].clone();
    let first = put("ready=false&ttl=2s");
    let second = put("ready=false&ttl=4s");
    assert_ne!(first, second);
    let view = it.get("/admin/changes").json();
    assert_eq!(view["inForce"][0]["id"], second);
    assert_eq!(
        (&view["past"][0]["id"], &view["past"][0]["end"]),
        (&first, &"replaced".into())
    );
    let ended = it.service.wait_for_record(|record| {
        record["message"] == "admin_change_ended" && record["end"] == "expired"
    });
    assert_eq!(ended["id"], second, "the first expiry has no effect");
    assert_eq!(it.service.get("/ready").status, 200);
}

/// ADM-18
#[test]
fn eleventh_change_of_a_second_gets_429() {
    let it = WithAdmin::with(start, &[]);
    let mut connection = it.connect();
    let statuses: Vec<_> = (0..40)
        .map(|_| {
            connection.send(control("PUT", "/admin/readiness", "", "ready=false"));
            connection.read().status
        })
        .collect();
    let changed = statuses.iter().filter(|status| **status == 200).count();
    let limited = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(changed + limited, 40, "{statuses:?}");
    assert!(
        statuses[..10].iter().all(|status| *status == 200),
        "{statuses:?}"
    );
    assert!(limited > 0, "{statuses:?}");
}

/// ADM-10
#[test]
fn changes_are_logged_at_any_level() {
    let it = WithAdmin::with(start, &[("LOG_LEVEL", "INFO,infra=CRITICAL")]);
    assert_eq!(
        it.send("PUT", "/admin/readiness", "ready=false&ttl=5m")
            .status,
        200
    );
    assert_eq!(it.send("DELETE", "/admin/readiness", "").status, 204);
    let change = it
        .service
        .wait_for_record(|record| record["message"] == "admin_change");
    assert_eq!(change["ttlMs"], 300_000);
    let ended = it
        .service
        .wait_for_record(|record| record["message"] == "admin_change_ended");
    assert_eq!(
        (&ended["id"], &ended["end"]),
        (&change["id"], &"deleted".into())
    );
    assert_eq!(ended["by"], change["by"]);
    let metrics = it.service.metrics();
    let readiness = [("action", "readiness")];
    assert_eq!(metrics.value("admin_changes_total", &readiness), Some(1.0));
    assert_eq!(metrics.value("admin_changes_active", &readiness), Some(0.0));
}
