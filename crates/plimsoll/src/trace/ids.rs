//! Ids of traces and spans: two streams of a thread's own, so that nothing is shared and no clock
//! and no system call is needed.
//!
//! Unlike the id of a request, a trace's id must be random in its last bytes: others decide by them
//! whether they record the same trace (`traceidratio`).

use std::{
    cell::Cell,
    hash::{BuildHasher as _, RandomState},
};

use super::parent::{SpanId, TraceId};

/// The odd number by which SplitMix64 counts.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One stream of numbers, seeded by the operating system.
struct IdStream(Cell<u64>);

impl IdStream {
    fn new(random: &RandomState, number: u8) -> Self {
        Self(Cell::new(random.hash_one(number)))
    }

    /// The next number but 0, which no id may be.
    fn next(&self) -> u64 {
        loop {
            let state = self.0.get().wrapping_add(STEP);
            self.0.set(state);
            let number = mix(state);
            if number != 0 {
                return number;
            }
        }
    }
}

/// SplitMix64's output function, a bijection.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct IdStreams {
    left: IdStream,
    right: IdStream,
    spans: IdStream,
}

impl IdStreams {
    fn new() -> Self {
        // The standard library seeds its hashers from the operating system, which is all that is
        // wanted here: ids need not be secret, only different.
        let random = RandomState::new();
        Self {
            left: IdStream::new(&random, 1),
            right: IdStream::new(&random, 2),
            spans: IdStream::new(&random, 3),
        }
    }
}

thread_local! {
    static STREAMS: IdStreams = IdStreams::new();
}

/// Uses the streams of this thread; one on its way out has none any more, and gets new ones.
fn with_streams<T>(draw: impl Fn(&IdStreams) -> T) -> T {
    STREAMS
        .try_with(&draw)
        .unwrap_or_else(|_| draw(&IdStreams::new()))
}

pub(crate) fn new_trace_id() -> TraceId {
    let (left, right) = with_streams(|streams| (streams.left.next(), streams.right.next()));
    let mut id = TraceId::default();
    id[..8].copy_from_slice(&left.to_be_bytes());
    id[8..].copy_from_slice(&right.to_be_bytes());
    id
}

pub(crate) fn new_span_id() -> SpanId {
    with_streams(|streams| streams.spans.next()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_within_and_across_threads() {
        let handles: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    (0..20_000)
                        .map(|_| (new_trace_id(), new_span_id()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let ids: Vec<_> = handles
            .into_iter()
            .flat_map(|h| h.join().unwrap())
            .collect();
        let traces: HashSet<_> = ids.iter().map(|(trace, _)| trace).collect();
        let spans: HashSet<_> = ids.iter().map(|(_, span)| span).collect();
        assert_eq!((traces.len(), spans.len()), (80_000, 80_000));
    }

    #[test]
    fn the_last_bytes_of_a_trace_id_are_spread_evenly() {
        let high = (0..20_000)
            .filter(|_| new_trace_id()[8] & 0x80 != 0)
            .count();
        assert!((9_000..11_000).contains(&high), "{high} of 20000");
    }
}
