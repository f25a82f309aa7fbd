//! Views of the service: settings, errors, routes, runtime.

use std::collections::BTreeMap;

use harness::Response;
use plimsoll::{build_info, config::definitions};
use serde_json::Value;

use super::{WithAdmin, control};
use crate::support::{SERVICE, VERSION, post, run, start};

const CANARY: &str = "canary-0123456789abcdef0123456789abcdef";

/// Returns the paths of the index that have a view.
fn view_paths(it: &WithAdmin) -> Vec<String> {
    let index = it.get("/admin").json();
    let paths = index["paths"].as_array().unwrap().iter();
    let views = paths.filter(|path| path["methods"].as_str().unwrap().starts_with("GET"));
    views
        .map(|path| path["path"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns the elements of a list by the text of a member.
fn by<'view>(list: &'view Value, member: &str) -> BTreeMap<&'view str, &'view Value> {
    let list = list.as_array().unwrap().iter();
    list.map(|item| (item[member].as_str().unwrap(), item))
        .collect()
}

/// ADM-16
#[test]
fn secret_appears_in_no_view() {
    let url = format!("postgres://app:{CANARY} {CANARY}@db/shop");
    let headers = format!("authorization={CANARY}");
    let it = WithAdmin::with(
        start,
        &[
            ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", &headers),
            ("SECRET_KEY", CANARY),
            ("API_TOKEN", CANARY),
            ("ADMIN_TOKEN", CANARY),
            ("GREETING", &url),
            ("LOG_LEVEL", "TRACE"),
            // No setting, though of the environment.
            ("FIXTURE_OTHER", CANARY),
        ],
    );
    let config = it.get("/admin/config").json();
    let settings = by(&config["settings"], "name");
    for setting in definitions::<()>(&build_info!()).settings() {
        // Otherwise a secret setting would be missing above.
        let is_masked = settings[setting.name]["masked"] == true;
        assert_eq!(is_masked, setting.secret, "{}", setting.name);
    }
    let mut client = it.service.connect();
    for path in ["/hello", "/nowhere", "/error", "/panic"] {
        client.send(format!(
            "GET {path}?q={CANARY} HTTP/1.1\r\nHost: localhost\r\nX-Other: {CANARY}\r\n\
             Authorization: Bearer {CANARY}\r\nCookie: session={CANARY}\r\n\r\n"
        ));
        assert!(client.read().status >= 200, "{path}");
    }
    let mut upload = it.service.connect();
    upload.send(post(&format!("/upload?q={CANARY}"), CANARY));
    assert_eq!(upload.read().status, 200);
    let views = view_paths(&it);
    for path in [
        "/admin/config",
        "/admin/connections",
        "/admin/errors",
        "/admin/requests",
        "/admin/routes",
        "/admin/runtime",
    ] {
        assert!(views.iter().any(|view| view == path), "{views:?}");
    }
    for path in views {
        let answer = it.get(&format!("{path}?q={CANARY}"));
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        assert!(!text.contains(CANARY), "{path}: {text}");
    }
}

/// ADM-16, CFG-6
#[test]
fn password_in_a_url_is_masked_in_check_config() {
    let url = format!("postgres://app:{CANARY}@db/shop?password={CANARY}");
    let report = run(&["--check-config"], &[("GREETING", &url)]);
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    let line = "GREETING=postgres://app:***@db/shop?password=***";
    assert!(report.stdout.contains(line), "{}", report.stdout);
    // The text of a wrong value is masked too.
    let refused = run(&["--check-config"], &[("POOL_SIZE", &url)]);
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    for text in [report.stdout, report.stderr, refused.stdout, refused.stderr] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

/// ADM-16
#[test]
fn settings_are_shown_with_value_and_origin() {
    let it = WithAdmin::with(
        start,
        &[
            ("READ_TIMEOUT", "1.5"),
            ("API_TOKEN", CANARY),
            ("GREETING", "db://app:pass@host"),
        ],
    );
    let view = it.get("/admin/config").json();
    assert_eq!(view["service"], SERVICE);
    assert_eq!(view["version"], VERSION);
    assert!(view["at"].is_string());
    assert_eq!(view["truncated"], false);
    let settings = by(&view["settings"], "name");
    assert_eq!(view["total"], settings.len());
    for (name, value, origin, is_masked) in [
        ("READ_TIMEOUT", "1500ms".into(), "environment", false),
        ("API_TOKEN", "***".into(), "environment", true),
        ("GREETING", "db://app:***@host".into(), "environment", true),
        ("POOL_SIZE", "10".into(), "default", false),
        ("SECRET_KEY", Value::Null, "default", false),
    ] {
        let setting = settings[name];
        assert_eq!(setting["value"], value, "{setting}");
        assert_eq!(setting["origin"], origin, "{setting}");
        assert_eq!(setting["masked"], is_masked, "{setting}");
    }
}

/// ADM-16
#[test]
fn routes_are_shown_with_counts_and_percentiles() {
    let it = WithAdmin::with(start, &[]);
    for id in 0..20 {
        assert_eq!(it.service.get(&format!("/items/{id}")).status, 200);
    }
    assert_eq!(it.service.get("/missing").status, 404);
    assert_eq!(it.service.get("/nowhere/at/all").status, 404);
    // The last byte of a response may arrive before the request is counted.
    let view = harness::eventually("the requests are counted", || {
        let view = it.get("/admin/routes").json();
        let routes = by(&view["routes"], "route");
        let requests = |route| routes.get(route).map(|route| route["requests"].clone());
        let all = ["/items/{id}", "/missing", "__unmatched__"].map(requests);
        (all == [20, 1, 1].map(|count| Some(count.into()))).then_some(view)
    });
    let routes = by(&view["routes"], "route");
    assert_eq!(view["total"], routes.len());
    assert_eq!(view["truncated"], false);
    let items = routes["/items/{id}"];
    assert_eq!(items["byClass"]["2xx"], 20);
    assert_eq!(items["byClass"]["5xx"], 0);
    assert_eq!(routes["/missing"]["byClass"]["4xx"], 1);
    let (p50, p99) = (items["p50Ms"].as_f64(), items["p99Ms"].as_f64());
    assert!(p50 > Some(0.0) && p50 <= p99, "{items}");
    let counts = view["routes"].as_array().unwrap().iter();
    let counts: Vec<_> = counts.map(|route| route["requests"].as_u64()).collect();
    assert!(counts.is_sorted_by(|one, next| one >= next), "{counts:?}");
}

/// ADM-16
#[test]
fn runtime_is_shown_with_workers_and_threads() {
    let it = WithAdmin::with(start, &[("WORKERS", "2")]);
    let view = it.get("/admin/runtime").json();
    assert_eq!(view["workers"]["total"], 2);
    let workers = view["workers"]["items"].as_array().unwrap();
    for (index, worker) in workers.iter().enumerate() {
        assert_eq!(worker["worker"], index);
        for member in ["busyMs", "heartbeatAgeMs", "tasks", "queueDepth"] {
            assert!(worker[member].is_u64(), "{member} in {worker}");
        }
    }
    let threads = by(&view["threads"]["items"], "name");
    for name in ["worker-0", "worker-1", "admin", "watchdog"] {
        let thread = threads.get(name).unwrap_or_else(|| panic!("{view}"));
        assert!(thread["state"].is_string() && thread["cpuMs"].is_u64());
    }
    let memory = &view["memory"];
    assert!(memory["residentBytes"].as_u64() > Some(1 << 20), "{memory}");
    assert!(memory["virtualBytes"].as_u64() >= memory["residentBytes"].as_u64());
    let files = &view["files"];
    assert!(files["open"].as_u64() > Some(3), "{files}");
    assert!(files["softLimit"].as_u64() >= files["open"].as_u64());
    let group = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers");
    assert_eq!(view["controlGroup"].is_object(), group.exists());
}

/// ADM-16
#[test]
fn runtime_is_shown_while_all_workers_are_blocked() {
    let it = WithAdmin::with(start, &[("WORKERS", "1")]);
    let mut blocked = it.service.connect();
    blocked.send(harness::request("GET", "/blocking?ms=3000", ""));
    it.service
        .wait_for_record(|record| record["message"] == "worker_stuck");
    let view = it.get("/admin/runtime").json();
    let worker = &view["workers"]["items"][0];
    assert!(worker["heartbeatAgeMs"].as_u64() > Some(1000), "{worker}");
    assert!(by(&view["threads"]["items"], "name").contains_key("worker-0"));
}

/// ADM-16
#[test]
fn errors_are_shown_in_groups() {
    let it = WithAdmin::with(start, &[]);
    let requests = [
        ("/log/error", 200, 3),
        ("/log/warn", 200, 1),
        ("/panic", 500, 2),
    ];
    for (path, status, count) in requests {
        for _ in 0..count {
            assert_eq!(it.service.get(path).status, status, "{path}");
        }
    }
    // The access records of the panics are ERROR records too, but are in no group.
    let view = it.get("/admin/errors").json();
    assert_eq!(
        (&view["total"], &view["truncated"]),
        (&2.into(), &false.into())
    );
    let (panics, events) = (&view["groups"][0], &view["groups"][1]);
    assert_eq!(
        (&panics["name"], &panics["count"]),
        (&"panic".into(), &2.into())
    );
    let record = &panics["lastRecord"];
    assert_eq!(record["panicMessage"], "fixture panic", "{panics}");
    assert_eq!(record["location"], panics["message"], "{panics}");
    assert_eq!(
        (&events["name"], &events["count"]),
        (&"fixture".into(), &3.into())
    );
    assert_eq!(events["message"], "fixture_event");
    assert!(events["firstAt"].as_str() <= events["lastAt"].as_str());
}

/// ADM-16
#[test]
fn long_values_are_cut_in_views() {
    let long = "x".repeat(100_000);
    let it = WithAdmin::with(start, &[("GREETING", &long)]);
    let answer = it.get("/admin/config");
    let view = answer.json();
    let greeting = by(&view["settings"], "name")["GREETING"]["value"].clone();
    assert_eq!(greeting, format!("{}…", &long[..1024]));
    for path in view_paths(&it) {
        let length = it.get(&path).body.len();
        assert!(length < 256 << 10, "{path}: {length} bytes");
    }
}

/// ADM-7, ADM-16
#[test]
fn head_of_a_view_has_no_body() {
    let it = WithAdmin::with(start, &[]);
    for path in view_paths(&it) {
        let mut connection = it.connect();
        connection.send(control("HEAD", &path, "", ""));
        let head: Response = connection.read_head();
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(head.header("content-type"), Some("application/json"));
        // The next response follows the head directly.
        connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(connection.read().text(), "ok\n", "{path}");
    }
}

/// ADM-17
#[test]
fn bundle_contains_every_view_and_the_metrics() {
    let it = WithAdmin::with(start, &[]);
    assert_eq!(it.service.get("/hello").status, 200);
    let bundle = it.get("/admin/bundle").json();
    let parts = bundle["parts"].as_object().unwrap();
    for path in view_paths(&it) {
        if !["/admin", "/admin/bundle"].contains(&&*path) {
            assert!(parts[&path].is_object(), "{path}");
            assert_eq!(parts[&path]["error"], Value::Null, "{path}");
        }
    }
    assert_eq!(parts["/admin/readiness"]["ready"], true);
    let metrics = parts["/metrics"].as_str().unwrap();
    assert!(
        metrics.contains("service_state{state=\"ready\"} 1"),
        "{metrics}"
    );
    assert_eq!(bundle["leftOut"].as_array().unwrap().len(), 0);
}

/// ADM-17
#[test]
fn second_bundle_meanwhile_gets_429() {
    let it = WithAdmin::with(start, &[]);
    harness::eventually("two bundles overlap", || {
        let mut connections = [it.connect(), it.connect(), it.connect()];
        for connection in &mut connections {
            connection.send(harness::request("GET", "/admin/bundle", ""));
        }
        let statuses = connections.map(|mut connection| connection.read().status);
        assert!(statuses.contains(&200), "{statuses:?}");
        statuses.contains(&429).then_some(())
    });
    assert_eq!(it.get("/admin/bundle").status, 200);
}

/// ADM-18
#[test]
fn probes_are_answered_while_a_bundle_is_made() {
    let it = WithAdmin::with(start, &[]);
    let bundle = harness::request("GET", "/admin/bundle", "");
    let probe = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    harness::eventually("a bundle is made before and after a probe", || {
        let (mut first, mut second) = (it.connect(), it.connect());
        first.send(&bundle);
        second.send(format!("{probe}{bundle}"));
        assert_eq!(second.read().status, 200);
        // 429 after the probe: the first bundle was not complete.
        let is_rejected = second.read().status == 429;
        (is_rejected && first.read().status == 200).then_some(())
    });
}

/// ADM-16, LIFE-11
#[test]
fn admin_startup_shows_connect() {
    let it = WithAdmin::with(crate::support::spawn, &[("CONNECT_FAILS", "yes")]);
    harness::eventually("two attempts have failed", || {
        let view = it.get("/admin/startup").json();
        let steps = by(&view["steps"], "name");
        let connect = steps.get("database")?;
        (connect["failures"].as_u64()? >= 2).then_some(())
    });
    let view = it.get("/admin/startup").json();
    assert_eq!(view["state"], "starting");
    let steps = by(&view["steps"], "name");
    assert_eq!(steps["database"]["kind"], "connect");
    assert_eq!(steps["database"]["error"], "refused");
    assert_eq!(steps["database"]["endedMs"], Value::Null);
    assert_eq!(steps["set-up"]["endedMs"], Value::Null);
    assert!(steps["TLS files"]["endedMs"].is_u64());
}
