//! Files of each kind: what is read, what is broken, and the exit status.

use proptest::prelude::*;

use super::{files::*, *};

#[test]
fn good_files_have_no_finding() {
    good(&[("pod.yaml", POD)]);
    good(&STACK_FILES);
    good(&PROXY_FILES);
    good(&BALANCER_FILES);
    good(&[
        ("shop.service", UNIT),
        ("shop.socket", "[Socket]\nListenStream=8080\n"),
    ]);
}

#[test]
fn unreadable_file_of_each_kind_has_its_line() {
    broken(&[("pod.yaml", "kind: [Pod\n")], "pod.yaml:2", "not YAML");
    broken(
        &[("compose.yml", STACK), ("prod.env", "A=b\nsecret\n")],
        "prod.env:2",
        "NAME=value",
    );
    broken(
        &[("compose.yml", "services:\n  a: {extends: b}\n")],
        "compose.yml:1",
        "no service b",
    );
    broken(
        &[("a.service", "[Service]\nExecStart\n")],
        "a.service:2",
        "Name=value",
    );
    broken(
        &[("a.conf", "upstream a {\n  server b;\n")],
        "a.conf:1",
        "not closed",
    );
    let utf16 = "k\0i\0n\0d\0";
    broken(&[("pod.yaml", utf16)], "pod.yaml:1", "");
}

#[test]
fn compose_reads_overrides_anchors_and_variables() {
    let base =
        "x-app: &app\n  image: shop\n  env_file: [prod.env]\nservices:\n  app:\n    <<: *app\n";
    let over = "services:\n  app:\n    stop_grace_period: ${GRACE:-8s}\n";
    let finding = bad(
        &[
            ("compose.yml", base),
            ("compose.override.yml", over),
            ("prod.env", ENV),
        ],
        "GRACE",
        "compose.override.yml:3",
    );
    assert!(finding.message.contains("is 8 s"), "{}", finding.message);
    let files = [
        ("compose.yml", base),
        ("compose.override.yml", over),
        ("prod.env", ENV),
        (".env", "GRACE=20s\n"),
    ];
    good(&files);
    // Another file is an override if its service has no image.
    let folder = Folder::new(&[
        ("compose.yml", base),
        ("compose.prod.yml", over),
        ("prod.env", ENV),
    ]);
    let places: Vec<_> = folder
        .lint()
        .findings
        .iter()
        .map(|it| folder.shown(&it.place))
        .collect();
    assert_eq!(places, ["compose.prod.yml:3"]);
}

#[test]
fn drop_in_and_env_file_of_a_unit_are_read() {
    let folder = Folder::new(&[("app.env", "SHUTDOWN_TIMEOUT=20s\n")]);
    let env = format!(
        "[Service]\nEnvironmentFile={}\n",
        folder.0.path("app.env").display()
    );
    let finding = bad(
        &[("a.service", UNIT), ("a.service.d/env.conf", &env)],
        "GRACE",
        "a.service:6",
    );
    assert!(finding.sum.unwrap().contains("app.env:1)"));
    let unread = "[Service]\nEnvironmentFile=/nonexistent/env\n";
    let report = Folder::new(&[("a.service", UNIT), ("a.service.d/env.conf", unread)]).lint();
    assert_eq!(exit(&report), Exit::Success);
    assert_eq!(report.assumed[0].value, "/nonexistent/env");
}

#[test]
fn files_without_a_service_are_not_checked() {
    let report = Folder::new(&[("compose.yml", "services:\n  db: {image: postgres}\n")]).lint();
    assert_eq!(exit(&report), Exit::Incomplete);
    assert!(report.human().contains("no service on the chassis"));
    let chart = Folder::new(&[
        ("chart/Chart.yaml", "name: a\n"),
        ("chart/templates/a.yaml", "{{ a }}\n"),
    ]);
    let report = chart.lint();
    assert_eq!(exit(&report), Exit::Incomplete);
    assert!(report.human().contains("helm template"));
    assert_eq!(report.not_checked.len(), 1);
}

#[test]
fn waived_finding_does_not_count() {
    let stack = STACK.replace("15s", "8s");
    let folder = Folder::new(&[("compose.yml", &stack), ("prod.env", ENV)]);
    let year = 1970
        + std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs()
            / 31_556_952;
    let waiver = |check: &str| {
        format!("[[waiver]]\ncheck = \"{check}\"\nreason = \"OPS-1\"\nuntil = {year}-12-31\n")
    };
    let waivers = waiver("GRACE") + &waiver("IDLE") + &waiver("MET-5:falls");
    let file = folder.0.write("plimsoll.toml", waivers);
    let project = Project::read(Some(&file)).unwrap();
    let report = folder.lint_with(project.waivers);
    assert_eq!(exit(&report), Exit::Success, "{}", report.human());
    assert_eq!(report.waived.len(), 1);
    // Those of other commands are not unused.
    assert_eq!(report.unused.len(), 1);
    assert!(report.sarif().contains("\"justification\": \"OPS-1\""));
}

#[test]
fn argument_of_an_unknown_kind_is_an_error() {
    let folder = Folder::new(&[("a.txt", "hello\n")]);
    for (name, what) in [("a.txt", "expected a file of"), ("b.yml", "No such file")] {
        let report = lint(&[folder.0.path(name)], None, Vec::new()).unwrap();
        assert_eq!(exit(&report), Exit::Usage);
        assert!(report.human().contains(what), "{}", report.human());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_linted_without_a_panic(bytes in any::<Vec<u8>>(), at in 0..1000_usize) {
        let cut = |text: &str| {
            let mut file = text.as_bytes()[..at.min(text.len())].to_vec();
            file.extend_from_slice(&bytes);
            file.extend_from_slice(&text.as_bytes()[at.min(text.len())..]);
            file
        };
        let folder = Folder::new(&[]);
        let files = [("pod.yaml", POD), ("compose.yml", STACK), ("prod.env", ENV), ("a.conf", NGINX), ("a.cfg", HAPROXY), ("a.service", UNIT)];
        for (name, text) in files {
            folder.0.write(name, cut(text));
        }
        let report = folder.lint();
        prop_assert!(!report.human().is_empty() && !report.json().is_empty() && !report.sarif().is_empty());
    }
}
