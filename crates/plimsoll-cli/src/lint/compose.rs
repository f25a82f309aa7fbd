//! Compose and Swarm files: services, their env files, and the configuration that they mount.

mod interpolate;
mod merge;

use std::path::{Path, PathBuf};

use self::{
    interpolate::Variables,
    merge::{merged, overlay},
};
use super::{
    environment::Environment,
    input,
    kubernetes::image_name,
    model::{Kill, Model, Port, Service},
    quantity::{self, Factor, Plain},
    settings::{Program, Settings, is_service},
    yaml::Node,
};
use crate::place::{Broken, Place, Sited};

/// Whether a document is a Compose file.
pub(crate) fn is_stack(document: &Node) -> bool {
    document.get("services").is_some_and(Node::is_map) && document.get("apiVersion").is_none()
}

/// A Compose file with its overrides.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) path: PathBuf,
    pub(crate) document: Node,
}

impl Stack {
    fn name(&self) -> &str {
        self.path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
    }

    /// Whether a service is incomplete without another file.
    fn is_part(&self) -> bool {
        let services = self
            .document
            .get("services")
            .map(Node::entries)
            .unwrap_or_default();
        let keys = ["image", "build", "extends"];
        services
            .iter()
            .any(|(_, service)| keys.iter().all(|key| service.get(key).is_none()))
    }

    /// Adds the services to the model.
    ///
    /// # Errors
    ///
    /// If a file that a service names cannot be read or parsed.
    pub(crate) fn model(&self, program: Option<&Program>, model: &mut Model) -> Result<(), Broken> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let variables = Variables::of(folder)?;
        for (key, _) in self
            .document
            .get("services")
            .map(Node::entries)
            .unwrap_or_default()
        {
            let service = merged(&self.document, key, &self.path)?;
            let stack = input::shown(&self.path);
            let reader = Reader {
                stack: &stack,
                folder,
                variables: &variables,
                service: &service,
            };
            model.mounts.extend(reader.mounts());
            let environment = reader.environment()?;
            let names = reader.names(key);
            if is_service(program, &names, &environment) {
                model.services.push(reader.service(key, names, environment));
            } else {
                let other = Sited::new(format!("service {key}"), service.place.clone());
                model.others.push(other);
            }
        }
        Ok(())
    }
}

/// The names of Compose files that others override, and the ends of those that always do.
const BASES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];
const OVERRIDES: [&str; 2] = [".override.yml", ".override.yaml"];

/// Applies overrides to the base of their folder, as Compose does.
///
/// `compose.override.yml` always belongs to it. Another file does if one of its services has no image.
pub(crate) fn with_overrides(stacks: Vec<Stack>) -> Vec<Stack> {
    let (mut bases, others): (Vec<Stack>, Vec<Stack>) = stacks
        .into_iter()
        .partition(|stack| BASES.contains(&stack.name()));
    let mut rest = Vec::new();
    for other in others {
        let base = bases
            .iter_mut()
            .find(|base| base.path.parent() == other.path.parent());
        match base {
            Some(base) if OVERRIDES.iter().any(|end| other.name().ends_with(end)) => {
                base.document = overlay(&base.document, &other.document);
            }
            Some(base) if other.is_part() => rest.push(Stack {
                document: overlay(&base.document, &other.document),
                ..other
            }),
            _ => rest.push(other),
        }
    }
    bases.extend(rest);
    bases
}

/// Reads one service.
struct Reader<'stack> {
    stack: &'stack str,
    folder: &'stack Path,
    variables: &'stack Variables,
    service: &'stack Node,
}

