//! Where the service under test writes its log to: a pipe whose reader does as it is told, or a
//! file on a disk that gets full.

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

/// How a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Full,
    /// Half a megabyte a second: less than the service says on the slowest of machines.
    Slow,
    Stopped,
    /// The pipe is closed, and what would come is lost.
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
        // Opening waits for the writer.
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

    /// Closes the pipe when these lines and that of one more request have been read: what is in it
    /// then would be lost to everybody.
    pub(crate) fn close_behind(&self, lines: u64, ask_once_more: impl FnOnce()) {
        eventually("all records are read", || {
            (count_lines(&self.shared.0.lock().unwrap().read) == lines).then_some(())
        });
        // It waits for something to read, and leaves when it has got it.
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

/// What the service writes to.
pub(crate) enum Output {
    Pipe(Reader),
    File(PathBuf),
    /// `/dev/full`, which takes nothing.
    Full,
}

impl Output {
    /// A service that writes to a pipe.
    pub(crate) fn pipe(case: &str, env: &[(&str, &str)]) -> (Process, Self) {
        let path = scratch(case);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let reader = Reader::of(path.clone());
        let service = start(&path, env);
        fs::remove_file(path).unwrap();
        (service, Self::Pipe(reader))
    }

    /// A service that writes to a file.
    pub(crate) fn file(case: &str, env: &[(&str, &str)]) -> (Process, Self) {
        let path = scratch(case);
        (start(&path, env), Self::File(path))
    }

    /// A service that writes to a disk that was full before it came.
    pub(crate) fn full(env: &[(&str, &str)]) -> (Process, Self) {
        (start(&PathBuf::from("/dev/full"), env), Self::Full)
    }

    pub(crate) fn reader(&self) -> &Reader {
        match self {
            Self::Pipe(reader) => reader,
            _ => panic!("there is no pipe"),
        }
    }

    /// Lets the disk have room for so many more bytes, or for any number.
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

    /// Everything that was written, so far or, once the service has ended, in all.
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
            // It is in the way of the next run only.
            Self::File(path) => drop(fs::remove_file(path)),
            Self::Full => {}
        }
    }
}

/// How many lines end in `bytes`.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn scratch(case: &str) -> PathBuf {
    let name = format!("pressure-{}-{case}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name.replace(' ', "-"))
}

/// Starts the fixture with its standard output at `path`, and waits until it answers.
fn start(path: &std::path::Path, env: &[(&str, &str)]) -> Process {
    // A full disk is a limit on the size of files here, which comes with a signal that is fatal
    // unless somebody ignores it.
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
