//! Keeps the configuration as the files say, and tells what happens.
//!
//! Files are looked at every few seconds rather than watched: notifications of the file system lose
//! their subject when Kubernetes swaps the directory above it, and do not come at all from network
//! file systems. What somebody wants at once they ask for with SIGHUP.

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

/// How often the files are looked at. A look is two or three system calls, and whoever renews a
/// certificate and looks whether it is served has not waited long.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(2);

/// When the end of a certificate is soon. What renews certificates starts a month before; if half of
/// that has brought nothing, people must hear of it, and have as long again to act.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The time between two warnings of the same end.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the caller of [`watch`] is told.
#[derive(Debug)]
pub(crate) enum TlsEvent {
    /// The files are in force: they have changed, were no good before, or somebody asked.
    Reloaded {
        /// When the certificate in force expires.
        not_after: SystemTime,
    },
    /// The files are no good, and what was in force before stays so.
    ///
    /// Told once for as long as the same is wrong with them, and to everybody who asks.
    Failed(TlsError),
    /// The certificate in force expires soon. Told once a day.
    ExpiresSoon {
        /// How long it holds still; nothing if it has expired.
        left: Duration,
    },
}

/// Has `reader` reload the files when they change and when `reload` is notified, and reports it.
/// Ends only after a panic of the reader.
///
/// Of what `notify_one` says during a reload nothing is lost: another reload follows.
///
/// # Cancel safety
///
/// May be dropped at any time; a reload that has begun is completed, and not told of.
pub(crate) async fn watch(
    tls: Arc<Tls>,
    reader: CertificateReader,
    every: Duration,
    reload: Arc<Notify>,
    told: impl FnMut(TlsEvent),
) {
    let look = |asked| reader.look(asked);
    watch_by(SystemTime::now, look, tls, every, reload, told).await;
}

