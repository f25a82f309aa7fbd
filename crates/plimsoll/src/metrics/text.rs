//! The encoder of the two text formats: the plain one of Prometheus (0.0.4), and OpenMetrics 1.0.
//!
//! OpenMetrics omits `_total` in `HELP` and `TYPE`, and ends with `# EOF`. Bucket bounds are written
//! alike in both, so a series has one name in both formats.

use std::fmt::{Display, Write as _};

use http::{HeaderMap, header};

use super::{
    appended::stem,
    definition::{FamilyDefinition, FamilyKind},
    reader::Scrape as Read,
};

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextFormat {
    /// `text/plain; version=0.0.4`
    Plain,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl TextFormat {
    /// Returns the format that the header `Accept` of a request prefers.
    ///
    /// It is [`TextFormat::Plain`], unless the header names OpenMetrics with at least the same
    /// quality.
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

    /// Returns the value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Encodes families and their samples.
#[derive(Debug)]
pub(super) struct TextEncoder {
    out: String,
    format: TextFormat,
    /// The name of the current family.
    name: &'static str,
}

impl TextEncoder {
    pub(super) fn new(format: TextFormat) -> Self {
        Self {
            out: String::with_capacity(16 * 1024),
            format,
            name: "",
        }
    }

    /// Begins a family. The following samples are part of it.
    pub(super) fn family(&mut self, family: &FamilyDefinition) {
        let suffix = match (self.format, family.kind) {
            (TextFormat::Plain, FamilyKind::Counter) => "_total",
            _ => "",
        };
        self.name = family.name;
        let (name, help, kind) = (family.name, family.help, family.kind.as_str());
        self.push(format_args!(
            "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"
        ));
    }

    /// Adds a sample of the current family.
    pub(super) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.labelled(suffix, &Self::labels(labels), value);
    }

    /// Adds a sample of the current family, with encoded labels.
    pub(super) fn labelled(&mut self, suffix: &str, labels: &str, value: impl Display) {
        let name = self.name;
        self.line(format_args!("{name}{suffix}"), labels, value);
    }

    /// Adds the line of a sample.
    fn line(&mut self, name: impl Display, labels: &str, value: impl Display) {
        if labels.is_empty() {
            self.push(format_args!("{name} {value}\n"));
        } else {
            self.push(format_args!("{name}{{{labels}}} {value}\n"));
        }
    }

    /// Adds the count of a bucket, and in OpenMetrics its exemplar.
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
            && self.format == TextFormat::OpenMetrics
        {
            self.push(format_args!("{exemplar}"));
        }
        self.out.push('\n');
    }

    /// Encodes labels, without the braces.
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

    /// Appends text of `prometheus_client` in OpenMetrics, with or without its `# EOF`.
    pub(super) fn append_user(&mut self, open_metrics: &str) {
        let lines = open_metrics.lines().filter(|line| *line != "# EOF");
        match self.format {
            TextFormat::OpenMetrics => lines.for_each(|line| {
                self.out.push_str(line);
                self.out.push('\n');
            }),
            TextFormat::Plain => self.append_plain(lines),
        }
    }

    /// Converts OpenMetrics to the plain format.
    ///
    /// Counters get `_total` in `HELP` and `TYPE`. Types that the plain format does not have become
    /// the closest type. Units and exemplars are removed.
    fn append_plain<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        let mut help = "";
        for line in lines {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                // Written with the next line, because the name depends on the type.
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

    /// Appends the parsed text of another registry.
    pub(super) fn append_read(&mut self, read: &Read) {
        for family in &read.families {
            let (name, kind) = match self.format {
                TextFormat::OpenMetrics => stem(&family.name, family.kind),
                TextFormat::Plain => (&*family.name, family.kind.as_str()),
            };
            let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
            let help = match self.format {
                TextFormat::OpenMetrics => help.replace('"', "\\\""),
                TextFormat::Plain => help,
            };
            self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            for sample in &family.samples {
                let labels = sample.labels.iter();
                let labels: Vec<_> = labels.map(|(name, value)| (&**name, &**value)).collect();
                let labels = Self::labels(&labels);
                self.line(&sample.name, &labels, Number(sample.value));
            }
        }
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == TextFormat::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String fails only if the Display of a value fails, and none here does.
        let _ = self.out.write_fmt(text);
    }
}

/// A value in the syntax of both formats.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            // Rust and both formats write `NaN` alike.
            value => Display::fmt(&value, f),
        }
    }
}

/// Returns a sample without its exemplar, which begins with ` # ` outside of label values.
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
    fn open_metrics_is_sent_only_if_preferred() {
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
    fn service_metrics_are_converted_to_the_plain_format() {
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
