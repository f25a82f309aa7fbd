//! TRUST: exactly the proxies in front are trusted; otherwise logs and limits have the address of the proxy, or one
//! that any client chooses.

use super::subject;
use crate::lint::{
    finding::{Finding, Severity},
    model::{Model, Service},
    network::MIN_PREFIX,
};
use crate::place::Place;

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let mut findings: Vec<Finding> = model.services.iter().flat_map(wide).collect();
    for (proxy, service, settings) in model.pairs() {
        if let Some(service) = service
            && settings.is_surely_unset("TRUSTED_PROXIES")
        {
            findings.push(Finding {
                rule: "TRUST",
                severity: Severity::Warning,
                place: service.place.clone(),
                subject: subject(&service.title),
                message: format!(
                    "{} is behind {} ({}) and trusts no proxy: every client has the address of the proxy",
                    service.title, proxy.title, proxy.place
                ),
                sum: None,
                fix: "TRUSTED_PROXIES with the addresses of only that proxy".to_owned(),
            });
        }
    }
    findings
}

/// Returns the trusted networks that contain clients.
fn wide(service: &Service) -> Vec<Finding> {
    let setting = service.settings.get("TRUSTED_PROXIES");
    let place = setting.place().unwrap_or(&service.place);
    let networks = setting.text.split(',').map(str::trim);
    let wide = networks.filter(|network| {
        let prefix = network.split_once('/').map(|(_, prefix)| prefix);
        prefix.is_some_and(|prefix| prefix.parse().is_ok_and(|prefix: u32| prefix < MIN_PREFIX))
    });
    wide.map(|network| finding(service, place, network))
        .collect()
}

fn finding(service: &Service, place: &Place, network: &str) -> Finding {
    Finding {
        rule: "TRUST",
        severity: Severity::Error,
        place: place.clone(),
        subject: subject(&service.title),
        message: format!(
            "TRUSTED_PROXIES has {network}: a client in it chooses its own address in X-Forwarded-For"
        ),
        sum: None,
        fix: "the addresses of only the proxies in front".to_owned(),
    }
}
