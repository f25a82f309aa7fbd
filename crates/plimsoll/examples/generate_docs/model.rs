//! A dashboard as rows of panels. How Grafana wants it is in `json.rs`.
//!
//! Expressions are written with short forms for what is the same everywhere:
//!
//! | written | becomes |
//! |---|---|
//! | `@all` | the matchers of the chosen job and instances |
//! | `@users` | the same, without probes and scrapes |
//! | `@job` | the matcher of the job, for what has no instance |
//! | `@rate` | the window of a rate, `$__rate_interval` |

#[path = "json.rs"]
mod json;

/// The paths of the chassis, which no user asks for.
const PROBES: &str = "/(health|healthz|livez|ready|readyz|startupz|metrics)";

pub(super) struct Dashboard {
    /// Its file is called so, and links lead to it.
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

pub(super) fn row(title: &'static str, panels: Vec<Panel>) -> Row {
    Row { title, panels }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Series,
    Stacked,
    Stat,
    Heatmap,
    States,
    Table,
}

pub(super) struct Panel {
    kind: Kind,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    unit: &'static str,
    width: u32,
    /// The colour below all thresholds.
    base: &'static str,
    /// From which value on which colour.
    thresholds: Vec<(f64, &'static str)>,
    /// The colours of series that always mean the same, by their legend.
    colours: Vec<(&'static str, &'static str)>,
    /// Texts for values.
    mappings: Vec<(u32, &'static str, &'static str)>,
    max: Option<f64>,
    /// Expression and legend.
    pub(super) queries: Vec<(String, &'static str)>,
}

/// Lines over time.
pub(super) fn series(title: &'static str, unit: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::Series, title, unit, about)
}

/// Areas over time that add up to a whole.
pub(super) fn stacked(title: &'static str, unit: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::Stacked, title, unit, about)
}

/// One number, as it is now; as high as what stands beside it.
pub(super) fn stat(title: &'static str, unit: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::Stat, title, unit, about).wide(4)
}

/// How a histogram's buckets fill over time.
pub(super) fn heatmap(title: &'static str, unit: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::Heatmap, title, unit, about)
}

/// Which state each thing was in over time.
pub(super) fn states(title: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::States, title, "none", about)
}

/// The labels of series, as they are now.
pub(super) fn table(title: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::Table, title, "none", about)
}

impl Panel {
    fn new(kind: Kind, title: &'static str, unit: &'static str, about: &'static str) -> Self {
        Self {
            kind,
            title,
            about,
            unit,
            width: 8,
            base: "green",
            thresholds: Vec::new(),
            colours: Vec::new(),
            mappings: Vec::new(),
            max: None,
            queries: Vec::new(),
        }
    }

    /// Adds a query. The legend is a text with labels in double braces.
    pub(super) fn query(mut self, expression: &str, legend: &'static str) -> Self {
        self.queries.push((in_full(expression), legend));
        self
    }

    /// Its width in columns, of 24; 8 unless told.
    pub(super) fn wide(mut self, columns: u32) -> Self {
        self.width = columns;
        self
    }

    /// A value from which on it is coloured.
    pub(super) fn from(mut self, value: f64, colour: &'static str) -> Self {
        self.thresholds.push((value, colour));
        self
    }

    /// What is coloured like this below all thresholds; green unless told.
    pub(super) fn below(mut self, colour: &'static str) -> Self {
        self.base = colour;
        self
    }

    /// The colour of the series with this legend.
    pub(super) fn colour(mut self, legend: &'static str, colour: &'static str) -> Self {
        self.colours.push((legend, colour));
        self
    }

    /// The text and the colour of a value.
    pub(super) fn means(mut self, value: u32, text: &'static str, colour: &'static str) -> Self {
        self.mappings.push((value, text, colour));
        self
    }

    /// The top of its axis.
    pub(super) fn up_to(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }
}

/// The short forms in full.
fn in_full(expression: &str) -> String {
    let all = r#"job="$job", instance=~"$instance""#;
    let full = expression
        .replace("@users", &format!(r#"{all}, path!~"{PROBES}""#))
        .replace("@all", all)
        .replace("@job", r#"job="$job""#)
        .replace("@rate", "$__rate_interval");
    full.split_whitespace().collect::<Vec<_>>().join(" ")
}
