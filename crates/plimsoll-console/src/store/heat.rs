//! Latencies of requests from access records: counts by second and 60 logarithmic steps.
//!
//! * The resolution is 1 s for 15 minutes and 10 s for 4 h. Memory stays within a budget.
//! * Percentiles are computed from the counts of their window, so they can be merged over time.
//! * A record whose time is not plausible is counted in its route and in no second.
//!
//! `steps` has the bounds, `second` the counts over time, `routes` those of the current run.

mod routes;
mod second;
mod steps;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::{routes::Routes, second::Slots, steps::step_of};
use super::{
    Access, ServiceId,
    series::{COARSE, COARSE_STEP, FINE},
};

pub(crate) use self::{
    routes::RouteCounts,
    steps::{FEW, STEPS, bounds, percentile, three_digits},
};

/// A method or route that the record does not have.
pub(crate) const UNKNOWN: &str = "–";

/// How far a record can be ahead of this clock.
const AHEAD: Duration = Duration::from_secs(2);

/// The latencies of all services.
#[derive(Debug)]
pub(crate) struct Heat {
    budget: usize,
    services: Mutex<BTreeMap<ServiceId, Service>>,
}

#[derive(Debug)]
struct Service {
    fine: Slots,
    coarse: Slots,
    /// The current run, to which the routes belong.
    run: u32,
    routes: Routes,
}

/// The requests of some seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) requests: u64,
    pub(crate) server_errors: u64,
    pub(crate) steps: [u64; STEPS],
}

impl Heat {
    /// Creates empty counts that take at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            budget,
            services: Mutex::default(),
        }
    }

    /// Adds a request that ended at `access.time`. A new run begins its routes again.
    pub(crate) fn record(&self, access: &Access<'_>) {
        let mut services = self.lock();
        let it = services.entry(access.service).or_insert_with(Service::new);
        if it.run != access.run {
            it.run = access.run;
            it.routes = Routes::default();
        }
        let status = access.status.unwrap_or_default();
        let step = access.ms.and_then(step_of);
        let method = access.method.unwrap_or(UNKNOWN);
        let route = access.route.unwrap_or(UNKNOWN);
        let before = it.bytes();
        it.routes.add(method, route, step, status);
        if let Some(second) = plausible_second(access.time) {
            it.fine.add(second, step, status >= 500);
            it.coarse.add(second / COARSE_STEP, step, status >= 500);
        }
        // The sum is computed only if it can have changed.
        if it.bytes() > before {
            evict(&mut services, self.budget);
        }
    }

    /// Returns the counts of each `step` seconds of a range: pairs of step and count.
    pub(crate) fn counts(
        &self,
        service: ServiceId,
        seconds: Range<u32>,
        step: u32,
    ) -> Vec<Vec<(usize, u64)>> {
        let services = self.lock();
        let it = services.get(&service);
        let starts = seconds.step_by(step.max(1) as usize);
        starts
            .map(|start| {
                let window = it.map(|it| it.window(start..start.saturating_add(step.max(1))));
                let counts = window.map(|window| window.steps);
                let counts = counts.iter().flatten().copied().enumerate();
                counts.filter(|(_, count)| *count > 0).collect()
            })
            .collect()
    }

    /// Returns the requests of each window that ends with a second of the range.
    ///
    /// `None` without any record of the service.
    pub(crate) fn windows(
        &self,
        service: ServiceId,
        seconds: Range<u32>,
        step: u32,
        length: u32,
    ) -> Option<Vec<Window>> {
        let services = self.lock();
        let it = services.get(&service)?;
        let starts = seconds.step_by(step.max(1) as usize);
        let ends = starts.map(|start| start.saturating_add(step.max(1)));
        Some(
            ends.map(|end| it.window(end.saturating_sub(length)..end))
                .collect(),
        )
    }

    /// Returns the seconds of a slot at a time: 1, or 10. Ranges and steps are multiples of it.
    pub(crate) fn resolution(&self, service: ServiceId, second: u32) -> u32 {
        let services = self.lock();
        let is_fine = services.get(&service).is_none_or(|it| it.is_fine(second));
        if is_fine { 1 } else { COARSE_STEP }
    }

    /// Returns the first second that can have a request. `None` without any.
    pub(crate) fn first(&self, service: ServiceId) -> Option<u32> {
        let services = self.lock();
        let it = services.get(&service)?;
        let coarse = it.coarse.first().map(|slot| slot * COARSE_STEP);
        let fine = it.fine.first();
        if it.is_fine(coarse.unwrap_or(0)) {
            fine
        } else {
            coarse
        }
    }

    /// Returns the services that have a record.
    pub(crate) fn services(&self) -> Vec<ServiceId> {
        self.lock().keys().copied().collect()
    }

    /// Returns the routes of the current run, in no order.
    pub(crate) fn routes(&self, service: ServiceId) -> Vec<(String, String, RouteCounts)> {
        let services = self.lock();
        let routes = services.get(&service).map(|it| it.routes.all());
        let routes = routes.into_iter().flatten();
        routes
            .map(|(method, route, counts)| (method.to_owned(), route.to_owned(), counts.clone()))
            .collect()
    }

    /// Returns the memory that the counts take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.lock().values().map(Service::bytes).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServiceId, Service>> {
        // Counts stay consistent enough to be shown after a panic elsewhere.
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the second of a time in milliseconds, unless it is in the future or before the epoch.
fn plausible_second(time: i64) -> Option<u32> {
    let time = u64::try_from(time).ok()?;
    let latest = SystemTime::now() + AHEAD;
    let is_plausible = UNIX_EPOCH + Duration::from_millis(time) <= latest;
    let second = u32::try_from(time / 1000).ok();
    second.filter(|_| is_plausible)
}

