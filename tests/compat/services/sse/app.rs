//! Server-sent events: a clock that never ends, and a countdown that does.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::Path,
    response::{
        Html,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{Stream, StreamExt as _};
use tokio_stream::wrappers::IntervalStream;

pub fn router() -> Router {
    Router::new()
        .route(
            "/",
            get(|| async { Html("<script src=clock.js></script>") }),
        )
        .route("/clock", get(clock))
        .route("/countdown/{from}", get(countdown))
}

async fn clock() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let interval = tokio::time::interval(Duration::from_millis(100));
    let ticks = IntervalStream::new(interval).map(|_| Ok(Event::default().data("tick")));
    Sse::new(ticks).keep_alive(KeepAlive::default())
}

async fn countdown(Path(from): Path<u32>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let numbers = (0..=from).rev().map(|number| {
        let event = Event::default().event("count").id(number.to_string());
        Ok(event.data(number.to_string()))
    });
    Sse::new(futures_util::stream::iter(numbers))
}
