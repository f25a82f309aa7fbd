//! Two requests over one connection, the second one after the response to the first.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    exchange::{Exchange, Outcome, Wire},
    response::Response,
};

impl Wire {
    /// Sends `first` over a new connection and, after its response, `second` in a segment of its own.
    ///
    /// The second request is sent even if the service has announced the end of the connection.
    /// `first` can contain further requests: the second exchange has the first successful one of the
    /// further responses, or else the first of them.
    /// The connection is read until its end, or for `limit` after each request.
    pub(crate) async fn exchange_pair(
        &self,
        names: [&'static str; 2],
        nonce: String,
        requests: [Vec<u8>; 2],
        limit: Duration,
    ) -> [Exchange; 2] {
        let [first, second] = requests.map(|request| self.addressed(request));
        let mut received = Received::default();
        let (sent, answered);
        let connection = self.connect().await;
        match connection {
            Err(outcome) => {
                let at = self.elapsed();
                return [
                    self.ended(names[0], nonce.clone(), first, at, outcome.clone()),
                    self.ended(names[1], nonce, second, at, outcome),
                ];
            }
            Ok(mut stream) => {
                // A service may answer and close before it has read everything.
                let _ = timeout(limit, stream.write_all(&first)).await;
                sent = self.elapsed();
                received.read(&mut stream, limit, 1).await;
                answered = self.elapsed();
                if !received.is_end {
                    let _ = timeout(limit, stream.write_all(&second)).await;
                    received.read(&mut stream, limit, usize::MAX).await;
                }
            }
        }
        let [one, two] = received.outcomes();
        [
            Exchange {
                done: answered,
                ..self.ended(names[0], nonce.clone(), first, sent, one)
            },
            self.ended(names[1], nonce, second, answered, two),
        ]
    }
}

/// The bytes of a connection.
#[derive(Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    is_end: bool,
}

impl Received {
    /// Reads until there are `count` responses, or the connection ends, or the time is over.
    async fn read(&mut self, stream: &mut TcpStream, limit: Duration, count: usize) {
        let deadline = Instant::now() + limit;
        while !self.is_end && self.responses().len() < count {
            match timeout_at(deadline, stream.read_buf(&mut self.bytes)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => self.is_end = true,
                Err(_) => break,
            }
        }
    }

    /// Returns the complete responses.
    fn responses(&self) -> Vec<Response> {
        let mut responses = Vec::new();
        let mut rest = &self.bytes[..];
        while let Ok(Some((response, end))) = Response::parse(rest, false, self.is_end) {
            responses.push(response);
            rest = &rest[end..];
        }
        responses
    }

    fn outcomes(&self) -> [Outcome; 2] {
        let missing = match self.is_end {
            true => Outcome::Lost,
            false => Outcome::Late,
        };
        let mut responses = self.responses().into_iter();
        let first = responses.next();
        let others: Vec<Response> = responses.collect();
        let successful = others.iter().find(|response| response.status < 300);
        let second = successful.or(others.first()).cloned();
        [first, second].map(|response| response.map_or(missing.clone(), Outcome::Answered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(text: &str, is_end: bool) -> Vec<Option<u16>> {
        let received = Received {
            bytes: text.as_bytes().to_vec(),
            is_end,
        };
        let outcomes = received.outcomes().into_iter();
        let statuses = outcomes.map(|outcome| match outcome {
            Outcome::Answered(response) => Some(response.status),
            _ => None,
        });
        statuses.collect()
    }

    #[test]
    fn responses_follow_each_other() {
        let one = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc";
        let two = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert_eq!(statuses("", true), [None, None]);
        assert_eq!(statuses(one, false), [Some(404), None]);
        assert_eq!(
            statuses(&format!("{one}{two}"), false),
            [Some(404), Some(200)]
        );
        assert_eq!(
            statuses(&format!("{two}{one}"), true),
            [Some(200), Some(404)]
        );
        // A successful one is the evidence, whichever it is.
        let all = format!("{one}{one}{two}");
        assert_eq!(statuses(&all, true), [Some(404), Some(200)]);
    }

    #[test]
    fn body_without_length_ends_with_the_connection() {
        let text = "HTTP/1.1 400 Bad Request\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(statuses(text, true), [Some(400), None]);
        assert_eq!(statuses(text, false), [None, None]);
    }
}
