//! Requests and records over the API.

use std::io::Write as _;

use harness::{Scratch, eventually};
use serde_json::Value;

use super::Console;
use crate::support::argument;

/// Waits until the API lists this many requests, and returns them.
#[track_caller]
fn requests(console: &Console, filter: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/requests?filter={filter}");
    eventually("the requests are listed", || {
        let page = console.get(&path);
        let items = page["items"].as_array().expect("a list").clone();
        (items.len() >= count).then_some(items)
    })
}

#[test]
fn request_has_its_records() {
    let console = Console::with_fixture(&[]);
    let id = "abc-7";
    let service = &console.process;
    let request = harness::request("GET", "/log?x=1", &format!("X-Request-ID: {id}\r\n"));
    assert_eq!(service.request(request).status, 200);
    assert_eq!(service.get("/status/503").status, 503);

    let failed = &requests(&console, "status:5xx", 1)[0];
    assert_eq!(failed["route"], "/status/{status}");
    assert_eq!(failed["path"], "/status/503");
    assert_eq!(
        (&failed["status"], &failed["level"]),
        (&503.into(), &"ERROR".into())
    );

    let row = &requests(&console, &format!("id:{id}"), 1)[0];
    assert_eq!(
        (&row["service"], &row["run"]),
        (&"fixture".into(), &1.into())
    );
    assert_eq!(row["query"], "x=1");
    assert!(row["ms"].as_f64().is_some() && row["start"].as_f64() > Some(1.7e9));
    let detail = console.get(&format!("/api/requests/{}", row["n"]));
    let records = detail["records"].as_array().unwrap();
    assert!(records.len() >= 2, "{detail:#}");
    assert!(
        records.iter().all(|record| record["id"] == id),
        "{detail:#}"
    );
    assert_eq!(detail["request"]["ip"], "127.0.0.1");
    assert_eq!(detail["repeatedId"], false);
}

#[test]
fn wrong_requests_are_problems() {
    let console = Console::with_fixture(&[]);
    for (path, status) in [
        ("/api/requests?filter=colour:red", 400),
        ("/api/requests?befor=1", 400),
        ("/api/logs?before=x", 400),
        ("/api/stream?view=other", 400),
        ("/api/requests/0", 404),
        ("/api/requests/x", 404),
        ("/api/unknown", 404),
    ] {
        let response = console.send("GET", path);
        assert_eq!(response.status, status, "{path}");
        let kind = response.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{path}");
        assert_eq!(response.json()["status"], status, "{path}");
    }
    assert_eq!(console.send("POST", "/api/state").status, 405);
    assert_eq!(
        console.send("GET", "/api/services/fixture/stop").status,
        405
    );
}

/// The records of the page itself are not those of a service.
#[test]
fn records_of_the_console_are_hidden() {
    let console = Console::with_fixture(&[]);
    let services = |filter: &str| {
        let page = console.get(&format!("/api/logs?limit=1000&filter={filter}"));
        let mut names: Vec<String> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["service"].as_str().unwrap().to_owned())
            .collect();
        names.dedup();
        names
    };
    assert_eq!(services(""), ["fixture"]);
    assert_eq!(services("service:console"), ["console"]);
}

#[test]
fn log_of_a_running_service_is_followed() {
    let folder = Scratch::new();
    let path = folder.write("orders.log", "{\"level\":\"info\",\"msg\":\"first\"}\n");
    let console = Console::start(&["--logs", argument(&path)]);
    let count = |count: usize| {
        eventually("the lines are listed", || {
            let page = console.get("/api/logs?filter=service:orders+-text:nothing");
            let rows = page["items"].as_array().expect("a list").clone();
            let rows = rows.into_iter().filter(|row| row["stream"] == "file");
            let rows: Vec<Value> = rows.collect();
            (rows.len() >= count).then_some(rows)
        })
    };
    assert_eq!(count(1)[0]["message"], "first");
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    file.write_all(b"second\n").unwrap();
    assert_eq!(count(2)[0]["message"], "second");
    let service = console.service("orders");
    assert_eq!(
        (&service["kind"], &service["state"]),
        (&"attached".into(), &"unknown".into())
    );
    assert_eq!(service["controls"], serde_json::json!([]));
    assert_eq!(
        console.send("POST", "/api/services/orders/stop").status,
        404
    );
}

#[test]
fn charts_are_those_of_the_service() {
    let console = Console::with_fixture(&[]);
    for _ in 0..5 {
        assert_eq!(console.process.get("/hello").status, 200);
    }
    eventually("the requests are in the heat map", || {
        let heat = console.get("/api/heat?service=fixture");
        (heat["records"] == 5).then_some(())
    });
    eventually("the metrics are read", || {
        let series = console.get("/api/series?service=fixture&name=memory");
        (series["source"] == "scraped").then_some(())
    });
    let routes = console.get("/api/services/fixture/routes");
    let routes = routes["items"].as_array().unwrap();
    assert!(
        routes.iter().any(|route| route["route"] == "/hello"),
        "{routes:#?}"
    );
    let lifecycle = console.get("/api/services/fixture/lifecycle");
    assert_eq!(lifecycle["run"], 1, "{lifecycle:#}");
    for (path, status) in [
        ("/api/series?service=other&name=rate", 404),
        ("/api/series?service=fixture&name=other", 400),
        ("/api/series?name=rate", 400),
        ("/api/heat?service=fixture&from=x", 400),
        ("/api/services/other/routes", 404),
    ] {
        assert_eq!(console.send("GET", path).status, status, "{path}");
    }
}
