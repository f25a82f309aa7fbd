//! Stands in the place of `server/tls.rs` in builds without the feature `tls`: there is no
//! configuration of TLS, and settings that ask for one are rejected.

use std::io;

use http::Version;

use super::io::SocketIo;

/// The TLS configuration of a listener, of which there is none.
#[derive(Debug)]
pub(crate) enum Tls {}

/// What HTTP would be spoken over.
pub(super) type TlsStream = SocketIo;

impl Tls {
    #[expect(clippy::unused_async, reason = "it takes time where there is TLS")]
    pub(super) async fn accept(&self, _: SocketIo) -> io::Result<(TlsStream, Version)> {
        match *self {}
    }
}
