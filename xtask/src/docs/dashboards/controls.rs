//! The row of the server's dashboard on operator controls.

use super::model::{Row, row, series, stacked};

pub(super) fn controls() -> Row {
    row(
        "Operator controls",
        vec![
            stacked(
                "Changes in force",
                "none",
                "Changes by operators that have neither ended nor expired, by kind and instance. \
                     OperatorChangeLong fires after an hour.",
            )
            .query("admin_changes_active{@all}", "{{instance}} {{action}}")
            .wide(12),
            series(
                "Changes by operators",
                "none",
                "Changes within 5 minutes. Each is logged as admin_change, with the operator and the \
                     reason.",
            )
            .query(
                "sum by (instance, action) (increase(admin_changes_total{@all}[5m]))",
                "{{instance}} {{action}}",
            )
            .wide(12),
            series(
                "Requests to controls",
                "reqps",
                "Requests to paths below /admin, by status. They are in no other count of requests.",
            )
            .query(
                "sum by (path, status) (rate(admin_requests_total{@all}[@rate]))",
                "{{path}} {{status}}",
            )
            .wide(12),
            stacked(
                "Denied requests to controls",
                "reqps",
                "Requests without a valid token or uid (unauthorised), with the name of a host (host), \
                     or from the page of another origin (origin).",
            )
            .query(
                "sum by (reason) (rate(admin_denied_total{@all}[@rate]))",
                "{{reason}}",
            )
            .wide(12),
        ],
    )
}
