//! The comparison of two responses.

use std::collections::BTreeSet;

use super::{
    allowed::{Difference, is_problem, take_additions},
    answer::{Answer, Fields, Outcome},
    requests::{Mode, Sent},
};

/// Two outcomes of one request.
pub(crate) struct Pair<'a> {
    pub(crate) request: &'a Sent,
    pub(crate) mode: Mode,
    /// This request or a later one of its connection has a body.
    pub(crate) is_before_body: bool,
    /// The handler of a route was called.
    pub(crate) was_handled: bool,
    /// A handler of the router answers with a 1xx status.
    pub(crate) may_be_interim: bool,
    pub(crate) bare: &'a Outcome,
    pub(crate) chassis: &'a Outcome,
}

impl Pair<'_> {
    /// Returns the allowed differences between the two.
    ///
    /// # Errors
    ///
    /// The difference, if it is not allowed.
    pub(crate) fn differences(&self) -> Result<BTreeSet<Difference>, String> {
        let mut found = BTreeSet::new();
        if let Outcome::Answer(chassis) = self.chassis
            && self.is_answered_by_chassis(chassis, &mut found)
        {
            return Ok(found);
        }
        match (self.bare, self.chassis) {
            (Outcome::Closed, Outcome::Closed) => {}
            (Outcome::Closed, Outcome::Answer(answer)) => {
                let mut answer = answer.clone();
                take_additions(self.request, None, &mut answer, &mut found)?;
                let is_panic = answer.is_cut || is_problem(&answer, 500, self.request);
                found.insert(if is_panic {
                    Difference::Panic
                } else if !self.request.body.is_none() {
                    Difference::ConnectionEnd
                } else {
                    return Err("only the chassis answers".to_owned());
                });
            }
            (Outcome::Answer(bare), Outcome::Closed) => {
                // A panic in a body cuts the response off, before its head is sent or after.
                found.insert(match (bare.is_cut, self.request.is_malformed) {
                    (true, _) => Difference::Panic,
                    (false, true) => Difference::Malformed,
                    (false, false) => return Err("only axum answers".to_owned()),
                });
            }
            (Outcome::Answer(bare), Outcome::Answer(chassis)) => {
                self.compare(bare.clone(), chassis.clone(), &mut found)?;
            }
        }
        Ok(found)
    }

    fn compare(
        &self,
        mut bare: Answer,
        mut chassis: Answer,
        found: &mut BTreeSet<Difference>,
    ) -> Result<(), String> {
        self.take_allowed(&mut bare, &mut chassis, found)?;
        equal("status", &bare.status, &chassis.status)?;
        equal("1xx responses", &bare.interim, &chassis.interim)?;
        equal_fields("headers", &bare.headers, &chassis.headers)?;
        equal_fields("trailers", &bare.trailers, &chassis.trailers)?;
        equal("cut off", &bare.is_cut, &chassis.is_cut)?;
        if !bare.is_cut && bare.body != chassis.body {
            return Err("bodies differ".to_owned());
        }
        equal("announced end", &bare.closes, &chassis.closes)?;
        equal("silent end", &bare.ended_silently, &chassis.ended_silently)
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, bare: &T, chassis: &T) -> Result<(), String> {
    if bare == chassis {
        return Ok(());
    }
    Err(format!("{what}: axum {bare:?}, chassis {chassis:?}"))
}

/// Compares as multisets in which values of one name keep their order.
fn equal_fields(what: &str, bare: &Fields, chassis: &Fields) -> Result<(), String> {
    let sorted = |fields: &Fields| {
        let mut fields = fields.clone();
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        fields
    };
    let (bare, chassis) = (sorted(bare), sorted(chassis));
    if bare == chassis {
        return Ok(());
    }
    let only = |one: &Fields, other: &Fields| {
        let fields = one.iter().filter(|field| !other.contains(field));
        let texts = fields.map(|(name, value)| format!("{name}: {}", value.escape_ascii()));
        texts.collect::<Vec<_>>().join(", ")
    };
    Err(format!(
        "{what}: only axum [{}], only chassis [{}]",
        only(&bare, &chassis),
        only(&chassis, &bare)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::Payload;

    fn request() -> Sent {
        Sent {
            sequence: 1,
            method: "GET",
            target: "/".to_owned(),
            is_http_10: false,
            headers: Vec::new(),
            body: Payload::None,
            is_malformed: false,
        }
    }

    fn bare() -> Answer {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        Answer {
            status: 200,
            headers: vec![
                field("set-cookie", "a=1"),
                field("set-cookie", "b=2"),
                field("vary", "x"),
            ],
            body: b"body".to_vec(),
            trailers: vec![field("x-checksum", "1")],
            ..Answer::default()
        }
    }

    /// Returns the response after the changes of the chassis.
    fn with_additions(mut answer: Answer) -> Answer {
        answer.set("x-request-id", b"1");
        answer.set("x-content-type-options", b"nosniff");
        answer.set("referrer-policy", b"same-origin");
        answer.set("cross-origin-opener-policy", b"same-origin");
        answer
    }

    fn differences(bare: Answer, chassis: Answer, was_handled: bool) -> Result<usize, String> {
        let pair = Pair {
            request: &request(),
            mode: Mode::InTurn,
            is_before_body: false,
            was_handled,
            may_be_interim: false,
            bare: &Outcome::Answer(bare),
            chassis: &Outcome::Answer(chassis),
        };
        pair.differences().map(|found| found.len())
    }

    #[test]
    fn each_part_of_a_response_is_compared() {
        assert_eq!(differences(bare(), with_additions(bare()), true), Ok(2));
        let check = |change: &dyn Fn(&mut Answer)| {
            let mut chassis = with_additions(bare());
            change(&mut chassis);
            let found = differences(bare(), chassis.clone(), true);
            assert!(found.is_err(), "{chassis:?}");
        };
        check(&|it| it.status = 201);
        check(&|it| it.interim.push(100));
        check(&|it| it.body.push(b'x'));
        check(&|it| it.is_cut = true);
        check(&|it| it.closes = true);
        check(&|it| it.ended_silently = true);
        check(&|it| it.trailers.clear());
        check(&|it| it.headers.swap(0, 1));
        check(&|it| it.remove("vary"));
        check(&|it| it.set("vary", b"y"));
        check(&|it| it.set("server", b"x"));
        check(&|it| it.remove("x-request-id"));
        check(&|it| it.set("x-request-id", b"not valid"));
        check(&|it| it.remove("referrer-policy"));
        check(&|it| it.set("referrer-policy", b"other"));
    }

    /// DIF-3
    #[test]
    fn problems_replace_only_responses_of_axum() {
        let empty = Answer {
            status: 404,
            ..Answer::default()
        };
        let problem = b"{\"title\":\"Not Found\",\"status\":404,\"request_id\":\"1\"}\n";
        let mut filled = with_additions(empty.clone());
        filled.body = problem.to_vec();
        filled.set("content-type", b"application/problem+json");
        filled.set("content-length", problem.len().to_string().as_bytes());
        filled.set("cache-control", b"no-store");
        assert_eq!(differences(empty.clone(), filled.clone(), false), Ok(3));
        assert!(differences(empty.clone(), filled.clone(), true).is_err());
        let mut with_text = empty.clone();
        with_text.body = b"own page".to_vec();
        assert!(differences(with_text, filled.clone(), false).is_err());
        let mut with_header = empty.clone();
        with_header.set("allow", b"GET");
        assert!(differences(with_header, filled.clone(), false).is_err());
        filled.status = 405;
        assert!(differences(empty, filled, false).is_err());
    }
}
