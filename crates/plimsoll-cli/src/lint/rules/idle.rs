//! IDLE: a proxy closes idle connections before `IDLE_TIMEOUT`; otherwise it sends requests on connections that the
//! service is closing.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Proxy,
    quantity::show,
    settings::Settings,
};

pub(super) fn finding(proxy: &Proxy, settings: &Settings) -> Option<Finding> {
    let limit = proxy.idle_timeout.as_ref()?;
    let timeout = settings.time("IDLE_TIMEOUT");
    if limit.value < timeout {
        return None;
    }
    let (kept, closed) = (show(limit.value), show(timeout));
    let message = format!(
        "{} keeps idle connections for {kept}, and the service closes them after {closed}",
        proxy.title
    );
    let setting = settings.get("IDLE_TIMEOUT");
    Some(Finding {
        rule: "IDLE",
        severity: Severity::Error,
        place: limit.place(proxy),
        subject: subject(&proxy.title),
        message,
        sum: Some(format!("{} ≥ {setting}", limit.summand(&kept))),
        fix: format!("{} below {closed}", limit.key),
    })
}
