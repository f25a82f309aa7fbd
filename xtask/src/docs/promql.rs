//! Checks that the metrics and labels in a PromQL expression exist.
//!
//! This is no parser: `promtool` checks whether an expression is well formed.
//! It finds the names in an expression and compares them with those of the code.
//! So a panel or an alert cannot use a metric that does not exist.
//!
//! The generator of dashboards uses it, and `tests/monitoring.rs` of the reference service.

use std::collections::{BTreeMap, BTreeSet};

/// The labels that Prometheus adds to every series of a target.
const OF_TARGETS: [&str; 2] = ["job", "instance"];

/// Metrics of Prometheus itself. Any label is accepted.
const OF_PROMETHEUS: [&str; 8] = [
    "ALERTS",
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_series_added",
    "prometheus_notifications_dropped_total",
    "prometheus_notifications_errors_total",
    "prometheus_rule_evaluation_failures_total",
];

/// Words that are followed by a list of labels.
const LISTS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// Words that are never names.
const WORDS: [&str; 8] = [
    "and", "or", "unless", "bool", "offset", "atan2", "inf", "nan",
];

/// The existing metrics with their labels, or `None` if any label is accepted.
#[derive(Debug)]
pub(crate) struct Known(BTreeMap<String, Option<BTreeSet<String>>>);

impl Known {
    /// Reads the metrics of the code from the table of `docs/metrics.md`, and adds those of Prometheus.
    pub(crate) fn of_code(table: &str) -> Self {
        let mut known: BTreeMap<_, _> = OF_PROMETHEUS.map(|name| (name.to_owned(), None)).into();
        for row in table.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [_, name, kind, labels, ..] = cells[..] else {
                continue;
            };
            let name = name.trim_matches('`');
            let mut labels: BTreeSet<String> = labels
                .split('`')
                .skip(1)
                .step_by(2)
                .chain(OF_TARGETS)
                .map(str::to_owned)
                .collect();
            if kind == "histogram" {
                for suffix in ["_sum", "_count"] {
                    known.insert(format!("{name}{suffix}"), Some(labels.clone()));
                }
                labels.insert("le".to_owned());
                known.insert(format!("{name}_bucket"), Some(labels));
            } else {
                known.insert(name.to_owned(), Some(labels));
            }
        }
        Self(known)
    }

    /// Adds the recording rules of a file.
    pub(crate) fn add_recorded(&mut self, rules: &str) {
        for rule in rules_of(rules).iter().filter(|rule| !rule.is_alert) {
            self.0.insert(rule.name.clone(), None);
        }
    }

    /// Returns the unknown names in an expression and in the legend of its series.
    pub(crate) fn complaints(&self, expression: &str, legend: &str) -> Vec<String> {
        let reading = Reading::of(expression);
        let mut complaints = Vec::new();
        let mut there: BTreeSet<&str> = OF_TARGETS.into();
        // Labels that `label_replace` creates are texts of the expression.
        there.extend(reading.texts.iter().map(String::as_str));
        let mut any = false;
        for (name, labels) in &reading.selectors {
            match self.0.get(name) {
                None => complaints.push(format!("there is no metric {name:?}")),
                Some(None) => any = true,
                Some(Some(known)) => {
                    there.extend(known.iter().map(String::as_str));
                    let unknown = labels.iter().filter(|label| !known.contains(*label));
                    complaints
                        .extend(unknown.map(|label| format!("{name} has no label {label:?}")));
                }
            }
        }
        if reading.selectors.is_empty() && !expression.starts_with("vector(") {
            complaints.push("no metric is named".to_owned());
        }
        let unknown = reading.groupings.iter();
        let unknown = unknown.filter(|label| !any && !there.contains(label.as_str()));
        complaints.extend(unknown.map(|label| format!("nothing here has a label {label:?}")));
        for label in legend_labels(legend) {
            let is_there = if reading.groupings.is_empty() {
                any || there.contains(label)
            } else {
                reading.groupings.contains(label) || reading.texts.contains(label)
            };
            if !is_there {
                complaints.push(format!("the legend's label {label:?} is not in the result"));
            }
        }
        complaints
    }
}

