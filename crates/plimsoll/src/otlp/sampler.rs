//! Whether a request is recorded: decided by its trace's id alone, so that all services with the
//! same part record the same traces.

use crate::{
    config::Sampler,
    trace::{SpanContext, TraceId},
};

/// A sampler, ready to decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    parent_based: bool,
    /// Traces whose 63 last bits but one are below this are recorded.
    below: u64,
}

impl Decision {
    pub(super) fn new(sampler: Sampler) -> Self {
        const ALL: u64 = 1 << 63;
        Self {
            parent_based: sampler.parent_based,
            below: if sampler.ratio >= 1.0 {
                ALL
            } else {
                part_of(ALL, sampler.ratio)
            },
        }
    }

    /// Decides on the beginning of a trace.
    pub(super) fn root(self, trace_id: &TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = *trace_id;
        // As the SDKs of OpenTelemetry do it.
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.below
    }

    /// Decides on what continues a trace of a trusted caller's.
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
    reason = "a part from 0 to 1 of a number stays below it, and need not be exact"
)]
fn part_of(all: u64, ratio: f64) -> u64 {
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

    #[test]
    fn all_none_or_a_part_of_the_traces_are_recorded() {
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

    #[test]
    fn the_last_eight_bytes_decide_as_in_every_sdk() {
        let decision = decision(false, 0.5);
        let mut id = [0xFF; 16];
        id[8..].copy_from_slice(&0x7FFF_FFFF_FFFF_FFFF_u64.to_be_bytes());
        assert!(decision.root(&id));
        id[8..].copy_from_slice(&0x8000_0000_0000_0000_u64.to_be_bytes());
        assert!(!decision.root(&id));
    }

    #[test]
    fn a_callers_decision_holds_only_where_it_is_asked_for() {
        let recorded = SpanContext::root([0xFF; 16], [1; 8], true);
        let other = SpanContext::root([1; 16], [1; 8], false);
        assert!(decision(true, 0.0).child(&recorded));
        assert!(!decision(true, 1.0).child(&other));
        assert!(!decision(false, 0.0).child(&recorded));
        assert!(decision(false, 1.0).child(&other));
    }
}
