//! Faults of the configuration: variables that the service ignores, or rejects although they are valid.

use std::{fs, net::SocketAddr, os::unix::net::UnixDatagram, path::PathBuf};

use tokio::process::Command;

/// Returns a variable of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "the saboteur has no settings of its own; it reads those of the service"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the fault is to reject the environment.
pub(crate) fn is_rejected(fault: &str) -> bool {
    match fault {
        "CFG-2:spellings" => variable("IDLE_TIMEOUT").is_some_and(|time| time == "2m"),
        "CFG-1:profile" => variable("GUNICORN_THREADS").is_some(),
        _ => false,
    }
}

/// Returns the port to listen on. An invalid one is left to the service, which rejects it.
pub(crate) fn port(fault: &str) -> Option<u16> {
    let port = variable("PORT").and_then(|port| port.parse().ok());
    // Any free port in place of an invalid one.
    port.or_else(|| (fault == "CFG-2:port").then_some(0))
}

/// Returns the address of the second listener.
pub(crate) fn admin() -> Option<SocketAddr> {
    variable("ADMIN_ADDR").and_then(|address| address.parse().ok())
}

/// Whether the second listener alone serves probes.
pub(crate) fn is_admin_only() -> bool {
    variable("INFRA_ENDPOINTS").is_some_and(|listener| listener == "admin")
}

/// Whether clients connect to the service itself, because the scenario limits connections.
///
/// Some faults need the proxy in between.
pub(crate) fn is_direct(fault: &str) -> bool {
    let is_short = variable("WRITE_TIMEOUT").is_some_and(|time| time == "1s");
    (is_short && fault != "SRV-2:stall") || (has_limits() && fault != "SRV-4:served")
}

/// Whether the scenario limits the number of connections.
pub(crate) fn has_limits() -> bool {
    variable("MAX_CONNECTIONS").is_some_and(|number| number == "50")
}

/// Changes the environment of the service.
pub(crate) fn change(fault: &str, command: &mut Command) {
    let is = |name: &str, value: &str| variable(name).is_some_and(|other| other == value);
    let has_two_faults = is("READ_TIMEOUT", "soon") && is("DEBUG", "perhaps");
    let secret = variable("SECRET_KEY_FILE").unwrap_or_default();
    let token = variable("ADMIN_TOKEN").unwrap_or_default();
    let mut remove_if = |name: &str, value: &str| {
        if is(name, value) {
            command.env_remove(name);
        }
    };
    match fault {
        "CFG-1:level" => remove_if("LOG_LEVEL", "CRITICAL"),
        "CFG-2:duration" if !has_two_faults => remove_if("READ_TIMEOUT", "soon"),
        "CFG-3:together" if has_two_faults => remove_if("DEBUG", "perhaps"),
        "CFG-2:boolean" if !has_two_faults => remove_if("DEBUG", "perhaps"),
        "CFG-5:file" if secret.ends_with("/missing-secret") => {
            remove_if("SECRET_KEY_FILE", &secret)
        }
        "CFG-10:device" if secret == "/dev/null" => remove_if("SECRET_KEY_FILE", &secret),
        "CFG-10:pipe" if secret.ends_with("/pipe") => remove_if("SECRET_KEY_FILE", &secret),
        "CFG-7:alias" => remove_if("GUNICORN_KEEPALIVE", "soon"),
        "ADM-8:token" if token.contains(' ') => remove_if("ADMIN_TOKEN", &token),
        "ADM-5:address" => remove_if("ADMIN_ADDR", "localhost:9"),
        "LOG-10:pretty" => remove_if("LOG_FORMAT", "pretty"),
        "SRV-1:idle" => remove_if("IDLE_TIMEOUT", "1s"),
        // In the scenario with all time limits; another one is about heads.
        "SRV-1:body" if is_direct(fault) => remove_if("READ_TIMEOUT", "1s"),
        "SRV-1:write" => remove_if("WRITE_TIMEOUT", "1s"),
        "SRV-2:handler" => remove_if("REQUEST_TIMEOUT", "2s"),
        "SRV-3:body" => remove_if("MAX_BODY_BYTES", "64KiB"),
        "SRV-4:evicted" => remove_if("MAX_CONNECTIONS", "50"),
        "SRV-4:shed" => remove_if("MAX_IN_FLIGHT", "2"),
        "SRV-8:age" => remove_if("MAX_CONNECTION_AGE", "1s"),
        "IP-1:peer" if !has("TRUSTED_PROXIES") && !has(ENDPOINT) => {
            command.env("TRUSTED_PROXIES", "127.0.0.1");
        }
        // The saboteur notifies the service manager itself.
        "LIFE-7:stopping" => {
            command.env_remove("NOTIFY_SOCKET");
        }
        "TLS-1:pair" if variable("TLS_KEY_FILE").is_none() => {
            command.env_remove("TLS_CERT_FILE");
        }
        "TLS-1:unusable" if variable("TLS_CERT_FILE").is_some_and(|it| it.contains("unusable")) => {
            command.env_remove("TLS_CERT_FILE");
            command.env_remove("TLS_KEY_FILE");
        }
        "TLS-3:clients" => {
            command.env_remove("TLS_CLIENT_CA_FILE");
        }
        // The service never sees the new files.
        "TLS-4:renewed" => {
            for name in ["TLS_CERT_FILE", "TLS_KEY_FILE"] {
                if let Some(path) = variable(name) {
                    let copy = format!("{path}.copy");
                    fs::copy(&path, &copy).expect("the scenario has the file");
                    command.env(name, copy);
                }
            }
        }
        "TRC-1:untrusted" if has(ENDPOINT) && !has("TRUSTED_PROXIES") => {
            command.env("TRUSTED_PROXIES", "127.0.0.1");
        }
        "TRC-2:disabled" => {
            command.env_remove("OTEL_SDK_DISABLED");
        }
        "TRC-3:ratio" => {
            command.env_remove("OTEL_TRACES_SAMPLER");
        }
        "IP-2:client" if !has("FORWARDED_HEADER") && !has("PROXY_PROTOCOL") && !has(ENDPOINT) => {
            command.env_remove("TRUSTED_PROXIES");
        }
        _ => {}
    }
}

