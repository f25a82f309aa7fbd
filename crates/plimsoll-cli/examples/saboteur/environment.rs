//! Faults of the configuration: variables that the service ignores, or rejects although they are valid.

use tokio::process::Command;

/// Returns a variable of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "the saboteur has no settings of its own; it reads those of the service"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the fault is to reject the environment.
pub(crate) fn is_rejected(fault: &str) -> bool {
    fault == "CFG-2:spellings" && variable("IDLE_TIMEOUT").is_some_and(|time| time == "2m")
}

/// Returns the port to listen on. An invalid one is left to the service, which rejects it.
pub(crate) fn port(fault: &str) -> Option<u16> {
    let port = variable("PORT").and_then(|port| port.parse().ok());
    // Any free port in place of an invalid one.
    port.or_else(|| (fault == "CFG-2:port").then_some(0))
}

/// Changes the environment of the service.
pub(crate) fn change(fault: &str, command: &mut Command) {
    let is = |name: &str, value: &str| variable(name).is_some_and(|other| other == value);
    let has_two_faults = is("READ_TIMEOUT", "soon") && is("DEBUG", "perhaps");
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
        "IP-1:peer" if variable("TRUSTED_PROXIES").is_none() => {
            command.env("TRUSTED_PROXIES", "127.0.0.1");
        }
        "IP-2:client" => {
            command.env_remove("TRUSTED_PROXIES");
        }
        _ => {}
    }
}

/// Whether the log of the scenario has critical records alone.
pub(crate) fn is_quiet() -> bool {
    variable("LOG_LEVEL").is_some_and(|level| level == "CRITICAL")
}
