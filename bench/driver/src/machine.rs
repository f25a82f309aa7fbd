//! What machine it was, and how quiet.

use std::{fs, process::Command};

const UNKNOWN: &str = "unknown";

#[derive(Debug)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    /// Versions of the tools, and of the peers that are installed.
    pub programs: String,
    pub commit: String,
    pub date: String,
}

impl Machine {
    pub fn describe() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus
            .lines()
            .find_map(|it| it.strip_prefix("model name")?.split_once(": "));
        let hypervisor = cpus
            .lines()
            .any(|it| it.starts_with("flags") && it.contains(" hypervisor"));
        let place = if hypervisor {
            ", a virtual machine"
        } else {
            ""
        };
        Self {
            cpu: format!("{}{place}", model.map_or("unknown CPU", |it| it.1)),
            cores: cpus
                .lines()
                .filter(|it| it.starts_with("processor"))
                .count(),
            kernel: first_line("uname", &["--kernel-name", "--kernel-release", "--machine"]),
            programs: programs(),
            commit: first_line("git", &["describe", "--always", "--dirty"]),
            date: date(),
        }
    }
}

impl Machine {
    /// The head of a document: what it is of, when, and where.
    pub fn markdown(&self, title: &str) -> String {
        format!(
            "# {title}\n\n{}: plimsoll {}, {}.\n{}, {} cores, {}.\n",
            self.date, self.commit, self.programs, self.cpu, self.cores, self.kernel
        )
    }
}

fn programs() -> String {
    let programs = [
        ("rustc", "--version"),
        ("wrk", "--version"),
        ("/usr/sbin/nginx", "-v"),
        ("go", "version"),
    ];
    let lines = programs.map(|(program, argument)| first_line(program, &[argument]));
    let known = lines.iter().filter(|it| *it != UNKNOWN);
    let versions: Vec<_> = known.filter_map(|it| it.split(" [").next()).collect();
    versions.join(", ")
}

/// Today, as in `2026-11-28`.
pub fn date() -> String {
    first_line("date", &["--utc", "+%F"])
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    // Some programs print their version and exit with an error status.
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|it| {
        if it.status.success() {
            // nginx prints its version to stderr.
            [it.stdout, it.stderr].concat()
        } else {
            it.stdout
        }
    });
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or(UNKNOWN).trim().to_owned()
}
