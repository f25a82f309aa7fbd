//! `plimsoll top` in a pseudo-terminal.

use harness::{Process, Signal};

use crate::terminal::Terminal;

fn top(arguments: &[&str]) -> Terminal {
    Terminal::start(&[&["top", "--interval", "100ms"], arguments].concat())
}

#[test]
fn screen_shows_a_running_service() {
    let service = Process::start(harness::reference_service(), &[]);
    let mut terminal = top(&[&service.addr().to_string()]);
    terminal.wait_for("1 instance · every 100 ms");
    terminal.wait_for(&format!("{} ready", service.addr()));
    assert!(terminal.with_screen(vt100::Screen::alternate_screen));
    assert_eq!(service.get("/").status, 200);
    terminal.wait_for("GET / ");
    terminal.press(b"?");
    terminal.wait_for("open connections");
    terminal.press(b"?");
    terminal.wait_for("ROUTE");
    service.terminate();
    terminal.wait_for("no answer");
    assert!(
        !terminal
            .with_screen(vt100::Screen::contents)
            .contains("ready ")
    );
    terminal.press(b"q");
    terminal.assert_restored();
}

#[test]
fn terminal_is_restored_after_each_way_to_end() {
    for key in [b"q".as_slice(), b"\x03", b"\x1b"] {
        let mut terminal = top(&["127.0.0.1:1"]);
        terminal.wait_for("no answer");
        terminal.press(key);
        terminal.assert_restored();
    }
    for signal in [Signal::Int, Signal::Term, Signal::Hup] {
        let terminal = top(&["127.0.0.1:1"]);
        terminal.wait_for("no answer");
        signal.send(terminal.child.id());
        terminal.assert_restored();
    }
}
