//! PUBLIC: proxies hide metrics and probes; otherwise every client reads them.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Proxy,
    settings::Settings,
};

pub(super) fn finding(proxy: &Proxy, settings: &Settings) -> Option<Finding> {
    if proxy.exposed.is_empty() || !settings.main_has_probes() {
        return None;
    }
    Some(Finding {
        rule: "PUBLIC",
        severity: if proxy.exposed.contains(&"/metrics") {
            Severity::Error
        } else {
            Severity::Warning
        },
        place: proxy.place.clone(),
        subject: subject(&proxy.title),
        message: format!("{} passes on {}", proxy.title, proxy.exposed.join(", ")),
        sum: Some(settings.get("INFRA_ENDPOINTS").to_string()),
        fix: "a rule that answers 404 for them, or INFRA_ENDPOINTS=admin with ADMIN_ADDR"
            .to_owned(),
    })
}
