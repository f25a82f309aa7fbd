//! A Postgres server in its own folder, reached over a unix socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use harness::Signal;

use super::support::skip;

/// A server, and its data.
#[derive(Debug)]
pub(crate) struct Server {
    programs: PathBuf,
    folder: PathBuf,
}

impl Server {
    /// Creates a server with data that does not run yet, or `None` if Postgres is not installed.
    #[track_caller]
    pub(crate) fn prepared() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(programs) = programs() else {
            skip("postgresql is not installed");
            return None;
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // The path of a unix socket is limited, so it is not in the folder of the build.
        let name = format!("plimsoll-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("the folder is new");
        let server = Self { programs, folder };
        if is_root() {
            let folder = server.folder.to_str().expect("a plain name");
            run(Command::new("chown").args(["postgres", folder]));
        }
        let data = server.data();
        let arguments = ["--auth=trust", "--no-sync", "--username=test", "--pgdata"];
        run(server.command("initdb").args(arguments).arg(data));
        Some(server)
    }

    /// Starts the server and waits until it accepts connections.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        let folder = self.folder.display();
        let options =
            format!("-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off");
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.data());
        command.arg("--log").arg(self.folder.join("log"));
        run(command.args(["--wait", "--options", &options, "start"]));
    }

    /// Stops the server and closes its connections.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.data());
        run(command.args(["--wait", "--mode=fast", "stop"]));
    }

    /// Returns the `DATABASE_URL` for a service.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=test dbname=postgres", self.folder.display())
    }

    /// Returns the path of the server's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Pauses all processes of the server. It accepts connections, and answers nothing.
    #[track_caller]
    pub(crate) fn pause(&self) {
        let first = self.pid();
        // The others are started by the first one, so their list is complete once it is paused.
        Signal::Stop.send(first);
        for process in children(first) {
            Signal::Stop.send(process);
        }
    }

    /// Continues all processes of the server.
    #[track_caller]
    pub(crate) fn resume(&self) {
        let first = self.pid();
        for process in children(first) {
            Signal::Cont.send(process);
        }
        Signal::Cont.send(first);
    }

    /// Locks a table, so that all queries on it wait.
    #[track_caller]
    pub(crate) fn lock(&self, table: &str) -> TableLock {
        let mut command = self.command("psql");
        command.args(["--quiet", "--no-psqlrc", &self.url()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut session = command.spawn().expect("psql is installed with the server");
        let input = session.stdin.as_mut().expect("it is a pipe");
        writeln!(input, "BEGIN; LOCK TABLE {table};\n\\echo locked").expect("it reads commands");
        let mut output = BufReader::new(session.stdout.take().expect("it is a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it writes text");
        assert_eq!(line, "locked\n");
        TableLock(session)
    }

    /// Returns the id of the server's first process.
    #[track_caller]
    fn pid(&self) -> u32 {
        let path = self.data().join("postmaster.pid");
        let text = std::fs::read_to_string(path).expect("the server runs");
        let first = text.lines().next().and_then(|line| line.parse().ok());
        first.expect("the first line is the id")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns a program of Postgres, run as another user since it rejects root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                command.arg(program);
                command
            }
            false => Command::new(program),
        };
        command.current_dir(&self.folder);
        command
    }
}

/// A session with a lock on a table.
#[derive(Debug)]
pub(crate) struct TableLock(Child);

impl TableLock {
    /// Ends the transaction with its session.
    #[track_caller]
    pub(crate) fn release(mut self) {
        drop(self.0.stdin.take());
        let status = self.0.wait().expect("it is a child of this process");
        assert!(status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.data());
        // It may have been stopped before. Remaining files are in a temporary folder.
        let _ = command
            .args(["--mode=immediate", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Returns the folder of the server's programs: the newest installed version of Debian, or one in
/// `PATH`.
#[expect(
    clippy::disallowed_methods,
    reason = "where programs are is the machine's matter, not a setting of a service"
)]
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let mut folders: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    folders.reverse();
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists())
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = std::fs::read_to_string(path).expect("the server runs");
    let ids = text.split_whitespace().map(|id| id.parse());
    ids.map(|id| id.expect("a process id")).collect()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|process| process.uid() == 0)
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = output.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}"
    );
}
