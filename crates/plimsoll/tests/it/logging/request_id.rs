//! Request ids: accepted, generated, logged and returned.

use std::collections::{BTreeMap, HashSet};
use std::thread;

use harness::{Process, access_record, request};

use crate::support::{assert_problem, is_generated_id, pipeline, post, start};

/// Sends an id to `/id` and returns the id of the response, which the body must contain too.
#[track_caller]
fn id_of(service: &Process, target: &str, header: &[u8]) -> String {
    let mut raw =
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
    raw.extend_from_slice(header);
    raw.extend_from_slice(b"\r\n");
    let answer = service.request(raw);
    let id = answer
        .header("x-request-id")
        .expect("every answer has a request id")
        .to_owned();
    assert_eq!(
        answer.text().trim_end(),
        id,
        "the handler and the answer know the same id"
    );
    id
}

/// RID-1
#[test]
fn incoming_id_is_reused() {
    let service = start(&[]);
    assert_eq!(
        id_of(&service, "/id", b"X-Request-ID: demo-123\r\n"),
        "demo-123"
    );
    assert_eq!(access_record(&service, "/id")["request_id"], "demo-123");
}

/// RID-1
#[test]
fn missing_id_is_generated() {
    let service = start(&[]);
    let id = id_of(&service, "/id", b"");
    assert!(is_generated_id(&id), "{id}");
    let record = access_record(&service, "/id");
    assert_eq!(record["request_id"], id.as_str());
    assert_ne!(record["requestIdReplaced"], true);
}

/// RID-1, DIF-1
#[test]
fn handler_cannot_replace_the_id() {
    let service = start(&[]);
    let answer = service.request(request(
        "GET",
        "/own-headers",
        "X-Request-ID: the-true-one\r\n",
    ));
    assert_eq!(answer.header("x-request-id"), Some("the-true-one"));
}

/// RID-2
#[test]
fn ids_of_allowed_characters_are_kept() {
    let service = start(&[]);
    let alphabet: String = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain("._-:/+=".chars())
        .collect();
    let longest = "x".repeat(128);
    for (index, id) in ["a", "0", "=", alphabet.as_str(), longest.as_str()]
        .into_iter()
        .enumerate()
    {
        let target = format!("/id?case={index}");
        let header = format!("x-request-id: {id}\r\n");
        assert_eq!(id_of(&service, &target, header.as_bytes()), id);
        let record = service.wait_for_record(|record| {
            record["message"] == "http_request" && record["query"] == format!("case={index}")
        });
        assert_ne!(record["requestIdReplaced"], true, "{id}");
    }
}

/// RID-2
#[test]
fn invalid_id_is_replaced_and_logged() {
    let service = start(&[]);
    let too_long = format!("X-Request-ID: {}\r\n", "x".repeat(129));
    let cases: [&[u8]; 14] = [
        too_long.as_bytes(),
        b"X-Request-ID: \r\n",
        b"X-Request-ID: two words\r\n",
        b"X-Request-ID: quote\"d\r\n",
        b"X-Request-ID: back\\slash\r\n",
        b"X-Request-ID: {brace}\r\n",
        b"X-Request-ID: a,b\r\n",
        b"X-Request-ID: semi;colon\r\n",
        b"X-Request-ID: tab\there\r\n",
        b"X-Request-ID: per%cent\r\n",
        b"X-Request-ID: caf\xc3\xa9\r\n",
        b"X-Request-ID: \xff\xfe\r\n",
        b"X-Request-ID: one\r\nX-Request-ID: two\r\n",
        b"X-Request-ID: same\r\nX-Request-ID: same\r\n",
    ];
    for (index, header) in cases.into_iter().enumerate() {
        let shown = String::from_utf8_lossy(header);
        let id = id_of(&service, &format!("/id?case={index}"), header);
        assert!(is_generated_id(&id), "{shown:?} became {id}");
        let record = service.wait_for_record(|record| {
            record["message"] == "http_request" && record["query"] == format!("case={index}")
        });
        assert_eq!(record["requestIdReplaced"], true, "{shown:?}");
        assert_eq!(record["request_id"], id.as_str(), "{shown:?}");
    }
}

/// RID-2
#[test]
fn similar_header_names_are_ignored() {
    let service = start(&[]);
    let id = id_of(
        &service,
        "/id",
        b"X_Request_ID: a\r\nRequest-ID: b\r\nX-RequestID: c\r\n",
    );
    assert!(is_generated_id(&id), "{id}");
    assert_ne!(access_record(&service, "/id")["requestIdReplaced"], true);
}

/// RID-3
#[test]
fn handler_events_have_the_id() {
    let service = start(&[]);
    let answer = service.request(request("GET", "/log", "X-Request-ID: of-the-handler\r\n"));
    assert_eq!(answer.status, 200);
    let record = service.wait_for_record(|record| record["message"] == "fixture_event");
    assert_eq!(record["request_id"], "of-the-handler");
}

