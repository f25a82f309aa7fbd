//! Exports `tracing` spans inside sampled requests as spans of the same trace.

use std::{fmt, time::SystemTime};

use tokio::time::Instant;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::Context, registry::LookupSpan};

use super::{AttributeValue, Span, SpanKind, Tracer, span::MAX_TEXT};
use crate::{
    request,
    telemetry::{FieldText, plain_name},
    trace::{self, SpanContext, SpanId, new_span_id},
};

/// The maximum number of attributes of a span.
const MAX_ATTRIBUTES: usize = 128;

/// A `tracing` layer that exports spans of level INFO and above as part of their request's trace.
///
/// The exported span has the name and the fields of the `tracing` span. Spans outside sampled requests
/// are not exported; they cost one read of a thread-local slot.
///
/// [`App::run`](crate::App::run) installs this layer. For your own subscriber, create it with
/// [`Prepared::trace_layer`](crate::Prepared::trace_layer).
#[derive(Debug, Clone)]
pub struct SpanExportLayer {
    tracer: Tracer,
}

/// The data of an open span, in its extensions.
struct OpenSpan {
    context: SpanContext,
    parent: SpanId,
    start: SystemTime,
    began: Instant,
    attributes: Vec<(&'static str, AttributeValue)>,
}

impl SpanExportLayer {
    pub(super) fn new(tracer: Tracer) -> Self {
        Self { tracer }
    }
}

impl<S> Layer<S> for SpanExportLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if *attributes.metadata().level() > tracing::Level::INFO {
            return;
        }
        let parent = if attributes.is_contextual() {
            context.lookup_current()
        } else {
            attributes.parent().and_then(|id| context.span(id))
        };
        let parent_context = parent.and_then(|span| {
            span.scope().find_map(|span| {
                let extensions = span.extensions();
                extensions.get::<OpenSpan>().map(|open| open.context)
            })
        });
        let Some(parent) = parent_context.or_else(request::recorded_span) else {
            return;
        };
        let mut open = OpenSpan {
            context: parent.child(new_span_id(), true),
            parent: parent.span_id,
            start: SystemTime::now(),
            began: Instant::now(),
            attributes: Vec::new(),
        };
        attributes.record(&mut AttributeVisitor(&mut open.attributes));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        if span.extensions().get::<OpenSpan>().is_none() {
            return;
        }
        // Before the span is locked: a `Debug` implementation may log, and that record reads the fields
        // of this span.
        let mut recorded = Vec::new();
        values.record(&mut AttributeVisitor(&mut recorded));
        if let Some(open) = span.extensions_mut().get_mut::<OpenSpan>() {
            for (name, value) in recorded {
                put(&mut open.attributes, name, value);
            }
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions().get::<OpenSpan>()
        {
            trace::enter(id.into_u64(), open.context);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        trace::exit(id.into_u64());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(open) = span.extensions_mut().remove::<OpenSpan>() else {
            return;
        };
        let name = span.name();
        self.tracer.submit(|| Span {
            context: open.context,
            parent: Some(open.parent),
            is_parent_remote: false,
            state: None,
            link: None,
            name: name.into(),
            kind: SpanKind::Internal,
            start: open.start,
            took: open.began.elapsed(),
            attributes: open.attributes,
            has_failed: false,
        });
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// Records fields as attributes. A later value of a field replaces the earlier one.
struct AttributeVisitor<'a>(&'a mut Vec<(&'static str, AttributeValue)>);

impl AttributeVisitor<'_> {
    fn put(&mut self, field: &Field, value: AttributeValue) {
        put(self.0, plain_name(field), value);
    }
}

fn put(
    attributes: &mut Vec<(&'static str, AttributeValue)>,
    name: &'static str,
    value: AttributeValue,
) {
    if let Some((_, current)) = attributes.iter_mut().find(|(other, _)| *other == name) {
        *current = value;
    } else if attributes.len() < MAX_ATTRIBUTES {
        attributes.push((name, value));
    }
}

impl Visit for AttributeVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, AttributeValue::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, AttributeValue::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // OTLP has no unsigned integers, so a larger value becomes text.
        let value = i64::try_from(value).map_or_else(
            |_| AttributeValue::text(&value.to_string()),
            AttributeValue::Int,
        );
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, AttributeValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, AttributeValue::text(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, AttributeValue::text(&crate::error::chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `instrument` records arguments of any size. The text is truncated while it is formatted.
        self.put(field, AttributeValue::text(&FieldText::of(value, MAX_TEXT)));
    }
}
