//! Defines the errors in pages. Each error has a file, a line, a description and a help text.

use std::fmt;

/// An error in a line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageError {
    /// The path from the root of the repository to the file, with `/` between its parts.
    pub file: String,
    /// The number of the line, counted from 1.
    pub line: usize,
    /// The description of the error.
    pub what: String,
    /// An instruction for the author of the page.
    pub help: String,
}

impl PageError {
    pub fn new(
        file: impl Into<String>,
        line: usize,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), line, what: what.into(), help: help.into() }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, what, help } = self;
        write!(f, "{file}:{line}: {what}; help: {help}")
    }
}

/// Returns the known word that is most similar to an unknown word, or `None` if no known word is
/// similar.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    similar::get_close_matches(word, &known, 1, 0.6).first().copied()
}
