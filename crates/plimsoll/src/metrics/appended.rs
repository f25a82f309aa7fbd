//! Metrics of other registries: text that is appended to each scrape, after a strict check.
//!
//! What does not pass is dropped as a whole, counted, and logged once for each source; the rest of
//! the scrape is served. What passes is written anew, so that both formats have it.

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    definition as families,
    reader::{MetricType, Scrape as Read},
    text::TextEncoder,
    user::shown,
};

/// The longest text of a source, in bytes: larger than any scrape that is useful.
const MAX_BYTES: usize = 1024 * 1024;

type Write = Box<dyn Fn(&mut String) + Send + Sync>;

/// The sources, and how often one was dropped.
#[derive(Default)]
pub(super) struct Appended {
    sources: Mutex<Vec<Arc<ExpositionSource>>>,
    dropped: AtomicU64,
}

struct ExpositionSource {
    write: Write,
    is_logged: AtomicBool,
}

/// Why the text of a source is not served.
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
        self.lock().push(Arc::new(ExpositionSource {
            write,
            is_logged: AtomicBool::new(false),
        }));
    }

    /// Appends what the sources write. `taken` are the names that the rest of the scrape has;
    /// `log` gets the first reason for which a source is dropped.
    pub(super) fn render(
        &self,
        out: &mut TextEncoder,
        mut taken: BTreeSet<String>,
        log: &dyn Fn(&dyn fmt::Display),
    ) {
        // A source runs without the lock, since it may add another one.
        let sources = self.lock().clone();
        if sources.is_empty() {
            return;
        }
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

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<ExpositionSource>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExpositionSource {
    /// What it writes, if that can be served beside `taken`, to which its names are added.
    fn read(&self, taken: &mut BTreeSet<String>) -> Result<Read, Rejected> {
        let mut text = String::new();
        // What was begun of the text is thrown away with it.
        catch_unwind(AssertUnwindSafe(|| (self.write)(&mut text))).map_err(|_| Rejected::Panic)?;
        if text.len() > MAX_BYTES {
            return Err(Rejected::TooLarge(text.len()));
        }
        let read = Read::parse_other(&text)?;
        let mut names = BTreeSet::new();
        for family in &read.families {
            let (stem, kind) = stem(&family.name, family.kind);
            for name in shown(stem, kind) {
                if taken.contains(&name) || !names.insert(name) {
                    return Err(Rejected::Taken(family.name.clone()));
                }
            }
        }
        taken.append(&mut names);
        Ok(read)
    }
}

/// The name of a family in OpenMetrics, and its type there.
///
/// A counter's samples end in `_total` there. One whose name does not is of unknown type, so that
/// its series have one name in both formats.
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
            .field("sources", &self.lock().len())
            .field("dropped", &self.dropped)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TextFormat;

    /// What a scrape has of this text, and what is logged.
    fn appended(exposition: TextFormat, text: impl Into<String>) -> (String, Vec<String>) {
        let text = text.into();
        let appended = Appended::default();
        appended.add(Box::new(move |out| out.push_str(&text)));
        rendered(&appended, exposition)
    }

    fn rendered(appended: &Appended, exposition: TextFormat) -> (String, Vec<String>) {
        let mut out = TextEncoder::new(exposition);
        let logged = Mutex::new(Vec::new());
        let taken = BTreeSet::from(["taken".to_owned()]);
        appended.render(&mut out, taken, &|error| {
            logged.lock().unwrap().push(error.to_string());
        });
        (out.finish(), logged.into_inner().unwrap())
    }

    const DROPPED: &str = "# HELP metrics_expositions_dropped_total How often the text of another \
        registry was left out of a scrape, for its form, its size or a panic. Only with \
        `Metrics::append_exposition`.\n# TYPE metrics_expositions_dropped_total counter\n\
        metrics_expositions_dropped_total ";

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

    #[test]
    fn appended_text_that_is_not_valid_is_dropped_whole() {
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

    #[test]
    fn one_source_is_dropped_and_the_other_stays() {
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
