//! A unix socket.

use std::path::PathBuf;

use bytes::Bytes;

use crate::support::{Subject, Target, Work, binaries, end_under_load, get, request};

fn unix(purpose: &str) -> (Subject, PathBuf) {
    let unix = binaries!("unix");
    let path = unix.folder(purpose).join("socket");
    let host = format!("unix:{}", path.display());
    (unix.env("HOST", host), path)
}

#[test]
fn answers_over_a_unix_socket_are_the_same() {
    let json = &[("Content-Type", "application/json")];
    unix("compare").0.compare(&[
        ("text", get("/")),
        ("JSON", request("POST", "/echo", json, b"{\"a\":[1,2]}")),
        ("bad JSON", request("POST", "/echo", json, b"{")),
        ("no content type", request("POST", "/echo", &[], b"{}")),
    ]);
}

#[test]
fn requests_over_a_unix_socket_are_not_lost() {
    let (unix, path) = unix("end");
    let process = unix.start_moved();
    let echo = Work {
        method: "POST",
        path: "/echo",
        content_type: "application/json",
        body: Bytes::from_static(b"{\"a\":[1,2]}"),
        status: 200,
    };
    end_under_load(process, Target::Unix(path), vec![Work::get("/"), echo]);
}
