//! Waivers of violations, from `plimsoll.toml`.
//!
//! They are applied after the run, so a waived check still blocks those that depend on it.

use super::{
    judgement::Finding,
    run::{CheckResult, Verdict},
    select::id,
};
use crate::waivers::Waiver;

/// Replaces the verdicts of waived violations. Returns the waivers of judged checks that match nothing.
pub(super) fn apply(checks: &mut [CheckResult], waivers: &[Waiver]) -> Vec<Waiver> {
    let mut unused = Vec::new();
    for result in checks {
        let id = id(result.clause, result.check);
        let mut open: Vec<&Waiver> = waivers.iter().filter(|it| it.check == id).collect();
        match &result.verdict {
            Verdict::Violated(finding) => {
                result.verdict = verdict(&id, finding.clone(), waivers, &mut open);
            }
            Verdict::Holds => {}
            // A later run can still find what they accept.
            Verdict::Blocked { .. } | Verdict::NotProven { .. } | Verdict::Waived { .. } => {
                continue;
            }
        }
        unused.extend(open.into_iter().cloned());
    }
    unused
}

/// Returns the verdict on a violation: the instances without a waiver remain. Used waivers are removed
/// from `open`.
fn verdict(id: &str, finding: Finding, waivers: &[Waiver], open: &mut Vec<&Waiver>) -> Verdict {
    let mut waived = Vec::new();
    let mut violated = Vec::new();
    for instance in finding.instances() {
        let accepts = |it: &&Waiver| it.accepts(id, instance.subject.as_deref());
        match waivers.iter().find(accepts) {
            Some(waiver) => {
                open.retain(|it| it.place != waiver.place);
                waived.push((instance, waiver.clone()));
            }
            None => violated.push(instance),
        }
    }
    let mut violated = violated.into_iter();
    let mut waived = waived.into_iter();
    match (violated.next(), waived.next()) {
        (None, Some((finding, waiver))) => Verdict::Waived { finding, waiver },
        (Some(first), _) => Verdict::Violated(Finding {
            others: violated.collect(),
            ..first
        }),
        // A finding has at least one instance.
        (None, None) => Verdict::Holds,
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_contract::Contract;

    use super::*;
    use crate::{project::Project, waivers::Day};

    const CHECK: &str = "MET-5:falls";

    fn waivers(waivers: &[(&str, Option<&str>)]) -> Vec<Waiver> {
        let waivers = waivers.iter().map(|(check, subject)| {
            let subject = subject.map_or(String::new(), |it| format!("subject = \"{it}\"\n"));
            let until = Day::today();
            format!(
                "[[waiver]]\ncheck = \"{check}\"\n{subject}reason = \"OPS-1\"\nuntil = {until}\n"
            )
        });
        let text: String = waivers.collect();
        let project = Project::parse(&text, "a.toml", Day::today()).unwrap();
        project.waivers
    }

    /// Returns the verdict on findings about these instances, and the lines of unused waivers.
    fn judge(subjects: &[&str], waivers: &[Waiver]) -> (Verdict, Vec<usize>) {
        let findings = subjects
            .iter()
            .map(|name| Finding::new("a", "b", "c").about(*name));
        let mut findings: Vec<Finding> = findings.collect();
        let verdict = match findings.is_empty() {
            true => Verdict::Holds,
            false => {
                let first = findings.remove(0);
                let others = findings;
                Verdict::Violated(Finding { others, ..first })
            }
        };
        let (clause, check) = Contract::get().check(CHECK).unwrap();
        let mut results = [CheckResult {
            clause,
            check,
            verdict,
        }];
        let unused = apply(&mut results, waivers);
        let unused = unused.iter().map(|waiver| waiver.place.line).collect();
        let [CheckResult { verdict, .. }] = results;
        (verdict, unused)
    }

    #[test]
    fn waiver_of_a_check_accepts_all_instances() {
        let (verdict, unused) = judge(&["x", "y"], &waivers(&[(CHECK, None)]));
        assert!(matches!(verdict, Verdict::Waived { .. }), "{verdict:?}");
        assert!(unused.is_empty());
    }

    #[test]
    fn waiver_of_an_instance_accepts_no_other() {
        let waivers = waivers(&[(CHECK, Some("x")), (CHECK, Some("z"))]);
        let (verdict, unused) = judge(&["x", "y"], &waivers);
        let Verdict::Violated(finding) = verdict else {
            panic!("y is not waived: {verdict:?}");
        };
        assert_eq!(finding.subject.as_deref(), Some("y"));
        assert_eq!(unused, [6]);
    }

    #[test]
    fn waiver_that_matches_nothing_is_unused() {
        let waivers = waivers(&[(CHECK, None), ("GRACE", None), ("MET-1:counts", None)]);
        assert_eq!(judge(&[], &waivers), (Verdict::Holds, vec![1]));
    }
}
