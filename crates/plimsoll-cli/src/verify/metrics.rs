//! A reader of the text format of Prometheus.
//!
//! It is independent of the chassis, whose faults it must find.

use std::collections::BTreeMap;

use super::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement},
    subject::COUNTED,
};
use crate::wire::Exchange;

/// The samples of a scrape, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scrape {
    pub(super) samples: Vec<Sample>,
    /// The types of the families.
    pub(super) types: BTreeMap<String, String>,
}

/// A line with a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// The types of the format.
const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

impl Scrape {
    /// Reads the body of a scrape.
    ///
    /// # Errors
    ///
    /// A violation if the response is not a scrape.
    pub(super) fn of(exchange: &Exchange) -> Result<Self, Fault> {
        let expected = "status 200, text/plain, and the text format of Prometheus";
        let response = exchange.response();
        let response = response.filter(|it| it.status == 200 && it.media_type() == "text/plain");
        let Some(response) = response else {
            return Err(Finding::response(exchange, expected).into());
        };
        Self::parse(&response.text())
            .map_err(|fault| Finding::exchange(exchange, fault, expected).into())
    }

    /// Parses a text.
    ///
    /// # Errors
    ///
    /// The first line that is none of the format.
    fn parse(text: &str) -> Result<Self, String> {
        let mut scrape = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let at = |fault: &str| format!("line {number}: {fault}: {line:?}");
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').ok_or_else(|| at("no type"))?;
                if !TYPES.contains(&kind) {
                    return Err(at("unknown type"));
                }
                scrape.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.is_empty() && !line.starts_with('#') {
                let sample = sample(line).ok_or_else(|| at("no sample"))?;
                scrape.samples.push(sample);
            }
        }
        if scrape.samples.is_empty() {
            return Err("no sample".to_owned());
        }
        Ok(scrape)
    }

    /// Returns the samples with this name.
    pub(super) fn samples<'name>(
        &'name self,
        name: &'name str,
    ) -> impl Iterator<Item = &'name Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.name == name)
    }

    /// Returns the sum of the samples with this name and these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.samples(name).filter(|sample| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| sample.label(name) == Some(value))
        });
        // The sum of no number is -0.
        samples.map(|sample| sample.value).sum::<f64>() + 0.0
    }
}

impl Evidence {
    /// Returns the scrapes before and after the requests.
    ///
    /// # Errors
    ///
    /// Not proven if the service closes its connections and has a registry for each process. Then the
    /// scrapes are those of different processes, which `MET-5:falls` reports.
    pub(super) fn scrapes(&self) -> Result<(Scrape, Scrape), Fault> {
        const COUNTER: &str = "http_requests_total";
        let before = Scrape::of(self.exchange("before")?)?;
        let mut last = before.clone();
        let mut has_fallen = false;
        self.exchange("after")?;
        for exchange in self.exchanges("after") {
            let after = Scrape::of(exchange)?;
            has_fallen |= after.sum(COUNTER, &[]) < last.sum(COUNTER, &[]);
            last = after;
        }
        match has_fallen {
            true => Err(fallen(COUNTER)),
            false => Ok((before, last)),
        }
    }

    /// Returns the sums of a counter before and after the requests.
    ///
    /// # Errors
    ///
    /// Not proven if the counter has fallen, as for [`Self::scrapes`].
    pub(super) fn counts(&self, name: &str, labels: &[(&str, &str)]) -> Result<[f64; 2], Fault> {
        let (before, after) = self.scrapes()?;
        let [before, after] = [before, after].map(|scrape| scrape.sum(name, labels));
        match after < before {
            true => Err(fallen(name)),
            false => Ok([before, after]),
        }
    }

    /// Returns the rise of a counter.
    ///
    /// # Errors
    ///
    /// Not proven if the counter has fallen, as for [`Self::scrapes`].
    pub(super) fn rise(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64, Fault> {
        let [before, after] = self.counts(name, labels)?;
        Ok(after - before)
    }

    /// Requires that a counter has risen, at the latest [`COUNTED`] after what was sent.
    ///
    /// # Errors
    ///
    /// A violation if it has not. Not proven if it has fallen, as for [`Self::scrapes`].
    pub(super) fn require_rise(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        sent: &str,
    ) -> Judgement {
        let [before, after] = self.counts(name, labels)?;
        if after > before {
            return Ok(());
        }
        let labels = labels.iter();
        let labels: String = labels
            .map(|(label, value)| format!("{{{label}=\"{value}\"}}"))
            .collect();
        let received = format!("{name}{labels}: {before}, then {after}");
        let finding = Finding::new(sent, received, "one more");
        Err(Fault::late(finding, COUNTED, self.lag))
    }
}

fn fallen(name: &str) -> Fault {
    Fault::NotProven(format!(
        "{name} fell between two scrapes: several processes have a registry each, and close the \
         connection after a response"
    ))
}

impl Sample {
    /// Returns the value of a label.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let value = value(words.next()?)?;
    let timestamp_is_valid = words.next().is_none_or(|word| word.parse::<i64>().is_ok());
    (is_name(name) && timestamp_is_valid && words.next().is_none()).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Reads labels up to the closing brace, and returns them with the rest of the line.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            match characters.next()? {
                (end, '"') => break end,
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    character @ ('\\' | '"') => character,
                    _ => return None,
                }),
                (_, character) => value.push(character),
            }
        };
        if !is_name(name) || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        rest = &quoted[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn value(word: &str) -> Option<f64> {
    match word {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ if word.ends_with(|last: char| last.is_ascii_digit() || last == '.') => word.parse().ok(),
        _ => None,
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_labels_and_values() {
        let text = "# HELP a Text.\n# TYPE a counter\na{b=\"c\\\"}\\n\",d=\"\"} 3\na 1e3 1700\n";
        let scrape = Scrape::parse(text).unwrap();
        assert_eq!(scrape.types["a"], "counter");
        assert_eq!(scrape.sum("a", &[("b", "c\"}\n")]), 3.0);
        assert_eq!(scrape.sum("a", &[]), 1003.0);
        assert_eq!(scrape.sum("a", &[("d", "x")]), 0.0);
    }

    #[test]
    fn lines_that_are_no_samples_are_errors() {
        for line in [
            "a",
            "a x",
            "a inf",
            "a 1 2 3",
            "a 1 x",
            "1a 1",
            "a{b=\"c} 1",
            "a{b=c} 1",
            "a{b=\"\\t\"} 1",
            "a{b=\"1\",b=\"2\"} 1",
            "{\"a\": 1}",
            "# TYPE a meter",
        ] {
            assert!(Scrape::parse(&format!("{line}\n")).is_err(), "{line}");
        }
        assert_eq!(Scrape::parse("# nothing\n").unwrap_err(), "no sample");
    }
}
