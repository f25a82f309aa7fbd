//! Many slow clients of `slowhttptest`, beside one that must not be affected.

use std::process::{Command, Stdio};
use std::thread;

use crate::fresh_client;
use crate::setup::{Figures, Rest, descriptors, now, resident_kib, scaled, serve};
use crate::support::{ms, require_or_skip};

/// More than all attackers; the tests in `it` cover the limit itself.
const PLACES: (&str, &str) = ("MAX_CONNECTIONS", "12000");

/// Likewise for requests: an attacker with a complete head has a request in flight.
const SLOTS: (&str, &str) = ("MAX_IN_FLIGHT", "12000");

/// Runs one attack: `mode` selects its kind, `env` has settings of the service.
#[track_caller]
fn attack(test: &'static str, path: &str, mode: &[&str], env: &[(&str, &str)]) {
    if !require_or_skip("slowhttptest") {
        return;
    }
    let service = serve(env);
    let mut figures = Figures::of(test);
    let quiet = fresh_client::quiet(service.addr());
    let rest = Rest::before(&service);
    let before = descriptors(&service);
    let (connections, rate, length) = scaled(("100", "200", "3"), ("10000", "1000", "60"));
    let ((output, took, most, memory), seen) =
        fresh_client::ask_during(service.addr(), "/hello", || {
            let began = now();
            let mut attacker = Command::new("slowhttptest")
                .args(mode)
                .args(["-c", connections, "-r", rate, "-l", length])
                .args(["-u", &format!("http://{}{path}", service.addr())])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // The output is read at the end: it is smaller than a pipe.
            let (mut most, mut memory) = (0, 0);
            while attacker.try_wait().unwrap().is_none() {
                most = most.max(descriptors(&service));
                memory = memory.max(resident_kib(&service));
                thread::sleep(scaled(ms(50), ms(500)));
            }
            let output = attacker.wait_with_output().unwrap();
            (output, began.elapsed(), most, memory)
        });
    let output = uncoloured(&String::from_utf8_lossy(&output.stdout));
    let most = most - before;
    figures.info("attacked for, s", took.as_secs());
    figures.info("slow connections open at once", most);
    figures.info("memory at most, KiB", memory);
    figures.info("slowhttptest ended with", exit_status(&output));
    // The attack must have taken place.
    assert!(most >= 50, "slowhttptest said:\n{output}");
    fresh_client::judge(&mut figures, quiet, seen);
    rest.after(&mut figures, &service);
    figures.judge();
}

/// Returns the exit status in the output.
fn exit_status(output: &str) -> &str {
    let mut lines = output.lines();
    let line = lines.find_map(|line| line.trim().strip_prefix("Exit status:"));
    line.map_or("none", str::trim)
}

/// Removes the colours from the output.
fn uncoloured(text: &str) -> String {
    let mut rest = text;
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    text
}

/// Longer than the connection phase, so that all are connected at once.
fn long_read_timeout() -> (&'static str, &'static str) {
    ("READ_TIMEOUT", scaled("5s", "25s"))
}

/// SRV-6
#[test]
fn slow_heads_do_not_affect_others() {
    attack(
        "slow heads",
        "/hello",
        &["-H", "-i", "5", "-p", "2"],
        &[PLACES, long_read_timeout()],
    );
}

const SLOW_BODY: [&str; 7] = ["-B", "-i", "10", "-s", "8192", "-p", "2"];

/// SRV-6
#[test]
fn slow_bodies_do_not_affect_others() {
    let env = [PLACES, SLOTS, long_read_timeout()];
    attack("slow bodies", "/upload", &SLOW_BODY, &env);
}

/// SRV-4, SRV-6: a request that waits for its body has a slot.
#[test]
fn slow_bodies_do_not_affect_others_at_a_low_request_limit() {
    attack(
        "slow bodies, default MAX_IN_FLIGHT",
        "/upload",
        &SLOW_BODY,
        &[PLACES],
    );
}

/// SRV-6
#[test]
fn slowly_read_responses_do_not_affect_others() {
    attack(
        "slow reading",
        "/large",
        &[
            "-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3", "-p", "2",
        ],
        &[PLACES, SLOTS],
    );
}
