//! Compares the answers of an application in plain axum and moved.
//!
//! Two differences are what the move is for, and no others are accepted: the headers in [`ADDED`],
//! and a problem body where axum sends an error without a body.

use std::collections::BTreeSet;

use harness::Response;

/// The headers that plimsoll adds to every answer.
const ADDED: [&str; 4] = [
    "cross-origin-opener-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-request-id",
];

/// The headers that describe a problem body.
const PROBLEM: [&str; 3] = ["cache-control", "content-length", "content-type"];

/// Asserts that the moved application answered like the plain one.
#[track_caller]
pub fn assert_same(what: &str, plain: &Response, moved: &Response) {
    assert_eq!(moved.status, plain.status, "{what}: status");
    let has_problem = plain.status >= 400
        && plain.body.is_empty()
        && moved.header("content-type") == Some("application/problem+json");
    if !has_problem {
        assert_eq!(moved.body, plain.body, "{what}: body");
    }

    let names = |answer: &Response| -> BTreeSet<String> {
        let names = answer.headers.iter().map(|(name, _)| name);
        names.map(|name| name.to_ascii_lowercase()).collect()
    };
    let (before, after) = (names(plain), names(moved));
    for name in before.union(&after).map(String::as_str) {
        let of_problem = has_problem && PROBLEM.contains(&name);
        let added = ADDED.contains(&name) && !before.contains(name);
        if added || of_problem || name == "date" {
            continue;
        }
        let values = |answer: &Response| -> Vec<String> {
            let values = answer.header_values(name).into_iter();
            values.map(|value| stable(name, value)).collect()
        };
        assert_eq!(values(moved), values(plain), "{what}: header {name}");
    }
}

/// The part of a header's value that is the same in every run.
fn stable(name: &str, value: &str) -> String {
    let end = match name {
        "set-cookie" => value.find('=').unwrap_or(value.len()),
        _ => value.len(),
    };
    value[..end].to_owned()
}

#[test]
#[should_panic(expected = "header vary")]
fn a_missing_header_is_seen() {
    let answer = |headers: &[(&str, &str)]| Response {
        status: 200,
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        body: Vec::new(),
    };
    assert_same("test", &answer(&[("vary", "origin")]), &answer(&[]));
}

#[test]
#[should_panic(expected = "body")]
fn another_body_is_seen() {
    let answer = |body: &[u8]| Response {
        status: 404,
        headers: Vec::new(),
        body: body.to_vec(),
    };
    assert_same("test", &answer(b"mine"), &answer(b"another"));
}