async fn watch_by<L: Future<Output = Result<ReloadResult, RecvError>>>(
    clock: impl Fn() -> SystemTime,
    look: impl Fn(bool) -> L,
    tls: Arc<Tls>,
    every: Duration,
    reload: Arc<Notify>,
    mut told: impl FnMut(TlsEvent),
) {
    let mut failure: Option<String> = None;
    let mut warned: Option<Instant> = None;
    loop {
        let left = tls.not_after().duration_since(clock()).unwrap_or_default();
        if left < SOON && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            warned = Some(Instant::now());
            told(TlsEvent::ExpiresSoon { left });
        }
        let asked = timeout(every, reload.notified()).await.is_ok();
        // The panic hook has recorded what ended the reader.
        let Ok(found) = look(asked).await else {
            return;
        };
        match found {
            None => {}
            Some(Ok(reloaded)) => {
                let changed = reloaded == Reloaded::Changed;
                if changed {
                    // The end of another certificate is another matter.
                    warned = None;
                }
                if failure.take().is_some() || changed || asked {
                    let not_after = tls.not_after();
                    told(TlsEvent::Reloaded { not_after });
                }
            }
            Some(Err(error)) => {
                let text = Some(chain(&error));
                if failure != text || asked {
                    failure = text;
                    told(TlsEvent::Failed(error));
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
            reader::look,
            tests::{DAY, Fixture, Pair, shown, whole_seconds},
        },
        *,
    };

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// A watch that looks every hour, of a clock that goes with the time of the test.
    struct CertificateWatch {
        fixture: Fixture,
        reload: Arc<Notify>,
        events: Receiver<TlsEvent>,
        task: JoinHandle<()>,
    }

    impl CertificateWatch {
        fn new(fixture: Fixture) -> Self {
            let (told, events) = channel(1000);
            let reload = Arc::new(Notify::new());
            let (start, began) = (whole_seconds(SystemTime::now()), Instant::now());
            let tls = Arc::clone(&fixture.tls);
            let watching = watch_by(
                move || start + began.elapsed(),
                // On this thread: the clock of the test would not wait for another one.
                move |asked| ready(Ok(look(&tls, asked))),
                Arc::clone(&fixture.tls),
                HOUR,
                Arc::clone(&reload),
                move |event| told.try_send(event).unwrap(),
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

        /// Checks that nothing is told for a day.
        #[track_caller]
        fn quiet(&mut self) -> impl Future<Output = ()> {
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

    #[tokio::test(start_paused = true)]
    async fn a_change_is_found_at_the_next_look_and_told_once() {
        let mut watch = CertificateWatch::new(Fixture::new());
        watch.quiet().await;
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
            watch.quiet().await;
            assert_eq!(shown(&watch.fixture).await, pair.der());
        }
    }

    #[tokio::test]
    async fn files_are_read_if_they_may_have_changed_or_somebody_asks() {
        let Fixture { tls, directory, .. } = Fixture::new();
        tls.seen().make_older_files();
        let reader = CertificateReader::start(Arc::clone(&tls)).unwrap();
        assert!(reader.look(false).await.unwrap().is_none());
        assert!(reader.look(true).await.unwrap().is_some());
        tls.seen().make_older_files();
        fs::write(directory.path("tls.key"), "").unwrap();
        assert!(reader.look(false).await.unwrap().unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_is_answered_at_once_even_if_nothing_changed() {
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

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_once_and_tried_again_at_the_next_change() {
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
        watch.quiet().await;
        watch.fixture.directory.write(&half);
        watch.quiet().await;
        fs::write(watch.fixture.directory.path("tls.crt"), "").unwrap();
        assert!(
            matches!(watch.next().await, TlsEvent::Failed(_)),
            "another failure"
        );
        watch.quiet().await;
        watch.fixture.directory.write(&pair);
        assert!(matches!(watch.next().await, TlsEvent::Reloaded { .. }));
        watch.quiet().await;
        watch.fixture.directory.write(&half);
        assert!(
            matches!(watch.next().await, TlsEvent::Failed(_)),
            "a new failure"
        );
        watch.fixture.directory.write(&pair);
        assert!(
            matches!(watch.next().await, TlsEvent::Reloaded { .. }),
            "the end of a failure is told even if all is as it was"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_is_soon_is_told_every_day_until_there_is_another_certificate() {
        let now = whole_seconds(SystemTime::now());
        let mut watch = CertificateWatch::new(Fixture::until(now + 16 * DAY));
        let began = Instant::now();
        let told = async |watch: &mut CertificateWatch| match watch.next().await {
            TlsEvent::ExpiresSoon { left } => (began.elapsed(), left),
            event => panic!("{event:?}"),
        };
        let (after, left) = told(&mut watch).await;
        assert!(after >= 2 * DAY && after <= 2 * DAY + 2 * HOUR, "{after:?}");
        assert!(left < 14 * DAY && left > 13 * DAY, "{left:?}");
        for days in 1..20 {
            let (then, left) = told(&mut watch).await;
            let since = then - after;
            assert!(
                since >= days * DAY && since <= days * (DAY + HOUR),
                "{since:?}"
            );
            assert!(left < 14 * DAY - (days * DAY).min(14 * DAY) || left.is_zero());
        }
        assert!(told(&mut watch).await.1.is_zero(), "it has expired");

        let soon = watch
            .fixture
            .authority
            .issue_until(now + began.elapsed() + 5 * DAY);
        watch.fixture.directory.write(&soon);
        assert!(matches!(watch.next().await, TlsEvent::Reloaded { .. }));
        let (_, left) = told(&mut watch).await;
        assert!(left > 4 * DAY, "another end is told at once");

        let late = watch
            .fixture
            .authority
            .issue_until(now + began.elapsed() + 90 * DAY);
        watch.fixture.directory.write(&late);
        assert!(matches!(watch.next().await, TlsEvent::Reloaded { .. }));
        watch.quiet().await;
        watch.quiet().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_that_expires_soon_is_told_at_the_start() {
        let fixture = Fixture::until(SystemTime::now() + DAY);
        let began = Instant::now();
        let mut watch = CertificateWatch::new(fixture);
        assert!(matches!(watch.next().await, TlsEvent::ExpiresSoon { .. }));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
