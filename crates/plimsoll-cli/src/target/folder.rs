//! A folder for the files of one start.

use std::{
    fs, io,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Distinguishes the folders of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    text: String,
}

impl Folder {
    /// Creates a folder that only this user can read, in the system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// The error of the system. Names that are in use are skipped.
    pub(crate) fn create() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let parent = std::env::temp_dir();
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("plimsoll-{}-{number}", process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let text = path.to_string_lossy().into_owned();
                    return Ok(Self { path, text });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a file into the folder.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.path.join(name), text)
    }

    /// Makes a named pipe in the folder. Returns whether the system has.
    pub(crate) fn make_pipe(&self, name: &str) -> bool {
        let mut command = process::Command::new("mkfifo");
        let status = command.arg(self.path.join(name)).status();
        status.is_ok_and(|status| status.success())
    }

    /// Returns the path for a variable of the service.
    pub(crate) fn path(&self) -> &str {
        &self.text
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A file that stays behind harms no result.
        let _ = fs::remove_dir_all(&self.path);
    }
}
