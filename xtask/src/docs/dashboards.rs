//! The dashboards of Grafana: their list, a check of the names in them, and their JSON.
//!
//! A panel is one statement in `overview.rs`, `server.rs`, `health.rs`, `controls.rs` or `telemetry.rs`.
//! The generator fails if an expression names a metric or a label that the code does not have.
//! It also fails if a panel has no description.

mod controls;
mod health;
mod json;
mod model;
mod overview;
mod server;
mod telemetry;

use std::collections::BTreeSet;

use self::model::Dashboard;
use super::promql::Known;

/// Returns path and text of all dashboards.
///
/// # Errors
///
/// Names that do not exist, and panels without title, description or query.
pub(super) fn files(known: &Known) -> Result<Vec<(String, String)>, Vec<String>> {
    let dashboards = [
        overview::dashboard(),
        server::dashboard(),
        telemetry::dashboard(),
    ];
    let faults: Vec<String> = dashboards.iter().flat_map(|it| faults(it, known)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let file = |it: &Dashboard| {
        let path = format!("deploy/grafana/dashboards/{}.json", it.uid);
        (path, format!("{:#}\n", it.json()))
    };
    Ok(dashboards.iter().map(file).collect())
}

fn faults(dashboard: &Dashboard, known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    let mut titles = BTreeSet::new();
    for panel in dashboard.rows.iter().flat_map(|row| &row.panels) {
        let place = format!("{}: {}", dashboard.title, panel.title);
        if !titles.insert(panel.title) {
            faults.push(format!("{place}: the title is used twice"));
        }
        if panel.about.is_empty() || panel.queries.is_empty() {
            faults.push(format!("{place}: no description or no query"));
        }
        for (expression, legend) in &panel.queries {
            let complaints = known.complaints(expression, legend);
            faults.extend(complaints.iter().map(|what| format!("{place}: {what}")));
        }
    }
    faults
}
