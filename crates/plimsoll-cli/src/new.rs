//! The command `new`: creates a service on plimsoll, with its deployment, monitoring and CI.
//!
//! The template is the service `services/template` of the repository, and `deploy/` beside it. Both
//! are compiled and tested as they stand. `examples/derive_templates.rs` copies them into the binary.

mod name;
mod option;
mod prompt;
mod source;
mod strip;
mod template;
#[cfg(test)]
mod tests;
mod write;

use std::{
    collections::BTreeSet,
    env, io,
    path::{Path, PathBuf},
};

use clap::Args;

use self::{
    name::{Name, NameError},
    option::Feature,
    source::{Source, SourceError},
    write::WriteError,
};
use crate::{
    exit::{Exit, Failure},
    term,
};

const EXAMPLES: &str = "\
Examples:
  # In the folder shop, with the library that this command was built from
  plimsoll new shop

  # With traces and a database
  plimsoll new shop --with otlp,postgres

  # With a revision of the library, in a folder of another repository
  plimsoll new shop --in services --no-git --plimsoll git+https://example.com/plimsoll.git#5b8b477";

/// Create a service on plimsoll, with its deployment, monitoring and CI
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Name of the service: a crate, an image and a Kubernetes Service
    name: Option<String>,

    /// Parts of the service beyond HTTP
    #[arg(long = "with", value_name = "OPTIONS", value_delimiter = ',')]
    features: Vec<Feature>,

    /// The library: a version, git+URL#REV, or the path of a checkout [default: that of this command]
    #[arg(long, value_name = "SOURCE")]
    plimsoll: Option<String>,

    /// Existing folder in which the new one is created
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    parent: PathBuf,

    /// Create no git repository
    #[arg(long)]
    no_git: bool,
}

/// An error that leaves no file behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("the name of the service is missing: plimsoll new NAME")]
    Nameless,
    #[error("cannot read the name of the service")]
    Prompt(#[source] io::Error),
    #[error("--in {path}: is no existing folder")]
    Parent {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl NewError {
    /// Returns the exit status for this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Prompt(_) => Exit::Internal,
            Self::Write(error) => error.exit(),
            Self::Name(_) | Self::Nameless | Self::Parent { .. } | Self::Source(_) => Exit::Usage,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// [`Failure::New`]; then there is no new file. [`Failure::Output`], as documented there.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let summary = create(arguments)?;
    term::print(&summary)?;
    Ok(Exit::Success)
}

/// Creates the service. Returns a summary with the next steps.
fn create(arguments: &Arguments) -> Result<String, NewError> {
    let name = match &arguments.name {
        Some(text) => Name::parse(text)?,
        None => prompt::name()?,
    };
    let parent = &arguments.parent;
    let canonical = parent.canonicalize().map_err(|source| NewError::Parent {
        path: parent.display().to_string(),
        source,
    })?;
    let source = match &arguments.plimsoll {
        Some(text) => Source::parse(text, &working_folder())?,
        None => Source::of_this_command()?,
    };
    let features: BTreeSet<Feature> = arguments.features.iter().copied().collect();
    let target = canonical.join(name.as_str());
    let library = source.library(&target);
    let files = template::files(&name, &features, &library);
    let count = files.len();
    write::write(&target, files, !arguments.no_git)?;
    let path = parent.join(name.as_str());
    let path = path.strip_prefix(".").unwrap_or(&path);
    Ok(summary(path, count, &source, &library.shown, &features))
}

/// Paths that are not valid any more are reported when they are used.
fn working_folder() -> PathBuf {
    env::current_dir().unwrap_or_default()
}

fn summary(
    path: &Path,
    count: usize,
    source: &Source,
    shown: &str,
    features: &BTreeSet<Feature>,
) -> String {
    let path = path.display();
    let origin = match source {
        Source::Checkout {
            is_default: true, ..
        } => ", where this command was built",
        _ => "",
    };
    let addresses: String = features.iter().filter_map(|it| it.address()).collect();
    format!(
        "{path}: {count} files; plimsoll from {shown}{origin}\n  \
         cd {path} && cargo test\n  \
         {addresses}cargo run\n  \
         README.md has the next steps\n"
    )
}
