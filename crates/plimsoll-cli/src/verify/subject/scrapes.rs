//! Scrapes of a probe.

use std::time::Duration;

use tokio::time::sleep;

use super::Subject;
use crate::verify::evidence::Evidence;

/// The longest wait until a request is counted. It is counted after its response.
pub(in crate::verify) const COUNTED: Duration = Duration::from_secs(1);

/// The pause between two scrapes.
const PAUSE: Duration = Duration::from_millis(25);

impl Subject<'_> {
    /// Scrapes the metrics. Without TLS, all scrapes of a probe share a connection.
    pub(in crate::verify) async fn scrape(&mut self, name: &'static str) {
        match self.authority().is_ok() {
            true => self.get_encrypted(name, "/metrics").await,
            false => self.send_kept(name, "GET", "/metrics").await,
        }
    }

    /// Scrapes until the condition is met, or the time is over.
    pub(in crate::verify) async fn scrape_until(
        &mut self,
        name: &'static str,
        limit: Duration,
        is_counted: impl Fn(&Evidence) -> bool,
    ) {
        let end = self.wire.elapsed() + limit;
        loop {
            self.scrape(name).await;
            if is_counted(&self.evidence) || self.wire.elapsed() >= end {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Scrapes until a counter has risen by a number, or the time is over.
    pub(in crate::verify) async fn scrape_until_risen(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        by: usize,
    ) {
        let is_risen = |evidence: &Evidence| {
            let rise = evidence.rise(name, labels);
            rise.is_ok_and(|rise| rise >= by as f64)
        };
        self.scrape_until("after", COUNTED, is_risen).await;
    }
}
