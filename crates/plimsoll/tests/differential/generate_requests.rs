//! Generates the requests of a case.

use super::{
    files::GZIP,
    random::Random,
    requests::{Connection, Mode, Payload, Sent},
};

/// Generates the requests of one connection, most of them to patterns of the router.
pub(crate) fn connection(
    random: &mut Random,
    targets: &[String],
    sequence: &mut usize,
) -> Connection {
    let mode = random.pick(&[Mode::InTurn, Mode::InTurn, Mode::Pipelined, Mode::Http2]);
    let requests = (0..6)
        .map(|_| {
            *sequence += 1;
            request(random, mode, targets, *sequence)
        })
        .collect();
    Connection { mode, requests }
}

fn request(random: &mut Random, mode: Mode, targets: &[String], sequence: usize) -> Sent {
    let methods = [
        "GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "HEAD", "POST", "POST", "POST", "POST",
        "PUT", "DELETE", "PATCH", "OPTIONS", "OPTIONS", "TRACE", "PURGE", "M-SEARCH", "get",
    ];
    let mut sent = Sent {
        sequence,
        method: random.pick(&methods),
        target: target(random, targets),
        is_http_10: mode != Mode::Http2 && random.chance(5),
        headers: headers(random),
        body: Payload::None,
        is_malformed: false,
    };
    if matches!(sent.method, "POST" | "PUT" | "PATCH" | "PURGE") || random.chance(5) {
        body(random, &mut sent);
    }
    if mode == Mode::InTurn && !sent.body.is_none() && !sent.is_http_10 && random.chance(10) {
        sent.headers.push(("expect", "100-continue".to_owned()));
    }
    if mode == Mode::Http2 && random.chance(3) {
        let pieces = ["a=1", "b=2"].map(|piece| ("cookie", piece.to_owned()));
        sent.headers.extend(pieces);
    }
    if mode != Mode::Http2 && random.chance(3) {
        // The absolute form, which servers must accept (RFC 9112, 3.2.2).
        sent.target.insert_str(0, "http://localhost");
    }
    if mode != Mode::Http2 && random.chance(1) {
        (sent.method, sent.target) = random.pick(&[
            ("OPTIONS", "*".to_owned()),
            ("CONNECT", "localhost:80".to_owned()),
        ]);
    }
    if mode == Mode::InTurn && random.chance(2) {
        let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
        sent.headers
            .extend(upgrade.map(|(name, value)| (name, value.to_owned())));
    }
    if random.chance(1) {
        sent.method = "GET";
        sent.target = random.pick(&RESERVED).to_owned();
    }
    if mode != Mode::Http2 && random.chance(4) {
        sent.headers.push((
            "connection",
            random.pick(&["close", "keep-alive"]).to_owned(),
        ));
    }
    if mode == Mode::InTurn && random.chance(3) {
        malform(random, &mut sent);
    }
    sent
}

fn target(random: &mut Random, targets: &[String]) -> String {
    let odd = [
        "/",
        "/nowhere",
        "/a",
        "//a",
        "/a//b",
        "/./a",
        "/a/../b",
        "/%2e%2e/a.txt",
        "/a%2Fb",
        "/A",
        "/a;x=1",
        "/nowhere/old",
        "/%00",
        "/%zz",
        "/\u{fc}",
        "/a?",
        "/?q",
        "/files/../a",
    ];
    let values = [
        "1", "x%20y", "%C3%BC", "..", "a.b", "%2F", "%zz", "old", "%FF", "~+,;=",
    ];
    let mut path = if targets.is_empty() || random.chance(15) {
        if random.chance(3) {
            format!("/{}", "long".repeat(500))
        } else {
            random.pick(&odd).to_owned()
        }
    } else {
        let pattern = random.pick(targets);
        let mut path = String::new();
        for piece in pattern.split_inclusive('}') {
            let (text, has_value) = match piece.split_once('{') {
                Some((text, _)) => (text, true),
                None => (piece, false),
            };
            path.push_str(text);
            if has_value {
                path.push_str(random.pick::<&str>(&values));
            }
        }
        path
    };
    match random.below(30) {
        0 | 1 => path.push('/'),
        2 => path.push_str("//"),
        3 => path.push_str("/old"),
        4 => path.insert(0, '/'),
        5 => path = path.trim_end_matches('/').to_owned(),
        _ => {}
    }
    if path.is_empty() {
        path.push('/');
    }
    if random.chance(20) {
        let queries = [
            "?a=1&b=2",
            "?a=%C3%BC",
            "?a",
            "?",
            "?a=1&a=2",
            "?a=%zz",
            "?x=/../?y",
        ];
        path.push_str(random.pick::<&str>(&queries));
    }
    path
}

