//! The log under pressure: full speed, slow and stopped readers, closed pipes and full disks, and
//! SIGTERM in each case. Always: written + dropped = produced.
//!
//! Sources of the numbers:
//!
//! * responses: counted by the clients; each has one record,
//! * written: counted by the reader, line by line,
//! * produced and dropped: a scrape after the last request, in the lame duck phase after SIGTERM;
//!   and the last record, if it was read.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use harness::{Process, Scrape, Signal, eventually, eventually_within};
use serde_json::Value;

use crate::{
    answers, clients, last,
    output::{Output, Pace, count_lines},
    print_line, scaled,
    support::END,
};

/// The condition of the log during the load, and of its reader after SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pressure {
    FullSpeed,
    /// The reader is fast after SIGTERM.
    SlowReader,
    /// The reader resumes, but too late.
    StoppedReader,
    /// The reader resumes after SIGTERM.
    StoppedReaderReturns,
    ClosedReader,
    /// `/dev/full`.
    NoRoomEver,
    DiskFull,
    /// The disk has space again before SIGTERM.
    DiskFullForATime,
}

/// The records that the reader has at the end of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The last record, and every record that was not dropped.
    Everything,
    /// Records written before the reader or the disk failed, and none after.
    NothingMore,
    /// The content of the pipe. The records in buffers at the end are lost, which is bounded.
    ThePipe,
}

const CASES: [(&str, Pressure, Seen); 8] = [
    ("full speed", Pressure::FullSpeed, Seen::Everything),
    ("slow reader", Pressure::SlowReader, Seen::Everything),
    ("stopped reader", Pressure::StoppedReader, Seen::ThePipe),
    (
        "stopped reader returns",
        Pressure::StoppedReaderReturns,
        Seen::Everything,
    ),
    ("closed reader", Pressure::ClosedReader, Seen::NothingMore),
    ("no room ever", Pressure::NoRoomEver, Seen::NothingMore),
    ("disk full", Pressure::DiskFull, Seen::NothingMore),
    (
        "disk full for a time",
        Pressure::DiskFullForATime,
        Seen::Everything,
    ),
];

/// The metrics of the log in a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    produced: u64,
    dropped: u64,
}

fn counted(service: &Process) -> Counted {
    let metrics: Scrape = service.metrics();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count is whole and small"
    )]
    let whole = |value: f64| value as u64;
    Counted {
        produced: whole(metrics.sum("log_records_total", &[])),
        dropped: whole(metrics.value("log_records_dropped_total", &[]).unwrap()),
    }
}

/// LOG-11, LOG-12
#[test]
fn written_plus_dropped_records_equal_the_produced() {
    let heading = [
        "answers",
        "produced",
        "written",
        "dropped",
        "at the end",
        "status",
        "ms",
    ];
    print_line(&format!(
        "{:<24}{}",
        "log under pressure",
        heading.map(|title| format!("{title:>11}")).concat()
    ));
    for (name, pressure, seen) in CASES {
        check(name, pressure, seen);
    }
}

fn check(name: &str, pressure: Pressure, seen: Seen) {
    // Long enough for the scrapes between SIGTERM and the exit on a slow machine.
    let env = [("DRAIN_DELAY", "2s"), ("WORKERS", "2")];
    let (service, mut output) = match pressure {
        Pressure::NoRoomEver => Output::full(&env),
        Pressure::DiskFull | Pressure::DiskFullForATime => Output::file(name, &env),
        _ => Output::pipe(name, &env),
    };
    let answers = under_load(&service, &mut output, pressure);
    // If the last record has the counts, no scrape is needed.
    let at_rest = (seen != Seen::Everything).then(|| at_rest(&service, &mut output, seen, answers));
    if let Pressure::SlowReader | Pressure::StoppedReaderReturns = pressure {
        output.reader().set(Pace::Full);
    }
    let ended = service.wait(END);
    let bytes = output.written(true);
    let written = count_lines(&bytes);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let records: Vec<Value> = lines
        .iter()
        .filter(|line| line.ends_with(b"\n"))
        .map(|line| serde_json::from_slice(line).expect("no line is torn"))
        .collect();
    let with = |message| {
        records
            .iter()
            .filter(move |record| record["message"] == message)
    };
    let access = with("http_request").count() as u64;
    let announced: u64 = with("log_records_dropped")
        .map(|record| record["dropped"].as_u64().unwrap())
        .sum();
    // Produced after the scrape: the last record, and the records of the writer.
    let (produced, dropped) = match at_rest {
        None => {
            let report = records.last().unwrap();
            assert_eq!(report["message"], "shutdown_complete", "{name}");
            let dropped = report["logRecordsDropped"].as_u64().unwrap();
            let infra = written - access;
            (answers + infra, dropped)
        }
        Some(counted) => (counted.produced, counted.dropped),
    };
    let lost = (produced + u64::from(seen == Seen::ThePipe)).saturating_sub(written + dropped);
    let took = ended.took.as_millis();
    let figures = [answers, produced, written, dropped, lost].map(|figure| format!("{figure:>11}"));
    print_line(&format!(
        "{name:<24}{}{:>11}{took:>11}",
        figures.concat(),
        ended.code.map_or("-".to_owned(), |code| code.to_string()),
    ));
    assert_eq!(ended.code, Some(0), "{name}");
    if at_rest.is_some() {
        // The records of the service are ready, shutdown, and those of the writer.
        let announcements = with("log_records_dropped").count() as u64;
        assert_eq!(produced, answers + 2 + announcements, "{name}");
    }
    match seen {
        Seen::Everything => {
            // All dropped records are access records: others have a separate buffer.
            assert_eq!(
                access + dropped,
                answers,
                "{name}: written + dropped = produced"
            );
            assert_eq!(announced, dropped, "{name}: every drop is announced");
        }
        Seen::NothingMore => {
            let torn = torn(&bytes);
            assert_eq!(
                written + dropped + torn,
                produced,
                "{name}: written + dropped = produced"
            );
        }
        Seen::ThePipe => {
            assert!(
                written + dropped <= produced + 1,
                "{name}: {written} + {dropped}"
            );
            assert!(
                lost <= buffered_at_most(&bytes, written),
                "{name}: {lost} were lost"
            );
        }
    }
    let no_drop = matches!(pressure, Pressure::FullSpeed);
    assert_eq!(dropped == 0, no_drop, "{name}: {dropped} were dropped");
}

