//! The present of the services: their latest numbers, and their life cycle.

use std::sync::Arc;

use super::{
    Charts,
    answers::{ChartError, LifecycleAnswer, PreviousRun, Sample, Samples},
    charts::{Inner, Shared},
    instance::PERCENTILE_WINDOW,
    life::{Life, Phase, Probe},
    query::{milliseconds, quantile_of, rate_of},
};
use crate::store::{
    ServiceId,
    series::{Chart, second_of},
};

/// The oldest scrape whose numbers are current, in seconds.
const CURRENT: u32 = 3;

impl Charts {
    /// Returns the life cycle of a service.
    pub(crate) fn lifecycle(&self, service: &str) -> Result<LifecycleAnswer, ChartError> {
        let id = self.id(service)?;
        let shared = &self.shared;
        let (runs, now) = (shared.runs(id), shared.now());
        let mut inner = shared.lock();
        let Some(it) = inner.services.get_mut(&id) else {
            return Ok(LifecycleAnswer::default());
        };
        it.know_runs(&runs, now);
        let latest = it.lives.latest();
        let shutdown = it.lives.last_shutdown();
        let refused = shutdown.and_then(|life| life.refused());
        Ok(LifecycleAnswer {
            run: latest.map(|life| life.run),
            phases: latest.map(phases).unwrap_or_default(),
            shutdown_run: shutdown.map(|life| life.run),
            in_flight_at_drain: shutdown.and_then(|life| life.in_flight_at_drain),
            answered: shutdown.and_then(|life| life.answered),
            cut_off: shutdown.and_then(|life| life.cut_off),
            refused: refused.map(|(count, _)| count),
            refused_ms: refused.map(|(_, ms)| ms.round()),
            probes: shutdown.map(probes).unwrap_or_default(),
            previous: it.lives.previous().map(|life| PreviousRun {
                run: life.run,
                phases: phases(life),
            }),
        })
    }

    /// Returns the latest numbers of all services that are scraped or have access records.
    pub(crate) fn samples(&self) -> Samples {
        let shared = &self.shared;
        let inner = shared.lock();
        let mut services = shared.heat.services();
        // The others have records of their life cycle alone.
        let scraped = inner.services.iter().filter(|(_, it)| it.is_scraped());
        services.extend(scraped.map(|(service, _)| *service));
        services.sort_unstable();
        services.dedup();
        let names = services.into_iter().filter_map(|service| {
            let name: Arc<str> = shared.store.name(service)?;
            Some((name, shared.sample(&inner, service)))
        });
        names.collect()
    }
}

impl Shared {
    fn sample(&self, inner: &Inner, service: ServiceId) -> Sample {
        let now = second_of(self.now());
        let scraped = |chart| {
            let since = now.saturating_sub(CURRENT);
            inner.history.last(service, chart, since)
        };
        let last = |length: u32| {
            let end = now.saturating_sub(length)..now;
            let windows = self.heat.windows(service, end, length, length)?;
            windows.into_iter().next()
        };
        let second = last(1).filter(|window| window.requests > 0);
        let records = last(PERCENTILE_WINDOW);
        let range = now.saturating_sub(PERCENTILE_WINDOW)..now.saturating_add(1);
        let complete = records.filter(|_| !inner.history.has_lost(service, &range));
        let percentile = |chart: Chart| {
            let window = complete.as_ref().filter(|window| window.requests > 0);
            match window.zip(chart.quantile()) {
                Some((window, q)) => quantile_of(q, window).0,
                None => scraped(chart),
            }
        };
        let rate = scraped(Chart::Rate);
        let from_records = second.as_ref().filter(|_| rate.is_none());
        let record = |chart| from_records.and_then(|window| rate_of(chart, window, 1));
        Sample {
            rate: rate.or_else(|| record(Chart::Rate)),
            errors: scraped(Chart::Errors).or_else(|| record(Chart::Errors)),
            p50: percentile(Chart::P50),
            p99: percentile(Chart::P99),
            in_flight: scraped(Chart::InFlight),
        }
    }
}

/// Returns the phases of a process, without that after its exit.
fn phases(life: &Life) -> Vec<Phase> {
    let phases = life.phases.iter().filter(|phase| phase.state != "exited");
    let phases = phases.map(|phase| Phase {
        state: phase.state,
        began: milliseconds(phase.began),
        ended: phase.ended.map(milliseconds),
    });
    phases.collect()
}

fn probes(life: &Life) -> Vec<Probe> {
    let probes = life.probes.iter().map(|probe| Probe {
        at: milliseconds(probe.at),
        ..*probe
    });
    probes.collect()
}
