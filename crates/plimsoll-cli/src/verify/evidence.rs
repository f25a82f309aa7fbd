//! The observations of a probe.
//!
//! Checks judge evidence and nothing else, so that tests can give them recorded evidence.

use std::time::Duration;

use super::{
    collector::Span,
    command::CommandRun,
    conversation::Conversation,
    handshake::Handshake,
    judgement::{Fault, Finding},
    names::Names,
    record::Record,
    routes::{Route, Routes},
    scenario::Scenario,
};
use crate::{
    target::{Ended, Line, Notification, Start, Stream},
    wire::{Exchange, Response},
};

/// The observations of a probe.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    /// How the service was started.
    pub(super) scenario: &'static Scenario,
    /// The routes of the service that checks need.
    pub(super) routes: Routes,
    /// The names of fields in the log.
    pub(super) names: Names,
    /// The start of the service, or `None` if it runs at a URL.
    pub(super) start: Option<Start>,
    /// The port of the service.
    pub(super) port: Option<u16>,
    /// The port that is reserved for a second listener.
    pub(super) admin_port: Option<u16>,
    /// The requests of the probe.
    pub(super) exchanges: Vec<Exchange>,
    /// The runs of the command beside the service.
    pub(super) runs: Vec<CommandRun>,
    /// The connections that could not be opened, of those that the probe holds open.
    pub(super) unopened: usize,
    /// The handshakes of the probe.
    pub(super) handshakes: Vec<Handshake>,
    /// The connections of HTTP/2 of the probe.
    pub(super) conversations: Vec<Conversation>,
    /// The spans that the collector has accepted since the start.
    pub(super) spans: Vec<Span>,
    /// The end of the first certificate, in seconds since 1970.
    pub(super) certificate_end: Option<u64>,
    /// The output since the start, or `None` if it is not known.
    pub(super) lines: Option<Vec<Line>>,
    /// Where the records are.
    pub(super) records: Records,
    /// The end of the service, if the probe has ended it.
    pub(super) shutdown: Option<Shutdown>,
    /// The signals of the probe, apart from that of `shutdown`.
    pub(super) signals: Vec<Signalled>,
    /// The start after the service was killed.
    pub(super) restart: Option<Start>,
    /// The notifications to the service manager.
    pub(super) notifications: Vec<Notification>,
    /// The longest delay of this command's own timers during the probe.
    pub(super) lag: Duration,
}

/// Where checks find the records of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Records {
    /// On standard output, or in the log of a service at a URL.
    #[default]
    Stdout,
    /// On standard error, by `--logs stderr`.
    Stderr,
    /// Nowhere: the service runs at a URL, without `--logs`.
    Missing,
    /// In a log that has no record of the requests.
    Foreign,
}

/// The end of a service by SIGTERM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shutdown {
    /// The time just before the signal.
    pub(super) signal: Duration,
    /// The end of the main process, or `None` if it did not end in time.
    pub(super) end: Option<Ended>,
}

/// A signal to the main process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signalled {
    /// The purpose of the signal within its evidence.
    pub(super) name: &'static str,
    /// The time just before the signal.
    pub(super) at: Duration,
    /// The end of the main process, or `None` if it did not end in time.
    pub(super) end: Option<Ended>,
}

impl Evidence {
    /// Returns the first signal with this name.
    ///
    /// # Errors
    ///
    /// Not proven if there is none.
    pub(super) fn signal(&self, name: &str) -> Result<Signalled, Fault> {
        let signal = self.signals.iter().find(|signal| signal.name == name);
        signal
            .copied()
            .ok_or_else(|| Fault::NotProven(format!("{name} was not sent")))
    }

    /// Requires that all connections were opened that the probe holds open.
    ///
    /// # Errors
    ///
    /// Not proven if one was not, for whatever reason.
    pub(super) fn require_open(&self) -> Result<(), Fault> {
        match self.unopened {
            0 => Ok(()),
            count => Err(Fault::NotProven(format!(
                "{count} connections could not be opened"
            ))),
        }
    }

