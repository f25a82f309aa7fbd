//! The arguments of `top`.

use std::time::Duration;

use clap::Args;
use plimsoll_scrape::{InvalidTarget, Source, Target};

use crate::{duration, exit::Failure};

/// The shortest time for a response, so that a short interval declares no instance dead.
const MIN_LIMIT: Duration = Duration::from_secs(1);

/// The longest time for a response.
const MAX_LIMIT: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  # Two instances
  plimsoll top 10.0.0.7:9090 10.0.0.8:9090

  # A local process
  plimsoll top 8123

  # The values of one interval, for a script
  plimsoll top --once --json http://localhost:8080";

/// Observe running instances by their metrics
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The instances: http://HOST:PORT, HOST:PORT, the id of a local process, or unix:PATH
    #[arg(value_name = "INSTANCE", value_parser = target)]
    targets: Vec<Target>,

    /// Time between two scrapes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    interval: Duration,

    /// Time over which rates and quantiles are computed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    window: Duration,

    /// Write a JSON object per interval
    #[arg(long)]
    pub(super) json: bool,

    /// Write the values of one interval, and exit with status 3 if an instance does not answer
    #[arg(long)]
    pub(super) once: bool,
}

/// The times of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) interval: Duration,
    pub(super) window: Duration,
    /// The time that an instance has for its response.
    pub(super) limit: Duration,
}

impl Arguments {
    /// Returns the sources of the instances.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if no instance is named.
    pub(super) fn sources(&self) -> Result<Vec<Source>, Failure> {
        if self.targets.is_empty() {
            let reason = "the instances are missing: plimsoll top HOST:PORT …";
            return Err(Failure::Usage(reason.to_owned()));
        }
        Ok(self.targets.iter().cloned().map(Source::new).collect())
    }

    /// Returns the times.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the window has no room for two scrapes.
    pub(super) fn times(&self) -> Result<Times, Failure> {
        if self.window < self.interval {
            let reason = "--window must be at least as long as --interval";
            return Err(Failure::Usage(reason.to_owned()));
        }
        Ok(Times {
            interval: self.interval,
            window: self.window,
            limit: self.interval.clamp(MIN_LIMIT, MAX_LIMIT),
        })
    }
}

fn target(text: &str) -> Result<Target, InvalidTarget> {
    text.parse()
}
