//! Background workers at the shutdown.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll::ShutdownToken;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::app;
use crate::in_process::Embedded;
use crate::support::ms;

/// WRK-4
#[tokio::test]
async fn drain_waits_for_worker_within_shutdown_timeout() {
    let service = Embedded::serve(
        app(|handle| {
            handle.worker("outbox", |token: ShutdownToken| async move {
                token.cancelled().await;
                // Longer than the time of all hooks.
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
        app(move |handle| {
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
        app(move |handle| {
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
        app(|handle| {
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
    // From the third failure on, the backoff exceeds the duration of this test.
    service.wait_for("worker_task_failed", 4).await;
    let (report, records) = service.stop().report().await;
    assert_eq!((report.workers_finished, report.workers_cut_off), (2, 1));
    let last = records.last().unwrap();
    assert_eq!(last["message"], "shutdown_complete");
    assert_eq!(last["workersFinished"], 2);
    assert_eq!(last["workersCutOff"], 1);
    assert_eq!(last["exitStatus"], 3);
}
