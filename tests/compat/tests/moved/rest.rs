//! Notes in Postgres.

use bytes::Bytes;
use harness::{Process, Response};

use crate::support::{Subject, Target, Work, binaries, end_under_load, get, request};

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

/// The application with an empty table of its own.
fn rest(schema: &str) -> Subject {
    let url = std::env::var("DATABASE_URL");
    let url = url.expect("DATABASE_URL names a server; tests/compat/run starts one");
    let rest = binaries!("rest");
    rest.env(
        "DATABASE_URL",
        format!("{url} options='-csearch_path={schema}'"),
    )
}

/// Runs statements with the client of Postgres.
fn psql(statements: &str) {
    let url = std::env::var("DATABASE_URL").unwrap();
    let status = std::process::Command::new("psql")
        .args([&url, "-qc", statements])
        .status();
    assert!(status.unwrap().success(), "{statements}");
}

fn notes(process: &Process) -> Vec<(&'static str, Response)> {
    psql("DROP SCHEMA IF EXISTS compare CASCADE; CREATE SCHEMA compare");
    psql("CREATE TABLE compare.notes (id serial PRIMARY KEY, text text NOT NULL)");
    let send = |what, raw: Vec<u8>| (what, process.request(raw));
    vec![
        send("empty list", get("/notes")),
        send(
            "created",
            request("POST", "/notes", JSON, b"{\"text\":\"first\"}"),
        ),
        send(
            "created too",
            request("POST", "/notes", JSON, b"{\"text\":\"second\"}"),
        ),
        send("no JSON", request("POST", "/notes", JSON, b"first")),
        send("wrong field", request("POST", "/notes", JSON, b"{\"x\":1}")),
        send("list", get("/notes")),
        send("one", get("/notes/1")),
        send(
            "changed",
            request("PUT", "/notes/1", JSON, b"{\"text\":\"other\"}"),
        ),
        send("removed", request("DELETE", "/notes/2", &[], b"")),
        send("missing", get("/notes/2")),
        send("bad id", get("/notes/two")),
        send("wrong method", request("PATCH", "/notes/1", &[], b"")),
    ]
}

#[test]
fn notes_are_the_same() {
    psql("CREATE SCHEMA IF NOT EXISTS compare");
    rest("compare").compare_with(notes);
}

#[test]
fn cors_answers_are_the_same() {
    let origin = ("Origin", "https://page.example");
    let preflight = &[origin, ("Access-Control-Request-Method", "POST")];
    psql("CREATE SCHEMA IF NOT EXISTS cors");
    rest("cors").compare(&[
        ("preflight", request("OPTIONS", "/notes", preflight, b"")),
        (
            "preflight elsewhere",
            request("OPTIONS", "/none", preflight, b""),
        ),
        ("simple", request("GET", "/notes", &[origin], b"")),
        ("missing", request("GET", "/none", &[origin], b"")),
        ("wrong method", request("PATCH", "/notes/1", &[origin], b"")),
    ]);
}

#[test]
fn notes_under_sigterm_are_not_lost() {
    psql("CREATE SCHEMA IF NOT EXISTS load");
    let process = rest("load").start_moved();
    let target = Target::from(&process);
    let create = Work {
        method: "POST",
        path: "/notes",
        content_type: "application/json",
        body: Bytes::from_static(b"{\"text\":\"one more\"}"),
        status: 201,
    };
    end_under_load(process, target, vec![Work::get("/notes"), create]);
}
