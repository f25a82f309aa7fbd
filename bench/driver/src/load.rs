//! `wrk` on its core, and what it has seen.

use std::{net::SocketAddr, process::Command};

use crate::{Failure, build};

/// How a server is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub core: usize,
    pub connections: u32,
    /// The script in `wrk/`.
    pub script: &'static str,
    pub path: &'static str,
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
    /// Loads the server for that long. A request that fails is a failure of the run.
    pub fn run(&self, addr: SocketAddr, seconds: u64) -> Result<Seen, Failure> {
        let mut wrk = Command::new("setpriv");
        wrk.args([
            "--pdeathsig",
            "KILL",
            "taskset",
            "--cpu-list",
            &self.core.to_string(),
        ]);
        wrk.args(["wrk", "--threads", "1", "--latency", "--timeout", "5s"]);
        wrk.args(["--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{seconds}s")]);
        wrk.arg("--script")
            .arg(build::bench().join("wrk").join(self.script));
        wrk.arg(format!("http://{addr}{}", self.path));
        let output = wrk.output().map_err(|it| format!("wrk: {it}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let report = text.lines().find_map(|it| it.strip_prefix("report "));
        let Some(report) = report else {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("wrk gives no report: {text}{errors}").into());
        };
        read(report)
    }
}

fn read(report: &str) -> Result<Seen, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "requests=10 micros=2000000 p50=7 p99=8 p999=9 max=10 \
                        connect=0 read=0 write=0 status=0 timeout=0";

    #[test]
    fn a_report_without_failures_is_read() {
        let seen = read(GOOD).unwrap();
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
                read(&bad).unwrap_err().to_string().contains("failed"),
                "{name}"
            );
        }
        assert!(read(&GOOD.replace("requests=10", "requests=0")).is_err());
    }
}
