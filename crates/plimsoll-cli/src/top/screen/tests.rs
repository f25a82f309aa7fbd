//! The screen on terminals of several sizes.

use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::top::model::Moment;

/// Draws the model. Returns the lines without trailing spaces.
fn drawn(model: &Model, view: View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, view)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(width.into());
    let rows = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| row.trim_end().to_owned()).collect()
}

fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
    drawn(model, View::default(), width, height)
}

/// A service with requests to one route per index, all of them in the bucket up to 5 ms.
fn metrics(start: u32, state: &str, requests: u32, routes: u32) -> String {
    let mut text = format!(
        "process_start_time_seconds {start}\nservice_state{{state=\"{state}\"}} 1\n\
         http_requests_in_flight 37\nhttp_request_slots 1024\nhttp_connections_open 212\n\
         http_requests_shed_total 0\nlog_records_dropped_total 0\npanics_total 0\n"
    );
    for route in 0..routes {
        let labels = format!("method=\"GET\",path=\"/orders/{{id}}/{route}\"");
        let failed = requests / 100;
        text += &format!(
            "http_requests_total{{{labels},status=\"200\"}} {}\n\
             http_requests_total{{{labels},status=\"500\"}} {failed}\n\
             http_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} {requests}\n\
             http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {requests}\n",
            requests - failed
        );
    }
    text
}

/// Three instances in a rolling restart: one is ready, one has restarted, and one is silent.
fn rolling_restart(routes: u32) -> Model {
    let names = ["10.0.0.7:9090", "10.0.0.8:9090", "10.0.0.9:9090"].map(str::to_owned);
    let times = (Duration::from_secs(1), Duration::from_secs(10));
    let mut model = Model::new(names, times.0, times.1);
    for second in 0..7_u32 {
        let now = Moment {
            elapsed: Duration::from_secs(second.into()),
            unix: 0.0,
        };
        let refused = "cannot connect: Connection refused (os error 111)";
        let last = match second {
            0..3 => Ok(metrics(1, "draining", 0, routes)),
            _ => Err(refused.to_owned()),
        };
        let second_one = match second {
            0..4 => metrics(1, "ready", second * 100, routes),
            _ => metrics(5, "ready", (second - 4) * 300, routes),
        };
        let first = metrics(1, "ready", second * 1200, routes);
        model.observe(now, [Ok(first), Ok(second_one), last]);
    }
    model
}

#[test]
fn screen_of_80_columns_has_all_values() {
    let expected = [
        "3 instances, 1 without an answer · every 1 s · window 10 s        q quit  ? keys",
        "INSTANCE      STATE       REQ/S 5XX %    P50    P99 IN FLIGHT CONNS SHED LOST",
        "10.0.0.7:9090 ready       1,200  1.00 2.5 ms   5 ms   37/1024   212    0    0",
        "10.0.0.8:9090 ready         300  1.00 2.5 ms   5 ms   37/1024   212    0    0",
        "10.0.0.9:9090 no answer for 4 s (was draining): cannot connect: Connection refus",
        "requests/s  ▇▇▇▇██ 1,500, max 1,500 in 7 s",
        "ROUTE                 REQ/S  4XX %  5XX %     P50     P99",
        "GET /orders/{id}/0    1,500   0.00   1.00  2.5 ms    5 ms",
    ];
    let screen = screen(&rolling_restart(1), 80, 24);
    assert_eq!(screen[..expected.len()], expected, "{}", screen.join("\n"));
    assert_eq!(screen[23], "10.0.0.8:9090: restarted 2 s ago");
    assert!(screen[expected.len()..23].iter().all(String::is_empty));
}

#[test]
fn screen_of_200_columns_has_all_values() {
    let screen = screen(&rolling_restart(60), 200, 50);
    let silent = "10.0.0.9:9090 no answer for 4 s (was draining): cannot connect: Connection refused \
        (os error 111)";
    assert_eq!(screen[4], silent);
    assert_eq!(
        screen
            .iter()
            .filter(|line| line.starts_with("GET /"))
            .count(),
        41
    );
    assert_eq!(screen[48], "… 19 more routes");
    assert_eq!(screen[49], "10.0.0.8:9090: restarted 2 s ago");
}

#[test]
fn silent_instance_has_no_value_of_its_last_answer() {
    let screen = screen(&rolling_restart(1), 120, 24);
    assert!(
        !screen[4].contains("37") && !screen[4].contains("ready"),
        "{}",
        screen[4]
    );
}

#[test]
fn missing_values_are_dashes() {
    let times = (Duration::from_secs(1), Duration::from_secs(10));
    let mut model = Model::new(["a:1".to_owned()], times.0, times.1);
    let columns = |model: &Model| {
        let row = screen(model, 80, 24)[2].clone();
        row.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(columns(&model), ["a:1", "–"], "before the first scrape");
    model.observe(Moment::default(), [Ok("other 1\n".to_owned())]);
    assert_eq!(
        columns(&model),
        ["a:1", "–", "–", "–", "–", "–", "–", "–", "–", "–"]
    );
}

#[test]
fn help_and_scroll_change_the_middle() {
    let model = rolling_restart(60);
    let view = View {
        help: true,
        ..View::default()
    };
    let help = drawn(&model, view, 80, 24);
    assert!(help.iter().any(|line| line.starts_with("LOST ")));
    assert!(HELP.iter().all(|line| line.chars().count() <= 80));
    assert!(!help.iter().any(|line| line.starts_with("GET /")));
    let view = View {
        scroll: 1000,
        ..View::default()
    };
    let last = drawn(&model, view, 80, 24);
    assert_eq!(
        last.iter().filter(|line| line.starts_with("GET /")).count(),
        1
    );
}

#[test]
fn any_size_is_drawn() {
    let model = rolling_restart(3);
    for (width, height) in [(1, 1), (7, 3), (20, 5), (40, 10), (500, 2)] {
        for help in [false, true] {
            let view = View {
                help,
                ..View::default()
            };
            let lines = drawn(&model, view, width, height);
            assert_eq!(lines.len(), usize::from(height));
        }
    }
}

#[test]
fn instances_that_do_not_fit_are_counted() {
    let names = (0..30).map(|index| format!("a:{index}"));
    let times = (Duration::from_secs(1), Duration::from_secs(10));
    let model = Model::new(names, times.0, times.1);
    let screen = screen(&model, 80, 24);
    assert!(screen[0].starts_with("30 instances"));
    assert_eq!(screen[9], "… 23 more instances");
}
