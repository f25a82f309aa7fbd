//! The proxies in front of the service, and how they name the client.

use crate::config::{
    reader::{Invalid, Reader},
    value::{ForwardedHeader, ParseError, TrustedProxies},
};

/// Trusted proxies, and how they name the client.
pub(super) struct Proxies {
    pub(super) trusted: TrustedProxies,
    pub(super) forwarded_header: ForwardedHeader,
    pub(super) proxy_protocol: bool,
}

/// Reads `TRUSTED_PROXIES`, `FORWARDED_HEADER` and `PROXY_PROTOCOL`.
///
/// Rejects `PROXY_PROTOCOL=on` without trusted proxies: no peer could send the header.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Proxies, Invalid> {
    let trusted = from
        .setting(
            "TRUSTED_PROXIES",
            "Peers whose forwarded headers are trusted; `unix` stands for peers on a unix socket. \
             None if unset.",
        )
        .read_optional::<TrustedProxies>();
    let forwarded_header = from
        .setting(
            "FORWARDED_HEADER",
            "The one header in which trusted peers name the client.",
        )
        .default(ForwardedHeader::XForwardedFor.as_str())
        .read::<ForwardedHeader>();
    let proxy_protocol = from
        .setting(
            "PROXY_PROTOCOL",
            "Whether trusted peers must begin with a PROXY header, version 1 or 2.",
        )
        .default("off")
        .read::<bool>();
    let (trusted, proxy_protocol) = (trusted?.unwrap_or_default(), proxy_protocol?);
    if proxy_protocol && trusted.is_empty() {
        let reason = "on without TRUSTED_PROXIES, so no peer may send the header";
        return Err(from.reject("PROXY_PROTOCOL", ParseError::because(reason)));
    }
    Ok(Proxies {
        trusted,
        forwarded_header: forwarded_header?,
        proxy_protocol,
    })
}
