//! Tests of [`super`] through [`load`].

use super::*;
use crate::{
    BuildInfo,
    config::{Environment, load},
};

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

fn read(pairs: &[(&'static str, &'static str)]) -> Result<Option<Traces>, String> {
    let build = BuildInfo::new("demo", "1.0", "now");
    load::<()>(&build, &Environment::from_pairs(pairs.iter().copied()))
        .map(|loaded| loaded.config.traces)
        .map_err(|errors| errors.to_string())
}

fn on(more: &[(&'static str, &'static str)]) -> Traces {
    read(&[&[ENDPOINT], more].concat()).unwrap().unwrap()
}

/// TRC-2
#[test]
fn traces_need_an_endpoint() {
    assert!(read(&[]).unwrap().is_none());
    assert!(
        read(&[("OTEL_TRACES_SAMPLER", "always_on")])
            .unwrap()
            .is_none()
    );
    assert!(read(&[ENDPOINT]).unwrap().is_some());
    for switch in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_EXPORTER", "zipkin, console"),
    ] {
        assert!(read(&[ENDPOINT, switch]).unwrap().is_none(), "{switch:?}");
    }
}

/// TRC-2
#[test]
fn otlp_in_a_list_of_exporters_keeps_traces_on() {
    let list = |text| [ENDPOINT, ("OTEL_TRACES_EXPORTER", text)];
    assert!(read(&list("console,otlp")).unwrap().is_some());
    for text in ["otlp,", "otlp;console", "prometheus"] {
        assert!(read(&list(text)).is_err(), "{text}");
    }
}

/// TRC-2
#[test]
fn defaults_are_those_of_open_telemetry() {
    let traces = on(&[]);
    assert_eq!(traces.endpoint, "http://collector:4318/v1/traces");
    assert_eq!(traces.timeout, Duration::from_secs(10));
    assert_eq!(traces.delay, Duration::from_secs(5));
    assert_eq!((traces.queue, traces.batch), (2048, 512));
    let all = Sampler {
        parent_based: true,
        ratio: 1.0,
    };
    assert_eq!(traces.sampler, all);
    assert!(traces.headers.is_empty() && traces.attributes.is_empty());
}

/// TRC-2
#[test]
fn traces_endpoint_wins_and_is_used_unchanged() {
    let own = (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "https://other/otlp?x=1",
    );
    assert_eq!(on(&[own]).endpoint, "https://other/otlp?x=1");
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector/base/");
    let traces = read(&[base]).unwrap().unwrap();
    assert_eq!(traces.endpoint, "http://collector/base/v1/traces");
}

#[test]
fn samplers_are_those_of_open_telemetry() {
    #[track_caller]
    fn check(name: &'static str, arg: &'static str, parent_based: bool, ratio: f64) {
        let names = [
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", arg),
        ];
        assert_eq!(
            on(&names).sampler,
            Sampler {
                parent_based,
                ratio
            }
        );
    }
    check("always_on", "", false, 1.0);
    check("always_off", "0.5", false, 0.0);
    check("traceidratio", "0.25", false, 0.25);
    check("traceidratio", "", false, 1.0);
    check("parentbased_always_off", "", true, 0.0);
    check("ParentBased_TraceIdRatio", "0", true, 0.0);
}

#[test]
fn headers_and_attributes_are_lists_of_pairs() {
    let traces = on(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x-more=c=d"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=%C3%BC"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
    ]);
    assert_eq!(traces.headers["api-key"], "a b");
    assert_eq!(traces.headers["x-more"], "c=d");
    assert!(!format!("{traces:?}").contains("a b"), "a key is not shown");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(traces.attributes, [pair("a", "1"), pair("b", "ü")]);
    assert_eq!(traces.batch, 100, "a batch is no more than what waits");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=other");
    let traces = on(&[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a"), own]);
    assert_eq!(traces.headers["api-key"], "other");
}

/// TRC-2
#[test]
fn all_errors_are_reported_without_a_header_value() {
    let errors = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key CANARY"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%zz"),
        ("OTEL_TRACES_EXPORTER", "oltp"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_SDK_DISABLED", "perhaps"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"),
    ])
    .unwrap_err();
    assert!(errors.contains("12 settings are wrong"), "{errors}");
    assert!(!errors.contains("CANARY"), "{errors}");
    let errors = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:CANARY@collector")]);
    let errors = errors.unwrap_err();
    assert!(errors.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{errors}");
    assert!(!errors.contains("CANARY"), "{errors}");
}
