//! Tests of the whole store.

mod budget;
mod cursor;
mod joins;
mod keeping;
mod views;

use std::time::Duration;

use super::*;

/// A time to begin with: 2026-11-29 00:00:00.
const BASE: u64 = 1_795_910_400;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(BASE + seconds)
}

/// A store with one service, to which lines are pushed.
#[derive(Debug)]
struct Fixture {
    store: Store,
    service: ServiceId,
}

impl Fixture {
    fn new(memory: usize) -> Self {
        let store = Store::new(memory);
        let service = store.service("orders");
        Self { store, service }
    }

    fn push(&self, line: &str) -> u64 {
        self.push_to(self.service, line)
    }

    fn push_to(&self, service: ServiceId, line: &str) -> u64 {
        self.store
            .push(service, Stream::Stdout, at(0), line.as_bytes())
    }

    fn requests(&self, filter: &str) -> Vec<RequestRow> {
        let filter = Filter::parse(filter).unwrap();
        self.store.requests(&filter, None, 1000).items
    }

    fn logs(&self, filter: &str) -> Vec<LogRow> {
        let filter = Filter::parse(filter).unwrap();
        self.store.logs(&filter, None, 1000).items
    }

    fn run(&self) -> u32 {
        self.store.begin_run(
            self.service,
            Run {
                pid: Some(7),
                began: at(0),
            },
        )
    }
}

fn access(id: &str, status: u16, more: &str) -> String {
    format!(
        r#"{{"asctime":"2026-11-29 09:19:45,026","levelname":"{}","name":"http","message":"http_request","request_id":"{id}","status":{status},"method":"GET","path":"/orders/{{id}}","rawPath":"/orders/7","latencyMs":12.5{more}}}"#,
        if status >= 500 { "ERROR" } else { "INFO" }
    )
}

fn record(id: &str, level: &str, message: &str) -> String {
    format!(
        r#"{{"levelname":"{level}","name":"orders::db","message":"{message}","request_id":"{id}"}}"#
    )
}

fn ns(rows: &[LogRow]) -> Vec<u64> {
    rows.iter().map(LogRow::n).collect()
}

/// A store so small that few lines fill it.
const SMALL: usize = 4 << 20;

/// Pushes records that do not compress, in total about this many bytes.
fn fill(fixture: &Fixture, service: ServiceId, bytes: usize) {
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{:016x}", state >> 8)
    };
    let mut left = bytes;
    while left > 0 {
        let text: String = (0..60).map(|_| random()).collect();
        fixture.push_to(service, &record(&random(), "INFO", &text));
        left = left.saturating_sub(text.len());
    }
}
