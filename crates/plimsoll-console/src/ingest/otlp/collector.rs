//! Passes what a body contains to the stores.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Encoding, InvalidBody, Sink, access, decode, detail, line,
    message::{LogRecord, Resource, Scope, Span},
    names::{Instances, Origin},
    response::Partial,
};
use crate::store::{
    Drop, RunState, ServiceId, Store, Stream,
    span::{NewSpan, SpanKind, SpanStatus, Spans},
};

/// The most services that are known by their telemetry alone.
const MAX_SERVICES: usize = 64;

/// The stores, and what is needed to find services.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    store: Arc<Store>,
    spans: Arc<Spans>,
    instances: Instances,
    requests: Arc<Requests>,
}

/// The number of access records that were written for spans, by service.
#[derive(Debug, Default)]
struct Requests(Mutex<HashMap<ServiceId, u64>>);

impl Requests {
    /// Counts a record. This precedes its storage, so that the store never seems to have more.
    fn count(&self, service: ServiceId) {
        *self.lock().entry(service).or_default() += 1;
    }

    /// Whether the service has written access records itself.
    fn are_logged(&self, service: ServiceId, runs: &[RunState]) -> bool {
        let all: u64 = runs.iter().map(|run| run.requests).sum();
        all > self.lock().get(&service).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a body.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) partial: Partial,
    /// If it is an error, the items before the fault are kept.
    pub(crate) result: Result<(), InvalidBody>,
}

impl Collector {
    pub(crate) fn new(store: Arc<Store>, spans: Arc<Spans>, instances: Instances) -> Self {
        Self {
            store,
            spans,
            instances,
            requests: Arc::default(),
        }
    }

    /// Stores the spans of a body.
    pub(crate) fn traces(&self, body: &[u8], encoding: Encoding) -> Outcome {
        let mut sink = StoreSink::new(self);
        let (cuts, result) = decode::<Span<'_>>(body, encoding, &mut sink);
        sink.partial.cuts = cuts;
        self.finish(sink.partial, result)
    }

    /// Stores the log records of a body.
    pub(crate) fn logs(&self, body: &[u8], encoding: Encoding) -> Outcome {
        let mut sink = StoreSink::new(self);
        let (cuts, result) = decode::<LogRecord<'_>>(body, encoding, &mut sink);
        let own = sink.partial.cuts.attributes;
        sink.partial.cuts = cuts;
        sink.partial.cuts.attributes += own;
        self.finish(sink.partial, result)
    }

    fn finish(&self, partial: Partial, result: Result<(), InvalidBody>) -> Outcome {
        for (drop, count) in [
            (Drop::Rejected, partial.rejected),
            (Drop::Cut, partial.cuts.total()),
        ] {
            if count > 0 {
                self.store.count(drop, count);
            }
        }
        Outcome { partial, result }
    }
}

/// The process that items are of.
#[derive(Debug)]
struct Process {
    /// `None` if there are too many services.
    service: Option<ServiceId>,
    /// The run that the resource has.
    run: Option<u32>,
    runs: Vec<RunState>,
    /// Whether requests are known from access records, so that spans need none.
    logs_requests: bool,
}

impl Process {
    fn find(collector: &Collector, origin: &Origin) -> Self {
        let store = &collector.store;
        let services = store.state().services;
        let count = services.len();
        let known = services
            .into_iter()
            .find(|known| *known.name == origin.service);
        let is_admitted = known.is_some() || count < MAX_SERVICES;
        let service = is_admitted.then(|| store.service(&origin.service));
        let runs = known.map(|known| known.runs).unwrap_or_default();
        let is_logged = |service| collector.requests.are_logged(service, &runs);
        let logs_requests = service.is_some_and(is_logged);
        Self {
            service,
            run: origin.run,
            runs,
            logs_requests,
        }
    }

    /// Returns the run of a moment: the last one that had begun.
    fn run_at(&self, nanos: u64) -> Option<u32> {
        let time = UNIX_EPOCH + Duration::from_nanos(nanos);
        let mut runs = self.runs.iter().rev();
        // A run without a pid began with its first line, which can be later than its first span.
        let found = runs.find(|run| run.began <= time || run.pid.is_none());
        self.run.or_else(|| found.map(|run| run.run))
    }
}

struct StoreSink<'c> {
    collector: &'c Collector,
    received: SystemTime,
    /// The origin of the current items.
    origin: Origin,
    /// Found at the first item of this origin.
    process: Option<Process>,
    partial: Partial,
    buffer: Vec<u8>,
}

impl<'c> StoreSink<'c> {
    fn new(collector: &'c Collector) -> Self {
        Self {
            collector,
            received: SystemTime::now(),
            origin: Origin::default(),
            process: None,
            partial: Partial::default(),
            buffer: Vec::new(),
        }
    }

    fn begin(&mut self, resource: &Resource<'_>) {
        let origin = self.collector.instances.origin(resource);
        if origin != self.origin {
            self.origin = origin;
            self.process = None;
        }
    }

    /// Returns the process of the current items, or rejects one.
    fn process(&mut self) -> Option<&Process> {
        let Self {
            collector,
            process,
            origin,
            ..
        } = self;
        let process = process.get_or_insert_with(|| Process::find(collector, origin));
        if process.service.is_none() {
            self.reject(format_args!("there are more than {MAX_SERVICES} services"));
        }
        self.process.as_ref()
    }

    fn reject(&mut self, reason: impl ToString) {
        self.partial.rejected += 1;
        self.partial
            .reason
            .get_or_insert_with(|| reason.to_string());
    }
}

impl<'a> Sink<'a, Span<'a>> for StoreSink<'_> {
    fn resource(&mut self, resource: &Resource<'a>) {
        self.begin(resource);
    }

    fn item(&mut self, scope: &Scope<'a>, span: Span<'a>, is_cut: bool) {
        let Some((service, run, logs_requests)) = self.process().and_then(|process| {
            let run = process.run_at(span.start);
            Some((process.service?, run, process.logs_requests))
        }) else {
            return;
        };
        let (None, Some(trace), Some(id)) = (span.fault, span.trace, span.id) else {
            let fault = span.fault.map(|fault| fault.to_string());
            return self.reject(fault.unwrap_or_default());
        };
        detail::write(&mut self.buffer, scope, &span, is_cut);
        self.collector.spans.push(&NewSpan {
            trace,
            id,
            parent: span.parent,
            service,
            run,
            kind: SpanKind::from_number(span.kind),
            status: SpanStatus::from_number(span.status.code),
            start: span.start,
            end: span.end,
            detail: &self.buffer,
        });
        if !logs_requests && access::write(&mut self.buffer, &span) {
            self.collector.requests.count(service);
            let store = &self.collector.store;
            store.push(service, Stream::Otlp, self.received, &self.buffer);
        }
    }
}

impl<'a> Sink<'a, LogRecord<'a>> for StoreSink<'_> {
    fn resource(&mut self, resource: &Resource<'a>) {
        self.begin(resource);
    }

    fn item(&mut self, scope: &Scope<'a>, record: LogRecord<'a>, _is_cut: bool) {
        let Some(service) = self.process().and_then(|process| process.service) else {
            return;
        };
        self.partial.cuts.attributes += line::write(&mut self.buffer, scope, &record);
        let store = &self.collector.store;
        store.push(service, Stream::Otlp, self.received, &self.buffer);
    }
}

#[cfg(test)]
mod tests;
