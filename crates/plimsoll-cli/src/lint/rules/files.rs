//! FILES: the limit of open files exceeds `MAX_CONNECTIONS`; otherwise accepts fail instead of evictions.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Service,
};

pub(super) fn finding(service: &Service) -> Option<Finding> {
    let limit = service.files.as_ref()?;
    let setting = service.settings.get("MAX_CONNECTIONS");
    let connections = service.settings.number("MAX_CONNECTIONS");
    // The default is derived from the limit.
    if !setting.is_set() || limit.value > connections {
        return None;
    }
    Some(Finding {
        rule: "FILES",
        severity: Severity::Error,
        place: limit.place.clone(),
        subject: subject(&service.title),
        message: format!(
            "the limit of open files is {}, and each of {connections} connections needs one",
            limit.value
        ),
        sum: Some(format!("{} ≤ {setting}", limit.value)),
        fix: format!("at least {}, for connections and files", connections + 512),
    })
}
