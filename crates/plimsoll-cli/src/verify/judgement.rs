//! The result of a check, and findings about exchanges and records.

use std::{iter, time::Duration};

use super::record::Record;
use crate::wire::{Exchange, Outcome};

/// The result of a check: it holds, or there is a fault.
pub(super) type Judgement = Result<(), Fault>;

/// The reason why a check does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The evidence contradicts the contract.
    Violated(Box<Finding>),
    /// A measured time contradicts the contract, so the probe is repeated.
    Measured(Box<Finding>),
    /// A time could not be measured, so the probe is repeated. The text is the reason.
    Unmeasured(String),
    /// The evidence proves neither. The text is the reason.
    NotProven(String),
}

/// A violation: what was sent, what came back, and what the contract requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) sent: String,
    pub(super) received: String,
    pub(super) expected: String,
    /// A command that repeats the request, with `$URL` for the service.
    pub(super) repeat: Option<String>,
    /// The instance, such as a path or a metric, if the check judges several.
    pub(super) subject: Option<String>,
    /// The findings about other instances.
    pub(super) others: Vec<Self>,
}

/// The most bytes of a text in a report.
const MAX_TEXT: usize = 4096;

/// The headers that each request has.
const COMMON: [&str; 3] = ["Host:", "Connection:", "User-Agent: plimsoll"];

impl Finding {
    /// Creates a finding without a request.
    pub(super) fn new(
        sent: impl Into<String>,
        received: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            sent: cut(sent.into()),
            received: cut(received.into()),
            expected: cut(expected.into()),
            repeat: None,
            subject: None,
            others: Vec::new(),
        }
    }

    /// Names the instance.
    pub(super) fn about(self, subject: impl Into<String>) -> Self {
        Self {
            subject: Some(subject.into()),
            ..self
        }
    }

    /// Changes the text about the request, which no command repeats then.
    pub(super) fn sent_as(self, text: impl FnOnce(&str) -> String) -> Self {
        Self {
            sent: cut(text(&self.sent)),
            repeat: None,
            ..self
        }
    }

    /// Returns this finding and those about other instances.
    pub(super) fn instances(self) -> impl Iterator<Item = Self> {
        let mut first = self;
        let others = std::mem::take(&mut first.others);
        iter::once(first).chain(others)
    }

    /// Creates a finding about the response of an exchange.
    pub(super) fn response(exchange: &Exchange, expected: impl Into<String>) -> Self {
        Self::exchange(exchange, outcome(exchange), expected)
    }

    /// Creates a finding about a record of an exchange.
    pub(super) fn record(
        exchange: &Exchange,
        record: &Record,
        expected: impl Into<String>,
    ) -> Self {
        Self::exchange(exchange, record.line().to_owned(), expected)
    }

    /// Creates a finding about another effect of an exchange. Its subject is the path.
    pub(super) fn exchange(
        exchange: &Exchange,
        received: String,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            repeat: curl(&exchange.request),
            subject: path(exchange),
            ..Self::new(request(&exchange.request), received, expected)
        }
    }
}

impl Fault {
    /// Creates the fault of evidence that proves neither.
    pub(super) fn not_proven(reason: impl Into<String>) -> Self {
        Self::NotProven(reason.into())
    }

    /// Creates the fault for a time beyond a limit, measured with timers that were late by `lag`.
    ///
    /// Timers that are late by a quarter of the time prove nothing about the service.
    pub(super) fn late(finding: Finding, time: Duration, lag: Duration) -> Self {
        match lag > time / 4 {
            true => Self::Unmeasured(format!("timers were late by {} ms", lag.as_millis())),
            false => Self::Measured(Box::new(finding)),
        }
    }
}

impl From<Finding> for Fault {
    fn from(finding: Finding) -> Self {
        Self::Violated(Box::new(finding))
    }
}

/// Returns the judgement of a condition.
pub(super) fn require(holds: bool, finding: impl FnOnce() -> Finding) -> Judgement {
    if holds { Ok(()) } else { Err(finding().into()) }
}

/// Judges each instance, so that a waiver of one does not hide the violations of others.
pub(super) fn each<T>(
    instances: impl IntoIterator<Item = T>,
    judge: impl Fn(T) -> Judgement,
) -> Judgement {
    let mut findings = Vec::new();
    let mut unknown = Ok(());
    for instance in instances {
        match judge(instance) {
            Ok(()) => {}
            Err(Fault::Violated(finding)) => findings.extend(finding.instances()),
            fault => unknown = unknown.and(fault),
        }
    }
    let mut findings = findings.into_iter();
    match findings.next() {
        None => unknown,
        Some(first) => Err(Fault::from(Finding {
            others: findings.collect(),
            ..first
        })),
    }
}

/// Returns the path of a request, with `{nonce}` for its nonce.
fn path(exchange: &Exchange) -> Option<String> {
    let request = str::from_utf8(&exchange.request).ok()?;
    let path = request.split([' ', '?', '\r']).nth(1)?;
    match exchange.nonce.is_empty() {
        true => Some(path.to_owned()),
        false => Some(path.replace(&exchange.nonce, "{nonce}")),
    }
}

/// Returns the request line and the headers that not every request has.
fn request(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let line = lines.next().unwrap_or_default();
    let line = line.strip_suffix(" HTTP/1.1").unwrap_or(line).to_owned();
    let headers = lines.filter(|line| !is_common(line));
    headers.fold(line, |text, header| format!("{text}, {header}"))
}

fn is_common(header: &str) -> bool {
    COMMON.iter().any(|common| header.starts_with(common))
}

