//! Server-sent events.

use harness::Connection;

use crate::support::{Subject, Target, Work, binaries, end_under_load, get};

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

#[test]
fn endless_event_stream_ends_at_sigterm() {
    let process = sse().start_moved();
    let mut streams: Vec<Connection> = (0..20).map(|_| process.connect()).collect();
    for stream in &mut streams {
        stream.send(b"GET /clock HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.wait_for_bytes();
    }
    let target = Target::from(&process);
    let work = vec![Work::get("/"), Work::get("/countdown/10")];
    end_under_load(process, target, work);
    for stream in &mut streams {
        let answer = stream.read();
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert!(answer.text().starts_with("data: tick\n\n"), "{answer:?}");
    }
}
