//! Generates trace and span ids from thread-local random streams, without shared state, clock or
//! system call.
//!
//! Unlike a request id, a trace id must be random in its last bytes: other services sample by them
//! (`traceidratio`).

use std::{
    cell::Cell,
    hash::{BuildHasher as _, RandomState},
};

use super::parent::{SpanId, TraceId};

/// The increment of SplitMix64, an odd number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of random numbers (SplitMix64), seeded by the operating system.
struct IdStream(Cell<u64>);

impl IdStream {
    fn new(random: &RandomState, number: u8) -> Self {
        Self(Cell::new(random.hash_one(number)))
    }

    /// Returns the next number that is not 0, as an id must not be zero.
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

/// The output function of SplitMix64, a bijection.
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
        // The standard library seeds its hashers from the operating system. That suffices: ids must be
        // unique, not secret.
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

/// Draws from the streams of this thread. If the thread exits and its streams are destroyed, new ones
/// are created.
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
    fn ids_are_unique_within_and_across_threads() {
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
    fn last_bytes_of_trace_ids_are_uniform() {
        let high = (0..20_000)
            .filter(|_| new_trace_id()[8] & 0x80 != 0)
            .count();
        assert!((9_000..11_000).contains(&high), "{high} of 20000");
    }
}
