//! TLS on the main listener.

mod handshakes;
mod reload;
mod requests;
mod session;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use harness::Process;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{fixture, scratch_file};

/// A certificate for `localhost` in its own files.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Identity {
    pub(crate) fn new(name: &str) -> Self {
        Self::written_by(name, scratch_file)
    }

    /// Creates a certificate in files that `write` makes from a name and the contents.
    pub(crate) fn written_by(name: &str, write: impl Fn(&str, &str) -> String) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: write(&format!("{name}.crt"), &cert.pem()),
            key: write(&format!("{name}.key"), &signing_key.serialize_pem()),
            der: cert.der().clone(),
        }
    }

    pub(crate) fn service(&self, more: &[(&str, &str)]) -> Process {
        let mut env = vec![
            ("TLS_CERT_FILE", self.certificate.as_str()),
            ("TLS_KEY_FILE", self.key.as_str()),
        ];
        env.extend(more);
        let service = Process::spawn(fixture(), &env);
        service.wait_for_record(|record| record["message"] == "infra_app_ready");
        service
    }

    /// Runs the healthcheck of the binary against an address.
    pub(crate) fn healthcheck(&self, addr: SocketAddr, more: &[(&str, &str)]) -> Output {
        Command::new(fixture())
            .arg("healthcheck")
            .env_clear()
            .env("HOST", addr.ip().to_string())
            .env("PORT", addr.port().to_string())
            .env("TLS_CERT_FILE", &self.certificate)
            .env("TLS_KEY_FILE", &self.key)
            .envs(more.iter().copied())
            .output()
            .unwrap()
    }

    pub(crate) fn remove(self) {
        std::fs::remove_file(self.certificate).unwrap();
        std::fs::remove_file(self.key).unwrap();
    }
}

/// Opens a TLS connection that trusts only this certificate and offers these protocols.
pub(crate) fn handshake(
    service: &Process,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| (*name).into()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(service.addr())?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(session, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Sends a GET over TLS, trusting only this certificate.
pub(crate) fn get(
    service: &Process,
    trusted: &CertificateDer<'static>,
    path: &str,
) -> std::io::Result<String> {
    let mut stream = handshake(service, trusted, &[])?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