/// The variable with the address of the collector.
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Whether the collector of the scenario hangs.
pub(crate) fn is_collector_stuck() -> bool {
    has(ENDPOINT) && variable("OTEL_BSP_SCHEDULE_DELAY").is_some_and(|delay| delay == "10")
}

/// Whether the scenario sets a variable.
pub(crate) fn has(name: &str) -> bool {
    variable(name).is_some()
}

/// Whether a service manager gets notifications.
pub(crate) fn is_managed() -> bool {
    variable("NOTIFY_SOCKET").is_some()
}

/// Whether the scenario is the one of most checks, with a short drain and no second listener.
pub(crate) fn is_base() -> bool {
    let is_short = variable("DRAIN_DELAY").is_some_and(|delay| delay == "1s");
    is_short && admin().is_none()
}

/// Notifies the service manager that the service is ready.
pub(crate) fn notify_ready() {
    if let Some(path) = variable("NOTIFY_SOCKET") {
        let socket = UnixDatagram::unbound().expect("the system has sockets");
        let sent = socket.send_to(b"READY=1", path);
        sent.expect("the service manager reads notifications");
    }
}

/// Returns the file that a process leaves behind if it is killed, for the fault that depends on it.
fn left_behind(fault: &str) -> Option<PathBuf> {
    let is_signalled = variable("DRAIN_DELAY").is_some_and(|delay| delay == "20s");
    let port = variable("PORT").filter(|_| fault == "SIG-4:rebind" && is_signalled)?;
    Some(std::env::temp_dir().join(format!("saboteur-{port}.pid")))
}

/// Whether the process before was killed. Otherwise, its file is written.
pub(crate) fn is_left_behind(fault: &str) -> bool {
    let Some(file) = left_behind(fault) else {
        return false;
    };
    let is_there = fs::remove_file(&file).is_ok();
    if !is_there {
        fs::write(file, "").expect("the folder for temporary files is writable");
    }
    is_there
}

/// Removes the file at the end of the process.
pub(crate) fn leave(fault: &str) {
    if let Some(file) = left_behind(fault) {
        fs::remove_file(file).expect("it was written at the start");
    }
}

/// Whether the log of the scenario has critical records alone.
pub(crate) fn is_quiet() -> bool {
    variable("LOG_LEVEL").is_some_and(|level| level == "CRITICAL")
}
