//! The life cycle of the runs of a service. Pure: times are arguments.
//!
//! A phase is known from three sources: records of the logger `infra`, the metric `service_state`,
//! and the start and end of the process. States move forward only, except between ready and not ready.
//! The record `shutdown_complete` has the exact times of a shutdown, and replaces what was observed.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::{Map, Value};

use super::probe::Outcome;

/// The runs that are kept.
const MAX_RUNS: usize = 20;

/// The phases of a run that are kept: a service can change between ready and not ready.
const MAX_PHASES: usize = 200;

/// The probes of a shutdown that are kept, two minutes of them.
const MAX_PROBES: usize = 1_200;

/// Equal probes after which only one per second is kept: a build can take minutes.
const EQUAL_PROBES: usize = 50;

/// The states in their order.
const STATES: [&str; 7] = [
    "starting",
    "not_ready",
    "ready",
    "lame_duck",
    "draining",
    "flushing",
    "exited",
];

/// The first state of a shutdown.
const SHUTDOWN: usize = 3;

/// A time in one state. Times are in seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Phase {
    pub(crate) state: &'static str,
    pub(crate) began: f64,
    /// `None` if it lasts.
    pub(crate) ended: Option<f64>,
}

/// One probe during a restart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Probe {
    pub(crate) at: f64,
    /// `None` without a complete response.
    pub(crate) status: Option<u16>,
    pub(crate) result: Outcome,
}

/// One run.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) run: u32,
    pub(super) phases: Vec<Phase>,
    pub(super) in_flight_at_drain: Option<u64>,
    pub(super) answered: Option<u64>,
    pub(super) cut_off: Option<u64>,
    pub(super) probes: VecDeque<Probe>,
}

/// The runs of a service, the latest last.
#[derive(Debug, Default)]
pub(super) struct Lives {
    lives: VecDeque<Life>,
}

impl Lives {
    /// Begins a run. Returns false if it is known.
    pub(super) fn begin(&mut self, run: u32, at: f64) -> bool {
        if self.lives.back().is_some_and(|last| last.run >= run) {
            return false;
        }
        if self.lives.len() == MAX_RUNS {
            self.lives.pop_front();
        }
        let mut life = Life {
            run,
            ..Life::default()
        };
        life.enter("starting", at);
        self.lives.push_back(life);
        true
    }

    /// Ends a run. Returns false if it has ended.
    pub(super) fn end(&mut self, run: u32, at: f64) -> bool {
        let life = self.of(run);
        life.is_some_and(|life| life.enter("exited", at))
    }

    /// Adds the state of the latest run, from its metrics. Returns whether it is a change.
    pub(super) fn observe(&mut self, state: &str, at: f64) -> bool {
        let state = STATES.iter().find(|known| **known == state);
        let life = self.lives.back_mut().zip(state);
        life.is_some_and(|(life, state)| life.enter(state, at))
    }

    /// Adds a record of the logger `infra`.
    pub(super) fn record(&mut self, run: u32, at: f64, message: &str, fields: &Map<String, Value>) {
        let Some(life) = self.of(run) else {
            return;
        };
        let number = |name: &str| fields.get(name).and_then(Value::as_u64);
        match message {
            "infra_app_ready" => {
                life.enter("ready", at);
            }
            "readiness_changed" => {
                let state = match fields.get("ready").and_then(Value::as_bool) {
                    Some(true) => "ready",
                    Some(false) => "not_ready",
                    None => return,
                };
                life.enter(state, at);
            }
            "shutdown_started" => {
                life.in_flight_at_drain = number("requestsInFlight");
                life.enter("lame_duck", at);
            }
            "shutdown_complete" => {
                life.answered = number("requestsFinished");
                life.cut_off = number("requestsCutOff");
                if let (Some(lame_duck), Some(drain)) = (number("lameDuckMs"), number("drainMs")) {
                    life.shut_down(lame_duck, drain, at);
                }
            }
            _ => {}
        }
    }

    /// Adds a probe to the run that is or was shut down last.
    pub(super) fn probe(&mut self, run: u32, probe: Probe) {
        if let Some(life) = self.of(run) {
            life.probe(probe);
        }
    }

    fn of(&mut self, run: u32) -> Option<&mut Life> {
        self.lives.iter_mut().rev().find(|life| life.run == run)
    }

    pub(super) fn latest(&self) -> Option<&Life> {
        self.lives.back()
    }

    /// Returns the run before the latest one.
    pub(super) fn previous(&self) -> Option<&Life> {
        self.lives.iter().rev().nth(1)
    }

