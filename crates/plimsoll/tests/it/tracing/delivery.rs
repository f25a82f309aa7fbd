//! Delivery of spans: no effect on requests, and every span is counted.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use harness::{ExitedProcess, Process, eventually, timed};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::collector::{Collector, Manner};
use super::traced;
use crate::support::{END, run, scratch_file, spawn, start};

/// The time of hooks, spans and the log (LIFE-1), with tolerance for a busy machine.
const DELAY: Duration = Duration::from_secs(5);

/// Returns the counts of the last record about spans: produced, exported, dropped.
#[track_caller]
fn counts(ended: &ExitedProcess) -> (u64, u64, u64) {
    let records = ended.records_with("trace_export_ended");
    let count = |name: &str| records[0][name].as_u64().unwrap();
    let counts = (
        count("spansProduced"),
        count("spansExported"),
        count("spansDropped"),
    );
    assert_eq!(
        counts.1 + counts.2,
        counts.0,
        "exported + dropped = produced"
    );
    counts
}

/// Sends many requests over one connection and checks that all are answered.
#[track_caller]
fn ask(service: &Process, count: usize) {
    let mut connection = service.connect();
    for _ in 0..count {
        assert_eq!(connection.get("/hello").status, 200);
    }
}

fn exported(service: &Process) -> f64 {
    service.metrics().sum("trace_spans_exported_total", &[])
}

fn dropped(service: &Process, reason: &str) -> f64 {
    let metrics = service.metrics();
    metrics.sum("trace_spans_dropped_total", &[("reason", reason)])
}

/// TRC-6
#[test]
fn queued_spans_are_sent_at_shutdown() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    ask(&service, 100);
    assert!(collector.posts().is_empty());
    let ended = service.terminate();
    assert_eq!(counts(&ended), (100, 100, 0));
    assert_eq!(collector.spans().len(), 100);
}

/// TRC-6
#[test]
fn full_batch_is_sent_at_once() {
    let collector = Collector::start(Manner::Takes);
    let env = [
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"),
    ];
    let service = traced(&collector, &env);
    ask(&service, 25);
    eventually("two full batches", || {
        (exported(&service) >= 20.0).then_some(())
    });
    let ended = service.terminate();
    assert_eq!(counts(&ended), (25, 25, 0));
    let spans = |index: usize| {
        let resource = &collector.posts()[index].request.resource_spans[0];
        resource.scope_spans[0].spans.len()
    };
    assert!((0..collector.posts().len()).all(|index| spans(index) <= 10));
}

/// TRC-6
#[test]
fn collector_delays_neither_requests_nor_the_exit() {
    // The socket is bound but does not listen, so no other process gets the port.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let absent = silent.local_addr().unwrap();
    let hanging = Collector::start(Manner::Hangs).addr;
    let failing = Collector::start(Manner::Answers(500)).addr;
    let overloaded = Collector::start(Manner::Answers(503)).addr;
    for addr in [absent, hanging, failing, overloaded] {
        let endpoint = format!("http://{addr}");
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "50"),
        ];
        let service = start(&env);
        ask(&service, 500);
        let (ended, took) = timed(|| service.terminate());
        assert_eq!(ended.code, Some(0), "{endpoint}");
        assert!(took < DELAY, "{endpoint}: {took:?}");
        assert_eq!(counts(&ended), (500, 0, 500), "{endpoint}");
        assert_eq!(ended.records_with("http_request").len(), 500);
        assert_eq!(
            ended.records().last().unwrap()["message"],
            "shutdown_complete"
        );
    }
}

/// TRC-7
#[test]
fn full_queue_drops_and_counts_spans() {
    let collector = Collector::start(Manner::Hangs);
    let env = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "5"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ];
    let service = traced(&collector, &env);
    ask(&service, 100);
    let full = dropped(&service, "queue_full");
    // At most one is being sent, and five wait.
    assert!((94.0..=95.0).contains(&full), "{full}");
    let metrics = service.metrics();
    assert_eq!(metrics.value("trace_spans_total", &[]), Some(100.0));
    collector.becomes(Manner::Takes);
    service.terminate();
}

