//! What a service works with during its checks: certificates, and a collector of spans.

use std::path::Path;

use super::{authority::Authority, collector::Collector, scenario::Scenario};
use crate::{
    exit::Failure,
    target::{Folder, Greeting},
};

/// The peers of a start.
#[derive(Debug)]
pub(super) struct Peers {
    /// The authority of its certificates.
    pub(super) authority: Option<Authority>,
    /// The collector of its spans.
    pub(super) collector: Option<Collector>,
}

impl Peers {
    /// Creates the peers of a scenario. The folder has their files.
    ///
    /// # Errors
    ///
    /// [`Failure`] if a file cannot be written, or no port is free.
    pub(super) async fn create(scenario: &Scenario, folder: &Folder) -> Result<Self, Failure> {
        let authority = || Authority::create(Path::new(folder.path()));
        let authority = scenario.certificates.then(authority).transpose();
        let collector = match scenario.collector {
            Some(manner) => Some(Collector::start(manner).await.map_err(Failure::Port)?),
            None => None,
        };
        Ok(Self {
            authority: authority.map_err(Failure::Folder)?,
            collector,
        })
    }

    /// Returns how the service of the scenario is asked whether it has started.
    ///
    /// # Errors
    ///
    /// [`Failure`] if no certificate can be issued for the client.
    pub(super) fn greeting(&self, scenario: &Scenario) -> Result<Greeting, Failure> {
        match (&self.authority, scenario.prefix) {
            (Some(authority), _) => {
                let hello = authority.hello().map_err(Failure::Folder)?;
                let roots = authority.roots().map_err(Failure::Folder)?;
                Ok(Greeting::Encrypted(hello, roots))
            }
            (None, b"") => Ok(Greeting::Plain),
            (None, prefix) => Ok(Greeting::Prefixed(prefix)),
        }
    }

    /// Returns the port of the collector.
    pub(super) fn collector_port(&self) -> Option<u16> {
        self.collector.as_ref().map(Collector::port)
    }
}
