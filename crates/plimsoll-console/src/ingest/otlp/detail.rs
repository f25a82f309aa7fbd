//! The text in which a span is stored: its members beside ids and times, as JSON.

use serde::{Serialize, Serializer};

use super::message::{Event, Link, Members, Scope, Span};
use crate::store::span::{SpanId, TraceId, seconds};

/// Members of a span, with the names that [`crate::store::span`] reads.
#[derive(Serialize)]
struct Detail<'b, 'a> {
    name: &'b str,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'b str,
    attributes: Members<'b, 'a>,
    #[serde(skip_serializing_if = "is_empty", serialize_with = "events")]
    events: &'b [Event<'a>],
    #[serde(skip_serializing_if = "is_empty", serialize_with = "links")]
    links: &'b [Link<'a>],
    #[serde(skip_serializing_if = "is_absent")]
    scope: ScopeDetail<'b>,
    #[serde(skip_serializing_if = "is_false")]
    cut: bool,
}

#[derive(Serialize)]
struct ScopeDetail<'b> {
    name: &'b str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'b str,
}

#[derive(Serialize)]
struct EventDetail<'b, 'a> {
    name: &'b str,
    time: Option<f64>,
    attributes: Members<'b, 'a>,
}

#[derive(Serialize)]
struct LinkDetail<'b, 'a> {
    trace: Option<TraceId>,
    id: Option<SpanId>,
    attributes: Members<'b, 'a>,
}

/// Writes the detail of a span into a buffer, which is emptied before.
pub(crate) fn write(buffer: &mut Vec<u8>, scope: &Scope<'_>, span: &Span<'_>, is_cut: bool) {
    buffer.clear();
    let detail = Detail {
        name: &span.name,
        error: &span.status.message,
        attributes: Members(&span.attributes),
        events: &span.events,
        links: &span.links,
        scope: ScopeDetail {
            name: &scope.name,
            version: &scope.version,
        },
        cut: is_cut,
    };
    // A buffer accepts everything, and no value here fails.
    let _ = serde_json::to_writer(buffer, &detail);
}

fn events<S: Serializer>(events: &[Event<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(events.iter().map(|event| EventDetail {
        name: &event.name,
        time: seconds(event.time),
        attributes: Members(&event.attributes),
    }))
}

fn links<S: Serializer>(links: &[Link<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(links.iter().map(|link| LinkDetail {
        trace: link.trace,
        id: link.id,
        attributes: Members(&link.attributes),
    }))
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_empty<T>(list: &[T]) -> bool {
    list.is_empty()
}

fn is_absent(scope: &ScopeDetail<'_>) -> bool {
    scope.name.is_empty()
}
