//! Metrics of other registries: their text is checked strictly and appended to each scrape.
//!
//! Text that is rejected is dropped as a whole, counted, and logged once per source; the rest of the
//! scrape is served. Accepted text is parsed and written again, so that both formats contain it.

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    definition as families,
    reader::{MetricType, Scrape as Read},
    text::TextEncoder,
    user::sample_names,
};
use crate::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
    lock,
};

/// The longest text of a source, in bytes. Useful scrapes are smaller.
const MAX_BYTES: usize = 1024 * 1024;

type Write = Box<dyn Fn(&mut String) + Send + Sync>;

/// The sources, and how often the text of one was dropped.
#[derive(Default)]
pub(super) struct Appended {
    sources: Mutex<Vec<Arc<ExpositionSource>>>,
    dropped: AtomicU64,
}

struct ExpositionSource {
    write: Write,
    is_logged: AtomicBool,
}

/// Why the text of a source is dropped.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error("it panicked")]
    Panic,
    #[error("it wrote {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
    #[error("{0}")]
    Invalid(#[from] super::reader::ExpositionError),
    #[error("there is a metric named {0} already")]
    Taken(String),
}

impl Appended {
    pub(super) fn add(&self, write: Write) {
        lock(&self.sources).push(Arc::new(ExpositionSource {
            write,
            is_logged: AtomicBool::new(false),
        }));
    }

    /// Appends the text of all sources.
    ///
    /// `taken` returns the names of the rest of the scrape, and is called only if there is a source.
    /// `log` gets the first reason for which a source is dropped.
    pub(super) fn render(
        &self,
        out: &mut TextEncoder,
        taken: impl FnOnce() -> BTreeSet<String>,
        log: &dyn Fn(&dyn fmt::Display),
    ) {
        // A source runs without the lock, because it may add another source.
        let sources = lock(&self.sources).clone();
        if sources.is_empty() {
            return;
        }
        let mut taken = taken();
        for source in sources {
            match source.read(&mut taken) {
                Ok(read) => out.append_read(&read),
                Err(rejected) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    if !source.is_logged.swap(true, Ordering::Relaxed) {
                        log(&rejected);
                    }
                }
            }
        }
        out.family(&families::EXPOSITIONS_DROPPED);
        out.sample("_total", &[], self.dropped.load(Ordering::Relaxed));
    }
}

impl ExpositionSource {
    /// Runs the source, checks its text and adds its names to `taken`.
    fn read(&self, taken: &mut BTreeSet<String>) -> Result<Read, Rejected> {
        let mut text = String::new();
        // After a panic, the partial text is dropped.
        catch_unwind(AssertUnwindSafe(|| (self.write)(&mut text))).map_err(|_| Rejected::Panic)?;
        if text.len() > MAX_BYTES {
            return Err(Rejected::TooLarge(text.len()));
        }
        let read = Read::parse_other(&text)?;
        let mut names = BTreeSet::new();
        for family in &read.families {
            let (stem, kind) = stem(&family.name, family.kind);
            for name in sample_names(stem, kind) {
                if taken.contains(&name) || !names.insert(name) {
                    return Err(Rejected::Taken(family.name.clone()));
                }
            }
        }
        taken.append(&mut names);
        Ok(read)
    }
}

/// The name and the type of a family in OpenMetrics.
///
/// There the samples of a counter end in `_total`. A counter with another name has the type
/// `unknown`, so that its series have one name in both formats.
pub(super) fn stem(name: &str, kind: MetricType) -> (&str, &'static str) {
    match kind {
        MetricType::Counter => name
            .strip_suffix("_total")
            .map_or((name, "unknown"), |stem| (stem, "counter")),
        MetricType::Gauge => (name, "gauge"),
        MetricType::Histogram => (name, "histogram"),
        MetricType::Summary => (name, "summary"),
        MetricType::Untyped => (name, "unknown"),
    }
}

