//! One request over one connection, with its outcome and times.

use std::{io::ErrorKind, mem::MaybeUninit, net::SocketAddr, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::response::Response;

/// The time for a body after a head that has none. A service sends both at once.
const NO_BODY: Duration = Duration::from_millis(500);

/// The largest response that is kept.
const MAX_RESPONSE: usize = 16 << 20;

/// The line of a request that names its host, unless the client has another one.
const LOCALHOST: &[u8] = b"Host: localhost\r\n";

/// Sends requests to one address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire {
    address: SocketAddr,
    /// The host and port of the URL, if the service runs at one.
    authority: Option<&'static str>,
    /// Times of exchanges count from here.
    epoch: Instant,
    limit: Duration,
}

/// An open connection, or the reason why there is none.
pub(crate) type Connection = Result<TcpStream, Outcome>;

/// A request that was written.
#[derive(Debug)]
pub(crate) struct Pending {
    wire: Wire,
    connection: Connection,
    write_error: Option<String>,
    exchange: Exchange,
}

/// A request with its outcome.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The purpose of the request within its evidence.
    pub(crate) name: &'static str,
    /// A text of the request that occurs in no other request.
    pub(crate) nonce: String,
    /// The bytes of the request.
    pub(crate) request: Vec<u8>,
    /// Whether the connection had an exchange before.
    pub(crate) is_reused: bool,
    pub(crate) outcome: Outcome,
    /// The time when the request was written.
    pub(crate) sent: Duration,
    /// The time of the outcome.
    pub(crate) done: Duration,
}

/// The outcome of a request. Each request has exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A complete response.
    Answered(Response),
    /// The connection was refused, so no request was sent.
    Refused,
    /// The connection was accepted, and closed without a byte.
    Lost,
    /// The connection was closed within the response, or the bytes are no response.
    Broken { received: Vec<u8>, fault: String },
    /// No complete response within the time limit.
    Late,
}

impl Wire {
    /// Creates a client of the address. Each exchange has `limit` for connect and response.
    pub(crate) fn new(address: SocketAddr, epoch: Instant, limit: Duration) -> Self {
        Self {
            address,
            authority: None,
            epoch,
            limit,
        }
    }

    /// Returns a client of a virtual host: requests to `localhost` name this one instead.
    pub(crate) fn with_authority(mut self, authority: &'static str) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Returns the bytes of requests with the host of the client.
    pub(super) fn addressed(&self, requests: Vec<u8>) -> Vec<u8> {
        let Some(authority) = self.authority else {
            return requests;
        };
        let host = format!("Host: {authority}\r\n");
        let lines = requests.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| match line == LOCALHOST {
            true => host.as_bytes(),
            false => line,
        });
        lines.collect::<Vec<_>>().concat()
    }

    /// Returns the port of the address.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns a client of another port of the same host.
    pub(crate) fn with_port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the time since the start of the service.
    pub(crate) fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Returns the time for connect and response.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Sends the bytes over a new connection, and reads one response.
    pub(crate) async fn exchange(
        &self,
        name: &'static str,
        nonce: String,
        request: Vec<u8>,
    ) -> Exchange {
        let connection = self.connect().await;
        let pending = self.send(name, nonce, request, connection).await;
        pending.receive().await
    }

    /// Sends the bytes over the connection of the exchange before, or over a new one if it is closed.
    pub(crate) async fn exchange_kept(
        &self,
        kept: &mut Option<TcpStream>,
        name: &'static str,
        nonce: String,
        request: Vec<u8>,
    ) -> Exchange {
        let kept_open = kept.take().filter(is_quiet);
        let is_reused = kept_open.is_some();
        let connection = match kept_open {
            Some(stream) => Ok(stream),
            None => self.connect().await,
        };
        let mut pending = self.send(name, nonce, request, connection).await;
        pending.exchange.is_reused = is_reused;
        let (exchange, stream) = pending.finish().await;
        *kept = stream;
        exchange
    }

    /// Creates an exchange with an outcome at this time.
    pub(crate) fn ended(
        &self,
        name: &'static str,
        nonce: String,
        request: Vec<u8>,
        sent: Duration,
        outcome: Outcome,
    ) -> Exchange {
        Exchange {
            name,
            nonce,
            request,
            is_reused: false,
            outcome,
            sent,
            done: self.elapsed(),
        }
    }

