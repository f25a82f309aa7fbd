//! The thread that reads the files of TLS.
//!
//! A read from a network file system may block, so no worker reads the files. The thread is spawned at
//! the start, because the operating system may reject a new one at a reload (`EAGAIN`).

use std::{
    future::Future,
    io,
    sync::{Arc, mpsc},
    thread,
};

use tokio::sync::oneshot::{self, error::RecvError};

use super::{Reloaded, Tls, TlsError};

/// The result of a check. `None` if the files were not read.
pub(super) type ReloadResult = Option<Result<Reloaded, TlsError>>;

/// The handle of the thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct CertificateReader {
    requests: mpsc::Sender<CheckRequest>,
}

/// A request to the thread.
#[derive(Debug)]
struct CheckRequest {
    forced: bool,
    result: oneshot::Sender<ReloadResult>,
}

impl CertificateReader {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the operating system does not create a thread.
    pub(crate) fn start(tls: Arc<Tls>) -> io::Result<Self> {
        let (sender, requests) = mpsc::channel::<CheckRequest>();
        thread::Builder::new()
            .name("tls-reader".to_owned())
            .spawn(move || {
                for CheckRequest { forced, result } in requests {
                    // An error means that the watch was dropped.
                    let _ = result.send(check(&tls, forced));
                }
            })?;
        Ok(Self { requests: sender })
    }

    /// Runs [`check`] on the thread. Fails only after a panic of the thread.
    pub(super) fn check(
        &self,
        forced: bool,
    ) -> impl Future<Output = Result<ReloadResult, RecvError>> {
        let (result, received) = oneshot::channel();
        // If the thread has ended, the request is dropped, and `received` fails.
        let _ = self.requests.send(CheckRequest { forced, result });
        received
    }
}

/// Reloads the files if they have changed, or if `forced`.
pub(super) fn check(tls: &Tls, forced: bool) -> ReloadResult {
    (forced || tls.files_changed()).then(|| tls.reload())
}
