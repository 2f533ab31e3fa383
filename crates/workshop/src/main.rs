//! `workshop`: the exercise runner.

mod cargo;
mod check;
mod cli;
mod exercise;
mod folders;
mod grade;
mod learn;
mod place;
mod progress;
mod proofs;
mod say;
mod watch;

use std::process::ExitCode;

/// Something is red.
const EXIT_RED: u8 = 1;
/// It could not run.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    let outcome = cli::run();
    // Nothing that was started may outlive us.
    conformance::kill_all();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_RED),
        Err(message) => {
            say::error(&format!("workshop: {message}"));
            ExitCode::from(EXIT_UNABLE)
        }
    }
}
