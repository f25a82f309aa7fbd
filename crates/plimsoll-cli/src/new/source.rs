//! Where the service gets the library from, and the lines that depend on it.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// The working folder of the build in `deploy/Dockerfile`.
const IMAGE_FOLDER: &str = "/src";

/// The source of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A version in the registry.
    Registry(String),
    /// A revision in a git repository.
    Git { url: String, rev: String },
    /// A checkout of the repository of plimsoll.
    Checkout {
        path: PathBuf,
        /// It is the one that this command was built from.
        is_default: bool,
    },
}

/// A source that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("--plimsoll {0}: a git source is git+URL#REV")]
    Git(String),
    #[error(
        "--plimsoll {text}: is no version, no git+URL#REV and no checkout with crates/plimsoll"
    )]
    Unknown {
        text: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "the source of this command is not here any more: name the library with --plimsoll VERSION, \
         git+URL#REV or PATH"
    )]
    Origin,
}

/// What the files of the service have of the library.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Library {
    /// The source, for the summary and the README.
    pub(super) shown: String,
    /// The dependency in `Cargo.toml`.
    pub(super) dependency: String,
    /// Lines of `deploy/Dockerfile`.
    pub(super) image: Vec<String>,
    /// Options of `docker build`, each with a space before it.
    pub(super) build_options: String,
    /// Lines below `build:` in a Compose file.
    pub(super) compose: Vec<String>,
    /// Options of `cargo install` for the command `plimsoll`.
    pub(super) install: String,
    /// Steps of the CI workflow before the first build.
    pub(super) workflow: Vec<String>,
}

impl Source {
    /// Parses the argument. A path is relative to `folder`.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Self, SourceError> {
        if let Some(git) = text.strip_prefix("git+") {
            return match git.rsplit_once('#') {
                Some((url, rev)) if !url.is_empty() && !rev.is_empty() && is_plain(git) => {
                    let (url, rev) = (url.to_owned(), rev.to_owned());
                    Ok(Self::Git { url, rev })
                }
                _ => Err(SourceError::Git(text.to_owned())),
            };
        }
        if is_version(text) {
            return Ok(Self::Registry(text.to_owned()));
        }
        Self::checkout(&folder.join(text), false).map_err(|source| SourceError::Unknown {
            text: text.to_owned(),
            source,
        })
    }

    /// Returns the source that this command was built from.
    pub(super) fn of_this_command() -> Result<Self, SourceError> {
        Self::of_manifest_folder(Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    fn of_manifest_folder(folder: &Path) -> Result<Self, SourceError> {
        // Only `cargo package` writes this file.
        if folder.join(".cargo_vcs_info.json").exists() {
            return Ok(Self::Registry(env!("CARGO_PKG_VERSION").to_owned()));
        }
        Self::checkout(&folder.join("../.."), true).map_err(|_| SourceError::Origin)
    }

    fn checkout(path: &Path, is_default: bool) -> io::Result<Self> {
        let path = path.canonicalize()?;
        fs::metadata(path.join("crates/plimsoll/Cargo.toml"))?;
        Ok(Self::Checkout { path, is_default })
    }

    /// Returns the lines for a service in the folder `target`, which is absolute.
    pub(super) fn library(&self, target: &Path) -> Library {
        match self {
            Self::Registry(version) => Library {
                shown: format!("the registry, version {version}"),
                dependency: format!("plimsoll = {version:?}"),
                image: Vec::new(),
                build_options: String::new(),
                compose: Vec::new(),
                install: format!("plimsoll-cli --version {version}"),
                workflow: Vec::new(),
            },
            Self::Git { url, rev } => Library {
                shown: format!("{url}, revision {rev}"),
                dependency: format!("plimsoll = {{ git = {url:?}, rev = {rev:?} }}"),
                image: Vec::new(),
                build_options: String::new(),
                compose: Vec::new(),
                install: format!("plimsoll-cli --git {url} --rev {rev}"),
                workflow: Vec::new(),
            },
            Self::Checkout { path, .. } => of_checkout(&relative(path, target)),
        }
    }
}

/// Returns the lines for a checkout at a path relative to the service.
fn of_checkout(path: &Path) -> Library {
    let shown = path.display().to_string();
    let crate_path = format!("{shown}/crates/plimsoll");
    let in_image = normal(&Path::new(IMAGE_FOLDER).join(path));
    let in_image = in_image.display();
    Library {
        dependency: format!("plimsoll = {{ path = {crate_path:?} }}"),
        image: vec![
            "# The library, from the build context `plimsoll`, at the path that Cargo.toml has.".to_owned(),
            format!("COPY --from=plimsoll Cargo.toml {in_image}/"),
            format!("COPY --from=plimsoll crates/plimsoll {in_image}/crates/plimsoll"),
        ],
        build_options: format!(" --build-context plimsoll={shown}"),
        compose: vec![
            "additional_contexts:".to_owned(),
            format!("  plimsoll: ../{shown}"),
        ],
        install: format!("--path {shown}/crates/plimsoll-cli"),
        workflow: vec![
            "# The library is a path outside of this repository, which a runner does not have.".to_owned(),
            "- run: |".to_owned(),
            "    echo '::error::name a version or a git revision of plimsoll in Cargo.toml, then remove this step'".to_owned(),
            "    exit 1".to_owned(),
        ],
        shown,
    }
}

/// Whether a text is a version requirement without operators, such as `1.2`.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a text needs no quotes in a shell, in TOML and in YAML.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#@+=%".contains(&byte))
}

