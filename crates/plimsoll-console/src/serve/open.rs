//! Opens the page in the browser of the desktop.
//!
//! Arguments of a process are visible to all users, so the address with the token is not one.
//! The browser gets a file of the folder, which leads it to the address.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::Stdio,
};

use tokio::process::Command;

/// The program of the desktop that opens a file.
const PROGRAM: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Opens a URL in the browser.
///
/// # Errors
///
/// If the file cannot be written, or the desktop has no such program.
pub(super) fn open(url: &str, folder: &Path) -> io::Result<()> {
    let path = folder.join("open.html");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    // The URL has an address, a port and hexadecimal digits: nothing that HTML must escape.
    let text = format!("<!doctype html><meta http-equiv=\"refresh\" content=\"0;url={url}\">\n");
    file.write_all(text.as_bytes())?;
    let mut command = Command::new(PROGRAM);
    command
        .arg(&path)
        // Ctrl-C in the terminal must not reach a browser that it starts.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // It ends by itself, and the runtime waits for it.
    command.spawn().map(drop)
}
