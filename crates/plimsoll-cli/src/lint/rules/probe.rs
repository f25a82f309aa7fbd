//! PROBE: probes request a path and port that answer them, and each kind the path that is made for it.

use super::{is_ready_path, subject};
use crate::lint::{
    finding::{Finding, Severity},
    model::{Model, Probe, ProbeKind, Service},
    quantity::show,
};
use crate::place::Place;

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &model.services {
        for probe in &service.probes {
            findings.extend(timeout(service, probe));
            findings.extend(port(service, probe));
            findings.extend(path(service, probe));
        }
    }
    findings
}

fn finding(service: &Service, place: &Place, message: String, fix: &str) -> Finding {
    Finding {
        rule: "PROBE",
        severity: Severity::Error,
        place: place.clone(),
        subject: subject(&service.title),
        message,
        sum: None,
        fix: fix.to_owned(),
    }
}

fn timeout(service: &Service, probe: &Probe) -> Option<Finding> {
    (probe.timeout > probe.period).then(|| {
        let message = format!(
            "{}: the timeout {} is longer than the period {}",
            probe.key,
            show(probe.timeout),
            show(probe.period)
        );
        let fix = "timeoutSeconds of at most periodSeconds";
        // The kubelet then probes less often than the period.
        Finding {
            severity: Severity::Warning,
            ..finding(service, &probe.place, message, fix)
        }
    })
}

/// Checks that a listener has the port, with TLS or without.
fn port(service: &Service, probe: &Probe) -> Option<Finding> {
    let settings = &service.settings;
    let number = match &probe.port.value {
        Ok(number) => *number,
        Err(name) => {
            let message = format!(
                "{}: no port of the container has the name {name}",
                probe.key
            );
            return Some(finding(
                service,
                &probe.port.place,
                message,
                "a name in ports",
            ));
        }
    };
    let is_main = settings.port() == Some(number);
    let listens = settings.listens_on(number)?;
    if !listens {
        let message = format!(
            "{}: nothing listens on port {number}: {}, {}",
            probe.key,
            settings.get("PORT"),
            settings.get("ADMIN_ADDR")
        );
        return Some(finding(
            service,
            &probe.port.place,
            message,
            "a port of the service",
        ));
    }
    let has_tls = is_main && settings.text("TLS_CERT_FILE").is_some();
    let is_known = settings.is_known("TLS_CERT_FILE");
    (probe.path.is_some() && is_known && has_tls != probe.is_https).then(|| {
        let scheme = if has_tls { "HTTPS" } else { "HTTP" };
        let message = format!("{}: port {number} answers {scheme} only", probe.key);
        finding(service, &probe.place, message, &format!("scheme: {scheme}"))
    })
}

/// Checks the path as far as the chassis answers it; other paths can be routes of the service.
fn path(service: &Service, probe: &Probe) -> Option<Finding> {
    let settings = &service.settings;
    let path = probe.path.as_ref()?;
    let known = super::reserved();
    let is_known = known.contains(&path.value.as_str());
    let number = probe.port.value.as_ref().ok().copied();
    let is_admin = number.is_some() && number == settings.admin_port();
    let is_main = number.is_some() && number == settings.port();
    let error = |message, fix| Some(finding(service, &path.place, message, fix));
    if is_main && is_known && !settings.main_has_probes() {
        let message = format!(
            "{}: the main port does not answer {}: {}",
            probe.key,
            path.value,
            settings.get("INFRA_ENDPOINTS")
        );
        return error(message, "the port of ADMIN_ADDR");
    }
    if is_admin && !is_known && path.value != "/info" {
        let message = format!(
            "{}: the admin port does not answer {}",
            probe.key, path.value
        );
        return error(message, "/startupz, /health or /ready");
    }
    match probe.kind {
        ProbeKind::Liveness if is_ready_path(&path.value) => {
            let message = format!(
                "livenessProbe requests {}, which is 503 during a shutdown and while a dependency is down: \
                 restarts cut requests off",
                path.value
            );
            error(message, "/health")
        }
        ProbeKind::Readiness if is_known && !is_ready_path(&path.value) => {
            let message = format!(
                "readinessProbe requests {}, which stays 200 during a shutdown and while a dependency is down",
                path.value
            );
            error(message, "/ready")
        }
        _ => None,
    }
}
