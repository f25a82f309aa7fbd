//! Units of systemd with their drop-ins and sockets.

use std::path::{Path, PathBuf};

use super::{
    environment::Environment,
    input,
    model::{Kill, Model, Port, Service, Unit},
    quantity::{self, Factor, Plain},
    settings::{Program, Settings, is_service},
};
use crate::place::{Broken, Place, Sited};

/// The time to SIGKILL if neither the unit nor `system.conf` sets it.
const DEFAULT_STOP_TIMEOUT: u64 = 90;

/// The settings of a unit and its drop-ins, in their order.
#[derive(Debug, Default)]
pub(crate) struct UnitFile {
    settings: Vec<(String, Sited<String>)>,
}

impl UnitFile {
    /// Parses a file. The section of a setting does not matter, since no name occurs in two.
    ///
    /// # Errors
    ///
    /// If a line is no section, setting or comment.
    pub(crate) fn add(&mut self, text: &str, file: &str) -> Result<(), Broken> {
        let file = Place::new(file, 1);
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let place = file.at(index + 1);
            let mut line = line.trim().to_owned();
            if line.is_empty() || line.starts_with(['#', ';', '[']) {
                continue;
            }
            while line.ends_with('\\') {
                line.pop();
                let Some((_, next)) = lines.next() else {
                    break;
                };
                line.push_str(next.trim());
            }
            let (name, value) = line.split_once('=').ok_or_else(|| {
                Broken::new(place.clone(), "expected Name=value, [Section] or a comment")
            })?;
            let value = Sited::new(value.trim().to_owned(), place);
            self.settings.push((name.trim().to_owned(), value));
        }
        Ok(())
    }

    /// Returns the values of a setting. An empty one resets those before it.
    fn all(&self, name: &str) -> Vec<&Sited<String>> {
        let mut values = Vec::new();
        for (_, value) in self.settings.iter().filter(|(key, _)| key == name) {
            if value.value.is_empty() {
                values.clear();
            } else {
                values.push(value);
            }
        }
        values
    }

    fn last(&self, name: &str) -> Option<&Sited<String>> {
        self.all(name).pop()
    }

    /// Returns the words of a list that several lines can extend.
    fn words(&self, name: &str) -> Vec<String> {
        let values = self.all(name).into_iter();
        values
            .flat_map(|it| it.value.split_whitespace().map(str::to_owned))
            .collect()
    }
}

/// A unit of a service, and its socket if there is one in the files.
#[derive(Debug)]
pub(crate) struct Units {
    pub(crate) path: PathBuf,
    pub(crate) service: UnitFile,
    pub(crate) socket: Option<UnitFile>,
}

impl Units {
    /// Adds the service to the model, if it is one on the chassis.
    ///
    /// # Errors
    ///
    /// If an env file cannot be read or parsed.
    pub(crate) fn model(&self, program: Option<&Program>, model: &mut Model) -> Result<(), Broken> {
        let place = self.service.last("ExecStart").map_or_else(
            || Place::new(&input::shown(&self.path), 1),
            |start| start.place.clone(),
        );
        let environment = self.environment()?;
        let names = self.names();
        if is_service(program, &names, &environment) {
            model
                .services
                .push(self.to_service(place, names, environment));
        } else {
            let name = names.first().cloned().unwrap_or_default();
            model.others.push(Sited::new(format!("unit {name}"), place));
        }
        Ok(())
    }

    /// Returns the names of the unit and its program.
    fn names(&self) -> Vec<String> {
        let unit = self.path.file_stem().and_then(|name| name.to_str());
        let program = self.service.last("ExecStart").and_then(|start| {
            let path = start.value.split_whitespace().next()?;
            Path::new(path.trim_start_matches(['-', '@', ':', '+', '!']))
                .file_name()?
                .to_str()
        });
        let mut names: Vec<String> = unit.into_iter().chain(program).map(str::to_owned).collect();
        names.dedup();
        names
    }

    fn environment(&self) -> Result<Environment, Broken> {
        let mut environment = Environment::default();
        for line in self.service.all("Environment") {
            for assignment in assignments(&line.value) {
                if let Some((name, value)) = assignment.split_once('=') {
                    environment.set(name, Some(value.to_owned()), line.place.clone());
                }
            }
        }
        // As in systemd, files win over lines.
        for file in self.service.all("EnvironmentFile") {
            let (is_optional, path) = match file.value.strip_prefix('-') {
                Some(path) => (true, path),
                None => (false, file.value.as_str()),
            };
            if path.contains('%') {
                environment.add_unread(path.to_owned(), file.place.clone());
            } else if !is_optional || Path::new(path).exists() {
                environment.read(Path::new(path), &file.place)?;
            }
        }
        for name in self.service.words("PassEnvironment") {
            environment.set(&name, None, Place::new(&input::shown(&self.path), 1));
        }
        Ok(environment)
    }

