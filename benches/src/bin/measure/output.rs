//! Prints to stdout and stderr. Ignores the errors that occur if stdout or stderr is closed.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints text to stdout immediately.
pub fn print(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints a line to stderr.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
