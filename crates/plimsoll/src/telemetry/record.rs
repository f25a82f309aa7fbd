//! Formats one record: the leading fields, then its own fields, as JSON or as pretty text.

mod members;
mod names;

use tokio::time::Instant;

use super::{
    escape::{escape_invisible, json_string, json_text},
    thread::{push_asctime, push_thread_name},
};
use crate::{
    config::{Level, LogFormat},
    request::RequestId,
    trace::{IDS_ROOM, SpanContext},
};

pub(super) use self::members::is_leading;
use self::names::Name;
pub(crate) use self::names::{Key, key};

/// The maximum length of a line in bytes, with its newline (contract LOG-8).
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// The bytes that are reserved for the end of a line: the ids of a trace, quote, brace and newline.
const RESERVE: usize = 16 + IDS_ROOM;

/// The fields of the trace ids. With the feature `otlp`, other fields cannot have these names.
const IDS: [&str; 2] = ["traceId", "spanId"];

/// The field of a record that is written because its request has failed (contract LOG-16). Other fields
/// cannot have this name.
const DEBUG_ON_ERROR: &str = "debugOnError";

/// The leading fields of every record (contract LOG-2).
const LEADING: [&str; 7] = [
    "asctime",
    "levelname",
    "name",
    "process",
    "threadName",
    "message",
    "request_id",
];

/// Prepared leading fields for records that differ in time, thread and request id only.
#[derive(Debug)]
pub(crate) struct RecordHead {
    pub(super) level: Level,
    name: &'static str,
    message: &'static str,
    /// The bytes between the time and the name of the thread.
    before_thread: Vec<u8>,
    /// The bytes between the name of the thread and the request id.
    before_id: Vec<u8>,
}

impl RecordHead {
    pub(crate) fn new(level: Level, name: &'static str, message: &'static str) -> Self {
        let mut before_thread = Vec::new();
        push_before_thread(&mut before_thread, level, name);
        let mut before_id = Vec::new();
        push_before_id(&mut before_id, message);
        Self {
            level,
            name,
            message,
            before_thread,
            before_id,
        }
    }
}

fn push_before_thread(out: &mut Vec<u8>, level: Level, name: &str) {
    out.extend_from_slice(b"\",\"levelname\":\"");
    out.extend_from_slice(level.as_str().as_bytes());
    out.extend_from_slice(b"\",\"name\":");
    json_string(out, name, 256);
    out.extend_from_slice(b",\"process\":");
    push_number(out, std::process::id());
    out.extend_from_slice(b",\"threadName\":");
}

fn push_before_id(out: &mut Vec<u8>, message: &str) {
    out.extend_from_slice(b",\"message\":");
    // At most half a line, so that the fields after a long message fit.
    json_string(out, message, MAX_LINE / 2);
    out.extend_from_slice(b",\"request_id\":");
}

/// Prepared fields that many records share.
///
/// They follow the leading fields, so the line has enough space for them.
#[derive(Debug)]
pub(crate) struct PreparedFields {
    json: Vec<u8>,
    pretty: Vec<u8>,
}

impl PreparedFields {
    pub(crate) fn new(write: impl Fn(&mut Record<'_>)) -> Self {
        let [json, pretty] = [LogFormat::Json, LogFormat::Pretty].map(|format| {
            let mut out = Vec::new();
            write(&mut Record {
                out: &mut out,
                start: 0,
                format,
            });
            out
        });
        Self { json, pretty }
    }
}

/// A writer that appends one record to a buffer.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    format: LogFormat,
}

impl<'a> Record<'a> {
    /// Begins a record with its leading fields, in the order of contract LOG-2.
    pub(crate) fn begin(
        out: &'a mut Vec<u8>,
        format: LogFormat,
        level: Level,
        name: &str,
        message: &str,
        request_id: &str,
    ) -> Self {
        let start = out.len();
        let mut record = Self { out, start, format };
        match format {
            LogFormat::Json => record.begin_json(level, name, message, request_id),
            LogFormat::Pretty => {
                record.begin_pretty(level, name, Instant::now(), message, request_id);
            }
        }
        record
    }

