//! Fakes of dependencies, in tests of a service.

use axum::Router;
use plimsoll::testing::{Dependency, TestService};
use plimsoll::{App, Check, Handle, SetupError, build_info, check};

use crate::in_process::Embedded;

/// A service whose dependency does not exist on this machine.
fn app() -> App {
    App::new(build_info!()).setup(|handle: Handle| async move {
        let database = check::tcp("database.invalid:5432");
        handle.check(Check::gate("database", database))?;
        Ok::<_, SetupError>(Router::new())
    })
}

/// HLT-5, HLT-7, HLT-9
#[tokio::test]
async fn fake_dependency_replaces_the_real_one() {
    let database = Dependency::up();
    let test = TestService::start(app().fake("database", &database), &[]).await;
    assert_eq!(test.get("/ready").await.status(), 200);
    assert_eq!(database.calls(), 1);
    let refuse: fn(&Dependency) = |database| database.fails("refused");
    let fail = [
        (refuse, "refused"),
        (Dependency::panics, "the check panicked"),
        (Dependency::hangs, "no result within 2000 ms"),
    ];
    for (number, (fail, error)) in fail.into_iter().enumerate() {
        fail(&database);
        test.run_checks().await;
        assert_eq!(test.get("/ready").await.status(), 503, "{error}");
        let changes = test.records_with("check_changed");
        assert_eq!(changes.len(), 2 * number + 2, "{changes:?}");
        assert_eq!(changes.last().unwrap()["error"], error);
        if number == 2 {
            // The third time within ten minutes, the check is flapping.
            break;
        }
        database.recovers();
        test.run_checks().await;
        assert_eq!(test.get("/ready").await.status(), 200, "after {error}");
    }
    assert_eq!(test.shutdown().await.requests_cut_off, 0);
}

/// HLT-1
#[tokio::test]
async fn fake_of_an_unknown_check_is_a_start_error() {
    let service = app().fake("cache", &Dependency::up());
    let error = Embedded::serve(service, &[]).fails().await;
    assert!(error.to_string().contains("\"cache\""), "{error}");
}
