//! Faults of TLS.
//!
//! Most connections are passed on as they are, after their `ClientHello`. Where a fault is in the
//! handshake or in a response, this process makes the handshake itself, and another with the service.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
    sync::{Mutex, Notify},
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::environment::variable;

/// The age of a connection that was opened before the renewal.
const OLD: Duration = Duration::from_millis(200);

/// The type of the first record of a handshake.
const HANDSHAKE: u8 = 22;

/// The extensions of hellos that the faults are about.
const ONLY_TLS12: &[u8] = &[0, 43, 0, 3, 2, 3, 3];
const BOTH_PROTOCOLS: &[u8] = b"\x02h2\x08http/1.1";
const HTTP1: &[u8] = b"\x08http/1.1";
const HTTP2: &[u8] = b"\x02h2";
const OTHER_PROTOCOL: &[u8] = b"plimsoll/0";

/// The first bytes of a connection.
#[derive(Debug)]
struct Hello(Vec<u8>);

/// A listener with TLS.
#[derive(Debug)]
pub(crate) struct Encryption {
    fault: String,
    certificate: PathBuf,
    /// The configuration of the files when they were last usable.
    config: std::sync::Mutex<Option<Arc<ServerConfig>>>,
    /// Wakes connections at SIGHUP.
    reloaded: Notify,
    /// Held during a handshake that others wait for.
    turn: Mutex<()>,
}

/// What becomes of a connection.
#[derive(Debug)]
enum Way {
    /// It is closed, after these bytes.
    Closed(&'static [u8]),
    /// Its bytes are passed on.
    Passed,
    /// Its handshake is made here.
    Terminated(Arc<ServerConfig>),
}

impl Hello {
    /// Returns the first bytes of a client, which stay unread.
    async fn peek(client: &TcpStream) -> io::Result<Self> {
        let mut bytes = vec![0; 16 * 1024];
        let length = client.peek(&mut bytes).await?;
        bytes.truncate(length);
        Ok(Self(bytes))
    }

    fn is_complete(&self) -> bool {
        match self.0.as_slice() {
            [HANDSHAKE, _, _, high, low, rest @ ..] => {
                rest.len() >= usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => self.0.first() != Some(&HANDSHAKE),
        }
    }

    fn has(&self, part: &[u8]) -> bool {
        self.0.windows(part.len()).any(|window| window == part)
    }

    fn has_protocols(&self) -> bool {
        self.has(HTTP1) || self.has(HTTP2) || self.has(OTHER_PROTOCOL)
    }
}

impl Encryption {
    /// Returns the listener's encryption, if the scenario has a certificate and a key.
    pub(crate) fn of_scenario(fault: &str) -> Option<Self> {
        variable("TLS_KEY_FILE")?;
        let encryption = Self {
            fault: fault.to_owned(),
            certificate: variable("TLS_CERT_FILE")?.into(),
            config: std::sync::Mutex::default(),
            reloaded: Notify::new(),
            turn: Mutex::default(),
        };
        // The files of the start stay in force when they are broken before the first handshake.
        encryption.config(&[]);
        Some(encryption)
    }

    /// Notes a SIGHUP.
    pub(crate) fn reload(&self) {
        self.reloaded.notify_waiters();
    }

