//! CONFIG: the service accepts its settings; otherwise it exits with status 78 at its start.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Model,
};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &model.services {
        for rejected in &service.settings.rejected {
            findings.push(Finding {
                rule: "CONFIG",
                severity: Severity::Error,
                place: rejected.place.clone(),
                subject: subject(&service.title),
                message: format!("{} does not start: {}", service.title, rejected.value),
                sum: None,
                fix: "a value that docs/settings.md lists as accepted".to_owned(),
            });
        }
    }
    findings
}
