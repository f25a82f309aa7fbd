//! Input that no tool writes: it ends with an error or without a finding, and soon.

use std::process::Command;

use super::{files::*, proxies::INGRESS, *};

/// Asserts that a file is reported as unreadable.
#[track_caller]
fn unreadable(name: &str, bytes: &[u8], line: usize, what: &str) {
    let folder = Folder::new(&[]);
    folder.0.write(name, bytes);
    let report = folder.lint();
    assert_eq!(exit(&report), Exit::Usage, "{}", report.human());
    assert_eq!(
        folder.shown(&report.broken[0].place),
        format!("{name}:{line}")
    );
    assert!(report.broken[0].what.contains(what), "{}", report.human());
}

#[test]
fn text_that_is_not_utf8_has_its_line() {
    unreadable("a.yaml", b"a: 1\nb: \xff\n", 2, "not UTF-8");
    unreadable("a.conf", b"proxy_pass \xff;", 1, "not UTF-8");
    unreadable("a.service", b"\n\n\xc3", 3, "not UTF-8");
    unreadable("a.yaml", b"\xff\xfea\0:\0", 1, "UTF-16");
    unreadable("a.yaml", b"a: \0\n", 1, "not YAML");
}

#[test]
fn large_file_is_not_read() {
    let size = 33 << 20;
    unreadable("a.yaml", &vec![b'#'; size], 1, "larger than 32 MiB");
    unreadable("a.conf", &vec![b'#'; 2 << 20], 1, "larger than 1 MiB");
}

#[test]
fn nested_text_is_an_error() {
    unreadable("a.yaml", "[".repeat(100_000).as_bytes(), 1, "");
    unreadable("a.yaml", "- ".repeat(100_000).as_bytes(), 1, "100 levels");
    let conf = "upstream a {".repeat(1000);
    unreadable("a.conf", conf.as_bytes(), 1, "50 blocks");
    unreadable("compose.yml", b"services:\n\tapp: {}\n", 2, "tab");
}

#[test]
fn line_ends_of_windows_and_byte_order_marks_have_no_effect() {
    for (name, text) in [("pod.yaml", POD), ("a.service", UNIT)] {
        good(&[(name, &text.replace('\n', "\r\n"))]);
        good(&[(name, &format!("\u{feff}{text}"))]);
    }
    let files = PROXY_FILES.map(|(name, text)| (name, text.replace('\n', "\r\n")));
    good(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let files = BALANCER_FILES.map(|(name, text)| (name, format!("\u{feff}{text}")));
    good(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
}

#[test]
fn empty_documents_are_skipped() {
    let pod = format!("---\n---\n# empty\n---\n{POD}---\n...\n---\n");
    good(&[
        ("pod.yaml", &pod),
        ("a.yaml", ""),
        ("compose.yml", "services:\n"),
        ("a.conf", ""),
        ("a.cfg", "\n"),
        ("b.service", ""),
    ]);
}

#[test]
fn links_to_folders_above_are_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[("a/pod.yaml", POD)]);
    symlink("..", folder.0.path("a/above")).unwrap();
    symlink("itself.yaml", folder.0.path("a/itself.yaml")).unwrap();
    let report = folder.lint();
    assert_eq!(exit(&report), Exit::Success, "{}", report.human());
    assert_eq!(report.services.len(), 1);
}

#[test]
fn pipe_without_a_writer_is_not_opened() {
    let folder = Folder::new(&[("compose.yml", STACK), ("pod.yaml", POD)]);
    for name in ["prod.env", "a.yaml"] {
        let status = Command::new("mkfifo").arg(folder.0.path(name)).status();
        assert!(status.unwrap().success());
    }
    let report = folder.lint();
    assert_eq!(report.broken.len(), 1, "{}", report.human());
    assert_eq!(folder.shown(&report.broken[0].place), "prod.env:1");
    let argument = lint(&[folder.0.path("a.yaml")], None, Vec::new()).unwrap();
    let text = argument.human();
    assert!(text.contains("not a regular file"), "{text}");
}

/// Asserts that files are read in a time that a search through all for each would exceed many times.
#[track_caller]
fn soon(files: &[(&str, &str)]) {
    let folder = Folder::new(files);
    let (report, elapsed) = harness::timed(|| folder.lint());
    assert!(report.broken.is_empty(), "{}", report.human());
    assert!(elapsed.as_secs() < 10, "{}: {elapsed:?}", files[0].0);
}

/// Returns a line for each number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|at| line(at) + "\n").collect()
}

