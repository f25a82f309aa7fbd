//! Where the reference service's CPU goes, part by part, seen by `perf`.
//!
//! A sample counts for the innermost function, inlined ones included, whose file names its purpose.
//! So the work of the standard library or of a header map counts for its caller. Kernel work counts
//! for its system call.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::Command, thread};

use addr2line::Loader;
use object::{Object as _, ObjectSegment as _};

use crate::{
    Failure, build,
    load::Load,
    machine::Machine,
    options::Options,
    peer::{self, PROFILED},
    results,
    server::Server,
};

/// What stands in a path of a source file, and what such a file is for; the first that fits counts.
const PARTS: [(&str, &str); 18] = [
    ("plimsoll/src/edge/request_id.rs", "request id"),
    ("plimsoll/src/edge/client_ip", "client's address"),
    ("plimsoll/src/edge/extract.rs", "client's address"),
    ("plimsoll/src/edge/origin", "origin of links"),
    ("plimsoll/src/edge/access_log.rs", "access record"),
    ("plimsoll/src/telemetry", "access record"),
    ("plimsoll/src/metrics", "counter and histogram"),
    (
        "plimsoll/src/edge/response.rs",
        "head of the answer: id and security headers",
    ),
    (
        "plimsoll/src/edge",
        "edge: account, slot, deadline, panic guard",
    ),
    ("plimsoll/src/server", "connections and their deadlines"),
    ("plimsoll/src", "other parts of the chassis"),
    ("rust-axum-app/src", "handler"),
    ("/hyper-", "hyper"),
    ("/httparse-", "hyper"),
    ("/axum", "axum"),
    ("/matchit-", "axum"),
    ("/tokio-", "tokio"),
    ("/mio-", "tokio"),
];

pub fn build() -> Result<(), Failure> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--package",
        peer::REFERENCE,
    ]);
    cargo
        .arg("--manifest-path")
        .arg(build::bench().join("../Cargo.toml"));
    cargo
        .arg("--target-dir")
        .arg(build::bench().join("target/profile"));
    cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "none");
    cargo.env("RUSTFLAGS", "-Cforce-frame-pointers=yes");
    let status = cargo.status().map_err(|it| format!("cargo: {it}"))?;
    if !status.success() {
        return Err("the reference service does not build for a profile".into());
    }
    Ok(())
}

pub fn run(options: &Options) -> Result<(), Failure> {
    let server = Server::spawn(&PROFILED, options.server_core, &[])?;
    server.check("/")?;
    let load = Load::keepalive();
    load.run(server.addr, options.load_core, 1)?;
    server.settle()?;
    let cpu_before = server.cpu()?;
    let data = build::bench().join("target/perf.data");
    let (seen, recorded) = thread::scope(|scope| {
        let perf = scope.spawn(|| {
            let mut perf = Command::new("perf");
            perf.args([
                "record",
                "--quiet",
                "--event",
                "cpu-clock",
                "--freq",
                "4999",
            ]);
            perf.args(["--call-graph", "fp", "--pid", &server.pid().to_string()]);
            perf.arg("--output")
                .arg(&data)
                .args(["--", "sleep", &options.seconds.to_string()]);
            perf.status()
        });
        let seen = load.run(server.addr, options.load_core, options.seconds);
        (seen, perf.join())
    });
    let seen = seen?;
    let recorded = recorded.map_err(|_| "the thread of perf has panicked")?;
    let recorded =
        recorded.map_err(|it| format!("perf: {it} (Debian: apt-get install linux-perf)"))?;
    if !recorded.success() {
        return Err(format!("perf record: {recorded}").into());
    }
    server.settle()?;
    let micros = (server.cpu()? - cpu_before).as_secs_f64() * 1e6 / seen.requests as f64;
    server.stop()?;
    let samples = samples(&data)?;
    let text = render(&samples, micros)?;
    results::keep(options, "profile", &text, None)
}

fn render(samples: &BTreeMap<String, u64>, micros: f64) -> Result<String, Failure> {
    let all: u64 = samples.values().sum();
    if all < 1000 {
        return Err(format!("{all} samples are too few for a profile").into());
    }
    let mut text = Machine::describe().markdown("CPU of the reference service, by function");
    // Writing to a string does not fail, here and below.
    let _ = write!(
        text,
        "\n`GET /` over 64 kept-alive connections, {all} samples, {micros:.2} µs of CPU for each request \
         (with frame pointers, and while it is being watched).\n\n\
         | part | % | ns/request |\n|---|---|---|\n"
    );
    let mut parts: Vec<_> = samples.iter().collect();
    parts.sort_unstable_by_key(|it| std::cmp::Reverse(it.1));
    for (part, &count) in parts {
        let share = count as f64 / all as f64;
        let _ = writeln!(
            text,
            "| {part} | {:.1} | {:.0} |",
            share * 100.0,
            share * micros * 1e3
        );
    }
    Ok(text)
}

