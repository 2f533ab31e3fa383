//! Definitions that many modules use: the list of siblings, and functions for output, counts and
//! regular expressions.

use std::fmt::Display;
use std::io::{self, Write};

use regex::Regex;

/// The name and the folder of each sibling, in the order in which pages show the siblings.
pub const SIBLINGS: [(&str, &str); 4] = [
    ("std", "crates/serve-std"),
    ("tokio", "crates/serve-tokio"),
    ("async-std", "crates/serve-async-std"),
    ("smol", "crates/serve-smol"),
];

/// Prints a line to standard output. Ignores errors, for example if the pipe is closed.
pub fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line to standard error. Ignores errors.
pub fn report(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Compiles a regular expression that is part of this program.
pub fn pattern(expression: &str) -> Regex {
    Regex::new(expression).expect("the regular expressions of this program are valid")
}

/// Returns a number and a noun, for example `1 page` or `2 pages`.
pub fn counted(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}