/// Returns the path from one absolute folder to another.
fn relative(to: &Path, from: &Path) -> PathBuf {
    let common = to
        .components()
        .zip(from.components())
        .take_while(|(to, from)| to == from)
        .count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

/// Resolves `..` in an absolute path. The parent of the root is the root.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            component => normal.push(component),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Source, SourceError> {
        Source::parse(text, Path::new("/nowhere"))
    }

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn version_is_a_registry_dependency() {
        for text in ["1", "1.2", "0.1.0"] {
            let library = parse(text).unwrap().library(Path::new("/w/shop"));
            assert_eq!(library.dependency, format!("plimsoll = \"{text}\""));
            assert!(library.image.is_empty() && library.compose.is_empty());
        }
        assert!(parse("1.").is_err() && parse("^1").is_err());
    }

    #[test]
    fn git_source_has_a_revision() {
        let source = parse("git+https://example.com/plimsoll.git#5b8b477").unwrap();
        assert_eq!(
            source.library(Path::new("/w/shop")).dependency,
            r#"plimsoll = { git = "https://example.com/plimsoll.git", rev = "5b8b477" }"#
        );
        for text in [
            "git+https://example.com/plimsoll.git",
            "git+#1",
            "git+https://a#",
            "git+a\"b#1",
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(
                message.ends_with("a git source is git+URL#REV"),
                "{message}"
            );
        }
    }

    #[test]
    fn path_must_be_a_checkout() {
        let message = parse("/tmp").unwrap_err().to_string();
        assert!(
            message.contains("no checkout with crates/plimsoll"),
            "{message}"
        );
        let source = Source::parse("../..", Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let path = repository().canonicalize().unwrap();
        assert_eq!(
            source,
            Source::Checkout {
                path,
                is_default: false
            }
        );
    }

    #[test]
    fn checkout_is_a_relative_path_everywhere() {
        let path = PathBuf::from("/a/plimsoll");
        let source = Source::Checkout {
            path,
            is_default: false,
        };
        let library = source.library(Path::new("/a/b/shop"));
        assert_eq!(library.shown, "../../plimsoll");
        assert_eq!(
            library.dependency,
            r#"plimsoll = { path = "../../plimsoll/crates/plimsoll" }"#
        );
        assert_eq!(
            library.image[1],
            "COPY --from=plimsoll Cargo.toml /plimsoll/"
        );
        assert_eq!(library.compose[1], "  plimsoll: ../../../plimsoll");
    }

    #[test]
    fn package_names_its_own_version() {
        let folder = std::env::temp_dir().join(format!("plimsoll-package-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(matches!(
            Source::of_manifest_folder(&folder),
            Err(SourceError::Origin)
        ));
        fs::write(folder.join(".cargo_vcs_info.json"), "{}").unwrap();
        let source = Source::of_manifest_folder(&folder).unwrap();
        assert_eq!(
            source,
            Source::Registry(env!("CARGO_PKG_VERSION").to_owned())
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn command_from_a_checkout_names_it() {
        let path = repository().canonicalize().unwrap();
        let expected = Source::Checkout {
            path,
            is_default: true,
        };
        assert_eq!(Source::of_this_command().unwrap(), expected);
    }
}
