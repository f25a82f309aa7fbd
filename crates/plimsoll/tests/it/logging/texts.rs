//! Texts of clients in records: invalid UTF-8, control characters and length.

use harness::{access_record, request};
use serde_json::Value;

use super::{assert_well_formed, raw_request};
use crate::support::{access_line, start};

/// LOG-8
#[test]
fn invalid_utf_8_is_replaced() {
    let service = start(&[]);
    raw_request(&service, b"/hello", b"a\xff\xc3b");
    assert_eq!(
        access_record(&service, "/hello")["userAgent"],
        "a\u{fffd}\u{fffd}b"
    );
}

/// LOG-8
#[test]
fn non_ascii_characters_are_not_escaped() {
    let service = start(&[]);
    raw_request(
        &service,
        b"/hello",
        "caf\u{e9} \u{1f6a2} \u{65e5}".as_bytes(),
    );
    let line = access_line(&service, "/hello");
    assert!(line.contains("caf\u{e9} \u{1f6a2} \u{65e5}"), "{line}");
}

/// LOG-8
#[test]
fn control_characters_are_escaped() {
    let service = start(&[]);
    raw_request(&service, b"/hello", b"a\tb");
    let line = access_line(&service, "/hello");
    assert!(!line.contains('\t'), "{line:?}");
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["userAgent"], "a\tb");
}

/// Checks that a logged text is the beginning of what was sent, cut as close to `limit` as its
/// characters allow.
#[track_caller]
fn assert_cut(logged: &Value, sent: &str, limit: usize) {
    let logged = logged.as_str().expect("texts are logged as text");
    let kept = logged
        .strip_suffix('\u{2026}')
        .expect("a text that was cut ends in \u{2026}");
    assert!(sent.starts_with(kept), "{logged}");
    // The mark may or may not be part of the limit, and a character is never cut in two.
    let least = limit - '\u{2026}'.len_utf8() - 3;
    assert!(
        (least..=limit).contains(&kept.len()),
        "{} bytes of {limit}",
        kept.len()
    );
}

/// LOG-8
#[test]
fn long_texts_are_truncated_at_their_limits() {
    let service = start(&[]);
    let path = format!("/{}", "p".repeat(3000));
    let query = "q".repeat(3000);
    let agent = "u".repeat(3000);
    raw_request(
        &service,
        format!("{path}?{query}").as_bytes(),
        agent.as_bytes(),
    );
    let record = service.wait_for_record(|record| record["message"] == "http_request");
    assert_cut(&record["rawPath"], &path, 1024);
    assert_cut(&record["query"], &query, 1024);
    assert_cut(&record["userAgent"], &agent, 1024);
}

/// LOG-8
#[test]
fn texts_at_their_limits_are_not_truncated() {
    let service = start(&[]);
    let path = format!("/{}", "p".repeat(1023));
    let query = "q".repeat(1024);
    let agent = "u".repeat(1024);
    raw_request(
        &service,
        format!("{path}?{query}").as_bytes(),
        agent.as_bytes(),
    );
    let record = access_record(&service, &path);
    assert_eq!(record["query"], query);
    assert_eq!(record["userAgent"], agent);
}

/// LOG-8
#[test]
fn text_is_truncated_between_characters() {
    let service = start(&[]);
    for shift in 0..4 {
        let agent = format!("{}{}", "a".repeat(shift), "\u{1f6a2}".repeat(300));
        let path = format!("/items/{shift}");
        raw_request(&service, path.as_bytes(), agent.as_bytes());
        assert_cut(&access_record(&service, &path)["userAgent"], &agent, 1024);
    }
}

/// LOG-8
#[test]
fn long_method_is_truncated() {
    let service = start(&[]);
    let method = "M".repeat(40);
    assert_eq!(service.request(request(&method, "/hello", "")).status, 405);
    assert_cut(&access_record(&service, "/hello")["method"], &method, 32);
}

/// LOG-8
#[test]
fn no_line_is_longer_than_16_kib() {
    let service = start(&[]);
    // Quotes and tabs take two bytes each when escaped, and bytes that are no UTF-8 three when
    // replaced.
    for filler in [&b"\""[..], b"\t", b"\xff", b"\\", b"\x7f"] {
        let path = [b"/", b"\\".repeat(3000).as_slice()].concat();
        let query = b"\\".repeat(3000);
        raw_request(
            &service,
            &[&path, b"?".as_slice(), &query].concat(),
            &filler.repeat(20_000),
        );
    }
    assert_eq!(service.get("/log").status, 200);
    let ended = service.terminate();
    for line in ended.stdout.lines() {
        assert_well_formed(line, service.pid());
    }
}
