//! The state of a service, from its own records.
//!
//! A service with the contract writes `infra_app_ready`, `readiness_changed` and `shutdown_started`.
//! All other lines are skipped after a search in their first bytes, since every line passes here.

use memchr::memmem;
use serde::Serialize;
use serde_json::Value;

/// The part of a line that names its logger: the fields before `message` are short.
const HEAD: usize = 256;

/// The state of a service, as the API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Starting,
    Ready,
    NotReady,
    Draining,
    Exited,
    /// The process runs, and nothing is known about its readiness.
    Unknown,
}

/// What a record reports about its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    Ready {
        address: Option<String>,
        version: Option<String>,
        /// The process that has written the record; a shell or cargo may be around it.
        process: Option<u64>,
    },
    Readiness(bool),
    Shutdown,
}

/// Finds the records that report a state.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    logger: memmem::Finder<'static>,
}

impl Reports {
    pub(super) fn new() -> Self {
        Self {
            logger: memmem::Finder::new(b"infra"),
        }
    }

    /// Returns what a line reports, if it is such a record.
    pub(super) fn read(&self, line: &[u8]) -> Option<Report> {
        let head = &line[..line.len().min(HEAD)];
        if line.first() != Some(&b'{') || self.logger.find(head).is_none() {
            return None;
        }
        let record: Value = serde_json::from_slice(line).ok()?;
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        match record["message"].as_str()? {
            "infra_app_ready" => Some(Report::Ready {
                address: text("address"),
                version: text("version"),
                process: record["process"].as_u64(),
            }),
            "readiness_changed" => record["ready"].as_bool().map(Report::Readiness),
            "shutdown_started" => Some(Report::Shutdown),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_contract_report_the_state() {
        let reports = Reports::new();
        let read = |fields: &str| {
            let line = format!(r#"{{"levelname":"INFO","name":"infra",{fields}}}"#);
            reports.read(line.as_bytes())
        };
        let ready = Report::Ready {
            address: Some("127.0.0.1:80".to_owned()),
            version: Some("1".to_owned()),
            process: Some(7),
        };
        let record =
            r#""process":7,"message":"infra_app_ready","address":"127.0.0.1:80","version":"1""#;
        assert_eq!(read(record), Some(ready));
        let record = r#""message":"readiness_changed","ready":false"#;
        assert_eq!(read(record), Some(Report::Readiness(false)));
        let record = r#""message":"shutdown_started""#;
        assert_eq!(read(record), Some(Report::Shutdown));
        assert_eq!(read(r#""message":"signal_ignored""#), None);
        assert_eq!(reports.read(b"infra"), None);
        assert_eq!(reports.read(b"{infra"), None);
        assert_eq!(reports.read(b""), None);
    }
}
