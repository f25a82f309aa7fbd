//! Start-up connections: an async constructor that is retried until it succeeds.
//!
//! Services and their databases start in any order. If a process exits because its database does not
//! answer yet, the orchestrator restarts it after a backoff of minutes. A retry succeeds within seconds.

use std::{fmt, pin::Pin, time::Duration};

use tokio::time::{sleep, timeout};

use super::exit::SetupError;
use crate::{
    config::{Level, duration_text},
    error::chain,
    lifecycle::{Backoff, StartupTimes, StepKind},
    mask::mask,
    telemetry::Log,
};

/// The longest delay before a retry.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// The longest error text that is logged, in bytes.
const MAX_ERROR: usize = 256;

/// Retries an async constructor until it succeeds. Made by
/// [`Handle::connect`](crate::Handle::connect).
#[must_use = "does nothing until it is awaited"]
pub struct Connect<F> {
    name: String,
    log: Log,
    times: StartupTimes,
    constructor: F,
    limit: Option<Duration>,
}

/// A start-up connection that did not succeed within its limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} was not reached within {}: {last}", duration_text(*limit))]
pub struct ConnectError {
    name: String,
    limit: Duration,
    /// The error of the last attempt, with passwords masked.
    last: String,
}

impl<F> Connect<F> {
    pub(crate) fn new(name: &str, log: Log, times: StartupTimes, constructor: F) -> Self {
        Self {
            name: name.to_owned(),
            log,
            times,
            constructor,
            limit: None,
        }
    }

    /// Limits the total time of all attempts. An attempt in progress is cancelled at the limit.
    ///
    /// The default is no limit.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    async fn run<Fut, T, E>(mut self) -> Result<T, ConnectError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Into<SetupError>,
    {
        let mut last = "the first attempt did not end".to_owned();
        let Some(limit) = self.limit else {
            return Ok(self.retry(&mut last).await);
        };
        let connected = timeout(limit, self.retry(&mut last)).await;
        connected.map_err(|_| ConnectError {
            name: self.name,
            limit,
            last,
        })
    }

    async fn retry<Fut, T, E>(&mut self, last: &mut String) -> T
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Into<SetupError>,
    {
        let mut backoff = Backoff::new(MAX_DELAY);
        let mut attempt = 0_u64;
        let timer = self.times.begin(StepKind::Connect, &self.name);
        loop {
            let error = match (self.constructor)().await {
                Ok(connected) => {
                    timer.end();
                    return connected;
                }
                Err(error) => error.into(),
            };
            attempt += 1;
            let delay = backoff.next_delay();
            *last = mask(&chain(&*error));
            last.truncate(last.floor_char_boundary(MAX_ERROR));
            timer.fail(last);
            self.log.infra(Level::Warning, "connect_failed", |record| {
                record.str("connection", &self.name);
                record.number("attempt", attempt);
                record.str("error", last);
                record.number("retryMs", delay.as_millis());
            });
            sleep(delay).await;
        }
    }
}

impl<F, Fut, T, E> IntoFuture for Connect<F>
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<SetupError> + Send + 'static,
{
    type Output = Result<T, ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F> fmt::Debug for Connect<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
