//! Queries on a scrape of `/metrics`, by name and labels.
//!
//! The parser is `metrics/reader.rs`. It does not accept OpenMetrics.

pub use crate::metrics::reader::{ExpositionError, MetricType, Sample, Scrape, ScrapedFamily};

impl Scrape {
    /// Returns the value of one series, given its name and all its labels in any order.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    /// Returns the sum of all series with this name whose labels include these; 0 if there are
    /// none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name)
            .filter(|sample| {
                labels.iter().all(|(name, value)| {
                    sample.labels.get(*name).map(String::as_str) == Some(*value)
                })
            })
            .map(|sample| sample.value)
            .sum()
    }

    /// Returns the number of series with this name.
    #[must_use]
    pub fn series(&self, name: &str) -> usize {
        self.samples(name).count()
    }

    /// Returns all samples with this name.
    pub fn samples<'name>(&'name self, name: &'name str) -> impl Iterator<Item = &'name Sample> {
        self.families
            .iter()
            .flat_map(|family| &family.samples)
            .filter(move |sample| sample.name == name)
    }

    /// Returns all families in the order of the text.
    #[must_use]
    pub fn families(&self) -> &[ScrapedFamily] {
        &self.families
    }

    /// Returns the family with this name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&ScrapedFamily> {
        self.families.iter().find(|family| family.name == name)
    }
}

