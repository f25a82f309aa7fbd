//! LOG-1: lines of standard output.

use super::FORGED;
use crate::{
    target::{Line, Stream},
    verify::{
        evidence::{Evidence, Records},
        judgement::{Fault, Finding, Judgement, require},
        record::Record,
    },
};

pub(in crate::verify::checks) fn json(evidence: &Evidence) -> Judgement {
    let expected = "one JSON object in UTF-8 a line";
    let lines = evidence.log_lines()?;
    let is_elsewhere = evidence.records == Records::Stderr;
    if lines.is_empty() && !is_elsewhere {
        let others = evidence.lines(Stream::Err)?.into_iter();
        let others = others.filter_map(Record::read).count();
        let received = match others {
            0 => "no line on standard output".to_owned(),
            count => format!("no line on standard output, {count} records on standard error"),
        };
        return Err(Finding::new("a start and requests", received, expected).into());
    }
    let other = lines.into_iter().find(|line| Record::read(line).is_none());
    match other {
        None if is_elsewhere => {
            let reason = "--logs stderr names the place of the records, which is standard output";
            Err(Fault::not_proven(reason))
        }
        None => Ok(()),
        Some(line) => Err(Finding::new("a start and requests", line.text(), expected).into()),
    }
}

pub(super) fn hostile(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("hostile")?;
    let expected = "records in which the bytes of the client are part of a value";
    let lines = evidence.log_lines()?;
    let of_client = |line: &&Line| {
        let text = line.text();
        text.contains(FORGED) || text.contains(&exchange.nonce)
    };
    let lines: Vec<&Line> = lines.into_iter().filter(of_client).collect();
    for line in &lines {
        let record = Record::read(line);
        let is_sound = record.is_some_and(|record| {
            record.text("message") != Some(FORGED) && !record.has_repeated_name()
        });
        require(is_sound, || {
            Finding::exchange(exchange, line.text(), expected)
        })?;
    }
    if lines.is_empty() {
        let status = exchange
            .status()
            .map_or("no".to_owned(), |status| status.to_string());
        let reason = format!("the request got status {status} and made no record");
        return Err(Fault::not_proven(reason));
    }
    Ok(())
}
