//! The differences that the contract allows. Each is detected, counted, and removed from both
//! responses before the comparison.

use std::collections::BTreeSet;

use super::{
    answer::Answer,
    compare::Pair,
    generate_requests::RESERVED,
    handlers::SEEN_ID,
    requests::{Mode, Sent},
};

/// An allowed difference. Each is a row of `docs/contract.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    RequestId,
    SecurityHeaders,
    Problem,
    Panic,
    Malformed,
    ConnectionEnd,
    ForbiddenBody,
    NoContent,
    Cookies,
    Reserved,
    Interim,
}

impl Difference {
    pub(crate) const ALL: [Self; 11] = [
        Self::RequestId,
        Self::SecurityHeaders,
        Self::Problem,
        Self::Panic,
        Self::Malformed,
        Self::ConnectionEnd,
        Self::ForbiddenBody,
        Self::NoContent,
        Self::Cookies,
        Self::Reserved,
        Self::Interim,
    ];

    /// Returns the id of its row.
    pub(crate) fn id(self) -> String {
        format!("DIF-{}", self as usize + 1)
    }
}

/// The headers that the chassis adds if the application sets none (contract HTTP-9).
const SECURITY: [(&str, &[u8]); 3] = [
    ("x-content-type-options", b"nosniff"),
    ("referrer-policy", b"same-origin"),
    ("cross-origin-opener-policy", b"same-origin"),
];

impl Pair<'_> {
    /// Returns whether the chassis responds instead of the router: malformed requests and reserved
    /// paths.
    pub(crate) fn is_answered_by_chassis(
        &self,
        chassis: &Answer,
        found: &mut BTreeSet<Difference>,
    ) -> bool {
        if self.request.is_malformed && chassis.status == 400 && chassis.closes {
            found.insert(Difference::Malformed);
            return true;
        }
        let path = self.request.path();
        let is_reserved = RESERVED.contains(&path) && chassis.status == 200;
        if is_reserved {
            found.insert(Difference::Reserved);
        }
        is_reserved
    }

    /// Removes all allowed differences from both responses.
    ///
    /// # Errors
    ///
    /// If the additions of the chassis differ from the contract.
    pub(crate) fn take_allowed(
        &self,
        bare: &mut Answer,
        chassis: &mut Answer,
        found: &mut BTreeSet<Difference>,
    ) -> Result<(), String> {
        // A response of the parser has no request (contract RID-4).
        let by_parser = bare.headers.len() <= 3 && matches!(bare.status, 400 | 414 | 431);
        if !by_parser || chassis.has("x-request-id") {
            take_additions(self.request, Some(bare), chassis, found)?;
        }
        self.take_reset(bare, chassis, found);
        self.take_connection_end(bare, chassis, found);
        if self.is_unanswered(bare) && is_problem(chassis, bare.status, self.request) {
            found.insert(Difference::Problem);
            fill(bare, chassis);
        }
        let is_refused = bare.status == 500 && bare.body.is_empty() && self.may_be_interim;
        if is_refused && is_problem(chassis, 500, self.request) {
            found.insert(Difference::Interim);
            fill(bare, chassis);
            (bare.closes, bare.ended_silently) = (chassis.closes, chassis.ended_silently);
            bare.remove("connection");
            chassis.remove("connection");
        }
        if bare.status == 204 && bare.has("content-length") && !chassis.has("content-length") {
            found.insert(Difference::NoContent);
            bare.remove("content-length");
        }
        self.take_forbidden_body(bare, chassis, found);
        self.take_cookies(bare, chassis, found);
        take_dates(bare, chassis);
        Ok(())
    }

    /// Returns whether it is a default response of axum: 404 or 405 without more.
    fn is_unanswered(&self, bare: &Answer) -> bool {
        matches!(bare.status, 404 | 405)
            && !self.was_handled
            && bare.body.is_empty()
            && !bare.has("content-type")
    }

    /// Over HTTP/2 axum sends a body of the application where none is allowed.
    fn take_forbidden_body(
        &self,
        bare: &mut Answer,
        chassis: &mut Answer,
        found: &mut BTreeSet<Difference>,
    ) {
        let is_forbidden = self.request.method == "HEAD" || matches!(bare.status, 204 | 304);
        let is_sent = !bare.body.is_empty() || bare.is_cut;
        if self.mode == Mode::Http2 && is_forbidden && is_sent && !chassis.is_cut {
            found.insert(Difference::ForbiddenBody);
            bare.is_cut = false;
            bare.body.clear();
            bare.trailers.clear();
        }
        // hyper derives it from the body that the chassis has dropped.
        if self.mode == Mode::Http2 && is_forbidden && !chassis.has("content-length") {
            bare.remove("content-length");
        }
    }

    /// Over HTTP/2 the chassis joins split cookies into one header.
    fn take_cookies(
        &self,
        bare: &mut Answer,
        chassis: &mut Answer,
        found: &mut BTreeSet<Difference>,
    ) {
        let cookies = self
            .request
            .headers
            .iter()
            .filter(|(name, _)| *name == "cookie");
        let is_head = self.request.method == "HEAD";
        let is_other = is_head || bare.body != chassis.body;
        if self.mode == Mode::Http2 && cookies.count() > 1 && is_other {
            // As `Handler::Echo` writes headers.
            let joined =
                |body: &[u8]| String::from_utf8_lossy(body).replace("\"\ncookie: \"", "; ");
            if joined(&bare.body) == joined(&chassis.body) {
                found.insert(Difference::Cookies);
                bare.body.clone_from(&chassis.body);
                bare.remove("content-length");
                chassis.remove("content-length");
            }
        }
    }

    /// After an unread request body axum resets the connection, with any unsent data.
    fn take_reset(
        &self,
        bare: &mut Answer,
        chassis: &mut Answer,
        found: &mut BTreeSet<Difference>,
    ) {
        if self.mode != Mode::Http2 && self.is_before_body && bare.is_cut && !chassis.is_cut {
            found.insert(Difference::ConnectionEnd);
            bare.is_cut = false;
            bare.body.clone_from(&chassis.body);
            bare.trailers.clone_from(&chassis.trailers);
        }
    }

    /// With a request body, the two may end the connection in different ways.
    fn take_connection_end(
        &self,
        bare: &mut Answer,
        chassis: &mut Answer,
        found: &mut BTreeSet<Difference>,
    ) {
        let end = |answer: &Answer| {
            let announced = answer.values("connection").map(<[u8]>::to_vec);
            let announced = announced.collect::<Vec<_>>();
            (announced, answer.closes, answer.ended_silently)
        };
        if end(bare) == end(chassis) || (self.request.body.is_none() && !self.request.is_malformed)
        {
            return;
        }
        found.insert(Difference::ConnectionEnd);
        for answer in [bare, chassis] {
            answer.remove("connection");
            answer.closes = false;
            answer.ended_silently = false;
        }
    }
}

