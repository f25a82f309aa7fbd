//! The external probe: `GET /ready` over a new connection, as a load balancer does.

use std::{io, path::PathBuf, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use plimsoll_scrape::Target;
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

const PATH: &str = "/ready";

/// The time for one probe.
const LIMIT: Duration = Duration::from_secs(1);

/// The largest body that is read.
const MAX_BODY: usize = 64 << 10;

/// The address to which the clients of a service connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// With a complete response.
    Answered,
    /// Connected, and closed without a complete response.
    #[serde(rename = "cut off")]
    CutOff,
    /// Not connected.
    Refused,
    /// Without a response in time.
    Late,
}

impl Address {
    /// Returns the address of a target. `None` for a process, whose sockets are not known.
    pub(super) fn of(target: &Target) -> Option<Self> {
        match target {
            // A service that listens on all addresses is reached at the local one.
            Target::Tcp { host, port, .. } => Some(Self::Tcp {
                host: match host.as_str() {
                    "0.0.0.0" => "127.0.0.1".to_owned(),
                    "::" => "::1".to_owned(),
                    host => host.to_owned(),
                },
                port: *port,
            }),
            Target::Unix(path) => Some(Self::Unix(path.clone())),
            _ => None,
        }
    }

    /// Makes one probe. Returns the status of its response.
    pub(super) async fn probe(&self) -> (Option<u16>, Outcome) {
        let probe = async {
            match self {
                Self::Tcp { host, port } => {
                    let name = if host.contains(':') {
                        format!("[{host}]:{port}")
                    } else {
                        format!("{host}:{port}")
                    };
                    request(TcpStream::connect((host.as_str(), *port)).await, &name).await
                }
                Self::Unix(path) => request(UnixStream::connect(path).await, "localhost").await,
            }
        };
        match timeout(LIMIT, probe).await {
            Ok(Ok(status)) => (Some(status), Outcome::Answered),
            Ok(Err(outcome)) => (None, outcome),
            Err(_) => (None, Outcome::Late),
        }
    }
}

async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: io::Result<S>,
    host: &str,
) -> Result<u16, Outcome> {
    let stream = stream.map_err(|_| Outcome::Refused)?;
    let cut_off = |_| Outcome::CutOff;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(cut_off)?;
    let request = Request::get(PATH)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    // The host was read from a URI, so this does not happen.
    let request = request.map_err(|_| Outcome::Refused)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(cut_off)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        body.map(|_| status).map_err(|_| Outcome::CutOff)
    };
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    tokio::select! {
        status = &mut exchange => status,
        // The connection can end before its last bytes are taken. Its error reaches the exchange, too.
        _ = &mut connection => exchange.await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;

    fn address(target: &str) -> Option<Address> {
        Address::of(&target.parse().unwrap())
    }

    async fn outcome_of(response: &'static str) -> (Option<u16>, Outcome) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
        };
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .count();
            stream.write_all(response.as_bytes()).unwrap();
        });
        let outcome = address.probe().await;
        peer.join().unwrap();
        outcome
    }

    #[tokio::test]
    async fn each_end_of_a_probe_is_distinguished() {
        let ready = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(outcome_of(ready).await, (Some(200), Outcome::Answered));
        let leaving = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(outcome_of(leaving).await, (Some(503), Outcome::Answered));
        let part = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok";
        assert_eq!(outcome_of(part).await, (None, Outcome::CutOff));
        assert_eq!(outcome_of("").await, (None, Outcome::CutOff));

        let unused = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let unused = address(&unused.to_string()).unwrap();
        assert_eq!(unused.probe().await, (None, Outcome::Refused));
    }

    #[tokio::test(start_paused = true)]
    async fn silent_service_is_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap().to_string();
        let silent = address(&local).unwrap();
        assert_eq!(silent.probe().await, (None, Outcome::Late));
    }

    #[test]
    fn all_addresses_are_probed_at_the_local_one() {
        assert_eq!(address("0.0.0.0:80"), address("127.0.0.1:80"));
        assert_eq!(address("[::]:80"), address("[::1]:80"));
        assert_eq!(address("4711"), None);
    }
}
