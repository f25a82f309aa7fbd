//! SRV-1 (write stalls), SRV-4, LOG-13: what happens below and around the router.

use harness::{Connection, Process, eventually};
use serde_json::Value;

use crate::support::{assert_problem, is_generated_id, ms, request, start};

/// LOG-13
#[test]
fn what_the_parser_refuses_is_logged_and_counted() {
    let service = start(&[]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(70_000));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(200_000));
    let cases = [
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "malformed"),
        (long.as_str(), 414, "uri_too_long"),
        (large.as_str(), 431, "head_too_large"),
    ];
    for (raw, status, kind) in cases {
        let mut connection = service.connect();
        // It may be answered and closed before all is sent.
        drop(connection.try_send(raw));
        let said = connection.read_to_end();
        let line = format!("HTTP/1.1 {status} ");
        assert!(
            said.starts_with(line.as_bytes()),
            "{kind}: {:?}",
            String::from_utf8_lossy(&said)
        );
        let record = service.wait_for_record(|record| record["protocolError"] == kind);
        assert_eq!(record["message"], "http_request", "{record}");
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["ip"], "127.0.0.1", "{record}");
        assert_eq!(
            (&record["method"], &record["rawPath"]),
            (&"-".into(), &"-".into())
        );
        assert_eq!(record["path"], "__unmatched__", "{record}");
        assert!(
            is_generated_id(record["request_id"].as_str().unwrap()),
            "{record}"
        );
        let metrics = service.metrics();
        assert_eq!(
            metrics.value("http_protocol_errors_total", &[("kind", kind)]),
            Some(1.0)
        );
        let labels = [("method", "_OTHER"), ("status", &*status.to_string())];
        assert_eq!(metrics.sum("http_requests_total", &labels), 1.0);
    }
}

/// LOG-13
#[test]
fn what_is_refused_behind_a_good_request_is_logged_and_counted() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nNONSENSE\r\n\r\n");
    assert_eq!(connection.read().status, 200);
    assert_eq!(connection.read().status, 400);
    let record = service.wait_for_record(|record| record["protocolError"] == "malformed");
    assert_eq!(
        (&record["status"], &record["ip"]),
        (&400.into(), &"127.0.0.1".into())
    );
    let kind = [("kind", "malformed")];
    let metrics = service.metrics();
    assert_eq!(
        metrics.value("http_protocol_errors_total", &kind),
        Some(1.0)
    );
}

/// LOG-13
#[test]
fn what_is_refused_after_it_was_parsed_is_counted_by_kind_too() {
    let service = start(&[]);
    let answer = service.request("GET /items/1 HTTP/1.1\r\nHost: a b\r\n\r\n");
    assert_problem(&answer, 400);
    let record = service.wait_for_record(|record| record["protocolError"] == "malformed");
    assert_eq!(record["request_id"], answer.header("x-request-id").unwrap());
    assert_eq!(
        (&record["method"], &record["rawPath"]),
        (&"GET".into(), &"/items/1".into())
    );
    let kind = [("kind", "malformed")];
    let metrics = service.metrics();
    assert_eq!(
        metrics.value("http_protocol_errors_total", &kind),
        Some(1.0)
    );
    let labels = [("method", "GET"), ("status", "400")];
    assert_eq!(metrics.sum("http_requests_total", &labels), 1.0);
}

/// LOG-13
#[test]
fn a_connection_that_ends_before_its_first_byte_is_no_request() {
    let service = start(&[("READ_TIMEOUT", "200ms")]);
    drop(service.connect());
    let mut silent = service.connect();
    assert!(silent.ends_within(ms(3000)));
    assert_eq!(
        service.metrics().sum("http_protocol_errors_total", &[]),
        0.0
    );
    assert_eq!(service.records_with("http_request").len(), 0);
}

