//! LOG-10: lines for reading.

use super::texts::send_with_agent;
use crate::{
    target::Line,
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        record::Record,
        subject::Subject,
    },
};

/// The character that reverses the direction of a text, and one without width.
const INVISIBLE: [char; 2] = ['\u{202e}', '\u{200b}'];

/// The begin of a sequence that colours a terminal.
const ESCAPE: char = '\u{1b}';

pub(super) async fn requests(subject: &mut Subject<'_>) {
    let [reverse, narrow] = INVISIBLE;
    let agent = format!("a{reverse}b{narrow}c");
    send_with_agent(subject, "pretty", "", agent.as_bytes()).await;
    subject.settle().await;
}

/// Returns the lines of the request.
fn lines(evidence: &Evidence) -> Result<Vec<&Line>, Fault> {
    let exchange = evidence.exchange("pretty")?;
    let mut lines = evidence.log_lines()?;
    lines.retain(|line| line.text().contains(&exchange.nonce));
    Ok(lines)
}

pub(super) fn pretty(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("pretty")?;
    let lines = lines(evidence)?;
    let is_pretty = |line: &&Line| Record::read(line).is_none() && line.text().contains(ESCAPE);
    require(!lines.is_empty() && lines.iter().all(is_pretty), || {
        let lines: Vec<String> = lines.iter().map(|line| line.text()).collect();
        let received = match lines.is_empty() {
            true => "no line with the id of the request".to_owned(),
            false => lines.join("\n"),
        };
        let expected = "coloured lines that are no JSON, with LOG_FORMAT=pretty";
        Finding::exchange(exchange, received, expected)
    })
}

pub(super) fn invisible(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("pretty")?;
    let lines = lines(evidence)?;
    if lines.is_empty() {
        let reason = "no line has the id of the request";
        return Err(Fault::not_proven(reason));
    }
    for line in lines {
        let text = line.text();
        require(!text.contains(INVISIBLE), || {
            let received = format!("{text:?}");
            let expected =
                "lines in which zero-width characters and changes of direction are escaped";
            Finding::exchange(exchange, received, expected)
        })?;
    }
    Ok(())
}
