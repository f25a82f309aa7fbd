//! A Prometheus server that scrapes a service under test.

use harness::Process;
use serde_json::Value;

use crate::support::{require_or_skip, scratch_file};

/// A running Prometheus. Its only job is `fixture`.
pub(crate) struct Prometheus {
    process: Process,
    data: String,
}

impl Prometheus {
    /// Starts a Prometheus with these arguments. Returns `None` if it is not installed.
    ///
    /// `name` is that of its files, so it must be unique among the tests.
    #[track_caller]
    pub(crate) fn start_or_skip(service: &Process, name: &str, arguments: &str) -> Option<Self> {
        if !require_or_skip("prometheus") {
            return None;
        }
        let config = format!(
            "scrape_configs:\n- job_name: fixture\n  scrape_interval: 200ms\n  \
             scrape_timeout: 200ms\n  static_configs:\n  - targets: ['{}']\n",
            service.addr()
        );
        let config = scratch_file(&format!("{name}.yml"), &config);
        let data = format!("{config}.data");
        // The harness has reserved the port of Prometheus.
        let script = format!(
            "exec prometheus --config.file={config} --storage.tsdb.path={data} {arguments} \
             --web.listen-address=127.0.0.1:$PORT"
        );
        let process = Process::spawn_with("/bin/sh", &["-c", &script], &[]);
        Some(Self { process, data })
    }

    /// Returns the response of the HTTP API to a query, or `None` unless the status is 200.
    pub(crate) fn api(&self, query: &str) -> Option<Value> {
        let mut connection = self.process.try_connect().ok()?;
        let answer = connection.get(&format!("/api/v1/{query}"));
        (answer.status == 200).then(|| answer.json())
    }

    /// Ends the process and removes its data.
    pub(crate) fn remove(self) {
        drop(self.process);
        std::fs::remove_dir_all(self.data).unwrap_or_default();
    }
}
