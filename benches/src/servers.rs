//! The servers that the race and the footprint measure. Each server is a separate process.

mod participant;
mod process;

use std::env;
use std::process::ExitCode;

use serve_core::Approach;

use crate::suite::BASELINE_SENDFILE;

pub use participant::{Kind, Participant, Settings};
pub use process::{Launcher, ServedFile, Server};

/// Runs a sibling or the baseline if the first argument of this process is the name of a server,
/// such as `serve-tokio`. Returns the exit code of the server. Returns `None` if the argument is
/// not the name of a server.
pub fn main_of_server() -> Option<ExitCode> {
    let baseline = Approach { name: participant::BASELINE, ..BASELINE_SENDFILE };
    let is_baseline = env::args_os().nth(1)? == *format!("serve-{}", baseline.name);
    is_baseline
        .then(|| serve_core::main_with_args(&baseline, env::args_os().skip(1)))
        .or_else(approaches::main_of_server)
}
