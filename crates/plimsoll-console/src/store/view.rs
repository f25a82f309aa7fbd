//! The views: pages, changes after a cursor, and single requests.

use std::sync::Arc;

use super::{
    Changes, Filter, Gap, LogRow, MAX_JOINED, Page, RequestDetail, RequestRow, ServiceId, Store,
    index::Entry,
    inner::Place,
    join, line, render,
    search::{self, Found, Hit, Query, View},
    seconds,
};
use crate::ingest::fields::Record;

impl Store {
    /// Returns the newest requests that match and are older than `before`.
    pub(crate) fn requests(
        &self,
        filter: &Filter,
        before: Option<u64>,
        limit: usize,
    ) -> Page<RequestRow> {
        self.page(View::Requests, filter, before, limit, Self::request_rows)
    }

    /// Returns the newest records that match and are older than `before`.
    pub(crate) fn logs(&self, filter: &Filter, before: Option<u64>, limit: usize) -> Page<LogRow> {
        self.page(View::Logs, filter, before, limit, Self::log_rows)
    }

    /// Returns the newest `max` requests after the cursor `after`; 0 is the cursor of a new client.
    pub(crate) fn requests_after(
        &self,
        filter: &Filter,
        after: u64,
        max: usize,
    ) -> Changes<RequestRow> {
        self.changes(View::Requests, filter, after, max, Self::request_rows)
    }

    /// Returns the newest `max` records after the cursor `after`; 0 is the cursor of a new client.
    pub(crate) fn logs_after(&self, filter: &Filter, after: u64, max: usize) -> Changes<LogRow> {
        self.changes(View::Logs, filter, after, max, Self::log_rows)
    }

    /// Returns the request whose access record has this sequence number.
    pub(crate) fn request(&self, n: u64) -> Option<RequestDetail> {
        let (service, joined) = {
            let inner = self.lock();
            let services = inner.services.iter();
            let is_access = |place: Place<'_>| place.entry().is_some_and(Entry::is_access);
            let service = services
                .enumerate()
                .find(|(_, service)| service.find(n).is_some_and(is_access))?
                .0;
            (service, inner.joined(service, n))
        };
        let mut hits = join::read(self, joined.records);
        let own = hits.iter().find(|hit| hit.entry.n == n)?.clone();
        join::keep_same_ids(&mut hits, &own);
        let mut records = self.log_rows(&hits);
        records.truncate(MAX_JOINED);
        let name = self.name(ServiceId(u16::try_from(service).ok()?))?;
        Some(RequestDetail {
            request: render::request_full(&own, name, records.len()),
            records,
            spans: Vec::new(),
            missing_parents: Vec::new(),
            repeated_id: joined.is_repeated,
        })
    }

    /// Returns records of a trace, of all services, in the order of arrival.
    pub(crate) fn trace(&self, trace: &str, max: usize) -> Vec<LogRow> {
        self.log_rows(&self.trace_hits(trace, max))
    }

    /// Returns requests of a trace, of all services, in the order of arrival.
    pub(crate) fn trace_requests(&self, trace: &str, max: usize) -> Vec<RequestRow> {
        let mut hits = self.trace_hits(trace, max);
        hits.retain(|hit| hit.entry.is_access());
        self.request_rows(&hits)
    }

    fn search(&self, view: View, filter: &Filter, after: u64, before: u64, limit: usize) -> Found {
        let query = Query {
            view,
            filter,
            after,
            before,
            limit,
            counts_all: after > 0,
        };
        search::search(self, &query)
    }

    fn page<T>(
        &self,
        view: View,
        filter: &Filter,
        before: Option<u64>,
        limit: usize,
        rows: impl Fn(&Self, &[Hit]) -> Vec<T>,
    ) -> Page<T> {
        let found = self.search(view, filter, 0, before.unwrap_or(u64::MAX), limit);
        let last = found.hits.last().map(|hit| hit.entry.n);
        let next = match found.unread_to {
            Some(unread) => Some(unread + 1),
            None => last.filter(|_| found.has_more),
        };
        Page {
            items: rows(self, &found.hits),
            next,
            oldest: self.lock().oldest().map(seconds),
            complete: found.unread_to.is_none(),
        }
    }

    fn changes<T>(
        &self,
        view: View,
        filter: &Filter,
        after: u64,
        max: usize,
        rows: impl Fn(&Self, &[Hit]) -> Vec<T>,
    ) -> Changes<T> {
        let cursor = self.latest();
        let mut found = self.search(view, filter, after, cursor.saturating_add(1), max);
        found.hits.reverse();
        let rows = rows(self, &found.hits);
        let missed = if after == 0 {
            None
        } else {
            let inner = self.lock();
            let services = inner.services.iter();
            let services = services.filter(|service| filter.admits_service(&service.name));
            let evicted = services.map(|service| service.evicted_to.min(cursor)).max();
            evicted.max(found.unread_to)
        };
        Changes {
            cursor,
            skipped: if after == 0 {
                0
            } else {
                found.total.saturating_sub(rows.len() as u64)
            },
            rows,
            gap: missed.filter(|to| *to > after).map(|to| Gap {
                from: after + 1,
                to,
            }),
        }
    }

    fn trace_hits(&self, trace: &str, max: usize) -> Vec<Hit> {
        let records = self
            .lock()
            .joined_trace(line::key(&self.hasher, Some(trace)), max);
        let mut hits = join::read(self, records);
        hits.retain(|hit| {
            let record = Record::parse(&hit.line);
            record.is_some_and(|record| record.trace.as_deref() == Some(trace))
        });
        hits
    }

    fn log_rows(&self, hits: &[Hit]) -> Vec<LogRow> {
        let names = self.names();
        let row = |hit: &Hit| Some(render::log_row(hit, names.get(hit.service)?.clone()));
        hits.iter().filter_map(row).collect()
    }

    fn request_rows(&self, hits: &[Hit]) -> Vec<RequestRow> {
        let names = self.names();
        let counts: Vec<usize> = {
            let inner = self.lock();
            let count = |hit: &Hit| inner.joined(hit.service, hit.entry.n).records.len();
            hits.iter().map(count).collect()
        };
        let row = |(hit, count): (&Hit, usize)| {
            Some(render::request_row(
                hit,
                names.get(hit.service)?.clone(),
                count,
            ))
        };
        hits.iter().zip(counts).filter_map(row).collect()
    }

    fn names(&self) -> Vec<Arc<str>> {
        let inner = self.lock();
        let names = inner.services.iter();
        names.map(|service| Arc::clone(&service.name)).collect()
    }
}
