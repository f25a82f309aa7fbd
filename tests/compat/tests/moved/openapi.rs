//! Routes that describe themselves.

use crate::support::{Subject, Target, Work, binaries, end_under_load, get, request};

fn openapi() -> Subject {
    binaries!("openapi")
}

#[test]
fn described_routes_are_the_same() {
    openapi().compare(&[
        ("description", get("/openapi.json")),
        ("list", get("/pets")),
        ("query", get("/pets?limit=2")),
        ("bad query", get("/pets?limit=few")),
        ("item", get("/pets/2")),
        ("missing item", get("/pets/9")),
        ("bad path", get("/pets/x")),
        ("wrong method", request("DELETE", "/pets/2", &[], b"")),
    ]);
}

#[test]
fn described_routes_under_sigterm_are_not_lost() {
    let process = openapi().start_moved();
    let target = Target::from(&process);
    let work = vec![Work::get("/pets"), Work::get("/openapi.json")];
    end_under_load(process, target, work);
}
