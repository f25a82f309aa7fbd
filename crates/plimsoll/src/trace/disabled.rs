//! Stands in the place of `trace.rs` in builds without the feature `otlp`: no request has a trace,
//! and nothing is left of it in the program.

/// There are no ids to write.
pub(crate) const IDS_ROOM: usize = 0;

/// The trace of a request, which is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestTrace(());

/// The place in a trace, of which there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SpanContext {}

impl RequestTrace {
    pub(crate) const fn recorded(&self) -> Option<SpanContext> {
        None
    }
}

impl SpanContext {
    pub(crate) const fn trace_id_hex(&self) -> [u8; 32] {
        match *self {}
    }

    pub(crate) const fn span_id_hex(&self) -> [u8; 16] {
        match *self {}
    }

    pub(crate) const fn is_of(&self, _: &Self) -> bool {
        match *self {}
    }
}

pub(crate) const fn innermost() -> Option<SpanContext> {
    None
}
