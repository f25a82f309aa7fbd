//! Certificates and client sessions of the tests under load.

use std::io;
use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use harness::{Process, Scrape, request};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::END;

pub(super) type Session = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for `localhost` and its key.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) der: CertificateDer<'static>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: cert.pem(),
            key: signing_key.serialize_pem(),
            der: cert.der().clone(),
        }
    }
}

/// Returns a client configuration that trusts only these certificates.
pub(super) fn trust<'a>(pairs: impl IntoIterator<Item = &'a Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.der.clone()).unwrap();
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    // A resumed session does not send the certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

pub(super) fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::clone(config), name).unwrap()
}

pub(super) fn handshake(addr: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Session> {
    let mut session = client(config);
    let mut socket = TcpStream::connect(addr)?;
    socket.set_read_timeout(Some(END))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(session, socket))
}

/// Sends a request over a session and returns the whole response.
pub(super) fn ask(mut session: Session, path: &str) -> io::Result<String> {
    session.write_all(request("GET", path, "").as_bytes())?;
    let mut answer = String::new();
    session.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Returns the ClientHello.
pub(super) fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(config).write_tls(&mut bytes).unwrap();
    bytes
}

pub(super) fn metrics(service: &Process, config: &Arc<ClientConfig>) -> Scrape {
    let session = handshake(service.addr(), config).unwrap();
    let answer = ask(session, "/metrics").unwrap();
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    Scrape::parse(text).unwrap()
}

pub(super) fn failed_handshakes(service: &Process, config: &Arc<ClientConfig>) -> f64 {
    let kind = [("kind", "tls_handshake")];
    let metrics = metrics(service, config);
    metrics.value("http_protocol_errors_total", &kind).unwrap()
}
