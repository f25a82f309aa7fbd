//! BODY: a proxy accepts no body above `MAX_BODY_BYTES`; otherwise it receives, and often stores, what the service
//! rejects.
//!
//! The code of a route can set another limit, so this is a warning.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Model,
    quantity::show_size,
};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for proxy in &model.proxies {
        let Some(limit) = &proxy.body_limit else {
            continue;
        };
        for behind in model.behind(proxy) {
            let bytes = behind.settings.bytes("MAX_BODY_BYTES");
            if limit.value.is_some_and(|limit| limit <= bytes) {
                continue;
            }
            let accepted = limit.value.map_or("any size".to_owned(), show_size);
            findings.push(Finding {
                rule: "BODY",
                severity: Severity::Warning,
                place: limit.place.clone().unwrap_or_else(|| proxy.place.clone()),
                subject: subject(&proxy.title),
                message: format!(
                    "{} accepts bodies of {accepted}, and the service {}",
                    proxy.title,
                    show_size(bytes)
                ),
                sum: Some(format!(
                    "{}{} {accepted} > {}",
                    limit.key,
                    limit.origin(),
                    behind.settings.get("MAX_BODY_BYTES")
                )),
                fix: format!("{} of at most {}", limit.key, show_size(bytes)),
            });
        }
    }
    findings
}