/// Returns a curl command for a request, unless curl or a shell cannot send its bytes unchanged.
fn curl(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    if text.contains(['\'', '\0']) {
        return None;
    }
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let line: Vec<&str> = lines.next()?.split(' ').collect();
    let [method, path, "HTTP/1.1"] = line[..] else {
        return None;
    };
    let mut command = "curl -si -g --path-as-is".to_owned();
    match method {
        "GET" => {}
        "HEAD" => command.push_str(" -I"),
        _ => command.push_str(&format!(" -X {method}")),
    }
    let mut length = None;
    for header in lines.filter(|line| !is_common(line)) {
        let (name, value) = header.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            // curl would send the length of the body, once.
            "content-length" => match (length, content_length(value)) {
                (None, Some(only)) => length = Some(only),
                _ => return None,
            },
            "transfer-encoding" => return None,
            _ => command.push_str(&format!(" -H '{header}'")),
        }
    }
    // Of a part of a body, of an ambiguous length and of a second request, curl would make other bytes.
    if length.unwrap_or(0) != body.len() || text.matches("\r\nHost:").count() != 1 {
        return None;
    }
    if length.is_some() {
        let has_type = head.to_ascii_lowercase().contains("\r\ncontent-type:");
        let no_type = if has_type { "" } else { " -H 'Content-Type:'" };
        command.push_str(&format!("{no_type} --data-raw '{body}'"));
    }
    Some(format!("{command} \"$URL\"'{path}'"))
}

/// Reads a length that is digits alone (RFC 9110, section 8.6).
fn content_length(value: &str) -> Option<usize> {
    let value = value.trim();
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| is_plain)
}

fn outcome(exchange: &Exchange) -> String {
    match &exchange.outcome {
        Outcome::Answered(response) => {
            let kind = response.header("content-type").unwrap_or("no content type");
            let body = response.text();
            format!("status {}, {kind}, body {body:?}", response.status)
        }
        Outcome::Refused => "connection refused".to_owned(),
        Outcome::Lost => "connection closed without a response".to_owned(),
        Outcome::Broken { received, fault } => {
            format!("{fault}: {:?}", String::from_utf8_lossy(received))
        }
        Outcome::Late => "no response in time".to_owned(),
    }
}

/// Returns the text up to its limit.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_has_the_command_that_repeats_it() {
        let request = b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nAccept: x/y\r\n\r\n";
        let exchange = Exchange::recorded("test", request, Outcome::Lost);
        let finding = Finding::response(&exchange, "a response");
        assert_eq!(finding.sent, "GET /a?b=c, Accept: x/y");
        assert_eq!(finding.received, "connection closed without a response");
        let command = "curl -si -g --path-as-is -H 'Accept: x/y' \"$URL\"'/a?b=c'";
        assert_eq!(finding.repeat.as_deref(), Some(command));
    }

    #[test]
    fn command_sends_the_method_and_the_body() {
        let repeat = |line: &str, rest: &str| {
            curl(format!("{line} HTTP/1.1\r\nHost: a\r\n{rest}").as_bytes())
        };
        let head = "curl -si -g --path-as-is -I \"$URL\"'/'";
        assert_eq!(repeat("HEAD /", "\r\n").as_deref(), Some(head));
        let post = "curl -si -g --path-as-is -X POST -H 'Content-Type:' --data-raw 'b=1' \
                    \"$URL\"'/../{a}'";
        let body = "Content-Length: 3\r\n\r\nb=1";
        assert_eq!(repeat("POST /../{a}", body).as_deref(), Some(post));
        for other in [
            "Content-Length: 5\r\n\r\nb=1",
            "Content-Length: 3\r\nContent-Length: 3\r\n\r\nb=1",
            "Content-Length: 5\r\nContent-Length: 3\r\n\r\nb=1",
            "Content-Length: +3\r\n\r\nb=1",
            "Content-Length: 0x0\r\n\r\n",
            "Content-Length:\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "Host: b\r\n\r\n",
            "",
        ] {
            assert_eq!(repeat("GET /", other), None, "{other}");
        }
    }

    #[test]
    fn each_instance_is_judged() {
        let finding = |name: &&str| Finding::new("a", "b", "c").about(*name);
        let judge = |name: &str| match name {
            "good" => Ok(()),
            "unknown" => Err(Fault::NotProven("d".to_owned())),
            name => Err(finding(&name).into()),
        };
        assert_eq!(each(["good"], judge), Ok(()));
        let unknown = Err(Fault::NotProven("d".to_owned()));
        assert_eq!(each(["good", "unknown"], judge), unknown);
        let Err(Fault::Violated(found)) = each(["unknown", "x", "good", "y"], judge) else {
            panic!("two instances are violated");
        };
        let subjects = found.instances().map(|finding| finding.subject);
        let expected = ["x", "y"].map(|name| Some(name.to_owned()));
        assert_eq!(subjects.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn subject_of_an_exchange_is_its_path() {
        let mut exchange =
            Exchange::recorded("test", b"GET /a/17?17 HTTP/1.1\r\n\r\n", Outcome::Lost);
        assert_eq!(path(&exchange).as_deref(), Some("/a/17"));
        exchange.nonce = "17".to_owned();
        assert_eq!(path(&exchange).as_deref(), Some("/a/{nonce}"));
    }

    #[test]
    fn bytes_beyond_a_shell_have_no_command() {
        assert_eq!(curl(b"GET /'a HTTP/1.1\r\n\r\n"), None);
        assert_eq!(curl(b"GET /\xff HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = cut("ä".repeat(MAX_TEXT));
        assert_eq!(text.len(), MAX_TEXT + '…'.len_utf8());
    }
}
