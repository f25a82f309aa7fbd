//! PUBLIC: proxies hide metrics and probes; otherwise every client reads them.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Model,
};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for proxy in model
        .proxies
        .iter()
        .filter(|proxy| !proxy.exposed.is_empty())
    {
        for behind in model.behind(proxy) {
            if !behind.settings.main_has_probes() {
                continue;
            }
            let has_metrics = proxy.exposed.contains(&"/metrics");
            findings.push(Finding {
                rule: "PUBLIC",
                severity: if has_metrics {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                place: proxy.place.clone(),
                subject: subject(&proxy.title),
                message: format!("{} passes on {}", proxy.title, proxy.exposed.join(", ")),
                sum: Some(behind.settings.get("INFRA_ENDPOINTS").to_string()),
                fix: "a rule that answers 404 for them, or INFRA_ENDPOINTS=admin with ADMIN_ADDR"
                    .to_owned(),
            });
        }
    }
    findings
}
