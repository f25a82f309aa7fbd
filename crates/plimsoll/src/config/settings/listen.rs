//! The settings of the listeners.

use crate::config::{
    reader::{Invalid, Reader},
    value::{Host, InfraEndpoints, ListenAddr, ParseError, Secret, port},
};

/// All IPv4 interfaces: in a container, the network outside decides which peers can connect.
const DEFAULT_HOST: &str = "0.0.0.0";
/// Above 1024, so that no privilege is needed. The Django service has the same port.
const DEFAULT_PORT: &str = "8080";

/// The shortest `ADMIN_TOKEN`, in bytes.
const MIN_TOKEN: usize = 32;

/// The listeners, and the endpoints that they serve.
pub(super) struct Listen {
    pub(super) addr: ListenAddr,
    pub(super) admin_addr: Option<ListenAddr>,
    pub(super) infra_endpoints: InfraEndpoints,
    pub(super) admin_token: Option<Secret>,
}

/// Reads `HOST`, `PORT`, `ADMIN_ADDR`, `ADMIN_TOKEN` and `INFRA_ENDPOINTS`.
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
    let admin_token = from
        .setting(
            "ADMIN_TOKEN",
            "Token for the operator controls, the paths below `/admin` on the admin listener. \
             Without it there are no controls over TCP.",
        )
        .read_optional::<Secret>();
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
    let admin_token = admin_token?;
    check_token(from, admin_token.as_ref(), admin_addr.is_some())?;
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
        admin_token,
    })
}

/// Rejects a token that can be guessed or never used (contract ADM-8).
fn check_token(
    from: &mut Reader<'_>,
    token: Option<&Secret>,
    has_listener: bool,
) -> Result<(), Invalid> {
    let Some(token) = token else { return Ok(()) };
    let is_visible = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    let reason = if !is_visible || token.expose().len() < MIN_TOKEN {
        "it must have at least 32 characters, visible ones of ASCII"
    } else if !has_listener {
        "set without ADMIN_ADDR, so there is no admin listener"
    } else {
        return Ok(());
    };
    Err(from.reject("ADMIN_TOKEN", ParseError::because(reason)))
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

    /// ADM-8
    #[test]
    fn short_token_is_a_configuration_error() {
        let token = |token: &str| {
            let pairs = [("ADMIN_ADDR", "127.0.0.1:9090"), ("ADMIN_TOKEN", token)];
            try_with(&pairs).map(|loaded| loaded.config)
        };
        let long = "x".repeat(32);
        assert!(token(&long).is_ok_and(|config| config.admin_token.is_some()));
        for bad in [
            &long[1..],
            &format!("{long} "),
            &format!("{long}ä"),
            &format!(" {long}x y"),
        ] {
            let error = token(bad).expect_err("it is rejected").to_string();
            assert!(error.contains("32 characters"), "{error}");
            assert!(!error.contains(&bad[..8]), "{error}");
        }
        let error = try_with(&[("ADMIN_TOKEN", &long)]).expect_err("it is rejected");
        assert!(error.to_string().contains("ADMIN_ADDR"), "{error}");
    }

    #[test]
    fn port_is_checked_beside_a_unix_socket() {
        let config = with(&[("HOST", "unix:/run/me.sock")]);
        assert_eq!(config.listen, ListenAddr::Unix("/run/me.sock".into()));
        assert!(try_with(&[("HOST", "unix:/run/me.sock"), ("PORT", "x")]).is_err());
    }
}
