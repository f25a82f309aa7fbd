//! Reads the plain text format of Prometheus strictly: metrics of other registries before they are
//! served, and scrapes in tests.
//!
//! A lenient reader hides what a scraper or a dashboard would stumble over later, so everything
//! that the format or its linter rejects is an error with its line number:
//!
//! * Every line ends in a line feed, the last one too, and none is empty.
//! * A family has `HELP` and `TYPE` once each, before its first sample, and its lines stand together.
//! * Samples have valid names, only the escapes `\\`, `\"` and `\n`, no label twice and no series
//!   twice.
//! * Counters are neither negative nor NaN.
//! * Histograms have, for each series, limits that rise, counts that never fall, a `+Inf` bucket that
//!   equals `_count`, and `_sum`.
//! * Summaries have, for each series, `_sum` and `_count`.
//!
//! [`Metrics::parse_other`] accepts two things more, which common exporters write: empty lines, and
//! families without `HELP`.
//!
//! The order of a series' labels is not kept. OpenMetrics is another format, and not read here.

mod sample;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use self::sample::{is_name, parse_sample, parse_value, unescape};

/// Everything that one scrape said.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    pub(crate) families: Vec<Family>,
    /// Sample name and sorted labels → value.
    pub(crate) series: HashMap<(String, SampleLabels), f64>,
}

/// A metric with all its series.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Family {
    /// The name in its `HELP` and `TYPE` lines.
    pub name: String,
    /// The text of the `HELP` line, escapes taken off.
    pub help: String,
    /// What kind of metric it is.
    pub kind: MetricType,
    /// The samples, in the order in which they were written.
    pub samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sample {
    /// The name, with the suffix that a histogram's lines have.
    pub name: String,
    /// Label names and values, sorted.
    pub labels: SampleLabels,
    /// The value.
    pub value: f64,
}

/// The kinds of metrics that the format knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Only rises, until the process ends.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by upper limit.
    Histogram,
    /// Quantiles.
    Summary,
    /// Nothing is said about it.
    Untyped,
}

impl MetricType {
    /// The word for it in a `TYPE` line.
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

/// What is wrong, and on which line; line 0 is the text as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpositionError {
    pub(crate) line: usize,
    what: String,
}

pub(crate) type SampleLabels = BTreeMap<String, String>;

impl Scrape {
    /// Reads what `/metrics` answered.
    ///
    /// # Errors
    ///
    /// At the first line that breaks a rule: families without `HELP` or `TYPE` or in pieces, invalid
    /// names or escapes, series that come twice, histograms that do not add up.
    #[cfg(feature = "testing")]
    pub fn parse(text: &str) -> Result<Self, ExpositionError> {
        Self::read(text, Strictness::All)
    }

    /// Reads what another registry has written: empty lines and a missing `HELP` are no errors.
    pub(crate) fn parse_other(text: &str) -> Result<Self, ExpositionError> {
        Self::read(text, Strictness::OfOthers)
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

/// The family that is being read, and all before it.
struct ExpositionReader {
    strictness: Strictness,
    metrics: Scrape,
    current: Option<OpenFamily>,
    done: HashSet<String>,
}

/// What the reader accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    #[cfg(feature = "testing")]
    All,
    OfOthers,
}

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
            done: HashSet::new(),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() && self.strictness == Strictness::OfOthers {
            return Ok(());
        }
        if line.is_empty() {
            return Err("the line is empty".to_owned());
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

    /// The help of a family, if it may do without.
    fn default_help(&self) -> Option<String> {
        (self.strictness == Strictness::OfOthers).then(|| "No description.".to_owned())
    }

    /// The family that a line of this name belongs to, begun if need be.
    fn family(&mut self, name: &str) -> Result<&mut OpenFamily, String> {
        if !is_name(name, true) {
            return Err(format!("{name:?} is no metric name"));
        }
        if self.current.as_ref().is_none_or(|open| open.name != name) {
            self.end_family()?;
            if !self.done.insert(name.to_owned()) {
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
        let default_help = self.default_help();
        let Some(family) = self
            .current
            .as_mut()
            .filter(|family| owns(family, &sample.name))
        else {
            return Err(format!(
                "{} does not belong to the family before it",
                sample.name
            ));
        };
        if family.help.is_none() {
            family.help = default_help;
        }
        let (Some(kind), Some(_)) = (family.kind, &family.help) else {
            return Err(format!("{} has no TYPE or no HELP", family.name));
        };
        let counts = matches!(kind, MetricType::Counter)
            || (matches!(kind, MetricType::Histogram) && !sample.name.ends_with("_sum"));
        if counts && (sample.value.is_nan() || sample.value < 0.0) {
            return Err(format!("{} counts {}", sample.name, sample.value));
        }
        let key = (sample.name.clone(), sample.labels.clone());
        family.samples.push(sample);
        match self.metrics.series.insert(key, f64::NAN) {
            Some(_) => Err("the series was there before".to_owned()),
            None => Ok(()),
        }
    }

    /// Checks the family that has been read and puts it with the others.
    fn end_family(&mut self) -> Result<(), String> {
        let Some(open) = self.current.take() else {
            return Ok(());
        };
        let help = open.help.or_else(|| self.default_help());
        let (Some(kind), Some(help)) = (open.kind, help) else {
            return Err(format!("{} has no TYPE or no HELP", open.name));
        };
        match kind {
            MetricType::Histogram => check_parts(&open.name, &open.samples, "le")?,
            MetricType::Summary => check_parts(&open.name, &open.samples, "quantile")?,
            MetricType::Counter | MetricType::Gauge | MetricType::Untyped => {}
        }
        for sample in &open.samples {
            let key = (sample.name.clone(), sample.labels.clone());
            self.metrics.series.insert(key, sample.value);
        }
        self.metrics.families.push(Family {
            name: open.name,
            help,
            kind,
            samples: open.samples,
        });
        Ok(())
    }
}

/// Whether a sample of this name may stand in a family.
fn owns(family: &OpenFamily, sample: &str) -> bool {
    let suffixes: &[&str] = match family.kind {
        Some(MetricType::Histogram) => &["_bucket", "_sum", "_count"],
        Some(MetricType::Summary) => &["", "_sum", "_count"],
        _ => &[""],
    };
    sample
        .strip_prefix(family.name.as_str())
        .is_some_and(|suffix| suffixes.contains(&suffix))
}

/// Checks that every series of a histogram or summary has all its parts, and that buckets add up.
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
