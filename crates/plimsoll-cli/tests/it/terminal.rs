//! The command in a pseudo-terminal.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// The command in a terminal of 80 columns and 24 rows.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    master: File,
    /// Keeps the modes of the terminal after the end of the command.
    slave: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts the command.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal is free");
        grantpt(&master).expect("the terminal belongs to this process");
        unlockpt(&master).expect("the terminal belongs to this process");
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).expect("the size can be set");
        let name = ptsname(&master, Vec::new()).expect("the terminal has a name");
        let slave = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
        let slave = slave.expect("the terminal is unlocked");
        let stdio = || Stdio::from(slave.try_clone().expect("a descriptor is free"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(arguments);
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = command.spawn().expect("the command can be run");
        let master = File::from(master);
        let mut output = master.try_clone().expect("a descriptor is free");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(24, 80, 0)));
        let parser = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut parser = parser.lock().unwrap_or_else(PoisonError::into_inner);
                parser.process(&bytes[..count]);
            }
        });
        Self {
            child,
            master,
            slave,
            screen,
        }
    }

    /// Reads the screen.
    pub(crate) fn with_screen<T>(&self, read: impl FnOnce(&vt100::Screen) -> T) -> T {
        let parser = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        read(parser.screen())
    }

    /// Waits until the screen has a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let what = format!("the screen has {text}");
        harness::eventually(&what, || {
            self.with_screen(|screen| screen.contents().contains(text))
                .then_some(())
        });
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &[u8]) {
        self.master.write_all(key).expect("the command reads keys");
    }

    /// Waits for the end. Checks that the terminal is as before.
    #[track_caller]
    pub(crate) fn assert_restored(mut self) {
        let status = harness::eventually("the command has ended", || {
            self.child.try_wait().expect("the child is ours")
        });
        assert_eq!(status.code(), Some(0));
        let is_cooked = || {
            let modes = tcgetattr(&self.slave)
                .expect("the terminal is open")
                .local_modes;
            modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
        };
        assert!(is_cooked(), "the terminal is in raw mode");
        harness::eventually("the first screen is shown, with a cursor", || {
            self.with_screen(|screen| !screen.alternate_screen() && !screen.hide_cursor())
                .then_some(())
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It fails only if the child has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
