//! MET and LOG-5: metrics of requests, as differences between two scrapes.

mod families;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::sleep;

use crate::verify::{
    evidence::Evidence,
    judgement::{self, Finding, Judgement, require},
    metrics::{Sample, Scrape},
    probe::{Observation, Probe},
    scenario::{BASE, SERVICE_NAME},
    subject::{COUNTED, Subject},
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(requests(subject))),
        checks: &[
            ("MET-1:counts", counts),
            ("LOG-5:counted", probe_is_counted),
            ("MET-2:histogram", histogram),
            ("MET-2:buckets", buckets),
            ("MET-3:build", build),
            ("MET-4:paths", bounded),
            ("MET-6:connections", |evidence| {
                families::has(evidence, families::CONNECTIONS)
            }),
            ("MET-6:service", |evidence| {
                families::has(evidence, families::SERVICE)
            }),
            ("MET-6:process", |evidence| {
                families::has(evidence, families::PROCESS)
            }),
            ("MET-7:strict", families::strict),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(repeated(subject))),
        checks: &[("MET-5:falls", never_falls), ("MET-5:equal", equal)],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(methods(subject))),
        checks: &[("MET-4:methods", bounded)],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(families::together(subject))),
        checks: &[("MET-5:exact", families::exact)],
    },
];

const COUNTER: &str = "http_requests_total";
const HISTOGRAM: &str = "http_request_duration_seconds";

/// The labels of both.
const LABELS: [&str; 4] = ["service", "method", "path", "status"];

/// The upper limits of the buckets, in seconds.
const BUCKETS: [f64; 15] = [
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    f64::INFINITY,
];

/// Requests to the root.
const ROOT: usize = 3;

/// Requests with random paths or methods.
const RANDOM: usize = 20;

/// The most series that random requests may add.
const MAX_SERIES: usize = 5;

/// The time for requests that are counted late.
const PAUSE: Duration = Duration::from_millis(25);

/// The scrapes that are compared with each other.
const REPEATED: usize = 40;

async fn repeated(subject: &mut Subject<'_>) {
    for _ in 0..REPEATED {
        subject.get("counted", "/", &[]).await;
        subject.get("scrape", "/metrics", &[]).await;
    }
}

async fn requests(subject: &mut Subject<'_>) {
    subject.scrape("before").await;
    for _ in 0..ROOT {
        subject.send_kept("counted", "GET", "/").await;
    }
    for _ in 0..RANDOM {
        let path = "/.plimsoll/{nonce}/{nonce}";
        subject.send_kept("counted", "GET", path).await;
    }
    subject.send_kept("probe", "GET", "/health").await;
    scrape_until_counted(subject, ROOT + RANDOM + 1).await;
}

async fn methods(subject: &mut Subject<'_>) {
    subject.scrape("before").await;
    for _ in 0..RANDOM {
        subject
            .send_kept("counted", "X{nonce}", "/.plimsoll/method")
            .await;
    }
    scrape_until_counted(subject, RANDOM).await;
}

/// Scrapes until the requests are counted, and once more.
async fn scrape_until_counted(subject: &mut Subject<'_>, requests: usize) {
    let before = subject.evidence().exchange("before");
    let before = before.ok().and_then(|before| Scrape::of(before).ok());
    let Some(before) = before else { return };
    let expected = counted(&before) + requests as f64;
    let is_counted = |evidence: &Evidence| {
        let after = evidence.exchanges("after").last();
        let after = after.and_then(|after| Scrape::of(after).ok());
        after.is_some_and(|after| counted(&after) >= expected)
    };
    subject.scrape_until("after", COUNTED, is_counted).await;
    // A service that counts scrapes under another path reaches the number early.
    sleep(PAUSE).await;
    subject.scrape("after").await;
}

/// Returns the number of counted requests without scrapes.
fn counted(scrape: &Scrape) -> f64 {
    let samples = scrape.samples(COUNTER);
    let others = samples.filter(|sample| sample.label("path") != Some("/metrics"));
    others.map(|sample| sample.value).sum()
}

/// Returns the statuses of the probe's requests, each with its number of requests.
fn statuses(evidence: &Evidence) -> BTreeMap<String, usize> {
    let mut statuses = BTreeMap::new();
    for exchange in evidence.exchanges("counted") {
        if let Some(status) = exchange.status() {
            *statuses.entry(status.to_string()).or_default() += 1;
        }
    }
    statuses
}

/// Judges that `name` has risen by the number of requests of each status, with all labels.
fn rises(evidence: &Evidence, name: &str) -> Judgement {
    let (before, after) = evidence.scrapes()?;
    let sent = format!(
        "{} requests between two scrapes",
        evidence.exchanges("counted").count()
    );
    for (status, requests) in statuses(evidence) {
        let labels = [("method", "GET"), ("status", status.as_str())];
        let count = |scrape: &Scrape| {
            let samples = scrape.samples(name).filter(|sample| {
                let mut labels = labels.iter();
                sample.label("path") != Some("/metrics")
                    && labels.all(|(label, value)| sample.label(label) == Some(value))
            });
            samples.map(|sample| sample.value).sum::<f64>()
        };
        let rise = count(&after) - count(&before);
        require(rise >= requests as f64, || {
            let series = format!("{name}{{method=\"GET\",status=\"{status}\"}}");
            let received = format!("{series} rose by {rise}");
            Finding::new(&sent, received, format!("a rise by {requests}")).about(name)
        })?;
    }
    for sample in after.samples(name) {
        let has_labels = LABELS.iter().all(|label| sample.label(label).is_some());
        let service = sample.label("service");
        let is_named = evidence.start.is_none() || service == Some(SERVICE_NAME);
        require(has_labels && is_named, || {
            let expected = format!("the labels {}, service={SERVICE_NAME:?}", LABELS.join(", "));
            Finding::new(
                "GET /metrics",
                format!("{name}{:?}", sample.labels),
                expected,
            )
        })?;
    }
    Ok(())
}

