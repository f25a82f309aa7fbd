//! Copies the template of `plimsoll new` into `templates/`, since a package cannot read files outside
//! of itself.
//!
//! ```text
//! cargo run -p plimsoll-cli --example derive_templates            # writes
//! cargo run -p plimsoll-cli --example derive_templates -- --check # compares
//! ```
//!
//! Each copy has the path that it gets in the new service, and `.txt` at its end. Otherwise Cargo, git
//! and linters would read the copies as files of this repository.

#![expect(clippy::print_stderr, reason = "the findings of `--check`")]

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Folders and files of the repository, and their paths in the new service.
const ROOTS: [(&str, &str); 21] = [
    ("services/template/workspace", ""),
    (
        "services/template/Cargo.toml",
        "services/rust-axum-app/Cargo.toml",
    ),
    ("services/template/src", "services/rust-axum-app/src"),
    (
        "services/rust-axum-app/.env.dev",
        "services/rust-axum-app/.env.dev",
    ),
    (
        "services/rust-axum-app/.env.int",
        "services/rust-axum-app/.env.int",
    ),
    (
        "services/rust-axum-app/.env.prod",
        "services/rust-axum-app/.env.prod",
    ),
    ("rust-toolchain.toml", "rust-toolchain.toml"),
    ("deploy/Dockerfile", "deploy/Dockerfile"),
    (
        "deploy/Dockerfile.dockerignore",
        "deploy/Dockerfile.dockerignore",
    ),
    ("deploy/alertmanager", "deploy/alertmanager"),
    ("deploy/compose.dev.yml", "deploy/compose.dev.yml"),
    ("deploy/compose.int.yml", "deploy/compose.int.yml"),
    ("deploy/compose.prod.yml", "deploy/compose.prod.yml"),
    ("deploy/grafana", "deploy/grafana"),
    ("deploy/haproxy", "deploy/haproxy"),
    ("deploy/kubernetes", "deploy/kubernetes"),
    ("deploy/nginx", "deploy/nginx"),
    ("deploy/pgo", "deploy/pgo"),
    ("deploy/prometheus", "deploy/prometheus"),
    ("deploy/stack.yml", "deploy/stack.yml"),
    ("deploy/systemd", "deploy/systemd"),
];

fn main() -> io::Result<ExitCode> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = template(&package.join("../.."))?;
    let expected = derived(&files);
    let present = present(package)?;
    if std::env::args().any(|argument| argument == "--check") {
        return Ok(compare(&expected, &present));
    }
    for path in present.keys().filter(|path| !expected.contains_key(*path)) {
        fs::remove_file(package.join(path))?;
    }
    for (path, text) in &expected {
        if present.get(path) != Some(text) {
            let path = package.join(path);
            fs::create_dir_all(path.parent().unwrap_or(package))?;
            fs::write(path, text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the template: paths in the new service, and texts.
fn template(repository: &Path) -> io::Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for (from, to) in ROOTS {
        let root = repository.join(from);
        if root.is_file() {
            files.insert(PathBuf::from(to), fs::read_to_string(root)?);
            continue;
        }
        for path in walk(&root)? {
            let text = fs::read_to_string(root.join(&path))?;
            files.insert(Path::new(to).join(path), text);
        }
    }
    // All other files have the name of the reference service.
    if let Some(manifest) = files.get_mut(Path::new("services/rust-axum-app/Cargo.toml")) {
        *manifest = manifest.replace("name = \"template\"", "name = \"rust-axum-app\"");
    }
    Ok(files)
}

/// Returns the files of the package that are made from the template.
fn derived(files: &BTreeMap<PathBuf, String>) -> BTreeMap<PathBuf, String> {
    let mut list = String::from(
        "//! The files of the template, written by `examples/derive_templates.rs`.\n\n\
         /// Paths in the new service, and texts.\n\
         #[rustfmt::skip]\n\
         pub(super) const FILES: &[(&str, &str)] = &[\n",
    );
    let mut derived = BTreeMap::new();
    for (path, text) in files {
        let shown = path.display();
        list += &format!("    ({shown:?}, include_str!(\"../../../templates/{shown}.txt\")),\n");
        let copy = Path::new("templates").join(format!("{shown}.txt"));
        derived.insert(copy, text.clone());
    }
    list += "];\n";
    derived.insert(PathBuf::from("src/new/template/files.rs"), list);
    derived
}

/// Reads the derived files that are there.
fn present(package: &Path) -> io::Result<BTreeMap<PathBuf, String>> {
    let mut paths = vec![PathBuf::from("src/new/template/files.rs")];
    let copies = walk(&package.join("templates"))?.into_iter();
    paths.extend(copies.map(|path| Path::new("templates").join(path)));
    let mut files = BTreeMap::new();
    for path in paths.into_iter().filter(|path| package.join(path).exists()) {
        let text = fs::read_to_string(package.join(&path))?;
        files.insert(path, text);
    }
    Ok(files)
}

/// Reports files that are not as expected.
fn compare(expected: &BTreeMap<PathBuf, String>, present: &BTreeMap<PathBuf, String>) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    let missing = expected.keys().filter(|path| !present.contains_key(*path));
    for path in present.keys().chain(missing) {
        if expected.get(path) != present.get(path) {
            let path = path.display();
            eprintln!(
                "crates/plimsoll-cli/{path} is outdated: cargo run -p plimsoll-cli --example derive_templates"
            );
            status = ExitCode::FAILURE;
        }
    }
    status
}

/// Returns the paths of all files below a folder, relative to it.
fn walk(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if entry.file_type()?.is_dir() {
            paths.extend(walk(&entry.path())?.into_iter().map(|path| name.join(path)));
        } else {
            paths.push(name);
        }
    }
    Ok(paths)
}