    /// Decides about a connection.
    fn way(&self, hello: &Hello) -> Way {
        let is_old = hello.0.get(9..11) == Some(&[3, 2]);
        let is_plain = hello.0.first() != Some(&HANDSHAKE);
        let is_broken = || CertificateDer::from_pem_file(&self.certificate).is_err();
        let terminated = |protocols: &[&[u8]]| match self.config(protocols) {
            Some(config) => Way::Terminated(config),
            None => Way::Closed(b""),
        };
        match self.fault.as_str() {
            "TLS-1:versions" if hello.has(ONLY_TLS12) => Way::Closed(b""),
            "TLS-1:old" if is_old => Way::Closed(&[HANDSHAKE, 3, 2, 0, 1, 2]),
            "TLS-2:preferred" if hello.has(BOTH_PROTOCOLS) => terminated(&[b"http/1.1"]),
            "TLS-2:other" if hello.has(OTHER_PROTOCOL) => terminated(&[]),
            "H2-1:tls" if hello.has(HTTP2) && !hello.has(HTTP1) => terminated(&[b"h2"]),
            "TLS-3:clients" if variable("TLS_CLIENT_CA_FILE").is_some() => terminated(&[]),
            "TLS-5:kept" if hello.has(HTTP1) && is_broken() => Way::Closed(b""),
            "TLS-5:counter" | "TLS-6:end" | "TLS-7:counted"
                if !is_plain && !is_old && !hello.has_protocols() =>
            {
                terminated(&[])
            }
            "TLS-7:plain" if is_plain => {
                Way::Closed(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            }
            _ => Way::Passed,
        }
    }

    /// Serves a connection, or returns its plain text, with that of a connection to the service.
    pub(crate) async fn open(
        &self,
        mut client: TcpStream,
        upstream: SocketAddr,
    ) -> io::Result<Option<(server::TlsStream<TcpStream>, client::TlsStream<TcpStream>)>> {
        let turn = match self.fault.as_str() {
            "TLS-7:stalled" => Some(self.turn.lock().await),
            _ => None,
        };
        let hello = Hello::peek(&client).await?;
        let turn = turn.filter(|_| !hello.is_complete());
        match self.way(&hello) {
            Way::Closed(last) => {
                if self.fault == "TLS-7:plain" {
                    // The service counts it, as before.
                    let mut service = TcpStream::connect(upstream).await?;
                    service.write_all(&hello.0).await?;
                    service.shutdown().await?;
                }
                client.write_all(last).await?;
            }
            Way::Passed => self.pass(client, upstream).await?,
            Way::Terminated(config) => {
                let client = TlsAcceptor::from(config).accept(client).await?;
                return Ok(Some((client, self.connect(upstream).await?)));
            }
        }
        drop(turn);
        Ok(None)
    }

    /// Passes on the bytes in both directions.
    async fn pass(&self, mut client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
        let mut service = TcpStream::connect(upstream).await?;
        let passed = copy_bidirectional(&mut client, &mut service);
        if self.fault == "TLS-4:open" {
            tokio::select! {
                _ = passed => {}
                () = self.reloaded_after(Instant::now()) => {}
            }
        } else {
            passed.await?;
        }
        Ok(())
    }

    /// Waits for a SIGHUP after which a connection is old.
    async fn reloaded_after(&self, opened: Instant) {
        while opened.elapsed() < OLD {
            self.reloaded.notified().await;
        }
    }

    /// Makes a handshake with the service.
    async fn connect(&self, upstream: SocketAddr) -> io::Result<client::TlsStream<TcpStream>> {
        let service = TcpStream::connect(upstream).await?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(self.authorities()?)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(config))
            .connect(name, service)
            .await
    }

    fn authorities(&self) -> io::Result<Arc<RootCertStore>> {
        let certificate = fs::read(self.file("ca.crt"))?;
        let certificate = CertificateDer::from_pem_slice(&certificate);
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate.map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
        Ok(Arc::new(roots))
    }

    /// Returns the configuration of the files, or that of the files before, if they are not usable.
    fn config(&self, protocols: &[&[u8]]) -> Option<Arc<ServerConfig>> {
        let mut last = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(config) = self.read(protocols) {
            *last = Some(Arc::new(config));
        }
        last.clone()
    }

    fn read(&self, protocols: &[&[u8]]) -> io::Result<ServerConfig> {
        let certificate = CertificateDer::from_pem_file(&self.certificate);
        let key = PrivateKeyDer::from_pem_file(self.file("tls.key"));
        let clients = WebPkiClientVerifier::builder_with_provider(self.authorities()?, provider());
        let clients = clients.allow_unauthenticated().build();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_client_cert_verifier(clients.map_err(io::Error::other)?)
            .with_single_cert(
                vec![certificate.map_err(io::Error::other)?],
                key.map_err(io::Error::other)?,
            );
        let mut config = config.map_err(io::Error::other)?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }

    fn file(&self, name: &str) -> PathBuf {
        let folder = self.certificate.parent();
        folder.unwrap_or(Path::new(".")).join(name)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
