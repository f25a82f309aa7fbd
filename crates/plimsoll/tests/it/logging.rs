//! Logging: records, access log, request ids, and a log that is not read.

mod access_log;
mod debug_on_error;
mod events;
mod format;
mod request_end;
mod request_id;
mod subscriber;
mod texts;
mod unread_log;

use harness::{Process, field_names};
use serde_json::Value;

/// The leading fields of every record.
const LEADING: [&str; 7] = [
    "asctime",
    "levelname",
    "name",
    "process",
    "threadName",
    "message",
    "request_id",
];

/// The fields of an access record after the leading fields.
const ACCESS: [&str; 11] = [
    "service",
    "version",
    "buildTime",
    "status",
    "method",
    "path",
    "rawPath",
    "query",
    "ip",
    "latencyMs",
    "userAgent",
];

/// The maximal length of a record with its line end.
const LONGEST_LINE: usize = 16 * 1024;

/// Checks the format of a line of the log.
#[track_caller]
fn assert_well_formed(line: &str, pid: u32) {
    let record: Value = serde_json::from_str(line).expect("every line is JSON");
    let names = field_names(line);
    assert_eq!(names[..LEADING.len()], LEADING, "{line}");
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "a field comes twice: {line}");
    let levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
    assert!(
        levels.iter().any(|level| record["levelname"] == *level),
        "{line}"
    );
    assert_eq!(record["process"], pid, "{line}");
    for name in ["asctime", "name", "threadName", "message", "request_id"] {
        assert!(
            record[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {line}"
        );
    }
    assert!(
        !line.bytes().any(|byte| byte < 0x20 || byte == 0x7f),
        "{line:?}"
    );
    assert!(line.len() < LONGEST_LINE, "{} bytes", line.len());
}

/// Sends a request with a raw target and a raw `User-Agent`, and reads any response to its end.
fn raw_request(service: &Process, target: &[u8], user_agent: &[u8]) {
    let mut raw = b"GET ".to_vec();
    raw.extend_from_slice(target);
    raw.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: ");
    raw.extend_from_slice(user_agent);
    raw.extend_from_slice(b"\r\n\r\n");
    let mut connection = service.connect();
    connection.send(raw);
    drop(connection.read_to_end());
}

/// Parses a time such as `2025-12-19 09:19:45,026`, which is in UTC.
fn milliseconds_since_epoch(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let is_leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let mut days = day - 1;
    for year in 1970..year {
        days += if is_leap(year) { 366 } else { 365 };
    }
    for month in 1..month {
        days += match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
    }
    let seconds = ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19);
    seconds * 1000 + number(20..23)
}
