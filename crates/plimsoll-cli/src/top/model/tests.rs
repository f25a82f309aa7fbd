//! The model against texts of metrics, and against a naive reading.

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(10);

fn model(instances: usize) -> Model {
    let names = (0..instances).map(|index| format!("i{index}"));
    Model::new(names, Duration::from_secs(1), WINDOW)
}

fn at(seconds: u64) -> Moment {
    Moment {
        elapsed: Duration::from_secs(seconds),
        unix: 1_000_000.0,
    }
}

/// Observes a model of one instance.
fn observe(model: &mut Model, seconds: u64, text: &str) {
    model.observe(at(seconds), [Ok(text.to_owned())]);
}

fn fail(model: &mut Model, seconds: u64) {
    model.observe(at(seconds), [Err("refused".to_owned())]);
}

/// Returns the values of the only instance, which answers.
#[track_caller]
fn figures(model: &Model) -> Figures<'_> {
    match model.statuses().next() {
        Some((_, Status::Answers(figures))) => figures,
        other => panic!("{other:?}"),
    }
}

fn requests(route: &str, status: u32, value: u32) -> String {
    format!("http_requests_total{{method=\"GET\",path=\"{route}\",status=\"{status}\"}} {value}\n")
}

fn started(seconds: u32) -> String {
    format!("process_start_time_seconds {seconds}\n")
}

#[test]
fn missing_values_are_none() {
    let mut model = model(1);
    assert_eq!(model.statuses().next().unwrap().1, Status::Unknown);
    for seconds in [1, 2] {
        observe(&mut model, seconds, "other 1\n");
        let expected = Figures {
            state: None,
            requests_per_second: None,
            errors_percent: None,
            p50: None,
            p99: None,
            in_flight: None,
            slots: None,
            connections: None,
            shed: None,
            lost: None,
        };
        assert_eq!(figures(&model), expected);
    }
    assert_eq!(model.chart, [None, None]);
}

#[test]
fn gauges_need_one_scrape_and_rates_need_two() {
    let mut model = model(1);
    let gauges = "service_state{state=\"ready\"} 1\nservice_state{state=\"draining\"} 0\n\
        http_requests_in_flight 3\nhttp_request_slots 8\nhttp_connections_open 4\n";
    observe(
        &mut model,
        1,
        &(gauges.to_owned() + &requests("/", 200, 10)),
    );
    let first = figures(&model);
    assert_eq!((first.state, first.in_flight), (Some("ready"), Some(3.0)));
    assert_eq!((first.slots, first.connections), (Some(8.0), Some(4.0)));
    assert_eq!(first.requests_per_second, None);

    let counters = "http_requests_shed_total 0\nlog_records_dropped_total 0\n";
    let text = counters.to_owned() + &requests("/", 200, 16) + &requests("/", 500, 2);
    observe(&mut model, 3, &text);
    let second = figures(&model);
    assert_eq!(second.state, None);
    assert_eq!(second.requests_per_second, Some(4.0));
    assert_eq!(second.errors_percent, Some(25.0));
    assert_eq!((second.shed, second.lost), (Some(0.0), Some(0.0)));
}

#[test]
fn errors_have_no_percentage_without_requests() {
    let mut model = model(1);
    observe(&mut model, 1, &requests("/", 200, 10));
    observe(&mut model, 2, &requests("/", 200, 10));
    assert_eq!(figures(&model).requests_per_second, Some(0.0));
    assert_eq!(figures(&model).errors_percent, None);
}

#[test]
fn instance_without_an_answer_has_no_values() {
    let mut model = model(1);
    fail(&mut model, 1);
    let silent = |model: &Model| match model.statuses().next() {
        Some((_, Status::Silent { since, was, .. })) => (since, was.map(str::to_owned)),
        other => panic!("{other:?}"),
    };
    assert_eq!(silent(&model), (None, None));
    let text = "service_state{state=\"ready\"} 1\n".to_owned() + &requests("/", 200, 1);
    observe(&mut model, 2, &text);
    observe(&mut model, 3, &text);
    assert_eq!(model.routes().len(), 1);
    fail(&mut model, 7);
    let expected = (Some(Duration::from_secs(4)), Some("ready".to_owned()));
    assert_eq!(silent(&model), expected);
    assert_eq!(model.silent(), 1);
    assert_eq!(model.requests_per_second(), None);
    assert_eq!(model.routes(), []);
    assert_eq!(model.notes(), []);
}

#[test]
fn new_start_time_is_a_restart() {
    let mut model = model(1);
    observe(&mut model, 1, &(started(100) + &requests("/", 200, 50)));
    observe(&mut model, 2, &(started(100) + &requests("/", 200, 60)));
    observe(&mut model, 5, &(started(104) + &requests("/", 200, 70)));
    assert_eq!(figures(&model).requests_per_second, None);
    assert_eq!(model.instances[0].notes(at(7)), ["restarted 2 s ago"]);
    observe(&mut model, 6, &(started(104) + &requests("/", 200, 73)));
    assert_eq!(figures(&model).requests_per_second, Some(3.0));
    observe(&mut model, 8, &(started(107) + &requests("/", 200, 1)));
    assert_eq!(
        model.instances[0].notes(at(8)),
        ["restarted 2 times, 0 s ago"]
    );
}

#[test]
fn counter_that_falls_without_a_restart_is_reported() {
    let mut model = model(1);
    observe(&mut model, 1, &(started(100) + &requests("/", 200, 20)));
    observe(&mut model, 2, &(started(100) + &requests("/", 200, 14)));
    assert_eq!(figures(&model).requests_per_second, None);
    let note = "several processes behind one address: http_requests_total of GET / with status 200 \
        fell from 20 to 14, 1 s ago";
    assert_eq!(model.instances[0].notes(at(3)), [note]);
}

