//! Tests of the span fields in the records of events.

mod properties;

use std::time::Duration;

use harness::LogBuffer;
use serde_json::{Map, Value};
use tracing::{field::Empty, info, info_span};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt as _};

use super::*;
use crate::{
    config::{Level, LogLevels},
    telemetry::{Log, Output},
};

/// The lines that `work` logs, without the last record.
fn lines_in(format: LogFormat, levels: LogLevels, work: impl FnOnce()) -> Vec<String> {
    let captured = LogBuffer::default();
    let log = Log::start(Output::to(captured.clone()), format, levels, 1).unwrap();
    let subscriber = tracing_subscriber::registry().with(log.layer().filtered());
    tracing::subscriber::with_default(subscriber, work);
    let limit = Duration::from_secs(10);
    assert!(log.finish(limit, Level::Info, "end", |_, _| {}));
    let text = captured.text();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.pop();
    lines
}

fn lines(work: impl FnOnce()) -> Vec<String> {
    lines_in(LogFormat::Json, LogLevels::all(Level::Info), work)
}

/// The fields of one line after the leading ones, in their order.
#[track_caller]
fn own(line: &str) -> String {
    let (_, rest) = line.split_once("\"request_id\":\"-\"").unwrap();
    serde_json::from_str::<Value>(line).unwrap();
    rest.trim_start_matches(',')
        .trim_end_matches('}')
        .to_owned()
}

/// The fields of the one event that `work` logs.
#[track_caller]
fn fields(work: impl FnOnce()) -> String {
    let lines = lines(work);
    assert_eq!(lines.len(), 1, "{lines:?}");
    own(&lines[0])
}

/// LOG-2
#[test]
fn event_has_its_fields_then_its_spans_from_the_root() {
    let fields = fields(|| {
        let _root = info_span!("root", tenant = "acme", attempt = 1).entered();
        let _bare = info_span!("bare").entered();
        let _leaf = info_span!("leaf", ratio = 0.5, cached = true, guest = ?Some("x")).entered();
        info!(answer = 42, "hello");
    });
    let expected = r#""answer":42,"tenant":"acme","attempt":1,"ratio":0.5,"cached":true,"guest":"Some(\"x\")""#;
    assert_eq!(fields, expected);
}

