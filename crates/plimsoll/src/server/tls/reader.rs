//! The thread that reads the files of TLS.
//!
//! A file on a network file system may not answer, so no worker reads it. The thread exists from the
//! start on: a reload needs no new thread, which the operating system may refuse (`EAGAIN`).

use std::{
    future::Future,
    io,
    sync::{Arc, mpsc},
    thread,
};

use tokio::sync::oneshot::{self, error::RecvError};

use super::{Reloaded, Tls, TlsError};

/// The outcome of reading the files; `None` if nothing was to be read.
pub(super) type ReloadResult = Option<Result<Reloaded, TlsError>>;

/// The handle of the thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct CertificateReader {
    looks: mpsc::Sender<ReloadRequest>,
}

/// A question to the thread.
#[derive(Debug)]
struct ReloadRequest {
    asked: bool,
    found: oneshot::Sender<ReloadResult>,
}

impl CertificateReader {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
    pub(crate) fn start(tls: Arc<Tls>) -> io::Result<Self> {
        let (looks, questions) = mpsc::channel::<ReloadRequest>();
        thread::Builder::new()
            .name("tls-reader".to_owned())
            .spawn(move || {
                for question in questions {
                    // The watch may have been dropped meanwhile.
                    let _ = question.found.send(look(&tls, question.asked));
                }
            })?;
        Ok(Self { looks })
    }

    /// Has the files read as [`look`] does. Fails only after a panic of the thread.
    pub(super) fn look(
        &self,
        asked: bool,
    ) -> impl Future<Output = Result<ReloadResult, RecvError>> {
        let (found, answer) = oneshot::channel();
        // A question that no thread takes is dropped, and `answer` fails.
        let _ = self.looks.send(ReloadRequest { asked, found });
        answer
    }
}

/// Reloads the files if they have changed or if `asked`.
pub(super) fn look(tls: &Tls, asked: bool) -> ReloadResult {
    (asked || tls.files_changed()).then(|| tls.reload())
}
