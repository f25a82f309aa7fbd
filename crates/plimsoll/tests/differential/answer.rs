//! The result of a request at the client.

use std::fmt;

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// The connection or the stream ended without a response.
    Closed,
}

/// A response as read by the client.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The statuses of the 1xx responses before it.
    pub(crate) interim: Vec<u16>,
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    pub(crate) body: Vec<u8>,
    /// The connection or the stream ended before the body did.
    pub(crate) is_cut: bool,
    pub(crate) trailers: Fields,
    /// The response announces the end of the connection.
    pub(crate) closes: bool,
    /// The connection ended after this response, which did not announce it.
    pub(crate) ended_silently: bool,
}

/// Header or trailer fields in the order in which they came, with names in lower case.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

// === impl Outcome ===

impl Outcome {
    /// Returns whether no request can follow on the connection.
    pub(crate) fn is_last(&self) -> bool {
        match self {
            Self::Answer(answer) => answer.closes || answer.is_cut,
            Self::Closed => true,
        }
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |(it, _)| it == name);
        named.map(|(_, value)| &value[..])
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(it, _)| it != name);
    }

    /// Replaces all values of a field by one.
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_vec()));
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} {}", self.interim, self.status)?;
        for (name, value) in self.headers.iter().chain(&self.trailers) {
            writeln!(f, "    {name}: {}", value.escape_ascii())?;
        }
        let shown = &self.body[..self.body.len().min(200)];
        write!(f, "    {} bytes: {}", self.body.len(), shown.escape_ascii())?;
        let flags = [
            (self.is_cut, "cut off"),
            (!self.trailers.is_empty(), "with trailers"),
            (self.closes, "connection closes"),
            (self.ended_silently, "connection closed unannounced"),
        ];
        for (_, flag) in flags.iter().filter(|(is_set, _)| *is_set) {
            write!(f, ", {flag}")?;
        }
        Ok(())
    }
}