    /// Returns the last run of which a shutdown is known.
    pub(super) fn last_shutdown(&self) -> Option<&Life> {
        self.lives.iter().rev().find(|life| life.is_shut_down())
    }
}

impl Life {
    /// Enters a state. Returns false if that is not a step forward.
    fn enter(&mut self, state: &'static str, at: f64) -> bool {
        let rank = |state: &str| STATES.iter().position(|known| *known == state);
        if let Some(last) = self.phases.last_mut() {
            let (before, now) = (rank(last.state), rank(state));
            let is_ready = |rank: Option<usize>| matches!(rank, Some(1 | 2));
            let is_forward = now > before || is_ready(before) && is_ready(now);
            if last.state == state || !is_forward {
                return false;
            }
            last.ended = Some(at.max(last.began));
        }
        if self.phases.len() == MAX_PHASES {
            self.phases.remove(0);
        }
        self.phases.push(Phase {
            state,
            began: self.phases.last().and_then(|it| it.ended).unwrap_or(at),
            ended: None,
        });
        true
    }

    /// Replaces the phases of the shutdown by those of its last record.
    fn shut_down(&mut self, lame_duck_ms: u64, drain_ms: u64, complete: f64) {
        let in_shutdown = |phase: &Phase| STATES[SHUTDOWN..].contains(&phase.state);
        let began = self.phases.iter().find(|phase| in_shutdown(phase));
        let Some(began) = began.map(|phase| phase.began) else {
            return;
        };
        let exited = self.phases.iter().find(|phase| phase.state == "exited");
        let exited = exited.map(|phase| phase.began);
        self.phases.retain(|phase| !in_shutdown(phase));
        if let Some(last) = self.phases.last_mut() {
            last.ended = Some(began);
        }
        let seconds = |ms: u64| std::time::Duration::from_millis(ms).as_secs_f64();
        let draining = began + seconds(lame_duck_ms);
        let flushing = draining + seconds(drain_ms);
        let mut add = |state, began: f64, ended| {
            self.phases.push(Phase {
                state,
                began,
                ended,
            });
        };
        if lame_duck_ms > 0 {
            add("lame_duck", began, Some(draining));
        }
        add("draining", draining, Some(flushing));
        add("flushing", flushing, exited.map(|at| at.max(flushing)));
        if let Some(exited) = exited {
            add("exited", exited.max(flushing).max(complete), None);
        }
    }

    fn probe(&mut self, probe: Probe) {
        let is_equal =
            |other: &&Probe| other.status == probe.status && other.result == probe.result;
        let equal = self.probes.iter().rev().take_while(is_equal);
        let is_soon = self
            .probes
            .back()
            .is_some_and(|last| probe.at - last.at < 0.95);
        if is_soon && equal.take(EQUAL_PROBES).count() == EQUAL_PROBES {
            return;
        }
        if self.probes.len() == MAX_PROBES {
            self.probes.pop_front();
        }
        self.probes.push_back(probe);
    }

    pub(super) fn is_shut_down(&self) -> bool {
        let state = self.phases.last().map(|phase| phase.state);
        self.answered.is_some()
            || !self.probes.is_empty()
            || state.is_some_and(|state| STATES[SHUTDOWN..].contains(&state))
    }

    /// Returns the time of its exit.
    pub(super) fn exited(&self) -> Option<f64> {
        let last = self.phases.last().filter(|it| it.state == "exited");
        last.map(|phase| phase.began)
    }