    /// Returns the text that a report has for the start of the scenario.
    pub(super) fn start_name(&self) -> String {
        let variables = self.scenario.variables.iter();
        let variables = variables.map(|(name, value)| format!(" {name}={value}"));
        let arguments = self.scenario.arguments.iter();
        let arguments = arguments.map(|argument| format!(" {argument}"));
        format!(
            "a start with{}",
            variables.chain(arguments).collect::<String>()
        )
    }

    /// Requires that the service was started here, so that its variables are known.
    ///
    /// # Errors
    ///
    /// Not proven at a URL.
    pub(super) fn require_command(&self) -> Result<(), Fault> {
        let reason = "the variables of a service at a URL are unknown; pass a command";
        let start = self.start.as_ref().map(drop);
        start.ok_or_else(|| Fault::not_proven(reason))
    }

    /// Requires that the service has a route.
    ///
    /// # Errors
    ///
    /// Not proven if it has none.
    pub(super) fn require_route(&self, route: Route) -> Result<(), Fault> {
        let reason = || format!("route missing; {}", route.remedy());
        self.has_route(route)
            .then_some(())
            .ok_or_else(|| Fault::NotProven(reason()))
    }

    /// Returns the first exchange with this name, which was sent to a route.
    ///
    /// # Errors
    ///
    /// Not proven if the service does not have the route.
    pub(super) fn exchange_of(&self, route: Route, name: &str) -> Result<&Exchange, Fault> {
        self.require_route(route)?;
        let exchange = self.exchange(name)?;
        if exchange.status() == Some(404) {
            let reason = format!("the route {} has status 404", route.name());
            return Err(Fault::NotProven(format!("{reason}; {}", route.remedy())));
        }
        Ok(exchange)
    }

    /// Whether the service has a route.
    pub(super) fn has_route(&self, route: Route) -> bool {
        self.routes.path(route, &[]).is_some()
    }

    /// Returns the first exchange with this name.
    ///
    /// # Errors
    ///
    /// Not proven if there is none.
    pub(super) fn exchange(&self, name: &str) -> Result<&Exchange, Fault> {
        self.exchanges(name)
            .next()
            .ok_or_else(|| Fault::NotProven(format!("no request {name:?} was sent")))
    }

    /// Returns the first exchange with this name, and its response.
    ///
    /// # Errors
    ///
    /// A violation if the response is not complete.
    pub(super) fn answer(&self, name: &str) -> Result<(&Exchange, &Response), Fault> {
        let exchange = self.exchange(name)?;
        match exchange.response() {
            Some(response) => Ok((exchange, response)),
            None => Err(Finding::response(exchange, "a response").into()),
        }
    }

    /// Returns the first run of the command with this name.
    ///
    /// # Errors
    ///
    /// Not proven if there is none.
    pub(super) fn run(&self, name: &str) -> Result<&CommandRun, Fault> {
        let mut runs = self.runs.iter();
        let run = runs.find(|run| run.name == name);
        let reason = "the command was not run, because one before it did not succeed";
        run.ok_or_else(|| Fault::not_proven(reason))
    }

    /// Whether a run of the command has ended with status 0.
    pub(super) fn has_succeeded(&self, name: &str) -> bool {
        self.run(name).is_ok_and(|run| run.code() == Some(0))
    }

    /// Returns all exchanges with this name.
    pub(super) fn exchanges(&self, name: &str) -> impl Iterator<Item = &Exchange> {
        let exchanges = self.exchanges.iter();
        exchanges.filter(move |exchange| exchange.name == name)
    }

    /// Returns all handshakes with this name.
    pub(super) fn handshakes(&self, name: &str) -> impl Iterator<Item = &Handshake> {
        let handshakes = self.handshakes.iter();
        handshakes.filter(move |handshake| handshake.name == name)
    }

    /// Returns the first handshake with this name.
    ///
    /// # Errors
    ///
    /// Not proven if there is none.
    pub(super) fn handshake(&self, name: &str) -> Result<&Handshake, Fault> {
        let missing = || Fault::NotProven(format!("no handshake {name:?} was made"));
        self.handshakes(name).next().ok_or_else(missing)
    }

    /// Returns the connection of HTTP/2 with this name.
    ///
    /// # Errors
    ///
    /// Not proven if there is none.
    pub(super) fn conversation(&self, name: &str) -> Result<&Conversation, Fault> {
        let missing = || Fault::NotProven(format!("no connection {name:?} was opened"));
        let mut conversations = self.conversations.iter();
        conversations.find(|it| it.name == name).ok_or_else(missing)
    }

