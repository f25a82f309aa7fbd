//! The folder that generated routers serve files from.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// `a body of gzip, gzip, gzip`, compressed.
pub(crate) const GZIP: [u8; 36] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 75, 84, 72, 202, 79, 169, 84, 200, 79, 83, 72, 175, 202, 44,
    208, 65, 34, 1, 161, 220, 235, 195, 26, 0, 0, 0,
];

/// A temporary folder with files, removed with its last owner.
#[derive(Debug, Clone)]
pub(crate) struct Files(Arc<Folder>);

#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A remaining folder is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Files {
    /// Makes the folder; `name` must be one that no other test of the process uses.
    pub(crate) fn create(name: &str) -> io::Result<Self> {
        let folder = format!("plimsoll-differential-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir_all(path.join("sub"))?;
        let files = Self(Arc::new(Folder(path)));
        let write = |name: &str, text: &[u8]| fs::write(files.path().join(name), text);
        write("index.html", b"<p>index</p>")?;
        write("a.txt", b"a body of gzip, gzip, gzip")?;
        write("a.txt.gz", &GZIP)?;
        write("sp ace.txt", b"space")?;
        write("\u{fc}.txt", b"umlaut")?;
        write("empty.bin", b"")?;
        write("large.bin", &b"0123456789".repeat(10_000))?;
        write("sub/index.html", b"<p>sub</p>")?;
        Ok(files)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.0
    }
}
