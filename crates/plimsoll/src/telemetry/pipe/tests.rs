//! Tests of the totals: written + dropped = produced, for any behaviour of the output.

use std::sync::mpsc;

use super::*;

/// An output that can block and fail, and keeps the written bytes.
#[derive(Clone, Default)]
struct Valve {
    state: Arc<(Mutex<ValveState>, Condvar)>,
}

#[derive(Default)]
struct ValveState {
    shut: bool,
    /// The writer waits for the valve to open.
    blocked: bool,
    /// The number of bytes that are accepted before writes fail.
    fails_after: Option<usize>,
    written: Vec<u8>,
}

impl Valve {
    fn change(&self, change: impl FnOnce(&mut ValveState)) {
        change(&mut lock(&self.state.0));
        self.state.1.notify_all();
    }

    /// Shuts the valve, and waits until the writer blocks with one record.
    fn shut_behind(&self, pipe: &Pipe) {
        self.change(|state| state.shut = true);
        pipe.push(Priority::Low, Level::Info, b"first\n");
        let state = lock(&self.state.0);
        drop(
            self.state
                .1
                .wait_while(state, |state| !state.blocked)
                .unwrap(),
        );
    }

    fn text(&self) -> String {
        String::from_utf8(lock(&self.state.0).written.clone()).unwrap()
    }
}

impl io::Write for Valve {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.state.0);
        state.blocked = state.shut;
        self.state.1.notify_all();
        let mut state = self.state.1.wait_while(state, |state| state.shut).unwrap();
        let count = match &mut state.fails_after {
            Some(0) => return Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                let count = bytes.len().min(*left);
                *left -= count;
                count
            }
            None => bytes.len(),
        };
        state.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pipe(threads: usize) -> (Pipe, Valve) {
    let valve = Valve::default();
    let pipe = Pipe::start(Output::to(valve.clone()), LogFormat::Json, threads).unwrap();
    (pipe, valve)
}

/// Closes the pipe, and returns the totals before the last record.
fn finish(pipe: &Pipe) -> Totals {
    let (send, receive) = mpsc::channel();
    let done = pipe.finish(
        Duration::from_secs(10),
        Box::new(move |totals| {
            send.send(totals).unwrap();
            (Level::Info, b"last\n".to_vec())
        }),
    );
    assert!(done);
    receive.recv().unwrap()
}

fn produced(totals: &Totals) -> u64 {
    totals.produced.iter().sum()
}

#[test]
fn fast_reader_gets_each_record_once_and_the_last_one_last() {
    let (pipe, valve) = pipe(3);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let pipe = &pipe;
            scope.spawn(move || {
                for index in 0..5000 {
                    let line = format!("{thread}-{index}\n");
                    pipe.push(Priority::Low, Level::Info, line.as_bytes());
                }
            });
        }
    });
    let totals = finish(&pipe);
    assert_eq!(
        (produced(&totals), totals.written, totals.dropped),
        (20_000, 20_000, 0)
    );
    let text = valve.text();
    let mut lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.pop(), Some("last"));
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 20_000);
}

#[test]
fn records_of_one_thread_keep_their_order() {
    let (pipe, valve) = pipe(2);
    for index in 0..1000 {
        pipe.push(Priority::Low, Level::Info, format!("{index}\n").as_bytes());
    }
    finish(&pipe);
    let text = valve.text();
    let seen: Vec<usize> = text.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
}

#[test]
fn stopped_reader_drops_low_priority_first_and_logs_it() {
    let (pipe, valve) = pipe(1);
    valve.shut_behind(&pipe);
    let line = [b'x'; 1023]
        .iter()
        .chain(b"\n")
        .copied()
        .collect::<Vec<u8>>();
    for _ in 0..3 * CAPACITY / line.len() {
        pipe.push(Priority::Low, Level::Info, &line);
    }
    let before = pipe.totals();
    assert!(before.dropped > 0);
    // Access records are dropped by now. A warning still fits.
    pipe.push(Priority::Low, Level::Error, b"access\n");
    pipe.push(Priority::High, Level::Warning, b"warning\n");
    assert_eq!(pipe.totals().dropped, before.dropped + 1);

    valve.change(|state| state.shut = false);
    let totals = finish(&pipe);
    assert_eq!(totals.written + totals.dropped, produced(&totals));
    let text = valve.text();
    assert!(text.contains("warning\n") && !text.contains("access\n"));
    let announced: u64 = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|record| record["message"] == "log_records_dropped")
        .map(|record| record["dropped"].as_u64().unwrap())
        .sum();
    assert_eq!(announced, totals.dropped);
}

#[test]
fn full_disk_drops_records_and_leaves_no_torn_line() {
    let (pipe, valve) = pipe(1);
    valve.change(|state| state.fails_after = Some(25));
    for index in 0..10 {
        pipe.push(
            Priority::Low,
            Level::Info,
            format!("{{\"record\":{index}}}\n").as_bytes(),
        );
    }
    while pipe.totals().dropped == 0 {
        std::thread::yield_now();
    }
    valve.change(|state| state.fails_after = None);
    for index in 10..20 {
        pipe.push(
            Priority::Low,
            Level::Info,
            format!("{{\"record\":{index}}}\n").as_bytes(),
        );
    }
    let totals = finish(&pipe);
    assert_eq!(totals.written + totals.dropped, produced(&totals));
    let text = valve.text();
    for line in text.lines().filter(|line| *line != "last") {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    // The totals do not include the last line.
    assert_eq!(text.lines().count() as u64, totals.written + 1);
}

#[test]
fn closed_stdout_drops_all_records_and_the_pipe_ends() {
    let (pipe, valve) = pipe(2);
    valve.change(|state| state.fails_after = Some(0));
    for _ in 0..100 {
        pipe.push(Priority::High, Level::Error, b"lost\n");
    }
    let totals = finish(&pipe);
    assert_eq!(
        (produced(&totals), totals.written, totals.dropped),
        (100, 0, 100)
    );
    let end = pipe.totals();
    assert_eq!(
        (end.written, end.dropped),
        (0, 101),
        "the last record is dropped too, and counted"
    );
}

#[test]
fn records_after_the_close_are_counted_as_dropped() {
    let (pipe, valve) = pipe(2);
    finish(&pipe);
    pipe.push(Priority::High, Level::Error, b"late\n");
    let totals = pipe.totals();
    assert_eq!(
        (produced(&totals), totals.written, totals.dropped),
        (2, 1, 1)
    );
    assert_eq!(valve.text(), "last\n");
}

#[test]
fn stopped_reader_does_not_block_the_close() {
    let (pipe, valve) = pipe(1);
    valve.shut_behind(&pipe);
    let done = pipe.finish(
        Duration::from_millis(20),
        Box::new(|_| (Level::Info, Vec::new())),
    );
    assert!(!done);
    valve.change(|state| state.shut = false);
}
