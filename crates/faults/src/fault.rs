//! A fault, and how a sibling handled it.

use std::io;

use serve_core::Approach;

/// A failure of the machine. The suite runs every sibling while the machine fails in this way.
pub struct Fault {
    /// The name on the command line and in the table.
    pub id: &'static str,
    /// What fails, and what a server must do meanwhile.
    pub title: &'static str,
    /// Indicates whether only one server may run at a time, because the fault measures times or
    /// needs much memory.
    pub is_alone: bool,
    /// Starts a sibling, causes the fault, and returns what the suite measured.
    pub run: fn(&'static Approach) -> Result,
}

/// The measured value of a sibling that handled the fault.
pub type Result<T = String> = std::result::Result<T, Stop>;

/// The reason why a fault ended early.
#[derive(Debug)]
pub enum Stop {
    /// The sibling did not handle the fault. Contains the measured value.
    Fail(String),
    /// This machine cannot cause the fault. Contains the reason.
    Skip(String),
}

/// An error of a system call or of a client's connection counts as a failure, and never as a pass.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Fail(error.to_string())
    }
}

/// Returns the failure of a sibling with its measured value.
pub fn fail<T>(measured: impl Into<String>) -> Result<T> {
    Err(Stop::Fail(measured.into()))
}

/// Returns the reason why this machine cannot cause a fault.
pub fn skip<T>(reason: impl Into<String>) -> Result<T> {
    Err(Stop::Skip(reason.into()))
}
