//! The files: found below the arguments, recognised by name and content, and parsed.
//!
//! A file of another kind is skipped. A file of a known kind that is broken is an error with its line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use super::{
    compose::{self, Stack},
    haproxy,
    kubernetes::{self, Kustomizations, Objects},
    nginx,
    systemd::{UnitFile, Units},
    yaml::{self, Node},
};
use crate::place::{Broken, Place, Sited};

/// The largest file that is read. Manifests with custom resource definitions have some megabytes.
const MAX_SIZE: u64 = 32 << 20;

/// The largest file of another format. Configuration of proxies has some kilobytes.
const MAX_OTHER_SIZE: usize = 1 << 20;

/// Folders of tools, which contain files of other projects.
const SKIPPED: [&str; 3] = ["node_modules", "target", "vendor"];

/// The file of a folder that is a chart of Helm.
const CHART: &str = "Chart.yaml";

/// The argument for standard input.
const STDIN: &str = "-";

/// The parsed files.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The objects of Kubernetes that no kustomization renders, by folder: labels of other folders may be equal.
    pub(crate) objects: BTreeMap<String, Objects>,
    pub(crate) kustomizations: Kustomizations,
    pub(crate) stacks: Vec<Stack>,
    pub(crate) units: Vec<Units>,
    /// Configuration of nginx by folder.
    pub(crate) nginx: BTreeMap<String, nginx::Folder>,
    pub(crate) haproxy: Vec<haproxy::Configuration>,
    pub(crate) broken: Vec<Broken>,
    /// Files of a known kind that need another program first.
    pub(crate) not_checked: Vec<Sited<String>>,
    /// The files that are arguments.
    pub(crate) arguments: Vec<String>,
}

/// Files that are read together.
#[derive(Debug, Default)]
struct Found {
    yaml: Vec<(PathBuf, Vec<Node>)>,
    units: BTreeMap<PathBuf, String>,
}

/// Reads all files below the arguments.
pub(crate) fn read(arguments: &[PathBuf]) -> Input {
    let mut input = Input::default();
    let mut found = Found::default();
    for argument in arguments {
        if argument.as_os_str() == STDIN {
            input.standard_input(&mut found);
        } else if argument.is_dir() {
            for file in walk(argument, &mut input) {
                input.file(&file, false, &mut found);
            }
        } else {
            input.arguments.push(shown(argument));
            input.file(argument, true, &mut found);
        }
    }
    input.sort_yaml(found.yaml);
    input.sort_units(&found.units);
    input
}

impl Input {
    fn standard_input(&mut self, found: &mut Found) {
        match read_text(io::stdin().lock(), &Place::new(STDIN, 1)) {
            Err(broken) => self.broken.push(broken),
            Ok(text) => self.yaml(Path::new(STDIN), &text, found),
        }
    }

    /// Reads a file. If it is an argument, it must be of a known kind.
    fn file(&mut self, path: &Path, is_argument: bool, found: &mut Found) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if kubernetes::FILE_NAMES.contains(&name) {
            self.kustomizations.add(path.to_owned());
            return;
        }
        let extension = path
            .extension()
            .and_then(|it| it.to_str())
            .unwrap_or_default();
        let is_known = ["yml", "yaml", "service", "socket", "conf", "cfg"].contains(&extension);
        if !is_known && !is_argument {
            return;
        }
        let text = match text(path) {
            Ok(text) => text,
            Err(broken) => {
                self.broken.push(broken);
                return;
            }
        };
        let is_yaml = ["yml", "yaml"].contains(&extension);
        if !is_yaml && text.len() > MAX_OTHER_SIZE {
            let what = format!("this is larger than {} MiB", MAX_OTHER_SIZE >> 20);
            let place = Place::new(&shown(path), 1);
            self.broken.push(Broken::new(place, what));
            return;
        }
        let is_drop_in = path
            .parent()
            .and_then(Path::extension)
            .is_some_and(|it| it == "d");
        match extension {
            _ if is_yaml => self.yaml(path, &text, found),
            "service" | "socket" => {
                found.units.insert(path.to_owned(), text);
            }
            "conf" if is_drop_in && text.contains("[Service]") => {
                found.units.insert(path.to_owned(), text);
            }
            _ if nginx::is_configuration(&text) => self.nginx(path, &text),
            _ if haproxy::is_configuration(&text) => {
                self.haproxy.push(haproxy::parse(&text, &shown(path)));
            }
            _ if is_argument => {
                let what = "expected a file of Kubernetes, Compose, systemd, nginx or HAProxy";
                self.broken
                    .push(Broken::new(Place::new(&shown(path), 1), what));
            }
            _ => {}
        }
    }

    fn nginx(&mut self, path: &Path, text: &str) {
        let folder = path.parent().map(shown).unwrap_or_default();
        match nginx::parse(text, &shown(path)) {
            Ok(directives) => self.nginx.entry(folder).or_default().add(directives),
            Err(broken) => self.broken.push(broken),
        }
    }

    fn yaml(&mut self, path: &Path, text: &str, found: &mut Found) {
        match yaml::parse(text, &shown(path)) {
            Ok(documents) => found.yaml.push((path.to_owned(), documents)),
            Err(_) if is_template(text) => self.add_template(path),
            Err(broken) => self.broken.push(broken),
        }
    }

    fn add_template(&mut self, path: &Path) {
        let reason =
            "a template of Helm: pipe the output of `helm template` into `plimsoll lint -`";
        let place = Place::new(&shown(path), 1);
        self.not_checked.push(Sited::new(reason.to_owned(), place));
    }

    /// Sorts documents by kind. Those of kustomizations are read when they are rendered.
    fn sort_yaml(&mut self, files: Vec<(PathBuf, Vec<Node>)>) {
        let mut stacks = Vec::new();
        let covered = self.kustomizations.covered();
        let folders: BTreeSet<&Path> = self.kustomizations.folders().collect();
        for (path, documents) in files {
            let is_covered = covered.contains(&normal(&path))
                || path.parent().is_some_and(|folder| folders.contains(folder));
            for document in documents {
                if compose::is_stack(&document) {
                    stacks.push(Stack {
                        path: path.clone(),
                        document,
                    });
                } else if kubernetes::is_object(&document) && !is_covered {
                    let folder = path.parent().map(shown).unwrap_or_default();
                    let objects = self.objects.entry(folder.clone());
                    objects
                        .or_insert_with(|| Objects::of(&folder))
                        .add(document);
                }
            }
        }
        self.stacks = compose::with_overrides(stacks);
    }

    /// Joins units with their drop-ins and sockets.
    fn sort_units(&mut self, files: &BTreeMap<PathBuf, String>) {
        let has_extension = |path: &Path, name| path.extension().is_some_and(|it| it == name);
        for path in files.keys().filter(|path| has_extension(path, "service")) {
            let socket = path.with_extension("socket");
            let socket = files.contains_key(&socket).then_some(socket);
            let service = unit(path, files);
            let socket = socket.map(|socket| unit(&socket, files)).transpose();
            match (service, socket) {
                (Ok(service), Ok(socket)) => {
                    self.units.push(Units {
                        path: path.clone(),
                        service,
                        socket,
                    });
                }
                (Err(broken), _) | (_, Err(broken)) => self.broken.push(broken),
            }
        }
    }
}

