//! Sends raw bytes over one HTTP/1.1 connection.
//!
//! An HTTP client cannot send what the contract covers: a partial head, two `Host` lines, a body
//! that stalls. [`Connection`] sends any bytes.
//! It frames responses by RFC 9112, section 6.3: no body after `HEAD`, 1xx, 204 and 304, then
//! `Transfer-Encoding: chunked`, then `Content-Length`, else until the connection closes.
//!
//! Every read and write times out after ten seconds.
//! So a service that sends nothing fails the test instead of blocking it.

mod reader;
mod response;

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::SockRef;

use self::reader::ReadOutcome;
pub use self::response::Response;

/// Timeout of one read or write.
const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection to a service.
#[derive(Debug)]
pub struct Connection {
    stream: ClientStream,
    /// Bytes that were read but are not part of a returned response.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum ClientStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

// === impl Connection ===

impl Connection {
    /// Connects over TCP.
    ///
    /// # Errors
    ///
    /// Returns the error of `connect`, for example a refused connection.
    pub fn tcp(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        Ok(Self::new(ClientStream::Tcp(stream)))
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    ///
    /// Returns the error of `connect`, for example a missing socket.
    pub fn unix(path: impl AsRef<Path>) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        Ok(Self::new(ClientStream::Unix(stream)))
    }

    fn new(stream: ClientStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes unchanged.
    ///
    /// # Panics
    ///
    /// If the write fails.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            panic!("cannot send: {error}");
        }
    }

