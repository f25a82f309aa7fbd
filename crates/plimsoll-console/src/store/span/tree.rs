//! The order of spans in a waterfall.
//!
//! Any ids can arrive: repeated ones, parents that are not there, and cycles.
//! Every span is listed once, except that of a batch that was sent twice.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{SpanId, block::Entry};

/// The order of spans.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Indices of spans: a parent before its children, children by their start.
    pub(super) indices: Vec<usize>,
    /// The parents that are not there, in the order of their ids.
    pub(super) missing: Vec<SpanId>,
}

/// Returns the order of these spans.
pub(super) fn order<'a>(entries: impl Iterator<Item = &'a Entry>) -> Order {
    let entries: Vec<&Entry> = entries.collect();
    // A repeated id with the same times is the same span.
    let mut seen = HashSet::new();
    let mut unique: Vec<usize> = (0..entries.len())
        .filter(|&index| {
            let Entry { id, start, end, .. } = entries[index];
            seen.insert((id, start, end))
        })
        .collect();
    unique.sort_by_key(|&index| (entries[index].start, index));

    let ids: HashSet<SpanId> = entries.iter().map(|entry| entry.id).collect();
    let mut missing = BTreeSet::new();
    let mut roots = Vec::new();
    let mut children: HashMap<SpanId, Vec<usize>> = HashMap::new();
    for &index in &unique {
        match entries[index].parent {
            Some(parent) if ids.contains(&parent) => {
                children.entry(parent).or_default().push(index)
            }
            parent => {
                missing.extend(parent);
                roots.push(index);
            }
        }
    }
    let mut walk = Walk {
        entries: &entries,
        children,
        indices: Vec::with_capacity(unique.len()),
        is_listed: vec![false; entries.len()],
    };
    for root in roots {
        walk.list(root);
    }
    // What is left is part of a cycle, or below one: it begins with the earliest span.
    for index in unique {
        walk.list(index);
    }
    Order {
        indices: walk.indices,
        missing: missing.into_iter().collect(),
    }
}

struct Walk<'a> {
    entries: &'a [&'a Entry],
    children: HashMap<SpanId, Vec<usize>>,
    indices: Vec<usize>,
    is_listed: Vec<bool>,
}

impl Walk<'_> {
    /// Lists a span and those below it, without recursion: a trace can be one long chain.
    fn list(&mut self, root: usize) {
        let mut stack = vec![root];
        while let Some(index) = stack.pop() {
            if std::mem::replace(&mut self.is_listed[index], true) {
                continue;
            }
            self.indices.push(index);
            // Removed, so that a repeated id does not list them again.
            let children = self.children.remove(&self.entries[index].id);
            stack.extend(children.into_iter().flatten().rev());
        }
    }
}
