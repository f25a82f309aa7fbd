//! NOTICE: a prober observes within `DRAIN_DELAY` that `/ready` is no longer 200; otherwise it still sends requests
//! when the port is closed.
//!
//! Kubernetes removes a pod from its Services without a probe, but balancers that follow readiness do not.
//! So the finding is a warning there.

use super::{is_ready_path, proxy_findings, subject};
use crate::lint::{
    finding::{Finding, Severity},
    model::{Detection, Model, ProbeKind},
    quantity::show,
    settings::Settings,
};
use crate::place::{Place, Sited};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &model.services {
        for probe in &service.probes {
            let is_ready = probe
                .path
                .as_ref()
                .is_some_and(|path| is_ready_path(&path.value));
            if probe.kind == ProbeKind::Readiness && is_ready {
                let detection = Detection {
                    period: probe.period,
                    failures: probe.failures,
                    timeout: probe.timeout,
                };
                let (place, title) = (&probe.place, &service.title);
                let finding = finding(
                    &detection,
                    place,
                    title,
                    &service.settings,
                    Severity::Warning,
                );
                findings.extend(finding);
            }
        }
    }
    findings.extend(proxy_findings(model, |proxy, settings| {
        let Sited { value, place } = proxy.readiness.as_ref()?;
        finding(value, place, &proxy.title, settings, Severity::Error)
    }));
    findings
}

fn finding(
    detection: &Detection,
    place: &Place,
    title: &str,
    settings: &Settings,
    severity: Severity,
) -> Option<Finding> {
    let delay = settings.time("DRAIN_DELAY");
    // A delay of 0 that a file sets switches the lame duck phase off.
    let is_off = delay.is_zero() && settings.get("DRAIN_DELAY").is_set();
    let total = detection.total();
    if is_off || !settings.is_known("DRAIN_DELAY") || total <= delay {
        return None;
    }
    let Detection {
        period,
        failures,
        timeout,
    } = detection;
    Some(Finding {
        rule: "NOTICE",
        severity,
        place: place.clone(),
        subject: subject(title),
        message: format!(
            "{title} observes the end of /ready after {}, and the port closes after {}",
            show(total),
            show(delay)
        ),
        sum: Some(format!(
            "{} period × {failures} failures + {} timeout > {}",
            show(*period),
            show(*timeout),
            settings.get("DRAIN_DELAY")
        )),
        fix: format!(
            "DRAIN_DELAY={}s, or more frequent probes",
            total.as_secs_f64().ceil()
        ),
    })
}
