//! The files of the template, and those that they become.

mod files;

use std::collections::BTreeSet;

use self::files::FILES;
use super::{name::Name, option::Feature, source::Library, strip};

/// The name of the service in the template.
pub(super) const PLACEHOLDER: &str = "rust-axum-app";

/// A file of the new service, with its path below the service's root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

/// Returns all files of the service.
pub(super) fn files(name: &Name, features: &BTreeSet<Feature>, library: &Library) -> Vec<File> {
    let is_selected = |path| Feature::of_file(path).is_none_or(|it| features.contains(&it));
    let selected = FILES.iter().filter(|(path, _)| is_selected(path));
    selected
        .map(|(path, text)| {
            let text = strip::strip(text, features, |slot| fill(slot, path, features, library));
            File {
                path: strip::rename(path, name),
                text: strip::rename(&text, name),
            }
        })
        .collect()
}

/// Returns the lines for a slot of a file.
fn fill(slot: &str, path: &str, features: &BTreeSet<Feature>, library: &Library) -> Vec<String> {
    match (slot, path) {
        ("library", "Cargo.toml") => vec![library.dependency.clone()],
        ("library", "deploy/Dockerfile") => library.image.clone(),
        ("library", ".github/workflows/ci.yml") => library.workflow.clone(),
        ("library", _) => library.compose.clone(),
        ("components", _) => components(features),
        ("install", _) => vec![format!("cargo install --locked {}", library.install)],
        ("build", _) => vec![image_command(library)],
        ("compose", _) => vec![compose_command(features)],
        _ => Vec::new(),
    }
}

fn image_command(library: &Library) -> String {
    let options = &library.build_options;
    format!("docker build -f deploy/Dockerfile -t {PLACEHOLDER}{options} .")
}

/// Returns the command that starts the service beside the servers that it needs.
fn compose_command(features: &BTreeSet<Feature>) -> String {
    let needed = features.iter().filter(|it| it.address().is_some());
    let files: String = needed
        .map(|feature| format!(" -f deploy/compose.{}.yml", feature.as_str()))
        .collect();
    format!("docker compose -f deploy/compose.dev.yml{files} up --build")
}

/// Returns the kustomize components of the options.
fn components(features: &BTreeSet<Feature>) -> Vec<String> {
    let paths = features
        .iter()
        .filter(|feature| feature.has_component())
        .map(|feature| format!("  - ../../components/{}", feature.as_str()));
    let paths: Vec<String> = paths.collect();
    if paths.is_empty() {
        return paths;
    }
    std::iter::once("components:".to_owned())
        .chain(paths)
        .collect()
}

/// Returns the names of the crates that the service depends on.
pub(super) fn dependencies() -> impl Iterator<Item = &'static str> {
    let manifest = FILES.iter().find(|(path, _)| *path == "Cargo.toml");
    let text = manifest.map_or("", |(_, text)| text);
    let lines = text
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]");
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once(" = ")?.0))
}

/// Returns the template's files, for tests of their markers.
#[cfg(test)]
pub(super) fn sources() -> &'static [(&'static str, &'static str)] {
    FILES
}