/// How many samples each part has.
fn samples(data: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let mut perf = Command::new("perf");
    perf.args(["script", "--no-inline", "--fields", "ip,sym,dso", "--input"])
        .arg(data);
    let output = perf.output()?;
    if !output.status.success() {
        return Err(format!("perf script: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let program = build::program(&PROFILED);
    let symbols = Symbols::of(&program)?;
    let mut samples = BTreeMap::new();
    for stack in String::from_utf8_lossy(&output.stdout).split("\n\n") {
        let frames: Vec<_> = stack.lines().filter_map(Frame::read).collect();
        if !frames.is_empty() {
            *samples.entry(symbols.part(&frames)).or_insert(0) += 1;
        }
    }
    Ok(samples)
}

/// A line of `perf script`: `   14f38 name+0x12 (/path/of/the/program)`.
struct Frame<'a> {
    /// In the file, not in memory.
    offset: u64,
    symbol: &'a str,
    object: &'a str,
}

impl<'a> Frame<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (offset, rest) = line.trim().split_once(' ')?;
        let (symbol, object) = rest.rsplit_once(" (")?;
        let offset = u64::from_str_radix(offset, 16).ok()?;
        Some(Self {
            offset,
            symbol,
            object: object.trim_end_matches(')'),
        })
    }
}

/// The kernel's work by its system call, which is the function that `do_syscall_64` has called.
fn in_the_kernel(frames: &[Frame<'_>]) -> String {
    let calls = frames
        .iter()
        .map(|it| it.symbol)
        .take_while(|&it| it != "do_syscall_64");
    if calls.clone().count() == frames.len() {
        return "kernel: interrupts and faults".to_owned();
    }
    match calls.filter(|&it| it != "x64_sys_call").last() {
        None => "kernel: entry and exit".to_owned(),
        Some(it) if it.starts_with("exit_to_user") => "kernel: entry and exit".to_owned(),
        Some(it) => {
            let prefix = ["__x64_sys_", "__do_sys_", "ksys_", "do_"];
            let name = prefix.iter().find_map(|prefix| it.strip_prefix(prefix));
            format!("kernel: {}", name.unwrap_or(it))
        }
    }
}

struct Symbols {
    program: String,
    loader: Loader,
    /// Of each segment: where it begins in the file, its length, and its address.
    segments: Vec<(u64, u64, u64)>,
}

impl Symbols {
    fn of(program: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(program)?;
        let file = object::File::parse(&*bytes)?;
        let segment = |it: object::Segment<'_, '_>| {
            let (start, length) = it.file_range();
            (start, length, it.address())
        };
        Ok(Self {
            program: fs::canonicalize(program)?.display().to_string(),
            loader: Loader::new(program).map_err(|it| it.to_string())?,
            segments: file.segments().map(segment).collect(),
        })
    }

    fn part(&self, frames: &[Frame<'_>]) -> String {
        if frames
            .first()
            .is_some_and(|it| it.object.starts_with("[kernel"))
        {
            return in_the_kernel(frames);
        }
        let named = frames.iter().find_map(|it| self.named(it));
        named
            .unwrap_or("unattributed: allocator, memcpy, start of the thread")
            .to_owned()
    }

    fn named(&self, frame: &Frame<'_>) -> Option<&'static str> {
        if frame.object != self.program {
            return None;
        }
        let (start, _, address) = self
            .segments
            .iter()
            .find(|(start, length, _)| (*start..start + length).contains(&frame.offset))?;
        let mut frames = self
            .loader
            .find_frames(frame.offset - start + address)
            .ok()?;
        while let Ok(Some(inlined)) = frames.next() {
            let file = inlined.location.and_then(|it| it.file).unwrap_or_default();
            if let Some((_, part)) = PARTS.iter().find(|(path, _)| file.contains(path)) {
                return Some(part);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> String {
        in_the_kernel(&text.lines().filter_map(Frame::read).collect::<Vec<_>>())
    }

    #[test]
    fn kernel_work_counts_for_its_system_call() {
        let kernel = "([kernel.kallsyms])";
        let outer = format!("ff do_syscall_64 {kernel}\nff entry_SYSCALL_64 {kernel}\n");
        let call = |name: &str| {
            part(&format!(
                "ff tcp_sendmsg {kernel}\nff {name} {kernel}\n{outer}"
            ))
        };
        assert_eq!(call("do_writev"), "kernel: writev");
        assert_eq!(call("__x64_sys_recvfrom"), "kernel: recvfrom");
        assert_eq!(call("exit_to_user_mode_loop"), "kernel: entry and exit");
        assert_eq!(part(&outer), "kernel: entry and exit");
        assert_eq!(
            part(&format!("ff schedule {kernel}")),
            "kernel: interrupts and faults"
        );
    }
}
