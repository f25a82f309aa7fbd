//! A request or a response with a body of known length.

/// A message of HTTP/1.1.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) first_line: Vec<u8>,
    /// Lines without their ends.
    headers: Vec<Vec<u8>>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Parses a complete message.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = find(bytes, b"\r\n\r\n")?;
        let mut lines = split(&bytes[..end]).into_iter();
        Some(Self {
            first_line: lines.next()?,
            headers: lines.collect(),
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// Returns the bytes of the message.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.first_line.clone();
        for header in &self.headers {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(header);
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Returns a part of the first line: method, target or status.
    pub(crate) fn word(&self, index: usize) -> String {
        let line = String::from_utf8_lossy(&self.first_line).into_owned();
        line.split(' ').nth(index).unwrap_or_default().to_owned()
    }

    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let index = self.index(name)?;
        let value = &self.headers[index][name.len() + 1..];
        Some(String::from_utf8_lossy(value).trim().to_owned())
    }

    /// Returns the number of headers of a name.
    pub(crate) fn count(&self, name: &str) -> usize {
        let mut copy = self.clone();
        let all = copy.headers.len();
        copy.remove_header(name);
        all - copy.headers.len()
    }

    /// Replaces a header, or adds it.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.remove_header(name);
        self.headers.push(format!("{name}: {value}").into_bytes());
    }

    /// Removes all headers of a name.
    pub(crate) fn remove_header(&mut self, name: &str) {
        while let Some(index) = self.index(name) {
            self.headers.remove(index);
        }
    }

    /// Replaces the body with a text.
    pub(crate) fn set_body(&mut self, body: impl Into<String>) {
        self.body = body.into().into_bytes();
        let length = self.body.len().to_string();
        self.set_header("content-length", &length);
    }

    /// Replaces the status.
    pub(crate) fn set_status(&mut self, status: &str) {
        self.first_line = format!("HTTP/1.1 {status}").into_bytes();
    }

    /// Replaces a text of the body.
    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        self.set_body(self.text().replace(from, to));
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|header| {
            let (start, rest) = header.split_at(name.len().min(header.len()));
            start.eq_ignore_ascii_case(name.as_bytes()) && rest.starts_with(b":")
        })
    }
}

fn split(head: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(rest[..end].to_vec());
        rest = &rest[end + 2..];
    }
    lines.push(rest.to_vec());
    lines
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    let mut windows = bytes.windows(pattern.len());
    windows.position(|window| window == pattern)
}
