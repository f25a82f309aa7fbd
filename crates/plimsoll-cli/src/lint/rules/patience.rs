//! PATIENCE: a proxy waits longer for a response than `REQUEST_TIMEOUT`; otherwise clients get a 504 of the proxy,
//! without the id of the request.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Model,
    quantity::show,
};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for proxy in &model.proxies {
        let Some(limit) = &proxy.read_timeout else {
            continue;
        };
        for behind in model.behind(proxy) {
            let timeout = behind.settings.time("REQUEST_TIMEOUT");
            // Zero is off: requests of any length are meant.
            if timeout.is_zero() || limit.value > timeout {
                continue;
            }
            findings.push(Finding {
                rule: "PATIENCE",
                severity: Severity::Error,
                place: limit.place.clone().unwrap_or_else(|| proxy.place.clone()),
                subject: subject(&proxy.title),
                message: format!(
                    "{} waits {} for a response, and a request can take {}",
                    proxy.title,
                    show(limit.value),
                    show(timeout)
                ),
                sum: Some(format!(
                    "{}{} {} ≤ {}",
                    limit.key,
                    limit.origin(),
                    show(limit.value),
                    behind.settings.get("REQUEST_TIMEOUT")
                )),
                fix: format!("{} above {}", limit.key, show(timeout)),
            });
        }
    }
    findings
}
