//! Input that no tool writes: it ends with an error or without a finding, and soon.

use std::process::Command;

use super::{files::*, *};

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

/// The time is many times what they take, and a small part of that of a search through all for each.
#[test]
fn many_locations_and_conditions_are_read_soon() {
    let locations: String = (0..12_000)
        .map(|at| format!("location /{at} {{ proxy_pass http://shop; proxy_read_timeout 35s; }}\n"))
        .collect();
    let nginx = NGINX.replacen(
        "server {\n    loc",
        &format!("server {{\n{locations}    loc"),
        1,
    );
    let conditions: String = (0..12_000)
        .map(|at| format!("    acl a{at} path /a\n    http-request deny if a{at}\n"))
        .collect();
    let haproxy = HAPROXY.replacen("public\n", &format!("public\n{conditions}"), 1);
    // Each of a few bytes stands for a million repetitions.
    let patterns: String = (0..1000)
        .map(|at| format!("    location ~ ^/{at}(a{{1,999}}){{999}} {{ return 404; }}\n"))
        .collect();
    let patterns = NGINX.replacen("    location ~", &format!("{patterns}    location ~"), 1);
    for (files, name, text) in [
        (STACK_FILES, "a.conf", nginx),
        (
            BALANCER_FILES.first_chunk().copied().unwrap(),
            "a.cfg",
            haproxy,
        ),
        (STACK_FILES, "a.conf", patterns),
    ] {
        let files = [files[0], files[1], (name, text.as_str())];
        let ((), elapsed) = harness::timed(|| good(&files));
        assert!(elapsed.as_secs() < 10, "{name}: {elapsed:?}");
    }
}
