//! hyper without a framework on one `current_thread` runtime, with what `raw_hyper` has not: TLS if
//! `TLS_CERT_FILE` and `TLS_KEY_FILE` are set, HTTP/2 with `PROTOCOL=http2`.

use std::{convert::Infallible, env, io, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    runtime,
};
use tokio_rustls::TlsAcceptor;

fn main() -> io::Result<()> {
    let addr = format!("{}:{}", setting("HOST")?, setting("PORT")?);
    let http2 = setting("PROTOCOL")? == "http2";
    let tls = if env::var_os("TLS_CERT_FILE").is_some() {
        Some(acceptor()?)
    } else {
        None
    };
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that has just been reset: hyper finds out, too.
            let _ = stream.set_nodelay(true);
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => serve(stream, http2).await,
                    Some(tls) => {
                        // A failed handshake is for the load generator to count.
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, http2).await;
                        }
                    }
                }
            });
        }
    })
}

fn setting(name: &str) -> io::Result<String> {
    env::var(name).map_err(|it| io::Error::other(format!("{name}: {it}")))
}

fn acceptor() -> io::Result<TlsAcceptor> {
    let chain =
        CertificateDer::pem_file_iter(setting("TLS_CERT_FILE")?).map_err(io::Error::other)?;
    let chain = chain
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(setting("TLS_KEY_FILE")?).map_err(io::Error::other)?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Ok(TlsAcceptor::from(Arc::new(
        config.map_err(io::Error::other)?,
    )))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) {
    let stream = TokioIo::new(stream);
    // The end of a connection is ignored here: the load generator counts failures.
    if http2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(stream, service_fn(banner)).await;
    } else {
        let _ = http1::Builder::new()
            .serve_connection(stream, service_fn(banner))
            .await;
    }
}

async fn banner(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Bytes::from_static(b"rust-axum-app is running (Rust + Axum)\n");
    let mut response = Response::new(Full::new(body));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    Ok(response)
}
