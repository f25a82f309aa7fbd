//! What an operator should know about an instance beyond its row.

use std::time::Duration;

use super::{Instance, Model, Moment, reading::Counter};
use crate::top::number::{age, count, time};

/// A worker without a heartbeat for longer is stuck (`docs/metrics.md`).
const STUCK_SECONDS: f64 = 1.5;

/// The remaining time of a certificate below which it is reported.
const CERTIFICATE_DAYS: f64 = 30.0;

const DAY: f64 = 86_400.0;

impl Model {
    /// Returns the notes of all instances that have any.
    pub(in crate::top) fn notes(&self) -> Vec<(&str, Vec<String>)> {
        let instances = self.instances.iter();
        let notes = instances.map(|instance| (instance.name.as_str(), instance.notes(self.now)));
        notes.filter(|(_, notes)| !notes.is_empty()).collect()
    }
}

impl Instance {
    /// Returns the notes, the most urgent first.
    pub(in crate::top) fn notes(&self, now: Moment) -> Vec<String> {
        let mut notes = self.present(now);
        let ago = |at: Duration| age(now.elapsed.saturating_sub(at));
        if let Some((at, reason)) = &self.contradiction {
            let times = match self.contradictions {
                1 => String::new(),
                times => format!(", {times} times"),
            };
            notes.push(format!(
                "several processes behind one address{times}: {reason}, {} ago",
                ago(*at)
            ));
        }
        if let Some(at) = self.restarted {
            notes.push(match self.restarts {
                1 => format!("restarted {} ago", ago(at)),
                times => format!("restarted {times} times, {} ago", ago(at)),
            });
        }
        notes
    }

    /// Returns the notes about the last answer.
    fn present(&self, now: Moment) -> Vec<String> {
        let Some(reading) = self.reading() else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        for (worker, silence) in &reading.silences {
            if *silence > STUCK_SECONDS {
                notes.push(format!("worker {worker} silent for {}", time(*silence)));
            }
        }
        if let Some(panics) = self
            .increase(&Counter::Panics)
            .filter(|panics| *panics > 0.0)
        {
            notes.push(format!("panics: {}", count(panics)));
        }
        if !reading.not_ready_by.is_empty() {
            notes.push(format!("not ready by {}", reading.not_ready_by.join(", ")));
        }
        if !reading.checks_down.is_empty() {
            notes.push(format!("checks down: {}", reading.checks_down.join(", ")));
        }
        if let Some(not_after) = reading.certificate {
            let days = (not_after - now.unix) / DAY;
            if days < 0.0 {
                notes.push("certificate expired".to_owned());
            } else if days < CERTIFICATE_DAYS {
                notes.push(format!("certificate {} days", count(days.floor())));
            }
        }
        if reading.unreadable_lines > 0 {
            notes.push(format!("unreadable lines: {}", reading.unreadable_lines));
        }
        notes
    }
}
