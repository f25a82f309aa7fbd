//! A strict parser of the plain text format of Prometheus, for other registries and for tests.
//!
//! A lenient parser hides errors that a scraper or a dashboard rejects later. So everything that the
//! format or its linter rejects is an error with its line number:
//!
//! * Every line, also the last one, ends in a line feed, and none is empty.
//! * A family has one `HELP` and one `TYPE` before its first sample, and its lines are contiguous.
//! * Samples have valid names, only the escapes `\\`, `\"` and `\n`, and no repeated label.
//! * No series is repeated.
//! * Counters are neither negative nor NaN.
//! * Each series of a histogram has increasing bounds, counts that never decrease, `_sum`, and a
//!   `+Inf` bucket equal to `_count`.
//! * Each series of a summary has `_sum` and `_count`.
//!
//! [`Scrape::parse_other`] also accepts empty lines and families without `HELP`, because common
//! exporters write them.
//!
//! The order of the labels of a series is not kept. OpenMetrics is another format and not parsed.

mod sample;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use self::sample::{is_name, parse_sample, parse_value, unescape};

/// The parsed metrics of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    pub(crate) families: Vec<ScrapedFamily>,
    /// Values by sample name and sorted labels.
    pub(crate) series: HashMap<(String, SampleLabels), f64>,
}

/// A metric family with all its series.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScrapedFamily {
    /// The name in its `HELP` and `TYPE` lines.
    pub name: String,
    /// The text of the `HELP` line, without escapes.
    pub help: String,
    /// The type in the `TYPE` line.
    pub kind: MetricType,
    /// The samples, in the order of the text.
    pub samples: Vec<Sample>,
}

/// A line with a value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sample {
    /// The name, with its suffix such as `_bucket`.
    pub name: String,
    /// Label names and values, sorted.
    pub labels: SampleLabels,
    /// The value.
    pub value: f64,
}

/// The types of metrics in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricType {
    /// A value that never decreases until the process ends.
    Counter,
    /// A value that rises and falls.
    Gauge,
    /// Counts of values by upper bound.
    Histogram,
    /// Quantiles of values.
    Summary,
    /// A value of unknown type.
    Untyped,
}

impl MetricType {
    /// The word in a `TYPE` line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
        }
    }
}

/// A violation of the format, with its line number. Line 0 is the text as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpositionError {
    pub(crate) line: usize,
    what: String,
}

pub(crate) type SampleLabels = BTreeMap<String, String>;

impl Scrape {
    /// Parses the text of `/metrics`, in the plain format.
    ///
    /// # Errors
    ///
    /// Returns the first line that violates a rule: a family without `HELP` or `TYPE` or in pieces,
    /// an invalid name or escape, a repeated series, an inconsistent histogram.
    #[cfg(feature = "testing")]
    pub fn parse(text: &str) -> Result<Self, ExpositionError> {
        Self::read(text, Strictness::Full)
    }

    /// Parses the text of another registry: it may have empty lines and lack `HELP`.
    pub(crate) fn parse_other(text: &str) -> Result<Self, ExpositionError> {
        Self::read(text, Strictness::Lenient)
    }

    fn read(text: &str, strictness: Strictness) -> Result<Self, ExpositionError> {
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(ExpositionError::new(0, "the last line has no line feed"));
        }
        let mut reader = ExpositionReader::new(strictness);
        for (index, line) in text.split_terminator('\n').enumerate() {
            reader
                .line(line)
                .map_err(|what| ExpositionError::new(index + 1, what))?;
        }
        reader
            .end_family()
            .map_err(|what| ExpositionError::new(text.lines().count(), what))?;
        Ok(reader.metrics)
    }
}

impl ExpositionError {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for ExpositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ExpositionError {}

/// The state of a parser: the current family, and all before it.
struct ExpositionReader {
    strictness: Strictness,
    metrics: Scrape,
    current: Option<OpenFamily>,
    /// The names of all families up to the current one.
    names: HashSet<String>,
}

/// Whether empty lines and families without `HELP` are errors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    #[cfg(feature = "testing")]
    Full,
    Lenient,
}

/// The help of a family without `HELP`.
const DEFAULT_HELP: &str = "No description.";

/// A family whose lines are being read.
struct OpenFamily {
    name: String,
    help: Option<String>,
    kind: Option<MetricType>,
    samples: Vec<Sample>,
}

