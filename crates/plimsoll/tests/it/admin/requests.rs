//! The view of requests in flight.

use harness::{Connection, eventually, request};
use serde_json::Value;

use super::WithAdmin;
use crate::in_flight::wait_for_in_flight;
use crate::support::start;

/// Sends a request with an id, on a connection of its own.
fn send(it: &WithAdmin, path: &str, id: &str) -> Connection {
    let mut connection = it.service.connect();
    let header = format!("X-Request-ID: {id}\r\n");
    connection.send(request("GET", path, &header));
    connection
}

/// Waits until `count` requests are listed, and returns the view.
fn view_of(it: &WithAdmin, count: usize) -> Value {
    eventually(&format!("{count} requests are listed"), || {
        let view = it.get("/admin/requests").json();
        (view["total"] == count).then_some(view)
    })
}

/// ADM-16
#[test]
fn requests_in_flight_are_listed_oldest_first() {
    let it = WithAdmin::with(start, &[("WORKERS", "2")]);
    let mut kept = Vec::new();
    let long = "0123456789abcdef".repeat(8);
    for (count, id) in [(1, "one-0123456789ab"), (2, &long), (3, "two-0123456789ab")] {
        kept.push(send(&it, "/hang?secret=1", id));
        view_of(&it, count);
    }
    // Its client does not read the response.
    kept.push(send(&it, "/endless", "endless-012345678"));
    let view = eventually("the response has begun", || {
        let view = view_of(&it, 4);
        (view["requests"][3]["phase"] == "response").then_some(view)
    });
    assert_eq!(
        (&view["truncated"], &view["inFlight"]),
        (&false.into(), &4.into())
    );
    let requests = view["requests"].as_array().unwrap();
    let ids: Vec<_> = requests
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "one-0123456789ab",
            &long[..40],
            "two-0123456789ab",
            "endless-012345678"
        ]
    );
    let ages: Vec<_> = requests
        .iter()
        .map(|it| it["ageMs"].as_u64().unwrap())
        .collect();
    assert!(ages.is_sorted_by(|older, newer| older >= newer), "{ages:?}");
    for request in &requests[..3] {
        assert_eq!(request["route"], "/hang", "{request}");
        assert_eq!(request["phase"], "handler", "{request}");
        assert!(request["worker"].as_u64() < Some(2), "{request}");
    }
    assert_eq!(requests[3]["route"], "/endless");
    let routes = it.get("/admin/routes").json();
    let hang = &routes["routes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["route"] == "/hang");
    assert_eq!(hang.unwrap()["inFlight"], 3, "{routes}");
    drop(kept);
    assert_eq!(view_of(&it, 0)["requests"], Value::Array(Vec::new()));
}

/// ADM-16
#[test]
fn only_the_200_oldest_requests_are_listed() {
    let it = WithAdmin::with(start, &[("MAX_IN_FLIGHT", "1000")]);
    let first = send(&it, "/hang", "first-0123456789");
    view_of(&it, 1);
    let kept: Vec<_> = (0..250)
        .map(|_| send(&it, "/hang", "other-0123456789"))
        .collect();
    let view = view_of(&it, 251);
    assert_eq!(view["truncated"], true);
    let requests = view["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 200);
    assert_eq!(requests[0]["id"], "first-0123456789");
    drop((first, kept));
    view_of(&it, 0);
}

/// ADM-16, ADM-18: the table has room for new requests after any number of earlier ones.
#[test]
fn ended_requests_leave_the_list() {
    let it = WithAdmin::with(start, &[]);
    let mut connection = it.service.connect();
    for _ in 0..5000 {
        assert_eq!(connection.get("/hello").status, 200);
    }
    wait_for_in_flight(&it.service, 0.0);
    let view = view_of(&it, 0);
    assert_eq!(view["inFlight"], 0);
    let hanging = send(&it, "/hang", "last-0123456789a");
    assert_eq!(view_of(&it, 1)["requests"][0]["id"], "last-0123456789a");
    drop(hanging);
}

/// ADM-16
#[test]
fn request_that_blocks_its_worker_is_listed() {
    let it = WithAdmin::with(start, &[("WORKERS", "1")]);
    let mut blocked = send(&it, "/blocking?ms=3000", "blocked-01234567");
    it.service
        .wait_for_record(|record| record["message"] == "worker_stuck");
    let view = view_of(&it, 1);
    let request = &view["requests"][0];
    assert_eq!(
        (&request["route"], &request["worker"], &request["phase"]),
        (&"/blocking".into(), &0.into(), &"handler".into())
    );
    assert!(request["ageMs"].as_u64() > Some(900), "{request}");
    assert_eq!(blocked.read().status, 200);
}
