//! The size of a head, and strange methods.

use harness::request;

use super::canary::{
    CANARY, TOO_LARGE, assert_no_canary, patient, statuses_of, wait_for_rejections,
};
use super::invalid_requests::with_short_timeouts;
use crate::support::{assert_problem, ms, start};

/// SRV-3
#[test]
fn head_over_64_kib_is_a_431() {
    let service = with_short_timeouts();
    let filler = "f".repeat(1000);
    let headers: String = (0..80)
        .map(|n| format!("X-Filler-{n}: {filler}\r\n"))
        .collect();
    let mut connection = service.connect();
    // The service may answer and close before everything is sent.
    drop(connection.try_send(format!(
        "GET /hello HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    )));
    let said = connection.read_to_end();
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with("HTTP/1.1 431 "), "{said:?}");
}

/// SRV-3
#[test]
fn head_below_64_kib_is_answered() {
    let service = start(&[]);
    let filler = "f".repeat(1000);
    let headers: String = (0..60)
        .map(|n| format!("X-Filler-{n}: {filler}\r\n"))
        .collect();
    assert_eq!(
        service.request(request("GET", "/hello", &headers)).status,
        200
    );
}

/// Returns a `GET /hello` whose head has `size` bytes, most of them in the query or in a field.
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
fn head_limit_is_exactly_64_kib() {
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
                    // The pause separates the next read.
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
    wait_for_rejections(&service, TOO_LARGE, refused);
    let records = service.terminate().records_with("http_request");
    let logged = records
        .iter()
        .filter(|record| record["protocolError"] == "head_too_large" && record["status"] == 431);
    assert_eq!(logged.count(), refused);
}

/// SRV-3, LOG-13
#[test]
fn target_over_the_head_limit_is_rejected_as_too_large() {
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
    wait_for_rejections(&service, &[], 2);
    assert_eq!(service.metrics().value("panics_total", &[]), Some(0.0));
}

/// SRV-3, LOG-13
#[test]
fn head_may_have_100_fields() {
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
    wait_for_rejections(&service, TOO_LARGE, 2);
}

/// HTTP-6, SRV-3
#[test]
fn unknown_methods_are_rejected_on_a_kept_connection() {
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
    // No tunnel is opened, so bytes for a tunnel are not read as a request.
    connection.send("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
    let answer = connection.read();
    assert!(matches!(answer.status, 404 | 405), "{answer:?}");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let statuses = statuses_of(&service, &[preface, CANARY].concat()).unwrap();
    assert!(matches!(statuses[..], [] | [400]), "{statuses:?}");
    assert_no_canary(&service);
}
