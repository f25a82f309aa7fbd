//! Spans, from the exporter of a child to the row of its request.

use harness::eventually;
use serde_json::Value;

use super::Console;

/// The `id` of a request that has its spans, with its detail.
fn traced(console: &Console, path: &str) -> Value {
    let path = format!("/api/requests?filter=path:{path}");
    eventually("the request has spans", || {
        let page = console.get(&path);
        let row = page["items"].get(0)?;
        row["spans"].as_u64().filter(|spans| *spans > 0)?;
        Some(console.get(&format!("/api/requests/{}", row["n"])))
    })
}

#[test]
fn request_has_the_spans_of_its_service() {
    let console = Console::with_fixture(&[]);
    assert_eq!(console.process.get("/log").status, 200);
    let detail = traced(&console, "/log");
    let request = &detail["request"];
    let own = &detail["spans"][0];
    assert_eq!(own["kind"], "server", "{detail:#}");
    assert_eq!(own["request"], true);
    assert_eq!(own["run"], 1);
    assert_eq!(own["service"], request["service"]);
    assert_eq!(own["parent"], Value::Null);
    assert_eq!(detail["missingParents"], Value::Array(Vec::new()));
    let trace = request["trace"].as_str().expect("its record has the trace");
    let trace = console.get(&format!("/api/traces/{trace}"));
    assert_eq!(trace["spans"][0]["id"], own["id"]);
}

#[test]
fn span_is_of_the_run_that_made_it() {
    let console = Console::with_fixture(&[]);
    let status = console.send("POST", "/api/services/fixture/restart").status;
    assert_eq!(status, 202);
    console.wait_for("fixture", |service| {
        service["run"] == 2 && service["state"] == "ready"
    });
    let address = console.service("fixture")["address"].clone();
    let address = address.as_str().expect("the service listens").parse();
    let mut connection = harness::Connection::tcp(address.expect("an address")).unwrap();
    connection.send(harness::request("GET", "/hello", ""));
    assert_eq!(connection.read().status, 200);
    let detail = traced(&console, "/hello");
    assert_eq!(detail["spans"][0]["run"], 2, "{detail:#}");
}

#[test]
fn receiver_rejects_pages_of_other_origins() {
    let console = Console::with_fixture(&[]);
    let set = console.service("fixture")["set"].clone();
    let endpoint = set.as_array().and_then(|set| {
        set.iter()
            .find(|it| it["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT")
    });
    let endpoint = endpoint.expect("the console sets it")["value"].as_str();
    let address = endpoint.and_then(|url| url.strip_prefix("http://")?.parse().ok());
    let address = address.expect("the endpoint is an address");
    let send = |headers: &str| {
        let mut connection = harness::Connection::tcp(address).expect("the receiver listens");
        let headers = format!("Content-Type: application/json\r\nContent-Length: 2\r\n{headers}");
        connection.send(harness::request("POST", "/v1/traces", &headers) + "{}");
        connection.read().status
    };
    assert_eq!(send(""), 200);
    assert_eq!(send("Origin: https://other.example\r\n"), 403);
    assert_eq!(send("Sec-Fetch-Site: cross-site\r\n"), 403);
}
