//! The view of open connections.

use harness::{Connection, eventually, eventually_within};
use serde_json::{Value, json};

use super::{WithAdmin, socket};
use crate::http2::client::PREFACE_AND_SETTINGS;
use crate::in_flight::{ask, occupy};
use crate::support::{END, start};
use crate::tls::Identity;

const CANARY: &str = "canary-0123456789abcdef";

/// Returns these members of each connection in the view.
fn listed(view: &Value, members: &[&str]) -> Vec<Value> {
    let connections = view["connections"].as_array().unwrap().iter();
    let pick = |connection: &Value| members.iter().map(|it| connection[*it].clone()).collect();
    connections.map(pick).collect()
}

/// Waits until the connections of the view have these members.
#[track_caller]
fn wait_for(it: &WithAdmin, members: &[&str], expected: &[Value]) -> Value {
    let mut last = Value::Null;
    let what = format!("the connections are {expected:?}");
    let view = eventually_within(END, || {
        last = it.get("/admin/connections").json();
        (listed(&last, members) == expected).then(|| last.clone())
    });
    view.unwrap_or_else(|| panic!("{what}: {last:#}"))
}

fn peer(connection: &Connection) -> String {
    connection.local_addr().to_string()
}

/// ADM-16
#[test]
fn connections_are_listed_by_what_they_wait_for() {
    let it = WithAdmin::with(
        start,
        &[
            ("HTTP2_CLEARTEXT", "true"),
            ("READ_TIMEOUT", "60s"),
            // One worker accepts in the order of the queue.
            ("WORKERS", "1"),
        ],
    );
    let service = &it.service;
    let secrets = format!("Host: localhost\r\nX-Other: {CANARY}\r\n");
    let silent = service.connect();
    let mut in_head = service.connect();
    in_head.send(format!("GET /hello?q={CANARY} HTTP/1.1\r\n{secrets}"));
    let mut idle = service.connect();
    assert_eq!(idle.get("/hello").status, 200);
    let mut in_body = service.connect();
    in_body.send(format!(
        "POST /upload?q={CANARY} HTTP/1.1\r\n{secrets}Content-Length: 100\r\n\r\n{CANARY}"
    ));
    let in_handler = occupy(service, "/hang");
    let mut unread = service.connect();
    unread.set_receive_buffer(4096);
    unread.send(ask("/endless"));
    let mut http2 = service.connect();
    http2.send(PREFACE_AND_SETTINGS);
    http2.wait_for_bytes();
    let mut upgraded = service.connect();
    upgraded.send(
        "GET /upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    assert_eq!(upgraded.read_head().status, 101);
    let expected = [
        json!([peer(&silent), null, "requestHead", 0]),
        json!([peer(&in_head), "http/1.1", "requestHead", 0]),
        json!([peer(&idle), "http/1.1", "nextRequest", 0]),
        json!([peer(&in_body), "http/1.1", "requestBody", 1]),
        json!([peer(&in_handler), "http/1.1", "handler", 1]),
        json!([peer(&unread), "http/1.1", "client", 1]),
        json!([peer(&http2), "h2", "requestHead", 0]),
        json!([peer(&upgraded), "http/1.1", "upgraded", 0]),
    ];
    let members = ["peer", "protocol", "waitsFor", "requests"];
    let view = wait_for(&it, &members, &expected);
    assert_eq!(view["total"], 8);
    assert_eq!(view["truncated"], false);
    assert_eq!(view["tls"], false);
    let waiting = json!({
        "proxyHeader": 0, "tlsHandshake": 0, "requestHead": 3, "nextRequest": 1, "requestBody": 1,
        "handler": 1, "client": 1, "upgraded": 1, "close": 0,
    });
    assert_eq!(view["waiting"], waiting);
    for connection in view["connections"].as_array().unwrap() {
        let waits_for = connection["waitsFor"].as_str().unwrap();
        let is_timed = ["requestHead", "nextRequest", "client"].contains(&waits_for);
        let (age, waited) = (connection["ageMs"].as_u64(), &connection["waitedMs"]);
        assert_eq!(waited.is_u64(), is_timed, "{connection}");
        assert!(waited.as_u64() <= age, "{connection}");
    }
    assert!(!view.to_string().contains(CANARY), "{view}");
    drop((idle, in_handler));
    // hyper notices the close of a client while its handler runs.
    eventually("closed connections are no longer listed", || {
        let view = it.get("/admin/connections").json();
        (view["total"] == 6 && view["waiting"]["handler"] == 0).then_some(())
    });
}

/// ADM-16
#[test]
fn oldest_hundred_connections_are_listed() {
    let it = WithAdmin::with(start, &[("READ_TIMEOUT", "60s"), ("WORKERS", "1")]);
    let silent: Vec<_> = (0..150).map(|_| it.service.connect()).collect();
    let oldest: Vec<_> = silent[..100].iter().map(|it| json!([peer(it)])).collect();
    let view = eventually("all are accepted", || {
        let view = it.get("/admin/connections").json();
        (view["total"] == 150).then_some(view)
    });
    assert_eq!(listed(&view, &["peer"]), oldest);
    assert_eq!(view["truncated"], true);
    assert_eq!(view["waiting"]["requestHead"], 150);
}

/// ADM-16
#[test]
fn connections_before_http_are_listed() {
    let path = socket();
    let addr = format!("unix:{}", path.display());
    let identity = Identity::new("connections");
    let service = identity.service(&[
        ("ADMIN_ADDR", &addr),
        ("PROXY_PROTOCOL", "on"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("READ_TIMEOUT", "60s"),
        ("WORKERS", "1"),
    ]);
    let it = WithAdmin { service, path };
    let silent = it.service.connect();
    let mut proxied = it.service.connect();
    proxied.send("PROXY TCP4 203.0.113.9 10.0.0.1 5000 443\r\n");
    let expected = [
        json!([peer(&silent), null, "proxyHeader"]),
        json!(["203.0.113.9:5000", null, "tlsHandshake"]),
    ];
    let view = wait_for(&it, &["peer", "protocol", "waitsFor"], &expected);
    assert_eq!(view["tls"], true);
    identity.remove();
}

/// ADM-16
#[test]
fn lingering_connection_waits_for_the_close() {
    let it = WithAdmin::with(start, &[]);
    // The close lingers for 2 s, so a slow test may miss it.
    eventually("a lingering connection is listed", || {
        let mut connection = it.service.connect();
        connection.send("POST /ignore-body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        assert_eq!(connection.read().status, 200);
        let view = it.get("/admin/connections").json();
        (view["waiting"]["close"].as_u64() > Some(0)).then_some(())
    });
}

/// ADM-16
#[test]
fn connections_of_the_admin_listener_are_not_listed() {
    let it = WithAdmin::with(start, &[]);
    let mut admin = it.connect();
    assert_eq!(admin.get("/health").status, 200);
    eventually("no connection is listed", || {
        let view = admin.get("/admin/connections").json();
        (view["total"] == 0).then_some(())
    });
}
