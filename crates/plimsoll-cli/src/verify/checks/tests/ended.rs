//! LOG-12: the log of a service that has ended.

use super::*;

/// Evidence of answered requests, records of them, further lines, and the end of the service.
fn after_end(
    name: &'static str,
    answered: usize,
    (path, written): (&str, usize),
    last: &str,
    code: Option<i32>,
) -> Evidence {
    let exchanges = vec![exchange(name, response(404, &[], "")); answered];
    let record = format!(r#"{{"message":"http_request","rawPath":"{path}1"}}"#);
    let mut lines = vec![record.as_str(); written];
    lines.push(last);
    Evidence {
        signals: vec![Signalled {
            name,
            at: Duration::from_secs(1),
            end: code.map(|code| ended(Some(code))),
        }],
        ..started(exchanges, &lines)
    }
}

const READ: &str = "/.plimsoll/end-read/";
const UNREAD: &str = "/.plimsoll/end-unread/";

#[test]
fn each_response_has_its_record_at_the_end() {
    let all = |answered, written, code| {
        let evidence = after_end("read", answered, (READ, written), READY, code);
        judge("LOG-12:all", &evidence)
    };
    assert_eq!(all(3, 3, Some(0)), Some(true));
    assert_eq!(all(3, 2, Some(0)), Some(false));
    assert_eq!(all(3, 4, Some(0)), Some(false));
    assert_eq!(all(3, 3, None), None);
    assert_eq!(all(0, 0, Some(0)), None);
    let mut evidence = after_end("read", 3, (READ, 2), READY, Some(0));
    evidence.lag = Duration::from_secs(1);
    assert_eq!(judge("LOG-12:all", &evidence), None, "a late reader");
    let mut evidence = after_end("read", 3, (READ, 3), READY, Some(0));
    evidence.exchanges.push(exchange("read", Outcome::Lost));
    assert_eq!(judge("LOG-12:all", &evidence), None, "a lost request");
}

#[test]
fn last_record_has_the_exit_status() {
    let last = |last: &str, code| {
        let evidence = after_end("read", 1, (READ, 1), last, code);
        judge("LOG-12:last", &evidence)
    };
    let report = r#"{"name":"infra","exitStatus":3}"#;
    assert_eq!(last(report, Some(3)), Some(true));
    assert_eq!(last(report, Some(0)), Some(false));
    assert_eq!(last(READY, Some(0)), Some(false));
    assert_eq!(last(report, None), None);
}

#[test]
fn written_and_dropped_records_add_up() {
    let sum = |answered, written, dropped: u64| {
        let last = format!(r#"{{"name":"infra","exitStatus":0,"logRecordsDropped":{dropped}}}"#);
        let evidence = after_end("unread", answered, (UNREAD, written), &last, Some(0));
        judge("LOG-12:sum", &evidence)
    };
    assert_eq!(sum(10, 10, 0), Some(true));
    assert_eq!(sum(10, 7, 3), Some(true));
    // Other records can be dropped as well.
    assert_eq!(sum(10, 7, 4), Some(true));
    assert_eq!(sum(10, 7, 2), Some(false));
    assert_eq!(sum(0, 0, 0), None);
    let evidence = after_end("unread", 10, (UNREAD, 9), READY, Some(0));
    assert_eq!(judge("LOG-12:sum", &evidence), Some(false));
}
