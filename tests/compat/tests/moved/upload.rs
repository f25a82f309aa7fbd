//! Uploads.

use bytes::Bytes;

use crate::support::{Subject, Target, Work, binaries, end_under_load};

const FORM: &str = "multipart/form-data; boundary=XXX";

fn upload() -> Subject {
    binaries!("upload")
}

/// A form with a text and a file of so many bytes.
fn form(size: usize) -> Vec<u8> {
    let mut body = b"--XXX\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA film\r\n\
        --XXX\r\nContent-Disposition: form-data; name=\"film\"; filename=\"film.bin\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n"
        .to_vec();
    body.extend((0..size).map(|index| u8::try_from(index % 251).unwrap()));
    body.extend_from_slice(b"\r\n--XXX--\r\n");
    body
}

#[test]
fn uploads_under_sigterm_are_not_lost() {
    let process = upload().start_moved();
    let target = Target::from(&process);
    let form = Work {
        method: "POST",
        path: "/upload",
        content_type: FORM,
        body: Bytes::from(form(100_000)),
        status: 200,
    };
    end_under_load(process, target, vec![form, Work::get("/")]);
}
