//! Server-sent events.

use crate::support::{Subject, binaries, get};

fn sse() -> Subject {
    binaries!("sse")
}

#[test]
fn event_streams_are_the_same() {
    sse().compare(&[
        ("page", get("/")),
        ("events that end", get("/countdown/3")),
        ("many events", get("/countdown/5000")),
        ("bad path", get("/countdown/soon")),
        ("no route", get("/nothing")),
    ]);
}
