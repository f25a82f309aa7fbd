//! Spans of one service in the order of arrival: ids and times as they are, the text compressed.

use std::{ops::Range, sync::Arc};

use super::{NewSpan, SpanId, SpanKind, SpanStatus, TraceId};

/// The bytes of text with which a block is sealed.
const FULL: usize = 64 << 10;

/// The number of spans with which a block is sealed.
const MAX_ENTRIES: usize = 1024;

/// The bytes of a block beside entries and text, with the overhead of two allocations.
const BLOCK: usize = size_of::<Block>() + 64;

/// A block. The last one of a service is open, the others are sealed.
#[derive(Debug)]
pub(super) struct Block {
    entries: Vec<Entry>,
    text: Text,
}

/// The text of a block, or of one span.
#[derive(Debug)]
pub(super) enum Text {
    Open(Vec<u8>),
    /// Compressed, with the length of the text before it.
    Sealed(Arc<[u8]>),
}

/// A span without its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) run: Option<u32>,
    pub(super) kind: SpanKind,
    pub(super) status: SpanStatus,
    /// The position of the text in that of the block.
    offset: u32,
    length: u32,
}

impl Entry {
    pub(super) fn range(&self) -> Range<usize> {
        let offset = self.offset as usize;
        offset..offset + self.length as usize
    }
}

impl Default for Block {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            text: Text::Open(Vec::new()),
        }
    }
}

impl Block {
    /// Appends a span to an open block, and returns its index. A full block is sealed.
    pub(super) fn push(&mut self, span: &NewSpan<'_>) -> u16 {
        let Text::Open(text) = &mut self.text else {
            // Not reached: the caller begins a new block after a sealed one.
            return u16::MAX;
        };
        #[expect(clippy::cast_possible_truncation, reason = "a text has at most 2 MiB")]
        let (offset, length) = (text.len() as u32, span.detail.len() as u32);
        text.extend_from_slice(span.detail);
        let is_full = text.len() >= FULL;
        #[expect(clippy::cast_possible_truncation, reason = "MAX_ENTRIES is less")]
        let index = self.entries.len() as u16;
        self.entries.push(Entry {
            trace: span.trace,
            id: span.id,
            parent: span.parent,
            start: span.start,
            end: span.end,
            run: span.run,
            kind: span.kind,
            status: span.status,
            offset,
            length,
        });
        if is_full || self.entries.len() >= MAX_ENTRIES {
            self.seal();
        }
        index
    }

    fn seal(&mut self) {
        if let Text::Open(text) = &self.text {
            let packed = lz4_flex::compress_prepend_size(text);
            self.text = Text::Sealed(packed.into());
            self.entries.shrink_to_fit();
        }
    }

    pub(super) const fn is_sealed(&self) -> bool {
        matches!(self.text, Text::Sealed(_))
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) const fn text(&self) -> &Text {
        &self.text
    }

    /// Returns the earliest start, if a span has one.
    pub(super) fn oldest(&self) -> Option<u64> {
        let starts = self.entries.iter().map(|entry| entry.start);
        starts.filter(|start| *start > 0).min()
    }

    /// Returns the allocated bytes.
    pub(super) fn bytes(&self) -> usize {
        let text = match &self.text {
            Text::Open(text) => text.capacity(),
            Text::Sealed(text) => text.len(),
        };
        BLOCK + self.entries.capacity() * size_of::<Entry>() + text
    }
}
