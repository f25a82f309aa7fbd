//! A line as text for the terminal: JSON in readable form, without control characters.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::Form;

/// The longest text of a line, in characters.
const MAX_LENGTH: usize = 2_000;

/// Colours of the names of services, one after the other.
const COLORS: [&str; 5] = ["\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m"];

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";

/// Names of the time, the level, the logger and the message in the records of several languages.
const TIME: &[&str] = &["asctime", "@timestamp", "timestamp", "time", "ts"];
const LEVEL: &[&str] = &["levelname", "level", "severity", "log.level"];
const LOGGER: &[&str] = &["name", "logger", "log.logger", "target"];
const MESSAGE: &[&str] = &["message", "msg", "event"];

/// Fields that repeat in each record and are not shown.
const OMITTED: &[&str] = &["process", "threadName", "service", "version", "buildTime"];

/// Formats lines.
#[derive(Debug)]
pub(super) struct Painter {
    form: Form,
    colors: BTreeMap<Arc<str>, &'static str>,
}

impl Painter {
    pub(super) fn new(form: Form) -> Self {
        let colors = BTreeMap::new();
        Self { form, colors }
    }

    /// Appends a line.
    pub(super) fn paint(&mut self, out: &mut String, service: Option<&Arc<str>>, line: &[u8]) {
        if let (Some(width), Some(service)) = (self.form.names, service) {
            let next = COLORS[self.colors.len() % COLORS.len()];
            let color = self.colors.entry(Arc::clone(service)).or_insert(next);
            out.push_str(&format!("{color}{service:width$}{RESET} "));
        }
        match serde_json::from_slice::<Map<String, Value>>(line) {
            Ok(record) => record_text(out, record),
            Err(_) => push(out, &String::from_utf8_lossy(line)),
        }
        out.push('\n');
    }
}

/// Appends a record: time, level, logger, message, other fields.
fn record_text(out: &mut String, mut record: Map<String, Value>) {
    let mut take = |names: &[&str]| {
        let value = names.iter().find_map(|name| record.remove(*name))?;
        Some(plain(&value)).filter(|text| !text.is_empty())
    };
    let (time, level) = (take(TIME), take(LEVEL));
    let (logger, message) = (take(LOGGER), take(MESSAGE));
    if let Some(time) = time {
        out.push_str(DIM);
        push(out, clock(&time));
        out.push_str(RESET);
        out.push(' ');
    }
    if let Some(level) = level {
        let level = level.to_uppercase();
        let color = match level.as_str() {
            "WARN" | "WARNING" => YELLOW,
            "ERROR" | "CRITICAL" | "FATAL" | "PANIC" => RED,
            _ => "",
        };
        out.push_str(color);
        push(out, &format!("{level:<7}"));
        if !color.is_empty() {
            out.push_str(RESET);
        }
        out.push(' ');
    }
    if let Some(logger) = logger {
        out.push_str(DIM);
        push(out, &logger);
        out.push_str(RESET);
        out.push(' ');
    }
    match access_text(&record, message.as_deref()) {
        Some(text) => {
            push(out, &text);
            return;
        }
        None => push(out, message.as_deref().unwrap_or_default()),
    }
    for (name, value) in &record {
        let is_empty_id = name == "request_id" && value == "-";
        if !OMITTED.contains(&name.as_str()) && !is_empty_id {
            push(out, &format!("  {name}={}", plain(value)));
        }
    }
}

/// Returns an access record in short form.
fn access_text(record: &Map<String, Value>, message: Option<&str>) -> Option<String> {
    if message != Some("http_request") {
        return None;
    }
    let text = |name: &str| record.get(name).map(plain);
    let aborted = match record.get("aborted") {
        Some(Value::Bool(true)) => " aborted",
        _ => "",
    };
    Some(format!(
        "{} {} {} {} ms{aborted}  {}",
        text("method")?,
        text("rawPath").or_else(|| text("path"))?,
        text("status")?,
        text("latencyMs")?,
        text("request_id").unwrap_or_default(),
    ))
}

/// Returns the time of day of a time with a date, else the text.
fn clock(time: &str) -> &str {
    let of_day = time.get(11..).filter(|of_day| {
        let bytes = of_day.as_bytes();
        bytes.get(2) == Some(&b':') && time.as_bytes().get(4) == Some(&b'-')
    });
    of_day.unwrap_or(time)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Appends text without control characters, as many as a line may have.
fn push(out: &mut String, text: &str) {
    let mut characters = text.chars();
    let shown = characters.by_ref().take(MAX_LENGTH);
    out.extend(shown.map(|c| if is_visible(c) { c } else { ' ' }));
    if characters.next().is_some() {
        out.push('…');
    }
}

/// Whether a terminal shows a character, and only that.
fn is_visible(c: char) -> bool {
    let is_direction = matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !c.is_control() && !is_direction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painter() -> Painter {
        Painter::new(Form {
            names: None,
            is_quiet: false,
        })
    }

    #[track_caller]
    fn painted(line: &str) -> String {
        let mut text = String::new();
        painter().paint(&mut text, Some(&"a".into()), line.as_bytes());
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn records_are_readable() {
        let line = r#"{"asctime":"2026-11-22 13:44:38,655","levelname":"ERROR","name":"orders","process":1,
            "message":"query failed","request_id":"-","table":"orders","n":2}"#;
        assert_eq!(
            painted(line),
            "13:44:38,655 ERROR   orders query failed  n=2  table=orders\n"
        );
        let line = r#"{"ts":1.5,"level":"info","msg":"hello"}"#;
        assert_eq!(painted(line), "1.5 INFO    hello\n");
        assert_eq!(painted("Compiling a"), "Compiling a\n");
        assert_eq!(painted("{}"), "\n");
    }

    #[test]
    fn access_records_are_short() {
        let line = r#"{"message":"http_request","method":"GET","rawPath":"/a","path":"/{b}",
            "status":200,"latencyMs":1.5,"userAgent":"x","request_id":"7"}"#;
        assert_eq!(painted(line), "GET /a 200 1.5 ms  7\n");
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let hostile = "\x1b]0;title\x07\x1b[2J\u{9b}31m\r\u{202e}x";
        let record = serde_json::json!({"level": hostile, "msg": hostile, hostile: hostile});
        for line in [hostile.to_owned(), record.to_string()] {
            let mut text = String::new();
            painter().paint(&mut text, Some(&"a".into()), line.as_bytes());
            let text = text.replace(RESET, "").replace(DIM, "").replace(RED, "");
            let text = text.strip_suffix('\n').unwrap();
            assert!(text.chars().all(is_visible), "{text:?}");
        }
        assert_eq!(painted(&"x".repeat(3_000)).chars().count(), MAX_LENGTH + 2);
    }
}