/// Parses a unit and its drop-ins, in the order of their names.
fn unit(path: &Path, files: &BTreeMap<PathBuf, String>) -> Result<UnitFile, Broken> {
    let mut folder = path.as_os_str().to_owned();
    folder.push(".d");
    let drop_ins = files
        .keys()
        .filter(|file| file.parent() == Some(Path::new(&folder)));
    let mut unit = UnitFile::default();
    for file in [&path.to_owned()].into_iter().chain(drop_ins) {
        if let Some(text) = files.get(file) {
            unit.add(text, &shown(file))?;
        }
    }
    Ok(unit)
}

/// Whether a text that is not YAML is a template.
fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Returns the files below a folder, sorted. Hidden folders are skipped, and links to folders are not followed.
///
/// Charts of Helm are added to what is not checked.
fn walk(folder: &Path, input: &mut Input) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                input.broken.push(Broken::new(
                    Place::new(&shown(&folder), 1),
                    error.to_string(),
                ));
                continue;
            }
        };
        let chart = folder.join(CHART);
        if chart.is_file() {
            input.add_template(&chart);
            continue;
        }
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_hidden = name.starts_with('.') || SKIPPED.contains(&&*name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_hidden => folders.push(path),
                Ok(kind) if kind.is_file() || path.is_file() => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Reads a file as text.
///
/// # Errors
///
/// If it cannot be read, is too large, or is not UTF-8.
pub(crate) fn text(path: &Path) -> Result<String, Broken> {
    let place = Place::new(&shown(path), 1);
    let broken = |error: io::Error| Broken::new(place.clone(), error.to_string());
    // A device or a pipe could be read for ever, and a pipe without a writer cannot be opened.
    if !fs::metadata(path).map_err(broken)?.is_file() {
        let what = "this is not a regular file; `plimsoll lint -` reads manifests from a pipe";
        return Err(Broken::new(place, what));
    }
    let file = fs::File::open(path).map_err(broken)?;
    read_text(file, &place)
}

/// Reads a text to its end. A byte order mark is removed.
fn read_text(source: impl Read, place: &Place) -> Result<String, Broken> {
    let mut bytes = Vec::new();
    let read = source.take(MAX_SIZE + 1).read_to_end(&mut bytes);
    let size = read.map_err(|error| Broken::new(place.clone(), error.to_string()))?;
    if size as u64 > MAX_SIZE {
        let what = format!("this is larger than {} MiB", MAX_SIZE >> 20);
        return Err(Broken::new(place.clone(), what));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let what = "this is UTF-16, which PowerShell writes by default; expected UTF-8";
        return Err(Broken::new(place.clone(), what));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        Broken::new(place.at(line), "this is not UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Returns a path without `.` and, where it is possible, `..`.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        let last = normal.components().next_back();
        match (part, last) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                normal.pop();
            }
            (Component::ParentDir, Some(Component::RootDir)) => {}
            _ => normal.push(part),
        }
    }
    normal
}

/// Returns a path as findings show it.
pub(crate) fn shown(path: &Path) -> String {
    let path = normal(path);
    if path.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        path.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_shown_without_detours() {
        assert_eq!(shown(Path::new("./a/../b/./c")), "b/c");
        assert_eq!(shown(Path::new("../a")), "../a");
        assert_eq!(shown(Path::new("./a/..")), ".");
        assert_eq!(shown(Path::new("/a/../../b")), "/b");
    }
}
