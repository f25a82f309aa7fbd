//! IDLE: a proxy closes idle connections before `IDLE_TIMEOUT`; otherwise it sends requests on connections that the
//! service is closing.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Model,
    quantity::show,
};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for proxy in &model.proxies {
        let Some(limit) = &proxy.idle_timeout else {
            continue;
        };
        for behind in model.behind(proxy) {
            let timeout = behind.settings.time("IDLE_TIMEOUT");
            if limit.value < timeout {
                continue;
            }
            findings.push(Finding {
                rule: "IDLE",
                severity: Severity::Error,
                place: limit.place.clone().unwrap_or_else(|| proxy.place.clone()),
                subject: subject(&proxy.title),
                message: format!(
                    "{} keeps idle connections for {}, and the service closes them after {}",
                    proxy.title,
                    show(limit.value),
                    show(timeout)
                ),
                sum: Some(format!(
                    "{}{} {} ≥ {}",
                    limit.key,
                    limit.origin(),
                    show(limit.value),
                    behind.settings.get("IDLE_TIMEOUT")
                )),
                fix: format!("{} below {}", limit.key, show(timeout)),
            });
        }
    }
    findings
}
