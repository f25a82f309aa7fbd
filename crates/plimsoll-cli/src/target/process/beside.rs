//! A run of the command beside the service, with further arguments and other variables.
//!
//! It has the folder and the second listener's address of the service.
//! Its port is the service's own one, for commands about the service, or a free one.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use super::{Greeting, Launch, Process, Start, StartError};
use crate::target::ReservedPort;

/// A command that cannot be run beside the service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BesideError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot reserve a port")]
    Port(#[from] io::Error),
}

impl Process {
    /// Runs the command with the settings of the service, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`BesideError`] if the program is not executable any more.
    pub(crate) async fn run_beside(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> Result<(Self, Start), BesideError> {
        let mut process = self.beside(arguments, variables, self.launch.port, None, limit)?;
        let start = match process.wait_for_end(limit).await {
            Some(end) => Start::Ended(end),
            None => Start::Silent {
                listens_on: process.listening_ports(),
            },
        };
        Ok((process, start))
    }

    /// Starts the command on another port, and waits until it answers or ends.
    ///
    /// # Errors
    ///
    /// [`BesideError`] if no port is free.
    pub(crate) async fn start_beside(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> Result<(Self, Start), BesideError> {
        let port = ReservedPort::free()?;
        let mut process = self.beside(arguments, variables, Some(port.number()), None, limit)?;
        let start = process.wait_for_start().await;
        Ok((process, start))
    }

    pub(super) fn beside(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        port: Option<u16>,
        socket: Option<Arc<OwnedFd>>,
        limit: Duration,
    ) -> Result<Self, StartError> {
        let words = self.launch.command.iter().map(String::as_str);
        let words = words.chain(arguments.iter().copied());
        let further = variables.iter();
        let further = further.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::spawn(Launch {
            command: words.map(str::to_owned).collect(),
            variables: self
                .launch
                .variables
                .iter()
                .cloned()
                .chain(further)
                .collect(),
            port,
            greeting: Greeting::Plain,
            start_limit: limit,
            exchange_limit: limit,
            socket,
            ..self.launch.clone()
        })
    }
}