/// Returns the number of records in buffers and in the writer, at the average length of written
/// records.
fn buffered_at_most(bytes: &[u8], lines: u64) -> u64 {
    const BUFFERS: u64 = 2 * 4 * 1024 * 1024;
    BUFFERS * lines / bytes.len() as u64
}

/// Clients send requests until the pressure has its effect. After SIGTERM they continue until a
/// response announces the close. Returns the number of responses.
fn under_load(service: &Process, output: &mut Output, pressure: Pressure) -> u64 {
    let filler = "f".repeat(900);
    let target = move |client: usize| format!("/hello?{client}-{filler}");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Clients must stop after a failure, or the test would wait for them.
        let _stopped = Stopped(&stop);
        let mut before = 0;
        if pressure == Pressure::ClosedReader {
            // Data in a closed pipe is lost, so the pipe is emptied first.
            let some = clients(scope, service, &stop, &target);
            last(Duration::from_millis(50));
            stop.store(true, Ordering::Relaxed);
            before = answers(some);
            stop.store(false, Ordering::Relaxed);
            output.reader().close_behind(before + 1, || {
                assert_eq!(service.get(&target(0)).status, 200);
            });
            before += 1;
        }
        let all = clients(scope, service, &stop, &target);
        match pressure {
            Pressure::FullSpeed => {
                last(scaled(Duration::from_millis(500), Duration::from_secs(30)))
            }
            Pressure::SlowReader => output.reader().set(Pace::Slow),
            Pressure::StoppedReader | Pressure::StoppedReaderReturns => {
                output.reader().set(Pace::Stopped);
            }
            Pressure::DiskFull | Pressure::DiskFullForATime => {
                output.set_room(service, Some(100_000));
            }
            Pressure::ClosedReader | Pressure::NoRoomEver => {}
        }
        if pressure != Pressure::FullSpeed {
            let dropped = eventually_within(Duration::from_secs(60), || {
                (counted(service).dropped > 0).then_some(())
            });
            dropped.expect("the pressure has an effect");
            last(scaled(Duration::ZERO, Duration::from_secs(10)));
        }
        if pressure == Pressure::DiskFullForATime {
            output.set_room(service, None);
            // The writer detects the recovery itself.
            let lines = |output: &mut Output| count_lines(&output.written(false));
            let full = lines(output);
            eventually("there is room", || (lines(output) > full).then_some(()));
        }
        service.signal(Signal::Term);
        before + answers(all)
    })
}

/// Stops the clients, also after a panic.
struct Stopped<'a>(&'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the counts after the last request. Scrapes are not logged.
fn at_rest(service: &Process, output: &mut Output, seen: Seen, answers: u64) -> Counted {
    let mut earlier = None;
    eventually("the log is at rest", || {
        let now = counted(service);
        let bytes = output.written(false);
        let all = now.dropped + count_lines(&bytes) + torn(&bytes);
        // A working reader reads until no record is pending.
        let is_at_rest = match seen {
            Seen::ThePipe => earlier == Some(now) && now.produced >= answers + 2,
            // Including two records of the service: ready and shutdown.
            _ => all == now.produced && now.produced >= answers + 2,
        };
        earlier = Some(now);
        is_at_rest.then_some(now)
    })
}

/// Returns 1 if the last line has no end.
fn torn(bytes: &[u8]) -> u64 {
    u64::from(!bytes.is_empty() && !bytes.ends_with(b"\n"))
}
