//! Builds the book. Writes the sources for mdBook from the lessons, the exercises, the docs and the
//! code that they link to. Paths in the book are paths in the repository.

mod assemble;
pub mod command;
mod convert;
mod generated;
mod mdbook;
mod siblings;
mod site;
mod summary;
