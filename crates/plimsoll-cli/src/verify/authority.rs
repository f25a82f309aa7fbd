//! The certificate authority of a start, and the files that it writes for the service.
//!
//! The files are those of a Kubernetes secret: `tls.crt` is a link to `..data/tls.crt`, and `..data` is a
//! link to the folder of a version.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

use crate::wire::Hello;

const DAY: Duration = Duration::from_hours(24);

/// The life of the first certificate, which is shorter than the 14 days of TLS-6.
const FIRST: Duration = Duration::from_hours(10 * 24);

/// An authority with the certificates that it has issued for the service.
#[derive(Debug)]
pub(super) struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// An authority that the service does not know.
    other: CertifiedIssuer<'static, KeyPair>,
    /// The key of the service.
    key: KeyPair,
    issued: Vec<Issued>,
}

/// A certificate of the service.
#[derive(Debug)]
struct Issued {
    name: &'static str,
    certificate: CertificateDer<'static>,
    /// In seconds since 1970.
    end: u64,
}

/// A client of a service that asks for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// Its certificate is valid.
    Known,
    /// Its certificate is of another authority.
    Other,
    /// Its certificate has expired.
    Expired,
}

impl Authority {
    /// Creates the authority, and writes `ca.crt`, `tls.crt` and `tls.key` into the folder.
    ///
    /// # Errors
    ///
    /// The error of the system, or of the generator of keys.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let mut authority = Self {
            folder: folder.to_owned(),
            issuer: issuer()?,
            other: issuer()?,
            key: KeyPair::generate().map_err(io::Error::other)?,
            issued: Vec::new(),
        };
        authority.write("ca.crt", &authority.issuer.pem())?;
        authority.issue_version("first", FIRST)?;
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), authority.folder.join(name))?;
        }
        Ok(authority)
    }

    /// Renews the certificate as Kubernetes does: `..data` becomes a link to another folder.
    ///
    /// # Errors
    ///
    /// As at [`Self::create`].
    pub(super) fn renew_by_link(&mut self, name: &'static str) -> io::Result<()> {
        self.key = KeyPair::generate().map_err(io::Error::other)?;
        self.issue_version(name, 90 * DAY)
    }

    /// Renews the certificate as a program does: a new file gets the name of the old one.
    ///
    /// The key stays the same, because two files cannot be replaced at once.
    ///
    /// # Errors
    ///
    /// As at [`Self::create`].
    pub(super) fn renew_in_place(&mut self, name: &'static str) -> io::Result<()> {
        let text = self.issue(name, 90 * DAY)?;
        self.write("tls.crt", &text)
    }

    /// Replaces the certificate with a file that is none.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub(super) fn break_certificate(&self) -> io::Result<()> {
        self.write("tls.crt", "no certificate\n")
    }

    /// Returns the authorities for a client of the service.
    ///
    /// # Errors
    ///
    /// Never: the certificate is a valid one.
    pub(super) fn roots(&self) -> io::Result<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        let certificate = self.issuer.der().clone();
        roots.add(certificate).map_err(io::Error::other)?;
        Ok(Arc::new(roots))
    }

    /// Returns what a client with a valid certificate offers.
    ///
    /// # Errors
    ///
    /// As at [`Self::create`].
    pub(super) fn hello(&self) -> io::Result<Hello> {
        Ok(Hello {
            certificate: Some(self.client(Client::Known)?),
            ..Hello::default()
        })
    }

    /// Returns the name of a certificate that the service presents.
    pub(super) fn name_of(&self, certificate: &[u8]) -> &'static str {
        let mut issued = self.issued.iter();
        let issued = issued.find(|issued| issued.certificate.as_ref() == certificate);
        issued.map_or("unknown", |issued| issued.name)
    }

    /// Returns the end of the certificate that was issued last, in seconds since 1970.
    pub(super) fn end(&self) -> Option<u64> {
        self.issued.last().map(|issued| issued.end)
    }

    /// Issues a certificate for a client.
    ///
    /// # Errors
    ///
    /// As at [`Self::create`].
    pub(super) fn client(&self, client: Client) -> io::Result<Arc<CertifiedKey>> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let now = SystemTime::now();
        let (issuer, end) = match client {
            Client::Known => (&self.issuer, now + DAY),
            Client::Other => (&self.other, now + DAY),
            Client::Expired => (&self.issuer, now - DAY),
        };
        let certificate = certificate(&key, issuer, end)?;
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes());
        let key = key.map_err(io::Error::other)?;
        let chain = vec![certificate.der().clone()];
        let pair = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        Ok(Arc::new(pair.map_err(io::Error::other)?))
    }

    /// Writes a version with certificate and key, and makes `..data` a link to it.
    fn issue_version(&mut self, name: &'static str, life: Duration) -> io::Result<()> {
        let version = format!("..{name}");
        let certificate = self.issue(name, life)?;
        fs::create_dir(self.folder.join(&version))?;
        self.write(&format!("{version}/tls.crt"), &certificate)?;
        self.write(&format!("{version}/tls.key"), &self.key.serialize_pem())?;
        let link = self.folder.join("..link");
        symlink(&version, &link)?;
        fs::rename(link, self.folder.join("..data"))
    }

    /// Issues a certificate of the service, and returns it as text.
    fn issue(&mut self, name: &'static str, life: Duration) -> io::Result<String> {
        let end = SystemTime::now() + life;
        let certificate = certificate(&self.key, &self.issuer, end)?;
        let end = end.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        self.issued.push(Issued {
            name,
            certificate: certificate.der().clone(),
            end: end.as_secs(),
        });
        Ok(certificate.pem())
    }

    /// Writes a file that replaces one of its name at once.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let new = self.folder.join("..new");
        fs::write(&new, text)?;
        fs::rename(new, self.folder.join(name))
    }
}

fn issuer() -> io::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().map_err(io::Error::other)?;
    CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)
}

fn certificate(
    key: &KeyPair,
    issuer: &CertifiedIssuer<'static, KeyPair>,
    end: SystemTime,
) -> io::Result<rcgen::Certificate> {
    let params = CertificateParams::new(["localhost".to_owned()]);
    let mut params = params.map_err(io::Error::other)?;
    params.not_after = end.into();
    params.signed_by(key, issuer).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Folder;

    #[test]
    fn files_have_the_certificate_that_was_issued_last() {
        let folder = Folder::create().unwrap();
        let path = Path::new(folder.path());
        let mut authority = Authority::create(path).unwrap();
        let served = |authority: &Authority| {
            let text = fs::read(path.join("tls.crt")).unwrap();
            let certificate = CertificateDer::from_pem_slice(&text);
            certificate.map_or("none", |it| authority.name_of(&it))
        };
        assert_eq!(served(&authority), "first");
        authority.renew_by_link("second").unwrap();
        assert_eq!(served(&authority), "second");
        authority.renew_in_place("third").unwrap();
        assert_eq!(served(&authority), "third");
        authority.break_certificate().unwrap();
        assert_eq!(served(&authority), "none");
        let other = authority.client(Client::Other).unwrap();
        assert_eq!(authority.name_of(&other.cert[0]), "unknown");
    }
}
