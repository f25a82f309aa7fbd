//! Invalid requests: each is rejected, and nothing after it is handled.

use harness::Process;

use super::canary::{
    CANARY, MALFORMED, TOO_LARGE, assert_no_canary, complaints, patient, shown, statuses_of,
    wait_for_rejections,
};
use super::corpus::{Expected, invalid, unread};
use crate::support::{is_generated_id, start};

/// SRV-3, DIF-5
#[test]
fn nothing_after_a_rejected_request_is_handled() {
    let service = patient();
    let invalid = invalid();
    let wrong = complaints(&invalid, 8, |bad| {
        let statuses = statuses_of(&service, &[&bad.raw, CANARY].concat());
        let is_refusal = |status: &u16| matches!(status, 400..=499 | 501 | 505);
        let right = statuses.as_ref().is_some_and(|statuses| {
            statuses.len() <= 1
                && (bad.owed == Expected::OneAnswer || statuses.iter().all(is_refusal))
        });
        (!right).then(|| format!("{} {statuses:?}", shown(&bad.raw)))
    });
    let (count, all) = (wrong.len(), invalid.len());
    assert!(wrong.is_empty(), "{count} of {all}:\n{}", wrong.join("\n"));
    assert_no_canary(&service);
}

/// SRV-3
#[test]
fn malformed_unread_body_closes_the_connection() {
    let service = patient();
    let unread = unread();
    let wrong = complaints(&unread, 8, |raw| {
        let statuses = statuses_of(&service, &[raw, CANARY].concat());
        let right = statuses
            .as_ref()
            .is_some_and(|statuses| statuses.len() <= 1);
        (!right).then(|| format!("{} {statuses:?}", shown(raw)))
    });
    let (count, all) = (wrong.len(), unread.len());
    assert!(wrong.is_empty(), "{count} of {all}:\n{}", wrong.join("\n"));
    assert_no_canary(&service);
}