    /// Returns the number of probes without a connection, and the time from the first to the next
    /// one that was connected. `None` without a probe.
    pub(super) fn refused(&self) -> Option<(u64, f64)> {
        let last = self.probes.back()?.at;
        let is_refused = |probe: &&Probe| probe.result == Outcome::Refused;
        let refused = self.probes.iter().filter(is_refused);
        let count = u64::try_from(refused.count()).unwrap_or(u64::MAX);
        let Some(first) = self.probes.iter().find(is_refused) else {
            return Some((0, 0.0));
        };
        let after = self.probes.iter().rev().take_while(|it| !is_refused(it));
        let end = after.last().map_or(last, |probe| probe.at);
        Some((count, 1000.0 * (end - first.at)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn phases(life: &Life) -> Vec<(&str, f64, Option<f64>)> {
        let phases = life.phases.iter();
        phases.map(|it| (it.state, it.began, it.ended)).collect()
    }

    #[test]
    fn phases_follow_from_records_and_the_process() {
        let mut lives = Lives::default();
        lives.begin(1, 10.0);
        lives.record(1, 11.0, "infra_app_ready", &Map::new());
        lives.observe("ready", 12.0);
        lives.record(
            1,
            20.0,
            "shutdown_started",
            &fields(&json!({"requestsInFlight": 3})),
        );
        lives.observe("draining", 21.05);
        let complete =
            json!({"requestsFinished": 2, "requestsCutOff": 1, "lameDuckMs": 1000, "drainMs": 500});
        lives.record(1, 21.6, "shutdown_complete", &fields(&complete));
        lives.end(1, 21.7);
        lives.begin(2, 22.0);
        let life = lives.last_shutdown().unwrap();
        assert_eq!(
            phases(life),
            [
                ("starting", 10.0, Some(11.0)),
                ("ready", 11.0, Some(20.0)),
                ("lame_duck", 20.0, Some(21.0)),
                ("draining", 21.0, Some(21.5)),
                ("flushing", 21.5, Some(21.7)),
                ("exited", 21.7, None),
            ]
        );
        assert_eq!(life.in_flight_at_drain, Some(3));
        assert_eq!((life.answered, life.cut_off), (Some(2), Some(1)));
        assert_eq!(lives.latest().unwrap().run, 2);
        assert_eq!(lives.previous().unwrap().run, 1);
    }

    #[test]
    fn states_move_forward_only() {
        let mut lives = Lives::default();
        lives.begin(1, 1.0);
        for (state, at) in [("ready", 2.0), ("not_ready", 3.0), ("ready", 4.0)] {
            lives.observe(state, at);
        }
        lives.observe("starting", 5.0);
        lives.observe("draining", 6.0);
        lives.observe("ready", 7.0);
        lives.observe("unknown", 8.0);
        let states: Vec<_> = lives
            .latest()
            .unwrap()
            .phases
            .iter()
            .map(|it| it.state)
            .collect();
        assert_eq!(
            states,
            ["starting", "ready", "not_ready", "ready", "draining"]
        );
    }

    #[test]
    fn killed_run_has_no_counts() {
        let mut lives = Lives::default();
        lives.begin(1, 1.0);
        lives.end(1, 2.0);
        let life = lives.last_shutdown().unwrap();
        assert_eq!(
            phases(life),
            [("starting", 1.0, Some(2.0)), ("exited", 2.0, None)]
        );
        assert_eq!(
            (life.answered, life.cut_off, life.in_flight_at_drain),
            (None, None, None)
        );
        assert_eq!(life.refused(), None);
    }

    #[test]
    fn refused_time_ends_with_the_next_connection() {
        let mut lives = Lives::default();
        lives.begin(1, 1.0);
        let results = [
            Outcome::Answered,
            Outcome::CutOff,
            Outcome::Refused,
            Outcome::Refused,
            Outcome::Answered,
            Outcome::Answered,
        ];
        for (at, result) in (0..).zip(results) {
            let probe = Probe {
                at: f64::from(at),
                status: None,
                result,
            };
            lives.probe(1, probe);
        }
        assert_eq!(lives.latest().unwrap().refused(), Some((2, 2000.0)));
    }

    #[test]
    fn long_refusal_is_kept_once_per_second() {
        let mut lives = Lives::default();
        lives.begin(1, 0.0);
        for tenth in 0..6_000 {
            let at = f64::from(tenth) / 10.0;
            let result = Outcome::Refused;
            lives.probe(
                1,
                Probe {
                    at,
                    status: None,
                    result,
                },
            );
        }
        let life = lives.latest().unwrap();
        assert!(
            (640..=660).contains(&life.probes.len()),
            "{}",
            life.probes.len()
        );
        let (_, ms) = life.refused().unwrap();
        assert!((598_000.0..=600_000.0).contains(&ms), "{ms}");
    }

    #[test]
    fn everything_is_bounded() {
        let mut lives = Lives::default();
        for run in 1..100 {
            lives.begin(run, f64::from(run));
        }
        for at in 0..10_000 {
            let at = f64::from(at);
            lives.observe("ready", at);
            lives.observe("not_ready", at);
            lives.probe(
                99,
                Probe {
                    at,
                    status: None,
                    result: Outcome::Refused,
                },
            );
        }
        assert_eq!(lives.lives.len(), MAX_RUNS);
        let life = lives.latest().unwrap();
        assert!(life.phases.len() <= MAX_PHASES && life.probes.len() <= MAX_PROBES);
    }
}
