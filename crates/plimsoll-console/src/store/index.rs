//! The index: one entry for each record, and chains of records with the same id.
//!
//! An entry has what filters and joins need most, so that they read few lines.
//! Ids are hashed with a key of this process, because clients choose request ids.
//! A chain links the records of a service whose hashes share a head, the newest first. A link is a distance,
//! and one that leads to an evicted record ends the chain, so an eviction changes no link.

use crate::ingest::fields::Level;

/// Microseconds of a record without a latency.
const NO_LATENCY: u32 = u32::MAX;

/// What is known of a record without its line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) n: u64,
    /// Milliseconds since the epoch: the time of the record, or of its arrival.
    pub(crate) time: i64,
    /// The hash of the request id, 0 if there is none.
    pub(crate) id: u64,
    /// The hash of the trace id, 0 if there is none.
    pub(crate) trace: u64,
    /// Where the line begins in its block.
    pub(crate) offset: u32,
    /// The distance to the previous record of the chain, 0 at its end.
    pub(crate) id_link: u32,
    pub(crate) trace_link: u32,
    pub(crate) run: u32,
    micros: u32,
    /// 0 if there is none.
    status: u16,
    /// 0 if there is none.
    level: u8,
    pub(crate) flags: Flags,
}

/// What kind of record it is, and the stream it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const ACCESS: Self = Self(1);
    pub(crate) const TEXT: Self = Self(2);
    pub(crate) const CUT: Self = Self(4);
    pub(crate) const MARKER: Self = Self(8);
    const STREAM: u8 = 4;

    pub(crate) fn with(self, other: Self, is_set: bool) -> Self {
        if is_set { Self(self.0 | other.0) } else { self }
    }

    /// `stream` is at most 3.
    pub(crate) fn with_stream(self, stream: u8) -> Self {
        Self(self.0 | stream << Self::STREAM)
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn stream(self) -> u8 {
        self.0 >> Self::STREAM
    }
}

impl Entry {
    /// Returns an entry without a place in the store.
    pub(crate) fn new(time: i64, flags: Flags) -> Self {
        Self {
            n: 0,
            time,
            id: 0,
            trace: 0,
            offset: 0,
            id_link: 0,
            trace_link: 0,
            run: 0,
            micros: NO_LATENCY,
            status: 0,
            level: 0,
            flags,
        }
    }

    pub(crate) fn set_level(&mut self, level: Option<Level>) {
        self.level = level.map_or(0, |level| level as u8);
    }

    pub(crate) fn set_status(&mut self, status: Option<u16>) {
        self.status = status.unwrap_or(0);
    }

    /// More than 71 minutes count as 71 minutes.
    pub(crate) fn set_latency(&mut self, ms: Option<f64>) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the conversion saturates, and latencies are not negative"
        )]
        let micros = ms.map(|ms| (ms * 1000.0).round() as u32);
        self.micros = micros.map_or(NO_LATENCY, |micros| micros.min(NO_LATENCY - 1));
    }

    pub(crate) fn level(&self) -> Option<Level> {
        Level::of_index_number(self.level)
    }

    pub(crate) fn status(&self) -> Option<u16> {
        (self.status != 0).then_some(self.status)
    }

    pub(crate) fn ms(&self) -> Option<f64> {
        (self.micros != NO_LATENCY).then(|| f64::from(self.micros) / 1000.0)
    }

    pub(crate) fn is_access(&self) -> bool {
        self.flags.has(Flags::ACCESS)
    }

    pub(crate) fn is_marker(&self) -> bool {
        self.flags.has(Flags::MARKER)
    }

    /// Returns true for requests that ended in 5xx, and for records of ERROR and above.
    ///
    /// These are copied to the reserve before their block is evicted.
    pub(crate) fn is_failure(&self) -> bool {
        self.status >= 500 || self.level >= Level::Error as u8
    }

    pub(crate) fn key(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Id => self.id,
            Kind::Trace => self.trace,
        }
    }

    pub(crate) fn link(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Id => self.id_link,
            Kind::Trace => self.trace_link,
        }
    }

    pub(crate) fn set_link(&mut self, kind: Kind, link: u32) {
        match kind {
            Kind::Id => self.id_link = link,
            Kind::Trace => self.trace_link = link,
        }
    }
}

/// Which id a chain joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Trace,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Id, Self::Trace];
}

/// The heads of chains: for each, the ordinal of its newest record plus one.
#[derive(Debug, Default)]
pub(crate) struct Heads(Vec<u64>);

impl Heads {
    /// Makes `record` the head of the chain of `hash`. Returns the link to the previous one.
    pub(crate) fn insert(&mut self, hash: u64, record: u64) -> u32 {
        let Some(head) = self.head_mut(hash) else {
            return 0;
        };
        let previous = std::mem::replace(head, record + 1);
        match previous.checked_sub(1) {
            // A distance that does not fit leads to an evicted record.
            Some(previous) => u32::try_from(record.saturating_sub(previous)).unwrap_or(0),
            None => 0,
        }
    }

    /// Returns the ordinal of the newest record of a chain; it may be evicted.
    pub(crate) fn newest(&self, hash: u64) -> Option<u64> {
        self.0.get(self.index(hash)?)?.checked_sub(1)
    }

    /// Returns true if the table is too small for this number of records.
    pub(crate) fn is_small_for(&self, records: usize) -> bool {
        records > 4 * self.0.len()
    }

    /// Empties the table, and makes it large enough for twice this number of records.
    pub(crate) fn reset(&mut self, records: usize) {
        // The old table is freed first.
        self.0 = Vec::new();
        self.0 = vec![0; (records / 2).max(64).next_power_of_two()];
    }

    /// Frees the table.
    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }

    fn head_mut(&mut self, hash: u64) -> Option<&mut u64> {
        let index = self.index(hash)?;
        self.0.get_mut(index)
    }

    fn index(&self, hash: u64) -> Option<usize> {
        let mask = self.0.len().checked_sub(1)?;
        // The length is a power of two, and the lower bits of the hash are enough.
        #[expect(clippy::cast_possible_truncation, reason = "the mask is applied")]
        Some(hash as usize & mask)
    }
}
