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
    /// Parses the final response at the beginning of `bytes`, and returns the position of its end, too.
    ///
    /// Returns `None` if more bytes are needed.
    /// A response to HEAD has no body. At the end of the connection, a body without length is complete.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if no further byte can make it a response.
    pub(super) fn parse(
        bytes: &[u8],
        is_head: bool,
        is_end: bool,
    ) -> Result<Option<(Self, usize)>, Malformed> {
        let mut rest = bytes;
        loop {
            let Some(length) = find(rest, b"\r\n\r\n") else {
                return match rest.len() > MAX_HEAD {
                    true => Err(Malformed("the head has more than 64 KiB")),
                    false => Ok(None),
                };
            };
            let head = String::from_utf8_lossy(&rest[..length]);
            let mut lines = head.split("\r\n");
            let status = status(lines.next().unwrap_or_default())?;
            let headers = lines.map(header).collect::<Result<Vec<_>, _>>()?;
            rest = &rest[length + 4..];
            // Interim responses precede the final one (RFC 9110, section 15.2). 101 is final in HTTP/1.1.
            if status < 200 && status != 101 {
                continue;
            }
            let head = Self {
                status,
                headers,
                body: Vec::new(),
            };
            let body = match is_head {
                true => Some((Vec::new(), 0)),
                false => head.body_of(rest, is_end)?,
            };
            let start = bytes.len() - rest.len();
            return Ok(body.map(|(body, length)| (Self { body, ..head }, start + length)));
        }
    }

    /// Returns the body, and its length with its encoding.
    fn body_of(&self, rest: &[u8], is_end: bool) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
        if matches!(self.status, 101 | 204 | 304) {
            return Ok(Some((Vec::new(), 0)));
        }
        if self.header("transfer-encoding").is_some() {
            return chunked(rest);
        }
        let length = match self.header("content-length") {
            Some(length) => length
                .parse()
                .map_err(|_| Malformed("content-length is no number"))?,
            None if is_end => rest.len(),
            None => return Ok(None),
        };
        Ok(rest.get(..length).map(|body| (body.to_vec(), length)))
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

/// Returns the body, and its length with sizes and trailers.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut rest = bytes;
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
            let end = match rest.starts_with(b"\r\n") {
                true => Some(2),
                false => find(rest, b"\r\n\r\n").map(|at| at + 4),
            };
            return Ok(end.map(|end| (body, bytes.len() - rest.len() + end)));
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

    fn parse(bytes: &[u8], is_head: bool, is_end: bool) -> Result<Option<Response>, Malformed> {
        let parsed = Response::parse(bytes, is_head, is_end)?;
        Ok(parsed.map(|(response, _)| response))
    }

    #[track_caller]
    fn complete(bytes: &str) -> Response {
        // No prefix is a response, so a partial one is never taken for a complete one.
        for end in 0..bytes.len() {
            let prefix = &bytes.as_bytes()[..end];
            assert_eq!(parse(prefix, false, false), Ok(None), "{end}");
        }
        let response = parse(bytes.as_bytes(), false, false);
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
        assert_eq!(parse(bytes, false, false), Ok(None));
        let response = parse(bytes, false, true).unwrap().unwrap();
        assert_eq!(response.body, b"abc");
    }

    #[test]
    fn response_without_body_ends_with_its_head() {
        assert_eq!(complete("HTTP/1.1 204 No Content\r\n\r\n").status, 204);
    }

    #[test]
    fn interim_responses_are_skipped() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
        let response = complete(&format!(
            "{interim}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
        ));
        assert_eq!((response.status, response.text().as_str()), (200, "a"));
        assert_eq!(response.header("link"), None);
        assert_eq!(complete("HTTP/1.1 101 Upgrade\r\n\r\n").status, 101);
    }

    #[test]
    fn end_of_a_response_is_the_begin_of_the_next_one() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
        for bytes in [
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            &format!("{chunked}\r\n"),
            &format!("{chunked}T: v\r\n\r\n"),
        ] {
            let two = bytes.repeat(2);
            let first = Response::parse(two.as_bytes(), false, false);
            let (_, end) = first.unwrap().expect("it is complete");
            assert_eq!(end, bytes.len(), "{bytes}");
        }
    }

    #[test]
    fn response_to_head_has_a_length_and_no_body() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        let response = parse(bytes, true, false).unwrap().unwrap();
        assert_eq!((response.status, response.body), (200, Vec::new()));
    }

    #[test]
    fn bytes_that_are_no_response_are_an_error() {
        let fault = |bytes: &str| parse(bytes.as_bytes(), false, false).unwrap_err().0;
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
