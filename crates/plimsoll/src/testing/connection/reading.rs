//! Reads answers off a connection, framed as their heads say.

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use super::answer::{Answer, parse_head};
use super::{Connection, PATIENCE, Stream};

/// What one read brought.
pub(super) enum Got {
    Bytes,
    /// The peer has closed or reset the connection.
    End,
    Nothing,
}

// === impl Connection ===

impl Connection {
    pub(super) fn read_any(&mut self, bodyless: bool) -> Result<Option<Answer>, String> {
        let Some(head) = self.take_head()? else {
            return Ok(None);
        };
        let (status, headers) = parse_head(&head)?;
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if bodyless || status < 200 || status == 204 || status == 304 {
            return Ok(Some(answer));
        }
        answer.body = match (
            answer.header("transfer-encoding"),
            answer.header("content-length"),
        ) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => self.take_chunks()?,
            (None, Some(length)) => {
                let length = length
                    .parse()
                    .map_err(|_| format!("Content-Length is {length:?}"))?;
                self.take(length)?
            }
            (None, None) => {
                while self.more()? {}
                std::mem::take(&mut self.buffer)
            }
            framing => return Err(format!("framing is {framing:?}")),
        };
        Ok(Some(answer))
    }

    /// The next head without its empty line, or `None` at a clean end.
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
            if !self.more()? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(format!(
                        "the connection ended inside a head: {:?}",
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
                .map_err(|_| format!("a chunk begins with {line:?}"))?;
            if length == 0 {
                // Trailer lines, up to the empty one.
                while !self.take_line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(length)?);
            if !self.take_line()?.is_empty() {
                return Err("a chunk is longer than it says".to_owned());
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
            if !self.more()? {
                return Err("the connection ended inside a body".to_owned());
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.buffer.len() < length {
            if !self.more()? {
                return Err(format!(
                    "the connection ended after {} of {length} bytes of a body",
                    self.buffer.len()
                ));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads once; `false` at the end of the connection.
    pub(super) fn more(&mut self) -> Result<bool, String> {
        match self.fill() {
            Got::Bytes => Ok(true),
            Got::End => Ok(false),
            Got::Nothing => Err(format!(
                "silence for {PATIENCE:?} after {:?}",
                String::from_utf8_lossy(&self.buffer)
            )),
        }
    }

    pub(super) fn fill(&mut self) -> Got {
        let mut chunk = [0; 16 * 1024];
        let result = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut chunk),
            Stream::Unix(stream) => stream.read(&mut chunk),
        };
        match result {
            Ok(0) => Got::End,
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Got::Bytes
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Got::Nothing
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Got::Bytes,
            // A reset, in any of its spellings.
            Err(_) => Got::End,
        }
    }

    #[track_caller]
    pub(super) fn set_read_timeout(&self, limit: Duration) {
        let result = match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(limit)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(limit)),
        };
        if let Err(error) = result {
            panic!("cannot set a read timeout of {limit:?}: {error}");
        }
    }
}