    /// Sends bytes to a service that may have closed the connection.
    ///
    /// # Errors
    ///
    /// Returns the error of the write.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        match &mut self.stream {
            ClientStream::Tcp(stream) => stream.write_all(bytes.as_ref()),
            ClientStream::Unix(stream) => stream.write_all(bytes.as_ref()),
        }
    }

    /// Sends `GET path` and reads the response; the connection stays open.
    ///
    /// # Panics
    ///
    /// If there is no complete response.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.read()
    }

    /// Reads one response; a 1xx response counts as one.
    ///
    /// # Panics
    ///
    /// If there is no complete response.
    #[track_caller]
    pub fn read(&mut self) -> Response {
        match self.read_any(false) {
            Ok(Some(response)) => response,
            Ok(None) => panic!("the connection closed without a response"),
            Err(error) => panic!("no response: {error}"),
        }
    }

    /// Reads the response to a `HEAD` request, which never has a body.
    ///
    /// # Panics
    ///
    /// If there is no complete response.
    #[track_caller]
    pub fn read_head(&mut self) -> Response {
        match self.read_any(true) {
            Ok(Some(response)) => response,
            Ok(None) => panic!("the connection closed without a response"),
            Err(error) => panic!("no response: {error}"),
        }
    }

    /// Reads one response, or returns `None` if the connection closes without one.
    ///
    /// # Panics
    ///
    /// If the read times out, or the response is incomplete.
    #[track_caller]
    pub fn read_or_end(&mut self) -> Option<Response> {
        match self.read_any(false) {
            Ok(response) => response,
            Err(error) => panic!("no response: {error}"),
        }
    }

    /// Waits until at least one byte has arrived and keeps it for the next read.
    ///
    /// # Panics
    ///
    /// If no byte arrives.
    #[track_caller]
    pub fn wait_for_bytes(&mut self) {
        while self.buffer.is_empty() {
            match self.read_more() {
                Ok(true) => {}
                Ok(false) => panic!("the connection closed without a byte"),
                Err(error) => panic!("no byte: {error}"),
            }
        }
    }

    /// Reads until the service closes or resets the connection, and returns all unread bytes,
    /// framing included.
    ///
    /// # Panics
    ///
    /// If the connection stays open and idle.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                ReadOutcome::Data => {}
                ReadOutcome::Closed => return std::mem::take(&mut self.buffer),
                ReadOutcome::TimedOut => panic!(
                    "the connection is still open {IO_TIMEOUT:?} after its last byte; unread: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                ),
            }
        }
    }

    /// Returns whether the service closes or resets the connection before it is idle for `limit`.
    ///
    /// Bytes that arrive are kept for the next read.
    ///
    /// # Panics
    ///
    /// If `limit` is zero, which is not a valid read timeout.
    #[must_use]
    #[track_caller]
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        self.set_read_timeout(limit);
        let is_closed = loop {
            match self.fill() {
                ReadOutcome::Data => {}
                ReadOutcome::Closed => break true,
                ReadOutcome::TimedOut => break false,
            }
        };
        self.set_read_timeout(IO_TIMEOUT);
        is_closed
    }

    /// Closes the write half; responses can still be read.
    ///
    /// # Panics
    ///
    /// If the connection is already closed.
    #[track_caller]
    pub fn finish_sending(&mut self) {
        let result = match &self.stream {
            ClientStream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            ClientStream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        if let Err(error) = result {
            panic!("cannot close the write half: {error}");
        }
    }

    /// Resets the connection, like a killed client.
    ///
    /// # Panics
    ///
    /// If `SO_LINGER` cannot be set.
    pub fn reset(self) {
        if let ClientStream::Tcp(stream) = &self.stream {
            // With a linger time of zero, `close` sends RST.
            SockRef::from(stream)
                .set_linger(Some(Duration::ZERO))
                .expect("a TCP socket supports SO_LINGER");
        }
    }

    /// Sets the size of this side's receive buffer, which the kernel rounds.
    ///
    /// # Panics
    ///
    /// If the system rejects the size.
    pub fn set_receive_buffer(&self, bytes: usize) {
        let result = match &self.stream {
            ClientStream::Tcp(stream) => SockRef::from(stream).set_recv_buffer_size(bytes),
            ClientStream::Unix(stream) => SockRef::from(stream).set_recv_buffer_size(bytes),
        };
        if let Err(error) = result {
            panic!("cannot set the receive buffer: {error}");
        }
    }

    /// Returns the local address.
    ///
    /// # Panics
    ///
    /// If the connection is a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        match &self.stream {
            ClientStream::Tcp(stream) => stream
                .local_addr()
                .expect("a connected socket has a local address"),
            ClientStream::Unix(_) => panic!("a Unix socket has no IP address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Returns a connection whose peer sends `bytes` in two writes and closes.
    fn connection_receiving(bytes: &str) -> Connection {
        let (local, mut peer) = UnixStream::pair().unwrap();
        let (first, second) = bytes.as_bytes().split_at(bytes.len() / 2);
        let (first, second) = (first.to_vec(), second.to_vec());
        thread::spawn(move || {
            peer.write_all(&first).unwrap();
            peer.write_all(&second).unwrap();
        });
        local.set_read_timeout(Some(IO_TIMEOUT)).unwrap();
        Connection::new(ClientStream::Unix(local))
    }

    #[test]
    fn body_framing_follows_the_head() {
        #[track_caller]
        fn check(sent: &str, expected: &[(u16, &str)]) {
            let mut connection = connection_receiving(sent);
            let mut responses = Vec::new();
            while let Some(response) = connection.read_or_end() {
                responses.push((response.status, response.text().to_owned()));
            }
            let responses: Vec<_> = responses.iter().map(|(s, b)| (*s, b.as_str())).collect();
            assert_eq!(responses, expected, "{sent:?}");
        }
        check("", &[]);
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n",
            &[(200, "abc"), (404, "")],
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            &[(200, "abc0123456789"), (204, "")],
        );
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nup to the end",
            &[(100, ""), (200, "up to the end")],
        );
    }

    #[test]
    fn response_to_head_has_no_body() {
        let mut connection = connection_receiving("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
        let response = connection.read_head();
        assert_eq!(response.header("content-LENGTH"), Some("3"));
        assert_eq!(response.body, b"");
        assert_eq!(connection.read_to_end(), b"");
    }

    #[test]
    fn incomplete_response_is_an_error() {
        #[track_caller]
        fn check(sent: &str, expected: &str) {
            let error = connection_receiving(sent).read_any(false).unwrap_err();
            assert!(error.contains(expected), "{sent:?}: {error}");
        }
        check("HTTP/1.1 200 O", "inside a head");
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "2 of 3");
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "inside a body",
        );
        check("HTTP/2 200\r\n\r\n", "status line");
        check("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header line");
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "framing",
        );
    }

    #[test]
    fn ends_within_keeps_received_bytes() {
        let mut connection = connection_receiving("HTTP/1.1 204 No Content\r\n\r\n");
        assert!(connection.ends_within(IO_TIMEOUT));
        assert_eq!(connection.read().status, 204);
    }

    #[test]
    fn wait_for_bytes_keeps_received_bytes() {
        let mut connection = connection_receiving("HTTP/1.1 204 No Content\r\n\r\n");
        connection.wait_for_bytes();
        assert_eq!(connection.read().status, 204);
    }

    #[test]
    fn idle_connection_stays_open() {
        let (local, _peer) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ClientStream::Unix(local));
        assert!(!connection.ends_within(Duration::from_millis(10)));
    }
}