/// LOG-13, MET-6
#[test]
fn each_rejection_is_logged_and_counted_once() {
    let service = patient();
    let many = format!(
        "GET /hello HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(100)
    );
    let kinds = [
        "NONSENSE\r\n\r\n",
        "GET /hello HTTP/1.7\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        // The parser does not check the other fields.
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        many.as_str(),
    ];
    let requests: Vec<&str> = (0..1000).map(|n| kinds[n % kinds.len()]).collect();
    let wrong = complaints(&requests, 8, |raw| {
        let statuses = statuses_of(&service, raw.as_bytes());
        let right = matches!(statuses.as_deref(), Some([400 | 431]));
        (!right).then(|| format!("{} {statuses:?}", shown(raw.as_bytes())))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    wait_for_rejections(&service, &[], 1000);
    wait_for_rejections(&service, MALFORMED, 900);
    wait_for_rejections(&service, TOO_LARGE, 100);
    let metrics = service.metrics();
    let unmatched = [("path", "__unmatched__")];
    assert_eq!(metrics.sum("http_requests_total", &unmatched), 1000.0);
    assert_eq!(metrics.value("panics_total", &[]), Some(0.0));
    let records = service.terminate().records_with("http_request");
    assert_eq!(records.len(), 1000);
    for record in &records {
        assert_eq!(record["ip"], "127.0.0.1", "{record}");
        assert!(record["protocolError"].is_string(), "{record}");
        let id = record["request_id"].as_str().unwrap();
        assert!(is_generated_id(id), "{record}");
    }
}

/// Follows each invalid request on its connection, and must never be handled.
const FOLLOW_UP: &str = "GET /items/canary HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Starts a service that closes every connection soon.
#[track_caller]
pub(super) fn with_short_timeouts() -> Process {
    start(&[("READ_TIMEOUT", "500ms"), ("IDLE_TIMEOUT", "500ms")])
}

/// Sends an invalid request and [`FOLLOW_UP`], and returns the statuses of the responses until the
/// connection ends.
#[track_caller]
fn statuses_with_follow_up(service: &Process, raw: &[u8]) -> Vec<u16> {
    let mut connection = service.connect();
    drop(connection.try_send([raw, FOLLOW_UP.as_bytes()].concat()));
    let said = connection.read_to_end();
    let said = String::from_utf8_lossy(&said);
    said.split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer[..3].parse().expect("a status has three digits"))
        .collect()
}

/// SRV-3
#[test]
fn invalid_host_is_a_400() {
    let service = with_short_timeouts();
    let mut wrong = Vec::new();
    for raw in [
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a:b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a?b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a#b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: \u{e9}\r\n\r\n",
    ] {
        let statuses = statuses_with_follow_up(&service, raw.as_bytes());
        if statuses != [400] {
            wrong.push(format!("{raw:?}: {statuses:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// SRV-3
#[test]
fn valid_host_is_accepted() {
    let service = start(&[]);
    for host in [
        "localhost",
        "localhost:8080",
        "127.0.0.1",
        "[::1]:80",
        "a-b.example.",
        "a_b",
    ] {
        let raw = format!("GET /hello HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(service.request(raw).status, 200, "{host}");
    }
}

/// SRV-3
#[test]
fn http_1_0_needs_no_host() {
    assert_eq!(
        start(&[]).request("GET /hello HTTP/1.0\r\n\r\n").text(),
        "hello\n"
    );
}

/// SRV-3
#[test]
fn request_with_two_framings_gets_one_response_at_most() {
    let service = with_short_timeouts();
    let post = "POST /upload HTTP/1.1\r\nHost: localhost\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ] {
        let statuses = statuses_with_follow_up(&service, format!("{post}{headers}").as_bytes());
        assert!(statuses.len() <= 1, "{headers:?}: {statuses:?}");
    }
    let ended = service.terminate();
    assert!(!ended.stdout.contains("canary"));
}

/// SRV-3
#[test]
fn nothing_after_an_invalid_request_is_handled() {
    let service = with_short_timeouts();
    let post = |headers: &str| format!("POST /upload HTTP/1.1\r\nHost: localhost\r\n{headers}");
    let get = |headers: &str| format!("GET /hello HTTP/1.1\r\nHost: localhost\r\n{headers}");
    let mut invalid: Vec<Vec<u8>> = Vec::new();
    // Request lines.
    for line in [
        "NONSENSE",
        "GET",
        "GET /hello",
        "GET  /hello HTTP/1.1",
        "GET /hello HTTP/1.2",
        "GET /hello HTTP/2.0",
        "GET /hello http/1.1",
        "GET /hello HTTP/1.1 x",
        "G@T\x01 / HTTP/1.1",
        "GET /he llo HTTP/1.1",
        "GET hello HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        " GET /hello HTTP/1.1",
        "GET\t/hello\tHTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        invalid.push(format!("{line}\r\nHost: localhost\r\n\r\n").into_bytes());
    }
    // Header lines.
    for line in [
        "no colon",
        "Space : x",
        " Folded: x",
        "X: a\r\n folded",
        "X\x01Y: z",
        ": no name",
        "X: nul\0l",
        "X: bare\rreturn",
        "(X): y",
        "X\u{e9}: y",
        "Content-Length : 3",
    ] {
        invalid.push(get(&format!("{line}\r\n\r\n")).into_bytes());
    }
    // Lengths.
    for length in [
        "-1",
        "+3",
        "3x",
        "0x3",
        "1e1",
        "3 3",
        "3, 4",
        "99999999999999999999999",
        "3\r\nContent-Length: 4",
        "",
        "\u{b3}",
    ] {
        invalid.push(post(&format!("Content-Length: {length}\r\n\r\nabc")).into_bytes());
    }
    // Transfer codings.
    for coding in [
        "identity",
        "gzip",
        "chunked, identity",
        "xchunked",
        "chunked\x0b",
        "chunked, chunked",
        "",
        "identity, chunkedx",
    ] {
        invalid.push(post(&format!("Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n")).into_bytes());
    }
    invalid.push(
        b"POST /upload HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_vec(),
    );
    // Chunks.
    for chunks in [
        "x\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3_0\r\nabc\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
    ] {
        invalid.push(post(&format!("Transfer-Encoding: chunked\r\n\r\n{chunks}")).into_bytes());
    }
    let mut wrong = Vec::new();
    for raw in &invalid {
        let statuses = statuses_with_follow_up(&service, raw);
        if statuses.len() > 1 || statuses.iter().any(|status| *status < 400) {
            wrong.push(format!("{:?}: {statuses:?}", String::from_utf8_lossy(raw)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let ended = service.terminate();
    assert!(!ended.stdout.contains("canary"));
}
