//! Answers of the charts for the page.
//!
//! Rate and errors are from counters if the service has any, otherwise from access records.
//! Percentiles are from access records while these are complete, otherwise from buckets.

use std::ops::Range;

use plimsoll_scrape::Quantile;

use super::{
    Charts,
    answers::{
        BandAnswer, ChartError, HeatAnswer, HeatQuery, SeriesAnswer, SeriesQuery, ValueSource,
    },
    charts::{Inner, KnownRun, Shared},
    instance::PERCENTILE_WINDOW,
    names::looked_for,
    state::bound,
};
use crate::store::{
    ServiceId,
    heat::{FEW, Window, bounds, percentile, three_digits},
    series::{COARSE, COARSE_STEP, Chart, FINE, second_of},
};

/// The longest time that is kept.
const KEPT: u32 = COARSE * COARSE_STEP;

/// The seconds of an answer.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    seconds: Range<u32>,
    step: u32,
}

/// Points of a percentile from access records.
#[derive(Debug)]
struct Percentiles {
    points: Vec<Option<f32>>,
    above: Option<f32>,
    has_requests: bool,
}

impl Charts {
    /// Returns a chart over time.
    pub(crate) fn series(&self, query: &SeriesQuery) -> Result<SeriesAnswer, ChartError> {
        let service = self.id(&query.service)?;
        let chart =
            Chart::of(&query.name).ok_or_else(|| ChartError::UnknownChart(query.name.clone()))?;
        let shared = &self.shared;
        let runs = shared.runs(service);
        let span = shared.span(service, (query.from, query.to, query.step));
        let inner = shared.lock();
        let scraped = inner
            .history
            .points(service, chart, span.seconds.clone(), span.step);
        let has_scraped = scraped.iter().any(Option::is_some);
        let mut answer = SeriesAnswer {
            name: chart.name(),
            service: query.service.clone(),
            unit: chart.unit(),
            source: has_scraped.then_some(ValueSource::Scraped),
            looked_for: looked_for(chart),
            from: f64::from(span.seconds.start),
            step: span.step,
            points: scraped,
            bands: Vec::new(),
            window: None,
            above: None,
            few_below: None,
        };
        if let Some(q) = chart.quantile() {
            let from_records = shared.percentiles(&inner, service, q, &span);
            let from_records = from_records.filter(|it| it.has_requests || !has_scraped);
            #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
            let bound = inner.above(service).map(|above| above as f32);
            answer.above = bound.filter(|_| has_scraped);
            if let Some(records) = from_records {
                answer.source = Some(ValueSource::Records);
                answer.points = records.points;
                answer.above = records.above;
            }
            answer.window = Some(PERCENTILE_WINDOW.max(span.step));
            answer.few_below = Some(FEW);
        } else if !has_scraped && let Some(points) = shared.rates(service, chart, &span, &runs) {
            answer.source = Some(ValueSource::Records);
            answer.points = points;
        }
        answer.bands = bands(&inner, service, &span, &runs, answer.source);
        Ok(answer)
    }

    /// Returns the heat map of latencies, from access records.
    pub(crate) fn heat(&self, query: &HeatQuery) -> Result<HeatAnswer, ChartError> {
        let service = self.id(&query.service)?;
        let shared = &self.shared;
        let span = shared.span(service, (query.from, query.to, query.step));
        let counts = shared.heat.counts(service, span.seconds.clone(), span.step);
        let records: u64 = counts.iter().flatten().map(|(_, count)| count).sum();
        let has_lost = shared.lock().history.has_lost(service, &span.seconds);
        let is_known = shared.heat.first(service).is_some();
        Ok(HeatAnswer {
            from: f64::from(span.seconds.start),
            step: span.step,
            bounds: bounds().to_vec(),
            counts,
            source: is_known.then_some(ValueSource::Records),
            exact: is_known && !has_lost,
            records,
        })
    }

    /// Returns a service that the store knows. A request for another name must not create it.
    pub(super) fn id(&self, name: &str) -> Result<ServiceId, ChartError> {
        let state = self.shared.store.state();
        let is_known = state.services.iter().any(|service| *service.name == *name);
        if !is_known {
            return Err(ChartError::UnknownService(name.to_owned()));
        }
        Ok(self.shared.store.service(name))
    }
}

impl Shared {
    /// Returns the seconds of a query: whole steps, up to the last complete second.
    fn span(
        &self,
        service: ServiceId,
        (from, to, step): (Option<f64>, Option<f64>, Option<u32>),
    ) -> Span {
        let end = second_of(self.now());
        let oldest = end.saturating_sub(KEPT);
        let to = to.map_or(end, second_of).clamp(oldest, end);
        let from = from.map_or(end.saturating_sub(FINE - 1), second_of);
        let from = from.clamp(oldest, to);
        // Older seconds have 10 s resolution, so a step must not be a part of that.
        let is_coarse = from < end.saturating_sub(FINE);
        let resolution = match self.heat.resolution(service, from) {
            1 if !is_coarse => 1,
            _ => COARSE_STEP,
        };
        let step = step
            .unwrap_or(1)
            .clamp(1, KEPT)
            .next_multiple_of(resolution);
        let from = from / resolution * resolution;
        Span {
            seconds: from..to.max(from),
            step,
        }
    }

