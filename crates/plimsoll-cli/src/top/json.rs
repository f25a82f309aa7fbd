//! Output as JSON: an object per scrape, in the schema `plimsoll.top/1`.
//!
//! A missing value is `null`. Fields are added within a version of the schema, and not removed.

use plimsoll_scrape::Quantile;
use serde::Serialize;

use super::model::{Figures, Instance, Model, Route, Status};

const SCHEMA: &str = "plimsoll.top/1";

#[derive(Serialize)]
struct Scrape<'a> {
    schema: &'static str,
    /// Seconds since the epoch.
    time: f64,
    window_seconds: f64,
    instances: Vec<InstanceObject<'a>>,
    routes: Vec<RouteObject<'a>>,
}

#[derive(Serialize)]
struct InstanceObject<'a> {
    instance: &'a str,
    answer: Option<bool>,
    error: Option<&'a str>,
    seconds_since_answer: Option<f64>,
    last_state: Option<&'a str>,
    #[serde(flatten)]
    values: Values<'a>,
    notes: Vec<String>,
}

#[derive(Default, Serialize)]
struct Values<'a> {
    state: Option<&'a str>,
    requests_per_second: Option<f64>,
    errors_percent: Option<f64>,
    p50: Option<QuantileObject>,
    p99: Option<QuantileObject>,
    in_flight: Option<f64>,
    slots: Option<f64>,
    connections: Option<f64>,
    shed: Option<f64>,
    lost: Option<f64>,
}

#[derive(Serialize)]
struct RouteObject<'a> {
    route: &'a str,
    requests_per_second: f64,
    client_errors_percent: Option<f64>,
    server_errors_percent: Option<f64>,
    p50: Option<QuantileObject>,
    p99: Option<QuantileObject>,
}

#[derive(Serialize)]
struct QuantileObject {
    seconds: f64,
    /// The quantile is in the last bucket, so it is above these seconds.
    above: bool,
}

/// Returns the object of a scrape, as a line.
pub(super) fn text(model: &Model) -> String {
    let instances = model.statuses();
    let routes = model.routes();
    let scrape = Scrape {
        schema: SCHEMA,
        time: model.now.unix,
        window_seconds: model.window.as_secs_f64(),
        instances: instances
            .map(|(instance, status)| InstanceObject::new(model, instance, &status))
            .collect(),
        routes: routes.iter().map(RouteObject::from).collect(),
    };
    let text = serde_json::to_string(&scrape);
    text.expect("a structure of texts and numbers is JSON") + "\n"
}

impl<'a> InstanceObject<'a> {
    fn new(model: &Model, instance: &'a Instance, status: &Status<'a>) -> Self {
        let mut object = Self {
            instance: &instance.name,
            answer: None,
            error: None,
            seconds_since_answer: None,
            last_state: None,
            values: Values::default(),
            notes: instance.notes(model.now),
        };
        match status {
            Status::Unknown => {}
            Status::Silent { since, was, error } => {
                object.answer = Some(false);
                object.error = Some(error);
                object.seconds_since_answer = since.map(|since| since.as_secs_f64());
                object.last_state = *was;
            }
            Status::Answers(figures) => {
                object.answer = Some(true);
                object.values = Values::from(figures);
            }
        }
        object
    }
}

impl<'a> From<&Figures<'a>> for Values<'a> {
    fn from(figures: &Figures<'a>) -> Self {
        Self {
            state: figures.state,
            requests_per_second: figures.requests_per_second,
            errors_percent: figures.errors_percent,
            p50: figures.p50.map(QuantileObject::from),
            p99: figures.p99.map(QuantileObject::from),
            in_flight: figures.in_flight,
            slots: figures.slots,
            connections: figures.connections,
            shed: figures.shed,
            lost: figures.lost,
        }
    }
}

impl<'a> From<&Route<'a>> for RouteObject<'a> {
    fn from(route: &Route<'a>) -> Self {
        Self {
            route: route.name,
            requests_per_second: route.requests_per_second,
            client_errors_percent: route.client_errors_percent,
            server_errors_percent: route.server_errors_percent,
            p50: route.p50.map(QuantileObject::from),
            p99: route.p99.map(QuantileObject::from),
        }
    }
}

impl From<Quantile> for QuantileObject {
    fn from(quantile: Quantile) -> Self {
        let (seconds, above) = match quantile {
            Quantile::At(seconds) => (seconds, false),
            Quantile::Above(seconds) => (seconds, true),
        };
        Self { seconds, above }
    }
}
