//! Labels of request series: a closed set.

use harness::{eventually, request};

use super::{label_sets, labels, wait_for_value};
use crate::support::{pipeline, start};

/// MET-4
#[test]
fn paths_are_labelled_by_their_pattern() {
    let service = start(&[]);
    for number in 0..5 {
        assert_eq!(service.get(&format!("/items/{number}")).status, 200);
        assert_eq!(service.get(&format!("/nowhere/{number}")).status, 404);
    }
    let total = "http_requests_total";
    wait_for_value(&service, total, &labels("GET", "/items/{id}", "200"), 5.0);
    wait_for_value(&service, total, &labels("GET", "__unmatched__", "404"), 5.0);
}

/// MET-4
#[test]
fn standard_methods_are_labels_and_others_share_one() {
    let service = start(&[]);
    let standard = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH",
    ];
    for method in standard {
        drop(service.request(request(method, "/nowhere", "")));
    }
    for method in ["BREW", "get", "PROPFIND", "GETT", "X"] {
        drop(service.request(request(method, "/nowhere", "")));
    }
    drop(service.request(
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n",
    ));
    eventually("all requests are counted", || {
        let metrics = service.metrics();
        let total = |method| {
            let labels = [("path", "__unmatched__"), ("method", method)];
            metrics.sum("http_requests_total", &labels)
        };
        let each = standard.iter().all(|method| total(method) == 1.0);
        (each && total("_OTHER") == 5.0 && total("CONNECT") == 1.0).then_some(())
    });
}

/// MET-4
#[test]
fn scan_adds_five_label_sets_at_most() {
    const REQUESTS: usize = 3000;
    let service = start(&[]);
    assert_eq!(service.get("/hello").status, 200);
    wait_for_value(
        &service,
        "http_requests_total",
        &labels("GET", "/hello", "200"),
        1.0,
    );
    wait_for_value(&service, "http_requests_in_flight", &[], 0.0);
    let before = label_sets(&service);
    let mut connection = service.connect();
    pipeline(
        &mut connection,
        REQUESTS,
        |number| {
            let method = format!("SCAN{number}");
            let target = format!("/wp-{number}.php?x={number}");
            format!(
                "{method} {target} HTTP/1.1\r\nHost: h{number}.example\r\nUser-Agent: a{number}\r\n\r\n"
            )
        },
        |answer| assert!((400..500).contains(&answer.status)),
    );
    eventually("all requests are counted", || {
        let counted = service
            .metrics()
            .sum("http_requests_total", &[("method", "_OTHER")]);
        (counted >= 3000.0).then_some(())
    });
    let after = label_sets(&service);
    assert!(after <= before + 5, "{before} label sets became {after}");
}

/// MET-4
#[test]
fn host_is_no_label() {
    let service = start(&[]);
    let raw = "GET /hello HTTP/1.1\r\nHost: canary.example\r\nConnection: close\r\nUser-Agent: canary\r\n\r\n";
    assert_eq!(service.request(raw).status, 200);
    let labels = labels("GET", "/hello", "200");
    wait_for_value(&service, "http_requests_total", &labels, 1.0);
    assert!(!service.get("/metrics").text().contains("canary"));
}

/// MET-4
#[test]
fn custom_label_is_bounded_and_the_rest_is_counted() {
    const VALUES: u32 = 200;
    let service = start(&[("LOG_LEVEL", "ERROR")]);
    let mut connection = service.connect();
    for number in 0..VALUES {
        assert_eq!(connection.get(&format!("/tenants/t{number}")).status, 200);
        assert_eq!(connection.get("/tenants/t0").status, 200);
    }
    drop(connection);
    let metrics = service.metrics();
    let name = "fixture_tenant_hits_total";
    let count = |tenant| metrics.value(name, &[("tenant", tenant)]);
    assert_eq!(metrics.series(name), 4);
    assert_eq!(count("t0"), Some(f64::from(VALUES + 1)));
    assert_eq!(count("t1"), Some(1.0));
    assert_eq!(count("t2"), Some(1.0));
    assert_eq!(count("_other"), Some(f64::from(VALUES - 3)));
    let labels = [("metric", name)];
    let folded = metrics.value("metrics_labels_folded_total", &labels);
    assert_eq!(folded, Some(f64::from(VALUES - 3)));
}