/// RID-3
#[test]
fn events_of_spawned_tasks_have_the_id() {
    let service = start(&[]);
    let answer = service.request(request("GET", "/spawn", "X-Request-ID: of-the-parent\r\n"));
    assert_eq!(answer.text(), "spawned\n");
    for via in ["spawn", "in_request"] {
        let record = service
            .wait_for_record(|record| record["message"] == "spawned_event" && record["via"] == via);
        assert_eq!(record["request_id"], "of-the-parent", "{via}");
    }
}

/// RID-3, SRV-5
#[test]
fn panic_record_has_the_id() {
    let service = start(&[]);
    for path in ["/panic", "/panic-body", "/spawn-panic"] {
        let id = format!("id-of{}", path.replace('/', "-"));
        let mut connection = service.connect();
        connection.send(request("GET", path, &format!("X-Request-ID: {id}\r\n")));
        let record = service.wait_for_record(|record| {
            record["message"] == "panic" && record["request_id"] == id.as_str()
        });
        assert_eq!(record["name"], "panic", "{path}");
    }
}

/// RID-3
#[test]
fn ids_of_concurrent_requests_are_not_mixed_up() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 25;
    let service = start(&[("WORKERS", "2")]);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut connection = service.connect();
            scope.spawn(move || {
                for number in 0..REQUESTS {
                    connection.send(format!(
                        "GET /spawn HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {client}-{number}\r\n\r\n"
                    ));
                    assert_eq!(connection.read().status, 200);
                }
            });
        }
    });
    let ended = service.terminate();
    let mut records_by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in ended.records() {
        if let Some(id) = record["request_id"].as_str().filter(|id| *id != "-") {
            let message = record["message"].as_str().unwrap().to_owned();
            records_by_id
                .entry(id.to_owned())
                .or_default()
                .push(message);
        }
    }
    assert_eq!(records_by_id.len(), CLIENTS * REQUESTS);
    for (id, mut messages) in records_by_id {
        messages.sort();
        assert_eq!(
            messages,
            ["http_request", "spawned_event", "spawned_event"],
            "{id}"
        );
    }
}

/// RID-3
#[test]
fn id_outside_a_request_is_a_dash() {
    let ended = start(&[]).terminate();
    let records = ended.records();
    assert!(records.len() >= 2, "{}", ended.stdout);
    for record in records {
        assert_eq!(record["request_id"], "-", "{record}");
    }
}

/// RID-4
#[test]
fn responses_without_a_handler_have_the_id() {
    let service = start(&[("READ_TIMEOUT", "300ms"), ("REQUEST_TIMEOUT", "1s")]);
    #[track_caller]
    fn check(service: &Process, status: u16, raw: &str) {
        let id = format!("for-{status}");
        let raw = raw.replacen("\r\n", &format!("\r\nX-Request-ID: {id}\r\n"), 1);
        let mut connection = service.connect();
        connection.send(raw);
        let answer = connection.read();
        assert_problem(&answer, status);
        assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
    }
    check(&service, 404, &request("GET", "/no/such/path", ""));
    check(&service, 405, &request("DELETE", "/hello", ""));
    check(
        &service,
        408,
        &request("POST", "/upload", "Content-Length: 10\r\n"),
    );
    check(&service, 413, &post("/limited/upload", &"x".repeat(2000)));
    check(&service, 500, &request("GET", "/panic", ""));
    check(&service, 503, &request("GET", "/hang", ""));
}

/// RID-4
#[test]
fn probe_responses_have_the_id() {
    let service = start(&[]);
    for path in ["/health", "/ready", "/metrics"] {
        let answer = service.request(request("GET", path, "X-Request-ID: probing\r\n"));
        assert_eq!(answer.header("x-request-id"), Some("probing"), "{path}");
        let generated = service.get(path);
        assert!(
            is_generated_id(generated.header("x-request-id").unwrap()),
            "{path}"
        );
    }
}

/// RID-5
#[test]
fn generated_ids_are_unique_across_processes() {
    const PROCESSES: usize = 2;
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 1000;
    let mut ids = HashSet::new();
    for _ in 0..PROCESSES {
        let service = start(&[("WORKERS", "4"), ("LOG_LEVEL", "ERROR")]);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    let mut connection = service.connect();
                    scope.spawn(move || {
                        let mut ids = Vec::with_capacity(REQUESTS);
                        pipeline(
                            &mut connection,
                            REQUESTS,
                            |_| "GET /id HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                            |answer| ids.push(answer.text().trim_end().to_owned()),
                        );
                        ids
                    })
                })
                .collect();
            for client in clients {
                ids.extend(client.join().unwrap());
            }
        });
    }
    assert_eq!(ids.len(), PROCESSES * CLIENTS * REQUESTS);
    assert!(ids.iter().all(|id| is_generated_id(id)));
}
