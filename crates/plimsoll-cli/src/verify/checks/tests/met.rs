//! MET: families, counts and labels.

use super::*;

/// Judges the difference of two scrapes. The second has the lines, after one request to the root.
#[track_caller]
fn judge_metrics(id: &str, lines: &str) -> Option<bool> {
    let scrape = |text: &str| response(200, &[("content-type", "text/plain")], text);
    let counted = exchange("counted", response(200, &[], ""));
    let exchanges = [
        exchange("before", scrape("up 1\n")),
        counted,
        exchange("after", scrape(lines)),
    ];
    judge(id, &started(exchanges, &[]))
}

#[test]
fn counters_rise_by_the_number_of_requests() {
    let labels = "service=\"verified-service\",method=\"GET\",path=\"/\",status=\"200\"";
    let counter = |labels: &str, value: u32| {
        judge_metrics(
            "MET-1:counts",
            &format!("http_requests_total{{{labels}}} {value}\n"),
        )
    };
    assert_eq!(counter(labels, 1), Some(true));
    assert_eq!(counter(labels, 0), Some(false));
    assert_eq!(counter(&labels.replace("path", "route"), 1), Some(false));
    assert_eq!(counter(&labels.replace("verified-", ""), 1), Some(false));

    let count = format!("http_request_duration_seconds_count{{{labels}}} 1\n");
    let kind = "# TYPE http_request_duration_seconds histogram\n";
    let histogram = |text: &str| judge_metrics("MET-2:histogram", text);
    assert_eq!(histogram(&format!("{kind}{count}")), Some(true));
    assert_eq!(histogram(&count), Some(false));

    let probe = "http_requests_total{path=\"/health\"} 1\n";
    assert_eq!(judge_metrics("LOG-5:counted", probe), Some(true));
    assert_eq!(judge_metrics("LOG-5:counted", "up 1\n"), Some(false));
}

#[test]
fn scrapes_of_different_registries_prove_nothing() {
    let scrape = |count: u32| {
        let text = format!("http_requests_total {count}\n");
        response(200, &[("content-type", "text/plain")], &text)
    };
    let scrapes = |after: [u32; 2]| {
        let [first, second] = after.map(|count| exchange("after", scrape(count)));
        let counted = exchange("counted", response(200, &[], ""));
        let exchanges = [exchange("before", scrape(8)), counted, first, second];
        judge("MET-1:counts", &started(exchanges, &[]))
    };
    assert_eq!(scrapes([3, 9]), None);
    assert_eq!(scrapes([9, 8]), None);
    assert_eq!(scrapes([8, 8]), Some(false));
}

#[test]
fn families_have_the_series_of_the_contract() {
    let limits = [
        "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
        "7.5", "10", "+Inf",
    ];
    let buckets = |limits: &[&str]| {
        let bucket =
            |limit: &&str| format!("http_request_duration_seconds_bucket{{le=\"{limit}\"}} 1\n");
        let lines: String = limits.iter().map(bucket).collect();
        judge_metrics("MET-2:buckets", &lines)
    };
    assert_eq!(buckets(&limits), Some(true));
    assert_eq!(buckets(&limits[1..]), Some(false));

    let build = |labels: &str, value: u32| {
        judge_metrics("MET-3:build", &format!("build_info{{{labels}}} {value}\n"))
    };
    let labels = "service=\"a\",version=\"b\",build_time=\"c\"";
    assert_eq!(build(labels, 1), Some(true));
    assert_eq!(build(labels, 2), Some(false));
    assert_eq!(build("service=\"a\"", 1), Some(false));
}

#[test]
fn random_requests_add_few_series() {
    for id in ["MET-4:paths", "MET-4:methods"] {
        let series = |count: usize| {
            let line = |number| format!("http_requests_total{{path=\"{number}\"}} 1\n");
            (0..count).map(line).collect::<String>()
        };
        assert_eq!(judge_metrics(id, &series(5)), Some(true));
        assert_eq!(judge_metrics(id, &series(6)), Some(false));
        let client = "other_total{path=\"/nonce-of-counted\"} 1\n";
        assert_eq!(judge_metrics(id, client), Some(false));
    }
}

