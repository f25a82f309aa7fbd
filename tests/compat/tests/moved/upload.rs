//! Uploads.

use bytes::Bytes;

use crate::support::{Subject, Target, Work, binaries, end_under_load, request};

const FORM: &str = "multipart/form-data; boundary=part";

fn upload() -> Subject {
    binaries!("upload")
}

/// A form with a text and a file of so many bytes.
fn form(size: usize) -> Vec<u8> {
    let mut body = b"--part\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA film\r\n\
        --part\r\nContent-Disposition: form-data; name=\"film\"; filename=\"film.bin\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n"
        .to_vec();
    body.extend((0..size).map(|index| u8::try_from(index % 251).unwrap()));
    body.extend_from_slice(b"\r\n--part--\r\n");
    body
}

fn post_form(body: &[u8]) -> Vec<u8> {
    request("POST", "/upload", &[("Content-Type", FORM)], body)
}

#[test]
fn uploads_are_the_same() {
    let three = vec![b'x'; 3_000_000];
    upload().compare(&[
        ("small form", post_form(&form(1000))),
        ("form of 3 MB", post_form(&form(3_000_000))),
        ("form of 7.9 MB", post_form(&form(7_900_000))),
        ("no form", request("POST", "/upload", &[], b"text")),
        ("raised limit", request("POST", "/raised", &[], &three)),
        ("small body", request("POST", "/small", &[], b"12345")),
        ("GET of a POST route", request("GET", "/upload", &[], b"")),
    ]);
}

#[test]
fn uploads_under_sigterm_are_not_lost() {
    let process = upload().start_moved();
    let target = Target::from(&process);
    let form = Work {
        method: "POST",
        path: "/upload",
        content_type: FORM,
        body: Bytes::from(form(20_000)),
        status: 200,
    };
    end_under_load(process, target, vec![form, Work::get("/")]);
}