impl ExpositionReader {
    fn new(strictness: Strictness) -> Self {
        Self {
            strictness,
            metrics: Scrape::default(),
            current: None,
            names: HashSet::new(),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() {
            return match self.strictness {
                Strictness::Lenient => Ok(()),
                #[cfg(feature = "testing")]
                Strictness::Full => Err("the line is empty".to_owned()),
            };
        }
        let Some(comment) = line.strip_prefix('#') else {
            return self.sample(line);
        };
        let mut words = comment.trim_start_matches([' ', '\t']).splitn(3, ' ');
        let (keyword, name) = (words.next(), words.next().unwrap_or_default());
        let rest = words.next();
        match keyword {
            Some("HELP") => {
                let help = unescape(rest.unwrap_or_default(), false)?;
                let family = self.family(name)?;
                if !family.samples.is_empty() {
                    return Err(format!("HELP of {name} comes after its samples"));
                }
                match family.help.replace(help) {
                    Some(_) => Err(format!("{name} has a second HELP")),
                    None => Ok(()),
                }
            }
            Some("TYPE") => {
                let kind = match rest {
                    Some("counter") => MetricType::Counter,
                    Some("gauge") => MetricType::Gauge,
                    Some("histogram") => MetricType::Histogram,
                    Some("summary") => MetricType::Summary,
                    Some("untyped") => MetricType::Untyped,
                    other => return Err(format!("there is no type {other:?}")),
                };
                let family = self.family(name)?;
                if !family.samples.is_empty() {
                    return Err(format!("TYPE of {name} comes after its samples"));
                }
                match family.kind.replace(kind) {
                    Some(_) => Err(format!("{name} has a second TYPE")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Returns the open family of this name. A new name closes the current family and opens another.
    fn family(&mut self, name: &str) -> Result<&mut OpenFamily, String> {
        if !is_name(name, true) {
            return Err(format!("{name:?} is no metric name"));
        }
        if self.current.as_ref().is_none_or(|open| open.name != name) {
            self.end_family()?;
            if !self.names.insert(name.to_owned()) {
                return Err(format!("the lines of {name} do not stand together"));
            }
        }
        Ok(self.current.get_or_insert_with(|| OpenFamily {
            name: name.to_owned(),
            help: None,
            kind: None,
            samples: Vec::new(),
        }))
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let sample = parse_sample(line)?;
        let Some(family) = self
            .current
            .as_mut()
            .filter(|family| family.has_sample_name(&sample.name))
        else {
            return Err(format!(
                "{} does not belong to the family before it",
                sample.name
            ));
        };
        let kind = family.checked_kind(self.strictness)?;
        let counts = matches!(kind, MetricType::Counter)
            || (matches!(kind, MetricType::Histogram) && !sample.name.ends_with("_sum"));
        if counts && (sample.value.is_nan() || sample.value < 0.0) {
            return Err(format!("{} counts {}", sample.name, sample.value));
        }
        let key = (sample.name.clone(), sample.labels.clone());
        let value = sample.value;
        family.samples.push(sample);
        match self.metrics.series.insert(key, value) {
            Some(_) => Err("the series was there before".to_owned()),
            None => Ok(()),
        }
    }

    /// Checks the current family and adds it to the scrape.
    fn end_family(&mut self) -> Result<(), String> {
        let Some(open) = self.current.take() else {
            return Ok(());
        };
        let kind = open.checked_kind(self.strictness)?;
        match kind {
            MetricType::Histogram => check_parts(&open.name, &open.samples, "le")?,
            MetricType::Summary => check_parts(&open.name, &open.samples, "quantile")?,
            MetricType::Counter | MetricType::Gauge | MetricType::Untyped => {}
        }
        self.metrics.families.push(ScrapedFamily {
            name: open.name,
            help: open.help.unwrap_or_else(|| DEFAULT_HELP.to_owned()),
            kind,
            samples: open.samples,
        });
        Ok(())
    }
}

impl OpenFamily {
    /// The type of the family, or an error if `TYPE` or a required `HELP` is missing.
    fn checked_kind(&self, strictness: Strictness) -> Result<MetricType, String> {
        self.kind
            .filter(|_| self.help.is_some() || strictness == Strictness::Lenient)
            .ok_or_else(|| format!("{} has no TYPE or no HELP", self.name))
    }

    /// Whether a sample of this name is valid in the family.
    fn has_sample_name(&self, sample: &str) -> bool {
        let suffixes: &[&str] = match self.kind {
            Some(MetricType::Histogram) => &["_bucket", "_sum", "_count"],
            Some(MetricType::Summary) => &["", "_sum", "_count"],
            _ => &[""],
        };
        sample
            .strip_prefix(self.name.as_str())
            .is_some_and(|suffix| suffixes.contains(&suffix))
    }
}

/// Checks that every series of a histogram or summary is complete and consistent.
fn check_parts(family: &str, samples: &[Sample], limit_label: &str) -> Result<(), String> {
    #[derive(Default)]
    struct Parts {
        buckets: Vec<(f64, f64)>,
        sum: bool,
        count: Option<f64>,
    }
    let mut series: BTreeMap<SampleLabels, Parts> = BTreeMap::new();
    for sample in samples {
        let mut labels = sample.labels.clone();
        let limit = labels.remove(limit_label);
        let parts = series.entry(labels).or_default();
        match (&sample.name[family.len()..], limit) {
            ("_sum", None) => parts.sum = true,
            ("_count", None) => parts.count = Some(sample.value),
            ("" | "_bucket", Some(limit)) => {
                let limit = parse_value(&limit)?;
                parts.buckets.push((limit, sample.value));
            }
            (suffix, limit) => {
                return Err(format!("{family}{suffix} with {limit_label} {limit:?}"));
            }
        }
    }
    for (labels, parts) in series {
        let count = parts
            .count
            .ok_or(format!("{family}_count{labels:?} is missing"))?;
        if !parts.sum {
            return Err(format!("{family}_sum{labels:?} is missing"));
        }
        if limit_label == "quantile" {
            continue;
        }
        if !parts.buckets.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(format!("the limits of {family}{labels:?} do not rise"));
        }
        if !parts.buckets.is_sorted_by(|a, b| a.1 <= b.1) {
            return Err(format!("the counts of {family}{labels:?} fall"));
        }
        if parts.buckets.last() != Some(&(f64::INFINITY, count)) {
            return Err(format!(
                "the last bucket of {family}{labels:?} is not +Inf with {count}"
            ));
        }
    }
    Ok(())
}
