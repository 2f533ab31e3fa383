//! The servers that take part in the race and in the footprint, each as a process of its own.

mod participant;
mod process;

use std::env;
use std::process::ExitCode;

use serve_core::Approach;

use crate::suite::BASELINE_SENDFILE;

pub use participant::{Kind, Participant, Settings};
pub use process::{Launcher, Served, Server};

/// Runs a sibling or the baseline if the process was started as one, and returns its exit code.
pub fn main_of_server() -> Option<ExitCode> {
    let baseline = Approach { name: participant::BASELINE, ..BASELINE_SENDFILE };
    let is_baseline = env::args_os().nth(1)? == *format!("serve-{}", baseline.name);
    is_baseline
        .then(|| serve_core::main_with_args(&baseline, env::args_os().skip(1)))
        .or_else(approaches::main_of_server)
}
