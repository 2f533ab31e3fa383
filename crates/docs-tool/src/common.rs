//! Definitions that many modules use: the list of siblings, and functions for output, counts and
//! regular expressions.

use std::fmt::Display;
use std::io::{self, Write};

use regex::Regex;

/// The name and the source files of each sibling, in the order in which pages show the siblings.
pub const SIBLINGS: [(&str, &[&str]); 5] = [
    ("std", &["crates/serve-std/src/lib.rs"]),
    ("tokio", &["crates/serve-tokio/src/lib.rs"]),
    ("async-std", &["crates/serve-async-std/src/lib.rs"]),
    ("smol", &["crates/serve-smol/src/lib.rs"]),
    (
        "mio",
        &[
            "crates/serve-mio/src/lib.rs",
            "crates/serve-mio/src/event_loop.rs",
            "crates/serve-mio/src/state_machine.rs",
            "crates/serve-mio/src/timers.rs",
            "crates/serve-mio/src/pool.rs",
        ],
    ),
];

/// Returns the name and the file of each sibling whose code is in one file. These siblings have the
/// same anchors, so the lessons can quote the same part of each of them.
pub fn siblings_in_one_file() -> Vec<(&'static str, &'static str)> {
    let in_one_file = SIBLINGS.iter().filter_map(|(name, files)| match files {
        [file] => Some((*name, *file)),
        _ => None,
    });
    in_one_file.collect()
}

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
pub fn counted(count: impl Display, of: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {of}{plural}")
}