impl fmt::Debug for Appended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appended")
            .field("sources", &lock(&self.sources).len())
            .field("dropped", &self.dropped)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TextFormat;

    /// The appended part of a scrape, and the logged reasons.
    fn appended(exposition: TextFormat, text: impl Into<String>) -> (String, Vec<String>) {
        let text = text.into();
        let appended = Appended::default();
        appended.add(Box::new(move |out| out.push_str(&text)));
        rendered(&appended, exposition)
    }

    fn rendered(appended: &Appended, exposition: TextFormat) -> (String, Vec<String>) {
        let mut out = TextEncoder::new(exposition);
        let logged = Mutex::new(Vec::new());
        let taken = || BTreeSet::from(["taken".to_owned()]);
        appended.render(&mut out, taken, &|error| {
            logged.lock().unwrap().push(error.to_string());
        });
        (out.finish(), logged.into_inner().unwrap())
    }

    const DROPPED: &str = "# HELP metrics_expositions_dropped_total Texts of other registries \
        dropped from a scrape because of their form, their size or a panic. Only with \
        `Metrics::append_exposition`.\n# TYPE metrics_expositions_dropped_total counter\n\
        metrics_expositions_dropped_total ";

    /// MET-9
    #[test]
    fn appended_text_is_in_both_formats() {
        let text = "# HELP hits_total Hits, \\\\ and \"quoted\".\n# TYPE hits_total counter\n\
            hits_total{b=\"x\\\"y\",a=\"1\"} 3 1700000000000\n\n\
            # TYPE odd counter\nodd 1\n\n\
            # TYPE free untyped\nfree +Inf\n\
            # HELP wait Time.\n# TYPE wait histogram\n\
            wait_bucket{le=\"0.5\"} 1\nwait_bucket{le=\"+Inf\"} 2\nwait_sum 0.75\nwait_count 2\n";
        let (plain, logged) = appended(TextFormat::Plain, text);
        assert_eq!(logged, [""; 0]);
        assert_eq!(
            plain,
            "# HELP hits_total Hits, \\\\ and \"quoted\".\n# TYPE hits_total counter\n\
            hits_total{a=\"1\",b=\"x\\\"y\"} 3\n\
            # HELP odd No description.\n# TYPE odd counter\nodd 1\n\
            # HELP free No description.\n# TYPE free untyped\nfree +Inf\n\
            # HELP wait Time.\n# TYPE wait histogram\n\
            wait_bucket{le=\"0.5\"} 1\nwait_bucket{le=\"+Inf\"} 2\nwait_sum 0.75\nwait_count 2\n"
                .to_owned()
                + DROPPED
                + "0\n"
        );
        let (open, _) = appended(TextFormat::OpenMetrics, text);
        for line in [
            "# HELP hits Hits, \\\\ and \\\"quoted\\\".",
            "# TYPE hits counter",
            "# TYPE odd unknown",
            "# TYPE free unknown",
        ] {
            assert!(open.lines().any(|it| it == line), "{line}: {open}");
        }
        assert!(open.ends_with("\n# EOF\n"), "{open}");
    }

    /// MET-9
    #[test]
    fn invalid_appended_text_is_dropped_as_a_whole() {
        #[track_caller]
        fn check(text: impl Into<String>, why: &str) {
            let (out, logged) = appended(TextFormat::Plain, text);
            assert_eq!(out, format!("{DROPPED}1\n"));
            assert!(logged.len() == 1 && logged[0].contains(why), "{logged:?}");
        }
        let gauge = |name: &str| format!("# TYPE {name} gauge\n{name} 1\n");
        check(gauge("good") + "bad\n", "line 3: a sample has no value");
        check("good 1\n", "line 1");
        check(gauge("taken"), "a metric named taken already");
        check(gauge("good").trim_end(), "no line feed");
        // In OpenMetrics both would be called `x`.
        let clash = gauge("x") + "# TYPE x_total counter\nx_total 1\n";
        check(clash, "a metric named x_total already");
        let large = format!("# TYPE x gauge\nx{{a=\"{}\"}} 1\n", "y".repeat(MAX_BYTES));
        check(large, "more than 1048576");
    }

    /// MET-9
    #[test]
    fn one_rejected_source_leaves_the_others() {
        let appended = Appended::default();
        appended.add(Box::new(|_| panic!("thrown")));
        for value in 1..=2 {
            appended.add(Box::new(move |out| {
                out.push_str(&format!("# TYPE same gauge\nsame {value}\n"));
            }));
        }
        let (first, logged) = rendered(&appended, TextFormat::Plain);
        assert!(
            first.contains("\nsame 1\n") && !first.contains("same 2"),
            "{first}"
        );
        assert!(first.ends_with("_dropped_total 2\n"), "{first}");
        assert_eq!(
            logged,
            ["it panicked", "there is a metric named same already"]
        );
        let (second, logged) = rendered(&appended, TextFormat::Plain);
        assert!(second.ends_with("_dropped_total 4\n"), "{second}");
        assert_eq!(logged, [""; 0], "each source is logged once");
    }
}