    /// Opens a connection for one exchange.
    pub(crate) async fn connect(&self) -> Connection {
        match timeout(self.limit, TcpStream::connect(self.address)).await {
            Ok(Ok(stream)) => Ok(stream),
            // A listener that closes resets connections that no process has accepted.
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => Err(Outcome::Lost),
            Ok(Err(_)) => Err(Outcome::Refused),
            Err(_) => Err(Outcome::Late),
        }
    }

    /// Writes a request.
    pub(crate) async fn send(
        &self,
        name: &'static str,
        nonce: String,
        request: Vec<u8>,
        mut connection: Connection,
    ) -> Pending {
        let request = self.addressed(request);
        let mut write_error = None;
        if let Ok(stream) = &mut connection {
            // A service may answer and close before it has read the whole request, so the response is
            // read after an error, too.
            write_error = match timeout(self.limit, stream.write_all(&request)).await {
                Ok(written) => written.err().map(|error| error.to_string()),
                Err(_) => Some("not read in time".to_owned()),
            };
        }
        Pending {
            wire: *self,
            connection,
            write_error,
            exchange: self.ended(name, nonce, request, self.elapsed(), Outcome::Late),
        }
    }
}

impl Pending {
    /// Whether the request is written, and neither a byte of the response nor an end has arrived.
    pub(crate) fn is_unanswered(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_ok_and(is_quiet) && self.write_error.is_none()
    }

    /// Reads the response.
    pub(crate) async fn receive(self) -> Exchange {
        self.finish().await.0
    }

    /// Closes the connection without reading the response.
    pub(crate) fn close(self) -> Exchange {
        Exchange {
            done: self.wire.elapsed(),
            ..self.exchange
        }
    }

    /// Reads the response. Returns the connection too, if it stays open after the response.
    async fn finish(self) -> (Exchange, Option<TcpStream>) {
        let (outcome, stream) = match self.connection {
            Ok(stream) => {
                let is_head = self.exchange.request.starts_with(b"HEAD ");
                let outcome = receive(stream, is_head, self.write_error);
                timeout(self.wire.limit, outcome)
                    .await
                    .unwrap_or((Outcome::Late, None))
            }
            Err(outcome) => (outcome, None),
        };
        let exchange = Exchange {
            outcome,
            done: self.wire.elapsed(),
            ..self.exchange
        };
        (exchange, stream)
    }
}