#[test]
fn scrapes_agree_with_each_other() {
    let scrapes = |id: &str, texts: [&str; 2]| {
        let scrape = |text| response(200, &[("content-type", "text/plain")], text);
        judge(
            id,
            &started(texts.map(|text| exchange("scrape", scrape(text))), &[]),
        )
    };
    let (one, two) = ("http_requests_total 1\n", "http_requests_total 2\n");
    assert_eq!(scrapes("MET-5:falls", [one, two]), Some(true));
    assert_eq!(scrapes("MET-5:falls", [two, one]), Some(false));
    let same = "http_requests_total 1\nhttp_request_duration_seconds_count 1\n";
    assert_eq!(scrapes("MET-5:equal", [same, same]), Some(true));
    assert_eq!(scrapes("MET-5:equal", [same, one]), Some(false));
}

#[test]
fn families_of_the_contract_are_there() {
    for (id, families) in [
        (
            "MET-6:connections",
            &["open", "total", "aged_total", "rejected_total"][..],
        ),
        ("MET-6:process", &["open_fds"][..]),
        ("MET-6:service", &["state"][..]),
    ] {
        let lines: String = families.iter().map(|name| format!("{name} 1\n")).collect();
        assert_eq!(judge_metrics(id, &lines), Some(false), "{id}");
    }
    let names = [
        "cpu_seconds_total",
        "open_fds",
        "max_fds",
        "resident_memory_bytes",
        "virtual_memory_bytes",
        "start_time_seconds",
    ];
    let lines = names.map(|name| format!("# TYPE process_{name} gauge\nprocess_{name} 1\n"));
    assert_eq!(judge_metrics("MET-6:process", &lines.concat()), Some(true));
    assert_eq!(
        judge_metrics("MET-6:process", &lines[1..].concat()),
        Some(false)
    );
}

#[test]
fn concurrent_requests_are_counted_once() {
    let exact_of = |answered: usize, count: u32| {
        let text = format!("http_requests_total{{path=\"/a\"}} {count}\n");
        let scrape = |text: &str| response(200, &[("content-type", "text/plain")], text);
        let mut exchanges = vec![
            exchange("before", scrape("up 1\n")),
            exchange("after", scrape(&text)),
        ];
        exchanges.resize(2 + answered, exchange("counted", response(404, &[], "")));
        exchanges.resize(2 + 60, exchange("counted", Outcome::Lost));
        judge("MET-5:exact", &started(exchanges, &[]))
    };
    let exact = |count| exact_of(60, count);
    assert_eq!(exact(60), Some(true));
    assert_eq!(exact(59), Some(false));
    assert_eq!(exact(120), Some(false));
    assert_eq!(exact_of(59, 59), None);
    assert_eq!(exact_of(59, 58), Some(false));
}

#[test]
fn exposition_has_the_form_that_promtool_requires() {
    let strict = |text: &str| {
        let scrape = response(200, &[("content-type", "text/plain")], text);
        judge("MET-7:strict", &started([exchange("before", scrape)], &[]))
    };
    let good = "# HELP a_total Text.\n# TYPE a_total counter\na_total{b=\"1\"} 1\na_total{b=\"2\"} 1\n\
                # HELP h Text.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n\
                h_sum 3\nh_count 2\n";
    assert_eq!(strict(good), Some(true));
    for (from, to) in [
        ("# HELP a_total Text.\n", ""),
        ("a_total", "a"),
        ("TYPE a_total counter", "TYPE a_total gauge"),
        ("b=\"2\"", "b=\"1\""),
        ("h_bucket{le=\"1\"} 1", "h_bucket{le=\"1\"} 3"),
        ("h_bucket{le=\"+Inf\"} 2\n", ""),
        ("h_count 2\n", "h_count 2\na_total 1\n"),
    ] {
        assert_eq!(strict(&good.replace(from, to)), Some(false), "{from}");
    }
}
