//! The load generators on their core, and what they have seen.

use std::{fs, net::SocketAddr, process::Command};

use crate::{Failure, build, stats};

/// How a server is loaded.
#[derive(Clone, Debug)]
pub struct Load {
    pub generator: Generator,
    pub connections: u64,
    pub path: String,
    pub tls: bool,
}

#[derive(Clone, Debug)]
pub enum Generator {
    /// With a script in `wrk/`, headers, and the arguments of the script.
    Wrk {
        script: &'static str,
        headers: &'static [&'static str],
        arguments: Vec<String>,
    },
    /// HTTP/2, so many streams at a time on each connection.
    H2load { streams: u64 },
}

/// What the load generator has seen. Times are in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub requests: u64,
    pub micros: u64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
}

impl Seen {
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 * 1e6 / self.micros as f64
    }
}

impl Load {
    /// `GET /` over 64 kept-alive connections.
    pub fn keepalive() -> Self {
        let generator = Generator::Wrk {
            script: "report.lua",
            headers: &[],
            arguments: Vec::new(),
        };
        Self {
            generator,
            connections: 64,
            path: "/".to_owned(),
            tls: false,
        }
    }

    /// A new connection for each request.
    pub fn churn() -> Self {
        let headers = &["Connection: close"];
        let generator = Generator::Wrk {
            script: "report.lua",
            headers,
            arguments: Vec::new(),
        };
        Self {
            generator,
            ..Self::keepalive()
        }
    }

    /// A new connection for each request, and no more at a time than handshakes can be had in.
    pub fn handshakes() -> Self {
        Self {
            connections: 8,
            ..Self::churn().over_tls()
        }
    }

    /// So many requests in one segment, on each connection.
    pub fn pipeline(depth: u64) -> Self {
        let arguments = vec![depth.to_string()];
        let generator = Generator::Wrk {
            script: "pipeline.lua",
            headers: &[],
            arguments,
        };
        Self {
            generator,
            ..Self::keepalive()
        }
    }

    /// The paths `/r/0`, `/r/1` and so on, one after the other.
    pub fn routes(count: usize) -> Self {
        let arguments = vec![count.to_string()];
        let generator = Generator::Wrk {
            script: "routes.lua",
            headers: &[],
            arguments,
        };
        Self {
            generator,
            path: "/r/0".to_owned(),
            ..Self::keepalive()
        }
    }

    pub fn http2(connections: u64, streams: u64) -> Self {
        let generator = Generator::H2load { streams };
        Self {
            generator,
            connections,
            ..Self::keepalive()
        }
    }

    pub fn over_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Whether the server can be asked by HTTP/1 without TLS, and counts `GET /` alone.
    pub fn is_plain(&self) -> bool {
        !self.tls && matches!(self.generator, Generator::Wrk { .. })
    }

    /// How many requests may be under way when it ends.
    pub fn unanswered(&self) -> u64 {
        self.connections
            * match &self.generator {
                Generator::H2load { streams } => *streams,
                Generator::Wrk {
                    script: "pipeline.lua",
                    arguments,
                    ..
                } => arguments
                    .first()
                    .and_then(|it| it.parse().ok())
                    .unwrap_or(1),
                Generator::Wrk { .. } => 1,
            }
    }

    /// Loads the server for at least that long, and until every path has been asked for.
    pub fn warm_up(&self, addr: SocketAddr, core: usize, seconds: u64) -> Result<(), Failure> {
        let paths = match &self.generator {
            Generator::Wrk {
                script: "routes.lua",
                arguments,
                ..
            } => arguments
                .first()
                .and_then(|it| it.parse().ok())
                .unwrap_or(1),
            _ => 1,
        };
        // The script begins with the first path each time.
        let mut seconds = seconds;
        while self.run(addr, core, seconds)?.requests < paths {
            seconds *= 2;
        }
        Ok(())
    }

    /// Loads the server for that long. A request that fails is a failure of the run.
    pub fn run(&self, addr: SocketAddr, core: usize, seconds: u64) -> Result<Seen, Failure> {
        let scheme = if self.tls { "https" } else { "http" };
        let url = format!("{scheme}://{addr}{}", self.path);
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "taskset",
            "--cpu-list",
            &core.to_string(),
        ]);
        match &self.generator {
            Generator::Wrk {
                script,
                headers,
                arguments,
            } => {
                command.args(["wrk", "--threads", "1", "--latency", "--timeout", "5s"]);
                command.args(["--connections", &self.connections.to_string()]);
                command.args(["--duration", &format!("{seconds}s"), "--script", script]);
                command.args(headers.iter().flat_map(|it| ["--header", it]));
                command.arg(url).arg("--").args(arguments);
                // Scripts find each other there.
                command.current_dir(build::bench().join("wrk"));
                let text = output(command)?;
                let report = text.lines().find_map(|it| it.strip_prefix("report "));
                report_of_wrk(report.ok_or_else(|| format!("wrk gives no report: {text}"))?)
            }
            Generator::H2load { streams } => {
                let log = build::bench().join("target/h2load.log");
                // That of the run before; h2load adds to it.
                let _ = fs::remove_file(&log);
                command.args(["h2load", "--threads=1"]);
                command.arg(format!("--clients={}", self.connections));
                command.arg(format!("--max-concurrent-streams={streams}"));
                command.arg(format!("--duration={seconds}"));
                command.arg("--log-file").arg(&log).arg(url);
                let text = output(command)?;
                report_of_h2load(&text, &fs::read_to_string(&log)?, seconds)
            }
        }
    }
}

