//! One outage of a dependency: the check goes down and up, and `/ready` follows its policy.

use std::time::Duration;

use harness::{Process, eventually_within, timed};

use crate::setup::Figures;

/// Above the time that a check needs for a change: three runs, on a busy machine.
const CHANGE: Duration = Duration::from_secs(60);

/// A service, its check, and the policy of the check.
pub(crate) struct Subject<'a> {
    pub(crate) service: &'a Process,
    pub(crate) check: &'a str,
    /// The status of `/ready` while the check is down.
    pub(crate) ready_when_down: u16,
}

impl Subject<'_> {
    /// Returns the states that the check has changed to, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        let mut changes = self.service.records_with("check_changed");
        changes.retain(|record| record["check"] == self.check);
        let states = changes.iter().map(|record| record["state"].as_str());
        states.map(|state| state.unwrap().to_owned()).collect()
    }

    /// Waits until the check has changed this often. Meanwhile, the status of `/ready` may be one of
    /// two.
    #[track_caller]
    pub(crate) fn wait_for_changes(&self, count: usize, ready: [u16; 2]) {
        let changed = eventually_within(CHANGE, || {
            let status = self.service.get("/ready").status;
            assert!(ready.contains(&status), "/ready answered {status}");
            (self.changes().len() >= count).then_some(())
        });
        assert!(changed.is_some(), "changes: {:?}", self.changes());
    }

    /// Waits until `/ready` has a status.
    #[track_caller]
    fn wait_for_ready(&self, status: u16) {
        let is_ready = || (self.service.get("/ready").status == status).then_some(());
        assert!(eventually_within(CHANGE, is_ready).is_some());
    }

    /// Returns the number of finished runs, of those with this result or of all.
    pub(crate) fn runs(&self, result: Option<&str>) -> f64 {
        let mut labels = vec![("check", self.check)];
        labels.extend(result.map(|result| ("result", result)));
        self.service.metrics().sum("check_results_total", &labels)
    }

    /// Waits until the check has finished more runs.
    #[track_caller]
    pub(crate) fn wait_for_runs(&self, more: u32) {
        let all = self.runs(None) + f64::from(more);
        let finished = || (self.runs(None) >= all).then_some(());
        assert!(eventually_within(CHANGE, finished).is_some(), "no runs");
    }

    /// Makes the dependency fail and work again. Each change of state is logged once.
    #[track_caller]
    pub(crate) fn outlive(&self, test: &'static str, fail: impl FnOnce(), repair: impl FnOnce()) {
        let mut figures = Figures::of(test);
        self.wait_for_changes(1, [200, 200]);
        fail();
        let ((), down) = timed(|| {
            self.wait_for_changes(2, [200, self.ready_when_down]);
            self.wait_for_ready(self.ready_when_down);
        });
        figures.info("time until it is down", format!("{down:?}"));
        // The check fails again, without a further record.
        self.wait_for_runs(2);
        let ready = self.service.get("/ready").status;
        figures.exact("/ready while it is down", self.ready_when_down, ready);
        repair();
        let ((), up) = timed(|| {
            self.wait_for_changes(3, [200, self.ready_when_down]);
            self.wait_for_ready(200);
        });
        figures.info("time until it is up", format!("{up:?}"));
        self.wait_for_runs(2);
        for result in ["failed", "timeout"] {
            figures.info(&format!("runs: {result}"), self.runs(Some(result)));
        }
        let changes = self.changes().join(" ");
        figures.exact("changes", "up down up", &changes);
        let readiness = self.service.records_with("readiness_changed").len();
        let expected = if self.ready_when_down == 200 { 0 } else { 2 };
        figures.exact("changes of readiness", expected, readiness);
        figures.judge();
    }
}
