//! A bare HTTP/1.1 connection for tests: what is sent is sent as it is, byte for byte.
//!
//! An HTTP client refuses to send what a contract is about: half a head, two `Host` lines, a body
//! that stalls. [`Connection`] sends any bytes, and reads answers by the rules of RFC 9112, section
//! 6.3: no body after `HEAD`, 1xx, 204 and 304, then `Transfer-Encoding: chunked`, then
//! `Content-Length`, else up to the end of the connection.
//!
//! Every read and write has a deadline of ten seconds, so that a service that says nothing fails
//! the test instead of hanging it.

mod answer;
mod reading;

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::SockRef;

pub use self::answer::Answer;
use self::reading::Got;

/// Limit of one read or write.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection to a service.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// Bytes that have been read and belong to no answer yet.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

// === impl Connection ===

impl Connection {
    /// Connects over TCP.
    ///
    /// # Errors
    ///
    /// What `connect` gives, for example a refusal.
    pub fn tcp(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::over(Stream::Tcp(stream)))
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    ///
    /// What `connect` gives, for example that there is no such socket.
    pub fn unix(path: impl AsRef<Path>) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::over(Stream::Unix(stream)))
    }

    fn over(stream: Stream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    ///
    /// When the service no longer takes them.
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
    /// When the service no longer takes them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes.as_ref()),
            Stream::Unix(stream) => stream.write_all(bytes.as_ref()),
        }
    }

    /// Sends `GET path` and reads the answer; the connection stays open.
    ///
    /// # Panics
    ///
    /// When there is no whole answer.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.read()
    }

    /// Reads one answer; 1xx answers are answers of their own.
    ///
    /// # Panics
    ///
    /// When there is no whole answer.
    #[track_caller]
    pub fn read(&mut self) -> Answer {
        match self.read_any(false) {
            Ok(Some(answer)) => answer,
            Ok(None) => panic!("the connection ended without an answer"),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Reads the answer to a `HEAD` request, which has no body whatever its headers say.
    ///
    /// # Panics
    ///
    /// When there is no whole answer.
    #[track_caller]
    pub fn read_head(&mut self) -> Answer {
        match self.read_any(true) {
            Ok(Some(answer)) => answer,
            Ok(None) => panic!("the connection ended without an answer"),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Reads one answer, or finds that the connection ends without one.
    ///
    /// # Panics
    ///
    /// When neither happens, or when the answer is not whole.
    #[track_caller]
    pub fn read_or_end(&mut self) -> Option<Answer> {
        match self.read_any(false) {
            Ok(answer) => answer,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Reads until there is at least one unread byte; it is kept for the next read.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[track_caller]
    pub fn wait_for_bytes(&mut self) {
        while self.buffer.is_empty() {
            match self.more() {
                Ok(true) => {}
                Ok(false) => panic!("the connection ended without a byte"),
                Err(error) => panic!("no byte: {error}"),
            }
        }
    }

    /// Reads until the service closes or resets the connection, and gives everything unread,
    /// framing included.
    ///
    /// # Panics
    ///
    /// When the connection stays open and silent.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Got::Bytes => {}
                Got::End => return std::mem::take(&mut self.buffer),
                Got::Nothing => panic!(
                    "the connection is still open {PATIENCE:?} after its last byte; unread: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                ),
            }
        }
    }

    /// Whether the service closes or resets the connection before it has been silent for `limit`.
    ///
    /// Bytes that come meanwhile are kept for the next read.
    ///
    /// # Panics
    ///
    /// When `limit` is zero, which no socket takes.
    #[must_use]
    #[track_caller]
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        self.set_read_timeout(limit);
        let ended = loop {
            match self.fill() {
                Got::Bytes => {}
                Got::End => break true,
                Got::Nothing => break false,
            }
        };
        self.set_read_timeout(PATIENCE);
        ended
    }

    /// Ends the sending half; answers can still be read.
    ///
    /// # Panics
    ///
    /// When the connection is gone.
    #[track_caller]
    pub fn finish_sending(&mut self) {
        let result = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        if let Err(error) = result {
            panic!("cannot end the sending half: {error}");
        }
    }

    /// Breaks the connection off with a reset, as a client that has died does.
    ///
    /// # Panics
    ///
    /// When the system does not let the socket linger.
    pub fn reset(self) {
        if let Stream::Tcp(stream) = &self.stream {
            // A lingering time of zero makes `close` send RST.
            SockRef::from(stream)
                .set_linger(Some(Duration::ZERO))
                .expect("a TCP socket has a lingering time");
        }
    }

    /// Makes the kernel keep no more than about `bytes` of unread answer for this side.
    ///
    /// # Panics
    ///
    /// When the system refuses.
    pub fn set_receive_buffer(&self, bytes: usize) {
        let result = match &self.stream {
            Stream::Tcp(stream) => SockRef::from(stream).set_recv_buffer_size(bytes),
            Stream::Unix(stream) => SockRef::from(stream).set_recv_buffer_size(bytes),
        };
        if let Err(error) = result {
            panic!("cannot set the receive buffer: {error}");
        }
    }

    /// This side's address.
    ///
    /// # Panics
    ///
    /// On a Unix socket, which has none.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        match &self.stream {
            Stream::Tcp(stream) => stream
                .local_addr()
                .expect("a connected socket has a local address"),
            Stream::Unix(_) => panic!("a Unix socket has no internet address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A connection whose other end says `bytes` in two pieces and closes.
    fn hearing(bytes: &str) -> Connection {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (first, second) = bytes.as_bytes().split_at(bytes.len() / 2);
        let (first, second) = (first.to_vec(), second.to_vec());
        thread::spawn(move || {
            theirs.write_all(&first).unwrap();
            theirs.write_all(&second).unwrap();
        });
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection::over(Stream::Unix(ours))
    }

    #[test]
    fn bodies_are_framed_as_the_head_says() {
        #[track_caller]
        fn check(sent: &str, expected: &[(u16, &str)]) {
            let mut connection = hearing(sent);
            let mut answers = Vec::new();
            while let Some(answer) = connection.read_or_end() {
                answers.push((answer.status, answer.text().to_owned()));
            }
            let answers: Vec<_> = answers.iter().map(|(s, b)| (*s, b.as_str())).collect();
            assert_eq!(answers, expected, "{sent:?}");
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
    fn an_answer_to_head_has_no_body() {
        let mut connection = hearing("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
        let answer = connection.read_head();
        assert_eq!(answer.header("content-LENGTH"), Some("3"));
        assert_eq!(answer.body, b"");
        assert_eq!(connection.read_to_end(), b"");
    }

    #[test]
    fn a_torn_answer_is_an_error() {
        #[track_caller]
        fn check(sent: &str, expected: &str) {
            let error = hearing(sent).read_any(false).unwrap_err();
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
    fn what_comes_while_watching_for_the_end_is_kept() {
        let mut connection = hearing("HTTP/1.1 204 No Content\r\n\r\n");
        assert!(connection.ends_within(PATIENCE));
        assert_eq!(connection.read().status, 204);
    }

    #[test]
    fn bytes_that_were_waited_for_are_still_there() {
        let mut connection = hearing("HTTP/1.1 204 No Content\r\n\r\n");
        connection.wait_for_bytes();
        assert_eq!(connection.read().status, 204);
    }

    #[test]
    fn a_silent_connection_does_not_end() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::over(Stream::Unix(ours));
        assert!(!connection.ends_within(Duration::from_millis(10)));
    }
}
