//! Postgres, which is absent here; a fake stands for its health check.

use plimsoll::testing::{Dependency, TestService};

use super::{SETTINGS, app, start};

#[tokio::test]
async fn readiness_waits_for_the_database_once() {
    let database = Dependency::up();
    database.fails("connection refused");
    let test = TestService::start(app().fake("database", &database), SETTINGS).await;
    assert_eq!(test.get("/ready").await.status(), 503);

    database.recovers();
    test.run_checks().await;
    assert_eq!(test.get("/ready").await.status(), 200);
    let labels = [("check", "database")];
    assert_eq!(test.metrics().await.sum("check_up", &labels), 1.0);

    database.fails("connection reset");
    test.run_checks().await;
    assert_eq!(test.metrics().await.sum("check_up", &labels), 0.0);
    assert_eq!(test.get("/ready").await.status(), 200);
}

#[tokio::test]
async fn absent_database_is_a_503() {
    let test = start(&[]).await;
    let response = test.get("/visits").await;
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(test.records_with("request_failed").len(), 1);
}
