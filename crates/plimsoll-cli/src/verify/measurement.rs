//! Measurements of time, which are repeated in fresh runs.
//!
//! A busy machine can delay a service as much as a fault does. A violation needs two of three runs.
//! A counterexample that is no measurement, such as a lost request, is decisive in any run.

use super::{
    judgement::{Fault, Judgement},
    run::Verdict,
};

/// The most runs.
pub(super) const RUNS: usize = 3;

/// The runs with a measured violation that are a proof.
const PROOF: usize = 2;

/// The judgements of a check, one for each run of its probe.
#[derive(Debug, Default)]
pub(super) struct Measurements(Vec<Judgement>);

impl Measurements {
    /// Adds the judgement of a run.
    pub(super) fn add(&mut self, judgement: Judgement) {
        self.0.push(judgement);
    }

    /// Returns the verdict, or `None` if another run is needed.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let faults = self
            .0
            .iter()
            .filter_map(|judgement| judgement.as_ref().err());
        let mut measured = Vec::new();
        for fault in faults {
            match fault {
                Fault::Violated(finding) => return Some(Verdict::Violated((**finding).clone())),
                Fault::Measured(finding) => measured.push(finding),
                Fault::Unmeasured(_) | Fault::NotProven(_) => {}
            }
        }
        if let [.., last] = measured[..]
            && measured.len() >= PROOF
        {
            return Some(Verdict::Violated((**last).clone()));
        }
        let holds = self.0.iter().filter(|judgement| judgement.is_ok());
        if holds.count() > measured.len() {
            return Some(Verdict::Holds);
        }
        match &self.0[..] {
            [Err(Fault::NotProven(reason))] => Some(not_proven(reason)),
            _ if self.0.len() >= RUNS => Some(self.last()),
            _ => None,
        }
    }

    /// Returns the verdict if there is no other run.
    pub(super) fn last(&self) -> Verdict {
        let faults = self
            .0
            .iter()
            .filter_map(|judgement| judgement.as_ref().err());
        let reason = faults.rev().find_map(|fault| match fault {
            Fault::Unmeasured(reason) | Fault::NotProven(reason) => Some(reason),
            Fault::Violated(_) | Fault::Measured(_) => None,
        });
        match reason {
            Some(reason) => not_proven(reason),
            None => not_proven("a time was exceeded in one run only"),
        }
    }
}

fn not_proven(reason: &str) -> Verdict {
    Verdict::NotProven {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::judgement::Finding;

    fn holds() -> Judgement {
        Ok(())
    }

    fn measured() -> Judgement {
        Err(Fault::Measured(Box::new(Finding::new("a", "b", "c"))))
    }

    fn unmeasured() -> Judgement {
        Err(Fault::Unmeasured("timers were late".to_owned()))
    }

    #[track_caller]
    fn check(judgements: &[fn() -> Judgement], expected: Option<&str>) {
        let judgements = judgements.iter().map(|judgement| judgement());
        let verdict = Measurements(judgements.collect()).verdict();
        let name = verdict.map(|verdict| match verdict {
            Verdict::Holds => "holds",
            Verdict::Violated(_) => "violated",
            Verdict::NotProven { .. } => "not proven",
            Verdict::Blocked { .. } | Verdict::Waived { .. } => "other",
        });
        assert_eq!(name, expected);
    }

    #[test]
    fn two_of_three_runs_decide() {
        check(&[holds], Some("holds"));
        check(&[measured], None);
        check(&[measured, measured], Some("violated"));
        check(&[measured, holds], None);
        check(&[measured, holds, measured], Some("violated"));
        check(&[measured, holds, holds], Some("holds"));
        check(&[unmeasured], None);
        check(&[unmeasured, holds], Some("holds"));
        check(&[unmeasured, unmeasured, measured], Some("not proven"));
        check(&[unmeasured, unmeasured, unmeasured], Some("not proven"));
    }

    #[test]
    fn other_judgements_need_one_run() {
        let violated = || Err(Finding::new("a", "b", "c").into());
        let not_proven = || Err(Fault::not_proven("d"));
        check(&[violated], Some("violated"));
        check(&[measured, violated], Some("violated"));
        check(&[not_proven], Some("not proven"));
        check(&[measured, not_proven], None);
    }
}
