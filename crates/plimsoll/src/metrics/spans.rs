//! Spans of traces: how many there were, and what became of them.

#[cfg(feature = "otlp")]
use super::causes::causes;
use super::{definition as families, text::TextEncoder};

#[cfg(feature = "otlp")]
causes! {
    /// Why a span did not arrive.
    SpanLoss {
        /// Too many waited already.
        QueueFull = "queue_full",
        /// The collector could not be reached, or said that it could not take it now.
        Failed = "failed",
        /// The collector said that it will not take it.
        Refused = "refused",
        /// The process ended.
        Shutdown = "shutdown",
    }
}

/// What has been counted of spans: `exported + dropped = produced` when none is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpanTotals {
    pub(crate) produced: u64,
    pub(crate) exported: u64,
    /// By reason.
    pub(crate) dropped: Vec<(&'static str, u64)>,
}

impl SpanTotals {
    pub(crate) fn total_dropped(&self) -> u64 {
        self.dropped.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn render(&self, out: &mut TextEncoder) {
        out.family(&families::TRACE_SPANS);
        out.sample("_total", &[], self.produced);
        out.family(&families::TRACE_SPANS_EXPORTED);
        out.sample("_total", &[], self.exported);
        out.family(&families::TRACE_SPANS_DROPPED);
        for (reason, count) in &self.dropped {
            out.sample("_total", &[("reason", reason)], count);
        }
    }
}
