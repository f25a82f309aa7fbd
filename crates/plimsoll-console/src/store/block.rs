//! A block: consecutive lines of one service, and their index.
//!
//! The newest block of a service is open. When it is full, it is sealed: its lines are compressed with LZ4
//! and never change again. Blocks are the unit of eviction.

use std::{ops::Range, sync::Arc};

use super::index::Entry;

/// The most entries of a block, for each 64 bytes of lines. Shorter lines fill the index first.
const BYTES_PER_ENTRY: usize = 64;

/// Consecutive lines of one service.
#[derive(Debug)]
pub(crate) struct Block {
    /// The ordinal of the first entry among all entries of the segment.
    pub(crate) first: u64,
    /// When the first line arrived, in milliseconds since the epoch.
    pub(crate) began: i64,
    pub(crate) entries: Vec<Entry>,
    lines: Lines,
    /// The entries that are copied to the reserve.
    pub(crate) failures: usize,
}

/// The buffers of an open block.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    lines: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Lines {
    Open(Vec<u8>),
    Sealed(Packed),
}

/// The compressed lines of a block.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    bytes: Arc<[u8]>,
    length: usize,
}

impl Packed {
    /// Returns the lines, in `buffer`.
    pub(crate) fn unpack<'a>(&self, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        buffer.resize(self.length, 0);
        // It was compressed by this process. After a fault of memory there would be no lines.
        let length = lz4_flex::block::decompress_into(&self.bytes, buffer).unwrap_or(0);
        buffer.truncate(length);
        buffer
    }

    /// Returns the length of the lines.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Returns true if both are lines of the same block.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }
}

/// Lines of a block, to be read outside the lock.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Packed(Packed),
    /// A part of an open block, which begins at this offset.
    Part(Vec<u8>, usize),
}

impl Block {
    /// Returns an open block, with the buffers of a sealed one.
    pub(crate) fn new(first: u64, began: i64, buffers: Buffers) -> Self {
        Self {
            first,
            began,
            entries: buffers.entries,
            lines: Lines::Open(buffers.lines),
            failures: 0,
        }
    }

    /// Returns true if a line can be added to a block of this size.
    pub(crate) fn has_space(&self, line: usize, size: usize) -> bool {
        let Lines::Open(lines) = &self.lines else {
            return false;
        };
        lines.is_empty() && self.entries.is_empty()
            || (lines.len() + line <= size && self.entries.len() < size / BYTES_PER_ENTRY)
    }

    /// Adds a line. Call it only after [`has_space`](Self::has_space).
    pub(crate) fn push(&mut self, mut entry: Entry, line: &[u8]) {
        if let Lines::Open(lines) = &mut self.lines {
            // A block has at most 1 MiB and a line.
            entry.offset = u32::try_from(lines.len()).unwrap_or(u32::MAX);
            self.failures += usize::from(entry.is_failure());
            lines.extend_from_slice(line);
            self.entries.push(entry);
        }
    }

    /// Compresses the lines, by way of `scratch`. Returns the buffers for the next block.
    ///
    /// What is kept is allocated in its exact size, and large buffers are used again, so that the heap does
    /// not fragment.
    pub(crate) fn seal(&mut self, scratch: &mut Vec<u8>) -> Buffers {
        let mut buffers = Buffers::default();
        if let Lines::Open(lines) = &mut self.lines {
            scratch.resize(lz4_flex::block::get_maximum_output_size(lines.len()), 0);
            // The buffer is large enough, so this is no error. Without it, the lines would be lost.
            let packed = lz4_flex::block::compress_into(lines, scratch).unwrap_or(0);
            let bytes = scratch.get(..packed).unwrap_or_default().into();
            let length = lines.len();
            buffers.lines = std::mem::take(lines);
            buffers.lines.clear();
            self.lines = Lines::Sealed(Packed { bytes, length });
            let exact = self.entries.as_slice().to_vec();
            buffers.entries = std::mem::replace(&mut self.entries, exact);
            buffers.entries.clear();
        }
        buffers
    }

    /// Returns the memory that the block takes.
    pub(crate) fn bytes(&self) -> usize {
        let lines = match &self.lines {
            Lines::Open(lines) => lines.capacity(),
            Lines::Sealed(packed) => packed.bytes.len(),
        };
        size_of::<Self>() + self.entries.capacity() * size_of::<Entry>() + lines
    }

    pub(crate) fn first_n(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.n)
    }

    pub(crate) fn last_n(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.n)
    }

    /// Returns where the line of an entry is.
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        let length = match &self.lines {
            Lines::Open(lines) => lines.len(),
            Lines::Sealed(packed) => packed.length,
        };
        let offset = |index: usize| self.entries.get(index).map(|entry| entry.offset as usize);
        offset(index).unwrap_or(length)..offset(index + 1).unwrap_or(length)
    }

    /// Returns lines to be read outside the lock; only those of `range` are copied.
    pub(crate) fn content(&self, range: Range<usize>) -> Content {
        match &self.lines {
            Lines::Sealed(packed) => Content::Packed(packed.clone()),
            Lines::Open(lines) => {
                let start = range.start;
                Content::Part(lines.get(range).unwrap_or_default().to_vec(), start)
            }
        }
    }

    /// Returns all lines.
    pub(crate) fn lines<'a>(&'a self, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.lines {
            Lines::Open(lines) => lines,
            Lines::Sealed(packed) => packed.unpack(buffer),
        }
    }
}
