//! The log of a service at a URL, from a file or from standard input (`--logs`).
//!
//! A file is read from its end on, because older records are those of other runs.
//! The reader is a thread of its own: a read of standard input cannot be cancelled, and would delay the
//! end of the command.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek as _, SeekFrom},
    path::Path,
    thread,
    time::Duration,
};

use crate::target::{Line, Output, Stream};

/// The pause before a file is read again.
const POLL: Duration = Duration::from_millis(20);

/// Reads a file from its end, as `tail -f` does.
///
/// # Errors
///
/// If the file cannot be opened.
pub(super) fn follow(path: &Path) -> io::Result<Output> {
    let mut file = File::open(path)?;
    // A pipe has no position, and is read from its beginning.
    let is_file = file.metadata()?.is_file();
    if is_file {
        file.seek(SeekFrom::End(0))?;
    }
    Ok(in_background(BufReader::new(file), is_file))
}

/// Reads standard input.
pub(super) fn standard_input() -> Output {
    in_background(BufReader::new(io::stdin()), false)
}

/// Reads lines until the end of the input, or of the command if the input can grow.
fn in_background(mut input: impl BufRead + Send + 'static, grows: bool) -> Output {
    let output = Output::default();
    let writer = output.clone();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // An error of the input is its end: records that are missing then are reported.
        while let Ok(count) = input.read_until(b'\n', &mut bytes) {
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
                let bytes = std::mem::take(&mut bytes);
                let stream = Stream::Out;
                writer.push(Line { stream, bytes });
            } else if grows {
                thread::sleep(POLL);
            } else if count == 0 {
                break;
            }
        }
    });
    output
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    #[tokio::test]
    async fn file_is_read_from_its_end() {
        let name = format!("plimsoll-journal-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, "before\n").unwrap();
        let output = follow(&path).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"ha").unwrap();
        file.flush().unwrap();
        file.write_all(b"lf\nsecond\n").unwrap();
        assert!(output.wait_for("second", Duration::from_secs(10)).await);
        assert_eq!(output.tail(9), ["half", "second"]);
        fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn input_is_read_to_its_end() {
        let output = in_background(&b"one\ntwo\n"[..], false);
        assert!(output.wait_for("two", Duration::from_secs(10)).await);
        assert!(follow(Path::new("/nonexistent/log")).is_err());
    }
}