impl ExpositionError {
    /// Returns the line number, from 1; 0 is the text as a whole.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = "\
# A comment.
# HELP hits_total Hits, with \\\\ and \\n in the help.
# TYPE hits_total counter
hits_total{path=\"/a\",method=\"GET\"} 3
hits_total{method=\"POST\",path=\"/a\"} 4 1700000000000
# HELP depth Depth of the queue.
# TYPE depth gauge
depth -1.5e-3
# HELP wait_seconds Time.
# TYPE wait_seconds histogram
wait_seconds_bucket{path=\"/\",le=\"0.5\"} 1
wait_seconds_bucket{path=\"/\",le=\"+Inf\"} 2
wait_seconds_sum{path=\"/\"} 7.25
wait_seconds_count{path=\"/\"} 2
# HELP lag_seconds Time.
# TYPE lag_seconds summary
lag_seconds{quantile=\"0.5\"} NaN
lag_seconds_sum 0
lag_seconds_count 0
";

    #[test]
    fn values_are_found_with_labels_in_any_order() {
        let scrape = Scrape::parse(SCRAPE).unwrap();
        let get = [("method", "GET"), ("path", "/a")];
        assert_eq!(scrape.value("hits_total", &get), Some(3.0));
        assert_eq!(scrape.value("hits_total", &get[..1]), None);
        assert_eq!(scrape.value("depth", &[]), Some(-0.0015));
        assert_eq!(scrape.sum("hits_total", &[("path", "/a")]), 7.0);
        assert_eq!(scrape.sum("hits_total", &[("path", "/b")]), 0.0);
        assert_eq!(scrape.series("hits_total"), 2);
        assert_eq!(scrape.series("wait_seconds_bucket"), 2);
        assert_eq!(scrape.series("absent"), 0);
    }

    #[test]
    fn families_keep_their_order_kind_and_help() {
        let scrape = Scrape::parse(SCRAPE).unwrap();
        let families: Vec<_> = scrape
            .families()
            .iter()
            .map(|family| (family.name.as_str(), family.kind, family.samples.len()))
            .collect();
        assert_eq!(
            families,
            [
                ("hits_total", MetricType::Counter, 2),
                ("depth", MetricType::Gauge, 1),
                ("wait_seconds", MetricType::Histogram, 4),
                ("lag_seconds", MetricType::Summary, 3),
            ]
        );
        let help = &scrape.family("hits_total").unwrap().help;
        assert_eq!(help, "Hits, with \\ and \n in the help.");
    }

    #[test]
    fn label_values_are_unescaped() {
        let text = "# HELP a b\n# TYPE a gauge\na{x=\"q\\\"b\\\\n\\n,}\"} 1\n";
        let scrape = Scrape::parse(text).unwrap();
        assert_eq!(scrape.value("a", &[("x", "q\"b\\n\n,}")]), Some(1.0));
    }

    #[test]
    fn empty_text_is_a_valid_scrape() {
        assert!(Scrape::parse("").unwrap().families().is_empty());
    }

    #[test]
    fn error_names_the_line_and_the_rule() {
        #[track_caller]
        fn check(text: &str, line: usize, what: &str) {
            let error = Scrape::parse(text).unwrap_err();
            assert_eq!(error.line(), line, "{text:?}: {error}");
            assert!(error.to_string().contains(what), "{text:?}: {error}");
        }
        let gauge = |rest: &str| format!("# HELP a b\n# TYPE a gauge\n{rest}");
        let counter = |rest: &str| format!("# HELP a b\n# TYPE a counter\n{rest}");
        let histogram = |rest: &str| format!("# HELP h b\n# TYPE h histogram\n{rest}");

        // Lines.
        check(&gauge("a 1"), 0, "line feed");
        check(&gauge("\na 1\n"), 3, "empty");
        // Families.
        check("a 1\n", 1, "does not belong");
        check("# TYPE a gauge\na 1\n", 2, "no TYPE or no HELP");
        check("# HELP a b\na 1\n", 2, "no TYPE or no HELP");
        check("# HELP a b\n", 1, "no TYPE or no HELP");
        check("# HELP a b\n# HELP a b\n", 2, "second HELP");
        check(&gauge("# TYPE a gauge\n"), 3, "second TYPE");
        check(&gauge("a 1\n# HELP a b\n"), 4, "after its samples");
        check(&gauge("a 1\n# TYPE a gauge\n"), 4, "after its samples");
        check("# HELP a b\n# TYPE a meter\n", 2, "no type");
        check("# HELP 1a b\n", 1, "no metric name");
        check(&gauge("b 1\n"), 3, "does not belong");
        check(&gauge("a_sum 1\n"), 3, "does not belong");
        check(
            &gauge("a 1\n# HELP c d\n# TYPE c gauge\n# HELP a b\n"),
            6,
            "stand together",
        );
        // Samples.
        check(&gauge("a\n"), 3, "no value");
        check(&gauge("a one\n"), 3, "no value");
        check(&gauge("a inf\n"), 3, "no value");
        check(&gauge("a 1 soon\n"), 3, "no timestamp");
        check(&gauge("a 1 2 3\n"), 3, "follows");
        check(&gauge("a-b 1\n"), 3, "no metric name");
        check(&gauge("a{x:y=\"1\"} 1\n"), 3, "no label name");
        check(&gauge("a{x=\"1} 1\n"), 3, "no end");
        check(&gauge("a{x=1} 1\n"), 3, "should begin");
        check(&gauge("a{x=\"1\"y=\"2\"} 1\n"), 3, "comma");
        check(&gauge("a{x=\"\\t\"} 1\n"), 3, "no escape");
        check(&gauge("a{x=\"1\",x=\"2\"} 1\n"), 3, "twice");
        check(
            &gauge("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n"),
            4,
            "there before",
        );
        check(&counter("a -1\n"), 3, "counts -1");
        check(&counter("a NaN\n"), 3, "counts NaN");
        // Histograms and summaries.
        check(
            &histogram("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
            6,
            "fall",
        );
        check(
            &histogram("h_bucket{le=\"1\"} 1\nh_bucket{le=\"0.5\"} 1\nh_sum 1\nh_count 1\n"),
            6,
            "do not rise",
        );
        check(
            &histogram("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"),
            5,
            "not +Inf",
        );
        check(
            &histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n"),
            5,
            "not +Inf",
        );
        check(
            &histogram("h_bucket{le=\"+Inf\"} 1\nh_count 1\n"),
            4,
            "h_sum",
        );
        check(
            &histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\n"),
            4,
            "h_count",
        );
        check(&histogram("h_bucket 1\n"), 3, "le None");
        check(&histogram("h_bucket{le=\"x\"} 1\n"), 3, "no value");
        check(
            "# HELP s b\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\n",
            4,
            "s_count",
        );
    }
}
