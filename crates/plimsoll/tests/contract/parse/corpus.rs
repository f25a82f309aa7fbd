//! Requests that RFC 9110 and RFC 9112 call invalid, as bytes.
//!
//! Each stands for a family that proxies and servers are known to read differently. What a
//! recipient may accept by the letter, such as LF alone as the end of a line, is not in here.

/// What a service owes whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    /// A refusal and the end of the connection, or its end at once.
    Refusal,
    /// One answer at most, and the end of the connection: the RFC lets a server process it.
    OneAnswer,
}

/// An invalid request.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) raw: Vec<u8>,
    pub(crate) owed: Owed,
}

/// What ends the request lines below.
const HOST: &str = "\r\nHost: localhost\r\n\r\n";

/// All of them.
pub(crate) fn invalid() -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add = |owed, raw: Vec<u8>| all.push(Bad { raw, owed });
    for line in REQUEST_LINES {
        add(Owed::Refusal, [line, HOST.as_bytes()].concat());
    }
    for target in TARGETS {
        let line = format!("{target} HTTP/1.1{HOST}");
        add(Owed::Refusal, line.into_bytes());
    }
    for version in VERSIONS {
        let line = format!("GET /hello {version}{HOST}");
        add(Owed::Refusal, line.into_bytes());
    }
    for method in METHODS {
        let line = format!("{method} /hello HTTP/1.1{HOST}");
        add(Owed::Refusal, line.into_bytes());
    }
    for field in FIELDS {
        let head = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n";
        add(Owed::Refusal, [head, *field, b"\r\n\r\n"].concat());
    }
    for hosts in HOSTS {
        let head = b"GET /hello HTTP/1.1\r\n";
        add(Owed::Refusal, [head, *hosts, b"\r\n\r\n"].concat());
    }
    for length in LENGTHS {
        let head = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
        add(Owed::Refusal, [head, *length, b"\r\n\r\nabc"].concat());
    }
    for coding in CODINGS {
        let head = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: ";
        add(
            Owed::Refusal,
            [head, *coding, b"\r\n\r\n0\r\n\r\n"].concat(),
        );
    }
    for raw in WHOLE {
        add(Owed::Refusal, raw.to_vec());
    }
    for body in chunked_bodies() {
        for path in ["/upload", "/upload-stream"] {
            add(Owed::Refusal, chunked(path, &body));
        }
    }
    for fields in TWO_FRAMINGS {
        for line in [
            "POST /upload",
            "POST /upload-stream",
            "POST /ignore-body",
            "GET /items/first",
            "POST /nowhere",
        ] {
            let raw = format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            );
            add(Owed::OneAnswer, raw.into_bytes());
        }
    }
    all
}

/// Bodies whose chunks are broken, in front of handlers that answer without reading them.
pub(crate) fn unread() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for body in chunked_bodies() {
        for path in ["/ignore-body", "/nowhere", "/hello", "/health"] {
            all.push(chunked(path, &body));
        }
    }
    all
}

