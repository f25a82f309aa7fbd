//! The settings of TLS, and of HTTP/2 without it.

use std::path::PathBuf;

use crate::config::{
    reader::{Invalid, Reader},
    value::ParseError,
};

/// The files of the TLS listener, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificate chain, the certificate of the service first.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The authorities that verify client certificates. If set, clients must present one.
    pub client_ca: Option<PathBuf>,
}

/// TLS, and HTTP/2 without it.
pub(super) struct Tls {
    pub(super) files: Option<TlsFiles>,
    pub(super) http2_cleartext: bool,
}

/// Reads `TLS_CERT_FILE`, `TLS_KEY_FILE`, `TLS_CLIENT_CA_FILE` and `HTTP2_CLEARTEXT`.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Tls, Invalid> {
    let certificate = from
        .setting(
            "TLS_CERT_FILE",
            "Certificate chain of the main listener, in PEM; reloaded when it changes and on \
             SIGHUP. No TLS if unset.",
        )
        .example("/run/tls/tls.crt")
        .read_optional::<PathBuf>();
    let key = from
        .setting("TLS_KEY_FILE", "Private key of the certificate, in PEM.")
        .example("/run/tls/tls.key")
        .read_optional::<PathBuf>();
    let client_ca = from
        .setting(
            "TLS_CLIENT_CA_FILE",
            "Authorities that verify client certificates, in PEM. Clients need no certificate if unset.",
        )
        .example("/run/tls/ca.crt")
        .read_optional::<PathBuf>();
    let http2_cleartext = from
        .setting(
            "HTTP2_CLEARTEXT",
            "HTTP/2 without TLS, for clients with prior knowledge. Over TLS, HTTP/2 is always \
             available.",
        )
        .default("false")
        .read::<bool>();
    Ok(Tls {
        files: files(from, certificate?, key?, client_ca?)?,
        http2_cleartext: http2_cleartext?,
    })
}

/// Requires certificate and key together, and client authorities only with both.
fn files(
    from: &mut Reader<'_>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsFiles>, Invalid> {
    if cfg!(not(feature = "tls")) {
        let name = match (certificate, key, client_ca) {
            (Some(_), ..) => "TLS_CERT_FILE",
            (_, Some(_), _) => "TLS_KEY_FILE",
            (.., Some(_)) => "TLS_CLIENT_CA_FILE",
            _ => return Ok(None),
        };
        let reason = "this program is built without the feature `tls` of plimsoll";
        return Err(from.reject_any_value(name, ParseError::because(reason)));
    }
    let (name, reason) = match (certificate, key, client_ca) {
        (Some(certificate), Some(key), client_ca) => {
            return Ok(Some(TlsFiles {
                certificate,
                key,
                client_ca,
            }));
        }
        (None, None, None) => return Ok(None),
        (Some(_), None, _) => (
            "TLS_CERT_FILE",
            "set without TLS_KEY_FILE, which belongs to it",
        ),
        (None, Some(_), _) => (
            "TLS_KEY_FILE",
            "set without TLS_CERT_FILE, which belongs to it",
        ),
        (None, None, Some(_)) => (
            "TLS_CLIENT_CA_FILE",
            "set without TLS_CERT_FILE and TLS_KEY_FILE, so there is no TLS",
        ),
    };
    Err(from.reject(name, ParseError::because(reason)))
}
