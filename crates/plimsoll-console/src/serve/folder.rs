//! The folder of a start: the token for scripts, and sockets for the own probes of the listeners.
//!
//! Only this user can open it. It is in `XDG_RUNTIME_DIR`, else in the folder for temporary files.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::token::{Token, random_hex};

/// The most bytes of the path around it: that of a unix socket has 107 (`unix(7)`).
const MAX_PARENT: usize = 64;

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder with an unused name.
    ///
    /// # Errors
    ///
    /// If there is no place for it, or no random number for its name.
    pub(super) fn create() -> io::Result<Self> {
        let suffix = random_hex::<4>().map_err(io::Error::other)?;
        let path = parent().join(format!("plimsoll-console-{suffix}"));
        // It fails if the path exists, such as a link that another user has made.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Writes the token to a file. Returns its path.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(super) fn write_token(&self, token: &Token) -> io::Result<PathBuf> {
        let path = self.0.join("token");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(token.expose().as_bytes())?;
        file.write_all(b"\n")?;
        Ok(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a socket for the own probes of a listener.
    pub(super) fn socket(&self, listener: &str) -> PathBuf {
        self.0.join(listener)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What remains can be read by this user only, and the token is void.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the place of files of this user, not a setting"
)]
fn parent() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usable = |path: &PathBuf| {
        path.as_os_str().len() <= MAX_PARENT && path.is_absolute() && Path::is_dir(path)
    };
    runtime.filter(usable).unwrap_or_else(std::env::temp_dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_this_user_reads_the_token() {
        let folder = Folder::create().unwrap();
        let token = Token::generate().unwrap();
        let path = folder.write_token(&token).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&path)), (0o700, 0o600));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", token.expose()));
        assert!(folder.write_token(&token).is_err());
        drop(folder);
        assert!(!path.exists());
    }
}
