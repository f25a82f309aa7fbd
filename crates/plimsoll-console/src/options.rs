//! What the console is asked to do, and its check.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::children::{Attachment, Launch, Source, name, shell};

/// A service to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Child {
    /// A program with its arguments. Its name is that of the program.
    Command(Vec<OsString>),
    /// A command line for the shell.
    Shell {
        /// The name of the service.
        name: String,
        /// The command line.
        line: String,
    },
}

/// The log of a service that runs already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The name of the service; that of the file if it is absent.
    pub name: Option<String>,
    /// The file; `-` is standard input.
    pub path: PathBuf,
}

/// The options of a console.
#[derive(Debug, Clone)]
pub struct Options {
    /// The services to start.
    pub children: Vec<Child>,
    /// The logs to follow.
    pub logs: Vec<LogFile>,
    /// The address of the page. If its port is taken, the next free one is used; 0 is any free port.
    pub listen: SocketAddr,
    /// The address of the receiver of OTLP over HTTP, as [`listen`](Self::listen).
    pub otlp: SocketAddr,
    /// The origin whose pages may send telemetry, such as `http://localhost:3000`.
    pub otlp_origin: Option<String>,
    /// Further host names under which browsers may open the page.
    pub allowed_hosts: Vec<String>,
    /// The memory for everything that is received, in bytes.
    pub memory: usize,
    /// The time that services have between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Whether the page is opened in the browser of the desktop.
    pub open: bool,
    /// Whether lines of services are not written to the terminal.
    pub quiet: bool,
    /// Whether the console ends when a service ends by itself.
    pub exit_with_child: bool,
}

impl Options {
    /// Returns what to start and what to read, each with a name of its own.
    ///
    /// # Errors
    ///
    /// The reason why the options cannot be used.
    pub(crate) fn check(&self) -> Result<(Vec<Launch>, Vec<Attachment>), String> {
        if self.children.is_empty() && self.logs.is_empty() {
            return Err("the services are missing: plimsoll console -- COMMAND".to_owned());
        }
        for (option, address) in [("--listen", self.listen), ("--otlp", self.otlp)] {
            if !address.ip().is_loopback() && self.allowed_hosts.is_empty() {
                return Err(format!(
                    "{option} {address}: other computers could reach it; name the host with --allow-host"
                ));
            }
        }
        let launches: Vec<Launch> = self.children.iter().map(Child::launch).collect();
        let logs: Vec<String> = self.logs.iter().map(LogFile::name).collect();
        let mut names = launches.iter().map(|launch| &launch.name).chain(&logs);
        let mut seen: Vec<&str> = Vec::new();
        names.try_for_each(|name| check_name(name, &mut seen))?;
        let attachments = self.logs.iter().zip(logs.iter().cloned());
        let attachments = attachments.map(|(log, name)| log.attachment(name));
        Ok((launches, attachments.collect::<Result<_, _>>()?))
    }
}

/// Rejects a name that is not valid, or that another service has.
fn check_name<'n>(name: &'n str, seen: &mut Vec<&'n str>) -> Result<(), String> {
    if !name::is_valid(name) {
        let rule = "it must have 1 to 64 letters, digits, '-', '_' or '.'";
        return Err(format!("the name {name:?} of a service: {rule}"));
    }
    if name == name::CONSOLE {
        return Err(format!("the name {name:?} is that of the console"));
    }
    if seen.contains(&name) {
        let remedy = "name one of them: --run NAME=COMMAND, --logs NAME=FILE";
        return Err(format!("two services are named {name:?}: {remedy}"));
    }
    seen.push(name);
    Ok(())
}

impl LogFile {
    fn name(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None if self.path == Path::new("-") => "stdin".to_owned(),
            None => {
                let stem = self.path.file_stem().and_then(OsStr::to_str);
                name::from_text(stem.unwrap_or_default())
            }
        }
    }

    fn attachment(&self, name: String) -> Result<Attachment, String> {
        let source = Source::open(&self.path);
        let path = self.path.display();
        let source = source.map_err(|error| format!("--logs {path}: cannot be read: {error}"))?;
        Ok(Attachment { name, source })
    }
}

impl Child {
    fn launch(&self) -> Launch {
        match self {
            Self::Command(words) => Launch {
                name: name::of_command(words),
                text: name::shell_text(words),
                command: words.clone(),
            },
            Self::Shell { name, line } => Launch {
                name: name.clone(),
                text: line.clone(),
                command: shell(line.as_ref()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(children: Vec<Child>, listen: &str, hosts: &[&str]) -> Options {
        Options {
            children,
            logs: Vec::new(),
            listen: listen.parse().unwrap(),
            otlp: "127.0.0.1:0".parse().unwrap(),
            otlp_origin: None,
            allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            memory: 1 << 20,
            grace: Duration::from_secs(1),
            open: false,
            quiet: false,
            exit_with_child: false,
        }
    }

    fn named(name: &str) -> Child {
        Child::Shell {
            name: name.to_owned(),
            line: "true".to_owned(),
        }
    }

    #[track_caller]
    fn fails(options: &Options, reason: &str) {
        let error = options.check().unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn names_are_valid_and_unique() {
        let loopback = "127.0.0.1:0";
        fails(&options(vec![], loopback, &[]), "missing");
        fails(&options(vec![named("a b")], loopback, &[]), "letters");
        fails(&options(vec![named("console")], loopback, &[]), "console");
        let command = Child::Command(vec!["/bin/a".into(), "b c".into()]);
        let two = vec![named("a"), command.clone()];
        fails(&options(two, loopback, &[]), "two services");
        let checked = options(vec![command, named("b")], loopback, &[]).check();
        let (launches, _) = checked.unwrap();
        assert_eq!(launches[0].name, "a");
        assert_eq!(launches[0].text, "/bin/a 'b c'");
        assert_eq!(launches[1].command, ["sh", "-c", "true"]);
    }

    #[test]
    fn logs_have_names() {
        let log = |name: Option<&str>, path: &str| LogFile {
            name: name.map(str::to_owned),
            path: path.into(),
        };
        assert_eq!(log(None, "/var/log/orders api.log").name(), "orders-api");
        assert_eq!(log(None, "-").name(), "stdin");
        assert_eq!(log(Some("a"), "-").name(), "a");
        let mut options = options(vec![named("a")], "127.0.0.1:0", &[]);
        options.logs = vec![log(None, "/nonexistent/b.log")];
        fails(&options, "--logs /nonexistent/b.log: cannot be read");
        options.logs = vec![log(Some("a"), "-")];
        fails(&options, "two services");
        options.logs = vec![log(None, "-")];
        assert_eq!(options.check().unwrap().1[0].name, "stdin");
    }

    #[test]
    fn listener_for_other_computers_needs_a_host() {
        fails(&options(vec![named("a")], "0.0.0.0:0", &[]), "--allow-host");
        assert!(
            options(vec![named("a")], "0.0.0.0:0", &["dev"])
                .check()
                .is_ok()
        );
        assert!(options(vec![named("a")], "[::1]:0", &[]).check().is_ok());
    }
}
