//! The thread that sends spans: batch after batch, with a few retries, and with one record when it
//! begins to fail and one when it works again.
//!
//! It has a runtime of its own, so that neither a busy worker holds it up nor it a worker.

use std::{io, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
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

/// The first pause before a retry; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How much longer than its limit an end may take that is on its way.
const MARGIN: Duration = Duration::from_millis(100);

/// The handle of the thread.
#[derive(Debug)]
pub(super) struct Exporter {
    /// When everything must be over, once that is known.
    deadline: watch::Sender<Option<Instant>>,
    /// Closed when the thread has ended.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl Exporter {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If there is no thread or runtime to be had, or no authority for `https`.
    pub(super) fn start(
        traces: &Traces,
        build: &BuildInfo,
        queue: Arc<Queue>,
        log: Log,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (deadline, over) = watch::channel(None);
        let (ends, ended) = mpsc::channel(1);
        let work = ExportBatch {
            collector: Collector::new(traces)?,
            encoder: RequestEncoder::new(traces, build),
            endpoint: traces.endpoint.to_string(),
            timeout: traces.timeout,
            delay: traces.delay,
            queue,
            log,
            over,
            is_failing: false,
        };
        thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || {
                runtime.block_on(work.run());
                // A name that is still being looked up is not waited for.
                runtime.shutdown_background();
                drop(ends);
            })?;
        Ok(Self {
            deadline,
            ended: tokio::sync::Mutex::new(ended),
        })
    }

    /// Sends what is left, for `limit` at most; what is left then is dropped.
    pub(super) async fn close(&self, limit: Duration) {
        self.deadline.send_replace(Some(Instant::now() + limit));
        // Nothing is ever sent: it is over when the other side is gone.
        let _ = timeout(limit + MARGIN, async {
            self.ended.lock().await.recv().await
        })
        .await;
    }
}

struct ExportBatch {
    collector: Collector,
    encoder: RequestEncoder,
    endpoint: String,
    timeout: Duration,
    delay: Duration,
    queue: Arc<Queue>,
    log: Log,
    over: watch::Receiver<Option<Instant>>,
    is_failing: bool,
}

/// How sending a batch ended.
enum SendOutcome {
    /// All were taken but so many.
    Taken {
        rejected: u64,
        why: String,
    },
    Lost {
        reason: SpanLoss,
        why: String,
    },
}

impl ExportBatch {
    /// Sends until it is closed, then what is left.
    async fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let mut over = self.over.clone();
        loop {
            tokio::select! {
                () = sleep(self.delay) => {}
                () = queue.is_batch.notified() => {}
                // The sender lives as long as the service: gone, it is as good as closed.
                _ = over.wait_for(Option::is_some) => break,
            }
            loop {
                self.send_batch().await;
                if !queue.has_batch() || over.borrow().is_some() {
                    break;
                }
            }
        }
        queue.close();
        while self.send_batch().await {}
    }

    /// Sends one batch. Whether there was one.
    async fn send_batch(&mut self) -> bool {
        let spans = self.queue.take();
        let count = spans.len() as u64;
        if count == 0 {
            return false;
        }
        let mut over = self.over.clone();
        if over.borrow().is_some_and(|end| end <= Instant::now()) {
            // What is left of a long queue is not even encoded.
            self.queue.lost(SpanLoss::Shutdown, count);
            return true;
        }
        let body = self.encoder.encode(spans.into_iter().map(|span| *span));
        let outcome = tokio::select! {
            outcome = self.send(body) => outcome,
            () = deadline(&mut over) => SendOutcome::Lost {
                reason: SpanLoss::Shutdown,
                why: "the process ended".to_owned(),
            },
        };
        match outcome {
            SendOutcome::Taken { rejected, why } => {
                let rejected = rejected.min(count);
                self.queue.exported(count - rejected);
                self.queue.lost(SpanLoss::Refused, rejected);
                if rejected > 0 {
                    self.tell_failure(&why);
                } else {
                    self.tell_recovery();
                }
            }
            SendOutcome::Lost { reason, why } => {
                self.queue.lost(reason, count);
                self.tell_failure(&why);
            }
        }
        true
    }

    /// Sends a body until it is answered for good, or its time is over.
    async fn send(&mut self, body: Bytes) -> SendOutcome {
        let end = Instant::now() + self.timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = tokio::time::timeout_at(end, self.collector.send(body.clone())).await;
            let (why, wait) = match attempt {
                Err(_) => ("it did not answer in time".to_owned(), None),
                Ok(Err(error)) => (chain(&*error), Some(pause)),
                Ok(Ok(answer)) if answer.status.is_success() => {
                    let (rejected, why) = rejected(&answer.body);
                    return SendOutcome::Taken { rejected, why };
                }
                Ok(Ok(answer)) if is_temporary(answer.status) => {
                    let wait = answer.retry_after.unwrap_or(pause);
                    (format!("it answered {}", answer.status), Some(wait))
                }
                Ok(Ok(answer)) => {
                    return SendOutcome::Lost {
                        reason: SpanLoss::Refused,
                        why: format!("it answered {}", answer.status),
                    };
                }
            };
            // Whatever the collector asks for, nobody waits longer than a send may take.
            let retry = wait.map(|wait| Instant::now() + wait.min(self.timeout));
            match retry.filter(|at| *at < end) {
                // The end of the process is a reason not to wait, and not to try again.
                Some(at) if self.over.borrow().is_none() => tokio::select! {
                    () = sleep_until(at) => {}
                    _ = self.over.wait_for(Option::is_some) => {}
                },
                _ => {
                    return SendOutcome::Lost {
                        reason: SpanLoss::Failed,
                        why,
                    };
                }
            }
            pause *= 2;
        }
    }

    fn tell_failure(&mut self, why: &str) {
        if std::mem::replace(&mut self.is_failing, true) {
            return;
        }
        self.log
            .infra(Level::Warning, "trace_export_failed", |record| {
                record.str("endpoint", &self.endpoint);
                record.str("error", why);
                record.str(
                    "hint",
                    "what does not arrive is in trace_spans_dropped_total; a record tells when it does",
                );
            });
    }

    fn tell_recovery(&mut self) {
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

/// Ends when everything must be over.
async fn deadline(over: &mut watch::Receiver<Option<Instant>>) {
    let at = over.wait_for(Option::is_some).await.ok().and_then(|at| *at);
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Whether OTLP says that a retry is worth it.
fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
