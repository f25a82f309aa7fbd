//! Numbers of the services, from their metrics and access records, as charts.
//!
//! * A task per service reads `/metrics` every second, or every 15 s if it has none; `state` has what is known of the service.
//! * During a shutdown, the task reads every 100 ms, and another one probes `/ready`.
//! * [`Charts`] has the methods for the page; `query`, `routes` and `present` compute their answers,
//!   `answers` has their JSON.
//!
//! A scrape is limited to 2 s, 16 MiB and 50,000 series, and follows no redirect (CON-5).
//! Only targets of the command line are scraped (CON-6): each is passed to [`Charts::observe`].
//!
//! `names` maps names of metrics to charts, `reading` reads one scrape, `instance` computes rates,
//! `life` the life cycle, `probe` makes one probe.

mod answers;
mod charts;
mod instance;
mod life;
mod names;
mod present;
mod probe;
mod query;
mod reading;
mod routes;
mod state;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    answers::{ChartError, HeatQuery, Samples, SeriesQuery},
    charts::Charts,
};

use std::{error::Error, sync::Weak, time::Duration};

use plimsoll_scrape::{FetchError, ScrapeError, Source};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use self::{charts::Shared, state::Pace};
use crate::store::ServiceId;

/// The time for one scrape.
const LIMIT: Duration = Duration::from_secs(2);

/// The time between two scrapes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between two scrapes of a service that answers without metrics, and may log each of them.
const INTERVAL_WITHOUT_METRICS: Duration = Duration::from_secs(15);

/// The time between two scrapes, or two probes, during a shutdown.
const FAST: Duration = Duration::from_millis(100);

/// Something that can be scraped. Tests have one without a network.
trait Fetch: Send + 'static {
    /// Returns the text of the metrics, or the reason why there is none.
    fn fetch(&mut self) -> impl Future<Output = Result<String, String>> + Send;

    /// Whether the last answer was none with metrics.
    fn has_no_metrics(&self) -> bool;
}

/// The places where the metrics of one service can be.
#[derive(Debug)]
struct Candidates {
    sources: Vec<Source>,
    /// The place that answered last.
    found: Option<usize>,
    /// Whether a place has answered, and none with metrics.
    has_no_metrics: bool,
}

impl Fetch for Candidates {
    async fn fetch(&mut self) -> Result<String, String> {
        let tried = match self.found.take() {
            Some(found) => found..found + 1,
            None => 0..self.sources.len(),
        };
        let mut first_error = None;
        self.has_no_metrics = false;
        for place in tried {
            match self.sources[place].scrape(LIMIT).await {
                Ok(text) => {
                    self.found = Some(place);
                    self.has_no_metrics = false;
                    return Ok(text);
                }
                Err(error) => {
                    self.has_no_metrics |= is_other_answer(&error);
                    first_error.get_or_insert_with(|| chain(&error));
                }
            }
        }
        Err(first_error.unwrap_or_else(|| "the service has no address".to_owned()))
    }

    fn has_no_metrics(&self) -> bool {
        self.has_no_metrics
    }
}

/// Whether a service has answered, but not with metrics.
const fn is_other_answer(error: &ScrapeError) -> bool {
    let (ScrapeError::Fetch(error) | ScrapeError::NoMetrics { last: error, .. }) = error else {
        return false;
    };
    matches!(
        error,
        FetchError::Status(_) | FetchError::NoText | FetchError::NoMetrics
    )
}

/// Scrapes a target until the charts are dropped.
async fn scrape(
    charts: Weak<Shared>,
    service: ServiceId,
    mut source: impl Fetch,
    mut pace: watch::Receiver<Pace>,
) {
    loop {
        let pace_now = *pace.borrow_and_update();
        let began = Instant::now();
        let scrape = source.fetch().await;
        let interval = match pace_now {
            Pace::Fast => FAST,
            Pace::Usual if source.has_no_metrics() => INTERVAL_WITHOUT_METRICS,
            Pace::Usual => INTERVAL,
        };
        let Some(charts) = charts.upgrade() else {
            return;
        };
        charts.scraped(service, scrape);
        drop(charts);
        tokio::select! {
            () = sleep_until(began + interval) => {}
            changed = pace.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

/// Probes a service during each of its shutdowns, until the charts are dropped.
async fn probe(charts: Weak<Shared>, service: ServiceId, mut pace: watch::Receiver<Pace>) {
    while pace.wait_for(|pace| *pace == Pace::Fast).await.is_ok() {
        loop {
            let began = Instant::now();
            let Some(at) = charts.upgrade() else {
                return;
            };
            let (at, address) = (at.now(), at.address(service));
            let probe = match address {
                Some(address) => Some(address.probe().await),
                None => None,
            };
            let Some(charts) = charts.upgrade() else {
                return;
            };
            if charts.probed(service, at, probe) {
                break;
            }
            drop(charts);
            sleep_until(began + FAST).await;
        }
    }
}

/// Returns an error and its causes as one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
