//! A dashboard as rows of panels. `json.rs` writes it in the format of Grafana.
//!
//! Expressions contain abbreviations for common parts:
//!
//! | written | becomes |
//! |---|---|
//! | `@all` | the matchers of the chosen job and instances |
//! | `@users` | the same, without probes and scrapes |
//! | `@job` | the matcher of the job, for series without an instance |
//! | `@rate` | the window of a rate, `$__rate_interval` |

/// The paths of the chassis, which no user requests.
const PROBES: &str = "/(health|healthz|livez|ready|readyz|startupz|metrics)";

pub(super) struct Dashboard {
    /// The name of its file, and the target of links.
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
pub(super) enum Kind {
    Series,
    Stacked,
    Stat,
    Heatmap,
    States,
    Table,
}

pub(super) struct Panel {
    pub(super) kind: Kind,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) unit: &'static str,
    pub(super) width: u32,
    /// The colour below all thresholds.
    pub(super) base: &'static str,
    /// Values, and the colour from each value up.
    pub(super) thresholds: Vec<(f64, &'static str)>,
    /// Fixed colours of series, by legend.
    pub(super) colours: Vec<(&'static str, &'static str)>,
    /// Values that are shown as text, with their colour.
    pub(super) mappings: Vec<(u32, &'static str, &'static str)>,
    pub(super) max: Option<f64>,
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

/// One current number, as high as the panels beside it.
pub(super) fn stat(title: &'static str, unit: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::Stat, title, unit, about).wide(4)
}

/// The buckets of a histogram over time.
pub(super) fn heatmap(title: &'static str, unit: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::Heatmap, title, unit, about)
}

/// The state of each instance over time.
pub(super) fn states(title: &'static str, about: &'static str) -> Panel {
    Panel::new(Kind::States, title, "none", about)
}

/// The current labels of series.
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
        self.queries.push((expanded(expression), legend));
        self
    }

    /// Sets its width in columns, of 24. The default is 8.
    pub(super) fn wide(mut self, columns: u32) -> Self {
        self.width = columns;
        self
    }

    /// Adds a threshold: the colour from that value up.
    pub(super) fn from(mut self, value: f64, colour: &'static str) -> Self {
        self.thresholds.push((value, colour));
        self
    }

    /// Sets the colour below all thresholds. The default is green.
    pub(super) fn below(mut self, colour: &'static str) -> Self {
        self.base = colour;
        self
    }

    /// Sets the colour of the series with this legend.
    pub(super) fn colour(mut self, legend: &'static str, colour: &'static str) -> Self {
        self.colours.push((legend, colour));
        self
    }

    /// Sets the text and the colour of a value.
    pub(super) fn means(mut self, value: u32, text: &'static str, colour: &'static str) -> Self {
        self.mappings.push((value, text, colour));
        self
    }

    /// Sets the top of its axis.
    pub(super) fn up_to(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }
}

/// Expands the abbreviations.
pub(super) fn expanded(expression: &str) -> String {
    let all = r#"job="$job", instance=~"$instance""#;
    let full = expression
        .replace("@users", &format!(r#"{all}, path!~"{PROBES}""#))
        .replace("@all", all)
        .replace("@job", r#"job="$job""#)
        .replace("@rate", "$__rate_interval");
    full.split_whitespace().collect::<Vec<_>>().join(" ")
}
