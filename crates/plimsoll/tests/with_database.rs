//! The example `with_database` with a real Postgres, which each test starts.

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

use harness::{Process, eventually, example};

use self::server::Server;
use self::support::{END, post};

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
    assert!(!service.records_with("database_connected_again").is_empty());
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
