//! Credentials of peers on a unix socket.

use tokio::net::unix::UCred;

/// The credentials of the peer on a unix socket, from the kernel.
///
/// Handlers get it from axum's extractor `ConnectInfo<UdsConnectInfo>`. Over TCP that extractor
/// rejects the request, as `ConnectInfo<SocketAddr>` does over a unix socket.
///
/// ```
/// use axum::{Router, extract::ConnectInfo, routing::get};
/// use plimsoll::UdsConnectInfo;
///
/// let router: Router = Router::new().route(
///     "/peer",
///     get(|ConnectInfo(peer): ConnectInfo<UdsConnectInfo>| async move { peer.uid().to_string() }),
/// );
/// # drop(router);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdsConnectInfo {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
}

impl UdsConnectInfo {
    pub(super) fn new(credentials: UCred) -> Self {
        Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid: credentials.pid(),
        }
    }

    /// Returns the user id that the peer connected with.
    #[must_use]
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the group id that the peer connected with.
    #[must_use]
    pub const fn gid(&self) -> u32 {
        self.gid
    }

    /// Returns the process id of the peer, if the system provides it. That process may have ended.
    #[must_use]
    pub const fn pid(&self) -> Option<i32> {
        self.pid
    }
}