/// SRV-1, LOG-13
#[test]
fn a_head_that_is_late_or_cut_short_is_counted_and_not_answered() {
    let service = start(&[("READ_TIMEOUT", "200ms")]);
    let mut late = service.connect();
    late.send("GET / HTTP/1.1\r\nHo");
    assert_eq!(late.read_to_end(), b"");
    let mut short = service.connect();
    short.send("GET / HT");
    short.finish_sending();
    short.read_to_end();
    eventually("both are counted", || {
        let metrics = service.metrics();
        let count = |kind| metrics.value("http_protocol_errors_total", &[("kind", kind)]);
        (count("head_timeout") == Some(1.0) && count("incomplete") == Some(1.0)).then_some(())
    });
}

/// SRV-1
#[test]
fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
    let service = start(&[("WRITE_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    connection.set_receive_buffer(4096);
    connection.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.read_head();
    eventually(
        "its connection is closed, and only the scrape's is open",
        || (service.metrics().value("http_connections_open", &[]) == Some(1.0)).then_some(()),
    );
    drop(connection);
}

/// SRV-1
#[test]
fn a_client_that_takes_its_answer_slowly_keeps_it() {
    let service = start(&[("WRITE_TIMEOUT", "300ms")]);
    // Each pause is longer than the limit; the client takes every byte at once.
    let answer = service.get("/stream?chunks=3&ms=500");
    assert_eq!(answer.body.len(), 3 * 1024);
}

/// Opens a connection and sends a request that stays in flight.
fn occupy(service: &Process, path: &str) -> Connection {
    let mut connection = service.connect();
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    connection
}

fn wait_for_in_flight(service: &Process, requests: f64) {
    eventually("as many are in flight", || {
        let now = service.metrics().value("http_requests_in_flight", &[]);
        (now == Some(requests)).then_some(())
    });
}

/// SRV-4, RID-4
#[test]
fn above_the_limit_requests_are_shed_at_once_and_probes_still_answer() {
    let service = start(&[("MAX_IN_FLIGHT", "3")]);
    let busy: Vec<_> = (0..3).map(|_| occupy(&service, "/hang")).collect();
    wait_for_in_flight(&service, 3.0);
    let shed = service.get("/hello");
    assert_problem(&shed, 503);
    assert_eq!(shed.header("retry-after"), Some("1"));
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    let metrics = service.metrics();
    assert_eq!(metrics.value("http_requests_shed_total", &[]), Some(1.0));
    assert_eq!(
        metrics.sum("http_requests_total", &[("status", "503")]),
        1.0
    );
    let record = service.wait_for_record(|record| record["status"] == 503);
    assert_eq!(record["levelname"], "ERROR");
    drop(busy);
    wait_for_in_flight(&service, 0.0);
    assert_eq!(service.get("/hello").status, 200, "slots are given back");
}

/// SRV-4
#[test]
fn a_slot_is_held_to_the_last_byte_but_not_by_an_event_stream() {
    let service = start(&[("MAX_IN_FLIGHT", "1")]);
    let mut stream = occupy(&service, "/stream?chunks=100000&ms=20");
    stream.read_head();
    assert_eq!(
        service.get("/hello").status,
        503,
        "the stream has begun and goes on"
    );
    drop(stream);
    wait_for_in_flight(&service, 0.0);
    let mut events = occupy(&service, "/sse");
    events.read_head();
    assert_eq!(service.get("/hello").status, 200);
    drop(events);
}

/// SRV-4
#[test]
fn without_a_limit_nothing_is_shed() {
    let service = start(&[("MAX_IN_FLIGHT", "0")]);
    let _busy: Vec<_> = (0..20).map(|_| occupy(&service, "/hang")).collect();
    wait_for_in_flight(&service, 20.0);
    assert_eq!(service.get("/hello").status, 200);
}

/// SRV-4, SRV-6
#[test]
fn a_crowd_of_silent_clients_makes_room_for_those_who_ask() {
    // One worker accepts in the order of the queue, which makes the first one the oldest.
    let service = start(&[
        ("MAX_CONNECTIONS", "10"),
        ("READ_TIMEOUT", "60s"),
        ("WORKERS", "1"),
    ]);
    let mut silent: Vec<_> = (0..30).map(|_| service.connect()).collect();
    for _ in 0..20 {
        assert_eq!(service.get("/hello").status, 200);
    }
    // The oldest were closed first.
    assert!(silent[0].ends_within(ms(3000)));
    let metrics = service.metrics();
    let rejected = metrics.sum(
        "http_connections_rejected_total",
        &[("reason", "no_request")],
    );
    assert!(rejected >= 20.0, "{rejected}");
    assert!(metrics.value("http_connections_open", &[]).unwrap() <= 11.0);
}

/// SRV-4
#[test]
fn whoever_is_idle_makes_room_when_all_have_asked() {
    let service = start(&[("MAX_CONNECTIONS", "5"), ("WORKERS", "1")]);
    let mut idle: Vec<_> = (0..5).map(|_| service.connect()).collect();
    for connection in &mut idle {
        assert_eq!(connection.get("/hello").status, 200);
    }
    assert_eq!(service.get("/hello").status, 200);
    assert!(idle[0].ends_within(ms(3000)), "the longest idle one goes");
    let rejected = service.metrics();
    let idle = rejected.sum("http_connections_rejected_total", &[("reason", "idle")]);
    assert!(idle >= 1.0, "{idle}");
}

/// SRV-4
#[test]
fn when_all_are_busy_a_reserve_answers_probes() {
    let service = start(&[("MAX_CONNECTIONS", "4")]);
    let mut busy: Vec<_> = (0..4).map(|_| occupy(&service, "/sse")).collect();
    for connection in &mut busy {
        // Its head is here, so its request is being handled.
        connection.read_head();
    }
    let mut probe = service.connect();
    let answer = probe.get("/health");
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert!(probe.ends_within(ms(3000)), "one request each");
    assert_problem(&service.get("/hello"), 503);
    drop(busy);
    eventually("there is room again", || {
        (service.get("/hello").status == 200).then_some(())
    });
}

/// A service whose loopback peers must begin with a PROXY header.
fn behind_a_proxy() -> Process {
    Process::spawn(
        crate::support::fixture(),
        &[
            ("PROXY_PROTOCOL", "on"),
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("READ_TIMEOUT", "500ms"),
        ],
    )
}

/// Waits for the ready record: a scrape would need a header too.
fn ready(service: &Process) {
    service.wait_for_record(|record| record["message"] == "infra_app_ready");
}

/// IP-4, CLI-2
#[test]
fn the_address_in_a_proxy_header_is_the_clients() {
    let service = behind_a_proxy();
    ready(&service);
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([198, 51, 100, 7, 10, 0, 0, 1, 0x10, 0, 0, 80]);
    for (header, client) in [
        (
            b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n".to_vec(),
            "203.0.113.9\n",
        ),
        (
            b"PROXY TCP6 2001:db8::7 ::1 5000 80\r\n".to_vec(),
            "2001:db8::7\n",
        ),
        (v2, "198.51.100.7\n"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1\n"),
    ] {
        let mut connection = service.connect();
        // In one piece with the request, and the request again on the same connection.
        let request = b"GET /client HTTP/1.1\r\nHost: localhost\r\n\r\n";
        connection.send([&header[..], request].concat());
        assert_eq!(connection.read().text().trim_end(), client.trim_end());
        connection.send(request);
        assert_eq!(connection.read().text().trim_end(), client.trim_end());
    }
    let record = service.wait_for_record(|record| record["ip"] == "198.51.100.7");
    assert_eq!(record["path"], "/client");
    let check = std::process::Command::new(crate::support::fixture())
        .arg("healthcheck")
        .env_clear()
        .envs([
            ("HOST", "127.0.0.1"),
            ("PROXY_PROTOCOL", "on"),
            ("TRUSTED_PROXIES", "127.0.0.1"),
        ])
        .env("PORT", service.addr().port().to_string())
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

/// IP-4
#[test]
fn a_trusted_peer_without_a_proxy_header_is_let_go_and_counted() {
    let service = behind_a_proxy();
    ready(&service);
    for bad in [
        "GET /client HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PROXY TCP4 x y 1 2\r\n",
    ] {
        let mut connection = service.connect();
        connection.send(bad);
        assert_eq!(connection.read_to_end(), b"", "{bad}");
    }
    let mut silent = service.connect();
    assert!(
        silent.ends_within(ms(3000)),
        "READ_TIMEOUT counts for the header too"
    );
    let mut scrape = service.connect();
    scrape.send("PROXY UNKNOWN\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = scrape.read();
    let metrics = harness::Scrape::parse(answer.text()).unwrap();
    let kind = [("kind", "proxy_header")];
    assert_eq!(
        metrics.value("http_protocol_errors_total", &kind),
        Some(2.0)
    );
}

/// IP-4
#[test]
fn whoever_is_not_trusted_speaks_http_and_nothing_else() {
    let service = start(&[("PROXY_PROTOCOL", "on"), ("TRUSTED_PROXIES", "10.0.0.0/8")]);
    assert_eq!(service.get("/client").text(), "127.0.0.1");
    let mut forged = service.connect();
    forged.send("PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(forged.read().status, 400);
    assert!(forged.ends_within(ms(3000)));
}

/// IP-4, CFG-3
#[test]
fn a_proxy_header_from_nobody_is_a_mistake() {
    let ended = crate::support::run(&[], &[("PROXY_PROTOCOL", "on")]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("PROXY_PROTOCOL"), "{}", ended.stderr);
}

/// LOG-9
#[test]
fn an_upgraded_connection_ends_its_request_at_the_head() {
    let service = start(&[("MAX_IN_FLIGHT", "1"), ("IDLE_TIMEOUT", "200ms")]);
    let mut connection = service.connect();
    connection.send(
        "GET /upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    assert_eq!(connection.read_head().status, 101);
    let record = service.wait_for_record(|record| record["path"] == "/upgrade");
    assert_eq!(
        (&record["status"], record.get("aborted")),
        (&101.into(), None)
    );
    assert_eq!(record["levelname"], "INFO");
    assert_eq!(
        service.get("/hello").status,
        200,
        "it has given its slot back"
    );
    // It is no HTTP any more, and no limit of HTTP ends it.
    assert!(!connection.ends_within(ms(600)));
    connection.send("ping");
    connection.finish_sending();
    assert_eq!(connection.read_to_end(), b"ping");
}

/// SRV-6
#[test]
fn the_soft_limit_of_files_is_raised_to_the_hard_one() {
    let script = format!(
        "ulimit -Sn 100; exec '{}'",
        crate::support::fixture().display()
    );
    let service = Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    service.wait_until_ready();
    let limit = service.metrics().value("process_max_fds", &[]).unwrap();
    assert!(limit > 100.0, "{limit}");
    let crowd: Vec<_> = (0..200).map(|_| service.connect()).collect();
    assert_eq!(service.get("/hello").status, 200);
    drop(crowd);
}

/// MET-6
#[test]
fn sheds_faults_and_rejections_are_metrics_from_the_start() {
    let metrics = start(&[]).metrics();
    assert_eq!(metrics.value("http_requests_shed_total", &[]), Some(0.0));
    for kind in [
        "malformed",
        "head_too_large",
        "uri_too_long",
        "head_timeout",
        "proxy_header",
        "incomplete",
    ] {
        assert_eq!(
            metrics.value("http_protocol_errors_total", &[("kind", kind)]),
            Some(0.0)
        );
    }
    for reason in ["no_request", "idle", "full"] {
        let labels = [("reason", reason)];
        assert_eq!(
            metrics.value("http_connections_rejected_total", &labels),
            Some(0.0)
        );
    }
}

/// MET-7
#[test]
fn a_real_prometheus_scrapes_it() {
    if !crate::support::require_or_skip("prometheus") {
        return;
    }
    let service = start(&[]);
    for path in ["/hello", "/count", "/nowhere", "/panic"] {
        drop(service.get(path));
    }
    let config = format!(
        "scrape_configs:\n- job_name: fixture\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  \
         static_configs:\n  - targets: ['{}']\n",
        service.addr()
    );
    let config = crate::support::scratch_file("prometheus.yml", &config);
    let data = format!("--storage.tsdb.path={config}.data");
    // Its own port is reserved by the harness, which needs no record to know that it is up.
    let script = format!(
        "exec prometheus --config.file={config} {data} --web.listen-address=127.0.0.1:$PORT"
    );
    let prometheus = Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    let ask = |query: &str| -> Option<Value> {
        let mut connection = prometheus.try_connect().ok()?;
        let answer = connection.get(&format!("/api/v1/{query}"));
        (answer.status == 200).then(|| answer.json())
    };
    let sum = "query?query=sum(http_requests_total%7Bjob%3D%22fixture%22%7D)";
    let answer = eventually("Prometheus has scraped it", || {
        let answer = ask(sum)?;
        (answer["data"]["result"][0]["value"][1]
            .as_str()?
            .parse::<f64>()
            .ok()?
            >= 4.0)
            .then_some(answer)
    });
    assert_eq!(answer["status"], "success");
    let targets = ask("targets").unwrap();
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into()),
        "{target}"
    );
    std::fs::remove_dir_all(format!("{config}.data")).unwrap_or_default();
}

/// SRV-4, SRV-6: clients that send nothing of their bodies take no slot from those who ask.
#[test]
fn whoever_sends_nothing_of_a_body_makes_room_when_there_is_no_slot_left() {
    let service = start(&[("MAX_IN_FLIGHT", "4"), ("READ_TIMEOUT", "60s")]);
    let mut silent = Vec::new();
    for taken in 1..=4 {
        let mut connection = service.connect();
        connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
        silent.push(connection);
        eventually("the slot is taken", || {
            let in_flight = service.metrics().value("http_requests_in_flight", &[]);
            (in_flight == Some(f64::from(taken))).then_some(())
        });
    }
    eventually("whoever has waited for longest makes room", || {
        (service.get("/hello").status == 200).then_some(())
    });
    let answer = silent[0].read();
    assert_problem(&answer, 408);
    assert_eq!(answer.header("connection"), Some("close"));
    // The others are not needed, and go on.
    for connection in &mut silent[1..] {
        connection.send("-whole");
        assert_eq!(connection.read().text(), "10\n");
    }
}

/// SRV-4, SRV-6: a byte now and then is next to nothing.
#[test]
fn whoever_sends_a_byte_now_and_then_makes_room_too() {
    let service = start(&[("MAX_IN_FLIGHT", "2"), ("READ_TIMEOUT", "60s")]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut connection = service.connect();
            connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    if connection.try_send("x").is_err() {
                        return;
                    }
                    // The pace of the attack.
                    std::thread::sleep(ms(20));
                }
            });
        }
        eventually("both slots are taken", || {
            (service.metrics().value("http_requests_in_flight", &[]) == Some(2.0)).then_some(())
        });
        eventually("one of them makes room", || {
            (service.get("/hello").status == 200).then_some(())
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// SRV-2, SRV-4: a handler that has looked at its body and works is at work.
#[test]
fn whoever_works_with_its_body_in_hand_is_left_alone() {
    let service = start(&[("MAX_IN_FLIGHT", "1"), ("READ_TIMEOUT", "60s")]);
    let mut at_work = service.connect();
    at_work.send("POST /look-and-work?ms=1500 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    eventually("the slot is taken", || {
        (service.metrics().value("http_requests_in_flight", &[]) == Some(1.0)).then_some(())
    });
    // It gets the slot of one that seemed to wait, or none.
    eventually("another has asked", || {
        let answer = service.get("/hello");
        assert!([200, 503].contains(&answer.status));
        (service
            .metrics()
            .sum("http_requests_total", &[("path", "/hello")])
            >= 1.0
            || service.metrics().value("http_requests_in_flight", &[]) == Some(0.0))
        .then_some(())
    });
    assert_eq!(at_work.read().text(), "worked\n");
}

/// SRV-6: whatever is left unread of an upgrade's body, the descriptor goes.
#[test]
fn an_upgrade_with_a_body_leaves_no_descriptor_behind() {
    let service = start(&[]);
    let open = || {
        eventually("everything else is closed", || {
            let metrics = service.metrics();
            (metrics.value("http_connections_open", &[]) == Some(1.0))
                .then(|| metrics.value("process_open_fds", &[]).unwrap())
        })
    };
    let before = open();
    for _ in 0..30 {
        let mut connection = service.connect();
        connection.send(
            "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\
             Content-Length: 5\r\n\r\n",
        );
        assert_eq!(connection.read_head().status, 101);
        connection.reset();
    }
    let after = open();
    assert!(after < before + 10.0, "{before} descriptors, then {after}");
}

/// SRV-6, MET-6: a listener that fails rests, says so, and goes on.
#[test]
fn a_service_without_descriptors_recovers_as_soon_as_there_are_some() {
    let fixture = crate::support::fixture();
    let script = format!("ulimit -n 64; exec '{}'", fixture.display());
    let env = [("MAX_CONNECTIONS", "1000"), ("READ_TIMEOUT", "60s")];
    let service = Process::spawn_with("/bin/sh", &["-c", &script], &env);
    service.wait_until_ready();
    let crowd: Vec<_> = (0..100).map(|_| service.connect()).collect();
    let record = service.wait_for_record(|record| record["message"] == "accept_failed");
    assert!(
        record["error"].as_str().unwrap().contains("open files"),
        "{record}"
    );
    drop(crowd);
    assert_eq!(service.get("/hello").status, 200);
    let kind = [("kind", "descriptors")];
    let errors = service.metrics().value("http_accept_errors_total", &kind);
    assert!(errors >= Some(1.0), "{errors:?}");
    assert_eq!(service.terminate().code, Some(0));
}

/// SRV-6: the default of `MAX_CONNECTIONS` follows the limit of files, however low that is.
#[test]
fn with_few_descriptors_there_are_few_connections_and_probes_are_answered() {
    let fixture = crate::support::fixture();
    let script = format!("ulimit -n 256; exec '{}'", fixture.display());
    let service = Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    service.wait_until_ready();
    let crowd: Vec<_> = (0..1000).map(|_| service.connect()).collect();
    for path in ["/health", "/ready", "/hello"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    assert_eq!(service.metrics().sum("http_accept_errors_total", &[]), 0.0);
    drop(crowd);
    assert!(service.terminate().records_with("accept_failed").is_empty());
}

/// SRV-6: workers need descriptors too, which the default of `MAX_CONNECTIONS` leaves.
#[test]
fn default_connection_limit_leaves_descriptors_for_workers() {
    let fixture = crate::support::fixture();
    for (workers, files) in [("2", 32), ("8", 64), ("16", 128), ("128", 1024)] {
        let script = format!("ulimit -n {files}; exec '{}'", fixture.display());
        let env = [("WORKERS", workers)];
        let service = Process::spawn_with("/bin/sh", &["-c", &script], &env);
        service.wait_until_ready();
        let crowd: Vec<_> = (0..2 * files).map(|_| service.connect()).collect();
        assert_eq!(service.get("/health").status, 200, "{workers} of {files}");
        drop(crowd);
        assert_eq!(service.terminate().code, Some(0), "{workers} of {files}");
    }
}

/// SRV-7: a worker that a handler blocks is seen within two seconds.
#[test]
fn a_stuck_worker_is_named_and_its_recovery_too() {
    let service = start(&[("WORKERS", "2")]);
    let mut stuck = occupy(&service, "/blocking?ms=3500");
    let record = service.wait_for_record(|record| record["message"] == "worker_stuck");
    assert_eq!(record["levelname"], "WARNING");
    let worker = record["worker"].as_str().unwrap();
    assert!(["worker-0", "worker-1"].contains(&worker), "{record}");
    assert!(record["silentMs"].as_u64().unwrap() <= 2500, "{record}");
    // A connection of another worker's is served meanwhile.
    assert_eq!(service.get("/hello").status, 200);
    let labels = [("worker", worker.trim_start_matches("worker-"))];
    let silence = service
        .metrics()
        .value("runtime_worker_silence_seconds", &labels)
        .unwrap();
    assert!(silence > 1.0, "{silence}");
    assert_eq!(stuck.read().status, 200);
    let record = service.wait_for_record(|record| record["message"] == "worker_recovered");
    assert_eq!(record["worker"], worker);
}

/// SRV-7
#[test]
fn stuck_worker_names_route_and_request() {
    let service = start(&[("WORKERS", "1")]);
    for id in ["demo-1", &"0123456789abcdef".repeat(8)] {
        let mut stuck = service.connect();
        let header = format!("X-Request-ID: {id}\r\n");
        stuck.send(request("GET", "/blocking?ms=2500", &header));
        let is_it =
            |record: &Value| record["message"] == "worker_stuck" && record["request_id"] == id;
        let record = service.wait_for_record(is_it);
        assert_eq!(record["path"], "/blocking", "{record}");
        assert_eq!(stuck.read().status, 200);
        // The next one is another one.
        service.wait_for_record(|record| record["message"] == "worker_recovered");
    }
    let mut stuck = occupy(&service, "/blocking?ms=2500");
    let answer = stuck.read();
    let id = answer.header("x-request-id").unwrap();
    let stuck = service.records_with("worker_stuck");
    assert_eq!(stuck.last().unwrap()["request_id"], id);
    assert_eq!(stuck.len(), 3, "{stuck:?}");
}

/// SIG-4, SRV-7: a process that was stopped and goes on blames nobody.
#[test]
fn a_paused_process_finds_no_worker_stuck() {
    let service = start(&[]);
    service.signal(harness::Signal::Stop);
    // Longer than a worker may be silent: the pause itself is what is tested.
    std::thread::sleep(ms(3000));
    service.signal(harness::Signal::Cont);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.records_with("worker_stuck").is_empty());
}

/// SRV-1, SRV-2: what has arrived while the process was stopped is read before a deadline counts.
#[test]
fn pause_of_the_process_counts_against_no_client() {
    const EACH: usize = 20;
    let limits = ["READ_TIMEOUT", "IDLE_TIMEOUT", "REQUEST_TIMEOUT"];
    let service = start(&limits.map(|limit| (limit, "2s")));
    let get = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nunique";
    let mut waiting = Vec::new();
    for (request, sent) in [(get, 10), (post, post.len() - 3), (get, 0)] {
        for _ in 0..EACH {
            let mut connection = service.connect();
            if sent == 0 {
                // It is idle, and not new.
                assert_eq!(connection.get("/hello").status, 200);
            }
            connection.send(&request[..sent]);
            waiting.push((connection, &request[sent..]));
        }
    }
    service.signal(harness::Signal::Stop);
    for (connection, rest) in &mut waiting {
        connection.send(rest);
    }
    // Longer than each of the limits: the pause itself is what is tested.
    std::thread::sleep(ms(3000));
    service.signal(harness::Signal::Cont);
    for (connection, _) in &mut waiting {
        assert_eq!(connection.read().status, 200);
    }
    // What does not come is not waited for.
    assert!(service.connect().ends_within(ms(6000)));
}
