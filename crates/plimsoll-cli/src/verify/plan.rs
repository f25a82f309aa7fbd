//! `verify --plan`: what a run would start and send.

use plimsoll_contract::Contract;

use super::{Selection, Target, checks, probe::Probe, run, scenario};

/// Returns the scenarios of a run with the requests of their checks.
pub(super) fn text(target: &Target, selection: &Selection, intrusive: bool) -> String {
    let mut text = match target {
        Target::Command(command) => format!("start    {}\n", command.join(" ")),
        Target::Url(url) => format!("send to  {url}\n"),
    };
    let is_made = |probe: &&Probe| match target {
        Target::Command(_) => true,
        Target::Url(_) => run::refusal(probe, intrusive).is_none(),
    };
    for scenario in scenario::ALL {
        let probes = checks::all().filter(|probe| probe.scenario == scenario);
        let probes = probes.filter(is_made);
        let ids = probes.flat_map(|probe| probe.checks.iter().map(|(id, _)| *id));
        let checks = ids.filter_map(|id| {
            let (_, check) = Contract::get().check(id)?;
            let is_made = selection.made().contains(id);
            is_made.then(|| format!("  {id:<17} {}\n", check.sends))
        });
        let checks: String = checks.collect();
        if !checks.is_empty() {
            let variables = scenario.variables.iter();
            let variables = variables.map(|(name, value)| format!(" {name}={value}"));
            let arguments = scenario.arguments.iter();
            let arguments = arguments.map(|argument| format!(" {argument}"));
            let start: String = variables.chain(arguments).collect();
            let head = match target {
                Target::Command(_) => format!("{}:{start}", scenario.name),
                Target::Url(_) => "requests:".to_owned(),
            };
            text.push_str(&format!("\n{head}\n{checks}"));
        }
    }
    text
}