pub(super) fn chunked(path: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Whole request lines: white space, control characters, and what is missing.
const REQUEST_LINES: &[&[u8]] = &[
    b"GET /hello HTTP/1.1 ",
    b"GET /hello HTTP/1.1\t",
    b"GET /hello  HTTP/1.1",
    b"GET /hello\tHTTP/1.1",
    b"GET\x0b/hello HTTP/1.1",
    b"GET\x0c/hello\x0cHTTP/1.1",
    b"GET /hello\x0bHTTP/1.1",
    b"GET\xa0/hello HTTP/1.1",
    b"\tGET /hello HTTP/1.1",
    b"\0GET /hello HTTP/1.1",
    b"\xef\xbb\xbfGET /hello HTTP/1.1",
    b"\rGET /hello HTTP/1.1",
    b"GET\0 /hello HTTP/1.1",
    b"GET\r /hello HTTP/1.1",
    b"GET /hello\0 HTTP/1.1",
    b"GET /hel\0lo HTTP/1.1",
    b"GET /hel\rlo HTTP/1.1",
    b"GET /hello\r HTTP/1.1",
    b"GET /hel\tlo HTTP/1.1",
    b"GET /hel\x1blo HTTP/1.1",
    b"GET /hel\x7flo HTTP/1.1",
    b"GET /hello\xff HTTP/1.1",
    b"GET /hello?a b HTTP/1.1",
    b"GET /hello?\x01 HTTP/1.1",
    b"GET HTTP/1.1",
    b"/hello HTTP/1.1",
    b"HTTP/1.1 200 OK",
    b"GET /hello, HTTP/1.1, HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-client",
    b"*1",
];

/// A method and a target that does not go with it, or with anything.
const TARGETS: &[&str] = &[
    "GET **",
    "HEAD *",
    "POST *",
    "OPTIONS **",
    "OPTIONS *x",
    "OPTIONS *?x",
    "OPTIONS localhost:80",
    "GET hello/world",
    "GET ?hello",
    "GET #hello",
    "GET /hello#",
    "GET /hello#there",
    "GET /hello?a#b",
    "GET http://localhost/hello#there",
    "GET http://localhost#there",
    "OPTIONS *#x",
    "CONNECT localhost:80#x",
    "GET %2fhello",
    "GET \\hello",
    "GET localhost",
    "GET localhost:80",
    "GET localhost:80/hello",
    "GET http:",
    "GET http:/hello",
    "GET http://",
    "GET http:///hello",
    "GET http://?hello",
    "GET http://:80/hello",
    "GET ://localhost/hello",
    "GET 1http://localhost/hello",
    "GET ht_tp://localhost/hello",
    "GET http//localhost/hello",
    "GET http://user@localhost/hello",
    "GET http://user:password@localhost/hello",
    "GET http://@localhost/hello",
    "GET http://localhost:x/hello",
    "GET http://localhost:-80/hello",
    "GET http://localhost:99999999/hello",
    "GET http://[::1/hello",
    "GET http://::1/hello",
    "GET http://[]/hello",
    "GET http://[::1]x/hello",
    "GET http://lo<cal>host/hello",
    "GET http://local\"host/hello",
    "CONNECT /hello",
    "CONNECT *",
    "CONNECT localhost",
    "CONNECT localhost:",
    "CONNECT localhost:x",
    "CONNECT localhost:99999",
    "CONNECT localhost:80/hello",
    "CONNECT :80",
    "CONNECT user@localhost:80",
    "CONNECT http://localhost/hello",
    "CONNECT http://localhost:80",
];

const VERSIONS: &[&str] = &[
    "HTTP/1",
    "HTTP/1.",
    "HTTP/.1",
    "HTTP/11",
    "HTTP/01.1",
    "HTTP/1.01",
    "HTTP/1.10",
    "HTTP/1.1.1",
    "HTTP/0.9",
    "HTTP/3.0",
    "HTTP/9.9",
    "HTTP /1.1",
    "HTTP/ 1.1",
    "HTTP/1 .1",
    "HTTP/1,1",
    "HTTP/1;1",
    "Http/1.1",
    "HTTPS/1.1",
    "XHTTP/1.1",
    "HTTP/-1.1",
    "HTTP/+1.1",
    "HTTP/1.1\0",
    "HTTP/1.1\x0b",
    "HTTP/1.1\rX",
    "HTTP/1.x",
    "HTTP/A.B",
    "HTTP\\1.1",
    "HTTP",
    "RTSP/1.0",
    "SIP/2.0",
    "ICY",
];

const METHODS: &[&str] = &[
    "G ET",
    "GE\tT",
    "GE:T",
    "G(ET)",
    "\"GET\"",
    "GET,",
    "G/T",
    "G=T",
    "G<T>",
    "[GET]",
    "{GET}",
    "G?T",
    "G\\T",
    "GE;T",
    "G\u{c9}T",
    "\u{ff27}ET",
    "GET\x7f",
    "GET\x08",
];

/// Field lines of a `GET`.
const FIELDS: &[&[u8]] = &[
    b":",
    b"X",
    b"X\t: y",
    b"X \t : y",
    b"X\x0b: y",
    b"X\x0c: y",
    b"X\0: y",
    b"X\r: y",
    b"X\x7f: y",
    b"X\x80: y",
    b"\rX: y",
    b"\0X: y",
    b"X Y: z",
    b"X,Y: z",
    b"X;Y: z",
    b"X/Y: z",
    b"X@Y: z",
    b"X=Y: z",
    b"X?Y: z",
    b"X<Y>: z",
    b"X[Y]: z",
    b"X{Y}: z",
    b"X\\Y: z",
    b"\"X\": y",
    b"X: a\rY: b",
    b"X: a\r\rY: b",
    b"X: a\r\r\nY: b",
    b"X: a\r",
    b"X: \0",
    b"X: \x01",
    b"X: \x08",
    b"X: \x0b",
    b"X: \x0c",
    b"X: \x1b[0m",
    b"X: \x1f",
    b"X: \x7f",
    b"\tX: y",
    b" ",
    b"\t",
    b"X: a\r\n\tb",
    b"X: a\r\n ",
    b"X: a\r\n \r\nY: b",
    b"X:\r\n a",
    b"Transfer-Encoding:\r\n chunked",
    b"Content-Length: 1\r\n 0",
    b"X: y\rContent-Length: 50",
    b"X: y\rTransfer-Encoding: chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"Transfer-Encoding\0: chunked",
    b"Content-Length\t: 50",
    b"Content-Length\x0b: 50",
    b"Content-Length\x80: 50",
    b"\x00Content-Length: 50",
    b"Content Length: 50",
    b"HTTP/1.1 200 OK",
    b"GET /items/inner HTTP/1.1",
];

/// All field lines of a `GET` that says nothing but where it is meant to go.
const HOSTS: &[&[u8]] = &[
    b"X: y",
    b"Host : localhost",
    b"Host\t: localhost",
    b" Host: localhost",
    b"\tHost: localhost",
    b"Host: a\r\nHost:",
    b"host: a\r\nHOST: b",
    b"Host: a\r\nX: y\r\nHost: a",
    b"Host: a\r\n b",
    b"Host:\r\n a",
    b"Host:   ",
    b"Host: a, b",
    b"Host: a\tb",
    b"Host: a\x80",
    b"Host: a\0",
    b"Host: http://a",
    b"Host: http://a/",
    b"Host: //a",
    b"Host: a/",
    b"Host: /",
    b"Host: ?",
    b"Host: #",
    b"Host: :",
    b"Host: a\\b",
    b"Host: <a>",
    b"Host: {a}",
    b"Host: \"a\"",
    b"Host: a|b",
    b"Host: a^b",
    b"Host: a`b",
    b"Host: a%",
    b"Host: a%2",
    b"Host: a%zz",
    b"Host: [",
    b"Host: ]",
    b"Host: []",
    b"Host: []:80",
    b"Host: [::1]80",
    b"Host: [::1]:x",
    b"Host: [::1]:80:80",
    b"Host: [::1]]",
    b"Host: [[::1]]",
    b"Host: [a]",
    b"Host: [1]",
    b"Host: [:::1]",
    b"Host: [1::2::3]",
    b"Host: [1:2:3:4:5:6:7:8:9]",
    b"Host: [12345::]",
    b"Host: [127.0.0.1]",
    b"Host: [::1%25eth0]",
    b"Host: ::1",
    b"Host: ::1]:80",
    b"Host: a[b]",
    b"Host: [a]b:80",
    b"Host: a:b:80",
    b"Host: a::80",
    b"Host: a:80:",
    b"Host: a:-1",
    b"Host: a:+1",
    b"Host: a:0x50",
    b"Host: a: 80",
    b"Host: a :80",
    b"Host: a:8 0",
    b"Host: a:80a",
    b"Host: a:999999",
    b"Host: @a",
    b"Host: a@",
    b"Host: user:password@a:80",
];

/// Values of `Content-Length`, before a body of three bytes.
const LENGTHS: &[&[u8]] = &[
    b"3;",
    b"3,",
    b",3",
    b"3,3",
    b"3, 3",
    b"3.0",
    b"3\t3",
    b"\"3\"",
    b"'3'",
    b"-0",
    b"--3",
    b"3-",
    b"3+",
    b"+0",
    b"0b11",
    b"0o3",
    b"0X3",
    b"3h",
    b"1_0",
    b"3 bytes",
    b"three",
    b"NaN",
    b"\x0b3",
    b"3\x0c",
    b"3\0",
    b"3\xa0",
    b"\xef\xbc\x93",
    b"\xd9\xa3",
    b"18446744073709551615",
    b"18446744073709551616",
    b"18446744073709551619",
    b"36893488147419103235",
    b"340282366920938463463374607431768211459",
    b"3\r\nContent-Length: x",
    b"3\r\nContent-Length:",
    b"x\r\nContent-Length: 3",
    b"0\r\nContent-Length: 3",
    b"3\r\nContent-Length: -3",
    b"3\r\nX: y\r\ncontent-length: 4",
    b"3\r\nContent-Length: 3\r\nContent-Length: 0",
    b"3\r\nContent-Length: 18446744073709551619",
];

/// Values of `Transfer-Encoding`, before the last chunk.
const CODINGS: &[&[u8]] = &[
    b"chunked,",
    b",chunked",
    b", chunked",
    b"chunked, ,",
    b"chunked;q=1",
    b"chunked; x=y",
    b"chunked;",
    b"\"chunked\"",
    b"'chunked'",
    b"chunked chunked",
    b"chunked\tchunked",
    b"ch unked",
    b"\x0bchunked",
    b"chunked\x0c",
    b"chunked\0",
    b"chunked\x7f",
    b"chunked\xa0",
    b"\xa0chunked",
    b"chun\xe2\x84\xaaed",
    b"chunke",
    b"chunkedd",
    b"x-chunked",
    b"chunked-",
    b"gzip, chunked",
    b"deflate",
    b"compress, chunked",
    b"identity, chunked",
    b"chunked, gzip",
    b"chunked,chunked",
    b"trailers",
    b"*",
    b"0",
    b"chunked\r\nTransfer-Encoding: identity",
    b"identity\r\nTransfer-Encoding: chunked",
    b"chunked\r\nTransfer-Encoding: gzip",
    b"gzip\r\nTransfer-Encoding: chunked",
    b"chunked\r\nTransfer-Encoding:",
    b"chunked\r\ntransfer-encoding: chunked",
    b"\r\n chunked",
    b"chunked\r\n , identity",
];

/// Requests that are like no other here.
const WHOLE: &[&[u8]] = &[
    b"POST /upload HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    b"POST /upload HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\nHost: a b\r\n\r\n",
    b"GET http://localhost/hello HTTP/1.1\r\n\r\n",
    b"GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost/hello HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /hello HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\r\n\tHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\r\r\nHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\rHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\rX\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"HEAD /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
];

/// Field lines that frame a body twice, the body being one chunk of three bytes.
const TWO_FRAMINGS: &[&str] = &[
    "Content-Length: 13\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 13",
    "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Content-Length: 500\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 500",
    "transfer-encoding: Chunked\r\nCONTENT-LENGTH: 3",
    "Transfer-Encoding:\tchunked\t\r\nContent-Length: 3",
    "Content-Length: 3\r\nX: y\r\nTransfer-Encoding: chunked",
    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\nContent-Length: 4",
    "Transfer-Encoding: chunked\r\nContent-Length: x",
    "Transfer-Encoding: chunked\r\nContent-Length: -1",
    "Transfer-Encoding: chunked\r\nContent-Length:",
    "Transfer-Encoding: chunked\r\nContent-Length: 3, 4",
    "Transfer-Encoding: chunked\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
    "Connection: keep-alive\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
    "Connection: Content-Length\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
    "Connection: Transfer-Encoding\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
];

fn chunked_bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = CHUNKS.iter().map(|body| body.to_vec()).collect();
    let long = |count: usize| vec![b'a'; count];
    // Extensions, in one piece and in many, and trailers beyond any use.
    bodies.push([b"3;", &long(20_000)[..], b"\r\nabc\r\n0\r\n\r\n"].concat());
    bodies.push([b"3;", &long(1_000_000)[..], b"\r\nabc\r\n0\r\n\r\n"].concat());
    bodies.push(b"1;aaaaaaaaaaaaaaaaaaaa\r\nx\r\n".repeat(1000));
    bodies.push([b"0\r\nX: ", &long(20_000)[..], b"\r\n\r\n"].concat());
    bodies.push([&b"0\r\n"[..], &b"X: y\r\n".repeat(101), b"\r\n"].concat());
    bodies
}

