//! The background worker.

use std::time::Duration;

use super::start;

#[tokio::test]
async fn summary_has_the_number_of_greetings() {
    let test = start(&[]).await;
    test.get("/hello/ann").await;
    let is_logged = async {
        while !test
            .records_with("summary")
            .iter()
            .any(|record| record["greetings"] == 1)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, is_logged).await.unwrap();
    assert_eq!(test.shutdown().await.requests_cut_off, 0);
}
