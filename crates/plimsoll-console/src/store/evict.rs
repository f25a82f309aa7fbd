//! Budgets, and what is evicted when one is used up.
//!
//! Every service has an equal share of the budget. The service furthest above its share loses its oldest
//! block first, so a noisy service evicts its own records before those of others.
//! Failed requests with their records in the same block, and records of ERROR and above, are copied to the
//! reserve, which has a budget of its own and is evicted in the same way.

use std::collections::HashSet;

use super::{
    block::Block,
    index::Entry,
    inner::{Inner, Service},
};

/// The smallest memory; a smaller one would not keep a few long lines of each service.
const MIN_MEMORY: usize = 4 << 20;

/// How `--memory` is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Lines of all services: a half.
    pub(crate) records: usize,
    /// Failures whose blocks were evicted: a twentieth.
    pub(crate) reserve: usize,
    /// Spans: three tenths.
    pub(crate) spans: usize,
    /// Series of metrics: the rest.
    pub(crate) series: usize,
}

impl Budget {
    /// Divides the memory, in bytes.
    pub(crate) fn of(memory: usize) -> Self {
        let memory = memory.max(MIN_MEMORY);
        let (records, reserve, spans) = (memory / 2, memory / 20, memory / 10 * 3);
        Self {
            records,
            reserve,
            spans,
            series: memory - records - reserve - spans,
        }
    }
}

/// Returns the size of the blocks for a budget: at most 1 MiB, so that even small budgets have several.
pub(super) fn block_size(budget: usize) -> usize {
    (budget / 32).clamp(4 << 10, 1 << 20)
}

impl Inner {
    /// Evicts until both budgets are kept. `now` is in milliseconds since the epoch.
    pub(super) fn evict(&mut self, now: i64) {
        // Names and runs are not evicted, so they reduce what is left for records.
        let fixed = self.fixed_bytes();
        while self.records_bytes + fixed > self.budget.records {
            let Some(service) = largest(&mut self.services, |service| service.main.bytes()) else {
                break;
            };
            let before = service.main.bytes();
            let Some(block) = service.main.evict() else {
                break;
            };
            self.records_bytes -= before - service.main.bytes();
            let before = service.reserve.bytes();
            let next = service.main.blocks().front();
            service.evicted_until = Some(next.map_or(now, |block| block.began));
            let evicted = rescue(service, &block, &mut self.scratch);
            self.reserve_bytes = self.reserve_bytes + service.reserve.bytes() - before;
            self.count_evicted(evicted);
        }
        while self.reserve_bytes > self.budget.reserve {
            let Some(service) = largest(&mut self.services, |service| service.reserve.bytes())
            else {
                break;
            };
            let before = service.reserve.bytes();
            let Some(block) = service.reserve.evict() else {
                break;
            };
            self.reserve_bytes -= before - service.reserve.bytes();
            service.evicted_to = service.evicted_to.max(block.last_n());
            let mut evicted = Evicted::default();
            block.entries.iter().for_each(|entry| evicted.add(entry));
            self.count_evicted(evicted);
        }
    }

    fn count_evicted(&mut self, evicted: Evicted) {
        self.drops.evicted += evicted.records;
        self.records = self.records.saturating_sub(evicted.records);
        self.requests = self.requests.saturating_sub(evicted.requests);
    }
}

/// Returns the service with the most bytes. All shares are equal, so it is furthest above its share.
fn largest(services: &mut [Service], bytes: impl Fn(&Service) -> usize) -> Option<&mut Service> {
    services.iter_mut().max_by_key(|service| bytes(service))
}

/// What was evicted from one block.
#[derive(Debug, Clone, Copy, Default)]
struct Evicted {
    records: u64,
    requests: u64,
}

impl Evicted {
    fn add(&mut self, entry: &Entry) {
        self.records += u64::from(!entry.is_marker());
        self.requests += u64::from(entry.is_access());
    }
}

/// Copies the failures of an evicted block to the reserve. Returns what is lost.
fn rescue(service: &mut Service, block: &Block, scratch: &mut Vec<u8>) -> Evicted {
    let mut evicted = Evicted::default();
    let mut buffer = Vec::new();
    let (lines, failed) = if block.failures == 0 {
        (Default::default(), HashSet::new())
    } else {
        let failed = block.entries.iter();
        let failed =
            failed.filter(|entry| entry.is_access() && entry.is_failure() && entry.id != 0);
        (
            block.lines(&mut buffer),
            failed.map(|entry| (entry.run, entry.id)).collect(),
        )
    };
    for (index, entry) in block.entries.iter().enumerate() {
        let is_kept = block.failures > 0
            && !entry.is_marker()
            && (entry.is_failure() || failed.contains(&(entry.run, entry.id)));
        if is_kept && let Some(line) = lines.get(block.range(index)) {
            service.reserve.push(*entry, line, block.began, scratch);
        } else {
            evicted.add(entry);
            service.evicted_to = service.evicted_to.max(entry.n);
        }
    }
    evicted
}
