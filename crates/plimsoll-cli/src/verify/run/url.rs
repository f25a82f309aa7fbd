//! The run against a service at a URL, which is neither started nor ended.

use plimsoll_contract::Class;
use tokio::time::Instant;

use super::{Plan, Run, class};
use crate::{
    exit::Failure,
    target::Url,
    verify::{
        journal,
        options::Logs,
        probe::{Observation, Probe},
        scenario,
        subject::{Service, request},
    },
    wire::Wire,
};

/// The reason why a check is not made at a URL, if it needs a start.
const STARTS: &str = "the check starts the service; pass a command";

impl Plan<'_> {
    /// Returns a client of a running service, once it has answered.
    async fn wire(&self, url: &Url) -> Result<Wire, Failure> {
        let addresses = url.resolve().map_err(|source| Failure::Unresolved {
            url: url.to_string(),
            source,
        })?;
        // Copies of the client are in many tasks until the end of the command, and so is the text.
        let authority = String::leak(url.authority().to_owned());
        for address in addresses {
            let wire = Wire::new(address, Instant::now(), self.limits.exchange);
            let wire = wire.with_authority(authority);
            let ready = request("GET", "/ready", &[]);
            let first = wire.exchange("start", String::new(), ready).await;
            if first.response().is_some() {
                return Ok(wire);
            }
        }
        Err(Failure::NoAnswer {
            url: url.to_string(),
        })
    }
}

impl Run<'_> {
    /// Makes the checks that need no start.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the service is not reached, or its log cannot be read.
    pub(super) async fn url(&mut self, url: &Url) -> Result<(), Failure> {
        let log = match self.plan.logs {
            Some(Logs::File(path)) => Some(journal::follow(path).map_err(|source| {
                let path = path.clone();
                Failure::Logs { path, source }
            })?),
            Some(Logs::Input) => Some(journal::standard_input()),
            Some(Logs::Stdout | Logs::Stderr) | None => None,
        };
        let wire = self.plan.wire(url).await?;
        let admin = match self.plan.admin {
            Some(admin) => Some(self.plan.wire(admin).await?),
            None => None,
        };
        for scenario in scenario::ALL {
            for probe in self.probes(scenario) {
                match (probe.observation, refusal(probe, self.plan.intrusive)) {
                    (Observation::Session(collect), None) => {
                        let service = Service::Url {
                            admin,
                            log: log.as_ref(),
                        };
                        self.observe(probe, collect, wire, service).await;
                    }
                    (_, refusal) => self.not_proven(probe, refusal.unwrap_or(STARTS)),
                }
            }
        }
        Ok(())
    }
}

/// Returns the reason why a probe is not made at a URL.
pub(in crate::verify) fn refusal(probe: &Probe, intrusive: bool) -> Option<&'static str> {
    let needs_start = matches!(probe.observation, Observation::Start);
    if *probe.scenario != scenario::BASE || needs_start || class(probe) == Class::Shutdown {
        Some(STARTS)
    } else if class(probe) == Class::Intrusive && !intrusive {
        Some("check not permitted; pass --intrusive or a command")
    } else {
        None
    }
}
