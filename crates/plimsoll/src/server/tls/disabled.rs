//! Replaces `server/tls.rs` in builds without the feature `tls`. The settings of TLS are rejected
//! there.

use std::io;

use http::Version;

use super::io::SocketIo;

/// The TLS configuration of a listener, which has no value in this build.
#[derive(Debug)]
pub(crate) enum Tls {}

/// The type in place of a TLS stream.
pub(super) type TlsStream = SocketIo;

/// Returns the socket below TLS.
pub(super) const fn socket(stream: &mut TlsStream) -> &mut SocketIo {
    stream
}

impl Tls {
    #[expect(clippy::unused_async, reason = "it is async with the feature `tls`")]
    pub(super) async fn accept(&self, _: SocketIo) -> io::Result<(TlsStream, Version)> {
        match *self {}
    }
}
