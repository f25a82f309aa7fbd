//! Reloads the TLS configuration when its files change, and reports events.
//!
//! The files are polled every few seconds. Notifications of the file system are lost when Kubernetes
//! replaces the directory of the files, and network file systems send none. SIGHUP reloads the files
//! immediately.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, oneshot::error::RecvError},
    time::{Instant, timeout},
};

use super::{
    Reloaded, Tls, TlsError,
    reader::{CertificateReader, ReloadResult},
};
use crate::error::chain;

/// The interval of checks. A check takes two or three system calls, and a new certificate is active
/// within seconds.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// The time before the expiry of a certificate from which a warning is reported. Tools renew a month
/// before; after half of that, an operator has as long again to act.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The time between two warnings of the same expiry.
const WARNING_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// An event that [`watch`] reports.
#[derive(Debug)]
pub(crate) enum TlsEvent {
    /// The files were read and are active. Reported after a change, after an error, and for each
    /// requested reload.
    Reloaded {
        /// When the active certificate expires.
        not_after: SystemTime,
    },
    /// The files have an error, and the previous configuration stays active.
    ///
    /// Reported once while the error is the same, and for each requested reload.
    Failed(TlsError),
    /// The active certificate expires soon. Reported once a day.
    ExpiresSoon {
        /// The time until it expires; zero if it has expired.
        left: Duration,
    },
}

/// Makes `reader` reload the files when they change and when `reload` is notified, and reports it.
/// Ends only after a panic of the reader.
///
/// No notification is lost: if `notify_one` is called during a reload, another reload follows.
///
/// # Cancel safety
///
/// May be dropped at any time. A reload that has begun is completed, but not reported.
pub(crate) async fn watch(
    tls: Arc<Tls>,
    reader: CertificateReader,
    interval: Duration,
    reload: Arc<Notify>,
    on_event: impl FnMut(TlsEvent),
) {
    let check = |forced| reader.check(forced);
    watch_with(SystemTime::now, check, tls, interval, reload, on_event).await;
}

