//! Lines of services that the console has not started: a file that grows, or standard input.
//!
//! A file is read from its beginning and then followed, also when it is replaced or truncated.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;

use super::{
    reader::{self, Sink},
    service::Service,
};
use crate::store::{Run, Stream};

/// The time between two reads at the end of a file. The standard library has no event for its growth.
const POLL: Duration = Duration::from_millis(100);

/// A source of lines.
#[derive(Debug)]
pub(crate) enum Source {
    Input,
    File(Follow),
}

/// A file that is followed.
#[derive(Debug)]
pub(crate) struct Follow {
    path: PathBuf,
    file: File,
    position: u64,
}

impl Source {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Input);
        }
        Ok(Self::File(Follow {
            path: path.to_owned(),
            file: File::open(path)?,
            position: 0,
        }))
    }

    /// Starts to read lines into the store.
    pub(super) fn start(self, service: &Arc<Service>, sink: &Sink) -> io::Result<()> {
        let began = SystemTime::now();
        let number = sink.store.begin_run(service.id(), Run { pid: None, began });
        service.begin(number, None, began);
        let (end, _) = mpsc::channel(1);
        match self {
            Self::Input => reader::start(io::stdin(), Stream::File, service, sink.clone(), end),
            Self::File(file) => reader::start(file, Stream::File, service, sink.clone(), end),
        }
    }
}

impl Follow {
    /// Continues with the beginning of the file if it was truncated or replaced. Returns whether it was.
    fn renew(&mut self) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.position {
            self.file.rewind()?;
            self.position = 0;
            return Ok(true);
        }
        // Between the removal of the old file and the new one, the path has none.
        let Ok(file) = File::open(&self.path) else {
            return Ok(false);
        };
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        if identity(file.metadata()?) == identity(self.file.metadata()?) {
            return Ok(false);
        }
        self.file = file;
        self.position = 0;
        Ok(true)
    }
}

impl Read for Follow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.file.read(buffer)?;
            self.position += count as u64;
            if count > 0 {
                return Ok(count);
            }
            if !self.renew()? {
                thread::sleep(POLL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        io::Write as _,
    };

    use super::*;

    #[test]
    fn file_is_followed_when_it_grows_shrinks_or_is_replaced() {
        let name = format!("plimsoll-follow-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, "one\n").unwrap();
        let Ok(Source::File(mut follow)) = Source::open(&path) else {
            panic!("it is a file");
        };
        let mut read = || {
            let mut buffer = [0; 64];
            let count = follow.read(&mut buffer).unwrap();
            String::from_utf8(buffer[..count].to_vec()).unwrap()
        };
        assert_eq!(read(), "one\n");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"two, which is longer\n").unwrap();
        assert_eq!(read(), "two, which is longer\n");
        fs::write(&path, "three\n").unwrap();
        assert_eq!(read(), "three\n");
        let other = path.with_extension("new");
        fs::write(&other, "four\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(read(), "four\n");
        fs::remove_file(&path).unwrap();
        assert!(Source::open(&path).is_err());
    }
}
