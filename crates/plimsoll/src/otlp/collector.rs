//! The connection to a collector: HTTP/1.1, kept alive, over TCP or TLS.

use std::{error::Error, fmt, io, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use rustls_native_certs::load_native_certs;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::config::{Traces, read_file};

/// The maximum number of response bytes that are read. A response holds a short error message.
const MAX_RESPONSE: usize = 64 * 1024;

/// The reason why a request got no response.
pub(super) type SendError = Box<dyn Error + Send + Sync>;

/// A client of the collector, with its open connection if there is one.
pub(super) struct Collector {
    endpoint: Uri,
    headers: http::HeaderMap,
    tls: Option<TlsConnector>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// A response of the collector.
#[derive(Debug)]
pub(super) struct CollectorResponse {
    pub(super) status: StatusCode,
    /// The value of `Retry-After`, if it is a number of seconds.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

impl Collector {
    /// Creates a client without a connection.
    ///
    /// # Errors
    ///
    /// For `https`, if there are no certificate authorities to verify the collector with.
    pub(super) fn new(traces: &Traces) -> io::Result<Self> {
        let tls = match traces.endpoint.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => {
                Some(connector(traces.authorities.as_deref())?)
            }
            _ => None,
        };
        let mut headers = traces.headers.clone();
        for (name, value) in [
            (header::CONTENT_TYPE, "application/x-protobuf"),
            (
                header::USER_AGENT,
                concat!("OTel-OTLP-Exporter-plimsoll/", env!("CARGO_PKG_VERSION")),
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(authority) = traces.endpoint.authority() {
            // An authority is a valid header value.
            let host = HeaderValue::from_str(authority.as_str()).map_err(io::Error::other)?;
            headers.insert(header::HOST, host);
        }
        Ok(Self {
            endpoint: traces.endpoint.clone(),
            headers,
            tls,
            sender: None,
        })
    }

    /// Sends a request and reads the response. If the future is dropped, the connection is closed.
    ///
    /// # Errors
    ///
    /// If the collector cannot be reached, or its response is not HTTP.
    pub(super) async fn send(&mut self, body: Bytes) -> Result<CollectorResponse, SendError> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
            // If the peer has closed the idle connection, the request is sent again on a new one.
            && let Ok(response) = self.send_over(&mut sender, body.clone()).await
        {
            self.sender = Some(sender);
            return Ok(response);
        }
        let mut sender = self.connect().await?;
        let response = self.send_over(&mut sender, body).await?;
        self.sender = Some(sender);
        Ok(response)
    }

    async fn send_over(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        body: Bytes,
    ) -> Result<CollectorResponse, SendError> {
        let mut request =
            Request::post(self.endpoint.path_and_query().map_or("/", |it| it.as_str()))
                .body(Full::new(body))?;
        request.headers_mut().clone_from(&self.headers);
        read(sender.send_request(request).await?).await
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, SendError> {
        // The settings reject an endpoint without a host.
        let host = self.endpoint.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let default = if self.tls.is_some() { 443 } else { 80 };
        let port = self.endpoint.port_u16().unwrap_or(default);
        let stream = TcpStream::connect((bare, port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => {
                let name = ServerName::try_from(bare.to_owned())?;
                handshake_http1(tls.connect(name, stream).await?).await
            }
            None => handshake_http1(stream).await,
        }
    }
}

async fn handshake_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, SendError> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // The task ends when the sender is dropped. The sender returns its errors.
    drop(tokio::spawn(connection));
    Ok(sender)
}

async fn read(response: Response<Incoming>) -> Result<CollectorResponse, SendError> {
    let (head, body) = response.into_parts();
    let retry_after = head.headers.get(header::RETRY_AFTER);
    Ok(CollectorResponse {
        status: head.status,
        // An HTTP date is not supported: collectors send seconds.
        retry_after: retry_after
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs),
        body: Limited::new(body, MAX_RESPONSE).collect().await?.to_bytes(),
    })
}

/// Creates a TLS connector that trusts the authorities in the file, or those of the system.
fn connector(authorities: Option<&Path>) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let problem = match authorities {
        Some(path) => {
            let problem = match authorities_of(path) {
                Ok(certificates) => {
                    roots.add_parsable_certificates(certificates);
                    "it holds no certificate".to_owned()
                }
                Err(problem) => problem,
            };
            format!("SSL_CERT_FILE={}: {problem}", path.display())
        }
        None => {
            let found = load_native_certs();
            roots.add_parsable_certificates(found.certs);
            let cause = found.errors.first();
            cause.map_or_else(|| "the system has none".to_owned(), ToString::to_string)
        }
    };
    if roots.is_empty() {
        return Err(io::Error::other(format!(
            "there are no certificates of authorities to verify an https endpoint with: {problem}"
        )));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Reads the certificates in a file. The error is the reason as text.
fn authorities_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read_file(path).map_err(|error| error.to_string())?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| "it is no PEM".to_owned())
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