    /// Returns the span of a request: an attribute contains its nonce. A span of a handler can have the
    /// nonce, too, and it ends first, so one of a server is preferred.
    pub(super) fn span(&self, exchange: &Exchange) -> Option<&Span> {
        let spans = || self.spans.iter().filter(|it| it.contains(&exchange.nonce));
        spans()
            .find(|it| it.is_of_server())
            .or_else(|| spans().next())
    }

    /// Returns the lines of a stream.
    ///
    /// # Errors
    ///
    /// Not proven if the output is not available.
    pub(super) fn lines(&self, stream: Stream) -> Result<Vec<&Line>, Fault> {
        let Some(lines) = &self.lines else {
            let reason = match self.records {
                Records::Foreign => "--logs has no record of the requests",
                _ => "no records are available at a URL; pass --logs or a command",
            };
            return Err(Fault::not_proven(reason));
        };
        Ok(lines.iter().filter(|line| line.stream == stream).collect())
    }

    /// Returns the lines of the log, which are on standard output unless an option names another
    /// place.
    ///
    /// # Errors
    ///
    /// Not proven if the output is not available.
    pub(super) fn log_lines(&self) -> Result<Vec<&Line>, Fault> {
        match self.records {
            Records::Stderr => self.lines(Stream::Err),
            _ => self.lines(Stream::Out),
        }
    }

    /// Returns the records of the log, with the field names of the contract. Lines that are no JSON objects are skipped.
    ///
    /// # Errors
    ///
    /// Not proven if the output is not available.
    pub(super) fn records(&self) -> Result<Vec<Record>, Fault> {
        let lines = self.log_lines()?.into_iter();
        let records = lines.filter_map(Record::read);
        Ok(records.map(|it| it.renamed(&self.names)).collect())
    }

    /// Returns the records with this message.
    ///
    /// # Errors
    ///
    /// Not proven if the output is not available.
    pub(super) fn records_with(&self, message: &str) -> Result<Vec<Record>, Fault> {
        let mut records = self.records()?;
        records.retain(|record| record.text("message") == Some(message));
        Ok(records)
    }

    /// Returns the records of a request: those with the id of its response, and those with its nonce.
    ///
    /// # Errors
    ///
    /// Not proven if the output is not available.
    pub(super) fn records_of(&self, exchange: &Exchange) -> Result<Vec<Record>, Fault> {
        let response = exchange.response();
        let answered = response.and_then(|response| response.header("x-request-id"));
        let nonce = exchange.nonce.as_str();
        let mut records = self.records()?;
        records.retain(|record| {
            let id = record.text("request_id");
            (id.is_some() && id == answered) || record.line().contains(nonce)
        });
        Ok(records)
    }

    /// Returns the access records of a request.
    ///
    /// # Errors
    ///
    /// Not proven if the output is not available.
    pub(super) fn access_records(&self, exchange: &Exchange) -> Result<Vec<Record>, Fault> {
        let mut records = self.records_of(exchange)?;
        records.retain(|record| record.text("message") == Some("http_request"));
        Ok(records)
    }

    /// Returns the first access record of the first exchange with this name.
    ///
    /// # Errors
    ///
    /// A violation if there is none. Not proven at a URL, where `LOG_LEVEL` can suppress it.
    pub(super) fn access_record(&self, name: &str) -> Result<(&Exchange, Record), Fault> {
        let exchange = self.exchange(name)?;
        let records = self.access_records(exchange)?;
        match records.into_iter().next() {
            Some(record) => Ok((exchange, record)),
            None => Err(self.no_access_record(exchange)),
        }
    }

    /// Returns the fault of a request without an access record.
    pub(super) fn no_access_record(&self, exchange: &Exchange) -> Fault {
        if self.start.is_none() {
            let reason = "no access record; the LOG_LEVEL of a service at a URL can suppress it";
            return Fault::not_proven(reason);
        }
        let received = "no access record".to_owned();
        Finding::exchange(exchange, received, "an access record").into()
    }
}
