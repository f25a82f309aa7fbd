//! Requests to the admin listener by `TestService::admin`.

use axum::body::Bytes;
use axum::http::{Request, Response};
use plimsoll::testing::TestService;
use plimsoll::{App, build_info};
use serde_json::Value;

fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// ADM-1, ADM-6
#[tokio::test]
async fn test_service_answers_every_view() {
    let test = TestService::start(App::new(build_info!()), &[]).await;
    let index = json(&test.admin(get("/admin")).await);
    for path in index["paths"].as_array().unwrap() {
        let (path, methods) = (path["path"].as_str().unwrap(), path["methods"].as_str());
        if methods.unwrap().starts_with("GET") {
            let response = test.admin(get(path)).await;
            assert_eq!(response.status(), 200, "{path}");
            assert!(json(&response)["at"].is_string(), "{path}");
        }
    }
    for path in ["/health", "/ready", "/info", "/metrics"] {
        assert_eq!(test.admin(get(path)).await.status(), 200, "{path}");
    }
    assert_eq!(test.admin(get("/nowhere")).await.status(), 404);
    assert_eq!(test.get("/admin").await.status(), 404);
}

/// ADM-10, ADM-13
#[tokio::test]
async fn test_service_accepts_changes() {
    let test = TestService::start(App::new(build_info!()), &[]).await;
    let form = "application/x-www-form-urlencoded";
    let hold = Request::put("/admin/readiness").header("content-type", form);
    let hold = hold.body(Bytes::from("ready=false&reason=test")).unwrap();
    let change = test.admin(hold).await;
    assert_eq!(change.status(), 200);
    assert_eq!(json(&change)["by"], "token, 127.0.0.1");
    assert_eq!(test.get("/ready").await.status(), 503);
    assert_eq!(test.records_with("admin_change").len(), 1);
    let release = Request::delete("/admin/readiness").body(Bytes::new());
    assert_eq!(test.admin(release.unwrap()).await.status(), 204);
    assert_eq!(test.get("/ready").await.status(), 200);
}

/// ADM-7
#[tokio::test]
async fn test_service_rejects_other_hosts() {
    let test = TestService::start(App::new(build_info!()), &[]).await;
    let request = Request::get("/admin").header("host", "service.example");
    let request = request.body(Bytes::new()).unwrap();
    assert_eq!(test.admin(request).await.status(), 421);
}
