//! What must hold between settings.

use std::path::PathBuf;

use super::TlsFiles;
use crate::config::{
    reader::{Invalid, Reader},
    value::{InfraEndpoints, ListenAddr, ParseError, TrustedProxies},
};

/// Certificate and key belong together, and clients are only asked for theirs over TLS.
pub(super) fn tls(
    from: &mut Reader<'_>,
    certificate: Result<Option<PathBuf>, Invalid>,
    key: Result<Option<PathBuf>, Invalid>,
    client_ca: Result<Option<PathBuf>, Invalid>,
) -> Result<Option<TlsFiles>, Invalid> {
    let files = (certificate?, key?, client_ca?);
    if cfg!(not(feature = "tls")) {
        let name = match files {
            (Some(_), ..) => "TLS_CERT_FILE",
            (_, Some(_), _) => "TLS_KEY_FILE",
            (.., Some(_)) => "TLS_CLIENT_CA_FILE",
            _ => return Ok(None),
        };
        let why = "this program is built without the feature `tls` of plimsoll";
        return Err(from.reject_any_value(name, ParseError::because(why)));
    }
    let (name, why) = match files {
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
    Err(from.reject(name, ParseError::because(why)))
}

/// The admin listener has an address of its own, and nothing is moved to one that is not there.
pub(super) fn admin(
    from: &mut Reader<'_>,
    listen: &Result<ListenAddr, Invalid>,
    addr: Result<Option<ListenAddr>, Invalid>,
    endpoints: Result<InfraEndpoints, Invalid>,
) -> Result<(Option<ListenAddr>, InfraEndpoints), Invalid> {
    let (addr, endpoints) = (addr?, endpoints?);
    // A socket that was handed over is wherever it is.
    let is_handed_over = from.is_set("LISTEN_FDS");
    let (name, why) = match (&addr, listen) {
        (Some(_), Ok(_)) if is_handed_over => return Ok((addr, endpoints)),
        (Some(addr), Ok(listen)) if addr.overlaps(listen) => {
            ("ADMIN_ADDR", "the main listener has this address")
        }
        (None, _) if endpoints != InfraEndpoints::Main => (
            "INFRA_ENDPOINTS",
            "set without ADMIN_ADDR, so there is no admin listener",
        ),
        _ => return Ok((addr, endpoints)),
    };
    Err(from.reject(name, ParseError::because(why)))
}

/// Whoever may begin with a PROXY header must be said.
pub(super) fn proxy_protocol(
    from: &mut Reader<'_>,
    on: Result<bool, Invalid>,
    trusted: &Result<TrustedProxies, Invalid>,
) -> Result<bool, Invalid> {
    let on = on?;
    if on && trusted.as_ref().is_ok_and(TrustedProxies::is_empty) {
        let why = "on without TRUSTED_PROXIES, so nobody may send the header";
        return Err(from.reject("PROXY_PROTOCOL", ParseError::because(why)));
    }
    Ok(on)
}
