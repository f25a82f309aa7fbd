//! The id of a request.

use std::fmt;

use http::HeaderValue;

use super::context;

/// The id of a request: 1–128 characters of `A–Z a–z 0–9 . _ - : / + =` (contract RID-2).
///
/// As an extractor it gives the id of the request being handled. It is the same that the answer's
/// `X-Request-ID` and every record of the request carry.
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
    /// Takes a value that was found valid, or made so.
    pub(crate) fn new(value: HeaderValue) -> Self {
        Self(value)
    }

    /// The id of the request that the running code works for; `None` outside of any request.
    ///
    /// It is known in handlers and middleware, and in tasks that [`spawn`] has started or
    /// [`in_request`] has wrapped.
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
        // All characters of an id are visible ASCII, for which this cannot fail. `to_str` would look
        // at them one by one.
        std::str::from_utf8(self.0.as_bytes()).unwrap_or("-")
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
