//! TLS, with certificate reload while connections are open.
//!
//! ```text
//! files ──read──▶ TlsContents ──check──▶ ActiveConfig ──swap──▶ acceptor()   for each new connection
//!   ▲                                          │
//!   └── watch: checks, reloads                 └── not_after()               for the metric
//! ```
//!
//! TLS 1.2 and 1.3, the ciphers of rustls with AES-128 first, and no early data. With a client CA,
//! clients must present a certificate that it has issued.
//!
//! # Certificate reload
//!
//! A reload replaces the whole configuration, not only the certificate that a resolver returns. The
//! client CA is part of the configuration, and so are the keys of session tickets. A ticket stands
//! for a client that was verified in an earlier session. New ticket keys prevent the resumption of a
//! session whose client CA is no longer trusted.
//!
//! # Invariants
//!
//! * An active configuration is complete and checked: the key matches the certificate.
//! * If new files have an error, the old configuration stays active.
//! * A new connection takes the configuration without a lock, and keeps it.
//! * No error and no `Debug` output contains a part of a private key.
//!
//! # Related files
//!
//! `serve/open.rs` sets the timeout of a handshake. Nothing here logs: [`watch()`] reports events to
//! its caller.

mod active_config;
mod error;
mod files;
mod reader;
#[cfg(test)]
mod tests;
mod watch;

use std::{fmt, io, sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use http::Version;
use tokio_rustls::TlsAcceptor;

use self::{active_config::ActiveConfig, files::FileFingerprint};
pub(crate) use self::{
    error::TlsError,
    reader::CertificateReader,
    watch::{TlsEvent, WATCH_INTERVAL, watch},
};
use super::io::{ALPN_HTTP2, SocketIo};
use crate::{
    config::TlsFiles,
    sync::{Mutex, lock},
};

/// A TLS stream, boxed because of the size of a session.
pub(super) type TlsStream = Box<tokio_rustls::server::TlsStream<SocketIo>>;

/// Returns the socket below TLS.
pub(super) fn socket(stream: &mut TlsStream) -> &mut SocketIo {
    stream.get_mut().0
}

/// The result of a successful reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// The certificate or the client CA has changed.
    Changed,
    /// The files match the active configuration.
    Unchanged,
}

/// The TLS configuration of a listener.
pub(crate) struct Tls {
    files: TlsFiles,
    alpn: &'static [&'static [u8]],
    active: ArcSwap<ActiveConfig>,
    /// The files when they were last read, with or without success. Locked during a reload, so that
    /// one runs at a time.
    fingerprint: Mutex<FileFingerprint>,
}

impl Tls {
    /// Reads the files. The connections may use the protocols of `alpn`, in order of preference.
    ///
    /// A client that offers only other protocols is rejected. A client that offers none is accepted,
    /// with HTTP/1.1.
    ///
    /// Blocks on the file system.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or its content cannot be used.
    pub(crate) fn load(
        files: TlsFiles,
        alpn: &'static [&'static [u8]],
    ) -> Result<Arc<Self>, TlsError> {
        let (fingerprint, contents) = files.read();
        let active = ActiveConfig::new(&files, contents?, alpn)?;
        Ok(Arc::new(Self {
            files,
            alpn,
            active: ArcSwap::from_pointee(active),
            fingerprint: Mutex::new(fingerprint),
        }))
    }

    /// Performs the handshake of one connection, with the active configuration. Returns the HTTP
    /// version that was selected by ALPN.
    pub(super) async fn accept(&self, io: SocketIo) -> io::Result<(TlsStream, Version)> {
        let stream = self.acceptor().accept(io).await?;
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(ALPN_HTTP2) => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        Ok((Box::new(stream), version))
    }

    /// Returns an acceptor with the active configuration.
    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.active.load().config))
    }

    /// Returns when the service's own certificate expires.
    pub(crate) fn not_after(&self) -> SystemTime {
        self.active.load().not_after
    }

    /// Returns true if the files may have changed since they were last read.
    ///
    /// Links are followed, because Kubernetes replaces a link in the path of the files. Files
    /// that were written just before the last read count as changed: their metadata may hide a later
    /// write. A reload then returns [`Reloaded::Unchanged`].
    ///
    /// Blocks on the file system.
    pub(crate) fn files_changed(&self) -> bool {
        let now = FileFingerprint::of(&self.files);
        !lock(&self.fingerprint).is_current(&now)
    }

    /// Reads the files again, and activates their content for new connections.
    ///
    /// Blocks on the file system.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load). The active configuration then stays.
    pub(crate) fn reload(&self) -> Result<Reloaded, TlsError> {
        let mut fingerprint = lock(&self.fingerprint);
        let (now, contents) = self.files.read();
        *fingerprint = now;
        let new = ActiveConfig::new(&self.files, contents?, self.alpn)?;
        if new.is_equivalent(&self.active.load()) {
            return Ok(Reloaded::Unchanged);
        }
        self.active.store(Arc::new(new));
        Ok(Reloaded::Changed)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .field("not_after", &self.not_after())
            .finish_non_exhaustive()
    }
}
