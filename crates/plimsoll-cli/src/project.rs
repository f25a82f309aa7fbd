//! The configuration of a project, `plimsoll.toml`, for all commands.
//!
//! One reader checks the whole file, so a misspelled name is an error of each command that reads it.
//! Every error names file and line.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    place::{Broken, Place, Sited},
    verify::{Names, Routes},
    waivers::{self, Day, Waiver},
};

/// The file that is read unless an argument names another one.
pub(crate) const DEFAULT_FILE: &str = "plimsoll.toml";

/// The content of the file. A missing file has none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    pub(crate) verify: Verify,
    /// The waivers that are valid today.
    pub(crate) waivers: Vec<Waiver>,
}

/// The section `[verify]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verify {
    /// The command that starts the service, or empty.
    pub(crate) command: Vec<String>,
    pub(crate) routes: Routes,
    pub(crate) names: Names,
}

/// Texts by name, each with its line.
pub(crate) type Texts = BTreeMap<String, Sited<String>>;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The file is not of the expected form.
    #[error("{}: {}", .0.place, .0.what)]
    Form(Broken),
}

impl From<Broken> for ProjectError {
    fn from(broken: Broken) -> Self {
        Self::Form(broken)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    verify: Section,
    #[serde(default)]
    waiver: Vec<Spanned<waivers::Entry>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    command: Vec<String>,
    routes: BTreeMap<String, Spanned<String>>,
    names: BTreeMap<String, Spanned<String>>,
}

impl Project {
    /// Reads the file. Without an argument, a missing file is an empty one.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not of the expected form.
    pub(crate) fn read(argument: Option<&Path>) -> Result<Self, ProjectError> {
        let path = argument.unwrap_or(Path::new(DEFAULT_FILE));
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(
                &text,
                &path.display().to_string(),
                Day::today(),
            )?),
            Err(error) if argument.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(ProjectError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    ///
    /// The first line that is not of the expected form.
    pub(crate) fn parse(text: &str, file: &str, today: Day) -> Result<Self, Broken> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let place = |at: usize| Place::new(file, line(at));
        let document: Document = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Broken::new(place(at), error.message())
        })?;
        let sited = |texts: BTreeMap<String, Spanned<String>>| -> Texts {
            let texts = texts.into_iter().map(|(name, text)| {
                let place = place(text.span().start);
                (name, Sited::new(text.into_inner(), place))
            });
            texts.collect()
        };
        let Section {
            command,
            routes,
            names,
        } = document.verify;
        let waivers = document.waiver.into_iter().filter_map(|entry| {
            let place = place(entry.span().start);
            entry.into_inner().waiver(place, today).transpose()
        });
        Ok(Self {
            waivers: waivers.collect::<Result<_, _>>()?,
            verify: Verify {
                command,
                routes: Routes::read(&sited(routes))?,
                names: Names::read(&sited(names))?,
            },
        })
    }
}

/// Returns the error for a word that is none of those that are known, with the nearest of them.
pub(crate) fn unknown<'known>(
    place: Place,
    kind: &str,
    word: &str,
    known: impl IntoIterator<Item = &'known str>,
) -> Broken {
    let distance = |name: &&str| strsim::osa_distance(&name.to_lowercase(), &word.to_lowercase());
    let nearest = known.into_iter().min_by_key(distance).unwrap_or_default();
    let what = format!("unknown {kind} {word:?}: the nearest name is {nearest:?}");
    Broken::new(place, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Route;

    fn parse(text: &str) -> Result<Project, Broken> {
        Project::parse(text, "a.toml", Day::today())
    }

    #[test]
    fn section_has_command_routes_and_names() {
        let text = "[verify]\ncommand = [\"a\", \"b\"]\n[verify.routes]\nslow = \"/s?{ms}\"\n\
                    [verify.names]\n\"log.rawPath\" = \"raw_path\"\n";
        let verify = parse(text).unwrap().verify;
        assert_eq!(verify.command, ["a", "b"]);
        let slow = verify.routes.path(Route::Slow, &[("ms", 5)]);
        assert_eq!(slow.as_deref(), Some("/s?5"));
        assert_eq!(verify.names.of_contract("raw_path"), Some("rawPath"));
    }

    #[test]
    fn missing_file_is_an_error_only_if_it_is_named() {
        assert!(Project::read(None).unwrap().waivers.is_empty());
        let error = Project::read(Some(Path::new("/nonexistent/a.toml"))).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/a.toml: cannot be read");
    }

    #[test]
    fn wrong_file_is_an_error_with_its_line() {
        #[track_caller]
        fn check(text: &str, line: usize, what: &str) {
            let Broken { place, what: found } = parse(text).unwrap_err();
            assert_eq!(place.line, line, "{found}");
            assert!(found.contains(what), "{found}");
        }
        check("\na = \n", 2, "");
        check("[verify]\n\nroute = 1\n", 3, "unknown field `route`");
        check("\n[lint]\n", 2, "unknown field `lint`");
        check("[verify]\ncommand = \"a\"\n", 2, "expected a sequence");
        check("[verify.routes]\nslow = 1\n", 2, "expected a string");
        check(
            "\n[verify.routes]\nsloww = \"/a\"\n",
            3,
            "unknown route \"sloww\": the nearest name is \"slow\"",
        );
        check("[verify.names]\n\"log.raw\" = \"a\"\n", 2, "unknown name");
    }
}
