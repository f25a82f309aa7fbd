//! MEMORY: connections and bodies fit into the memory limit; otherwise the kernel kills the service under attack.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Service,
    quantity::show_size,
};

/// The memory of a connection with a partial head, as measured in `docs/reliability.md`.
const PARTIAL_HEAD: u64 = 88 << 10;

pub(super) fn finding(service: &Service) -> Option<Finding> {
    let limit = service.memory.as_ref()?;
    let settings = &service.settings;
    let connections = settings
        .number("MAX_CONNECTIONS")
        .saturating_mul(PARTIAL_HEAD);
    // Without a limit of requests, each connection can have one.
    let in_flight = match settings.number("MAX_IN_FLIGHT") {
        0 => "MAX_CONNECTIONS",
        _ => "MAX_IN_FLIGHT",
    };
    let body = settings.bytes("MAX_BODY_BYTES");
    let bodies = settings.number(in_flight).saturating_mul(body);
    let total = connections.saturating_add(bodies);
    if limit.value > total {
        return None;
    }
    // Only some services read bodies, and the default of connections is an upper bound.
    let is_certain = connections >= limit.value && settings.get("MAX_CONNECTIONS").is_set();
    Some(Finding {
        rule: "MEMORY",
        severity: if is_certain {
            Severity::Error
        } else {
            Severity::Warning
        },
        place: limit.place.clone(),
        subject: subject(&service.title),
        message: format!(
            "the memory limit is {}, and connections and bodies can take {}",
            show_size(limit.value),
            show_size(total)
        ),
        sum: Some(format!(
            "{} × 88 KiB + {} × {}{}",
            settings.get("MAX_CONNECTIONS"),
            settings.get(in_flight),
            settings.get("MAX_BODY_BYTES"),
            service.doubt()
        )),
        fix: "a smaller MAX_CONNECTIONS, MAX_IN_FLIGHT or MAX_BODY_BYTES, or a larger limit"
            .to_owned(),
    })
}
