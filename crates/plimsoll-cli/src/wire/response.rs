//! Parses a response of HTTP/1.1.

/// A response with the length that its head announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Names in lower case, and values without surrounding white space.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, without chunked encoding.
    pub(crate) body: Vec<u8>,
}

/// The longest head or trailer section that is read.
const MAX_HEAD: usize = 64 * 1024;

/// Bytes that are no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no response of HTTP/1.1: {0}")]
pub(crate) struct Malformed(&'static str);

impl Response {
    /// Parses the response at the beginning of `bytes`. Returns `None` if more bytes are needed.
    ///
    /// A response to HEAD has no body. At the end of the connection, a body without length is complete.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if no further byte can make it a response.
    pub(crate) fn parse(
        bytes: &[u8],
        is_head: bool,
        is_end: bool,
    ) -> Result<Option<Self>, Malformed> {
        let Some(length) = find(bytes, b"\r\n\r\n") else {
            return if bytes.len() > MAX_HEAD {
                Err(Malformed("the head has more than 64 KiB"))
            } else {
                Ok(None)
            };
        };
        let head = String::from_utf8_lossy(&bytes[..length]);
        let mut lines = head.split("\r\n");
        let status = status(lines.next().unwrap_or_default())?;
        let headers = lines.map(header).collect::<Result<Vec<_>, _>>()?;
        let rest = &bytes[length + 4..];
        let head = Self {
            status,
            headers,
            body: Vec::new(),
        };
        let body = match is_head {
            true => Some(Vec::new()),
            false => head.body_of(rest, is_end)?,
        };
        Ok(body.map(|body| Self { body, ..head }))
    }

    /// Parses the response at the beginning of `bytes`, and returns its length, too.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if no further byte can make it a response.
    pub(super) fn parse_first(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some(response) = Self::parse(bytes, false, false)? else {
            return Ok(None);
        };
        // No prefix of a response is one, so its length can be bisected.
        let (mut low, mut high) = (0, bytes.len());
        while low < high {
            let middle = low.midpoint(high);
            match Self::parse(&bytes[..middle], false, false) {
                Ok(Some(_)) => high = middle,
                _ => low = middle + 1,
            }
        }
        Ok(Some((response, low)))
    }

    fn body_of(&self, rest: &[u8], is_end: bool) -> Result<Option<Vec<u8>>, Malformed> {
        if self.status < 200 || matches!(self.status, 204 | 304) {
            return Ok(Some(Vec::new()));
        }
        if self.header("transfer-encoding").is_some() {
            return chunked(rest);
        }
        match self.header("content-length") {
            Some(length) => {
                let length: usize = length
                    .parse()
                    .map_err(|_| Malformed("content-length is no number"))?;
                Ok(rest.get(..length).map(<[u8]>::to_vec))
            }
            None => Ok(is_end.then(|| rest.to_vec())),
        }
    }

    /// Returns the value of the first header with this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the service announces the end of the connection.
    pub(crate) fn closes(&self) -> bool {
        let options = self.header("connection").unwrap_or_default();
        let mut options = options.split(',');
        options.any(|option| option.trim().eq_ignore_ascii_case("close"))
    }

    /// Returns the media type, without parameters, in lower case.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        let media_type = value.split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn status(line: &str) -> Result<u16, Malformed> {
    let rest = line.strip_prefix("HTTP/1.1 ");
    let rest = rest.or_else(|| line.strip_prefix("HTTP/1.0 "));
    let rest = rest.ok_or(Malformed("the first line has no version"))?;
    let code = rest.split(' ').next().unwrap_or_default();
    code.parse()
        .ok()
        .filter(|status| (100..1000).contains(status))
        .ok_or(Malformed("the first line has no status"))
}

fn header(line: &str) -> Result<(String, String), Malformed> {
    let (name, value) = line
        .split_once(':')
        .ok_or(Malformed("a header has no colon"))?;
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn chunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(rest, b"\r\n") else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&rest[..end]);
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| Malformed("a chunk has no size"))?;
        rest = &rest[end + 2..];
        if size == 0 {
            // Trailers end with an empty line, which may be the next one.
            let is_complete = rest.starts_with(b"\r\n") || find(rest, b"\r\n\r\n").is_some();
            return Ok(is_complete.then_some(body));
        }
        let end = size
            .checked_add(2)
            .ok_or(Malformed("a chunk is too large"))?;
        let Some(chunk) = rest.get(..end) else {
            return Ok(None);
        };
        if !chunk.ends_with(b"\r\n") {
            return Err(Malformed("a chunk is longer than its size"));
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &rest[end..];
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn complete(bytes: &str) -> Response {
        // No prefix is a response, so a partial one is never taken for a complete one.
        for end in 0..bytes.len() {
            let prefix = &bytes.as_bytes()[..end];
            assert_eq!(Response::parse(prefix, false, false), Ok(None), "{end}");
        }
        let response = Response::parse(bytes.as_bytes(), false, false);
        response.unwrap().expect("it is complete")
    }

    #[test]
    fn length_determines_the_end_of_the_body() {
        let response = complete("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A:  b \r\n\r\nok\n");
        assert_eq!((response.status, response.text().as_str()), (200, "ok\n"));
        assert_eq!(response.header("x-a"), Some("b"));
    }

    #[test]
    fn chunks_are_joined() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let response = complete(&format!(
            "{head}3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
        ));
        assert_eq!(response.text(), "abc0123456789");
        let response = complete(&format!("{head}1\r\na\r\n0\r\nT: v\r\n\r\n"));
        assert_eq!(response.text(), "a");
    }

    #[test]
    fn close_ends_a_body_without_length() {
        let bytes = b"HTTP/1.0 200 OK\r\n\r\nabc";
        assert_eq!(Response::parse(bytes, false, false), Ok(None));
        let response = Response::parse(bytes, false, true).unwrap().unwrap();
        assert_eq!(response.body, b"abc");
    }

    #[test]
    fn response_without_body_ends_with_its_head() {
        assert_eq!(complete("HTTP/1.1 204 No Content\r\n\r\n").status, 204);
    }

    #[test]
    fn response_to_head_has_a_length_and_no_body() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        let response = Response::parse(bytes, true, false).unwrap().unwrap();
        assert_eq!((response.status, response.body), (200, Vec::new()));
    }

    #[test]
    fn bytes_that_are_no_response_are_an_error() {
        let fault = |bytes: &str| {
            Response::parse(bytes.as_bytes(), false, false)
                .unwrap_err()
                .0
        };
        assert_eq!(fault("SSH-2.0-x\r\n\r\n"), "the first line has no version");
        assert_eq!(fault("HTTP/1.1 ok\r\n\r\n"), "the first line has no status");
        assert_eq!(
            fault("HTTP/1.1 200 OK\r\na\r\n\r\n"),
            "a header has no colon"
        );
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(fault(&format!("{chunked}x\r\n")), "a chunk has no size");
        let longer = format!("{chunked}1\r\nabc");
        assert_eq!(fault(&longer), "a chunk is longer than its size");
    }
}
