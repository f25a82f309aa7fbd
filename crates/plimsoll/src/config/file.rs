//! Reads the files of settings: regular files of at most 1 MiB, without blocking.
//!
//! A setting may name any file. Opening a pipe blocks until a writer opens it, and reading a device
//! may never end. `/proc/kmsg` has the type of a regular file and blocks its reader. In all these
//! cases the start must fail. So the type of the file is checked, the file is opened non-blocking,
//! and the length is limited.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

/// The largest file that is read, in bytes. A bundle of all public authorities is a quarter of it.
pub(crate) const MAX_FILE: u64 = 1 << 20;

/// The reason why a file cannot be read. The texts are about "it", and none contains content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is longer than {MAX_FILE} bytes")]
    TooLong,
}

/// Reads a whole file.
///
/// # Errors
///
/// [`FileError`] if it cannot be read without blocking, is no regular file, or is too long.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    // Opening alone has effects on some devices, such as rewinding a tape.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    // Another file may have replaced it since the check.
    if !file.metadata()?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(FileError::TooLong);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CFG-10
    #[test]
    fn only_regular_files_of_limited_length_are_read() {
        #[track_caller]
        fn check(path: &Path, expect: &str) {
            assert_eq!(read_file(path).unwrap_err().to_string(), expect);
        }
        let path = std::env::temp_dir().join(format!("plimsoll-file-{}", std::process::id()));
        let long = usize::try_from(MAX_FILE).unwrap() + 1;
        fs::write(&path, vec![b'x'; long]).unwrap();
        check(&path, "it is longer than 1048576 bytes");
        fs::write(&path, vec![b'x'; long - 1]).unwrap();
        assert_eq!(read_file(&path).unwrap().len(), long - 1);
        fs::remove_file(&path).unwrap();
        check(Path::new("/dev/zero"), "it is not a regular file");
        check(Path::new("/"), "it is not a regular file");
        assert!(matches!(read_file(&path), Err(FileError::Io(_))));
    }
}