    fn begin_json(&mut self, level: Level, name: &str, message: &str, request_id: &str) {
        self.out.extend_from_slice(b"{\"asctime\":\"");
        push_asctime(self.out, Instant::now());
        push_before_thread(self.out, level, name);
        push_thread_name(self.out);
        push_before_id(self.out, message);
        json_string(self.out, request_id, 256);
    }

    /// Begins a record with prepared leading fields and the time `at`.
    pub(crate) fn begin_with(
        out: &'a mut Vec<u8>,
        format: LogFormat,
        head: &RecordHead,
        at: Instant,
        request_id: &RequestId,
    ) -> Self {
        let start = out.len();
        if format == LogFormat::Pretty {
            let id = request_id.as_str();
            let mut record = Self { out, start, format };
            record.begin_pretty(head.level, head.name, at, head.message, id);
            return record;
        }
        out.extend_from_slice(b"{\"asctime\":\"");
        push_asctime(out, at);
        out.extend_from_slice(&head.before_thread);
        push_thread_name(out);
        out.extend_from_slice(&head.before_id);
        out.push(b'"');
        // The characters of a request id need no escaping (contract RID-2).
        out.extend_from_slice(request_id.as_bytes());
        out.push(b'"');
        Self { out, start, format }
    }

    fn begin_pretty(
        &mut self,
        level: Level,
        name: &str,
        at: Instant,
        message: &str,
        request_id: &str,
    ) {
        let colour: &[u8] = match level {
            Level::Trace | Level::Debug => b"\x1b[2m",
            Level::Info => b"\x1b[32m",
            Level::Warning => b"\x1b[33m",
            Level::Error | Level::Critical => b"\x1b[31m",
        };
        let date = self.out.len();
        push_asctime(self.out, at);
        // The date is omitted on a terminal.
        self.out.drain(date..date + "2025-12-19 ".len());
        self.out.push(b' ');
        self.out.extend_from_slice(colour);
        self.out
            .extend_from_slice(format!("{:<8}", level.as_str()).as_bytes());
        self.out.extend_from_slice(b"\x1b[0m ");
        json_text(self.out, name, 64);
        self.out.extend_from_slice(b" \x1b[1m");
        json_text(self.out, message, MAX_LINE / 2);
        self.out.extend_from_slice(b"\x1b[0m");
        if request_id != "-" {
            self.out.extend_from_slice(b" \x1b[2mrequest_id=\x1b[0m");
            json_text(self.out, request_id, 256);
        }
    }

    /// The number of bytes that are free in the line.
    fn room(&self) -> usize {
        (MAX_LINE - RESERVE).saturating_sub(self.out.len() - self.start)
    }

    /// Writes the name of a field, if the line has space for it and a short value. Returns false
    /// otherwise.
    #[inline]
    fn name(&mut self, name: &impl Name) -> bool {
        // 32 bytes for a short value and the punctuation.
        if self.room() < name.size().saturating_add(32) {
            return false;
        }
        match self.format {
            LogFormat::Json => name.write_json(self.out),
            LogFormat::Pretty => name.write_pretty(self.out),
        }
        true
    }

    /// Adds a text.
    pub(crate) fn str(&mut self, name: impl Name, value: &str) {
        if self.name(&name) {
            let budget = self.room();
            match self.format {
                LogFormat::Json => json_string(self.out, value, budget),
                LogFormat::Pretty => json_text(self.out, value, budget),
            }
        }
    }

    /// Adds prepared fields.
    pub(crate) fn prepared(&mut self, fields: &PreparedFields) {
        self.out.extend_from_slice(match self.format {
            LogFormat::Json => &fields.json,
            LogFormat::Pretty => &fields.pretty,
        });
    }

    /// Adds a text that `write` appends in escaped form.
    ///
    /// The caller ensures that the text fits into the line.
    pub(crate) fn escaped(&mut self, name: impl Name, write: impl FnOnce(&mut Vec<u8>)) {
        if self.name(&name) {
            if self.format == LogFormat::Json {
                self.out.push(b'"');
            }
            write(self.out);
            if self.format == LogFormat::Json {
                self.out.push(b'"');
            }
        }
    }

