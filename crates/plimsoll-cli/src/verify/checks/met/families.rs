//! MET-5 to MET-7: all families, exact counts, and the form of an exposition.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use super::{COUNTER, counted, scrape_until_counted};
use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, each, require},
    metrics::Scrape,
    subject::{COUNTED, Subject, request},
};

/// Requests at the same time, for exact counts.
const TOGETHER: usize = 60;

pub(super) const CONNECTIONS: &[&str] = &[
    "http_connections_open",
    "http_connections_total",
    "http_connections_aged_total",
    "http_connections_rejected_total",
    "http_accept_errors_total",
    "http_protocol_errors_total",
];

pub(super) const SERVICE: &[&str] = &[
    "http_requests_in_flight",
    "http_requests_shed_total",
    "panics_total",
    "log_records_total",
    "log_records_dropped_total",
    "service_state",
];

/// The families of a process that all client libraries have.
pub(super) const PROCESS: &[&str] = &[
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
];

/// Sends requests at the same time, each over a connection of its own.
pub(super) async fn together(subject: &mut Subject<'_>) {
    subject.scrape("before").await;
    let wire = subject.wire();
    let mut requests = JoinSet::new();
    for _ in 0..TOGETHER {
        let nonce = subject.nonce();
        let bytes = request("GET", &format!("/.plimsoll/{nonce}"), &[]);
        requests.spawn(async move { wire.exchange("counted", nonce, bytes).await });
    }
    subject.add(requests.join_all().await);
    scrape_until_counted(subject, TOGETHER).await;
}

/// Judges that the counter has risen by the number of requests.
pub(super) fn exact(evidence: &Evidence) -> Judgement {
    let (before, after) = evidence.scrapes()?;
    let rise = counted(&after) - counted(&before);
    if evidence.start.is_none() && rise > TOGETHER as f64 {
        let reason = "a service at a URL can have other clients; pass a command";
        return Err(Fault::not_proven(reason));
    }
    let answered = evidence.exchanges("counted");
    let answered = answered.filter(|it| it.response().is_some()).count();
    if (answered as f64..=TOGETHER as f64).contains(&rise) {
        if answered == TOGETHER {
            return Ok(());
        }
        let reason = format!("{answered} of {TOGETHER} requests were answered");
        return Err(Fault::not_proven(reason));
    }
    let finding = Finding::new(
        format!("{TOGETHER} requests at once, between two scrapes"),
        format!("{COUNTER} rose by {rise}"),
        format!("a rise by {TOGETHER}"),
    );
    // Requests are counted after their responses.
    Err(match rise > TOGETHER as f64 {
        true => finding.into(),
        false => Fault::late(finding, COUNTED, evidence.lag),
    })
}

/// Judges that the scrape has all families.
pub(super) fn has(evidence: &Evidence, families: &[&str]) -> Judgement {
    let (_, scrape) = evidence.scrapes()?;
    each(families, |family| {
        let is_there =
            scrape.types.contains_key(*family) || scrape.samples(family).next().is_some();
        require(is_there, || {
            let received = format!("no family {family}");
            Finding::new("GET /metrics", received, format!("the family {family}")).about(*family)
        })
    })
}

/// Judges the form, as `promtool check metrics` and a scrape of Prometheus do.
pub(super) fn strict(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("before")?;
    let scrape = Scrape::of(exchange)?;
    let text = exchange.response().map(|response| response.text());
    let text = text.unwrap_or_default();
    let faults = [
        helps(&text, &scrape),
        counters(&scrape),
        repeated(&scrape),
        histograms(&scrape),
    ];
    each(faults.into_iter().flatten(), |(family, fault)| {
        let expected = "a text in which promtool check metrics finds nothing";
        Err(Finding::new("GET /metrics", fault, expected)
            .about(family)
            .into())
    })
}

type Faults = Vec<(String, String)>;

/// Finds families without a text.
fn helps(text: &str, scrape: &Scrape) -> Faults {
    let helps: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '))
        .filter(|(_, help)| !help.trim().is_empty())
        .map(|(name, _)| name)
        .collect();
    let missing = |family: &String| !helps.contains(family.as_str());
    let without_help = scrape.types.keys().filter(|family| missing(family));
    let without_help = without_help.map(|family| (family.clone(), format!("no HELP of {family}")));
    let names: BTreeSet<&str> = scrape.samples.iter().map(|it| it.name.as_str()).collect();
    let unknown = |name: &&str| family(scrape, name).is_none() && !helps.contains(name);
    let untyped = names.into_iter().filter(unknown);
    let untyped = untyped.map(|name| (name.to_owned(), format!("no HELP of {name}")));
    without_help.chain(untyped).collect()
}

/// Returns the family of a sample.
fn family<'a>(scrape: &'a Scrape, name: &'a str) -> Option<&'a str> {
    let suffixes = ["", "_bucket", "_sum", "_count"];
    let mut families = suffixes
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix));
    families.find(|family| scrape.types.contains_key(*family))
}

/// Finds counters without their suffix, and others with it.
fn counters(scrape: &Scrape) -> Faults {
    let faults = scrape.types.iter().filter_map(|(family, kind)| {
        match (kind.as_str(), family.ends_with("_total")) {
            ("counter", false) => Some((family, "a counter without _total")),
            ("gauge", true) => Some((family, "a gauge with _total")),
            _ => None,
        }
    });
    let faults = faults.map(|(family, fault)| (family.clone(), format!("{family}: {fault}")));
    faults.collect()
}

/// Finds series that occur twice, and families whose samples do not follow each other.
fn repeated(scrape: &Scrape) -> Faults {
    let mut series = BTreeSet::new();
    let mut ended = BTreeSet::new();
    let mut current = "";
    let mut faults = Vec::new();
    for sample in &scrape.samples {
        let family = family(scrape, &sample.name).unwrap_or(&sample.name);
        if !series.insert((&sample.name, &sample.labels)) {
            let fault = format!("{}{:?} twice", sample.name, sample.labels);
            faults.push((family.to_owned(), fault));
        }
        if family != current && !ended.insert(family) {
            faults.push((
                family.to_owned(),
                format!("samples of {family} in two places"),
            ));
        }
        current = family;
    }
    faults
}

/// Finds histograms whose buckets decrease, or whose last bucket is not the count.
fn histograms(scrape: &Scrape) -> Faults {
    let histograms = scrape.types.iter().filter(|(_, kind)| *kind == "histogram");
    let mut faults = Vec::new();
    for (family, _) in histograms {
        let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in scrape.samples(&format!("{family}_bucket")) {
            let mut labels = sample.labels.clone();
            let limit = match labels.remove("le").as_deref() {
                Some("+Inf") => f64::INFINITY,
                Some(limit) => limit.parse().unwrap_or(f64::NAN),
                None => f64::NAN,
            };
            buckets
                .entry(labels)
                .or_default()
                .push((limit, sample.value));
        }
        let name = format!("{family}_count");
        for sample in scrape.samples(&name) {
            let buckets = buckets.remove(&sample.labels).unwrap_or_default();
            let is_sorted = buckets.is_sorted_by(|one, two| one.0 < two.0 && one.1 <= two.1);
            let last = buckets.last().copied();
            if !is_sorted || last != Some((f64::INFINITY, sample.value)) {
                let fault = format!(
                    "{family}{:?}: buckets that do not rise up to the count {}",
                    sample.labels, sample.value
                );
                faults.push((family.clone(), fault));
            }
        }
    }
    faults
}
