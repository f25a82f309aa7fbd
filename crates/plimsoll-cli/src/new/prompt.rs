//! Asks for the name of the service, on a terminal only: a script gets an error in its place.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::{NewError, name::Name};

/// Asks once. The next run is the second attempt.
pub(super) fn name() -> Result<Name, NewError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(NewError::Nameless);
    }
    let mut line = String::new();
    io::stderr()
        .write_all(b"name of the service: ")
        .and_then(|()| io::stdin().lock().read_line(&mut line))
        .map_err(NewError::Prompt)?;
    match line.trim() {
        "" => Err(NewError::Nameless),
        text => Ok(Name::parse(text)?),
    }
}
