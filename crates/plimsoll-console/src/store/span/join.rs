//! Spans of requests (LOG-14): the record of a request has the ids of its trace and of its span.
//!
//! A record without the id of a span has that of the first SERVER span of its service in the trace.

use super::{ServiceId, SpanId, Spans, TraceId};
use crate::store::{Members, RequestDetail, RequestRow};

/// Names of the span's id in records of the chassis, of its sibling services and of ECS.
const SPAN_ID: [&str; 3] = ["spanId", "span_id", "span.id"];

impl Spans {
    /// Sets the number of spans in each row that has a trace. Rows without spans keep `None`.
    pub(crate) fn count_in(&self, rows: &mut [RequestRow]) {
        for row in rows {
            let trace = row.trace.as_deref().and_then(TraceId::from_hex);
            row.spans = trace.and_then(|trace| Some(self.count(&trace)? as usize));
        }
    }

    /// Adds the spans of the trace to a request. That of the request itself has `"request": true`.
    ///
    /// `id` finds a service by its name, and `name` the name of a service.
    pub(crate) fn complete(
        &self,
        detail: &mut RequestDetail,
        id: impl Fn(&str) -> ServiceId,
        name: impl Fn(ServiceId) -> String,
    ) {
        self.count_in(std::slice::from_mut(&mut detail.request.row));
        let row = &detail.request.row;
        let trace = row.trace.as_deref().and_then(TraceId::from_hex);
        let Some((trace, found)) = trace.and_then(|id| Some((id, self.trace(&id, name)?))) else {
            return;
        };
        let span = span_id(&detail.request.fields);
        let own = self.of_request(&trace, span.as_ref(), id(&row.service));
        let spans = found.spans.into_iter().filter_map(|span| {
            let is_own = Some(span.id) == own;
            // All members are numbers, texts and JSON that was valid before.
            let mut span = serde_json::to_value(span).ok()?;
            if is_own {
                span["request"] = true.into();
            }
            Some(span)
        });
        detail.spans = spans.collect();
        let missing = found.missing_parents.iter();
        detail.missing_parents = missing.map(SpanId::to_string).collect();
    }
}

/// Returns the id of the span that a record names.
fn span_id(fields: &Members) -> Option<SpanId> {
    let mut fields = fields.0.iter();
    let (_, value) = fields.find(|(name, _)| SPAN_ID.contains(&name.as_str()))?;
    SpanId::from_hex(value.get().trim_matches('"'))
}