#[test]
fn older_process_is_no_restart() {
    let mut model = model(1);
    for (seconds, start) in [(1, 100), (2, 101), (3, 100), (4, 101), (5, 100)] {
        observe(
            &mut model,
            seconds,
            &(started(start) + &requests("/", 200, 9)),
        );
    }
    let notes = model.instances[0].notes(at(5));
    assert!(
        notes[0].starts_with("several processes behind one address, 2 times"),
        "{notes:?}"
    );
    assert_eq!(model.instances[0].restarts, 2);
}

#[test]
fn notes_name_what_needs_attention() {
    let mut model = model(1);
    observe(&mut model, 1, "panics_total 1\n");
    let text = "panics_total 3\nruntime_worker_silence_seconds{worker=\"0\"} 0.2\n\
        runtime_worker_silence_seconds{worker=\"2\"} 1.9\n\
        tls_certificate_not_after_seconds 2100000\n<html>\n\
        service_not_ready{by=\"code\"} 0\nservice_not_ready{by=\"operator\"} 1\n\
        check_up{check=\"database\",policy=\"required\"} 0\ncheck_up{check=\"cache\"} 1\n";
    observe(&mut model, 2, text);
    let expected = [
        "worker 2 silent for 1.9 s",
        "panics: 2",
        "not ready by operator",
        "checks down: database",
        "certificate 12 days",
        "unreadable lines: 1",
    ];
    assert_eq!(model.instances[0].notes(model.now), expected);
}

#[test]
fn routes_of_all_instances_are_added() {
    let mut model = model(2);
    let bucket = |le: &str, value: u32| {
        let name = "http_request_duration_seconds_bucket";
        format!("{name}{{method=\"GET\",path=\"/a\",status=\"200\",le=\"{le}\"}} {value}\n")
    };
    let text = |a: u32, b: u32| {
        requests("/a", 200, a) + &requests("/b", 404, b) + &bucket("1", a / 2) + &bucket("+Inf", a)
    };
    model.observe(at(1), [Ok(text(0, 0)), Ok(text(100, 0))]);
    model.observe(at(2), [Ok(text(10, 1)), Ok(text(110, 3))]);
    let routes = model.routes();
    assert_eq!(
        (routes[0].name, routes[0].requests_per_second),
        ("GET /a", 20.0)
    );
    assert_eq!(routes[0].p50, Some(Quantile::At(1.0)));
    assert_eq!(routes[0].p99, Some(Quantile::Above(1.0)));
    assert_eq!(
        (routes[1].name, routes[1].client_errors_percent),
        ("GET /b", Some(100.0))
    );
    assert_eq!(model.requests_per_second(), Some(24.0));
    model.observe(at(3), [Err("refused".to_owned()), Ok(text(120, 3))]);
    assert_eq!(
        model.requests_per_second(),
        Some(11.5),
        "of the other instance"
    );
}

#[test]
fn chart_covers_two_minutes() {
    let mut model = model(1);
    for seconds in 1..200 {
        fail(&mut model, seconds);
    }
    assert_eq!(model.chart.len(), 120);
}

/// What happens to a service in a second: requests by route and status, a restart, or silence.
#[derive(Debug, Clone)]
enum Event {
    Requests(Vec<(u8, bool, u32)>),
    Restart,
    Silence,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop::collection::vec((0_u8..3, any::<bool>(), 0_u32..50), 0..4).prop_map(Event::Requests),
        1 => Just(Event::Restart),
        1 => Just(Event::Silence),
    ]
}

proptest! {
    /// The naive reading keeps all requests of the present process, with their time.
    #[test]
    fn rates_agree_with_a_naive_reading(events in prop::collection::vec(event(), 1..40)) {
        let mut model = model(1);
        let (mut start, mut answers, mut served) = (1, Vec::new(), Vec::new());
        for (second, event) in (1_u64..).zip(events) {
            match event {
                Event::Requests(requests) => {
                    served.extend(requests.into_iter().map(|it| (second, it)));
                }
                Event::Restart => {
                    start += 1;
                    answers.clear();
                    served.clear();
                }
                Event::Silence => {
                    fail(&mut model, second);
                    prop_assert_eq!(model.silent(), 1);
                    continue;
                }
            }
            answers.push(second);
            let mut text = started(start);
            for route in 0..3 {
                for (is_error, status) in [(false, 200), (true, 503)] {
                    let of_series = served.iter().filter(|(_, it)| (it.0, it.1) == (route, is_error));
                    let sum = of_series.clone().map(|(_, it)| it.2).sum();
                    if of_series.count() > 0 {
                        text += &requests(&format!("/{route}"), status, sum);
                    }
                }
            }
            observe(&mut model, second, &text);

            let first = answers.iter().copied().find(|answer| second - answer <= 10).unwrap();
            let rate = |errors_only: bool| {
                let recent = served.iter().filter(|(at, it)| *at > first && (it.1 || !errors_only));
                let span = u32::try_from(second - first).unwrap();
                f64::from(recent.map(|(_, it)| it.2).sum::<u32>()) / f64::from(span)
            };
            let found = figures(&model);
            if first == second || served.is_empty() {
                prop_assert_eq!(found.requests_per_second, None);
            } else {
                let all = found.requests_per_second.unwrap();
                prop_assert!((all - rate(false)).abs() < 1e-9, "{all} {}", rate(false));
                match found.errors_percent {
                    None => prop_assert_eq!(all, 0.0),
                    Some(percent) => {
                        prop_assert!((percent * all / 100.0 - rate(true)).abs() < 1e-6);
                    }
                }
            }
            prop_assert_eq!(model.instances[0].contradictions, 0);
        }
    }
}
