//! The TLS files: their content, and a fingerprint of their metadata that detects changes.
//!
//! # Consistent reads
//!
//! A certificate and its key are two files, and a renewal may happen between the two reads. So the
//! fingerprint is taken before and after, and the files are read again if it differs.
//!
//! # Coarse timestamps
//!
//! A file system takes timestamps from a coarse clock. A file that is written twice within one tick
//! has the same metadata after both writes, if its size is the same. So a fingerprint is valid only
//! if the last change was some time before it. Otherwise the files count as changed, and are read
//! once more.

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

/// The maximum number of reads if the files keep changing. The next check reads them again.
const MAX_READS: usize = 3;

/// The content of the files.
#[derive(Debug)]
pub(super) struct TlsContents {
    /// Never empty.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Never empty.
    pub(super) client_ca: Option<Vec<CertificateDer<'static>>>,
}

impl TlsFiles {
    /// Reads all files consistently. Returns their fingerprint and their content.
    pub(super) fn read(&self) -> (FileFingerprint, Result<TlsContents, TlsError>) {
        self.read_consistently(|| self.read_once())
    }

    /// Reads until the fingerprint is the same before and after, at most [`MAX_READS`] times.
    fn read_consistently<T>(&self, mut read: impl FnMut() -> T) -> (FileFingerprint, T) {
        let mut before = FileFingerprint::of(self);
        let mut contents = read();
        for _ in 1..MAX_READS {
            let after = FileFingerprint::of(self);
            if after.files == before.files {
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

/// Returns true if a key is encrypted, as marked by RFC 7468, 11, or by RFC 1421, 4.6.1.1. Current
/// parsers report the headers of RFC 1421 as malformed base64.
fn is_encrypted(pem: &[u8]) -> bool {
    pem.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY")
            || line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED")
    })
}

/// The metadata of all files at one time.
#[derive(Debug)]
pub(super) struct FileFingerprint {
    /// `None` for a file that is missing or inaccessible.
    files: Vec<Option<FileMetadata>>,
    taken_at: SystemTime,
}

/// The metadata of one file.
///
/// A rename of the file, or of a link in its path, changes the inode. A write changes the times, and
/// `changed` cannot be set by a program.
#[derive(Debug, PartialEq, Eq)]
struct FileMetadata {
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
        // The time is taken first, so that every later change is newer.
        let taken_at = SystemTime::now();
        let paths = [certificate, key].into_iter().chain(client_ca);
        Self {
            files: paths.map(|path| FileMetadata::of(path)).collect(),
            taken_at,
        }
    }

    /// Returns true if the files have certainly not changed between this fingerprint and `now`.
    pub(super) fn is_current(&self, now: &Self) -> bool {
        let mut present = self.files.iter().flatten();
        self.files == now.files && present.all(|file| file.is_older_than(self.taken_at))
    }
}

impl FileMetadata {
    /// Reads the metadata of a file. `None` if it is missing or inaccessible.
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

    /// Returns true if the last change was more than one tick before `time`. A change after `time`
    /// then has another timestamp.
    fn is_older_than(&self, time: SystemTime) -> bool {
        let (seconds, _) = self.changed;
        let changed = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        time.duration_since(SystemTime::UNIX_EPOCH)
            .is_ok_and(|time| time > changed + TICK)
    }
}

#[cfg(test)]
impl FileFingerprint {
    /// Makes the last change of the files old enough for a valid fingerprint.
    pub(super) fn age_files(&mut self) {
        self.taken_at += 2 * TICK;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{Directory, Fixture},
        *,
    };

    #[test]
    fn new_files_count_as_changed_and_old_ones_do_not() {
        let Fixture { directory, .. } = Fixture::new();
        let now = FileFingerprint::of(&directory.files());
        let mut earlier = FileFingerprint::of(&directory.files());
        earlier.taken_at -= 2 * TICK;
        assert!(!earlier.is_current(&now));
        earlier.taken_at += 4 * TICK;
        assert!(earlier.is_current(&now));
    }

    #[test]
    fn fingerprint_covers_missing_files() {
        let directory = Directory::new();
        let earlier = FileFingerprint::of(&directory.files());
        assert!(earlier.is_current(&FileFingerprint::of(&directory.files())));
        fs::write(directory.path("tls.key"), "").unwrap();
        assert!(!earlier.is_current(&FileFingerprint::of(&directory.files())));
    }

    #[test]
    fn files_that_change_during_the_read_are_read_again() {
        let Fixture {
            directory,
            authority,
            ..
        } = Fixture::new();
        let files = directory.files();
        let mut reads = 0;
        let (fingerprint, contents) = files.read_consistently(|| {
            reads += 1;
            let contents = files.read_once();
            if reads == 1 {
                directory.replace(&authority.issue());
            }
            contents
        });
        assert_eq!(reads, 2);
        assert_eq!(fingerprint.files, FileFingerprint::of(&files).files);
        assert_eq!(contents.unwrap().chain, files.read_once().unwrap().chain);
    }

    #[test]
    fn files_that_keep_changing_count_as_changed() {
        let Fixture {
            directory, pair, ..
        } = Fixture::new();
        let files = directory.files();
        let mut reads = 0;
        let (mut fingerprint, ()) = files.read_consistently(|| {
            reads += 1;
            directory.replace(&pair);
        });
        assert_eq!(reads, MAX_READS);
        fingerprint.age_files();
        assert!(!fingerprint.is_current(&FileFingerprint::of(&files)));
    }
}
