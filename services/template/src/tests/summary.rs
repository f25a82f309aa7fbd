//! The background worker.

use std::time::Duration;

use super::start;

#[tokio::test]
async fn summary_has_the_number_of_greetings() {
    let test = start(&[]).await;
    test.get("/hello/ann").await;
    // Paused time advances to the next timer whenever all tasks wait, so this takes no minute.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(test.records_with("summary")[0]["greetings"], 1);
    assert_eq!(test.shutdown().await.requests_cut_off, 0);
}