/// Removes counts of the largest services until all fit.
fn evict(services: &mut BTreeMap<ServiceId, Service>, budget: usize) {
    while services.values().map(Service::bytes).sum::<usize>() > budget {
        let largest = services.iter_mut().max_by_key(|(_, it)| it.bytes());
        let Some((id, largest)) = largest else {
            return;
        };
        let id = *id;
        let is_smaller = if largest.coarse.bytes() > largest.fine.bytes() {
            largest.coarse.halve()
        } else {
            largest.fine.halve()
        };
        if !is_smaller {
            services.remove(&id);
        }
    }
}

impl Service {
    fn new() -> Self {
        Self {
            fine: Slots::new(FINE),
            coarse: Slots::new(COARSE),
            run: 0,
            routes: Routes::default(),
        }
    }

    /// Returns the requests of some seconds, or of all slots of 10 s that overlap them.
    fn window(&self, seconds: Range<u32>) -> Window {
        let mut window = Window {
            requests: 0,
            server_errors: 0,
            steps: [0; STEPS],
        };
        let (slots, range) = if self.is_fine(seconds.start) {
            (&self.fine, seconds)
        } else {
            let end = seconds.end.div_ceil(COARSE_STEP);
            (&self.coarse, seconds.start / COARSE_STEP..end)
        };
        for slot in range.filter_map(|at| slots.get(at)) {
            window.requests += u64::from(slot.total);
            window.server_errors += u64::from(slot.server_errors);
            slot.sum(&mut window.steps);
        }
        window
    }

    /// Returns whether the seconds from `start` on are kept, or nothing before them is.
    fn is_fine(&self, start: u32) -> bool {
        match (self.fine.first(), self.coarse.first()) {
            (Some(fine), Some(coarse)) => start >= fine || coarse >= fine / COARSE_STEP,
            (fine, _) => fine.is_some(),
        }
    }

    fn bytes(&self) -> usize {
        self.fine.bytes() + self.coarse.bytes() + self.routes.bytes() + size_of::<Self>()
    }
}
