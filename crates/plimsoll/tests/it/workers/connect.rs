//! Connections that the start waits for, with retries.

use std::future::pending;
use std::io;
use std::time::Duration;

use axum::Router;
use plimsoll::{App, Handle, SetupError, build_info};

use crate::in_process::Embedded;
use crate::support::{ms, spawn};

/// LIFE-11
#[tokio::test]
async fn connect_retries_with_backoff_until_success() {
    let service = App::new(build_info!()).setup(|handle: Handle| async move {
        let mut attempts = 0;
        let connected = handle.connect("postgres", move || {
            attempts += 1;
            let attempt = attempts;
            async move {
                match attempt {
                    4 => Ok(attempt),
                    _ => Err(io::Error::other("refused")),
                }
            }
        });
        assert_eq!(connected.await?, 4);
        Ok::<_, SetupError>(Router::new())
    });
    let service = Embedded::serve(service, &[]);
    service.wait_until_ready().await;
    let failed = service.records_with("connect_failed");
    let delays: Vec<_> = failed.iter().map(|it| it["retryMs"].as_u64()).collect();
    assert_eq!(delays, [Some(100), Some(200), Some(400)]);
    drop(service.stop().report().await);
}

/// LIFE-11
#[tokio::test]
async fn connect_logs_each_failed_attempt() {
    let service = App::new(build_info!()).setup(|handle: Handle| async move {
        let mut attempts = 0;
        let connected = handle.connect("postgres", move || {
            attempts += 1;
            let attempt = attempts;
            async move {
                if attempt > 2 {
                    return Ok(());
                }
                let refused = "refused: postgres://app:c4n4ry@db:5432/shop?token=c4n4ry";
                Err(io::Error::other(format!("{refused} {}", "x".repeat(400))))
            }
        });
        connected.await?;
        Ok::<_, SetupError>(Router::new())
    });
    let service = Embedded::serve(service, &[]);
    service.wait_until_ready().await;
    let failed = service.records_with("connect_failed");
    assert_eq!(failed.len(), 2);
    for (index, record) in failed.iter().enumerate() {
        assert_eq!(record["levelname"], "WARNING");
        assert_eq!(record["connection"], "postgres");
        assert_eq!(record["attempt"], index + 1);
        let error = record["error"].as_str().unwrap();
        assert!(
            error.starts_with("refused: postgres://app:***@db"),
            "{error}"
        );
        assert!(error.len() <= 256, "{error}");
        assert!(!record.to_string().contains("c4n4ry"), "{record}");
    }
    drop(service.stop().report().await);
}

/// LIFE-11: one attempt hangs, or many fail.
#[tokio::test]
async fn connect_within_fails_at_its_limit() {
    let hanging = App::new(build_info!()).setup(|handle: Handle| async move {
        let connected = handle.connect("cache", pending::<Result<(), io::Error>>);
        connected.within(ms(200)).await?;
        Ok::<_, SetupError>(Router::new())
    });
    let error = Embedded::serve(hanging, &[]).fails().await;
    assert_eq!(error.exit_status(), 1);

    let (sender, receiver) = tokio::sync::oneshot::channel();
    let failing = App::new(build_info!()).setup(|handle: Handle| async move {
        let refused = || async { Err::<(), _>(io::Error::other("refused password=c4n4ry")) };
        let began = tokio::time::Instant::now();
        let connected = handle.connect("cache", refused).within(ms(450)).await;
        let error = connected.expect_err("it never connects");
        assert!(sender.send((error, began.elapsed())).is_ok());
        Ok::<_, SetupError>(Router::new())
    });
    let service = Embedded::serve(failing, &[]);
    let (error, took) = receiver.await.unwrap();
    assert_eq!(
        error.to_string(),
        "cache was not reached within 450ms: refused password=***"
    );
    assert!(
        (ms(450)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    service.wait_until_ready().await;
    assert_eq!(service.records_with("connect_failed").len(), 3);
    drop(service.stop().report().await);
}

/// LIFE-11, LIFE-4
#[test]
fn signal_cancels_connect() {
    let service = spawn(&[("CONNECT_FAILS", "yes")]);
    service.wait_for_record(|record| record["message"] == "connect_failed");
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.records_with("shutdown_complete").len(), 1);
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
}
