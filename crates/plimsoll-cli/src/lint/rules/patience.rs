//! PATIENCE: a proxy waits longer for a response than `REQUEST_TIMEOUT`; otherwise clients get a 504 of the proxy,
//! without the id of the request.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Proxy,
    quantity::show,
    settings::Settings,
};

pub(super) fn finding(proxy: &Proxy, settings: &Settings) -> Option<Finding> {
    let limit = proxy.read_timeout.as_ref()?;
    let timeout = settings.time("REQUEST_TIMEOUT");
    // Zero is off: requests of any length are meant.
    if timeout.is_zero() || limit.value > timeout {
        return None;
    }
    let (wait, request) = (show(limit.value), show(timeout));
    let setting = settings.get("REQUEST_TIMEOUT");
    Some(Finding {
        rule: "PATIENCE",
        severity: Severity::Error,
        place: limit.place(proxy),
        subject: subject(&proxy.title),
        message: format!(
            "{} waits {wait} for a response, and a request can take {request}",
            proxy.title
        ),
        sum: Some(format!("{} ≤ {setting}", limit.summand(&wait))),
        fix: format!("{} above {request}", limit.key),
    })
}