/// The labels in a legend like `{{method}} {{path}}`.
fn legend_labels(legend: &str) -> impl Iterator<Item = &str> {
    legend
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split_once("}}"))
        .map(|(label, _)| label.trim())
}

/// The names in an expression.
#[derive(Debug, Default)]
struct Reading {
    /// Each metric, with the labels that it is selected by.
    selectors: Vec<(String, Vec<String>)>,
    /// Labels in `by (…)` and its like.
    groupings: BTreeSet<String>,
    /// Texts outside selectors: arguments of functions.
    texts: BTreeSet<String>,
}

impl Reading {
    fn of(expression: &str) -> Self {
        let mut reading = Self::default();
        let mut rest = expression;
        while let Some(first) = rest.chars().next() {
            rest = match first {
                '"' | '\'' => {
                    let (text, after) = split_at_char(&rest[1..], first);
                    reading.texts.insert(text.to_owned());
                    after
                }
                '{' => {
                    // A selector without a name; one with a name is read with it.
                    let (labels, after) = matchers(&rest[1..]);
                    reading.selectors.push((String::new(), labels));
                    after
                }
                '[' => split_at_char(rest, ']').1,
                // A variable of Grafana's, a number or a duration.
                '$' | '0'..='9' => rest[1..].trim_start_matches(is_of_name),
                _ if is_of_name(first) => {
                    let (word, after) = split_word(rest);
                    reading.word(word, after)
                }
                _ => &rest[first.len_utf8()..],
            };
        }
        reading
    }

    /// Reads a word with its labels. Returns the rest of the expression.
    fn word<'a>(&mut self, word: &str, after: &'a str) -> &'a str {
        let next = after.trim_start();
        if LISTS.contains(&word) {
            let Some(list) = next.strip_prefix('(') else {
                return after;
            };
            let (list, after) = split_at_char(list, ')');
            let labels = list.split(',').map(str::trim).filter(|it| !it.is_empty());
            self.groupings.extend(labels.map(str::to_owned));
            return after;
        }
        let is_function = next.starts_with('(') || LISTS[..2].contains(&split_word(next).0);
        if WORDS.contains(&word) || is_function {
            return after;
        }
        let (labels, after) = match next.strip_prefix('{') {
            Some(inside) => matchers(inside),
            None => (Vec::new(), after),
        };
        self.selectors.push((word.to_owned(), labels));
        after
    }
}

/// Returns the labels of matchers up to a closing brace, and the rest.
fn matchers(mut rest: &str) -> (Vec<String>, &str) {
    let mut labels = Vec::new();
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '}' => return (labels, &rest[1..]),
            '"' | '\'' => split_at_char(&rest[1..], first).1,
            _ if is_of_name(first) => {
                let (label, after) = split_word(rest);
                labels.push(label.to_owned());
                after
            }
            _ => &rest[first.len_utf8()..],
        };
    }
    (labels, rest)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len()))
}

/// Splits a text at a character.
fn split_at_char(text: &str, end: char) -> (&str, &str) {
    text.split_once(end).unwrap_or((text, ""))
}

/// A rule of Prometheus.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) is_alert: bool,
    pub(crate) name: String,
    pub(crate) expression: String,
    /// Its other lines, unchanged.
    pub(crate) rest: Vec<String>,
}