async fn watch_with<C: Future<Output = Result<ReloadResult, RecvError>>>(
    clock: impl Fn() -> SystemTime,
    check: impl Fn(bool) -> C,
    tls: Arc<Tls>,
    interval: Duration,
    reload: Arc<Notify>,
    mut on_event: impl FnMut(TlsEvent),
) {
    let mut failure: Option<String> = None;
    let mut warned_at: Option<Instant> = None;
    loop {
        let left = tls.not_after().duration_since(clock()).unwrap_or_default();
        if left < EXPIRY_WARNING && warned_at.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            warned_at = Some(Instant::now());
            on_event(TlsEvent::ExpiresSoon { left });
        }
        let requested = timeout(interval, reload.notified()).await.is_ok();
        // After a panic of the reader, which the panic hook has logged.
        let Ok(result) = check(requested).await else {
            return;
        };
        match result {
            None => {}
            Some(Ok(reloaded)) => {
                let changed = reloaded == Reloaded::Changed;
                if changed {
                    // A new certificate has an expiry of its own.
                    warned_at = None;
                }
                if failure.take().is_some() || changed || requested {
                    let not_after = tls.not_after();
                    on_event(TlsEvent::Reloaded { not_after });
                }
            }
            Some(Err(error)) => {
                let text = Some(chain(&error));
                if failure != text || requested {
                    failure = text;
                    on_event(TlsEvent::Failed(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, future::ready};

    use tokio::{
        sync::mpsc::{Receiver, channel},
        task::JoinHandle,
    };

    use super::{
        super::{
            reader::check,
            tests::{DAY, Fixture, Pair, served_certificate, whole_seconds},
        },
        *,
    };
    use crate::sync::lock;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// A watch with an interval of an hour, whose clock follows the time of the test.
    struct CertificateWatch {
        fixture: Fixture,
        reload: Arc<Notify>,
        events: Receiver<TlsEvent>,
        task: JoinHandle<()>,
    }

    impl CertificateWatch {
        fn new(fixture: Fixture) -> Self {
            let (sender, events) = channel(1000);
            let reload = Arc::new(Notify::new());
            let (start, began) = (whole_seconds(SystemTime::now()), Instant::now());
            let tls = Arc::clone(&fixture.tls);
            let watching = watch_with(
                move || start + began.elapsed(),
                // On this thread, because paused time does not wait for another thread.
                move |forced| ready(Ok(check(&tls, forced))),
                Arc::clone(&fixture.tls),
                HOUR,
                Arc::clone(&reload),
                move |event| sender.try_send(event).unwrap(),
            );
            let task = tokio::spawn(watching);
            Self {
                fixture,
                reload,
                events,
                task,
            }
        }

        async fn next(&mut self) -> TlsEvent {
            self.events.recv().await.unwrap()
        }

        /// Checks that no event is reported for a day.
        #[track_caller]
        fn expect_no_event(&mut self) -> impl Future<Output = ()> {
            let at = std::panic::Location::caller();
            async move {
                if let Ok(event) = timeout(DAY - HOUR / 2, self.events.recv()).await {
                    panic!("{at}: {event:?}");
                }
            }
        }
    }

    impl Drop for CertificateWatch {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    /// TLS-4
    #[tokio::test(start_paused = true)]
    async fn change_is_reported_once_at_next_check() {
        let mut watch = CertificateWatch::new(Fixture::new());
        watch.expect_no_event().await;
        for days in [100, 200, 300] {
            let end = whole_seconds(SystemTime::now() + days * DAY);
            let pair = watch.fixture.authority.issue_until(end);
            let written = Instant::now();
            watch.fixture.directory.write(&pair);
            let event = watch.next().await;
            assert!(
                matches!(event, TlsEvent::Reloaded { not_after } if not_after == end),
                "{event:?}"
            );
            assert!(written.elapsed() <= HOUR);
            watch.expect_no_event().await;
            assert_eq!(served_certificate(&watch.fixture).await, pair.der());
        }
    }

    #[tokio::test]
    async fn files_are_read_after_a_change_or_on_request() {
        let Fixture { tls, directory, .. } = Fixture::new();
        lock(&tls.fingerprint).age_files();
        let reader = CertificateReader::start(Arc::clone(&tls)).unwrap();
        assert!(reader.check(false).await.unwrap().is_none());
        assert!(reader.check(true).await.unwrap().is_some());
        lock(&tls.fingerprint).age_files();
        fs::write(directory.path("tls.key"), "").unwrap();
        assert!(reader.check(false).await.unwrap().unwrap().is_err());
    }

    /// TLS-4
    #[tokio::test(start_paused = true)]
    async fn requested_reload_is_reported_immediately() {
        let mut watch = CertificateWatch::new(Fixture::new());
        let began = Instant::now();
        for _ in 0..3 {
            watch.reload.notify_one();
            assert!(matches!(watch.next().await, TlsEvent::Reloaded { .. }));
        }
        fs::write(watch.fixture.directory.path("tls.key"), "").unwrap();
        for _ in 0..3 {
            watch.reload.notify_one();
            assert!(matches!(watch.next().await, TlsEvent::Failed(_)));
        }
        assert!(began.elapsed() < HOUR);
    }

    /// TLS-5
    #[tokio::test(start_paused = true)]
    async fn failure_is_reported_once_and_retried_after_a_change() {
        let mut watch = CertificateWatch::new(Fixture::new());
        let pair = watch.fixture.authority.issue();
        let half = Pair {
            certificate: pair.certificate[..200].to_owned(),
            key: pair.key.clone(),
        };
        watch.fixture.directory.write(&half);
        let event = watch.next().await;
        assert!(
            matches!(&event, TlsEvent::Failed(error) if error.to_string().contains("tls.crt")),
            "{event:?}"
        );
        watch.expect_no_event().await;
        watch.fixture.directory.write(&half);
        watch.expect_no_event().await;
        fs::write(watch.fixture.directory.path("tls.crt"), "").unwrap();
        assert!(
            matches!(watch.next().await, TlsEvent::Failed(_)),
            "another failure"
        );
        watch.expect_no_event().await;
        watch.fixture.directory.write(&pair);
        assert!(matches!(watch.next().await, TlsEvent::Reloaded { .. }));
        watch.expect_no_event().await;
        watch.fixture.directory.write(&half);
        assert!(
            matches!(watch.next().await, TlsEvent::Failed(_)),
            "a new failure"
        );
        watch.fixture.directory.write(&pair);
        assert!(
            matches!(watch.next().await, TlsEvent::Reloaded { .. }),
            "the end of a failure is reported even if the certificate is the same"
        );
    }

    /// TLS-6
    #[tokio::test(start_paused = true)]
    async fn expiry_is_reported_daily_until_renewal() {
        let now = whole_seconds(SystemTime::now());
        let mut watch = CertificateWatch::new(Fixture::until(now + 16 * DAY));
        let began = Instant::now();
        let next_warning = async |watch: &mut CertificateWatch| match watch.next().await {
            TlsEvent::ExpiresSoon { left } => (began.elapsed(), left),
            event => panic!("{event:?}"),
        };
        let (after, left) = next_warning(&mut watch).await;
        assert!(after >= 2 * DAY && after <= 2 * DAY + 2 * HOUR, "{after:?}");
        assert!(left < 14 * DAY && left > 13 * DAY, "{left:?}");
        for days in 1..20 {
            let (then, left) = next_warning(&mut watch).await;
            let since = then - after;
            assert!(
                since >= days * DAY && since <= days * (DAY + HOUR),
                "{since:?}"
            );
            assert!(left < 14 * DAY - (days * DAY).min(14 * DAY) || left.is_zero());
        }
        assert!(next_warning(&mut watch).await.1.is_zero(), "it has expired");

        let soon = watch
            .fixture
            .authority
            .issue_until(now + began.elapsed() + 5 * DAY);
        watch.fixture.directory.write(&soon);
        assert!(matches!(watch.next().await, TlsEvent::Reloaded { .. }));
        let (_, left) = next_warning(&mut watch).await;
        assert!(left > 4 * DAY, "another expiry is reported immediately");

        let late = watch
            .fixture
            .authority
            .issue_until(now + began.elapsed() + 90 * DAY);
        watch.fixture.directory.write(&late);
        assert!(matches!(watch.next().await, TlsEvent::Reloaded { .. }));
        watch.expect_no_event().await;
        watch.expect_no_event().await;
    }

    /// TLS-6
    #[tokio::test(start_paused = true)]
    async fn expiry_is_reported_at_the_start() {
        let fixture = Fixture::until(SystemTime::now() + DAY);
        let began = Instant::now();
        let mut watch = CertificateWatch::new(fixture);
        assert!(matches!(watch.next().await, TlsEvent::ExpiresSoon { .. }));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
