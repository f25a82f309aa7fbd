//! The timer of hyper's ping, which rarely reads the clock.
//!
//! hyper asks for the time at each request, at each DATA frame and at each poll of a connection, to know
//! since when the client is silent. A poll also polls the timer, once for each request. The ping is due
//! after seconds, so one time for a poll of the connection suffices, and a timer that has a waker needs
//! no poll.
//!
//! Over HTTP/2, only the ping uses hyper's timer.
//!
//! # Thread-local
//!
//! hyper asks for the time inside the poll of the connection, so both are on one thread and in one call.
//! Outside of it, as in a task that reads a request body, the clock is read.

use std::{
    cell::Cell,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant},
};

use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;
use tokio::{
    task::coop::unconstrained,
    time::{self, Instant},
};

thread_local! {
    /// The time of the poll of a connection on this thread.
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Gives hyper the time `now` until it is dropped.
pub(super) struct PollTime(Option<Instant>);

impl PollTime {
    pub(super) fn set(now: Instant) -> Self {
        Self(NOW.replace(Some(now)))
    }
}

impl Drop for PollTime {
    fn drop(&mut self) {
        NOW.set(self.0);
    }
}

/// The timer of a connection.
#[derive(Debug)]
pub(super) struct PingTimer;

impl Timer for PingTimer {
    fn now(&self) -> StdInstant {
        NOW.get().unwrap_or_else(Instant::now).into()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    // hyper makes a new one for each deadline.
    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn Sleep>> {
        Box::pin(PingSleep {
            sleep: time::sleep_until(deadline.into()),
            has_waker: false,
        })
    }
}

pin_project! {
    /// A sleep that the task of a connection polls. That task's waker does not change.
    struct PingSleep {
        #[pin]
        sleep: time::Sleep,
        has_waker: bool,
    }
}

impl Future for PingSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if std::mem::replace(this.has_waker, true) && !this.sleep.is_elapsed() {
            return Poll::Pending;
        }
        // A task that has used up its coop budget would get `Pending` without a registered waker.
        pin!(unconstrained(this.sleep)).poll(cx)
    }
}

impl Sleep for PingSleep {}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::poll_fn, ops::Range, sync::Arc};

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Empty;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        runtime::Handle,
        task::{JoinHandle, coop::consume_budget},
        time::timeout,
    };

    use super::{
        super::{PING_AFTER, PONG_WITHIN, builder, frames::PREFACE},
        *,
    };
    use crate::{
        connection::ConnectionState,
        edge::StalledResponses,
        lifecycle::ConnectionTracker,
        server::{
            http2::{StreamExecutor, WithStreams},
            worker::Worker,
        },
    };

    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    /// Serves a connection whose client has sent its preface.
    async fn served() -> (DuplexStream, JoinHandle<hyper::Result<()>>) {
        let streams = StreamExecutor::new(
            Arc::new(ConnectionTracker::new()),
            Arc::new(ConnectionState::new()),
            Duration::from_secs(30),
            StalledResponses::new(1),
            [Worker::new(Handle::current())].into(),
        );
        let (mut client, server) = duplex(64 * 1024);
        let service =
            service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
        let http = builder(streams.clone()).serve_connection(TokioIo::new(server), service);
        let served = tokio::spawn(WithStreams::new(http, streams));
        let start = [&PREFACE[..], &SETTINGS].concat();
        client.write_all(&start).await.unwrap();
        (client, served)
    }

    /// The time in which a silent client is closed: tokio rounds timers up to milliseconds.
    fn limit() -> Range<Duration> {
        let limit = PING_AFTER + PONG_WITHIN;
        limit..limit + Duration::from_millis(10)
    }

    #[tokio::test(start_paused = true)]
    async fn timer_fires_if_it_was_polled_without_budget() {
        let began = Instant::now();
        let mut timer = PingTimer.sleep(PING_AFTER);
        let mut has_budget = true;
        let fired = poll_fn(|cx| {
            while has_budget {
                has_budget = pin!(consume_budget()).poll(cx).is_ready();
            }
            timer.as_mut().poll(cx)
        });
        // Polled again at its timeout, the timer would be ready in any case.
        let _ = timeout(PING_AFTER * 2, fired).await;
        assert!(began.elapsed() < PING_AFTER * 2, "it has no waker");
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_answers_no_ping_is_closed() {
        let began = Instant::now();
        let (_client, served) = served().await;
        served.await.unwrap().unwrap_err();
        assert!(limit().contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_delays_the_ping() {
        let (mut client, served) = served().await;
        for stream in [1, 3, 5] {
            time::sleep(PING_AFTER * 2 / 3).await;
            // `GET http://a/`
            let block = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
            let head = [0, 0, 6, 1, 0x05, 0, 0, 0, stream];
            client
                .write_all(&[&head[..], &block].concat())
                .await
                .unwrap();
        }
        let last = Instant::now();
        served.await.unwrap().unwrap_err();
        assert!(limit().contains(&last.elapsed()), "{:?}", last.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_answers_pings_is_kept() {
        let (mut client, served) = served().await;
        let began = Instant::now();
        let mut pings = 0;
        while pings < 5 {
            let mut head = [0; 9];
            client.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(head[2])];
            client.read_exact(&mut payload).await.unwrap();
            if head[3] == 6 {
                pings += 1;
                head[4] = 1;
                client
                    .write_all(&[&head[..], &payload].concat())
                    .await
                    .unwrap();
            }
        }
        assert!(began.elapsed() >= PING_AFTER * 5);
        assert!(!served.is_finished());
    }
}
