//! Test fixtures: a certificate authority, a directory of files, and TLS clients.

mod handshake;
mod problems;
mod reload;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::{TlsConnector, client, server};

use super::*;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(super) const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Rounds a time down to whole seconds, the resolution of certificates.
pub(super) fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Pair {
    pub(super) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn issue(&self) -> Pair {
        self.issue_until(SystemTime::now() + 90 * DAY)
    }

    pub(super) fn issue_until(&self, not_after: SystemTime) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = not_after.into();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// Returns the configuration of a client that trusts this authority.
    pub(super) fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        builder(self, version).with_no_client_auth()
    }

    /// Returns the same with a client certificate.
    fn client_with(&self, version: &'static SupportedProtocolVersion, pair: &Pair) -> ClientConfig {
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        builder(self, version)
            .with_client_auth_cert(vec![pair.der()], key)
            .unwrap()
    }
}

fn builder(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(authority.roots())
}

/// A temporary directory, removed by the drop.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plimsoll-tls-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns the paths of the files. The client CA is set if its file exists.
    pub(super) fn files(&self) -> TlsFiles {
        let client_ca = self.path("ca.crt");
        TlsFiles {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_ca: client_ca.exists().then_some(client_ca),
        }
    }

    /// Writes a pair into the existing files.
    pub(super) fn write(&self, pair: &Pair) {
        fs::write(self.path("tls.crt"), &pair.certificate).unwrap();
        fs::write(self.path("tls.key"), &pair.key).unwrap();
    }

    /// Replaces the files by new ones with a pair.
    pub(super) fn replace(&self, pair: &Pair) {
        for (name, text) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key)] {
            let new = self.path("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, self.path(name)).unwrap();
        }
    }

    /// Writes a pair as Kubernetes does: into a new directory, to which a link is then switched.
    pub(super) fn swap(&self, pair: &Pair) {
        let link = |path: &Path, to: &str| symlink(to, path).unwrap();
        let old = fs::read_link(self.path("..data")).ok();
        let version = old
            .as_deref()
            .and_then(|old| old.to_str()?.strip_prefix("..v")?.parse::<u64>().ok())
            .map_or(0, |version| version + 1);
        let version = format!("..v{version}");
        fs::create_dir(self.path(&version)).unwrap();
        fs::write(self.path(&version).join("tls.crt"), &pair.certificate).unwrap();
        fs::write(self.path(&version).join("tls.key"), &pair.key).unwrap();
        link(&self.path("..data_tmp"), &version);
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        match old {
            Some(old) => fs::remove_dir_all(self.0.join(old)).unwrap(),
            None => {
                link(&self.path("tls.crt"), "..data/tls.crt");
                link(&self.path("tls.key"), "..data/tls.key");
            }
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A TLS configuration whose certificate is issued by an authority of its own.
pub(super) struct Fixture {
    pub(super) authority: Authority,
    pub(super) pair: Pair,
    pub(super) directory: Directory,
    pub(super) tls: Arc<Tls>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::until(SystemTime::now() + 90 * DAY)
    }

    pub(super) fn until(not_after: SystemTime) -> Self {
        let authority = Authority::new();
        let pair = authority.issue_until(not_after);
        let directory = Directory::new();
        directory.write(&pair);
        let tls = Tls::load(directory.files(), HTTP).unwrap();
        Self {
            authority,
            pair,
            directory,
            tls,
        }
    }

    /// Makes `authority` the client CA.
    fn require_client_certificates(&mut self, authority: &Authority) {
        fs::write(self.directory.path("ca.crt"), authority.pem()).unwrap();
        self.tls = Tls::load(self.directory.files(), HTTP).unwrap();
    }
}

type Server = server::TlsStream<DuplexStream>;
type Client = client::TlsStream<DuplexStream>;

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Returns the result of a handshake on both sides.
async fn connect(
    tls: &Tls,
    config: impl Into<Arc<ClientConfig>>,
) -> (io::Result<Server>, io::Result<Client>) {
    let (near, far) = duplex(64 * 1024);
    let client = TlsConnector::from(config.into());
    tokio::join!(
        tls.acceptor().accept(near),
        client.connect(localhost(), far),
    )
}

/// Connects, and sends bytes in both directions, with which session tickets arrive.
pub(super) async fn talk(tls: &Tls, config: impl Into<Arc<ClientConfig>>) -> (Server, Client) {
    let (server, client) = connect(tls, config).await;
    let mut both = (server.unwrap(), client.unwrap());
    echo(&mut both).await;
    both
}

async fn echo((server, client): &mut (Server, Client)) {
    let mut bytes = [0; 4];
    client.write_all(b"ping").await.unwrap();
    server.read_exact(&mut bytes).await.unwrap();
    server.write_all(&bytes).await.unwrap();
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
}

/// Returns the certificate that a new connection gets.
pub(super) async fn served_certificate(fixture: &Fixture) -> CertificateDer<'static> {
    let (_server, client) = talk(&fixture.tls, fixture.authority.client(&TLS13)).await;
    client.get_ref().1.peer_certificates().unwrap()[0].clone()
}
