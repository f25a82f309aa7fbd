//! Sampling of traces by their id, so that all services with the same ratio record the same traces.

use crate::{
    config::Sampler,
    trace::{SpanContext, TraceId},
};

/// Makes sampling decisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    parent_based: bool,
    /// A trace is sampled if the last 8 bytes of its id, shifted right by one bit, are below this.
    threshold: u64,
}

impl Decision {
    pub(super) fn new(sampler: Sampler) -> Self {
        const ALL: u64 = 1 << 63;
        Self {
            parent_based: sampler.parent_based,
            threshold: if sampler.ratio >= 1.0 {
                ALL
            } else {
                scale(ALL, sampler.ratio)
            },
        }
    }

    /// Whether a new trace is sampled.
    pub(super) fn root(self, trace_id: &TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = *trace_id;
        // The same formula as in the OpenTelemetry SDKs.
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.threshold
    }

    /// Whether a span that continues the trace of a trusted caller is sampled.
    pub(super) fn child(self, parent: &SpanContext) -> bool {
        if self.parent_based {
            parent.is_sampled()
        } else {
            self.root(&parent.trace_id)
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the ratio is between 0 and 1, and the result need not be exact"
)]
fn scale(all: u64, ratio: f64) -> u64 {
    (all as f64 * ratio) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::new_trace_id;

    fn decision(parent_based: bool, ratio: f64) -> Decision {
        Decision::new(Sampler {
            parent_based,
            ratio,
        })
    }

    /// TRC-3
    #[test]
    fn ratio_of_traces_is_sampled() {
        let count = |ratio| {
            let decision = decision(false, ratio);
            (0..10_000)
                .filter(|_| decision.root(&new_trace_id()))
                .count()
        };
        assert_eq!((count(1.0), count(0.0)), (10_000, 0));
        let quarter = count(0.25);
        assert!((2_200..2_800).contains(&quarter), "{quarter} of 10000");
    }

    /// TRC-3
    #[test]
    fn last_eight_bytes_decide_as_in_the_sdks() {
        let decision = decision(false, 0.5);
        let mut id = [0xFF; 16];
        id[8..].copy_from_slice(&0x7FFF_FFFF_FFFF_FFFF_u64.to_be_bytes());
        assert!(decision.root(&id));
        id[8..].copy_from_slice(&0x8000_0000_0000_0000_u64.to_be_bytes());
        assert!(!decision.root(&id));
    }

    /// TRC-3
    #[test]
    fn parent_decision_holds_only_if_parent_based() {
        let recorded = SpanContext::root([0xFF; 16], [1; 8], true);
        let other = SpanContext::root([1; 16], [1; 8], false);
        assert!(decision(true, 0.0).child(&recorded));
        assert!(!decision(true, 1.0).child(&other));
        assert!(!decision(false, 0.0).child(&recorded));
        assert!(decision(false, 1.0).child(&other));
    }
}
