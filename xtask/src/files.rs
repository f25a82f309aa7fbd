//! Files of the repository: their list, their text, and generated files that are written or compared.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Whether a generated file is written or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path below the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Writes a generated file, or compares it. Returns what is wrong, if anything.
pub(crate) fn generate(path: &str, text: &str, mode: Mode, command: &str) -> Option<String> {
    let file = root().join(path);
    if fs::read_to_string(&file).is_ok_and(|present| present == text) {
        return None;
    }
    match mode {
        Mode::Check => Some(format!(
            "{path} is out of date: cargo run -p xtask -- {command}"
        )),
        Mode::Write => fs::write(&file, text)
            .err()
            .map(|error| format!("{path} cannot be written: {error}")),
    }
}

/// Reads all text files that git knows or would add, in the order of their paths.
pub(crate) fn all() -> io::Result<Vec<File>> {
    let paths = git(&[
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])?;
    let mut paths: Vec<&str> = paths.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    let mut files = Vec::new();
    for path in paths {
        match fs::read_to_string(root().join(path)) {
            Ok(text) => files.push(File {
                path: path.to_owned(),
                text,
            }),
            // A file that is removed and not yet staged, a file of bytes, a link to a folder.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::IsADirectory
                ) => {}
            Err(error) => return Err(io::Error::other(format!("{path}: {error}"))),
        }
    }
    Ok(files)
}

/// Runs git in the root of the repository and returns its output.
pub(crate) fn git(arguments: &[&str]) -> io::Result<String> {
    // In a container, the tree may belong to another user.
    let output = Command::new("git")
        .current_dir(root())
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!(
            "git {}: {error}",
            arguments.join(" ")
        )));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
