//! The settings of the listeners.

use crate::config::{
    reader::{Invalid, Reader},
    value::{Host, InfraEndpoints, ListenAddr, ParseError, port},
};

/// All IPv4 interfaces: in a container, the network outside decides which peers can connect.
const DEFAULT_HOST: &str = "0.0.0.0";
/// Above 1024, so that no privilege is needed. The Django service has the same port.
const DEFAULT_PORT: &str = "8080";

/// The listeners, and the endpoints that they serve.
pub(super) struct Listen {
    pub(super) addr: ListenAddr,
    pub(super) admin_addr: Option<ListenAddr>,
    pub(super) infra_endpoints: InfraEndpoints,
}

/// Reads `HOST`, `PORT`, `ADMIN_ADDR` and `INFRA_ENDPOINTS`.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Listen, Invalid> {
    let host = from
        .setting(
            "HOST",
            "Address of the main listener, or `unix:/path` for a unix socket.",
        )
        .default(DEFAULT_HOST)
        .read::<Host>();
    let port = from
        .setting(
            "PORT",
            "Port of the main listener, unless that is a unix socket.",
        )
        .default(DEFAULT_PORT)
        .read_with("a port from 1 to 65535", port);
    let admin_addr = from
        .setting(
            "ADMIN_ADDR",
            "Address of the admin listener, which serves probes and metrics on its own thread and \
             must not be public. No admin listener if unset.",
        )
        .read_optional::<ListenAddr>();
    let default_endpoints = match admin_addr {
        Ok(Some(_)) => InfraEndpoints::Both,
        Ok(None) | Err(_) => InfraEndpoints::Main,
    };
    let infra_endpoints = from
        .setting(
            "INFRA_ENDPOINTS",
            "Listener that answers probes and metrics.",
        )
        .default_from(
            "main; both if ADMIN_ADDR is set",
            default_endpoints.as_str(),
        )
        .read::<InfraEndpoints>();

    let addr = host.and_then(|host| Ok(host.with_port(port?)));
    let (admin_addr, infra_endpoints) = (admin_addr?, infra_endpoints?);
    check_admin(
        from,
        addr.as_ref().ok(),
        admin_addr.as_ref(),
        infra_endpoints,
    )?;
    Ok(Listen {
        addr: addr?,
        admin_addr,
        infra_endpoints,
    })
}

/// Rejects an admin listener on the address of the main one, and endpoints of an admin listener
/// that does not exist.
fn check_admin(
    from: &mut Reader<'_>,
    main: Option<&ListenAddr>,
    admin: Option<&ListenAddr>,
    endpoints: InfraEndpoints,
) -> Result<(), Invalid> {
    // An activated socket has its own address, whatever HOST and PORT are.
    let has_activated_socket = from.is_set("LISTEN_FDS");
    let (name, reason) = match (main, admin) {
        (Some(main), Some(admin)) if !has_activated_socket && admin.overlaps(main) => {
            ("ADMIN_ADDR", "the main listener has this address")
        }
        (_, None) if endpoints != InfraEndpoints::Main => (
            "INFRA_ENDPOINTS",
            "set without ADMIN_ADDR, so there is no admin listener",
        ),
        _ => return Ok(()),
    };
    Err(from.reject(name, ParseError::because(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::tests::{try_with, with};

    #[test]
    fn port_is_checked_beside_a_unix_socket() {
        let config = with(&[("HOST", "unix:/run/me.sock")]);
        assert_eq!(config.listen, ListenAddr::Unix("/run/me.sock".into()));
        assert!(try_with(&[("HOST", "unix:/run/me.sock"), ("PORT", "x")]).is_err());
    }
}
