//! A log record as a line of JSON, so that it is stored and searched as the lines of a process.

use std::io::Write as _;

use serde::Serialize;

use super::message::{LogRecord, Scope, Value};
use crate::store::span::seconds;

/// The most bytes of a line. The store cuts longer ones, which would be no JSON afterwards.
const MAX_LINE: usize = 64 << 10;

/// Members that are written here. They precede other names of the same meaning. An attribute of this name gets `_` appended.
const RESERVED: &[&str] = &[
    "asctime",
    "levelname",
    "message",
    "name",
    "traceId",
    "spanId",
    "event_name",
];

/// Writes the line of a record into a buffer, which is emptied before.
/// Returns the number of attributes that do not fit.
pub(crate) fn write(buffer: &mut Vec<u8>, scope: &Scope<'_>, record: &LogRecord<'_>) -> u64 {
    buffer.clear();
    buffer.push(b'{');
    let time = seconds(record.time).or_else(|| seconds(record.observed));
    if let Some(time) = time {
        member(buffer, "asctime", &time);
    }
    if let Some(level) = level(record) {
        member(buffer, "levelname", &level);
    }
    match &record.body {
        Value::Null => member(buffer, "message", &record.event),
        Value::Text(text) => member(buffer, "message", text),
        // The text of another value, so that the message is a text in every record.
        other => {
            let text = serde_json::to_string(other).unwrap_or_default();
            member(buffer, "message", &text);
        }
    }
    if !scope.name.is_empty() {
        member(buffer, "name", &scope.name);
    }
    if !record.event.is_empty() && record.body != Value::Null {
        member(buffer, "event_name", &record.event);
    }
    if let Some(trace) = record.trace {
        member(buffer, "traceId", &trace);
    }
    if let Some(span) = record.span {
        member(buffer, "spanId", &span);
    }
    let mut dropped = 0;
    for (key, value) in &record.attributes {
        let end = buffer.len();
        if RESERVED.contains(&key.as_ref()) {
            member(buffer, &format!("{key}_"), value);
        } else {
            member(buffer, key, value);
        }
        if buffer.len() >= MAX_LINE {
            buffer.truncate(end);
            dropped += 1;
        }
    }
    buffer.push(b'}');
    dropped
}

pub(super) fn member(buffer: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    if buffer.last() != Some(&b'{') {
        buffer.push(b',');
    }
    // A buffer accepts everything, and no value here fails.
    let _ = serde_json::to_writer(&mut *buffer, name);
    let _ = buffer.write_all(b":");
    let _ = serde_json::to_writer(buffer, value);
}

/// Returns the name of the severity in the logs of the chassis, or the text that the record has.
fn level<'b>(record: &'b LogRecord<'_>) -> Option<&'b str> {
    Some(match record.severity {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARNING",
        17..=20 => "ERROR",
        21..=24 => "CRITICAL",
        _ if record.severity_text.is_empty() => return None,
        _ => &*record.severity_text,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(record: &LogRecord<'_>) -> serde_json::Value {
        let scope = Scope {
            name: "app.db".into(),
            ..Scope::default()
        };
        let mut buffer = b"old".to_vec();
        assert_eq!(write(&mut buffer, &scope, record), 0);
        serde_json::from_slice(&buffer).unwrap()
    }

    #[test]
    fn record_becomes_a_line_with_the_usual_names() {
        let record = LogRecord {
            time: 1_795_933_383_610_000_000,
            severity: 17,
            severity_text: "Error".into(),
            body: Value::Text("query \"a\" failed".into()),
            attributes: vec![
                ("table".into(), Value::Text("orders".into())),
                ("name".into(), Value::Int(3)),
            ],
            ..LogRecord::default()
        };
        let expected = json!({
            "asctime": 1_795_933_383.61, "levelname": "ERROR", "message": "query \"a\" failed",
            "name": "app.db", "table": "orders", "name_": 3
        });
        assert_eq!(line(&record), expected);
    }

    #[test]
    fn absent_value_has_no_member() {
        let expected = json!({"message": "", "name": "app.db"});
        assert_eq!(line(&LogRecord::default()), expected);
        let record = LogRecord {
            observed: 1_000_000_000,
            severity_text: "notice".into(),
            event: "cache.miss".into(),
            ..LogRecord::default()
        };
        let expected = json!({"asctime": 1.0, "levelname": "notice", "message": "cache.miss", "name": "app.db"});
        assert_eq!(line(&record), expected);
    }

    #[test]
    fn line_is_never_longer_than_the_store_keeps() {
        let value = Value::Text("\u{1}".repeat(4096).into());
        let record = LogRecord {
            body: value.clone(),
            attributes: vec![("a".into(), value); 9],
            ..LogRecord::default()
        };
        let mut buffer = Vec::new();
        let dropped = write(&mut buffer, &Scope::default(), &record);
        assert_eq!(dropped, 8);
        assert!(buffer.len() < MAX_LINE);
        assert!(serde_json::from_slice::<serde_json::Value>(&buffer).is_ok());
    }
}
