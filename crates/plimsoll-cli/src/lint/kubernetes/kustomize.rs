//! Kustomizations: which of them are rendered, and by what program.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Objects, origin};
use crate::lint::{
    env_file, input,
    yaml::{self, Node, Value},
};
use crate::place::{Broken, Place, Sited};

/// The names of kustomizations.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The commands that render a folder.
const RENDERERS: [&[&str]; 2] = [&["kubectl", "kustomize"], &["kustomize", "build"]];

/// The most characters of an error of a renderer.
const MAX_MESSAGE: usize = 400;

/// The lists of a kustomization that name other files or folders. Patches come first: they win.
const REFERENCES: [&str; 7] = [
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "components",
    "resources",
    "bases",
    "crds",
];

/// The kustomizations of the files.
#[derive(Debug, Default)]
pub(crate) struct Kustomizations {
    files: Vec<PathBuf>,
}

/// The result of rendering one kustomization.
#[derive(Debug)]
pub(crate) enum Rendered {
    Objects(Objects),
    /// No program renders it.
    NotChecked(Sited<String>),
    Broken(Broken),
}

impl Kustomizations {
    /// Adds a kustomization.
    pub(crate) fn add(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    /// Returns the folders of the kustomizations.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().filter_map(|file| file.parent())
    }

    /// Returns the files that are rendered as part of a kustomization.
    pub(crate) fn covered(&self) -> BTreeSet<PathBuf> {
        self.files.iter().flat_map(|file| sources(file)).collect()
    }

    /// Renders the kustomizations that are not part of another one.
    pub(crate) fn render(&self) -> Vec<Rendered> {
        let sources: Vec<Vec<PathBuf>> = self.files.iter().map(|file| sources(file)).collect();
        let is_part = |file: &PathBuf| {
            let file = input::normal(file);
            sources.iter().any(|sources| sources[1..].contains(&file))
        };
        let roots = self.files.iter().zip(&sources);
        roots
            .filter(|(file, _)| !is_part(file))
            .map(|(file, sources)| render(file, sources))
            .collect()
    }
}

fn render(file: &Path, sources: &[PathBuf]) -> Rendered {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let place = Place::new(&input::shown(file), 1);
    for command in RENDERERS {
        let output = Command::new(command[0])
            .args(&command[1..])
            .arg(folder)
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Rendered::Broken(Broken::new(place, format!("{}: {error}", command[0])));
            }
        };
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let what = format!("{}: {}", command.join(" "), summary(&stderr));
            return Rendered::Broken(Broken::new(place, what));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        return match yaml::parse(&text, &place.file) {
            Ok(documents) => Rendered::Objects(located(&documents, sources, &place)),
            Err(broken) => Rendered::Broken(broken),
        };
    }
    let reason = "neither kubectl nor kustomize is installed, and one of them must render this";
    Rendered::NotChecked(Sited::new(reason.to_owned(), place))
}

/// Returns the end of the error of a renderer, without warnings. Causes are nested, and the end has the first one.
fn summary(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim);
    let lines: Vec<&str> = lines
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    let text = lines.join(" ");
    // Newer versions of kubectl print a record of their log.
    let text = match text.split_once("err=\"") {
        Some((_, error)) => error
            .strip_suffix('"')
            .unwrap_or(error)
            .replace("\\\"", "\""),
        None => text,
    };
    match text.char_indices().nth_back(MAX_MESSAGE) {
        Some((start, _)) => format!("…{}", &text[start..]),
        None => text,
    }
}

/// Gives the rendered nodes the lines of the files that they come from.
fn located(documents: &[Node], sources: &[PathBuf], place: &Place) -> Objects {
    let originals: Vec<Node> = sources.iter().flat_map(|file| originals(file)).collect();
    let mut objects = Objects::of(&place.file);
    for document in documents {
        objects.add(origin::locate(document, &originals, place));
    }
    objects
}

/// Returns the objects of a source, and the ConfigMaps that a kustomization generates.
fn originals(file: &Path) -> Vec<Node> {
    let documents = documents(file);
    if !is_kustomization(file) {
        return documents;
    }
    let generators = documents
        .iter()
        .flat_map(|it| it.items_at("configMapGenerator"));
    generators
        .map(|generator| config_map(generator, file))
        .collect()
}

/// Returns a ConfigMap with the lines of the env files that it is generated from.
fn config_map(generator: &Node, file: &Path) -> Node {
    let node = |value| Node::new(generator.place.clone(), value);
    let scalar = |text: &str| node(Value::Scalar(text.to_owned()));
    let envs = generator
        .items_at("envs")
        .iter()
        .chain(generator.get("env"));
    let mut data = Vec::new();
    for env in envs.filter_map(Node::text) {
        let path = beside(file, env);
        let text = input::text(&path).unwrap_or_default();
        for (name, value) in env_file::parse(&text, &input::shown(&path)).unwrap_or_default() {
            data.push((name, Node::new(value.place, Value::Scalar(value.value))));
        }
    }
    for literal in generator.items_at("literals") {
        if let Some((name, value)) = literal.text().and_then(|text| text.split_once('=')) {
            let value = Value::Scalar(env_file::unquoted(value).to_owned());
            data.push((name.to_owned(), Node::new(literal.place.clone(), value)));
        }
    }
    let name = generator.text_at("name").unwrap_or_default();
    node(Value::Map(vec![
        ("kind".to_owned(), scalar("ConfigMap")),
        (
            "metadata".to_owned(),
            node(Value::Map(vec![("name".to_owned(), scalar(name))])),
        ),
        ("data".to_owned(), node(Value::Map(data))),
    ]))
}

/// Returns a kustomization and the files that it refers to, patches first.
fn sources(kustomization: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![input::normal(kustomization)];
    while let Some(file) = waiting.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        found.push(file.clone());
        if is_kustomization(&file) {
            let mut references = references(&file);
            references.reverse();
            waiting.extend(references);
        }
    }
    found
}

/// Returns the local files that a kustomization refers to.
fn references(file: &Path) -> Vec<PathBuf> {
    let documents = documents(file);
    let mut references = Vec::new();
    for item in REFERENCES
        .iter()
        .flat_map(|key| documents.iter().flat_map(|it| it.items_at(key)))
    {
        let path = item.text().or_else(|| item.text_at("path"));
        let Some(path) = path.filter(|path| !path.contains('\n')) else {
            continue;
        };
        let path = beside(file, path);
        if path.is_dir() {
            let names = FILE_NAMES.iter().map(|name| path.join(name));
            references.extend(names.filter(|path| path.is_file()));
        } else if path.is_file() {
            references.push(path);
        }
    }
    references
}

fn beside(file: &Path, path: &str) -> PathBuf {
    input::normal(&file.parent().unwrap_or(Path::new("")).join(path))
}

fn is_kustomization(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| FILE_NAMES.contains(&name))
}

/// Returns the documents of a file; none if it is broken, which the renderer reports.
fn documents(file: &Path) -> Vec<Node> {
    let text = input::text(file).unwrap_or_default();
    yaml::parse(&text, &input::shown(file)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ends_with_the_first_cause() {
        let stderr = format!(
            "# Warning: old\nerror: {}no such file\n",
            "nested: ".repeat(100)
        );
        let text = summary(&stderr);
        assert!(
            text.starts_with('…') && text.ends_with("nested: no such file"),
            "{text}"
        );
        assert!(text.chars().count() <= MAX_MESSAGE + 2);
        let record = "E1130 1 run.go:72] \"command failed\" err=\"no \\\"a\\\"\"\n";
        assert_eq!(summary(record), "no \"a\"");
    }
}
