//! Exemplars: the last recorded request of each histogram bucket, with its trace id.
//!
//! There is at most one for each bucket of each series, so their number is bounded as series are.
//! An update never waits: if a scrape or another request holds the lock, the old exemplar stays.
//! Requests that are not recorded do not take this path.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::RouteId;
use crate::{
    sync::{Mutex, lock},
    trace::SpanContext,
};

/// A bucket of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BucketKey {
    pub(super) route: RouteId,
    pub(super) method: u32,
    pub(super) status: u16,
    pub(super) bucket: usize,
}

/// The exemplar of a bucket. `Display` writes it in the syntax of OpenMetrics.
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
    /// Replaces the exemplar of a bucket, unless the lock is held.
    pub(super) fn put(&self, bucket: BucketKey, span: SpanContext, took: Duration) {
        if let Ok(mut all) = self.0.try_lock() {
            let when = SystemTime::now();
            all.insert(bucket, Exemplar { span, took, when });
        }
    }

    /// Copies all exemplars.
    pub(super) fn all(&self) -> Snapshot {
        Snapshot(lock(&self.0).clone())
    }
}

impl Snapshot {
    /// The exemplar of a bucket.
    pub(super) fn of(
        &self,
        route: RouteId,
        (method, status): (u32, u16),
        bucket: usize,
    ) -> Option<Exemplar> {
        let key = BucketKey {
            route,
            method,
            status,
            bucket,
        };
        self.0.get(&key).copied()
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

    /// TRC-8
    #[test]
    fn last_request_is_the_exemplar_and_a_scrape_blocks_none() {
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
        let rendered = || exemplars.all().of(1, (0, 200), 3).unwrap().to_string();
        assert_eq!(exemplars.0.lock().unwrap().len(), 1);
        let text = rendered();
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
        assert!(rendered().contains(&trace));
    }
}
