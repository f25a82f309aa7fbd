//! SRV-3, LOG-13: bad requests by the hundred, and what lies close to them and must work.

mod corpus;
mod framing;
mod uploads;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::{Process, Response, eventually};

use crate::support::{assert_problem, is_generated_id, ms, start};
use corpus::Owed;

/// Follows each bad request on its connection; nobody may ever see it as a request.
const CANARY: &[u8] = b"GET /hello?canary HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The same as text.
fn canary() -> &'static str {
    std::str::from_utf8(CANARY).expect("it is ASCII")
}

/// No limit of the service ends a connection before this time: whatever ends sooner, it ended for
/// what was sent.
const SOON: Duration = Duration::from_secs(5);

/// A service whose patience with clients is longer than any test's.
#[track_caller]
fn patient() -> Process {
    start(&[("READ_TIMEOUT", "60s"), ("IDLE_TIMEOUT", "60s")])
}

/// Runs `check` for every item, several at a time, and gives all complaints.
fn complaints<T: Sync>(
    items: &[T],
    at_once: usize,
    check: impl Fn(&T) -> Option<String> + Sync,
) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(complaint) = check(item) {
                        found
                            .lock()
                            .expect("no check panics while it complains")
                            .push(complaint);
                    }
                }
            });
        }
    });
    found
        .into_inner()
        .expect("no check panics while it complains")
}

/// Sends bytes, and gives the statuses of all answers, or nothing if the connection stays open.
fn statuses_of(service: &Process, raw: &[u8]) -> Option<Vec<u16>> {
    let mut connection = service.connect();
    // It may be closed before all is sent.
    drop(connection.try_send(raw));
    if !connection.ends_within(SOON) {
        return None;
    }
    let said = connection.read_to_end();
    let said = String::from_utf8_lossy(&said);
    let answers = said.split("HTTP/1.1 ").skip(1);
    Some(
        answers
            .map(|answer| answer[..3].parse().unwrap_or(0))
            .collect(),
    )
}

/// What a request looks like in a complaint.
fn shown(raw: &[u8]) -> String {
    let cut = &raw[..raw.len().min(150)];
    format!("{:?}", String::from_utf8_lossy(cut))
}

/// Nobody has handled the canary.
#[track_caller]
fn assert_no_canary(service: &Process) {
    let handled = [("path", "/hello"), ("status", "200")];
    assert_eq!(service.metrics().sum("http_requests_total", &handled), 0.0);
    let records = service.terminate().records_with("http_request");
    assert!(!records.is_empty());
    assert!(records.iter().all(|record| record["query"] != "canary"));
}

/// Waits until as many heads have been refused, of one kind or in all: they are counted when their
/// connections have ended.
#[track_caller]
fn wait_for_refusals(service: &Process, kind: &[(&str, &str)], count: usize) {
    eventually("as many have been refused", || {
        let refused = service.metrics().sum("http_protocol_errors_total", kind);
        (refused == count as f64).then_some(())
    });
}

const MALFORMED: &[(&str, &str)] = &[("kind", "malformed")];
const TOO_LARGE: &[(&str, &str)] = &[("kind", "head_too_large")];

/// SRV-3, DIF-5
#[test]
fn invalid_requests_are_refused_and_nothing_behind_them_is_handled() {
    let service = patient();
    let invalid = corpus::invalid();
    let wrong = complaints(&invalid, 8, |bad| {
        let statuses = statuses_of(&service, &[&bad.raw, CANARY].concat());
        let is_refusal = |status: &u16| matches!(status, 400..=499 | 501 | 505);
        let right = statuses.as_ref().is_some_and(|statuses| {
            statuses.len() <= 1 && (bad.owed == Owed::OneAnswer || statuses.iter().all(is_refusal))
        });
        (!right).then(|| format!("{} {statuses:?}", shown(&bad.raw)))
    });
    let (count, all) = (wrong.len(), invalid.len());
    assert!(wrong.is_empty(), "{count} of {all}:\n{}", wrong.join("\n"));
    assert_no_canary(&service);
}

