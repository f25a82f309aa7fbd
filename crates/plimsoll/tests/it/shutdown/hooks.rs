//! Shutdown hooks: order, deadlines and start errors.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use harness::Signal;
use plimsoll::{App, Handle, SetupError, build_info};
use tokio::time::sleep;

use super::{FLUSH, MARGIN, in_flight, report};
use crate::in_process::Embedded;
use crate::support::{END, ms, run, start};

/// LIFE-1
#[test]
fn hooks_run_in_reverse_order_of_registration() {
    // One worker, because records of different threads are unordered.
    let service = start(&[("HOOK_MS", "200"), ("WORKERS", "1")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let records = ended.records();
    let position = |message: &str| {
        let found = records
            .iter()
            .position(|record| record["message"] == message);
        found.unwrap_or_else(|| panic!("{message} is missing: {}", ended.stdout))
    };
    assert!(position("hook_last") < position("hook_first"));
    assert!(position("hook_ran") > position("shutdown_started"));
    let hooks = report(&ended)["hooksMs"].as_f64().unwrap();
    assert!((200.0..3500.0).contains(&hooks), "{hooks}");
}

/// LIFE-1
#[test]
fn hooks_run_after_the_last_request() {
    // One worker, because records of different threads are unordered.
    let service = start(&[
        ("HOOK_MS", "1"),
        ("SHUTDOWN_TIMEOUT", "20s"),
        ("WORKERS", "1"),
    ]);
    let mut slow = in_flight(&service, "/slow?ms=700");
    service.signal(Signal::Term);
    assert_eq!(slow.read().status, 200);
    let ended = service.wait(END);
    let records = ended.records();
    let position = |message: &str| {
        records
            .iter()
            .position(|record| record["message"] == message)
            .unwrap()
    };
    assert!(position("http_request") < position("hook_ran"));
}

/// LIFE-1
#[test]
fn hanging_hook_is_cut_off() {
    let service = start(&[("HOOK_MS", "60000"), ("SHUTDOWN_TIMEOUT", "300ms")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(300) + FLUSH + MARGIN, "{:?}", ended.took);
    assert_eq!(report(&ended)["exitStatus"], 3);
}

/// LIFE-10
#[test]
fn hanging_hook_does_not_starve_other_hooks() {
    let service = start(&[("HOOK_MS", "60000"), ("SHUTDOWN_TIMEOUT", "300ms")]);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(3));
    assert_eq!(ended.records_with("hook_last").len(), 1);
    assert_eq!(ended.records_with("hook_first").len(), 1);
    let failed = ended.records_with("shutdown_hook_failed");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["hook"], "slow");
    assert_eq!(failed[0]["levelname"], "WARNING");
    assert_eq!(ended.records_with("shutdown_complete")[0]["hooksCutOff"], 1);
}

/// LIFE-10: a hook with its own limit may take longer than all others together, and uses none of
/// their time.
#[tokio::test]
async fn long_hook_runs_within_its_own_limit() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ran);
    let service = App::new(build_info!())
        .extra_hook_time(Duration::from_secs(30))
        .setup(move |handle: Handle| async move {
            let ran = Arc::clone(&counter);
            handle.on_shutdown("short", async move {
                ran.fetch_add(1, Ordering::Relaxed);
            });
            let ran = counter;
            handle.on_shutdown_within("long", Duration::from_secs(20), async move {
                sleep(ms(3500)).await;
                ran.fetch_add(1, Ordering::Relaxed);
            });
            handle.on_shutdown_within("hangs", ms(200), pending());
            Ok::<_, SetupError>(Router::new())
        });
    let service = Embedded::serve(service, &[]);
    service.wait_until_ready().await;
    assert_eq!(service.get("/ready").await, (200, "ok\n".to_owned()));
    let (report, records) = service.stop().report().await;
    assert_eq!(ran.load(Ordering::Relaxed), 2);
    assert_eq!(report.hooks_cut_off, 1);
    let failed: Vec<_> = records
        .iter()
        .filter(|record| record["message"] == "shutdown_hook_failed")
        .map(|record| (&record["hook"], &record["limitMs"]))
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(*failed[0].0, "hangs");
    assert_eq!(*failed[0].1, 200);
    assert!(report.hooks >= ms(3700), "{:?}", report.hooks);
}

/// LIFE-10
#[tokio::test]
async fn undeclared_hook_time_is_a_start_error() {
    let service = App::new(build_info!())
        .extra_hook_time(Duration::from_secs(5))
        .setup(|handle: Handle| async move {
            handle.on_shutdown_within("one", Duration::from_secs(3), async {});
            handle.on_shutdown_within("two", Duration::from_secs(4), async {});
            Ok::<_, SetupError>(Router::new())
        });
    let error = Embedded::serve(service, &[]).fails().await;
    assert_eq!(error.exit_status(), 1);
    let text = error.to_string();
    for part in ["7s", "5s", "extra_hook_time"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// LIFE-10
#[test]
fn check_config_prints_the_hard_limit() {
    let env = [("DRAIN_DELAY", "1s"), ("SHUTDOWN_TIMEOUT", "1500ms")];
    let ended = run(&["--check-config"], &env);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The fixture declares two seconds for hooks.
    let last = ended.stdout.lines().last();
    assert_eq!(last, Some("# hard limit: 7500ms"), "{}", ended.stdout);
}
