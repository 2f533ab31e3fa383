//! Makes the book: out of the lessons, the exercises, the docs and the code that they lead to, a
//! source tree for mdBook. Paths in the repository stay paths in the book, so a link that works
//! there works here.

mod assemble;
mod claims;
mod code;
pub mod command;
mod exercises;
mod links;
mod markdown;
mod mdbook;
mod repo;
mod siblings;
mod summary;
#[cfg(test)]
mod tests;
mod tree;

use assemble::assemble;
