//! The routes of the feature `demo`.

use axum::http::Request;

use super::start;

#[tokio::test]
async fn demo_has_a_route_for_each_behaviour() {
    let test = start(&[]).await;
    for (path, body) in [
        ("/demo/slow?ms=1", "slow\n"),
        ("/demo/block?ms=1", "blocked\n"),
        // +otlp
        ("/demo/span?number=7", "span\n"),
        // -otlp
    ] {
        assert_eq!(test.get(path).await.body(), body);
    }
    let origin = format!("http://{}", test.addr());
    assert_eq!(test.get("/demo/origin").await.body(), &origin);
    let stream = test.get("/demo/stream?chunks=3&ms=1").await;
    assert_eq!(stream.body().len(), 3 * 1024);
    let upload = Request::post("/demo/upload").body("four".into()).unwrap();
    assert_eq!(test.request(upload).await.body(), "4\n");
    assert_eq!(test.get("/demo/panic").await.status(), 500);
    assert_eq!(test.get("/demo/debug?status=503").await.status(), 503);
}
