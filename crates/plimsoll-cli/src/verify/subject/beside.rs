//! The second listener of the service, and runs of the command beside the service.

use std::time::Duration;

use super::{RECORD_LIMIT, Subject, request};
use crate::{
    target::{BesideError, Output, Process, Start},
    verify::{
        command::{CommandRun, Variables},
        evidence::Shutdown,
    },
    wire::Wire,
};

/// The time for a run of the command beside the service.
pub(super) const RUN_LIMIT: Duration = Duration::from_secs(10);

/// The variables of a run without the second listener of the service.
pub(super) const NO_ADMIN: [(&str, &str); 2] = [("ADMIN_ADDR", ""), ("ADMIN_TOKEN", "")];

impl Subject<'_> {
    /// Returns the client of the second listener, unless the service runs at a URL.
    pub(in crate::verify) fn admin_wire(&self) -> Option<Wire> {
        let port = self.evidence.admin_port?;
        Some(self.wire.with_port(port))
    }

    /// Sends the bytes to the second listener, over a new connection.
    pub(in crate::verify) async fn send_admin(&mut self, name: &'static str, request: Vec<u8>) {
        let nonce = self.nonce();
        self.send_admin_marked(name, nonce, request).await;
    }

    /// Sends a GET request with a nonce in its id to the second listener.
    pub(in crate::verify) async fn get_admin_marked(&mut self, name: &'static str, path: &str) {
        let nonce = self.nonce();
        let id = format!("X-Request-ID: {nonce}");
        let request = request("GET", path, &[&id]);
        self.send_admin_marked(name, nonce, request).await;
    }

    async fn send_admin_marked(&mut self, name: &'static str, nonce: String, request: Vec<u8>) {
        if let Some(wire) = self.admin_wire() {
            let exchange = wire.exchange(name, nonce, request).await;
            self.evidence.exchanges.push(exchange);
        }
    }

    /// Runs the command with further arguments and the settings of the service, up to its end.
    pub(in crate::verify) async fn run(
        &mut self,
        name: &'static str,
        arguments: &'static [&'static str],
        variables: Variables,
    ) {
        if let Some(process) = &self.process {
            let run = process.run_beside(arguments, variables, RUN_LIMIT).await;
            self.add_run(name, arguments, variables, run);
        }
    }

    /// Starts the command on another port, and waits until it answers or ends.
    ///
    /// The second listener of the service is not started twice, unless the variables do.
    pub(in crate::verify) async fn start(
        &mut self,
        name: &'static str,
        arguments: &'static [&'static str],
        variables: Variables,
    ) {
        self.start_with_line(name, arguments, variables, None).await;
    }

    /// Does the same, and waits for a line, which may follow the first answer.
    pub(in crate::verify) async fn start_with_line(
        &mut self,
        name: &'static str,
        arguments: &'static [&'static str],
        variables: Variables,
        line: Option<&str>,
    ) {
        if let Some(process) = &self.process {
            let all = [&NO_ADMIN, variables].concat();
            let run = process.start_beside(arguments, &all, RUN_LIMIT).await;
            if let (Ok((process, Start::Ready(_))), Some(line)) = (&run, line) {
                process.output().wait_for(line, RECORD_LIMIT).await;
            }
            self.add_run(name, arguments, variables, run);
        }
    }

    /// Starts a second instance of the service, which runs until the value is dropped.
    ///
    /// Returns `None` if it does not answer on another port.
    pub(in crate::verify) async fn start_instance(
        &mut self,
        name: &'static str,
    ) -> Option<Process> {
        let process = self.process.as_ref()?;
        let run = process.start_beside(&[], &NO_ADMIN, RUN_LIMIT).await;
        let (process, start) = run.ok()?;
        let is_ready = matches!(start, Start::Ready(_));
        self.note_run(name, &[], &[], start, process.output());
        is_ready.then_some(process)
    }

    /// Makes a named pipe in the folder of the start. Returns whether there is one.
    pub(in crate::verify) fn make_pipe(&self, name: &str) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| process.folder().make_pipe(name))
    }

    /// Adds a run to the evidence. Without it, its checks are not proven.
    fn add_run(
        &mut self,
        name: &'static str,
        arguments: &'static [&'static str],
        variables: Variables,
        run: Result<(Process, Start), BesideError>,
    ) {
        if let Ok((process, result)) = run {
            self.note_run(name, arguments, variables, result, process.output());
        }
    }

    /// Adds a run with its output so far to the evidence.
    pub(super) fn note_run(
        &mut self,
        name: &'static str,
        arguments: &'static [&'static str],
        variables: Variables,
        result: Start,
        output: &Output,
    ) {
        self.evidence.runs.push(CommandRun {
            name,
            arguments,
            variables,
            result,
            lines: output.lines(),
        });
    }

    /// Waits for the end of a service that a request ends.
    pub(in crate::verify) async fn expect_end(&mut self, limit: Duration) {
        let signal = self.wire.elapsed();
        let shutdown = Shutdown { signal, end: None };
        self.evidence.shutdown = Some(shutdown);
        self.wait_for_end(limit).await;
    }
}