    /// Adds a value whose text is short and needs no escaping, such as an address.
    pub(crate) fn display(&mut self, name: impl Name, value: &dyn std::fmt::Display) {
        self.escaped(name, |out| {
            // A write to a `Vec` cannot fail.
            let _ = std::io::Write::write_fmt(out, format_args!("{value}"));
        });
    }

    /// Adds a whole number.
    pub(crate) fn number(&mut self, name: impl Name, value: impl itoa::Integer) {
        if self.name(&name) {
            push_number(self.out, value);
        }
    }

    /// Adds a floating-point number. NaN and infinities, which JSON does not have, are added as text.
    pub(crate) fn float(&mut self, name: impl Name, value: f64) {
        if !value.is_finite() {
            self.str(name, &value.to_string());
        } else if self.name(&name) {
            self.out.extend_from_slice(format!("{value:?}").as_bytes());
        }
    }

    /// Adds a boolean.
    pub(crate) fn bool(&mut self, name: impl Name, value: bool) {
        if self.name(&name) {
            self.out
                .extend_from_slice(if value { b"true" } else { b"false" });
        }
    }

    /// Adds a duration in milliseconds, with at most three decimals.
    pub(crate) fn millis(&mut self, name: impl Name, value: std::time::Duration) {
        if self.name(&name) {
            // In 64 bits: `as_micros` has 128.
            let millis = value.as_secs().saturating_mul(1000);
            push_number(
                self.out,
                millis.saturating_add(value.subsec_millis().into()),
            );
            let micros = value.subsec_micros();
            // Three digits without trailing zeros.
            let digit = |place| b'0' + u8::try_from(micros / place % 10).unwrap_or(0);
            let digits = [b'.', digit(100), digit(10), digit(1)];
            let kept = match digits {
                [_, b'0', b'0', b'0'] => 0,
                [_, _, b'0', b'0'] => 2,
                [_, _, _, b'0'] => 3,
                _ => 4,
            };
            push_start(self.out, &digits, kept);
        }
    }

