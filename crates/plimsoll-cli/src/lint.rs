//! The command `lint`: checks deployment files against the times and limits of a service.
//!
//! Files are parsed into a model of services and proxies, which the rules read.
//! A value that is not in the files is never taken as zero: it is the default, and the report names it.

mod compose;
mod env_file;
mod environment;
mod finding;
mod haproxy;
mod input;
mod kubernetes;
mod model;
mod network;
mod nginx;
mod pattern;
mod quantity;
mod report;
mod rules;
mod settings;
mod systemd;
mod yaml;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(crate) use self::settings::ProgramError;
use self::{
    finding::Finding,
    input::Input,
    kubernetes::Rendered,
    model::Model,
    report::Report,
    rules::RULES,
    settings::{Program, Settings},
};

use crate::{
    exit::{Exit, Failure},
    place::{Place, Sited},
    project::Project,
    term,
    waivers::Waiver,
};

const EXAMPLES: &str = "\
Examples:
  # All files of a folder, with the settings that the binary reads
  plimsoll lint --service target/debug/shop deploy

  # Rendered manifests
  kubectl kustomize deploy/kubernetes/overlays/prod | plimsoll lint -

  # A report for code scanning
  plimsoll lint --format sarif deploy >lint.sarif";

/// Check deployment files against the times and limits of the service
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The service's binary, whose --check-config has the settings; it also names its containers
    #[arg(long, value_name = "BINARY")]
    service: Option<PathBuf>,

    /// The form of the report
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,

    /// Accepted findings [default: plimsoll.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,

    /// Manifests, Compose files, units, configuration of nginx or HAProxy; - is standard input
    #[arg(required = true, value_name = "DIR|FILE|-")]
    paths: Vec<PathBuf>,
}

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
}

/// Returns the names of the rules, which waivers use.
pub(crate) fn rule_names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.name)
}

/// Runs the command.
///
/// # Errors
///
/// As documented at [`Failure`].
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let Project { waivers, .. } = Project::read(arguments.waivers.as_deref())?;
    let program = arguments.service.as_deref().map(Program::new);
    let report = lint(&arguments.paths, program.as_ref(), waivers).map_err(Failure::Service)?;
    term::print(&match arguments.format {
        Format::Human => report.human(),
        Format::Json => report.json(),
        Format::Sarif => report.sarif(),
    })?;
    Ok(exit(&report))
}

/// Returns the exit status. Findings outweigh what was not checked, and broken input outweighs both.
fn exit(report: &Report) -> Exit {
    if !report.broken.is_empty() {
        Exit::Usage
    } else if !report.findings.is_empty() {
        Exit::Findings
    } else if !report.not_checked.is_empty() {
        Exit::Incomplete
    } else {
        Exit::Success
    }
}

/// Checks files.
fn lint(
    paths: &[PathBuf],
    program: Option<&Program>,
    waivers: Vec<Waiver>,
) -> Result<Report, ProgramError> {
    let mut input = input::read(paths);
    let mut model = model(&mut input, program);
    let mut assumed = Vec::new();
    for service in &mut model.services {
        service.settings = match program {
            Some(program) => program.settings(&service.environment)?,
            None => Settings::of(&service.environment),
        };
        if service.local_ports.is_empty() && !service.is_isolated {
            service.local_ports.extend(service.settings.port());
        }
        assumed.extend_from_slice(&service.settings.unread);
    }
    assumed.sort_by(|a, b| (&a.place, &a.value).cmp(&(&b.place, &b.value)));
    assumed.dedup();
    model.link();
    if model.services.is_empty() && input.broken.is_empty() && input.not_checked.is_empty() {
        input.not_checked.extend(no_service(paths, &model, program));
    }
    let mut report = Report {
        assumed,
        not_checked: input.not_checked,
        broken: input.broken,
        proxies: model.linked(),
        others: model.others.len(),
        has_program: program.is_some(),
        ..Report::default()
    };
    report.sort(rules::check(&model), waivers);
    let services = model.services.into_iter();
    report.services = services.map(|it| Sited::new(it.title, it.place)).collect();
    Ok(report)
}

/// Returns the model of all files. Files that cannot be read are added to the input's errors.
fn model(input: &mut Input, program: Option<&Program>) -> Model {
    let mut model = Model {
        arguments: std::mem::take(&mut input.arguments),
        ..Model::default()
    };
    for objects in input.objects.values() {
        objects.model(program, &mut model);
    }
    for rendered in input.kustomizations.render() {
        match rendered {
            Rendered::Objects(objects) => objects.model(program, &mut model),
            Rendered::NotChecked(reason) => input.not_checked.push(reason),
            Rendered::Broken(broken) => input.broken.push(broken),
        }
    }
    for stack in &input.stacks {
        input.broken.extend(stack.model(program, &mut model).err());
    }
    for units in &input.units {
        input.broken.extend(units.model(program, &mut model).err());
    }
    for folder in input.nginx.values() {
        model.proxies.extend(folder.proxies());
    }
    for configuration in &input.haproxy {
        model.proxies.extend(configuration.proxies());
    }
    model
}

/// Returns the reason for a run without a service, which proves nothing.
fn no_service(
    paths: &[PathBuf],
    model: &Model,
    program: Option<&Program>,
) -> Option<Sited<String>> {
    if model.linked() > 0 {
        return None;
    }
    let hint = match program {
        None => {
            "--service BINARY also recognises a container, image or unit by the name of the binary"
                .to_owned()
        }
        Some(program) => format!("none has the name {:?} either", program.name()),
    };
    let reason =
        format!("no service on the chassis: no container, unit or proxy has its settings; {hint}");
    let place = Place::new(&input::shown(paths.first()?), 1);
    Some(Sited::new(reason, place))
}

impl Report {
    /// Sorts findings into those that count and those that a waiver accepts.
    fn sort(&mut self, findings: Vec<Finding>, waivers: Vec<Waiver>) {
        let is_rule = |waiver: &Waiver| rule_names().any(|name| name == waiver.check);
        let mut unused: Vec<Waiver> = waivers.iter().filter(|it| is_rule(it)).cloned().collect();
        for finding in findings {
            let accepts = |it: &&Waiver| it.accepts(finding.rule, Some(&finding.subject));
            match waivers.iter().find(accepts) {
                Some(waiver) => {
                    unused.retain(|it| it.place != waiver.place);
                    self.waived.push((finding, waiver.clone()));
                }
                None => self.findings.push(finding),
            }
        }
        self.unused = unused;
    }
}

#[cfg(test)]
mod tests;
