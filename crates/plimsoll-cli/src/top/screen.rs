//! The model as the lines of a terminal of any size.
//!
//! It is drawn once per scrape and once per key, so an idle screen costs nothing.
//! What does not fit is left out with a count, never silently.

mod table;

#[cfg(test)]
mod tests;

use std::time::Duration;

use ratatui::{
    Frame,
    style::{Color, Modifier, Style},
    text::{Line, Span},
};

use self::table::{Align, Column};
use super::{
    model::{Model, Route, Status},
    number::{MISSING, age, count, or_missing, percent, quantile, rate},
};

/// The bars of the chart, the lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const INSTANCE_COLUMNS: [Column; 9] = [
    Column::new("STATE", 10, Align::Left),
    Column::new("REQ/S", 7, Align::Right),
    Column::new("5XX %", 6, Align::Right),
    Column::new("P50", 7, Align::Right),
    Column::new("P99", 7, Align::Right),
    Column::new("IN FLIGHT", 10, Align::Right),
    Column::new("CONNS", 6, Align::Right),
    Column::new("SHED", 5, Align::Right),
    Column::new("LOST", 5, Align::Right),
];

const ROUTE_COLUMNS: [Column; 5] = [
    Column::new("REQ/S", 8, Align::Right),
    Column::new("4XX %", 7, Align::Right),
    Column::new("5XX %", 7, Align::Right),
    Column::new("P50", 8, Align::Right),
    Column::new("P99", 8, Align::Right),
];

const HELP: [&str; 11] = [
    "q, Esc     quit                     ↑, ↓, j, k  scroll the routes",
    "?          close this help",
    "",
    "Rates, quantiles, SHED and LOST are over the window, the rest is of now.",
    "5XX %      the part of the requests with status 5xx",
    "P50, P99   quantiles of the duration of requests; > 10 s is in the last bucket",
    "IN FLIGHT  requests in flight, and MAX_IN_FLIGHT",
    "CONNS      open connections",
    "SHED       requests rejected with 503 immediately",
    "LOST       log records and spans that were dropped",
    "–          the value is missing",
];

/// What an operator has chosen to see.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    pub(super) help: bool,
    /// The first route that is shown.
    pub(super) scroll: usize,
    pub(super) colors: bool,
}

/// Draws the model.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, view: View) {
    let area = frame.area();
    let lines = lines(model, view, area.width.into(), area.height.into());
    let buffer = frame.buffer_mut();
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// Returns the lines, from the top of the terminal.
fn lines(model: &Model, view: View, width: usize, height: usize) -> Vec<Line<'static>> {
    let style = Palette(view.colors);
    let mut lines = vec![heading(model, width, style)];
    // A third of the terminal at most, so that routes and notes have space, too.
    lines.extend(instances(model, width, (height / 3).max(2), style));
    lines.push(chart(model, width));
    let mut notes = notes(model, (height / 4).max(1), style);
    let space = height.saturating_sub(lines.len() + notes.len());
    let mut middle = if view.help {
        HELP.map(Line::from).to_vec()
    } else {
        routes(&model.routes(), view.scroll, width, space, style)
    };
    middle.resize(space, Line::default());
    lines.append(&mut middle);
    lines.append(&mut notes);
    lines
}

fn heading(model: &Model, width: usize, style: Palette) -> Line<'static> {
    let silent = match model.silent() {
        0 => String::new(),
        silent => format!(", {silent} without an answer"),
    };
    let count = model.instances.len();
    let noun = if count == 1 { "instance" } else { "instances" };
    let left = format!(
        "{count} {noun}{silent} · every {} · window {}",
        time_of(model.interval),
        time_of(model.window)
    );
    let keys = "q quit  ? keys";
    let used = left.chars().count() + keys.chars().count();
    let gap = " ".repeat(width.saturating_sub(used).max(2));
    Line::styled(format!("{left}{gap}{keys}"), style.bold())
}

fn instances(model: &Model, width: usize, space: usize, style: Palette) -> Vec<Line<'static>> {
    let names = model.instances.iter().map(|it| it.name.as_str());
    let name = table::first_width(names, &INSTANCE_COLUMNS, width);
    let mut lines = vec![style.header(table::header("INSTANCE", name, &INSTANCE_COLUMNS))];
    for (instance, status) in model.statuses() {
        lines.push(row(&instance.name, &status, name, style));
    }
    cut(lines, space + 1, "instances")
}

