//! Where the metrics of a target are, and how they are read.

use std::{io, time::Duration};

use crate::{
    fetch::{Endpoint, FetchError},
    target::{METRICS, Target},
};

/// Reads the metrics of one target.
#[derive(Debug)]
pub struct Source {
    target: Target,
    /// The socket of the process that answered last.
    found: Option<Endpoint>,
}

/// A target that cannot have metrics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoSource {
    /// The process does not exist.
    #[error("no process has the id {0}; a port needs a host, such as localhost:{0}")]
    NoProcess(u32),
    /// The sockets of the process cannot be read.
    #[error("cannot read the sockets of process {pid}")]
    Unreadable {
        /// The id of the process.
        pid: u32,
        /// The reason, such as a process of another user.
        source: io::Error,
    },
    /// The system has no `/proc`.
    #[error("process {0}: its sockets can be found on Linux only; use HOST:PORT")]
    Unsupported(u32),
    /// The host has no address.
    #[error("cannot resolve the host {host}")]
    Unresolved {
        /// The name of the host.
        host: String,
        /// The error of the resolver.
        source: io::Error,
    },
}

/// A scrape without a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeError {
    /// The target cannot have metrics.
    #[error(transparent)]
    NoSource(#[from] NoSource),
    /// The process has ended since it was checked.
    #[error("process {0} has ended")]
    Ended(u32),
    /// The process listens on no socket.
    #[error("process {0} listens on no socket")]
    NoListener(u32),
    /// No socket of the process has metrics.
    #[error("no socket of process {pid} has metrics")]
    NoMetrics {
        /// The id of the process.
        pid: u32,
        /// The error of the most public socket.
        #[source]
        last: FetchError,
    },
    /// The target does not return metrics.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Source {
    /// Creates a source. Nothing is read yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            found: None,
        }
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Checks that the target exists: its process, or an address for its host.
    ///
    /// # Errors
    ///
    /// [`NoSource`], so that a wrong argument is not taken for an instance that is down.
    pub async fn check(&self) -> Result<(), NoSource> {
        match &self.target {
            Target::Process(pid) => listeners(*pid).map(drop),
            Target::Unix(_) => Ok(()),
            Target::Tcp { host, port, .. } => {
                let addresses = tokio::net::lookup_host((host.as_str(), *port)).await;
                addresses.map(drop).map_err(|source| NoSource::Unresolved {
                    host: host.clone(),
                    source,
                })
            }
        }
    }

    /// Returns the text of the metrics. Each connection has `limit` for its response.
    ///
    /// # Errors
    ///
    /// [`ScrapeError`] if no socket of the target returns one.
    pub async fn scrape(&mut self, limit: Duration) -> Result<String, ScrapeError> {
        match &self.target {
            Target::Tcp { host, port, path } => {
                let (host, port) = (host.clone(), *port);
                Ok(Endpoint::Tcp { host, port }.fetch(path, limit).await?)
            }
            Target::Unix(socket) => {
                let endpoint = Endpoint::Unix(socket.clone());
                Ok(endpoint.fetch(METRICS, limit).await?)
            }
            Target::Process(pid) => self.scrape_process(*pid, limit).await,
        }
    }

    async fn scrape_process(&mut self, pid: u32, limit: Duration) -> Result<String, ScrapeError> {
        if let Some(endpoint) = &self.found {
            let body = endpoint.fetch(METRICS, limit).await;
            // The process may have closed this socket and still answer on another one.
            if body.is_err() {
                self.found = None;
            }
            return Ok(body?);
        }
        let mut last = None;
        let endpoints = listeners(pid).map_err(|error| match error {
            NoSource::NoProcess(pid) => ScrapeError::Ended(pid),
            other => other.into(),
        })?;
        for endpoint in endpoints {
            match endpoint.fetch(METRICS, limit).await {
                Ok(body) => {
                    self.found = Some(endpoint);
                    return Ok(body);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            Some(last) => ScrapeError::NoMetrics { pid, last },
            None => ScrapeError::NoListener(pid),
        })
    }
}

#[cfg(target_os = "linux")]
use crate::discovery::listeners;

#[cfg(not(target_os = "linux"))]
fn listeners(pid: u32) -> Result<Vec<Endpoint>, NoSource> {
    Err(NoSource::Unsupported(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wrong_targets_are_detected_before_a_scrape() {
        let fault = async |target: &str| {
            let source = Source::new(target.parse().unwrap());
            source.check().await.unwrap_err().to_string()
        };
        assert!(fault("8388608").await.contains("8388608"));
        assert!(fault("http://host.invalid").await.contains("host.invalid"));
    }
}
