//! The id of a request.

use std::fmt;

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
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Creates an id from a valid value. The caller has validated or generated it.
    pub(crate) fn new(value: HeaderValue) -> Self {
        Self(value)
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
        std::str::from_utf8(self.0.as_bytes()).unwrap_or("-")
    }

    /// The id as bytes, without the check that `as_str` makes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The id as the value of `X-Request-ID`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
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
