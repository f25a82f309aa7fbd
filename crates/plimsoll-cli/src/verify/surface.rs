//! The operational surface of the service: its paths, metric families and fields of records.
//!
//! Reports of two versions have comparable surfaces.
//! It is what the checks have seen, so a family without a sample is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{evidence::Evidence, metrics::Scrape};
use crate::wire::Exchange;

/// The most names of each kind, so that a service with random names has a short report.
const MAX_NAMES: usize = 500;

/// The surface so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Surface {
    /// The paths that answered GET with a status below 400.
    paths: BTreeSet<String>,
    /// The metric families.
    metrics: BTreeMap<String, Family>,
    /// The fields of records, by message.
    records: BTreeMap<String, BTreeSet<String>>,
}

/// A metric family.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Family {
    #[serde(rename = "type")]
    kind: String,
    labels: BTreeSet<String>,
}

impl Surface {
    /// Adds what the evidence of a probe shows.
    pub(super) fn add(&mut self, evidence: &Evidence) {
        for exchange in &evidence.exchanges {
            self.add_exchange(exchange);
        }
        for record in evidence.records().unwrap_or_default() {
            let message = record.text("message").unwrap_or_default();
            // The text of another message can contain anything.
            let message = if is_name(message) { message } else { "*" };
            if self.records.contains_key(message) || self.records.len() < MAX_NAMES {
                let fields = self.records.entry(message.to_owned()).or_default();
                fields.extend(record.names().map(str::to_owned));
            }
        }
    }

    fn add_exchange(&mut self, exchange: &Exchange) {
        let request = String::from_utf8_lossy(&exchange.request);
        let mut words = request.split([' ', '?', '\r']);
        let (Some("GET"), Some(path)) = (words.next(), words.next()) else {
            return;
        };
        let is_own = exchange.nonce.is_empty() || !path.contains(&exchange.nonce);
        let is_answered = exchange.status().is_some_and(|status| status < 400);
        if !is_answered || !is_own || self.paths.len() >= MAX_NAMES {
            return;
        }
        self.paths.insert(path.to_owned());
        if path != "/metrics" {
            return;
        }
        let Ok(scrape) = Scrape::of(exchange) else {
            return;
        };
        for sample in &scrape.samples {
            let (name, kind) = family(&scrape, &sample.name);
            if self.metrics.contains_key(name) || self.metrics.len() < MAX_NAMES {
                let family = self.metrics.entry(name.to_owned()).or_default();
                kind.clone_into(&mut family.kind);
                family.labels.extend(sample.labels.keys().cloned());
            }
        }
    }
}

/// Returns the name and type of the family of a sample.
fn family<'a>(scrape: &'a Scrape, sample: &'a str) -> (&'a str, &'a str) {
    let suffixes = ["", "_bucket", "_sum", "_count"].into_iter();
    let mut names = suffixes.filter_map(|suffix| sample.strip_suffix(suffix));
    let found = names.find_map(|name| {
        let kind = scrape.types.get(name)?;
        Some((name, kind.as_str()))
    });
    found.unwrap_or((sample, "untyped"))
}

fn is_name(message: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !message.is_empty() && message.len() <= 64 && message.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        target::{Line, Stream},
        verify::subject::request,
        wire::{Outcome, Response},
    };

    #[test]
    fn surface_has_paths_families_and_fields() {
        let answer = |path: &str, status, body: &str| {
            let outcome = Outcome::Answered(Response {
                status,
                headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
                body: body.as_bytes().to_vec(),
            });
            Exchange::recorded("test", &request("GET", path, &[]), outcome)
        };
        let metrics = "# TYPE a histogram\na_bucket{le=\"1\",path=\"/\"} 1\na_sum 1\na_count 1\nb{c=\"d\"} 1\n";
        let line = |text: &str| Line {
            stream: Stream::Out,
            bytes: text.as_bytes().to_vec(),
        };
        let evidence = Evidence {
            exchanges: vec![
                answer("/?a=1", 200, ""),
                answer("/missing", 404, ""),
                answer("/metrics", 200, metrics),
            ],
            lines: Some(vec![
                line(r#"{"message":"started","a":1}"#),
                line(r#"{"message":"started","b":1}"#),
                line(r#"{"message":"Hello, world","c":1}"#),
            ]),
            ..Evidence::default()
        };
        let mut surface = Surface::default();
        surface.add(&evidence);
        let surface = serde_json::to_value(surface).unwrap();
        let expected = serde_json::json!({
            "paths": ["/", "/metrics"],
            "metrics": {
                "a": { "type": "histogram", "labels": ["le", "path"] },
                "b": { "type": "untyped", "labels": ["c"] },
            },
            "records": {
                "*": ["c", "message"],
                "started": ["a", "b", "message"],
            },
        });
        assert_eq!(surface, expected);
    }
}