/// SRV-3
#[test]
fn a_broken_body_that_nobody_reads_ends_the_connection() {
    let service = patient();
    let unread = corpus::unread();
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

/// A `GET /hello` whose head has `size` bytes, most of them in the query or in a field.
fn head_of(size: usize, in_query: bool) -> Vec<u8> {
    let (query, field) = match in_query {
        true => ("?", ""),
        false => ("", "X: "),
    };
    let before = format!("GET /hello{query}");
    let after = format!(" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{field}");
    let end = match in_query {
        true => "\r\n",
        false => "\r\n\r\n",
    };
    let filler = "f".repeat(size - before.len() - after.len() - end.len());
    let head = match in_query {
        true => before + &filler + &after + end,
        false => before + &after + &filler + end,
    };
    assert_eq!(head.len(), size);
    head.into_bytes()
}

/// SRV-3, LOG-13
#[test]
fn a_head_may_have_64_kib_to_the_byte() {
    const LIMIT: usize = 64 * 1024;
    let service = patient();
    let mut refused = 0;
    for in_query in [false, true] {
        for (size, status) in [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 431)] {
            let head = head_of(size, in_query);
            for pieces in [&[][..], &[30_000], &[LIMIT - 2]] {
                let mut connection = service.connect();
                let mut sent = 0;
                for piece in pieces {
                    connection.send(&head[sent..*piece]);
                    sent = *piece;
                    // So that the next piece is read by itself.
                    assert!(!connection.ends_within(ms(20)));
                }
                connection.send(&head[sent..]);
                let said = connection.read_to_end();
                let line = format!("HTTP/1.1 {status} ");
                let what = format!("{size} in {pieces:?}, in the query: {in_query}");
                assert!(said.starts_with(line.as_bytes()), "{what}");
                if status == 431 {
                    refused += 1;
                }
            }
        }
    }
    wait_for_refusals(&service, TOO_LARGE, refused);
    let records = service.terminate().records_with("http_request");
    let told = records
        .iter()
        .filter(|record| record["protocolError"] == "head_too_large" && record["status"] == 431);
    assert_eq!(told.count(), refused);
}

/// SRV-3, LOG-13
#[test]
fn a_target_that_no_head_can_hold_is_refused_as_what_it_is() {
    let service = patient();
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(65_600));
    let name = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}: x\r\n\r\n",
        "n".repeat(65_600)
    );
    for (raw, statuses) in [(target, [414, 431]), (name, [431, 431])] {
        let got = statuses_of(&service, raw.as_bytes()).unwrap();
        assert!(got.len() == 1 && statuses.contains(&got[0]), "{got:?}");
    }
    wait_for_refusals(&service, &[], 2);
    assert_eq!(service.metrics().value("panics_total", &[]), Some(0.0));
}

/// SRV-3, LOG-13
#[test]
fn a_head_may_have_a_hundred_fields() {
    let service = patient();
    let head = |count: usize| {
        let more: String = (1..count).map(|n| format!("X-{n}: y\r\n")).collect();
        format!("GET /hello HTTP/1.1\r\nHost: a\r\n{more}\r\n")
    };
    assert_eq!(service.request(head(100)).status, 200);
    let refused = [head(101).as_bytes(), CANARY].concat();
    assert_eq!(statuses_of(&service, &refused), Some(vec![431]));
    let same = format!(
        "GET /items/same HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(100)
    );
    assert_eq!(statuses_of(&service, same.as_bytes()), Some(vec![431]));
    wait_for_refusals(&service, TOO_LARGE, 2);
}

