//! Greetings: response, record, metric and error.

use serde_json::Value;

use super::start;

#[tokio::test]
async fn banner_has_the_name_of_the_service() {
    let test = start(&[("SERVICE_NAME", "till")]).await;
    assert_eq!(test.get("/").await.body(), "till is running\n");
}

#[tokio::test]
async fn guest_is_greeted_by_name() {
    let test = start(&[("GREETING", "welcome")]).await;
    let response = test.get("/hello/ann").await;
    assert_eq!(response.body(), "welcome, ann\n");
    let records = test.records_with("greeting_sent");
    assert_eq!(records[0]["guest"], "ann");
    assert_eq!(
        records[0]["request_id"],
        response.headers()["x-request-id"].to_str().unwrap()
    );
    assert_eq!(test.metrics().await.sum("greetings_total", &[]), 1.0);
}

#[tokio::test]
async fn long_name_is_rejected_with_a_problem() {
    let test = start(&[]).await;
    let response = test.get(&format!("/hello/{}", "x".repeat(65))).await;
    assert_eq!(response.status(), 422);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["status"], 422);
    assert_eq!(problem["detail"], "a name must have 1 to 64 characters");
    assert_eq!(
        problem["request_id"],
        response.headers()["x-request-id"].to_str().unwrap()
    );
}
