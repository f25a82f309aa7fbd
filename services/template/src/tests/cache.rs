//! Redis, which is absent here; a fake stands for its health check.

use plimsoll::testing::{Dependency, TestService};

use super::{SETTINGS, app, start};

#[tokio::test]
async fn hit_is_answered_without_redis() {
    let test = start(&[]).await;
    let request = axum::http::Request::post("/hits/home").body(Default::default());
    let response = test.request(request.unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), r#"{"hits":null,"page":"home"}"#);
    assert_eq!(test.records_with("cache_failed").len(), 1);
}

#[tokio::test]
async fn outage_of_redis_keeps_readiness() {
    let cache = Dependency::up();
    let app = app().fake("cache", &cache);
    // +postgres
    let app = app.fake("database", &Dependency::up());
    // -postgres
    let test = TestService::start(app, SETTINGS).await;
    let labels = [("check", "cache")];
    test.run_checks().await;
    assert_eq!(test.metrics().await.sum("check_up", &labels), 1.0);

    cache.fails("connection reset");
    test.run_checks().await;
    assert_eq!(test.metrics().await.sum("check_up", &labels), 0.0);
    assert_eq!(test.get("/ready").await.status(), 200);
}