impl Reader<'_> {
    fn service(&self, key: &str, names: Vec<String>, environment: Environment) -> Service {
        let place = &self.service.place;
        let grace = self.value("stop_grace_period").and_then(|text| {
            let time = quantity::duration(&text.value, Plain::Seconds)?;
            Some(Sited::new(Some(time), text.place))
        });
        let limits = ["mem_limit", "deploy.resources.limits.memory"];
        let memory = limits.iter().find_map(|path| {
            let text = self.value(path)?;
            let bytes = quantity::size(&text.value, Factor::Binary)?;
            Some(Sited::new(bytes, text.place))
        });
        let files = ["ulimits.nofile.hard", "ulimits.nofile"]
            .iter()
            .find_map(|path| {
                let text = self.value(path)?;
                Some(Sited::new(text.value.parse().ok()?, text.place))
            });
        let mut aliases = vec![key.to_owned()];
        aliases.extend(self.text("container_name"));
        aliases.extend(self.text("hostname"));
        let published = self.published();
        Service {
            title: format!("service {key}"),
            names,
            hosts: aliases,
            manifest: self.stack.to_owned(),
            local_ports: published.iter().filter_map(|(host, _)| *host).collect(),
            place: place.clone(),
            settings: Settings::default(),
            environment,
            kill: Kill::new("stop_grace_period", grace, 10, place),
            pre_stop: None,
            probes: Vec::new(),
            memory,
            files,
            ports: published.into_iter().map(|(_, port)| port).collect(),
            is_isolated: self.text("network_mode").as_deref() != Some("host"),
            unit: None,
        }
    }

    /// Returns a scalar. `None` if it depends on a variable that is not in the files.
    fn value(&self, path: &str) -> Option<Sited<String>> {
        let node = self.service.at(path)?;
        let text = self.variables.resolve(node.text()?)?;
        Some(Sited::new(text, node.place.clone()))
    }

    fn text(&self, path: &str) -> Option<String> {
        self.value(path).map(|it| it.value)
    }

    /// Returns the names of the service, its image and its build.
    fn names(&self, key: &str) -> Vec<String> {
        let mut names = vec![key.to_owned()];
        let image = self.service.text_at("image").map(str::to_owned);
        let image = image.map(|image| self.variables.resolve(&image).unwrap_or(image));
        names.extend(image.map(|image| image_name(&image).to_owned()));
        names.extend(self.text("build.args.PACKAGE"));
        names.extend(self.text("container_name"));
        names
    }

    fn environment(&self) -> Result<Environment, Broken> {
        let mut environment = Environment::default();
        for file in list(self.service.get("env_file")) {
            let path = file.get("path").unwrap_or(file);
            let is_required = file.text_at("required") != Some("false");
            match path.text().and_then(|text| self.variables.resolve(text)) {
                Some(text) => {
                    let path = input::normal(&self.folder.join(text));
                    if is_required || path.exists() {
                        environment.read(&path, &file.place)?;
                    }
                }
                None => environment.add_unread("an env_file".to_owned(), file.place.clone()),
            }
        }
        let variables = self.service.get("environment");
        for (name, value) in variables.map(Node::entries).unwrap_or_default() {
            self.set(&mut environment, name, value.text(), &value.place);
        }
        for item in variables.map(Node::items).unwrap_or_default() {
            if let Some(text) = item.text() {
                let (name, value) = match text.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (text, None),
                };
                self.set(&mut environment, name, value, &item.place);
            }
        }
        Ok(environment)
    }

    /// Sets a variable. A value from `.env` has its line there.
    fn set(&self, environment: &mut Environment, name: &str, value: Option<&str>, place: &Place) {
        let origin = value.and_then(|value| self.variables.origin(value));
        let value = value.and_then(|value| self.variables.resolve(value));
        environment.set(name, value, origin.unwrap_or(place).clone());
    }

    /// Returns the published ports: that of the machine, and that of the service.
    fn published(&self) -> Vec<(Option<u16>, Port)> {
        let ports = list(self.service.get("ports")).iter();
        ports.filter_map(|port| self.port(port)).collect()
    }

    /// Returns a port of TCP; the chassis has no others.
    fn port(&self, port: &Node) -> Option<(Option<u16>, Port)> {
        let text = |key| self.variables.resolve(port.text_at(key)?);
        let (host, target, protocol) = match port.get("target") {
            Some(_) => (
                text("published"),
                text("target")?,
                text("protocol").unwrap_or("tcp".to_owned()),
            ),
            None => {
                let text = self.variables.resolve(port.text()?)?;
                let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
                let (host, target) = match text.rsplit_once(':') {
                    Some((host, target)) => (host.rsplit(':').next(), target),
                    None => (None, text),
                };
                (
                    host.map(str::to_owned),
                    target.to_owned(),
                    protocol.to_owned(),
                )
            }
        };
        if protocol != "tcp" {
            return None;
        }
        let port = Port {
            // A range of ports is none of one service.
            number: Ok(target.parse().ok()?),
            key: "the container's port in ports".to_owned(),
            place: port.place.clone(),
        };
        Some((host.and_then(|host| host.parse().ok()), port))
    }

    /// Returns the files of the folder that the service mounts.
    fn mounts(&self) -> Vec<(String, String)> {
        let volumes = list(self.service.get("volumes")).iter();
        let sources = volumes.filter_map(|volume| {
            let source = match volume.get("source") {
                Some(source) => source.text()?.to_owned(),
                None => volume.text()?.split(':').next()?.to_owned(),
            };
            self.variables.resolve(&source)
        });
        sources
            .filter(|source| source.starts_with(['.', '/']))
            .map(|source| input::normal(&self.folder.join(source)))
            .map(|source| (input::shown(&source), self.stack.to_owned()))
            .collect()
    }
}

/// Returns the items of a list, or the only item.
fn list(node: Option<&Node>) -> &[Node] {
    match node {
        Some(node) if node.text().is_some() => std::slice::from_ref(node),
        Some(node) => node.items(),
        None => &[],
    }
}
