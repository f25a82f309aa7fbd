//! The files: how they look, and what they hold.
//!
//! # Two files are not one
//!
//! A certificate and its key come from two files, and a renewal may fall between the reading of the
//! one and of the other. So the files are looked at before and after, and read again if they do not
//! look the same.
//!
//! # When looking is not enough
//!
//! A file system stamps files with a clock that ticks coarsely. A file that is written twice within
//! one tick looks the same after the second time, if its size does. So a sighting counts only if the
//! files had been at rest for a while when it was made, and is otherwise taken for a change once.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::error::{FileRole, TlsError, TlsProblem};
use crate::config::{self, FileError, TlsFiles};

/// The coarsest clock of a file system in use, that of FAT; most tick every 10 ms or faster.
const TICK: Duration = Duration::from_secs(2);

/// How often files are read that do not stand still. Two renewals do not follow each other within
/// the time of a reading: what still moves then is for the next look.
const READINGS: usize = 3;

/// What the files hold.
#[derive(Debug)]
pub(super) struct TlsContents {
    /// Never empty.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Never empty.
    pub(super) client_ca: Option<Vec<CertificateDer<'static>>>,
}

impl TlsFiles {
    /// Reads all files, as they were at one moment, and says how they looked then.
    pub(super) fn read(&self) -> (FileFingerprint, Result<TlsContents, TlsError>) {
        self.read_at_rest(|| self.read_once())
    }

    /// Reads until the files look the same before and after, or for too long.
    fn read_at_rest<T>(&self, mut read: impl FnMut() -> T) -> (FileFingerprint, T) {
        let mut before = FileFingerprint::of(self);
        let mut contents = read();
        for _ in 1..READINGS {
            let after = FileFingerprint::of(self);
            if after.marks == before.marks {
                break;
            }
            before = after;
            contents = read();
        }
        (before, contents)
    }

    fn read_once(&self) -> Result<TlsContents, TlsError> {
        let Self {
            certificate,
            key,
            client_ca,
        } = self;
        let read = |role: FileRole, path: &Path| {
            read_file(path).map_err(|problem| TlsError::new(role, path, problem))
        };
        let certificates = |role: FileRole, path: &Path| {
            certificates(&read(role, path)?).map_err(|problem| TlsError::new(role, path, problem))
        };
        Ok(TlsContents {
            chain: certificates(FileRole::Certificate, certificate)?,
            key: private_key(&read(FileRole::Key, key)?)
                .map_err(|problem| TlsError::new(FileRole::Key, key, problem))?,
            client_ca: client_ca
                .as_deref()
                .map(|path| certificates(FileRole::ClientCa, path))
                .transpose()?,
        })
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsProblem> {
    match config::read_file(path) {
        Ok(bytes) if bytes.is_empty() => Err(TlsProblem::Empty),
        Ok(bytes) => Ok(bytes),
        Err(FileError::Io(error)) => Err(TlsProblem::Unreadable(error)),
        Err(FileError::NotRegular) => Err(TlsProblem::NotAFile),
        Err(FileError::TooLong) => Err(TlsProblem::TooLarge),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        return Err(TlsProblem::NoCertificate);
    }
    Ok(certificates)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsProblem> {
    let keys: Result<Vec<_>, _> = PrivateKeyDer::pem_slice_iter(pem).collect();
    match keys {
        Ok(mut keys) if keys.len() < 2 => keys.pop().ok_or_else(|| {
            if is_encrypted(pem) {
                TlsProblem::EncryptedKey
            } else {
                TlsProblem::NoKey
            }
        }),
        Ok(keys) => Err(TlsProblem::SeveralKeys(keys.len())),
        Err(_) if is_encrypted(pem) => Err(TlsProblem::EncryptedKey),
        Err(error) => Err(error.into()),
    }
}

/// Whether a key is encrypted: as RFC 7468 section 11 marks it, or as RFC 1421 section 4.6.1.1 did,
/// whose headers no reader of today takes for anything but bad base64.
fn is_encrypted(pem: &[u8]) -> bool {
    pem.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY")
            || line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED")
    })
}

/// How the files looked at a moment.
#[derive(Debug)]
pub(super) struct FileFingerprint {
    marks: Vec<Option<FileMark>>,
    at: SystemTime,
}

/// How one file looked. Renaming a file or a link above it changes the inode; writing changes the
/// times, of which `changed` cannot be set back.
#[derive(Debug, PartialEq, Eq)]
struct FileMark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileFingerprint {
    pub(super) fn of(files: &TlsFiles) -> Self {
        let TlsFiles {
            certificate,
            key,
            client_ca,
        } = files;
        // The time first: what changes after it is newer than the sighting.
        let at = SystemTime::now();
        let marks = [certificate, key].into_iter().chain(client_ca);
        Self {
            marks: marks.map(|path| FileMark::of(path)).collect(),
            at,
        }
    }

    /// Whether what was read at this sighting is what would be read now.
    pub(super) fn still_holds(&self, now: &Self) -> bool {
        self.marks == now.marks && self.marks.iter().flatten().all(|mark| mark.rests(self.at))
    }
}

impl FileMark {
    /// None if there is no such file, or none that may be looked at.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether a change after `at` is bound to show.
    fn rests(&self, at: SystemTime) -> bool {
        let (seconds, _) = self.changed;
        let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        at.duration_since(SystemTime::UNIX_EPOCH)
            .is_ok_and(|at| at > seconds + TICK)
    }
}

#[cfg(test)]
impl FileFingerprint {
    /// Lets the files be at rest already when they were seen.
    pub(super) fn make_older_files(&mut self) {
        self.at += 2 * TICK;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{Directory, Fixture},
        *,
    };

    #[test]
    fn new_files_count_as_changed_and_files_at_rest_do_not() {
        let Fixture { directory, .. } = Fixture::new();
        let now = FileFingerprint::of(&directory.files());
        let mut seen = FileFingerprint::of(&directory.files());
        seen.at -= 2 * TICK;
        assert!(!seen.still_holds(&now));
        seen.at += 4 * TICK;
        assert!(seen.still_holds(&now));
    }

    #[test]
    fn a_missing_file_is_a_look_too() {
        let directory = Directory::new();
        let seen = FileFingerprint::of(&directory.files());
        assert!(seen.still_holds(&FileFingerprint::of(&directory.files())));
        fs::write(directory.path("tls.key"), "").unwrap();
        assert!(!seen.still_holds(&FileFingerprint::of(&directory.files())));
    }

    #[test]
    fn files_that_change_while_they_are_read_are_read_again() {
        let Fixture {
            directory,
            authority,
            ..
        } = Fixture::new();
        let files = directory.files();
        let mut readings = 0;
        let (seen, contents) = files.read_at_rest(|| {
            readings += 1;
            let contents = files.read_once();
            if readings == 1 {
                directory.replace(&authority.issue());
            }
            contents
        });
        assert_eq!(readings, 2);
        assert_eq!(seen.marks, FileFingerprint::of(&files).marks);
        assert_eq!(contents.unwrap().chain, files.read_once().unwrap().chain);
    }

    #[test]
    fn files_that_never_rest_are_read_a_few_times_and_count_as_changed() {
        let Fixture {
            directory, pair, ..
        } = Fixture::new();
        let files = directory.files();
        let mut readings = 0;
        let (mut seen, ()) = files.read_at_rest(|| {
            readings += 1;
            directory.replace(&pair);
        });
        assert_eq!(readings, READINGS);
        seen.make_older_files();
        assert!(!seen.still_holds(&FileFingerprint::of(&files)));
    }
}
