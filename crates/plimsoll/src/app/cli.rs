//! Parses the command line: flags and the sub-commands `healthcheck` and `admin`, all optional.

use std::{ffi::OsString, path::PathBuf};

use super::admin_command::AdminRequest;

/// The command that the arguments select.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Serve {
        env_file: Option<PathBuf>,
    },
    CheckConfig {
        env_file: Option<PathBuf>,
    },
    HealthCheck {
        env_file: Option<PathBuf>,
    },
    Admin {
        env_file: Option<PathBuf>,
        request: AdminRequest,
    },
    Help,
    Version,
}

/// Parses the arguments, without the program's own name.
///
/// # Errors
///
/// A message for stderr, if an argument is unknown or incomplete.
pub(super) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut env_file = None;
    let mut check_config = false;
    let mut health_check = false;
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--version" | "-V") => return Ok(Command::Version),
            Some("--check-config") => check_config = true,
            Some("healthcheck") => health_check = true,
            // The rest describes the request.
            Some("admin") if !check_config && !health_check => {
                let rest: Vec<_> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
                let request = AdminRequest::parse(&rest)?;
                return Ok(Command::Admin { env_file, request });
            }
            Some("--env-file") => {
                let path = args
                    .next()
                    .ok_or("--env-file needs the path of a file, see --help")?;
                env_file = Some(PathBuf::from(path));
            }
            Some(arg) if arg.starts_with("--env-file=") => {
                env_file = Some(PathBuf::from(&arg["--env-file=".len()..]));
            }
            _ => {
                let arg = arg.to_string_lossy();
                return Err(format!("{arg:?} is not understood: see --help"));
            }
        }
    }
    match (check_config, health_check) {
        (true, true) => Err("--check-config and healthcheck do not go together".to_owned()),
        (true, false) => Ok(Command::CheckConfig { env_file }),
        (false, true) => Ok(Command::HealthCheck { env_file }),
        (false, false) => Ok(Command::Serve { env_file }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, String> {
        parse(args.iter().map(OsString::from))
    }

    /// CLI-1
    #[test]
    fn arguments_are_parsed_or_rejected() {
        let file = || Some(PathBuf::from("a.env"));
        assert_eq!(parsed(&[]), Ok(Command::Serve { env_file: None }));
        assert_eq!(
            parsed(&["--env-file", "a.env"]),
            Ok(Command::Serve { env_file: file() })
        );
        assert_eq!(
            parsed(&["--env-file=a.env"]),
            Ok(Command::Serve { env_file: file() })
        );
        assert_eq!(
            parsed(&["--env-file", "a.env", "healthcheck"]),
            Ok(Command::HealthCheck { env_file: file() })
        );
        assert_eq!(
            parsed(&["--check-config"]),
            Ok(Command::CheckConfig { env_file: None })
        );
        assert_eq!(parsed(&["-h"]), Ok(Command::Help));
        assert_eq!(parsed(&["--version"]), Ok(Command::Version));
        assert!(parsed(&["--env-file"]).unwrap_err().contains("path"));
        assert!(parsed(&["--prot", "80"]).unwrap_err().contains("--prot"));
        assert!(parsed(&["--check-config", "healthcheck"]).is_err());
    }
}
