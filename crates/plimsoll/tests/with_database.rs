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

use harness::{Process, eventually, example};

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
fn hook_closes_the_pool_after_the_last_request() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server);
    assert_eq!(service.get("/visits").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let records = ended.records();
    let record = |message: &str| {
        let mut found = records.iter().filter(|it| it["message"] == message);
        found
            .next()
            .unwrap_or_else(|| panic!("{message} is logged"))
    };
    let closed = record("database_pool_closed");
    // The records of two threads are in no order, so their times are compared.
    let time = |record: &serde_json::Value| record["asctime"].as_str().map(str::to_owned);
    assert!(time(record("http_request")) <= time(closed));
    assert_eq!(closed["connections"], 1);
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
