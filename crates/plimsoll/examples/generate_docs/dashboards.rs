//! The dashboards of Grafana: which there are, that every name in them exists, and their JSON.
//!
//! A panel is one statement in one of the modules below. An expression that names a metric or a label
//! which the code does not have, and a panel that says nothing about itself, end the generator.

#[path = "model.rs"]
mod model;
#[path = "overview.rs"]
mod overview;
#[path = "server.rs"]
mod server;
#[path = "telemetry.rs"]
mod telemetry;

use std::collections::BTreeSet;

use self::model::Dashboard;
use super::promql::Known;

/// The files of all dashboards, below the root, and what they hold.
///
/// # Errors
///
/// What is wrong with them, one fault a line.
pub(crate) fn files(known: &Known) -> Result<Vec<(String, String)>, String> {
    let dashboards = [
        overview::dashboard(),
        server::dashboard(),
        telemetry::dashboard(),
    ];
    let faults: Vec<String> = dashboards.iter().flat_map(|it| faults(it, known)).collect();
    if !faults.is_empty() {
        return Err(faults.join("\n"));
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
            faults.push(format!("{place}: there are two of that title"));
        }
        if panel.about.is_empty() || panel.queries.is_empty() {
            faults.push(format!("{place}: it says or asks nothing"));
        }
        for (expression, legend) in &panel.queries {
            let complaints = known.complaints(expression, legend);
            faults.extend(complaints.iter().map(|what| format!("{place}: {what}")));
        }
    }
    faults
}