fn counts(evidence: &Evidence) -> Judgement {
    rises(evidence, COUNTER)
}

fn histogram(evidence: &Evidence) -> Judgement {
    rises(evidence, "http_request_duration_seconds_count")?;
    let (_, after) = evidence.scrapes()?;
    let kind = after.types.get(HISTOGRAM).map_or("missing", String::as_str);
    require(kind == "histogram", || {
        let received = format!("TYPE of {HISTOGRAM}: {kind}");
        Finding::new("GET /metrics", received, "a histogram").about(HISTOGRAM)
    })
}

fn probe_is_counted(evidence: &Evidence) -> Judgement {
    let rise = evidence.rise(COUNTER, &[("path", "/health")])?;
    require(rise >= 1.0, || {
        let received = format!("{COUNTER}{{path=\"/health\"}} rose by {rise}");
        Finding::new("GET /health between two scrapes", received, "a rise by 1")
    })
}

fn buckets(evidence: &Evidence) -> Judgement {
    let (_, after) = evidence.scrapes()?;
    let samples = after.samples("http_request_duration_seconds_bucket");
    let mut limits: Vec<f64> = samples
        .filter_map(|sample| match sample.label("le")? {
            "+Inf" => Some(f64::INFINITY),
            limit => limit.parse().ok(),
        })
        .collect();
    limits.sort_by(f64::total_cmp);
    limits.dedup();
    require(limits == BUCKETS, || {
        Finding::new(
            "GET /metrics",
            format!("le of {HISTOGRAM}: {limits:?}"),
            format!("{BUCKETS:?}"),
        )
    })
}

fn build(evidence: &Evidence) -> Judgement {
    let (_, after) = evidence.scrapes()?;
    let samples: Vec<&Sample> = after.samples("build_info").collect();
    let is_complete = |sample: &Sample| {
        let mut labels = ["service", "version", "build_time"].iter();
        sample.value == 1.0 && labels.all(|label| sample.label(label).is_some())
    };
    let holds = matches!(samples[..], [sample] if is_complete(sample));
    require(holds, || {
        let received = format!("{} series of build_info: {samples:?}", samples.len());
        let expected = "one series with service, version and build_time, and the value 1";
        Finding::new("GET /metrics", received, expected)
    })
}

fn never_falls(evidence: &Evidence) -> Judgement {
    let mut sums: Vec<f64> = Vec::new();
    for exchange in evidence.exchanges("scrape") {
        sums.push(Scrape::of(exchange)?.sum(COUNTER, &[]));
    }
    require(sums.is_sorted(), || {
        let received = format!("{COUNTER}: {sums:?}");
        let sent = format!("GET /metrics, {REPEATED} times, each on a new connection");
        Finding::new(sent, received, "each sum at least the one before").about(COUNTER)
    })
}

/// Judges that in each scrape both families have the same count for the same labels.
fn equal(evidence: &Evidence) -> Judgement {
    for exchange in evidence.exchanges("scrape") {
        let scrape = Scrape::of(exchange)?;
        for sample in scrape.samples(COUNTER) {
            let mut others = scrape.samples("http_request_duration_seconds_count");
            let other = others.find(|other| other.labels == sample.labels);
            let count = other.map(|other| other.value);
            require(count == Some(sample.value), || {
                let labels = &sample.labels;
                let received = format!("{count:?} for {labels:?}, counted {}", sample.value);
                Finding::exchange(exchange, received, "the same count in both families")
            })?;
        }
    }
    Ok(())
}

/// Judges that random requests add few series, and no label with their texts.
fn bounded(evidence: &Evidence) -> Judgement {
    let (before, after) = evidence.scrapes()?;
    let sent = format!(
        "{} requests between two scrapes",
        evidence.exchanges("counted").count()
    );
    let nonces: Vec<&str> = evidence
        .exchanges("counted")
        .map(|exchange| exchange.nonce.as_str())
        .collect();
    // One label of each family.
    let mut from_clients: BTreeMap<&str, &str> = BTreeMap::new();
    for sample in &after.samples {
        let mut values = sample.labels.values();
        if let Some(value) = values.find(|value| nonces.iter().any(|nonce| value.contains(nonce))) {
            from_clients.entry(&sample.name).or_insert(value);
        }
    }
    let labels = judgement::each(from_clients, |(name, value)| {
        let received = format!("{name} has a label {value:?}");
        let expected = "labels from a fixed set, such as __unmatched__ and _OTHER";
        Err(Finding::new(&sent, received, expected).about(name).into())
    });
    let series = |scrape: &Scrape| scrape.samples(COUNTER).count();
    let (before, after) = (series(&before), series(&after));
    let number = require(after <= before + MAX_SERIES, || {
        let received = format!("{COUNTER} has {after} series, {before} before");
        let expected = format!("at most {MAX_SERIES} more series");
        Finding::new(&sent, received, expected).about(COUNTER)
    });
    judgement::each([labels, number], |judgement| judgement)
}
