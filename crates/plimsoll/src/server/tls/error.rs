//! Errors of TLS files: the file, the problem, and what was expected.
//!
//! No error contains a part of a file. The errors of the PEM parser quote the malformed line, which is
//! the whole key if its line breaks are missing. So they are converted to errors without the line.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use rustls::{pki_types::pem, server::VerifierBuilderError};

use crate::config::MAX_FILE;

/// The purpose of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileRole {
    Certificate,
    Key,
    ClientCa,
}

impl fmt::Display for FileRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::ClientCa => "client CA",
        })
    }
}

/// A TLS file that cannot be used.
#[derive(Debug)]
pub(crate) struct TlsError {
    role: FileRole,
    path: PathBuf,
    problem: TlsProblem,
}

impl TlsError {
    pub(super) fn new(role: FileRole, path: &Path, problem: TlsProblem) -> Self {
        Self {
            role,
            path: path.to_owned(),
            problem,
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            role,
            path,
            problem,
        } = self;
        write!(f, "TLS {role} file {} {problem}", path.display())
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source()
    }
}

/// The problem of a file. The text follows its name.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsProblem {
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("is not a regular file; expected one, or a link to one")]
    NotAFile,
    #[error("is too large; expected at most {MAX_FILE} bytes")]
    TooLarge,
    #[error("is empty; expected PEM")]
    Empty,
    #[error(
        "ends within a section; \
         expected each `-----BEGIN …-----` and its `-----END …-----` on a line of its own"
    )]
    UnterminatedSection,
    #[error(
        "has a line that goes on after `-----BEGIN …-----`; \
         expected PEM with all its line breaks"
    )]
    BadSectionStart,
    #[error("has a section that is not base64; expected PEM")]
    NotBase64,
    #[error("holds no certificate; expected PEM, from `-----BEGIN CERTIFICATE-----` on")]
    NoCertificate,
    #[error("holds no private key; expected one in PEM, from `-----BEGIN PRIVATE KEY-----` on")]
    NoKey,
    #[error("holds an encrypted private key; expected one without a passphrase")]
    EncryptedKey,
    #[error("holds {0} private keys; expected one")]
    SeveralKeys(usize),
    #[error("holds a certificate that cannot be used, number {number}; expected X.509")]
    BadCertificate {
        number: usize,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "holds a private key that cannot be used; \
         expected RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    BadKey(#[source] rustls::Error),
    #[error(
        "does not belong to the first certificate in {}; \
         expected the key of that one, and the service's own certificate before its issuers",
        .certificate.display()
    )]
    Mismatch {
        certificate: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("cannot be used to verify clients")]
    Verifier(#[source] VerifierBuilderError),
    #[error("cannot be served")]
    Rejected(#[source] rustls::Error),
}

impl From<pem::Error> for TlsProblem {
    fn from(error: pem::Error) -> Self {
        match error {
            pem::Error::MissingSectionEnd { .. } => Self::UnterminatedSection,
            pem::Error::IllegalSectionStart { .. } => Self::BadSectionStart,
            // The other errors are I/O errors, which cannot happen in memory, or are not known yet.
            _ => Self::NotBase64,
        }
    }
}