/// Checks and removes what the chassis adds to every answer.
pub(crate) fn take_additions(
    request: &Sent,
    bare: Option<&mut Answer>,
    chassis: &mut Answer,
    found: &mut BTreeSet<Difference>,
) -> Result<(), String> {
    let ids: Vec<_> = chassis.values("x-request-id").collect();
    let [id] = ids[..] else {
        return Err(format!("{} request ids", ids.len()));
    };
    let sent: Vec<_> = request
        .headers
        .iter()
        .filter(|(name, _)| *name == "x-request-id")
        .collect();
    if let [(_, sent)] = sent[..]
        && is_valid_id(sent.as_bytes())
        && sent.as_bytes() != id
    {
        return Err("the request id is not that of the request".to_owned());
    }
    if !is_valid_id(id) {
        return Err("the request id is malformed".to_owned());
    }
    if chassis.values(SEEN_ID).any(|seen| seen != id) {
        return Err("a handler has seen another request id".to_owned());
    }
    found.insert(Difference::RequestId);
    chassis.remove("x-request-id");
    chassis.remove(SEEN_ID);
    let mut none = Answer::default();
    let bare = bare.unwrap_or(&mut none);
    bare.remove("x-request-id");
    bare.remove(SEEN_ID);
    for (name, value) in SECURITY {
        if !bare.has(name) {
            let given: Vec<_> = chassis.values(name).collect();
            if given != [value] {
                return Err(format!("{name} is not added once"));
            }
            found.insert(Difference::SecurityHeaders);
            chassis.remove(name);
        }
    }
    Ok(())
}

/// Returns whether an id is kept (contract RID-2).
fn is_valid_id(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-:/+=".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(is_allowed)
}

/// Returns whether a response is the problem document of a status, with any other headers.
pub(crate) fn is_problem(answer: &Answer, status: u16, request: &Sent) -> bool {
    let start = format!("\"status\":{status},\"request_id\":\"");
    let body = String::from_utf8_lossy(&answer.body);
    let is_whole =
        body.starts_with("{\"title\":\"") && body.contains(&start) && body.ends_with("\"}\n");
    answer.status == status
        && answer
            .values("content-type")
            .eq([&b"application/problem+json"[..]])
        && (is_whole || (request.method == "HEAD" && body.is_empty()))
}

/// Adds to a default response of axum what the chassis adds.
fn fill(bare: &mut Answer, chassis: &Answer) {
    bare.body.clone_from(&chassis.body);
    bare.set("content-type", b"application/problem+json");
    if !bare.has("cache-control") {
        bare.set("cache-control", b"no-store");
    }
    let length: Vec<_> = chassis
        .values("content-length")
        .map(<[u8]>::to_vec)
        .collect();
    // One length, which is correct if there is a body.
    if let [length] = &length[..]
        && (chassis.body.is_empty() || *length == chassis.body.len().to_string().as_bytes())
    {
        bare.set("content-length", length);
    }
}

/// Removes the dates that hyper has added; those of handlers stay.
fn take_dates(bare: &mut Answer, chassis: &mut Answer) {
    let is_made = |answer: &Answer| answer.values("date").all(|date| date.ends_with(b" GMT"));
    if bare.has("date") && chassis.has("date") && is_made(bare) && is_made(chassis) {
        bare.remove("date");
        chassis.remove("date");
    }
}
