//! The example `with_database` with a real Postgres, which each test starts, and its document.

#[path = "it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests in `it`; only a part is used here"
)]
mod support;

#[path = "with_database/server.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of dependencies; only a part is used here"
)]
mod server;

#[path = "../examples/with_database.rs"]
#[expect(
    dead_code,
    reason = "`main` starts the example as a program; here its own tests run"
)]
mod service;

use harness::{Process, Signal, eventually, example};

use self::server::Server;
use self::support::{END, post};

/// The document about the example, and the code of the example.
const DOCUMENT: &str = include_str!("../../../docs/database.md");
const EXAMPLE: &str = include_str!("../examples/with_database.rs");

fn start(server: &Server) -> Process {
    Process::start(example("with_database"), &[("DATABASE_URL", &server.url())])
}

#[test]
fn visits_are_stored_in_the_database() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server);
    assert_eq!(service.request(post("/visits/ann", "")).status, 201);
    assert_eq!(service.request(post("/visits/ben", "")).status, 201);
    assert_eq!(service.get("/visits").text(), "2\n");
    assert_eq!(service.terminate().code, Some(0));

    let service = start(&server);
    assert_eq!(service.get("/visits").text(), "2\n");
    assert_eq!(service.terminate().code, Some(0));
}

/// The worker stores what it read, and keeps it while the database is down.
#[test]
fn worker_keeps_the_list_during_an_outage() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server);
    for path in ["/visits/ann", "/visits/ben", "/visits/ben"] {
        assert_eq!(service.request(post(path, "")).status, 201);
    }
    eventually("the worker has read the list", || {
        (service.get("/popular").text() == "ben 2\nann 1\n").then_some(())
    });

    server.stop();
    eventually("the check is down", || {
        let changes = service.records_with("check_changed");
        (changes.last()?["state"] == "down").then_some(())
    });
    assert_eq!(service.get("/popular").text(), "ben 2\nann 1\n");
    assert_eq!(service.get("/ready").status, 200);
    assert_eq!(service.terminate().code, Some(0));
}

#[test]
fn hook_closes_the_pool() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server);
    assert_eq!(service.get("/visits").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let closed = ended.records_with("database_pool_closed");
    assert_eq!(closed[0]["connections"], 1);
}

#[test]
fn hook_closes_the_pool_after_the_last_request() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server);
    assert_eq!(service.get("/visits").status, 200);
    let lock = server.lock("visits");
    let mut waiting = service.connect();
    waiting.send("GET /visits HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("the request is in flight", || {
        let in_flight = service.metrics().value("http_requests_in_flight", &[]);
        (in_flight? >= 1.0).then_some(())
    });
    service.signal(Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
    lock.release();
    assert_eq!(waiting.read().status, 200);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    // The records of two threads are in no order, so their times are compared.
    let time = |message: &str| {
        let records = ended.records_with(message);
        let last = records.last().and_then(|record| record["asctime"].as_str());
        let last = last.unwrap_or_else(|| panic!("{message} is logged with its time"));
        last.to_owned()
    };
    assert!(time("http_request") <= time("database_pool_closed"));
}

#[test]
fn lost_database_connection_is_opened_again() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server);
    assert_eq!(service.get("/visits").text(), "0\n");

    server.stop();
    eventually("the connection is lost", || {
        (service.get("/visits").status == 503).then_some(())
    });
    assert_eq!(service.get("/health").status, 200);

    server.start();
    eventually("the connection is open again", || {
        (service.get("/visits").status == 200).then_some(())
    });
    assert_eq!(service.terminate().code, Some(0));
}

#[test]
fn service_waits_for_a_database_that_starts_later() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    let env = [("DATABASE_URL", &*server.url())];
    let service = Process::spawn(example("with_database"), &env);
    service.wait_for_record(|record| record["message"] == "connect_failed");
    assert!(service.try_connect().is_err());

    server.start();
    service.wait_until_ready();
    assert_eq!(service.get("/visits").text(), "0\n");
    assert_eq!(service.terminate().code, Some(0));
}

#[test]
fn service_without_database_settings_does_not_start() {
    let ended = Process::spawn(example("with_database"), &[]).wait(END);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("DATABASE_URL"), "{}", ended.stderr);
}

/// Each block of Rust consists of lines of the example. `// …` stands for lines that are left out.
#[test]
fn document_quotes_the_example() {
    let blocks: Vec<_> = DOCUMENT.split("```rust\n").skip(1).collect();
    assert!(blocks.len() >= 6, "{} blocks", blocks.len());
    for block in blocks {
        let code = block.split("```").next().expect("a block has an end");
        for part in code.split("// …\n") {
            assert!(
                EXAMPLE.contains(part.trim_end()),
                "not in the example:\n{part}"
            );
        }
    }
}
