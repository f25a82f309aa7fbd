//! A temporary folder of one test.

use std::{fs, path::Path};

use crate::support::Scratch;

/// An empty folder outside of the repository, where `new` creates a git repository.
pub(crate) struct Folder(Scratch);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(Scratch::new())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.folder()
    }

    /// Returns the names in the folder, hidden ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    /// Returns the number of files below a path. An absent folder has none.
    pub(crate) fn count(&self, path: &str) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let paths = entries.map(|entry| entry.path());
            paths
                .map(|path| if path.is_dir() { count(&path) } else { 1 })
                .sum()
        }
        count(&self.0.path(path))
    }
}
