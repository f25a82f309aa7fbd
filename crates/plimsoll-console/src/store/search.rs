//! Searches all records, the newest first.
//!
//! The lock is taken for one block at a time. Under it, the index decides which lines are needed. The lines
//! are then unpacked and compared outside, so that reading a service's output does not wait for a search.
//! Blocks of all services are read in the order of their newest record, and none is read before it can
//! contain the next row.

use std::{
    collections::{BinaryHeap, VecDeque},
    ops::Range,
};

use super::{
    Store,
    block::Content,
    filter::{Filter, Line, Matcher},
    index::Entry,
    inner::Service,
};

/// The most work of one search. One unit is about half a nanosecond.
const MAX_WORK: usize = 512 << 20;

/// The work to read a line as JSON.
const READ_WORK: usize = 4096;

/// The work to compare an entry of the index.
const ENTRY_WORK: usize = 16;

/// Which records a view has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Requests,
    Logs,
}

/// What is searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'f> {
    pub(super) view: View,
    pub(super) filter: &'f Filter,
    /// Only newer records, if not 0.
    pub(super) after: u64,
    /// Only older records.
    pub(super) before: u64,
    pub(super) limit: usize,
    /// Records beyond the limit are counted.
    pub(super) counts_all: bool,
}

/// A record that was found.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) service: usize,
    pub(super) entry: Entry,
    pub(super) line: String,
}

/// The result of a search.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest first.
    pub(super) hits: Vec<Hit>,
    /// The records that match. Without `counts_all` it is not exact.
    pub(super) total: u64,
    /// There may be older rows.
    pub(super) has_more: bool,
    /// The search was ended by its limit, and records up to this one were not compared.
    pub(super) unread_to: Option<u64>,
}

/// The lines of one block that can match.
#[derive(Debug, Default)]
struct Chunk {
    content: Option<Content>,
    /// The newest first, with the places of their lines in the block.
    candidates: Vec<(Entry, Range<usize>)>,
    /// Candidates beyond the limit, if no line has to be compared.
    uncopied: usize,
    /// Older records than this one are in other blocks.
    bound: u64,
    /// The newest of these.
    next: Option<u64>,
}

/// How far the records of one service have been read.
#[derive(Debug)]
struct Cursor {
    service: usize,
    bound: u64,
    hits: VecDeque<Hit>,
}

/// What compares lines, with buffers that are used for all blocks of a search.
#[derive(Debug)]
struct Reader<'f> {
    query: &'f Query<'f>,
    matcher: Option<Matcher<'f>>,
    unpacked: Vec<u8>,
    lower: Vec<u8>,
    work: usize,
}

pub(super) fn search(store: &Store, query: &Query<'_>) -> Found {
    let mut found = Found::default();
    let mut reader = Reader {
        query,
        matcher: query.filter.matcher(),
        unpacked: Vec::new(),
        lower: Vec::new(),
        work: 0,
    };
    // For each service, the newest record that it can contribute.
    let mut heap = BinaryHeap::new();
    let mut cursors = Vec::new();
    for (index, service) in store.lock().services.iter().enumerate() {
        if query.filter.admits_service(&service.name)
            && let Some(newest) = newest(service, query.before, query.after)
        {
            heap.push((newest, cursors.len()));
            cursors.push(Cursor {
                service: index,
                bound: query.before,
                hits: VecDeque::new(),
            });
        }
    }
    while let Some((key, position)) = heap.pop() {
        let Some(cursor) = cursors.get_mut(position) else {
            continue;
        };
        let left = query.limit - found.hits.len();
        if left == 0 && !query.counts_all {
            found.has_more = true;
            break;
        }
        if let Some(hit) = cursor.hits.pop_front()
            && left > 0
        {
            found.hits.push(hit);
        } else {
            if reader.work > MAX_WORK {
                found.unread_to = Some(key);
                found.has_more = true;
                break;
            }
            cursor.hits.clear();
            let chunk = reader.chunk(store, cursor.service, cursor.bound, left);
            found.total += chunk.uncopied as u64;
            cursor.bound = chunk.bound;
            let next = chunk.next;
            found.total += reader.compare(cursor.service, chunk, left, &mut cursor.hits);
            if !query.counts_all
                && cursor.hits.len() == left
                && let Some(oldest) = cursor.hits.back()
            {
                // The rest of the block was not compared.
                cursor.bound = oldest.entry.n;
            }
            if cursor.hits.is_empty() {
                heap.extend(next.map(|next| (next, position)));
                continue;
            }
        }
        let next = match cursor.hits.front() {
            Some(hit) => Some(hit.entry.n),
            None => {
                let inner = store.lock();
                let service = inner.services.get(cursor.service);
                service.and_then(|service| newest(service, cursor.bound, query.after))
            }
        };
        heap.extend(next.map(|next| (next, position)));
    }
    found
}

