//! BODY: a proxy accepts no body above `MAX_BODY_BYTES`; otherwise it receives, and often stores, what the service
//! rejects.
//!
//! The code of a route can set another limit, so this is a warning.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Proxy,
    quantity::show_size,
    settings::Settings,
};

pub(super) fn finding(proxy: &Proxy, settings: &Settings) -> Option<Finding> {
    let limit = proxy.body_limit.as_ref()?;
    let bytes = settings.bytes("MAX_BODY_BYTES");
    if limit.value.is_some_and(|limit| limit <= bytes) {
        return None;
    }
    let accepted = limit.value.map_or("any size".to_owned(), show_size);
    let setting = settings.get("MAX_BODY_BYTES");
    Some(Finding {
        rule: "BODY",
        severity: Severity::Warning,
        place: limit.place(proxy),
        subject: subject(&proxy.title),
        message: format!(
            "{} accepts bodies of {accepted}, and the service {}",
            proxy.title,
            show_size(bytes)
        ),
        sum: Some(format!("{} > {setting}", limit.summand(&accepted))),
        fix: format!("{} of at most {}", limit.key, show_size(bytes)),
    })
}