/// LOG-13, MET-6
#[test]
fn each_of_a_thousand_refusals_is_recorded_and_counted_once() {
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
        // The parser takes the rest for granted.
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
    wait_for_refusals(&service, &[], 1000);
    wait_for_refusals(&service, MALFORMED, 900);
    wait_for_refusals(&service, TOO_LARGE, 100);
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

/// HTTP-6, SRV-3
#[test]
fn strange_methods_are_refused_and_leave_the_connection_in_step() {
    let service = patient();
    let long = "M".repeat(200);
    let mut connection = service.connect();
    for method in ["TRACE", "get", "GET#", "PURGE", "!#$%&'*+-.^_`|~", &long] {
        connection.send(format!("{method} /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = connection.read();
        assert_problem(&answer, 405);
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method}");
        assert_eq!(connection.get("/items/next").text(), "next", "{method}");
    }
    // No tunnel is opened, and what the client would send through one is not lost on anybody.
    connection.send("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
    let answer = connection.read();
    assert!(matches!(answer.status, 404 | 405), "{answer:?}");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let statuses = statuses_of(&service, &[preface, CANARY].concat()).unwrap();
    assert!(matches!(statuses[..], [] | [400]), "{statuses:?}");
    assert_no_canary(&service);
}

/// SRV-3
#[test]
fn an_upgrade_that_nobody_offers_is_an_ordinary_request() {
    let service = patient();
    let h2c =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__";
    for fields in [
        "Connection: Upgrade\r\nUpgrade: foo",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
        h2c,
    ] {
        let mut connection = service.connect();
        let first = format!("GET /hello HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let body =
            format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n{fields}\r\n\r\nabc");
        let last = "GET /items/last HTTP/1.1\r\nHost: a\r\n\r\n";
        connection.send([first.as_str(), &body, last].concat());
        let answers = [connection.read(), connection.read(), connection.read()];
        let got = answers.each_ref().map(|it| (it.status, it.text()));
        assert_eq!(
            got,
            [(200, "hello\n"), (200, "3\n"), (200, "last")],
            "{fields}"
        );
    }
}

/// SRV-3
#[test]
fn bytes_behind_an_upgrade_are_never_http() {
    let service = patient();
    let mut connection = service.connect();
    let upgrade =
        b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    connection.send([upgrade, CANARY].concat());
    assert_eq!(connection.read_head().status, 101);
    connection.finish_sending();
    assert_eq!(connection.read_to_end(), CANARY);
    assert_no_canary(&service);
}

/// SRV-3
#[test]
fn nobody_is_asked_for_a_body_that_is_not_read() {
    let service = patient();
    let expecting = "Host: a\r\nExpect: 100-continue\r\n";
    for (line, status) in [
        ("POST /ignore-body HTTP/1.1", 200),
        ("GET /hello HTTP/1.1", 200),
        ("POST /nowhere HTTP/1.1", 404),
        ("POST /health HTTP/1.1", 405),
    ] {
        for body in ["Content-Length: 500\r\n", "Transfer-Encoding: chunked\r\n"] {
            // The client keeps its body to itself after the final answer, so what comes next
            // can be either; the connection must end.
            let raw = [
                format!("{line}\r\n{expecting}{body}\r\n").as_bytes(),
                CANARY,
            ]
            .concat();
            let mut connection = service.connect();
            let head = raw.len() - CANARY.len();
            connection.send(&raw[..head]);
            assert_eq!(connection.read().status, status, "{line} {body}");
            drop(connection.try_send(CANARY));
            assert!(connection.ends_within(SOON), "{line} {body}");
            assert_eq!(connection.read_to_end(), b"", "{line} {body}");
        }
    }
    let records = service.terminate().records_with("http_request");
    assert!(records.iter().all(|record| record["query"] != "canary"));
}

/// SRV-3
#[test]
fn whoever_sends_a_body_is_asked_for_it_once_and_in_http_1_1_only() {
    let service = patient();
    let expecting = "Host: a\r\nExpect: 100-Continue\r\n";
    let mut connection = service.connect();
    for _ in 0..3 {
        let head = "POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
        connection.send(format!("{head}{expecting}\r\n"));
        assert_eq!(connection.read().status, 100);
        connection.send("3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(connection.read().text(), "3\n");
    }
    let mut old = service.connect();
    let head = "POST /upload HTTP/1.0\r\nContent-Length: 3\r\n";
    old.send(format!("{head}{expecting}\r\n"));
    assert!(!old.ends_within(ms(100)));
    old.send("abc");
    assert_eq!(old.read().text(), "3\n");
}

/// One of many requests, and what must come back.
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
fn a_thousand_answers_with_and_without_bodies_stay_in_step() {
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

/// LOG-9
#[test]
fn a_client_that_closes_its_half_is_taken_for_gone() {
    let service = patient();
    let mut connection = service.connect();
    assert_eq!(connection.get("/hello").status, 200);
    connection.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it is being handled", || {
        (service.metrics().value("http_requests_in_flight", &[]) == Some(1.0)).then_some(())
    });
    connection.finish_sending();
    assert_eq!(connection.read_to_end(), b"");
    let record = service.wait_for_record(|record| record["path"] == "/hang");
    assert_eq!(
        (&record["status"], &record["aborted"]),
        (&499.into(), &true.into())
    );
}

/// The CPU time that a process has taken, in the kernel's ticks of 10 ms.
fn ticks(service: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", service.pid()));
    let stat = stat.expect("a child that runs has a file there");
    // The second field is a name in parentheses, which may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
    let user_and_system = fields.skip(12).take(2);
    user_and_system
        .map(|field| field.parse::<u64>().expect("times are numbers"))
        .sum()
}

/// SRV-3
#[test]
fn waiting_for_a_handler_costs_no_time_when_the_client_has_half_closed() {
    let service = patient();
    // With a request behind it that nobody has read yet, the end is not seen meanwhile.
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
    // One that spins takes a whole core for as long as it waits, which is 150.
    assert!(spent < 50, "{spent} ticks");
}

/// SRV-3
#[test]
fn what_follows_a_trailer_that_ends_in_line_feeds_is_not_handled() {
    let service = start(&[("READ_TIMEOUT", "300ms"), ("IDLE_TIMEOUT", "300ms")]);
    // A peer that takes LF for the end of a line finds the end of the message in each, and the
    // canary behind it.
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
