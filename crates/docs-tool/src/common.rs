//! Definitions that most modules use: the siblings, the output of this program, counts, regular
//! expressions.

use std::fmt::Display;
use std::io::{self, Write};

use regex::Regex;

/// The siblings, in the order in which they are shown, each with its folder.
pub const SIBLINGS: [(&str, &str); 4] = [
    ("std", "crates/serve-std"),
    ("tokio", "crates/serve-tokio"),
    ("async-std", "crates/serve-async-std"),
    ("smol", "crates/serve-smol"),
];

/// Prints a line on standard output. Ignores the error if the pipe is closed.
pub fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line on standard error.
pub fn report(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Compiles a regular expression that is part of this program.
pub fn pattern(expression: &str) -> Regex {
    Regex::new(expression).expect("the expressions of this program are well-formed")
}

/// Returns a number and a noun, in the plural if necessary.
pub fn counted(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}