/// Whether neither a byte nor the end of the connection has arrived.
fn is_quiet(stream: &TcpStream) -> bool {
    // The runtime learns of new bytes only between two tasks, so the socket itself is read.
    let peeked = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Reads a response. Returns the connection too, if it stays open after the response.
pub(super) async fn receive<S: AsyncRead + Unpin>(
    mut stream: S,
    is_head: bool,
    write_error: Option<String>,
) -> (Outcome, Option<S>) {
    let mut received = Vec::new();
    loop {
        let is_end = match stream.read_buf(&mut received).await {
            Ok(0) | Err(_) => true,
            Ok(_) => false,
        };
        let fault = match Response::parse(&received, is_head, is_end) {
            Ok(Some((mut response, end))) => {
                if is_head && response.closes() {
                    // Until the end of the connection, a body that must not be there is seen.
                    let _ = timeout(NO_BODY, stream.read_to_end(&mut received)).await;
                    response.body = received.split_off(end);
                }
                let is_kept = !is_end && received.starts_with(b"HTTP/1.1 ") && !response.closes();
                return (Outcome::Answered(response), is_kept.then_some(stream));
            }
            Ok(None) if received.len() > MAX_RESPONSE => "longer than 16 MiB".to_owned(),
            Ok(None) if !is_end => continue,
            Ok(None) if received.is_empty() => return (Outcome::Lost, None),
            Ok(None) => match write_error {
                None => "closed within the response".to_owned(),
                Some(error) => format!("closed within request and response: {error}"),
            },
            Err(malformed) => malformed.to_string(),
        };
        return (Outcome::Broken { received, fault }, None);
    }
}

impl Exchange {
    /// Creates an exchange for a test of a judgement.
    #[cfg(test)]
    pub(crate) fn recorded(name: &'static str, request: &[u8], outcome: Outcome) -> Self {
        Self {
            name,
            nonce: format!("nonce-of-{name}"),
            request: request.to_vec(),
            is_reused: false,
            outcome,
            sent: Duration::ZERO,
            done: Duration::ZERO,
        }
    }

    /// Returns the time from the request to its outcome.
    pub(crate) fn time(&self) -> Duration {
        self.done.saturating_sub(self.sent)
    }

    /// Returns the response, if there is a complete one.
    pub(crate) fn response(&self) -> Option<&Response> {
        match &self.outcome {
            Outcome::Answered(response) => Some(response),
            _ => None,
        }
    }

    /// Returns the status of the response, if there is a complete one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.response().map(|response| response.status)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one connection with the bytes and closes it.
    fn peer(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 5];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer).unwrap();
        });
        address
    }

    async fn outcome(address: SocketAddr, limit: Duration) -> Outcome {
        let wire = Wire::new(address, Instant::now(), limit);
        wire.exchange("test", String::new(), b"hello".to_vec())
            .await
            .outcome
    }

    #[tokio::test]
    async fn connection_is_kept_until_a_response_closes_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = thread::spawn(move || {
            [2, 1].map(|requests| {
                let (mut stream, peer) = listener.accept().unwrap();
                for left in (0..requests).rev() {
                    stream.read_exact(&mut [0; 5]).unwrap();
                    let kind = if left == 0 { "close" } else { "keep-alive" };
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nConnection: {kind}\r\nContent-Length: 0\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).unwrap();
                }
                peer
            })
        });
        let wire = Wire::new(address, Instant::now(), Duration::from_secs(10));
        let mut kept = None;
        for is_reused in [false, true, false] {
            let request = b"hello".to_vec();
            let exchange = wire.exchange_kept(&mut kept, "test", String::new(), request);
            let exchange = exchange.await;
            assert_eq!(exchange.status(), Some(200));
            assert_eq!(exchange.is_reused, is_reused);
        }
        let [first, second] = connections.join().unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn requests_name_the_host_of_the_client() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let wire = Wire::new(address, Instant::now(), Duration::ZERO);
        let two = b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \xff\r\n\r\n".repeat(2);
        assert_eq!(wire.addressed(two.clone()), two);
        let wire = wire.with_authority("shop.example:81");
        let one = b"GET / HTTP/1.1\r\nHost: shop.example:81\r\nA: \xff\r\n\r\n";
        assert_eq!(wire.addressed(two), one.repeat(2));
    }

    #[tokio::test]
    async fn connection_that_its_peer_has_closed_is_not_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 5]).unwrap();
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).unwrap();
            }
        });
        let wire = Wire::new(address, Instant::now(), Duration::from_secs(10));
        let mut kept = None;
        for _ in 0..2 {
            let request = b"hello".to_vec();
            let exchange = wire.exchange_kept(&mut kept, "test", String::new(), request);
            assert_eq!(exchange.await.status(), Some(200));
            let end = kept.as_ref().unwrap().peek(&mut [0]).await;
            assert_eq!(end.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn response_that_has_arrived_is_seen_before_it_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Wire::new(address, Instant::now(), Duration::from_secs(10));
        let connection = wire.connect().await;
        let request = b"hello".to_vec();
        let pending = wire.send("test", String::new(), request, connection).await;
        let (mut stream, _) = listener.accept().unwrap();
        assert!(pending.is_unanswered());
        stream.write_all(b"H").unwrap();
        assert!(!pending.is_unanswered());

        let refused = Err(Outcome::Refused);
        let pending = wire.send("test", String::new(), Vec::new(), refused).await;
        assert!(!pending.is_unanswered());
    }

    #[tokio::test]
    async fn body_after_a_head_is_seen() {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";
        let (mut peer, client) = tokio::io::duplex(1024);
        let received = tokio::spawn(receive(client, true, None));
        peer.write_all(answer).await.unwrap();
        tokio::task::yield_now().await;
        peer.write_all(b"a").await.unwrap();
        drop(peer);
        let (outcome, _) = received.await.unwrap();
        assert!(matches!(outcome, Outcome::Answered(response) if response.body == b"a"));
    }

    #[tokio::test]
    async fn each_end_of_a_connection_has_its_outcome() {
        let limit = Duration::from_secs(10);
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
        let answered = outcome(peer(ok), limit).await;
        assert!(matches!(answered, Outcome::Answered(response) if response.body == b"a"));
        assert_eq!(outcome(peer(b""), limit).await, Outcome::Lost);
        let cut = outcome(peer(&ok[..ok.len() - 1]), limit).await;
        assert!(matches!(cut, Outcome::Broken { fault, .. } if fault.contains("within")));
        let other = outcome(peer(b"SSH-2.0\r\n\r\n"), limit).await;
        assert!(matches!(other, Outcome::Broken { fault, .. } if fault.contains("no response")));

        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        assert_eq!(outcome(unused.unwrap(), limit).await, Outcome::Refused);
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        assert_eq!(
            outcome(address, Duration::from_millis(20)).await,
            Outcome::Late
        );
    }
}
