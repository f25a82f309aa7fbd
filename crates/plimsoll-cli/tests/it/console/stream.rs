//! The stream: ticks, cursors, slow readers.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use super::{Console, load};

/// The ticks of a stream.
struct Ticks(BufReader<TcpStream>);

impl Ticks {
    #[track_caller]
    fn open(console: &Console, query: &str) -> Self {
        let mut socket = console.socket();
        let head = format!(
            "GET /api/stream?{query} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            console.addr, console.token
        );
        let sent = socket.write_all(head.as_bytes());
        sent.expect("the page reads");
        let mut reader = BufReader::new(socket);
        let mut status = String::new();
        let read = reader.read_line(&mut status);
        read.expect("the page answers");
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        Self(reader)
    }

    /// Returns the next tick, or `None` at the end of the stream.
    #[track_caller]
    fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("the stream is read") == 0 {
                return None;
            }
            // Other lines are those of the head and the lengths of chunks.
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).expect("a tick is JSON"));
            }
        }
    }

    /// Returns the next tick that is as required.
    #[track_caller]
    fn find(&mut self, mut is: impl FnMut(&Value) -> bool) -> Value {
        for _ in 0..200 {
            let tick = self.next().expect("the stream goes on");
            if is(&tick) {
                return tick;
            }
        }
        panic!("no such tick");
    }
}

fn rows(tick: &Value) -> &[Value] {
    tick["rows"].as_array().expect("a list")
}

#[test]
fn rows_and_states_arrive() {
    let console = Console::with_fixture(&[]);
    let mut ticks = Ticks::open(&console, "view=requests&filter=");
    let first = ticks.next().unwrap();
    assert_eq!(first["services"][0]["state"], "ready");
    assert_eq!((rows(&first).len(), &first["gap"]), (0, &Value::Null));

    assert_eq!(console.process.get("/hello").status, 200);
    let tick = ticks.find(|tick| !rows(tick).is_empty());
    assert_eq!(rows(&tick)[0]["path"], "/hello");
    assert_eq!(
        tick["services"],
        Value::Null,
        "nothing has changed about it"
    );

    let heartbeat = ticks.find(|tick| rows(tick).is_empty());
    assert!(heartbeat["now"].as_f64() > tick["now"].as_f64());
    assert_eq!(
        console.send("POST", "/api/services/fixture/stop").status,
        202
    );
    ticks.find(|tick| tick["services"][0]["state"] == "exited");

    // It ends with the console.
    console.process.signal(harness::Signal::Int);
    while ticks.next().is_some() {}
    assert_eq!(console.process.wait(Duration::from_secs(10)).code, Some(0));
}

#[test]
fn cursor_resumes_without_loss_or_repeat() {
    const REQUESTS: usize = 40;
    let console = Console::with_fixture(&[]);
    let mut seen: Vec<u64> = Vec::new();
    let mut cursor = None;
    for _ in 0..4 {
        let query = match &cursor {
            Some(cursor) => format!("view=requests&after={cursor}"),
            None => "view=requests".to_owned(),
        };
        let mut ticks = Ticks::open(&console, &query);
        load(console.process.addr(), "/hello", REQUESTS / 2);
        let tick = ticks.find(|tick| !rows(tick).is_empty());
        assert_eq!(tick["skipped"], 0);
        seen.extend(rows(&tick).iter().map(|row| row["n"].as_u64().unwrap()));
        cursor = Some(tick["cursor"].clone());
        drop(ticks);
        // While the client is away.
        load(console.process.addr(), "/hello", REQUESTS / 2);
    }
    let query = format!("view=requests&after={}", cursor.unwrap());
    let mut ticks = Ticks::open(&console, &query);
    while seen.len() < 4 * REQUESTS {
        let tick = ticks.next().expect("the stream goes on");
        seen.extend(rows(&tick).iter().map(|row| row["n"].as_u64().unwrap()));
    }
    assert_eq!(seen.len(), 4 * REQUESTS);
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
}

/// A tick is computed when the connection takes it, so a stopped reader gets one step for the pause.
#[test]
fn stopped_reader_costs_nothing() {
    let console = Console::with_fixture(&["--quiet"]);
    let target = format!("/hello?{}", "x".repeat(1_000));
    let addr = console.process.addr();
    let mut stopped = Ticks::open(&console, "view=requests");
    stopped.next().unwrap();
    let mut reading = Ticks::open(&console, "view=requests");
    reading.next().unwrap();

    // More rows than the buffers of both sockets hold.
    let mut answered = 0;
    let mut received = 0;
    while received < 12_000 {
        answered += load(addr, &target, 1_000);
        while received < answered {
            let tick = reading.next().expect("the other stream goes on");
            let skipped = tick["skipped"].as_u64().unwrap();
            received += rows(&tick).len() + usize::try_from(skipped).unwrap();
        }
    }
    let mut largest = 0;
    let mut ticks = 0;
    let mut received = 0;
    while received < answered {
        let tick = stopped.next().expect("the stream goes on");
        let skipped = usize::try_from(tick["skipped"].as_u64().unwrap()).unwrap();
        largest = largest.max(skipped);
        received += rows(&tick).len() + skipped;
        ticks += 1;
    }
    assert_eq!(received, answered, "each request is sent or counted once");
    assert!(largest > 1_000, "{ticks} ticks, at most {largest} skipped");
}
