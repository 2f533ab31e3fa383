//! Elsewhere than on Linux nothing is run.

use std::path::Path;
use std::time::Duration;

use crate::markers::Error;

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Both outputs, as they came.
    pub output: Vec<u8>,
}

/// There is none.
#[derive(Debug)]
pub enum Stage {}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "as on Linux, where it is told")]
impl Stage {
    pub fn root(&self) -> &Path {
        match *self {}
    }

    pub fn run(&mut self, _: &str, _: Duration) -> Result<Ran, Error> {
        match *self {}
    }

    pub fn serve(&mut self, _: &str, _: &mut dyn FnMut(&str)) -> Result<Vec<u8>, Error> {
        match *self {}
    }

    pub fn log(&mut self) -> Result<Vec<u8>, Error> {
        match *self {}
    }

    pub fn stop(&mut self) -> Result<(), Error> {
        match *self {}
    }

    pub fn clear(&mut self) {
        match *self {}
    }
}

/// What it said last, to be put behind what went wrong.
#[must_use]
pub fn last_words(_output: &[u8]) -> String {
    String::new()
}
