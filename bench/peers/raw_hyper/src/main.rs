//! hyper's HTTP/1 without a framework: one `current_thread` runtime for each worker, each with a
//! socket of its own on the same port (`SO_REUSEPORT`).

use std::{convert::Infallible, env, io, net::SocketAddr, thread};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::TcpListener, runtime};

fn main() -> io::Result<()> {
    let setting =
        |name: &str| env::var(name).map_err(|it| io::Error::other(format!("{name}: {it}")));
    let addr = format!("{}:{}", setting("HOST")?, setting("PORT")?);
    let addr: SocketAddr = addr.parse().map_err(io::Error::other)?;
    let workers: usize = setting("WORKERS")?.parse().map_err(io::Error::other)?;
    for _ in 1..workers {
        thread::spawn(move || worker(addr));
    }
    worker(addr)
}

fn worker(addr: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(4096)?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(socket.into())?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that has just been reset: hyper finds out, too.
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                // The end of a connection is ignored here: the load generator counts failures.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(banner))
                    .await;
            });
        }
    })
}

async fn banner(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Bytes::from_static(b"rust-axum-app is running (Rust + Axum)\n");
    let mut response = Response::new(Full::new(body));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    Ok(response)
}
