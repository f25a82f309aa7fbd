//! A segment: the blocks of one service in the order of arrival, and the chains through them.
//!
//! A service has two segments: its lines, and those of failures that outlive their block (the reserve).
//! Everything in the reserve is older than all other lines of the service.

use std::collections::VecDeque;

use super::{
    block::{Block, Buffers},
    index::{Entry, Heads, Kind},
};

/// Blocks of one service.
#[derive(Debug)]
pub(crate) struct Segment {
    blocks: VecDeque<Block>,
    ids: Heads,
    traces: Heads,
    /// The ordinal of the next entry.
    next: u64,
    /// The memory of all blocks and heads.
    bytes: usize,
    block_size: usize,
}

impl Segment {
    pub(crate) fn new(block_size: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            ids: Heads::default(),
            traces: Heads::default(),
            next: 0,
            bytes: 0,
            block_size,
        }
    }

    /// Adds a line. `received` is in milliseconds since the epoch; `scratch` is a buffer for compression.
    pub(crate) fn push(
        &mut self,
        mut entry: Entry,
        line: &[u8],
        received: i64,
        scratch: &mut Vec<u8>,
    ) {
        let has_space = self
            .blocks
            .back()
            .is_some_and(|block| block.has_space(line.len(), self.block_size));
        if !has_space {
            let mut buffers = Buffers::default();
            if let Some(block) = self.blocks.back_mut() {
                let before = block.bytes();
                buffers = block.seal(scratch);
                self.bytes = (self.bytes + block.bytes()).saturating_sub(before);
            }
            let block = Block::new(self.next, received, buffers);
            self.bytes += block.bytes();
            self.blocks.push_back(block);
        }
        for kind in Kind::ALL {
            let key = entry.key(kind);
            if key != 0 {
                self.grow(kind);
                let record = self.next;
                entry.set_link(kind, self.heads_mut(kind).insert(key, record));
            }
        }
        if let Some(block) = self.blocks.back_mut() {
            let before = block.bytes();
            block.push(entry, line);
            self.bytes = (self.bytes + block.bytes()).saturating_sub(before);
        }
        self.next += 1;
    }

    /// Removes the oldest block.
    pub(crate) fn evict(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        self.bytes = self.bytes.saturating_sub(block.bytes());
        if self.blocks.is_empty() {
            for kind in Kind::ALL {
                let bytes = self.heads_mut(kind).bytes();
                self.heads_mut(kind).clear();
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
        Some(block)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn blocks(&self) -> &VecDeque<Block> {
        &self.blocks
    }

    /// Returns the newest block with a record older than `before`.
    pub(crate) fn block_before(&self, before: u64) -> Option<&Block> {
        let end = self
            .blocks
            .partition_point(|block| block.first_n() < before);
        self.blocks.get(end.checked_sub(1)?)
    }

    /// Returns the block of a record, and its index there.
    pub(crate) fn find(&self, n: u64) -> Option<(&Block, usize)> {
        let block = self.block_before(n.saturating_add(1))?;
        let index = block.entries.binary_search_by_key(&n, |entry| entry.n);
        Some((block, index.ok()?))
    }

    /// Returns the records with a hash, the newest first.
    pub(crate) fn chain(&self, kind: Kind, hash: u64) -> Chain<'_> {
        let next = if hash == 0 {
            None
        } else {
            self.heads(kind).newest(hash)
        };
        Chain {
            segment: self,
            kind,
            hash,
            next,
        }
    }

    /// Returns the records with the hash of a record that are older than it, the newest first.
    pub(crate) fn chain_before(&self, kind: Kind, block: &Block, index: usize) -> Chain<'_> {
        let entry = block.entries.get(index);
        let next = entry.and_then(|entry| previous(block.first + index as u64, entry, kind));
        Chain {
            segment: self,
            kind,
            hash: entry.map_or(0, |entry| entry.key(kind)),
            next,
        }
    }

    fn entry(&self, record: u64) -> Option<&Entry> {
        let end = self.blocks.partition_point(|block| block.first <= record);
        let block = self.blocks.get(end.checked_sub(1)?)?;
        block
            .entries
            .get(usize::try_from(record - block.first).ok()?)
    }

    /// Makes the table of heads larger if chains would become long, and links all records again.
    fn grow(&mut self, kind: Kind) {
        let first = self.blocks.front().map_or(self.next, |block| block.first);
        let records = usize::try_from(self.next - first).unwrap_or(usize::MAX);
        let heads = match kind {
            Kind::Id => &mut self.ids,
            Kind::Trace => &mut self.traces,
        };
        if !heads.is_small_for(records + 1) {
            return;
        }
        let before = heads.bytes();
        heads.reset(records);
        self.bytes = (self.bytes + heads.bytes()).saturating_sub(before);
        for block in &mut self.blocks {
            for (record, entry) in (block.first..).zip(&mut block.entries) {
                let key = entry.key(kind);
                if key != 0 {
                    entry.set_link(kind, heads.insert(key, record));
                }
            }
        }
    }

    fn heads(&self, kind: Kind) -> &Heads {
        match kind {
            Kind::Id => &self.ids,
            Kind::Trace => &self.traces,
        }
    }

    fn heads_mut(&mut self, kind: Kind) -> &mut Heads {
        match kind {
            Kind::Id => &mut self.ids,
            Kind::Trace => &mut self.traces,
        }
    }
}

fn previous(record: u64, entry: &Entry, kind: Kind) -> Option<u64> {
    match entry.link(kind) {
        0 => None,
        link => record.checked_sub(u64::from(link)),
    }
}

/// The records of a chain with one hash, the newest first.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    segment: &'a Segment,
    kind: Kind,
    hash: u64,
    next: Option<u64>,
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        loop {
            let record = self.next?;
            let entry = self.segment.entry(record)?;
            self.next = previous(record, entry, self.kind);
            if entry.key(self.kind) == self.hash {
                return Some(entry);
            }
        }
    }
}