    /// Adds a list of objects with text values, such as the errors in the settings. Objects that do not
    /// fit are omitted.
    pub(crate) fn objects(
        &mut self,
        key: &str,
        objects: impl Iterator<Item = Vec<(&'static str, String)>>,
    ) {
        if !self.name(&key) {
            return;
        }
        self.out.push(b'[');
        for (index, object) in objects.enumerate() {
            let length: usize = object.iter().map(|(k, v)| k.len() + v.len() * 6 + 8).sum();
            if self.room() < length + 64 {
                break;
            }
            self.out
                .extend_from_slice(if index == 0 { b"{" } else { b",{" });
            for (index, (key, value)) in object.iter().enumerate() {
                if index > 0 {
                    self.out.push(b',');
                }
                json_string(self.out, key, usize::MAX);
                self.out.push(b':');
                json_string(self.out, value, usize::MAX);
            }
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    /// Marks a record that is written because its request has failed (contract LOG-16).
    pub(super) fn mark_debug_on_error(&mut self) {
        self.bool(key!("debugOnError"), true);
    }

    /// Adds the ids of a sampled span as the last fields (contract LOG-14).
    pub(crate) fn trace(&mut self, span: Option<SpanContext>) {
        let Some(span) = span else { return };
        let (trace, span) = (span.trace_id_hex(), span.span_id_hex());
        // Their space is reserved.
        for (name, id) in IDS.into_iter().zip([&trace[..], &span[..]]) {
            let (before, between, after): (&[u8], &[u8], &[u8]) = match self.format {
                LogFormat::Json => (b",\"", b"\":\"", b"\""),
                LogFormat::Pretty => (b" \x1b[2m", b"=\x1b[0m", b""),
            };
            for part in [before, name.as_bytes(), between, id, after] {
                self.out.extend_from_slice(part);
            }
        }
    }

    /// Ends the line.
    pub(crate) fn end(self) {
        match self.format {
            LogFormat::Json => self.out.extend_from_slice(b"}\n"),
            LogFormat::Pretty => {
                escape_invisible(self.out, self.start, MAX_LINE - 1);
                self.out.push(b'\n');
            }
        }
    }
}

/// Appends the first `length` bytes of a small array, by a copy of its constant size.
pub(crate) fn push_start<const N: usize>(out: &mut Vec<u8>, bytes: &[u8; N], length: usize) {
    let end = out.len() + length;
    out.extend_from_slice(bytes);
    out.truncate(end);
}

fn push_number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn record(fill: impl FnOnce(&mut Record<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut record = Record::begin(
            &mut out,
            LogFormat::Json,
            Level::Info,
            "infra",
            "hello",
            "-",
        );
        fill(&mut record);
        record.end();
        out
    }

    #[test]
    fn leading_fields_are_in_contract_order() {
        let line = String::from_utf8(record(|record| record.number("answer", 42))).unwrap();
        let names: Vec<_> = line
            .split("\":")
            .filter_map(|s| s.rsplit('"').next())
            .collect();
        assert_eq!(names[..8], [LEADING.as_slice(), &["answer"]].concat());
        assert!(
            line.ends_with("\"request_id\":\"-\",\"answer\":42}\n"),
            "{line}"
        );
    }

    #[test]
    fn values_keep_their_json_types() {
        let line = record(|record| {
            record.str("text", "a\"b");
            record.number("whole", -3);
            record.float("ratio", 1.0);
            record.float("none", f64::NAN);
            record.bool("yes", true);
            record.millis("short", Duration::from_micros(198));
            record.millis("even", Duration::from_millis(2));
            record.str("name", "clash");
        });
        let value: Value = serde_json::from_slice(&line).unwrap();
        let expected = json!({"text": "a\"b", "whole": -3, "ratio": 1.0, "none": "NaN",
            "yes": true, "short": 0.198, "even": 2, "name": "infra", "name_": "clash"});
        for (key, expected) in expected.as_object().unwrap() {
            assert_eq!(&value[key], expected, "{key}");
        }
    }

    #[test]
    fn line_is_bounded_and_stays_valid_json() {
        let line = record(|record| {
            for index in 0..100 {
                record.str(&format!("field{index}"), &"\u{1}".repeat(1000));
            }
            record.str(&"k".repeat(20_000), "value");
        });
        assert!(line.len() <= MAX_LINE, "{}", line.len());
        serde_json::from_slice::<Value>(&line).unwrap();
    }

    /// LOG-14
    #[cfg(feature = "otlp")]
    #[test]
    fn trace_ids_fit_into_a_full_line() {
        let span = SpanContext::root([0xAB; 16], [0xCD; 8], true);
        for format in [LogFormat::Json, LogFormat::Pretty] {
            let mut out = Vec::new();
            let mut record = Record::begin(&mut out, format, Level::Info, "a", "b", "c");
            for index in 0..1000 {
                record.str(&format!("field{index}"), "x");
            }
            record.trace(Some(span));
            record.end();
            assert!(out.len() <= MAX_LINE, "{}", out.len());
            let line = String::from_utf8(out).unwrap();
            assert!(line.contains(&"ab".repeat(16)) && line.contains(&"cd".repeat(8)));
        }
    }

    #[test]
    fn pretty_lines_escape_control_characters() {
        let mut out = Vec::new();
        let mut record = Record::begin(
            &mut out,
            LogFormat::Pretty,
            Level::Error,
            "http",
            "a\nb",
            "id-1",
        );
        record.str("agent", "\u{1b}]0;owned\u{7}");
        record.end();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.contains("a\\nb") && line.contains("\\u001b]0;owned\\u0007"),
            "{line}"
        );
    }

    /// LOG-10
    #[test]
    fn pretty_lines_escape_invisible_characters() {
        let line = |agent: &str| {
            let mut out = b"before ".to_vec();
            let format = LogFormat::Pretty;
            let mut record = Record::begin(&mut out, format, Level::Info, "http", "a", "id-1");
            record.str("agent", agent);
            record.end();
            assert!(out.len() <= MAX_LINE);
            String::from_utf8(out).unwrap()
        };
        let short = line("\u{202e}cod\u{200b}.\u{e9}\u{feff}");
        assert!(
            short.contains("\\u202ecod\\u200b.\u{e9}\\ufeff\n"),
            "{short}"
        );
        let long = line(&"\u{2066}".repeat(MAX_LINE));
        assert!(!long.contains('\u{2066}') && long.contains("???"));
    }
}
