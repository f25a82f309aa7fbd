//! Metrics of the process, the build and the runtimes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::MetricType;

use crate::support::{BUILD_TIME, SERVICE, VERSION, start};

/// MET-3
#[test]
fn build_info_has_value_one() {
    let metrics = start(&[]).metrics();
    let labels = [
        ("service", SERVICE),
        ("version", VERSION),
        ("build_time", BUILD_TIME),
    ];
    assert_eq!(metrics.value("build_info", &labels), Some(1.0));
    assert_eq!(metrics.series("build_info"), 1);
}

/// MET-6
#[test]
fn process_metrics_have_the_usual_names() {
    let service = start(&[]);
    let metrics = service.metrics();
    for (name, kind, least) in [
        ("process_cpu_seconds_total", MetricType::Counter, 0.0),
        ("process_open_fds", MetricType::Gauge, 3.0),
        ("process_max_fds", MetricType::Gauge, 256.0),
        ("process_virtual_memory_bytes", MetricType::Gauge, 1e6),
        ("process_resident_memory_bytes", MetricType::Gauge, 1e5),
    ] {
        let value = metrics
            .value(name, &[])
            .unwrap_or_else(|| panic!("{name} is missing"));
        assert!(value >= least, "{name} is {value}");
        assert_eq!(metrics.family(name).unwrap().kind, kind, "{name}");
    }
    let started = metrics.value("process_start_time_seconds", &[]).unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(
        (now - 60.0..=now + 1.0).contains(&started),
        "started at {started}, now it is {now}"
    );
}

/// MET-6
#[test]
fn runtimes_are_measured_per_worker() {
    let metrics = start(&[("WORKERS", "3")]).metrics();
    let mut workers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for family in metrics
        .families()
        .iter()
        .filter(|family| family.name.starts_with("runtime_"))
    {
        for sample in &family.samples {
            if let Some(worker) = sample.labels.get("worker") {
                workers.entry(&family.name).or_default().insert(worker);
            }
        }
    }
    assert!(
        !workers.is_empty(),
        "no runtime_* metric has the label worker"
    );
    for (name, workers) in workers {
        assert_eq!(workers.len(), 3, "{name}: {workers:?}");
    }
}
