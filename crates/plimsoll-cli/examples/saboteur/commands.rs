//! Faults of commands such as `--help`, which do not serve.

use std::process::{ExitCode, Output};

use tokio::process::Command;

use crate::environment;

/// Arguments with which a service does not serve.
const COMMANDS: [&str; 8] = [
    "--help",
    "-h",
    "--version",
    "-V",
    "--check-config",
    "--plimsoll-unknown",
    "healthcheck",
    "admin",
];

/// Whether the arguments are those of a command that does not serve.
pub(crate) fn is_command(arguments: &[String]) -> bool {
    arguments.iter().any(|it| COMMANDS.contains(&it.as_str()))
}

/// Runs the command, and passes on its output and its status.
pub(crate) async fn run(fault: &str, program: &str, arguments: &[String]) -> ExitCode {
    let output = Command::new(program).args(arguments).output().await;
    let output = output.expect("the program can be run");
    let (out, err, status) = changed(fault, arguments, &output);
    print!("{out}");
    eprint!("{err}");
    ExitCode::from(status)
}

/// Returns standard output, standard error and the status, changed according to the fault.
fn changed(fault: &str, arguments: &[String], output: &Output) -> (String, String, u8) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let code = output
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok());
    let code = code.unwrap_or(1);
    let has = |argument: &str| arguments.iter().any(|it| it == argument);
    let is_set = |name: &str| environment::variable(name).is_some();
    match fault {
        "CLI-1:help" if has("-h") => (out, err, 2),
        "CLI-1:version" if has("-V") => (String::new(), err, code),
        "CLI-1:unknown" if has("--plimsoll-unknown") => (out, "wrong usage\n".to_owned(), code),
        "CLI-1:status" if has("--plimsoll-unknown") => (out, err, 2),
        "CLI-2:healthy" if has("healthcheck") => (out, err, 1),
        "CLI-2:unhealthy" if has("healthcheck") => (out, err, 0),
        "CLI-3:address" if arguments.is_empty() => (out, "cannot start\n".to_owned(), code),
        "CLI-2:admin" if has("healthcheck") && environment::is_admin_only() => (out, err, 1),
        "CLI-4:admin" if has("admin") => (String::new(), err, code),
        "CLI-4:status" if has("admin") => (out, err, 0),
        "CFG-6:valid" if has("--check-config") && code == 0 => (out, err, 1),
        "CFG-6:wrong" if has("--check-config") && err.contains("soon") => (out, err, 0),
        "CFG-6:files" if has("--check-config") && is_set("TLS_CERT_FILE") => (out, err, 0),
        "CFG-1:defaults" if has("--check-config") => (
            out.replace("IDLE_TIMEOUT=120s", "IDLE_TIMEOUT=75s"),
            err,
            code,
        ),
        "CFG-7:native" if has("--check-config") => (out.replace("31s", "32s"), err, code),
        "CFG-6:origin" if has("--check-config") => (out.replace("# environment", "#"), err, code),
        "CFG-6:profile" if has("--env-file") => (out.replace("37s", "43s"), err, code),
        "CFG-6:help" if has("--help") => (out.replace("DRAIN_DELAY", "DELAY"), err, code),
        "CFG-11:memory" if has("--check-config") => (out.replace("64 MiB", "some"), err, code),
        _ => (out, err, code),
    }
}
