//! A client of a TLS listener: one handshake over one connection.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::{ResolvesClientCert, Resumption},
    crypto::aws_lc_rs,
    pki_types::ServerName,
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Exchange, Outcome, Wire, exchange::receive};

/// What a client offers in its handshake.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// The protocols, such as `h2`. Without any, the client does not negotiate one.
    pub(crate) protocols: &'static [&'static str],
    /// The certificate of the client.
    pub(crate) certificate: Option<Arc<CertifiedKey>>,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            versions: rustls::ALL_VERSIONS,
            protocols: &["http/1.1"],
            certificate: None,
        }
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Session {
    stream: TlsStream<TcpStream>,
    wire: Wire,
    asked: Arc<AtomicBool>,
}

/// Presents a certificate if the service asks for one, and notes that it does.
#[derive(Debug)]
struct Presented {
    certificate: Option<Arc<CertifiedKey>>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certificate.clone()
    }

    fn has_certs(&self) -> bool {
        self.certificate.is_some()
    }
}

impl Wire {
    /// Makes a handshake over a new connection. The roots are those of the service's certificate.
    ///
    /// # Errors
    ///
    /// The reason why there is no session.
    pub(crate) async fn handshake(
        &self,
        hello: &Hello,
        roots: Arc<RootCertStore>,
    ) -> io::Result<Session> {
        let (config, asked) = config(hello, roots).map_err(io::Error::other)?;
        let connection = self.connect().await;
        let stream = connection.map_err(|outcome| io::Error::other(format!("{outcome:?}")))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = timeout(self.limit(), connector.connect(name, stream)).await;
        let late = || io::Error::other("no end of the handshake in time");
        Ok(Session {
            stream: handshake.map_err(|_| late())??,
            wire: *self,
            asked,
        })
    }

    /// Sends bytes, and returns what arrives first: nothing if the connection is closed.
    pub(crate) async fn first_bytes(&self, mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
        let mut received = Vec::new();
        let read = async {
            stream.write_all(bytes).await?;
            stream.read_buf(&mut received).await
        };
        // A connection that stays open without an answer has sent nothing either.
        let _ = timeout(self.limit(), read).await;
        received
    }
}

fn config(
    hello: &Hello,
    roots: Arc<RootCertStore>,
) -> Result<(ClientConfig, Arc<AtomicBool>), rustls::Error> {
    let asked = Arc::new(AtomicBool::new(false));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let presented = Presented {
        certificate: hello.certificate.clone(),
        asked: asked.clone(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(hello.versions)?
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(presented));
    let protocols = hello.protocols.iter();
    config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    // Each handshake is a full one, so that it shows the certificate in force.
    config.resumption = Resumption::disabled();
    Ok((config, asked))
}

impl Session {
    /// Returns the negotiated protocol.
    pub(crate) fn protocol(&self) -> Option<String> {
        let (_, connection) = self.stream.get_ref();
        let name = connection.alpn_protocol()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Returns the certificate of the service, in DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        let (_, connection) = self.stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        chain
            .first()
            .map_or(&[], |certificate| certificate.as_ref())
    }

    /// Whether the service has asked for a certificate of the client.
    pub(crate) fn asks_for_certificate(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Sends a request, and reads its response.
    pub(crate) async fn exchange(
        &mut self,
        name: &'static str,
        nonce: String,
        request: Vec<u8>,
    ) -> Exchange {
        let sent = self.wire.elapsed();
        let stream = &mut self.stream;
        let outcome = async {
            // A service that rejects the client closes before it has read the request.
            let written = stream.write_all(&request).await;
            let error = written.err().map(|error| error.to_string());
            receive(stream, false, error).await.0
        };
        let outcome = timeout(self.wire.limit(), outcome).await;
        let outcome = outcome.unwrap_or(Outcome::Late);
        self.wire.ended(name, nonce, request, sent, outcome)
    }

    /// Returns the stream, for another protocol than HTTP/1.
    pub(crate) fn into_stream(self) -> TlsStream<TcpStream> {
        self.stream
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn peer_without_tls_has_no_session() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            use std::io::Write as _;
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
        });
        let wire = Wire::new(
            address,
            tokio::time::Instant::now(),
            Duration::from_secs(10),
        );
        let roots = Arc::new(RootCertStore::empty());
        assert!(wire.handshake(&Hello::default(), roots).await.is_err());
    }
}