    fn to_service(&self, place: Place, names: Vec<String>, environment: Environment) -> Service {
        let unit = &self.service;
        let stop = ["TimeoutStopSec", "TimeoutSec"]
            .iter()
            .find_map(|name| unit.last(name));
        let stop = stop.map(|stop| {
            let time = quantity::duration(&stop.value, Plain::Seconds);
            // Zero is off, as is `infinity`.
            Sited::new(time.filter(|time| !time.is_zero()), stop.place.clone())
        });
        let memory = unit
            .last("MemoryMax")
            .or_else(|| unit.last("MemoryHigh"))
            .and_then(|limit| {
                let bytes = quantity::size(&limit.value, Factor::Binary)?;
                Some(Sited::new(bytes, limit.place.clone()))
            });
        let files = unit.last("LimitNOFILE").and_then(|limit| {
            let hard = limit.value.rsplit(':').next().unwrap_or_default();
            Some(Sited::new(hard.parse().ok()?, limit.place.clone()))
        });
        let ports = self.socket_port().map(|port| Port {
            number: Ok(port.value),
            key: "ListenStream".to_owned(),
            place: port.place,
        });
        let name = names.first().cloned().unwrap_or_default();
        let restart = unit
            .last("Restart")
            .filter(|it| it.value != "no" && it.value != "on-success");
        let local_port = ports.as_ref().and_then(|port| port.number.clone().ok());
        Service {
            title: format!("unit {name}"),
            names,
            hosts: Vec::new(),
            manifest: input::shown(&self.path),
            local_ports: local_port.into_iter().collect(),
            kill: Kill::new("TimeoutStopSec", stop, DEFAULT_STOP_TIMEOUT, &place),
            pre_stop: None,
            probes: Vec::new(),
            memory,
            files,
            ports: ports.into_iter().collect(),
            is_isolated: false,
            unit: Some(Unit {
                restart: restart.map(|it| it.place.clone()),
                success_statuses: unit.words("SuccessExitStatus"),
                no_restart_statuses: unit.words("RestartPreventExitStatus"),
            }),
            settings: Settings::default(),
            place,
            environment,
        }
    }

    fn socket_port(&self) -> Option<Sited<u16>> {
        let stream = self.socket.as_ref()?.last("ListenStream")?;
        let port = stream.value.rsplit(':').next()?.parse().ok()?;
        Some(Sited::new(port, stream.place.clone()))
    }
}

/// Splits `Environment=` into its assignments, which can be quoted.
fn assignments(line: &str) -> Vec<String> {
    let mut assignments = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => assignments.push(String::new()),
            _ => {
                if let Some(last) = assignments.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    assignments.retain(|it| !it.is_empty());
    assignments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn unit(texts: &[&str]) -> UnitFile {
        let mut unit = UnitFile::default();
        for text in texts {
            unit.add(text, "a.service").expect("a valid unit");
        }
        unit
    }

    #[test]
    fn drop_in_resets_and_extends_lists() {
        let unit = unit(&[
            "[Service]\nExecStart=/a\nLimitNOFILE=1\nSuccessExitStatus=1 2\n",
            "[Service]\nLimitNOFILE=2\nSuccessExitStatus=\nSuccessExitStatus=3\n",
        ]);
        assert_eq!(unit.last("LimitNOFILE").unwrap().value, "2");
        assert_eq!(unit.words("SuccessExitStatus"), ["3"]);
    }

    #[test]
    fn continued_line_has_the_number_of_its_first_part() {
        let unit = unit(&["# a\nExecStart=/a \\\n  --b\nRestart=no\n"]);
        let start = unit.last("ExecStart").unwrap();
        assert_eq!((start.value.as_str(), start.place.line), ("/a --b", 2));
        assert_eq!(unit.last("Restart").unwrap().place.line, 4);
    }

    #[test]
    fn environment_is_split_into_assignments() {
        assert_eq!(assignments(r#"A=1 "B=2 3" 'C=4'"#), ["A=1", "B=2 3", "C=4"]);
    }

    #[test]
    fn broken_line_is_an_error() {
        let broken = UnitFile::default().add("[Service]\nExecStart\n", "a.service");
        assert_eq!(broken.unwrap_err().place.to_string(), "a.service:2");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), line in "[A=\\\\\"'\n ]{0,40}") {
            let _ = UnitFile::default().add(&text, "a");
            let _ = UnitFile::default().add(&line, "a");
            let _ = assignments(&text);
        }
    }
}
