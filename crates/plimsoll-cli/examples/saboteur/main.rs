//! A service that breaks one promise of the contract, for the tests of `plimsoll verify`.
//!
//! It runs another service behind itself and passes on requests, records, signals and the exit status.
//! The first argument is the check that must fail, such as `RID-1:echo`, or `none`.
//!
//! ```text
//! PORT=8081 cargo run -p plimsoll-cli --example saboteur -- RID-1:echo target/debug/rust-axum-app
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the log of a service is its output"
)]

mod activated;
mod admin;
mod commands;
mod encrypted;
mod environment;
mod frames;
mod message;
mod proxy;
mod proxy_protocol;
mod records;
mod relay;
mod responses;
mod signals;
mod spans;

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::ExitStatusExt as _,
    process::{ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use harness::ReservedPort;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::ChildStdout,
    time::sleep,
};

use self::{proxy::Proxy, records::Records, signals::Effect};

/// The time from the signal to the close of the listener, for the fault that closes it early.
const EARLY: Duration = Duration::from_millis(300);

/// The time after the end of the service, for the fault that ends late.
const LATE: Duration = Duration::from_secs(6);

/// The delay of the end, for the fault that waits for connections without a request.
const IDLE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let fault = arguments.next().expect("the first argument is a fault");
    let program = arguments.next().expect("the second argument is a program");
    let arguments: Vec<String> = arguments.collect();
    if environment::is_rejected(&fault) {
        return ExitCode::from(78);
    }
    if commands::is_command(&arguments) {
        return commands::run(&fault, &program, &arguments).await;
    }
    if environment::is_left_behind(&fault) {
        return ExitCode::FAILURE;
    }

    let mut signals = signals::listen();
    if fault == "LIFE-7:ready" {
        environment::notify_ready();
        sleep(EARLY).await;
    }
    let inner = ReservedPort::bind();
    let is_direct = environment::is_direct(&fault) || activated::is_direct(&fault);
    let passed = activated::take(&fault);
    let outer = match environment::port(&fault).filter(|_| !is_direct) {
        Some(port) => match bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Some(listener) => Some(listener),
            // The service reports that the address is in use.
            None => return commands::run(&fault, &program, &arguments).await,
        },
        None => None,
    };
    let mut command = activated::command(&fault, &program);
    command.args(arguments).stdout(Stdio::piped());
    if outer.is_some() {
        command.env("PORT", inner.number().to_string());
    }
    let records = Arc::new(Records::new(&fault));
    let second = admin::Listener::open(&fault, inner.number(), &mut command, records.clone()).await;
    environment::change(&fault, &mut command);
    spans::relay(&fault, &mut command).await;
    let mut child = command.spawn().expect("the program can be run");
    let pid = child.id().expect("it has not been waited for");
    let stdout = child.stdout.take().expect("it is piped");
    let relay = tokio::spawn(pass_on(stdout, records.clone()));

    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, inner.number()));
    let proxy = Arc::new(Proxy::new(&fault, upstream, records));
    let accepting = outer.map(|outer| tokio::spawn(proxy.clone().serve(outer)));
    let second = second.map(|second| tokio::spawn(second.serve()));
    if fault == "LIFE-7:stopping" {
        environment::notify_ready();
    }
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.expect("it is a child"),
            Some(received) = signals.recv() => {
                match signals::effect(&fault, received, &proxy) {
                    Effect::Pass(signal) => signal.send(pid),
                    Effect::None => {}
                    Effect::End => return ExitCode::from(7),
                }
                if let Some(accepting) = &accepting
                    && fault == "LIFE-1:accepts"
                    && proxy.is_ending()
                {
                    sleep(EARLY).await;
                    accepting.abort();
                }
            }
        }
    };
    environment::leave(&fault);
    // A service that rejects its socket has no clients.
    if let Some(passed) = passed.filter(|_| status.success()) {
        passed.finish().await;
    }
    let is_open = proxy.open_connections() > 0;
    if fault == "LIFE-2:idle" && environment::is_managed() && is_open {
        sleep(IDLE).await;
    }
    if let Some(accepting) = accepting {
        accepting.abort();
    }
    if let Some(second) = second {
        second.abort();
    }
    proxy.end().await;
    if fault == "TRC-6:shutdown" && environment::is_collector_stuck() {
        sleep(LATE).await;
    }
    relay.await.expect("the relay does not panic");
    if fault == "LOG-1:end" {
        proxy.records().write("bye\n".to_owned()).await;
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match code {
        Some(0) if fault == "LIFE-1:exit" && environment::is_base() => ExitCode::from(7),
        Some(0) if fault == "ADM-15:end" && environment::admin().is_some() => ExitCode::from(7),
        Some(78) if fault == "CFG-3:status" => ExitCode::FAILURE,
        Some(78) if fault == "LIFE-8:kind" && activated::is_activated() => ExitCode::FAILURE,
        Some(code) => ExitCode::from(code),
        // The service had no handler yet.
        None if status.signal() == Some(15) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

/// Returns a listener, unless the address is in use.
async fn bind(address: SocketAddr) -> Option<TcpListener> {
    TcpListener::bind(address).await.ok()
}

/// Passes on the log of the service.
async fn pass_on(stdout: ChildStdout, records: Arc<Records>) {
    if records.has_banner() {
        records.write("Starting the service …\n".to_owned()).await;
    }
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let lines = records.change(line).into_iter();
        let lines: String = lines.map(|line| line + "\n").collect();
        records.write(lines).await;
    }
}