/// TRC-7
#[test]
fn failure_and_recovery_are_logged_once_each() {
    let collector = Collector::start(Manner::Answers(500));
    let service = traced(&collector, &[]);
    for round in 1..=3 {
        ask(&service, 10);
        let lost = f64::from(round) * 10.0;
        eventually("spans that are refused", || {
            (dropped(&service, "refused") >= lost).then_some(())
        });
    }
    collector.becomes(Manner::Takes);
    ask(&service, 10);
    eventually("spans that are taken", || {
        (exported(&service) >= 10.0).then_some(())
    });
    let ended = service.terminate();
    let failed = ended.records_with("trace_export_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["levelname"], "WARNING");
    assert!(
        failed[0]["error"].as_str().unwrap().contains("500"),
        "{}",
        failed[0]
    );
    let recovered = ended.records_with("trace_export_recovered");
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0]["spansDropped"], 30);
    assert_eq!(counts(&ended), (40, 10, 30));
}

/// TRC-7
#[test]
fn overloaded_collector_is_retried() {
    let collector = Collector::start(Manner::Answers(503));
    let service = traced(&collector, &[]);
    ask(&service, 1);
    eventually("a first attempt", || {
        (!collector.posts().is_empty()).then_some(())
    });
    collector.becomes(Manner::Takes);
    eventually("a second attempt", || {
        (exported(&service) == 1.0).then_some(())
    });
    let ended = service.terminate();
    assert_eq!(counts(&ended), (1, 1, 0));
    assert!(ended.records_with("trace_export_failed").is_empty());
}

/// TRC-7
#[test]
fn rejected_spans_of_a_batch_are_counted() {
    let collector = Collector::start(Manner::RefusesOne);
    let service = traced(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    ask(&service, 10);
    assert_eq!(counts(&service.terminate()), (10, 9, 1));
}

/// TRC-6
#[test]
fn recovered_collector_is_used_again() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    for round in 1..=5 {
        ask(&service, 1);
        eventually("a span that is taken", || {
            (exported(&service) >= f64::from(round)).then_some(())
        });
    }
    assert_eq!(counts(&service.terminate()), (5, 5, 0));
}

/// CFG-5, TRC-2
#[test]
fn collector_headers_are_sent_and_never_shown() {
    let collector = Collector::start(Manner::Answers(401));
    let file = scratch_file("otlp-headers", "api-key=CANARY\n");
    let endpoint = collector.endpoint();
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS_FILE", file.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("LOG_LEVEL", "DEBUG"),
    ];
    let report = run(&["--check-config"], &env);
    assert!(
        report.stdout.contains("OTEL_EXPORTER_OTLP_HEADERS=***"),
        "{}",
        report.stdout
    );
    let service = start(&env);
    ask(&service, 1);
    let post = eventually("a batch", || collector.posts().first().cloned());
    assert!(post.head.contains("api-key: canary\r\n"), "{}", post.head);
    let ended = service.terminate();
    assert_eq!(ended.records_with("trace_export_failed").len(), 1);
    for text in [report.stdout, ended.stdout, ended.stderr] {
        assert!(!text.contains("CANARY"), "{text}");
    }
    std::fs::remove_file(file).unwrap();
}

/// TRC-6
#[test]
fn collector_certificate_is_verified() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let collector = Collector::start_tls(Arc::new(config));
    let endpoint = format!("https://localhost:{}", collector.addr.port());
    let ca = scratch_file("otlp-ca.crt", &cert.pem());
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("SSL_CERT_FILE", ca.as_str()),
    ];
    let service = start(&env);
    ask(&service, 3);
    eventually("spans that are taken", || {
        (exported(&service) == 3.0).then_some(())
    });
    assert_eq!(counts(&service.terminate()), (3, 3, 0));

    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ca = scratch_file("otlp-other-ca.crt", &other.cert.pem());
    let service = start(&[env[0], env[1], ("SSL_CERT_FILE", ca.as_str())]);
    ask(&service, 3);
    let ended = service.terminate();
    assert_eq!(counts(&ended), (3, 0, 3));
    let failed = &ended.records_with("trace_export_failed")[0];
    assert!(
        failed["error"].as_str().unwrap().contains("certificate"),
        "{failed}"
    );
    assert_eq!(collector.spans().len(), 3);

    // Without any authority the start fails with the reason.
    let none = scratch_file("otlp-no-ca.crt", "");
    let service = spawn(&[env[0], ("SSL_CERT_FILE", none.as_str())]);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("authorities"), "{}", ended.stderr);
}
