//! Builds the book. This module writes the sources for mdBook. The sources consist of the lessons,
//! the exercises, the docs, and the files that these pages link to.

mod assemble;
pub mod command;
mod convert;
mod generated;
mod mdbook;
mod player;
mod rows;
mod siblings;
mod site;
mod summary;
