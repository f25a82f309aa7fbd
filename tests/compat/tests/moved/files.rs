//! Static files.

use std::{fs, path::Path};

use crate::support::{Subject, Target, Work, binaries, end_under_load, get, request};

fn files(purpose: &str) -> Subject {
    let files = binaries!("files");
    let folder = files.folder(purpose);
    fill(&folder);
    files.env("PUBLIC", folder.to_str().unwrap())
}

fn fill(folder: &Path) {
    fs::create_dir_all(folder.join("assets/deep")).unwrap();
    fs::write(folder.join("index.html"), "<h1>page</h1>").unwrap();
    fs::write(folder.join("robots.txt"), "User-agent: *\n").unwrap();
    fs::write(folder.join("assets/app.js"), "let x = 1;\n".repeat(10_000)).unwrap();
    fs::write(folder.join("assets/app.js.gz"), "stands for gzip").unwrap();
    fs::write(folder.join("assets/deep/style.css"), "body {}").unwrap();
}

#[test]
fn static_files_are_the_same() {
    let with = |path, headers| request("GET", path, headers, b"");
    files("compare").compare(&[
        ("route", get("/api/greeting")),
        ("page", get("/")),
        ("file of the fallback", get("/robots.txt")),
        ("page for a path of its own", get("/orders/7")),
        ("asset", get("/assets/app.js")),
        ("asset in a folder", get("/assets/deep/style.css")),
        ("missing asset", get("/assets/none.js")),
        ("above the folder", get("/assets/../../etc/passwd")),
        ("encoded path", get("/assets/%2e%2e/index.html")),
        ("HEAD", request("HEAD", "/assets/app.js", &[], b"")),
        ("POST", request("POST", "/assets/app.js", &[], b"x")),
        ("range", with("/assets/app.js", &[("Range", "bytes=5-20")])),
        (
            "bad range",
            with("/assets/app.js", &[("Range", "bytes=999999-")]),
        ),
        (
            "precompressed",
            with("/assets/app.js", &[("Accept-Encoding", "gzip")]),
        ),
        (
            "not modified",
            with(
                "/robots.txt",
                &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")],
            ),
        ),
    ]);
}

#[test]
fn files_under_sigterm_are_not_lost() {
    let process = files("end").start_moved();
    let target = Target::from(&process);
    let work = vec![
        Work::get("/assets/app.js"),
        Work::get("/"),
        Work::get("/api/greeting"),
    ];
    end_under_load(process, target, work);
}
