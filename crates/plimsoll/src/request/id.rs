//! The id of a request.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use http::HeaderValue;

use super::context;

/// The id of a request: 1–128 characters of `A–Z a–z 0–9 . _ - : / + =` (contract RID-2).
///
/// As an extractor it is the id of the handled request. The response header `X-Request-ID` and every
/// log record of the request carry the same id.
///
/// ```
/// use plimsoll::RequestId;
///
/// async fn handler(id: RequestId) -> String {
///     format!("this is {id}\n")
/// }
/// ```
#[derive(Clone)]
pub struct RequestId(IdText);

/// The text of an id. A generated one is copied, because counted references cost more.
#[derive(Clone)]
enum IdText {
    Generated([u8; GENERATED]),
    Sent(HeaderValue),
}

/// The length of a generated id.
pub(crate) const GENERATED: usize = 32;

impl RequestId {
    /// Creates an id from the valid value of a client.
    pub(crate) const fn sent(value: HeaderValue) -> Self {
        Self(IdText::Sent(value))
    }

    /// Creates a generated id from its hexadecimal digits.
    pub(crate) const fn generated(digits: [u8; GENERATED]) -> Self {
        Self(IdText::Generated(digits))
    }

    /// Returns the id of the current request; `None` outside a request.
    ///
    /// It is available in handlers, in middleware, and in tasks started with [`spawn`](crate::spawn) or
    /// wrapped in [`in_request`](crate::in_request).
    ///
    /// ```
    /// use plimsoll::RequestId;
    ///
    /// fn reference() -> String {
    ///     RequestId::current().map_or_else(|| "-".to_owned(), |id| id.to_string())
    /// }
    /// # assert_eq!(reference(), "-");
    /// ```
    #[must_use]
    pub fn current() -> Option<Self> {
        context::read(|request| request.request_id.clone())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // All characters of an id are visible ASCII, so this cannot fail. `to_str` would check each
        // byte.
        std::str::from_utf8(self.as_bytes()).unwrap_or("-")
    }

    /// The id as bytes, without the check that `as_str` makes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            IdText::Generated(digits) => digits,
            IdText::Sent(value) => value.as_bytes(),
        }
    }

    /// The id as the value of `X-Request-ID`.
    pub(crate) fn header(&self) -> HeaderValue {
        match &self.0 {
            // Hexadecimal digits are always a valid value; the fallback is never taken.
            IdText::Generated(digits) => {
                HeaderValue::from_bytes(digits).unwrap_or(HeaderValue::from_static("-"))
            }
            IdText::Sent(value) => value.clone(),
        }
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for RequestId {}

impl Hash for RequestId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
