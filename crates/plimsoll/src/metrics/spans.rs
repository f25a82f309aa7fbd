//! Counts of trace spans: produced, exported, and dropped by reason.

#[cfg(feature = "otlp")]
use super::causes::causes;
use super::{definition as families, text::TextEncoder};

#[cfg(feature = "otlp")]
causes! {
    /// Why a span was dropped.
    SpanLoss {
        /// The export queue was full.
        QueueFull = "queue_full",
        /// The collector could not be reached, or answered with a temporary error.
        Failed = "failed",
        /// The collector rejected the span permanently.
        Refused = "refused",
        /// The process ended before the span was exported.
        Shutdown = "shutdown",
    }
}

/// The counts of spans. If none is queued or in transit, `exported + dropped = produced`.
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