fn output(mut command: Command) -> Result<String, Failure> {
    let output = command
        .output()
        .map_err(|it| format!("load generator: {it}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("load generator: {}: {text}{errors}", output.status).into());
    }
    Ok(text)
}

fn report_of_wrk(report: &str) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    for pair in report.split_whitespace() {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("wrk reports {pair:?}"))?;
        let value = value
            .parse()
            .map_err(|it| format!("wrk reports {pair:?}: {it}"))?;
        match name {
            "requests" => seen.requests = value,
            "micros" => seen.micros = value,
            "p50" => seen.p50 = value,
            "p99" => seen.p99 = value,
            "p999" => seen.p999 = value,
            "max" => {}
            "connect" | "read" | "write" | "status" | "timeout" if value == 0 => {}
            _ => return Err(format!("requests have failed: {report}").into()),
        }
    }
    if seen.requests == 0 || seen.micros == 0 {
        return Err(format!("nothing was answered: {report}").into());
    }
    Ok(seen)
}

/// `log` has a line for each request: when it began, its status, how many microseconds it took.
fn report_of_h2load(text: &str, log: &str, seconds: u64) -> Result<Seen, Failure> {
    let line = |start: &str| {
        let line = text.lines().find(|it| it.starts_with(start));
        line.ok_or_else(|| format!("h2load does not print {start:?}: {text}"))
    };
    let requests = line("requests:")?;
    let counts = requests
        .trim_start_matches("requests:")
        .split(',')
        .map(|it| {
            let mut words = it.split_whitespace();
            (
                words.next().and_then(|it| it.parse::<u64>().ok()),
                words.next(),
            )
        });
    let mut succeeded = 0;
    for (count, what) in counts {
        match (count, what) {
            (Some(count), Some("succeeded")) => succeeded = count,
            (Some(1..), Some("failed" | "errored" | "timeout")) => {
                return Err(format!("requests have failed: {requests}").into());
            }
            _ => {}
        }
    }
    if succeeded == 0
        || !line("status codes:")?.starts_with(&format!("status codes: {succeeded} 2xx"))
    {
        return Err(format!("not all are answered: {text}").into());
    }
    let took = log
        .lines()
        .filter_map(|it| it.rsplit('\t').next()?.parse::<f64>().ok());
    let mut took: Vec<f64> = took.collect();
    took.sort_unstable_by(f64::total_cmp);
    let percentile = |part| stats::percentile(&took, part).map_or(0, |it| it as u64);
    Ok(Seen {
        requests: succeeded,
        micros: seconds * 1_000_000,
        p50: percentile(0.5),
        p99: percentile(0.99),
        p999: percentile(0.999),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "requests=10 micros=2000000 p50=7 p99=8 p999=9 max=10 \
                        connect=0 read=0 write=0 status=0 timeout=0";

    #[test]
    fn a_report_without_failures_is_read() {
        let seen = report_of_wrk(GOOD).unwrap();
        assert_eq!(
            (seen.requests, seen.p50, seen.p99, seen.p999),
            (10, 7, 8, 9)
        );
        assert_eq!(seen.requests_per_second(), 5.0);
    }

    #[test]
    fn each_kind_of_failure_is_one() {
        for name in ["connect", "read", "write", "status", "timeout"] {
            let bad = GOOD.replace(&format!("{name}=0"), &format!("{name}=1"));
            assert!(
                report_of_wrk(&bad)
                    .unwrap_err()
                    .to_string()
                    .contains("failed"),
                "{name}"
            );
        }
        assert!(report_of_wrk(&GOOD.replace("requests=10", "requests=0")).is_err());
    }

    const H2LOAD: &str = "requests: 3 total, 3 started, 3 done, 3 succeeded, 0 failed, 0 errored, \
                          0 timeout\nstatus codes: 3 2xx, 0 3xx, 0 4xx, 0 5xx\n";

    #[test]
    fn what_h2load_tells_is_read() {
        let seen = report_of_h2load(H2LOAD, "1\t200\t30\n2\t200\t10\n3\t200\t20\n", 2).unwrap();
        assert_eq!((seen.requests, seen.p50, seen.p999), (3, 20, 30));
        assert!(report_of_h2load(&H2LOAD.replace("0 errored", "1 errored"), "", 2).is_err());
        assert!(report_of_h2load(&H2LOAD.replace("3 2xx", "2 2xx"), "", 2).is_err());
    }
}
