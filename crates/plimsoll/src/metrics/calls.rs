//! Metrics of outgoing requests, by peer, method and outcome.
//!
//! # Invariants
//!
//! * Series are bounded by [`MAX_PEERS`] × methods × statuses. Further peers share [`OTHER`].
//! * A counter is the sum of its histogram's buckets, as for requests.

use std::{collections::BTreeMap, time::Duration};

use http::{Method, StatusCode};

use super::{
    bounded::OTHER,
    cells::{Series, Sums},
    definition as families,
    http::write_histogram,
    method::{LABELS, method_slot},
    routes::AppendOnly,
    shard::Shard,
    text::TextEncoder,
};
use crate::telemetry::thread_index;

/// The maximum number of peers with series of their own. The service names peers in its code or
/// settings, so few are expected.
const MAX_PEERS: usize = 100;

/// The index of a peer; 0 is [`OTHER`].
pub(crate) type PeerId = usize;

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Response(StatusCode),
    /// The client returned an error.
    Failed,
    /// The call was dropped before it was complete.
    Cancelled,
}

// Keys of calls without a status code: below every code, and not 0, which marks a free cell.
const FAILED: u16 = 1;
const CANCELLED: u16 = 2;

impl CallOutcome {
    fn key(self) -> u16 {
        match self {
            Self::Response(status) => status.as_u16(),
            Self::Failed => FAILED,
            Self::Cancelled => CANCELLED,
        }
    }
}

/// The value of the label `status`.
fn label(key: u16) -> String {
    match key {
        FAILED => "error".to_owned(),
        CANCELLED => "cancelled".to_owned(),
        status => status.to_string(),
    }
}

/// The counters and histograms of all peers.
#[derive(Debug)]
pub(crate) struct CallMetrics {
    peers: AppendOnly<CallPeer>,
    shards: usize,
}

#[derive(Debug)]
struct CallPeer {
    name: Box<str>,
    shards: Box<[Series]>,
}

impl CallMetrics {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            peers: AppendOnly::new(),
            shards: shards.max(1),
        }
    }

    /// Returns the index of a peer. It takes a lock, so it is called once per client.
    pub(crate) fn peer(&self, name: &str) -> PeerId {
        self.index(OTHER);
        let is_known = self.peers.iter().any(|peer| &*peer.name == name);
        if is_known || self.peers.iter().count() <= MAX_PEERS {
            self.index(name)
        } else {
            0
        }
    }

    fn index(&self, name: &str) -> PeerId {
        let index = self.peers.find_or_push(
            |peer| &*peer.name == name,
            || CallPeer {
                name: name.into(),
                shards: (0..self.shards).map(|_| Series::default()).collect(),
            },
        );
        index.unwrap_or(0)
    }

    pub(crate) fn observe(
        &self,
        peer: PeerId,
        method: &Method,
        outcome: CallOutcome,
        took: Duration,
    ) {
        if let Some(peer) = self.peers.get(peer) {
            let series = &peer.shards[thread_index() % peer.shards.len()];
            series.observe(Shard::SHARED, method_slot(method), outcome.key(), took);
        }
    }

    /// Renders both families, if the service has a client layer.
    pub(super) fn render(&self, out: &mut TextEncoder) {
        if self.peers.get(0).is_none() {
            return;
        }
        let all: Vec<_> = self
            .collect()
            .into_iter()
            .map(|((peer, slot, key), sums)| {
                let labels = [
                    ("peer", peer),
                    ("method", LABELS[slot as usize]),
                    ("status", &label(key)),
                ];
                (TextEncoder::labels(&labels), sums)
            })
            .collect();
        out.family(&families::CLIENT_REQUESTS);
        for (labels, sums) in &all {
            out.labelled("_total", labels, sums.buckets.iter().sum::<u64>());
        }
        out.family(&families::CLIENT_DURATION);
        for (labels, sums) in &all {
            write_histogram(out, labels, sums, |_| None::<&str>);
        }
    }

    fn collect(&self) -> BTreeMap<(&str, u32, u16), Sums> {
        let mut all: BTreeMap<_, Sums> = BTreeMap::new();
        for peer in self.peers.iter() {
            for shard in &peer.shards {
                shard.visit(|method, key, sums| {
                    let series = all.entry((&*peer.name, method, key)).or_default();
                    series.add(&sums);
                });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TextFormat;

    fn rendered(calls: &CallMetrics) -> String {
        let mut out = TextEncoder::new(TextFormat::Plain);
        calls.render(&mut out);
        out.finish()
    }

    /// OUT-2
    #[test]
    fn families_exist_only_with_a_client() {
        let calls = CallMetrics::new(2);
        assert_eq!(rendered(&calls), "");
        calls.peer("inventory");
        assert!(rendered(&calls).contains("# TYPE http_client_requests_total counter\n"));
    }

    /// OUT-2
    #[test]
    fn every_outcome_is_a_status() {
        let calls = CallMetrics::new(2);
        let peer = calls.peer("inventory");
        for outcome in [
            CallOutcome::Response(StatusCode::OK),
            CallOutcome::Response(StatusCode::OK),
            CallOutcome::Failed,
            CallOutcome::Cancelled,
        ] {
            calls.observe(peer, &Method::GET, outcome, Duration::from_millis(20));
        }
        let text = rendered(&calls);
        for (status, count) in [("200", 2), ("error", 1), ("cancelled", 1)] {
            let labels = format!("{{peer=\"inventory\",method=\"GET\",status=\"{status}\"}}");
            assert!(
                text.contains(&format!("http_client_requests_total{labels} {count}\n")),
                "{text}"
            );
            assert!(
                text.contains(&format!(
                    "http_client_request_duration_seconds_count{labels} {count}\n"
                )),
                "{text}"
            );
        }
    }

    /// OUT-2
    #[test]
    fn peers_beyond_the_limit_share_one_series() {
        let calls = CallMetrics::new(1);
        for number in 0..MAX_PEERS + 10 {
            let peer = calls.peer(&format!("peer-{number}"));
            assert_eq!(peer == 0, number >= MAX_PEERS, "{number}");
            assert_eq!(calls.peer(&format!("peer-{number}")), peer);
            calls.observe(peer, &Method::GET, CallOutcome::Failed, Duration::ZERO);
        }
        let labels = "{peer=\"_other\",method=\"GET\",status=\"error\"}";
        let text = rendered(&calls);
        assert!(
            text.contains(&format!("http_client_requests_total{labels} 10\n")),
            "{text}"
        );
        assert_eq!(
            text.matches("http_client_requests_total{").count(),
            MAX_PEERS + 1
        );
    }
}
