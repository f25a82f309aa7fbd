//! A run of the command beside the service of a scenario, with further arguments or other variables.

use super::judgement::{Fault, Finding, Judgement};
use crate::target::{Line, Start, Stream};

/// Variables with their values.
pub(super) type Variables = &'static [(&'static str, &'static str)];

/// A run of the command.
#[derive(Debug, Clone)]
pub(super) struct CommandRun {
    /// The purpose of the run within its evidence.
    pub(super) name: &'static str,
    pub(super) arguments: &'static [&'static str],
    pub(super) variables: Variables,
    pub(super) result: Start,
    /// The output until its end, or until it answered.
    pub(super) lines: Vec<Line>,
}

impl CommandRun {
    /// Returns the exit status, if the process has ended with one.
    pub(super) fn code(&self) -> Option<i32> {
        match self.result {
            Start::Ended(end) => end.code,
            Start::Ready(_) | Start::Silent { .. } => None,
        }
    }

    /// Returns the output on a stream.
    pub(super) fn text(&self, stream: Stream) -> String {
        let lines = self.lines.iter().filter(|line| line.stream == stream);
        let lines = lines.map(|line| line.text() + "\n");
        lines.collect()
    }

    /// Returns the output on both streams.
    pub(super) fn output(&self) -> String {
        self.text(Stream::Out) + &self.text(Stream::Err)
    }

    /// Creates a finding about the run.
    pub(super) fn finding(&self, expected: impl Into<String>) -> Finding {
        let streams = [
            ("standard output", Stream::Out),
            ("standard error", Stream::Err),
        ];
        let streams = streams.map(|(name, stream)| match self.text(stream) {
            text if text.is_empty() => String::new(),
            text => format!("; {name}: {}", text.trim_end()),
        });
        let received = format!("{}{}", self.result, streams.concat());
        let finding = Finding::new(self.sent(), received, expected);
        match self.arguments.is_empty() {
            true => finding,
            false => finding.about(self.arguments.join(" ")),
        }
    }

    /// Requires the exit status.
    pub(super) fn ends_with(&self, code: i32) -> Judgement {
        match &self.result {
            Start::Ended(end) if end.code == Some(code) => Ok(()),
            result => Err(self.fault(result, format!("the end with status {code}"))),
        }
    }

    /// Requires that the service answers.
    pub(super) fn serves(&self) -> Judgement {
        match &self.result {
            Start::Ready(_) => Ok(()),
            result => Err(self.fault(result, "an answer".to_owned())),
        }
    }

    /// Requires that the process ends with another status than 0.
    pub(super) fn fails(&self) -> Judgement {
        match &self.result {
            Start::Ended(end) if end.code.is_some_and(|code| code != 0) => Ok(()),
            result => Err(self.fault(result, "the end with a status other than 0".to_owned())),
        }
    }

    /// Requires that the process ends with another status than 0, and that its output has one of the texts.
    pub(super) fn is_rejected(&self, names: &[&str]) -> Judgement {
        let expected = format!(
            "the end with a status other than 0, and {} in the output",
            names.join(" or ")
        );
        let output = self.output();
        let is_named = names.iter().any(|name| output.contains(name));
        match &self.result {
            Start::Ended(end) if end.code.is_some_and(|code| code != 0) && is_named => Ok(()),
            result => Err(self.fault(result, expected)),
        }
    }

    fn fault(&self, result: &Start, expected: String) -> Fault {
        match result {
            Start::Silent { listens_on } if listens_on.is_empty() => {
                let reason = format!("{} neither ended nor listened in time", self.sent());
                Fault::not_proven(reason)
            }
            _ => self.finding(expected).into(),
        }
    }

    fn sent(&self) -> String {
        let arguments = self.arguments.iter();
        let arguments: String = arguments.map(|argument| format!(" {argument}")).collect();
        let variables = self.variables.iter();
        let variables: Vec<String> = variables
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        match variables.is_empty() {
            true => format!("the command{arguments}"),
            false => format!("the command{arguments} with {}", variables.join(" ")),
        }
    }
}
