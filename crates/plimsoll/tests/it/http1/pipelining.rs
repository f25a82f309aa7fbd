//! Pipelined requests, and half-closed clients.

use harness::{Process, Response};

use super::canary::{CANARY, patient};
use crate::support::start;

/// Returns one of many requests and its expected response.
fn mixed(number: usize) -> (String, u16, Option<&'static str>) {
    let canary = std::str::from_utf8(CANARY).expect("it is plain text");
    let length = format!("Content-Length: {}\r\n", CANARY.len());
    let chunks = format!("{:x}\r\n{canary}\r\n0\r\n\r\n", CANARY.len());
    let coding = "Transfer-Encoding: chunked\r\n";
    let (line, fields, body, status, answer) = match number % 12 {
        0 => ("GET /hello", "", "", 200, Some("hello\n")),
        1 => ("HEAD /hello", "", "", 200, None),
        2 => ("GET /status/204", "", "", 204, Some("")),
        3 => ("GET /status/304", "", "", 304, Some("")),
        4 => ("HEAD /status/204", "", "", 204, None),
        5 => ("GET /items/one", &*length, canary, 200, Some("one")),
        6 => ("GET /items/two", coding, &*chunks, 200, Some("two")),
        7 => ("HEAD /hello", &*length, canary, 200, None),
        8 => ("POST /upload", coding, &*chunks, 200, Some("47\n")),
        9 => ("GET /status/204", &*length, canary, 204, Some("")),
        10 => ("HEAD /nowhere", "", "", 404, None),
        _ => ("OPTIONS /hello", coding, "0\r\n\r\n", 405, None),
    };
    let raw =
        format!("{line} HTTP/1.1\r\nHost: a\r\nX-Request-ID: mixed-{number}\r\n{fields}\r\n{body}");
    (raw, status, answer)
}

/// SRV-3, HTTP-6
#[test]
fn thousand_pipelined_responses_stay_in_order() {
    let service = patient();
    let mut connection = service.connect();
    for number in 0..1000 {
        let (raw, status, expected) = mixed(number);
        connection.send(&raw);
        let is_head = raw.starts_with("HEAD ");
        let answer: Response = if is_head {
            connection.read_head()
        } else {
            connection.read()
        };
        assert_eq!(answer.status, status, "{raw}");
        let id = format!("mixed-{number}");
        assert_eq!(answer.header("x-request-id"), Some(&*id), "{raw}");
        if let Some(expected) = expected {
            assert_eq!(answer.text(), expected, "{raw}");
        }
        if matches!(status, 204 | 304) {
            assert_eq!(answer.header("transfer-encoding"), None, "{raw}");
        }
        if status == 204 {
            assert_eq!(answer.header("content-length"), None, "{raw}");
        }
    }
    drop(connection);
    let records = service.terminate().records_with("http_request");
    assert_eq!(records.len(), 1000);
    for record in &records {
        assert_ne!(record["query"], "canary", "{record}");
        assert_eq!(record.get("aborted"), None, "{record}");
    }
}

/// SRV-3
#[test]
fn pipelined_requests_are_answered_in_order() {
    let service = start(&[]);
    let mut connection = service.connect();
    let requests: String = (0..100)
        .map(|number| format!("GET /items/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    connection.send(requests);
    for number in 0..100 {
        assert_eq!(connection.read().text().trim_end(), number.to_string());
    }
}

/// SRV-3: responses may share a write, but none waits for a later request.
#[test]
fn pipelined_response_waits_for_no_later_request() {
    let service = patient();
    let first = "GET /items/one HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    // The later request lacks a part of its head, its body, or a part of its body.
    for (later, rest) in [
        (&head[..20], format!("{}abc", &head[20..])),
        (head, "abc".to_owned()),
        (&format!("{head}a"), "bc".to_owned()),
    ] {
        let mut connection = service.connect();
        connection.send(format!("{first}{first}{later}"));
        assert_eq!(connection.read().text(), "one");
        assert_eq!(connection.read().text(), "one");
        connection.send(rest);
        assert_eq!(connection.read().text(), "3\n");
    }
}

/// SRV-3: the same while a handler works and later requests have arrived. hyper reads one of them.
#[test]
fn pipelined_response_waits_for_no_handler() {
    let service = patient();
    let quick = "GET /items/one HTTP/1.1\r\nHost: a\r\n\r\n";
    let slow = "GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut connection = service.connect();
    connection.send(format!("{quick}{slow}{quick}{quick}"));
    assert_eq!(connection.read().text(), "one");
}

/// SRV-3, SRV-5: the responses before a request that ends the connection arrive.
#[test]
fn pipelined_responses_before_an_error_are_sent() {
    let service = patient();
    let first = "GET /items/one HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut malformed = service.connect();
    malformed.send(format!("{first}GET / HTTP/1.1\r\nHost a\r\n\r\n{first}"));
    assert_eq!(malformed.read().text(), "one");
    assert_eq!(malformed.read().status, 400);
    assert!(malformed.read_or_end().is_none());

    let mut panicked = service.connect();
    let panics = "GET /panic-body HTTP/1.1\r\nHost: a\r\n\r\n";
    panicked.send(format!("{first}{panics}{first}"));
    assert_eq!(panicked.read().text(), "one");
}

/// SRV-3: the response to a request that ends the connection is sent.
#[test]
fn response_to_a_malformed_head_with_a_body_is_sent() {
    let service = patient();
    let mut connection = service.connect();
    connection.send("get /items/one HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(connection.read().status, 405);
    connection.send(b"PATCH /\xfc HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n-");
    assert_eq!(connection.read().status, 400);
}

/// Returns the CPU time of a process, in kernel ticks of 10 ms.
fn ticks(service: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", service.pid()));
    let stat = stat.expect("a child that runs has a file there");
    // The second field is a name in parentheses, which may contain any character.
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
    let user_and_system = fields.skip(12).take(2);
    user_and_system
        .map(|field| field.parse::<u64>().expect("times are numbers"))
        .sum()
}

/// SRV-3
#[test]
fn half_closed_client_uses_no_cpu_during_a_handler() {
    let service = patient();
    // While a pipelined request is unread, the service does not see the end of the connection.
    let requests = "GET /slow?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n\
                    GET /items/last HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut connection = service.connect();
            connection.send(requests);
            connection.finish_sending();
            connection
        })
        .collect();
    let before = ticks(&service);
    for connection in &mut waiting {
        assert_eq!(connection.read().text(), "slow\n");
    }
    let spent = ticks(&service) - before;
    // A busy loop would use a whole core for the wait, 150 ticks.
    assert!(spent < 50, "{spent} ticks");
}
