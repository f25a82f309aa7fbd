//! PORTS: all files agree on the ports; otherwise connections are refused.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::{Model, Port, Proxy, Service},
};
use crate::place::{Place, Sited};

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &model.services {
        findings.extend(service.ports.iter().filter_map(|it| port(service, it)));
        findings.extend(loopback(service));
    }
    for (proxy, service, _) in model.pairs() {
        findings.extend(service.iter().flat_map(|it| upstream(it, proxy)));
    }
    findings
}

fn finding(service: &Service, severity: Severity, place: &Place, message: String) -> Finding {
    Finding {
        rule: "PORTS",
        severity,
        place: place.clone(),
        subject: subject(&service.title),
        message,
        sum: None,
        fix: "one number in all files".to_owned(),
    }
}

/// Checks that a listener has a port.
fn port(service: &Service, port: &Port) -> Option<Finding> {
    let settings = &service.settings;
    let Ok(number) = &port.number else {
        let name = port.number.as_ref().err()?;
        let message = format!(
            "{} is {name}, and no port of the container has that name",
            port.key
        );
        return Some(finding(service, Severity::Error, &port.place, message));
    };
    let is_main = |it: &Port| it.number.clone().ok() == settings.port();
    if settings.listens_on(*number) != Some(false) || settings.port().is_none() {
        return None;
    }
    // Beside the main port, another one can be that of a server in the service's code.
    let severity = if service.ports.iter().any(is_main) {
        Severity::Warning
    } else {
        Severity::Error
    };
    let message = format!(
        "{} is {number}, and the service listens on {}, {}",
        port.key,
        settings.get("PORT"),
        settings.get("ADMIN_ADDR")
    );
    Some(finding(service, severity, &port.place, message))
}

/// Checks that clients outside of a container reach the listener.
fn loopback(service: &Service) -> Option<Finding> {
    let host = service.settings.get("HOST");
    let is_loopback = host.text.starts_with("127.") || host.text == "::1";
    if !is_loopback || !service.is_isolated || service.ports.is_empty() {
        return None;
    }
    let place = host.place().unwrap_or(&service.place);
    let message = format!(
        "the service listens on HOST {}, which only its container reaches",
        host.text
    );
    let fix = "HOST=0.0.0.0".to_owned();
    Some(Finding {
        fix,
        ..finding(service, Severity::Error, place, message)
    })
}

/// Checks the port of a server that a proxy names by the name of the service.
fn upstream(service: &Service, proxy: &Proxy) -> Vec<Finding> {
    let settings = &service.settings;
    let servers = proxy
        .servers
        .iter()
        .filter(|it| service.hosts.contains(&it.value.host));
    let wrong = servers.filter_map(|Sited { value, place }| {
        let number = value.port?;
        let is_wrong = settings.port().is_some() && settings.listens_on(number) == Some(false);
        is_wrong.then(|| {
            let message = format!(
                "{} connects to port {number} of {}, which listens on {}",
                proxy.title,
                service.title,
                settings.get("PORT")
            );
            finding(service, Severity::Error, place, message)
        })
    });
    wrong.collect()
}
