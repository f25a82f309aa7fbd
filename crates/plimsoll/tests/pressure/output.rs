//! The log output of the service under test: a pipe with a controlled reader, or a file on a disk
//! that becomes full.

use std::{
    fs::{self, File},
    io::Read as _,
    path::PathBuf,
    process::Command,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use harness::{Process, eventually};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::fixture;

/// The behaviour of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Full,
    /// 0.5 MB/s: less than the service logs on the slowest machine.
    Slow,
    Stopped,
    /// The pipe is closed, and later records are lost.
    Closed,
}

/// The reader of a pipe.
pub(crate) struct Reader {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    pace: Pace,
    read: Vec<u8>,
    ended: bool,
}

impl Reader {
    fn of(path: PathBuf) -> Self {
        let state = State {
            pace: Pace::Full,
            read: Vec::new(),
            ended: false,
        };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let reader = Arc::clone(&shared);
        // The open blocks until the writer opens the pipe.
        let thread = thread::spawn(move || read(File::open(path).unwrap(), &reader));
        Self {
            shared,
            thread: Some(thread),
        }
    }

    pub(crate) fn set(&self, pace: Pace) {
        self.shared.0.lock().unwrap().pace = pace;
        self.shared.1.notify_all();
    }

    /// Closes the pipe after these lines and that of one more request, since data in the pipe would
    /// be lost.
    pub(crate) fn close_behind(&self, lines: u64, ask_once_more: impl FnOnce()) {
        eventually("all records are read", || {
            (count_lines(&self.shared.0.lock().unwrap().read) == lines).then_some(())
        });
        // The reader waits for data, and returns after reading it.
        self.set(Pace::Closed);
        ask_once_more();
        eventually("the pipe is closed", || {
            self.shared.0.lock().unwrap().ended.then_some(())
        });
    }
}

fn read(mut pipe: File, shared: &(Mutex<State>, Condvar)) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let state = shared.0.lock().unwrap();
        let state = shared
            .1
            .wait_while(state, |state| state.pace == Pace::Stopped)
            .unwrap();
        let pace = state.pace;
        drop(state);
        let chunk = match pace {
            Pace::Full | Pace::Stopped => &mut chunk[..],
            Pace::Slow => {
                thread::sleep(Duration::from_millis(1));
                &mut chunk[..512]
            }
            Pace::Closed => break,
        };
        match pipe.read(chunk).unwrap() {
            0 => break,
            count => shared
                .0
                .lock()
                .unwrap()
                .read
                .extend_from_slice(&chunk[..count]),
        }
    }
    drop(pipe);
    shared.0.lock().unwrap().ended = true;
}

/// The output of the service.
pub(crate) enum Output {
    Pipe(Reader),
    File(PathBuf),
    /// `/dev/full`, which accepts no data.
    Full,
}

impl Output {
    /// Starts a service that writes to a pipe.
    pub(crate) fn pipe(case: &str, env: &[(&str, &str)]) -> (Process, Self) {
        let path = scratch(case);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let reader = Reader::of(path.clone());
        let service = start(&path, env);
        fs::remove_file(path).unwrap();
        (service, Self::Pipe(reader))
    }

    /// Starts a service that writes to a file.
    pub(crate) fn file(case: &str, env: &[(&str, &str)]) -> (Process, Self) {
        let path = scratch(case);
        (start(&path, env), Self::File(path))
    }

    /// Starts a service that writes to a full disk.
    pub(crate) fn full(env: &[(&str, &str)]) -> (Process, Self) {
        (start(&PathBuf::from("/dev/full"), env), Self::Full)
    }

    pub(crate) fn reader(&self) -> &Reader {
        match self {
            Self::Pipe(reader) => reader,
            _ => panic!("there is no pipe"),
        }
    }

    /// Sets the free space of the disk to this many bytes, or to no limit.
    pub(crate) fn set_room(&self, service: &Process, bytes: Option<u64>) {
        let Self::File(path) = self else {
            panic!("there is no file")
        };
        let pid = Pid::from_raw(i32::try_from(service.pid()).unwrap());
        let size = fs::metadata(path).unwrap().len();
        let limit = Rlimit {
            current: bytes.map(|bytes| size + bytes),
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, limit).unwrap();
    }

    /// Returns everything written so far.
    pub(crate) fn written(&mut self, has_ended: bool) -> Vec<u8> {
        match self {
            Self::Pipe(reader) => {
                if has_ended && let Some(thread) = reader.thread.take() {
                    reader.set_unless_closed(Pace::Full);
                    thread.join().unwrap();
                }
                reader.shared.0.lock().unwrap().read.clone()
            }
            Self::File(path) => fs::read(path).unwrap(),
            Self::Full => Vec::new(),
        }
    }
}

impl Reader {
    fn set_unless_closed(&self, pace: Pace) {
        if self.shared.0.lock().unwrap().pace != Pace::Closed {
            self.set(pace);
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        match self {
            Self::Pipe(reader) => reader.set(Pace::Closed),
            // A remaining file affects only the next run.
            Self::File(path) => drop(fs::remove_file(path)),
            Self::Full => {}
        }
    }
}

/// Returns the number of lines in `bytes`.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn scratch(case: &str) -> PathBuf {
    let name = format!("pressure-{}-{case}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name.replace(' ', "-"))
}

/// Starts the fixture with its standard output at `path`, and waits until it answers.
fn start(path: &std::path::Path, env: &[(&str, &str)]) -> Process {
    // The full disk is a limit on the size of files. Its signal is fatal unless it is ignored.
    let script = "trap '' XFSZ; exec \"$0\" >>\"$1\"";
    let fixture = fixture();
    let args = [
        "-c",
        script,
        fixture.to_str().unwrap(),
        path.to_str().unwrap(),
    ];
    let service = Process::spawn_with("/bin/sh", &args, env);
    eventually("the service answers", || service.try_connect().ok());
    assert_eq!(service.get("/ready").status, 200);
    service
}
