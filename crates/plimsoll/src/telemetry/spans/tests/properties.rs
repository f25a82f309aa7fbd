//! Property test: the record of any event in any spans has the fields of a reference model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tracing::{Span, field::Empty, info, info_span};

use super::lines;
use crate::telemetry::record::MAX_LINE;

/// The optional fields of one span or event.
#[derive(Debug, Clone)]
struct Fields {
    a: Option<i64>,
    b: Option<String>,
    name: Option<bool>,
    name_: Option<u64>,
    message: Option<String>,
    later: Option<String>,
}

fn any_fields() -> impl Strategy<Value = Fields> {
    let text = || proptest::option::of("\\PC{0,8}|[\\x00-\\x20\"\\\\]{0,8}|x{3000}");
    let all = (
        any::<Option<i64>>(),
        text(),
        any::<Option<bool>>(),
        any::<Option<u64>>(),
        text(),
        text(),
    );
    all.prop_map(|(a, b, name, name_, message, later)| Fields {
        a,
        b,
        name,
        name_,
        message,
        later,
    })
}

/// Adds the members that the record should have.
fn add_expected(expected: &mut BTreeMap<&'static str, Value>, fields: &Fields, is_event: bool) {
    let mut set = |key, value: Option<Value>| {
        if let Some(value) = value {
            expected.insert(key, value);
        }
    };
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    set("a", fields.a.map(|value| json!(value)));
    set("b", text(&fields.b));
    set("name_", fields.name.map(|value| json!(value)));
    set("name__", fields.name_.map(|value| json!(value)));
    set("later", text(&fields.later));
    if !is_event {
        set("message_", text(&fields.message));
    }
}

/// Whether the logged text is the recorded one, or a truncated prefix of it.
fn is_or_begins(logged: &Value, recorded: &Value) -> bool {
    match (logged.as_str(), recorded.as_str()) {
        (Some(logged), Some(recorded)) => {
            logged == recorded
                || logged
                    .strip_suffix('…')
                    .is_some_and(|prefix| recorded.starts_with(prefix))
        }
        _ => logged == recorded,
    }
}

proptest! {
    /// LOG-3
    #[test]
    fn record_has_each_field_once_from_the_innermost(
        spans in proptest::collection::vec(any_fields(), 0..6),
        event in any_fields(),
    ) {
        let captured = lines(|| {
            let mut open: Vec<(Span, &Fields)> = Vec::new();
            for fields in &spans {
                let parent = open.last().and_then(|(span, _)| span.id());
                let span = info_span!(
                    parent: parent, "span",
                    a = fields.a, b = fields.b, name = fields.name, name_ = fields.name_,
                    message = fields.message, later = Empty
                );
                open.push((span, fields));
            }
            // From the innermost outwards: a parent may record after its children were created.
            for (span, fields) in open.iter().rev() {
                if let Some(later) = &fields.later {
                    span.record("later", later);
                }
            }
            let _inside = open.last().map(|(span, _)| span.enter());
            info!(a = event.a, b = event.b, name = event.name, name_ = event.name_,
                later = event.later, "hello");
        });
        let mut expected = BTreeMap::new();
        for fields in &spans {
            add_expected(&mut expected, fields, false);
        }
        add_expected(&mut expected, &event, true);
        let line = &captured[0];
        prop_assert!(line.len() <= MAX_LINE);
        let names = harness::field_names(line);
        let record: Map<String, Value> = serde_json::from_str(line).unwrap();
        prop_assert_eq!(names.len(), record.len(), "a field comes twice: {}", line);
        prop_assert_eq!(record.len(), 7 + expected.len(), "{}", line);
        for (key, value) in expected {
            prop_assert!(is_or_begins(&record[key], &value), "{}: {}", key, line);
        }
    }
}
