//! A folder for the files of one test.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// An empty folder outside of the repository, which is removed with the value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Creates a folder that no other test has.
    ///
    /// # Panics
    ///
    /// If the folder for temporary files is not writable.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("plimsoll-test-{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        if let Err(error) = fs::create_dir(&path) {
            panic!("cannot create {}: {error}", path.display());
        }
        Self(path)
    }

    /// Returns the path of the folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a file in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the folders around it, and returns its path.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.0);
        if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(&path, content)) {
            panic!("cannot write {}: {error}", path.display());
        }
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that remains does not change the result of the test.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_removed_with_its_files() {
        let (one, other) = (Scratch::new(), Scratch::new());
        assert_ne!(one.folder(), other.folder());
        let file = one.write("a/b", "c");
        assert_eq!(fs::read_to_string(&file).unwrap(), "c");
        drop(one);
        assert!(!file.exists());
        assert!(other.folder().exists());
    }
}