/// LOG-3
#[test]
fn field_of_the_innermost_span_takes_precedence() {
    let fields = fields(|| {
        let _root =
            info_span!("root", a = "root", b = "root", c = "root", r#type = "root").entered();
        let _leaf = info_span!("leaf", b = "leaf", c = "leaf").entered();
        info!(c = "event", r#type = "event");
    });
    assert_eq!(
        fields,
        r#""c":"event","type":"event","a":"root","b":"leaf""#
    );
}

#[test]
fn empty_event_field_hides_no_span_field() {
    let fields = fields(|| {
        let _span = info_span!("span", user = "ann", none = Empty).entered();
        info!(user = None::<&str>, "hello");
    });
    assert_eq!(fields, r#""user":"ann""#);
}

/// LOG-3
#[test]
fn names_of_leading_fields_get_a_unique_suffix() {
    let fields = fields(|| {
        let _span =
            info_span!("span", name = 1, name_ = 2, message = "m", request_id = "x").entered();
        info!(process = 3, process_ = 4, "hello");
    });
    let expected =
        r#""process_":3,"process__":4,"name_":1,"name__":2,"message_":"m","request_id_":"x""#;
    assert_eq!(fields, expected);
}

#[test]
fn repeated_name_of_a_callsite_is_written_once() {
    let fields = fields(|| {
        let _span = info_span!("span", b = 1, b = 2).entered();
        info!(a = 1, a = 2, "hello");
    });
    assert_eq!(fields, r#""a":2,"b":2"#);
}

/// LOG-2
#[test]
fn later_span_fields_are_in_later_records() {
    let lines = lines(|| {
        let root = info_span!("root", user = Empty, step = 1, end = true);
        let _root = root.enter();
        let _leaf = info_span!("leaf").entered();
        info!("before");
        root.record("user", "ann").record("step", 1000);
        info!("after");
    });
    let fields: Vec<_> = lines.iter().map(|line| own(line)).collect();
    let expected = [
        r#""step":1,"end":true"#,
        r#""step":1000,"end":true,"user":"ann""#,
    ];
    assert_eq!(fields, expected);
}

#[test]
fn explicit_parent_overrides_the_current_span() {
    let lines = lines(|| {
        let elsewhere = info_span!("elsewhere", a = 1);
        let _here = info_span!("here", a = 2).entered();
        info!(parent: &elsewhere, "named");
        info!(parent: None, "none");
        info!("here");
    });
    let fields: Vec<_> = lines.iter().map(|line| own(line)).collect();
    assert_eq!(fields, [r#""a":1"#, "", r#""a":2"#]);
}

/// LOG-2
#[test]
fn log_crate_records_have_span_fields() {
    use tracing_log::log;
    let fields = fields(|| {
        let _span = info_span!("span", tenant = "acme").entered();
        let record = log::Record::builder()
            .level(log::Level::Info)
            .target("library")
            .args(format_args!("hello"))
            .build();
        tracing_log::format_trace(&record).unwrap();
    });
    assert_eq!(fields, r#""tenant":"acme""#);
}

#[test]
fn spans_below_their_level_are_disabled() {
    let lines = lines(|| {
        let span = tracing::debug_span!("span", a = 1);
        assert!(span.is_disabled());
        let _span = span.entered();
        info!("hello");
    });
    assert_eq!(own(&lines[0]), "");
}

#[test]
fn spans_below_the_level_add_no_fields_without_filter() {
    struct Everything;
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Everything {
        fn max_level_hint(&self) -> Option<LevelFilter> {
            Some(LevelFilter::TRACE)
        }
    }
    let captured = LogBuffer::default();
    let levels = LogLevels::all(Level::Info);
    let log = Log::start(Output::to(captured.clone()), LogFormat::Json, levels, 1).unwrap();
    let subscriber = tracing_subscriber::registry()
        .with(log.layer())
        .with(Everything);
    tracing::subscriber::with_default(subscriber, || {
        let _outer = info_span!("outer", a = 1).entered();
        let span = tracing::debug_span!("span", b = 2, c = Empty);
        span.record("c", 3);
        assert!(!span.is_disabled());
        let _span = span.entered();
        info!("hello");
    });
    assert!(log.finish(Duration::from_secs(10), Level::Info, "end", |_, _| {}));
    let text = captured.text();
    assert_eq!(own(text.lines().next().unwrap()), r#""a":1"#);
}

#[test]
fn two_logs_with_different_formats_coexist() {
    let (json, pretty) = (LogBuffer::default(), LogBuffer::default());
    let start = |output: &LogBuffer, format| {
        let levels = LogLevels::all(Level::Info);
        Log::start(Output::to(output.clone()), format, levels, 1).unwrap()
    };
    let logs = [
        start(&json, LogFormat::Json),
        start(&pretty, LogFormat::Pretty),
    ];
    let subscriber = tracing_subscriber::registry()
        .with(logs[0].layer())
        .with(logs[1].layer());
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("span", tenant = "a\"b", step = 1);
        span.record("step", 2);
        let _span = span.entered();
        info!("hello");
    });
    for log in logs {
        assert!(log.finish(Duration::from_secs(10), Level::Info, "end", |_, _| {}));
    }
    let text = |captured: LogBuffer| captured.text();
    let json = text(json);
    assert_eq!(
        own(json.lines().next().unwrap()),
        r#""tenant":"a\"b","step":2"#
    );
    let pretty = text(pretty);
    let line = pretty.lines().next().unwrap();
    assert!(
        line.ends_with(" \u{1b}[2mtenant=\u{1b}[0ma\\\"b \u{1b}[2mstep=\u{1b}[0m2"),
        "{line:?}"
    );
}

/// LOG-8
#[test]
fn stored_span_fields_are_bounded() {
    let long = "\u{1}".repeat(1 << 20);
    let lines = lines(|| {
        let span = info_span!("span", a = long, b = ?long, c = long, d = long, e = long, f = 1);
        let _span = span.enter();
        for step in 0..1000 {
            span.record("f", step);
        }
        info!("hello");
    });
    assert!(lines[0].len() < MAX_BYTES + 512, "{}", lines[0].len());
    let record: Map<String, Value> = serde_json::from_str(&lines[0]).unwrap();
    assert!(record["a"].as_str().unwrap().ends_with('…'));
    assert!(record["b"].as_str().unwrap().ends_with('…'));
    assert_eq!(record["f"], 999);
}

#[test]
fn event_has_fields_of_the_innermost_spans_only() {
    fn descend(depth: usize) {
        let _span = info_span!("level", depth, level = Empty).entered();
        match depth {
            0 => info!("at the bottom"),
            _ => descend(depth - 1),
        }
    }
    let lines = lines(|| {
        let _root = info_span!("root", tenant = "acme").entered();
        descend(MAX_SPANS - 2);
        descend(MAX_SPANS - 1);
    });
    let with_root = own(&lines[0]);
    assert_eq!(with_root, r#""tenant":"acme","depth":0"#);
    assert_eq!(own(&lines[1]), r#""depth":0"#);
}

#[test]
fn members_are_replaced_in_place() {
    let mut kept = SpanFieldBuf::default();
    let all = |kept: &SpanFieldBuf| {
        let text = |(name, member): (&'static str, &[u8])| {
            (name, String::from_utf8(member.to_vec()).unwrap())
        };
        kept.iter().map(text).collect::<Vec<_>>()
    };
    let expected = |pairs: &[(&'static str, &str)]| {
        pairs
            .iter()
            .map(|(name, member)| (*name, (*member).to_owned()))
            .collect::<Vec<_>>()
    };
    for (name, member) in [("a", "1"), ("b", "22"), ("c", "333")] {
        kept.set(name, member.as_bytes());
    }
    kept.set("b", b"4444");
    assert_eq!(
        all(&kept),
        expected(&[("a", "1"), ("b", "4444"), ("c", "333")])
    );
    kept.set("a", b"");
    assert_eq!(
        all(&kept),
        expected(&[("a", ""), ("b", "4444"), ("c", "333")])
    );
    // A field that does not fit is removed, so that no outdated value is logged.
    kept.set("c", &[b'x'; MAX_BYTES]);
    assert_eq!(all(&kept), expected(&[("a", ""), ("b", "4444"), ("c", "")]));
    assert!(kept.has("b") && !kept.has("c"));
}
