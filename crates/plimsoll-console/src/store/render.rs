//! Makes rows from records that were found.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;

use super::{
    Stream,
    index::Flags,
    row::{LogRow, MarkerRow, Members, RecordRow, RequestFull, RequestRow},
    search::Hit,
    seconds,
};
use crate::ingest::fields::{AccessFields, Record, Without};

/// The line of a marker.
#[derive(Deserialize)]
struct Marker {
    pid: Option<u32>,
}

/// Returns the line of a marker for the beginning of a run.
pub(super) fn marker(pid: Option<u32>) -> String {
    pid.map_or_else(|| "{}".to_owned(), |pid| format!("{{\"pid\":{pid}}}"))
}

/// Makes the row of the log view.
pub(super) fn log_row(hit: &Hit, service: Arc<str>) -> LogRow {
    let entry = &hit.entry;
    if entry.is_marker() {
        let marker: Option<Marker> = serde_json::from_str(&hit.line).ok();
        return LogRow::Marker(MarkerRow {
            n: entry.n,
            service,
            run: entry.run,
            time: seconds(entry.time),
            marker: "run",
            pid: marker.and_then(|marker| marker.pid),
        });
    }
    let record = match entry.flags.has(Flags::TEXT) {
        true => None,
        false => Record::parse(&hit.line),
    };
    let mut row = RecordRow {
        n: entry.n,
        service,
        run: entry.run,
        time: seconds(entry.time),
        level: entry.level(),
        target: None,
        message: String::new(),
        fields: Members::default(),
        id: None,
        trace: None,
        stream: Stream::of_number(entry.flags.stream()),
        text: record.is_none(),
        cut: entry.flags.has(Flags::CUT),
    };
    match record {
        None => row.message.clone_from(&hit.line),
        Some(record) => {
            row.fields = Members(record.others(&hit.line, Without::Leading));
            row.target = owned(record.target);
            row.message = owned(record.message).unwrap_or_default();
            row.id = owned(record.id);
            row.trace = owned(record.trace);
        }
    }
    LogRow::Record(row)
}

/// Makes the row of a request. `records` is the number of its records.
pub(super) fn request_row(hit: &Hit, service: Arc<str>, records: usize) -> RequestRow {
    let record = Record::parse(&hit.line).unwrap_or_default();
    request_row_of(hit, service, records, &record)
}

/// Makes the request with all members of its access record.
pub(super) fn request_full(hit: &Hit, service: Arc<str>, records: usize) -> RequestFull {
    let record = Record::parse(&hit.line).unwrap_or_default();
    let access = record.access.clone().unwrap_or_default();
    RequestFull {
        row: request_row_of(hit, service, records, &record),
        ip: owned(access.ip),
        user_agent: owned(access.user_agent),
        fields: Members(record.others(&hit.line, Without::Access)),
    }
}

fn request_row_of(hit: &Hit, service: Arc<str>, records: usize, record: &Record<'_>) -> RequestRow {
    let AccessFields {
        status,
        method,
        route,
        path,
        query,
        ms,
        aborted,
        ..
    } = record.access.clone().unwrap_or_default();
    let entry = &hit.entry;
    RequestRow {
        n: entry.n,
        service,
        run: entry.run,
        start: start(entry.time, ms),
        method: owned(method),
        route: owned(route),
        path: owned(path),
        query: owned(query),
        status,
        ms,
        id: owned(record.id.clone()),
        trace: owned(record.trace.clone()),
        aborted,
        level: entry.level(),
        records,
        spans: None,
    }
}

/// Returns the start of a request, to the millisecond.
fn start(time: i64, ms: Option<f64>) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the conversion saturates; latencies are far below its limit"
    )]
    let ms = ms.map_or(0, |ms| ms.round() as i64);
    seconds(time.saturating_sub(ms))
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}
