//! WRK: background workers; LIFE-11: start-up connections.

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use plimsoll::{App, Handle, SetupError, ShutdownToken, build_info};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    embedded::Embedded,
    support::{END, ms, spawn},
};

/// A service with what `register` adds in its set-up.
fn service(register: impl FnOnce(&Handle) + Send + 'static) -> App {
    App::new(build_info!()).setup(|handle: Handle| async move {
        register(&handle);
        Ok::<_, SetupError>(Router::new())
    })
}

/// WRK-1
#[tokio::test]
async fn worker_starts_only_after_set_up_succeeds() {
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
        service(move |handle| {
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
    let twice = service(|handle| {
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
        let invalid = service(|handle| {
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
        service(|handle| {
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
        service(move |handle| {
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

/// WRK-2: a panic in the closure itself, before there is a future, is a failure too.
#[tokio::test]
async fn worker_that_returns_early_is_restarted() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let service = Embedded::serve(
        service(move |handle| {
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
        service(move |handle| {
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
    // Each failure doubles the time of the next one.
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

/// WRK-4
#[tokio::test]
async fn drain_waits_for_worker_within_shutdown_timeout() {
    let service = Embedded::serve(
        service(|handle| {
            handle.worker("outbox", |token: ShutdownToken| async move {
                token.cancelled().await;
                // Longer than all hooks have.
                sleep(ms(3500)).await;
            });
        }),
        &[("SHUTDOWN_TIMEOUT", "20s")],
    );
    service.wait_until_ready().await;
    let (report, _) = service.stop().report().await;
    assert_eq!(report.exit_status(), 0);
    assert_eq!((report.workers_finished, report.workers_cut_off), (1, 0));
    assert!((ms(3500)..ms(15_000)).contains(&report.drain), "{report:?}");
}

/// WRK-4
#[tokio::test]
async fn worker_that_ignores_shutdown_is_cut_off() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let counter = Arc::clone(&dropped);
    let service = Embedded::serve(
        service(move |handle| {
            handle.worker("outbox", move |_| {
                let guard = Dropped(Arc::clone(&counter));
                async move {
                    let _guard = guard;
                    pending().await
                }
            });
        }),
        &[("SHUTDOWN_TIMEOUT", "300ms")],
    );
    service.wait_until_ready().await;
    let (report, _) = service.stop().report().await;
    assert_eq!(report.exit_status(), 3);
    assert_eq!(report.workers_cut_off, 1);
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "its future is dropped");
}

/// WRK-4
#[tokio::test]
async fn worker_is_not_restarted_after_the_signal() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let end = Arc::new(Notify::new());
    let ended = Arc::clone(&end);
    let mut service = Embedded::serve(
        service(move |handle| {
            handle.worker("outbox", move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                let ended = Arc::clone(&ended);
                async move { ended.notified().await }
            });
        }),
        &[("DRAIN_DELAY", "1s")],
    );
    service.wait_until_ready().await;
    service.signal();
    service.wait_for("shutdown_started", 1).await;
    // Before its token is cancelled, and after the signal.
    end.notify_one();
    let (report, records) = service.stop().report().await;
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(report.exit_status(), 0);
    let failed = |record: &&serde_json::Value| record["message"] == "worker_task_failed";
    assert_eq!(records.iter().find(failed), None);
}

/// WRK-4
#[tokio::test]
async fn report_counts_finished_and_cut_off_workers() {
    let service = Embedded::serve(
        service(|handle| {
            for name in ["one", "two"] {
                handle.worker(name, |token: ShutdownToken| async move {
                    token.cancelled().await;
                });
            }
            handle.worker("stubborn", |_| pending());
            handle.worker("broken", |_| async {});
        }),
        &[("SHUTDOWN_TIMEOUT", "300ms")],
    );
    // From its third failure on, it waits for longer than this test takes.
    service.wait_for("worker_task_failed", 4).await;
    let (report, records) = service.stop().report().await;
    assert_eq!((report.workers_finished, report.workers_cut_off), (2, 1));
    let last = records.last().unwrap();
    assert_eq!(last["message"], "shutdown_complete");
    assert_eq!(last["workersFinished"], 2);
    assert_eq!(last["workersCutOff"], 1);
    assert_eq!(last["exitStatus"], 3);
}

/// LIFE-11
#[tokio::test]
async fn connect_retries_with_back_off_until_success() {
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

/// LIFE-11: one attempt that hangs, and many that fail.
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