/// Bodies in chunks; each is wrong before its end.
const CHUNKS: &[&[u8]] = &[
    b"\n3\r\nabc\r\n0\r\n\r\n",
    b"3\rabc\r\n0\r\n\r\n",
    b"3\r\r\nabc\r\n0\r\n\r\n",
    b"3\r\x0b\nabc\r\n0\r\n\r\n",
    b"3 \nabc\r\n0\r\n\r\n",
    b"3\t\nabc\r\n0\r\n\r\n",
    b"3;\nabc\r\n0\r\n\r\n",
    b"3;a=\"b\nc\"\r\nabc\r\n0\r\n\r\n",
    b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3\t\r\nabc\r\n0\r\n\r\n",
    b"3;a \r\nabc\r\n0\r\n\r\n",
    b"3;\r\nabc\r\n0\r\n\r\n",
    b"3;=a\r\nabc\r\n0\r\n\r\n",
    b"3;a=\r\nabc\r\n0\r\n\r\n",
    b"3;a b\r\nabc\r\n0\r\n\r\n",
    b"3;a\0\r\nabc\r\n0\r\n\r\n",
    b"3;a=\"\x01\"\r\nabc\r\n0\r\n\r\n",
    b"3;a=\"\\\x7f\"\r\nabc\r\n0\r\n\r\n",
    b"3;a=\"b\r\nabc\r\n0\r\n\r\n",
    b"3;\x80\r\nabc\r\n0\r\n\r\n",
    b"3;a\r\rabc\r\n0\r\n\r\n",
    b"3\0\r\nabc\r\n0\r\n\r\n",
    b"3\x0b\r\nabc\r\n0\r\n\r\n",
    b"3\x0c\r\nabc\r\n0\r\n\r\n",
    b"3\xa0\r\nabc\r\n0\r\n\r\n",
    b"\t3\r\nabc\r\n0\r\n\r\n",
    b"3 3\r\nabc\r\n0\r\n\r\n",
    b"3 x\r\nabc\r\n0\r\n\r\n",
    b"0X3\r\nabc\r\n0\r\n\r\n",
    b"#3\r\nabc\r\n0\r\n\r\n",
    b"$3\r\nabc\r\n0\r\n\r\n",
    b"3h\r\nabc\r\n0\r\n\r\n",
    b"g\r\nabc\r\n0\r\n\r\n",
    b"_3\r\nabc\r\n0\r\n\r\n",
    b"3_\r\nabc\r\n0\r\n\r\n",
    b"3.\r\nabc\r\n0\r\n\r\n",
    b"3,\r\nabc\r\n0\r\n\r\n",
    b"3:\r\nabc\r\n0\r\n\r\n",
    b"3=a\r\nabc\r\n0\r\n\r\n",
    b"\"3\"\r\nabc\r\n0\r\n\r\n",
    b"\xef\xbc\x93\r\nabc\r\n0\r\n\r\n",
    b"-0\r\n\r\n",
    b"+0\r\n\r\n",
    b" 0\r\n\r\n",
    b";a\r\n0\r\n\r\n",
    b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    b"ffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
    b"100000000000000000000000000000003\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabc\r0\r\n\r\n",
    b"3\r\nabc\r\r\n0\r\n\r\n",
    b"3\r\nabc \r\n0\r\n\r\n",
    b"3\r\nabc\0\r\n0\r\n\r\n",
    b"2\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabcdef\r\n0\r\n\r\n",
    b"4\r\nabc\r\n0\r\n\r\n",
    b"3\r\nab\r\n0\r\n\r\n",
    b"3\r\nabc\r\n\r\n0\r\n\r\n",
    b"0\n\r\n",
    b"0\n\n",
    b"0\r\r\n",
    b"0\r\n\rX",
    b"0\r\n\n",
    b"0\r\nX: y\n\r\n",
    b"0\r\nX: y\n\n",
    b"0\r\nX: y\r\n\n",
    b"0\r\nX: y\nZ: z\r\n\r\n",
    b"0\r\nX\r\n\r\n",
    b"0\r\nX y\r\n\r\n",
    b"0\r\n: y\r\n\r\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\n X: y\r\n\r\n",
    b"0\r\nX: y\r\n z\r\n\r\n",
    b"0\r\nX(: y\r\n\r\n",
    b"0\r\nX: \0\r\n\r\n",
    b"0\r\nX: \x0b\r\n\r\n",
    b"0\r\nX: a\rb\r\n\r\n",
    b"0\r\nX: y\r\n\rZ\r\n\r\n",
    b"0\r\nGET /items/inner HTTP/1.1\r\n\r\n",
];
