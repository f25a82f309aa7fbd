//! The two text formats: the plain one of Prometheus (0.0.4), and OpenMetrics 1.0.
//!
//! They differ in little: OpenMetrics leaves `_total` off in `HELP` and `TYPE`, and ends with
//! `# EOF`. Bounds of buckets are written alike in both, so that a series keeps its name whichever
//! format a scraper asks for.

use std::fmt::{Display, Write as _};

use http::{HeaderMap, header};

use super::{
    appended::stem,
    definition::{FamilyDefinition, FamilyKind},
    reader::Scrape as Read,
};

/// In which format metrics are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextFormat {
    /// `text/plain; version=0.0.4`
    Plain,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl TextFormat {
    /// The format that a request's `Accept` prefers; the plain one unless it names the other.
    #[must_use]
    pub fn negotiate(headers: &HeaderMap) -> Self {
        let mut plain = 0.0_f32;
        let mut open = 0.0_f32;
        for range in headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
        {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())
                .unwrap_or(0.0);
            if name.eq_ignore_ascii_case("application/openmetrics-text") {
                open = open.max(quality);
            } else if name.eq_ignore_ascii_case("text/plain") {
                plain = plain.max(quality);
            }
        }
        if open > 0.0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes families and their samples.
#[derive(Debug)]
pub(super) struct TextEncoder {
    out: String,
    exposition: TextFormat,
    /// The family that samples belong to.
    name: &'static str,
}

impl TextEncoder {
    pub(super) fn new(exposition: TextFormat) -> Self {
        Self {
            out: String::with_capacity(16 * 1024),
            exposition,
            name: "",
        }
    }

    /// Begins a family; the samples that follow are its own.
    pub(super) fn family(&mut self, family: &FamilyDefinition) {
        let suffix = match (self.exposition, family.kind) {
            (TextFormat::Plain, FamilyKind::Counter) => "_total",
            _ => "",
        };
        self.name = family.name;
        let (name, help, kind) = (family.name, family.help, family.kind.as_str());
        self.push(format_args!(
            "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"
        ));
    }

    /// Adds a sample of the present family.
    pub(super) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.labelled(suffix, &Self::labels(labels), value);
    }

    /// Adds a sample whose labels are rendered already.
    pub(super) fn labelled(&mut self, suffix: &str, labels: &str, value: impl Display) {
        let name = self.name;
        if labels.is_empty() {
            self.push(format_args!("{name}{suffix} {value}\n"));
        } else {
            self.push(format_args!("{name}{suffix}{{{labels}}} {value}\n"));
        }
    }

    /// Adds the count of a bucket, and in OpenMetrics the request that stands for it.
    pub(super) fn bucket(
        &mut self,
        labels: &str,
        bound: &str,
        count: u64,
        exemplar: Option<impl Display>,
    ) {
        let name = self.name;
        self.push(format_args!(
            "{name}_bucket{{{labels},le=\"{bound}\"}} {count}"
        ));
        if let Some(exemplar) = exemplar
            && self.exposition == TextFormat::OpenMetrics
        {
            self.push(format_args!("{exemplar}"));
        }
        self.out.push('\n');
    }

    /// Renders labels, without the braces.
    pub(super) fn labels(labels: &[(&str, &str)]) -> String {
        let mut out = String::new();
        for (name, value) in labels {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(name);
            out.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '"' => out.push_str("\\\""),
                    '\n' => out.push_str("\\n"),
                    c => out.push(c),
                }
            }
            out.push('"');
        }
        out
    }

    /// Appends what `prometheus_client` has written, in OpenMetrics, with or without its `# EOF`.
    pub(super) fn append_user(&mut self, open_metrics: &str) {
        let lines = open_metrics.lines().filter(|line| *line != "# EOF");
        match self.exposition {
            TextFormat::OpenMetrics => lines.for_each(|line| {
                self.out.push_str(line);
                self.out.push('\n');
            }),
            TextFormat::Plain => self.append_plain(lines),
        }
    }

    /// OpenMetrics as plain text: names of counters get their `_total`, types that the plain
    /// format does not know the nearest that it does, and units and exemplars go.
    fn append_plain<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        let mut help = "";
        for line in lines {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                // Held back: only the type, which comes next, tells the name.
                help = rest.split_once(' ').map_or("", |(_, help)| help);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "gauge" | "histogram" | "summary" => ("", kind),
                    "stateset" => ("", "gauge"),
                    _ => ("", "untyped"),
                };
                self.push(format_args!("# HELP {name}{suffix} {help}\n"));
                self.push(format_args!("# TYPE {name}{suffix} {kind}\n"));
            } else if !line.starts_with('#') {
                self.out.push_str(without_exemplar(line));
                self.out.push('\n');
            }
        }
    }

    /// Appends what another registry has written, once it is read.
    pub(super) fn append_read(&mut self, read: &Read) {
        for family in &read.families {
            let (name, kind) = match self.exposition {
                TextFormat::OpenMetrics => stem(&family.name, family.kind),
                TextFormat::Plain => (&*family.name, family.kind.as_str()),
            };
            let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
            let help = match self.exposition {
                TextFormat::OpenMetrics => help.replace('"', "\\\""),
                TextFormat::Plain => help,
            };
            self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            for sample in &family.samples {
                let labels = sample.labels.iter();
                let labels: Vec<_> = labels.map(|(name, value)| (&**name, &**value)).collect();
                let (name, labels) = (&sample.name, Self::labels(&labels));
                let value = Number(sample.value);
                if labels.is_empty() {
                    self.push(format_args!("{name} {value}\n"));
                } else {
                    self.push(format_args!("{name}{{{labels}}} {value}\n"));
                }
            }
        }
    }

    pub(super) fn finish(mut self) -> String {
        if self.exposition == TextFormat::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String fails only if a value's own Display does, and ours do not.
        let _ = self.out.write_fmt(text);
    }
}

