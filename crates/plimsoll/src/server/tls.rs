//! TLS, with a certificate that is renewed while connections live.
//!
//! ```text
//! files ──read──▶ Contents ──check──▶ InForce ──swap──▶ acceptor()   for each new connection
//!   ▲                                     │
//!   └── watch: looks, is told, reloads    └── not_after()            for the metric
//! ```
//!
//! Versions 1.2 and 1.3, the ciphers and their order as rustls has them, no data before the
//! handshake is complete. With a client CA, clients must show a certificate of it.
//!
//! # Why the whole configuration is swapped
//!
//! A resolver that gives out another certificate would be less to swap. But the client CA is part of
//! the configuration, and so are the tickets of earlier sessions: a ticket stands for a client that
//! was verified once and is not verified again. With a new configuration come new ticket keys, so
//! that nobody resumes what an authority vouched for that is not trusted any more.
//!
//! # Invariants
//!
//! * A configuration in force is complete and checked: the key belongs to the certificate.
//! * Whatever is wrong with new files, the old configuration stays.
//! * Taking the configuration for a connection waits for nobody, and a connection keeps what it took.
//! * No error and no `Debug` holds anything of a private key.
//!
//! # Not here
//!
//! The deadline of a handshake is the connection's, as is the choice of a protocol by what was
//! agreed in it. Nothing here logs: [`watch()`] tells its caller.

mod active_config;
mod error;
mod files;
mod reader;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use http::Version;
use tokio_rustls::TlsAcceptor;

use self::{active_config::ActiveConfig, files::FileFingerprint};
pub(crate) use self::{
    error::TlsError,
    reader::CertificateReader,
    watch::{TlsEvent, WATCH_EVERY, watch},
};
use super::io::{ALPN_HTTP2, SocketIo};
use crate::config::TlsFiles;

/// What HTTP is spoken over. In a box, since most of it is the state of a session.
pub(super) type TlsStream = Box<tokio_rustls::server::TlsStream<SocketIo>>;

/// What came of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// New connections get another certificate, or must show another one.
    Changed,
    /// The files say what is in force already.
    Unchanged,
}

/// The TLS configuration of a listener.
pub(crate) struct Tls {
    files: TlsFiles,
    alpn: &'static [&'static [u8]],
    in_force: ArcSwap<ActiveConfig>,
    /// How the files looked when they were last read, whether they were any good or not. Held
    /// during a reload, so that there is one at a time.
    seen: Mutex<FileFingerprint>,
}

impl Tls {
    /// Reads the files, and serves the protocols of `alpn`, the first of them preferred.
    ///
    /// A client that names protocols and none of these is refused; one that names none is accepted,
    /// and speaks HTTP/1.1.
    ///
    /// Blocks on the file system.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or what is in them cannot be served.
    pub(crate) fn load(
        files: TlsFiles,
        alpn: &'static [&'static [u8]],
    ) -> Result<Arc<Self>, TlsError> {
        let (seen, contents) = files.read();
        let in_force = ActiveConfig::new(&files, contents?, alpn)?;
        Ok(Arc::new(Self {
            files,
            alpn,
            in_force: ArcSwap::from_pointee(in_force),
            seen: Mutex::new(seen),
        }))
    }

    /// Accepts one connection, with the configuration in force now; the version of HTTP is the one
    /// agreed on in the handshake.
    pub(super) async fn accept(&self, raw: SocketIo) -> io::Result<(TlsStream, Version)> {
        let stream = self.acceptor().accept(raw).await?;
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(ALPN_HTTP2) => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        Ok((Box::new(stream), version))
    }

    /// Accepts one connection, with the configuration in force now.
    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.in_force.load().config))
    }

    /// When the service's own certificate expires.
    pub(crate) fn not_after(&self) -> SystemTime {
        self.in_force.load().not_after
    }

    /// Whether the files may say something else than when they were last read.
    ///
    /// Follows links, since Kubernetes swaps one above the files. It may be wrong in one direction
    /// only: files that were new when they were read count as changed, because a write after the
    /// reading may have left no trace. A reload then finds them [`Reloaded::Unchanged`].
    ///
    /// Blocks on the file system.
    pub(crate) fn files_changed(&self) -> bool {
        let now = FileFingerprint::of(&self.files);
        !self.seen().still_holds(&now)
    }

    /// Reads the files again, and puts what they say in force for new connections.
    ///
    /// Blocks on the file system.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); what was in force stays so.
    pub(crate) fn reload(&self) -> Result<Reloaded, TlsError> {
        let mut seen = self.seen();
        let (now, contents) = self.files.read();
        *seen = now;
        let fresh = ActiveConfig::new(&self.files, contents?, self.alpn)?;
        if fresh.says_the_same(&self.in_force.load()) {
            return Ok(Reloaded::Unchanged);
        }
        self.in_force.store(Arc::new(fresh));
        Ok(Reloaded::Changed)
    }

    fn seen(&self) -> MutexGuard<'_, FileFingerprint> {
        // A sighting is replaced as a whole: there is none that a panic could leave half done.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
