//! EXIT: systemd knows the exit statuses; otherwise it restarts a service with wrong settings for ever, and reports
//! a shutdown that cut requests off as a failure.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::{Model, Service},
};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    model.services.iter().flat_map(findings).collect()
}

fn findings(service: &Service) -> Vec<Finding> {
    let Some(unit) = &service.unit else {
        return Vec::new();
    };
    let has = |statuses: &[String], status: &str, name: &str| {
        statuses.iter().any(|it| it == status || it == name)
    };
    let finding = |place, message: &str, fix: &str| Finding {
        rule: "EXIT",
        severity: Severity::Warning,
        place,
        subject: subject(&service.title),
        message: message.to_owned(),
        sum: None,
        fix: fix.to_owned(),
    };
    let mut findings = Vec::new();
    if let Some(restart) = &unit.restart
        && !has(&unit.no_restart_statuses, "78", "CONFIG")
    {
        findings.push(finding(
            restart.clone(),
            "a service with wrong settings exits with 78 and is restarted",
            "RestartPreventExitStatus=78",
        ));
    }
    if !has(&unit.success_statuses, "3", "NOTIMPLEMENTED") {
        findings.push(finding(
            service.place.clone(),
            "a shutdown that cut requests off exits with 3, which counts as a failure of the unit",
            "SuccessExitStatus=3",
        ));
    }
    findings
}
