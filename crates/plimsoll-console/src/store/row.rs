//! Rows of the views, as they are sent to the page.
//!
//! A value that a record does not have is `None`, which is `null` in JSON, and never zero.
//! Times are Unix seconds with milliseconds.

use std::{sync::Arc, time::SystemTime};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::{Exit, Stream};
use crate::ingest::fields::Level;

/// A request, from its access record.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestRow {
    /// The sequence number of the access record.
    pub(crate) n: u64,
    pub(crate) service: Arc<str>,
    pub(crate) run: u32,
    /// The time of the record minus `ms`; the time of the record if `ms` is not known.
    pub(crate) start: f64,
    pub(crate) method: Option<String>,
    pub(crate) route: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) ms: Option<f64>,
    pub(crate) id: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) aborted: bool,
    pub(crate) level: Option<Level>,
    /// The records of the request, with its access record; at most [`MAX_JOINED`](super::MAX_JOINED).
    pub(crate) records: usize,
    pub(crate) spans: Option<usize>,
}

/// A row of the log view.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum LogRow {
    Record(RecordRow),
    Marker(MarkerRow),
}

impl LogRow {
    #[cfg(test)]
    pub(crate) fn n(&self) -> u64 {
        match self {
            Self::Record(row) => row.n,
            Self::Marker(row) => row.n,
        }
    }
}

/// A record, or a line of text.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordRow {
    pub(crate) n: u64,
    pub(crate) service: Arc<str>,
    pub(crate) run: u32,
    /// The time of the record, or the time of arrival if the record has none.
    pub(crate) time: f64,
    pub(crate) level: Option<Level>,
    pub(crate) target: Option<String>,
    pub(crate) message: String,
    pub(crate) fields: Members,
    pub(crate) id: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) stream: Stream,
    /// The line was no JSON object; `message` is the line without escape sequences.
    pub(crate) text: bool,
    /// The line was longer than the limit; `message` is its beginning.
    pub(crate) cut: bool,
}

/// The beginning of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MarkerRow {
    pub(crate) n: u64,
    pub(crate) service: Arc<str>,
    pub(crate) run: u32,
    pub(crate) time: f64,
    /// Always `run`.
    pub(crate) marker: &'static str,
    pub(crate) pid: Option<u32>,
}

/// A request with everything that is known of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestDetail {
    pub(crate) request: RequestFull,
    /// The records of the request in the order of arrival, with its access record.
    pub(crate) records: Vec<LogRow>,
    pub(crate) spans: Vec<serde_json::Value>,
    pub(crate) missing_parents: Vec<String>,
    /// Another request of the run has the same id, so records may belong to that one.
    pub(crate) repeated_id: bool,
}

/// All members of an access record.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestFull {
    #[serde(flatten)]
    pub(crate) row: RequestRow,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) fields: Members,
}

/// Members of a record in their order, with the values as they were written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(pub(crate) Vec<(String, Box<RawValue>)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Rows, the newest first.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The `before` of the next page; `None` if there are no older rows.
    pub(crate) next: Option<u64>,
    /// From this time on, every record is kept.
    pub(crate) oldest: Option<f64>,
    /// False if the search was ended by its limit; `next` continues it.
    pub(crate) complete: bool,
}

/// Rows after a cursor, the newest last.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Changes<T> {
    /// The next call's `after`.
    pub(crate) cursor: u64,
    pub(crate) rows: Vec<T>,
    /// The older rows that match and were left out.
    pub(crate) skipped: u64,
    pub(crate) gap: Option<Gap>,
}

/// Sequence numbers of which records were evicted before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What the store contains.
#[derive(Debug, Clone)]
pub(crate) struct StoreState {
    pub(crate) store: StoreNumbers,
    /// In the order in which the services were named.
    pub(crate) services: Vec<ServiceState>,
}

/// The member `store` of the state and of ticks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct StoreNumbers {
    pub(crate) bytes: usize,
    pub(crate) budget: usize,
    pub(crate) records: u64,
    pub(crate) requests: u64,
    /// From this time on, every record is kept.
    pub(crate) oldest: Option<f64>,
    pub(crate) evicted: u64,
    pub(crate) cut: u64,
    pub(crate) unreadable: u64,
    pub(crate) rejected: u64,
    pub(crate) echo: u64,
}

/// The runs of a service.
#[derive(Debug, Clone)]
pub(crate) struct ServiceState {
    pub(crate) name: Arc<str>,
    /// The oldest first; the last one is the current run.
    pub(crate) runs: Vec<RunState>,
}

/// One run of a service.
#[derive(Debug, Clone)]
pub(crate) struct RunState {
    pub(crate) run: u32,
    pub(crate) pid: Option<u32>,
    pub(crate) began: SystemTime,
    pub(crate) ended: Option<SystemTime>,
    pub(crate) exit: Option<Exit>,
    /// Access records so far, also evicted ones.
    pub(crate) requests: u64,
    /// Records and lines so far, also evicted ones.
    pub(crate) records: u64,
}
