//! GRACE, NOTICE and EXIT: the time from SIGTERM to the exit.

use super::{files::*, *};

#[test]
fn grace_covers_pre_stop_and_shutdown() {
    let finding = changed(&[("pod.yaml", POD)], "15s", "22s", "GRACE", "pod.yaml:5");
    assert_eq!(
        finding.message,
        "terminationGracePeriodSeconds is 30 s, and shutdown can take 30 s"
    );
    let sum = finding.sum.unwrap();
    assert!(
        sum.starts_with("DRAIN_DELAY 5s (default) + SHUTDOWN_TIMEOUT 22s ("),
        "{sum}"
    );
    assert!(sum.ends_with("pod.yaml:11) + 3 s"), "{sum}");
    let hook = "image: shop\n      lifecycle: {preStop: {exec: {command: [sh, -c, 'sleep 10']}}}";
    let image = "image: registry.example.com:5000/shop:1";
    for time in ["10", "10s", "0.5m"] {
        let hook = hook.replace("10", time);
        changed(&[("pod.yaml", POD)], image, &hook, "GRACE", "pod.yaml:5");
    }
    changed(&STACK_FILES, "15s", "8s", "GRACE", "compose.yml:8");
    let stack = STACK.replace("    stop_grace_period: 15s\n", "");
    let env = ENV.replace("5s", "7s");
    let files = [("compose.yml", stack.as_str()), ("prod.env", env.as_str())];
    let finding = bad(&files, "GRACE", "compose.yml:2");
    assert!(
        finding.message.contains("10 s by default"),
        "{}",
        finding.message
    );
    changed(
        &[("a.service", UNIT)],
        "StopSec=15",
        "StopSec=8s",
        "GRACE",
        "a.service:6",
    );
    good(&[("a.service", &UNIT.replace("StopSec=15", "StopSec=infinity"))]);
}

#[test]
fn notice_covers_the_prober_of_ready() {
    let finding = changed(
        &[("pod.yaml", POD)],
        "Seconds: 2",
        "Seconds: 3",
        "NOTICE",
        "pod.yaml:19",
    );
    assert!(finding.message.contains("after 7 s"), "{}", finding.message);
    changed(&BALANCER_FILES, "inter 1s", "inter 3s", "NOTICE", "a.cfg:6");
    // The phase is off on purpose.
    let off = "SHUTDOWN_TIMEOUT, value: 15s}\n        - {name: DRAIN_DELAY, value: 0s}";
    good(&[(
        "pod.yaml",
        &POD.replace("SHUTDOWN_TIMEOUT, value: 15s}", off),
    )]);
}

#[test]
fn exit_statuses_are_known_to_systemd() {
    let unit = [("a.service", UNIT)];
    changed(
        &unit,
        "RestartPreventExitStatus=78\n",
        "",
        "EXIT",
        "a.service:7",
    );
    changed(&unit, "SuccessExitStatus=3\n", "", "EXIT", "a.service:2");
    good(&[(
        "a.service",
        &UNIT
            .replace("=on-failure", "=no")
            .replace("RestartPreventExitStatus=78\n", ""),
    )]);
}