/// A value as both formats write it.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            // Rust writes NaN as both formats do.
            value => Display::fmt(&value, f),
        }
    }
}

/// A sample up to its exemplar, which begins with ` # ` outside any label value.
fn without_exemplar(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return line[..index].trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn negotiate(accept: &str, expected: TextFormat) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        assert_eq!(TextFormat::negotiate(&headers), expected, "{accept}");
    }

    #[test]
    fn open_metrics_is_told_only_to_whoever_prefers_it() {
        assert_eq!(TextFormat::negotiate(&HeaderMap::new()), TextFormat::Plain);
        negotiate("*/*", TextFormat::Plain);
        negotiate("text/plain;version=0.0.4", TextFormat::Plain);
        negotiate(
            "application/openmetrics-text; version=1.0.0",
            TextFormat::OpenMetrics,
        );
        negotiate(
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            TextFormat::OpenMetrics,
        );
        negotiate(
            "application/openmetrics-text;q=0.1,text/plain;q=0.9",
            TextFormat::Plain,
        );
        negotiate("application/openmetrics-text;q=0", TextFormat::Plain);
        negotiate("application/openmetrics-text;q=x", TextFormat::Plain);
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(
            TextEncoder::labels(&[("a", "x\"y\\z\n")]),
            r#"a="x\"y\\z\n""#
        );
    }

    #[test]
    fn what_a_service_counts_is_told_in_the_plain_format_too() {
        let open = "# HELP hits Hits.\n# TYPE hits counter\n\
            hits_total{path=\" # \\\" # \"} 3 # {trace=\"x\"} 1.0\n\
            # HELP work Work.\n# TYPE work histogram\n# UNIT work seconds\nwork_count 1\n\
            # HELP state State.\n# TYPE state unknown\nstate 1\n# EOF\n";
        let mut plain = TextEncoder::new(TextFormat::Plain);
        plain.append_user(open);
        assert_eq!(
            plain.finish(),
            "# HELP hits_total Hits.\n# TYPE hits_total counter\n\
            hits_total{path=\" # \\\" # \"} 3\n\
            # HELP work Work.\n# TYPE work histogram\nwork_count 1\n\
            # HELP state State.\n# TYPE state untyped\nstate 1\n"
        );
        let mut same = TextEncoder::new(TextFormat::OpenMetrics);
        same.append_user(open);
        assert_eq!(same.finish(), open);
    }
}
