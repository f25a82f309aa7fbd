//! What a connection reads between two requests and since when, packed into one word.

use std::sync::atomic::{AtomicU64, Ordering};

/// A phase and the time at which it began.
///
/// The connection limiter reads it from other threads. Both parts share one word, so it never reads
/// the phase of one moment with the time of another.
///
/// # Writers
///
/// [`PhaseCell::set_phase`] and [`PhaseCell::set_time`] load and then store. Over HTTP/1 only the
/// task of the connection writes. Over HTTP/2 the tasks of its streams write as well. The phase is
/// then [`Phase::Idle`] from the first stream on, so a concurrent store can lose only a time. That
/// happens if a stream begins while another one ends. The time is set again when the new stream ends.
#[derive(Debug)]
pub(super) struct PhaseCell(AtomicU64);

/// What a connection reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No byte of the next request has been read.
    Idle = 0,
    /// A head has begun, and the time is still that of the previous phase. The clock is read only if
    /// the head is incomplete when the connection next computes its deadline.
    HeadBegun = 1,
    /// A head began at the stored time.
    Head = 2,
}

/// The number of low bits that hold the phase. The time is above them.
const PHASE_BITS: u32 = 2;

impl PhaseCell {
    pub(super) const fn new(phase: Phase) -> Self {
        Self(AtomicU64::new(phase as u64))
    }

    /// Returns the phase, and its time in microseconds after the connection was opened.
    pub(super) fn get(&self) -> (Phase, u64) {
        let word = self.0.load(Ordering::Relaxed);
        let phase = match word & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Idle,
            1 => Phase::HeadBegun,
            _ => Phase::Head,
        };
        (phase, word >> PHASE_BITS)
    }

    /// Sets the phase and its time. The word holds the microseconds of 146,000 years.
    pub(super) fn set(&self, phase: Phase, micros: u64) {
        self.0
            .store(micros << PHASE_BITS | phase as u64, Ordering::Relaxed);
    }

    /// Changes the phase and keeps the time.
    pub(super) fn set_phase(&self, phase: Phase) {
        self.set(phase, self.get().1);
    }

    /// Changes the time and keeps the phase.
    pub(super) fn set_time(&self, micros: u64) {
        self.set(self.get().0, micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phase_and_time_change_independently() {
        let cell = PhaseCell::new(Phase::Head);
        assert_eq!(cell.get(), (Phase::Head, 0));
        cell.set_time(7);
        cell.set_phase(Phase::HeadBegun);
        assert_eq!(cell.get(), (Phase::HeadBegun, 7));
        cell.set(Phase::Idle, 9);
        assert_eq!(cell.get(), (Phase::Idle, 9));
    }
}
