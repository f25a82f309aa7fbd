//! Conditions compared with HAProxy itself: what it passes on, this reader does not report as hidden.

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
};

use harness::Scratch;

use super::parse;

const PATH: &str = "/metrics";

/// HAProxy, which is ended with the value.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        // It has ended if its configuration was rejected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns conditions of each sample with each method and pattern.
fn conditions() -> Vec<String> {
    let samples = [
        "path",
        "path,lower",
        "path,url_dec",
        "pathq",
        "url",
        "urlp(x)",
    ];
    let methods = ["str", "beg", "end", "sub", "dir", "dom", "len", "found"];
    let patterns = [
        "/metrics", "/METRICS", "/m", "metrics", "/", "?", "x=1", "8",
    ];
    let mut conditions = Vec::new();
    for sample in samples {
        for method in methods {
            for pattern in patterns {
                for flag in ["", "-i"] {
                    if method != "len" || pattern == "8" {
                        conditions.push(format!("{{ {sample} {flag} -m {method} {pattern} }}"));
                    }
                }
            }
        }
        for pattern in ["^/metrics$", "^/m", "x=1", "/(?!api)", "s$", "^[^m]*$"] {
            conditions.push(format!("{{ {sample} -m reg {pattern} }}"));
        }
        conditions.push(format!("{{ {sample} }}"));
    }
    let inverted: Vec<_> = conditions.iter().map(|it| format!("!{it}")).collect();
    let others = [
        "url_beg /m",
        "url32 gt 0",
        "url_port 0",
        "path_len 8",
        "src 1.2.3.0/24",
    ];
    conditions.extend(others.map(|it| format!("!{{ {it} }} OR {{ path {PATH} }}")));
    conditions.extend(others.map(|it| format!("{{ path {PATH} }} !{{ {it} }}")));
    conditions.extend(inverted);
    conditions
}

/// Starts HAProxy. The header `case` of a request selects the condition that rejects it.
fn start(conditions: &[String], folder: &Scratch) -> Peer {
    let socket = folder.path("socket");
    let mut text = format!(
        "global\n maxconn 10\ndefaults\n mode http\n timeout client 1m\n timeout server 1m\n \
         timeout connect 1m\nfrontend a\n bind {}\n",
        socket.display()
    );
    for (index, condition) in conditions.iter().enumerate() {
        let case = format!("{{ hdr(case) {index} }}");
        // A condition with alternatives needs the case in each of them.
        let condition = condition.replace(" OR ", &format!(" OR {case} "));
        writeln!(
            text,
            " http-request return status 404 if {case} {condition}"
        )
        .unwrap();
    }
    text += " http-request return status 200\n";
    let path = folder.write("haproxy.cfg", text);
    let mut command = Command::new("haproxy");
    command.arg("-f").arg(path);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Peer(child.unwrap())
}

/// Whether HAProxy passes a request on.
fn is_passed(stream: &mut BufReader<UnixStream>, target: &str, case: usize) -> io::Result<bool> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\ncase: {case}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head)?;
        assert!(read > 0, "the head of a response: {head}");
    }
    assert!(head.contains("content-length: 0"), "{head}");
    Ok(head.starts_with("HTTP/1.1 200 "))
}

#[test]
fn path_that_haproxy_passes_on_is_not_hidden() {
    if Command::new("haproxy").arg("-v").output().is_err() {
        harness::skip("haproxy is not installed");
        return;
    }
    let conditions = conditions();
    let folder = Scratch::new();
    let _peer = start(&conditions, &folder);
    let stream = harness::eventually("HAProxy listens", || {
        UnixStream::connect(folder.path("socket")).ok()
    });
    let mut stream = BufReader::new(stream);
    let targets = [PATH, "/metrics?x=1", "/metrics?", "http://a/metrics"];
    let mut hidden = 0;
    for (case, condition) in conditions.iter().enumerate() {
        let text = format!("listen a\n http-request deny if {condition}\n server b c:1\n");
        let proxies = parse(&text, "a").proxies();
        let is_exposed = proxies[0].exposed.contains(&PATH);
        hidden += usize::from(!is_exposed);
        for target in targets {
            let is_passed = is_passed(&mut stream, target, case).unwrap();
            assert!(is_exposed || !is_passed, "{condition} passes {target} on");
        }
    }
    // Conditions on the path alone are evaluated, and not all taken for unknown.
    assert!(
        hidden > conditions.len() / 8,
        "{hidden} of {}",
        conditions.len()
    );
}
