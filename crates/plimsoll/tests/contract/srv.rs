//! SRV: limits of time and size, bad requests, panics.

use std::time::Duration;

use harness::{Process, eventually, timed};

use crate::support::{
    access_record, assert_problem, is_generated_id, ms, post, request, start, time_to_end,
};

/// No limit that a test sets to some hundred milliseconds may take this long, on the slowest
/// machine.
const LATE: Duration = Duration::from_secs(4);

/// SRV-1
#[test]
fn a_silent_connection_is_closed_without_an_answer() {
    let service = start(&[("READ_TIMEOUT", "300ms")]);
    let (said, took) = time_to_end(&mut service.connect());
    assert_eq!(said, b"");
    assert!((ms(250)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn a_head_that_dribbles_is_closed_without_an_answer() {
    let service = start(&[("READ_TIMEOUT", "500ms")]);
    let mut connection = service.connect();
    connection.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n");
    let ((), took) = timed(|| {
        // A byte every 50 ms is progress, but not a head.
        while !connection.ends_within(ms(50)) {
            if connection.try_send("x").is_err() {
                break;
            }
        }
    });
    assert_eq!(connection.read_to_end(), b"");
    assert!((ms(400)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn a_head_in_pieces_within_the_limit_is_answered() {
    let service = start(&[("READ_TIMEOUT", "5s")]);
    let mut connection = service.connect();
    for piece in [
        "GE",
        "T /hello HTT",
        "P/1.1\r\nHo",
        "st: localhost\r",
        "\n\r",
        "\n",
    ] {
        connection.send(piece);
        assert!(!connection.ends_within(ms(10)));
    }
    assert_eq!(connection.read().text(), "hello\n");
}

/// SRV-1
#[test]
fn the_head_of_a_later_request_has_the_same_limit() {
    let service = start(&[("READ_TIMEOUT", "300ms"), ("IDLE_TIMEOUT", "60s")]);
    let mut connection = service.connect();
    assert_eq!(connection.get("/hello").status, 200);
    connection.send("GET /hello HT");
    let (said, took) = time_to_end(&mut connection);
    assert_eq!(said, b"");
    assert!((ms(250)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn an_idle_connection_is_closed_after_its_own_limit() {
    let service = start(&[("READ_TIMEOUT", "60s"), ("IDLE_TIMEOUT", "400ms")]);
    let mut connection = service.connect();
    assert_eq!(connection.get("/hello").status, 200);
    let (said, took) = time_to_end(&mut connection);
    assert_eq!(said, b"");
    assert!((ms(350)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn a_connection_may_idle_longer_than_a_head_may_take() {
    let service = start(&[("READ_TIMEOUT", "200ms"), ("IDLE_TIMEOUT", "60s")]);
    let mut connection = service.connect();
    for _ in 0..2 {
        assert_eq!(connection.get("/hello").status, 200);
        assert!(
            !connection.ends_within(ms(800)),
            "closed as if a head were late"
        );
    }
    assert_eq!(connection.get("/hello").status, 200);
}

/// SRV-1
#[test]
fn a_handler_may_take_longer_than_a_head() {
    let service = start(&[("READ_TIMEOUT", "200ms"), ("IDLE_TIMEOUT", "200ms")]);
    let mut connection = service.connect();
    assert_eq!(connection.get("/slow?ms=900").text(), "slow\n");
    assert_eq!(service.get("/stream?chunks=9&ms=100").body.len(), 9 * 1024);
}

/// SRV-1, SRV-2
#[test]
fn a_body_that_stalls_while_it_is_read_is_a_408() {
    let service = start(&[("READ_TIMEOUT", "300ms")]);
    for path in ["/upload", "/upload-stream"] {
        let mut connection = service.connect();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nten bytes!"
        ));
        let (answer, took) = timed(|| connection.read());
        assert_problem(&answer, 408);
        assert!((ms(250)..LATE).contains(&took), "{path}: {took:?}");
        // What would follow on this connection is the body's rest.
        assert_eq!(connection.read_to_end(), b"", "{path}");
    }
}

/// SRV-1
#[test]
fn a_body_that_is_slow_but_steady_is_read() {
    let service = start(&[("READ_TIMEOUT", "1s")]);
    for path in ["/upload", "/upload-stream"] {
        let mut connection = service.connect();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n"
        ));
        for _ in 0..12 {
            // In all, longer than the limit.
            assert!(!connection.ends_within(ms(150)));
            connection.send("x");
        }
        let answer = connection.read();
        assert_eq!((answer.status, answer.text()), (200, "12\n"), "{path}");
    }
}

/// SRV-2
#[test]
fn a_handler_that_takes_too_long_is_a_503_and_cancelled() {
    let service = start(&[("REQUEST_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    let (answer, took) = timed(|| connection.get("/hang"));
    assert_problem(&answer, 503);
    assert!((ms(250)..LATE).contains(&took), "{took:?}");
    let record = access_record(&service, "/hang");
    assert_eq!(record["status"], 503);
    assert_eq!(record["levelname"], "ERROR");
    // Nothing of it is left: neither in the gauge nor in the way of the end.
    eventually("no request is in flight", || {
        let in_flight = service.metrics().value("http_requests_in_flight", &[]);
        (in_flight == Some(0.0)).then_some(())
    });
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["requestsCutOff"],
        0
    );
}

/// SRV-2
#[test]
fn the_deadline_of_a_handler_ends_with_its_head() {
    let service = start(&[("REQUEST_TIMEOUT", "300ms")]);
    let answer = service.get("/stream?chunks=8&ms=100");
    assert_eq!((answer.status, answer.body.len()), (200, 8 * 1024));
}

/// SRV-2
#[test]
fn a_route_can_have_a_deadline_of_its_own() {
    let service = start(&[("REQUEST_TIMEOUT", "30s")]);
    let (answer, took) = timed(|| service.get("/quick?ms=8000"));
    assert_problem(&answer, 503);
    assert!(took < LATE, "{took:?}");
    assert_eq!(service.get("/quick?ms=1").status, 200);
}

/// SRV-2, CFG-2
#[test]
fn a_deadline_of_zero_is_none() {
    let service = start(&[("REQUEST_TIMEOUT", "0")]);
    assert_eq!(service.get("/slow?ms=500").text(), "slow\n");
}

/// SRV-3
#[test]
fn a_body_is_allowed_up_to_the_limit() {
    let service = start(&[]);
    for path in ["/limited/upload", "/limited/upload-stream"] {
        let fits = service.request(post(path, &"x".repeat(1000)));
        assert_eq!((fits.status, fits.text()), (200, "1000\n"), "{path}");
        assert_problem(&service.request(post(path, &"x".repeat(1001))), 413);
    }
}

/// SRV-3
#[test]
fn a_body_of_unknown_length_is_allowed_up_to_the_limit() {
    let service = start(&[]);
    for path in ["/limited/upload", "/limited/upload-stream"] {
        let chunked = |last: &str| {
            let chunks = format!("1f4\r\n{}\r\n", "x".repeat(500)).repeat(2);
            let head = request("POST", path, "Transfer-Encoding: chunked\r\n");
            format!("{head}{chunks}{last}0\r\n\r\n")
        };
        let fits = service.request(chunked(""));
        assert_eq!((fits.status, fits.text()), (200, "1000\n"), "{path}");
        assert_problem(&service.request(chunked("1\r\nx\r\n")), 413);
    }
}

/// SRV-3
#[test]
fn a_declared_length_over_the_limit_is_refused_before_the_body() {
    let service = start(&[("READ_TIMEOUT", "60s")]);
    let mut connection = service.connect();
    connection.send(
        "POST /limited/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
    );
    // The first answer is the final one: nobody was asked to go on.
    assert_problem(&connection.read(), 413);
}

/// SRV-3
#[test]
fn a_client_that_expects_to_be_asked_is_asked_when_the_body_is_read() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(connection.read().status, 100);
    connection.send("abc");
    assert_eq!(connection.read().text(), "3\n");
}

/// SRV-3
#[test]
fn a_client_that_sends_everything_first_can_read_the_413() {
    let service = start(&[]);
    // More than all buffers on the way hold, so that closing with unread bytes would reset the
    // connection.
    let body = "x".repeat(8 * 1024 * 1024);
    let piece = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let chunked = request("POST", "/limited/upload", "Transfer-Encoding: chunked\r\n")
        + &piece.repeat(8)
        + "0\r\n\r\n";
    for raw in [
        post("/limited/upload", &body),
        post("/limited/upload-stream", &body),
        chunked,
    ] {
        let mut connection = service.connect();
        connection.send(raw);
        let answer = connection.read();
        assert_problem(&answer, 413);
        let (rest, took) = time_to_end(&mut connection);
        assert_eq!(rest, b"");
        assert!(took < LATE, "still open after {took:?}");
    }
}

/// SRV-3
#[test]
fn a_client_that_goes_on_sending_after_a_413_is_cut_off() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send(
        "POST /limited/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
    );
    assert_problem(&connection.read(), 413);
    let ((), took) = timed(|| {
        while connection.try_send([b'x'; 1000]).is_ok() && !connection.ends_within(ms(20)) {}
    });
    // Discarding takes 2 s at most.
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// SRV-2, SRV-3
#[test]
fn a_route_can_have_a_body_limit_of_its_own() {
    let service = start(&[]);
    let three = "x".repeat(3 * 1024 * 1024);
    assert_eq!(service.request(post("/upload", &three)).status, 413);
    assert_eq!(
        service.request(post("/upload-large", &three)).text(),
        "3145728\n"
    );
    let nine = "x".repeat(9 * 1024 * 1024);
    let refused = service.request(post("/upload-large", &nine));
    assert_problem(&refused, 413);
    assert_eq!(
        refused.json()["detail"],
        "this route takes request bodies of 8388608 bytes at most"
    );
    for (path, limit) in [("/upload", "MAX_BODY_BYTES"), ("/upload-large", "route")] {
        service.wait_for_record(|record| {
            record["rawPath"] == path && record["status"] == 413 && record["limit"] == limit
        });
    }
}

/// SRV-3
#[test]
fn a_body_that_nobody_reads_does_not_put_the_connection_out_of_step() {
    let service = start(&[]);
    let smuggled = "GET /items/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let body = smuggled.repeat(2000);
    let mut connection = service.connect();
    connection.send(format!(
        "POST /ignore-body HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(connection.read().text(), "ignored\n");
    // Either the connection goes on behind the body, or it ends.
    let sent = connection.try_send("GET /items/next HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if let Some(answer) = sent.ok().and_then(|()| connection.read_or_end()) {
        assert_eq!(answer.text().trim_end(), "next");
    }
    let ended = service.terminate();
    assert!(!ended.stdout.contains("smuggled"));
}

/// SRV-3
#[test]
fn a_head_over_64_kib_is_a_431() {
    let service = impatient();
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
fn a_head_below_64_kib_is_answered() {
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

/// What follows each bad request on its connection; it must never be handled.
const CANARY: &str = "GET /items/canary HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A service that closes every connection soon.
#[track_caller]
fn impatient() -> Process {
    start(&[("READ_TIMEOUT", "500ms"), ("IDLE_TIMEOUT", "500ms")])
}

/// Sends a bad request and the canary, and gives the statuses of the answers until the connection
/// ends.
#[track_caller]
fn statuses_of(service: &Process, raw: &[u8]) -> Vec<u16> {
    let mut connection = service.connect();
    drop(connection.try_send([raw, CANARY.as_bytes()].concat()));
    let said = connection.read_to_end();
    let said = String::from_utf8_lossy(&said);
    said.split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer[..3].parse().expect("a status has three digits"))
        .collect()
}

/// SRV-3
#[test]
fn a_bad_host_is_a_400() {
    let service = impatient();
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
        let statuses = statuses_of(&service, raw.as_bytes());
        if statuses != [400] {
            wrong.push(format!("{raw:?}: {statuses:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// SRV-3
#[test]
fn a_good_host_is_no_400() {
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
fn a_request_with_two_framings_gets_one_answer_at_most() {
    let service = impatient();
    let post = "POST /upload HTTP/1.1\r\nHost: localhost\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ] {
        let statuses = statuses_of(&service, format!("{post}{headers}").as_bytes());
        assert!(statuses.len() <= 1, "{headers:?}: {statuses:?}");
    }
    let ended = service.terminate();
    assert!(!ended.stdout.contains("canary"));
}

/// SRV-3
#[test]
fn nothing_that_follows_an_invalid_request_is_handled() {
    let service = impatient();
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
        let statuses = statuses_of(&service, raw);
        if statuses.len() > 1 || statuses.iter().any(|status| *status < 400) {
            wrong.push(format!("{:?}: {statuses:?}", String::from_utf8_lossy(raw)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let ended = service.terminate();
    assert!(!ended.stdout.contains("canary"));
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

/// SRV-5, RID-4, DIF-4
#[test]
fn a_panic_is_a_500_with_the_request_id() {
    let answer = start(&[]).get("/panic");
    assert_problem(&answer, 500);
    assert!(is_generated_id(answer.header("x-request-id").unwrap()));
}

/// SRV-5
#[test]
fn a_panic_is_one_record_with_its_place() {
    let service = start(&[]);
    assert_eq!(service.get("/panic").status, 500);
    let ended = service.terminate();
    let panics = ended.records_with("panic");
    assert_eq!(panics.len(), 1);
    assert_eq!(panics[0]["levelname"], "ERROR");
    assert_eq!(panics[0]["name"], "panic");
    assert_eq!(panics[0]["panicMessage"], "fixture panic");
    let location = panics[0]["location"].as_str().unwrap();
    let mut parts = location.rsplitn(3, ':');
    let column: u32 = parts.next().unwrap().parse().unwrap();
    let line: u32 = parts.next().unwrap().parse().unwrap();
    assert!(parts.next().unwrap().ends_with(".rs"), "{location}");
    assert!(line > 0 && column > 0, "{location}");
    // And the request's own record, as ever.
    let access = ended.records_with("http_request");
    assert_eq!(access.len(), 1);
    assert_eq!(access[0]["status"], 500);
}

/// SRV-5
#[test]
fn a_panic_touches_nothing_else() {
    let service = start(&[("WORKERS", "1")]);
    let mut slow = service.connect();
    slow.send("GET /slow?ms=500 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut connection = service.connect();
    for _ in 0..20 {
        assert_eq!(service.get("/panic").status, 500);
        assert_eq!(connection.get("/hello").text(), "hello\n");
    }
    assert_eq!(slow.read().text(), "slow\n");
    assert_eq!(service.terminate().code, Some(0));
}

/// SRV-5
#[test]
fn a_panic_in_a_body_never_looks_like_its_end() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("GET /panic-body HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let said = connection.read_to_end();
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 200 "),
        "{said:?}"
    );
    assert!(!said.ends_with("0\r\n\r\n"), "{said:?}");
    let record = access_record(&service, "/panic-body");
    assert_eq!(record["aborted"], true);
    let ended = service.terminate();
    assert_eq!(ended.records_with("panic").len(), 1);
}

/// SRV-5
#[test]
fn a_panic_of_a_spawned_task_is_recorded_and_counted() {
    let service = start(&[]);
    drop(service.get("/spawn-panic"));
    eventually("the panic is counted", || {
        (service.metrics().value("panics_total", &[]) == Some(1.0)).then_some(())
    });
    let ended = service.terminate();
    let panics = ended.records_with("panic");
    assert_eq!(panics.len(), 1);
    assert_eq!(panics[0]["panicMessage"], "task panic");
}
