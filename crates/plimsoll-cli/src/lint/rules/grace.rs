//! GRACE: the time to SIGKILL exceeds the longest shutdown; otherwise restarts cut requests off.

use std::time::Duration;

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::Service,
    quantity::show,
    settings::FLUSH,
};

pub(super) fn finding(service: &Service) -> Option<Finding> {
    let settings = &service.settings;
    let limit = settings.shutdown_limit();
    let pre_stop = service.pre_stop.as_ref();
    let needed = limit + pre_stop.map_or(Duration::ZERO, |it| it.value);
    let kill = service.kill.time.value.filter(|kill| *kill <= needed)?;
    let key = service.kill.key;
    let default = if service.kill.is_default {
        " by default"
    } else {
        ""
    };
    let mut sum = Vec::new();
    sum.extend(pre_stop.map(|it| format!("preStop {} ({})", show(it.value), it.place)));
    sum.push(settings.get("DRAIN_DELAY").to_string());
    sum.push(settings.get("SHUTDOWN_TIMEOUT").to_string());
    sum.push(show(FLUSH));
    if !settings.extra_hooks.is_zero() {
        sum.push(format!(
            "hooks {} (set in the service's code)",
            show(settings.extra_hooks)
        ));
    }
    Some(Finding {
        rule: "GRACE",
        severity: Severity::Error,
        place: service.kill.time.place.clone(),
        subject: subject(&service.title),
        message: format!(
            "{key} is {}{default}, and shutdown can take {}",
            show(kill),
            show(needed)
        ),
        sum: Some(sum.join(" + ") + service.doubt()),
        fix: format!("{key} {}", suggested(needed, key)),
    })
}

/// Returns half as much again, as a multiple of 5 s, so that a small change of a setting fits.
fn suggested(needed: Duration, key: &str) -> String {
    let seconds = (needed.as_secs_f64() * 1.5 / 5.0).ceil() * 5.0;
    let unit = if key == "stop_grace_period" { "s" } else { "" };
    format!("{seconds}{unit}")
}
