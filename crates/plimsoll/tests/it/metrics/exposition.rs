//! The exposition: formats, size, and metrics of the service.

use std::io::Write;
use std::process::{Command, Stdio};

use harness::{MetricType, eventually, request};

use super::prometheus::Prometheus;
use crate::in_flight::ask;
use crate::responses::panics::wait_for_panics;
use crate::support::{ms, pipeline, require_or_skip, start};

/// MET-7
#[test]
fn service_metrics_are_exposed_beside_chassis_metrics() {
    let service = start(&[]);
    for _ in 0..2 {
        assert_eq!(service.get("/count").status, 200);
    }
    let metrics = service.metrics();
    assert_eq!(metrics.value("fixture_hits_total", &[]), Some(2.0));
    assert_eq!(metrics.value("fixture_work_seconds_count", &[]), Some(2.0));
    assert_eq!(
        metrics.family("fixture_hits_total").unwrap().kind,
        MetricType::Counter
    );
    assert_eq!(
        metrics.family("fixture_work_seconds").unwrap().kind,
        MetricType::Histogram
    );
}

/// MET-7
#[test]
fn promtool_reports_no_problem() {
    if !require_or_skip("promtool") {
        return;
    }
    let service = start(&[]);
    for path in [
        "/hello",
        "/nowhere",
        "/panic",
        "/count",
        "/tenants/a%22b%5C%0A",
        "/items/a%22b",
    ] {
        drop(service.get(path));
    }
    drop(service.request(request("BREW", "/hello", "")));
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let scrape = service.get("/metrics").body;
    promtool.stdin.take().unwrap().write_all(&scrape).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

/// MET-8
#[test]
fn scrape_does_not_grow_with_traffic() {
    let service = start(&[("LOG_LEVEL", "ERROR")]);
    let mut connection = service.connect();
    let mut send = |requests| {
        pipeline(
            &mut connection,
            requests,
            |_| "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            |answer| assert_eq!(answer.status, 200),
        );
        service.get("/metrics").text().lines().count()
    };
    send(100);
    let before = send(100);
    assert_eq!(send(3000), before);
}

/// MET-7
#[test]
fn prometheus_scrapes_the_service() {
    let service = start(&[]);
    let Some(prometheus) = Prometheus::start_or_skip(&service, "prometheus", "") else {
        return;
    };
    for path in ["/hello", "/count", "/nowhere", "/panic"] {
        drop(service.get(path));
    }
    let sum = "query?query=sum(http_requests_total%7Bjob%3D%22fixture%22%7D)";
    let answer = eventually("Prometheus has scraped the requests", || {
        let answer = prometheus.api(sum)?;
        let counted = answer["data"]["result"][0]["value"][1].as_str()?;
        (counted.parse::<f64>().ok()? >= 4.0).then_some(answer)
    });
    assert_eq!(answer["status"], "success");
    let targets = prometheus.api("targets").unwrap();
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into()),
        "{target}"
    );
    prometheus.remove();
}

/// A panicking metric of the service must not remove those of the chassis.
#[test]
fn panicking_metric_does_not_remove_others() {
    let service = start(&[]);
    let mut kept = service.connect();
    assert_eq!(kept.get("/count").status, 200);
    for _ in 0..3 {
        let set = service.request(request("POST", "/panic-metric/1", "Content-Length: 0\r\n"));
        assert_eq!(set.text(), "set\n");
        kept.send(ask("/metrics"));
        let scrape = kept.read();
        assert_eq!(scrape.status, 200);
        assert!(scrape.text().contains("\nhttp_requests_total{"));
        assert!(!scrape.text().contains("fixture_hits_total"));
        assert_eq!(kept.get("/hello").status, 200, "the connection goes on");
    }
    let scrape = service.metrics();
    assert_eq!(scrape.value("fixture_hits_total", &[]), Some(1.0));
    wait_for_panics(&service, 3);
    assert_eq!(service.records_with("panic").len(), 3);
    assert!(!kept.ends_within(ms(100)));
}

/// HTTP-5
#[test]
fn metrics_are_in_the_text_format_by_default() {
    let service = start(&[]);
    let answer = service.get("/metrics");
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").unwrap();
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    assert!(!answer.text().contains("# EOF"));
    // The strict parser accepts it.
    assert!(!service.metrics().families().is_empty());
}

/// HTTP-5
#[test]
fn metrics_are_in_openmetrics_on_request() {
    let service = start(&[]);
    // The `Accept` header of Prometheus.
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1\r\n";
    let answer = service.request(request("GET", "/metrics", accept));
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").unwrap();
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    assert!(answer.text().ends_with("# EOF\n"));
    assert!(answer.text().contains("# TYPE http_requests counter\n"));
}

/// HTTP-5
#[test]
fn metrics_are_in_the_text_format_for_a_browser() {
    let accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let answer = start(&[]).request(request("GET", "/metrics", accept));
    let content_type = answer.header("content-type").unwrap();
    assert!(content_type.starts_with("text/plain"), "{content_type}");
}
