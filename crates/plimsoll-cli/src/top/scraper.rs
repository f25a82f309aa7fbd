//! Scrapes all instances once per interval, all at the same time.

use std::{
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

use plimsoll_scrape::Source;
use tokio::{
    sync::mpsc::Sender,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{model::Moment, options::Times};

/// The results of one scrape of all instances, in their order.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) at: Moment,
    /// The text of the metrics, or the reason why there is none.
    pub(super) scrapes: Vec<Result<String, String>>,
}

/// Sends a round per interval, until the receiver is closed.
pub(super) async fn run(mut sources: Vec<Source>, times: Times, rounds: Sender<Round>) {
    let start = Instant::now();
    let mut ticks = interval(times.interval);
    // After a slow round, the next one keeps its distance, since rates need different times.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut tasks = JoinSet::new();
        for (index, mut source) in std::mem::take(&mut sources).into_iter().enumerate() {
            tasks.spawn(async move {
                let scrape = source.scrape(times.limit).await;
                (index, source, scrape.map_err(|error| chain(&error)))
            });
        }
        let mut results = tasks.join_all().await;
        results.sort_by_key(|(index, ..)| *index);
        let at = Moment {
            elapsed: start.elapsed(),
            // A clock before the epoch makes ages of certificates wrong, and nothing else.
            unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |time| time.as_secs_f64()),
        };
        let mut scrapes = Vec::with_capacity(results.len());
        for (_, source, scrape) in results {
            sources.push(source);
            scrapes.push(scrape);
        }
        if rounds.send(Round { at, scrapes }).await.is_err() {
            return;
        }
    }
}

/// Returns an error and its causes as one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
