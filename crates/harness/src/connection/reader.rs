//! Reads responses from a connection, framed by their heads.

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use super::response::{Response, parse_head};
use super::{ClientStream, Connection, IO_TIMEOUT};

/// Outcome of one read.
pub(super) enum ReadOutcome {
    Data,
    /// The peer has closed or reset the connection.
    Closed,
    TimedOut,
}

// === impl Connection ===

impl Connection {
    pub(super) fn read_any(&mut self, has_no_body: bool) -> Result<Option<Response>, String> {
        let Some(head) = self.take_head()? else {
            return Ok(None);
        };
        let (status, headers) = parse_head(&head)?;
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        if has_no_body || status < 200 || status == 204 || status == 304 {
            return Ok(Some(response));
        }
        response.body = match (
            response.header("transfer-encoding"),
            response.header("content-length"),
        ) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => self.take_chunks()?,
            (None, Some(length)) => {
                let length = length
                    .parse()
                    .map_err(|_| format!("Content-Length is {length:?}"))?;
                self.take(length)?
            }
            (None, None) => {
                while self.read_more()? {}
                std::mem::take(&mut self.buffer)
            }
            framing => return Err(format!("framing is {framing:?}")),
        };
        Ok(Some(response))
    }

    /// Takes the next head without its empty line, or returns `None` at a clean close.
    fn take_head(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut searched = 0;
        loop {
            let end = self.buffer[searched..]
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                let mut head: Vec<u8> = self.buffer.drain(..searched + end + 4).collect();
                head.truncate(head.len() - 4);
                return Ok(Some(head));
            }
            searched = self.buffer.len().saturating_sub(3);
            if !self.read_more()? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(format!(
                        "the connection closed inside a head: {:?}",
                        String::from_utf8_lossy(&self.buffer)
                    )),
                };
            }
        }
    }

    fn take_chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line = self.take_line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16)
                .map_err(|_| format!("the chunk header is {line:?}"))?;
            if length == 0 {
                // Trailer lines until the empty line.
                while !self.take_line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(length)?);
            if !self.take_line()?.is_empty() {
                return Err("a chunk is longer than its size".to_owned());
            }
        }
    }

    fn take_line(&mut self) -> Result<String, String> {
        loop {
            let end = self.buffer.windows(2).position(|window| window == b"\r\n");
            if let Some(end) = end {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.read_more()? {
                return Err("the connection closed inside a body".to_owned());
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.buffer.len() < length {
            if !self.read_more()? {
                return Err(format!(
                    "the connection closed after {} of {length} bytes of a body",
                    self.buffer.len()
                ));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads once; returns `false` if the connection is closed.
    pub(super) fn read_more(&mut self) -> Result<bool, String> {
        match self.fill() {
            ReadOutcome::Data => Ok(true),
            ReadOutcome::Closed => Ok(false),
            ReadOutcome::TimedOut => Err(format!(
                "no data for {IO_TIMEOUT:?} after {:?}",
                String::from_utf8_lossy(&self.buffer)
            )),
        }
    }

    pub(super) fn fill(&mut self) -> ReadOutcome {
        let mut chunk = [0; 16 * 1024];
        let result = match &mut self.stream {
            ClientStream::Tcp(stream) => stream.read(&mut chunk),
            ClientStream::Unix(stream) => stream.read(&mut chunk),
        };
        match result {
            Ok(0) => ReadOutcome::Closed,
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                ReadOutcome::Data
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                ReadOutcome::TimedOut
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => ReadOutcome::Data,
            // A reset, which has several error kinds.
            Err(_) => ReadOutcome::Closed,
        }
    }

    #[track_caller]
    pub(super) fn set_read_timeout(&self, limit: Duration) {
        let result = match &self.stream {
            ClientStream::Tcp(stream) => stream.set_read_timeout(Some(limit)),
            ClientStream::Unix(stream) => stream.set_read_timeout(Some(limit)),
        };
        if let Err(error) = result {
            panic!("cannot set a read timeout of {limit:?}: {error}");
        }
    }
}
