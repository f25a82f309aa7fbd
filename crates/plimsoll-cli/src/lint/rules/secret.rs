//! SECRET: no file contains a key; otherwise every reader of the files has it.

use plimsoll_contract::{Setting, Surface};

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::{Model, Service},
};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let secrets: Vec<&Setting> = Surface::get()
        .settings
        .iter()
        .filter(|it| it.secret)
        .collect();
    model
        .services
        .iter()
        .flat_map(|service| findings(service, &secrets))
        .collect()
}

fn findings(service: &Service, secrets: &[&Setting]) -> Vec<Finding> {
    let names = secrets
        .iter()
        .flat_map(|it| [&it.name].into_iter().chain(&it.aliases));
    let literal = names.filter_map(|name| {
        let variable = service.environment.get(name)?;
        let is_literal = variable
            .value
            .as_ref()
            .is_some_and(|value| !value.is_empty());
        is_literal.then(|| Finding {
            rule: "SECRET",
            severity: Severity::Error,
            place: variable.place.clone(),
            subject: subject(&service.title),
            message: format!("the file contains the value of {name}"),
            sum: None,
            fix: format!("{name}_FILE with the path of a mounted secret"),
        })
    });
    literal.collect()
}
