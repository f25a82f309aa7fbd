//! Requests to another service.

use super::start;

#[tokio::test]
async fn request_id_reaches_the_upstream_service() {
    let upstream = start(&[]).await;
    let url = format!("http://{}/hello/ben", upstream.addr());
    let test = start(&[("UPSTREAM_URL", &url)]).await;
    let response = test.get("/upstream").await;
    assert_eq!(response.body(), "hello, ben\n");
    assert_eq!(
        upstream.records_with("http_request")[0]["request_id"],
        response.headers()["x-request-id"].to_str().unwrap()
    );
}

#[tokio::test]
async fn absent_upstream_service_is_a_502() {
    let test = start(&[]).await;
    assert_eq!(test.get("/upstream").await.status(), 502);
    let record = &test.records_with("request_failed")[0];
    assert_eq!(record["levelname"], "ERROR");
    let labels = [("peer", "upstream"), ("status", "error")];
    let metrics = test.metrics().await;
    assert_eq!(metrics.sum("http_client_requests_total", &labels), 1.0);
}