/// Returns the rules in a file. It is read line by line, in the one form that the files here have.
/// `promtool` checks whether they are YAML.
pub(crate) fn rules_of(file: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut block: Option<usize> = None;
    for line in file.lines() {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        let begins = [("- alert: ", true), ("- record: ", false)];
        let begun = begins
            .into_iter()
            .find_map(|(mark, is_alert)| Some((text.strip_prefix(mark)?, is_alert)));
        if let Some((name, is_alert)) = begun {
            block = None;
            rules.push(Rule {
                is_alert,
                name: name.to_owned(),
                expression: String::new(),
                rest: Vec::new(),
            });
            continue;
        }
        let Some(rule) = rules.last_mut() else {
            continue;
        };
        if block.is_some_and(|outer| indent > outer) {
            rule.expression.push_str(text);
            rule.expression.push('\n');
        } else if let Some(expression) = text.strip_prefix("expr: ") {
            block = (expression == "|").then_some(indent);
            if block.is_none() {
                expression.clone_into(&mut rule.expression);
            }
        } else {
            block = None;
            if !text.is_empty() && !text.starts_with('#') {
                rule.rest.push(text.to_owned());
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| metric | type | labels | meaning |\n|---|---|---|---|\n\
        | `hits_total` | counter | `method`, `path` | Hits. |\n\
        | `took_seconds` | histogram | `path` | Time. |\n\
        | `open` | gauge |  | Open. |\n";

    #[track_caller]
    fn check(expression: &str, legend: &str, expected: &[&str]) {
        let mut known = Known::of_code(TABLE);
        known.add_recorded("  - record: job:hits:rate5m\n    expr: x\n");
        let complaints = known.complaints(expression, legend);
        assert_eq!(complaints.len(), expected.len(), "{complaints:?}");
        for (complaint, expected) in complaints.iter().zip(expected) {
            assert!(complaint.contains(expected), "{complaints:?}");
        }
    }

    #[test]
    fn existing_names_are_accepted_in_every_position() {
        for expression in [
            "open",
            "sum by (job, path) (rate(hits_total{path!~\"/(a|b)\", job=\"$job\"}[5m])) > 0",
            "histogram_quantile(0.99, sum by (le) (rate(took_seconds_bucket[$__rate_interval])))",
            "open / on (job, instance) group_left (path) hits_total and on () open offset 5m",
            "count(up == 0) or 0 * job:hits:rate5m",
            "sum by (class) (label_replace(hits_total, \"class\", \"$1x\", \"path\", \"(.)\"))",
            "vector(0.001)",
            "open > 1.5e3 and time() - open < 14 * 86400",
        ] {
            check(expression, "", &[]);
        }
    }

    #[test]
    fn unknown_names_are_found() {
        check("sum(rate(hit_total[5m]))", "", &["no metric \"hit_total\""]);
        check("took_seconds", "", &["no metric \"took_seconds\""]);
        check("open{path=\"/\"}", "", &["open has no label \"path\""]);
        check("sum by (paht) (hits_total)", "", &["\"paht\""]);
        check("a + open unless b", "", &["\"a\"", "\"b\""]);
        check("1 + 1", "", &["no metric is named"]);
        check("{job=\"x\"}", "", &["no metric \"\""]);
    }

    #[test]
    fn legend_names_labels_of_the_result() {
        check("hits_total", "{{instance}} {{path}}", &[]);
        check("sum by (path) (hits_total)", "{{path}}", &[]);
        check("sum by (path) (hits_total)", "{{method}}", &["\"method\""]);
        check("open", "{{path}}", &["\"path\""]);
    }

    #[test]
    fn rules_are_read_from_a_file() {
        let file = "groups:\n  - name: g\n    rules:\n      # About.\n      - record: a:b\n        \
            expr: vector(1)\n\n      - alert: Bad\n        expr: |\n          x\n          > 1\n        \
            for: 1m\n        labels:\n          severity: warning\n";
        let rule = |is_alert, name: &str, expression: &str, rest: &[&str]| Rule {
            is_alert,
            name: name.to_owned(),
            expression: expression.to_owned(),
            rest: rest.iter().map(|&line| line.to_owned()).collect(),
        };
        let expected = [
            rule(false, "a:b", "vector(1)", &[]),
            rule(
                true,
                "Bad",
                "x\n> 1\n",
                &["for: 1m", "labels:", "severity: warning"],
            ),
        ];
        assert_eq!(rules_of(file), expected);
    }
}
