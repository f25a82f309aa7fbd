//! Background workers: registration, restarts and readiness.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use plimsoll::{App, Handle, SetupError, ShutdownToken, build_info};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::app;
use crate::in_process::Embedded;
use crate::support::{END, ms};

/// WRK-1
#[tokio::test]
async fn worker_starts_only_after_setup_succeeds() {
    let runs = Arc::new(AtomicUsize::new(0));
    let failing = {
        let runs = Arc::clone(&runs);
        App::new(build_info!()).setup(|handle: Handle| async move {
            handle.worker("early", move |_| {
                runs.fetch_add(1, Ordering::Relaxed);
                pending()
            });
            sleep(ms(50)).await;
            Err::<Router, SetupError>("no database".into())
        })
    };
    Embedded::serve(failing, &[]).fails().await;
    assert_eq!(runs.load(Ordering::Relaxed), 0);

    let started = Arc::new(Notify::new());
    let notify = Arc::clone(&started);
    let service = Embedded::serve(
        app(move |handle| {
            handle.worker("outbox", move |token: ShutdownToken| {
                notify.notify_one();
                async move { token.cancelled().await }
            });
        }),
        &[],
    );
    timeout(END, started.notified()).await.unwrap();
    let (report, _) = service.stop().report().await;
    assert_eq!(report.exit_status(), 0);
}

/// WRK-1
#[tokio::test]
async fn repeated_worker_name_is_a_start_error() {
    let twice = app(|handle| {
        handle.worker("outbox", |_| pending());
        handle.worker("outbox", |_| pending());
    });
    let error = Embedded::serve(twice, &[]).fails().await;
    assert_eq!(error.exit_status(), 1);
    assert!(error.to_string().contains("\"outbox\""), "{error}");
    for name in [
        "",
        "Outbox",
        "out-box",
        "1st",
        "a23456789_123456789_123456789_123",
    ] {
        let invalid = app(|handle| {
            handle.worker(name, |_| pending());
        });
        let error = Embedded::serve(invalid, &[]).fails().await;
        assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
    }
}

/// WRK-1
#[tokio::test]
async fn worker_registered_after_the_start_is_rejected() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let service = Embedded::serve(
        app(|handle| {
            let handle = handle.clone();
            assert!(sender.send(handle).is_ok());
        }),
        &[],
    );
    service.wait_until_ready().await;
    let handle = receiver.await.unwrap();
    handle.worker("late", |_| async { panic!("never polled") });
    let rejected = service.wait_for("worker_task_rejected", 1).await;
    assert_eq!(rejected[0]["worker"], "late");
    assert_eq!(rejected[0]["levelname"], "ERROR");
    drop(service.stop().report().await);
}

/// WRK-2
#[tokio::test]
async fn panicking_worker_is_logged_counted_and_restarted() {
    let runs = AtomicUsize::new(0);
    let stable = Arc::new(Notify::new());
    let notify = Arc::clone(&stable);
    let service = Embedded::serve(
        app(move |handle| {
            handle.worker("steady", |token: ShutdownToken| async move {
                token.cancelled().await;
            });
            handle.worker("outbox", move |token| {
                let run = runs.fetch_add(1, Ordering::Relaxed);
                let notify = Arc::clone(&notify);
                async move {
                    assert!(run >= 2, "the outbox breaks");
                    notify.notify_one();
                    token.cancelled().await;
                }
            });
        }),
        &[],
    );
    let failed = service.wait_for("worker_task_failed", 2).await;
    for (record, delay) in failed.iter().zip([100, 200]) {
        assert_eq!(record["levelname"], "WARNING");
        assert_eq!(record["worker"], "outbox");
        assert_eq!(record["problem"], "panicked");
        assert_eq!(record["restartMs"], delay);
    }
    timeout(END, stable.notified()).await.unwrap();
    let (status, metrics) = service.get("/metrics").await;
    assert_eq!(status, 200);
    let restarts =
        |worker, count| format!("worker_task_restarts_total{{worker=\"{worker}\"}} {count}\n");
    assert!(metrics.contains(&restarts("outbox", 2)), "{metrics}");
    assert!(metrics.contains(&restarts("steady", 0)), "{metrics}");
    let (report, _) = service.stop().report().await;
    assert_eq!(report.workers_finished, 2);
}

/// WRK-2: a panic in the closure, before it returns a future, is a failure too.
#[tokio::test]
async fn worker_that_returns_early_is_restarted() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let service = Embedded::serve(
        app(move |handle| {
            handle.worker("outbox", move |_| {
                let run = counter.fetch_add(1, Ordering::Relaxed);
                assert!(run != 1, "the closure breaks");
                async {}
            });
        }),
        &[],
    );
    let failed = service.wait_for("worker_task_failed", 3).await;
    let problems: Vec<_> = failed[..3].iter().map(|it| &it["problem"]).collect();
    assert_eq!(problems, ["returned", "panicked", "returned"]);
    drop(service.stop().report().await);
}

/// WRK-3
#[tokio::test]
async fn gating_worker_makes_ready_503_until_it_runs_again() {
    let proceed = Arc::new(Notify::new());
    let fail = Arc::clone(&proceed);
    let service = Embedded::serve(
        app(move |handle| {
            handle
                .worker("outbox", move |token: ShutdownToken| {
                    let fail = Arc::clone(&fail);
                    async move {
                        tokio::select! {
                            () = fail.notified() => {}
                            () = token.cancelled() => {}
                        }
                    }
                })
                .gates_readiness();
            handle.worker("other", |_| async {});
        }),
        &[],
    );
    // A worker that does not gate fails meanwhile.
    service.wait_for("worker_task_failed", 2).await;
    assert_eq!(service.get("/ready").await.0, 200);
    // Each failure doubles the backoff.
    for failures in 1..=3 {
        proceed.notify_one();
        service
            .wait_for("readiness_changed", 2 * failures - 1)
            .await;
    }
    let changes = service.wait_for("readiness_changed", 6).await;
    for (index, change) in changes.iter().enumerate() {
        assert_eq!(change["ready"], index % 2 == 1, "{change}");
        assert!(
            change["reason"].as_str().unwrap().contains("outbox"),
            "{change}"
        );
    }
    proceed.notify_one();
    service.wait_for("readiness_changed", 7).await;
    assert_eq!(service.get("/ready").await.0, 503);
    assert_eq!(service.get("/health").await.0, 200);
    drop(service.stop().report().await);
}
