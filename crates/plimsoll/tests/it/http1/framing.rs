//! Framing that hyper does not check: targets, trailers and chunks.

use harness::access_record;
use serde_json::Value;

use super::canary::{
    CANARY, MALFORMED, assert_no_canary, canary, complaints, patient, shown, statuses_of,
    wait_for_rejections,
};
use super::corpus::chunked;
use crate::support::{ms, start};

/// SRV-3
#[test]
fn nothing_after_an_lf_trailer_is_handled() {
    let service = start(&[("READ_TIMEOUT", "300ms"), ("IDLE_TIMEOUT", "300ms")]);
    // For a peer that accepts LF as a line end, the message ends in each, and the canary follows.
    let mut raws = Vec::new();
    for trailer in ["\n", "X: y\n\n", "X: y\r\n\n", "X: y\n\r\n"] {
        for path in ["/upload", "/upload-stream", "/ignore-body", "/nowhere"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n");
            raws.push(format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n0\r\n{trailer}"
            ));
        }
    }
    let wrong = complaints(&raws, 16, |raw| {
        let statuses = statuses_of(&service, &[raw.as_bytes(), CANARY].concat());
        let right = statuses
            .as_ref()
            .is_some_and(|statuses| statuses.len() <= 1);
        (!right).then(|| format!("{raw:?} {statuses:?}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_no_canary(&service);
}

/// SRV-3, LOG-13
#[test]
fn fragment_in_a_request_target_is_rejected() {
    let service = patient();
    let targets = [
        "GET /metrics#x",
        "GET /metrics#",
        "GET /hello?a#b",
        "GET http://localhost/metrics#x",
        "GET http://localhost#",
        "OPTIONS *#x",
        "CONNECT localhost:80#x",
        "GET\u{20}#",
    ];
    let wrong = complaints(&targets, 4, |target| {
        let raw = format!("{target} HTTP/1.1\r\nHost: localhost\r\n\r\n{}", canary());
        let statuses = statuses_of(&service, raw.as_bytes());
        let right = statuses.as_deref() == Some(&[400]);
        (!right).then(|| format!("{target} {statuses:?}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    wait_for_rejections(&service, MALFORMED, targets.len());
    assert_no_canary(&service);
}

/// SRV-3
#[test]
fn hash_outside_the_target_is_no_fragment() {
    let service = start(&[]);
    let long = "X-Long: 0123456789#\r\n".repeat(60);
    for (line, fields, status) in [
        ("GET /hello", "X: #\r\n", 200),
        ("GET /hello", long.as_str(), 200),
        ("GET /hello?a=%23", "", 200),
        ("M#X /nowhere", "", 404),
    ] {
        let mut connection = service.connect();
        connection.send(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(connection.read().status, status, "{line} {fields}");
    }
}

/// SRV-3, LOG-13: the request in the body was handled before.
#[test]
fn request_after_an_lf_trailer_is_not_handled() {
    let service = patient();
    let second = "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 46\r\n\r\n";
    let trailers = ["X: y\n\r\n", "X: y\n\n", "X: y\r\n\n", "\n"];
    for path in ["/nowhere", "/upload", "/upload-stream", "/ignore-body"] {
        for trailer in trailers {
            let raw = format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailer}{second}{}",
                canary()
            );
            let statuses = statuses_of(&service, raw.as_bytes());
            assert!(
                statuses.is_some_and(|it| it.len() <= 1),
                "{path} {trailer:?}"
            );
        }
    }
    let count = 4 * trailers.len();
    wait_for_rejections(&service, MALFORMED, count);
    assert_no_canary(&service);
}

/// LOG-13, SRV-3
#[test]
fn malformed_chunk_is_a_400_and_counted_once() {
    let service = patient();
    let bodies: [&[u8]; 6] = [
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\t\r\nhello\r\n0\r\n\r\n",
        b"5;\0\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\nx\r\n\r\n",
    ];
    for path in ["/upload", "/upload-stream"] {
        for body in bodies {
            let raw = chunked(path, body);
            let statuses = statuses_of(&service, &[&raw, CANARY].concat());
            assert_eq!(statuses.as_deref(), Some(&[400][..]), "{}", shown(&raw));
        }
    }
    let count = 2 * bodies.len();
    wait_for_rejections(&service, MALFORMED, count);
    assert_eq!(
        service.metrics().sum("http_protocol_errors_total", &[]),
        count as f64
    );
    let records = service.terminate().records_with("http_request");
    assert_eq!(records.len(), count);
    for record in records {
        assert_eq!(record["status"], 400, "{record}");
        assert_eq!(record["protocolError"], "malformed", "{record}");
        assert_ne!(record["path"], Value::from("__unmatched__"), "{record}");
    }
}

/// SRV-3: each request after a body is found, wherever the bytes are split.
#[test]
fn valid_framing_is_accepted_when_split_anywhere() {
    let service = start(&[]);
    let chunks = b"2;a\r\nhe\r\n3 ; b = \"c\\\"\xff\" ;d=e\r\nllo\r\n000\r\nX: y\r\nY:\r\n\r\n";
    let raw = [
        b"\r\n\n",
        &chunked("/upload", chunks)[..],
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /hello HTTP/1.1\nHost: a\nConnection: close\n\n",
    ]
    .concat();
    let cuts: Vec<usize> = (1..raw.len()).collect();
    let wrong = complaints(&cuts, 8, |&cut| {
        let mut connection = service.connect();
        let (first, second) = raw.split_at(cut);
        connection.send(first);
        // Without the pause both would arrive in one read.
        std::thread::sleep(ms(2));
        connection.send(second);
        let statuses: Vec<u16> = (0..3).map(|_| connection.read().status).collect();
        (statuses != [200; 3]).then(|| format!("{cut}: {statuses:?}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// SRV-3: requests and bodies that arrive in one read are handled in order.
#[test]
fn pipelined_bodies_of_every_framing_stay_in_order() {
    let service = start(&[]);
    let one = [
        &chunked("/upload", b"5\r\nhello\r\n0\r\n\r\n")[..],
        b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"HEAD /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ]
    .concat();
    let last = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let raw = [one.repeat(200), last.to_vec()].concat();
    let statuses = statuses_of(&service, &raw).expect("the last answer ends the connection");
    let expected = [[200, 200, 200, 404].repeat(200), vec![200]].concat();
    assert_eq!(statuses, expected);
}

/// LOG-3: an authority has no path.
#[test]
fn connect_is_logged_with_its_authority() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(connection.read().status >= 400);
    let record = access_record(&service, "localhost:80");
    assert_eq!(record["method"], "CONNECT");
}
