//! The table of metrics in `docs/metrics.md`.

use plimsoll::xtask_support::metric_families;

/// Returns a table with a row for each metric of the chassis.
pub(super) fn table() -> String {
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for family in metric_families() {
        let labels: Vec<_> = family
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        table.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            family.name,
            family.kind,
            labels.join(", "),
            family.help
        ));
    }
    table
}