    /// Returns percentiles from access records. `None` without records, or if any were lost.
    fn percentiles(
        &self,
        inner: &Inner,
        service: ServiceId,
        q: f64,
        span: &Span,
    ) -> Option<Percentiles> {
        if inner.history.has_lost(service, &span.seconds) {
            return None;
        }
        let length = PERCENTILE_WINDOW.max(span.step);
        let windows = self
            .heat
            .windows(service, span.seconds.clone(), span.step, length)?;
        let mut above = None;
        let has_requests = windows.iter().any(|window| window.requests > 0);
        let points = windows.iter().map(|window| {
            let (value, is_bound) = quantile_of(q, window);
            if is_bound {
                above = value;
            }
            value
        });
        Some(Percentiles {
            points: points.collect(),
            above,
            has_requests,
        })
    }

    /// Returns rates or errors from access records. `None` if there are none.
    fn rates(
        &self,
        service: ServiceId,
        chart: Chart,
        span: &Span,
        runs: &[KnownRun],
    ) -> Option<Vec<Option<f32>>> {
        if !matches!(chart, Chart::Rate | Chart::Errors) {
            return None;
        }
        let first = self.heat.first(service)?;
        let windows = self
            .heat
            .windows(service, span.seconds.clone(), span.step, span.step)?;
        let starts = span.seconds.clone().step_by(span.step as usize);
        let points = starts.zip(&windows).map(|(start, window)| {
            let is_known =
                window.requests > 0 || start >= first && is_alive(runs, start, span.step);
            rate_of(chart, window, span.step).filter(|_| is_known)
        });
        Some(points.collect())
    }
}

impl Inner {
    /// Returns the bound above which percentiles from metrics are not known.
    fn above(&self, service: ServiceId) -> Option<f64> {
        self.services.get(&service)?.above
    }
}

/// Returns a percentile of a window, and whether it is only a lower bound.
pub(super) fn quantile_of(q: f64, window: &Window) -> (Option<f32>, bool) {
    let quantile: Option<Quantile> = percentile(q, &window.steps);
    let (value, is_bound) = bound(quantile);
    #[expect(clippy::cast_possible_truncation, reason = "it has three digits")]
    let value = value.map(|value| three_digits(value) as f32);
    (value, is_bound)
}

pub(super) fn rate_of(chart: Chart, window: &Window, step: u32) -> Option<f32> {
    let (requests, errors) = (window.requests as f32, window.server_errors as f32);
    match chart {
        Chart::Rate => Some(requests / step as f32),
        Chart::Errors => (requests > 0.0).then(|| 100.0 * errors / requests),
        _ => None,
    }
}

/// Returns whether a run is known for a whole step. Without known runs, the service is alive.
fn is_alive(runs: &[KnownRun], start: u32, step: u32) -> bool {
    let (start, end) = (f64::from(start), f64::from(start.saturating_add(step)));
    let mut runs = runs.iter();
    runs.len() == 0
        || runs.any(|run| run.began <= start && run.ended.is_none_or(|ended| ended >= end))
}

/// Returns the bands of a chart. Failed scrapes have no effect on numbers from records.
fn bands(
    inner: &Inner,
    service: ServiceId,
    span: &Span,
    runs: &[KnownRun],
    source: Option<ValueSource>,
) -> Vec<BandAnswer> {
    let (from, to) = (f64::from(span.seconds.start), f64::from(span.seconds.end));
    let pairs = runs.windows(2).map(|pair| BandAnswer {
        from: pair[0].ended.unwrap_or(pair[1].began).min(pair[1].began),
        to: pair[1].began,
        cause: "restart".to_owned(),
    });
    let mut bands: Vec<_> = pairs.filter(|it| it.from <= to && it.to >= from).collect();
    // The store knows a restart sooner and more exactly than the scrapes.
    let has_runs = runs.len() > 1;
    let scrapes = inner.history.bands(service, from, to).into_iter();
    let scrapes = scrapes.filter(|band| {
        let is_restart = band.cause == "restart";
        if is_restart {
            !has_runs
        } else {
            source != Some(ValueSource::Records)
        }
    });
    bands.extend(scrapes.map(|band| BandAnswer {
        from: band.from,
        to: band.to.unwrap_or(to),
        cause: band.cause,
    }));
    // A process that was replaced at once left no gap.
    bands.retain(|band| band.to > band.from || band.cause == "restart");
    for band in &mut bands {
        (band.from, band.to) = (milliseconds(band.from), milliseconds(band.to));
    }
    bands.sort_by(|a, b| a.from.total_cmp(&b.from));
    bands
}

/// Rounds a time in seconds to milliseconds.
pub(super) fn milliseconds(time: f64) -> f64 {
    (time * 1000.0).round() / 1000.0
}
