//! Requests of a probe over TLS.

use std::io;

use super::{Subject, request};
use crate::{
    verify::{
        authority::Authority,
        handshake::{Agreed, Handshake},
    },
    wire::{Hello, Session},
};

impl Subject<'_> {
    /// Returns the authority of the start.
    ///
    /// # Errors
    ///
    /// If the scenario has none.
    pub(in crate::verify) fn authority(&mut self) -> io::Result<&mut Authority> {
        let missing = || io::Error::other("the scenario has no certificates");
        let peers = self.peers.as_deref_mut().ok_or_else(missing)?;
        peers.authority.as_mut().ok_or_else(missing)
    }

    /// Makes a handshake.
    ///
    /// # Errors
    ///
    /// The reason why there is no session.
    pub(in crate::verify) async fn session(&mut self, hello: &Hello) -> io::Result<Session> {
        let roots = self.authority()?.roots()?;
        self.wire.handshake(hello, roots).await
    }

    /// Makes a handshake and, unless HTTP/2 is negotiated, sends `GET /health`.
    pub(in crate::verify) async fn visit(&mut self, name: &'static str, hello: Hello) {
        let session = self.session(&hello).await;
        let result = match session {
            Ok(session) => Ok(self.agreed(session).await),
            Err(error) => Err(error.to_string()),
        };
        self.evidence.handshakes.push(Handshake { name, result });
    }

    async fn agreed(&mut self, mut session: Session) -> Agreed {
        let protocol = session.protocol();
        let certificate = match self.authority() {
            Ok(authority) => authority.name_of(session.certificate()),
            Err(_) => "unknown",
        };
        let outcome = match protocol.as_deref() {
            Some("h2") => None,
            _ => {
                let health = request("GET", "/health", &[]);
                let exchange = session.exchange("health", String::new(), health).await;
                Some(exchange.outcome)
            }
        };
        Agreed {
            protocol,
            certificate,
            asks_for_certificate: session.asks_for_certificate(),
            outcome,
        }
    }

    /// Sends a GET request over TLS, without ALPN. Without a session, there is no exchange.
    pub(in crate::verify) async fn get_encrypted(&mut self, name: &'static str, path: &str) {
        let nonce = self.nonce();
        let id = format!("X-Request-ID: {nonce}");
        let request = request("GET", &path.replace("{nonce}", &nonce), &[&id]);
        let hello = Hello {
            protocols: &[],
            ..Hello::default()
        };
        if let Ok(mut session) = self.session(&hello).await {
            let exchange = session.exchange(name, nonce, request).await;
            self.evidence.exchanges.push(exchange);
        }
    }
}
