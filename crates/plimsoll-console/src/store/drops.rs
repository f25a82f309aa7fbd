//! Counts of what is not in the store, or not completely.

/// Why something is not in the store, or not completely.
///
/// Evictions are counted by the store itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drop {
    /// Lines longer than the limit, of which the beginning is kept.
    Cut,
    /// Lines with bytes that are not UTF-8, which are replaced.
    Unreadable,
    /// Records and spans that a receiver rejected.
    Rejected,
    /// Lines that were not echoed to the terminal, because it was too slow.
    Echo,
}

/// The counts since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Drops {
    pub(crate) evicted: u64,
    pub(crate) cut: u64,
    pub(crate) unreadable: u64,
    pub(crate) rejected: u64,
    pub(crate) echo: u64,
}

impl Drops {
    pub(crate) fn count(&mut self, drop: Drop, n: u64) {
        let count = match drop {
            Drop::Cut => &mut self.cut,
            Drop::Unreadable => &mut self.unreadable,
            Drop::Rejected => &mut self.rejected,
            Drop::Echo => &mut self.echo,
        };
        *count += n;
    }
}
