//! The last recorded request of each bucket: its trace, for whoever wonders what took so long.
//!
//! One for each bucket of each series that a recorded request has fallen into, so as bounded as the
//! series are. Nobody waits: whoever finds the lock taken, by a scrape or by another request, leaves
//! the one that is there. A request that is not recorded never comes here.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::RouteId;
use crate::trace::SpanContext;

/// A series, and one of its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BucketKey {
    pub(super) route: RouteId,
    pub(super) method: u32,
    pub(super) status: u16,
    pub(super) bucket: usize,
}

/// A request that stands for its bucket. `Display` writes it as OpenMetrics has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exemplar {
    span: SpanContext,
    took: Duration,
    when: SystemTime,
}

/// The exemplars of all series.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<HashMap<BucketKey, Exemplar>>);

/// The exemplars at the time of a scrape.
#[derive(Debug)]
pub(super) struct Snapshot(HashMap<BucketKey, Exemplar>);

impl Exemplars {
    /// Puts a request in the place of the one that was there, if that costs no time.
    pub(super) fn put(&self, place: BucketKey, span: SpanContext, took: Duration) {
        if let Ok(mut all) = self.0.try_lock() {
            let when = SystemTime::now();
            all.insert(place, Exemplar { span, took, when });
        }
    }

    /// All of them, as they are now.
    pub(super) fn all(&self) -> Snapshot {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot(all.clone())
    }
}

impl Snapshot {
    /// That of a bucket, if there is one.
    pub(super) fn of(
        &self,
        route: RouteId,
        (method, status): (u32, u16),
        bucket: usize,
    ) -> Option<Exemplar> {
        let place = BucketKey {
            route,
            method,
            status,
            bucket,
        };
        self.0.get(&place).copied()
    }
}

impl fmt::Display for Exemplar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (self.span.trace_id_hex(), self.span.span_id_hex());
        let text = |digits| str::from_utf8(digits).unwrap_or_default();
        let when = self.when.duration_since(UNIX_EPOCH).unwrap_or_default();
        write!(
            f,
            " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}.{:03}",
            text(&trace),
            text(&span),
            self.took.as_secs_f64(),
            when.as_secs(),
            when.subsec_millis(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_request_stands_for_its_bucket_and_nobody_waits_for_a_scrape() {
        let exemplars = Exemplars::default();
        let place = BucketKey {
            route: 1,
            method: 0,
            status: 200,
            bucket: 3,
        };
        let put = |number: u8| {
            let span = SpanContext::root([number; 16], [number; 8], true);
            exemplars.put(place, span, Duration::from_millis(60));
        };
        put(1);
        put(2);
        let told = || exemplars.all().of(1, (0, 200), 3).unwrap().to_string();
        assert_eq!(exemplars.0.lock().unwrap().len(), 1);
        let text = told();
        let trace = "02".repeat(16);
        assert!(
            text.starts_with(&format!(
                " # {{trace_id=\"{trace}\",span_id=\"0202020202020202\"}} 0.06 "
            )),
            "{text}"
        );
        let scrape = exemplars.0.lock().unwrap();
        put(3);
        drop(scrape);
        assert!(told().contains(&trace));
    }
}