fn row(instance: &str, status: &Status<'_>, name: usize, style: Palette) -> Line<'static> {
    let label = Span::raw(table::cell(instance, name, Align::LeftEnd));
    match status {
        Status::Unknown => Line::from(vec![label, Span::raw(MISSING)]),
        Status::Silent { since, was, error } => {
            let since = since.map_or(String::new(), |since| format!(" for {}", age(since)));
            let was = was.map_or(String::new(), |was| format!(" (was {was})"));
            let text = format!("no answer{since}{was}: {error}");
            Line::from(vec![label, Span::styled(text, style.color(Color::Red))])
        }
        Status::Answers(figures) => {
            let slots = figures
                .slots
                .map_or(String::new(), |slots| format!("/{slots:.0}"));
            let state = figures.state.unwrap_or(MISSING);
            let values = [
                or_missing(figures.requests_per_second, rate),
                or_missing(figures.errors_percent, percent),
                or_missing(figures.p50, quantile),
                or_missing(figures.p99, quantile),
                or_missing(figures.in_flight, count) + &slots,
                or_missing(figures.connections, count),
                or_missing(figures.shed, count),
                or_missing(figures.lost, count),
            ];
            let [state_column, columns @ ..] = INSTANCE_COLUMNS;
            let cells = values.iter().zip(columns);
            let cells = cells
                .map(|(value, column)| column.cell(value))
                .collect::<String>();
            let color = match state {
                "ready" => Color::Green,
                _ => Color::Yellow,
            };
            let state = Span::styled(state_column.cell(state), style.color(color));
            Line::from(vec![label, state, Span::raw(cells)])
        }
    }
}

/// Returns the rates of the last scrapes, as many as fit.
fn chart(model: &Model, width: usize) -> Line<'static> {
    let label = "requests/s ";
    let space = width.saturating_sub(label.len() + 24);
    let skipped = model.chart.len().saturating_sub(space);
    let shown: Vec<Option<f64>> = model.chart.iter().skip(skipped).copied().collect();
    let max = shown.iter().flatten().copied().reduce(f64::max);
    let bar = |rate: Option<f64>| rate.zip(max).map_or(' ', |(rate, max)| bar(rate, max));
    let bars = shown.iter().copied().map(bar);
    let bars: String = bars.collect();
    let scrapes = u32::try_from(shown.len()).unwrap_or(u32::MAX);
    let time = time_of(model.interval.saturating_mul(scrapes));
    let total = or_missing(model.requests_per_second(), rate);
    Line::from(format!(
        "{label}{bars} {total}, max {} in {time}",
        or_missing(max, rate)
    ))
}

fn bar(rate: f64, max: f64) -> char {
    let part = if max > 0.0 { rate / max } else { 0.0 };
    // The highest bar that the rate reaches.
    let steps = (1_u8..8).filter(|step| part * 8.0 > f64::from(*step));
    BARS[steps.count()]
}

fn routes(
    routes: &[Route<'_>],
    scroll: usize,
    width: usize,
    space: usize,
    style: Palette,
) -> Vec<Line<'static>> {
    let names = routes.iter().map(|route| route.name);
    let name = table::first_width(names, &ROUTE_COLUMNS, width);
    let mut lines = vec![style.header(table::header("ROUTE", name, &ROUTE_COLUMNS))];
    if routes.is_empty() {
        lines.push(Line::from(MISSING));
    }
    // The last route stays visible, however far the view is scrolled.
    let scroll = scroll.min(routes.len().saturating_sub(1));
    for route in &routes[scroll..] {
        let values = [
            rate(route.requests_per_second),
            or_missing(route.client_errors_percent, percent),
            or_missing(route.server_errors_percent, percent),
            or_missing(route.p50, quantile),
            or_missing(route.p99, quantile),
        ];
        let cells = values.iter().zip(ROUTE_COLUMNS);
        let cells = cells
            .map(|(value, column)| column.cell(value))
            .collect::<String>();
        lines.push(Line::from(
            table::cell(route.name, name, Align::Left) + &cells,
        ));
    }
    cut(lines, space, "routes")
}

fn notes(model: &Model, space: usize, style: Palette) -> Vec<Line<'static>> {
    let notes = model.notes();
    let lines = notes.into_iter().map(|(name, notes)| {
        let text = format!("{name}: {}", notes.join(" · "));
        Line::styled(text, style.color(Color::Yellow))
    });
    cut(lines.collect(), space, "notes")
}

/// Cuts lines to the space, with the number of those that are left out.
fn cut(mut lines: Vec<Line<'static>>, space: usize, noun: &str) -> Vec<Line<'static>> {
    if lines.len() > space {
        let kept = space.saturating_sub(1);
        let left_out = lines.len() - kept;
        lines.truncate(kept);
        lines.push(Line::from(format!("… {left_out} more {noun}")));
        lines.truncate(space);
    }
    lines
}

fn time_of(time: Duration) -> String {
    super::number::time(time.as_secs_f64())
}

/// The styles of a terminal with colours, or without any.
#[derive(Debug, Clone, Copy)]
struct Palette(bool);

impl Palette {
    fn color(self, color: Color) -> Style {
        if self.0 {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn bold(self) -> Style {
        if self.0 {
            Style::new().add_modifier(Modifier::BOLD)
        } else {
            Style::new()
        }
    }

    fn header(self, text: String) -> Line<'static> {
        Line::styled(text, self.bold())
    }
}