fn headers(random: &mut Random) -> Vec<(&'static str, String)> {
    let all = [
        ("accept", "text/html"),
        ("accept", "*/*"),
        ("accept", "application/json;q=0.9"),
        ("accept-encoding", "gzip"),
        ("accept-encoding", "gzip, br;q=0.5"),
        ("accept-encoding", "identity;q=0"),
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-own"),
        ("range", "bytes=0-4"),
        ("range", "bytes=5-"),
        ("range", "bytes=-3"),
        ("range", "bytes=0-1,3-4"),
        ("range", "bytes=999999-"),
        ("range", "lines=1"),
        ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("if-none-match", "*"),
        ("cookie", "session=1"),
        ("cookie", "a=1; b=\u{fc}"),
        ("authorization", "Basic YTpi"),
        ("x-request-id", "sent-by-the-client"),
        ("x-request-id", "not valid!"),
        ("x-tenant", "seven"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("user-agent", "differential"),
        ("te", "trailers"),
    ];
    let mut headers = Vec::new();
    for _ in 0..random.below(5) {
        let (name, value) = random.pick(&all);
        headers.push((name, value.to_owned()));
    }
    headers
}

fn body(random: &mut Random, sent: &mut Sent) {
    let part = "--X\r\ncontent-disposition: form-data; name=\"f\"\r\n\r\nvalue\r\n--X--\r\n";
    let (kind, bytes) = match random.below(12) {
        0 | 1 => ("application/json", b"{\"a\": [1, null]}".to_vec()),
        2 => ("application/json", b"{\"a\": ".to_vec()),
        3 => (
            "application/x-www-form-urlencoded",
            b"a=1&b=%C3%BC".to_vec(),
        ),
        4 => ("multipart/form-data; boundary=X", part.into()),
        5 => ("multipart/form-data", part.into()),
        6 => ("text/plain", b"\xff\xfe".to_vec()),
        7 => {
            sent.headers.push(("content-encoding", "gzip".to_owned()));
            ("text/plain", GZIP.to_vec())
        }
        8 if random.chance(30) => {
            // Around axum's default limit, which is that of `MAX_BODY_BYTES` too.
            let size = 2_097_152 - 1 + random.below(3);
            ("text/plain", vec![b'x'; size])
        }
        _ => {
            let sizes = [0, 1, 9, 10, 11, 999, 1000, 1001, 5000, 40_000];
            ("text/plain", vec![b'x'; random.pick(&sizes)])
        }
    };
    sent.headers.push(("content-type", kind.to_owned()));
    sent.body = if random.chance(30) && !sent.is_http_10 {
        let middle = random.below(bytes.len() + 1);
        let (one, other) = bytes.split_at(middle);
        Payload::Chunked {
            chunks: vec![one.to_vec(), other.to_vec()],
            trailer: random.chance(30),
        }
    } else {
        Payload::Sized(bytes)
    };
}

/// Paths that the chassis serves itself (contract HTTP-10).
pub(crate) const RESERVED: [&str; 7] = [
    "/health",
    "/healthz",
    "/livez",
    "/metrics",
    "/ready",
    "/readyz",
    "/startupz",
];

/// Generates a request that must not be handled (contract SRV-3).
fn malform(random: &mut Random, sent: &mut Sent) {
    sent.is_malformed = true;
    if random.chance(20) {
        sent.target.push_str("#fragment");
        return;
    }
    let (name, value) = random.pick(&[
        ("host", ""),
        ("host", "a b"),
        ("host", "user@a"),
        ("host", "a:port"),
        ("transfer-encoding", "gzip, chunked"),
        ("transfer-encoding", "identity"),
        ("content-length", "3"),
    ]);
    if !name.starts_with("host") {
        sent.is_http_10 = false;
        sent.body = Payload::Chunked {
            chunks: vec![b"body".to_vec()],
            trailer: false,
        };
    }
    sent.headers.push((name, value.to_owned()));
}
