//! Ready-made checks: a TCP port, an HTTP server, a disk, a certificate, and blocking code.

#[cfg(feature = "tls")]
use std::time::{Duration, SystemTime};
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Method, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
#[cfg(feature = "tls")]
use rustls::pki_types::{
    CertificateDer,
    pem::{self, PemObject as _},
};
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_util::task::AbortOnDropHandle;

use super::{CheckError, CheckFuture};
#[cfg(feature = "tls")]
use crate::{certificate::not_after, config::duration_text};

/// The error of a ready-made check.
#[derive(Debug, thiserror::Error)]
enum BuiltinError {
    #[error("cannot connect to {addr}")]
    Connect {
        addr: String,
        #[source]
        source: io::Error,
    },
    #[error("GET {url} failed")]
    Http {
        url: Uri,
        #[source]
        source: hyper::Error,
    },
    #[error("GET {url} answered {status}, and 2xx is needed")]
    Status { url: Uri, status: u16 },
    #[error("{0} is no URL of the form http://host:port/path")]
    Url(Uri),
    #[error("{path} cannot be examined")]
    Disk {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} has {free} bytes free, and {min_free} are needed")]
    DiskFull {
        path: String,
        free: u64,
        min_free: u64,
    },
    #[cfg(feature = "tls")]
    #[error("{path} has no certificate in the format PEM")]
    Pem {
        path: String,
        #[source]
        source: pem::Error,
    },
    #[cfg(feature = "tls")]
    #[error("the first certificate of {path} cannot be parsed")]
    Certificate {
        path: String,
        #[source]
        source: rustls::Error,
    },
    #[cfg(feature = "tls")]
    #[error("the certificate of {path} is valid for {left}, and {min_left} are needed")]
    ExpiresSoon {
        path: String,
        left: String,
        min_left: String,
    },
    #[error("the previous call has not returned")]
    StillRunning,
}

/// Checks that `addr`, a host and a port, accepts a TCP connection. The name is resolved at each run.
///
/// A server that hangs passes this check, because its system accepts connections for it. A check that
/// sends a request and reads the response reports it as down.
pub fn tcp(addr: &str) -> impl Fn() -> CheckFuture + Send + Sync + use<> {
    let addr: Arc<str> = addr.into();
    move || {
        let addr = Arc::clone(&addr);
        Box::pin(async move { connect(&addr).await.map(drop).map_err(Into::into) })
    }
}

/// Checks that `GET url` is answered with 2xx. The URL has the scheme `http`; redirects are not
/// followed.
pub fn http(url: Uri) -> impl Fn() -> CheckFuture + Send + Sync {
    move || {
        let url = url.clone();
        Box::pin(async move { get(url).await.map_err(Into::into) })
    }
}

/// Checks that the file system of `path` has at least `min_free` bytes free for the service.
pub fn disk(path: PathBuf, min_free: u64) -> impl Fn() -> CheckFuture + Send + Sync {
    blocking(move || {
        let text = || path.display().to_string();
        let found = rustix::fs::statvfs(&path).map_err(|error| BuiltinError::Disk {
            path: text(),
            source: error.into(),
        })?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < min_free {
            let path = text();
            return Err(BuiltinError::DiskFull {
                path,
                free,
                min_free,
            });
        }
        Ok(())
    })
}

/// Checks that the first certificate of a PEM file is valid for at least `min_left`.
#[cfg(feature = "tls")]
pub fn certificate(path: PathBuf, min_left: Duration) -> impl Fn() -> CheckFuture + Send + Sync {
    blocking(move || {
        let text = || path.display().to_string();
        let unreadable = |source| BuiltinError::Pem {
            path: text(),
            source,
        };
        let first = CertificateDer::from_pem_file(&path).map_err(unreadable)?;
        let expiry = not_after(&[first]).map_err(|source| BuiltinError::Certificate {
            path: text(),
            source,
        })?;
        let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
        if left < min_left {
            return Err(BuiltinError::ExpiresSoon {
                path: text(),
                left: duration_text(Duration::from_secs(left.as_secs())),
                min_left: duration_text(min_left),
            });
        }
        Ok(())
    })
}

/// Runs a blocking check on a thread for blocking work.
///
/// A call that hangs holds one thread. Until it returns, each run fails without a second call.
pub fn blocking<T, E>(
    check: impl Fn() -> Result<T, E> + Send + Sync + 'static,
) -> impl Fn() -> CheckFuture + Send + Sync
where
    T: Send + 'static,
    E: Into<CheckError> + Send + 'static,
{
    let check = Arc::new(check);
    let is_running = Arc::new(AtomicBool::new(false));
    move || {
        let (check, is_running) = (Arc::clone(&check), Arc::clone(&is_running));
        Box::pin(async move {
            if is_running.swap(true, Ordering::Acquire) {
                return Err(BuiltinError::StillRunning.into());
            }
            let call = Call(is_running);
            let called = spawn_blocking(move || {
                let _call = call;
                check().map(drop).map_err(Into::into)
            });
            match called.await {
                Ok(result) => result,
                Err(error) => Err(match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => error.into(),
                }),
            }
        })
    }
}

/// A call of a blocking check, which ends when it is dropped.
struct Call(Arc<AtomicBool>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn connect(addr: &str) -> Result<TcpStream, BuiltinError> {
    let connected = TcpStream::connect(addr).await;
    connected.map_err(|source| BuiltinError::Connect {
        addr: addr.to_owned(),
        source,
    })
}

async fn get(url: Uri) -> Result<(), BuiltinError> {
    let host = url.host().filter(|_| url.scheme_str() == Some("http"));
    let Some(host) = host else {
        return Err(BuiltinError::Url(url));
    };
    let authority = format!("{host}:{}", url.port_u16().unwrap_or(80));
    let stream = connect(&authority).await?;
    let failed = |source| BuiltinError::Http {
        url: url.clone(),
        source,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // Dropped with the run.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::new(Empty::<bytes::Bytes>::new());
    *request.method_mut() = Method::GET;
    // Never fails: it is a part of a valid URL.
    *request.uri_mut() = target.parse().unwrap_or_default();
    if let Ok(host) = authority.parse() {
        request.headers_mut().insert(header::HOST, host);
    }
    let response = sender.send_request(request).await.map_err(failed)?;
    if response.status().is_success() {
        Ok(())
    } else {
        let status = response.status().as_u16();
        Err(BuiltinError::Status { url, status })
    }
}
