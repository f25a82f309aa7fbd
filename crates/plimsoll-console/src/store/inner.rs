//! What the lock of the store protects: the services with their segments, and the counts.

use std::{sync::Arc, time::SystemTime};

use super::{
    ServiceId,
    block::Block,
    drops::Drops,
    evict::{Budget, block_size},
    index::Entry,
    row::{RunState, ServiceState, StoreNumbers, StoreState},
    runs::{MAX_RUNS, Runs},
    segment::Segment,
};

/// The most services. Those of OTLP name themselves, so the number needs a limit.
const MAX_SERVICES: usize = 256;

/// The service of lines of all services beyond the limit.
const OTHER_SERVICES: &str = "(other services)";

/// The longest name of a service, in bytes.
const MAX_NAME: usize = 128;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) budget: Budget,
    /// The newest sequence number.
    pub(super) latest: u64,
    pub(super) services: Vec<Service>,
    pub(super) drops: Drops,
    /// Records that are kept.
    pub(super) records: u64,
    /// Access records that are kept.
    pub(super) requests: u64,
    pub(super) records_bytes: usize,
    pub(super) reserve_bytes: usize,
    /// A buffer for compression.
    pub(super) scratch: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: Arc<str>,
    pub(super) runs: Runs,
    pub(super) main: Segment,
    pub(super) reserve: Segment,
    /// The newest record that was evicted and is not in the reserve; 0 if there is none.
    pub(super) evicted_to: u64,
    /// From this time on, everything is kept; in milliseconds since the epoch.
    pub(super) evicted_until: Option<i64>,
}

impl Inner {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            latest: 0,
            services: Vec::new(),
            drops: Drops::default(),
            records: 0,
            requests: 0,
            records_bytes: 0,
            reserve_bytes: 0,
            scratch: Vec::new(),
        }
    }

    /// Returns the id of a service, which is made at the first call.
    pub(super) fn service(&mut self, name: &str) -> ServiceId {
        let mut end = name.len().min(MAX_NAME);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = name.get(..end).unwrap_or_default();
        let name = match self.position(name) {
            Some(index) => return id(index),
            None if self.services.len() < MAX_SERVICES => name,
            None => OTHER_SERVICES,
        };
        let index = self.position(name).unwrap_or_else(|| {
            self.services.push(Service {
                name: name.into(),
                runs: Runs::default(),
                main: Segment::new(block_size(self.budget.records)),
                reserve: Segment::new(block_size(self.budget.reserve)),
                evicted_to: 0,
                evicted_until: None,
            });
            self.services.len() - 1
        });
        id(index)
    }

    fn position(&self, name: &str) -> Option<usize> {
        let mut services = self.services.iter();
        services.position(|service| *service.name == *name)
    }

    pub(super) fn at(&self, service: ServiceId) -> Option<&Service> {
        self.services.get(usize::from(service.0))
    }

    /// Adds a line. Returns its sequence number and its run.
    pub(super) fn push(
        &mut self,
        service: ServiceId,
        mut entry: Entry,
        line: &[u8],
        received: SystemTime,
    ) -> (u64, u32) {
        let Some(service) = self.services.get_mut(usize::from(service.0)) else {
            return (self.latest, 0);
        };
        self.latest += 1;
        entry.n = self.latest;
        if let Some(run) = service.runs.current(received) {
            entry.run = run.run;
            run.records += u64::from(!entry.is_marker());
            run.requests += u64::from(entry.is_access());
        }
        self.records += u64::from(!entry.is_marker());
        self.requests += u64::from(entry.is_access());
        let now = super::milliseconds(received);
        let before = service.main.bytes();
        service.main.push(entry, line, now, &mut self.scratch);
        self.records_bytes = self.records_bytes + service.main.bytes() - before;
        self.evict(now);
        (entry.n, entry.run)
    }

    /// Returns the memory of what is never evicted: a buffer, and names and runs of services, at their most.
    pub(super) fn fixed_bytes(&self) -> usize {
        let for_each = MAX_NAME + 2 * size_of::<usize>() + MAX_RUNS * size_of::<RunState>();
        self.services.capacity() * size_of::<Service>()
            + self.services.len() * for_each
            + self.scratch.capacity()
    }

    /// Returns the time from which on everything is kept, in milliseconds since the epoch.
    pub(super) fn oldest(&self) -> Option<i64> {
        let evicted = self.services.iter().filter_map(|s| s.evicted_until).max();
        evicted.or_else(|| {
            let first = |service: &Service| service.main.blocks().front().map(|block| block.began);
            self.services.iter().filter_map(first).min()
        })
    }

    pub(super) fn state(&self) -> StoreState {
        let services = self.services.iter().map(|service| ServiceState {
            name: Arc::clone(&service.name),
            runs: service.runs.states(),
        });
        StoreState {
            store: self.numbers(),
            services: services.collect(),
        }
    }

    pub(super) fn numbers(&self) -> StoreNumbers {
        StoreNumbers {
            bytes: self.records_bytes + self.reserve_bytes + self.fixed_bytes(),
            budget: self.budget.records + self.budget.reserve,
            records: self.records,
            requests: self.requests,
            oldest: self.oldest().map(super::seconds),
            evicted: self.drops.evicted,
            cut: self.drops.cut,
            unreadable: self.drops.unreadable,
            rejected: self.drops.rejected,
            echo: self.drops.echo,
        }
    }
}

impl Service {
    /// Returns the newest block with a record older than `before`.
    pub(super) fn block_before(&self, before: u64) -> Option<&Block> {
        let main = self.main.block_before(before);
        main.or_else(|| self.reserve.block_before(before))
    }

    /// Returns where a record is.
    pub(super) fn find(&self, n: u64) -> Option<Place<'_>> {
        let place = |segment, (block, index)| Place {
            segment,
            block,
            index,
        };
        match self.main.find(n) {
            Some(found) => Some(place(&self.main, found)),
            None => Some(place(&self.reserve, self.reserve.find(n)?)),
        }
    }
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) segment: &'a Segment,
    pub(super) block: &'a Block,
    pub(super) index: usize,
}

impl<'a> Place<'a> {
    pub(super) fn entry(&self) -> Option<&'a Entry> {
        self.block.entries.get(self.index)
    }
}

/// The number of services is limited, so the index fits.
fn id(index: usize) -> ServiceId {
    ServiceId(u16::try_from(index).unwrap_or(u16::MAX))
}
