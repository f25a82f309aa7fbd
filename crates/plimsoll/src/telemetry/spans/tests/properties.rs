//! Whatever spans and their event say, the record has what a naive reading of them expects.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tracing::{Span, field::Empty, info, info_span};

use super::lines;
use crate::telemetry::record::MAX_LINE;

/// What one span or event says: each field or nothing.
#[derive(Debug, Clone)]
struct Says {
    a: Option<i64>,
    b: Option<String>,
    name: Option<bool>,
    name_: Option<u64>,
    message: Option<String>,
    later: Option<String>,
}

fn says() -> impl Strategy<Value = Says> {
    let text = || proptest::option::of("\\PC{0,8}|[\\x00-\\x20\"\\\\]{0,8}|x{3000}");
    let all = (
        any::<Option<i64>>(),
        text(),
        any::<Option<bool>>(),
        any::<Option<u64>>(),
        text(),
        text(),
    );
    all.prop_map(|(a, b, name, name_, message, later)| Says {
        a,
        b,
        name,
        name_,
        message,
        later,
    })
}

/// The members that should be in a record, naively.
fn add_expected(expected: &mut BTreeMap<&'static str, Value>, says: &Says, is_event: bool) {
    let mut set = |key, value: Option<Value>| {
        if let Some(value) = value {
            expected.insert(key, value);
        }
    };
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    set("a", says.a.map(|value| json!(value)));
    set("b", text(&says.b));
    set("name_", says.name.map(|value| json!(value)));
    set("name__", says.name_.map(|value| json!(value)));
    set("later", text(&says.later));
    if !is_event {
        set("message_", text(&says.message));
    }
}

/// Whether a text is another one, or its beginning with the mark of a cut.
fn is_or_begins(logged: &Value, said: &Value) -> bool {
    match (logged.as_str(), said.as_str()) {
        (Some(logged), Some(said)) => {
            logged == said
                || logged
                    .strip_suffix('…')
                    .is_some_and(|kept| said.starts_with(kept))
        }
        _ => logged == said,
    }
}

proptest! {
    #[test]
    fn a_record_has_each_field_once_and_of_the_nearest(
        spans in proptest::collection::vec(says(), 0..6),
        event in says(),
    ) {
        let captured = lines(|| {
            let mut open: Vec<(Span, &Says)> = Vec::new();
            for says in &spans {
                let parent = open.last().and_then(|(span, _)| span.id());
                let span = info_span!(
                    parent: parent, "span",
                    a = says.a, b = says.b, name = says.name, name_ = says.name_,
                    message = says.message, later = Empty
                );
                open.push((span, says));
            }
            // From the nearest outwards: a parent may record after its children have begun.
            for (span, says) in open.iter().rev() {
                if let Some(later) = &says.later {
                    span.record("later", later);
                }
            }
            let _inside = open.last().map(|(span, _)| span.enter());
            info!(a = event.a, b = event.b, name = event.name, name_ = event.name_,
                later = event.later, "hello");
        });
        let mut expected = BTreeMap::new();
        for says in &spans {
            add_expected(&mut expected, says, false);
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
