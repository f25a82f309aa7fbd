//! Reads the files that settings name: regular files of at most 1 MiB, without ever waiting.
//!
//! A setting may name anything. Opening a pipe waits for a writer, reading a device may never end,
//! and `/proc/kmsg` looks like a regular file and blocks its reader. The start must end with an error
//! in all these cases, so the kind of the file is checked, the file is opened non-blocking, and the
//! length is limited.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

/// The largest file that is read, in bytes. A bundle of all public authorities is a quarter of it.
pub(crate) const MAX_FILE: u64 = 1 << 20;

/// Why a file gives no content. The texts are about "it"; none has any of the content.
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
/// If it cannot be read without waiting, is no regular file, or is too long.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    // Opening alone has effects on some devices, such as rewinding a tape.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    // Another file may have taken its place.
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
