//! Rows of the server's dashboard: health checks, and what holds readiness.

use super::model::{Panel, Row, row, series, stacked, states};

pub(super) fn checks() -> Row {
    row(
        "Health checks",
        vec![
            check_states(),
            holds(),
            stacked(
                "Failed runs of checks",
                "ops",
                "Runs that returned an error, exceeded their limit (timeout) or panicked. A check is \
                     down after three in a row, and CheckDown fires after five minutes.",
            )
            .query(
                r#"sum by (check, result) (rate(check_results_total{@all, result!="ok"}[@rate]))"#,
                "{{check}} {{result}}",
            ),
            series(
                "Duration of checks",
                "s",
                "Duration of the last run. The limit is 2 s unless the code sets another.",
            )
            .query("check_duration_seconds{@all}", "{{instance}} {{check}}"),
            series(
                "Age of checks",
                "s",
                "Time since the last run ended. A check without a result for three intervals and one \
                     limit is down as stale: 32 s by default.",
            )
            .query("check_age_seconds{@all}", "{{instance}} {{check}}"),
        ],
    )
}

fn check_states() -> Panel {
    states(
        "State of checks",
        "Each health check. A gate that is down takes its instance out of rotation; observed is a \
             check that is down and affects neither readiness nor alerts.",
    )
    .query(
        r#"check_up{@all, policy!="observe"}"#,
        "{{instance}} {{check}} ({{policy}})",
    )
    // Other values for the same states, so that they can have other colours.
    .query(
        r#"2 + check_up{@all, policy="observe"}"#,
        "{{instance}} {{check}} ({{policy}})",
    )
    .wide(16)
    .means(0, "down", "red")
    .means(1, "up", "green")
    .means(2, "observed", "yellow")
    .means(3, "up", "green")
}

fn holds() -> Panel {
    states(
        "Holds on readiness",
        "What keeps /ready at 503: the code, an operator, health checks or background workers. Without a hold, \
             a running instance is ready.",
    )
    .query("service_not_ready{@all}", "{{instance}} {{by}}")
    .means(0, "free", "green")
    .means(1, "holds", "red")
}
