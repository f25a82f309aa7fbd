//! `h2load`: many streams over few connections.

use std::process::{Command, Stdio};

use crate::setup::{Figures, Rest, plain, scaled, serve};
use crate::support::require_or_skip;

/// Returns the text after `requests:` in the output, such as `20 total, 20 started, …, 0 failed`.
fn requests(output: &str) -> Vec<(u64, &str)> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("requests: "));
    let parts = line.expect("h2load prints its requests").split(", ");
    parts
        .map(|part| {
            let (number, name) = part.split_once(' ').expect("a number and what it counts");
            (number.parse().expect("it is a number"), name)
        })
        .collect()
}

/// LOG-12, H2-2
#[test]
fn h2load_completes_every_request() {
    if plain() || !require_or_skip("h2load") {
        return;
    }
    let count: u64 = scaled(20_000, 1_000_000);
    let large: u64 = scaled(40, 1_000);
    let service = serve(&[("HTTP2_CLEARTEXT", "true")]);
    let mut figures = Figures::of("h2load");
    let rest = Rest::before(&service);
    for (path, count, streams) in [("/hello", count, "50"), ("/big", large, "10")] {
        let output = Command::new("h2load")
            .args(["-n", &count.to_string(), "-c", "10", "-m", streams])
            .arg(format!("http://{}{path}", service.addr()))
            .stdin(Stdio::null())
            .output()
            .expect("it is installed");
        let text = String::from_utf8_lossy(&output.stdout);
        for (seen, what) in requests(&text) {
            match what {
                "succeeded" | "done" => figures.exact(&format!("{path}: {what}"), count, seen),
                "failed" | "errored" | "timeout" => {
                    figures.exact(&format!("{path}: {what}"), 0, seen);
                }
                _ => {}
            }
        }
        let finished = text.lines().find(|line| line.starts_with("finished in"));
        figures.info(&format!("{path}: pace"), finished.unwrap_or_default());
    }
    rest.after(&mut figures, &service);
    figures.judge();
}
