//! The access record of a request.

use harness::{access_record, eventually, field_names, request};
use serde_json::Value;

use super::{ACCESS, LEADING};
use crate::support::{BUILD_TIME, SERVICE, VERSION, access_line, assert_problem, start};

/// LOG-3
#[test]
fn access_record_has_its_fields_in_order() {
    let service = start(&[]);
    let agent = "User-Agent: Mozilla/5.0 (X11)\r\nX-Request-ID: demo-123\r\n";
    assert_eq!(
        service
            .request(request("GET", "/items/7?a=1&b=%20x", agent))
            .status,
        200
    );
    let line = access_line(&service, "/items/7");
    let expected: Vec<&str> = LEADING.iter().chain(&ACCESS).copied().collect();
    assert_eq!(field_names(&line), expected);
    let record: Value = serde_json::from_str(&line).unwrap();
    for (name, value) in [
        ("levelname", "INFO"),
        ("name", "http"),
        ("message", "http_request"),
        ("request_id", "demo-123"),
        ("service", SERVICE),
        ("version", VERSION),
        ("buildTime", BUILD_TIME),
        ("method", "GET"),
        ("path", "/items/{id}"),
        ("rawPath", "/items/7"),
        ("query", "a=1&b=%20x"),
        ("ip", "127.0.0.1"),
        ("userAgent", "Mozilla/5.0 (X11)"),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    assert_eq!(record["status"], 200);
    assert!(record["latencyMs"].is_number());
}

/// LOG-3
#[test]
fn missing_agent_and_query_are_empty_fields() {
    let service = start(&[]);
    assert_eq!(service.get("/hello").status, 200);
    let record = access_record(&service, "/hello");
    assert_eq!(record["query"], "");
    assert_eq!(record["userAgent"], "");
}

/// LOG-3
#[test]
fn unknown_path_is_logged_as_unmatched() {
    let service = start(&[]);
    assert_eq!(service.get("/no/such/path").status, 404);
    assert_eq!(
        access_record(&service, "/no/such/path")["path"],
        "__unmatched__"
    );
}

/// LOG-3
#[test]
fn latency_is_in_milliseconds_with_three_decimals() {
    let service = start(&[]);
    for _ in 0..20 {
        assert_eq!(service.get("/hello").status, 200);
    }
    assert_eq!(service.get("/slow?ms=120").status, 200);
    let slow = access_record(&service, "/slow")["latencyMs"]
        .as_f64()
        .unwrap();
    assert!((120.0..10_000.0).contains(&slow), "{slow}");
    let ended = service.terminate();
    for line in ended
        .stdout
        .lines()
        .filter(|line| line.contains("\"latencyMs\""))
    {
        let line = line.replace("\": ", "\":");
        let (_, after) = line.split_once("\"latencyMs\":").unwrap();
        let number: String = after
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let decimals = number
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        assert!(!number.is_empty() && decimals <= 3, "{line}");
        let next = after[number.len()..].chars().next();
        assert!(matches!(next, Some(',' | '}')), "{line}");
    }
}

/// LOG-3
#[test]
fn query_secrets_are_masked() {
    let service = start(&[("REDACT_QUERY", "code, state")]);
    for (index, (query, logged)) in [
        ("token=abc", "token=***"),
        ("a=1&access_token=abc&b=2", "a=1&access_token=***&b=2"),
        ("api_key=abc&api_key=def", "api_key=***&api_key=***"),
        ("password=a%26b", "password=***"),
        ("secret=&x=1", "secret=***&x=1"),
        ("signature=a=b=c", "signature=***"),
        ("tokens=abc&my_token=abc", "tokens=abc&my_token=abc"),
        ("x=token&token", "x=token&token"),
        ("a=1;token=abc", "a=1;token=***"),
        (
            "token[]=abc&user[password]=x",
            "token[]=***&user[password]=***",
        ),
        (
            "client_secret=a&refresh_token=b&id_token=c",
            "client_secret=***&refresh_token=***&id_token=***",
        ),
        (
            "apikey=a&X-Amz-Signature=b&sig=c",
            "apikey=***&X-Amz-Signature=***&sig=***",
        ),
        ("code=a", "code=***"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(service.get(&format!("/items/{index}?{query}")).status, 200);
        let record = access_record(&service, &format!("/items/{index}"));
        assert_eq!(record["query"], logged, "{query}");
    }
}

/// LOG-4
#[test]
fn status_decides_the_level_of_the_access_record() {
    let service = start(&[]);
    for (path, level) in [
        ("/hello", "INFO"),
        ("/no/such/path", "WARNING"),
        ("/missing", "WARNING"),
        ("/error", "ERROR"),
        ("/panic", "ERROR"),
    ] {
        drop(service.get(path));
        assert_eq!(access_record(&service, path)["levelname"], level, "{path}");
    }
}

/// LOG-5, MET-1
#[test]
fn probes_are_counted_but_not_logged() {
    let paths = [
        "/health",
        "/ready",
        "/livez",
        "/readyz",
        "/healthz",
        "/startupz",
        "/metrics",
    ];
    let service = start(&[("LOG_LEVEL", "DEBUG")]);
    for path in paths {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    for path in paths {
        eventually("the probe is counted", || {
            let labels = [("path", path), ("method", "GET"), ("status", "200")];
            (service.metrics().sum("http_requests_total", &labels) >= 1.0).then_some(())
        });
    }
    let ended = service.terminate();
    assert_eq!(ended.records_with("http_request"), Vec::<Value>::new());
}

/// LOG-6
#[test]
fn unknown_path_has_only_an_access_record() {
    let service = start(&[]);
    let id = "X-Request-ID: lost\r\n";
    assert_eq!(
        service.request(request("GET", "/no/such/path", id)).status,
        404
    );
    let ended = service.terminate();
    let records = ended.records();
    let of_request: Vec<&Value> = records
        .iter()
        .filter(|record| record["request_id"] == "lost")
        .collect();
    assert_eq!(of_request.len(), 1, "{of_request:?}");
    assert_eq!(of_request[0]["message"], "http_request");
}

/// LOG-6
#[test]
fn limits_that_end_a_request_log_no_second_record() {
    let service = start(&[("READ_TIMEOUT", "300ms"), ("REQUEST_TIMEOUT", "1s")]);
    for (status, raw) in [
        (
            408,
            request(
                "POST",
                "/upload",
                "X-Request-ID: 408\r\nContent-Length: 9\r\n",
            ),
        ),
        (503, request("GET", "/hang", "X-Request-ID: 503\r\n")),
        (
            413,
            request(
                "POST",
                "/limited/upload",
                "X-Request-ID: 413\r\nContent-Length: 2000\r\n",
            ),
        ),
    ] {
        let mut connection = service.connect();
        connection.send(raw);
        assert_eq!(connection.read().status, status);
    }
    let ended = service.terminate();
    let records = ended.records();
    for status in [408, 413, 503] {
        let id = status.to_string();
        let of_request: Vec<&Value> = records
            .iter()
            .filter(|record| record["request_id"] == id.as_str())
            .collect();
        assert_eq!(of_request.len(), 1, "{of_request:?}");
        assert_eq!(of_request[0]["status"], status);
    }
}

/// LOG-9: the record contains the sent status.
#[test]
fn interim_status_from_a_handler_is_a_500() {
    let service = start(&[]);
    assert_problem(&service.get("/interim"), 500);
    let record = service.wait_for_record(|record| record["path"] == "/interim");
    assert_eq!(record["status"], 500);
}
