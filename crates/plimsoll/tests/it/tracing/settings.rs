//! Settings of tracing.

use harness::access_record;

use super::collector::{Collector, Manner};
use super::{propagated_context, traced, traceparent};
use crate::support::{run, start};

/// TRC-2
#[test]
fn no_traces_without_an_endpoint() {
    let service = start(&[("OTEL_TRACES_SAMPLER", "always_on")]);
    let sent = traceparent("01");
    assert_eq!(
        propagated_context(&service, "/trace", &sent),
        ("-".into(), "-".into())
    );
    let record = access_record(&service, "/trace");
    assert_eq!(record.get("traceId"), None);
    assert!(service.metrics().family("trace_spans_total").is_none());
    service.terminate();
}

/// TRC-2
#[test]
fn either_switch_disables_traces() {
    let collector = Collector::start(Manner::Takes);
    for switch in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        let service = traced(&collector, &[switch]);
        drop(service.get("/trace"));
        assert!(service.metrics().family("trace_spans_total").is_none());
        service.terminate();
    }
    assert!(collector.posts().is_empty());
}

/// TRC-2, CFG-3
#[test]
fn trace_setting_errors_are_reported_with_all_others() {
    let ended = run(
        &[],
        &[
            ("PORT", "70000"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "CANARY"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ],
    );
    assert_eq!(ended.code, Some(78));
    assert!(
        ended.stderr.contains("4 settings are wrong"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("CANARY"));
}
