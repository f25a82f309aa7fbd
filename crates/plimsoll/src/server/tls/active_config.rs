//! The active TLS configuration, built from the checked content of the files.

use std::{sync::Arc, time::SystemTime};

use rustls::{
    CipherSuite, Error, InconsistentKeys, ProtocolVersion, RootCertStore, ServerConfig,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, Ticketer},
    },
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

use super::{
    error::{FileRole, TlsError, TlsProblem},
    files::TlsContents,
};
use crate::{certificate::not_after, config::TlsFiles};

/// The configuration that new connections use.
pub(super) struct ActiveConfig {
    pub(super) config: Arc<ServerConfig>,
    pub(super) not_after: SystemTime,
    chain: Vec<CertificateDer<'static>>,
    client_ca: Option<Vec<CertificateDer<'static>>>,
}

impl ActiveConfig {
    pub(super) fn new(
        files: &TlsFiles,
        contents: TlsContents,
        alpn: &[&[u8]],
    ) -> Result<Self, TlsError> {
        let TlsContents {
            chain,
            key,
            client_ca,
        } = contents;
        let of_certificate =
            |problem| TlsError::new(FileRole::Certificate, &files.certificate, problem);
        let of_key = |problem| TlsError::new(FileRole::Key, &files.key, problem);
        // Not the default provider of the process: that one is missing or ambiguous if another crate
        // of the service enables a provider of its own.
        let provider = Arc::new(provider());

        let not_after = not_after(&chain)
            .map_err(|source| of_certificate(TlsProblem::BadCertificate { number: 1, source }))?;
        let signing_key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|source| of_key(TlsProblem::BadKey(source)))?;
        let certified = CertifiedKey::new(chain.clone(), signing_key);
        certified.keys_match().map_err(|source| match source {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                of_key(TlsProblem::Mismatch {
                    certificate: files.certificate.clone(),
                    source,
                })
            }
            source => of_certificate(TlsProblem::Rejected(source)),
        })?;

        // Only the content that was read decides, so a configured client CA always verifies clients.
        let verifier = match &client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(authorities) => verifier(authorities, &provider).map_err(|problem| {
                let path = files.client_ca.as_deref().unwrap_or(&files.certificate);
                TlsError::new(FileRole::ClientCa, path, problem)
            })?,
        };
        let config = config(provider, verifier, certified, alpn)
            .map_err(|source| of_certificate(TlsProblem::Rejected(source)))?;
        Ok(Self {
            config: Arc::new(config),
            not_after,
            chain,
            client_ca,
        })
    }

    /// Returns true if both have the same certificates. The keys need no comparison, because each
    /// matches its certificate.
    pub(super) fn is_equivalent(&self, other: &Self) -> bool {
        self.chain == other.chain && self.client_ca == other.client_ca
    }
}

/// The ciphers of rustls, with AES-128 before AES-256.
///
/// AES-256 comes with SHA-384, which processors have no instructions for: it takes a fifth of the time
/// of a handshake. Mozilla's configurations also prefer AES-128
/// (<https://wiki.mozilla.org/Security/Server_Side_TLS>).
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    // The sort is stable, so the versions and the rest keep their order.
    provider.cipher_suites.sort_by_key(|suite| {
        (
            suite.version().version == ProtocolVersion::TLSv1_2,
            !matches!(
                suite.suite(),
                CipherSuite::TLS13_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            ),
        )
    });
    provider
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    certified: CertifiedKey,
    alpn: &[&[u8]],
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // All ciphers are strong, but scanners report a server that lets the client choose.
    config.ignore_client_order = true;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // Its keys rotate every six hours, and belong to this configuration only.
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

fn verifier(
    authorities: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsProblem> {
    let mut roots = RootCertStore::empty();
    for (index, authority) in authorities.iter().enumerate() {
        // An unusable certificate is an error. If it were skipped, its clients would be rejected.
        roots
            .add(authority.clone())
            .map_err(|source| TlsProblem::BadCertificate {
                number: index + 1,
                source,
            })?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(TlsProblem::Verifier)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject as _;

    use super::{
        super::tests::{Authority, DAY, whole_seconds},
        *,
    };

    /// TLS-6
    #[test]
    fn not_after_is_read_from_first_certificate() {
        let authority = Authority::new();
        let now = whole_seconds(SystemTime::now());
        // Before 2050, after it (where X.509 encodes dates differently), and in the past.
        for end in [now + 90 * DAY, now + 20_000 * DAY, now - DAY] {
            let chain = [authority.issue_until(end).der(), authority.issue().der()];
            assert_eq!(not_after(&chain), Ok(end));
        }
    }

    #[test]
    fn aes_128_is_preferred_and_all_ciphers_are_offered() {
        let suites = provider().cipher_suites;
        let (tls13, tls12): (Vec<_>, Vec<_>) = suites
            .iter()
            .map(|suite| suite.suite())
            .partition(|suite| format!("{suite:?}").starts_with("TLS13"));
        assert_eq!(tls13[0], CipherSuite::TLS13_AES_128_GCM_SHA256);
        let preferred = [
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ];
        assert_eq!(tls12[..2], preferred);
        let all = aws_lc_rs::default_provider().cipher_suites;
        assert_eq!(suites.len(), all.len());
    }

    #[test]
    fn latest_date_is_read() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
        let chain = [Authority::new().issue_until(end).der()];
        assert_eq!(not_after(&chain), Ok(end));
    }

    #[test]
    fn not_after_is_read_from_ca_certificate() {
        let authority = Authority::new();
        let pem = authority.pem();
        let chain = [CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
        assert!(not_after(&chain).is_ok());
    }
}
