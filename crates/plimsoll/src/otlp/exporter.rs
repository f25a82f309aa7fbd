//! The thread that exports spans in batches, with retries.
//!
//! It logs one record when the export begins to fail, and one when it succeeds again. The thread has
//! its own runtime, so that it and the workers do not delay each other.

use std::{io, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::{
    runtime::Builder,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    collector::Collector,
    encode::{RequestEncoder, rejected},
    queue::Queue,
};
use crate::{
    build_info::BuildInfo,
    config::{Level, Traces},
    error::chain,
    metrics::SpanLoss,
    telemetry::Log,
};

/// The backoff before the first retry. It doubles for each further retry.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);

/// The time beyond the limit in which the thread may end by itself.
const CLOSE_MARGIN: Duration = Duration::from_millis(100);

/// A handle of the exporter thread.
#[derive(Debug)]
pub(super) struct Exporter {
    /// The deadline of the shutdown, once it has begun. Closed when the task of the thread has ended.
    deadline: watch::Sender<Option<Instant>>,
}

impl Exporter {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the thread or its runtime cannot be created, or if `https` has no certificate authorities.
    pub(super) fn start(
        traces: &Traces,
        build: &BuildInfo,
        queue: Arc<Queue>,
        log: Log,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (deadline, deadline_receiver) = watch::channel(None);
        let task = ExportTask {
            collector: Collector::new(traces)?,
            encoder: RequestEncoder::new(traces, build),
            endpoint: traces.endpoint.to_string(),
            timeout: traces.timeout,
            delay: traces.delay,
            queue,
            log,
            deadline: deadline_receiver,
            is_failing: false,
        };
        thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || {
                runtime.block_on(task.run());
                // A pending name resolution is not awaited.
                runtime.shutdown_background();
            })?;
        Ok(Self { deadline })
    }

    /// Sends the queued spans for at most `limit`, and drops the rest.
    pub(super) async fn close(&self, limit: Duration) {
        self.deadline.send_replace(Some(Instant::now() + limit));
        // After the margin, the process ends without the thread.
        let _ = timeout(limit + CLOSE_MARGIN, self.deadline.closed()).await;
    }
}

/// The task of the exporter thread.
struct ExportTask {
    collector: Collector,
    encoder: RequestEncoder,
    endpoint: String,
    timeout: Duration,
    delay: Duration,
    queue: Arc<Queue>,
    log: Log,
    /// The deadline of the shutdown, once it has begun.
    deadline: watch::Receiver<Option<Instant>>,
    is_failing: bool,
}

/// The result of sending a batch.
enum SendOutcome {
    /// The collector has accepted the batch, except for `rejected` spans.
    Accepted { rejected: u64, error: String },
    /// The whole batch is dropped.
    Dropped { reason: SpanLoss, error: String },
}

impl ExportTask {
    /// Sends batches until the exporter is closed, then the queued spans.
    async fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let mut deadline = self.deadline.clone();
        loop {
            tokio::select! {
                () = sleep(self.delay) => {}
                () = queue.batch_full.notified() => {}
                // An error means that the exporter was dropped, which closes it too.
                _ = deadline.wait_for(Option::is_some) => break,
            }
            loop {
                self.send_batch().await;
                if !queue.has_batch() || deadline.borrow().is_some() {
                    break;
                }
            }
        }
        queue.close();
        while self.send_batch().await {}
    }

    /// Sends one batch. Returns false if the queue was empty.
    async fn send_batch(&mut self) -> bool {
        let spans = self.queue.take_batch();
        let count = spans.len() as u64;
        if count == 0 {
            return false;
        }
        let mut deadline = self.deadline.clone();
        if deadline.borrow().is_some_and(|end| end <= Instant::now()) {
            // After the deadline the rest of the queue is not encoded.
            self.queue.count_dropped(SpanLoss::Shutdown, count);
            return true;
        }
        let body = self.encoder.encode(spans.into_iter().map(|span| *span));
        let outcome = tokio::select! {
            outcome = self.send(body) => outcome,
            () = expired(&mut deadline) => SendOutcome::Dropped {
                reason: SpanLoss::Shutdown,
                error: "the process ended".to_owned(),
            },
        };
        match outcome {
            SendOutcome::Accepted { rejected, error } => {
                let rejected = rejected.min(count);
                self.queue.count_exported(count - rejected);
                self.queue.count_dropped(SpanLoss::Refused, rejected);
                if rejected > 0 {
                    self.log_failure(&error);
                } else {
                    self.log_recovery();
                }
            }
            SendOutcome::Dropped { reason, error } => {
                self.queue.count_dropped(reason, count);
                self.log_failure(&error);
            }
        }
        true
    }

    /// Sends a body, with retries until a final response or the timeout.
    async fn send(&mut self, body: Bytes) -> SendOutcome {
        let end = Instant::now() + self.timeout;
        let mut backoff = INITIAL_BACKOFF;
        loop {
            let attempt = tokio::time::timeout_at(end, self.collector.send(body.clone())).await;
            let (error, wait) = match attempt {
                Err(_) => ("it did not answer in time".to_owned(), None),
                Ok(Err(error)) => (chain(&*error), Some(backoff)),
                Ok(Ok(response)) if response.status.is_success() => {
                    let (rejected, error) = rejected(&response.body);
                    return SendOutcome::Accepted { rejected, error };
                }
                Ok(Ok(response)) if is_temporary(response.status) => {
                    let wait = response.retry_after.unwrap_or(backoff);
                    (format!("it answered {}", response.status), Some(wait))
                }
                Ok(Ok(response)) => {
                    return SendOutcome::Dropped {
                        reason: SpanLoss::Refused,
                        error: format!("it answered {}", response.status),
                    };
                }
            };
            // `Retry-After` is capped at the timeout of a send.
            let retry = wait.map(|wait| Instant::now() + wait.min(self.timeout));
            match retry.filter(|at| *at < end) {
                // A shutdown ends the wait. During a shutdown there is no further retry.
                Some(at) if self.deadline.borrow().is_none() => tokio::select! {
                    () = sleep_until(at) => {}
                    _ = self.deadline.wait_for(Option::is_some) => {}
                },
                _ => {
                    return SendOutcome::Dropped {
                        reason: SpanLoss::Failed,
                        error,
                    };
                }
            }
            backoff *= 2;
        }
    }

    /// Logs the first failure after a success.
    fn log_failure(&mut self, error: &str) {
        if std::mem::replace(&mut self.is_failing, true) {
            return;
        }
        self.log
            .infra(Level::Warning, "trace_export_failed", |record| {
                record.str("endpoint", &self.endpoint);
                record.str("error", error);
                record.str(
                    "hint",
                    "dropped spans are counted in trace_spans_dropped_total; trace_export_recovered is logged when the export works again",
                );
            });
    }

    /// Logs the first success after a failure.
    fn log_recovery(&mut self) {
        if std::mem::replace(&mut self.is_failing, false) {
            let dropped = self.queue.totals().total_dropped();
            self.log
                .infra(Level::Info, "trace_export_recovered", |record| {
                    record.str("endpoint", &self.endpoint);
                    record.number("spansDropped", dropped);
                });
        }
    }
}

/// Waits until the deadline has passed; forever if the sender is dropped without a deadline.
async fn expired(deadline: &mut watch::Receiver<Option<Instant>>) {
    let at = deadline
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|at| *at);
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Whether OTLP specifies a retry for this status.
fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
