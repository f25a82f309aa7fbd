//! Joins records to requests, by request id within a run and by trace id.
//!
//! A request has the records of its service and run with its request id. Of its trace it has the records of
//! other services, and those of its own service that have no request id.
//! If an id is repeated in a run, a request has the records since the previous request of this id.
//! That is exact only if these requests did not overlap, so the detail marks it.

use super::{
    MAX_JOINED, Store,
    block::{Content, Packed},
    index::{Entry, Kind},
    inner::{Inner, Place, Service},
    search::Hit,
};
use crate::ingest::fields::Record;

/// The records of a request.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Service and sequence number of each, in no order, at most [`MAX_JOINED`].
    pub(super) records: Vec<(usize, u64)>,
    /// The run has another request with this id.
    pub(super) is_repeated: bool,
}

impl Inner {
    /// Returns the records of a request, by the hashes of its ids.
    pub(super) fn joined(&self, service: usize, n: u64) -> Joined {
        let mut joined = Joined {
            records: vec![(service, n)],
            is_repeated: false,
        };
        if let Some(own) = self.services.get(service)
            && let Some(place) = own.find(n)
            && let Some(request) = place.entry()
        {
            if request.id != 0 {
                joined.add_older(service, own, place, request);
                joined.add_newer(service, own, request);
            }
            if request.trace != 0 {
                joined.add_trace(service, request, &self.services);
            }
        }
        joined
    }

    /// Returns the records of a trace, by the hash of its id.
    pub(super) fn joined_trace(&self, trace: u64, max: usize) -> Vec<(usize, u64)> {
        let services = self.services.iter().enumerate();
        let records = services.flat_map(|(index, service)| {
            [&service.main, &service.reserve]
                .into_iter()
                .flat_map(move |segment| segment.chain(Kind::Trace, trace))
                .map(move |entry| (index, entry.n))
        });
        records.take(max).collect()
    }
}

impl Joined {
    fn is_full(&self) -> bool {
        self.records.len() >= MAX_JOINED
    }

    /// Adds the records since the previous request with this id.
    fn add_older(&mut self, service: usize, own: &Service, place: Place<'_>, request: &Entry) {
        let older = place
            .segment
            .chain_before(Kind::Id, place.block, place.index);
        let is_in_reserve = std::ptr::eq(place.segment, &raw const own.reserve);
        let reserve = (!is_in_reserve).then(|| own.reserve.chain(Kind::Id, request.id));
        for entry in older.chain(reserve.into_iter().flatten()) {
            if self.is_full() || entry.run != request.run {
                return;
            }
            if entry.is_access() {
                self.is_repeated = true;
                return;
            }
            self.records.push((service, entry.n));
        }
    }

    /// Adds later records: tasks can log after the end of their request.
    fn add_newer(&mut self, service: usize, own: &Service, request: &Entry) {
        let before = self.records.len();
        let segments = [&own.main, &own.reserve].into_iter();
        let newer = segments
            .flat_map(|segment| segment.chain(Kind::Id, request.id))
            .take_while(|entry| entry.n > request.n)
            .filter(|entry| entry.run == request.run);
        for entry in newer {
            if entry.is_access() {
                // All later records may be of that request.
                self.is_repeated = true;
                self.records.truncate(before);
                return;
            }
            if self.is_full() {
                return;
            }
            self.records.push((service, entry.n));
        }
    }

    fn add_trace(&mut self, service: usize, request: &Entry, services: &[Service]) {
        for (index, other) in services.iter().enumerate() {
            for segment in [&other.main, &other.reserve] {
                for entry in segment.chain(Kind::Trace, request.trace) {
                    if self.is_full() {
                        return;
                    }
                    if index != service || (entry.id == 0 && entry.n != request.n) {
                        self.records.push((index, entry.n));
                    }
                }
            }
        }
    }
}

/// Reads the lines of records, outside the lock. Returns them in the order of arrival.
pub(super) fn read(store: &Store, mut records: Vec<(usize, u64)>) -> Vec<Hit> {
    // Records of one block are read together.
    records.sort_unstable();
    records.dedup();
    let places: Vec<_> = {
        let inner = store.lock();
        let place = |(service, n): (usize, u64)| {
            let place = inner.services.get(service)?.find(n)?;
            let range = place.block.range(place.index);
            let content = place.block.content(range.clone());
            Some((service, *place.entry()?, range, content))
        };
        records.into_iter().filter_map(place).collect()
    };
    let mut unpacked: Option<Packed> = None;
    let mut buffer = Vec::new();
    let mut hits: Vec<Hit> = Vec::with_capacity(places.len());
    for (service, entry, range, content) in places {
        let line = match &content {
            Content::Part(line, _) => &**line,
            Content::Packed(packed) => {
                if !unpacked.as_ref().is_some_and(|last| last.is_same(packed)) {
                    packed.unpack(&mut buffer);
                    unpacked = Some(packed.clone());
                }
                buffer.get(range).unwrap_or_default()
            }
        };
        hits.push(Hit {
            service,
            entry,
            line: String::from_utf8_lossy(line).into_owned(),
        });
    }
    hits.sort_unstable_by_key(|hit| hit.entry.n);
    hits
}

/// Removes records whose hashes are those of the request, but not their ids.
pub(super) fn keep_same_ids(hits: &mut Vec<Hit>, request: &Hit) {
    let Some(own) = Record::parse(&request.line) else {
        return;
    };
    hits.retain(|hit| {
        let is_same = |record: &Record<'_>| {
            let has_id = hit.service == request.service && own.id.is_some() && record.id == own.id;
            has_id || (own.trace.is_some() && record.trace == own.trace)
        };
        hit.entry.n == request.entry.n || Record::parse(&hit.line).as_ref().is_some_and(is_same)
    });
}
