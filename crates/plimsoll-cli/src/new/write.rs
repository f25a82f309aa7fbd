//! Writes all files at once: into a folder beside the target, which is then renamed.
//!
//! If a file cannot be written, or a signal arrives before the rename, that folder is removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use super::template::File;
use crate::exit::Exit;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("{0} exists, and is no empty folder: choose another name, or --in another folder")]
    Exists(String),
    #[error("cannot write {path}")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("interrupted; nothing was written")]
    Interrupted,
}

impl WriteError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Exists(_) => Exit::Usage,
            Self::Io { .. } | Self::Interrupted => Exit::Internal,
        }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        |source| Self::Io { path, source }
    }
}

/// Writes the files below `target`, an absent or empty folder.
pub(super) fn write(
    target: &Path,
    files: impl IntoIterator<Item = File>,
    with_git: bool,
) -> Result<(), WriteError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&interrupted)).map_err(WriteError::io(target))?;
    }
    write_until(target, files, with_git, &interrupted)
}

fn write_until(
    target: &Path,
    files: impl IntoIterator<Item = File>,
    with_git: bool,
    interrupted: &AtomicBool,
) -> Result<(), WriteError> {
    // The rename checks this again; here it is reported before any work.
    if !is_free(target).map_err(WriteError::io(target))? {
        return Err(WriteError::Exists(target.display().to_string()));
    }
    let staging = Staging::beside(target)?;
    for file in files {
        let path = staging.path.join(&file.path);
        let folder = path.parent().unwrap_or(&staging.path);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, &file.text))
            .map_err(WriteError::io(&target.join(&file.path)))?;
        if interrupted.load(Ordering::Relaxed) {
            return Err(WriteError::Interrupted);
        }
    }
    if with_git {
        init_repository(target, &staging.path);
    }
    if interrupted.load(Ordering::Relaxed) {
        return Err(WriteError::Interrupted);
    }
    fs::rename(&staging.path, target).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => {
            WriteError::Exists(target.display().to_string())
        }
        _ => WriteError::io(target)(error),
    })
}

/// Whether the path is absent or an empty folder.
fn is_free(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to an absent path is found here, and in the way.
            Ok(fs::symlink_metadata(path).is_err())
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates a repository, unless the target is inside of one already.
///
/// A failure is no error: without git, the service is complete.
fn init_repository(target: &Path, folder: &Path) {
    let git = |arguments: &[&str], folder: &Path| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let parent = target.parent().unwrap_or(target);
    if !git(&["rev-parse", "--is-inside-work-tree"], parent) {
        git(&["init", "--quiet"], folder);
    }
}

/// A folder that is removed when it is dropped, unless it has been renamed.
struct Staging {
    path: PathBuf,
}

impl Staging {
    /// Creates the folder in the file system of the target, where a rename is one step.
    fn beside(target: &Path) -> Result<Self, WriteError> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{}.new", process::id()));
        fs::create_dir(&path).map_err(WriteError::io(target))?;
        Ok(Self { path })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After the rename there is nothing to remove. Otherwise the first error is the one to report.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File {
            path: path.to_owned(),
            text: path.to_owned(),
        }
    }

    /// Returns an empty folder for one test.
    fn folder(test: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("plimsoll-new-{}-{test}", process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn empty_folder_is_filled() {
        let parent = folder("empty");
        let target = parent.join("shop");
        fs::create_dir(&target).unwrap();
        write(&target, [file("a/b")], false).unwrap();
        assert_eq!(fs::read_to_string(target.join("a/b")).unwrap(), "a/b");
        assert_eq!(names(&parent), ["shop"]);
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn present_files_are_kept() {
        let parent = folder("present");
        let target = parent.join("shop");
        for path in ["shop/kept", "plain"] {
            let path = parent.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "kept").unwrap();
        }
        std::os::unix::fs::symlink("absent", parent.join("link")).unwrap();
        for target in [&target, &parent.join("plain"), &parent.join("link")] {
            let error = write(target, [file("a")], false).unwrap_err();
            assert!(matches!(error, WriteError::Exists(_)), "{error}");
        }
        assert_eq!(names(&target), ["kept"]);
        assert_eq!(names(&parent).len(), 3);
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn folder_that_fills_meanwhile_is_kept() {
        let parent = folder("race");
        let target = parent.join("shop");
        let late = target.clone();
        let files = std::iter::once_with(move || {
            fs::create_dir(&late).unwrap();
            fs::write(late.join("theirs"), "").unwrap();
            file("ours")
        });
        let error = write(&target, files, false).unwrap_err();
        assert!(matches!(error, WriteError::Exists(_)), "{error}");
        assert_eq!(names(&target), ["theirs"]);
        assert_eq!(names(&parent), ["shop"]);
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn failure_in_the_middle_leaves_nothing() {
        let parent = folder("failure");
        let error = write(&parent.join("shop"), [file("a"), file("a/b")], false).unwrap_err();
        assert!(error.to_string().ends_with("shop/a/b"), "{error}");
        assert!(names(&parent).is_empty());
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn signal_in_the_middle_leaves_nothing() {
        let parent = folder("signal");
        let interrupted = AtomicBool::new(false);
        let files = ["a", "b", "c"].into_iter().map(|path| {
            interrupted.store(path == "b", Ordering::Relaxed);
            assert_ne!(path, "c", "the signal is ignored");
            file(path)
        });
        let error = write_until(&parent.join("shop"), files, false, &interrupted).unwrap_err();
        assert!(matches!(error, WriteError::Interrupted), "{error}");
        assert!(names(&parent).is_empty());
        fs::remove_dir_all(parent).unwrap();
    }
}
