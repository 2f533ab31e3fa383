//! Makes the book: out of the lessons, the exercises, the docs and the code that they lead to, a
//! source tree for mdBook. Paths in the repository stay paths in the book, so a link that works
//! there works here.

mod anchors;
mod assemble;
mod code;
mod exercises;
mod links;
mod markdown;
pub mod mdbook;
mod paths;
mod repo;
mod siblings;
mod summary;
pub mod tree;

use std::fmt::{self, Display};

pub use assemble::assemble;

/// What is wrong with a page, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The file's path, from the repository's root.
    pub file: String,
    /// The line in it, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; mend: {}", self.file, self.line, self.what, self.mend)
    }
}
