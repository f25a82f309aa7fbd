//! Model tests of the pipe: producers, writer and close in many interleavings.

use std::collections::BTreeMap;

use super::*;

/// An output that can wait for a number of lines.
#[derive(Clone, Default)]
struct Sink(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Sink {
    fn lines(&self) -> Vec<String> {
        let bytes = lock(&self.0.0);
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for `lines` lines. If they never come, the model reports a deadlock.
    fn wait_for(&self, lines: usize) {
        let all = |bytes: &Vec<u8>| bytes.iter().filter(|byte| **byte == b'\n').count();
        let bytes = lock(&self.0.0);
        drop(
            self.0
                .1
                .wait_while(bytes, |bytes| all(bytes) < lines)
                .unwrap(),
        );
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0.0).extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts producers, each of which pushes numbered lines.
fn produce(pipe: &Pipe, producers: usize, lines: usize) -> Vec<shuttle::thread::JoinHandle<()>> {
    let produce = |producer: usize| {
        let pipe = pipe.clone();
        shuttle::thread::spawn(move || {
            for line in 0..lines {
                let line = format!("{producer} {line}\n");
                pipe.push(Priority::High, Level::Info, line.as_bytes());
            }
        })
    };
    (0..producers).map(produce).collect()
}

fn finish(pipe: &Pipe) {
    let done = pipe.finish(
        Duration::MAX,
        Box::new(|_| (Level::Info, b"last\n".to_vec())),
    );
    assert!(done);
}

/// Checks the totals, and the order of each producer's lines.
fn check(pipe: &Pipe, sink: &Sink, producers: usize, lines: usize) {
    let totals = pipe.totals();
    let produced: u64 = totals.produced.iter().sum();
    assert_eq!(totals.written + totals.dropped, produced, "{totals:?}");
    let written = sink.lines();
    assert_eq!(written.len() as u64, totals.written);
    // The writer's own records about drops are counted separately.
    let (announcements, mut written): (Vec<_>, Vec<_>) = written
        .into_iter()
        .partition(|line| line.contains("log_records_dropped"));
    let all = producers * lines + announcements.len() + 1;
    assert_eq!(produced, all as u64);
    assert_eq!(written.pop().as_deref(), Some("last"));
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for line in written {
        let (producer, number) = line.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        let next = next.entry(producer.to_owned()).or_default();
        // Only lines after the close are dropped, so there is no gap.
        assert_eq!(number, *next);
        *next += 1;
    }
}

#[test]
fn model_records_before_the_close_are_written() {
    crate::sync::check(|| {
        let sink = Sink::default();
        let pipe = Pipe::start(Output::to(sink.clone()), LogFormat::Json, 2).unwrap();
        for producer in produce(&pipe, 2, 2) {
            producer.join().unwrap();
        }
        finish(&pipe);
        check(&pipe, &sink, 2, 2);
        assert_eq!(pipe.totals().dropped, 0);
    });
}

#[test]
fn model_totals_add_up_with_a_concurrent_close() {
    crate::sync::check(|| {
        let sink = Sink::default();
        let pipe = Pipe::start(Output::to(sink.clone()), LogFormat::Json, 2).unwrap();
        let producers = produce(&pipe, 2, 2);
        finish(&pipe);
        for producer in producers {
            producer.join().unwrap();
        }
        check(&pipe, &sink, 2, 2);
    });
}

/// A writer that parks although a record is buffered would not write it.
#[test]
fn model_single_record_wakes_the_writer() {
    crate::sync::check(|| {
        let sink = Sink::default();
        let pipe = Pipe::start(Output::to(sink.clone()), LogFormat::Json, 2).unwrap();
        let producers = produce(&pipe, 2, 2);
        sink.wait_for(4);
        for producer in producers {
            producer.join().unwrap();
        }
        finish(&pipe);
    });
}
