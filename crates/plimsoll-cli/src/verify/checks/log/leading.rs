//! LOG-2: the fields that each record begins with.

use serde_json::Value;

use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, require},
    names::LEADING,
    record::Record,
};

const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/// The form of `asctime`: `0` stands for a digit.
const ASCTIME: &str = "0000-00-00 00:00:00,000";

pub(super) fn fields(evidence: &Evidence) -> Judgement {
    each(evidence, "the fields asctime to request_id", |record| {
        LEADING.iter().all(|name| record.get(name).is_some())
    })
}

pub(super) fn values(evidence: &Evidence) -> Judgement {
    let expected = "asctime as 2025-12-19 09:19:45,026, process as a number, one of the five \
                    levels, and other fields as texts";
    each(evidence, expected, |record| {
        let texts = ["name", "threadName", "message", "request_id"];
        record.text("asctime").is_some_and(has_form)
            && record
                .text("levelname")
                .is_some_and(|it| LEVELS.contains(&it))
            && record.get("process").is_some_and(Value::is_u64)
            && texts
                .iter()
                .all(|name| record.text(name).is_some_and(|it| !it.is_empty()))
    })
}

pub(super) fn order(evidence: &Evidence) -> Judgement {
    evidence.names.require_none()?;
    each(evidence, "the leading fields first, in order", |record| {
        record.names().take(LEADING.len()).eq(LEADING)
    })
}

fn has_form(asctime: &str) -> bool {
    let form = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    asctime.bytes().map(form).eq(ASCTIME.bytes())
}

fn each(evidence: &Evidence, expected: &str, holds: impl Fn(&Record) -> bool) -> Judgement {
    for record in evidence.records()? {
        require(holds(&record), || {
            Finding::new("a start and requests", record.line(), expected)
        })?;
    }
    Ok(())
}
