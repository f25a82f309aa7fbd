//! Sessions and redirects.

use harness::{Process, Response};

use crate::support::{Subject, Target, Work, binaries, end_under_load, get, request};

fn sessions() -> Subject {
    binaries!("sessions")
}

/// The cookie of an answer, as a client sends it back.
fn cookie(answer: &Response) -> String {
    let cookie = answer.header("set-cookie").expect("a session begins");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

fn visits(process: &Process) -> Vec<(&'static str, Response)> {
    let first = process.request(get("/visits"));
    let cookie = cookie(&first);
    let send = |method, path| request(method, path, &[("Cookie", &cookie)], b"");
    let second = process.request(send("GET", "/visits"));
    assert_eq!(second.text(), "2\n");
    let forgotten = process.request(send("POST", "/forget"));
    let anew = process.request(send("GET", "/visits"));
    assert_eq!(anew.text(), "1\n");
    vec![
        ("first", first),
        ("second", second),
        ("forgotten", forgotten),
        ("anew", anew),
    ]
}

#[test]
fn sessions_are_the_same() {
    sessions().compare_with(visits);
}

#[test]
fn layers_run_where_no_route_is() {
    sessions().compare(&[
        ("redirect without a route", get("/old")),
        ("cookie of a 404", get("/nothing")),
        ("cookie of a 405", request("POST", "/visits", &[], b"")),
    ]);
}

#[test]
fn sessions_under_sigterm_are_not_lost() {
    let process = sessions().start_moved();
    let target = Target::from(&process);
    end_under_load(process, target, vec![Work::get("/visits")]);
}
