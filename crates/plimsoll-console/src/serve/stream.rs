//! `GET /api/stream`: ticks as lines of JSON, computed from the cursor of the client.
//!
//! There is no queue for a client: a tick is computed when the connection takes bytes.
//! A slow reader therefore gets fewer and larger steps, and one that has stopped costs nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::{
    api::{Api, state::now, with_type},
    problem::Problem,
    query::Query,
};
use crate::{
    children::ServiceView,
    ingest::scrape::Samples,
    store::{Changes, Filter, Gap, LogRow, RequestRow, Store, StoreNumbers, span::Spans},
};

/// The shortest time between two ticks.
const TICK: Duration = Duration::from_millis(100);

/// The time after which numbers are sent without rows.
const NUMBERS: Duration = Duration::from_secs(1);

/// The time after which a tick is sent without a change.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// The most rows of a tick.
const MAX_ROWS: usize = 200;

/// The rows of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Requests,
    Logs,
    None,
}

/// What a client has received.
#[derive(Debug)]
struct Client {
    api: Api,
    view: View,
    filter: Arc<Filter>,
    cursor: u64,
    /// The newest line when rows were last computed.
    seen: u64,
    /// The changes of services that were sent; `None` before the first tick.
    changes: Option<u64>,
    /// The time of the last computation, and of the last tick.
    computed: Instant,
    sent: Instant,
}

#[derive(Debug, Serialize)]
struct Tick<'s> {
    now: f64,
    cursor: u64,
    rows: Rows,
    skipped: u64,
    gap: Option<Gap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<ServiceView<'s>>>,
    samples: Samples,
    store: StoreNumbers,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Rows {
    Requests(Vec<RequestRow>),
    Logs(Vec<LogRow>),
}

impl Rows {
    fn is_empty(&self) -> bool {
        match self {
            Self::Requests(rows) => rows.is_empty(),
            Self::Logs(rows) => rows.is_empty(),
        }
    }
}

/// Rows after a cursor.
#[derive(Debug)]
struct Step {
    cursor: u64,
    rows: Rows,
    skipped: u64,
    gap: Option<Gap>,
}

/// Answers with ticks until the client leaves or the console ends.
pub(super) async fn stream(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["view", "filter", "after"])?;
    let view = match query.text("view").unwrap_or("none") {
        "requests" => View::Requests,
        "logs" => View::Logs,
        "none" => View::None,
        _ => {
            let detail = "view must be requests, logs or none";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    let shutdown = api.shutdown.clone();
    let began = Instant::now();
    let client = Client {
        view,
        filter: Arc::new(query.filter()?),
        cursor: query.number("after")?.unwrap_or(0),
        seen: 0,
        changes: None,
        computed: began,
        sent: began,
        api,
    };
    let ticks = futures_util::stream::unfold(client, |mut client| async move {
        let tick = client.next().await.ok()?;
        Some((Ok::<_, Infallible>(tick), client))
    });
    let body = Body::from_stream(shutdown.end_stream(ticks));
    Ok(with_type("application/x-ndjson", body))
}

impl Client {
    /// Waits until there is something to send.
    async fn next(&mut self) -> Result<Bytes, Problem> {
        loop {
            if self.changes.is_some() {
                sleep_until(self.computed + TICK).await;
            }
            self.computed = Instant::now();
            if let Some(tick) = self.tick().await? {
                self.sent = self.computed;
                return Ok(tick);
            }
        }
    }

    /// Returns a line if one is due.
    async fn tick(&mut self) -> Result<Option<Bytes>, Problem> {
        let changes = self.api.parts.services.changes();
        let latest = self.api.parts.store.latest();
        let has_news = self.changes != Some(changes);
        let waited = self.computed.duration_since(self.sent);
        if !has_news && latest == self.seen && waited < HEARTBEAT {
            return Ok(None);
        }
        let step = self.step().await?;
        self.cursor = step.cursor;
        let is_due = waited >= HEARTBEAT || (latest != self.seen && waited >= NUMBERS);
        if !has_news && !is_due && step.rows.is_empty() && step.gap.is_none() {
            return Ok(None);
        }
        self.seen = latest;
        let state = self.api.parts.store.state();
        let tick = Tick {
            now: now(),
            cursor: step.cursor,
            rows: step.rows,
            skipped: step.skipped,
            gap: step.gap,
            services: has_news.then(|| self.api.service_views(&state)),
            samples: self.api.parts.charts.samples(),
            store: state.store,
        };
        let line = line(&tick)?;
        self.changes = Some(changes);
        Ok(Some(line))
    }

    async fn step(&self) -> Result<Step, Problem> {
        let (view, filter, after) = (self.view, Arc::clone(&self.filter), self.cursor);
        let spans = Arc::clone(&self.api.parts.spans);
        self.api
            .search(move |store| view.step(store, &spans, &filter, after))
            .await
    }
}

impl View {
    fn step(self, store: &Store, spans: &Spans, filter: &Filter, after: u64) -> Step {
        match self {
            Self::Requests => {
                let mut changes = store.requests_after(filter, after, MAX_ROWS);
                spans.count_in(&mut changes.rows);
                Step::new(changes, Rows::Requests)
            }
            Self::Logs => Step::new(store.logs_after(filter, after, MAX_ROWS), Rows::Logs),
            Self::None => Step {
                cursor: store.latest(),
                rows: Rows::Logs(Vec::new()),
                skipped: 0,
                gap: None,
            },
        }
    }
}

impl Step {
    fn new<T>(changes: Changes<T>, rows: impl FnOnce(Vec<T>) -> Rows) -> Self {
        Self {
            cursor: changes.cursor,
            rows: rows(changes.rows),
            skipped: changes.skipped,
            gap: changes.gap,
        }
    }
}

fn line(tick: &Tick<'_>) -> Result<Bytes, Problem> {
    let line = serde_json::to_vec(tick);
    let mut line =
        line.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    line.push(b'\n');
    Ok(line.into())
}
