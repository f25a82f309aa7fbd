//! Reads line by line, and holds each against the rules of its family.

use std::collections::{BTreeMap, HashSet};

use super::sample::{is_name, parse_sample, parse_value, unescape};
use super::{Family, Kind, Labels, Metrics, Sample};

/// The family that is being read, and all before it.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) metrics: Metrics,
    current: Option<Open>,
    done: HashSet<String>,
}

/// A family whose lines are being read.
struct Open {
    name: String,
    help: Option<String>,
    kind: Option<Kind>,
    samples: Vec<Sample>,
}

// === impl Reader ===

impl Reader {
    pub(super) fn line(&mut self, line: &str) -> Result<(), String> {
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
                    Some("counter") => Kind::Counter,
                    Some("gauge") => Kind::Gauge,
                    Some("histogram") => Kind::Histogram,
                    Some("summary") => Kind::Summary,
                    Some("untyped") => Kind::Untyped,
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

    /// The family that a line of this name belongs to, begun if need be.
    fn family(&mut self, name: &str) -> Result<&mut Open, String> {
        if !is_name(name, true) {
            return Err(format!("{name:?} is no metric name"));
        }
        if self.current.as_ref().is_none_or(|open| open.name != name) {
            self.end_family()?;
            if !self.done.insert(name.to_owned()) {
                return Err(format!("the lines of {name} do not stand together"));
            }
        }
        Ok(self.current.get_or_insert_with(|| Open {
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
            .filter(|family| owns(family, &sample.name))
        else {
            return Err(format!(
                "{} does not belong to the family before it",
                sample.name
            ));
        };
        let (Some(kind), Some(_)) = (family.kind, &family.help) else {
            return Err(format!("{} has no TYPE or no HELP", family.name));
        };
        let counts = matches!(kind, Kind::Counter)
            || (matches!(kind, Kind::Histogram) && !sample.name.ends_with("_sum"));
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
    pub(super) fn end_family(&mut self) -> Result<(), String> {
        let Some(open) = self.current.take() else {
            return Ok(());
        };
        let (Some(kind), Some(help)) = (open.kind, open.help) else {
            return Err(format!("{} has no TYPE or no HELP", open.name));
        };
        match kind {
            Kind::Histogram => check_parts(&open.name, &open.samples, "le")?,
            Kind::Summary => check_parts(&open.name, &open.samples, "quantile")?,
            Kind::Counter | Kind::Gauge | Kind::Untyped => {}
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
fn owns(family: &Open, sample: &str) -> bool {
    let suffixes: &[&str] = match family.kind {
        Some(Kind::Histogram) => &["_bucket", "_sum", "_count"],
        Some(Kind::Summary) => &["", "_sum", "_count"],
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
    let mut series: BTreeMap<Labels, Parts> = BTreeMap::new();
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
