//! A trace as the API returns it.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    SpanId, SpanKind, SpanStatus, TraceId,
    block::{Entry, Text},
    seconds, tree,
};
use crate::store::ServiceId;

/// A span that was found, with its text.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entry: Entry,
    pub(super) service: ServiceId,
    /// The text of the span if it is open, otherwise that of its block.
    pub(super) text: Text,
}

/// A trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TraceDetail {
    pub(crate) trace: TraceId,
    /// A parent is before its children, and children are in the order of their starts.
    pub(crate) spans: Vec<SpanDetail>,
    /// Parents that spans name, but that were not received or are evicted.
    pub(crate) missing_parents: Vec<SpanId>,
    /// The number of further spans, beyond the limit of an answer.
    pub(crate) omitted: usize,
}

/// A span.
#[derive(Debug, Serialize)]
pub(crate) struct SpanDetail {
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) run: Option<u32>,
    pub(crate) start: Option<f64>,
    /// Negative if the span ends before its start: times are not corrected.
    pub(crate) ms: Option<f64>,
    pub(crate) kind: SpanKind,
    #[serde(serialize_with = "status")]
    pub(crate) status: SpanStatus,
    pub(crate) error: Option<String>,
    pub(crate) attributes: Json,
    pub(crate) events: Json,
    pub(crate) links: Json,
    pub(crate) scope: Json,
    /// Whether a part of the span exceeded a limit.
    pub(crate) cut: bool,
}

/// A member that was stored as JSON.
#[derive(Debug)]
pub(crate) struct Json(Result<Box<RawValue>, &'static str>);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(raw) => raw.serialize(serializer),
            Err("[]") => serializer.collect_seq([(); 0]),
            Err("{}") => serializer.collect_map([((), ()); 0]),
            Err(_) => serializer.serialize_unit(),
        }
    }
}

impl Json {
    fn of(raw: Option<&RawValue>, default: &'static str) -> Self {
        Self(raw.map(ToOwned::to_owned).ok_or(default))
    }
}

/// The text of a span, with the members of `ingest::otlp::detail`.
#[derive(Deserialize, Default)]
struct Members<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    error: Cow<'a, str>,
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    events: Option<&'a RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a RawValue>,
    #[serde(borrow, default)]
    scope: Option<&'a RawValue>,
    #[serde(default)]
    cut: bool,
}

fn status<S: Serializer>(status: &SpanStatus, serializer: S) -> Result<S::Ok, S::Error> {
    match status {
        SpanStatus::Unset => serializer.serialize_unit(),
        SpanStatus::Ok | SpanStatus::Error => status.serialize(serializer),
    }
}

/// Unpacks the texts, and sorts the spans by their tree.
pub(super) fn assemble(
    trace: TraceId,
    stored: Vec<Stored>,
    omitted: usize,
    name: impl Fn(ServiceId) -> String,
) -> TraceDetail {
    let mut unpacked: Option<(Arc<[u8]>, Vec<u8>)> = None;
    let mut spans: Vec<SpanDetail> = Vec::with_capacity(stored.len());
    let order = tree::order(stored.iter().map(|span| &span.entry));
    let mut details: Vec<Option<SpanDetail>> = Vec::with_capacity(stored.len());
    for span in &stored {
        let text = match &span.text {
            Text::Open(text) => text.as_slice(),
            Text::Sealed(packed) => {
                if unpacked
                    .as_ref()
                    .is_none_or(|(last, _)| !Arc::ptr_eq(last, packed))
                {
                    // The block was packed by this process, so it can be unpacked.
                    let text = lz4_flex::decompress_size_prepended(packed).unwrap_or_default();
                    unpacked = Some((packed.clone(), text));
                }
                let text = unpacked
                    .as_ref()
                    .map_or(&[][..], |(_, text)| text.as_slice());
                text.get(span.entry.range()).unwrap_or_default()
            }
        };
        details.push(Some(span_detail(&span.entry, name(span.service), text)));
    }
    spans.extend(
        order
            .indices
            .into_iter()
            .filter_map(|index| details[index].take()),
    );
    TraceDetail {
        trace,
        spans,
        missing_parents: order.missing,
        omitted,
    }
}

fn span_detail(entry: &Entry, service: String, text: &[u8]) -> SpanDetail {
    // The text was written by this process; without it, ids and times are still shown.
    let members: Members<'_> = serde_json::from_slice(text).unwrap_or_default();
    SpanDetail {
        id: entry.id,
        parent: entry.parent,
        name: members.name.into_owned(),
        service,
        run: entry.run,
        start: seconds(entry.start),
        ms: duration(entry),
        kind: entry.kind,
        status: entry.status,
        error: (!members.error.is_empty()).then(|| members.error.into_owned()),
        attributes: Json::of(members.attributes, "{}"),
        events: Json::of(members.events, "[]"),
        links: Json::of(members.links, "[]"),
        scope: Json::of(members.scope, "null"),
        cut: members.cut,
    }
}

/// Returns milliseconds, or `None` if a time is absent.
fn duration(entry: &Entry) -> Option<f64> {
    if entry.start == 0 || entry.end == 0 {
        return None;
    }
    let nanos = i128::from(entry.end) - i128::from(entry.start);
    Some((nanos / 1_000) as f64 / 1e3)
}
