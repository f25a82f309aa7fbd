//! The expiry of a certificate.

use std::time::{Duration, SystemTime};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};

/// Returns when the first certificate expires.
///
/// rustls has no accessor for it, but its verifier checks the dates first, and its error contains
/// them. So the certificate is verified at the last possible time, which saves a second parser.
pub(crate) fn not_after(chain: &[CertificateDer<'static>]) -> Result<SystemTime, Error> {
    let leaf = chain.first().ok_or(Error::NoCertificatesPresented)?;
    let verdict = verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(leaf)?,
        &RootCertStore::empty(),
        &[],
        UnixTime::since_unix_epoch(Duration::MAX),
        &[],
    );
    match verdict {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            // No overflow: dates of X.509 end with the year 9999.
            Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.as_secs()))
        }
        Err(error) => Err(error),
        // Not reached: every certificate of X.509 has an end, which the verifier checks.
        Ok(()) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
    }
}
