//! A handshake of TLS within a probe, with its result.

use crate::wire::Outcome;

/// A handshake, and a request after it.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    /// The purpose of the handshake within its evidence.
    pub(super) name: &'static str,
    /// The agreement, or the reason why there is none.
    pub(super) result: Result<Agreed, String>,
}

/// What client and service have agreed on.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    pub(super) protocol: Option<String>,
    /// The name of the certificate of the service, such as `first`.
    pub(super) certificate: &'static str,
    /// Whether the service has asked for a certificate of the client.
    pub(super) asks_for_certificate: bool,
    /// The outcome of the request, unless the protocol is HTTP/2.
    pub(super) outcome: Option<Outcome>,
}

impl Handshake {
    /// Whether the request after the handshake was answered.
    pub(super) fn is_answered(&self) -> bool {
        let agreed = self.result.as_ref().ok();
        let outcome = agreed.and_then(|agreed| agreed.outcome.as_ref());
        matches!(outcome, Some(Outcome::Answered(_)))
    }

    /// Returns the protocol of the session: one text if there is none, another without a session.
    pub(super) fn protocol(&self) -> &str {
        match &self.result {
            Ok(agreed) => agreed.protocol.as_deref().unwrap_or("no protocol"),
            Err(_) => "no session",
        }
    }

    /// Returns the name of the certificate, if there is a session.
    pub(super) fn certificate(&self) -> Option<&'static str> {
        self.result.as_ref().ok().map(|agreed| agreed.certificate)
    }

    /// Returns the result for a report.
    pub(super) fn text(&self) -> String {
        match &self.result {
            Err(reason) => format!("no session: {reason}"),
            Ok(agreed) => {
                let outcome = match &agreed.outcome {
                    None => String::new(),
                    Some(Outcome::Answered(response)) => format!(", status {}", response.status),
                    Some(_) => ", no response".to_owned(),
                };
                let (protocol, certificate) = (self.protocol(), agreed.certificate);
                format!("a session with {protocol} and the {certificate} certificate{outcome}")
            }
        }
    }
}