/// Returns the newest record between two.
fn newest(service: &Service, before: u64, after: u64) -> Option<u64> {
    let block = service.block_before(before)?;
    let end = block.entries.partition_point(|entry| entry.n < before);
    let entry = block.entries.get(end.checked_sub(1)?)?;
    (entry.n > after).then_some(entry.n)
}

impl Reader<'_> {
    /// Returns the candidates of the newest block before `bound`.
    fn chunk(&mut self, store: &Store, service: usize, bound: u64, left: usize) -> Chunk {
        let query = self.query;
        let inner = store.lock();
        let Some(service) = inner.services.get(service) else {
            return Chunk::default();
        };
        // It may have been evicted since; then there is nothing left.
        let Some(block) = service.block_before(bound) else {
            return Chunk::default();
        };
        let start = block
            .entries
            .partition_point(|entry| entry.n <= query.after);
        let end = block.entries.partition_point(|entry| entry.n < bound);
        self.work += end.saturating_sub(start) * ENTRY_WORK;
        let mut chunk = Chunk {
            bound: block.first_n(),
            next: newest(service, block.first_n(), query.after),
            ..Chunk::default()
        };
        for index in (start..end).rev() {
            let Some(entry) = block.entries.get(index) else {
                break;
            };
            let is_in_view = query.view == View::Logs || entry.is_access();
            if !is_in_view || !query.filter.admits(entry) {
                continue;
            }
            if self.matcher.is_some() || chunk.candidates.len() < left {
                chunk.candidates.push((*entry, block.range(index)));
            } else if query.counts_all {
                chunk.uncopied += 1;
            } else {
                break;
            }
        }
        if let (Some((_, newest)), Some((_, oldest))) =
            (chunk.candidates.first(), chunk.candidates.last())
        {
            chunk.content = Some(block.content(oldest.start..newest.end));
        }
        chunk
    }

    /// Compares the lines of a block. Adds up to `left` matches to `hits`; returns the number of all.
    fn compare(
        &mut self,
        service: usize,
        chunk: Chunk,
        left: usize,
        hits: &mut VecDeque<Hit>,
    ) -> u64 {
        let (lines, start) = match &chunk.content {
            None => return 0,
            Some(Content::Part(lines, start)) => (&**lines, *start),
            Some(Content::Packed(packed)) => {
                self.work += packed.len();
                (packed.unpack(&mut self.unpacked), 0)
            }
        };
        let ignores_case = self.matcher.as_ref().is_some_and(|m| m.ignores_case);
        let lower = if ignores_case {
            self.lower.clear();
            self.lower.extend_from_slice(lines);
            self.lower.make_ascii_lowercase();
            &*self.lower
        } else {
            lines
        };
        let mut matches = 0;
        let mut read = 0;
        for (entry, range) in chunk.candidates {
            let range = range.start.saturating_sub(start)..range.end.saturating_sub(start);
            let line = Line {
                bytes: lines.get(range.clone()).unwrap_or_default(),
                lower: lower.get(range).unwrap_or_default(),
            };
            let is_match = match &self.matcher {
                Some(matcher) => matcher.matches(&entry, line, &mut read),
                None => true,
            };
            if !is_match {
                continue;
            }
            matches += 1;
            if hits.len() < left {
                hits.push_back(Hit {
                    service,
                    entry,
                    line: String::from_utf8_lossy(line.bytes).into_owned(),
                });
            } else if !self.query.counts_all {
                break;
            }
        }
        self.work += read * READ_WORK;
        matches
    }
}