#[test]
fn many_locations_are_read_soon() {
    let location =
        |at| format!("location /{at} {{ proxy_pass http://a; proxy_read_timeout 35s; }}");
    soon(&[(
        "a.conf",
        &format!("server {{\n{}}}\n", lines(12_000, location)),
    )]);
    // Each of a few bytes stands for a million repetitions.
    let location = |at| format!("location ~ ^/{at}(a{{1,999}}){{999}} {{ return 404; }}");
    soon(&[(
        "a.conf",
        &format!("server {{\n{}}}\n", lines(1000, location)),
    )]);
    // Each can match every path.
    let location = |_| "location ~ (?!a) { proxy_pass http://a; }".to_owned();
    soon(&[(
        "a.conf",
        &format!("server {{\n{}}}\n", lines(20_000, location)),
    )]);
}

#[test]
fn many_upstreams_are_read_soon() {
    let upstreams = lines(8000, |_| "upstream a { server b; }".to_owned());
    let locations = lines(8000, |at| {
        format!("location /{at} {{ proxy_pass http://a; }}")
    });
    soon(&[("a.conf", &format!("{upstreams}server {{\n{locations}}}\n"))]);
    let upstreams = lines(12_000, |at| format!("upstream u{at} {{ server b; }}"));
    let locations = lines(12_000, |at| {
        format!("location /{at} {{ proxy_pass http://u{at}; }}")
    });
    soon(&[("a.conf", &format!("{upstreams}server {{\n{locations}}}\n"))]);
}

#[test]
fn many_conditions_and_backends_are_read_soon() {
    let acl = |at| format!(" acl a{at} path /a\n http-request deny if a{at}");
    let backends = "backend b\n server c d:1\n";
    soon(&[(
        "a.cfg",
        &format!("frontend a\n{}{backends}", lines(12_000, acl)),
    )]);
    let uses = lines(12_000, |at| {
        format!(" use_backend b{at} if {{ hdr(host) a }}")
    });
    let backends = lines(12_000, |at| format!("backend b{at}\n server c d:1"));
    soon(&[("a.cfg", &format!("frontend a\n{uses}{backends}"))]);
    let defaults = lines(100_000, |_| " a".to_owned());
    soon(&[("a.cfg", &format!("defaults\n{defaults}{backends}"))]);
    let words = "a ".repeat(100_000);
    let defaults = format!("defaults\n default-server {words}\n option httpchk {words}\n");
    soon(&[("a.cfg", &format!("{defaults}{backends}"))]);
    let braces = "{ ".repeat(100_000) + &"} ".repeat(100_000);
    soon(&[(
        "a.cfg",
        &format!("frontend a\n http-request deny if {braces}\n{backends}"),
    )]);
}

#[test]
fn many_routes_and_objects_are_read_soon() {
    let path = |at| format!("          - {{path: /{at}, backend: {{service: {{name: a}}}}}}");
    let routes = format!("{INGRESS}{}", lines(12_000, path));
    soon(&[("a.yaml", &routes)]);
    let snippet = lines(500, |at| format!("location ~ ^/{at} {{ return 404; }}"));
    let snippet = snippet.replace('\n', " ");
    let annotations = format!(
        "metadata: {{name: a, annotations: {{nginx.ingress.kubernetes.io/server-snippet: '{snippet}'}}}}"
    );
    soon(&[(
        "a.yaml",
        &routes.replace("metadata: {name: shop}", &annotations),
    )]);
    let objects = lines(6000, |at| {
        format!(
            "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a{at}}}, data: {{A: b}}}}\n---\n\
             {{apiVersion: v1, kind: Pod, metadata: {{name: a{at}}}, spec: {{containers: \
             [{{name: a, envFrom: [{{configMapRef: {{name: a{at}}}}}]}}]}}}}"
        )
    });
    soon(&[("a.yaml", &objects)]);
}

#[test]
fn nested_variables_are_replaced_soon() {
    let nested = "${A:-".repeat(20_000) + &"}".repeat(20_000);
    let many = "${A:-${B:-c}}".repeat(20_000);
    let services = lines(2000, |at| format!("  s{at}: {{extends: {{service: s0}}}}"));
    for image in [nested, many] {
        soon(&[(
            "compose.yml",
            &format!("services:\n  a: {{image: '{image}', environment: ['A={image}']}}\n"),
        )]);
    }
    soon(&[(
        "compose.yml",
        &format!(
            "services:\n  s: {{image: a}}\n{}",
            services.replace("s0}", "s}")
        ),
    )]);
    let comments = format!("A={}\n", " #".repeat(200_000));
    soon(&[
        ("compose.yml", STACK),
        ("prod.env", &comments),
        (".env", &comments),
    ]);
}
